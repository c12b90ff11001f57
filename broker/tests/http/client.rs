//! Answers as stories look at them.

use std::collections::BTreeMap;

use serde_json::Value;

/// An answer, read whole.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) text: String,
}

impl Answer {
    /// Sends a request.
    pub(crate) async fn of(request: reqwest::RequestBuilder) -> Self {
        let answer = request.send().await.expect("an answer");
        let text = |value: &reqwest::header::HeaderValue| {
            String::from_utf8_lossy(value.as_bytes()).into_owned()
        };
        let headers = answer.headers().iter();
        let headers = headers.map(|(name, value)| (name.to_string(), text(value)));
        Self {
            status: answer.status().as_u16(),
            headers: headers.collect(),
            text: answer.text().await.expect("a body"),
        }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }

    /// The body, which must be a problem document with this status and code.
    pub(crate) fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        let problem = self.json();
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(problem["status"], status, "{}", self.text);
        assert_eq!(problem["code"], code, "{}", self.text);
        assert_eq!(problem["type"], format!("/errors/{code}"));
        assert_eq!(problem["request_id"], self.header("x-request-id"));
        assert!(!self.header("x-request-id").is_empty());
        assert!(!problem["detail"].as_str().unwrap_or_default().is_empty());
        problem
    }

    /// The body, which must refuse this field.
    pub(crate) fn refuses(&self, code: &str, field: &str) -> Value {
        let problem = self.problem(422, code);
        let errors = problem["errors"].as_array().cloned().unwrap_or_default();
        let named = errors
            .iter()
            .find(|error| error["field"] == field || error["path"] == field);
        named
            .cloned()
            .unwrap_or_else(|| panic!("`{field}` is not named: {}", self.text))
    }
}
