//! GET /api/subscriptions/session-status/?session_id=cs_…: what the success page asks right after the payment.
//!
//! What it learns it also writes, by the webhook's own road, so that the page never races the webhook.

use std::sync::Arc;

use lambda_http::RequestExt;
use serde_json::json;
use shared::auth::Authenticator;
use shared::books::Books;
use shared::boot::Core;
use shared::config::Misconfigured;
use shared::domain::{CheckoutSessionId, UserId};
use shared::http::{self, ApiError, Function, Method, Reply, Request, StatusCode};
use shared::store::{Change, Commit};
use shared::stripe::{CheckoutSession, CheckoutStatus, OwnedSubscription, Snapshot, StripeError};
use shared::sync::{self, SyncError};

const FAILED: &str = "Erro ao verificar sessão";

pub struct Deps {
    authenticator: Authenticator,
    books: Books,
}

impl Deps {
    fn new(core: &Core) -> Result<Deps, Misconfigured> {
        Ok(Deps { authenticator: core.caller_check(), books: core.books(core.config.mode)? })
    }
}

pub fn function(core: &Result<Core, Misconfigured>) -> Function {
    Function::new("session-status", &[Method::GET], core, Deps::new, handle)
}

async fn handle(deps: Arc<Deps>, request: Request) -> Result<Reply, ApiError> {
    let id = session_id(&request, &deps.books)?;
    let caller = deps.authenticator.optional_caller(&request).await?.map(|caller| caller.user);
    let seen = match deps.books.stripe().get_checkout_session(&id).await {
        Ok(Some(seen)) => seen,
        Ok(None) | Err(StripeError::NotFound { .. }) => return Err(invalid()),
        Err(error) => return Err(ApiError::bad_gateway(FAILED, "STRIPE_UNAVAILABLE", &error)),
    };
    let session = &seen.value;
    if session.status != CheckoutStatus::Complete {
        let body = json!({ "status": "incomplete", "message": "Checkout not completed" });
        return Ok(http::json(StatusCode::OK, &body));
    }
    let Some(owned) = session.subscription.clone() else {
        let body = json!({ "status": "none", "message": "No subscription found in session" });
        return Ok(http::json(StatusCode::OK, &body));
    };
    write(&deps.books, &seen, &owned).await;
    Ok(http::json(StatusCode::OK, &body(session, &owned, caller.as_ref())))
}

fn session_id(request: &Request, books: &Books) -> Result<CheckoutSessionId, ApiError> {
    let query = request.query_string_parameters();
    let text = query.first("session_id").filter(|text| !text.is_empty());
    let text = text.ok_or_else(|| ApiError::bad_request("SESSION_ID_REQUIRED", "session_id is required"))?;
    let id = CheckoutSessionId::parse(text).map_err(|_| invalid())?;
    if id.is_live() == books.mode().is_live() { Ok(id) } else { Err(invalid()) }
}

fn invalid() -> ApiError {
    ApiError::bad_request("INVALID_SESSION_ID", "Invalid session_id")
}

fn body(session: &CheckoutSession, owned: &OwnedSubscription, caller: Option<&UserId>) -> serde_json::Value {
    let is_own = caller.is_some() && caller == session.user.as_ref();
    let email = session.customer_email.as_deref();
    json!({
        "status": owned.subscription.status.as_str(),
        "subscription_id": owned.subscription.id,
        "customer_email": if is_own { email.map(str::to_owned) } else { email.map(masked) },
        "trial_end": owned.subscription.trial_end_at.map(|end| end.as_second()),
    })
}

/// `u***@example.com`: enough for its owner to recognise.
fn masked(email: &str) -> String {
    let (name, domain) = email.rsplit_once('@').unwrap_or((email, ""));
    let first = name.chars().next().map_or(String::new(), String::from);
    if domain.is_empty() { format!("{first}***") } else { format!("{first}***@{domain}") }
}

/// The reply tells what Stripe said, whether or not it could be written: the webhook brings it again.
async fn write(books: &Books, seen: &Snapshot<CheckoutSession>, owned: &OwnedSubscription) {
    let session = &seen.value;
    let observed = Snapshot { value: owned.clone(), seen_from: seen.seen_from, seen_until: seen.seen_until };
    let written = async {
        sync::observe_subscription(books, &observed, session.user.as_ref()).await?;
        if let Some(user) = session.user.clone() {
            let close = Change::CloseCheckout { user, session: session.id.clone(), is_paid: true };
            // Refused when the user's open session is another one.
            let _: Commit = books.store().commit(vec![close]).await?;
        }
        Ok::<(), SyncError>(())
    };
    if let Err(error) = written.await {
        tracing::warn!(session = %session.id, %error, "A completed checkout could not be written; its webhook will");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_masked_address_shows_its_first_letter_and_domain() {
        assert_eq!(masked("user@example.com"), "u***@example.com");
        assert_eq!(masked("é@example.com"), "é***@example.com");
        assert_eq!(masked("@example.com"), "***@example.com");
        assert_eq!(masked("no-address"), "n***");
        assert_eq!(masked("a@b@example.com"), "a***@example.com");
        assert_eq!(masked(""), "***");
    }
}
