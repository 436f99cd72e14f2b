//! The library under every function: what a subscription is, where it is kept, how Stripe is asked,
//! and the one road from Stripe to the table.
//!
//! Dependencies point one way: `domain` ← `store`, `stripe`, `auth` ← `sync`, `gate` ← `http`, `boot`.
//! AWS SDK types stop inside `store` and `secrets`; async-stripe types stop inside `stripe::live`.

pub mod auth;
pub mod aws;
pub mod books;
pub mod boot;
pub mod causes;
pub mod clock;
pub mod config;
pub mod domain;
pub mod gate;
pub mod http;
pub mod https_client;
pub mod metrics;
#[cfg(test)]
mod scripted_server;
pub mod secrets;
pub mod store;
pub mod stripe;
pub mod sync;
pub mod tally;
pub mod telemetry;
