//! The product's answer on its way back: status, headers and bytes as they were, as long as Lambda can carry them.

use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body as _, Incoming};
use lambda_http::Body;
use lambda_http::http::{HeaderMap, Method, Response, StatusCode};
use shared::http::Reply;
use shared::https_client::{HttpsError, read_body};

use crate::headers;

/// Of the JSON that carries the reply: <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>.
const LAMBDA_REPLY_BYTES: usize = 6_291_556;

/// The JSON's own names, and what the edge adds to a reply.
const FRAME_BYTES: usize = 2_048;

pub(crate) async fn bring_back(
    response: Response<Incoming>,
    method: &Method,
    timeout: Duration,
) -> Result<Reply, HttpsError> {
    let (mut parts, body) = response.into_parts();
    if parts.status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(HttpsError::Broken("the answer is of another protocol".into()));
    }
    headers::back(&mut parts.headers, *method == Method::HEAD || parts.status == StatusCode::NOT_MODIFIED);
    let room = LAMBDA_REPLY_BYTES.saturating_sub(FRAME_BYTES + size_of_headers(&parts.headers));
    // A length that is told spares us the reading.
    if usize::try_from(body.size_hint().lower()).is_ok_and(|told| told > room) {
        return Err(HttpsError::TooLarge);
    }
    let body = in_json(read_body(body, room, timeout).await?, room)?;
    Ok(Response::from_parts(parts, body))
}

/// Text travels as a JSON string, anything else as base64; so does text whose escapes would take too much room.
fn in_json(bytes: Bytes, room: usize) -> Result<Body, HttpsError> {
    if bytes.is_empty() {
        return Ok(Body::Empty);
    }
    let base64_size = bytes.len().div_ceil(3) * 4;
    match String::from_utf8(bytes.into()) {
        Ok(text) if size_as_string(&text) <= room => Ok(Body::Text(text)),
        Ok(text) if base64_size <= room => Ok(Body::Binary(text.into_bytes())),
        Err(error) if base64_size <= room => Ok(Body::Binary(error.into_bytes())),
        _ => Err(HttpsError::TooLarge),
    }
}

/// As serde_json writes it.
fn size_as_string(text: &str) -> usize {
    text.bytes()
        .map(|byte| match byte {
            b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
            0..0x20 => 6,
            _ => 1,
        })
        .sum()
}

/// Every byte counted twice: quotes are escaped.
fn size_of_headers(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + 2 * value.len() + 8).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_text_travels_as_text_and_the_rest_as_base64() {
        assert_eq!(in_json(Bytes::from("olá"), 100).unwrap(), Body::Text("olá".to_owned()));
        assert_eq!(in_json(Bytes::from_static(&[0xff]), 100).unwrap(), Body::Binary(vec![0xff]));
        assert_eq!(in_json(Bytes::new(), 100).unwrap(), Body::Empty);
    }

    #[test]
    fn what_lambda_cannot_carry_is_too_large() {
        assert!(in_json(Bytes::from("a".repeat(100)), 100).is_ok());
        assert!(in_json(Bytes::from("a".repeat(101)), 100).is_err());
        assert!(in_json(Bytes::from(vec![0xff; 75]), 100).is_ok());
        assert!(in_json(Bytes::from(vec![0xff; 76]), 100).is_err());
    }

    #[test]
    fn text_full_of_escapes_takes_the_shorter_way() {
        assert_eq!(in_json(Bytes::from("\u{1}".repeat(30)), 100).unwrap(), Body::Binary(vec![1; 30]));
    }

    proptest! {
        #[test]
        fn the_size_of_a_text_is_what_serde_json_writes(text in any::<String>()) {
            prop_assert_eq!(size_as_string(&text) + 2, serde_json::to_string(&text).unwrap().len());
        }
    }
}
