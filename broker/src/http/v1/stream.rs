//! Server-sent events: what is new in the store, as it is committed, until the job has ended.
//!
//! A stream holds no history of its own: its place is the id of the last event that it sent, so a
//! client that comes back with `Last-Event-ID` misses nothing and gets nothing twice.

use std::convert::Infallible;
use std::pin::Pin;
use std::time::Duration;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::web::{Bytes, Data};
use actix_web::{HttpResponse, HttpResponseBuilder};
use futures_util::stream::unfold;
use tandem_model::id::JobId;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use crate::http::auth::Caller;
use crate::http::limiter::OpenStream;
use crate::http::problem::Problem;
use crate::http::server::Shared;

/// A line is sent at least so often, so that nobody takes the connection for dead.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Commits within this time are read together.
const PAUSE: Duration = Duration::from_millis(100);
/// Time between two looks at the key that opened a stream.
const KEY_EVERY: Duration = Duration::from_secs(2);
/// A stream is ended after this time; the client comes back.
const STREAM_MAX: Duration = Duration::from_secs(15 * 60);
/// When a client comes back, in milliseconds.
const RETRY_MS: u64 = 1_000;

/// What a source answers.
pub(super) type Read<'a> = Pin<Box<dyn Future<Output = Result<Vec<Frame>, Problem>> + 'a>>;

/// One event.
pub(super) struct Frame {
    /// Where to go on.
    pub id: String,
    /// Its kind.
    pub event: &'static str,
    /// JSON in one line.
    pub data: String,
}

/// Where a stream's events come from.
pub(super) trait Source: 'static {
    /// What is new since the last call, oldest first; empty when nothing is.
    fn read<'a>(&'a mut self, shared: &'a Shared, job: JobId) -> Read<'a>;

    /// How often it is read when no commit tells of news.
    fn poll(&self) -> Duration;
}

struct Feed<S> {
    shared: Data<Shared>,
    caller: Caller,
    /// When its key was last found good.
    good_at: Instant,
    job: JobId,
    source: S,
    changed: watch::Receiver<u64>,
    draining: watch::Receiver<bool>,
    started: Instant,
    spoke_at: Instant,
    over: bool,
    _open: OpenStream,
}

/// Opens a stream; `204` when the job has ended and nothing is new, which tells a browser's client
/// not to come back.
pub(super) async fn open<S: Source>(
    shared: Data<Shared>,
    caller: Caller,
    job: JobId,
    source: S,
) -> Result<HttpResponse, Problem> {
    let open = shared.streams.open(caller.account)?;
    let mut feed = Feed {
        changed: shared.state.engine.changed(),
        draining: shared.draining.clone(),
        started: Instant::now(),
        spoke_at: Instant::now(),
        over: false,
        _open: open,
        shared,
        caller,
        good_at: Instant::now(),
        job,
        source,
    };
    let first = feed.news().await?;
    if first.is_none() && feed.over {
        return Ok(HttpResponse::NoContent().finish());
    }
    let greeting = format!("retry: {RETRY_MS}\n\n{}", first.unwrap_or_default());
    let state = (Some(greeting), feed);
    let body = unfold(state, |(greeting, mut feed)| async move {
        let text = match greeting {
            Some(text) => text,
            None => feed.next().await?,
        };
        feed.spoke_at = Instant::now();
        Some((Ok::<_, Infallible>(Bytes::from(text)), (None, feed)))
    });
    let mut response: HttpResponseBuilder = HttpResponse::Ok();
    response
        .insert_header((CONTENT_TYPE, "text/event-stream; charset=utf-8"))
        .insert_header((CACHE_CONTROL, "no-store"))
        // Tells nginx not to hold lines back.
        .insert_header(("x-accel-buffering", "no"));
    Ok(response.streaming(Box::pin(body)))
}

impl<S: Source> Feed<S> {
    /// What is new, as text. Sets `over` when nothing can come any more, or nobody may read it.
    async fn news(&mut self) -> Result<Option<String>, Problem> {
        if self.good_at.elapsed() >= KEY_EVERY {
            if !self.caller.is_still_good(&self.shared).await? {
                self.over = true;
                return Ok(None);
            }
            self.good_at = Instant::now();
        }
        // The state is read first: whatever was committed with the end is read after it.
        let account = self.caller.account;
        let record = self.shared.state.store.job(account, self.job).await?;
        let ended = record.is_none_or(|job| job.state.is_terminal());
        let frames = self.source.read(&self.shared, self.job).await?;
        self.over = ended && frames.is_empty();
        let text: String = frames.iter().map(Frame::text).collect();
        Ok((!text.is_empty()).then_some(text))
    }

    /// The next text to send; none ends the stream.
    async fn next(&mut self) -> Option<String> {
        loop {
            let is_old = self.started.elapsed() > STREAM_MAX;
            if self.over || is_old || *self.draining.borrow() {
                return None;
            }
            match self.news().await {
                Ok(Some(text)) => return Some(text),
                Ok(None) if self.over => return None,
                Ok(None) => {}
                // The client comes back to where it was.
                Err(_) => return None,
            }
            if self.spoke_at.elapsed() >= HEARTBEAT {
                return Some(": still here\n\n".into());
            }
            self.wait().await?;
        }
    }

    /// Waits for a commit, or until it is time to look or to speak again; none when the engine is
    /// gone or the server stops.
    async fn wait(&mut self) -> Option<()> {
        let left = HEARTBEAT.saturating_sub(self.spoke_at.elapsed());
        let wait = left.min(self.source.poll());
        let (changed, draining) = (&mut self.changed, &mut self.draining);
        let woken = timeout(wait, async {
            tokio::select! {
                changed = changed.changed() => changed.is_ok(),
                _ = draining.wait_for(|draining| *draining) => false,
            }
        });
        match woken.await {
            Ok(false) => None,
            Ok(true) => {
                sleep(PAUSE).await;
                Some(())
            }
            Err(_) => Some(()),
        }
    }
}

impl Frame {
    fn text(&self) -> String {
        format!(
            "id: {}\nevent: {}\ndata: {}\n\n",
            self.id, self.event, self.data
        )
    }
}
