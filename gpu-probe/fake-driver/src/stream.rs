//! Streams and events. Work is done when it is queued, unless the specification has it hang.

use std::ffi::{c_int, c_uint};

use crate::code::{INVALID_VALUE, NOT_READY, SUCCESS};
use crate::state::{State, with_card};

#[unsafe(no_mangle)]
unsafe extern "C" fn cuStreamCreate(stream: *mut usize, _flags: c_uint) -> c_int {
    with_card(|state, _| {
        state.streams += 1;
        // SAFETY: the caller passes a pointer to a live handle; so in every function below.
        unsafe { stream.write(state.streams) };
        Ok(())
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuStreamDestroy_v2(_stream: usize) -> c_int {
    SUCCESS
}

#[unsafe(no_mangle)]
extern "C" fn cuStreamQuery(_stream: usize) -> c_int {
    with_card(|state, _| ready(state))
}

fn ready(state: &State) -> Result<(), c_int> {
    if state.hangs { Err(NOT_READY) } else { Ok(()) }
}

#[unsafe(no_mangle)]
extern "C" fn cuStreamWaitEvent(_stream: usize, _event: usize, _flags: c_uint) -> c_int {
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuEventCreate(event: *mut usize, _flags: c_uint) -> c_int {
    with_card(|state, _| {
        state.events.push(None);
        // SAFETY: see `cuStreamCreate`.
        unsafe { event.write(state.events.len()) };
        Ok(())
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuEventDestroy_v2(_event: usize) -> c_int {
    SUCCESS
}

#[unsafe(no_mangle)]
extern "C" fn cuEventRecord(event: usize, _stream: usize) -> c_int {
    with_card(|state, card| {
        let now = state.told_ps(card);
        let place = state.events.get_mut(event.wrapping_sub(1));
        *place.ok_or(INVALID_VALUE)? = Some((card, now));
        Ok(())
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuEventQuery(_event: usize) -> c_int {
    with_card(|state, _| ready(state))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuEventElapsedTime(ms: *mut f32, start: usize, end: usize) -> c_int {
    with_card(|state, _| {
        let at = |event: usize| state.events.get(event.wrapping_sub(1)).copied().flatten();
        let (Some((_, start)), Some((_, end))) = (at(start), at(end)) else {
            return Err(INVALID_VALUE);
        };
        // SAFETY: see `cuStreamCreate`.
        unsafe { ms.write((end.saturating_sub(start) as f64 / 1e9) as f32) };
        Ok(())
    })
}
