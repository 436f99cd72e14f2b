//! `inspect`: everything on record of a user, a customer or a subscription, and, of the last two, what Stripe says.

use anyhow::Result;
use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::{Value, json};
use shared::books::Auditor;
use shared::domain::access::decide;
use shared::domain::{Access, Account, Card, CustomerId, CustomerMirror, Denial, Subscription, SubscriptionId, UserId};
use shared::store::{Parked, Partition};

use super::{customer_id, stripe_failed, subscription_id, user_id};
use crate::Context;
use crate::done::Done;

#[derive(Args, Debug)]
#[command(after_help = "Example: manage inspect user 42 --local")]
pub struct Arguments {
    #[command(subcommand)]
    pub what: What,
}

#[derive(Subcommand, Debug)]
pub enum What {
    /// A user by the id that tokens carry
    User {
        #[arg(value_name = "ID", value_parser = user_id)]
        id: UserId,
    },
    /// A Stripe customer
    Customer {
        #[arg(value_name = "cus_…", value_parser = customer_id)]
        id: CustomerId,
    },
    /// A Stripe subscription
    Subscription {
        #[arg(value_name = "sub_…", value_parser = subscription_id)]
        id: SubscriptionId,
    },
}

pub async fn run(context: &Context, arguments: Arguments) -> Result<Done> {
    let (found, is_known) = match &arguments.what {
        What::User { id } => {
            let account = context.target.store()?.read_account(id).await?;
            let core = &context.target.core;
            let access = decide(&account, core.config.policy, core.clock.business_now());
            (user(&account, &access), is_known(&account))
        }
        What::Customer { id } => customer(&context.target.auditor().await?, id).await?,
        What::Subscription { id } => subscription(&context.target.auditor().await?, id).await?,
    };
    context.printer.answer(&found, lines(&found, 0));
    if !is_known {
        context.printer.problem(&format!("Nothing is known of it in {} mode.", context.target.mode));
    }
    Ok(Done::unless(!is_known))
}

fn is_known(account: &Account) -> bool {
    account.customer.is_some() || account.trial.is_some() || !account.subscriptions.is_empty()
}

fn user(account: &Account, access: &Access) -> Value {
    let customer = account.customer.as_ref();
    json!({
        "user": account.user,
        "access": access_word(access),
        "customer": customer.and_then(|customer| customer.id.as_ref()),
        "email": customer.and_then(|customer| customer.email.as_ref()),
        "name": customer.and_then(|customer| customer.name.as_ref()),
        "acquisition_angle": customer.and_then(|customer| customer.acquisition_angle.as_ref()),
        "has_used_trial": account.has_used_trial(),
        "first_trial_at": time(account.first_trial_at()),
        "subscriptions": account.subscriptions.iter().map(described).collect::<Vec<_>>(),
        "customers": account.mirrors.iter().map(mirror).collect::<Vec<_>>(),
        "cards": account.cards.iter().map(card).collect::<Vec<_>>(),
        "open_checkout": account.checkout.as_ref().filter(|claim| !claim.is_closed).map(|claim| &claim.session),
    })
}

fn access_word(access: &Access) -> String {
    match access {
        Access::Granted { status } => format!("granted ({})", status.as_str()),
        Access::Denied(Denial::CheckoutRequired) => "denied (CHECKOUT_REQUIRED)".to_owned(),
        Access::Denied(Denial::TrialUsed) => "denied (TRIAL_USED)".to_owned(),
        Access::Denied(Denial::SubscriptionRequired) => "denied (SUBSCRIPTION_REQUIRED)".to_owned(),
    }
}

async fn customer(auditor: &Auditor, id: &CustomerId) -> Result<(Value, bool)> {
    let store = auditor.books().store();
    let owner = store.read_owner(id).await?;
    let parked = store.read_parked(id).await?;
    let seen = auditor.books().stripe().get_customer(id).await.map_err(stripe_failed("read the customer"))?;
    let of_user = match &owner.user {
        Some(user) => Some(store.read_account(user).await?),
        None => None,
    };
    let subscriptions: Vec<Value> = match &of_user {
        Some(account) => account.subscriptions.iter().filter(|it| it.customer == *id).map(described).collect(),
        None => parked.iter().filter_map(parked_subscription).map(described).collect(),
    };
    let is_known = owner.user.is_some() || !parked.is_empty() || seen.is_some();
    let at_stripe = seen.map(|seen| {
        json!({
            "deleted": seen.value.is_deleted, "email": seen.value.email, "name": seen.value.name,
            "metadata_user_id": seen.value.user, "default_payment_method": seen.value.default_payment_method,
        })
    });
    let found = json!({
        "customer": id, "user": owner.user, "is_join_pending": owner.is_join_pending,
        "subscriptions": subscriptions, "stripe": at_stripe,
    });
    Ok((found, is_known))
}

fn parked_subscription(parked: &Parked) -> Option<&Subscription> {
    match parked {
        Parked::Subscription(stored) => Some(&stored.value),
        Parked::Card(_) | Parked::Mirror(_) => None,
    }
}

/// Stripe says whose it is, and so where its record is.
async fn subscription(auditor: &Auditor, id: &SubscriptionId) -> Result<(Value, bool)> {
    let read = auditor.books().stripe().get_subscription(id).await.map_err(stripe_failed("read the subscription"))?;
    let Some(seen) = read else { return Ok((json!({ "subscription": id, "stripe": null }), false)) };
    let now = &seen.value.subscription;
    let store = auditor.books().store();
    let owner = store.read_owner(&now.customer).await?;
    let partition = match &owner.user {
        Some(user) => Partition::User(user.clone()),
        None => Partition::Customer(now.customer.clone()),
    };
    let stored = store.read_subscription(&partition, id).await?;
    let is_same = stored.as_ref().is_some_and(|stored| stored.value == *now);
    let found = json!({
        "subscription": id, "user": owner.user, "record": stored.as_ref().map(|stored| described(&stored.value)),
        "record_as_of": stored.as_ref().map(|stored| stored.as_of.until.to_string()),
        "record_source": stored.as_ref().map(|stored| &stored.as_of.source),
        "stripe": described(now), "record_equals_stripe": is_same,
    });
    Ok((found, true))
}

fn time(time: Option<Timestamp>) -> Option<String> {
    time.map(|time| time.to_string())
}

fn described(subscription: &Subscription) -> Value {
    json!({
        "id": subscription.id, "status": subscription.status.as_str(), "customer": subscription.customer,
        "price": subscription.price, "amount": subscription.price_money().map(|money| money.to_string()),
        "created_at": subscription.created_at.to_string(), "trial_start_at": time(subscription.trial_start_at),
        "trial_end_at": time(subscription.trial_end_at), "current_period_end_at": time(subscription.current_period_end_at),
        "will_cancel": subscription.will_cancel(), "canceled_at": time(subscription.canceled_at),
        "ended_at": time(subscription.ended_at), "payment_method": subscription.default_payment_method,
    })
}

fn mirror(mirror: &CustomerMirror) -> Value {
    json!({ "id": mirror.id, "email": mirror.email, "deleted": mirror.is_deleted })
}

fn card(card: &Card) -> Value {
    json!({ "id": card.id, "brand": card.brand, "last4": card.last4, "detached": card.is_detached })
}

/// The same for a person: one line a value, what is within something further in.
fn lines(value: &Value, depth: usize) -> Vec<String> {
    let indent = "  ".repeat(depth);
    let Value::Object(fields) = value else { return Vec::new() };
    let mut lines = Vec::new();
    for (name, value) in fields {
        match value {
            Value::Object(_) => {
                lines.push(format!("{indent}{name}:"));
                lines.extend(self::lines(value, depth + 1));
            }
            Value::Array(items) if items.is_empty() => lines.push(format!("{indent}{name}: none")),
            Value::Array(items) => {
                for item in items {
                    lines.push(format!("{indent}{name}:"));
                    lines.extend(self::lines(item, depth + 1));
                }
            }
            Value::Null => lines.push(format!("{indent}{name}: -")),
            Value::String(text) => lines.push(format!("{indent}{name}: {text}")),
            other => lines.push(format!("{indent}{name}: {other}")),
        }
    }
    lines
}
