//! Stripe's month-start burst against the limits of AWS: which comes first, and whether Stripe's retries bring everything
//! in. A model in steps of a second, with events counted and not told apart; docs/SCALING.md says where its figures are
//! from.

/// What happens to an event that is refused: Stripe comes back after these many seconds, one after another, and gives up
/// after three days. Stripe promises three days and exponential distance, not these steps.
/// <https://docs.stripe.com/webhooks#automatic-retries>
const RETRIES_AFTER_SECONDS: [usize; 9] = [300, 1_800, 7_200, 18_000, 36_000, 43_200, 43_200, 43_200, 43_200];

/// How long the model runs at most: a little more than the last retry.
const LONGEST_SECONDS: usize = 4 * 24 * 3_600;

/// The burst and the limits it meets.
#[derive(Clone, Copy, Debug)]
pub struct Burst {
    pub events_per_second: f64,
    pub seconds: usize,
    /// Of one warm request.
    pub request_ms: f64,
    /// Of the first request of an environment, its start included.
    pub cold_request_ms: f64,
    /// Environments Lambda adds to one function a second: 1,000 in ten.
    pub environments_per_second: f64,
    /// Environments Lambda gives at all: the account's quota, or what is reserved for the function.
    pub most_environments: f64,
    /// Write units the table takes a second.
    pub table_writes_per_second: f64,
    pub writes_per_event: f64,
    /// Reads of secrets a second, in the account and region.
    pub secret_reads_per_second: f64,
    pub secret_reads_per_environment: f64,
}

impl Default for Burst {
    /// The quotas of an account that nobody has raised, but for the table, which has had such bursts before.
    fn default() -> Burst {
        Burst {
            events_per_second: 1_000.0,
            seconds: 60,
            request_ms: 15.0,
            cold_request_ms: 150.0,
            environments_per_second: 100.0,
            most_environments: 1_000.0,
            table_writes_per_second: 40_000.0,
            writes_per_event: 10.0,
            secret_reads_per_second: 10_000.0,
            secret_reads_per_environment: 4.0,
        }
    }
}

/// What refused an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    Environments,
    Table,
    Secrets,
}

/// How it went.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    pub events: f64,
    pub delivered: f64,
    /// Refused until Stripe gave up. `reconcile` still finds them in Stripe's list of events, up to thirty days.
    pub given_up: f64,
    pub refused: f64,
    /// The limit that refused the first event.
    pub first_limit: Option<Limit>,
    pub most_waiting: f64,
    /// When the last event was delivered.
    pub drained_after_seconds: usize,
    /// Seconds since the beginning and events waiting for another try, at the end of the burst and after each retry.
    pub waiting: Vec<(usize, f64)>,
}

/// Plays the burst to its end.
pub fn play(burst: &Burst) -> Outcome {
    let mut due: Vec<Tries> = vec![[0.0; RETRIES_AFTER_SECONDS.len() + 1]; LONGEST_SECONDS];
    let mut outcome = Outcome::default();
    let mut environments = 0.0_f64;
    let mut waiting = 0.0_f64;
    for second in 0..LONGEST_SECONDS {
        let is_burst = second < burst.seconds;
        let mut tries = due.get(second).copied().unwrap_or_default();
        waiting -= tries.iter().sum::<f64>();
        if is_burst {
            tries[0] += burst.events_per_second;
            outcome.events += burst.events_per_second;
        }
        let arriving: f64 = tries.iter().sum();
        if arriving <= 0.0 && !is_burst && waiting <= 0.5 {
            break;
        }
        let (taken, limit) = taken(burst, arriving, &mut environments);
        if taken < arriving {
            outcome.first_limit = outcome.first_limit.or(limit);
        }
        let refused_part = if arriving > 0.0 { 1.0 - taken / arriving } else { 0.0 };
        for (attempt, tried) in tries.iter().enumerate() {
            let refused = tried * refused_part;
            outcome.refused += refused;
            match RETRIES_AFTER_SECONDS.get(attempt) {
                Some(after) if refused > 0.0 => {
                    waiting += refused;
                    come_again(&mut due, second + after, after / 10, attempt + 1, refused);
                }
                Some(_) => {}
                None => outcome.given_up += refused,
            }
        }
        if taken > 0.0 {
            outcome.delivered += taken;
            outcome.drained_after_seconds = second + 1;
        }
        outcome.most_waiting = outcome.most_waiting.max(waiting);
        if second + 1 == burst.seconds || (!is_burst && arriving > 0.0 && outcome.waiting.len() < 2_000) {
            outcome.waiting.push((second + 1, waiting));
        }
    }
    outcome
}

/// How many of those that arrive in this second are served, and what refuses the others.
fn taken(burst: &Burst, arriving: f64, environments: &mut f64) -> (f64, Option<Limit>) {
    let per_environment = 1_000.0 / burst.request_ms;
    // A new one spends the beginning of its first second on its start.
    let of_new = per_environment * (1.0 - burst.cold_request_ms / 1_000.0).max(0.0);
    let wanted = ((arriving - *environments * per_environment) / of_new).ceil().max(0.0);
    let by_secrets = burst.secret_reads_per_second / burst.secret_reads_per_environment;
    let room = (burst.most_environments - *environments).max(0.0);
    let started = wanted.min(burst.environments_per_second).min(room).min(by_secrets);
    let served = *environments * per_environment + started * of_new;
    *environments += started;
    let by_table = burst.table_writes_per_second / burst.writes_per_event;
    let taken = arriving.min(served).min(by_table);
    let limit = if by_table <= served {
        Limit::Table
    } else if by_secrets < burst.environments_per_second.min(room) && by_secrets < wanted {
        Limit::Secrets
    } else {
        Limit::Environments
    };
    (taken, Some(limit))
}

type Tries = [f64; RETRIES_AFTER_SECONDS.len() + 1];

/// Retries do not come back as the peak they were: they are spread over a tenth of their distance.
fn come_again(due: &mut [Tries], from: usize, over: usize, attempt: usize, events: f64) {
    const MOST_PORTIONS: u32 = 60;
    let portions = MOST_PORTIONS.min(u32::try_from(over).unwrap_or(MOST_PORTIONS)).max(1);
    for portion in 0..portions {
        let second = from + over * portion as usize / portions as usize;
        if let Some(tries) = due.get_mut(second).and_then(|tries| tries.get_mut(attempt)) {
            *tries += events / f64::from(portions);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_close(one: f64, other: f64) -> bool {
        (one - other).abs() <= 1e-6 * other.abs().max(1.0)
    }

    #[test]
    fn what_the_limits_allow_is_served_at_once() {
        let outcome = play(&Burst { events_per_second: 10.0, ..Burst::default() });
        assert!(is_close(outcome.delivered, 600.0) && outcome.refused < 1.0, "{outcome:?}");
    }

    #[test]
    fn a_burst_beyond_every_limit_is_brought_in_by_retries_without_loss() {
        for events_per_second in [1_000.0, 50_000.0] {
            let outcome = play(&Burst { events_per_second, ..Burst::default() });
            assert!(is_close(outcome.delivered + outcome.given_up, outcome.events), "none is forgotten: {outcome:?}");
            assert!(outcome.given_up < 0.5, "{} of {} were given up", outcome.given_up, outcome.events);
        }
    }

    #[test]
    fn a_table_that_takes_nothing_loses_everything_and_it_shows() {
        let outcome = play(&Burst { table_writes_per_second: 0.0, ..Burst::default() });
        assert!(is_close(outcome.given_up, outcome.events) && outcome.delivered < 1.0, "{outcome:?}");
        assert_eq!(outcome.first_limit, Some(Limit::Table));
    }

    #[test]
    fn the_limit_that_refuses_first_is_named() {
        let few = play(&Burst { most_environments: 5.0, ..Burst::default() });
        assert_eq!(few.first_limit, Some(Limit::Environments));
        let slow = Burst { secret_reads_per_second: 4.0, events_per_second: 2_000.0, ..Burst::default() };
        assert_eq!(play(&slow).first_limit, Some(Limit::Secrets));
    }
}
