//! The agents' side over real HTTP: what an honest agent gets, and what a hostile one does not.

mod api;

use std::io::{Read, Write};
use std::net::TcpStream;

use api::{Api, JOB, OTHER};
use gpu_probe::protocol::{
    BIND_PATH, CHECKPOINTS_PATH, HEARTBEATS_PATH, LOG_BYTES_MAX, OUTPUT_TAIL_BYTES_MAX,
    REQUEST_BYTES_MAX, RESULTS_PATH,
};
use serde_json::{Value, json};
use tandem_model::placement::Epoch;

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_binds_renews_publishes_and_reports() {
    let api = Api::start();
    let bound = api.ok(BIND_PATH, JOB, 1, api.bind(JOB, 1)).await;
    assert_eq!(bound["lease_ttl_ms"], 30_000);
    assert!(bound["restore"].is_null());
    let beat = api
        .ok(HEARTBEATS_PATH, JOB, 1, api.beat(JOB, 1, 1, &["hello"]))
        .await;
    assert_eq!(
        (&beat["granted"], &beat["live_epoch"]),
        (&json!(true), &json!(1))
    );
    let moved = api
        .ok(CHECKPOINTS_PATH, JOB, 1, api.checkpoint(JOB, 1, 5))
        .await;
    assert_eq!(moved["accepted"], true);
    let back = api
        .ok(CHECKPOINTS_PATH, JOB, 1, api.checkpoint(JOB, 1, 4))
        .await;
    assert_eq!(
        (&back["accepted"], &back["pointer"]["step"]),
        (&json!(false), &json!(5))
    );
    for _ in 0..2 {
        let done = api
            .ok(RESULTS_PATH, JOB, 1, api.result(JOB, 1, "bye"))
            .await;
        assert_eq!(done["recorded"], true, "asked again, told again");
    }
    assert_eq!(api.log(JOB), ["hello"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_opens_its_own_epoch_of_its_own_job_and_nothing_else() {
    let api = Api::start();
    let body = api.bind(JOB, 1);
    let token = api.token(JOB, 1);
    let wrong = [
        None,
        Some(String::new()),
        Some("Bearer".to_owned()),
        Some("Bearer ".to_owned()),
        Some(format!("bearer{token}")),
        Some(format!("Bearer {}", "0".repeat(64))),
        Some(format!("Bearer {}", &token[..63])),
        Some(format!("Bearer {token}0")),
        Some(format!("Bearer {}", api.token(OTHER, 1))),
        Some(format!("Bearer {}", api.token(JOB, 2))),
    ];
    for header in wrong {
        let refused = api.post(BIND_PATH, header.as_deref(), body.clone()).await;
        assert_eq!(refused.status, 401, "{header:?}");
        assert_eq!(refused.authenticate.as_deref(), Some("Bearer"));
        refused.is_problem("TDM-4005");
        assert!(!refused.text.contains(&token), "{}", refused.text);
    }
    // The right token, for a job and an epoch that are not its own.
    let right = format!("Bearer {token}");
    for body in [api.bind(OTHER, 1), api.bind(JOB, 2), api.bind(99, 1)] {
        let refused = api.post(BIND_PATH, Some(&right), body).await;
        assert_eq!(refused.status, 401);
    }
    api.job(JOB, |job| {
        assert!(job.session.bound(0).is_none());
        assert!(!format!("{job:?}").contains(&token));
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_of_an_older_epoch_can_tell_nothing_and_is_told_of_the_live_one() {
    let api = Api::start();
    api.ok(BIND_PATH, JOB, 1, api.bind(JOB, 1)).await;
    api.ok(CHECKPOINTS_PATH, JOB, 1, api.checkpoint(JOB, 1, 5))
        .await;
    api.replace(JOB);
    api.ok(BIND_PATH, JOB, 2, api.bind(JOB, 2)).await;
    let beat = api
        .ok(
            HEARTBEATS_PATH,
            JOB,
            1,
            api.beat(JOB, 1, 9, &["digest of a zombie"]),
        )
        .await;
    assert_eq!(
        (&beat["granted"], &beat["live_epoch"]),
        (&json!(false), &json!(2))
    );
    for (path, body) in [
        (BIND_PATH, api.bind(JOB, 1)),
        (CHECKPOINTS_PATH, api.checkpoint(JOB, 1, 99)),
        (RESULTS_PATH, api.result(JOB, 1, "")),
    ] {
        let refused = api
            .post(path, Some(&format!("Bearer {}", api.token(JOB, 1))), body)
            .await;
        assert_eq!(refused.status, 409, "{path}");
        assert_eq!(refused.is_problem("TDM-4001")["live_epoch"], 2, "{path}");
    }
    assert_eq!(api.log(JOB), [""; 0], "its output is not the job's");
    api.job(JOB, |job| {
        assert_eq!(
            job.session.pointer().map(|p| (p.epoch, p.step)),
            Some((Epoch(1), 5))
        );
        assert!(job.session.outcome().is_none());
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_heartbeat_twice_tells_its_lines_once() {
    let api = Api::start();
    api.ok(BIND_PATH, JOB, 1, api.bind(JOB, 1)).await;
    for _ in 0..3 {
        api.ok(HEARTBEATS_PATH, JOB, 1, api.beat(JOB, 1, 1, &["once"]))
            .await;
    }
    assert_eq!(api.log(JOB), ["once"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_cannot_be_served_is_a_problem_with_a_code_that_says_what_to_do() {
    let api = Api::start();
    let url = |path: &str| format!("{}{path}", api.url);
    let json_type = ("content-type", "application/json");
    let huge = format!("\"{}\"", "x".repeat(REQUEST_BYTES_MAX));
    let post = |path: &str| api.client.post(url(path)).header(json_type.0, json_type.1);
    let cases = [
        (413, post(BIND_PATH).body(huge), "limit"),
        (400, post(BIND_PATH).body("{"), "EOF"),
        (400, post(BIND_PATH).body("[]"), ""),
        (400, post(BIND_PATH).body("{\"job\":\"job_x\"}"), ""),
        (
            400,
            post(HEARTBEATS_PATH).body("[".repeat(100_000)),
            "invalid type",
        ),
        (400, post(RESULTS_PATH).body(vec![0xff; 10]), ""),
        (
            415,
            api.client.post(url(BIND_PATH)).body("{}"),
            "application/json",
        ),
        (
            415,
            api.client
                .post(url(BIND_PATH))
                .header("content-type", "text/plain")
                .body("{}"),
            "application/json",
        ),
        (404, api.client.get(url("/")), "nothing"),
        (
            404,
            api.client.get(url("/agent/v1/../../etc/passwd")),
            "nothing",
        ),
        (404, api.client.post(url("/agent/v1/none")), "nothing"),
        (405, api.client.get(url(BIND_PATH)), "method"),
        (405, api.client.delete(url("/agent/v1/binary")), "method"),
    ];
    for (status, request, detail) in cases {
        let answer = api.send(request).await;
        assert_eq!(answer.status, status, "{}", answer.text);
        let problem = answer.is_problem("TDM-4004");
        let told = problem["detail"].as_str().unwrap_or_default();
        assert!(told.contains(detail), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_out_of_its_limits_is_refused_whole_and_names_the_field() {
    let api = Api::start();
    api.ok(BIND_PATH, JOB, 1, api.bind(JOB, 1)).await;
    let with = |mut body: Value, field: &str, value: Value| {
        body[field] = value;
        body
    };
    let beat = || api.beat(JOB, 1, 1, &[]);
    let long = "x".repeat(2_000);
    let cases = [
        (
            BIND_PATH,
            with(api.bind(JOB, 1), "container", json!(long)),
            "container",
        ),
        (
            HEARTBEATS_PATH,
            with(beat(), "sequence", json!(0)),
            "sequence",
        ),
        (
            HEARTBEATS_PATH,
            with(beat(), "log_tail", json!(vec!["x"; 201])),
            "log_tail",
        ),
        (
            CHECKPOINTS_PATH,
            with(api.checkpoint(JOB, 1, 3), "key", json!("../x")),
            "key",
        ),
        (
            RESULTS_PATH,
            with(api.result(JOB, 1, ""), "signal", json!(9)),
            "signal",
        ),
    ];
    for (path, body, field) in cases {
        let header = format!("Bearer {}", api.token(JOB, 1));
        let refused = api.post(path, Some(&header), body).await;
        assert_eq!(refused.status, 422, "{field}: {}", refused.text);
        let problem = refused.is_problem("TDM-4004");
        let told = problem["detail"].as_str().unwrap_or_default();
        assert!(told.contains(&format!("`{field}`")), "{told}");
    }
    api.job(JOB, |job| {
        assert_eq!(job.session.bound(0).map(|b| b.sequence), Some(0))
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn the_longest_output_is_taken_even_when_json_makes_it_six_times_as_long() {
    let api = Api::start();
    api.ok(BIND_PATH, JOB, 1, api.bind(JOB, 1)).await;
    let lines = vec!["\u{1}".repeat(4_096); LOG_BYTES_MAX / 4_096];
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    api.ok(HEARTBEATS_PATH, JOB, 1, api.beat(JOB, 1, 1, &lines))
        .await;
    let tail = "\u{1}".repeat(OUTPUT_TAIL_BYTES_MAX);
    let done = api
        .ok(RESULTS_PATH, JOB, 1, api.result(JOB, 1, &tail))
        .await;
    assert_eq!(done["recorded"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_send_drop_by_drop_hold_nobody_up_and_are_sent_away() {
    let api = Api::start();
    api.ok(BIND_PATH, JOB, 1, api.bind(JOB, 1)).await;
    let address = api.url.trim_start_matches("http://").to_owned();
    let half = format!(
        "POST {HEARTBEATS_PATH} HTTP/1.1\r\nHost: {address}\r\n\
         Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{{\"job\":"
    );
    let mut slow: Vec<TcpStream> = (0..200)
        .map(|_| {
            let mut stream = TcpStream::connect(&address).expect("the server listens");
            stream.write_all(half.as_bytes()).expect("it reads");
            stream
        })
        .collect();
    for sequence in 1..=20 {
        let beat = api
            .ok(HEARTBEATS_PATH, JOB, 1, api.beat(JOB, 1, sequence, &[]))
            .await;
        assert_eq!(beat["granted"], true);
    }
    let mut answer = String::new();
    let read = slow[0].read_to_string(&mut answer);
    assert!(answer.starts_with("HTTP/1.1 408"), "{read:?}: {answer}");
    assert!(answer.contains("application/problem+json"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_agents_at_once_each_keep_their_own_lease() {
    let api = std::sync::Arc::new(Api::start());
    api.ok(BIND_PATH, JOB, 1, api.bind(JOB, 1)).await;
    api.ok(BIND_PATH, OTHER, 1, api.bind(OTHER, 1)).await;
    let calls = (1..=400_u64).map(|n| {
        let api = std::sync::Arc::clone(&api);
        let job = if n % 2 == 0 { JOB } else { OTHER };
        tokio::spawn(async move {
            api.ok(HEARTBEATS_PATH, job, 1, api.beat(job, 1, n, &["x"]))
                .await["granted"]
                == true
        })
    });
    for call in calls.collect::<Vec<_>>() {
        assert!(call.await.expect("no panic"));
    }
    for (job, newest) in [(JOB, 400), (OTHER, 399)] {
        api.job(job, |job| {
            assert_eq!(job.session.bound(0).map(|b| b.sequence), Some(newest));
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_agents_program_comes_with_the_digest_that_start_scripts_check() {
    let api = Api::start();
    let got = api
        .client
        .get(format!("{}/agent/v1/binary", api.url))
        .send()
        .await;
    let bytes = got.expect("an answer").bytes().await.expect("a body");
    assert_eq!(
        gpu_probe::protocol::Sha256::of(&bytes).to_string(),
        api.agent_sha256
    );
}
