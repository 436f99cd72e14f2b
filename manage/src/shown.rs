//! Secrets that were typed as arguments. An argument is in the shell's history and seen by every process of the machine, so
//! none is taken; and the usage error must not show it once more.

use std::ffi::OsString;

/// How the values that a mode's secret holds begin; publishable keys are public.
const BEGINNINGS: [&str; 5] = ["sk_live_", "sk_test_", "rk_live_", "rk_test_", "whsec_"];

pub(crate) const SENTENCE: &str = "A secret is never given as an argument: it is typed when it is asked for, or read from \
                                   standard input. What was given is in your shell's history now and can be seen by others: \
                                   exchange it (manage rotate). Nothing was done.";

/// Whether a value of a secret is among the arguments, by itself or after an option's equals sign.
pub(crate) fn is_among(arguments: &[OsString]) -> bool {
    arguments.iter().any(|argument| {
        let text = argument.to_string_lossy();
        let value = text.split_once('=').map_or(&*text, |(_, value)| value);
        BEGINNINGS.iter().any(|beginning| text.starts_with(beginning) || value.starts_with(beginning))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_known_by_its_beginning() {
        let holds = |argument: &str| is_among(&["manage".into(), argument.into()]);
        for secret in ["sk_live_1", "rk_test_1", "whsec_1", "--stripe-secret-key=sk_test_1"] {
            assert!(holds(secret), "{secret}");
        }
        for other in ["sub_1", "pk_live_1", "we_1", "stripe_secret_key", "https://example.com/?a=b", "42"] {
            assert!(!holds(other), "{other}");
        }
    }
}
