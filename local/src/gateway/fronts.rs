//! The two fronts by themselves, before functions that run somewhere else: behind a Lambda runtime, say.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::net::TcpListener;

use super::invoke::Functions;
pub use super::invoke::InvokeError;
use super::routes::Routes;
use super::serve::{function_url, http_api};
use crate::ports::url_of;
use crate::server::Server;
use crate::template::Template;

type Invoked<'a> = Pin<Box<dyn Future<Output = Result<String, InvokeError>> + Send + 'a>>;

/// Calls a function, named by its folder, with an event; answers with the JSON text AWS would get.
pub trait Invoke: Send + Sync {
    fn invoke<'a>(&'a self, function: &'a str, event: &'a Value, request_id: &'a str) -> Invoked<'a>;
}

impl Invoke for Functions {
    fn invoke<'a>(&'a self, function: &'a str, event: &'a Value, request_id: &'a str) -> Invoked<'a> {
        Box::pin(Functions::invoke(self, function, event, request_id))
    }
}

/// An HTTP API and a function URL on free ports of 127.0.0.1, with the routes of the template.
pub struct Fronts {
    pub api_url: String,
    pub function_url: String,
    api: Server,
    function: Server,
}

impl Fronts {
    /// # Errors
    /// When no port is free, or the template does not have one function URL.
    pub async fn start(template: &Template, functions: Arc<dyn Invoke>) -> Result<Fronts> {
        let Some(webhook) = template.functions.iter().find(|function| function.has_function_url) else {
            bail!("template.yaml: a function URL is expected");
        };
        let listen = async || TcpListener::bind("127.0.0.1:0").await.context("listen on a free port");
        let (api, function) = (listen().await?, listen().await?);
        Ok(Fronts {
            api_url: url_of(&api)?,
            function_url: url_of(&function)?,
            api: Server::start(api, http_api(Routes::of(template), Arc::clone(&functions))),
            function: Server::start(function, function_url(webhook.name.clone(), functions)),
        })
    }

    /// Open requests finish, then both stop.
    pub async fn stop(self) -> Result<()> {
        self.api.stop().await?;
        self.function.stop().await
    }
}
