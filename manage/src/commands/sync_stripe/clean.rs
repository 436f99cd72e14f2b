//! `--clean`: removing this mode's records of what Stripe no longer has. Stripe lists what it has; only a record that is not
//! in the lists is asked for by itself, for it may be new. The plan is shown and asked about first.

use anyhow::Result;
use shared::books::Auditor;
use shared::domain::{CustomerId, PriceId, ProductId, Subscription, UserId};
use shared::store::{Parked, Partition, Scanned};
use shared::sync::forget::{self, Forgotten};
use shared::sync::{SyncError, observe_subscription};

use super::at_stripe::AtStripe;
use crate::Context;
use crate::commands::{side_by_side, stripe_failed};
use crate::confirm::Answer;
use crate::done::Done;
use crate::printer::{Printer, Progress};

/// A plan names so many records; beyond that it says how many there are.
const NAMED: usize = 20;

/// A record of something that Stripe does not have any more.
#[derive(Clone, Debug)]
pub enum Missing {
    Product(ProductId, u64),
    Price(PriceId, u64),
    Customer {
        customer: CustomerId,
        user: Option<UserId>,
        mirror: Option<Box<Parked>>,
    },
    Subscription {
        partition: Partition,
        subscription: Box<Subscription>,
        object: Box<Parked>,
    },
    /// Of a user all of whose customers are gone.
    Card {
        partition: Partition,
        object: Box<Parked>,
    },
}

impl Missing {
    fn name(&self) -> String {
        match self {
            Missing::Product(id, _) => id.to_string(),
            Missing::Price(id, _) => id.to_string(),
            Missing::Customer { customer, .. } => customer.to_string(),
            Missing::Subscription { subscription, .. } => subscription.id.to_string(),
            Missing::Card { object, .. } => object.sk(),
        }
    }
}

pub(super) async fn run(context: &Context, auditor: &Auditor) -> Result<Done> {
    let printer = &context.printer;
    printer.say("Asking Stripe what it has...");
    let at_stripe = AtStripe::list(auditor, &printer.progress("objects at Stripe", None)).await?;
    let (mut count, mut checked, mut names) = (0, 0, Vec::new());
    let progress = printer.progress("records", None);
    each_missing(auditor, &at_stripe, |missing, looked_at| {
        progress.step(looked_at);
        checked += looked_at;
        count += missing.len();
        names.extend(missing.iter().take(NAMED.saturating_sub(names.len())).map(Missing::name));
    })
    .await?;
    drop(progress);
    if count == 0 {
        printer.say(&format!("Stripe has all {checked} of them: nothing is to be removed."));
        return Ok(Done::Everything);
    }
    let plan = plan(count, checked, &names);
    if context.consent.ask(printer, context.target.mode, &plan).await? == Answer::Leave {
        return Ok(Done::SomethingLeft);
    }
    let (removed, kept) = remove_all(auditor, &at_stripe, printer).await?;
    printer.say(&format!("Removed {removed} record(s); kept {kept}."));
    Ok(Done::Everything)
}

fn plan(count: usize, checked: u64, names: &[String]) -> Vec<String> {
    let mut plan = vec![format!(
        "Of {checked} record(s), Stripe no longer has {count}; they will be removed. Trials stay on record."
    )];
    if count as u64 == checked {
        plan.push("That is all of them: is the key in the secret of the right account?".to_owned());
    }
    plan.extend(names.iter().map(|name| format!("  - {name}")));
    if count > names.len() {
        plan.push(format!("  … and {} more", count - names.len()));
    }
    plan
}

/// All records that Stripe no longer has, for a table that fits in memory.
pub async fn find_missing(auditor: &Auditor) -> Result<Vec<Missing>> {
    let at_stripe = AtStripe::list(auditor, &Progress::hidden()).await?;
    let mut found = Vec::new();
    each_missing(auditor, &at_stripe, |missing, _| found.extend(missing)).await?;
    Ok(found)
}

/// Removes them. How many went, and how many stayed because they changed meanwhile or are the only trace of a trial.
pub async fn remove_missing(auditor: &Auditor, printer: &Printer) -> Result<(u64, u64)> {
    let at_stripe = AtStripe::list(auditor, &Progress::hidden()).await?;
    remove_all(auditor, &at_stripe, printer).await
}

async fn remove_all(auditor: &Auditor, at_stripe: &AtStripe, printer: &Printer) -> Result<(u64, u64)> {
    let (mut removed, mut kept) = (0, 0);
    // Removing does not move a scan: it goes on from a key, whether or not that is still there.
    let mut scan = auditor.books().store().scan();
    while let Some(partitions) = scan.next().await? {
        for missing in look_at_all(auditor, at_stripe, partitions).await?.into_iter().flat_map(|(missing, _)| missing) {
            let name = missing.name();
            match remove(auditor, missing).await? {
                Forgotten::Removed => removed += 1,
                Forgotten::Changed => {
                    kept += 1;
                    printer.say(&format!("{name} changed meanwhile and stays."));
                }
                Forgotten::KeptForItsTrial => {
                    kept += 1;
                    printer.say(&format!("{name} stays: it is the only trace of a trial."));
                }
            }
        }
    }
    Ok((removed, kept))
}

/// Hands over what is missing of each partition, and how many records of it were looked at.
async fn each_missing(auditor: &Auditor, at_stripe: &AtStripe, mut found: impl FnMut(Vec<Missing>, u64)) -> Result<()> {
    let mut scan = auditor.books().store().scan();
    while let Some(partitions) = scan.next().await? {
        for (missing, looked_at) in look_at_all(auditor, at_stripe, partitions).await? {
            found(missing, looked_at);
        }
    }
    Ok(())
}

async fn look_at_all(
    auditor: &Auditor,
    at_stripe: &AtStripe,
    partitions: Vec<Scanned>,
) -> Result<Vec<(Vec<Missing>, u64)>> {
    let (listed, doubtful): (Vec<Scanned>, Vec<Scanned>) =
        partitions.into_iter().partition(|partition| at_stripe.has_all(names_in(partition).into_iter()));
    let looked_at = listed.iter().map(|partition| names_in(partition).len() as u64).sum();
    let asked = side_by_side(doubtful, |partition| {
        let auditor = auditor.clone();
        async move { look(&auditor, partition).await }
    });
    let mut found = asked.await?;
    found.push((Vec::new(), looked_at));
    Ok(found)
}

/// What a partition mirrors of Stripe.
fn names_in(partition: &Scanned) -> Vec<&str> {
    match partition {
        Scanned::Catalogue { products, prices } => {
            let products = products.iter().map(|(product, _)| product.id.as_str());
            products.chain(prices.iter().map(|(price, _)| price.id.as_str())).collect()
        }
        Scanned::User { account, mirrored } => {
            let customer = account.customer.as_ref().and_then(|customer| customer.id.as_ref());
            names_of(customer, mirrored)
        }
        // An owned customer's objects are with its owner.
        Scanned::Customer { owner, .. } if owner.user.is_some() => Vec::new(),
        Scanned::Customer { customer, parked, .. } => names_of(Some(customer), parked),
    }
}

fn names_of<'a>(customer: Option<&'a CustomerId>, objects: &'a [Parked]) -> Vec<&'a str> {
    let mut names: Vec<&str> = objects
        .iter()
        .filter_map(|object| match object {
            Parked::Subscription(stored) => Some(stored.value.id.as_str()),
            Parked::Mirror(stored) => Some(stored.value.id.as_str()),
            Parked::Card(_) => None,
        })
        .chain(customer.map(CustomerId::as_str))
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// What of a partition Stripe no longer has, and how many of its records were looked at.
async fn look(auditor: &Auditor, partition: Scanned) -> Result<(Vec<Missing>, u64)> {
    match partition {
        Scanned::Catalogue { products, prices } => {
            let looked_at = (products.len() + prices.len()) as u64;
            let stripe = auditor.books().stripe();
            let mut missing = Vec::new();
            for (product, version) in products {
                let seen = stripe.get_product(&product.id).await.map_err(stripe_failed("read a product"))?;
                if seen.is_none_or(|seen| seen.value.deleted) {
                    missing.push(Missing::Product(product.id, version));
                }
            }
            for (price, version) in prices {
                let seen = stripe.get_price(&price.id).await.map_err(stripe_failed("read a price"))?;
                if seen.is_none_or(|seen| seen.value.deleted) {
                    missing.push(Missing::Price(price.id, version));
                }
            }
            Ok((missing, looked_at))
        }
        Scanned::User { account, mirrored } => {
            let customer = account.customer.and_then(|customer| customer.id);
            look_at_objects(auditor, Partition::User(account.user), customer, mirrored).await
        }
        // An owned customer's objects are with its owner.
        Scanned::Customer { owner, .. } if owner.user.is_some() => Ok((Vec::new(), 0)),
        Scanned::Customer { customer, parked, .. } => {
            look_at_objects(auditor, Partition::Customer(customer.clone()), Some(customer), parked).await
        }
    }
}

/// Subscriptions come first: while one of them serves, the record that its customer was deleted is needed.
async fn look_at_objects(
    auditor: &Auditor,
    partition: Partition,
    customer: Option<CustomerId>,
    objects: Vec<Parked>,
) -> Result<(Vec<Missing>, u64)> {
    let user = match &partition {
        Partition::User(user) => Some(user.clone()),
        Partition::Customer(_) | Partition::Catalogue => None,
    };
    let (mut missing, mut looked_at, mut cards) = (Vec::new(), 0, Vec::new());
    let mut customers: Vec<(CustomerId, Option<Box<Parked>>)> = Vec::new();
    for object in objects {
        match &object {
            Parked::Subscription(stored) => {
                looked_at += 1;
                let subscription = Box::new(stored.value.clone());
                if is_gone(auditor, &subscription).await? {
                    let (partition, object) = (partition.clone(), Box::new(object));
                    missing.push(Missing::Subscription { partition, subscription, object });
                }
            }
            Parked::Mirror(stored) => customers.push((stored.value.id.clone(), Some(Box::new(object)))),
            Parked::Card(_) => cards.push(object),
        }
    }
    if let Some(customer) = customer.filter(|customer| customers.iter().all(|(known, _)| known != customer)) {
        customers.push((customer, None));
    }
    looked_at += customers.len() as u64;
    let mut has_customer = customers.is_empty();
    for (customer, mirror) in customers {
        let seen = auditor.books().stripe().get_customer(&customer).await;
        if seen.map_err(stripe_failed("read a customer"))?.is_some_and(|seen| !seen.value.is_deleted) {
            has_customer = true;
        } else {
            missing.push(Missing::Customer { customer, user: user.clone(), mirror });
        }
    }
    if !has_customer {
        missing.extend(
            cards.into_iter().map(|object| Missing::Card { partition: partition.clone(), object: Box::new(object) }),
        );
    }
    Ok((missing, looked_at))
}

/// One that Stripe still has is brought up to date on the way: it may be the end of a subscription that serves.
async fn is_gone(auditor: &Auditor, subscription: &Subscription) -> Result<bool> {
    let read = auditor.books().stripe().get_subscription(&subscription.id).await;
    let Some(seen) = read.map_err(stripe_failed("read a subscription"))? else { return Ok(true) };
    if seen.value.subscription != *subscription {
        Box::pin(observe_subscription(auditor.books(), &seen, None)).await?;
    }
    Ok(false)
}

async fn remove(auditor: &Auditor, missing: Missing) -> Result<Forgotten, SyncError> {
    let books = auditor.books();
    match missing {
        Missing::Product(product, version) => forget::product(books, &product, version).await,
        Missing::Price(price, version) => forget::price(books, &price, version).await,
        Missing::Customer { customer, user, mirror } => {
            forget::customer(books, &customer, user.as_ref(), mirror.as_deref()).await
        }
        Missing::Subscription { partition, subscription, object } => {
            forget::subscription(books, &partition, &object, &subscription).await
        }
        Missing::Card { partition, object } => forget::card(books, &partition, &object).await,
    }
}
