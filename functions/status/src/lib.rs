//! GET /api/subscriptions/status/: what the settings page shows, with the gate's own decision.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use shared::auth::Authenticator;
use shared::boot::Core;
use shared::clock::Clock;
use shared::config::Misconfigured;
use shared::domain::{Account, Currency, Policy, Subscription, access};
use shared::http::{self, ApiError, Function, Method, Reply, Request, StatusCode};
use shared::store::Store;

pub struct Deps {
    authenticator: Authenticator,
    store: Store,
    clock: Clock,
    policy: Policy,
}

impl Deps {
    fn new(core: &Core) -> Result<Deps, Misconfigured> {
        Ok(Deps {
            authenticator: core.caller_check(),
            store: core.store(core.config.mode)?,
            clock: core.clock.clone(),
            policy: core.config.policy,
        })
    }
}

pub fn function(core: &Result<Core, Misconfigured>) -> Function {
    Function::new("status", &[Method::GET], core, Deps::new, handle)
}

async fn handle(deps: Arc<Deps>, request: Request) -> Result<Reply, ApiError> {
    let caller = deps.authenticator.caller(&request).await?;
    let account = deps
        .store
        .read_account(&caller.user)
        .await
        .map_err(|error| ApiError::unavailable("Erro ao buscar status da assinatura", &error))?;
    Ok(http::json(StatusCode::OK, &body(&account, deps.policy, deps.clock.business_now())))
}

/// `amount` is in major units; times are RFC 3339 in UTC with whole seconds.
#[derive(Serialize)]
struct Shown<'a> {
    status: &'a str,
    subscription_id: &'a str,
    trial_end: Option<Timestamp>,
    current_period_end: Option<Timestamp>,
    cancel_at_period_end: bool,
    canceled_at: Option<Timestamp>,
    days_until_renewal: Option<i64>,
    amount: f64,
    currency: Currency,
    payment_method: Option<PaymentMethod<'a>>,
    has_used_trial: bool,
    first_trial_at: Option<Timestamp>,
    access: bool,
    grace_ends_at: Option<Timestamp>,
    #[serde(flatten)]
    action: Option<RequiredAction>,
}

#[derive(Serialize)]
struct PaymentMethod<'a> {
    last4: &'a str,
    brand: &'a str,
}

#[derive(Serialize)]
struct RequiredAction {
    requires_action: bool,
    message: &'static str,
}

fn body(account: &Account, policy: Policy, now: Timestamp) -> Value {
    let Some(subscription) = account.shown_subscription() else {
        return json!({
            "status": "none",
            "has_used_trial": account.has_used_trial(),
            "first_trial_at": account.first_trial_at(),
            "access": access::decide(account, policy, now).is_granted(),
            "message": "No subscription found",
        });
    };
    json!(shown(account, subscription, policy, now))
}

fn shown<'a>(account: &'a Account, subscription: &'a Subscription, policy: Policy, now: Timestamp) -> Shown<'a> {
    let price = subscription.price_money();
    Shown {
        status: subscription.status.as_str(),
        subscription_id: subscription.id.as_str(),
        trial_end: subscription.trial_end_at,
        current_period_end: subscription.period_end_at(),
        cancel_at_period_end: subscription.will_cancel(),
        canceled_at: subscription.canceled_at,
        days_until_renewal: subscription.days_until_renewal(now),
        amount: price.map_or(0.0, |price| price.major_number()),
        currency: price.map_or(Currency::BRL, |price| price.currency),
        payment_method: account
            .card_of(subscription)
            .map(|card| PaymentMethod { last4: &card.last4, brand: &card.brand }),
        has_used_trial: account.has_used_trial(),
        first_trial_at: account.first_trial_at(),
        access: access::decide(account, policy, now).is_granted(),
        grace_ends_at: access::grace_ends_at(subscription, policy),
        action: subscription
            .status
            .requires_action()
            .then_some(RequiredAction { requires_action: true, message: "Pagamento requer ação adicional" }),
    }
}

#[cfg(test)]
mod tests;
