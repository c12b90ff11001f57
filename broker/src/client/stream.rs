//! Following a job's server-sent events, over as many connections as that takes.

use std::collections::VecDeque;
use std::time::Duration;

use reqwest::{Method, Response, StatusCode};
use tandem_model::id::JobId;

use super::{Client, ClientError};
use crate::api::EventView;

/// Longest time for one connection; the broker ends it earlier.
const STREAM_TIMEOUT: Duration = Duration::from_secs(20 * 60);
/// Wait before a stream that broke off is taken up again.
const AGAIN_AFTER: Duration = Duration::from_millis(500);
/// Connections in a row that bring nothing before it is given up.
const EMPTY_MAX: u32 = 60;
/// Longest part of a stream without an event's end, in bytes.
const FRAME_BYTES_MAX: usize = 1 << 20;

/// A job's events from the first on. Each comes once, also when the connection is lost between.
#[derive(Debug)]
pub struct EventStream {
    client: Client,
    path: String,
    after: u64,
    open: Option<Response>,
    frames: Frames,
    empty: u32,
}

impl Client {
    /// The events of a job, from the first on.
    pub fn events(&self, job: JobId) -> EventStream {
        EventStream {
            client: self.clone(),
            path: format!("/v1/jobs/{job}/events"),
            after: 0,
            open: None,
            frames: Frames::default(),
            empty: 0,
        }
    }
}

impl EventStream {
    /// The next event; none when the job has ended and all of it was told.
    pub async fn next(&mut self) -> Result<Option<EventView>, ClientError> {
        loop {
            if let Some(data) = self.frames.next() {
                let event: EventView =
                    serde_json::from_str(&data).map_err(|e| self.client.not_ours(&e))?;
                self.empty = 0;
                if event.sequence > self.after {
                    self.after = event.sequence;
                    return Ok(Some(event));
                }
                continue;
            }
            let Some(mut open) = self.open.take() else {
                match self.connect().await {
                    Ok(None) => return Ok(None),
                    Ok(open) => self.open = open,
                    Err(error) if error.may_pass() => self.rest(error).await?,
                    Err(error) => return Err(error),
                }
                continue;
            };
            match open.chunk().await {
                Ok(Some(part)) => {
                    if !self.frames.take(&part) {
                        return Err(self.client.not_ours(&"an event is too long"));
                    }
                    self.open = Some(open);
                }
                // It ended or broke off: the next connection goes on where this one was.
                Ok(None) => self.frames = Frames::default(),
                Err(error) => {
                    self.frames = Frames::default();
                    let error = self.client.unreachable(&error);
                    self.rest(error).await?;
                }
            }
        }
    }

    async fn rest(&mut self, error: ClientError) -> Result<(), ClientError> {
        self.empty += 1;
        if self.empty > EMPTY_MAX {
            return Err(error);
        }
        tokio::time::sleep(AGAIN_AFTER).await;
        Ok(())
    }

    /// Opens the stream; none when the job is over and nothing is new.
    async fn connect(&self) -> Result<Option<Response>, ClientError> {
        let request = self
            .client
            .authorised(Method::GET, &self.path)?
            .header("Accept", "text/event-stream")
            .header("Last-Event-ID", self.after.to_string())
            .timeout(STREAM_TIMEOUT);
        let answer = request.send().await;
        let answer = answer.map_err(|e| self.client.unreachable(&e))?;
        match answer.status() {
            StatusCode::OK => Ok(Some(answer)),
            StatusCode::NO_CONTENT => Ok(None),
            status => {
                let body = self.client.body(answer).await?;
                Err(self.client.refusal(status, &body))
            }
        }
    }
}

/// The data of whole events in a stream of bytes.
#[derive(Debug, Default)]
struct Frames {
    text: Vec<u8>,
    ready: VecDeque<String>,
}

impl Frames {
    /// Takes bytes in; whether the event that is not whole yet is short enough.
    fn take(&mut self, part: &[u8]) -> bool {
        self.text.extend_from_slice(part);
        while let Some(end) = self.text.windows(2).position(|w| w == b"\n\n") {
            let frame: Vec<u8> = self.text.drain(..end + 2).collect();
            let frame = String::from_utf8_lossy(&frame);
            let data = frame.lines().filter_map(|l| l.strip_prefix("data:"));
            let data: Vec<&str> = data.map(|d| d.strip_prefix(' ').unwrap_or(d)).collect();
            if !data.is_empty() {
                self.ready.push_back(data.join("\n"));
            }
        }
        self.text.len() <= FRAME_BYTES_MAX
    }

    fn next(&mut self) -> Option<String> {
        self.ready.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_whole_however_their_bytes_are_cut() {
        let stream = b"retry: 1000\n\nid: 1\nevent: job\ndata: {\"a\":1}\n\n: still here\n\ndata: x\ndata: y\n\ndata: half";
        for cut in 0..stream.len() {
            let mut frames = Frames::default();
            assert!(frames.take(&stream[..cut]) && frames.take(&stream[cut..]));
            assert_eq!(frames.next().as_deref(), Some("{\"a\":1}"));
            assert_eq!(frames.next().as_deref(), Some("x\ny"));
            assert_eq!(frames.next(), None);
        }
    }

    #[test]
    fn an_event_without_end_is_refused() {
        assert!(!Frames::default().take(&vec![b'x'; FRAME_BYTES_MAX + 1]));
    }
}
