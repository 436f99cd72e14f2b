//! What to tell a person about an error: what happened and what to do about it, in a sentence or two.

use shared::config::Misconfigured;
use shared::secrets::SecretsError;
use shared::store::StoreError;
use shared::stripe::StripeError;
use shared::sync::SyncError;

use crate::done::Usage;

/// The sentences for an error and where it happened.
pub fn of(error: &anyhow::Error) -> String {
    if let Some(usage) = error.downcast_ref::<Usage>() {
        return usage.to_string();
    }
    let story = story(error);
    match error.chain().find_map(advice).or_else(|| aws_advice(&story).map(str::to_owned)) {
        Some(advice) => format!("{}. {advice}", without_stop(&story)),
        None => story,
    }
}

/// The error and its causes; some errors tell their cause in their own text, which is told once.
pub(crate) fn story(error: &anyhow::Error) -> String {
    let mut story = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if story.is_empty() {
            story = cause;
        } else if !story.contains(&cause) {
            story = format!("{}: {cause}", without_stop(&story));
        }
    }
    story
}

fn without_stop(text: &str) -> &str {
    text.trim_end_matches('.')
}

/// What to do when the part that was asked did not answer, whatever the question was; nothing when it answered.
pub(crate) fn of_no_answer(error: &anyhow::Error) -> Option<String> {
    let is_no_answer = |error: &(dyn std::error::Error + 'static)| match error.downcast_ref::<StripeError>() {
        Some(error) => error.is_transient(),
        None => match error.downcast_ref::<SecretsError>() {
            Some(error) => matches!(error, SecretsError::Unavailable { .. }),
            None => error.is::<StoreError>(),
        },
    };
    let of_ours = error.chain().find(|cause| is_no_answer(*cause)).and_then(advice);
    of_ours.or_else(|| aws_advice(&story(error)).map(str::to_owned))
}

fn advice(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    if let Some(error) = error.downcast_ref::<SyncError>() {
        return of_sync(error);
    }
    if let Some(error) = error.downcast_ref::<StoreError>() {
        return of_store(error);
    }
    if let Some(error) = error.downcast_ref::<StripeError>() {
        return of_stripe(error).map(str::to_owned);
    }
    if let Some(error) = error.downcast_ref::<SecretsError>() {
        return of_secrets(error);
    }
    let misconfigured = error.downcast_ref::<Misconfigured>()?;
    Some(format!("Set {} in the environment, or name the stack with --stack or --local.", misconfigured.variable))
}

fn of_sync(error: &SyncError) -> Option<String> {
    match error {
        SyncError::Store(error) => of_store(error),
        SyncError::Stripe { source, .. } => of_stripe(source).map(str::to_owned),
        SyncError::Contended { .. } => {
            Some("Webhooks are changing it at this moment: run the command again.".to_owned())
        }
        SyncError::Object { .. } => None,
    }
}

fn of_store(error: &StoreError) -> Option<String> {
    match error {
        StoreError::Unavailable { detail, .. } => aws_advice(detail)
            .map(str::to_owned)
            .or_else(|| Some("The table cannot be reached now: run the command again.".to_owned())),
        StoreError::Contended { .. } => Some("Run the command again.".to_owned()),
        StoreError::Unreadable { .. } => Some(
            "A record is not what this version writes: the table belongs to another version. Use the manage of the \
             deployed version."
                .to_owned(),
        ),
    }
}

fn of_stripe(error: &StripeError) -> Option<&'static str> {
    Some(match error {
        StripeError::Unauthorized { .. } => {
            "Put a valid key with the needed permissions into the mode's secret: the Stripe Dashboard shows keys under \
             Developers."
        }
        StripeError::RateLimited { .. } => {
            "Something else uses up the account's rate limit: run the command again in a minute; it goes on where it \
             stopped."
        }
        StripeError::Unavailable { .. } | StripeError::Failed { .. } => {
            "Stripe is down or cannot be reached (see https://status.stripe.com): run the command again later; it goes \
             on where it stopped."
        }
        StripeError::NoKey => "The mode's secret holds no usable Stripe key.",
        StripeError::NotFound { .. }
        | StripeError::IdempotencyMismatch { .. }
        | StripeError::Refused { .. }
        | StripeError::Unreadable { .. } => return None,
    })
}

fn of_secrets(error: &SecretsError) -> Option<String> {
    match error {
        SecretsError::Invalid { problem, .. } if problem.contains("of the other mode") => Some(
            "A key of one Stripe mode must never be in the other mode's secret. Nothing was done; put the right key \
             there."
                .to_owned(),
        ),
        SecretsError::Invalid { .. } => {
            Some("Nothing was done, and the functions refuse it too. Fill it with: manage secrets set".to_owned())
        }
        SecretsError::Unavailable { detail, .. } => aws_advice(detail).map(str::to_owned),
    }
}

/// AWS names the kind of refusal in the error's text.
fn aws_advice(detail: &str) -> Option<&'static str> {
    const KINDS: [(&[&str], &str); 6] = [
        (
            &["AccessDenied", "not authorized", "UnauthorizedOperation"],
            "AWS does not allow it to these credentials: use another profile (--profile) or give them the permission.",
        ),
        (
            &["ExpiredToken", "security token included in the request is expired", "TokenRefreshRequired"],
            "The AWS credentials have expired: sign in again (aws sso login).",
        ),
        (
            &["UnrecognizedClient", "InvalidClientTokenId", "InvalidSignature", "SignatureDoesNotMatch"],
            "AWS does not know these credentials: check the profile (--profile) and the access key.",
        ),
        (
            &["ResourceNotFound", "Requested resource not found", "Cannot do operations on a non-existent table"],
            "It does not exist there: check the name, and the region (--region) it was deployed to.",
        ),
        (
            &["does not match the schema", "ValidationException"],
            "The table has other keys than this version: it belongs to another version, or to something else.",
        ),
        (
            &["dispatch failure", "timeout", "timed out"],
            "It cannot be reached from here: check the network and the region (--region), then run the command again.",
        ),
    ];
    KINDS.iter().find(|(signs, _)| signs.iter().any(|sign| detail.contains(sign))).map(|(_, advice)| *advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(detail: &str) -> anyhow::Error {
        StoreError::Unavailable { doing: "read user 42".into(), detail: detail.into() }.into()
    }

    #[test]
    fn each_kind_of_trouble_says_what_to_do() {
        let stripe = |source| anyhow::Error::from(SyncError::Stripe { doing: "list customers".into(), source });
        let key = SecretsError::Invalid {
            secret_id: "s".into(),
            field: "stripe_secret_key".into(),
            problem: "is a key of the other mode".into(),
        };
        for (error, sign) in [
            (store("service error: AccessDeniedException: no"), "--profile"),
            (store("service error: ExpiredTokenException: no"), "sign in again"),
            (store("service error: UnrecognizedClientException: no"), "does not know these credentials"),
            (store("ResourceNotFoundException: Requested resource not found"), "--region"),
            (store("ValidationException: The provided key element does not match the schema"), "another version"),
            (store("dispatch failure"), "run the command again"),
            (anyhow::anyhow!("read stack prod: dispatch failure: io error: dns error"), "check the network"),
            (
                StoreError::Unreadable { doing: "read user 42".into(), detail: "missing field `status`".into() }.into(),
                "belongs to another version",
            ),
            (stripe(StripeError::Unavailable { detail: "it answered 500".into() }), "status.stripe.com"),
            (stripe(StripeError::RateLimited { request_id: None }), "rate limit"),
            (stripe(StripeError::Unauthorized { http_status: 401, request_id: None }), "valid key"),
            (anyhow::Error::from(key).context("stack prod"), "right key"),
        ] {
            let sentence = of(&error);
            assert!(sentence.contains(sign), "{sentence}");
        }
    }

    #[test]
    fn a_cause_is_told_once() {
        let source = StripeError::NotFound { param: None, request_id: None };
        let error = anyhow::Error::from(SyncError::Stripe { doing: "list events".into(), source }).context("replay");
        assert_eq!(of(&error), "replay: list events: Stripe does not know the object");
    }

    #[test]
    fn sentences_are_joined_with_one_stop() {
        let error = anyhow::anyhow!("AccessDenied.").context("Start it with `cargo run -p local`.");
        let said = of(&error);
        assert!(said.starts_with("Start it with `cargo run -p local`: AccessDenied. AWS does not allow"), "{said}");
    }

    #[test]
    fn no_answer_is_another_matter_than_a_bad_one() {
        let down = anyhow::Error::from(StripeError::Unavailable { detail: "refused".into() });
        assert!(of_no_answer(&down).is_some_and(|advice| advice.contains("status.stripe.com")));
        let refused = anyhow::Error::from(StripeError::Unauthorized { http_status: 401, request_id: None });
        assert_eq!(of_no_answer(&refused), None, "what mends that is the question's to say");
        assert!(
            of_no_answer(&store("AccessDenied").context("table")).is_some_and(|advice| advice.contains("--profile"))
        );
    }

    #[test]
    fn a_usage_error_is_its_own_sentence() {
        assert_eq!(of(&crate::done::usage("Say --yes.")), "Say --yes.");
    }
}
