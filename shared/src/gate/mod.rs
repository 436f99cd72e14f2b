//! The access gate: a token, then a subscription, then the product.
//!
//! [`Gate`] is the decision and the only maker of an [`Admission`]. It has two doors: the proxy in `functions/gate`,
//! and [`GateLayer`] for functions written in Rust. Beside it live what both doors must agree on: the headers that tell
//! the product who was admitted ([`identity`]), and which paths need no token ([`paths`]).
//! What an HTTP proxy does with a request that may pass is in `functions/gate`.

pub mod decision;
pub mod identity;
pub mod layer;
pub mod paths;

pub use decision::{Admission, Gate};
pub use layer::GateLayer;
pub use paths::{BadPath, CheckedPath, ExemptPrefixes, Spelling};
