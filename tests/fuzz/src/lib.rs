//! What a fuzzer feeds bytes to: each target reads whatever came as the product would, and panics when a promise is
//! broken. The same targets are played three ways:
//!
//! - `cargo test -p fuzz-targets` replays `tests/corpora` and some thousand fixed mutations of it, on stable Rust;
//! - `cargo fuzz run TARGET` in `tests/fuzz/libfuzzer` searches, led by coverage;
//! - [`still`] alone serves tests that want the functions without a network.

pub mod mutate;
pub mod still;
mod targets;

/// A name, which is also its folder in `tests/corpora`, and what to do with the bytes.
#[derive(Clone, Copy)]
pub struct Target {
    pub name: &'static str,
    /// Panics when a promise is broken.
    pub run: fn(&[u8]),
}

pub const TARGETS: [Target; 8] = [
    Target { name: "signature_header", run: targets::signature::header },
    Target { name: "envelope", run: targets::events::envelope },
    Target { name: "event_payload", run: targets::events::payload },
    Target { name: "token_claims", run: targets::tokens::claims },
    Target { name: "checkout_body", run: targets::requests::checkout_body },
    Target { name: "return_url", run: targets::requests::return_url },
    Target { name: "gate_path", run: targets::requests::gate_path },
    Target { name: "item_decoding", run: targets::items::decoding },
];

/// # Panics
/// When there is no target of the name, and as the target does.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target of this name");
    (target.run)(data);
}
