//! The scripts run by a real `/bin/sh` with an agent that only writes down that it was started.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use sha2::{Digest, Sha256};
use tandem_model::launch::SshLaunch;
use tandem_model::workload::CodeSource;
use tempfile::TempDir;

use super::tests::{container, context, ssh, workload};
use super::*;

/// Writes a line, then runs what it is given.
pub(super) const AGENT: &str = "#!/bin/sh
echo started >>\"$FAKE_LOG\"
[ \"$1 $2\" = 'agent --' ] || exit 64
shift 2
exec \"$@\"
";
/// How often a file is looked for, a tenth of a second apart.
const LOOKS_MAX: u32 = 100;

pub(super) struct Room {
    pub(super) folder: TempDir,
    pub(super) context: LaunchContext,
}

impl Room {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let agent = folder.path().join("agent");
        std::fs::write(&agent, AGENT).unwrap();
        let digest = Sha256::digest(AGENT.as_bytes());
        let context = LaunchContext {
            agent_url: format!("file://{}", agent.display()),
            agent_sha256: digest.iter().map(|b| format!("{b:02x}")).collect(),
            ..context()
        };
        Self { folder, context }
    }

    pub(super) fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn base(&self) -> std::path::PathBuf {
        self.path("home")
            .join(self.context.job.to_string())
            .join("3")
    }

    /// A shell that is fed variables and a script as the SSH transport feeds them.
    fn spawn(
        &self,
        form: &SshLaunch,
        script: &str,
        path_first: Option<&Path>,
    ) -> std::process::Child {
        let path = std::env::var("PATH").unwrap();
        let path = match path_first {
            Some(first) => format!("{}:{path}", first.display()),
            None => path,
        };
        let mut child = Command::new("/bin/sh")
            .arg("-s")
            .env("PATH", path)
            .env("HOME", self.folder.path())
            .env("TANDEM_HOME", self.path("home"))
            .env("FAKE_LOG", self.path("starts"))
            .current_dir(self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let text = fed(form, script);
        // A shell that was killed no longer reads.
        let _ = child.stdin.take().unwrap().write_all(text.as_bytes());
        child
    }

    fn run(&self, form: &SshLaunch) -> Output {
        self.spawn(form, &form.script, None)
            .wait_with_output()
            .unwrap()
    }

    pub(super) fn starts(&self) -> usize {
        std::fs::read_to_string(self.path("starts"))
            .unwrap_or_default()
            .lines()
            .count()
    }

    /// The text of a file once it is there.
    pub(super) fn wait_for(&self, path: &Path) -> String {
        for _ in 0..LOOKS_MAX {
            match std::fs::read_to_string(path) {
                Ok(text) if !text.is_empty() => return text,
                _ => Command::new("sleep").arg("0.1").status().unwrap(),
            };
        }
        let log = std::fs::read_to_string(self.base().join("log")).unwrap_or_default();
        panic!("{} never appeared; log: {log}", path.display());
    }
}

/// What a shell is fed: the variables, then the script.
pub(super) fn fed(form: &SshLaunch, script: &str) -> String {
    let mut text = String::new();
    for (name, value) in &form.env {
        text.push_str(&format!(
            "export {name}={}\n",
            shlex::try_quote(value).unwrap()
        ));
    }
    text.push_str(script);
    text
}

pub(super) fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(super) fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_script_starts_its_work_once_however_often_it_runs() {
    let room = Room::new();
    let w = workload(
        "tandem: 1\nname: a\nsetup: echo set >../set\nrun: echo \"$TANDEM_RANK $A\" >../done\nenv: {A: b c}\n",
    );
    let form = ssh(&w, &room.context);
    let first = room.run(&form);
    assert_eq!(out(&first), "tandem: started\n", "{}", err(&first));
    assert_eq!(room.wait_for(&room.base().join("done")), "0 b c\n");
    assert_eq!(room.wait_for(&room.base().join("set")), "set\n");
    let again = room.run(&form);
    assert_eq!(
        (out(&again).as_str(), again.status.code()),
        ("tandem: already started\n", Some(0))
    );
    assert_eq!(room.starts(), 1);
}

#[test]
fn scripts_at_the_same_time_start_the_work_once() {
    let room = Room::new();
    let form = ssh(&workload("run: sleep 1\n"), &room.context);
    let children: Vec<_> = (0..4)
        .map(|_| room.spawn(&form, &form.script, None))
        .collect();
    let mut said: Vec<_> = children
        .into_iter()
        .map(|c| out(&c.wait_with_output().unwrap()))
        .collect();
    said.sort();
    assert_eq!(said[3], "tandem: started\n");
    assert!(
        said[..3].iter().all(|s| s == "tandem: already started\n"),
        "{said:?}"
    );
    room.wait_for(&room.path("starts"));
    assert_eq!(room.starts(), 1);
}

#[test]
fn a_script_that_is_cut_off_starts_nothing_and_a_repeat_works() {
    let room = Room::new();
    let form = ssh(&workload("run: echo x >../done\n"), &room.context);
    let whole = form.script.len() - "tandem_main\n".len();
    for length in (0..whole).step_by(151).chain([whole]) {
        if form.script.is_char_boundary(length) {
            room.spawn(&form, &form.script[..length], None)
                .wait_with_output()
                .unwrap();
            assert_eq!(room.starts(), 0, "after {length} bytes");
        }
    }
    assert_eq!(out(&room.run(&form)), "tandem: started\n");
    room.wait_for(&room.base().join("done"));
    assert_eq!(room.starts(), 1);
}

#[test]
fn a_script_killed_while_it_fetches_leaves_a_state_from_which_a_repeat_works() {
    let room = Room::new();
    let form = ssh(&workload("run: echo x >../done\n"), &room.context);
    let bin = room.path("bin");
    std::fs::create_dir(&bin).unwrap();
    let curl = bin.join("curl");
    std::fs::write(&curl, "#!/bin/sh\nkill -9 $PPID\n").unwrap();
    Command::new("chmod")
        .arg("755")
        .arg(&curl)
        .status()
        .unwrap();
    let killed = room
        .spawn(&form, &form.script, Some(&bin))
        .wait_with_output()
        .unwrap();
    assert_eq!(killed.status.code(), None, "killed by a signal");
    assert!(room.base().join("lock").exists() && room.starts() == 0);
    assert_eq!(out(&room.run(&form)), "tandem: started\n");
    room.wait_for(&room.base().join("done"));
}

#[test]
fn an_agent_with_another_digest_is_refused_and_not_kept() {
    let room = Room::new();
    let c = LaunchContext {
        agent_sha256: "0".repeat(64),
        ..room.context.clone()
    };
    let form = ssh(&workload("run: x\n"), &c);
    let output = room.run(&form);
    assert_ne!(output.status.code(), Some(0));
    assert!(
        err(&output).contains("expected 0000") && err(&output).contains("refused"),
        "{}",
        err(&output)
    );
    assert!(!room.base().join("gpu-probe").exists() && !room.base().join("pid").exists());
    let form = container(&workload("run: x\n"), &c);
    let output = Command::new(&form.entrypoint[0])
        .args(&form.entrypoint[1..])
        .envs(&form.env)
        .env("TMPDIR", room.folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("refused"));
}

#[test]
fn hostile_texts_stay_texts() {
    let room = Room::new();
    let mut w = workload("tandem: 1\nname: a\nrun: printf %s \"$A\" >../done\n");
    let hostile = "'; touch pwned; `touch pwned` $(touch pwned) \\ \"\n touch pwned";
    w.env.insert("A".into(), hostile.into());
    w.setup = Some("true # '\"; touch ../../pwned".into());
    w.working_dir = Some("d'; touch pwned; '".into());
    let form = ssh(&w, &room.context);
    assert_eq!(out(&room.run(&form)), "tandem: started\n");
    let folder = room.base().join("work").join("d'; touch pwned; '");
    let written = room.base().join("work").join("done");
    assert_eq!(room.wait_for(&written), hostile);
    assert!(folder.is_dir());
    let found = Command::new("find")
        .arg(room.folder.path())
        .args(["-name", "pwned"])
        .output()
        .unwrap();
    assert_eq!(out(&found), "");
    w.code.push((
        ".".into(),
        CodeSource::Git("--upload-pack=touch pwned".into()),
    ));
    let c = LaunchContext {
        epoch: tandem_model::placement::Epoch(4),
        ..room.context.clone()
    };
    room.run(&ssh(&w, &c));
    room.wait_for(
        &room
            .path("home")
            .join(c.job.to_string())
            .join("4")
            .join("log"),
    );
    let found = Command::new("find")
        .arg(room.folder.path())
        .args(["-name", "pwned"])
        .output()
        .unwrap();
    assert_eq!(out(&found), "");
}

#[test]
fn a_container_s_entrypoint_fetches_the_agent_and_runs_setup_then_the_work_under_it() {
    let room = Room::new();
    let w = workload(
        "envs: {A: \"$x 'y'\"}\nsetup: sudo -E A=1 sh -c 'echo set >set'\nrun: |\n  cat set\n  printf '%s|' \"$A\" \"$SKYPILOT_NUM_NODES\"\n  exit 7\n",
    );
    let form = container(&w, &room.context);
    let output = Command::new(&form.entrypoint[0])
        .args(&form.entrypoint[1..])
        .envs(&form.env)
        .env("HOME", room.folder.path())
        .env("TMPDIR", room.folder.path())
        .env("TANDEM_WORK_DIR", room.path("work"))
        .env("TANDEM_CHECKPOINT_DIR", room.path("checkpoints"))
        .env("FAKE_LOG", room.path("starts"))
        .output()
        .unwrap();
    assert_eq!(out(&output), "set\n$x 'y'|1|", "{}", err(&output));
    assert_eq!(output.status.code(), Some(7));
    assert!(room.path("checkpoints").is_dir() && room.starts() == 1);
}

#[test]
fn code_uploaded_with_the_job_is_checked_and_unpacked_before_the_work() {
    let room = Room::new();
    std::fs::create_dir(room.path("src")).unwrap();
    std::fs::write(room.path("src/x.sh"), "echo from code >../done\n").unwrap();
    let archive = room.path("code.tar.gz");
    let made = Command::new("tar")
        .arg("-czf")
        .arg(&archive)
        .arg("-C")
        .arg(room.path("src"))
        .arg(".")
        .status();
    assert!(made.unwrap().success());
    let digest = Sha256::digest(std::fs::read(&archive).unwrap());
    let c = LaunchContext {
        code: Some(CodeArchive {
            url: tandem_model::secret::Secret::new(format!("file://{}", archive.display())),
            sha256: digest.iter().map(|b| format!("{b:02x}")).collect(),
        }),
        ..room.context.clone()
    };
    let w = workload("workdir: .\nrun: sh ./x.sh\n");
    let mut form = ssh(&w, &c);
    for (name, value) in &form.secret_env {
        form.env.insert(name.clone(), value.expose().to_owned());
    }
    assert_eq!(out(&room.run(&form)), "tandem: started\n");
    assert_eq!(room.wait_for(&room.base().join("done")), "from code\n");
    assert!(
        matches!(plan(&w, &super::tests::machines(), &room.context), Err(o) if o[0].field == "code")
    );
}
