use insta::assert_json_snapshot;
use shared::domain::{
    Card, CustomerId, Interval, PaymentMethodId, PriceId, ProductId, Status, SubscriptionId, TrialClaim, UserId,
};

use super::*;

const DAY: i64 = 86_400;
/// 2025-10-06T12:00:00Z
const START: i64 = 1_759_752_000;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn trialing() -> Subscription {
    Subscription {
        id: SubscriptionId::parse("sub_1").unwrap(),
        customer: CustomerId::parse("cus_1").unwrap(),
        status: Status::Trialing,
        created_at: at(START),
        price: PriceId::parse("price_1").ok(),
        product: ProductId::parse("prod_1").ok(),
        amount_minor: 4990,
        currency: Some(Currency::BRL),
        interval: Some(Interval { unit: "month".into(), count: 1 }),
        trial_start_at: Some(at(START)),
        trial_end_at: Some(at(START + 7 * DAY)),
        current_period_start_at: Some(at(START)),
        current_period_end_at: Some(at(START + 7 * DAY)),
        cancel_at: None,
        cancel_at_period_end: false,
        canceled_at: None,
        ended_at: None,
        default_payment_method: PaymentMethodId::parse("pm_1").ok(),
    }
}

fn account(subscriptions: Vec<Subscription>) -> Account {
    let card = Card {
        id: PaymentMethodId::parse("pm_1").unwrap(),
        brand: "visa".into(),
        last4: "4242".into(),
        expiry_month: Some(12),
        expiry_year: Some(2030),
        is_detached: false,
    };
    Account { subscriptions, cards: vec![card], ..Account::empty(UserId::parse("42").unwrap()) }
}

fn told(account: &Account) -> Value {
    body(account, Policy::default(), at(START))
}

#[test]
fn a_trial_is_shown_as_the_front_end_knows_it() {
    assert_json_snapshot!(told(&account(vec![trialing()])), @r#"
    {
      "access": true,
      "amount": 49.9,
      "cancel_at_period_end": false,
      "canceled_at": null,
      "currency": "BRL",
      "current_period_end": "2025-10-13T12:00:00Z",
      "days_until_renewal": 7,
      "first_trial_at": "2025-10-06T12:00:00Z",
      "grace_ends_at": null,
      "has_used_trial": true,
      "payment_method": {
        "brand": "visa",
        "last4": "4242"
      },
      "status": "trialing",
      "subscription_id": "sub_1",
      "trial_end": "2025-10-13T12:00:00Z"
    }
    "#);
}

#[test]
fn nobody_without_a_subscription_is_an_error() {
    assert_json_snapshot!(told(&account(vec![])), @r#"
    {
      "access": false,
      "first_trial_at": null,
      "has_used_trial": false,
      "message": "No subscription found",
      "status": "none"
    }
    "#);
}

#[test]
fn a_spent_trial_is_told_without_a_subscription() {
    let mut account = account(vec![]);
    account.trial = Some(TrialClaim { first_trial_at: at(START), subscription: None });
    let told = told(&account);
    assert_eq!(told["has_used_trial"], true);
    assert_eq!(told["first_trial_at"], "2025-10-06T12:00:00Z");
}

#[test]
fn statuses_that_need_the_customer_say_so() {
    for status in [Status::Incomplete, Status::IncompleteExpired, Status::Unpaid] {
        let told = told(&account(vec![Subscription { status, ..trialing() }]));
        assert_eq!(told["requires_action"], true);
        assert_eq!(told["message"], "Pagamento requer ação adicional");
    }
    let told = told(&account(vec![Subscription { status: Status::Active, ..trialing() }]));
    assert_eq!(told.get("requires_action"), None);
    assert_eq!(told.get("message"), None);
}

#[test]
fn both_ways_of_canceling_at_the_end_look_alike() {
    let with_flag = Subscription { cancel_at_period_end: true, ..trialing() };
    let with_date = Subscription { cancel_at: Some(at(START + DAY)), ..trialing() };
    for subscription in [with_flag, with_date] {
        assert_eq!(told(&account(vec![subscription]))["cancel_at_period_end"], true);
    }
}

#[test]
fn amounts_follow_the_currency_and_default_to_nothing_in_reais() {
    let yen = Subscription { currency: Currency::parse("jpy"), amount_minor: 500, ..trialing() };
    assert_eq!(told(&account(vec![yen]))["amount"], 500.0);
    let dinar = Subscription { currency: Currency::parse("kwd"), amount_minor: 1234, ..trialing() };
    assert_eq!(told(&account(vec![dinar]))["amount"], 1.234);
    let free = Subscription { currency: None, amount_minor: 0, price: None, ..trialing() };
    let told = told(&account(vec![free]));
    assert_eq!((&told["amount"], &told["currency"]), (&json!(0.0), &json!("BRL")));
}

#[test]
fn an_unknown_card_is_null() {
    let told = told(&account(vec![Subscription { default_payment_method: None, ..trialing() }]));
    assert_eq!(told["payment_method"], Value::Null);
}

#[test]
fn past_due_shows_when_grace_ends_and_the_gates_decision() {
    let past_due = Subscription { status: Status::PastDue, ..trialing() };
    let policy = Policy { past_due_grace_days: Some(3) };
    let within = body(&account(vec![past_due.clone()]), policy, at(START + 2 * DAY));
    assert_eq!((&within["grace_ends_at"], &within["access"]), (&json!("2025-10-09T12:00:00Z"), &json!(true)));
    let after = body(&account(vec![past_due]), policy, at(START + 3 * DAY));
    assert_eq!(after["access"], false);
}
