//! From HTTP to the world's plain requests, and back.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use tandem_adapters::wire::{Method, RateClass, Repeat, WireRequest, WireResponse};

use super::{Shared, sse};

/// Query pairs read of one request.
const QUERY_PAIRS_MAX: usize = 100;

/// The request as plain data; none for methods that no network knows.
pub(super) fn to_wire(request: &HttpRequest, body: &[u8]) -> Option<WireRequest> {
    let method = match request.method().as_str() {
        "GET" | "HEAD" => Method::Get,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "PATCH" => Method::Patch,
        "DELETE" => Method::Delete,
        _ => return None,
    };
    let query = web::Query::<Vec<(String, String)>>::from_query(request.query_string());
    let mut query = query.map(web::Query::into_inner).unwrap_or_default();
    query.truncate(QUERY_PAIRS_MAX);
    let headers = request.headers().iter().filter_map(|(name, value)| {
        let value = value.to_str().ok()?;
        Some((name.as_str().to_owned(), value.to_owned()))
    });
    Some(WireRequest {
        method,
        path: request.path().to_owned(),
        query,
        headers: headers.collect(),
        body: body.to_vec(),
        repeat: Repeat::Unsafe,
        rate: RateClass::Any,
        streams: false,
    })
}

/// The answer as HTTP.
pub(super) fn from_wire(answer: WireResponse) -> HttpResponse {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    for (name, value) in answer.headers {
        response.insert_header((name, value));
    }
    response.body(answer.body)
}

/// Every request that is not the shell's own.
pub(super) async fn answer(
    shared: web::Data<Shared>,
    request: HttpRequest,
    body: web::Bytes,
) -> HttpResponse {
    let Some(wire) = to_wire(&request, &body) else {
        return HttpResponse::MethodNotAllowed().finish();
    };
    let now = shared.now();
    let (answer, cursor) = {
        let mut world = shared.world();
        let answer = world.handle(&wire, now);
        let cursor = (answer.status == 200).then(|| crate::ionet::log_cursor(&world, &wire));
        (answer, cursor.flatten())
    };
    shared.wake();
    match cursor {
        Some(cursor) => sse::stream(shared.into_inner(), cursor, &wire),
        None => from_wire(answer),
    }
}
