//! POST /api/subscriptions/checkout/: a Stripe Checkout session for the one subscription of the user.

mod asked;
mod customer;
mod left_open;
mod session;

use std::sync::Arc;

use serde_json::json;
use shared::auth::{Authenticator, Caller};
use shared::books::Books;
use shared::boot::Core;
use shared::clock::Clock;
use shared::config::Misconfigured;
use shared::domain::{Account, CheckoutChoice, PriceId};
use shared::http::{self, ApiError, Function, Method, Reply, Request, StatusCode, body};
use shared::stripe::StripeError;
use shared::sync::SyncError;

use asked::{Asked, CheckoutRequest};

const FAILED: &str = "Erro ao criar sessão de checkout";

pub struct Deps {
    authenticator: Authenticator,
    books: Books,
    clock: Clock,
    default_price: Option<PriceId>,
    allowed_prices: Vec<PriceId>,
    allowed_origins: Vec<String>,
    default_success_url: String,
    default_cancel_url: String,
    trial_days: u32,
    locale: String,
}

impl Deps {
    fn new(core: &Core) -> Result<Deps, Misconfigured> {
        let config = &core.config;
        Ok(Deps {
            authenticator: core.caller_check(),
            books: core.books(config.mode)?,
            clock: core.clock.clone(),
            default_price: config.default_price.clone(),
            allowed_prices: config.allowed_prices.clone(),
            allowed_origins: config.allowed_origins.clone(),
            default_success_url: config.frontend_page("/checkout/success?session_id={CHECKOUT_SESSION_ID}")?,
            default_cancel_url: config.frontend_page("/checkout/cancel")?,
            trial_days: config.trial_days,
            locale: config.checkout_locale.clone(),
        })
    }
}

pub fn function(core: &Result<Core, Misconfigured>) -> Function {
    Function::new("checkout", &[Method::POST], core, Deps::new, handle)
}

async fn handle(deps: Arc<Deps>, request: Request) -> Result<Reply, ApiError> {
    let caller = deps.authenticator.caller(&request).await?;
    let body: CheckoutRequest = body::read_json_object(&request, body::LIMIT_BYTES)?;
    let asked = Asked::of(&deps, &caller, body)?;
    let (account, is_allowed) = tokio::try_join!(read_account(&deps, &caller), is_price_allowed(&deps, &asked.price))?;
    refuse_subscribers(&account)?;
    if !is_allowed {
        return Err(ApiError::bad_request("PRICE_NOT_ALLOWED", "This price cannot be subscribed to"));
    }
    let claim = session::open(&deps, &caller, account, &asked).await?;
    let reply = json!({ "checkout_url": claim.url, "session_id": claim.session });
    Ok(http::json(StatusCode::OK, &reply))
}

async fn read_account(deps: &Deps, caller: &Caller) -> Result<Account, ApiError> {
    deps.books.store().read_account(&caller.user).await.map_err(|error| ApiError::unavailable(FAILED, &error))
}

fn refuse_subscribers(account: &Account) -> Result<(), ApiError> {
    if account.is_subscribed() { Err(ApiError::AlreadySubscribed) } else { Ok(()) }
}

/// The prices the operator named, and the active recurring ones of the catalogue.
async fn is_price_allowed(deps: &Deps, price: &PriceId) -> Result<bool, ApiError> {
    if deps.default_price.as_ref() == Some(price) || deps.allowed_prices.contains(price) {
        return Ok(true);
    }
    let read = deps.books.store().read_price(price).await;
    let known = read.map_err(|error| ApiError::unavailable(FAILED, &error))?;
    Ok(known.is_some_and(|price| price.can_be_subscribed()))
}

impl Asked {
    fn choice(&self, account: &Account, trial_days: u32) -> CheckoutChoice {
        let trial_days = (trial_days > 0 && account.is_trial_eligible()).then_some(trial_days);
        CheckoutChoice {
            price: self.price.clone(),
            success_url: self.success_url.clone(),
            cancel_url: self.cancel_url.clone(),
            trial_days,
        }
    }
}

fn store_failed(error: shared::store::StoreError) -> ApiError {
    ApiError::unavailable(FAILED, &error)
}

fn sync_failed(error: SyncError) -> ApiError {
    ApiError::unavailable(FAILED, &error)
}

/// 503 when trying again may help, 502 when Stripe said no.
fn stripe_failed(error: StripeError) -> ApiError {
    if error.is_transient() {
        ApiError::unavailable(FAILED, &error)
    } else {
        ApiError::bad_gateway(FAILED, "STRIPE_REFUSED", &error)
    }
}
