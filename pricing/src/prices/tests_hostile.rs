//! Hostile files: refused whole with their line, and never a panic.

use proptest::prelude::*;

use super::*;

const HEAD: &str = "InstanceType,AcceleratorName,AcceleratorCount,GpuInfo,Price,SpotPrice,Region\n";
const ROW: &str = "m,RTX4090,1,,0.4,0.2,DE\n";

fn refusal(bytes: &[u8]) -> Option<String> {
    let found = read("bad.csv", bytes, &Checks::default(), |_| {});
    found.err().map(|problem| problem.to_string())
}

#[test]
fn a_file_that_is_no_table_is_refused_with_its_line() {
    let long = "x".repeat(FIELD_BYTES_MAX + 1);
    let columns: Vec<_> = (0..65).map(|n| format!("c{n}")).collect();
    for (text, problem) in [
        (String::new(), "bad.csv:1: the file is empty"),
        ("\n\n".into(), "bad.csv:1: the file is empty"),
        (format!("{HEAD}{ROW}m,RTX\0"), "bad.csv:3: a NUL byte"),
        (
            format!("{HEAD}{ROW}m,{long}"),
            "bad.csv:3: a value of more than 65536 bytes",
        ),
        (
            format!("{HEAD}{ROW}m,\"RTX4090,1\n{ROW}{ROW}"),
            "bad.csv:3: a quote is opened",
        ),
        (
            format!("{HEAD}m,\"{}", ROW.repeat(9_000)),
            "bad.csv:2: a value of more",
        ),
        (
            "a,b\n1,2\n".into(),
            "bad.csv:1: column `AcceleratorName` is missing; there are: a, b",
        ),
        (
            HEAD.replace("Region", "Land"),
            "bad.csv:1: column `Region` is missing",
        ),
        (
            HEAD.replace("SpotPrice", "Price"),
            "bad.csv:1: column `Price` stands twice, again as 6",
        ),
        (columns.join(","), "bad.csv:1: more than 64 columns"),
    ] {
        let found = refusal(text.as_bytes()).unwrap_or_default();
        assert!(found.starts_with(problem), "{found} is not {problem}");
    }
    let mut binary = format!("{HEAD}{ROW}m,").into_bytes();
    binary.extend([0xff, 0xfe, 0x80]);
    assert_eq!(
        refusal(&binary).as_deref(),
        Some("bad.csv:3: not UTF-8: this is no text")
    );
}

#[test]
fn a_header_alone_is_a_file_without_rows() {
    let found = read("a.csv", HEAD.as_bytes(), &Checks::default(), |_| {}).unwrap();
    assert_eq!(found, Sheet::default());
}

#[test]
fn progress_never_goes_back_and_ends_at_the_end() {
    let text = format!("{HEAD}{}", ROW.repeat(20_000));
    let mut heard = Vec::new();
    let found = read("a.csv", text.as_bytes(), &Checks::default(), |n| {
        heard.push(n)
    })
    .unwrap();
    assert_eq!(found.report.offers, 40_000);
    assert!(heard.len() > 3 && heard.is_sorted());
    assert_eq!(heard.last(), Some(&text.len()));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = refusal(&bytes);
    }

    #[test]
    fn no_row_makes_it_panic_or_lists_what_is_free(
        fields in prop::collection::vec(
            prop::sample::select(vec![
                "", "0", "-1", "1", "0.4", "1e400", "1e99", "99999999999999999999", "A100", "H100",
                "RTX4090", "tpu-v2-8", "V1", "US", "Oregon, US, NA", "\"a, US, NA\"", "us-east1",
                "{'SizeInMiB': 81920}", "{", "}", "\"", "é", "\u{202e}", "'",
            ]),
            0..14),
    ) {
        let text = format!("{HEAD}{}\n{ROW}", fields.join(","));
        if let Ok(found) = read("x.csv", text.as_bytes(), &Checks::default(), |_| {}) {
            prop_assert_eq!(found.report.offers, found.listings.len() as u64);
            for listing in &found.listings {
                prop_assert!(listing.rate.price().get() > 0);
                prop_assert!(listing.gpus > 0);
            }
        }
    }
}
