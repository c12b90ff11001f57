//! Documents from outside: whatever they hold, they are read or refused, and never a panic.

use proptest::prelude::*;
use tandem_model::gpu::GpuModel;

use super::machine::{Noise, device, report};
use super::prover::Exchange;
use crate::exchange::{MESSAGE_BYTES_MAX, ProverMessage, VerifierMessage};
use crate::report::{
    DEPTH_MAX, FormatRefused, Outcome, REPORT_BYTES_MAX, SAMPLES_MAX, SignedReport, TEXT_LEN_MAX,
};
use crate::verify::{Facts, Policy, judge_stored};

fn sample() -> SignedReport {
    let model = GpuModel::by_id("rtx3060-12gb").unwrap();
    report(vec![device(model, 1, &mut Noise::seeded(3))]).sign(&Exchange::key())
}

#[test]
fn every_flipped_bit_of_a_report_is_refused_or_breaks_the_signature() {
    let text = serde_json::to_vec(&sample()).unwrap();
    sample().check_signature().unwrap();
    let original = sample();
    let mut parsed = 0;
    // Every bit of the head and of the signature, and every 13th between them.
    let bits = (0..text.len() * 8)
        .filter(|bit| *bit < 2_000 || bit % 13 == 0 || *bit + 1_500 > text.len() * 8);
    for bit in bits {
        let mut flipped = text.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        if let Ok(signed) = SignedReport::parse(&flipped) {
            parsed += 1;
            assert_ne!(signed, original, "bit {bit} has two spellings");
            assert!(signed.check_signature().is_err(), "bit {bit}");
        }
    }
    assert!(parsed > 100, "{parsed} flips were readable");
}

#[test]
fn white_space_changes_nothing_and_unknown_members_are_refused() {
    let signed = sample();
    let pretty = serde_json::to_vec_pretty(&signed).unwrap();
    let read = SignedReport::parse(&pretty).unwrap();
    read.check_signature().unwrap();
    assert_eq!(read, signed);
    let text = serde_json::to_string(&signed).unwrap();
    let more = text.replacen("\"kind\"", "\"extra\":1,\"kind\"", 1);
    assert!(matches!(
        SignedReport::parse(more.as_bytes()),
        Err(FormatRefused::Json(_))
    ));
    let float = text.replacen("\"format_version\":1", "\"format_version\":1.0", 1);
    assert!(SignedReport::parse(float.as_bytes()).is_err());
    let newer = text.replacen("\"format_version\":1", "\"format_version\":2", 1);
    let refused = SignedReport::parse(newer.as_bytes()).unwrap_err();
    assert!(matches!(
        refused,
        FormatRefused::Field {
            field: "format_version",
            ..
        }
    ));
}

#[test]
fn too_large_and_too_deep_documents_are_refused_unread() {
    let large = vec![b' '; REPORT_BYTES_MAX + 1];
    assert!(matches!(
        SignedReport::parse(&large),
        Err(FormatRefused::TooLarge { .. })
    ));
    let large = vec![b' '; MESSAGE_BYTES_MAX + 1];
    assert!(matches!(
        ProverMessage::parse(&large),
        Err(FormatRefused::TooLarge { .. })
    ));
    for open in ["[", "{\"a\":"] {
        let deep = open.repeat(100_000);
        assert_eq!(
            SignedReport::parse(deep.as_bytes()),
            Err(FormatRefused::TooDeep)
        );
        assert_eq!(
            VerifierMessage::parse(deep.as_bytes()),
            Err(FormatRefused::TooDeep)
        );
    }
    // Brackets in a string are no depth.
    let text = "\"".to_owned() + &"[".repeat(DEPTH_MAX * 2) + "\"";
    assert!(matches!(
        SignedReport::parse(text.as_bytes()),
        Err(FormatRefused::Json(_))
    ));
}

#[test]
fn lists_and_texts_out_of_their_limits_are_named() {
    let refused = |edit: fn(&mut SignedReport)| {
        let mut signed = sample();
        edit(&mut signed);
        match signed.report.check() {
            Err(FormatRefused::Field { field, .. }) => field,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(
        refused(|s| s.report.devices = vec![s.report.devices[0].clone(); 17]),
        "devices"
    );
    assert_eq!(
        refused(|s| s.report.agent_version = "x".repeat(TEXT_LEN_MAX + 1)),
        "agent_version"
    );
    assert_eq!(
        refused(|s| s.report.devices[0].identity.cuda.name = "H100\u{1b}[31m".to_owned()),
        "identity.cuda.name"
    );
    let samples = refused(|s| {
        if let Outcome::Measured(fp32) = &mut s.report.devices[0].fp32 {
            fp32.timing.timer_ns = vec![1; SAMPLES_MAX + 1];
        }
    });
    assert_eq!(samples, "fp32");
    let reason = refused(|s| {
        s.report.devices[0].pcie = Outcome::Failed {
            reason: "\n".to_owned(),
        };
    });
    assert_eq!(reason, "pcie");
}

#[test]
fn absurd_numbers_are_judged_without_a_panic() {
    let text = serde_json::to_string(&sample()).unwrap();
    let digits = |c: char| c.is_ascii_digit();
    for number in ["0", "1", "18446744073709551615", "4294967295"] {
        // One number after the other becomes absurd; those that do not fit are refused.
        let places: Vec<usize> = text
            .match_indices(':')
            .map(|(at, _)| at + 1)
            .filter(|at| text[*at..].starts_with(digits))
            .collect();
        assert!(places.len() > 40);
        for at in places {
            let end = at + text[at..].find(|c| !digits(c)).unwrap();
            let absurd = format!("{}{number}{}", &text[..at], &text[end..]);
            if let Ok(signed) = SignedReport::parse(absurd.as_bytes()) {
                judge_stored(&signed, &Policy::default(), &Facts::default());
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = SignedReport::parse(&bytes);
        let _ = ProverMessage::parse(&bytes);
        let _ = VerifierMessage::parse(&bytes);
    }

    #[test]
    fn cut_and_overwritten_reports_are_refused_or_judged(
        cut in 0_usize..9_000, at in 0_usize..9_000, with in "[\\[\\]{}0-9a-f\",:eE.\\-]{1,8}",
    ) {
        let text = serde_json::to_vec(&sample()).unwrap();
        prop_assert!(SignedReport::parse(&text[..cut.min(text.len() - 1)]).is_err());
        let mut changed = text.clone();
        let at = at.min(text.len() - with.len());
        changed[at..at + with.len()].copy_from_slice(with.as_bytes());
        if let Ok(signed) = SignedReport::parse(&changed) {
            prop_assert_eq!(signed.check_signature().is_ok(), changed == text);
            judge_stored(&signed, &Policy::default(), &Facts::default());
        }
    }
}
