//! The billing engine: what Stripe does with subscriptions, at once or when time passes.

pub(crate) mod cancel;
pub(crate) mod card_change;
pub(crate) mod checkout;
pub(crate) mod collect;
pub(crate) mod cycle;
pub(crate) mod invoices;
pub(crate) mod jobs;
pub(crate) mod periods;
pub(crate) mod subscribe;

/// Draft invoices of a cycle are finalised and charged an hour later.
pub(crate) const DRAFT_SECONDS: i64 = 3_600;
/// The warning before a trial ends.
pub(crate) const TRIAL_WARNING_SECONDS: i64 = 3 * 86_400;
/// How long a first payment may stay open.
pub(crate) const INCOMPLETE_SECONDS: i64 = 23 * 3_600;
/// Tries of one invoice, first included.
pub(crate) const MAX_ATTEMPTS: i64 = 8;
/// From one try to the next: eight tries in two weeks.
pub(crate) const RETRY_SECONDS: i64 = 2 * 86_400;
