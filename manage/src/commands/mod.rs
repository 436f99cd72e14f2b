//! One file per command: its arguments, `run`, which talks, and its core, which a test calls without a terminal.

pub mod check_trial_status;
pub mod doctor;
pub mod events;
pub mod explain;
pub mod fix_customer_links;
pub mod flip;
pub mod go_live;
pub mod import_djstripe;
pub mod inspect;
pub mod mark_trial_used;
pub mod register_webhook;
pub mod replay;
pub mod report;
pub mod rollback;
pub mod rotate;
pub mod secrets;
pub mod sync_stripe;

use shared::domain::{CustomerId, EventId, InvalidId, SubscriptionId, UserId};
use shared::stripe::{Page, StripeError};
use shared::sync::SyncError;
use tokio::task::JoinSet;

fn described<T>(parsed: Result<T, InvalidId>) -> Result<T, String> {
    parsed.map_err(|error| error.to_string())
}

pub(crate) fn user_id(text: &str) -> Result<UserId, String> {
    described(UserId::parse(text))
}

/// Customers may carry ids a merchant chose, so hardly anything is refused here.
pub(crate) fn customer_id(text: &str) -> Result<CustomerId, String> {
    described(CustomerId::parse(text))
}

pub(crate) fn subscription_id(text: &str) -> Result<SubscriptionId, String> {
    described(SubscriptionId::parse(text))
}

pub(crate) fn event_id(text: &str) -> Result<EventId, String> {
    described(EventId::parse(text))
}

/// An error of Stripe with what was being done.
pub(crate) fn stripe_failed(doing: &str) -> impl Fn(StripeError) -> SyncError {
    move |source| SyncError::Stripe { doing: doing.to_owned(), source }
}

/// Whether anything more could be done now: the records or Stripe are out of reach, not just one object bad.
pub(crate) fn is_out_of_reach(error: &SyncError) -> bool {
    match error {
        SyncError::Store(error) => !matches!(error, shared::store::StoreError::Unreadable { .. }),
        SyncError::Stripe { source, .. } => {
            source.is_transient() || matches!(source, StripeError::Unauthorized { .. } | StripeError::NoKey)
        }
        SyncError::Contended { .. } | SyncError::Object { .. } => false,
    }
}

/// The objects of a page that can be read, and the ids of the others with the reason.
pub(crate) fn readable<T>(page: Page<T>) -> impl Iterator<Item = Result<T, (String, String)>> {
    page.items.into_iter().map(|listed| listed.value.map_err(|problem| (listed.id, problem)))
}

/// Calls under way at once where many objects are asked for one by one; the pace to Stripe is kept by its transport.
const SIDE_BY_SIDE: usize = 16;

/// Does the same for each item, several at once; the answers are in the order of the items.
pub(crate) async fn side_by_side<I, T, F>(items: I, mut work: impl FnMut(I::Item) -> F) -> anyhow::Result<Vec<T>>
where
    I: IntoIterator,
    F: Future<Output = anyhow::Result<T>> + Send + 'static,
    T: Send + 'static,
{
    let mut running = JoinSet::new();
    let mut answers = Vec::new();
    for (index, item) in items.into_iter().enumerate() {
        if running.len() >= SIDE_BY_SIDE
            && let Some(joined) = running.join_next().await
        {
            answers.push(joined??);
        }
        let answer = work(item);
        running.spawn(async move { answer.await.map(|answer| (index, answer)) });
    }
    while let Some(joined) = running.join_next().await {
        answers.push(joined??);
    }
    answers.sort_by_key(|(index, _)| *index);
    Ok(answers.into_iter().map(|(_, answer)| answer).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn answers_keep_the_order_of_the_items_and_an_error_ends_it() {
        let doubled = side_by_side(0..50_u64, |number| async move {
            tokio::time::sleep(std::time::Duration::from_millis(50 - number)).await;
            Ok(number * 2)
        });
        assert_eq!(doubled.await.unwrap(), (0..50).map(|number| number * 2).collect::<Vec<_>>());
        let failing = side_by_side(0..50_u64, |number| async move {
            if number == 7 { Err(anyhow::anyhow!("seven")) } else { Ok(number) }
        });
        assert_eq!(failing.await.unwrap_err().to_string(), "seven");
    }
}
