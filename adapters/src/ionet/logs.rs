//! Logs of io.net's containers: one stream of server-sent events per container and output.
//!
//! Framing (WHATWG HTML §9.2): lines end in LF, CR or CRLF, `data:` lines make up an event, a
//! blank line ends it, `:` starts a comment. `event: complete` ends the log; `event: error` aborts
//! it; a stream that just ends was dropped or is still being written.

use super::lifecycle::page;
use super::{CAAS_PRODUCT, IoNet, deployment_path};
use crate::adapter::{Answer, Context, Step};
use crate::answer::{Doing, unsupported};
use crate::command::Outcome;
use crate::wire::encode_segment;

/// Containers whose log is read.
const LOG_CONTAINERS_MAX: usize = 8;
/// Lines kept of each stream, the newest.
const LOG_LINES_MAX: usize = 2_000;
const OUTPUTS: [&str; 2] = ["stdout", "stderr"];

impl IoNet {
    pub(super) fn logs(
        &self,
        product: &str,
        remote_id: &str,
        answers: &[Answer],
        context: Context,
    ) -> Result<Step, Outcome> {
        if product != CAAS_PRODUCT {
            return Err(unsupported(
                "io.net keeps logs of containers only: read it over SSH",
            ));
        }
        let Some((first, streams)) = answers.split_first() else {
            let mut request = self.workers_request(product, remote_id)?;
            request.query = page(1);
            return Ok(Step::Send(request));
        };
        let reader = self.reader(context);
        let workers = self.workers(&reader, first)?;
        let keys: Vec<_> = workers
            .iter()
            .filter_map(|w| w.key())
            .take(LOG_CONTAINERS_MAX)
            .collect();
        let wanted: Vec<_> = keys
            .iter()
            .flat_map(|key| OUTPUTS.map(|output| (key, output)))
            .collect();
        if let Some((key, output)) = wanted.get(streams.len()) {
            let rest = format!("/log/{}", encode_segment(key));
            let mut request = self.get(deployment_path(product, remote_id, &rest)?);
            request.query = vec![("stream".to_owned(), (*output).to_owned())];
            request.headers[0].1 = "text/event-stream".to_owned();
            request.streams = true;
            return Ok(Step::Send(request));
        }
        let mut lines = Vec::new();
        let mut complete = !wanted.is_empty();
        for (answer, (key, _)) in streams.iter().zip(&wanted) {
            let response = reader.accept(answer, Doing::Reading)?;
            let events = response
                .header("content-type")
                .is_none_or(|kind| kind.starts_with("text/event-stream"));
            let text = String::from_utf8_lossy(&response.body);
            let log = if events {
                read_events(&text)
            } else {
                read_plain(&text)
            };
            complete &= log.complete;
            let skip = log.lines.len().saturating_sub(LOG_LINES_MAX);
            let named = |line: String| match keys.len() {
                1 => line,
                _ => format!("{key}: {line}"),
            };
            lines.extend(log.lines.into_iter().skip(skip).map(named));
        }
        Ok(Step::Done(Outcome::Logs { lines, complete }))
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Log {
    lines: Vec<String>,
    complete: bool,
}

fn read_plain(text: &str) -> Log {
    Log {
        lines: text.lines().map(str::to_owned).collect(),
        complete: false,
    }
}

fn read_events(text: &str) -> Log {
    let mut log = Log {
        lines: Vec::new(),
        complete: false,
    };
    let (mut name, mut data): (String, Vec<&str>) = (String::new(), Vec::new());
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    // The blank line at the end closes an event that the stream left open.
    for line in text.split('\n').chain([""]) {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" if line.is_empty() => {
                match name.as_str() {
                    "complete" => {
                        return Log {
                            complete: true,
                            ..log
                        };
                    }
                    "error" => return log,
                    "" | "message" => log.lines.extend(data.drain(..).map(str::to_owned)),
                    _ => data.clear(),
                }
                name.clear();
            }
            "event" => value.clone_into(&mut name),
            "data" => data.push(value),
            _ => {}
        }
    }
    log
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_come_in_order_and_complete_ends_them() {
        let text = ": keep-alive\n\ndata: one\n\ndata:two\r\n\r\ndata: three\r\revent: complete\ndata:\n\ndata: after\n\n";
        let log = read_events(text);
        assert_eq!(log.lines, ["one", "two", "three"]);
        assert!(log.complete);
    }

    #[test]
    fn an_error_or_a_dropped_stream_keeps_what_came_and_is_not_complete() {
        let log = read_events("data: one\n\nevent: error\ndata: gone\n\n");
        assert_eq!(
            log,
            Log {
                lines: vec!["one".to_owned()],
                complete: false
            }
        );
        let log = read_events("data: one\n\nevent: ping\ndata: x\n\ndata: tw");
        assert_eq!(log.lines, ["one", "tw"]);
        assert!(!log.complete);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "(data|event|:|: ?|complete|\r|\n|x){0,60}") {
            let _ = read_events(&text);
        }
    }
}
