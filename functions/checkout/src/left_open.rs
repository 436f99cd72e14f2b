//! Sessions that Stripe opened although it answered that it had failed.
//!
//! Nobody was sent to one, but it is open until it runs out. Only the request whose claim comes after the failure looks
//! for them, and only behind its own session in Stripe's list: what a later request opens is never touched.

use shared::auth::Caller;
use shared::domain::{CheckoutClaim, CustomerId};
use shared::http::ApiError;
use shared::stripe::StripeError;

use super::Deps;
use super::session::{Resolved, learn_how_it_ended};

/// What cannot be expired now runs out by itself within a day; the claim stands either way.
pub(crate) async fn expire(
    deps: &Deps,
    caller: &Caller,
    customer: &CustomerId,
    claim: &CheckoutClaim,
) -> Result<Resolved, ApiError> {
    let stripe = deps.books.stripe();
    let listed = match stripe.list_open_checkout_sessions_before(customer, &claim.session).await {
        Ok(listed) => listed,
        Err(error) => {
            tracing::warn!(session = %claim.session, %error, "What a failed checkout left open could not be looked for");
            return Ok(Resolved::Unchanged);
        }
    };
    // The customer may have open sessions of other products too.
    let ours = |user| user == Some(&caller.user);
    for left in listed.iter().filter(|left| left.is_for_subscription && ours(left.user.as_ref())) {
        match stripe.expire_checkout_session(&left.id).await {
            Ok(()) => {
                tracing::info!(session = %left.id, "Expired a checkout session that a failed request had left open")
            }
            Err(StripeError::NotFound { .. }) => {}
            Err(StripeError::Refused { .. }) => {
                if learn_how_it_ended(deps, caller, &left.id).await? == Resolved::Learnt {
                    return Ok(Resolved::Learnt);
                }
            }
            Err(error) => {
                tracing::warn!(session = %left.id, %error, "An unclaimed checkout session could not be expired")
            }
        }
    }
    Ok(Resolved::Unchanged)
}
