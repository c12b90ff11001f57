//! How old the offers are: between which moments no offer becomes stale, so that an answer for one
//! of them is exactly right for all.

use super::Book;

/// Groups of aisles whose times of observation overlap: the oldest and the newest of each, rising.
pub(super) type Ages = Vec<(i64, i64)>;

/// The ages of a book whose aisles are complete.
pub(super) fn ages(book: &Book) -> Ages {
    let filled = book.stocks.iter().filter(|stock| !stock.prices.is_empty());
    let mut spans: Ages = filled.map(|stock| (stock.oldest, stock.newest)).collect();
    spans.sort_unstable();
    let mut groups = Ages::new();
    for (oldest, newest) in spans {
        match groups.last_mut() {
            Some(last) if oldest <= last.1 => last.1 = last.1.max(newest),
            _ => groups.push((oldest, newest)),
        }
    }
    groups.shrink_to_fit();
    groups
}

impl Book {
    /// How many groups of aisles hold nothing but stale offers where those observed before
    /// `stale_before` are, and the others none; none where a group may hold both. Wherever this
    /// number is the same, the same offers are stale.
    pub(crate) fn groups_stale(&self, stale_before: Option<i64>) -> Option<usize> {
        let Some(before) = stale_before else {
            return Some(0);
        };
        let stale = self.ages.partition_point(|(_, newest)| *newest < before);
        let next = self.ages.get(stale);
        next.is_none_or(|(oldest, _)| *oldest >= before)
            .then_some(stale)
    }
}
