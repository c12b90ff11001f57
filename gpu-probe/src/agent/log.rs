//! Lines waiting to be told: bounded, oldest dropped first, kept until a heartbeat is answered.

use std::collections::VecDeque;

use crate::protocol::{LOG_BYTES_MAX, LOG_LINE_BYTES_MAX, LOG_LINES_MAX};

/// The lines, and how many of them a heartbeat carries now.
#[derive(Debug, Clone, Default)]
pub(super) struct LogTail {
    lines: VecDeque<String>,
    bytes: usize,
    /// The heartbeat that carries lines, and how many of the front ones.
    carried: Option<(u64, usize)>,
}

impl LogTail {
    /// Adds a line, cut to its limit.
    pub(super) fn push(&mut self, mut line: String) {
        line.truncate(line.floor_char_boundary(LOG_LINE_BYTES_MAX));
        self.bytes += line.len();
        self.lines.push_back(line);
        while self.lines.len() > LOG_LINES_MAX || self.bytes > LOG_BYTES_MAX {
            self.drop_front(1);
            if let Some((_, count)) = &mut self.carried {
                *count = count.saturating_sub(1);
            }
        }
    }

    /// Whether every line is told.
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The lines for this heartbeat; none while another heartbeat carries some.
    pub(super) fn carry(&mut self, sequence: u64) -> Vec<String> {
        if self.carried.is_some() || self.lines.is_empty() {
            return Vec::new();
        }
        self.carried = Some((sequence, self.lines.len()));
        self.lines.iter().cloned().collect()
    }

    /// The heartbeat was answered: its lines are told.
    pub(super) fn told(&mut self, sequence: u64) {
        if let Some((_, count)) = self.carried.take_if(|(carrier, _)| *carrier == sequence) {
            self.drop_front(count);
        }
    }

    /// The heartbeat was lost: another one may carry its lines.
    pub(super) fn lost(&mut self, sequence: u64) {
        self.carried.take_if(|(carrier, _)| *carrier == sequence);
    }

    fn drop_front(&mut self, count: usize) {
        for line in self.lines.drain(..count.min(self.lines.len())) {
            self.bytes -= line.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_once_and_again_only_when_their_heartbeat_was_lost() {
        let mut log = LogTail::default();
        log.push("a".to_owned());
        assert_eq!(log.carry(1), ["a"]);
        log.push("b".to_owned());
        assert!(log.carry(2).is_empty(), "heartbeat 1 carries lines");
        log.lost(1);
        assert_eq!(log.carry(3), ["a", "b"]);
        log.told(1);
        log.push("c".to_owned());
        log.told(3);
        assert_eq!(log.carry(4), ["c"]);
    }

    #[test]
    fn too_many_lines_and_bytes_drop_the_oldest_even_while_they_are_carried() {
        let mut log = LogTail::default();
        log.push("first".to_owned());
        assert_eq!(log.carry(1), ["first"]);
        for i in 0..LOG_LINES_MAX {
            log.push(format!("{i}"));
        }
        log.told(1);
        assert_eq!(log.carry(2).len(), LOG_LINES_MAX);
        let mut log = LogTail::default();
        for _ in 0..100 {
            log.push("é".repeat(LOG_LINE_BYTES_MAX));
        }
        let lines = log.carry(1);
        assert!(lines.iter().all(|l| l.len() <= LOG_LINE_BYTES_MAX));
        assert!(lines.iter().map(String::len).sum::<usize>() <= LOG_BYTES_MAX);
    }
}
