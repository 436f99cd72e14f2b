//! A function's JSON reply, made HTTP again.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Payload format 2.0, as a function writes it. There is no field for repeated headers other than cookies.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FunctionReply {
    status_code: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    cookies: Vec<String>,
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

/// Nothing when the JSON is not a reply AWS could send on: its callers get a 500 then, and so do ours.
pub(crate) fn response_of(json: &str) -> Option<Response> {
    let reply: FunctionReply = serde_json::from_str(json).ok()?;
    let body = reply.body.unwrap_or_default();
    let body = if reply.is_base64_encoded { BASE64.decode(body).ok()? } else { body.into_bytes() };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(reply.status_code).ok()?;
    let headers = response.headers_mut();
    for (name, value) in &reply.headers {
        let name: HeaderName = name.parse().ok()?;
        if ![header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION].contains(&name) {
            headers.insert(name, HeaderValue::from_bytes(value.as_bytes()).ok()?);
        }
    }
    for cookie in &reply.cookies {
        headers.append(header::SET_COOKIE, HeaderValue::from_str(cookie).ok()?);
    }
    Some(response)
}

/// What API Gateway says itself, in its own words.
pub(crate) fn gateway_message(status: StatusCode, message: &str) -> Response {
    (status, axum::Json(serde_json::json!({ "message": message }))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn body_of(response: Response) -> Vec<u8> {
        axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap().to_vec()
    }

    #[tokio::test]
    async fn cookies_and_binary_bodies_come_back_as_they_were() {
        let response = response_of(
            r#"{"statusCode":201,"headers":{"content-type":"image/png"},"multiValueHeaders":{},
                "cookies":["a=1; Path=/","b=2"],"body":"AP8=","isBase64Encoded":true}"#,
        )
        .unwrap();
        assert_eq!(response.status(), 201);
        assert_eq!(response.headers()["content-type"], "image/png");
        assert_eq!(response.headers().get_all("set-cookie").iter().collect::<Vec<_>>(), ["a=1; Path=/", "b=2"]);
        assert_eq!(body_of(response).await, [0, 255]);
    }

    #[test]
    fn a_reply_aws_could_not_send_on_is_none() {
        assert!(response_of("{}").is_none());
        assert!(response_of(r#"{"statusCode":200,"body":"%","isBase64Encoded":true}"#).is_none());
        assert!(response_of(r#"{"statusCode":200,"headers":{"bad name":"x"}}"#).is_none());
    }
}
