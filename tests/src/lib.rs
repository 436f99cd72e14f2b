//! Support for the suite: a whole local stack, a caller of its API and the controls of its Stripe sandbox.
//!
//! Everything goes over real HTTP. The tests themselves are in `suite/`.

pub mod burst;
pub mod canaries;
mod core;
mod crossing;
mod crowd;
pub mod described;
mod detour;
mod event;
pub mod hostile;
pub mod lambda;
pub mod load;
pub mod meter;
pub mod policy;
pub mod signature_cases;
pub mod soak;
pub mod story;
mod subscriber;
mod table;
mod truth;
mod world;

pub use core::{Services, core_on};
pub use crossing::{Crossing, Moment};
pub use crowd::all_at_once;
pub use detour::Detour;
pub use event::EventBuilder;
pub use subscriber::Subscriber;
pub use table::{partition, raw_partition};
pub use truth::Truth;
pub use world::{Answer, World, answer, sign};
