//! The functions under load and at their start, as Lambda runs them: each environment a process of its own that asks a
//! Runtime API for one request at a time.
//!
//! [`services`] is everything the functions talk to, in a process apart; [`runtime_api`] stands in for Lambda;
//! [`environment`] is one running function and what it costs; [`scene`] makes the requests; [`measure`] sends them and
//! counts; [`report`] shows the figures. [`walks`] is what going through a whole account costs. Everything a function does is in its figure, its client of the Runtime API and
//! its log included; nothing of what it talks to is.

mod bare;
pub mod environment;
mod long_stripe;
pub mod machine;
pub mod measure;
pub mod plan;
pub mod report;
pub mod row;
pub mod runtime_api;
pub mod scene;
mod seed;
pub mod services;
pub mod start;
pub mod walks;

use anyhow::{Result, anyhow, bail};
use shared::boot::{Core, Reach};
use shared::config::Misconfigured;
use shared::http::Function;

/// Serves one function exactly as its own `main` does, in this program's place.
///
/// # Errors
/// When there is no such function, or its runtime fails.
pub async fn serve_function(name: &str) -> Result<()> {
    let (function, reaches): (Maker, &[Reach]) = match name {
        "empty" => return bare::function().await,
        "sockets" => return bare::sockets(),
        "checkout" => (checkout::function, &[Reach::Secrets, Reach::Table, Reach::Stripe]),
        "config" => (config::function, &[Reach::Secrets]),
        "gate" => (gate::function, &[Reach::Secrets, Reach::Table]),
        "status" => (status::function, &[Reach::Secrets, Reach::Table]),
        "webhook" => (webhook::function, &[Reach::SecretsOfBothModes, Reach::Table]),
        _ => bail!("the load knows no function {name}"),
    };
    function(&Core::reaching(reaches).await).serve().await.map_err(|error| anyhow!("{error}"))
}

type Maker = fn(&Result<Core, Misconfigured>) -> Function;
