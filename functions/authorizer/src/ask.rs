//! What API Gateway asks: the part of its event that the decision needs.
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-input.html>

use std::collections::HashMap;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;

/// A request as a REST API shows it to its authorizer. It has no readable Debug: it holds the token.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ask {
    /// What is asked for; the policy allows or denies exactly this.
    pub method_arn: String,
    /// Null when the request has none.
    #[serde(default)]
    multi_value_headers: Option<HashMap<String, Vec<String>>>,
}

impl Ask {
    /// Every value of every header: that a caller sent two tokens is the gate's to see.
    pub(crate) fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, values) in self.multi_value_headers.iter().flatten() {
            let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else { continue };
            for value in values {
                // One that no header can hold is still one more: left out, it would hide that there are two.
                let value = HeaderValue::from_bytes(value.as_bytes()).unwrap_or(HeaderValue::from_static(""));
                headers.append(name.clone(), value);
            }
        }
        headers
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_second_token_is_seen_whatever_it_is_made_of() {
        for second in ["Bearer b", "Bearer \u{e9}", "Bearer \u{0}", ""] {
            let ask = json!({ "methodArn": "arn", "multiValueHeaders": { "Authorization": ["Bearer a", second] } });
            let ask: Ask = serde_json::from_value(ask).unwrap();
            assert_eq!(ask.headers().get_all("authorization").iter().count(), 2, "{second:?}");
        }
    }
}
