//! The edge: requests in, replies out, and the only table of statuses.
//!
//! [`Function`] is everything around a handler; a handler itself reads its request ([`body`], [`urls`]) and answers
//! with [`json`] or an [`ApiError`].

pub mod body;
pub mod cors;
pub mod error;
pub mod function;
pub mod urls;
pub mod wire;

use lambda_http::Body;
use lambda_http::http::HeaderValue;
use lambda_http::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use serde::Serialize;

pub use error::ApiError;
pub use function::Function;
pub use lambda_http::{
    Request,
    http::{Method, StatusCode},
};

pub type Reply = lambda_http::Response<Body>;

/// A reply of ours: `application/json`, never kept by a cache.
pub fn json(status: StatusCode, body: &impl Serialize) -> Reply {
    let (status, text) = match serde_json::to_string(body) {
        Ok(text) => (status, text),
        Err(error) => {
            tracing::error!(%error, "A reply could not be written as JSON");
            let text = r#"{"error":"Internal server error","code":"INTERNAL"}"#;
            (StatusCode::INTERNAL_SERVER_ERROR, text.to_owned())
        }
    };
    let mut reply = Reply::new(Body::Text(text));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}
