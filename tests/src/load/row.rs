//! The rows of the table: what is asked of which function, and what it must answer.

use serde_json::{Value, json};

/// One kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Row {
    WebhookCreated,
    WebhookUpdated,
    WebhookPaid,
    WebhookDuplicate,
    WebhookTie,
    Status,
    Config,
    GateAllowed,
    GateDenied,
    Checkout,
    /// A function of `lambda_http` that reads its event and does nothing.
    EmptyFunction,
    /// No function at all: the Runtime API asked and answered by plain reads and writes.
    BareSockets,
}

use Row::{
    BareSockets, Checkout, Config, EmptyFunction, GateAllowed, GateDenied, Status, WebhookCreated, WebhookDuplicate,
    WebhookPaid, WebhookTie, WebhookUpdated,
};

impl Row {
    /// What no function can go below; measured when asked for by name.
    pub const FLOORS: [Row; 2] = [EmptyFunction, BareSockets];

    pub const ALL: [Row; 10] = [
        WebhookCreated,
        WebhookUpdated,
        WebhookPaid,
        WebhookDuplicate,
        WebhookTie,
        Status,
        Config,
        GateAllowed,
        GateDenied,
        Checkout,
    ];

    pub fn name(self) -> &'static str {
        match self {
            WebhookCreated => "webhook-created",
            WebhookUpdated => "webhook-updated",
            WebhookPaid => "webhook-paid",
            WebhookDuplicate => "webhook-duplicate",
            WebhookTie => "webhook-tie",
            Status => "status",
            Config => "config",
            GateAllowed => "gate-allowed",
            GateDenied => "gate-denied",
            Checkout => "checkout",
            EmptyFunction => "empty-function",
            BareSockets => "bare-sockets",
        }
    }

    pub fn function(self) -> &'static str {
        match self {
            WebhookCreated | WebhookUpdated | WebhookPaid | WebhookDuplicate | WebhookTie => "webhook",
            Status => "status",
            Config => "config",
            GateAllowed | GateDenied => "gate",
            Checkout => "checkout",
            EmptyFunction => "empty",
            BareSockets => "sockets",
        }
    }

    /// CPU of the application alone for the same with dj-stripe 2.11, tuned, in milliseconds: the figures to beat.
    pub fn before_ms(self) -> Option<f64> {
        match self {
            WebhookCreated => Some(41.0),
            WebhookUpdated => Some(31.0),
            WebhookPaid => Some(27.0),
            Status => Some(5.2),
            Config => Some(1.6),
            GateAllowed => Some(4.6),
            GateDenied => Some(3.4),
            WebhookDuplicate | WebhookTie | Checkout | EmptyFunction | BareSockets => None,
        }
    }

    /// Whether the function's reply, as the Runtime API got it, is the one this row is about.
    pub fn is_answered_by(self, reply: &[u8]) -> bool {
        let Ok(reply) = serde_json::from_slice::<Value>(reply) else { return false };
        let body: Value = reply["body"].as_str().and_then(|body| serde_json::from_str(body).ok()).unwrap_or_default();
        let status = if self == GateDenied { 402 } else { 200 };
        let is_right = match self {
            WebhookCreated | WebhookUpdated | WebhookPaid | WebhookTie => body["outcome"] == "applied",
            WebhookDuplicate => body["outcome"] == "duplicate",
            Status => body["status"] == "trialing",
            Config => body["publishable_key"].is_string(),
            GateAllowed => body["accounts"].is_array(),
            GateDenied => body["code"] == "CHECKOUT_REQUIRED",
            Checkout => body["checkout_url"].is_string(),
            EmptyFunction | BareSockets => true,
        };
        reply["statusCode"] == json!(status) && is_right
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_answer_than_the_rows_own_is_an_error() {
        let reply = |status: u16, body: &Value| json!({ "statusCode": status, "body": body.to_string() }).to_string();
        let applied = reply(200, &json!({ "received": true, "outcome": "applied" }));
        assert!(WebhookUpdated.is_answered_by(applied.as_bytes()));
        assert!(!WebhookDuplicate.is_answered_by(applied.as_bytes()), "it was no duplicate");
        let refused = reply(402, &json!({ "code": "CHECKOUT_REQUIRED" }));
        assert!(GateDenied.is_answered_by(refused.as_bytes()));
        assert!(!GateAllowed.is_answered_by(refused.as_bytes()));
        assert!(!Status.is_answered_by(b"{\"errorType\":\"Panic\"}"));
    }
}
