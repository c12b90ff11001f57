//! Graphs: launches of kernels without parameters, captured and replayed.

use std::ffi::{c_int, c_uint, c_ulonglong};

use crate::code::{INVALID_VALUE, SUCCESS};
use crate::module::queue;
use crate::state::with_card;

#[unsafe(no_mangle)]
extern "C" fn cuStreamBeginCapture_v2(_stream: usize, _mode: c_uint) -> c_int {
    with_card(|state, _| match state.capture {
        Some(_) => Err(INVALID_VALUE),
        None => {
            state.capture = Some(Vec::new());
            Ok(())
        }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuStreamEndCapture(_stream: usize, graph: *mut usize) -> c_int {
    with_card(|state, _| {
        let captured = state.capture.take().ok_or(INVALID_VALUE)?;
        state.graphs.push(captured);
        // SAFETY: the caller passes a pointer to a live handle.
        unsafe { graph.write(state.graphs.len()) };
        Ok(())
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuGraphDestroy(_graph: usize) -> c_int {
    SUCCESS
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuGraphInstantiateWithFlags(
    ready: *mut usize,
    graph: usize,
    _flags: c_ulonglong,
) -> c_int {
    with_card(|state, _| {
        let captured = state.graphs.get(graph.wrapping_sub(1));
        let captured = captured.ok_or(INVALID_VALUE)?.clone();
        state.graphs.push(captured);
        // SAFETY: the caller passes a pointer to a live handle.
        unsafe { ready.write(state.graphs.len()) };
        Ok(())
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuGraphLaunch(ready: usize, _stream: usize) -> c_int {
    with_card(|state, card| {
        let captured = state.graphs.get(ready.wrapping_sub(1));
        let captured = captured.ok_or(INVALID_VALUE)?.clone();
        for launch in &captured {
            // SAFETY: no parameters are read of a null list.
            unsafe { queue(state, card, launch, std::ptr::null())? };
        }
        Ok(())
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuGraphExecDestroy(_ready: usize) -> c_int {
    SUCCESS
}
