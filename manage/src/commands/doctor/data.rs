//! The records: are they current, whole, and do they agree with Stripe?

use anyhow::Result;
use jiff::{SignedDuration, Timestamp};
use shared::books::Auditor;
use shared::domain::{Account, EventId};
use shared::store::{Outcome, Parked, Partition, Scanned, Store, StoreError};
use shared::stripe::envelope::Envelope;
use shared::sync::event::HANDLED_EVENT_TYPES;

use super::Patient;
use super::check::{Findings, Question};

/// A webhook may be under way for so long.
const ARRIVAL_PATIENCE: SignedDuration = SignedDuration::from_mins(5);
/// How far back events are compared: reconcile has looked at everything older many times.
const LOOK_BACK: SignedDuration = SignedDuration::from_hours(48);

pub async fn look(patient: &Patient<'_>, findings: &mut Findings) {
    let auditor = match can_be_compared(patient).await {
        Ok(auditor) => auditor,
        Err(error) => {
            let mend = patient.command("doctor --only secrets --only aws");
            let why = "nobody can say whether the records are true";
            return findings
                .failed(Question { name: "The records can be compared with Stripe", why, mend: &mend }, error);
        }
    };
    events(patient, &auditor, findings).await;
    failed_events(patient, auditor.books().store(), findings).await;
    people(patient, auditor.books().store(), findings).await;
    catalogue(patient, &auditor, findings).await;
    drift(patient, &auditor, findings).await;
}

/// Both sides answer: what follows would otherwise say the same of each question.
async fn can_be_compared(patient: &Patient<'_>) -> Result<Auditor> {
    let auditor = patient.auditor().await?;
    auditor.books().store().ping().await?;
    auditor.account().list_products(None).await?;
    Ok(auditor)
}

async fn events(patient: &Patient<'_>, auditor: &Auditor, findings: &mut Findings) {
    let mend = patient.command("replay --since 2d");
    let why = "an event that did not arrive is a record that is not true";
    let question = Question { name: "Stripe's latest events are on record", why, mend: &mend };
    let now = patient.core().clock.business_now();
    let latest: Vec<Envelope> = match auditor.account().list_events(now - LOOK_BACK, &HANDLED_EVENT_TYPES, None).await {
        Ok(page) => page.items.into_iter().filter_map(|listed| listed.value.ok()).collect(),
        Err(error) => return findings.failed(question, error),
    };
    let handled = latest.into_iter().filter(|event| HANDLED_EVENT_TYPES.contains(&event.event_type.as_str()));
    let due: Vec<(EventId, Timestamp)> = handled
        .filter(|event| now.duration_since(event.created_at) > ARRIVAL_PATIENCE)
        .map(|event| (event.id, event.created_at))
        .collect();
    let Some((_, newest_at)) = due.first() else {
        return findings.skip(question.name, "Stripe made none in the last two days that should have arrived");
    };
    let ids: Vec<EventId> = due.iter().map(|(id, _)| id.clone()).collect();
    match auditor.books().store().read_events(&ids).await {
        Ok(known) => {
            let missing = ids.iter().filter(|id| !known.contains_key(*id)).count();
            let age = now.duration_since(*newest_at).as_mins();
            findings.judge(
                question,
                missing == 0,
                format!("{missing} of {} are missing; the last is {age} min old", ids.len()),
            );
        }
        Err(error) => findings.failed(question, error),
    }
}

async fn failed_events(patient: &Patient<'_>, store: &Store, findings: &mut Findings) {
    let mend = patient.command("replay --failed");
    let why = "what they say is in no record";
    let question = Question { name: "No event has failed", why, mend: &mend };
    match still_failed(store).await {
        Ok(failed) => findings.judge(question, failed == 0, format!("{failed} failed")),
        Err(error) => findings.failed(question, error),
    }
}

/// An entry of the list may have succeeded since.
async fn still_failed(store: &Store) -> Result<usize, StoreError> {
    let listed: Vec<EventId> = store.read_failed_events().await?.into_iter().map(|failed| failed.event).collect();
    let mut still = 0;
    for ids in listed.chunks(100) {
        let known = store.read_events(ids).await?;
        still += known.values().filter(|event| event.outcome == Some(Outcome::Failed)).count();
    }
    Ok(still)
}

/// What a walk through all records counts.
#[derive(Debug, Default, PartialEq, Eq)]
struct People {
    users: u64,
    with_two_subscriptions: u64,
    customers_without_user: u64,
    orphaned_subscriptions: u64,
}

impl People {
    fn count(&mut self, scanned: &Scanned) {
        match scanned {
            Scanned::User { account, .. } => {
                self.users += 1;
                self.with_two_subscriptions += u64::from(served(account) > 1);
            }
            Scanned::Customer { owner, parked, .. } if owner.user.is_none() => {
                self.customers_without_user += 1;
                let subscriptions = parked.iter().filter(|parked| match parked {
                    Parked::Subscription(stored) => stored.value.status.is_live(),
                    _ => false,
                });
                self.orphaned_subscriptions += subscriptions.count() as u64;
            }
            Scanned::Customer { .. } | Scanned::Catalogue { .. } => {}
        }
    }
}

fn served(account: &Account) -> usize {
    account.subscriptions.iter().filter(|subscription| subscription.status.is_live()).count()
}

async fn people(patient: &Patient<'_>, store: &Store, findings: &mut Findings) {
    let (link, inspect) = (patient.command("fix-customer-links --sync-all"), patient.command("inspect user ID"));
    let orphans = Question {
        name: "Every subscription that serves has a user",
        why: "somebody pays and has no access",
        mend: &link,
    };
    let mut people = People::default();
    let mut scan = store.scan();
    loop {
        match scan.next().await {
            Ok(Some(partitions)) => partitions.iter().for_each(|scanned| people.count(scanned)),
            Ok(None) => break,
            Err(error) => return findings.failed(orphans, error),
        }
    }
    findings.judge(orphans, people.orphaned_subscriptions == 0, format!("{} without", people.orphaned_subscriptions));
    let question =
        Question { name: "Every customer has a user", why: "their next subscription will have none", mend: &link };
    findings.judge(question, people.customers_without_user == 0, format!("{} without", people.customers_without_user));
    let why = "they pay twice; one of the two is to be cancelled at Stripe and refunded";
    let question = Question { name: "No user has two subscriptions that serve", why, mend: &inspect };
    findings.judge(
        question,
        people.with_two_subscriptions == 0,
        format!("{} of {} users", people.with_two_subscriptions, people.users),
    );
}

async fn catalogue(patient: &Patient<'_>, auditor: &Auditor, findings: &mut Findings) {
    let mend = patient.command("sync-stripe");
    let why = "a checkout for a price that is not on record is refused";
    let question = Question { name: "Products and prices are on record as Stripe has them", why, mend: &mend };
    match catalogue_differences(auditor).await {
        Ok((differing, all)) => findings.judge(question, differing == 0, format!("{differing} of {all} differ")),
        Err(error) => findings.failed(question, error),
    }
}

async fn catalogue_differences(auditor: &Auditor) -> Result<(usize, usize)> {
    let store = auditor.books().store();
    let (mut differing, mut all) = (0, 0);
    let products = auditor.account().list_products(None).await?;
    for product in products.value.items.into_iter().filter_map(|listed| listed.value.ok()) {
        all += 1;
        let known = store.read_product(&product.id).await?;
        differing += usize::from(known.as_ref() != Some(&product));
    }
    let prices = auditor.account().list_prices(None).await?;
    for price in prices.value.items.into_iter().filter_map(|listed| listed.value.ok()) {
        all += 1;
        let known = store.read_price(&price.id).await?;
        differing += usize::from(known.as_ref() != Some(&price));
    }
    Ok((differing, all))
}

async fn drift(patient: &Patient<'_>, auditor: &Auditor, findings: &mut Findings) {
    let mend = patient.command("sync-stripe");
    let why = "the gate decides by the records";
    let question = Question { name: "The newest subscriptions are on record as Stripe has them", why, mend: &mend };
    match drifted(auditor).await {
        Ok((drifted, sample)) => {
            let detail = match drifted.as_slice() {
                [] => format!("{sample} compared"),
                ids => format!("{} of {sample}: {}", ids.len(), ids[..ids.len().min(5)].join(", ")),
            };
            findings.judge(question, drifted.is_empty(), detail);
        }
        Err(error) => findings.failed(question, error),
    }
}

/// The first page of Stripe's list, up to a hundred.
async fn drifted(auditor: &Auditor) -> Result<(Vec<String>, usize)> {
    let page = auditor.account().list_subscriptions(None, None).await?;
    let store = auditor.books().store();
    let (mut drifted, mut sample) = (Vec::new(), 0);
    for owned in page.value.items.into_iter().filter_map(|listed| listed.value.ok()) {
        sample += 1;
        let subscription = owned.subscription;
        let owner = store.read_owner(&subscription.customer).await?;
        let home = match owner.user {
            Some(user) => Partition::User(user),
            None => Partition::Customer(subscription.customer.clone()),
        };
        let stored = store.read_subscription(&home, &subscription.id).await?;
        if stored.is_none_or(|stored| stored.value != subscription) {
            drifted.push(subscription.id.to_string());
        }
    }
    Ok((drifted, sample))
}
