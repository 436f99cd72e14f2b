//! The whole product in one process: its parts, started in the order they need each other and stopped in reverse.

pub(crate) mod wiring;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use shared::boot::Core;
use shared::clock::Clock;
use shared::config::Misconfigured;
use shared::domain::Mode;
use stripe_sandbox::Sandbox;

use self::wiring::{TABLE_NAME, assemble, ensure_secret, sandbox_options, secret_id, signing_key};
use crate::controls::{self, Controls, Urls};
use crate::data_folder::DataFolder;
use crate::dynamodb::DynamoDb;
use crate::gateway::invoke::Functions;
use crate::gateway::routes::Routes;
use crate::gateway::serve::{function_url, http_api};
use crate::keys::Keys;
use crate::page;
use crate::ports::{Listeners, Ports, url_of};
use crate::secrets_manager::SecretsManager;
use crate::server::Server;
use crate::stripe_side::StripeSide;
use crate::switch::{self, Switch};
use crate::tap::Tap;
use crate::template::Template;
use crate::tokens;
use crate::upstream::Upstream;

/// Where the stack's data lives.
#[derive(Clone, Debug)]
pub enum Data {
    /// In memory, gone when the stack stops.
    Ephemeral,
    Folder(PathBuf),
}

/// How a stack is to be started. The default is what tests want: free ports, nothing kept, the sandbox.
#[derive(Clone, Debug)]
pub struct Options {
    pub ports: Ports,
    pub data: Data,
    pub stripe: StripeSide,
    /// Values of the functions' environment that differ from the stack's own, by the names of contract and template.
    pub settings: Vec<(String, String)>,
}

impl Default for Options {
    fn default() -> Options {
        Options { ports: Ports::Ephemeral, data: Data::Ephemeral, stripe: StripeSide::Sandbox, settings: Vec::new() }
    }
}

/// A running stack. Dropping it without [`Stack::shutdown`] leaves its servers to the runtime's end.
pub struct Stack {
    core: Arc<Result<Core, Misconfigured>>,
    switch: Arc<Switch>,
    urls: Urls,
    keys: Keys,
    secrets: SecretsManager,
    dynamodb_tap: Tap,
    secrets_tap: Tap,
    parts: Parts,
}

struct Parts {
    api: Server,
    function_url: Server,
    sandbox: Option<Sandbox>,
    upstream: Upstream,
    dynamodb: DynamoDb,
    secrets_manager: Server,
    _folder: Option<DataFolder>,
}

impl Stack {
    /// Errors: a port that is taken, a data folder in use, a template that cannot be read; each in a sentence for the
    /// person who started it.
    pub async fn start(options: Options) -> Result<Stack> {
        let folder = match &options.data {
            Data::Ephemeral => None,
            Data::Folder(path) => Some(DataFolder::open(&options.stripe.folder_in(path))?),
        };
        let file = |name: &str| folder.as_ref().map(|folder| folder.file(name));
        let listeners = Listeners::bind(options.ports).await?;
        let mut urls = Urls {
            api: url_of(&listeners.api)?,
            function_url: url_of(&listeners.function_url)?,
            dynamodb: url_of(&listeners.dynamodb)?,
            secrets_manager: url_of(&listeners.secrets_manager)?,
            stripe: url_of(&listeners.stripe)?,
        };
        let template = Template::of_this_workspace()?;
        let keys = Keys::open(file("keys.json").as_deref())?;

        let (dynamodb_tap, secrets_tap) = (Tap::default(), Tap::default());
        let dynamodb_file = folder.as_ref().map(|folder| folder.private_file("dynamodb.sqlite")).transpose()?;
        let dynamodb = DynamoDb::start(
            listeners.dynamodb,
            dynamodb_file.as_deref(),
            TABLE_NAME,
            &template.table,
            dynamodb_tap.clone(),
        )
        .await?;

        let secrets = SecretsManager::open(file("secrets.json"))?;
        for mode in Mode::BOTH {
            ensure_secret(&secrets, mode, keys.of(mode), &options.stripe)?;
        }
        let secrets_manager = secrets.serve(listeners.secrets_manager, secrets_tap.clone());

        let (sandbox, clock) = match &options.stripe {
            StripeSide::Sandbox => {
                let sandbox = Sandbox::start(listeners.stripe, sandbox_options(&urls, &keys, file("stripe.json")))
                    .await
                    .context("start the Stripe sandbox")?;
                let clock = Clock::with_business_offset(sandbox.clock().offset_handle());
                (Some(sandbox), clock)
            }
            StripeSide::TestMode(_) => {
                "https://api.stripe.com".clone_into(&mut urls.stripe);
                (None, Clock::default())
            }
        };

        let upstream = Upstream::start().await?;
        let core = Arc::new(assemble(&options.settings, &urls, &upstream.url, &options.stripe, clock.clone()).await);
        let functions = Arc::new(Functions::of(&template, &core)?);

        let with_function_url: Vec<_> =
            template.functions.iter().filter(|function| function.has_function_url).collect();
        let [webhook] = with_function_url.as_slice() else {
            bail!("template.yaml: one function URL is expected, {} found", with_function_url.len());
        };
        let function_url = Server::start(listeners.function_url, function_url(webhook.name.clone(), functions.clone()));

        let switch = Arc::new(Switch::new(
            Arc::clone(&core),
            switch::Parts {
                functions: Arc::clone(&functions),
                template: template.clone(),
                settings: options.settings.clone(),
                urls: urls.clone(),
                upstream_url: upstream.url.clone(),
                stripe: options.stripe.clone(),
                clock,
            },
        ));
        let controls = Controls {
            switch: Arc::clone(&switch),
            urls: urls.clone(),
            sandbox: sandbox.is_some().then(|| urls.stripe.clone()),
            webhook_path: Box::new({
                let (keys, switch) = (Mode::BOTH.map(|mode| (mode, keys.of(mode).webhook_path())), Arc::clone(&switch));
                move || {
                    keys.iter()
                        .find(|(mode, _)| *mode == switch.mode())
                        .map_or_else(String::new, |(_, path)| path.clone())
                }
            }),
            signing_key: {
                let (secrets, switch) = (secrets.clone(), Arc::clone(&switch));
                Box::new(move || signing_key(&secrets, switch.mode()))
            },
            client: reqwest::Client::builder().no_proxy().build().context("build the controls' client")?,
        };
        let api = http_api(Routes::of(&template), functions)
            .merge(page::router())
            .merge(controls::router(Arc::new(controls)));
        let api = Server::start(listeners.api, api);

        let parts = Parts { api, function_url, sandbox, upstream, dynamodb, secrets_manager, _folder: folder };
        Ok(Stack { core, switch, urls, keys, secrets, dynamodb_tap, secrets_tap, parts })
    }

    pub fn api_url(&self) -> &str {
        &self.urls.api
    }

    pub fn function_url(&self) -> &str {
        &self.urls.function_url
    }

    pub fn dynamodb_url(&self) -> &str {
        &self.urls.dynamodb
    }

    pub fn secrets_url(&self) -> &str {
        &self.urls.secrets_manager
    }

    pub fn stripe_url(&self) -> &str {
        &self.urls.stripe
    }

    /// The core the functions shared when the stack was started, or why there is none.
    pub fn core(&self) -> Result<&Core, &Misconfigured> {
        self.core.as_ref().as_ref()
    }

    pub fn table_name(&self) -> &str {
        TABLE_NAME
    }

    pub fn secret_id(&self, mode: Mode) -> String {
        secret_id(mode)
    }

    /// The same, to be handed to a function that takes what its boot gave.
    pub fn shared_core(&self) -> Arc<Result<Core, Misconfigured>> {
        Arc::clone(&self.core)
    }

    fn mode(&self) -> Mode {
        self.switch.mode()
    }

    /// An access token good for an hour. Defaults give way to the claims, `exp` and `token_type` among them.
    pub fn token(&self, claims: Value) -> Result<String> {
        let signing_key = signing_key(&self.secrets, self.mode()).context("the secret holds no JWT signing key")?;
        tokens::mint(&signing_key, &claims, Clock::default().wall_now())
    }

    /// `/stripe/webhook/{uuid}/` of the stack's mode, on the function URL.
    pub fn webhook_path(&self) -> String {
        self.webhook_path_of(self.mode())
    }

    pub fn webhook_path_of(&self, mode: Mode) -> String {
        self.keys.of(mode).webhook_path()
    }

    /// The signing secret of the stack's mode.
    pub fn webhook_secret(&self) -> &str {
        self.webhook_secret_of(self.mode())
    }

    pub fn webhook_secret_of(&self, mode: Mode) -> &str {
        &self.keys.of(mode).webhook_secret
    }

    /// Everything a log or a reply must never hold.
    pub fn canaries(&self) -> Vec<String> {
        let of = |mode: Mode| {
            let keys = self.keys.of(mode);
            [&keys.stripe_secret_key, &keys.webhook_secret, &keys.jwt_signing_key].map(String::clone)
        };
        Mode::BOTH.into_iter().flat_map(of).collect()
    }

    /// The operations DynamoDB was asked for, in the order they arrived.
    pub fn dynamodb_calls(&self) -> Vec<String> {
        self.dynamodb_tap.calls()
    }

    /// The operations Secrets Manager was asked for, in the order they arrived.
    pub fn secrets_calls(&self) -> Vec<String> {
        self.secrets_tap.calls()
    }

    /// Counts, and plans failures of, the calls to DynamoDB.
    pub fn dynamodb(&self) -> &Tap {
        &self.dynamodb_tap
    }

    /// Counts, and plans failures of, the calls to Secrets Manager.
    pub fn secrets_manager(&self) -> &Tap {
        &self.secrets_tap
    }

    /// `METHOD /path?query` of what reached the API behind the gate.
    pub fn upstream_arrivals(&self) -> Vec<String> {
        self.parts.upstream.arrivals.all()
    }

    /// Open requests finish, then everything stops; what was written is kept.
    pub async fn shutdown(self) -> Result<()> {
        let parts = self.parts;
        parts.api.stop().await?;
        if let Some(sandbox) = parts.sandbox {
            sandbox.shutdown().await?;
        }
        parts.function_url.stop().await?;
        parts.upstream.stop().await?;
        parts.secrets_manager.stop().await?;
        parts.dynamodb.stop().await
    }
}

#[cfg(test)]
mod tests;
