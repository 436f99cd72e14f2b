//! The one trial of a user.

use jiff::Timestamp;

use super::SubscriptionId;

/// The record that a user's trial is spent: written once, never overwritten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrialClaim {
    pub first_trial_at: Timestamp,
    /// Nothing when an operator marked the trial as used.
    pub subscription: Option<SubscriptionId>,
}
