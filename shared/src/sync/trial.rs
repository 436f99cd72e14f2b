//! Spending a user's one trial, and what to do when another appears.

use jiff::Timestamp;

use super::SyncError;
use crate::books::Books;
use crate::domain::trial::{SecondTrial, TrialAbuseAction, second_trial};
use crate::domain::{Status, Subscription, SubscriptionId, TrialClaim, UserId};
use crate::store::{Change, Commit, Partition, Refusal};
use crate::stripe::StripeError;

/// Spends the user's trial by an operator's word. Nothing when that landed; else the claim that was there before.
pub async fn mark_trial_used(books: &Books, user: &UserId, at: Timestamp) -> Result<Option<TrialClaim>, SyncError> {
    let claim = TrialClaim { first_trial_at: at, subscription: None };
    match books.store().commit(vec![Change::Trial { user: user.clone(), claim }]).await? {
        Commit::Landed => Ok(None),
        Commit::Refused(refusals) => Ok(refusals.first().map(Refusal::trial).transpose()?.flatten()),
    }
}

/// What a subscription's transaction says about its user's trial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TrialPart {
    /// It spends the trial; refused when another subscription has spent it.
    Claim,
    /// It is a trial too many, and goes on record as one.
    Second(SecondTrial),
    /// Another subscription spent the trial and there is nothing (more) to say about this one.
    Known,
}

impl TrialPart {
    pub fn change(&self, partition: &Partition, subscription: Option<&Subscription>) -> Option<Change> {
        let Partition::User(user) = partition else { return None };
        let subscription = subscription?;
        match self {
            TrialPart::Claim => {
                let first_trial_at = subscription.trial_start_at?;
                let claim = TrialClaim { first_trial_at, subscription: Some(subscription.id.clone()) };
                Some(Change::Trial { user: user.clone(), claim })
            }
            TrialPart::Second(second) => Some(Change::SecondTrial { user: user.clone(), second: second.clone() }),
            TrialPart::Known => None,
        }
    }

    /// After the claim was refused by the stored one. With [`TrialAbuseAction::EndTrial`] the second trial has ended at
    /// Stripe when this answers, unless Stripe will not end it; if Stripe cannot be asked, nothing is written and the
    /// event comes again.
    pub async fn after_refusal(
        books: &Books,
        stored: Option<TrialClaim>,
        subscription: Option<&Subscription>,
    ) -> Result<TrialPart, SyncError> {
        let Some(stored) = stored else { return Ok(TrialPart::Claim) };
        let Some(second) = subscription.and_then(|subscription| second_trial(&stored, subscription)) else {
            return Ok(TrialPart::Known);
        };
        if books.trial_abuse_action() == TrialAbuseAction::EndTrial
            && let Err(error) = end(books, &second.subscription).await
        {
            if error.is_transient() {
                let doing = format!("end the trial of {}", second.subscription);
                return Err(SyncError::Stripe { doing, source: error });
            }
            tracing::error!(subscription = %second.subscription, %error, "A second trial could not be ended at Stripe");
        }
        Ok(TrialPart::Second(second))
    }

    /// Said once, when the record has landed.
    pub fn tell(&self, partition: &Partition) {
        if let (TrialPart::Second(second), Partition::User(user)) = (self, partition) {
            tell_second(user, second);
        }
    }
}

async fn end(books: &Books, subscription: &SubscriptionId) -> Result<(), StripeError> {
    let now = books.stripe().get_subscription(subscription).await?;
    if now.is_some_and(|seen| seen.value.subscription.status == Status::Trialing) {
        books.stripe().end_trial(subscription).await?;
        tracing::warn!(%subscription, "Ended a second trial at Stripe");
    }
    Ok(())
}

fn tell_second(user: &UserId, second: &SecondTrial) {
    let first = second.first.as_ref().map_or("an operator's mark", |first| first.as_str());
    let subscription = &second.subscription;
    tracing::error!(%user, %subscription, first, "Second trial of user {user}: {subscription} after {first}");
}
