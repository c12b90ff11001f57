//! NVML: names, memory, clocks, power and energy of the same cards. A function that is not here is
//! missing, as it is of an old driver.

use std::ffi::{CStr, c_char, c_int, c_uint, c_ulonglong};

use crate::device::write_text;
use crate::spec::CardSpec;
use crate::state::state;

const SUCCESS: c_uint = 0;
const INVALID_ARGUMENT: c_uint = 2;
const NOT_SUPPORTED: c_uint = 3;
const NOT_FOUND: c_uint = 6;

/// `NVML_CLOCK_SM` and `NVML_CLOCK_MEM`.
const CLOCK_SM: c_uint = 1;
const CLOCK_MEMORY: c_uint = 2;
/// `NVML_FI_DEV_MEMORY_TEMP` and `NVML_FI_DEV_RETIRED_DBE`.
const MEMORY_TEMPERATURE: c_uint = 82;
const RETIRED_DOUBLE_BIT: c_uint = 30;
/// `NVML_VALUE_TYPE_UNSIGNED_INT`.
const UNSIGNED: c_uint = 1;
/// `NVML_STRUCT_VERSION(Memory, 2)`.
const MEMORY_VERSION: c_uint = size_of::<Memory>() as c_uint | 2 << 24;
/// The version that it says of itself.
const DRIVER_VERSION: &str = "550.54.15";

/// `nvmlMemory_v2_t`.
#[repr(C)]
struct Memory {
    version: c_uint,
    total: c_ulonglong,
    reserved: c_ulonglong,
    free: c_ulonglong,
    used: c_ulonglong,
}

/// `nvmlFieldValue_t`, whose value is read as a number.
#[repr(C)]
struct FieldValue {
    field: c_uint,
    scope: c_uint,
    timestamp_us: i64,
    latency_us: i64,
    value_type: c_uint,
    outcome: c_uint,
    value: c_ulonglong,
}

#[unsafe(no_mangle)]
extern "C" fn nvmlInit_v2() -> c_uint {
    state().start().err().map_or(SUCCESS, |_| INVALID_ARGUMENT)
}

#[unsafe(no_mangle)]
extern "C" fn nvmlShutdown() -> c_uint {
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlSystemGetDriverVersion(text: *mut c_char, room: c_uint) -> c_uint {
    // SAFETY: the caller passes `room` writable bytes; so in every function below, and pointers to
    // live values.
    unsafe { write_text(DRIVER_VERSION, text, room as c_int) };
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetHandleByUUID(text: *const c_char, device: *mut usize) -> c_uint {
    // SAFETY: the caller passes a zero-terminated text.
    let text = unsafe { CStr::from_ptr(text) }.to_string_lossy();
    let digits = |text: &str| -> String { text.chars().filter(|c| *c != '-').collect() };
    let wanted = digits(text.trim_start_matches("GPU-"));
    let state = state();
    let hex =
        |card: &CardSpec| -> String { card.uuid.iter().map(|b| format!("{b:02x}")).collect() };
    let found = state
        .cards
        .iter()
        .position(|card| hex(&card.spec) == wanted);
    match found {
        Some(at) => {
            // SAFETY: see `nvmlSystemGetDriverVersion`.
            unsafe { device.write(at + 1) };
            SUCCESS
        }
        None => NOT_FOUND,
    }
}

/// Answers of the card with this handle.
fn of_device(device: usize, answer: impl FnOnce(&CardSpec) -> c_uint) -> c_uint {
    let state = state();
    let card = state.cards.get(device.wrapping_sub(1));
    card.map_or(INVALID_ARGUMENT, |card| answer(&card.spec))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetName(device: usize, text: *mut c_char, room: c_uint) -> c_uint {
    of_device(device, |card| {
        let name = card.nvml_name.as_ref().unwrap_or(&card.name);
        // SAFETY: see `nvmlSystemGetDriverVersion`.
        unsafe { write_text(name, text, room as c_int) };
        SUCCESS
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetMemoryInfo_v2(device: usize, memory: *mut Memory) -> c_uint {
    of_device(device, |card| {
        let said = Memory {
            version: MEMORY_VERSION,
            reserved: 0,
            total: card.total_bytes,
            free: card.free_bytes,
            used: card.total_bytes.saturating_sub(card.free_bytes),
        };
        // SAFETY: see `nvmlSystemGetDriverVersion`.
        unsafe { memory.write(said) };
        SUCCESS
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetClockInfo(
    device: usize,
    clock: c_uint,
    mhz: *mut c_uint,
) -> c_uint {
    of_device(device, |card| {
        let khz = match clock {
            CLOCK_SM => card.sm_clock_khz,
            CLOCK_MEMORY => card.memory_clock_khz,
            _ => return NOT_SUPPORTED,
        };
        // SAFETY: see `nvmlSystemGetDriverVersion`.
        unsafe { mhz.write(c_uint::try_from(khz / 1_000).unwrap_or(0)) };
        SUCCESS
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetPowerUsage(device: usize, mw: *mut c_uint) -> c_uint {
    of_device(device, |card| {
        // SAFETY: see `nvmlSystemGetDriverVersion`.
        unsafe { mw.write(card.power_mw) };
        SUCCESS
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetTotalEnergyConsumption(
    device: usize,
    mj: *mut c_ulonglong,
) -> c_uint {
    let state = state();
    let Some(card) = state.cards.get(device.wrapping_sub(1)) else {
        return INVALID_ARGUMENT;
    };
    let ps = u128::from(state.chips_ps[card.spec.chip]);
    let spent = ps * u128::from(card.spec.power_mw) / 1_000_000_000_000;
    // SAFETY: see `nvmlSystemGetDriverVersion`.
    unsafe { mj.write(spent as c_ulonglong) };
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetFieldValues(
    device: usize,
    count: c_int,
    values: *mut FieldValue,
) -> c_uint {
    of_device(device, |_| {
        for at in 0..usize::try_from(count).unwrap_or(0) {
            // SAFETY: the caller passes `count` values.
            let value = unsafe { &mut *values.add(at) };
            value.value_type = UNSIGNED;
            value.outcome = SUCCESS;
            match value.field {
                MEMORY_TEMPERATURE => value.value = 78,
                RETIRED_DOUBLE_BIT => value.value = 3,
                _ => value.outcome = NOT_SUPPORTED,
            }
        }
        SUCCESS
    })
}
