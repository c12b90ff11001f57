//! Events and logs as they come: nothing missed, nothing twice, and an end.

use std::time::Duration;

use futures_util::StreamExt as _;
use reqwest::Method;
use serde_json::{Value, json};
use tandem_model::placement::Epoch;

use crate::agent::Agent;
use crate::client::Answer;
use crate::quotes::GOOD;
use crate::stage::Stage;

/// Longest wait for the next piece of a stream.
const PATIENCE: Duration = Duration::from_secs(60);

/// One event of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Event {
    id: String,
    data: Value,
}

/// An open stream, read event by event.
struct Stream {
    body: futures_util::stream::BoxStream<'static, reqwest::Result<Vec<u8>>>,
    text: String,
}

impl Stream {
    async fn open(request: reqwest::RequestBuilder) -> Self {
        let request = request.header("accept", "text/event-stream");
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status(), 200);
        let kind = answer.headers()["content-type"].to_str().unwrap();
        assert!(kind.starts_with("text/event-stream"), "{kind}");
        let body = answer
            .bytes_stream()
            .map(|piece| piece.map(|bytes| bytes.to_vec()));
        Self {
            body: body.boxed(),
            text: String::new(),
        }
    }

    /// The next event; none at the end.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let block = block.to_owned();
                self.text = rest.to_owned();
                let field = |name: &str| {
                    let line = block.lines().find_map(|l| l.strip_prefix(name));
                    line.map(|l| l.trim_start_matches(": ").to_owned())
                };
                if let (Some(id), Some(data)) = (field("id"), field("data")) {
                    let data = serde_json::from_str(&data).expect("data is JSON");
                    return Some(Event { id, data });
                }
                continue;
            }
            let piece = tokio::time::timeout(PATIENCE, self.body.next()).await;
            let piece = piece
                .expect("the stream speaks")?
                .expect("it is not cut off");
            self.text
                .push_str(std::str::from_utf8(&piece).expect("UTF-8"));
        }
    }

    async fn all(mut self) -> Vec<Event> {
        let mut all = Vec::new();
        while let Some(event) = self.next().await {
            all.push(event);
        }
        all
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_events_resumes_where_it_was_cut_off_and_ends_with_the_job() {
    let stage = Stage::open().await;
    let job = stage.job(GOOD, json!({})).await;
    let path = format!("/v1/jobs/{job}/events");
    let mut first = Stream::open(stage.ask(Method::GET, &path)).await;
    let mut seen = vec![first.next().await.unwrap(), first.next().await.unwrap()];
    drop(first);
    let resumed = stage
        .ask(Method::GET, &path)
        .header("last-event-id", &seen[1].id);
    seen.extend(Stream::open(resumed).await.all().await);
    let ids: Vec<u64> = seen.iter().map(|e| e.id.parse().unwrap()).collect();
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "{ids:?}");
    assert_eq!(seen.last().unwrap().data["state"], "succeeded");
    let page = stage.get(&format!("{path}?limit=200")).await.json();
    let stored: Vec<Value> = page["items"].as_array().unwrap().clone();
    assert_eq!(stored.len(), seen.len(), "all of them, once");
    assert!(seen.iter().zip(&stored).all(|(e, s)| e.data == *s));
    assert!(page["next"].is_null());
    let over = stage
        .ask(Method::GET, &path)
        .header("accept", "text/event-stream")
        .header("last-event-id", &seen.last().unwrap().id);
    assert_eq!(
        Answer::of(over).await.status,
        204,
        "nothing will ever come: do not come back"
    );
    let half = stage
        .get(&format!("{path}?limit=1&after={}", ids[0]))
        .await
        .json();
    assert_eq!(
        (&half["items"][0], half["items"].as_array().map(Vec::len)),
        (&stored[1], Some(1))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_in_a_stream_that_nobody_gave_is_refused() {
    let stage = Stage::told().await;
    let job = stage.job(GOOD, json!({})).await;
    for (path, id) in [
        ("events", "x"),
        ("events", "-1"),
        ("logs?follow=true", "1.2"),
    ] {
        let request = stage
            .ask(Method::GET, &format!("/v1/jobs/{job}/{path}"))
            .header("accept", "text/event-stream")
            .header("last-event-id", id);
        Answer::of(request)
            .await
            .refuses("TDM-6004", "Last-Event-ID");
    }
    for (query, field) in [
        ("after=x", "after"),
        ("follow=maybe", "follow"),
        ("after=1.2.3.4", "after"),
    ] {
        let answer = stage.get(&format!("/v1/jobs/{job}/logs?{query}")).await;
        answer.refuses("TDM-6004", field);
    }
    let picture = stage
        .ask(Method::GET, &format!("/v1/jobs/{job}/events"))
        .header("accept", "image/png");
    Answer::of(picture).await.problem(406, "TDM-6003");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_has_only_so_many_streams_open_and_gets_them_back() {
    let stage = Stage::told().await;
    let job = stage.job(GOOD, json!({})).await;
    let path = format!("/v1/jobs/{job}/events");
    let ask = || stage.ask(Method::GET, &path);
    let mut open = Vec::new();
    for _ in 0..4 {
        open.push(Stream::open(ask()).await);
    }
    let fifth = Answer::of(ask().header("accept", "text/event-stream")).await;
    fifth.problem(429, "TDM-6007");
    assert!(!fifth.header("retry-after").is_empty());
    assert_eq!(stage.get(&path).await.status, 200, "pages are not streams");
    drop(open);
    for _ in 0..600 {
        let request = ask().header("accept", "text/event-stream");
        if request.send().await.expect("an answer").status() == 200 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("streams that clients left are never given back");
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_end_when_the_broker_is_about_to_stop() {
    let mut stage = Stage::told().await;
    let job = stage.job(GOOD, json!({})).await;
    let path = format!("/v1/jobs/{job}/events");
    let stream = Stream::open(stage.ask(Method::GET, &path)).await;
    let running = stage.running.take().unwrap();
    running.drain();
    let seen = stream.all().await;
    assert!(!seen.is_empty());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_soon_after_its_key_was_revoked() {
    let stage = Stage::told().await;
    let job = stage.job(GOOD, json!({})).await;
    let asked = json!({"name": "reader", "scopes": ["jobs:read"]});
    let made = stage.post("/v1/keys", asked).await.json();
    let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    let path = format!("/v1/jobs/{job}/events");
    let stream = Stream::open(stage.ask_as(key, Method::GET, &path)).await;
    let revoked = stage.ask(Method::DELETE, &format!("/v1/keys/{id}"));
    assert_eq!(Answer::of(revoked).await.status, 204);
    let all = tokio::time::timeout(PATIENCE / 2, stream.all()).await;
    assert!(!all.expect("it ends although its job runs").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_come_as_json_as_text_and_as_they_are_printed() {
    let stage = Stage::told().await;
    let job = stage.job(GOOD, json!({})).await;
    let agent = Agent::placed(&stage, &job, Epoch(1)).await;
    agent.bind().await;
    let path = format!("/v1/jobs/{job}/logs");
    let mut follow = Stream::open(stage.ask(Method::GET, &format!("{path}?follow=true"))).await;
    agent.beat(1, &["one", "two"]).await;
    let first = follow.next().await.unwrap();
    assert_eq!(first.data["text"], "one\ntwo\n");
    assert_eq!(first.data["cursor"], first.id);
    agent.beat(2, &["three"]).await;
    assert_eq!(follow.next().await.unwrap().data["text"], "three\n");
    let page = stage.get(&path).await.json();
    assert_eq!(page["items"].as_array().map(Vec::len), Some(2));
    assert_eq!(page["more"], false);
    let text = stage.ask(Method::GET, &path).header("accept", "text/plain");
    let text = Answer::of(text).await;
    assert_eq!(text.text, "one\ntwo\nthree\n");
    let next = page["next"].as_str().unwrap();
    assert_eq!(text.header("x-next-after"), next);
    let later = stage.get(&format!("{path}?after={next}")).await.json();
    assert_eq!(
        (&later["items"], later["next"].as_str()),
        (&json!([]), Some(next))
    );
    let one = stage.get(&format!("{path}?limit=1")).await.json();
    assert_eq!(
        (&one["more"], &one["items"][0]["text"]),
        (&json!(true), &json!("one\ntwo\n"))
    );
}
