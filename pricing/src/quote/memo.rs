//! Answers that were worked out before, kept to be given again: bounded, shared by threads, and the
//! least recently used of a set leaves first.
//!
//! The hash of a key picks a set and nothing more; an answer is given only for an equal key. Keys
//! that were made to collide therefore push each other out, and cost others no more than a search.

use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Sets; a power of two.
const SETS: usize = 128;
/// Most answers of a set.
const WAYS: usize = 8;
/// Most answers that a supply keeps.
pub const ANSWERS_MAX: usize = SETS * WAYS;

/// A key, its hash and its answer.
#[derive(Debug)]
struct Known<K, V> {
    hash: u64,
    key: K,
    answer: Arc<V>,
    /// Readings of the market since it was asked for.
    idle: u32,
}

/// What was asked for last stands first.
type Set<K, V> = Vec<Box<Known<K, V>>>;

/// Up to [`ANSWERS_MAX`] answers by key.
#[derive(Debug)]
pub(super) struct Memo<K, V> {
    sets: [Mutex<Set<K, V>>; SETS],
    worked_out: AtomicU64,
}

impl<K, V> Default for Memo<K, V> {
    fn default() -> Self {
        Self {
            sets: [const { Mutex::new(Vec::new()) }; SETS],
            worked_out: AtomicU64::new(0),
        }
    }
}

impl<K: Hash + Eq, V> Memo<K, V> {
    /// The answer for a key; where it is not known, that of `work`, which runs without a lock, so
    /// that two threads may do it at once and one of the two equal answers is kept.
    pub(super) fn answer(&self, key: K, work: impl FnOnce() -> V) -> Arc<V> {
        self.answer_idle(key, 0, work)
    }

    /// The same for a key that was asked for so many readings of the market ago.
    pub(super) fn answer_idle(&self, key: K, idle: u32, work: impl FnOnce() -> V) -> Arc<V> {
        let mut words = Words(0);
        key.hash(&mut words);
        let hash = words.finish();
        if let Some(answer) = find(&mut self.set(hash), (hash, &key), idle) {
            return answer;
        }
        let answer = Arc::new(work());
        let mut set = self.set(hash);
        if let Some(answer) = find(&mut set, (hash, &key), idle) {
            return answer;
        }
        let at = place(&set, idle);
        if at == WAYS {
            return answer;
        }
        // Under the lock: whoever sees it counted finds it.
        self.worked_out.fetch_add(1, Ordering::Relaxed);
        // What leaves is dropped after the lock.
        let left = (set.len() >= WAYS).then(|| set.pop());
        let known = Known {
            hash,
            key,
            answer: Arc::clone(&answer),
            idle,
        };
        set.insert(at, Box::new(known));
        drop(set);
        drop(left);
        answer
    }

    /// What `take` makes of every key, its answer and how many readings ago it was asked for; of a
    /// set what was asked for last first.
    pub(super) fn each<T>(&self, take: impl Fn(&K, &V, u32) -> T) -> Vec<T> {
        let mut all = Vec::new();
        for set in &self.sets {
            let set = set.lock().unwrap_or_else(PoisonError::into_inner);
            all.extend(
                set.iter()
                    .map(|known| take(&known.key, &known.answer, known.idle)),
            );
        }
        all
    }

    fn set(&self, hash: u64) -> MutexGuard<'_, Set<K, V>> {
        // The upper bits are the well mixed ones.
        let at = usize::try_from(hash >> 32).unwrap_or(0) % SETS;
        // Nothing that can panic runs under the lock, and a set is whole at every moment.
        self.sets[at].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many answers were not known, were worked out and were kept.
    pub(super) fn worked_out(&self) -> u64 {
        self.worked_out.load(Ordering::Relaxed)
    }

    /// How many answers are kept.
    #[cfg(test)]
    fn len(&self) -> usize {
        let len = |set: &Mutex<Set<K, V>>| set.lock().unwrap().len();
        self.sets.iter().map(len).sum()
    }
}

/// The place of an answer that was asked for so many readings ago: before those that were asked for
/// no later. [`WAYS`] where a whole set is of later ones.
fn place<K, V>(set: &Set<K, V>, idle: u32) -> usize {
    let place = set.iter().position(|known| known.idle >= idle);
    place.unwrap_or(set.len())
}

/// The answer of an equal key, which goes to the place of the later time it was asked for.
fn find<K: Eq, V>(set: &mut Set<K, V>, (hash, key): (u64, &K), idle: u32) -> Option<Arc<V>> {
    let at = set.iter().position(|k| k.hash == hash && k.key == *key)?;
    let answer = Arc::clone(&set[at].answer);
    let to = place(set, idle);
    if to <= at {
        set[at].idle = idle;
        set[to..=at].rotate_right(1);
    }
    Some(answer)
}

/// A hash by multiplication, word by word (as the compiler of Rust has it): quick on keys of many
/// words, and the same on every machine.
struct Words(u64);

impl Words {
    fn add(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
}

impl Hasher for Words {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        words
            .iter()
            .for_each(|word| self.add(u64::from_le_bytes(*word)));
        rest.iter().for_each(|byte| self.add(u64::from(*byte)));
    }

    fn write_u8(&mut self, n: u8) {
        self.add(u64::from(n));
    }

    fn write_u32(&mut self, n: u32) {
        self.add(u64::from(n));
    }

    fn write_u64(&mut self, n: u64) {
        self.add(n);
    }

    fn write_usize(&mut self, n: usize) {
        self.add(n as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    /// A key whose hash is always the same.
    #[derive(Debug, PartialEq, Eq)]
    struct Colliding(u32);

    impl Hash for Colliding {
        fn hash<H: Hasher>(&self, state: &mut H) {
            state.write_u32(7);
        }
    }

    #[test]
    fn keys_that_collide_never_get_each_others_answer_and_fill_one_set_at_most() {
        let memo = Memo::default();
        for _ in 0..2 {
            for key in 0..100 {
                assert_eq!(*memo.answer(Colliding(key), || key), key);
                assert!(memo.len() <= WAYS);
            }
        }
        assert_eq!(memo.len(), WAYS);
    }

    #[test]
    fn any_number_of_keys_keeps_no_more_answers_than_the_bound() {
        let memo = Memo::default();
        for key in 0..20 * ANSWERS_MAX {
            memo.answer(key, || key);
        }
        // Keys are spread: nearly every set is full.
        assert!(memo.len() <= ANSWERS_MAX);
        assert!(memo.len() > ANSWERS_MAX * 9 / 10, "{}", memo.len());
    }

    #[test]
    fn the_least_recently_used_leaves_first() {
        let memo = Memo::default();
        let never = |key| move || panic!("{key} was forgotten");
        for key in 0..8 {
            memo.answer(Colliding(key), || key);
        }
        memo.answer(Colliding(0), never(0));
        memo.answer(Colliding(8), || 8);
        for key in [0, 2, 3, 4, 5, 6, 7, 8] {
            assert_eq!(*memo.answer(Colliding(key), never(key)), key);
        }
        assert_eq!(*memo.answer(Colliding(1), || 100), 100);
    }

    #[test]
    fn what_is_put_ahead_pushes_out_nothing_that_was_asked_for_later() {
        let memo = Memo::default();
        for key in 0..7 {
            memo.answer_idle(Colliding(key), 2, || key);
        }
        memo.answer_idle(Colliding(7), 1, || 7);
        // Before those that were asked for no later, and the last of them leaves.
        memo.answer_idle(Colliding(8), 2, || 8);
        memo.answer_idle(Colliding(9), 3, || 9);
        let keys = || memo.each(|key, _, idle| (key.0, idle));
        let expected = [
            (7, 1),
            (8, 2),
            (6, 2),
            (5, 2),
            (4, 2),
            (3, 2),
            (2, 2),
            (1, 2),
        ];
        assert_eq!(keys(), expected);
        // What was known as wanted stays so; what is asked for becomes it.
        memo.answer_idle(Colliding(7), 5, || 100);
        memo.answer(Colliding(4), || 100);
        assert_eq!(keys()[..3], [(4, 0), (7, 1), (8, 2)]);
        assert_eq!(memo.worked_out(), 9);
    }

    #[test]
    fn a_panic_at_work_leaves_the_others_their_answers() {
        let memo = Memo::default();
        memo.answer(Colliding(1), || 1);
        let broken = std::panic::AssertUnwindSafe(|| memo.answer(Colliding(2), || panic!("work")));
        std::panic::catch_unwind(broken).unwrap_err();
        assert_eq!(*memo.answer(Colliding(1), || 0), 1);
        assert_eq!(*memo.answer(Colliding(2), || 2), 2);
    }

    #[test]
    fn threads_that_ask_at_once_get_right_answers_and_one_is_kept_for_each_key() {
        let memo = Memo::default();
        let worked = AtomicUsize::new(0);
        let keys = 40;
        let ask = || {
            for round in 0..2_000usize {
                let key = round * 7 % keys;
                let answer = memo.answer(key, || {
                    worked.fetch_add(1, Ordering::Relaxed);
                    std::thread::yield_now();
                    key * 3
                });
                assert_eq!(*answer, key * 3);
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(ask);
            }
        });
        assert_eq!(memo.len(), keys);
        assert!((keys..=4 * keys).contains(&worked.load(Ordering::Relaxed)));
    }
}
