//! A reply on its way into the JSON that the Lambda runtime sends to API Gateway.
//!
//! Left alone, lambda_http decodes a body by its `Content-Type` (a text in Latin-1 changes its bytes, a body without a
//! type loses those that are not UTF-8), keeps one of several headers of a name, and fails at a header that is not UTF-8.

use std::future::{Future, ready};
use std::pin::Pin;

use lambda_http::http::header::SET_COOKIE;
use lambda_http::http::{HeaderMap, HeaderName, HeaderValue};
use lambda_http::{Body, IntoResponse, Response};

use super::Reply;

/// A reply whose body stays as it is: [`Body::Text`] travels as text, [`Body::Binary`] as base64, whatever its type.
/// Headers of one name travel as one, joined by commas; cookies stay apart.
pub struct Verbatim(pub Reply);

impl IntoResponse for Verbatim {
    fn into_response(self) -> Pin<Box<dyn Future<Output = Response<Body>> + Send>> {
        let Verbatim(mut reply) = self;
        spell(reply.headers_mut());
        Box::pin(ready(reply))
    }
}

fn spell(headers: &mut HeaderMap) {
    let names: Vec<HeaderName> = headers.keys().filter(|name| **name != SET_COOKIE).cloned().collect();
    for name in names {
        if needs_spelling(headers, &name) {
            let values: Vec<String> = headers.get_all(&name).iter().map(text).collect();
            // Joined values hold no byte that one of them did not.
            if let Ok(joined) = HeaderValue::from_bytes(values.join(", ").as_bytes()) {
                headers.insert(name, joined);
            }
        }
    }
    drop_unspeakable_cookies(headers);
}

fn needs_spelling(headers: &HeaderMap, name: &HeaderName) -> bool {
    let mut values = headers.get_all(name).iter();
    let is_text = values.next().is_some_and(|value| value.to_str().is_ok());
    !is_text || values.next().is_some()
}

/// Bytes that are not UTF-8 are Latin-1, the encoding HTTP headers once had.
fn text(value: &HeaderValue) -> String {
    match std::str::from_utf8(value.as_bytes()) {
        Ok(text) => text.to_owned(),
        Err(_) => value.as_bytes().iter().map(|byte| char::from(*byte)).collect(),
    }
}

/// lambda_http would send a cookie beyond ASCII, which no browser is bound to understand, as an empty one.
fn drop_unspeakable_cookies(headers: &mut HeaderMap) {
    let is_speakable = |cookie: &HeaderValue| cookie.to_str().is_ok();
    if headers.get_all(SET_COOKIE).iter().all(is_speakable) {
        return;
    }
    let kept: Vec<HeaderValue> =
        headers.get_all(SET_COOKIE).iter().filter(|cookie| is_speakable(cookie)).cloned().collect();
    headers.remove(SET_COOKIE);
    for cookie in kept {
        headers.append(SET_COOKIE, cookie);
    }
    tracing::warn!("A cookie that is not ASCII was dropped from a reply");
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use lambda_http::request::LambdaRequest;
    use lambda_http::tower::Service;
    use lambda_http::{Adapter, Context, LambdaEvent, service_fn};
    use serde_json::{Value, json};

    use super::*;

    /// The JSON that API Gateway would get.
    async fn json_of(headers: &[(&'static str, &[u8])], body: Body) -> Value {
        let mut reply = Reply::new(body);
        for (name, value) in headers {
            reply.headers_mut().append(*name, HeaderValue::from_bytes(value).unwrap());
        }
        let mut reply = Some(Verbatim(reply));
        let mut runtime = Adapter::from(service_fn(move |_| ready(Ok::<_, Infallible>(reply.take().unwrap()))));
        let event = r#"{"version":"2.0","routeKey":"$default","rawPath":"/","rawQueryString":"","headers":{},
            "requestContext":{"http":{"method":"GET","path":"/"},"stage":"$default","timeEpoch":0},"isBase64Encoded":false}"#;
        let request: LambdaRequest = serde_json::from_str(event).unwrap();
        let spoken = runtime.call(LambdaEvent::new(request, Context::default())).await.unwrap();
        serde_json::to_value(&spoken).unwrap()
    }

    #[tokio::test]
    async fn a_body_travels_as_it_is_whatever_its_type_says() {
        let latin =
            json_of(&[("content-type", b"text/html; charset=iso-8859-1")], Body::Binary(vec![b'e', 0xe9])).await;
        assert_eq!((&latin["isBase64Encoded"], &latin["body"]), (&json!(true), &json!("Zek=")));
        let untyped = json_of(&[], Body::Binary(vec![0xff])).await;
        assert_eq!((&untyped["isBase64Encoded"], &untyped["body"]), (&json!(true), &json!("/w==")));
        let text = json_of(&[("content-type", b"image/svg")], Body::Text("é\n".to_owned())).await;
        assert_eq!((&text["isBase64Encoded"], &text["body"]), (&json!(false), &json!("é\n")));
    }

    #[tokio::test]
    async fn every_header_of_a_name_travels() {
        let spoken = json_of(
            &[
                ("vary", b"Accept"),
                ("vary", b"Origin"),
                ("set-cookie", b"a=1"),
                ("set-cookie", b"b=2"),
                ("x-one", b"1"),
            ],
            Body::Empty,
        )
        .await;
        assert_eq!(spoken["headers"], json!({ "vary": "Accept, Origin", "x-one": "1" }));
        assert_eq!(spoken["cookies"], json!(["a=1", "b=2"]));
    }

    #[tokio::test]
    async fn a_header_that_is_not_utf8_does_not_spoil_the_reply() {
        let spoken = json_of(
            &[
                ("content-disposition", b"attachment; filename=\"\xe9.pdf\""),
                ("set-cookie", b"a=\xe9"),
                ("set-cookie", b"b=2"),
            ],
            Body::Empty,
        )
        .await;
        assert_eq!(spoken["headers"], json!({ "content-disposition": "attachment; filename=\"é.pdf\"" }));
        assert_eq!(spoken["cookies"], json!(["b=2"]));
    }
}
