//! One mode's table and Stripe, paired so that they cannot be mixed.

use std::sync::Arc;

use crate::clock::Clock;
use crate::domain::{Mode, TrialAbuseAction};
use crate::secrets::SecretStore;
use crate::store::Store;
use crate::stripe::{StripeAccount, StripeGateway, StripeSetup};

/// The records of one mode and the Stripe account they mirror.
///
/// Only [`crate::boot::Core::books`] makes one, from a single mode: there is no way to pair a test key with live records.
#[derive(Clone)]
pub struct Books {
    mode: Mode,
    store: Store,
    stripe: Arc<dyn StripeGateway>,
    clock: Clock,
    trial_abuse_action: TrialAbuseAction,
}

impl Books {
    pub(crate) fn pair(
        store: Store,
        stripe: Arc<dyn StripeGateway>,
        clock: Clock,
        trial_abuse_action: TrialAbuseAction,
    ) -> Books {
        Books { mode: store.mode(), store, stripe, clock, trial_abuse_action }
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

    pub fn trial_abuse_action(&self) -> TrialAbuseAction {
        self.trial_abuse_action
    }

    pub fn clock(&self) -> &Clock {
        &self.clock
    }
}

/// The books together with a way through the whole account: for reconcile and for operators.
#[derive(Clone)]
pub struct Auditor {
    pub(crate) books: Books,
    pub(crate) account: Arc<dyn StripeAccount>,
    pub(crate) setup: Arc<dyn StripeSetup>,
    pub(crate) secrets: Arc<SecretStore>,
}

impl Auditor {
    pub fn books(&self) -> &Books {
        &self.books
    }

    pub fn account(&self) -> &dyn StripeAccount {
        self.account.as_ref()
    }

    pub fn setup(&self) -> &dyn StripeSetup {
        self.setup.as_ref()
    }

    pub fn secrets(&self) -> &SecretStore {
        &self.secrets
    }
}
