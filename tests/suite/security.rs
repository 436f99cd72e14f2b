//! The attacks of docs/SECURITY.md that no test beside the code plays: against whole functions, over the stack.

mod bodies;
mod denial;
mod gate;
mod linking;
mod logs;
mod pages;
mod signature;
mod table;
mod tokens;

use anyhow::{Context as _, Result};
use lambda_http::Body;
use serde_json::{Map, Value, json};
use shared::http::Function;

/// What a function answered.
#[derive(Debug)]
struct Told {
    status: u16,
    text: String,
}

impl Told {
    fn body(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    fn code(&self) -> String {
        self.body()["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// A request as a function URL or an HTTP API hands it over, with what no HTTP client would send.
struct Asked(Value);

impl Asked {
    fn new(method: &str, path: &str) -> Asked {
        Asked(json!({
            "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "", "headers": {},
            "requestContext": {
                "http": { "method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.7" },
                "requestId": "gateway-1", "routeKey": "$default", "stage": "$default", "timeEpoch": 0,
            },
            "isBase64Encoded": false,
        }))
    }

    fn header(mut self, name: &str, value: &str) -> Asked {
        self.0["headers"][name] = json!(value);
        self
    }

    fn query(mut self, name: &str, value: &str) -> Asked {
        self.0["queryStringParameters"] = Value::Object(Map::from_iter([(name.to_owned(), json!(value))]));
        self
    }

    fn text(mut self, body: &str) -> Asked {
        self.0["body"] = json!(body);
        self
    }

    fn base64(mut self, body: &str) -> Asked {
        self.0["isBase64Encoded"] = json!(true);
        self.text(body)
    }

    async fn of(&self, function: &Function) -> Result<Told> {
        let request = lambda_http::request::from_str(&self.0.to_string()).context("an event of Lambda")?;
        let reply = function.call(request).await;
        let text = match reply.body() {
            Body::Text(text) => text.clone(),
            Body::Binary(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            _ => String::new(),
        };
        Ok(Told { status: reply.status().as_u16(), text })
    }
}
