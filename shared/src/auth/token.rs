//! What a good access token is: HS256, as djangorestframework-simplejwt mints it.
//! <https://django-rest-framework-simplejwt.readthedocs.io/en/latest/settings.html>

use jiff::Timestamp;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

use super::{Caller, use_hs256_only};
use crate::domain::{PriceId, UserId};

/// Longer texts are refused before any cryptography.
const LONGEST_TOKEN_BYTES: usize = 8 * 1024;
/// How far the clocks of two machines may differ.
const LEEWAY_SECONDS: f64 = 30.0;

type Claims = Map<String, Value>;

/// Why a token is refused. For the log: callers hear one sentence for all of them.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum TokenError {
    /// Well formed, but signed with none of the keys: there may be newer ones.
    #[error("no key verifies it")]
    UnknownKey,
    #[error("it is not an HS256 token")]
    Malformed,
    #[error("it is too long")]
    TooLong,
    #[error("it is not an access token")]
    NotAccess,
    #[error("it has expired or never says when it does")]
    Expired,
    #[error("it is from the future")]
    NotYetValid,
    #[error("it is for another audience")]
    OtherAudience,
    #[error("it names no user")]
    NoUser,
}

/// The caller a token names, at `now` of the wall clock. `audience` nothing: `aud` is not looked at.
pub fn verify(
    token: &str,
    keys: &[SecretString],
    audience: Option<&str>,
    now: Timestamp,
) -> Result<Caller, TokenError> {
    if token.len() > LONGEST_TOKEN_BYTES {
        return Err(TokenError::TooLong);
    }
    let claims = signed_claims(token, keys)?;
    if claims.get("token_type").and_then(Value::as_str) != Some("access") {
        return Err(TokenError::NotAccess);
    }
    check_times(&claims, now)?;
    check_audience(&claims, audience)?;
    Ok(Caller {
        user: user(&claims).ok_or(TokenError::NoUser)?,
        email: text(&claims, "email"),
        name: text(&claims, "name"),
        is_superuser: claims.get("is_superuser") == Some(&Value::Bool(true)),
        price: text(&claims, "price_id").and_then(|id| PriceId::parse(id).ok()),
        acquisition_angle: text(&claims, "acquisition_angle"),
    })
}

/// The claims, when one of the keys signed them. jsonwebtoken would judge times by a clock of its own, so it is told
/// to look at the signature only.
fn signed_claims(token: &str, keys: &[SecretString]) -> Result<Claims, TokenError> {
    use_hs256_only();
    let mut validation = Validation::new(Algorithm::HS256);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    for key in keys {
        let key = DecodingKey::from_secret(key.expose_secret().as_bytes());
        match jsonwebtoken::decode::<Claims>(token, &key, &validation) {
            Ok(signed) => return Ok(signed.claims),
            Err(error) if *error.kind() == ErrorKind::InvalidSignature => {}
            Err(_) => return Err(TokenError::Malformed),
        }
    }
    Err(TokenError::UnknownKey)
}

fn check_times(claims: &Claims, now: Timestamp) -> Result<(), TokenError> {
    let now = now.as_millisecond() as f64 / 1000.0;
    let expires_at = claims.get("exp").and_then(Value::as_f64).ok_or(TokenError::Expired)?;
    if expires_at <= now - LEEWAY_SECONDS {
        return Err(TokenError::Expired);
    }
    for name in ["nbf", "iat"] {
        let Some(claim) = claims.get(name) else { continue };
        let begins_at = claim.as_f64().ok_or(TokenError::NotYetValid)?;
        if begins_at > now + LEEWAY_SECONDS {
            return Err(TokenError::NotYetValid);
        }
    }
    Ok(())
}

/// `aud` is one text or a list of them: <https://datatracker.ietf.org/doc/html/rfc7519#section-4.1.3>.
fn check_audience(claims: &Claims, wanted: Option<&str>) -> Result<(), TokenError> {
    let Some(wanted) = wanted else { return Ok(()) };
    let is_meant = match claims.get("aud") {
        Some(Value::String(one)) => one == wanted,
        Some(Value::Array(several)) => several.iter().any(|one| one.as_str() == Some(wanted)),
        _ => false,
    };
    if is_meant { Ok(()) } else { Err(TokenError::OtherAudience) }
}

/// A text or an integer: 42 and "42" are one user. An integer beyond 64 bits is a float to JSON, and refused with them.
fn user(claims: &Claims) -> Option<UserId> {
    let id = match claims.get("user_id")? {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_i64() || number.is_u64() => number.to_string(),
        _ => return None,
    };
    UserId::parse(id).ok()
}

/// An optional claim. One that is no text or blank is as good as absent.
fn text(claims: &Claims, name: &str) -> Option<String> {
    let text = claims.get(name)?.as_str()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
#[path = "token_tests.rs"]
mod tests;
