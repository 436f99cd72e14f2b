//! The user's one open session, however many requests race to open it.
//!
//! A session is opened at Stripe first and then claimed in the user's record, under the condition that nobody claimed
//! another one meanwhile. Who loses expires the session it opened and starts again from what is there now.

use shared::auth::Caller;
use shared::domain::{Account, CheckoutChoice, CheckoutClaim, CheckoutSessionId, CustomerId};
use shared::http::ApiError;
use shared::store::{Change, Commit};
use shared::stripe::{CheckoutStatus, NewCheckoutSession, Snapshot, StripeError};
use shared::sync::{self, Linked, SyncError};

use super::asked::Asked;
use super::customer::{self, Ensured, fingerprint};
use super::left_open;
use super::{Deps, FAILED, read_account, refuse_subscribers, store_failed, stripe_failed, sync_failed};

/// Rounds against racing requests of one user; each is lost only when another request won.
const MAX_ROUNDS: u32 = 6;

pub(crate) async fn open(
    deps: &Deps,
    caller: &Caller,
    mut account: Account,
    asked: &Asked,
) -> Result<CheckoutClaim, ApiError> {
    let mut looked_up: Option<CheckoutSessionId> = None;
    for _ in 0..MAX_ROUNDS {
        let choice = asked.choice(&account, deps.trial_days);
        if let Some(open) = account.reusable_checkout(&choice, deps.clock.business_now()) {
            return Ok(open.clone());
        }
        let other = account.checkout.as_ref().map(|claim| &claim.session);
        // What became of this session is in the account by now: looking it up again would not end.
        let is_known = other.is_some() && other == looked_up.as_ref();
        if !is_known && resolve_other(deps, caller, &account).await? == Resolved::Learnt {
            looked_up = other.cloned();
        } else if let Some(claim) = open_one(deps, caller, &account, choice).await? {
            return Ok(claim);
        }
        account = read_account(deps, caller).await?;
        refuse_subscribers(&account)?;
    }
    Err(ApiError::Unavailable { message: FAILED, detail: "other requests of the user kept winning".to_owned() })
}

/// Whether looking after an earlier session changed the user's records.
#[derive(PartialEq, Eq)]
pub(crate) enum Resolved {
    Unchanged,
    /// It had become a subscription, which is on record now: the records have to be read again.
    Learnt,
}

/// Expires the session of another choice. One that was paid, or that ran out of time unheard, may have become a
/// subscription that no webhook has brought yet: Stripe is asked before another is opened.
async fn resolve_other(deps: &Deps, caller: &Caller, account: &Account) -> Result<Resolved, ApiError> {
    let now = deps.clock.business_now();
    if let Some(claim) = account.unresolved_checkout(now) {
        return learn_how_it_ended(deps, caller, &claim.session).await;
    }
    let Some(claim) = account.checkout.as_ref().filter(|claim| claim.may_be_open(now)) else {
        return Ok(Resolved::Unchanged);
    };
    match deps.books.stripe().expire_checkout_session(&claim.session).await {
        Ok(()) | Err(StripeError::NotFound { .. }) => Ok(Resolved::Unchanged),
        Err(StripeError::Refused { .. }) => learn_how_it_ended(deps, caller, &claim.session).await,
        Err(error) => Err(stripe_failed(error)),
    }
}

pub(crate) async fn learn_how_it_ended(
    deps: &Deps,
    caller: &Caller,
    session: &CheckoutSessionId,
) -> Result<Resolved, ApiError> {
    let read = deps.books.stripe().get_checkout_session(session).await;
    let Some(seen) = read.map_err(stripe_failed)? else { return Ok(Resolved::Unchanged) };
    let Some(owned) = seen.value.subscription.filter(|_| seen.value.status == CheckoutStatus::Complete) else {
        return Ok(Resolved::Unchanged);
    };
    let observed = Snapshot { value: owned, seen_from: seen.seen_from, seen_until: seen.seen_until };
    match sync::observe_subscription(&deps.books, &observed, Some(&caller.user)).await {
        // Also when its webhooks or the success page were first, or kept writing it while we tried.
        Ok(_) | Err(SyncError::Contended { .. }) => Ok(Resolved::Learnt),
        Err(error) => Err(sync_failed(error)),
    }
}

/// Nothing when another request was first: look again.
async fn open_one(
    deps: &Deps,
    caller: &Caller,
    account: &Account,
    choice: CheckoutChoice,
) -> Result<Option<CheckoutClaim>, ApiError> {
    let Some(customer) = customer::ensure(deps, caller, account).await? else { return Ok(None) };
    let attempt = account.checkout.as_ref().map_or(0, |claim| claim.attempt) + 1;
    let opened_at = deps.clock.business_now();
    let new = NewCheckoutSession {
        user: &caller.user,
        customer: &customer.id,
        choice: &choice,
        is_trial_eligible: choice.trial_days.is_some(),
        locale: &deps.locale,
    };
    let failures_before = failures(account);
    let key = idempotency_key(caller, &customer.id, &choice, attempt, failures_before);
    let session = match deps.books.stripe().create_checkout_session(new, &key).await {
        Ok(session) => session,
        Err(StripeError::NotFound { param, .. }) if param.as_deref() == Some("customer") => {
            return customer::forget(deps, &caller.user, customer).await.map(|()| None);
        }
        Err(error) => {
            count_failure(deps, caller, &error).await;
            return Err(stripe_failed(error));
        }
    };
    // An answer that Stripe repeated a day later may be of a session that is over.
    if session.expires_at <= opened_at {
        deps.books
            .store()
            .commit(vec![Change::CountCheckoutFailure { user: caller.user.clone() }])
            .await
            .map_err(store_failed)?;
        return Ok(None);
    }
    let url = session.url.ok_or_else(|| {
        let detail = format!("Stripe gave {} without a URL", session.id);
        ApiError::BadGateway { message: FAILED, code: "STRIPE_REFUSED", detail }
    })?;
    let claim = CheckoutClaim {
        session: session.id,
        url,
        expires_at: session.expires_at,
        choice,
        opened_at,
        attempt,
        failures_before,
        customer: Some(customer.id.clone()),
        is_paid: false,
        is_closed: false,
    };
    claim_it(deps, caller, customer, claim, account.checkout.as_ref()).await
}

/// Requests that find the same records get the same session, also when one of them was cut off before it could claim it.
/// After a failure, which Stripe would replay under the same key for a day, the key is another.
fn idempotency_key(
    caller: &Caller,
    customer: &CustomerId,
    choice: &CheckoutChoice,
    attempt: u64,
    failures: u64,
) -> String {
    let CheckoutChoice { price, success_url, cancel_url, trial_days } = choice;
    let what = format!("{}\n{customer}\n{price}\n{success_url}\n{cancel_url}\n{trial_days:?}", caller.user);
    format!("checkout-{}-{attempt}-{failures}", fingerprint(&what))
}

fn failures(account: &Account) -> u64 {
    account.customer.as_ref().map_or(0, |customer| customer.checkout_failures)
}

/// If this cannot be noted, the next request meets the same failure once more and notes it then.
async fn count_failure(deps: &Deps, caller: &Caller, error: &StripeError) {
    if matches!(error, StripeError::Unauthorized { .. } | StripeError::NoKey) {
        return;
    }
    let count = Change::CountCheckoutFailure { user: caller.user.clone() };
    if let Err(error) = deps.books.store().commit(vec![count]).await {
        tracing::warn!(user = %caller.user, %error, "A failed checkout session could not be noted");
    }
}

async fn claim_it(
    deps: &Deps,
    caller: &Caller,
    customer: Ensured,
    claim: CheckoutClaim,
    previous: Option<&CheckoutClaim>,
) -> Result<Option<CheckoutClaim>, ApiError> {
    let user = caller.user.clone();
    let previous_attempt = previous.map(|claim| claim.attempt);
    let mut changes = vec![Change::Checkout { user: user.clone(), claim: claim.clone(), previous_attempt }];
    if customer.is_new {
        changes.push(Change::LinkCustomer { user: user.clone(), customer: customer.id.clone() });
        changes.push(Change::OwnNew { customer: customer.id.clone(), user: user.clone() });
    }
    let refusals = match deps.books.store().commit(changes).await {
        Ok(Commit::Landed) => {
            if customer.is_new {
                let customer = &customer.id;
                tracing::info!(%customer, %user, "Created and linked Customer {customer} to User {user}");
            }
            let has_failed_since = claim.failures_before > previous.map_or(0, |claim| claim.failures_before);
            if has_failed_since && left_open::expire(deps, caller, &customer.id, &claim).await? == Resolved::Learnt {
                return Ok(None);
            }
            return Ok(Some(claim));
        }
        Ok(Commit::Refused(refusals)) => refusals,
        // It may have landed: the session stays open, and the next request finds it by the record or by the same key.
        Err(error) => return Err(store_failed(error)),
    };
    if customer.is_new && refusals.iter().any(|refusal| refusal.index == 2) {
        link(deps, caller, &customer.id).await?;
    }
    // Another customer has become the user's: nobody asks for this session again.
    if customer.is_new && refusals.iter().any(|refusal| refusal.index == 1) {
        give_up(deps, &claim).await;
        return Ok(None);
    }
    let is_beaten = refusals.iter().any(|refusal| refusal.index == 0);
    if !is_beaten {
        return Ok(None);
    }
    let account = read_account(deps, caller).await?;
    if account.checkout.as_ref().is_none_or(|winner| winner.session != claim.session) {
        give_up(deps, &claim).await;
    }
    Ok(None)
}

/// Objects were parked with the customer before it had an owner.
async fn link(deps: &Deps, caller: &Caller, customer: &CustomerId) -> Result<(), ApiError> {
    match sync::link(&deps.books, customer, &caller.user).await {
        // What is left to link is linked in the next round.
        Ok(Linked::Done) | Err(SyncError::Contended { .. }) => Ok(()),
        Ok(Linked::OwnedBy(owner)) => {
            let detail = format!("{customer} of user {} belongs to user {owner}", caller.user);
            Err(ApiError::Internal { detail })
        }
        Err(error) => Err(sync_failed(error)),
    }
}

/// A session that nobody will be sent to must not stay open. If this fails it expires by itself within a day.
async fn give_up(deps: &Deps, claim: &CheckoutClaim) {
    if let Err(error) = deps.books.stripe().expire_checkout_session(&claim.session).await {
        tracing::warn!(session = %claim.session, %error, "An unclaimed checkout session could not be expired");
    }
}
