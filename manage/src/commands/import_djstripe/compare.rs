//! What the old records decide against what the new ones do.

use jiff::Timestamp;
use serde::Serialize;
use shared::domain::access::decide;
use shared::domain::{Access, Account, Customer, CustomerMirror, Denial, Policy, Status, TrialClaim, UserId};

use super::shape::OldUser;

/// As the gate answers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    Granted(String),
    Refused(&'static str),
}

impl Decision {
    fn word(&self) -> &str {
        match self {
            Decision::Granted(status) => status,
            Decision::Refused(code) => code,
        }
    }
}

#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    pub user_id: UserId,
    pub old: Decision,
    pub new: Decision,
    pub differences: Vec<String>,
}

impl Verdict {
    pub(super) fn lines(&self) -> Vec<String> {
        let sign = if self.differences.is_empty() { "✓" } else { "✗" };
        let mut lines = vec![format!("  {sign} {}: {} → {}", self.user_id, self.old.word(), self.new.word())];
        lines.extend(self.differences.iter().map(|difference| format!("      {difference}")));
        lines
    }
}

/// The records as an import into an empty table would leave them.
pub(super) fn would_be(old: &OldUser) -> Account {
    let mut account = Account::empty(old.user.clone());
    account.customer =
        old.customers.first().map(|customer| Customer { id: Some(customer.seen.id.clone()), ..Customer::default() });
    account.trial = old
        .trial
        .as_ref()
        .map(|trial| TrialClaim { first_trial_at: trial.first_trial_at, subscription: trial.subscription.clone() });
    for customer in &old.customers {
        account.mirrors.push(CustomerMirror {
            id: customer.seen.id.clone(),
            email: None,
            name: None,
            default_payment_method: customer.seen.default_payment_method.clone(),
            is_deleted: customer.seen.is_deleted,
        });
        account.cards.extend(customer.cards.iter().cloned());
        account.subscriptions.extend(customer.subscriptions.iter().map(|owned| owned.subscription.clone()));
    }
    account
}

pub(super) fn verdict(old: &OldUser, account: &Account, policy: Policy, now: Timestamp) -> Verdict {
    let (before, after) = (old_decision(old), new_decision(account, policy, now));
    let mut differences = Vec::new();
    if before != after {
        differences.push(match (&before, &after) {
            (Decision::Granted(_), Decision::Refused(_)) => "had access and would have none".to_owned(),
            (Decision::Refused(_), Decision::Granted(_)) => "had no access and would have it".to_owned(),
            (Decision::Granted(_), Decision::Granted(_)) => "has access by another subscription or status".to_owned(),
            (Decision::Refused(_), Decision::Refused(_)) => "is sent elsewhere by the front end".to_owned(),
        });
    }
    differences.extend(subscription_differences(old, account));
    if let Some(trial) = &old.trial
        && account.first_trial_at() != Some(trial.first_trial_at)
    {
        let known = account.first_trial_at().map_or("not".to_owned(), |at| format!("since {at}"));
        differences.push(format!("the trial was used since {} and is on record {known}", trial.first_trial_at));
    }
    Verdict { user_id: old.user.clone(), old: before, new: after, differences }
}

fn subscription_differences(old: &OldUser, account: &Account) -> Vec<String> {
    let of_old = old.customers.iter().flat_map(|customer| &customer.subscriptions).map(|owned| &owned.subscription);
    let differing = of_old.filter_map(|was| {
        let Some(is) = account.subscriptions.iter().find(|is| is.id == was.id) else {
            return Some(format!("{} ({}) is not on record with this user", was.id, was.status.as_str()));
        };
        (is.status != was.status)
            .then(|| format!("{} was {} and is {}", was.id, was.status.as_str(), is.status.as_str()))
    });
    differing.collect()
}

/// The old rule: any subscription that is active, trialing or past due, the best of them; no limit to a grace. It looked at
/// the trial's own table and not at subscriptions for whether the trial was used.
fn old_decision(old: &OldUser) -> Decision {
    let all =
        || old.customers.iter().flat_map(|customer| &customer.subscriptions).map(|owned| &owned.subscription.status);
    let best =
        [Status::Active, Status::Trialing, Status::PastDue].into_iter().find(|status| all().any(|one| one == status));
    match best {
        Some(status) => Decision::Granted(status.as_str().to_owned()),
        None if all().next().is_some() => Decision::Refused("SUBSCRIPTION_REQUIRED"),
        None if old.trial.is_some() => Decision::Refused("TRIAL_USED"),
        None => Decision::Refused("CHECKOUT_REQUIRED"),
    }
}

fn new_decision(account: &Account, policy: Policy, now: Timestamp) -> Decision {
    match decide(account, policy, now) {
        Access::Granted { status } => Decision::Granted(status.as_str().to_owned()),
        Access::Denied(Denial::CheckoutRequired) => Decision::Refused("CHECKOUT_REQUIRED"),
        Access::Denied(Denial::TrialUsed) => Decision::Refused("TRIAL_USED"),
        Access::Denied(Denial::SubscriptionRequired) => Decision::Refused("SUBSCRIPTION_REQUIRED"),
    }
}
