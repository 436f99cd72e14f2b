//! The commands against a whole local stack: their cores in this process, and the binary as an operator runs it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod binary;
mod canaries;
mod deployed;
mod described;
mod doctor;
mod events;
mod explain;
mod fake_stripe;
mod go_live;
mod guide;
mod import_djstripe;
mod large_account;
mod links;
mod memory;
mod postgres;
mod report;
mod rotate;
mod secrets;
mod support;
mod sync;
mod trials;
mod trouble;
mod webhook;
