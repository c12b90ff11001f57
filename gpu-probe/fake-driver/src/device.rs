//! Start, devices and contexts.

use std::ffi::{c_char, c_int, c_uint};
use std::time::Duration;

use crate::code::{INVALID_DEVICE, NO_DEVICE, SUCCESS};
use crate::spec::CardSpec;
use crate::state::{set_current, state};

/// How long the end of a process, or of the library in it, waits for a kernel that hangs. The real
/// driver waits for ever.
const END_WAIT: Duration = Duration::from_secs(90);

unsafe extern "C" {
    /// Registers a function for the end of the process, or of this library in it.
    safe fn atexit(at_end: extern "C" fn()) -> c_int;
}

extern "C" fn at_end() {
    let hangs = state().hangs;
    if hangs {
        #[expect(clippy::disallowed_methods, reason = "a driver blocks")]
        std::thread::sleep(END_WAIT);
    }
}

#[unsafe(no_mangle)]
extern "C" fn cuInit(_flags: c_uint) -> c_int {
    let mut state = state();
    if !std::mem::replace(&mut state.has_end, true) {
        atexit(at_end);
    }
    if let Err(code) = state.start() {
        return code;
    }
    if state.cards.is_empty() {
        NO_DEVICE
    } else {
        SUCCESS
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuDriverGetVersion(version: *mut c_int) -> c_int {
    let said = state().spec.as_ref().map_or(0, |spec| spec.driver_version);
    // SAFETY: the caller passes a pointer to a live integer; so in every function below.
    unsafe { version.write(said) };
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuDeviceGetCount(count: *mut c_int) -> c_int {
    // SAFETY: see `cuDriverGetVersion`.
    unsafe { count.write(state().cards.len() as c_int) };
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuDeviceGet(device: *mut c_int, ordinal: c_int) -> c_int {
    of_card(ordinal, |_| {
        // SAFETY: see `cuDriverGetVersion`.
        unsafe { device.write(ordinal) };
    })
}

fn of_card(device: c_int, work: impl FnOnce(&CardSpec)) -> c_int {
    let state = state();
    let card = usize::try_from(device)
        .ok()
        .and_then(|i| state.cards.get(i));
    match card {
        Some(card) => {
            work(&card.spec);
            SUCCESS
        }
        None => INVALID_DEVICE,
    }
}

/// Writes as much of a text as there is room for, with a zero byte.
pub(crate) unsafe fn write_text(text: &str, to: *mut c_char, room: c_int) {
    let room = usize::try_from(room).unwrap_or(0);
    let bytes = text.bytes().take(room.saturating_sub(1)).chain([0]);
    for (index, byte) in bytes.enumerate() {
        // SAFETY: the caller passes `room` writable bytes.
        unsafe { to.add(index).write(byte as c_char) };
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuDeviceGetName(name: *mut c_char, room: c_int, device: c_int) -> c_int {
    // SAFETY: the caller passes `room` writable bytes.
    of_card(device, |card| unsafe { write_text(&card.name, name, room) })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuDeviceGetPCIBusId(id: *mut c_char, room: c_int, device: c_int) -> c_int {
    // SAFETY: the caller passes `room` writable bytes.
    of_card(device, |card| unsafe {
        write_text(&card.pci_bus_id, id, room)
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuDeviceGetUuid_v2(uuid: *mut [u8; 16], device: c_int) -> c_int {
    // SAFETY: see `cuDriverGetVersion`.
    of_card(device, |card| unsafe { uuid.write(card.uuid) })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuDeviceTotalMem_v2(bytes: *mut usize, device: c_int) -> c_int {
    // SAFETY: see `cuDriverGetVersion`.
    of_card(device, |card| unsafe {
        bytes.write(card.total_bytes as usize)
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuDeviceGetAttribute(value: *mut c_int, name: c_int, device: c_int) -> c_int {
    of_card(device, |card| {
        let answer = match name {
            1 => 1_024,
            13 => card.sm_clock_khz,
            16 => card.sm_count as c_int,
            36 => card.memory_clock_khz,
            37 => card.memory_bus_bits,
            38 => card.l2_bytes as c_int,
            39 => 1_536,
            75 => card.compute_capability[0],
            76 => card.compute_capability[1],
            97 => 99 << 10,
            _ => 0,
        };
        // SAFETY: see `cuDriverGetVersion`.
        unsafe { value.write(answer) };
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuDeviceCanAccessPeer(can: *mut c_int, device: c_int, _peer: c_int) -> c_int {
    // SAFETY: see `cuDriverGetVersion`.
    of_card(device, |_| unsafe { can.write(0) })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuDevicePrimaryCtxRetain(context: *mut usize, device: c_int) -> c_int {
    // SAFETY: see `cuDriverGetVersion`.
    of_card(device, |_| unsafe { context.write(device as usize + 1) })
}

#[unsafe(no_mangle)]
extern "C" fn cuDevicePrimaryCtxRelease_v2(device: c_int) -> c_int {
    of_card(device, |_| ())
}

#[unsafe(no_mangle)]
extern "C" fn cuCtxSetCurrent(context: usize) -> c_int {
    set_current(context);
    SUCCESS
}

#[unsafe(no_mangle)]
extern "C" fn cuCtxEnablePeerAccess(_context: usize, _flags: c_uint) -> c_int {
    SUCCESS
}
