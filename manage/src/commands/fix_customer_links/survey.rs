//! One walk through the users: who has which address, and whose own customer is not the one that serves them.

use std::collections::{BTreeSet, HashMap};

use anyhow::Result;
use shared::books::Auditor;
use shared::domain::{Account, CustomerId, UserId};
use shared::store::Scanned;

use super::Fix;
use super::orphan::{Standing, folded};

/// The users whose token, or whose customer, has one of the addresses. The former may be linked by it; the latter only
/// makes it doubtful whose it is.
#[derive(Clone, Debug, Default)]
pub(super) struct Users {
    pub by_token: BTreeSet<UserId>,
    pub by_customer: BTreeSet<UserId>,
}

/// What one walk through the users finds.
#[derive(Default)]
pub(super) struct Survey {
    pub users: HashMap<String, Users>,
    /// For users whose own customer is not the one that serves them.
    pub fixes: Vec<Fix>,
}

pub(super) async fn survey(auditor: &Auditor, wanted: &BTreeSet<String>, only_email: Option<&str>) -> Result<Survey> {
    let mut survey = Survey::default();
    let mut scan = auditor.books().store().scan();
    while let Some(partitions) = scan.next().await? {
        for partition in partitions {
            if let Scanned::User { account, .. } = partition {
                survey.see(&account, wanted, only_email);
            }
        }
    }
    Ok(survey)
}

impl Survey {
    fn see(&mut self, account: &Account, wanted: &BTreeSet<String>, only_email: Option<&str>) {
        let of_token = account.customer.as_ref().and_then(|customer| customer.email.as_deref()).map(folded);
        let of_customers: Vec<String> =
            account.mirrors.iter().filter_map(|mirror| mirror.email.as_deref()).map(folded).collect();
        if only_email.is_none_or(|only| of_token.iter().chain(&of_customers).any(|email| email == only)) {
            self.fixes.extend(better_customer(account));
        }
        if let Some(email) = of_token.filter(|email| wanted.contains(email)) {
            self.users.entry(email).or_default().by_token.insert(account.user.clone());
        }
        for email in of_customers.into_iter().filter(|email| wanted.contains(email)) {
            self.users.entry(email).or_default().by_customer.insert(account.user.clone());
        }
    }
}

/// Another customer of the user that serves them, when the one on record does not.
pub(super) fn better_customer(account: &Account) -> Option<Fix> {
    let known = account.customer.as_ref().and_then(|customer| customer.id.as_ref());
    let usable = account.mirrors.iter().filter(|mirror| !mirror.is_deleted).map(|mirror| &mirror.id);
    let best = usable.max_by_key(|customer| (standing_of(account, customer), (*customer).clone()))?;
    let is_better = standing_of(account, best).is_live();
    match known {
        None => Some(Fix::Link { customer: best.clone(), user: account.user.clone(), by: "ownership" }),
        Some(known) if known != best && is_better && !standing_of(account, known).is_live() => {
            Some(Fix::Unlink { customer: known.clone(), user: account.user.clone(), preferred: best.clone() })
        }
        Some(_) => None,
    }
}

pub(super) fn standing_of(account: &Account, customer: &CustomerId) -> Standing {
    let theirs = account.subscriptions.iter().filter(|subscription| subscription.customer == *customer);
    theirs.fold(Standing::default(), |standing, it| standing.with(&it.status, it.created_at.as_second()))
}
