//! One file per command.

pub mod check_trial_status;
pub mod events;
pub mod fix_customer_links;
pub mod inspect;
pub mod mark_trial_used;
pub mod register_webhook;
pub mod replay;
pub mod sync_stripe;
