//! Base62 of fixed length: digits, upper and lower case, so that a double click selects it whole.

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const BASE: u32 = 62;

/// Characters that hold every number of so many bytes.
pub(super) const fn length_of(bytes: usize) -> usize {
    // The smallest n with 62^n >= 256^bytes; ln(256) / ln(62) = 1.343590…
    (bytes * 1_343_591).div_ceil(1_000_000)
}

/// Writes bytes as one big-endian number with leading zeros.
pub(super) fn encode(bytes: &[u8]) -> String {
    let mut number = bytes.to_vec();
    let mut text = vec![b'0'; length_of(bytes.len())];
    for place in text.iter_mut().rev() {
        let mut rest = 0;
        for byte in &mut number {
            let value = rest << 8 | u32::from(*byte);
            *byte = (value / BASE).to_le_bytes()[0];
            rest = value % BASE;
        }
        *place = ALPHABET[rest as usize];
    }
    text.into_iter().map(char::from).collect()
}

/// Reads what [`encode`] wrote; none for another length, alphabet, or a number too large.
pub(super) fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != length_of(N) {
        return None;
    }
    let mut number = [0; N];
    for character in text.bytes() {
        let mut carry = u32::try_from(ALPHABET.iter().position(|c| *c == character)?).ok()?;
        for byte in number.iter_mut().rev() {
            let value = u32::from(*byte) * BASE + carry;
            *byte = value.to_le_bytes()[0];
            carry = value >> 8;
        }
        if carry != 0 {
            return None;
        }
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lengths_hold_the_largest_number_and_refuse_more() {
        assert_eq!((length_of(4), length_of(16), length_of(32)), (6, 22, 43));
        assert_eq!(decode(&encode(&[0xff; 32])), Some([0xff; 32]));
        assert_eq!(decode(&encode(&[0; 16])), Some([0; 16]));
        assert_eq!(decode::<4>("zzzzzz"), None, "more than 32 bits");
        assert_eq!(decode::<4>("00000"), None);
        assert_eq!(decode::<4>("00000_"), None);
    }

    proptest! {
        #[test]
        fn every_number_comes_back(bytes: [u8; 16]) {
            prop_assert_eq!(decode(&encode(&bytes)), Some(bytes));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,60}") {
            let _ = decode::<32>(&text);
        }
    }
}
