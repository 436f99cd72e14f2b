#![allow(dead_code)]
//! The whole product on one laptop, in one process: for development, demonstrations and tests; never deployed.
//!
//! [`Stack::start`] is the table of contents. The functions are the real ones; they reach DynamoDB, Secrets Manager
//! and Stripe over real HTTP with the SDKs they use in production.

mod data_folder;
mod dynamodb;
pub mod logs;
mod ports;
mod secrets_manager;
mod server;
mod tap;
pub mod template;
#[cfg(test)]
mod testing;
mod tokens;
mod upstream;

pub use ports::Ports;
pub use tap::{Call, Fault, Tap};
#[allow(dead_code)]
mod gateway { pub(crate) mod event; pub(crate) mod reply; pub(crate) mod routes; }
mod keys;
mod stripe_side;
