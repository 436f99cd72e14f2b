//! What every function of one process shares, built once.

use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use secrecy::SecretString;

use crate::auth::Authenticator;
pub use crate::aws::AwsEndpoints;
use crate::books::{Auditor, Books};
use crate::causes::causes;
use crate::clock::Clock;
use crate::config::{Config, Misconfigured};
use crate::domain::{CustomerId, Mode};
use crate::https_client::HttpsClient;
use crate::secrets::SecretStore;
use crate::store::{DynamoDb, Store};
use crate::stripe::StripeSetup;
use crate::stripe::live::LiveStripe;
use crate::stripe::transport::KeySource;
use crate::{aws, config, telemetry};

/// What the first request would have to wait for. Lambda starts a function with more CPU than it has later, and often
/// while the caller waits for nothing else, so it is opened at the start, side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The secret of the mode in use.
    Secrets,
    /// Those of both modes.
    SecretsOfBothModes,
    Table,
    Stripe,
}

/// Longer than any of it takes, and far shorter than the ten seconds a start may take.
const LONGEST_OPENING: Duration = Duration::from_secs(2);

/// Whose partition is read to reach the table: nobody's, so that there is nothing in it.
const NOBODY: &str = "cus_nobody";

/// Built once per process and lent to every function.
pub struct Core {
    pub config: Config,
    pub clock: Clock,
    pub secrets: Arc<SecretStore>,
    /// For what is not AWS; its connections are shared.
    pub https: HttpsClient,
    dynamodb: Arc<DynamoDb>,
    is_for_operator: bool,
}

impl Core {
    /// A function's own start: logging first, so that whatever is missing can be said.
    pub async fn from_environment() -> Result<Core, Misconfigured> {
        telemetry::start(config::log_level(), &config::metrics_namespace());
        let config = Config::from_environment()?;
        let endpoints = AwsEndpoints::of(&config.aws);
        aws::require(&config.aws, &endpoints)?;
        Ok(Core::assemble(config, Clock::default(), endpoints).await)
    }

    /// The same, and what the function is going to use is open when it asks for its first request.
    pub async fn reaching(reaches: &[Reach]) -> Result<Core, Misconfigured> {
        let core = Core::from_environment().await?;
        core.open(reaches).await;
        Ok(core)
    }

    /// What cannot be opened is left to the first request, which tries again and says why it cannot.
    async fn open(&self, reaches: &[Reach]) {
        let has = |reach| reaches.contains(&reach);
        let mode = self.config.mode;
        let other = if mode.is_live() { Mode::Test } else { Mode::Live };
        let secrets = async {
            if has(Reach::Secrets) || has(Reach::SecretsOfBothModes) {
                self.secrets.read_ahead(mode).await;
            }
        };
        let other_secrets = async {
            if has(Reach::SecretsOfBothModes) {
                self.secrets.read_ahead(other).await;
            }
        };
        let table = async {
            if let (true, Ok(store), Ok(nobody)) = (has(Reach::Table), self.store(mode), CustomerId::parse(NOBODY))
                && let Err(error) = store.read_parked(&nobody).await
            {
                tracing::info!(%error, "The table could not be reached at the start");
            }
        };
        let stripe = async {
            if let (true, Ok(to)) = (has(Reach::Stripe), self.config.stripe_api_url.as_str().parse())
                && let Err(error) = self.https.open(&to).await
            {
                tracing::info!(error = causes(&error), "Stripe could not be reached at the start");
            }
        };
        let all = async { tokio::join!(secrets, other_secrets, table, stripe) };
        // However far it got.
        let _ = tokio::time::timeout(LONGEST_OPENING, all).await;
    }

    /// The same parts for the local stack and tests, which bring their own values.
    pub async fn assemble(config: Config, clock: Clock, endpoints: AwsEndpoints) -> Core {
        let sdk = aws::sdk_config(&config.aws);
        Core::on(config, clock, &sdk, &endpoints)
    }

    /// The same on connections and credentials of the caller's choice: an operator's profile, say.
    pub fn on(config: Config, clock: Clock, sdk: &SdkConfig, endpoints: &AwsEndpoints) -> Core {
        let secrets = Arc::new(SecretStore::new(
            crate::secrets::client(sdk, endpoints.secrets_manager.as_deref()),
            &config,
            clock.clone(),
        ));
        let dynamodb = Arc::new(DynamoDb::new(sdk, endpoints.dynamodb.as_deref()));
        Core { config, clock, secrets, https: HttpsClient::new(), dynamodb, is_for_operator: false }
    }

    /// Stripe is then asked with an operator's patience and within the account's rate limit.
    pub fn for_operator(self) -> Core {
        Core { is_for_operator: true, ..self }
    }

    /// The table and Stripe of one mode, paired.
    pub fn books(&self, mode: Mode) -> Result<Books, Misconfigured> {
        Ok(self.pair(mode, self.is_for_operator)?.0)
    }

    /// The same, with a way through the whole account.
    pub fn auditor(&self, mode: Mode) -> Result<Auditor, Misconfigured> {
        self.audit(mode, self.is_for_operator)
    }

    /// The same with a function's patience: where many parts are asked, one that is down is to be heard of soon.
    pub fn hasty_auditor(&self, mode: Mode) -> Result<Auditor, Misconfigured> {
        self.audit(mode, false)
    }

    fn audit(&self, mode: Mode, is_patient: bool) -> Result<Auditor, Misconfigured> {
        let (books, stripe) = self.pair(mode, is_patient)?;
        let secrets = Arc::clone(&self.secrets);
        Ok(Auditor { books, account: Arc::new(stripe.clone()), setup: Arc::new(stripe), secrets })
    }

    /// The account that a key opens which is in no secret yet.
    pub fn account_of_key(&self, mode: Mode, key: SecretString) -> Arc<dyn StripeSetup> {
        let keys = KeySource::Fixed(key);
        let stripe = LiveStripe::new(self.https.clone(), &self.config.stripe_api_url, keys, self.clock.clone());
        Arc::new(stripe.for_operator(mode))
    }

    fn pair(&self, mode: Mode, is_patient: bool) -> Result<(Books, LiveStripe), Misconfigured> {
        let store = self.store(mode)?;
        self.config.require_secret_id(mode)?;
        let keys = KeySource::Secrets { secrets: Arc::clone(&self.secrets), mode };
        let stripe = LiveStripe::new(self.https.clone(), &self.config.stripe_api_url, keys, self.clock.clone());
        let stripe = if is_patient { stripe.for_operator(mode) } else { stripe };
        let action = self.config.trial_abuse_action;
        Ok((Books::pair(store, Arc::new(stripe.clone()), self.clock.clone(), action), stripe))
    }

    /// One mode's records alone, for functions that never ask Stripe.
    pub fn store(&self, mode: Mode) -> Result<Store, Misconfigured> {
        let table_name = self.config.require_table_name()?.to_owned();
        Ok(Store::new(Arc::clone(&self.dynamodb), table_name, mode))
    }

    /// Who is calling, by this mode's token keys.
    pub fn caller_check(&self) -> Authenticator {
        Authenticator::new(
            Arc::clone(&self.secrets),
            self.config.mode,
            self.clock.clone(),
            self.config.jwt_audience.clone(),
        )
    }
}
