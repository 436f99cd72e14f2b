//! Removing records of what Stripe no longer has. Each removal holds only while the record is as it was when it was read,
//! and none takes away that a user has had the one trial.

use super::SyncError;
use crate::books::Books;
use crate::domain::{CustomerId, PriceId, ProductId, Subscription, TrialClaim, UserId};
use crate::store::{Change, Commit, Parked, Partition};

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forgotten {
    Removed,
    /// It changed while we looked: it is not as forgotten as it seemed.
    Changed,
    /// It is the only trace of a trial.
    KeptForItsTrial,
}

/// Removes a subscription. A trial it had goes on record first.
pub async fn subscription(
    books: &Books,
    partition: &Partition,
    object: &Parked,
    subscription: &Subscription,
) -> Result<Forgotten, SyncError> {
    let remove = Change::remove(partition.clone(), object);
    let Some(trial_start_at) = subscription.trial_start_at else { return commit(books, vec![remove]).await };
    // While nobody owns the customer there is nobody whose trial it could be recorded as.
    let Partition::User(user) = partition else { return Ok(Forgotten::KeptForItsTrial) };
    let account = books.store().read_account(user).await?;
    match account.trial {
        Some(claim) if claim.first_trial_at <= trial_start_at => commit(books, vec![remove]).await,
        // It says of an earlier trial than the record, which is never overwritten.
        Some(_) => Ok(Forgotten::KeptForItsTrial),
        None => {
            let claim = TrialClaim { first_trial_at: trial_start_at, subscription: Some(subscription.id.clone()) };
            commit(books, vec![Change::Trial { user: user.clone(), claim }, remove]).await
        }
    }
}

/// Removes what is kept of a customer itself; its subscriptions are looked at one by one.
pub async fn customer(
    books: &Books,
    customer: &CustomerId,
    user: Option<&UserId>,
    mirror: Option<&Parked>,
) -> Result<Forgotten, SyncError> {
    if let Some(user) = user {
        let forget = Change::ForgetCustomer { user: user.clone(), customer: customer.clone() };
        // Refused when the user's customer is another one.
        let _: Commit = books.store().commit(vec![forget]).await?;
    }
    let partition = user.map_or_else(|| Partition::Customer(customer.clone()), |user| Partition::User(user.clone()));
    let mut changes = vec![Change::RemoveOwner { customer: customer.clone() }];
    changes.extend(mirror.map(|mirror| Change::remove(partition, mirror)));
    commit(books, changes).await
}

pub async fn card(books: &Books, partition: &Partition, object: &Parked) -> Result<Forgotten, SyncError> {
    commit(books, vec![Change::remove(partition.clone(), object)]).await
}

pub async fn product(books: &Books, product: &ProductId, version: u64) -> Result<Forgotten, SyncError> {
    commit(books, vec![Change::remove_product(product, version)]).await
}

pub async fn price(books: &Books, price: &PriceId, version: u64) -> Result<Forgotten, SyncError> {
    commit(books, vec![Change::remove_price(price, version)]).await
}

async fn commit(books: &Books, changes: Vec<Change>) -> Result<Forgotten, SyncError> {
    Ok(match books.store().commit(changes).await? {
        Commit::Landed => Forgotten::Removed,
        Commit::Refused(_) => Forgotten::Changed,
    })
}
