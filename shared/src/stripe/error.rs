//! What can go wrong when Stripe is asked.

/// Holds Stripe's own codes and ids, never a parameter's value: Stripe's messages may quote personal data.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum StripeError {
    /// The object of that id does not exist in this mode, or was deleted.
    #[error("Stripe does not know the {}", param.as_deref().unwrap_or("object"))]
    NotFound { param: Option<String>, request_id: Option<String> },
    /// The same idempotency key was used with other parameters.
    #[error("the idempotency key was used with other parameters (request {})", request_id.as_deref().unwrap_or("-"))]
    IdempotencyMismatch { request_id: Option<String> },
    /// Stripe understood and said no; asking again the same way will not help.
    #[error("Stripe refused with {http_status} {} (request {})", code.as_deref().unwrap_or("-"), request_id.as_deref().unwrap_or("-"))]
    Refused { http_status: u16, code: Option<String>, param: Option<String>, request_id: Option<String> },
    /// The API key is wrong, revoked or lacks a permission: an operator's matter.
    #[error("Stripe does not accept the API key: {http_status} (request {})", request_id.as_deref().unwrap_or("-"))]
    Unauthorized { http_status: u16, request_id: Option<String> },
    /// Too many requests, after our own retries.
    #[error("Stripe's rate limit was reached (request {})", request_id.as_deref().unwrap_or("-"))]
    RateLimited { request_id: Option<String> },
    /// Stripe failed, could not be reached or was too slow, after our own retries. The request may have had its effect.
    #[error("Stripe could not be reached: {detail}")]
    Unavailable { detail: String },
    /// Stripe answered with a failure of its own, which it repeats for a day under the same idempotency key. The request
    /// may have had its effect.
    #[error("Stripe failed with {http_status} (request {})", request_id.as_deref().unwrap_or("-"))]
    Failed { http_status: u16, request_id: Option<String> },
    /// Stripe answered with something we cannot read.
    #[error("Stripe's answer could not be read: {detail}")]
    Unreadable { detail: String },
    /// There is no usable key to ask with; see the log of the secrets.
    #[error("no usable Stripe key")]
    NoKey,
}

impl StripeError {
    /// Asking again later may succeed.
    pub fn is_transient(&self) -> bool {
        matches!(self, StripeError::RateLimited { .. } | StripeError::Unavailable { .. } | StripeError::Failed { .. })
    }
}
