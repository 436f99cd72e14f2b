//! What every function of one process shares, built once.

use std::sync::Arc;

use aws_config::SdkConfig;
use secrecy::SecretString;

use crate::auth::Authenticator;
pub use crate::aws::AwsEndpoints;
use crate::books::{Auditor, Books};
use crate::clock::Clock;
use crate::config::{Config, Misconfigured};
use crate::domain::Mode;
use crate::https_client::HttpsClient;
use crate::secrets::SecretStore;
use crate::store::{self, Store};
use crate::stripe::StripeSetup;
use crate::stripe::live::LiveStripe;
use crate::stripe::transport::KeySource;
use crate::{aws, config, telemetry};

/// Built once per process and lent to every function.
pub struct Core {
    pub config: Config,
    pub clock: Clock,
    pub secrets: Arc<SecretStore>,
    /// For what is not AWS; its connections are shared.
    pub https: HttpsClient,
    dynamodb: aws_sdk_dynamodb::Client,
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
        let dynamodb = store::client(sdk, endpoints.dynamodb.as_deref());
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
        Ok(Store::new(self.dynamodb.clone(), table_name, mode))
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
