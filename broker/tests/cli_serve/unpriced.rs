//! What a person is told where there is no price.

use std::fs;

use crate::RENDER;
use crate::process::{Home, text};

#[test]
fn a_file_without_a_price_is_told_what_stands_in_its_way() {
    let home = Home::new();
    let broker = home.serve(&["--sandbox"]);
    broker.until_quoted(&home, RENDER);
    let told_of = |file: &str, of: &str| {
        let path = home.path().join(file);
        fs::write(&path, of).unwrap();
        let asked = home.run(&broker, &["quote", path.to_str().unwrap()]);
        assert_eq!(asked.status.code(), Some(1));
        assert!(text(&asked.stderr).contains("TDM-1201"));
        text(&asked.stdout)
    };
    let mount = "resources: {accelerators: A100:1}\nrun: python train.py\n\
                 file_mounts:\n  /data: {source: s3://b, mode: MOUNT}\n";
    let told = told_of("mount.yaml", mount);
    for part in [
        "of products on which it cannot start",
        "mount.yaml:1: the need is unknown, and only A100 or better is asked",
        "it cannot start on aethir on-demand, aethir reserve, ionet caas, ionet vmaas",
        "`s3://b` cannot be mounted",
    ] {
        assert!(told.contains(part), "`{part}` is missing in {told}");
    }
    let unknown = "tandem: 1\nname: u\nresources: {gpu: RTX4099}\nrun: ./x\n";
    let told = told_of("unknown.yaml", unknown);
    for part in [
        "of another GPU",
        "with GeForce RTX 4090, where nothing fits as asked",
        "unknown.yaml:3: `resources.gpu`",
        "did you mean `RTX4090`?",
    ] {
        assert!(told.contains(part), "`{part}` is missing in {told}");
    }
    broker.stop();
}

#[test]
fn a_card_or_a_network_that_nobody_has_is_refused_with_the_nearest() {
    let home = Home::new();
    let broker = home.serve(&["--sandbox"]);
    for (query, parts) in [
        (
            ["--gpu", "h1000"],
            ["not the name of a card", "did you mean `H100`?"],
        ),
        (
            ["--network", "iont"],
            ["it has aethir, ionet", "did you mean `ionet`?"],
        ),
    ] {
        let refused = home.run(&broker, &["offers", query[0], query[1]]);
        assert_eq!(refused.status.code(), Some(1));
        let told = text(&refused.stderr);
        for part in parts {
            assert_eq!(told.matches(part).count(), 1, "`{part}` in {told}");
        }
    }
    broker.stop();
}
