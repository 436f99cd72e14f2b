//! What is counted. Months are calendar months in UTC. A price that was changed counts as it is now: the records keep the
//! state of a subscription and not its history.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;
use shared::domain::trial::{TrialOutcome, has_paid_period, trial_outcome};
use shared::domain::{Account, Currency, Interval, Money, Status, Subscription};

const UNKNOWN_ANGLE: &str = "(unknown)";

/// The first day of a month.
type Month = Date;

fn month_of(time: Timestamp) -> Month {
    TimeZone::UTC.to_datetime(time).date().first_of_month()
}

fn next(month: Month) -> Month {
    month.checked_add(jiff::Span::new().months(1)).unwrap_or(Date::MAX)
}

fn start_of(month: Month) -> Timestamp {
    TimeZone::UTC.to_timestamp(month.at(0, 0, 0, 0)).unwrap_or(Timestamp::MAX)
}

/// What a subscription brings in a month, in minor units of its currency.
pub fn monthly_minor(amount_minor: i64, interval: Option<&Interval>) -> f64 {
    let amount = amount_minor as f64;
    let Some(Interval { unit, count }) = interval else { return 0.0 };
    let count = (*count).max(1) as f64;
    match unit.as_str() {
        "day" => amount * 365.0 / 12.0 / count,
        "week" => amount * 52.0 / 12.0 / count,
        "month" => amount / count,
        "year" => amount / 12.0 / count,
        _ => 0.0,
    }
}

/// Since when, and until when, a subscription was paid for; nothing when it never was.
fn paid_span(subscription: &Subscription) -> Option<(Timestamp, Option<Timestamp>)> {
    if !has_paid_period(subscription) {
        return None;
    }
    let from = subscription.trial_end_at.unwrap_or(subscription.created_at);
    let until = match subscription.status {
        Status::Active | Status::PastDue => None,
        // Nothing is paid since the period that is due began.
        Status::Unpaid | Status::Paused => subscription.current_period_start_at,
        _ => subscription.ended_at.or(subscription.canceled_at),
    };
    Some((from, until))
}

#[derive(Clone, Debug, Default)]
struct OfMonth {
    trials_started: u64,
    trials_ended: u64,
    converted: u64,
    paying_at_start: u64,
    stopped: u64,
    paying: u64,
    mrr: BTreeMap<String, f64>,
}

#[derive(Clone, Debug, Default)]
struct OfAngle {
    users: u64,
    trials: u64,
    active: u64,
    converted: u64,
    paying: u64,
    mrr: BTreeMap<String, f64>,
}

/// The counts so far.
#[derive(Clone, Debug)]
pub struct Figures {
    now: Timestamp,
    months: BTreeMap<Month, OfMonth>,
    angles: BTreeMap<String, OfAngle>,
    outcomes: BTreeMap<TrialOutcome, u64>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub counted_at: Timestamp,
    pub trials: u64,
    pub active_trials: u64,
    pub converted_trials: u64,
    pub expired_trials: u64,
    /// Of the trials that have ended.
    pub conversion_percent: Option<f64>,
    pub paying: u64,
    pub mrr: Vec<Amount>,
    pub months: Vec<MonthRow>,
    pub angles: Vec<AngleRow>,
}

/// An amount a month, in the currency's minor unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Amount {
    pub currency: String,
    pub amount_minor: i64,
}

#[derive(Clone, Debug, Serialize)]
pub struct MonthRow {
    /// `2026-11`
    pub month: String,
    pub trials_started: u64,
    pub trials_ended: u64,
    pub converted: u64,
    pub conversion_percent: Option<f64>,
    pub paying: u64,
    pub stopped: u64,
    /// Of those who paid when the month began.
    pub churn_percent: Option<f64>,
    pub mrr: Vec<Amount>,
}

#[derive(Clone, Debug, Serialize)]
pub struct AngleRow {
    pub angle: String,
    pub users: u64,
    pub trials: u64,
    pub converted: u64,
    pub conversion_percent: Option<f64>,
    pub paying: u64,
    pub mrr: Vec<Amount>,
}

impl Amount {
    pub fn money(&self) -> Option<Money> {
        Some(Money { amount_minor: self.amount_minor, currency: Currency::parse(&self.currency)? })
    }
}

impl Report {
    /// Without the months before anything happened, for whoever reads it; this month stays.
    pub fn since_its_beginning(&self) -> Report {
        let is_empty = |row: &MonthRow| row.trials_started + row.trials_ended + row.paying + row.stopped == 0;
        let empty = self.months.iter().take_while(|row| is_empty(row)).count();
        let kept = self.months.len().saturating_sub(1).min(empty);
        Report { months: self.months[kept..].to_vec(), ..self.clone() }
    }
}

impl Figures {
    /// The month of `now` and those before it.
    pub fn until(now: Timestamp, months: u16) -> Figures {
        let last = month_of(now);
        let mut first = last;
        for _ in 1..months {
            first = first.checked_sub(jiff::Span::new().months(1)).unwrap_or(first);
        }
        let all = std::iter::successors(Some(first), |month| Some(next(*month)).filter(|month| *month <= last));
        let months = all.map(|month| (month, OfMonth::default())).collect();
        Figures { now, months, angles: BTreeMap::new(), outcomes: BTreeMap::new() }
    }

    pub fn add(&mut self, account: &Account) {
        let angle = account.customer.as_ref().and_then(|customer| customer.acquisition_angle.clone());
        let angle = self.angles.entry(angle.unwrap_or_else(|| UNKNOWN_ANGLE.to_owned())).or_default();
        angle.users += 1;
        if let Some(outcome) = trial_outcome(account) {
            angle.trials += 1;
            angle.active += u64::from(outcome == TrialOutcome::Active);
            angle.converted += u64::from(outcome == TrialOutcome::Converted);
            *self.outcomes.entry(outcome).or_default() += 1;
        }
        let paid: Vec<&Subscription> = account.subscriptions.iter().filter(|one| is_paid_at(one, self.now)).collect();
        angle.paying += u64::from(!paid.is_empty());
        for subscription in &paid {
            add_amount(&mut angle.mrr, subscription);
        }
        self.add_trial(account);
        for (month, counts) in &mut self.months {
            add_to_month(counts, account, start_of(*month), start_of(next(*month)), self.now);
        }
    }

    fn add_trial(&mut self, account: &Account) {
        let (Some(began_at), Some(outcome)) = (account.first_trial_at(), trial_outcome(account)) else { return };
        if let Some(counts) = self.months.get_mut(&month_of(began_at)) {
            counts.trials_started += 1;
        }
        let first = account.subscriptions.iter().filter(|one| one.had_trial()).min_by_key(|one| one.trial_start_at);
        let ended_at = first.and_then(|one| one.ended_at.into_iter().chain(one.trial_end_at).min()).unwrap_or(began_at);
        if outcome == TrialOutcome::Active {
            return;
        }
        if let Some(counts) = self.months.get_mut(&month_of(ended_at)) {
            counts.trials_ended += 1;
            counts.converted += u64::from(outcome == TrialOutcome::Converted);
        }
    }

    pub fn report(self) -> Report {
        let of = |outcome| self.outcomes.get(&outcome).copied().unwrap_or(0);
        let (active, converted, expired) =
            (of(TrialOutcome::Active), of(TrialOutcome::Converted), of(TrialOutcome::Expired));
        let months: Vec<MonthRow> = self.months.iter().map(|(month, counts)| month_row(*month, counts)).collect();
        let mut angles: Vec<AngleRow> =
            self.angles.into_iter().map(|(angle, counts)| angle_row(angle, &counts)).collect();
        angles.sort_by(|one, two| (two.paying, two.users, &one.angle).cmp(&(one.paying, one.users, &two.angle)));
        Report {
            counted_at: self.now,
            trials: active + converted + expired,
            active_trials: active,
            converted_trials: converted,
            expired_trials: expired,
            conversion_percent: percent(converted, converted + expired),
            paying: angles.iter().map(|row| row.paying).sum(),
            mrr: months.last().map(|row| row.mrr.clone()).unwrap_or_default(),
            months,
            angles,
        }
    }
}

fn is_paid_at(subscription: &Subscription, instant: Timestamp) -> bool {
    paid_span(subscription).is_some_and(|(from, until)| from <= instant && until.is_none_or(|until| until > instant))
}

fn add_amount(mrr: &mut BTreeMap<String, f64>, subscription: &Subscription) {
    if let Some(currency) = subscription.currency {
        let amount = monthly_minor(subscription.amount_minor, subscription.interval.as_ref());
        *mrr.entry(currency.as_str().to_owned()).or_default() += amount;
    }
}

/// A user counts once, however many subscriptions they have.
fn add_to_month(counts: &mut OfMonth, account: &Account, start: Timestamp, end: Timestamp, now: Timestamp) {
    let at_end = if end > now { now } else { end };
    let pays_at = |instant| account.subscriptions.iter().any(|one| is_paid_at(one, instant));
    let (at_start, later) = (pays_at(start), pays_at(at_end));
    counts.paying_at_start += u64::from(at_start);
    counts.paying += u64::from(later);
    counts.stopped += u64::from(at_start && !later);
    for subscription in account.subscriptions.iter().filter(|one| is_paid_at(one, at_end)) {
        add_amount(&mut counts.mrr, subscription);
    }
}

fn amounts(mrr: &BTreeMap<String, f64>) -> Vec<Amount> {
    mrr.iter()
        .map(|(currency, amount)| Amount { currency: currency.clone(), amount_minor: amount.round() as i64 })
        .collect()
}

/// With one decimal.
fn percent(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| (part as f64 * 1000.0 / whole as f64).round() / 10.0)
}

fn month_row(month: Month, counts: &OfMonth) -> MonthRow {
    MonthRow {
        month: month.strftime("%Y-%m").to_string(),
        trials_started: counts.trials_started,
        trials_ended: counts.trials_ended,
        converted: counts.converted,
        conversion_percent: percent(counts.converted, counts.trials_ended),
        paying: counts.paying,
        stopped: counts.stopped,
        churn_percent: percent(counts.stopped, counts.paying_at_start),
        mrr: amounts(&counts.mrr),
    }
}

fn angle_row(angle: String, counts: &OfAngle) -> AngleRow {
    AngleRow {
        angle,
        users: counts.users,
        trials: counts.trials,
        converted: counts.converted,
        conversion_percent: percent(counts.converted, counts.trials - counts.active),
        paying: counts.paying,
        mrr: amounts(&counts.mrr),
    }
}

#[cfg(test)]
mod tests;
