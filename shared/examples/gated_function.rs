//! A function of your own behind the gate: the same decision as the proxy's, without a proxy.
//!
//! It needs what the gate needs: `TABLE_NAME`, `STRIPE_LIVE_MODE`, `SECRET_ID_TEST` or `SECRET_ID_LIVE`, and leave to
//! query the table and read the secret (see `GateFunction` in `template.yaml`).

use std::convert::Infallible;

use lambda_http::tower::Layer;
use lambda_http::{Body, Error, Request, Response, service_fn};
use shared::boot::Core;
use shared::gate::{Admission, Gate, GateLayer};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let core = Core::from_environment().await?;
    let gate = GateLayer::new(Gate::of(&core)?);
    lambda_http::run(gate.layer(service_fn(greet))).await
}

/// Runs for admitted callers only: the others had their 401, 402 or 503 from the gate.
async fn greet(request: Request) -> Result<Response<Body>, Infallible> {
    let greeting = match request.extensions().get::<Admission>() {
        Some(Admission::Subscriber { user, status, .. }) => format!("Hello {user}, you are {}.", status.as_str()),
        Some(Admission::Superuser { user, .. }) => format!("Hello {user}, you may do anything."),
        None => unreachable!("the gate admits nobody without saying whom"),
    };
    Ok(Response::new(Body::from(greeting)))
}
