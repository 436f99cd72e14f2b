//! Stripe's objects, complete as API version 2026-09-30.endive shows them: functions from values to JSON.
//!
//! Nothing here reads or writes the state.

pub(crate) mod account;
pub(crate) mod catalogue;
pub(crate) mod customer;
pub(crate) mod endpoint;
pub(crate) mod invoice;
pub(crate) mod payment;
pub(crate) mod payment_method;
pub(crate) mod portal;
pub(crate) mod session;
pub(crate) mod subscription;
