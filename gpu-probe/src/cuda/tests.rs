//! The loader on a machine with no driver and with libraries that are none.

use std::ffi::OsStr;

use tandem_model::error::ErrorCode;

use super::{CudaError, DeviceUuid, Driver, DriverVersion};

#[test]
fn a_machine_without_a_driver_is_told_so_with_the_library_that_was_missed() {
    let error = Driver::load_from(OsStr::new("libcuda-of-no-machine.so.1")).expect_err("missing");
    assert_eq!(error.code(), ErrorCode::PROBE_DRIVER_MISSING);
    assert!(error.to_string().contains("libcuda-of-no-machine.so.1"));
    assert!(!error.is_sticky());
}

#[test]
fn a_library_that_is_no_driver_is_refused_by_the_function_it_lacks() {
    let error = Driver::load_from(OsStr::new("libc.so.6")).expect_err("no driver");
    assert_eq!(error.code(), ErrorCode::PROBE_DRIVER_INCOMPLETE);
    assert!(error.to_string().contains("cuInit"), "{error}");
}

#[test]
fn versions_and_uuids_are_written_as_everyone_else_writes_them() {
    assert_eq!(DriverVersion(12_040).to_string(), "12.4");
    assert_eq!(DriverVersion(13_000).to_string(), "13.0");
    assert_eq!(
        DeviceUuid(*b"0123456789abcdef").to_string(),
        "GPU-30313233-3435-3637-3839-616263646566"
    );
    let old = CudaError::DriverTooOld {
        found: DriverVersion(11_040),
        needed: DriverVersion(12_000),
    };
    assert!(old.to_string().contains("11.4") && old.to_string().contains("12.0"));
}
