//! `sync-stripe`: products, prices, customers and subscriptions, from Stripe to the table.
//!
//! - [`walk`]: through the whole account, several pages at a time, to be gone on with after a stop; [`lanes`] is how a
//!   list is walked in several parts, [`stop`] the wish to stop.
//! - [`stage`]: what is listed, written and said of each kind of object.
//! - [`clean`]: removing records of what Stripe no longer has; [`at_stripe`] is what it has.

mod at_stripe;
mod clean;
mod lanes;
mod stage;
mod stop;
mod walk;

use anyhow::Result;
use clap::Args;
use shared::books::Auditor;
use shared::domain::{CustomerId, SubscriptionId};

use super::{customer_id, readable, stripe_failed, subscription_id};
use crate::Context;
use crate::done::Done;
use crate::printer::Printer;

pub use clean::{Missing, find_missing, remove_missing};
pub use stop::Stop;
pub use walk::{Ended, sync_account};

use stage::{Seen, Stage};

#[derive(Args, Debug)]
#[command(after_help = "Example: manage sync-stripe --local")]
pub struct Arguments {
    /// First remove this mode's records of what Stripe no longer has; never trials
    #[arg(long, conflicts_with_all = ["subscription", "customer"])]
    pub clean: bool,

    /// Only this subscription
    #[arg(long, value_name = "sub_…", value_parser = subscription_id, conflicts_with = "customer")]
    pub subscription: Option<SubscriptionId>,

    /// Only this customer and its subscriptions
    #[arg(long, value_name = "cus_…", value_parser = customer_id)]
    pub customer: Option<CustomerId>,
}

pub async fn run(context: &Context, arguments: Arguments) -> Result<Done> {
    let auditor = context.target.auditor().await?;
    let printer = &context.printer;
    if let Some(subscription) = &arguments.subscription {
        return sync_subscription(&auditor, printer, subscription).await;
    }
    if let Some(customer) = &arguments.customer {
        return sync_customer(&auditor, printer, customer).await;
    }
    if arguments.clean && clean::run(context, &auditor).await? == Done::SomethingLeft {
        return Ok(Done::SomethingLeft);
    }
    whole_account(&auditor, printer).await
}

/// Everything Stripe has, or as much as until Ctrl-C.
pub async fn whole_account(auditor: &Auditor, printer: &Printer) -> Result<Done> {
    let stop = Stop::at_interrupt();
    match sync_account(auditor, printer, &stop).await? {
        Ended::Complete { failed: 0 } => Ok(Done::Everything),
        Ended::Complete { failed } => {
            printer.problem(&format!("{failed} object(s) could not be synced; the ✗ lines say why."));
            Ok(Done::SomethingLeft)
        }
        Ended::Stopped => {
            printer.problem("Stopped. Run it again to go on from here.");
            Ok(Done::SomethingLeft)
        }
    }
}

/// One subscription.
pub async fn sync_subscription(auditor: &Auditor, printer: &Printer, id: &SubscriptionId) -> Result<Done> {
    printer.line(Stage::Subscriptions.heading());
    let read = auditor.books().stripe().get_subscription(id).await.map_err(stripe_failed("read the subscription"))?;
    let seen = match read {
        Some(seen) => Seen::Subscription(Box::new(seen)),
        None => Seen::unknown(id.as_str()),
    };
    finish(printer, seen.bring(auditor, printer).await?)
}

/// One customer and all of its subscriptions.
pub async fn sync_customer(auditor: &Auditor, printer: &Printer, id: &CustomerId) -> Result<Done> {
    printer.line(Stage::Customers.heading());
    let read = auditor.books().stripe().get_customer(id).await.map_err(stripe_failed("read the customer"))?;
    let Some(seen) = read else {
        return finish(printer, Seen::unknown(id.as_str()).bring(auditor, printer).await?);
    };
    let is_deleted = seen.value.is_deleted;
    let mut is_good = Seen::Customer(Box::new(seen)).bring(auditor, printer).await?;
    printer.line(Stage::Subscriptions.heading());
    // Stripe lists no subscriptions of a deleted customer; it ended them.
    if !is_deleted {
        is_good &= sync_subscriptions_of(auditor, printer, id).await?;
    }
    finish(printer, is_good)
}

/// Whether all of a customer's subscriptions could be brought.
pub(crate) async fn sync_subscriptions_of(auditor: &Auditor, printer: &Printer, id: &CustomerId) -> Result<bool> {
    let mut is_good = true;
    let mut after = None;
    loop {
        let listed = auditor.account().list_subscriptions(Some(id), after.as_deref()).await;
        let mut page = listed.map_err(stripe_failed("list subscriptions"))?;
        after = page.value.next.take();
        for seen in stage::subscriptions(page) {
            is_good &= seen.bring(auditor, printer).await?;
        }
        if after.is_none() {
            return Ok(is_good);
        }
    }
}

fn finish(printer: &Printer, is_good: bool) -> Result<Done> {
    if is_good {
        printer.line(DONE);
    }
    Ok(Done::unless(!is_good))
}

const DONE: &str = "✅ Sincronização completa!";
