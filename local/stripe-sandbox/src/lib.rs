//! A Stripe sandbox in one process: the part of Stripe's HTTP API that a subscription product uses, a billing engine
//! on a clock that can be moved, signed webhook deliveries, hosted Checkout and portal pages, and controls for tests.
//!
//! It imitates Stripe's manners, the bad ones included. Development only: nothing here may be linked into a function.

#![recursion_limit = "512"]

mod advance;
mod api;
mod app;
mod cards;
mod clock;
mod connection;
mod controls;
mod deliveries;
mod delivery;
mod engine;
mod errors;
mod events;
mod faults;
mod form;
mod idempotency;
mod objects;
mod pages;
mod persist;
mod request_log;
mod schema;
mod seed;
mod state;
mod tx;
mod values;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::extract::State;
use axum::http::header::DATE;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware;
use axum::response::Response;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use app::App;
pub use clock::SandboxClock;

/// The price of the catalogue the sandbox starts with: BRL 49.90 a month.
pub const DEFAULT_PRICE_ID: &str = "price_caixahub_premium_monthly";
/// The product of the catalogue the sandbox starts with.
pub const DEFAULT_PRODUCT_ID: &str = "prod_caixahub_premium";
/// The account's API version: replies and events have its shapes unless another is asked for.
pub const API_VERSION: &str = "2026-09-30.endive";

/// How a sandbox is set up.
#[derive(Clone)]
pub struct Options {
    /// Where the state is kept; `None` keeps it in memory.
    pub data_file: Option<PathBuf>,
    /// Base of the hosted pages, such as `http://127.0.0.1:9004`.
    pub public_url: String,
    /// The secret key that is accepted; its world is the one that is seeded.
    pub secret_key: String,
    /// A `sk_live_…` key that sees a separate live world.
    pub live_mode_key: Option<String>,
    /// Kept for the pages; never checked.
    pub publishable_key: String,
    /// Whether the product "CaixaHub Premium" and its price are there from the start.
    pub seed_catalogue: bool,
    /// Webhook endpoints to have, by id.
    pub endpoints: Vec<SeedEndpoint>,
}

/// A webhook endpoint that exists from the start; an endpoint of that id is brought to these values.
#[derive(Clone)]
pub struct SeedEndpoint {
    pub id: String,
    pub url: String,
    pub secret: String,
    pub livemode: bool,
    pub api_version: Option<String>,
    pub enabled_events: Vec<String>,
}

/// A running sandbox.
pub struct Sandbox {
    app: Arc<App>,
    data_file: Option<PathBuf>,
    stop: watch::Sender<bool>,
    server: JoinHandle<()>,
    tasks: Vec<JoinHandle<()>>,
}

impl Sandbox {
    /// Loads what was saved, seeds what is asked for and serves on `listener`.
    pub async fn start(listener: TcpListener, options: Options) -> anyhow::Result<Sandbox> {
        let mut state = match &options.data_file {
            Some(file) => persist::load(file)?,
            None => state::State::new(),
        };
        let clock = SandboxClock::with_offset(state.offset_seconds);
        seed::plant(&mut state, &options, clock.now());
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .context("build the webhook client")?;
        let app = App::new(state, clock, &options, http);
        let mut tasks =
            vec![tokio::spawn(delivery::run(Arc::clone(&app))), tokio::spawn(advance::tick(Arc::clone(&app)))];
        if let Some(file) = options.data_file.clone() {
            tasks.push(tokio::spawn(persist::keep_saving(Arc::clone(&app), file)));
        }
        let (stop, stopped) = watch::channel(false);
        let server = tokio::spawn(serve(listener, Arc::clone(&app), stopped));
        Ok(Sandbox { app, data_file: options.data_file, stop, server, tasks })
    }

    /// The sandbox clock, to be shared with what must follow it.
    pub fn clock(&self) -> SandboxClock {
        self.app.clock.clone()
    }

    /// Ends serving and all tasks, then saves.
    pub async fn shutdown(mut self) -> anyhow::Result<()> {
        self.stop.send_replace(true);
        if tokio::time::timeout(Duration::from_secs(1), &mut self.server).await.is_err() {
            self.server.abort();
        }
        for task in &self.tasks {
            task.abort();
        }
        match &self.data_file {
            Some(file) => persist::save(&self.app, file).await,
            None => Ok(()),
        }
    }
}

/// Every reply is dated by the sandbox clock.
async fn date(State(app): State<Arc<App>>, mut response: Response) -> Response {
    if let Ok(date) = HeaderValue::from_str(&clock::http_date(app.clock.now())) {
        response.headers_mut().insert(DATE, date);
    }
    response
}

async fn serve(listener: TcpListener, app: Arc<App>, mut stopped: watch::Receiver<bool>) {
    let router = Router::new()
        .merge(controls::router())
        .merge(pages::router())
        // Browsers ask for one beside every page; it is no call of Stripe's API.
        .route("/favicon.ico", axum::routing::get(async || StatusCode::NO_CONTENT))
        .fallback(api::pipeline::serve)
        .layer(middleware::map_response_with_state(Arc::clone(&app), date))
        .with_state(app);
    let service = router.into_make_service_with_connect_info::<connection::Link>();
    let until = async move {
        // A dropped sender means stop as well.
        let _stop_or_gone = stopped.wait_for(|stop| *stop).await;
    };
    let server = axum::serve(connection::BreakableListener(listener), service).with_graceful_shutdown(until);
    if let Err(error) = server.await {
        tracing::error!(%error, "sandbox server ended");
    }
}
