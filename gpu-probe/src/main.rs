//! The program `gpu-probe`; everything lives in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    gpu_probe::cli::main()
}
