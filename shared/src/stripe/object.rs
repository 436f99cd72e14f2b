//! Stripe's objects, read from JSON into our own values: pure, and lenient about everything we do not use.
//!
//! Both API shapes are read, the one since 2025-03-31 and the one before, because an old endpoint sends old objects for
//! ever. Something needed that is missing or of a wrong type is an [`ObjectError`] naming its place. One file per
//! object; the tools they share are in `view`.

mod catalogue;
mod checkout_session;
mod customer;
mod invoice;
mod payment_method;
mod subscription;
mod view;

pub use catalogue::{price, product};
pub use checkout_session::checkout_session;
pub use customer::customer;
pub use invoice::{OwnedInvoice, invoice};
pub use payment_method::payment_method;
pub use subscription::subscription;
pub use view::is_deleted;

/// Where an object is not what we can use: its kind, a JSON pointer and what is wrong there. Never a value.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{kind}{path} {problem}")]
pub struct ObjectError {
    pub kind: &'static str,
    pub path: &'static str,
    pub problem: &'static str,
}
