//! What the workload prints: passed on, its end kept in a bounded ring, its lines told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

use crate::agent::Input;
use crate::protocol::{LOG_LINE_BYTES_MAX, OUTPUT_TAIL_BYTES_MAX};

/// Most bytes of output kept.
const RING_BYTES_MAX: usize = 1024 * 1024;
/// Bytes read at once.
const READ_BYTES: usize = 16 * 1024;

/// The end of the output; clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Output(Arc<Mutex<VecDeque<u8>>>);

impl Output {
    fn push(&self, bytes: &[u8]) {
        let mut ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ring.extend(bytes);
        let over = ring.len().saturating_sub(RING_BYTES_MAX);
        ring.drain(..over);
    }

    /// The last [`OUTPUT_TAIL_BYTES_MAX`] bytes as text; bytes that are no UTF-8 are replaced.
    pub(super) fn tail(&self) -> String {
        let ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let from = ring.len().saturating_sub(OUTPUT_TAIL_BYTES_MAX);
        let bytes: Vec<u8> = ring.range(from..).copied().collect();
        let text = String::from_utf8_lossy(&bytes);
        // A replaced byte takes three, so the text can be longer than the bytes were.
        let cut = text.len().saturating_sub(OUTPUT_TAIL_BYTES_MAX);
        text[text.ceil_char_boundary(cut)..].to_owned()
    }

    /// Reads a stream to its end; tells its lines and passes its bytes on.
    ///
    /// A broken `to` is given up; the workload never sees it.
    pub(super) async fn follow(
        self,
        mut from: impl AsyncRead + Unpin,
        mut to: impl AsyncWrite + Unpin,
        inputs: mpsc::Sender<Input>,
    ) {
        let mut lines = Lines::default();
        let mut chunk = vec![0; READ_BYTES];
        let mut passes_on = true;
        while let Ok(count) = from.read(&mut chunk).await
            && count > 0
        {
            let bytes = &chunk[..count];
            self.push(bytes);
            if passes_on {
                let passed = async {
                    to.write_all(bytes).await?;
                    to.flush().await
                };
                passes_on = passed.await.is_ok();
            }
            let whole = lines.take(bytes);
            if !whole.is_empty() {
                let _ = inputs.send(Input::Printed(whole)).await;
            }
        }
        if let Some(last) = lines.rest() {
            let _ = inputs.send(Input::Printed(vec![last])).await;
        }
    }
}

/// Cuts bytes into lines; a line over the limit is cut there and its rest left out.
#[derive(Debug, Default)]
struct Lines {
    open: Vec<u8>,
}

impl Lines {
    fn take(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut whole = Vec::new();
        for part in bytes.split_inclusive(|b| *b == b'\n') {
            let room = LOG_LINE_BYTES_MAX - self.open.len();
            self.open.extend_from_slice(&part[..part.len().min(room)]);
            if part.ends_with(b"\n") {
                whole.extend(self.rest());
            }
        }
        whole
    }

    fn rest(&mut self) -> Option<String> {
        let line = std::mem::take(&mut self.open);
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches(['\n', '\r']);
        (!text.is_empty()).then(|| text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_put_together_across_reads_and_cut_at_their_limit() {
        let mut lines = Lines::default();
        assert_eq!(lines.take(b"one\r\ntw"), ["one"]);
        assert_eq!(lines.take(b"o\n\nthree"), ["two"]);
        assert_eq!(lines.rest().as_deref(), Some("three"));
        let long = lines.take(&[&vec![b'x'; 3 * LOG_LINE_BYTES_MAX][..], b"\nnext\n"].concat());
        assert_eq!(long[0].len(), LOG_LINE_BYTES_MAX);
        assert_eq!(long[1], "next");
    }

    #[test]
    fn the_tail_is_bounded_even_when_every_byte_must_be_replaced() {
        let output = Output::default();
        output.push(&vec![0xff; 3 * RING_BYTES_MAX]);
        assert!(output.tail().len() <= OUTPUT_TAIL_BYTES_MAX);
        output.push("ende".as_bytes());
        assert!(output.tail().ends_with("ende"));
    }

    #[tokio::test]
    async fn output_is_passed_on_unchanged_and_a_broken_reader_does_not_stop_it() {
        let output = Output::default();
        let (inputs, mut told) = mpsc::channel(8);
        let mut passed = Vec::new();
        output
            .clone()
            .follow(&b"a\xff\nb"[..], &mut passed, inputs.clone())
            .await;
        assert_eq!(passed, b"a\xff\nb");
        assert_eq!(
            told.recv().await,
            Some(Input::Printed(vec!["a\u{fffd}".to_owned()]))
        );
        assert_eq!(
            told.recv().await,
            Some(Input::Printed(vec!["b".to_owned()]))
        );
        let (closed, _) = tokio::io::duplex(1);
        output.clone().follow(&b"c\n"[..], closed, inputs).await;
        assert!(output.tail().ends_with("c\n"));
    }
}
