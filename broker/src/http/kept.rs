//! Values that anybody may ask for without a key: worked out at most once in a while, whoever asks
//! and how often.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

/// How long a value is given again.
const KEPT: Duration = Duration::from_secs(1);

/// A value with the moment at which it was worked out.
pub(super) struct Kept<T>(Mutex<Option<(Instant, T)>>);

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Kept<T> {
    /// The value, a second old at the most; those who ask while it is worked out wait for it.
    pub(super) async fn get(&self, fresh: impl Future<Output = T>) -> T {
        let mut kept = self.0.lock().await;
        if let Some((at, value)) = &*kept
            && at.elapsed() < KEPT
        {
            return value.clone();
        }
        let value = fresh.await;
        *kept = Some((Instant::now(), value.clone()));
        value
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn many_who_ask_at_once_share_one_answer_and_a_later_one_gets_a_new_one() {
        let kept = Kept::default();
        let made = AtomicU32::new(0);
        let ask = || {
            kept.get(async {
                tokio::task::yield_now().await;
                made.fetch_add(1, Ordering::Relaxed)
            })
        };
        let all = futures_util::future::join_all((0..100).map(|_| ask())).await;
        assert!(all.iter().all(|value| *value == 0), "{all:?}");
        tokio::time::sleep(KEPT).await;
        assert_eq!(ask().await, 1);
    }

    #[tokio::test]
    async fn one_who_asked_and_left_leaves_nobody_waiting() {
        let kept = Kept::default();
        let endless = kept.get(std::future::pending::<u32>());
        let left = tokio::time::timeout(Duration::from_millis(10), endless).await;
        assert!(left.is_err());
        assert_eq!(kept.get(async { 7 }).await, 7);
    }
}
