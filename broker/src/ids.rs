//! Fresh ids: the one place of this crate where clock and chance meet.

use tandem_model::time::Clock;
use uuid::Uuid;

/// Makes an id of the kind whose constructor is given.
pub fn fresh<I>(clock: &dyn Clock, make: impl FnOnce(u64, &[u8; 10]) -> I) -> I {
    let mut random = [0; 10];
    random.copy_from_slice(&Uuid::new_v4().as_bytes()[..10]);
    make(clock.wall().unix_ms(), &random)
}

/// A random token of 122 bits in hexadecimal.
pub fn token() -> String {
    Uuid::new_v4().simple().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use tandem_model::id::JobId;

    #[test]
    fn two_fresh_ids_differ() {
        let clock = SystemClock::new(1);
        let make = || fresh(&clock, JobId::from_parts);
        assert_ne!(make(), make());
        assert_ne!(token(), token());
    }
}
