//! Records as DynamoDB hands them over.

use std::cell::OnceCell;

use jiff::Timestamp;
use serde_json::Value;
use shared::domain::{CustomerId, EventId, Mode, PriceId, ProductId, SubscriptionId, TrialClaim, UserId};
use shared::store::{Change, Commit, Partition, Store};

use super::wait_for;
use crate::still::Still;

thread_local! {
    static TABLE: OnceCell<(Still, Store)> = const { OnceCell::new() };
}

/// DynamoDB's own JSON of some items, as the answer to every read and the reason of every refusal. Nothing panics: what
/// cannot be read is an error.
pub(crate) fn decoding(data: &[u8]) {
    let Ok(Value::Array(items)) = serde_json::from_slice::<Value>(data) else { return };
    if !items.iter().all(|item| item.as_object().is_some_and(|attributes| attributes.values().all(is_attribute))) {
        return;
    }
    let (still, store) = TABLE.with(|cell| {
        let made = || {
            let still = Still::default();
            let store = still.core(&[]).store(Mode::Test).expect("a store");
            (still, store)
        };
        cell.get_or_init(made).clone()
    });
    still.holds(items, true);
    wait_for(read_all(&store));
}

/// One of the ten types DynamoDB has: at an eleventh, which only AWS could send, serde_dynamo panics.
fn is_attribute(typed: &Value) -> bool {
    let Some(typed) = typed.as_object().filter(|typed| typed.len() == 1) else { return false };
    typed.iter().all(|(kind, value)| match kind.as_str() {
        "S" | "N" | "B" | "BOOL" | "NULL" | "SS" | "NS" | "BS" => true,
        "M" => value.as_object().is_none_or(|inside| inside.values().all(is_attribute)),
        "L" => value.as_array().is_none_or(|inside| inside.iter().all(is_attribute)),
        _ => false,
    })
}

async fn read_all(store: &Store) {
    let user = UserId::parse("42").expect("a user");
    let customer = CustomerId::parse("cus_1").expect("a customer");
    let event = EventId::parse("evt_1").expect("an event");
    let subscription = SubscriptionId::parse("sub_1").expect("a subscription");
    if let Ok(account) = store.read_account(&user).await {
        assert_eq!(account.user, user);
        let _ = account.has_used_trial();
    }
    let _ = store.read_parked(&customer).await;
    let _ = store.read_owner(&customer).await;
    let _ = store.read_subscription(&Partition::User(user.clone()), &subscription).await;
    let _ = store.read_price(&PriceId::parse("price_1").expect("a price")).await;
    let _ = store.read_product(&ProductId::parse("prod_1").expect("a product")).await;
    let _ = store.read_event(&event).await;
    let _ = store.read_failed_events().await;
    let claim = TrialClaim { first_trial_at: Timestamp::UNIX_EPOCH, subscription: Some(subscription) };
    if let Ok(Commit::Refused(refusals)) = store.commit(vec![Change::Trial { user, claim }]).await {
        for refusal in refusals {
            let _ = refusal.standing();
            let _ = refusal.owner();
            let _ = refusal.trial();
            let _ = refusal.event();
        }
    }
}
