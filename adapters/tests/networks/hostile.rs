//! Answers that nobody would send: no body makes an adapter panic, and every exchange ends.

use crate::common::{CONTEXT, container, machine, start};
use proptest::prelude::*;
use tandem_adapters::adapter::{Answer, EXCHANGE_REQUESTS_MAX, Step, TransportFault};
use tandem_adapters::{Command, Exchange, Outcome, WireResponse, aethir, ionet, registry};

fn commands() -> Vec<Command> {
    let products = ["caas", "vmaas", "on-demand", "reserve", "other"];
    let mut commands = vec![
        Command::Offers,
        Command::Balance,
        Command::List {
            tag_prefix: String::new(),
        },
        start(ionet::NETWORK, "caas", "12@US", container()),
        start(ionet::NETWORK, "vmaas", "\u{0}@@\"", machine()),
        start(aethir::NETWORK, "reserve", "h100", machine()),
    ];
    for product in products {
        let product = || product.to_owned();
        let remote_id = || "../%00\u{202e}".to_owned();
        commands.extend([
            Command::Status {
                product: product(),
                remote_id: remote_id(),
            },
            Command::Stop {
                product: product(),
                remote_id: remote_id(),
            },
            Command::Logs {
                product: product(),
                remote_id: remote_id(),
            },
            Command::Extend {
                product: product(),
                remote_id: remote_id(),
                hours: u32::MAX,
                minutes_before: u32::MAX,
            },
        ]);
    }
    commands
}

/// Bodies that answer something, to be bent.
const VALID: &[&str] = &[
    r#"{"data":[{"hardware_id":12,"hardware_name":"H100 SXM5","location":"US","price":2.49,"available":8,"network":1,"max_gpus_per_container":8}]}"#,
    r#"{"data":{"hardware":[{"id":"x","deploy_id":"x","name":"H100 SXM5","num_cards":8,"price":"20","location":"US"}]}}"#,
    r#"{"status":"success","deployment_id":"d1"}"#,
    r#"{"data":{"id":"d1","status":"running","amount_paid":1.5,"compute_minutes_served":1,"compute_minutes_remaining":2}}"#,
    r#"{"data":{"total":1,"workers":[{"container_id":"c","vm_id":"v","device_id":"d","ssh_access":"ssh a@b -p 22","public_url":"x","network_services":{"a":{"public_ip":"1.1.1.1","public_port":1}}}]}}"#,
    r#"{"data":{"deployments":[{"id":"d1","name":"tandem-x","status":"running"}],"total":1}}"#,
    r#"{"code":135000,"msg":"OK","data":{"records":[{"orderId":"o","clientOrderNo":"x"}],"current":1,"size":100,"total":1,"pages":1},"time":""}"#,
    r#"{"code":135000,"msg":"OK","data":{"orderId":"o","clientOrderNo":"x","status":"TO_BE_PAID","specId":"s","mode":"Reserve","servers":1,"hours":24,"createdMs":1,"payByMs":2,"subtotal":"1","discount":"0","total":"1","athUsdRate":"1","athTotal":"1","athPaid":"1","refundedAth":"0"},"time":""}"#,
    r#"{"code":135000,"msg":"OK","data":[{"serverId":"s","orderId":"o","index":0,"status":"IN_SERVICE","fingerprint":"f","gpuModel":"g","gpus":8}],"time":""}"#,
    r#"{"code":135000,"msg":"OK","data":{"ath":"1e400","athUsdRate":"-1","rateTimeMs":1},"time":""}"#,
];

/// What takes the place of a value.
fn odd_value() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "null",
        "true",
        "-1",
        "1e400",
        "99999999999999999999",
        "0.1",
        "\"\"",
        "\"\\u0000\"",
        "[]",
        "{}",
        "[[[[]]]]",
        "{\"data\":null}",
        "18446744073709551616",
    ])
}

/// A valid body with a part of its text replaced.
fn bent() -> impl Strategy<Value = Vec<u8>> {
    let body = prop::sample::select(VALID);
    (
        body,
        any::<prop::sample::Index>(),
        any::<prop::sample::Index>(),
        odd_value(),
    )
        .prop_map(|(body, which, end, odd)| {
            let starts: Vec<_> = body.match_indices(':').map(|(at, _)| at + 1).collect();
            let from = starts[which.index(starts.len())];
            let rest = &body[from..];
            let stops: Vec<_> = rest
                .match_indices([',', '}', ']'])
                .map(|(at, _)| from + at)
                .collect();
            let to = stops[end.index(stops.len().min(2))];
            format!("{}{odd}{}", &body[..from], &body[to..]).into_bytes()
        })
}

fn answer() -> impl Strategy<Value = Answer> {
    let body = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..60),
        bent(),
        prop::sample::select(VALID).prop_map(|body| body.as_bytes().to_vec()),
    ];
    let status = prop_oneof![4 => Just(200u16), 1 => any::<u16>()];
    let fault = prop::sample::select(vec![
        TransportFault::NotSent,
        TransportFault::MaybeSent,
        TransportFault::TooLarge,
        TransportFault::CircuitOpen,
        TransportFault::RateLimited,
    ]);
    let header = prop_oneof![
        Just(Vec::new()),
        Just(vec![("retry-after".to_owned(), "-1".to_owned())]),
        Just(vec![(
            "content-type".to_owned(),
            "text/event-stream".to_owned()
        )]),
    ];
    prop_oneof![
        9 => (status, header, body).prop_map(|(status, headers, body)| {
            Ok(WireResponse { status, headers, body })
        }),
        1 => fault.prop_map(Err),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_answers_make_an_adapter_panic_and_every_exchange_ends(
        answers in prop::collection::vec(answer(), 1..6),
    ) {
        for adapter in registry::all_with("key") {
            for command in commands() {
                let mut exchange = Exchange::new(adapter.as_ref(), &command);
                let mut given = answers.iter().cycle();
                let mut sent = 0;
                let outcome = loop {
                    match exchange.step(CONTEXT) {
                        Step::Done(outcome) => break outcome,
                        Step::Send(request) => {
                            sent += 1;
                            prop_assert!(request.path.starts_with('/'));
                            let escapes = request.path.split('/').any(|part| part == "." || part == "..");
                            prop_assert!(!escapes, "{}", request.path);
                            exchange.answered(given.next().expect("a cycle").clone());
                        }
                    }
                };
                prop_assert!(sent <= EXCHANGE_REQUESTS_MAX);
                if let Outcome::Failed(failure) = &outcome {
                    prop_assert!(failure.detail.chars().count() <= 300);
                }
            }
        }
    }
}
