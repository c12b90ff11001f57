//! Bodies of requests, read within a size and a time. What cannot be read is refused in the form of
//! the network that was asked.

use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::error::InternalError;
use actix_web::http::header::{CONNECTION, HeaderValue};
use actix_web::web::{Bytes, BytesMut};
use actix_web::{Error, FromRequest, HttpRequest, web};
use futures_util::StreamExt as _;
use futures_util::future::LocalBoxFuture;

use super::Shared;
use super::convert::from_wire;
use crate::world::{REQUEST_BODY_BYTES_MAX, Unread};

/// Time that a client has to send its request's body.
const BODY_DEADLINE: Duration = Duration::from_secs(10);

/// The whole body of a request.
pub(super) struct Body(pub(super) Bytes);

impl FromRequest for Body {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self, Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let read = tokio::time::timeout(BODY_DEADLINE, read(payload)).await;
            let read = read.unwrap_or(Err(Unread::Late));
            read.map(Self).map_err(|why| refusal(&request, why))
        })
    }
}

async fn read(mut payload: Payload) -> Result<Bytes, Unread> {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        body.extend_from_slice(&chunk.map_err(|_| Unread::Broken)?);
        if body.len() > REQUEST_BODY_BYTES_MAX {
            return Err(Unread::TooLarge);
        }
    }
    Ok(body.freeze())
}

/// The refusal as an error of the server, which ends the connection: where the next request would
/// begin in it is not known.
fn refusal(request: &HttpRequest, why: Unread) -> Error {
    let shared = request.app_data::<web::Data<Shared>>();
    let shared = shared.expect("the server is made with it");
    let now = shared.now();
    let answer = shared.world().refuse_unread(request.path(), why, now);
    let mut response = from_wire(answer);
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(CONNECTION, close);
    InternalError::from_response("the body cannot be read", response).into()
}
