//! The environment, read once: every name of contract and template in one place.

use std::fmt;

use secrecy::SecretString;
use url::Url;

use crate::domain::{Mode, Policy, PriceId, TrialAbuseAction};
use crate::http::urls::is_secure;

/// A variable is missing or makes no sense. Names the variable, never a secret value.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{variable} {problem}")]
pub struct Misconfigured {
    pub variable: String,
    pub problem: String,
}

impl Misconfigured {
    pub fn new(variable: &str, problem: impl Into<String>) -> Misconfigured {
        Misconfigured { variable: variable.to_owned(), problem: problem.into() }
    }
}

/// What the operator set. Functions that need an absent value ask with the `require_…` methods when they start.
#[derive(Clone, Debug)]
pub struct Config {
    pub mode: Mode,
    pub table_name: Option<String>,
    pub secret_id_test: Option<String>,
    pub secret_id_live: Option<String>,
    pub default_price: Option<PriceId>,
    pub allowed_prices: Vec<PriceId>,
    pub frontend_url: Option<Url>,
    /// Exact origins ("https://app.example.com"), the front end's first.
    pub allowed_origins: Vec<String>,
    pub trial_days: u32,
    pub policy: Policy,
    pub trial_abuse_action: TrialAbuseAction,
    pub checkout_locale: String,
    pub upstream_url: Option<Url>,
    /// Path prefixes that pass the gate as they are, matched on whole segments.
    pub gate_exempt_prefixes: Vec<String>,
    /// `https://api.stripe.com`, or a sandbox for local work and tests.
    pub stripe_api_url: Url,
    /// The `aud` a token must name; nothing = not looked at, as simplejwt does unless told otherwise.
    pub jwt_audience: Option<String>,
    pub aws: AwsEnvironment,
}

/// What Lambda sets for its functions, and the SDKs' own names for other endpoints.
#[derive(Clone, Debug, Default)]
pub struct AwsEnvironment {
    pub region: Option<String>,
    pub credentials: Option<AwsCredentials>,
    pub dynamodb_endpoint: Option<Url>,
    pub secrets_manager_endpoint: Option<Url>,
}

/// The credentials of the function's role.
#[derive(Clone)]
pub struct AwsCredentials {
    pub access_key_id: String,
    pub secret_access_key: SecretString,
    pub session_token: Option<SecretString>,
}

impl fmt::Debug for AwsCredentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("AwsCredentials(hidden)")
    }
}

const STRIPE_LIVE_MODE: &str = "STRIPE_LIVE_MODE";
const STRIPE_DEFAULT_PRICE_ID: &str = "STRIPE_DEFAULT_PRICE_ID";
const FRONTEND_URL: &str = "FRONTEND_URL";
const ALLOWED_ORIGINS: &str = "ALLOWED_ORIGINS";
const ALLOWED_PRICE_IDS: &str = "ALLOWED_PRICE_IDS";
const TRIAL_DAYS: &str = "TRIAL_DAYS";
const TRIAL_ABUSE_ACTION: &str = "TRIAL_ABUSE_ACTION";
const PAST_DUE_GRACE_DAYS: &str = "PAST_DUE_GRACE_DAYS";
const CHECKOUT_LOCALE: &str = "CHECKOUT_LOCALE";
const UPSTREAM_URL: &str = "UPSTREAM_URL";
const TABLE_NAME: &str = "TABLE_NAME";
const SECRET_ID_TEST: &str = "SECRET_ID_TEST";
const SECRET_ID_LIVE: &str = "SECRET_ID_LIVE";
const GATE_EXEMPT_PREFIXES: &str = "GATE_EXEMPT_PREFIXES";
const STRIPE_API_URL: &str = "STRIPE_API_URL";
const JWT_AUDIENCE: &str = "JWT_AUDIENCE";
const LOG_LEVEL: &str = "LOG_LEVEL";
const METRICS_NAMESPACE: &str = "METRICS_NAMESPACE";
const AWS_REGION: &str = "AWS_REGION";
const AWS_ACCESS_KEY_ID: &str = "AWS_ACCESS_KEY_ID";
const AWS_SECRET_ACCESS_KEY: &str = "AWS_SECRET_ACCESS_KEY";
const AWS_SESSION_TOKEN: &str = "AWS_SESSION_TOKEN";
const AWS_ENDPOINT_URL_DYNAMODB: &str = "AWS_ENDPOINT_URL_DYNAMODB";
const AWS_ENDPOINT_URL_SECRETS_MANAGER: &str = "AWS_ENDPOINT_URL_SECRETS_MANAGER";

const DEFAULT_TRIAL_DAYS: u32 = 7;
const DEFAULT_LOCALE: &str = "pt-BR";
const DEFAULT_EXEMPT_PREFIX: &str = "/api/auth/";
const DEFAULT_STRIPE_API_URL: &str = "https://api.stripe.com";
/// <https://docs.stripe.com/api/checkout/sessions/create#create_checkout_session-subscription_data-trial_period_days>
const LONGEST_TRIAL_DAYS: u32 = 730;

#[expect(clippy::disallowed_methods, reason = "the one place where the environment is read")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// One variable, for operator commands: what a deployed stack says of itself stands beside what the shell says of AWS.
pub fn from_shell(name: &str) -> Option<String> {
    variable(name).filter(|value| !value.trim().is_empty())
}

/// `LOG_LEVEL`, read apart from the rest because a half-configured function logs too. INFO unless it is a level.
pub fn log_level() -> tracing::Level {
    variable(LOG_LEVEL).and_then(|level| level.trim().parse().ok()).unwrap_or(tracing::Level::INFO)
}

/// `METRICS_NAMESPACE`: under which name CloudWatch keeps this stack's metrics.
pub fn metrics_namespace() -> String {
    variable(METRICS_NAMESPACE).filter(|name| !name.trim().is_empty()).unwrap_or_else(|| "subscriptions".to_owned())
}

impl Config {
    pub fn from_environment() -> Result<Config, Misconfigured> {
        Config::from_values(variable)
    }

    /// `value` gives the text of a variable; an empty text is an absent one.
    pub fn from_values(value: impl Fn(&str) -> Option<String>) -> Result<Config, Misconfigured> {
        let values = Values(&value);
        let frontend_url = values.secure_url(FRONTEND_URL)?;
        let stripe_api_url = values.text(STRIPE_API_URL).unwrap_or_else(|| DEFAULT_STRIPE_API_URL.to_owned());
        Ok(Config {
            mode: Mode::from_livemode(values.flag(STRIPE_LIVE_MODE)?),
            table_name: values.text(TABLE_NAME),
            secret_id_test: values.text(SECRET_ID_TEST),
            secret_id_live: values.text(SECRET_ID_LIVE),
            default_price: values
                .text(STRIPE_DEFAULT_PRICE_ID)
                .map(|id| price(STRIPE_DEFAULT_PRICE_ID, id))
                .transpose()?,
            allowed_prices: values.prices(ALLOWED_PRICE_IDS)?,
            allowed_origins: values.origins(frontend_url.as_ref())?,
            frontend_url,
            trial_days: values.trial_days()?,
            policy: Policy { past_due_grace_days: values.days(PAST_DUE_GRACE_DAYS)? },
            trial_abuse_action: values.trial_abuse_action()?,
            checkout_locale: values.text(CHECKOUT_LOCALE).unwrap_or_else(|| DEFAULT_LOCALE.to_owned()),
            upstream_url: values.url(UPSTREAM_URL)?,
            gate_exempt_prefixes: values.exempt_prefixes()?,
            stripe_api_url: secure_base_url(STRIPE_API_URL, &stripe_api_url)?,
            jwt_audience: values.text(JWT_AUDIENCE),
            aws: values.aws()?,
        })
    }

    pub fn require_table_name(&self) -> Result<&str, Misconfigured> {
        required(TABLE_NAME, self.table_name.as_deref())
    }

    pub fn require_frontend_url(&self) -> Result<&Url, Misconfigured> {
        required(FRONTEND_URL, self.frontend_url.as_ref())
    }

    /// A page of the front end, its text joined and not re-serialised: `{CHECKOUT_SESSION_ID}` stays as it is.
    pub fn frontend_page(&self, path_and_query: &str) -> Result<String, Misconfigured> {
        let base = self.require_frontend_url()?.as_str().trim_end_matches('/');
        Ok(format!("{base}{path_and_query}"))
    }

    pub fn require_upstream_url(&self) -> Result<&Url, Misconfigured> {
        required(UPSTREAM_URL, self.upstream_url.as_ref())
    }

    pub fn require_secret_id(&self, mode: Mode) -> Result<&str, Misconfigured> {
        match mode {
            Mode::Test => required(SECRET_ID_TEST, self.secret_id_test.as_deref()),
            Mode::Live => required(SECRET_ID_LIVE, self.secret_id_live.as_deref()),
        }
    }
}

fn required<T>(name: &str, value: Option<T>) -> Result<T, Misconfigured> {
    value.ok_or_else(|| Misconfigured::new(name, "is not set"))
}

/// Reads variables by kind; each complaint names its variable.
struct Values<'a>(&'a dyn Fn(&str) -> Option<String>);

impl Values<'_> {
    fn text(&self, name: &str) -> Option<String> {
        self.0(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    fn list(&self, name: &str) -> Vec<String> {
        let text = self.text(name).unwrap_or_default();
        text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
    }

    fn flag(&self, name: &str) -> Result<bool, Misconfigured> {
        match self.text(name).as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Misconfigured::new(name, "must be true or false")),
        }
    }

    fn days(&self, name: &str) -> Result<Option<u32>, Misconfigured> {
        let Some(text) = self.text(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| Misconfigured::new(name, "must be a whole number of days, 0 or more"))
    }

    fn trial_abuse_action(&self) -> Result<TrialAbuseAction, Misconfigured> {
        match self.text(TRIAL_ABUSE_ACTION).as_deref() {
            None | Some("flag") => Ok(TrialAbuseAction::Flag),
            Some("end_trial") => Ok(TrialAbuseAction::EndTrial),
            Some(_) => Err(Misconfigured::new(TRIAL_ABUSE_ACTION, "must be flag or end_trial")),
        }
    }

    fn trial_days(&self) -> Result<u32, Misconfigured> {
        let days = self.days(TRIAL_DAYS)?.unwrap_or(DEFAULT_TRIAL_DAYS);
        if days > LONGEST_TRIAL_DAYS {
            return Err(Misconfigured::new(TRIAL_DAYS, format!("must be at most {LONGEST_TRIAL_DAYS}")));
        }
        Ok(days)
    }

    fn prices(&self, name: &str) -> Result<Vec<PriceId>, Misconfigured> {
        self.list(name).into_iter().map(|id| price(name, id)).collect()
    }

    /// A URL that browsers are sent to.
    fn secure_url(&self, name: &str) -> Result<Option<Url>, Misconfigured> {
        self.text(name).map(|text| secure_base_url(name, &text)).transpose()
    }

    /// A URL that only we ask: plain http is for the operator to judge, as within a VPC.
    fn url(&self, name: &str) -> Result<Option<Url>, Misconfigured> {
        self.text(name).map(|text| base_url(name, &text)).transpose()
    }

    fn origins(&self, frontend_url: Option<&Url>) -> Result<Vec<String>, Misconfigured> {
        let mut origins: Vec<String> = frontend_url.iter().map(|url| url.origin().ascii_serialization()).collect();
        for text in self.list(ALLOWED_ORIGINS) {
            let url = secure_base_url(ALLOWED_ORIGINS, &text)?;
            if url.path() != "/" {
                return Err(Misconfigured::new(ALLOWED_ORIGINS, "must hold origins without a path"));
            }
            let origin = url.origin().ascii_serialization();
            if !origins.contains(&origin) {
                origins.push(origin);
            }
        }
        Ok(origins)
    }

    fn exempt_prefixes(&self) -> Result<Vec<String>, Misconfigured> {
        let prefixes = self.list(GATE_EXEMPT_PREFIXES);
        if prefixes.is_empty() {
            return Ok(vec![DEFAULT_EXEMPT_PREFIX.to_owned()]);
        }
        // A lone "/" would exempt everything: nobody means that.
        match prefixes.iter().all(|prefix| prefix.starts_with('/') && !prefix.trim_matches('/').is_empty()) {
            true => Ok(prefixes),
            false => {
                Err(Misconfigured::new(GATE_EXEMPT_PREFIXES, "must hold paths that start with / and name a segment"))
            }
        }
    }

    fn aws(&self) -> Result<AwsEnvironment, Misconfigured> {
        let credentials = match (self.text(AWS_ACCESS_KEY_ID), self.text(AWS_SECRET_ACCESS_KEY)) {
            (Some(access_key_id), Some(secret_access_key)) => Some(AwsCredentials {
                access_key_id,
                secret_access_key: secret_access_key.into(),
                session_token: self.text(AWS_SESSION_TOKEN).map(SecretString::from),
            }),
            (Some(_), None) => return Err(Misconfigured::new(AWS_SECRET_ACCESS_KEY, "is not set")),
            (None, _) => None,
        };
        Ok(AwsEnvironment {
            region: self.text(AWS_REGION),
            credentials,
            dynamodb_endpoint: self.url(AWS_ENDPOINT_URL_DYNAMODB)?,
            secrets_manager_endpoint: self.url(AWS_ENDPOINT_URL_SECRETS_MANAGER)?,
        })
    }
}

/// A space is a comma forgotten; the old ids that have one are not for sale here.
fn price(name: &str, id: String) -> Result<PriceId, Misconfigured> {
    let id = PriceId::parse(id).ok().filter(|id| !id.as_str().contains(char::is_whitespace));
    id.ok_or_else(|| Misconfigured::new(name, "is not a price id"))
}

/// https, or http to a loopback host: keys and users go there.
fn secure_base_url(name: &str, text: &str) -> Result<Url, Misconfigured> {
    let url = base_url(name, text)?;
    if is_secure(&url) {
        Ok(url)
    } else {
        Err(Misconfigured::new(name, "must be https (http for loopback hosts only)"))
    }
}

/// The base of other URLs: nothing that could not be followed by a path.
fn base_url(name: &str, text: &str) -> Result<Url, Misconfigured> {
    let url = Url::parse(text).map_err(|_| Misconfigured::new(name, "is not a URL"))?;
    let problem = if !matches!(url.scheme(), "https" | "http") {
        "must be an https URL"
    } else if !url.username().is_empty() || url.password().is_some() {
        "must not hold user information"
    } else if url.query().is_some() || url.fragment().is_some() {
        "must not hold a query or a fragment"
    } else {
        return Ok(url);
    };
    Err(Misconfigured::new(name, problem))
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
