//! The start scripts on machines that differ: other shells, other downloaders, tools that are missing.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tandem_model::launch::SshLaunch;

use super::tests::{container, ssh, workload};
use super::tests_shell::{AGENT, Room, err, fed, out};
use super::*;

/// What every machine has, besides a downloader.
const TOOLS: [&str; 14] = [
    "sh",
    "mkdir",
    "cut",
    "sha256sum",
    "mv",
    "rm",
    "chmod",
    "sleep",
    "setsid",
    "flock",
    "cat",
    "env",
    "mktemp",
    "touch",
];

fn found(tool: &str) -> PathBuf {
    if tool == "python3" {
        // What is found first may be a wrapper that needs more tools.
        let asked = Command::new("python3")
            .args(["-c", "import sys; print(sys.executable)"])
            .output();
        let asked = asked.expect("python3 is missing: install it");
        return String::from_utf8(asked.stdout).unwrap().trim().into();
    }
    let path = std::env::var("PATH").unwrap();
    let places = path.split(':').chain(["/usr/sbin", "/sbin"]);
    places
        .map(|place| Path::new(place).join(tool))
        .find(|p| p.exists())
        .unwrap_or_else(|| panic!("{tool} is missing: `cargo xtask setup` installs it"))
}

/// A machine on which exactly these tools are found.
struct Machine {
    room: Room,
    shell: Vec<PathBuf>,
    bin: PathBuf,
}

impl Machine {
    fn with(tools: &[&str]) -> Self {
        let room = Room::new();
        let bin = room.path("only");
        std::fs::create_dir(&bin).unwrap();
        for tool in tools {
            std::os::unix::fs::symlink(found(tool), bin.join(tool)).unwrap();
        }
        let shell = vec![found("sh")];
        Self { room, shell, bin }
    }

    fn all_busybox() -> Self {
        // Debian's build of busybox has no flock.
        let mut machine = Self::with(&["flock"]);
        let busybox = found("busybox");
        let others = TOOLS.into_iter().filter(|tool| *tool != "flock");
        for tool in others.chain(["wget", "timeout"]) {
            std::os::unix::fs::symlink(&busybox, machine.bin.join(tool)).unwrap();
        }
        machine.shell = vec![machine.bin.join("sh")];
        machine
    }

    fn run(&self, form: &SshLaunch) -> Output {
        let mut child = Command::new(&self.shell[0])
            .args(&self.shell[1..])
            .arg("-s")
            .env_clear()
            .env("PATH", &self.bin)
            .env("HOME", self.room.folder.path())
            .env("TANDEM_HOME", self.room.path("home"))
            .env("FAKE_LOG", self.room.path("starts"))
            .current_dir(self.room.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let text = fed(form, &form.script);
        let _ = child.stdin.take().unwrap().write_all(text.as_bytes());
        child.wait_with_output().unwrap()
    }

    /// The form of a workload whose agent is served over HTTP.
    fn form(&self) -> SshLaunch {
        let context = LaunchContext {
            agent_url: served(),
            ..self.room.context.clone()
        };
        let text = "tandem: 1\nname: a\nrun: echo \"it's $A\" >../done\nenv: {A: \"b  $c `d`\"}\n";
        ssh(&workload(text), &context)
    }

    fn starts_once(&self) {
        let form = self.form();
        let first = self.run(&form);
        assert_eq!(out(&first), "tandem: started\n", "{}", err(&first));
        assert_eq!(
            self.room.wait_for(&self.room.base().join("done")),
            "it's b  $c `d`\n"
        );
        assert_eq!(out(&self.run(&form)), "tandem: already started\n");
        assert_eq!(self.room.starts(), 1);
    }
}

/// Address of a server that gives the agent to whoever asks.
fn served() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let _ = stream.read(&mut [0; 4_096]);
            let head = format!("HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n", AGENT.len());
            let _ = stream.write_all(format!("{head}{AGENT}").as_bytes());
        }
    });
    format!("http://{address}/agent")
}

fn and<'a>(more: &[&'a str]) -> Vec<&'a str> {
    TOOLS.into_iter().chain(more.iter().copied()).collect()
}

#[test]
fn every_shell_starts_the_work_once() {
    for shell in [
        &["dash"][..],
        &["bash"],
        &["bash", "--posix"],
        &["busybox", "sh"],
    ] {
        let mut machine = Machine::with(&and(&["curl"]));
        machine.shell = std::iter::once(found(shell[0]))
            .chain(shell[1..].iter().map(PathBuf::from))
            .collect();
        machine.starts_once();
    }
}

#[test]
fn any_one_downloader_is_enough() {
    Machine::with(&and(&["curl"])).starts_once();
    Machine::with(&and(&["wget"])).starts_once();
    Machine::with(&and(&["python3"])).starts_once();
    Machine::all_busybox().starts_once();
}

#[test]
fn a_tool_that_is_missing_is_named_and_nothing_starts() {
    let without =
        |gone: &str| -> Vec<&str> { and(&["curl"]).into_iter().filter(|t| *t != gone).collect() };
    for (tools, named) in [
        (
            TOOLS.to_vec(),
            "curl, wget or python3 is needed to fetch the agent",
        ),
        (without("flock"), "flock is needed (package util-linux)"),
        (
            without("sha256sum"),
            "sha256sum, shasum or python3 is needed",
        ),
    ] {
        let machine = Machine::with(&tools);
        let output = machine.run(&machine.form());
        assert!(
            !output.status.success() && err(&output).contains(named),
            "{}",
            err(&output)
        );
        assert_eq!(machine.room.starts(), 0);
        assert!(!machine.room.base().join("pid").exists());
    }
    let mut no_detach = Machine::with(&without("setsid"));
    std::os::unix::fs::symlink(found("nohup"), no_detach.bin.join("nohup")).unwrap();
    no_detach.shell = vec![found("dash")];
    no_detach.starts_once();
}

#[test]
fn registry_credentials_are_gone_when_the_image_cannot_be_had() {
    for (login, pull, code) in [(0, 1, 69), (1, 0, 77)] {
        let machine = Machine::with(&and(&["curl"]));
        let docker = machine.bin.join("docker");
        let fake = format!(
            "#!/bin/sh\nmkdir -p \"$DOCKER_CONFIG\"; cat >\"$DOCKER_CONFIG/config.json\"\ncase $1 in login) exit {login};; pull) exit {pull};; esac\n"
        );
        std::fs::write(&docker, fake).unwrap();
        Command::new("chmod")
            .arg("755")
            .arg(&docker)
            .status()
            .unwrap();
        let context = LaunchContext {
            agent_url: served(),
            ..machine.room.context.clone()
        };
        let mut form = ssh(
            &workload("tandem: 1\nname: a\nimage: a.example/b:1\nrun: x\n"),
            &context,
        );
        form.env
            .insert("TANDEM_REGISTRY_USERNAME".into(), "u".into());
        form.env
            .insert("TANDEM_REGISTRY_PASSWORD".into(), "very-secret".into());
        let output = machine.run(&form);
        assert_eq!(output.status.code(), Some(code), "{}", err(&output));
        assert!(!machine.room.base().join("docker").exists());
        assert!(!format!("{}{}", out(&output), err(&output)).contains("very-secret"));
    }
}

#[test]
fn a_container_of_busybox_alone_runs_the_work() {
    let machine = Machine::all_busybox();
    let context = LaunchContext {
        agent_url: served(),
        ..machine.room.context.clone()
    };
    let form = container(
        &workload("tandem: 1\nname: a\nsetup: echo set >set\nrun: cat set\n"),
        &context,
    );
    let output = Command::new(machine.bin.join(&form.entrypoint[0]))
        .args(&form.entrypoint[1..])
        .env_clear()
        .envs(&form.env)
        .env("PATH", &machine.bin)
        .env("FAKE_LOG", machine.room.path("starts"))
        .env("TMPDIR", machine.room.folder.path())
        .output()
        .unwrap();
    assert_eq!(out(&output), "set\n", "{}", err(&output));
}
