//! A customer without a user, as Stripe has it now.

use anyhow::Result;
use shared::books::Auditor;
use shared::domain::{CustomerId, Status, UserId};
use shared::store::Scanned;

use super::super::stripe_failed;

/// A customer without a user, as Stripe has it now.
#[derive(Clone, Debug)]
pub(super) struct Orphan {
    pub customer: CustomerId,
    pub named_user: Option<UserId>,
    pub email: Option<String>,
    pub standing: Standing,
}

/// The better of two customers is the greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Standing {
    status_rank: u8,
    newest_second: i64,
}

impl Standing {
    pub fn with(self, status: &Status, created_second: i64) -> Standing {
        let status_rank = match status {
            Status::Active => 3,
            Status::Trialing => 2,
            Status::PastDue => 1,
            _ => 0,
        };
        self.max(Standing { status_rank, newest_second: created_second })
    }

    pub fn is_live(self) -> bool {
        self.status_rank > 0
    }
}

pub(super) fn unowned(partition: Scanned) -> Option<CustomerId> {
    match partition {
        Scanned::Customer { customer, owner, .. } => owner.user.is_none().then_some(customer),
        Scanned::User { .. } | Scanned::Catalogue { .. } => None,
    }
}

/// Nothing for one that Stripe has no more: there is nobody to link.
pub(super) async fn orphan(auditor: &Auditor, customer: &CustomerId) -> Result<Option<Orphan>> {
    let seen = auditor.books().stripe().get_customer(customer).await.map_err(stripe_failed("read a customer"))?;
    let Some(seen) = seen.filter(|seen| !seen.value.is_deleted) else { return Ok(None) };
    let mut standing = Standing::default();
    let mut after = None;
    loop {
        let listed = auditor.account().list_subscriptions(Some(customer), after.as_deref()).await;
        let page = listed.map_err(stripe_failed("list subscriptions"))?.value;
        after.clone_from(&page.next);
        for owned in page.items.into_iter().filter_map(|listed| listed.value.ok()) {
            standing = standing.with(&owned.subscription.status, owned.subscription.created_at.as_second());
        }
        if after.is_none() {
            break;
        }
    }
    let email = seen.value.email.as_deref().map(folded).filter(|email| !email.is_empty());
    Ok(Some(Orphan { customer: customer.clone(), named_user: seen.value.user, email, standing }))
}

/// Addresses are compared so.
pub(super) fn folded(email: &str) -> String {
    email.trim().to_lowercase()
}
