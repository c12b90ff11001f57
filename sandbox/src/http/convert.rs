//! From HTTP to the world's plain requests, and back.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::stream;
use tandem_adapters::wire::{Method, RateClass, Repeat, WireRequest, WireResponse};

use super::body::Body;
use super::{Shared, sse};
use crate::world::Unread;

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
    let headers = request.headers().iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes());
        (name.as_str().to_owned(), value.into_owned())
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

/// No answer at all: the body fails before the head is written, and so the connection is closed.
fn cut() -> HttpResponse {
    let failure = std::io::Error::other("the connection is cut by a fault");
    HttpResponse::Ok().streaming(stream::once(async { Err::<web::Bytes, _>(failure) }))
}

/// Every request that is not the shell's own.
pub(super) async fn answer(
    shared: web::Data<Shared>,
    request: HttpRequest,
    body: Body,
) -> HttpResponse {
    let now = shared.now();
    let Some(wire) = to_wire(&request, &body.0) else {
        let mut world = shared.world();
        return from_wire(world.refuse_unread(request.path(), Unread::Method, now));
    };
    let (answer, cursor) = {
        let mut world = shared.world();
        let answer = world.handle(&wire, now);
        let is_read = answer.as_ref().is_ok_and(|answer| answer.status == 200);
        let cursor = is_read.then(|| crate::ionet::log_cursor(&world, &wire));
        (answer, cursor.flatten())
    };
    shared.wake();
    match (answer, cursor) {
        (_, Some(cursor)) => sse::stream(shared.into_inner(), cursor, &wire),
        (Ok(answer), None) => from_wire(answer),
        (Err(_), None) => cut(),
    }
}
