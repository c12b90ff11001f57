//! Logs and spans of the process: logs to stderr, so that stdout stays one document with `--json`;
//! spans over OTLP where the configuration names a collector.

mod otlp;

use std::io::IsTerminal;

use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Subscriber;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use crate::config::{LogFormat, TelemetryConfig};

/// What a command that is not the broker logs.
pub const COMMAND_FILTER: &str = "warn";
/// Spans that are exported: our own. The exporter's own HTTP requests must not be among them.
const SPAN_FILTER: &str = "off,tandem=info,tandem_adapters=info,tandem_settlement=info";
/// Name of the tracer.
const TRACER: &str = "tandem";

/// Why spans cannot be exported.
#[derive(Debug, thiserror::Error)]
#[error("spans cannot be sent to {endpoint}: {why}")]
pub struct TelemetryError {
    /// The collector.
    pub endpoint: String,
    /// What is wrong.
    pub why: String,
}

/// What has to be flushed at the end.
#[derive(Debug, Default)]
pub struct Telemetry {
    spans: Option<SdkTracerProvider>,
}

impl Telemetry {
    /// Sends what was not sent yet, for a few seconds at most.
    pub async fn flush(self) {
        let Some(spans) = self.spans else { return };
        // The exporter needs this runtime while it is waited for, so another thread waits.
        let ended = tokio::task::spawn_blocking(move || spans.shutdown()).await;
        if let Ok(Err(error)) = ended {
            tracing::warn!(%error, "the last spans were not sent");
        }
    }
}

/// Starts logging for a command. `RUST_LOG` chooses what is shown; without it, `filter` does.
pub fn init(filter: &str) {
    let config = TelemetryConfig {
        log_format: LogFormat::Human,
        log_filter: filter.to_owned(),
        otlp_endpoint: None,
    };
    // A second call (tests start several applications in one process) keeps the first.
    let _ = Registry::default().with(logs(&config)).try_init();
}

/// Starts logging and the export of spans for the broker. Must be called inside a Tokio runtime.
pub fn start(config: &TelemetryConfig) -> Result<Telemetry, TelemetryError> {
    let (subscriber, telemetry) = subscriber(config)?;
    let _ = subscriber.try_init();
    Ok(telemetry)
}

fn subscriber(
    config: &TelemetryConfig,
) -> Result<(impl Subscriber + Send + Sync, Telemetry), TelemetryError> {
    let spans = config.otlp_endpoint.as_deref().map(otlp::provider);
    let spans = spans.transpose()?;
    let exported = spans.as_ref().map(|provider| {
        tracing_opentelemetry::layer()
            .with_tracer(provider.tracer(TRACER))
            .with_location(false)
            .with_threads(false)
            .with_filter(EnvFilter::new(SPAN_FILTER))
    });
    let subscriber = Registry::default().with(logs(config)).with(exported);
    Ok((subscriber, Telemetry { spans }))
}

/// The layer that writes logs to stderr.
fn logs<S>(config: &TelemetryConfig) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(&config.log_filter));
    let to_stderr = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    if for_person(config.log_format, std::io::stderr().is_terminal()) {
        let colours = std::io::stderr().is_terminal();
        return to_stderr.with_ansi(colours).with_filter(filter).boxed();
    }
    to_stderr
        .json()
        .flatten_event(true)
        .with_span_list(false)
        .with_filter(filter)
        .boxed()
}

/// Whether logs are written for a person.
fn for_person(format: LogFormat, terminal: bool) -> bool {
    match format {
        LogFormat::Human => true,
        LogFormat::Json => false,
        LogFormat::Auto => terminal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wiremock::matchers::{method, path};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    fn config(endpoint: Option<String>) -> TelemetryConfig {
        TelemetryConfig {
            log_format: LogFormat::Json,
            log_filter: "off".into(),
            otlp_endpoint: endpoint,
        }
    }

    #[test]
    fn logs_are_for_a_person_on_a_terminal_and_json_elsewhere_unless_told() {
        assert!(for_person(LogFormat::Auto, true));
        assert!(!for_person(LogFormat::Auto, false));
        assert!(for_person(LogFormat::Human, false));
        assert!(!for_person(LogFormat::Json, true));
    }

    #[tokio::test]
    async fn spans_reach_the_collector_at_the_latest_when_the_broker_ends() {
        let collector = MockServer::start().await;
        let receive = Mock::given(method("POST")).and(path("/v1/traces"));
        let accepted = receive.respond_with(ResponseTemplate::new(200));
        accepted.mount(&collector).await;
        let (subscriber, telemetry) = subscriber(&config(Some(collector.uri()))).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            let span = tracing::info_span!(target: "tandem::test", "place", job = "job_7");
            let _entered = span.enter();
            tracing::info_span!(target: "hyper", "not ours").in_scope(|| {});
        });
        telemetry.flush().await;
        let received = collector.received_requests().await.unwrap();
        let bodies: Vec<u8> = received.iter().flat_map(|r| r.body.clone()).collect();
        let has = |text: &str| bodies.windows(text.len()).any(|w| w == text.as_bytes());
        assert!(has("place") && has("job_7") && has("service.name"));
        assert!(!has("not ours"));
        assert_eq!(
            received[0].headers["content-type"],
            "application/x-protobuf"
        );
    }

    #[tokio::test]
    async fn a_collector_that_is_away_does_not_keep_the_broker_from_ending() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", free.local_addr().unwrap());
        drop(free);
        let (subscriber, telemetry) = subscriber(&config(Some(url))).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info_span!(target: "tandem::test", "place").in_scope(|| {});
        });
        telemetry.flush().await;
    }
}
