//! Stripe's error bodies: one type, one constructor for each thing that can be wrong.

use serde_json::{Map, Value, json};

/// A refusal as Stripe words it.
#[derive(Debug, Clone)]
pub(crate) struct ApiError {
    pub status: u16,
    kind: &'static str,
    code: Option<&'static str>,
    message: String,
    param: Option<String>,
    decline_code: Option<&'static str>,
    payment_method: Option<Box<Value>>,
    /// Whether the operation had begun: Stripe keeps such an answer for the idempotency key.
    pub begun: bool,
}

impl ApiError {
    fn new(status: u16, kind: &'static str, code: Option<&'static str>, message: impl Into<String>) -> Self {
        Self {
            status,
            kind,
            code,
            message: message.into(),
            param: None,
            decline_code: None,
            payment_method: None,
            begun: false,
        }
    }

    fn on(mut self, param: impl Into<String>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// Marks the answer as one the idempotency layer keeps.
    pub fn after_start(mut self) -> Self {
        self.begun = true;
        self
    }

    /// A 400 about one parameter.
    pub fn invalid(param: &str, message: impl Into<String>) -> Self {
        Self::new(400, "invalid_request_error", None, message).on(param)
    }

    /// A 400 about the request as a whole.
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(400, "invalid_request_error", None, message)
    }

    /// A 400 with a code of its own.
    pub fn coded(code: &'static str, param: Option<&str>, message: impl Into<String>) -> Self {
        let error = Self::new(400, "invalid_request_error", Some(code), message);
        match param {
            Some(param) => error.on(param),
            None => error,
        }
    }

    pub fn unknown_param(param: &str) -> Self {
        Self::coded("parameter_unknown", Some(param), format!("Received unknown parameter: {param}"))
    }

    pub fn missing_param(param: &str) -> Self {
        Self::coded("parameter_missing", Some(param), format!("Missing required param: {param}."))
    }

    pub fn invalid_integer(param: &str, value: &str) -> Self {
        Self::coded("parameter_invalid_integer", Some(param), format!("Invalid integer: {value}"))
    }

    pub fn empty_param(param: &str) -> Self {
        let message = format!(
            "You passed an empty string for '{param}'. We assume empty values are an attempt to unset a parameter; however '{param}' cannot be unset. You should remove '{param}' from your request or supply a non-empty value."
        );
        Self::coded("parameter_invalid_empty", Some(param), message)
    }

    /// 404 when the id is in the path, 400 when a parameter names it.
    pub fn no_such(status: u16, what: &str, id: &str, param: &str, hint: &str) -> Self {
        Self::new(status, "invalid_request_error", Some("resource_missing"), format!("No such {what}: '{id}'{hint}"))
            .on(param)
    }

    pub fn unrecognized_url(method: &str, path: &str) -> Self {
        let message = format!(
            "Unrecognized request URL ({method}: {path}). Please see https://stripe.com/docs or we can help at https://support.stripe.com/."
        );
        Self::new(404, "invalid_request_error", None, message)
    }

    pub fn no_key() -> Self {
        let message = "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY'). See https://stripe.com/docs/api#authentication for details, or we can help at https://support.stripe.com/.";
        Self::new(401, "invalid_request_error", None, message)
    }

    /// The key is shown the way Stripe shows it: its first letters and its last four.
    pub fn bad_key(key: &str) -> Self {
        let head: String = key.chars().take(8).collect();
        let tail: String = key.chars().skip(8).collect::<Vec<_>>().into_iter().rev().take(4).rev().collect();
        let stars = "*".repeat(key.chars().count().saturating_sub(12).min(60));
        Self::new(401, "invalid_request_error", None, format!("Invalid API Key provided: {head}{stars}{tail}"))
    }

    pub fn rate_limited() -> Self {
        let message =
            "Too many requests hit the API too quickly. We recommend an exponential backoff of your requests.";
        Self::new(429, "invalid_request_error", Some("rate_limit"), message)
    }

    pub fn no_permission() -> Self {
        let message = "The provided key does not have the required permissions for this endpoint.";
        Self::new(403, "invalid_request_error", Some("more_permissions_required"), message)
    }

    pub fn server_error() -> Self {
        let message =
            "An unknown error occurred. If you have any questions, we can help at https://support.stripe.com/.";
        Self::new(500, "api_error", None, message).after_start()
    }

    pub fn idempotency_mismatch(key: &str) -> Self {
        let message = format!(
            "Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a key other than '{key}' if you meant to execute a different request."
        );
        Self::new(400, "idempotency_error", None, message)
    }

    pub fn idempotency_in_use(key: &str) -> Self {
        let message = format!(
            "There is currently another in-progress request using this Idempotent Key (that probably means you submitted twice, and the other request is still going through): {key}. Please try again later."
        );
        Self::new(409, "idempotency_error", Some("idempotency_key_in_use"), message)
    }

    /// 402 from the card network.
    pub fn declined(code: &'static str, decline_code: Option<&'static str>, message: &str) -> Self {
        let mut error = Self::new(402, "card_error", Some(code), message).after_start();
        error.decline_code = decline_code;
        error
    }

    /// Adds the card the error is about.
    pub fn with_payment_method(mut self, payment_method: Value) -> Self {
        self.payment_method = Some(Box::new(payment_method));
        self
    }

    /// The sentence for a person.
    pub fn message(&self) -> &str {
        &self.message
    }

    pub fn code(&self) -> Option<&'static str> {
        self.code
    }

    /// The error object without what belongs to one request, as it is kept on an intent.
    pub fn detail(&self) -> Value {
        let mut error = Map::new();
        if let Some(code) = self.code {
            error.insert("code".into(), json!(code));
            error.insert(
                "doc_url".into(),
                json!(format!("https://stripe.com/docs/error-codes/{}", code.replace('_', "-"))),
            );
        }
        if let Some(decline) = self.decline_code {
            error.insert("decline_code".into(), json!(decline));
        }
        error.insert("message".into(), json!(self.message));
        if let Some(param) = &self.param {
            error.insert("param".into(), json!(param));
        }
        if let Some(method) = &self.payment_method {
            error.insert("payment_method".into(), Value::clone(method));
        }
        error.insert("type".into(), json!(self.kind));
        Value::Object(error)
    }

    /// The whole reply body.
    pub fn body(&self, request_id: &str, livemode: bool, at: i64) -> Value {
        let mut detail = self.detail();
        if self.status != 401 {
            let mode = if livemode { "" } else { "test/" };
            detail["request_log_url"] = json!(format!("https://dashboard.stripe.com/{mode}logs/{request_id}?t={at}"));
        }
        json!({ "error": detail })
    }
}
