//! A webhook endpoint registered at Stripe.

/// As Stripe has it; its secret is shown only when it is created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookEndpoint {
    pub id: String,
    pub url: String,
    pub is_enabled: bool,
    pub api_version: Option<String>,
    pub enabled_events: Vec<String>,
}
