//! Public URLs of what runs: a simulated service answers by itself, a real one is passed through.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use super::Shared;
use super::body::Body;
use crate::world::Service;

/// Where OpenAI-compatible servers answer a chat.
const CHAT_PATH: &str = "v1/chat/completions";
/// Headers that belong to one connection and are not passed on.
const OWN_HEADERS: [&str; 6] = [
    "connection",
    "keep-alive",
    "transfer-encoding",
    "upgrade",
    "host",
    "content-length",
];

/// Any method on `/sandbox/run/{unit}/…`.
pub(super) async fn serve(
    shared: web::Data<Shared>,
    request: HttpRequest,
    body: Body,
) -> HttpResponse {
    let unit = request.match_info().get("unit").unwrap_or_default();
    let path = request.match_info().get("path").unwrap_or_default();
    let service = shared.world().service(unit);
    match service {
        Service::Down => HttpResponse::BadGateway().json(json!({ "error": "nothing runs here" })),
        Service::Silent => HttpResponse::GatewayTimeout().json(json!({ "error": "no answer" })),
        Service::Simulated { .. } if path == CHAT_PATH && request.method() == "POST" => {
            HttpResponse::Ok().json(chat(&body.0))
        }
        Service::Simulated { name, slot } => HttpResponse::Ok().json(json!({
            "service": name,
            "replica": slot,
            "method": request.method().as_str(),
            "path": format!("/{path}"),
            "received_bytes": body.0.len(),
        })),
        Service::Process { port } => pass_on(&shared, &request, path, port, body.0).await,
    }
}

/// A chat completion as OpenAI-compatible servers give it, so that clients of inference endpoints
/// can be tried; it says that no model runs.
fn chat(body: &[u8]) -> Value {
    let asked: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let message = json!({ "role": "assistant", "content": "No model runs in the sandbox." });
    json!({
        "id": "chatcmpl-sandbox",
        "object": "chat.completion",
        "created": 0,
        "model": asked.get("model"),
        "choices": [{ "index": 0, "message": message, "finish_reason": "stop" }],
        "usage": { "prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0 },
    })
}

async fn pass_on(
    shared: &Shared,
    request: &HttpRequest,
    path: &str,
    port: u16,
    body: web::Bytes,
) -> HttpResponse {
    let query = match request.query_string() {
        "" => String::new(),
        query => format!("?{query}"),
    };
    let method = reqwest::Method::from_bytes(request.method().as_str().as_bytes());
    let Ok(method) = method else {
        return HttpResponse::MethodNotAllowed().finish();
    };
    let url = format!("http://127.0.0.1:{port}/{path}{query}");
    let mut call = shared.client.request(method, url).body(body.to_vec());
    for (name, value) in request.headers() {
        if !OWN_HEADERS.contains(&name.as_str()) {
            call = call.header(name.as_str(), value.as_bytes());
        }
    }
    match call.send().await {
        Err(_) => {
            HttpResponse::BadGateway().json(json!({ "error": "the process does not answer" }))
        }
        Ok(answer) => {
            let status = actix_web::http::StatusCode::from_u16(answer.status().as_u16());
            let mut response = HttpResponse::build(status.unwrap_or_default());
            for (name, value) in answer.headers() {
                if !OWN_HEADERS.contains(&name.as_str()) {
                    response.insert_header((name.as_str(), value.as_bytes()));
                }
            }
            response.streaming(answer.bytes_stream())
        }
    }
}
