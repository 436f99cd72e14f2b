//! The JSON event of a request: payload format 2.0, of an HTTP API or of a function URL.
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>
//! <https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-payloads>

use axum::body::Bytes;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use super::routes::Chosen;

/// The side that takes the request in; the two differ in small ways that matter.
pub(crate) enum Front {
    HttpApi(Chosen),
    FunctionUrl,
}

/// What of an event is not in the request itself.
pub(crate) struct Arrival<'a> {
    pub request_id: &'a str,
    pub source_ip: &'a str,
    pub at: Timestamp,
}

/// An HTTP API shows the path decoded, and loses what follows an encoded question mark; a function URL leaves it alone.
/// Seen at AWS: <https://github.com/hotsock/voker/pull/8>.
pub(crate) fn http_api_path(encoded: &str) -> String {
    let decoded = percent_decode_str(encoded).decode_utf8_lossy().into_owned();
    decoded.split_once('?').map_or(decoded.clone(), |(path, _)| path.to_owned())
}

pub(crate) fn event_of(front: &Front, parts: &Parts, body: &Bytes, arrival: &Arrival<'_>) -> Value {
    let raw_path = match front {
        Front::HttpApi(_) => http_api_path(parts.uri.path()),
        Front::FunctionUrl => parts.uri.path().to_owned(),
    };
    let route_key = match front {
        Front::HttpApi(chosen) => chosen.route_key.as_str(),
        Front::FunctionUrl => "$default",
    };
    let query = parts.uri.query().unwrap_or_default();
    let host = text_header(&parts.headers, header::HOST).unwrap_or("127.0.0.1");
    let mut event = json!({
        "version": "2.0",
        "routeKey": route_key,
        "rawPath": raw_path,
        "rawQueryString": query,
        "headers": headers_of(&parts.headers, host, arrival),
        "requestContext": {
            "accountId": if matches!(front, Front::HttpApi(_)) { "000000000000" } else { "anonymous" },
            "apiId": "local",
            "domainName": host,
            "domainPrefix": host.split(['.', ':']).next().unwrap_or(host),
            "http": {
                "method": parts.method.as_str(),
                "path": raw_path,
                "protocol": "HTTP/1.1",
                "sourceIp": arrival.source_ip,
                "userAgent": text_header(&parts.headers, header::USER_AGENT).unwrap_or_default(),
            },
            "requestId": arrival.request_id,
            "routeKey": route_key,
            "stage": "$default",
            "time": arrival.at.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string(),
            "timeEpoch": arrival.at.as_millisecond(),
        },
        "isBase64Encoded": false,
    });
    if !query.is_empty() {
        event["queryStringParameters"] = query_parameters(query);
    }
    if let Front::HttpApi(chosen) = front
        && !chosen.path_parameters.is_empty()
    {
        event["pathParameters"] = json!(chosen.path_parameters);
    }
    let cookies = cookies_of(&parts.headers);
    if !cookies.is_empty() {
        event["cookies"] = json!(cookies);
    }
    if !body.is_empty() {
        let text = is_text(&parts.headers).then(|| std::str::from_utf8(body).ok()).flatten();
        event["isBase64Encoded"] = json!(text.is_none());
        event["body"] = match text {
            Some(text) => json!(text),
            None => json!(BASE64.encode(body)),
        };
    }
    event
}

fn text_header(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Names in lower case, repeated ones joined by commas, cookies apart, and what the front adds itself.
fn headers_of(headers: &HeaderMap, host: &str, arrival: &Arrival<'_>) -> Map<String, Value> {
    let mut joined = Map::new();
    for name in headers.keys().filter(|name| **name != header::COOKIE && **name != header::CONNECTION) {
        let values: Vec<_> =
            headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        joined.insert(name.as_str().to_owned(), json!(values.join(",")));
    }
    let forwarded_for = match joined.get("x-forwarded-for").and_then(Value::as_str) {
        Some(earlier) => format!("{earlier}, {}", arrival.source_ip),
        None => arrival.source_ip.to_owned(),
    };
    joined.insert("x-forwarded-for".to_owned(), json!(forwarded_for));
    joined.insert("x-forwarded-proto".to_owned(), json!("http"));
    let port = host.rsplit_once(':').map_or("80", |(_, port)| port);
    joined.insert("x-forwarded-port".to_owned(), json!(port));
    joined
}

fn cookies_of(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(';')).map(|cookie| cookie.trim().to_owned()).filter(|c| !c.is_empty()).collect()
}

/// Decoded; the values of a repeated name are joined by commas.
fn query_parameters(query: &str) -> Value {
    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let mut parameters: Map<String, Value> = Map::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decode(name), decode(value));
        let joined = match parameters.get(&name).and_then(Value::as_str) {
            Some(earlier) => format!("{earlier},{value}"),
            None => value,
        };
        parameters.insert(name, json!(joined));
    }
    Value::Object(parameters)
}

/// Bodies of any other kind travel as base64, forms and untyped ones included.
fn is_text(headers: &HeaderMap) -> bool {
    let Some(content_type) = text_header(headers, header::CONTENT_TYPE) else { return false };
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind.starts_with("text/")
        || ["application/json", "application/javascript", "application/xml"].contains(&kind.as_str())
        || kind.ends_with("+json")
        || kind.ends_with("+xml")
}

#[cfg(test)]
mod tests {
    use axum::http::Request;
    use lambda_http::{Body, RequestExt};

    use super::*;

    fn event(front: Front, request: Request<&'static [u8]>) -> Value {
        let (parts, body) = request.into_parts();
        let arrival = Arrival { request_id: "req-1", source_ip: "127.0.0.1", at: Timestamp::from_second(0).unwrap() };
        event_of(&front, &parts, &Bytes::from_static(body), &arrival)
    }

    fn http_api() -> Front {
        Front::HttpApi(Chosen {
            function: "gate".to_owned(),
            route_key: "ANY /api/{proxy+}".to_owned(),
            path_parameters: [("proxy".to_owned(), "x".to_owned())].into(),
        })
    }

    #[test]
    fn an_event_has_the_fields_aws_documents() {
        let request = Request::post("http://h/api/x?a=1&a=2&b=%20c")
            .header("Host", "127.0.0.1:9000")
            .header("User-Agent", "story")
            .header("X-Twice", "one")
            .header("X-Twice", "two")
            .header("Cookie", "a=1; b=2")
            .header("Content-Type", "application/json; charset=utf-8")
            .body(&b"{\"price_id\":\"p\"}"[..])
            .unwrap();
        let event = event(http_api(), request);
        assert_eq!(
            event,
            json!({
                "version": "2.0",
                "routeKey": "ANY /api/{proxy+}",
                "rawPath": "/api/x",
                "rawQueryString": "a=1&a=2&b=%20c",
                "cookies": ["a=1", "b=2"],
                "headers": {
                    "content-type": "application/json; charset=utf-8",
                    "host": "127.0.0.1:9000",
                    "user-agent": "story",
                    "x-forwarded-for": "127.0.0.1",
                    "x-forwarded-port": "9000",
                    "x-forwarded-proto": "http",
                    "x-twice": "one,two",
                },
                "queryStringParameters": {"a": "1,2", "b": " c"},
                "pathParameters": {"proxy": "x"},
                "requestContext": {
                    "accountId": "000000000000",
                    "apiId": "local",
                    "domainName": "127.0.0.1:9000",
                    "domainPrefix": "127",
                    "http": {
                        "method": "POST",
                        "path": "/api/x",
                        "protocol": "HTTP/1.1",
                        "sourceIp": "127.0.0.1",
                        "userAgent": "story",
                    },
                    "requestId": "req-1",
                    "routeKey": "ANY /api/{proxy+}",
                    "stage": "$default",
                    "time": "01/Jan/1970:00:00:00 +0000",
                    "timeEpoch": 0,
                },
                "body": "{\"price_id\":\"p\"}",
                "isBase64Encoded": false,
            })
        );
    }

    #[test]
    fn a_body_that_is_not_text_arrives_whole() {
        let request = Request::post("/api/x").header("Content-Type", "application/octet-stream");
        let event = event(http_api(), request.body(&[0, 159, 146, 150][..]).unwrap());
        assert_eq!(event["isBase64Encoded"], true);
        let received = lambda_http::request::from_str(&event.to_string()).unwrap();
        assert_eq!(received.body(), &Body::Binary(vec![0, 159, 146, 150]));
    }

    #[test]
    fn bytes_that_only_claim_to_be_text_arrive_whole() {
        let request = Request::post("/").header("Content-Type", "text/plain");
        let event = event(Front::FunctionUrl, request.body(&[0xff][..]).unwrap());
        assert_eq!((&event["isBase64Encoded"], &event["body"]), (&json!(true), &json!("/w==")));
    }

    #[test]
    fn an_http_api_decodes_the_path_and_a_function_url_does_not() {
        let request = || Request::get("/api/a%20b%2Fc%3Fd?q=%2F").body(&b""[..]).unwrap();
        assert_eq!(event(http_api(), request())["rawPath"], "/api/a b/c");
        assert_eq!(event(Front::FunctionUrl, request())["rawPath"], "/api/a%20b%2Fc%3Fd");
    }

    #[test]
    fn a_function_sees_the_request_that_was_sent() {
        let request =
            Request::delete("/stripe/webhook/?x=%26").header("Host", "127.0.0.1:9001").header("Cookie", "s=1");
        let event = event(Front::FunctionUrl, request.body(&b""[..]).unwrap());
        let received = lambda_http::request::from_str(&event.to_string()).unwrap();
        assert_eq!(received.method(), "DELETE");
        assert_eq!(received.uri().to_string(), "http://127.0.0.1:9001/stripe/webhook/?x=%26");
        assert_eq!(received.raw_http_path(), "/stripe/webhook/");
        assert_eq!(received.headers()["cookie"], "s=1");
    }
}
