//! The environment, read once: every name of contract and template in one place.

use url::Url;

use crate::domain::{Mode, Policy, PriceId};

/// A variable is missing or makes no sense. Names the variable, never a secret value.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{variable} {problem}")]
pub struct Misconfigured {
    pub variable: String,
    pub problem: String,
}

/// What the operator set. Functions that need an absent value ask with the `require_…` methods when they start.
#[derive(Clone, Debug)]
pub struct Config {
    pub mode: Mode,
    pub table_name: Option<String>,
    pub secret_id_test: Option<String>,
    pub secret_id_live: Option<String>,
    pub default_price: Option<PriceId>,
    pub allowed_prices: Vec<PriceId>,
    pub frontend_url: Option<Url>,
    /// Exact origins ("https://app.example.com"), the front end's first.
    pub allowed_origins: Vec<String>,
    pub trial_days: u32,
    pub policy: Policy,
    pub checkout_locale: String,
    pub upstream_url: Option<Url>,
    /// Path prefixes that pass the gate as they are, matched on whole segments.
    pub gate_exempt_prefixes: Vec<String>,
    /// `https://api.stripe.com`, or a sandbox for local work and tests.
    pub stripe_api_url: Url,
}
