//! `tandem probe`, `tandem nodes` and the receipts of probes, as a person uses them.

use std::fs;

use crate::RENDER;
use crate::process::{Home, Started, text};

/// A job that ended, whose owner agreed to probes while it runs, and is told so.
fn agreed(home: &Home, broker: &Started) -> String {
    let file = home.path().join("agreed.yaml");
    let workload =
        fs::read_to_string(format!("{}/../{RENDER}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    fs::write(&file, format!("{workload}\nprobe_while_running: true\n")).unwrap();
    let file = file.to_str().unwrap();
    let agrees = "while it runs, it may be paused";
    let quoted = |file| text(&home.run(broker, &["quote", file]).stdout);
    assert!(quoted(file).contains(agrees), "{}", quoted(file));
    assert!(!quoted(RENDER).contains(agrees), "{}", quoted(RENDER));
    let ended = home.json(broker, &["submit", file, "--yes", "--watch"]);
    let job = ended["id"].as_str().unwrap().to_owned();
    let told = text(&home.run(broker, &["job", &job]).stdout);
    assert!(told.contains(agrees), "{told}");
    assert!(told.contains("attempt 1, node 0, at the start: "), "{told}");
    job
}

#[test]
fn the_probe_of_a_job_is_shown_kept_checked_without_a_broker_and_its_device_banned() {
    let home = Home::new();
    let broker = home.serve(&["--sandbox", "--speed", "10"]);
    broker.until_quoted(&home, RENDER);
    let job = &agreed(&home, &broker);
    let probes = home.json(&broker, &["probe", job]);
    let id = probes["items"][0]["id"].as_str().unwrap();
    let shown = home.run(&broker, &["probe", job]);
    let table = text(&shown.stdout);
    assert!(table.contains(id) && table.contains("emulated"), "{table}");
    assert!(table.contains("at the start"), "{table}");
    assert!(text(&shown.stderr).contains(&format!("tandem probe {job} --receipt {id}")));
    assert!(text(&shown.stderr).contains("by the networks' clock"));
    let device = probes["items"][0]["devices"][0]["uuid"].as_str().unwrap();
    let banned = home.json(&broker, &["nodes", "ban", device, "--reason", "a test"]);
    assert_eq!(banned["ban"]["reason"], "a test");
    let listed = home.run(&broker, &["nodes", "--banned"]);
    assert!(text(&listed.stdout).contains(device));
    let history = text(&home.run(&broker, &["nodes", device]).stdout);
    assert!(
        history.contains("banned: a test") && history.contains("pass"),
        "{history}"
    );
    let lifted = home.run(&broker, &["nodes", "unban", device, "--reason", "over"]);
    assert!(text(&lifted.stdout).contains("banned    no"), "{lifted:?}");
    // The receipt and the keys are kept, and the broker ends.
    let (kept, keys) = (home.path().join("prb.jws"), home.path().join("keys.json"));
    let receipt = text(&home.run(&broker, &["probe", job, "--receipt", id]).stdout);
    fs::write(&kept, &receipt).unwrap();
    let published = format!("{}/.well-known/jwks.json", broker.url);
    let fetch = async { reqwest::get(published).await?.text().await };
    let published = tokio::runtime::Runtime::new().unwrap().block_on(fetch);
    fs::write(&keys, published.unwrap()).unwrap();
    broker.stop();
    let check = || {
        let [kept, keys] = [&kept, &keys].map(|path| path.to_str().unwrap());
        let mut command = home.command(&["receipt", "--file", kept, "--keys", keys]);
        command.output().unwrap()
    };
    let good = check();
    let told = text(&good.stdout);
    assert!(
        good.status.success()
            && told.contains(id)
            && told.contains("level 0")
            && told.contains("at the start, quick"),
        "{told}"
    );
    fs::write(&kept, receipt.replacen(".ey", ".fy", 1)).unwrap();
    let changed = check();
    assert!(!changed.status.success());
    assert!(
        text(&changed.stderr).contains("the signature does not fit"),
        "{changed:?}"
    );
}
