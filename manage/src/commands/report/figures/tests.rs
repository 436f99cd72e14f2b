//! Figures of subscribers whose story is known.

use shared::domain::{Customer, CustomerId, SubscriptionId, UserId};

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// BRL 49.90 a month since the instant, after a week's trial.
fn subscription(status: Status, began: &str) -> Subscription {
    let created_at = at(began);
    let trial_end_at = created_at.checked_add(jiff::SignedDuration::from_hours(7 * 24)).unwrap();
    Subscription {
        id: SubscriptionId::parse("sub_1").unwrap(),
        customer: CustomerId::parse("cus_1").unwrap(),
        status,
        created_at,
        price: None,
        product: None,
        amount_minor: 4990,
        currency: Some(Currency::BRL),
        interval: Some(Interval { unit: "month".into(), count: 1 }),
        trial_start_at: Some(created_at),
        trial_end_at: Some(trial_end_at),
        current_period_start_at: Some(trial_end_at),
        current_period_end_at: None,
        cancel_at: None,
        cancel_at_period_end: false,
        canceled_at: None,
        ended_at: None,
        default_payment_method: None,
    }
}

fn account(angle: Option<&str>, subscriptions: Vec<Subscription>) -> Account {
    let mut account = Account::empty(UserId::parse("42").unwrap());
    account.customer = Some(Customer { acquisition_angle: angle.map(str::to_owned), ..Customer::default() });
    account.subscriptions = subscriptions;
    account
}

fn reported(accounts: &[Account]) -> Report {
    let mut figures = Figures::until(at("2026-04-15T00:00:00Z"), 4);
    accounts.iter().for_each(|account| figures.add(account));
    figures.report()
}

#[test]
fn a_subscriber_pays_from_the_trials_end_until_the_subscriptions() {
    let mut left = subscription(Status::Canceled, "2026-01-20T00:00:00Z");
    left.current_period_start_at = Some(at("2026-02-27T00:00:00Z"));
    left.ended_at = Some(at("2026-03-10T00:00:00Z"));
    let report = reported(&[
        account(Some("ads"), vec![left]),
        account(None, vec![subscription(Status::Active, "2026-02-01T00:00:00Z")]),
    ]);
    let paying: Vec<u64> = report.months.iter().map(|row| row.paying).collect();
    assert_eq!(paying, [1, 2, 1, 1]);
    let stopped: Vec<Option<f64>> = report.months.iter().map(|row| row.churn_percent).collect();
    assert_eq!(stopped, [None, Some(0.0), Some(50.0), Some(0.0)]);
    assert_eq!(report.mrr, [Amount { currency: "BRL".into(), amount_minor: 4990 }]);
    assert_eq!((report.trials, report.converted_trials, report.conversion_percent), (2, 2, Some(100.0)));
    assert_eq!(report.angles[0].angle, UNKNOWN_ANGLE, "who pays now comes first");
}

#[test]
fn a_running_trial_pays_nothing_and_is_in_no_conversion() {
    let report = reported(&[account(None, vec![subscription(Status::Trialing, "2026-04-12T00:00:00Z")])]);
    let april = report.months.last().unwrap();
    assert_eq!((april.trials_started, april.trials_ended, april.paying, report.active_trials), (1, 0, 0, 1));
    assert_eq!((report.conversion_percent, report.angles[0].conversion_percent), (None, None));
    assert!(report.mrr.is_empty());
}

#[test]
fn amounts_are_of_a_month_whatever_the_interval() {
    let of = |unit: &str, count| monthly_minor(1200, Some(&Interval { unit: unit.into(), count }));
    assert_eq!((of("month", 1), of("month", 3), of("year", 1), of("week", 1)), (1200.0, 400.0, 100.0, 5200.0));
    assert_eq!(monthly_minor(1200, None), 0.0, "a one-off price recurs never");
}
