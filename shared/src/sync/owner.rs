//! Whose a customer is.
//!
//! The `owner` record of a customer decides; metadata only proposes. What came while nobody owned the customer is parked
//! with the customer and moved to the user when they are linked. Until that is done the record says `join_pending`, and
//! every writer first finishes the move, so that a crash in the middle is mended by whoever comes next.

use super::mirrored::Mirrored;
use super::settle::{Home, Task, settle};
use super::{SyncError, story};
use crate::books::Books;
use crate::domain::{CustomerId, UserId};
use crate::store::{Change, Commit, Owner, Partition};

/// How linking ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Linked {
    /// The customer is the user's.
    Done,
    /// It already belongs to another user, and stays there.
    OwnedBy(UserId),
}

/// Makes the customer the user's and moves what was parked. Safe to repeat and to race.
pub async fn link(books: &Books, customer: &CustomerId, user: &UserId) -> Result<Linked, SyncError> {
    let own = Change::Own { customer: customer.clone(), user: user.clone(), joined: false };
    if let Commit::Refused(refusals) = books.store().commit(vec![own]).await? {
        let owner = refusals.first().map(|refusal| refusal.owner()).transpose()?.and_then(|owner| owner.user);
        return match owner {
            Some(owner) => Ok(Linked::OwnedBy(owner)),
            None => Err(SyncError::Contended { object: customer.to_string() }),
        };
    }
    join(books, customer, user).await?;
    Ok(Linked::Done)
}

/// Makes a customer that the user owns the one new checkouts use, in place of another; that one stays theirs.
pub async fn make_own_customer(books: &Books, user: &UserId, customer: &CustomerId) -> Result<(), SyncError> {
    let known = books.store().read_account(user).await?.customer.and_then(|customer| customer.id);
    if known.as_ref() == Some(customer) {
        return Ok(());
    }
    if let Some(other) = known {
        let forget = Change::ForgetCustomer { user: user.clone(), customer: other };
        let _: Commit = books.store().commit(vec![forget]).await?;
    }
    let link_customer = Change::LinkCustomer { user: user.clone(), customer: customer.clone() };
    match books.store().commit(vec![link_customer]).await? {
        Commit::Landed => Ok(()),
        Commit::Refused(_) => Err(SyncError::Contended { object: format!("the customer of user {user}") }),
    }
}

/// Where the objects of a customer are kept, when they do not say themselves.
pub(super) async fn home_of(books: &Books, customer: &CustomerId) -> Result<Partition, SyncError> {
    let owner = books.store().read_owner(customer).await?;
    Ok(match owner.user {
        Some(user) => Partition::User(user),
        None => Partition::Customer(customer.clone()),
    })
}

/// After a writer was refused because the owner is another than it took for granted: the true owner, with everything
/// moved that was parked. `claimed_by` gets a customer that nobody owns.
pub(super) async fn resolve(
    books: &Books,
    customer: &CustomerId,
    owner: Owner,
    claimed_by: Option<&UserId>,
) -> Result<Option<UserId>, SyncError> {
    match (owner.user, claimed_by) {
        (Some(user), _) => {
            if owner.is_join_pending {
                join(books, customer, &user).await?;
            }
            Ok(Some(user))
        }
        (None, Some(user)) => match link(books, customer, user).await? {
            Linked::Done => Ok(Some(user.clone())),
            Linked::OwnedBy(owner) => Ok(Some(owner)),
        },
        (None, None) => Ok(None),
    }
}

/// Moves what is parked, gives the user the customer if they have none, and says that it is done.
async fn join(books: &Books, customer: &CustomerId, user: &UserId) -> Result<(), SyncError> {
    for parked in books.store().read_parked(customer).await? {
        let (sk, version) = (parked.sk(), parked.version());
        let (mirrored, as_of) = Mirrored::parked(parked);
        let subscription = mirrored.subscription().cloned();
        let home = Home::At(Partition::User(user.clone()));
        let settled = Box::pin(settle(books, Task { home, mirrored, as_of, card: None, event: None })).await?;
        let unpark = Change::Unpark { customer: customer.clone(), sk: sk.clone(), version };
        // Refused when another writer has moved it in the meantime, and told of it.
        if let Commit::Refused(_) = books.store().commit(vec![unpark]).await? {
            continue;
        }
        if let Some(subscription) = subscription {
            story::tell_trial(&subscription, &settled);
        }
        tracing::info!(%customer, %user, object = %sk, outcome = settled.outcome.as_str(), "Moved a parked object to its user");
    }
    // Refused when the user has another customer, which then stays theirs.
    let link_customer = Change::LinkCustomer { user: user.clone(), customer: customer.clone() };
    let _: Commit = books.store().commit(vec![link_customer]).await?;
    let joined = Change::Own { customer: customer.clone(), user: user.clone(), joined: true };
    match books.store().commit(vec![joined]).await? {
        Commit::Landed => {
            tracing::info!(%customer, %user, "Linked Customer {customer} to User {user}");
            Ok(())
        }
        Commit::Refused(_) => Err(SyncError::Contended { object: customer.to_string() }),
    }
}

impl Mirrored {
    fn parked(parked: crate::store::Parked) -> (Mirrored, crate::store::AsOf) {
        match parked {
            crate::store::Parked::Subscription(stored) => {
                (Mirrored::Subscription(Box::new(stored.value)), stored.as_of)
            }
            crate::store::Parked::Card(stored) => (Mirrored::Card(stored.value), stored.as_of),
            crate::store::Parked::Mirror(stored) => (Mirrored::Customer(stored.value), stored.as_of),
        }
    }
}
