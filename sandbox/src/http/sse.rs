//! Container logs as they are written.

use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::Bytes;
use futures_util::stream;
use tandem_adapters::wire::WireRequest;

use super::Shared;
use crate::ionet::{COMPLETE, LogCursor};

/// How often the log is read.
const READ_EVERY: Duration = Duration::from_millis(200);
/// Reads without a line between two keep-alive comments.
const READS_TO_COMMENT: u32 = 25;
/// Reads without a line after which a stream that does not follow is complete.
const READS_TO_COMPLETE: u32 = 10;

struct Tail {
    shared: Arc<Shared>,
    cursor: LogCursor,
    follows: bool,
    quiet: u32,
    is_over: bool,
}

impl Tail {
    /// The next piece of the stream; none at its end.
    async fn next(&mut self) -> Option<String> {
        if self.is_over {
            return None;
        }
        loop {
            let (mut text, is_over) = self.cursor.read(&self.shared.world());
            let is_quiet = !self.follows && self.quiet >= READS_TO_COMPLETE;
            if is_over || is_quiet || self.shared.stop.is_cancelled() {
                self.is_over = true;
                text.push_str(COMPLETE);
                return Some(text);
            }
            if !text.is_empty() {
                self.quiet = 0;
                return Some(text);
            }
            self.quiet += 1;
            tokio::time::sleep(READ_EVERY).await;
            if self.quiet.is_multiple_of(READS_TO_COMMENT) {
                return Some(": keep-alive\n\n".to_owned());
            }
        }
    }
}

/// Streams from a cursor on. With `follow=true` the stream ends with the container; otherwise also
/// after two quiet seconds.
pub(super) fn stream(
    shared: Arc<Shared>,
    cursor: LogCursor,
    request: &WireRequest,
) -> HttpResponse {
    let follows = request
        .query
        .iter()
        .any(|(k, v)| k == "follow" && v == "true");
    let tail = Tail {
        shared,
        cursor,
        follows,
        quiet: 0,
        is_over: false,
    };
    let pieces = stream::unfold(tail, |mut tail| async move {
        let text = tail.next().await?;
        Some((Ok::<_, actix_web::Error>(Bytes::from(text)), tail))
    });
    HttpResponse::Ok()
        .content_type("text/event-stream")
        .streaming(pieces)
}
