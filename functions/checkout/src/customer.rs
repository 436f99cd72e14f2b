//! The user's one customer, however many requests race to make it.
//!
//! Before Stripe is asked, the user's record says that a customer is being made and with which e-mail and name. Every
//! racing or later request then asks with the same values under the same idempotency key, and gets the same customer.

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use shared::auth::Caller;
use shared::domain::{Account, Customer, CustomerId, UserId};
use shared::http::ApiError;
use shared::store::{Change, Commit};
use shared::stripe::{NewCustomer, StripeError};

use super::{Deps, store_failed, stripe_failed};

/// Stripe keeps idempotency keys for at least 24 hours: <https://docs.stripe.com/api/idempotent_requests>.
/// A creation begun longer ago may have succeeded under a key that is forgotten.
const KEY_IS_GOOD_FOR_SECONDS: i64 = 20 * 3600;

/// The customer to make the session for.
pub(crate) struct Ensured {
    pub id: CustomerId,
    /// It is not in the user's record yet: to be linked together with the session.
    pub is_new: bool,
    /// Which try made it.
    pub creation_attempt: u64,
}

/// Nothing when another request changed the user's record first: read it again.
pub(crate) async fn ensure(deps: &Deps, caller: &Caller, account: &Account) -> Result<Option<Ensured>, ApiError> {
    let known = account.customer.clone().unwrap_or_default();
    if let Some(id) = known.id {
        return Ok(Some(Ensured { id, is_new: false, creation_attempt: known.creation_attempt }));
    }
    // Stripe's clock is what its keys grow old by.
    let now = deps.clock.business_now();
    let plan = match known.creating_since {
        Some(_) => known,
        None => {
            let plan = plan(caller, known, now);
            let begin = Change::BeginCustomer { user: caller.user.clone(), customer: plan.clone() };
            match deps.books.store().commit(vec![begin]).await.map_err(store_failed)? {
                Commit::Landed => plan,
                Commit::Refused(_) => return Ok(None),
            }
        }
    };
    let id = create(deps, &caller.user, &plan, now).await?;
    Ok(Some(Ensured { id, is_new: true, creation_attempt: plan.creation_attempt }))
}

fn plan(caller: &Caller, known: Customer, now: Timestamp) -> Customer {
    Customer {
        id: None,
        email: caller.email.clone(),
        name: caller.name.clone(),
        signup_price: known.signup_price.or_else(|| caller.price.clone()),
        acquisition_angle: known.acquisition_angle.or_else(|| caller.acquisition_angle.clone()),
        generation: known.generation,
        creating_since: Some(now),
        creation_attempt: 0,
        checkout_failures: known.checkout_failures,
    }
}

async fn create(deps: &Deps, user: &UserId, plan: &Customer, now: Timestamp) -> Result<CustomerId, ApiError> {
    let begun_at = plan.creating_since.unwrap_or(now);
    let is_doubtful = plan.creation_attempt > 0 || now.as_second() - begun_at.as_second() > KEY_IS_GOOD_FOR_SECONDS;
    if is_doubtful && let Some(found) = find(deps, user, plan).await? {
        return Ok(found);
    }
    let new = NewCustomer { user, email: plan.email.as_deref(), name: plan.name.as_deref() };
    let key = format!("customer-{}-{}-{}", fingerprint(user.as_str()), plan.generation, plan.creation_attempt);
    match deps.books.stripe().create_customer(new, &key).await {
        Ok(id) => Ok(id),
        Err(error) => {
            // Stripe replays a failure under its key, so the next try takes another and looks for a customer first.
            if error.is_transient() || matches!(error, StripeError::IdempotencyMismatch { .. }) {
                let retry = Change::RetryCustomer { user: user.clone(), creation_attempt: plan.creation_attempt };
                if let Err(store_error) = deps.books.store().commit(vec![retry]).await {
                    tracing::warn!(%user, error = %store_error, "A failed creation of a customer could not be noted");
                }
            }
            Err(stripe_failed(error))
        }
    }
}

async fn find(deps: &Deps, user: &UserId, plan: &Customer) -> Result<Option<CustomerId>, ApiError> {
    deps.books.stripe().find_customer(user, plan.email.as_deref()).await.map_err(stripe_failed)
}

/// Stripe does not know the customer any more: the next round makes another.
pub(crate) async fn forget(deps: &Deps, user: &UserId, customer: Ensured) -> Result<(), ApiError> {
    tracing::warn!(customer = %customer.id, %user, "Stripe does not know the customer any more");
    let user = user.clone();
    let forget = if customer.is_new {
        Change::RetryCustomer { user, creation_attempt: customer.creation_attempt }
    } else {
        Change::ForgetCustomer { user, customer: customer.id }
    };
    // Refused when another request has done so already.
    deps.books.store().commit(vec![forget]).await.map(|_| ()).map_err(store_failed)
}

/// A short, header-safe stand-in for a text that may be long or personal.
pub(crate) fn fingerprint(text: &str) -> String {
    hex::encode(&Sha256::digest(text.as_bytes())[..16])
}
