//! The readers, the classifier and the launch plan on workload files published by others.
//!
//! Those files are not part of this repository; where they are absent the tests say so and pass.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "helpers of tests, which say what they did not check"
)]

use std::path::PathBuf;

use tandem_model::network::{LaunchVia, NetworkId, Payment, Product, RefundRule};
use tandem_pricing::files::{self, Document};
use tandem_pricing::launch;

/// Every file with its name, in order; empty when the folder is absent.
fn corpus() -> Vec<(String, String)> {
    let folder = PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../shared/data/workloads"
    ));
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!("absent, so not checked: {}", folder.display());
        return Vec::new();
    };
    let mut files: Vec<_> = entries
        .filter_map(|e| e.ok().map(|e| e.path()))
        .filter(|p| p.extension().is_some_and(|e| e == "yaml"))
        .map(|p| {
            let name = p.file_name().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read_to_string(p).unwrap())
        })
        .collect();
    files.sort();
    files
}

/// Files of the formats that can be submitted.
fn importable() -> Vec<(String, Document)> {
    corpus()
        .into_iter()
        .filter_map(|(name, text)| {
            let document = files::look(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
            document
                .format
                .can_be_submitted()
                .then_some((name, document))
        })
        .collect()
}

#[test]
fn every_importable_file_parses_or_is_refused_with_a_field_and_a_line_each() {
    let files = importable();
    if files.is_empty() {
        return;
    }
    assert_eq!(files.len(), 42);
    for (name, document) in &files {
        for error in &document.refusals {
            assert!(
                error.line >= 1 && !error.field.is_empty(),
                "{name}: {error}"
            );
            println!("{name}: {error}");
        }
        assert_eq!(
            document.workload.is_some(),
            document.refusals.is_empty(),
            "{name}"
        );
    }
    let parsed = files.iter().filter(|(_, d)| d.workload.is_some()).count();
    println!("{parsed} of {} are understood", files.len());
}

/// Products as the two networks sell them.
fn products() -> [Product; 3] {
    let containers = Product {
        network: NetworkId::from_static("ionet"),
        name: "caas",
        launch: LaunchVia::Container,
        nodes_are_linked: false,
        nodes_max: 8,
        gpus_per_node_max: 8,
        published_ports_max: 1,
        doubles_dollar: true,
        payment: Payment::Balance,
        prepaid_hours_min: 1,
        prepaid_hours_max: 8_760,
        extension_step_hours: 1,
        refund: RefundRule::None,
    };
    let machines = Product {
        name: "vmaas",
        launch: LaunchVia::Ssh,
        doubles_dollar: false,
        published_ports_max: 8,
        ..containers.clone()
    };
    let servers = Product {
        network: NetworkId::from_static("aethir"),
        name: "on-demand",
        nodes_are_linked: true,
        nodes_max: 16,
        ..machines.clone()
    };
    [containers, machines, servers]
}

#[test]
fn the_table_of_which_importable_files_can_start_where_names_every_reason() {
    let files = importable();
    if files.is_empty() {
        return;
    }
    let products = products();
    let mut starts = [0; 3];
    for (name, document) in &files {
        let Some(workload) = &document.workload else {
            println!("{name:44} refused: {}", document.refusals[0]);
            continue;
        };
        for (i, product) in products.iter().enumerate() {
            let found = launch::obstacles(workload, product);
            assert!(
                found
                    .iter()
                    .all(|o| !o.field.is_empty() && !o.help.is_empty()),
                "{name}"
            );
            starts[i] += usize::from(found.is_empty());
            if !found.is_empty() {
                let reasons: Vec<_> = found
                    .iter()
                    .map(|o| format!("{}: {}", o.field, o.text))
                    .collect();
                println!(
                    "{name:44} {}/{}: {}",
                    product.network,
                    product.name,
                    reasons.join("; ")
                );
            }
        }
    }
    for (product, count) in products.iter().zip(starts) {
        println!(
            "{}/{}: {count} of {} can start",
            product.network,
            product.name,
            files.len()
        );
    }
}

/// Columns of the label file; the last may hold quotes.
fn labels() -> Vec<(String, String, String)> {
    let path = PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../shared/data/workloads/labels.csv"
    ));
    let Ok(text) = std::fs::read_to_string(path) else {
        return Vec::new();
    };
    let rows = text.lines().skip(1).map(|line| {
        let mut cells = vec![String::new()];
        let mut quoted = false;
        for c in line.chars() {
            match c {
                '"' => quoted = !quoted,
                ',' if !quoted => cells.push(String::new()),
                c => cells.last_mut().unwrap().push(c),
            }
        }
        (cells[0].clone(), cells[1].clone(), cells[12].clone())
    });
    rows.collect()
}

#[test]
fn the_classifier_agrees_with_the_labels_in_at_least_90_of_100() {
    let labels = labels();
    let files: std::collections::BTreeMap<_, _> = corpus().into_iter().collect();
    if labels.is_empty() || files.is_empty() {
        return;
    }
    let (mut classes, mut tiers) = (0, 0);
    let mut confusion = std::collections::BTreeMap::<(String, &str), u32>::new();
    for (name, class, consumer) in &labels {
        let document = files::look(&files[name]).unwrap();
        let found = tandem_pricing::classify::classify(&document);
        *confusion
            .entry((class.clone(), found.class.as_str()))
            .or_default() += 1;
        let right = found.class.as_str() == class;
        classes += usize::from(right);
        let said = if found.tiers.consumer { "yes" } else { "no" };
        tiers += usize::from(said == consumer);
        if !right || said != consumer {
            println!(
                "{name}: {class} consumer {consumer}; found {} {}% consumer {said} {:?}",
                found.class.as_str(),
                found.confidence,
                found.needs
            );
            for e in found.evidence.iter().take(6) {
                println!("    {} {} {} -> {}", e.line, e.source, e.text, e.points_to);
            }
        }
    }
    for ((label, found), count) in &confusion {
        println!("{count:3} {label:22} -> {found}");
    }
    println!(
        "classes {classes}/{}, consumer tier {tiers}/{}",
        labels.len(),
        labels.len()
    );
    assert!(classes * 100 >= labels.len() * 90, "{classes} classes");
    assert!(tiers * 100 >= labels.len() * 90, "{tiers} tiers");
}
