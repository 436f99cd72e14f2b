//! POST /api/subscriptions/portal/: a link to Stripe's billing portal, where the user changes the card or cancels.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;
use shared::auth::Authenticator;
use shared::books::Books;
use shared::boot::Core;
use shared::config::Misconfigured;
use shared::domain::CustomerId;
use shared::http::{self, ApiError, Function, Method, Reply, Request, StatusCode, body, urls};
use shared::store::Change;
use shared::stripe::StripeError;

const FAILED: &str = "Erro ao criar sessão do portal";

pub struct Deps {
    authenticator: Authenticator,
    books: Books,
    allowed_origins: Vec<String>,
    default_return_url: String,
}

impl Deps {
    fn new(core: &Core) -> Result<Deps, Misconfigured> {
        Ok(Deps {
            authenticator: core.caller_check(),
            books: core.books(core.config.mode)?,
            allowed_origins: core.config.allowed_origins.clone(),
            default_return_url: core.config.frontend_page("/settings")?,
        })
    }
}

pub fn function(core: &Result<Core, Misconfigured>) -> Function {
    Function::new("portal", &[Method::POST], core, Deps::new, handle)
}

#[derive(Deserialize, Default)]
struct PortalRequest {
    #[serde(default)]
    return_url: String,
}

async fn handle(deps: Arc<Deps>, request: Request) -> Result<Reply, ApiError> {
    let caller = deps.authenticator.caller(&request).await?;
    let asked: PortalRequest = body::read_json_object(&request, body::LIMIT_BYTES)?;
    let return_url = if asked.return_url.is_empty() {
        deps.default_return_url.clone()
    } else {
        urls::return_url(&asked.return_url, &deps.allowed_origins)?
    };
    let account =
        deps.books.store().read_account(&caller.user).await.map_err(|error| ApiError::unavailable(FAILED, &error))?;
    let customer = account.billing_customer().cloned().ok_or_else(no_customer)?;
    match deps.books.stripe().create_portal_session(&customer, &return_url).await {
        Ok(url) => Ok(http::json(StatusCode::OK, &json!({ "url": url }))),
        Err(StripeError::NotFound { .. }) => forget(&deps, &caller.user, customer).await,
        Err(error) => Err(ApiError::bad_gateway(FAILED, "STRIPE_UNAVAILABLE", &error)),
    }
}

fn no_customer() -> ApiError {
    ApiError::bad_request("NO_CUSTOMER", "Unable to create portal session")
}

/// The customer was deleted at Stripe: the next checkout makes a new one.
async fn forget(deps: &Deps, user: &shared::domain::UserId, customer: CustomerId) -> Result<Reply, ApiError> {
    tracing::warn!(%customer, %user, "Stripe does not know the customer any more");
    let forget = Change::ForgetCustomer { user: user.clone(), customer };
    // Refused when the user has another customer by now, which is as good.
    deps.books.store().commit(vec![forget]).await.map_err(|error| ApiError::unavailable(FAILED, &error))?;
    Err(no_customer())
}
