//! One mode's table and Stripe, paired so that they cannot be mixed.

use std::sync::Arc;

use crate::clock::Clock;
use crate::domain::Mode;
use crate::store::Store;
use crate::stripe::StripeGateway;

/// The records of one mode and the Stripe account they mirror.
///
/// Only [`crate::boot::Core::books`] makes one, from a single mode: there is no way to pair a test key with live records.
#[derive(Clone)]
pub struct Books {
    mode: Mode,
    store: Store,
    stripe: Arc<dyn StripeGateway>,
    clock: Clock,
}

impl Books {
    pub(crate) fn pair(store: Store, stripe: Arc<dyn StripeGateway>, clock: Clock) -> Books {
        Books { mode: store.mode(), store, stripe, clock }
    }

    pub fn mode(&self) -> Mode {
        self.mode
    }

    pub fn store(&self) -> &Store {
        &self.store
    }

    pub fn stripe(&self) -> &dyn StripeGateway {
        self.stripe.as_ref()
    }

    pub fn clock(&self) -> &Clock {
        &self.clock
    }
}
