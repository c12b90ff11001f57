//! What the digest training must print, computed here without any network: the check of the demo.

use sha2::{Digest, Sha256};

/// The digest after `steps` steps: each step hashes the hexadecimal text of the one before and the
/// step's number, starting from `tandem`. `examples/digest-training.yaml` does the same in a shell.
pub fn expected(steps: u64) -> String {
    (1..=steps).fold("tandem".to_owned(), |state, step| {
        Sha256::digest(format!("{state} {step}"))
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect()
    })
}

/// The digest in the log of a finished run, if it printed one.
pub fn printed<'a>(lines: impl DoubleEndedIterator<Item = &'a String>) -> Option<&'a str> {
    lines.rev().find_map(|line| line.strip_prefix("digest "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_step_is_the_hash_of_the_start_and_its_number() {
        // printf 'tandem 1' | sha256sum
        assert_eq!(
            expected(1),
            "25bda39b11110094787cdccd66053e4032a1e95f57a455ea084c7cd4550642e6"
        );
        assert_ne!(expected(1), expected(2));
    }

    #[test]
    fn the_last_digest_line_counts() {
        let lines = [
            "digest a".to_owned(),
            "step 2".to_owned(),
            "digest b".to_owned(),
        ];
        assert_eq!(printed(lines.iter()), Some("b"));
        assert_eq!(printed([].iter()), None);
    }
}
