//! The sandbox over real HTTP, told as stories. Every reply is checked against Stripe's OpenAPI description.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

mod support;

mod catalogue;
mod checkout;
mod deliveries;
mod faults;
mod manners;
mod pages;
mod people;
mod time;
