//! The exporter of spans: OTLP over HTTP with protobuf, through the HTTP client that the rest of
//! the broker uses.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;

use super::TelemetryError;

/// Longest time for one batch to be taken.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);
/// Largest answer that is read of a collector.
const ANSWER_BYTES_MAX: u64 = 64 * 1_024;
/// Where traces go below a collector's address (OTLP specification, "OTLP/HTTP Request").
const TRACES_PATH: &str = "/v1/traces";

/// A provider that batches spans and sends them to a collector.
pub(super) fn provider(endpoint: &str) -> Result<SdkTracerProvider, TelemetryError> {
    let refuse = |why: String| TelemetryError {
        endpoint: endpoint.to_owned(),
        why,
    };
    let http = reqwest::Client::builder()
        .timeout(EXPORT_TIMEOUT)
        .build()
        .map_err(|e| refuse(e.to_string()))?;
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(traces_url(endpoint))
        .with_timeout(EXPORT_TIMEOUT)
        .with_http_client(RuntimeClient {
            http,
            runtime: tokio::runtime::Handle::current(),
        })
        .build()
        .map_err(|e| refuse(e.to_string()))?;
    let resource = Resource::builder_empty()
        .with_service_name("tandem")
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    Ok(SdkTracerProvider::builder()
        .with_resource(resource)
        .with_batch_exporter(exporter)
        .build())
}

/// A collector's address with the path of traces, unless it names one already.
fn traces_url(endpoint: &str) -> String {
    let endpoint = endpoint.trim_end_matches('/');
    if endpoint.ends_with(TRACES_PATH) {
        return endpoint.to_owned();
    }
    format!("{endpoint}{TRACES_PATH}")
}

/// Runs requests on the broker's runtime: the exporter waits for them on a thread of its own,
/// where there is none.
struct RuntimeClient {
    http: reqwest::Client,
    runtime: tokio::runtime::Handle,
}

impl fmt::Debug for RuntimeClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RuntimeClient")
    }
}

impl HttpClient for RuntimeClient {
    fn send_bytes<'me, 'future>(
        &'me self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'future>>
    where
        'me: 'future,
        Self: 'future,
    {
        let http = self.http.clone();
        let sent = self.runtime.spawn(async move {
            let request = reqwest::Request::try_from(request)?;
            let answer = http.execute(request).await?;
            let status = answer.status();
            if answer
                .content_length()
                .is_some_and(|n| n > ANSWER_BYTES_MAX)
            {
                return Err("the collector's answer is too long".into());
            }
            let body = answer.bytes().await?;
            Ok::<_, HttpError>(Response::builder().status(status).body(body)?)
        });
        Box::pin(async move { sent.await? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collectors_address_gets_the_path_of_traces_once() {
        for (given, url) in [
            ("http://c:4318", "http://c:4318/v1/traces"),
            ("http://c:4318/", "http://c:4318/v1/traces"),
            ("https://c/otlp/v1/traces", "https://c/otlp/v1/traces"),
        ] {
            assert_eq!(traces_url(given), url);
        }
    }
}
