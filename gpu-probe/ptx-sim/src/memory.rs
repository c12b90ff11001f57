//! Device memory: allocations with addresses like a GPU's, every access checked against them.

use crate::fault::FaultKind;

/// The first address that is handed out.
const FIRST_ADDRESS: u64 = 0x3_0200_0000;
/// Addresses end here; the windows of the other spaces lie behind.
const ADDRESSES_END: u64 = 0x7000_0000_0000;
/// Every allocation starts at a multiple of this, as the driver's do.
const ALIGN: u64 = 512;
/// Unused addresses behind each allocation, so that an overrun meets no other one.
const GUARD_BYTES: u64 = 64 << 10;

/// Where generic addresses of shared, local and parameter memory begin.
pub(crate) const SHARED_WINDOW: u64 = 0x7100_0000_0000;
pub(crate) const LOCAL_WINDOW: u64 = 0x7200_0000_0000;
pub(crate) const PARAM_WINDOW: u64 = 0x7300_0000_0000;
/// Bytes of each window.
pub(crate) const WINDOW_BYTES: u64 = 1 << 32;

#[derive(Debug)]
struct Allocation {
    start: u64,
    bytes: Vec<u8>,
}

/// Allocations in the order of their addresses. An address is never handed out twice.
#[derive(Debug)]
pub(crate) struct Memory {
    allocations: Vec<Allocation>,
    next: u64,
    used: u64,
    limit: u64,
    /// Where the last access was: most accesses follow one at the same place.
    last: usize,
}

impl Memory {
    pub(crate) fn new(limit: u64) -> Self {
        Self {
            allocations: Vec::new(),
            next: FIRST_ADDRESS,
            used: 0,
            limit,
            last: 0,
        }
    }

    pub(crate) fn free_bytes(&self) -> u64 {
        self.limit - self.used
    }

    pub(crate) fn allocate(&mut self, bytes: u64) -> Result<u64, FaultKind> {
        let free = self.free_bytes();
        if bytes == 0 || bytes > free {
            return Err(FaultKind::OutOfMemory { bytes, free });
        }
        let start = self.next;
        let end = start + bytes.next_multiple_of(ALIGN) + GUARD_BYTES;
        if end > ADDRESSES_END {
            return Err(FaultKind::Addresses);
        }
        self.next = end;
        self.used += bytes;
        self.allocations.push(Allocation {
            start,
            bytes: vec![0; bytes as usize],
        });
        Ok(start)
    }

    pub(crate) fn release(&mut self, start: u64) -> Result<(), FaultKind> {
        let at = self
            .allocations
            .binary_search_by_key(&start, |a| a.start)
            .map_err(|_| FaultKind::NotAllocated(start))?;
        self.used -= self.allocations[at].bytes.len() as u64;
        self.allocations.remove(at);
        self.last = 0;
        Ok(())
    }

    /// The `bytes` bytes at `address`.
    pub(crate) fn slice(&mut self, address: u64, bytes: u64) -> Result<&mut [u8], FaultKind> {
        let out = FaultKind::OutOfBounds {
            space: "global",
            address,
            bytes,
        };
        let near = self
            .allocations
            .get(self.last)
            .is_some_and(|a| address >= a.start && address - a.start < a.bytes.len() as u64);
        if !near {
            let behind = self.allocations.partition_point(|a| a.start <= address);
            self.last = behind.checked_sub(1).ok_or_else(|| out.clone())?;
        }
        let allocation = self
            .allocations
            .get_mut(self.last)
            .ok_or_else(|| out.clone())?;
        range(&mut allocation.bytes, address - allocation.start, bytes).ok_or(out)
    }
}

/// The `bytes` bytes from `offset`, if they are there.
pub(crate) fn range(memory: &mut [u8], offset: u64, bytes: u64) -> Option<&mut [u8]> {
    let start = usize::try_from(offset).ok()?;
    let end = start.checked_add(usize::try_from(bytes).ok()?)?;
    memory.get_mut(start..end)
}

/// A little-endian value of up to 8 bytes.
pub(crate) fn get(bytes: &[u8]) -> u64 {
    match *bytes {
        [a] => u64::from(a),
        [a, b] => u64::from(u16::from_le_bytes([a, b])),
        [a, b, c, d] => u64::from(u32::from_le_bytes([a, b, c, d])),
        [a, b, c, d, e, f, g, h] => u64::from_le_bytes([a, b, c, d, e, f, g, h]),
        _ => 0,
    }
}

/// Writes the low bytes of `value`.
pub(crate) fn put(bytes: &mut [u8], value: u64) {
    let length = bytes.len();
    bytes.copy_from_slice(&value.to_le_bytes()[..length]);
}
