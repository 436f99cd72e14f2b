//! Writing what was read from Stripe, under the same rule as what its events bring.

use super::SyncError;
use super::mirrored::{Mirrored, mirror_of};
use super::settle::{Home, Task, settle};
use crate::books::Books;
use crate::domain::{Price, Product, UserId, WebhookEndpoint};
use crate::store::{AsOf, Change, Commit, Outcome};
use crate::stripe::{OwnedSubscription, Snapshot, StripeCustomer};

/// Writes a subscription that was read from Stripe. `user` is who is known to own its customer, when the caller knows.
pub async fn observe_subscription(
    books: &Books,
    seen: &Snapshot<OwnedSubscription>,
    user: Option<&UserId>,
) -> Result<Outcome, SyncError> {
    let owned = &seen.value;
    let home =
        Home::Of { customer: owned.subscription.customer.clone(), claimed_by: user.or(owned.user.as_ref()).cloned() };
    let mirrored = Mirrored::Subscription(Box::new(owned.subscription.clone()));
    let task = Task { home, mirrored, as_of: as_of(seen), card: owned.card.clone(), event: None };
    Ok(settle(books, task).await?.outcome)
}

/// Writes a customer, and makes it the user's whom its metadata names, unless it is another's.
pub async fn observe_customer(books: &Books, seen: &Snapshot<StripeCustomer>) -> Result<Outcome, SyncError> {
    let customer = &seen.value;
    let home = Home::Of { customer: customer.id.clone(), claimed_by: customer.user.clone() };
    observe(books, home, Mirrored::Customer(mirror_of(customer)), as_of(seen)).await
}

pub async fn observe_product(books: &Books, seen: &Snapshot<Product>) -> Result<Outcome, SyncError> {
    observe(books, Home::Catalogue, Mirrored::Product(seen.value.clone()), as_of(seen)).await
}

pub async fn observe_price(books: &Books, seen: &Snapshot<Price>) -> Result<Outcome, SyncError> {
    observe(books, Home::Catalogue, Mirrored::Price(seen.value.clone()), as_of(seen)).await
}

/// Records what Stripe says of a webhook endpoint of ours; its secret is no part of that.
pub async fn observe_endpoint(books: &Books, uuid: &str, endpoint: &WebhookEndpoint) -> Result<(), SyncError> {
    let record = Change::Endpoint { uuid: uuid.to_owned(), endpoint: endpoint.clone() };
    // It has no condition, so it is not refused.
    let _: Commit = books.store().commit(vec![record]).await?;
    Ok(())
}

async fn observe(books: &Books, home: Home, mirrored: Mirrored, as_of: AsOf) -> Result<Outcome, SyncError> {
    Ok(settle(books, Task { home, mirrored, as_of, card: None, event: None }).await?.outcome)
}

fn as_of<T>(seen: &Snapshot<T>) -> AsOf {
    AsOf::read(seen.seen_from, seen.seen_until)
}
