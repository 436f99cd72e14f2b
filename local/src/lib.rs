//! The whole product on one laptop, in one process: for development, demonstrations and tests; never deployed.
//!
//! [`Stack::start`] is the table of contents. The functions are the real ones; they reach DynamoDB, Secrets Manager
//! and Stripe over real HTTP with the SDKs they use in production.

mod controls;
mod data_folder;
mod dynamodb;
mod gateway;
mod keys;
pub mod logs;
mod page;
mod ports;
mod secrets_manager;
mod server;
mod stack;
mod stripe_side;
mod switch;
mod tap;
pub mod template;
#[cfg(test)]
mod testing;
mod tokens;
mod upstream;

pub use gateway::fronts::{Fronts, Invoke, InvokeError};
pub use ports::Ports;
pub use stack::{Data, Options, Stack};
pub use stripe_side::{StripeSide, TestMode};
pub use tap::{Call, Fault, Tap};
