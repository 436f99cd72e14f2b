//! Bringing a user's objects to the table by the road that everything of Stripe's takes.
//!
//! How current an old row is, nobody can say: it is stamped with the object's own creation, so that whatever Stripe says
//! later wins. A record that is the same already is left alone, which makes a second import write nothing.

use anyhow::Result;
use shared::books::Books;
use shared::domain::{Customer, CustomerId, TrialClaim, UserId};
use shared::store::{Change, Commit, Parked, Partition};
use shared::stripe::Snapshot;
use shared::sync::{self, SyncError};

use super::shape::{OldCustomer, OldUser};

/// The trial first: by its record the subscriptions that follow are no second trials.
pub(super) async fn user(books: &Books, old: &OldUser) -> Result<()> {
    if let Some(claim) = claim(old) {
        // Refused when the trial is on record: the first one stays.
        let _: Commit = books.store().commit(vec![Change::Trial { user: old.user.clone(), claim }]).await?;
    }
    let mut customers: Vec<&OldCustomer> = old.customers.iter().collect();
    // The first one becomes the customer of new checkouts.
    customers.sort_by_key(|customer| (!is_serving(customer), customer.seen.is_deleted, customer.created_at));
    for (index, customer) in customers.iter().enumerate() {
        if index == 0 && !customer.seen.is_deleted {
            begin(books, old, &customer.seen.id).await?;
        }
        self::customer(books, Some(&old.user), customer).await?;
    }
    Ok(())
}

fn is_serving(customer: &OldCustomer) -> bool {
    customer.subscriptions.iter().any(|owned| owned.subscription.status.is_live())
}

/// With the subscription that had it, as far as the old tables say.
fn claim(old: &OldUser) -> Option<TrialClaim> {
    let trial = old.trial.as_ref()?;
    let had_trial = old.customers.iter().flat_map(|customer| &customer.subscriptions).map(|owned| &owned.subscription);
    let first = had_trial
        .filter(|subscription| subscription.had_trial())
        .min_by_key(|subscription| subscription.trial_start_at);
    let subscription = trial.subscription.clone().or_else(|| first.map(|subscription| subscription.id.clone()));
    Some(TrialClaim { first_trial_at: trial.first_trial_at, subscription })
}

/// What the token would have told: e-mail, name, and where the user came from. Refused when the user is known already.
async fn begin(books: &Books, old: &OldUser, customer: &CustomerId) -> Result<(), SyncError> {
    let owner = books.store().read_owner(customer).await?.user;
    if owner.is_some_and(|owner| owner != old.user) {
        return Ok(());
    }
    let person = old.person.clone();
    let known = Customer {
        id: Some(customer.clone()),
        email: person.email,
        name: person.name,
        acquisition_angle: person.acquisition_angle,
        signup_price: person.signup_price,
        ..Customer::default()
    };
    let begin = Change::BeginCustomer { user: old.user.clone(), customer: known };
    let _: Commit = books.store().commit(vec![begin]).await?;
    Ok(())
}

/// The customer and its subscriptions; parked when it belongs to nobody.
pub(super) async fn customer(books: &Books, user: Option<&UserId>, old: &OldCustomer) -> Result<()> {
    let seen = Snapshot { value: old.seen.clone(), seen_from: old.created_at, seen_until: old.created_at };
    let home = match user {
        Some(user) => Partition::User(user.clone()),
        None => Partition::Customer(old.seen.id.clone()),
    };
    let is_linked = books.store().read_owner(&old.seen.id).await?.user.as_ref() == user;
    if !(is_linked && is_known(books, user, old).await?) {
        sync::observe_customer(books, &seen).await?;
    }
    for owned in &old.subscriptions {
        let subscription = &owned.subscription;
        let stored = books.store().read_subscription(&home, &subscription.id).await?;
        if stored.is_some_and(|stored| stored.value == *subscription) {
            continue;
        }
        let created_at = subscription.created_at;
        let seen = Snapshot { value: owned.clone(), seen_from: created_at, seen_until: created_at };
        sync::observe_subscription(books, &seen, user).await?;
    }
    Ok(())
}

/// Whether what Stripe said of the customer is on record; an import knows nothing newer.
async fn is_known(books: &Books, user: Option<&UserId>, old: &OldCustomer) -> Result<bool> {
    let store = books.store();
    Ok(match user {
        Some(user) => store.read_account(user).await?.mirrors.iter().any(|mirror| mirror.id == old.seen.id),
        None => store.read_parked(&old.seen.id).await?.iter().any(|parked| matches!(parked, Parked::Mirror(_))),
    })
}
