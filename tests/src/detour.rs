//! A way to Stripe on which every list has one object a page, and on which something may happen before a call goes on.

use std::pin::Pin;
use std::sync::Arc;

use anyhow::{Context, Result};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Method, Uri};
use axum::response::Response;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::crossing::forward;

/// What happens before a call, `METHOD path`, goes on.
pub type Happening = Box<dyn Fn(String) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// A proxy that goes with its value.
pub struct Detour {
    url: String,
    serving: JoinHandle<()>,
}

#[derive(Clone)]
struct Way {
    client: reqwest::Client,
    to: String,
    happening: Arc<Happening>,
}

impl Detour {
    pub async fn to(stripe_url: &str) -> Result<Detour> {
        Detour::with(stripe_url, Box::new(|_call| Box::pin(async {}))).await
    }

    pub async fn with(stripe_url: &str, happening: Happening) -> Result<Detour> {
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build()?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let way = Way { client, to: stripe_url.trim_end_matches('/').to_owned(), happening: Arc::new(happening) };
        let router = Router::new().fallback(pass).with_state(way);
        let serving = tokio::spawn(async move {
            // It ends when it is aborted.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Detour { url, serving })
    }

    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Detour {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn pass(State(way): State<Way>, mut request: Request) -> Response {
    (way.happening)(format!("{} {}", request.method(), request.uri().path())).await;
    if request.method() == Method::GET
        && let Ok(uri) = one_a_page(request.uri())
    {
        *request.uri_mut() = uri;
    }
    forward(&way.client, &way.to, request).await
}

/// The same with `limit=1` in place of any other limit.
fn one_a_page(uri: &Uri) -> Result<Uri> {
    let Some(query) = uri.query().filter(|query| query.split('&').any(|part| part.starts_with("limit="))) else {
        return Ok(uri.clone());
    };
    let others = query.split('&').filter(|part| !part.starts_with("limit=")).map(|part| format!("&{part}"));
    format!("{}?limit=1{}", uri.path(), others.collect::<String>()).parse().context("a URI")
}
