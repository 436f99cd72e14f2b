//! What the caller asks for, with every default filled in.

use serde::Deserialize;
use shared::auth::Caller;
use shared::domain::PriceId;
use shared::http::{ApiError, urls};

use super::Deps;

/// All optional; an empty text is as good as none.
#[derive(Deserialize, Default)]
pub(crate) struct CheckoutRequest {
    #[serde(default)]
    price_id: String,
    #[serde(default)]
    success_url: String,
    #[serde(default)]
    cancel_url: String,
}

pub(crate) struct Asked {
    pub price: PriceId,
    pub success_url: String,
    pub cancel_url: String,
}

impl Asked {
    /// The price: the body's, else the one chosen at sign-up, else the default.
    pub fn of(deps: &Deps, caller: &Caller, body: CheckoutRequest) -> Result<Asked, ApiError> {
        let url = |asked: String, default: &str| {
            if asked.is_empty() { Ok(default.to_owned()) } else { urls::return_url(&asked, &deps.allowed_origins) }
        };
        Ok(Asked {
            success_url: url(body.success_url, &deps.default_success_url)?,
            cancel_url: url(body.cancel_url, &deps.default_cancel_url)?,
            price: price(&body.price_id, caller, deps.default_price.as_ref())?,
        })
    }
}

fn price(asked: &str, caller: &Caller, default: Option<&PriceId>) -> Result<PriceId, ApiError> {
    if !asked.is_empty() {
        return PriceId::parse(asked)
            .map_err(|_| ApiError::bad_request("PRICE_NOT_ALLOWED", "This price cannot be subscribed to"));
    }
    caller.price.as_ref().or(default).cloned().ok_or_else(|| {
        ApiError::bad_request("PRICE_NOT_CONFIGURED", "STRIPE_DEFAULT_PRICE_ID must be configured in settings")
    })
}
