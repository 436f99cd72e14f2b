//! Support for the suite: a whole local stack, a caller of its API and the controls of its Stripe sandbox.
//!
//! Everything goes over real HTTP. The tests themselves are in `suite/`.

mod event;
mod world;

pub use event::EventBuilder;
pub use world::{Answer, World, answer, sign};
