//! Who is calling: the access token of the merchant's own login.
//!
//! [`token`] says what a good token is; here is where it is found in a request and which keys it is held against.

mod hs256;
pub mod token;

use std::fmt;
use std::sync::Arc;

use lambda_http::http::HeaderMap;
use lambda_http::http::header::AUTHORIZATION;

pub use hs256::use_hs256_only;
use token::TokenError;

use crate::clock::Clock;
use crate::domain::{Mode, PriceId, UserId};
use crate::http::{ApiError, Request};
use crate::secrets::{ModeSecrets, SecretStore};

/// A verified caller.
#[derive(Clone, PartialEq, Eq)]
pub struct Caller {
    pub user: UserId,
    pub email: Option<String>,
    pub name: Option<String>,
    pub is_superuser: bool,
    /// The price chosen at sign-up.
    pub price: Option<PriceId>,
    pub acquisition_angle: Option<String>,
}

/// The user alone: the rest is personal.
impl fmt::Debug for Caller {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Caller({})", self.user)
    }
}

/// Checks tokens with the keys of one mode.
#[derive(Clone)]
pub struct Authenticator {
    secrets: Arc<SecretStore>,
    mode: Mode,
    clock: Clock,
    audience: Option<String>,
}

impl Authenticator {
    /// `audience` nothing: `aud` is not looked at.
    pub fn new(secrets: Arc<SecretStore>, mode: Mode, clock: Clock, audience: Option<String>) -> Authenticator {
        Authenticator { secrets, mode, clock, audience }
    }

    /// Errors: 401 for no token or a bad one; what the keys' own trouble is, 503.
    pub async fn caller(&self, request: &Request) -> Result<Caller, ApiError> {
        let token = bearer_token(request.headers())?;
        let secrets = self.secrets.get(self.mode).await?;
        let verified = match self.verify(token, &secrets) {
            // The key may be newer than what we know.
            Err(TokenError::UnknownKey) => match self.secrets.refreshed(self.mode, &secrets).await {
                Some(newer) => self.verify(token, &newer),
                None => Err(TokenError::UnknownKey),
            },
            verified => verified,
        };
        verified.map_err(|reason| {
            tracing::debug!(%reason, "Token refused");
            ApiError::TokenNotValid
        })
    }

    /// For replies that say more to the right caller: no token and a bad one are both nobody.
    pub async fn optional_caller(&self, request: &Request) -> Result<Option<Caller>, ApiError> {
        match self.caller(request).await {
            Ok(caller) => Ok(Some(caller)),
            Err(ApiError::NotAuthenticated | ApiError::TokenNotValid) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn verify(&self, token: &str, secrets: &ModeSecrets) -> Result<Caller, TokenError> {
        token::verify(token, &secrets.jwt_signing_keys, self.audience.as_deref(), self.clock.wall_now())
    }
}

/// Another scheme is no token, as for djangorestframework-simplejwt. Two headers are refused: who knows which of them
/// the gateway or the upstream would believe.
fn bearer_token(headers: &HeaderMap) -> Result<&str, ApiError> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or(ApiError::NotAuthenticated)?;
    if values.next().is_some() {
        return Err(ApiError::TokenNotValid);
    }
    let mut words = value.to_str().map_err(|_| ApiError::TokenNotValid)?.split_ascii_whitespace();
    match words.next() {
        Some(scheme) if scheme.eq_ignore_ascii_case("bearer") => {}
        _ => return Err(ApiError::NotAuthenticated),
    }
    match (words.next(), words.next()) {
        (Some(token), None) => Ok(token),
        _ => Err(ApiError::TokenNotValid),
    }
}

#[cfg(test)]
mod tests {
    use lambda_http::http::HeaderValue;
    use serde_json::json;

    use super::*;
    use crate::secrets::stand_in::{SecretsManager, good};

    fn headers(values: &[&str]) -> HeaderMap {
        let value = |text: &&str| (AUTHORIZATION, HeaderValue::from_str(text).unwrap());
        values.iter().map(value).collect()
    }

    #[test]
    fn the_scheme_is_read_in_any_case() {
        for value in ["Bearer abc", "bearer abc", "BEARER abc", "Bearer   abc "] {
            assert_eq!(bearer_token(&headers(&[value])).unwrap(), "abc", "{value:?}");
        }
    }

    #[test]
    fn nothing_and_other_schemes_are_no_token() {
        for values in [&[][..], &[""], &["Basic dXNlcjpwYXNz"], &["abc"], &["Bearerabc"], &["Token abc"]] {
            let refused = bearer_token(&headers(values)).unwrap_err();
            assert!(matches!(refused, ApiError::NotAuthenticated), "{values:?}");
        }
    }

    #[test]
    fn a_bearer_header_without_exactly_one_token_is_a_bad_one() {
        // API Gateway joins repeated headers with commas.
        for values in [&["Bearer"][..], &["Bearer a b"], &["Bearer a,Bearer b"], &["Bearer a", "Bearer a"]] {
            let refused = bearer_token(&headers(values)).unwrap_err();
            assert!(matches!(refused, ApiError::TokenNotValid), "{values:?}");
        }
    }

    const OLD: &str = "the-old-key-of-thirty-two-bytes-or-more";
    const NEW: &str = "the-new-key-of-thirty-two-bytes-or-more";

    fn token(key: &str) -> String {
        use_hs256_only();
        let key = jsonwebtoken::EncodingKey::from_secret(key.as_bytes());
        let expires_at = Clock::default().wall_now().as_second() + 300;
        let claims = json!({"token_type": "access", "exp": expires_at, "user_id": 42});
        jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap()
    }

    fn request(token: Option<String>) -> Request {
        let mut request = Request::default();
        if let Some(token) = token {
            let value = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        request
    }

    async fn authenticator(secrets_manager: &SecretsManager) -> Authenticator {
        Authenticator::new(Arc::new(secrets_manager.store().await), Mode::Test, Clock::default(), None)
    }

    #[tokio::test]
    async fn a_key_rotated_in_a_moment_ago_verifies_at_once() {
        let secrets_manager = SecretsManager::default();
        secrets_manager.put("AWSCURRENT", &good(&[OLD]));
        let authenticator = authenticator(&secrets_manager).await;
        assert_eq!(authenticator.caller(&request(Some(token(OLD)))).await.unwrap().user.as_str(), "42");

        secrets_manager.put("AWSPREVIOUS", &good(&[OLD]));
        secrets_manager.put("AWSCURRENT", &good(&[NEW]));
        for key in [NEW, OLD] {
            assert!(authenticator.caller(&request(Some(token(key)))).await.is_ok(), "{key}");
        }
    }

    #[tokio::test]
    async fn forged_tokens_are_refused_and_cause_one_read_a_minute() {
        let secrets_manager = SecretsManager::default();
        secrets_manager.put("AWSCURRENT", &good(&[OLD]));
        let authenticator = authenticator(&secrets_manager).await;
        for _ in 0..5 {
            let refused = authenticator.caller(&request(Some(token(NEW)))).await.unwrap_err();
            assert!(matches!(refused, ApiError::TokenNotValid));
        }
        assert_eq!(secrets_manager.reads(), 2, "the first one and one more");
    }

    #[tokio::test]
    async fn without_keys_nobody_is_let_in_and_nobody_is_blamed() {
        let secrets_manager = SecretsManager::default();
        secrets_manager.is_down(true);
        let unreachable = authenticator(&secrets_manager).await.caller(&request(Some(token(OLD)))).await;
        assert!(matches!(unreachable, Err(ApiError::Unavailable { .. })));

        secrets_manager.is_down(false);
        secrets_manager.put("AWSCURRENT", &good(&[]));
        let misconfigured = authenticator(&secrets_manager).await.optional_caller(&request(Some(token(OLD)))).await;
        assert!(matches!(misconfigured, Err(ApiError::Misconfigured)));
    }

    #[tokio::test]
    async fn nobody_and_a_bad_token_are_no_optional_caller() {
        let secrets_manager = SecretsManager::default();
        secrets_manager.put("AWSCURRENT", &good(&[OLD]));
        let authenticator = authenticator(&secrets_manager).await;
        for (token, is_somebody) in [(None, false), (Some(token(NEW)), false), (Some(token(OLD)), true)] {
            assert_eq!(authenticator.optional_caller(&request(token)).await.unwrap().is_some(), is_somebody);
        }
    }
}
