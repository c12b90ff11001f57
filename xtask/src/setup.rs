//! Installs what the tests need, each from its own package, and nothing that is there already.

use anyhow::bail;

use crate::process::{self, cargo, command, root, succeeds, tools};

/// Version of cargo-deny that `deny.toml` is written for.
const CARGO_DENY_VERSION: &str = "0.20.2";

/// Version of NVRTC, the compiler of the GPU probe's kernels. The last of CUDA 12: 13 dropped `sm_70`.
pub(crate) const NVRTC_VERSION: &str = "12.9.86";

/// Version of ptxas, their assembler.
pub(crate) const NVCC_VERSION: &str = "12.9.86";

/// Version of nvdisasm, which shows their machine code. It has a package of its own from 13 on.
const NVDISASM_VERSION: &str = "13.5.37";

/// Pinned Python packages: the official io.net client, an S3-compatible server, the tester of the
/// API's document, and NVIDIA's compiler (90 MB to download), assembler (41 MB) and disassembler
/// (5 MB).
fn wanted_python_packages() -> Vec<String> {
    vec![
        "ionet-cloud==0.4.1".to_owned(),
        "moto[server]==5.2.5".to_owned(),
        "schemathesis==4.32.5".to_owned(),
        format!("nvidia-cuda-nvrtc-cu12=={NVRTC_VERSION}"),
        format!("nvidia-cuda-nvcc-cu12=={NVCC_VERSION}"),
        format!("nvidia-cuda-nvdisasm=={NVDISASM_VERSION}"),
    ]
}

/// Does the whole set-up; safe to repeat.
pub(crate) fn run() -> anyhow::Result<()> {
    system_packages()?;
    python_packages()?;
    cargo_deny()?;
    println!("setup: everything that the tests need is here");
    Ok(())
}

/// Debian packages and the line of shell that shows that each is there.
const SYSTEM_PACKAGES: &[(&str, &str)] = &[
    ("openssh-server", "test -x /usr/sbin/sshd"),
    ("curl", "command -v curl"),
    ("wget", "command -v wget"),
    ("busybox", "command -v busybox"),
    ("git", "command -v git"),
    ("python3-venv", "python3 -c 'import venv, ensurepip'"),
];

fn system_packages() -> anyhow::Result<()> {
    let missing: Vec<&str> = SYSTEM_PACKAGES
        .iter()
        .filter(|(_, shows)| !succeeds(command("sh", &["-c", shows])))
        .map(|(package, _)| *package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let install = format!(
        "apt-get install --yes --no-install-recommends {}",
        missing.join(" ")
    );
    println!("setup: {install} (needs root)");
    let root_shell = |line: &str| {
        if succeeds(command("sh", &["-c", "test \"$(id -u)\" = 0"])) {
            command("sh", &["-c", line])
        } else {
            command("sudo", &["-n", "sh", "-c", line])
        }
    };
    let line =
        format!("export DEBIAN_FRONTEND=noninteractive; apt-get update -qq && {install} -qq");
    if process::run(root_shell(&line)).is_err() {
        bail!(
            "could not install {}: run `sudo {install}` yourself",
            missing.join(", ")
        );
    }
    Ok(())
}

/// Makes `.tools/venv` with the Python packages, unless they are there.
pub(crate) fn python_packages() -> anyhow::Result<()> {
    let stamp = tools().join("venv/tandem-packages.txt");
    let packages = wanted_python_packages();
    let wanted = packages.join("\n");
    if std::fs::read_to_string(&stamp).is_ok_and(|have| have == wanted) {
        return Ok(());
    }
    println!(
        "setup: Python packages {} in .tools/venv",
        packages.join(", ")
    );
    let venv = tools().join("venv");
    if !venv.join("bin/pip").exists() {
        std::fs::create_dir_all(tools())?;
        let mut create = command("python3", &["-m", "venv"]);
        create.arg(&venv);
        process::run(create)?;
    }
    let mut pip = command(venv.join("bin/pip"), &["install", "--quiet"]);
    pip.args(packages);
    process::run(pip)?;
    std::fs::write(stamp, wanted)?;
    Ok(())
}

fn cargo_deny() -> anyhow::Result<()> {
    let wanted = |mut deny: std::process::Command| {
        deny.output().is_ok_and(|output| {
            output.status.success()
                && String::from_utf8_lossy(&output.stdout).contains(CARGO_DENY_VERSION)
        })
    };
    let own = command(local_deny(), &["--version"]);
    if wanted(own) || !local_deny().exists() && wanted(cargo(&["deny", "--version"])) {
        return Ok(());
    }
    println!("setup: cargo-deny {CARGO_DENY_VERSION} in .tools/bin (a few minutes, once)");
    let mut install = cargo(&[
        "install",
        "cargo-deny",
        "--locked",
        "--force",
        "--version",
        CARGO_DENY_VERSION,
        "--root",
    ]);
    install
        .arg(tools())
        .env("CARGO_TARGET_DIR", root().join("target/cargo-deny"));
    process::run(install)
}

/// Where set-up puts cargo-deny when it is not installed.
pub(crate) fn local_deny() -> std::path::PathBuf {
    tools().join("bin/cargo-deny")
}
