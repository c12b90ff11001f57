//! Tests of the documents: each says what is there, links lead somewhere, error pages help.

mod checkout;

use std::collections::BTreeSet;
use std::path::Path;

use checkout::{files, metadata, read, root};

/// Names under `[workspace.dependencies]`, ours among them.
fn workspace_dependencies() -> BTreeSet<String> {
    let manifest = read("Cargo.toml");
    let (_, after) = manifest
        .split_once("[workspace.dependencies]")
        .expect("the checkout is whole");
    let table = after.split("\n[").next().unwrap_or(after);
    let lines = table.lines().filter(|l| !l.starts_with('#'));
    lines
        .filter_map(|l| l.split_once('='))
        .map(|(name, _)| name.trim().to_owned())
        .collect()
}

#[test]
fn the_table_of_the_readme_holds_every_library_and_no_other() {
    let ours: BTreeSet<_> = metadata()
        .packages
        .iter()
        .map(|p| p.name.to_string())
        .collect();
    let readme = read("README.md");
    let rows: BTreeSet<String> = readme
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` |"))
        .map(|(name, _)| name.to_owned())
        .collect();
    let libraries: BTreeSet<_> = workspace_dependencies()
        .difference(&ours)
        .cloned()
        .collect();
    let missing: Vec<_> = libraries.difference(&rows).collect();
    assert!(
        missing.is_empty(),
        "README's dependency table lacks {missing:?}"
    );
    let gone: Vec<_> = rows.difference(&libraries).collect();
    assert!(
        gone.is_empty(),
        "README's dependency table has {gone:?}, which nothing depends on"
    );
}

#[test]
fn every_unused_workspace_dependency_is_removed() {
    let packages = metadata().packages;
    let used: BTreeSet<String> = packages
        .iter()
        .flat_map(|p| p.dependencies.iter().map(|d| d.name.clone()))
        .collect();
    for name in workspace_dependencies() {
        assert!(used.contains(&name), "no package uses `{name}`");
    }
}

#[test]
fn every_error_page_belongs_to_a_code_and_says_what_to_do() {
    let codes = read("model/src/error.rs");
    let pages: Vec<_> = files()
        .into_iter()
        .filter(|p| p.starts_with("docs/errors"))
        .collect();
    assert!(!pages.is_empty());
    for page in pages {
        let shown = page.display();
        let code = page.file_stem().unwrap_or_default().to_string_lossy();
        assert!(
            codes.contains(&format!("\"{code}\"")),
            "{shown} is of no code: remove it"
        );
        let text = read(&page.to_string_lossy());
        assert!(
            text.starts_with(&format!("# {code}: ")),
            "{shown} must open with its code"
        );
        let (_, advice) = text
            .split_once("## What to do\n")
            .unwrap_or_else(|| panic!("{shown} lacks `## What to do`"));
        assert!(
            text.contains("## What happened\n"),
            "{shown} lacks `## What happened`"
        );
        assert!(advice.contains("\n- "), "{shown} gives no advice");
    }
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    let documents = files()
        .into_iter()
        .filter(|p| p.extension().is_some_and(|e| e == "md"));
    for document in documents {
        let folder = document.parent().unwrap_or(Path::new(""));
        let text = read(&document.to_string_lossy());
        for link in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let path = link.split('#').next().unwrap_or(link);
            let outside = path.is_empty() || path.contains("://");
            assert!(
                outside || root().join(folder).join(path).exists(),
                "{} links to {link}, which is not there",
                document.display()
            );
        }
    }
}

#[test]
fn every_decision_record_has_context_decision_and_consequences() {
    let records: Vec<_> = files()
        .into_iter()
        .filter(|p| p.starts_with("docs/decisions"))
        .collect();
    assert!(!records.is_empty());
    for record in records {
        let text = read(&record.to_string_lossy());
        for part in ["## Context", "## Decision", "## Consequences"] {
            assert!(text.contains(part), "{} lacks `{part}`", record.display());
        }
    }
}
