//! The end of a process that leaves work behind in the driver.
//!
//! An ordinary end runs what the driver registered for it, which waits for its work: a kernel that
//! hangs would keep the process, and with it the card.

use std::ffi::c_int;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether a driver of this process was abandoned.
static WORK_LEFT: AtomicBool = AtomicBool::new(false);

#[expect(unsafe_code, reason = "a function of the C library")]
unsafe extern "C" {
    /// Ends the process at once, without what was registered for its end.
    safe fn _exit(code: c_int) -> !;
}

/// Notes that the driver may have work that does not end.
pub fn with_work_left() {
    WORK_LEFT.store(true, Ordering::Release);
}

/// Ends the process at once where work was left behind; else the caller ends it as usual.
pub fn leave_if_work_left(code: u8) {
    if WORK_LEFT.load(Ordering::Acquire) {
        // A closed pipe is the reader's choice.
        let _ = std::io::stdout().flush();
        _exit(code.into());
    }
}
