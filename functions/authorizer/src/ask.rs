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
                if let Ok(value) = HeaderValue::from_str(value) {
                    headers.append(name.clone(), value);
                }
            }
        }
        headers
    }
}
