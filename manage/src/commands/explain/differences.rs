//! Where Stripe and the records disagree.

use anyhow::Result;
use serde::Serialize;
use shared::books::Auditor;
use shared::domain::{CustomerId, Subscription, UserId};

use super::super::{readable, stripe_failed};
use super::Subject;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    pub what: String,
    /// The command that mends it, without the words that name the place.
    pub mend: String,
}

/// A customer as Stripe has it at this moment.
pub(super) struct AtStripe {
    customer: CustomerId,
    /// Nothing when Stripe does not know the customer.
    named_user: Option<Option<UserId>>,
    is_deleted: bool,
    subscriptions: Vec<Subscription>,
}

impl AtStripe {
    pub fn line(&self) -> String {
        let customer = &self.customer;
        if self.named_user.is_none() {
            return format!("{customer} is not known");
        }
        if self.is_deleted {
            return format!("{customer} is deleted");
        }
        let subscriptions: Vec<String> =
            self.subscriptions.iter().map(|one| format!("{} {}", one.id, one.status.as_str())).collect();
        match subscriptions.is_empty() {
            true => format!("{customer} has no subscription"),
            false => format!("{customer} has {}", subscriptions.join(", ")),
        }
    }
}

/// The customers on record, and one that names the user and is not on record.
pub(super) async fn at_stripe(auditor: &Auditor, subject: &Subject) -> Result<Vec<AtStripe>> {
    let mut customers = subject.customers.clone();
    if let Some(user) = &subject.user {
        let email = subject.account.customer.as_ref().and_then(|customer| customer.email.as_deref());
        let found = auditor.books().stripe().find_customer(user, email).await;
        customers.extend(found.map_err(stripe_failed("look for the user's customer"))?);
        customers.sort();
        customers.dedup();
    }
    let mut all = Vec::new();
    for customer in customers {
        all.push(read(auditor, customer).await?);
    }
    Ok(all)
}

async fn read(auditor: &Auditor, customer: CustomerId) -> Result<AtStripe> {
    let seen = auditor.books().stripe().get_customer(&customer).await.map_err(stripe_failed("read the customer"))?;
    let is_deleted = seen.as_ref().is_some_and(|seen| seen.value.is_deleted);
    let named_user = seen.map(|seen| seen.value.user);
    let mut subscriptions = Vec::new();
    let mut after = None;
    // Stripe lists no subscriptions of a customer it does not have.
    while named_user.is_some() && !is_deleted {
        let listed = auditor.account().list_subscriptions(Some(&customer), after.as_deref()).await;
        let mut page = listed.map_err(stripe_failed("list the customer's subscriptions"))?.value;
        after = page.next.take();
        subscriptions.extend(readable(page).filter_map(Result::ok).map(|owned| owned.subscription));
        if after.is_none() {
            break;
        }
    }
    Ok(AtStripe { customer, named_user, is_deleted, subscriptions })
}

pub(super) async fn between(auditor: &Auditor, subject: &Subject, all: &[AtStripe]) -> Result<Vec<Difference>> {
    let mut differences = Vec::new();
    for at_stripe in all {
        let customer = &at_stripe.customer;
        let owner = auditor.books().store().read_owner(customer).await?.user;
        let link = || "fix-customer-links --sync-all".to_owned();
        let named = at_stripe.named_user.clone().flatten();
        match (&owner, &subject.user) {
            (None, _) if at_stripe.named_user.is_some() => {
                let names = named.map(|user| format!(", though its metadata names user {user}")).unwrap_or_default();
                differences.push(Difference { what: format!("{customer} belongs to no user{names}"), mend: link() });
            }
            (Some(owner), Some(user)) if owner != user => {
                let what = format!("{customer} names user {user} at Stripe and belongs to user {owner} on record");
                differences.push(Difference { what, mend: format!("inspect customer {customer}") });
            }
            _ => {}
        }
        differences.extend(of_customer(subject, at_stripe));
    }
    let gave_trial = |at_stripe: &&AtStripe| at_stripe.subscriptions.iter().any(Subscription::had_trial);
    if let Some(at_stripe) =
        all.iter().find(gave_trial).filter(|_| subject.user.is_some() && !subject.account.has_used_trial())
    {
        // Not mark-trial-used: a trial that is marked by hand belongs to no subscription, and the one that runs would be
        // a second one.
        let what = "Stripe gave a trial and the records do not know of it".to_owned();
        differences.push(Difference { what, mend: format!("sync-stripe --customer {}", at_stripe.customer) });
    }
    Ok(differences)
}

fn of_customer(subject: &Subject, at_stripe: &AtStripe) -> Vec<Difference> {
    let sync = || format!("sync-stripe --customer {}", at_stripe.customer);
    let mut differences = Vec::new();
    for now in &at_stripe.subscriptions {
        let stored = subject.account.subscriptions.iter().find(|stored| stored.id == now.id);
        let what = match stored {
            None => format!("{} is {} at Stripe and not on record", now.id, now.status.as_str()),
            Some(stored) if stored.status != now.status => {
                format!("{} is {} at Stripe and {} on record", now.id, now.status.as_str(), stored.status.as_str())
            }
            Some(stored) if stored != now => format!("{} is not on record as Stripe has it", now.id),
            Some(_) => continue,
        };
        differences.push(Difference { what, mend: sync() });
    }
    let has_customer = at_stripe.named_user.is_some();
    if !has_customer {
        let what = format!("{} is on record and not at Stripe", at_stripe.customer);
        differences.push(Difference { what, mend: "sync-stripe --clean".to_owned() });
    }
    if has_customer && !at_stripe.is_deleted {
        let of_customer = subject.account.subscriptions.iter().filter(|one| one.customer == at_stripe.customer);
        for gone in of_customer.filter(|stored| at_stripe.subscriptions.iter().all(|now| now.id != stored.id)) {
            let what = format!("{} is {} on record and not at Stripe", gone.id, gone.status.as_str());
            differences.push(Difference { what, mend: "sync-stripe --clean".to_owned() });
        }
    }
    if at_stripe.is_deleted && !subject.account.is_customer_deleted(&at_stripe.customer) {
        let what = format!("{} is deleted at Stripe and not on record", at_stripe.customer);
        differences.push(Difference { what, mend: sync() });
    }
    differences
}
