//! Which endpoint a request came to, and whether it is really from Stripe.

use std::sync::Arc;

use lambda_http::http::HeaderMap;
use shared::domain::Mode;
use shared::http::ApiError;
use shared::metrics;
use shared::secrets::{ModeSecrets, SecretsError};
use shared::stripe::signature::{self, SignatureError};

use super::Deps;

const SIGNATURE_HEADER: &str = "stripe-signature";

/// The mode whose secret signed the body. With a uuid in the path only its mode's secrets count; without one, those of
/// both modes do. A uuid or signature that nothing cached fits makes the secrets be read again, at most once a minute.
pub(crate) async fn verified_mode(deps: &Deps, path: &str, headers: &HeaderMap, body: &[u8]) -> Result<Mode, ApiError> {
    let uuid = uuid_of(path).ok_or(ApiError::NotFound)?;
    let header = single_header(headers)?;
    let mut known = Known::read(deps).await;
    let mut verdict = known.judge(uuid, header, body, deps);
    if verdict.as_ref().is_err_and(Refusal::may_be_news) && known.refresh(deps).await {
        verdict = known.judge(uuid, header, body, deps);
    }
    verdict.map_err(|refusal| known.explain(refusal))
}

/// `/stripe/webhook` → nothing after it; `/stripe/webhook/{uuid}` → the uuid; each with or without a slash at the end.
fn uuid_of(path: &str) -> Option<Option<&str>> {
    let rest = path.strip_prefix("/stripe/webhook")?;
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    match rest.strip_prefix('/') {
        None if rest.is_empty() => Some(None),
        Some(uuid) if !uuid.is_empty() && !uuid.contains('/') => Some(Some(uuid)),
        _ => None,
    }
}

/// Two signature headers are two claims; Stripe sends one.
fn single_header(headers: &HeaderMap) -> Result<Option<&[u8]>, ApiError> {
    let mut values = headers.get_all(SIGNATURE_HEADER).iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value.map(|value| value.as_bytes())),
        (_, Some(_)) => Err(refused()),
    }
}

enum Refusal {
    UnknownUuid,
    Signature(SignatureError),
}

impl Refusal {
    /// A secret that was rotated in a moment ago would change the verdict.
    fn may_be_news(&self) -> bool {
        matches!(self, Refusal::UnknownUuid | Refusal::Signature(SignatureError::Mismatch | SignatureError::NoSecret))
    }
}

/// What is known of the secrets of both modes.
struct Known {
    modes: Vec<(Mode, Result<Arc<ModeSecrets>, SecretsError>)>,
    mode_in_use: Mode,
}

impl Known {
    async fn read(deps: &Deps) -> Known {
        let other = if deps.mode.is_live() { Mode::Test } else { Mode::Live };
        let (own, others) = tokio::join!(deps.secrets.get(deps.mode), deps.secrets.get(other));
        Known { modes: vec![(deps.mode, own), (other, others)], mode_in_use: deps.mode }
    }

    async fn refresh(&mut self, deps: &Deps) -> bool {
        let mut is_newer = false;
        for (mode, secrets) in &mut self.modes {
            let Ok(known) = secrets else { continue };
            if let Some(newer) = deps.secrets.refreshed(*mode, known).await {
                *secrets = Ok(newer);
                is_newer = true;
            }
        }
        is_newer
    }

    fn readable(&self) -> impl Iterator<Item = (Mode, &ModeSecrets)> {
        self.modes.iter().filter_map(|(mode, secrets)| Some((*mode, secrets.as_deref().ok()?)))
    }

    fn judge(&self, uuid: Option<&str>, header: Option<&[u8]>, body: &[u8], deps: &Deps) -> Result<Mode, Refusal> {
        let now = deps.clock.wall_now();
        let has_uuid = |secrets: &ModeSecrets| match uuid {
            Some(uuid) => secrets.webhook_signing_secrets.iter().any(|known| known.uuid == uuid),
            None => true,
        };
        let mut refusal = Refusal::UnknownUuid;
        for (mode, secrets) in self.readable().filter(|(_, secrets)| has_uuid(secrets)) {
            let keys = secrets.webhook_signing_secrets.iter().map(|known| &known.secret);
            match signature::verify(header, body, keys, now) {
                Ok(()) => return Ok(mode),
                Err(error) => refusal = Refusal::Signature(error),
            }
        }
        Err(refusal)
    }

    /// A refusal counts only when the secrets that might have fitted could be read. The mode in use must be readable; the
    /// other one need not be set up yet, but Secrets Manager failing is no reason to call a uuid unknown.
    fn explain(&self, refusal: Refusal) -> ApiError {
        if let Some(error) = self.unreadable() {
            return error;
        }
        match refusal {
            Refusal::Signature(error) => {
                tracing::warn!(target: metrics::SIGNATURE, %error, signature_failures = 1, "A webhook's signature was refused");
                refused()
            }
            Refusal::UnknownUuid => ApiError::NotFound,
        }
    }

    fn unreadable(&self) -> Option<ApiError> {
        let mut errors = self.modes.iter().filter_map(|(mode, secrets)| Some((*mode, secrets.as_ref().err()?)));
        let (_, error) = errors
            .find(|(mode, error)| *mode == self.mode_in_use || matches!(error, SecretsError::Unavailable { .. }))?;
        Some(ApiError::from(error.clone()))
    }
}

fn refused() -> ApiError {
    ApiError::SignatureRefused { code: "INVALID_SIGNATURE", message: "Invalid signature" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_webhooks_own_paths_are_known() {
        assert_eq!(uuid_of("/stripe/webhook"), Some(None));
        assert_eq!(uuid_of("/stripe/webhook/"), Some(None));
        assert_eq!(uuid_of("/stripe/webhook/abc"), Some(Some("abc")));
        assert_eq!(uuid_of("/stripe/webhook/abc/"), Some(Some("abc")));
        for path in
            ["/", "/stripe", "/stripe/webhooks", "/stripe/webhook//", "/stripe/webhook/a/b", "/stripe/webhook/a//"]
        {
            assert_eq!(uuid_of(path), None, "{path}");
        }
    }
}
