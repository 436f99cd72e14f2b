//! The whole product over real HTTP: one file per endpoint, one for the story, one per promise that spans them.

mod authorizer;
mod budgets;
mod checkout;
mod concurrency;
mod config_and_health;
mod crash_points;
mod credentials;
mod faults;
mod gate;
mod hot_keys;
mod interleavings;
mod lives;
mod portal;
mod reconcile;
mod records;
mod security;
mod session_status;
mod soak;
mod status;
mod story;
mod stripe_description;
mod template;
mod trials;
mod webhook;
mod write_rule;
