//! Memory of card and host, and copies. Copies take the time of the bus.

use std::alloc::Layout;
use std::collections::BTreeMap;
use std::ffi::{c_int, c_void};
use std::sync::{Mutex, PoisonError};

use crate::code::{ILLEGAL_ADDRESS, INVALID_VALUE, OUT_OF_MEMORY, SUCCESS};
use crate::state::{State, with_card};

/// Sizes of the host's page-locked areas by address.
static PINNED: Mutex<BTreeMap<usize, Layout>> = Mutex::new(BTreeMap::new());

#[unsafe(no_mangle)]
unsafe extern "C" fn cuMemGetInfo_v2(free: *mut usize, total: *mut usize) -> c_int {
    with_card(|state, card| {
        let card = &state.cards[card];
        let left = card.spec.free_bytes.saturating_sub(card.used_bytes);
        // SAFETY: the caller passes pointers to live integers.
        unsafe {
            free.write(left as usize);
            total.write(card.spec.total_bytes as usize);
        }
        Ok(())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuMemAlloc_v2(address: *mut u64, bytes: usize) -> c_int {
    with_card(|state, card| {
        let given = allocate(state, card, bytes as u64)?;
        // SAFETY: the caller passes a pointer to a live integer.
        unsafe { address.write(given) };
        Ok(())
    })
}

fn allocate(state: &mut State, card: usize, bytes: u64) -> Result<u64, c_int> {
    let limit = state.spec.as_ref().and_then(|spec| spec.refuse_above_bytes);
    let card = &mut state.cards[card];
    let left = card.spec.free_bytes.saturating_sub(card.used_bytes);
    if bytes > left || limit.is_some_and(|limit| bytes > limit) {
        return Err(OUT_OF_MEMORY);
    }
    let beyond = card
        .spec
        .real_bytes
        .is_some_and(|real| card.used_bytes + bytes > real);
    let twin = card
        .allocated
        .iter()
        .find(|(_, sizes)| sizes.contains(&bytes));
    let address = match twin {
        Some((address, _)) if beyond => *address,
        _ => card.machine.alloc(bytes).map_err(|_| OUT_OF_MEMORY)?,
    };
    card.allocated.entry(address).or_default().push(bytes);
    card.used_bytes += bytes;
    Ok(address)
}

#[unsafe(no_mangle)]
extern "C" fn cuMemFree_v2(address: u64) -> c_int {
    with_card(|state, card| {
        let card = &mut state.cards[card];
        let sizes = card.allocated.get_mut(&address).ok_or(INVALID_VALUE)?;
        card.used_bytes -= sizes.pop().unwrap_or(0);
        if sizes.is_empty() {
            card.allocated.remove(&address);
            card.machine.free(address).map_err(|_| INVALID_VALUE)?;
        }
        Ok(())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuMemAllocHost_v2(address: *mut *mut c_void, bytes: usize) -> c_int {
    let Ok(layout) = Layout::from_size_align(bytes.max(1), 4_096) else {
        return OUT_OF_MEMORY;
    };
    // SAFETY: the layout is not of no bytes.
    let start = unsafe { std::alloc::alloc_zeroed(layout) };
    if start.is_null() {
        return OUT_OF_MEMORY;
    }
    let mut pinned = PINNED.lock().unwrap_or_else(PoisonError::into_inner);
    pinned.insert(start as usize, layout);
    // SAFETY: the caller passes a pointer to a live pointer.
    unsafe { address.write(start.cast()) };
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuMemFreeHost(address: *mut c_void) -> c_int {
    let mut pinned = PINNED.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(layout) = pinned.remove(&(address as usize)) else {
        return INVALID_VALUE;
    };
    // SAFETY: allocated by `cuMemAllocHost_v2` with this layout, and freed once.
    unsafe { std::alloc::dealloc(address.cast(), layout) };
    SUCCESS
}

/// Lets the time of a copy over the bus pass.
fn over_the_bus(state: &mut State, card: usize, bytes: usize) {
    let ps = bytes as f64 * 1e6 / state.cards[card].spec.pcie_mb_per_s;
    state.pass_ps(card, ps as u64);
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuMemcpyHtoDAsync_v2(
    to: u64,
    from: *const c_void,
    bytes: usize,
    _stream: usize,
) -> c_int {
    with_card(|state, card| {
        // SAFETY: the caller passes `bytes` readable bytes.
        let from = unsafe { std::slice::from_raw_parts(from.cast::<u8>(), bytes) };
        let machine = &mut state.cards[card].machine;
        machine.write(to, from).map_err(|_| ILLEGAL_ADDRESS)?;
        over_the_bus(state, card, bytes);
        Ok(())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuMemcpyDtoHAsync_v2(
    to: *mut c_void,
    from: u64,
    bytes: usize,
    _stream: usize,
) -> c_int {
    with_card(|state, card| {
        let machine = &mut state.cards[card].machine;
        let read = machine.read(from, bytes as u64);
        let read = read.map_err(|_| ILLEGAL_ADDRESS)?;
        // SAFETY: the caller passes `bytes` writable bytes, apart from what was read.
        unsafe { std::ptr::copy_nonoverlapping(read.as_ptr(), to.cast(), bytes) };
        over_the_bus(state, card, bytes);
        Ok(())
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuMemcpyDtoDAsync_v2(to: u64, from: u64, bytes: usize, _stream: usize) -> c_int {
    with_card(|state, card| {
        let machine = &mut state.cards[card].machine;
        let read = machine.read(from, bytes as u64);
        let read = read.map_err(|_| ILLEGAL_ADDRESS)?;
        machine.write(to, &read).map_err(|_| ILLEGAL_ADDRESS)
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuMemcpyPeerAsync(
    to: u64,
    to_context: usize,
    from: u64,
    from_context: usize,
    bytes: usize,
    _stream: usize,
) -> c_int {
    with_card(|state, card| {
        let (target, source) = (to_context.wrapping_sub(1), from_context.wrapping_sub(1));
        let cards = state.cards.len();
        if target >= cards || source >= cards {
            return Err(INVALID_VALUE);
        }
        let read = state.cards[source].machine.read(from, bytes as u64);
        let read = read.map_err(|_| ILLEGAL_ADDRESS)?;
        let machine = &mut state.cards[target].machine;
        machine.write(to, &read).map_err(|_| ILLEGAL_ADDRESS)?;
        over_the_bus(state, card, bytes);
        Ok(())
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuMemsetD8Async(address: u64, value: u8, bytes: usize, _stream: usize) -> c_int {
    with_card(|state, card| {
        let machine = &mut state.cards[card].machine;
        let all = vec![value; bytes];
        machine.write(address, &all).map_err(|_| ILLEGAL_ADDRESS)
    })
}
