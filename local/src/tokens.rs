//! Access tokens as the merchant's own login would mint them.

use anyhow::{Context, Result, bail};
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};

const LIFETIME: SignedDuration = SignedDuration::from_hours(1);

/// HS256, `token_type` access, good for an hour; a claim that is given wins over a default.
pub(crate) fn mint(signing_key: &str, claims: &Value, now: Timestamp) -> Result<String> {
    let Some(given) = claims.as_object() else { bail!("the claims are not a JSON object") };
    let mut all = json!({
        "token_type": "access",
        "iat": now.as_second(),
        "exp": (now + LIFETIME).as_second(),
        "jti": uuid::Uuid::new_v4().simple().to_string(),
    });
    for (name, value) in given {
        all[name] = value.clone();
    }
    shared::auth::use_hs256_only();
    let key = EncodingKey::from_secret(signing_key.as_bytes());
    jsonwebtoken::encode(&Header::default(), &all, &key).context("sign the token")
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    fn part(token: &str, index: usize) -> Value {
        let text = token.split('.').nth(index).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
    }

    #[test]
    fn a_token_is_an_access_token_for_an_hour_unless_told_otherwise() {
        let now = Timestamp::from_second(1_000).unwrap();
        let token = mint("a key of thirty-two bytes or more", &json!({"user_id": 42, "email": "u@example.com"}), now);
        let token = token.unwrap();
        assert_eq!(part(&token, 0)["alg"], "HS256");
        let claims = part(&token, 1);
        assert_eq!((&claims["user_id"], &claims["token_type"]), (&json!(42), &json!("access")));
        assert_eq!((&claims["iat"], &claims["exp"]), (&json!(1_000), &json!(4_600)));
        let expired = mint("k", &json!({"user_id": "42", "exp": 1}), now).unwrap();
        assert_eq!(part(&expired, 1)["exp"], 1);
    }

    #[test]
    fn claims_are_an_object() {
        assert!(mint("k", &json!(["user_id"]), Timestamp::UNIX_EPOCH).is_err());
    }
}
