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

use super::{Deps, FAILED, store_failed, stripe_failed};

/// Stripe keeps idempotency keys for at least 24 hours: <https://docs.stripe.com/api/idempotent_requests>.
/// A creation begun longer ago may have succeeded under a key that is forgotten.
const KEY_IS_GOOD_FOR_SECONDS: i64 = 20 * 3600;

/// How long Stripe's search may lag behind: <https://docs.stripe.com/search#data-freshness>, and some.
const SEARCH_LAG_SECONDS: i64 = 90;

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
    Ok(id.map(|id| Ensured { id, is_new: true, creation_attempt: plan.creation_attempt }))
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

/// Nothing when the record changed and is to be read again.
async fn create(deps: &Deps, user: &UserId, plan: &Customer, now: Timestamp) -> Result<Option<CustomerId>, ApiError> {
    let age_seconds = now.as_second() - plan.creating_since.unwrap_or(now).as_second();
    if (plan.creation_attempt > 0 || age_seconds > KEY_IS_GOOD_FOR_SECONDS)
        && let Some(found) = find(deps, user, plan).await?
    {
        return Ok(Some(found));
    }
    // Without an e-mail only the search can find what a failed creation left, and that takes a while.
    if plan.creation_attempt > 0 && plan.email.is_none() && age_seconds < SEARCH_LAG_SECONDS {
        let detail = "a failed creation of the customer may still come to light".to_owned();
        return Err(ApiError::Unavailable { message: FAILED, detail });
    }
    let new = NewCustomer { user, email: plan.email.as_deref(), name: plan.name.as_deref() };
    let key = format!("customer-{}-{}-{}", fingerprint(user.as_str()), plan.generation, plan.creation_attempt);
    let error = match deps.books.stripe().create_customer(new, &key).await {
        Ok(id) => return Ok(Some(id)),
        Err(error) => error,
    };
    let has_contact = plan.email.is_some() || plan.name.is_some();
    let is_contact_refused = has_contact && matches!(error, StripeError::Refused { .. });
    // Stripe repeats these under their key. After a timeout or a rate limit the key is as good as before, and better than
    // another: if the customer was made after all, the same key finds it.
    let is_key_spent = matches!(error, StripeError::Failed { .. } | StripeError::IdempotencyMismatch { .. });
    if is_contact_refused || is_key_spent {
        note_retry(deps, user, plan.creation_attempt, is_contact_refused).await;
    }
    if is_contact_refused { Ok(None) } else { Err(stripe_failed(error)) }
}

async fn note_retry(deps: &Deps, user: &UserId, creation_attempt: u64, drop_contact: bool) {
    let failed_at = deps.clock.business_now();
    let retry = Change::RetryCustomer { user: user.clone(), creation_attempt, failed_at, drop_contact };
    if let Err(error) = deps.books.store().commit(vec![retry]).await {
        tracing::warn!(%user, %error, "A failed creation of a customer could not be noted");
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
        let failed_at = deps.clock.business_now();
        Change::RetryCustomer { user, creation_attempt: customer.creation_attempt, failed_at, drop_contact: false }
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
