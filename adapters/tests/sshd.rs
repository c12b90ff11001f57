//! Starts over SSH against Debian's real `sshd`, on a free loopback port, as the current user.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tandem_adapters::ssh::{self, Finished, PinnedHostKey, SshError, SshKeyPair};
use tandem_model::error::ErrorCode;
use tandem_model::launch::SshLaunch;
use tandem_model::placement::SshAddress;
use tandem_model::secret::Secret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::Instant;

const SSHD: &str = "/usr/sbin/sshd";

/// A running server with keys of its own, ended with the test.
struct Sshd {
    process: Child,
    folder: tempfile::TempDir,
    port: u16,
    user: String,
    ours: SshKeyPair,
    host: SshKeyPair,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ended = self.process.kill().and_then(|()| self.process.wait());
    }
}

fn write_private(path: &Path, text: &str) {
    fs::write(path, text).expect("a temporary folder is writable");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("it is our file");
}

fn current_user() -> String {
    let output = Command::new("id").arg("-un").output().expect("`id` exists");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

async fn sshd() -> Sshd {
    assert!(
        Path::new(SSHD).exists(),
        "run `cargo xtask setup` (installs openssh-server)"
    );
    let user = current_user();
    if user == "root" {
        // The server's own folder for privilege separation, which a boot script makes elsewhere.
        fs::create_dir_all("/run/sshd").expect("root may make it");
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (ours, host) = (SshKeyPair::generate(), SshKeyPair::generate());
    let at = |name: &str| folder.path().join(name);
    write_private(&at("host_key"), host.to_openssh().expose());
    write_private(&at("authorized_keys"), &format!("{}\n", ours.public_line()));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    drop(listener);
    let config = format!(
        "ListenAddress 127.0.0.1\nPort {port}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\n\
         StrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
         PermitRootLogin prohibit-password\nMaxStartups 100\nLogLevel ERROR\n",
        at("host_key").display(),
        at("authorized_keys").display(),
    );
    write_private(&at("config"), &config);
    let process = Command::new(SSHD)
        .args(["-D", "-e", "-f"])
        .arg(at("config"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("sshd starts");
    let server = Sshd {
        process,
        folder,
        port,
        user,
        ours,
        host,
    };
    for _ in 0..200 {
        if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            return server;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("sshd does not listen on port {port}");
}

impl Sshd {
    fn address(&self, port: u16) -> SshAddress {
        SshAddress {
            host: "127.0.0.1".to_owned(),
            port,
            user: self.user.clone(),
            host_key: None,
        }
    }

    fn pinned(&self) -> PinnedHostKey {
        PinnedHostKey::Known(self.host.public_line())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Lines of a file; none when it does not exist.
    fn lines(&self, name: &str) -> usize {
        fs::read_to_string(self.file(name)).map_or(0, |text| text.lines().count())
    }

    /// A launch of which any number of runs makes one start.
    fn launch(&self, script: &str) -> SshLaunch {
        let folder = self.folder.path().display().to_string();
        SshLaunch {
            script: script.to_owned(),
            env: BTreeMap::from([("FOLDER".to_owned(), folder)]),
            secret_env: BTreeMap::from([("TOKEN".to_owned(), Secret::new("it's\na 'secret'"))]),
        }
    }

    async fn start(&self, port: u16, launch: &SshLaunch) -> Result<Finished, SshError> {
        let deadline = Instant::now() + Duration::from_secs(30);
        let pinned = self.pinned();
        Box::pin(ssh::start(
            &self.address(port),
            launch,
            &self.ours,
            &pinned,
            deadline,
        ))
        .await
    }
}

const START_ONCE: &str = r#"
if mkdir "$FOLDER/$JOB" 2>/dev/null; then echo start >> "$FOLDER/$JOB-starts"; fi
"#;

/// Lets a connection through until `bytes` have gone to the server, or until it is told to cut.
async fn cutting_proxy(server_port: u16, bytes: usize, cut: Arc<Notify>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.expect("one connection comes");
        let mut server = TcpStream::connect(("127.0.0.1", server_port))
            .await
            .expect("sshd listens");
        let (mut up, mut down, mut left) = (vec![0; 4_096], vec![0; 4_096], bytes);
        loop {
            tokio::select! {
                () = cut.notified() => return,
                read = client.read(&mut up) => {
                    let Ok(read @ 1..) = read else { return };
                    let passed = read.min(left);
                    if server.write_all(&up[..passed]).await.is_err() || passed == left {
                        return;
                    }
                    left -= passed;
                }
                read = server.read(&mut down) => {
                    let Ok(read @ 1..) = read else { return };
                    if client.write_all(&down[..read]).await.is_err() {
                        return;
                    }
                }
            }
        }
    });
    port
}

#[tokio::test]
async fn a_script_runs_with_its_environment_and_nothing_shows_on_a_command_line() {
    let server = sshd().await;
    let script = r#"
ps -eo args > "$FOLDER/processes" 2>/dev/null || true
printf '%s' "$TOKEN" > "$FOLDER/token"
echo out; echo err >&2; cat; exit 7"#;
    let finished = server
        .start(server.port, &server.launch(script))
        .await
        .unwrap();
    assert_eq!(finished.exit_status, Some(7));
    assert!(finished.output.contains("out") && finished.output.contains("err"));
    assert_eq!(
        fs::read_to_string(server.file("token")).unwrap(),
        "it's\na 'secret'"
    );
    let processes = fs::read_to_string(server.file("processes")).unwrap_or_default();
    assert!(!processes.contains("secret"), "{processes}");
}

#[tokio::test]
async fn the_first_key_seen_is_given_back_and_then_pins_the_machine() {
    let server = sshd().await;
    let deadline = Instant::now() + Duration::from_secs(30);
    let address = server.address(server.port);
    let first = PinnedHostKey::FirstUse;
    let finished = ssh::run(&address, "true", &server.ours, &first, deadline)
        .await
        .unwrap();
    let key = |line: &str| line.split(' ').take(2).collect::<Vec<_>>().join(" ");
    assert_eq!(key(&finished.host_key), key(&server.host.public_line()));
    let pinned = PinnedHostKey::Known(finished.host_key);
    let again = ssh::run(&address, "echo hello", &server.ours, &pinned, deadline)
        .await
        .unwrap();
    assert_eq!(
        (again.exit_status, again.output.as_str()),
        (Some(0), "hello\n")
    );
}

#[tokio::test]
async fn another_host_key_is_refused_before_anything_is_sent() {
    let server = sshd().await;
    let stranger = SshKeyPair::generate().public_line();
    // A key of a kind that the server does not have: NIST P-256, of nobody.
    let other_kind = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBGsX0fLhLEJH+Lzm5WOkQPJ3A32BLeszoPShOUXYmMKWT+NC4v4af5uO5+tKfA+eFivOM1drMV7Oy7ZAaDe/UfU=";
    for pinned in [stranger.as_str(), other_kind] {
        let deadline = Instant::now() + Duration::from_secs(30);
        let launch = server.launch("touch \"$FOLDER/ran\"");
        let pinned = PinnedHostKey::Known(pinned.to_owned());
        let address = server.address(server.port);
        let started = ssh::start(&address, &launch, &server.ours, &pinned, deadline);
        let error = Box::pin(started).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::SSH_HOST_KEY, "{error}");
        assert!(!error.may_have_run());
    }
    assert!(!server.file("ran").exists());
}

#[tokio::test]
async fn a_key_that_the_machine_does_not_know_starts_nothing() {
    let server = sshd().await;
    let deadline = Instant::now() + Duration::from_secs(30);
    let address = server.address(server.port);
    let stranger = SshKeyPair::generate();
    let error = ssh::run(&address, "true", &stranger, &server.pinned(), deadline)
        .await
        .unwrap_err();
    assert!(!error.may_have_run(), "{error}");
    assert_eq!(error.code(), ErrorCode::SSH_FAILED);
}

#[tokio::test]
async fn a_repeat_starts_nothing_twice() {
    let server = sshd().await;
    let launch = server.launch(&format!("JOB=repeat{START_ONCE}"));
    for _ in 0..3 {
        let finished = server.start(server.port, &launch).await.unwrap();
        assert_eq!(finished.exit_status, Some(0));
    }
    assert_eq!(server.lines("repeat-starts"), 1);
}

#[tokio::test]
async fn a_connection_cut_after_any_number_of_bytes_then_repeated_makes_one_start() {
    let server = sshd().await;
    let mut cuts = 0;
    for bytes in (200..6_000).step_by(290) {
        let job = format!("cut{bytes}");
        let launch = server.launch(&format!("JOB={job}{START_ONCE}"));
        let proxy = cutting_proxy(server.port, bytes, Arc::new(Notify::new())).await;
        let first = server.start(proxy, &launch).await;
        if let Err(error) = first {
            cuts += 1;
            if !error.may_have_run() {
                assert_eq!(server.lines(&format!("{job}-starts")), 0, "{error}");
            }
        }
        let finished = server.start(server.port, &launch).await.unwrap();
        assert_eq!(finished.exit_status, Some(0));
        assert_eq!(
            server.lines(&format!("{job}-starts")),
            1,
            "cut after {bytes} bytes"
        );
    }
    assert!(cuts >= 5, "only {cuts} connections were cut");
}

#[tokio::test]
async fn of_a_script_that_arrives_in_part_nothing_runs() {
    let server = sshd().await;
    // Longer than a packet, so that its beginning arrives alone.
    let rest = "# a comment that takes its time to arrive\n".repeat(5_000);
    let launch = server.launch(&format!("JOB=half{START_ONCE}{rest}"));
    for bytes in [40_000, 100_000, 150_000] {
        let proxy = cutting_proxy(server.port, bytes, Arc::new(Notify::new())).await;
        assert!(
            server
                .start(proxy, &launch)
                .await
                .unwrap_err()
                .may_have_run()
        );
    }
    let finished = server
        .start(server.port, &server.launch("sleep 1"))
        .await
        .unwrap();
    assert_eq!(finished.exit_status, Some(0));
    assert_eq!(server.lines("half-starts"), 0);
    let finished = server.start(server.port, &launch).await.unwrap();
    assert_eq!(finished.exit_status, Some(0));
    assert_eq!(server.lines("half-starts"), 1);
}

#[tokio::test]
async fn a_connection_cut_while_the_script_runs_may_have_run_it_and_a_repeat_adds_nothing() {
    let server = sshd().await;
    let wait = r#"while [ -e "$FOLDER/config" ] && [ ! -e "$FOLDER/go" ]; do sleep 0.05; done"#;
    let running = server.launch(&format!("JOB=run{START_ONCE}{wait}"));
    let cut = Arc::new(Notify::new());
    let proxy = cutting_proxy(server.port, usize::MAX, Arc::clone(&cut)).await;
    let cut_when_it_runs = async {
        while server.lines("run-starts") == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        cut.notify_one();
    };
    let (first, ()) = tokio::join!(server.start(proxy, &running), cut_when_it_runs);
    assert!(first.unwrap_err().may_have_run());
    fs::write(server.file("go"), "").unwrap();
    let finished = server.start(server.port, &running).await.unwrap();
    assert_eq!(finished.exit_status, Some(0));
    assert_eq!(server.lines("run-starts"), 1);
}

#[tokio::test]
async fn a_script_that_outlasts_the_deadline_is_cut_and_long_output_is_capped() {
    let server = sshd().await;
    let address = server.address(server.port);
    let pinned = server.pinned();
    let soon = Instant::now() + Duration::from_secs(3);
    // It ends with the test's folder.
    let endless = server.launch(r#"while [ -e "$FOLDER/config" ]; do sleep 0.1; done"#);
    let started = ssh::start(&address, &endless, &server.ours, &pinned, soon);
    let error = Box::pin(started).await.unwrap_err();
    assert!(error.to_string().contains("deadline"), "{error}");

    let later = Instant::now() + Duration::from_secs(60);
    let long = "i=0; while [ $i -lt 20000 ]; do echo line-of-output-$i; i=$((i+1)); done";
    let finished = ssh::run(&address, long, &server.ours, &pinned, later)
        .await
        .unwrap();
    assert!(finished.output.len() <= ssh::OUTPUT_BYTES_MAX);
    assert!(finished.output.ends_with("line-of-output-19999\n"));
}
