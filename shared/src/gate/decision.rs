//! Who may pass now, and why not.

use http::HeaderMap;
use http::header::AUTHORIZATION;
use lambda_http::Body;
use tracing::instrument;

use crate::auth::Authenticator;
use crate::boot::Core;
use crate::clock::Clock;
use crate::config::Misconfigured;
use crate::domain::access::decide;
use crate::domain::{Access, Account, Policy, Status, UserId};
use crate::http::{ApiError, Request};
use crate::store::Store;

/// Somebody the gate let pass. Nothing outside this crate can make one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Pays, tries, or is within the grace for paying late; `status` is that of the best subscription.
    #[non_exhaustive]
    Subscriber { user: UserId, status: Status },
    /// The merchant's own staff: their records are not looked at.
    #[non_exhaustive]
    Superuser { user: UserId },
}

impl Admission {
    pub fn user(&self) -> &UserId {
        match self {
            Admission::Subscriber { user, .. } | Admission::Superuser { user } => user,
        }
    }

    /// Nothing for a superuser, whose subscription was not looked at.
    pub fn status(&self) -> Option<&Status> {
        match self {
            Admission::Subscriber { status, .. } => Some(status),
            Admission::Superuser { .. } => None,
        }
    }
}

/// The decision with what it needs: the token keys, the records, the operator's policy and the time.
pub struct Gate {
    authenticator: Authenticator,
    store: Store,
    policy: Policy,
    clock: Clock,
}

impl Gate {
    pub fn new(authenticator: Authenticator, store: Store, policy: Policy, clock: Clock) -> Gate {
        Gate { authenticator, store, policy, clock }
    }

    /// The gate of the mode the callers see.
    pub fn of(core: &Core) -> Result<Gate, Misconfigured> {
        let store = core.store(core.config.mode)?;
        Ok(Gate::new(core.caller_check(), store, core.config.policy, core.clock.clone()))
    }

    /// Lets the caller pass, or says why not: 401 without a good token, 402 without access, 503 when the records cannot
    /// be read. One query of DynamoDB; none for superusers and for those without a token.
    #[instrument(skip_all)]
    pub async fn admit(&self, headers: &HeaderMap) -> Result<Admission, ApiError> {
        let caller = self.authenticator.caller(&token_of(headers)).await?;
        if caller.is_superuser {
            return Ok(Admission::Superuser { user: caller.user });
        }
        // A record that cannot be read is our trouble, never the caller's: a 402 would send a paying user to checkout.
        let account = self
            .store
            .read_account(&caller.user)
            .await
            .map_err(|error| ApiError::unavailable("Access cannot be checked now", &error))?;
        report_unknown_statuses(&account);
        match decide(&account, self.policy, self.clock.business_now()) {
            Access::Granted { status } => Ok(Admission::Subscriber { user: caller.user, status }),
            Access::Denied(denial) => Err(ApiError::Denied(denial)),
        }
    }
}

/// The authenticator reads requests of Lambda; a request of any other kind of body has the same headers.
fn token_of(headers: &HeaderMap) -> Request {
    let mut request = Request::new(Body::Empty);
    for value in headers.get_all(AUTHORIZATION) {
        request.headers_mut().append(AUTHORIZATION, value.clone());
    }
    request
}

/// Stripe says something this version does not understand: somebody should find out before its subscribers do.
fn report_unknown_statuses(account: &Account) {
    for subscription in &account.subscriptions {
        if let Status::Unknown(status) = &subscription.status {
            tracing::error!(
                user_id = account.user.as_str(),
                subscription_id = subscription.id.as_str(),
                status,
                "Unknown subscription status gives no access: {}",
                subscription.id
            );
        }
    }
}
