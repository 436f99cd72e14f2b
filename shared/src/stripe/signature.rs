//! Is this webhook really from Stripe, and fresh? Stripe's scheme, checked over the raw bytes of the body.
//!
//! The header is `t=…,v1=…[,v1=…],v0=…`: each `v1` is the HMAC-SHA256 of `t`, a dot and the body under one signing
//! secret, in hex; while a secret is rolled there is one per active secret.
//! <https://docs.stripe.com/webhooks?verify=verify-manually>

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// How far the signature's time may be from ours, either way: what Stripe's own libraries allow.
pub const TOLERANCE_SECONDS: u64 = 300;

/// A header of two live secrets is under 250 bytes. The limit also bounds the signatures looked at: 60 fit.
const HEADER_MAX_BYTES: usize = 4096;

/// The length of an HMAC-SHA256.
const TAG_BYTES: usize = 32;

/// Why a body is not taken for Stripe's.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum SignatureError {
    #[error("the Stripe-Signature header is missing")]
    Missing,
    #[error("the Stripe-Signature header is not readable")]
    Malformed,
    #[error("the signature is more than {TOLERANCE_SECONDS} s from now")]
    Stale,
    /// Nothing to verify with: an operator's matter.
    #[error("no signing secret is known")]
    NoSecret,
    /// No signature is by any of the secrets; a newer secret may exist.
    #[error("no signature fits a known secret")]
    Mismatch,
}

/// Holds when any `v1` of the header is the body's signature under any of the secrets, made within
/// [`TOLERANCE_SECONDS`] of `now` (the wall clock).
///
/// `secrets` are the whole `whsec_…` texts; an empty one is never used.
pub fn verify<'a>(
    header: Option<&[u8]>,
    body: &[u8],
    secrets: impl IntoIterator<Item = &'a SecretString>,
    now: Timestamp,
) -> Result<(), SignatureError> {
    let header = SignatureHeader::parse(header.ok_or(SignatureError::Missing)?)?;
    if header.second.abs_diff(now.as_second()) > TOLERANCE_SECONDS {
        return Err(SignatureError::Stale);
    }
    let mut secrets = secrets.into_iter().filter(|secret| !secret.expose_secret().is_empty()).peekable();
    if secrets.peek().is_none() {
        return Err(SignatureError::NoSecret);
    }
    let is_signed = secrets.any(|secret| {
        let mac = mac_of(secret, header.second_text, body);
        // A clone has taken the body in already: another signature costs no second pass over it.
        header.tags.iter().any(|tag| mac.clone().verify_slice(tag).is_ok())
    });
    if is_signed { Ok(()) } else { Err(SignatureError::Mismatch) }
}

/// The header Stripe would send with the body at that second: for probes of an operator, and for tests.
pub fn sign(secret: &SecretString, unix_second: i64, body: &[u8]) -> String {
    let tag = mac_of(secret, unix_second.to_string().as_bytes(), body).finalize().into_bytes();
    format!("t={unix_second},v1={}", hex::encode(tag))
}

fn mac_of(secret: &SecretString, second_text: &[u8], body: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()).expect("HMAC takes any key length");
    mac.update(second_text);
    mac.update(b".");
    mac.update(body);
    mac
}

struct SignatureHeader<'a> {
    /// As signed: the text, not the number.
    second_text: &'a [u8],
    second: i64,
    tags: Vec<[u8; TAG_BYTES]>,
}

impl SignatureHeader<'_> {
    fn parse(header: &[u8]) -> Result<SignatureHeader<'_>, SignatureError> {
        if header.len() > HEADER_MAX_BYTES {
            return Err(SignatureError::Malformed);
        }
        let mut second_text: Option<&[u8]> = None;
        let mut tags = Vec::new();
        for part in header.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            if let Some(text) = part.strip_prefix(b"t=") {
                // Two times would leave it to chance which one was judged and which one was signed.
                if second_text.is_some_and(|earlier| earlier != text) {
                    return Err(SignatureError::Malformed);
                }
                second_text = Some(text);
            } else if let Some(signature) = part.strip_prefix(b"v1=") {
                let mut tag = [0; TAG_BYTES];
                if hex::decode_to_slice(signature, &mut tag).is_ok() {
                    tags.push(tag);
                }
            }
        }
        let second_text = second_text.ok_or(SignatureError::Malformed)?;
        let second = second_of(second_text).ok_or(SignatureError::Malformed)?;
        Ok(SignatureHeader { second_text, second, tags })
    }
}

/// Digits only: `str::parse` alone would take a sign.
fn second_of(text: &[u8]) -> Option<i64> {
    text.iter().all(u8::is_ascii_digit).then_some(())?;
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SIGNED_AT: i64 = 1_760_000_000;
    const BODY: &[u8] = br#"{"id":"evt_1","object":"event"}"#;

    fn secret(text: &str) -> SecretString {
        SecretString::from(text.to_owned())
    }

    fn seconds_later(seconds: i64) -> Timestamp {
        Timestamp::from_second(SIGNED_AT + seconds).unwrap()
    }

    fn verified(header: &str, secrets: &[&str], now: Timestamp) -> Result<(), SignatureError> {
        let secrets: Vec<_> = secrets.iter().map(|text| secret(text)).collect();
        verify(Some(header.as_bytes()), BODY, &secrets, now)
    }

    fn signed() -> String {
        sign(&secret("whsec_one"), SIGNED_AT, BODY)
    }

    fn tag_of(header: &str) -> &str {
        header.split_once("v1=").unwrap().1
    }

    #[test]
    fn the_signature_is_the_one_openssl_makes() {
        // printf '1760000000.{"id":"evt_1","object":"event"}' | openssl dgst -sha256 -hmac whsec_one
        assert_eq!(signed(), "t=1760000000,v1=c5f2aa52133bfff2ba18cdab82f33ae269880c15a78b822687b0cbf05102a08d");
    }

    #[test]
    fn a_signature_is_good_for_300_seconds_either_way() {
        for (seconds, expected) in [
            (0, Ok(())),
            (299, Ok(())),
            (300, Ok(())),
            (301, Err(SignatureError::Stale)),
            (-299, Ok(())),
            (-300, Ok(())),
            (-301, Err(SignatureError::Stale)),
        ] {
            assert_eq!(verified(&signed(), &["whsec_one"], seconds_later(seconds)), expected, "{seconds} s later");
        }
    }

    #[test]
    fn any_signature_under_any_secret_is_enough() {
        let (header, by_two) = (signed(), sign(&secret("whsec_two"), SIGNED_AT, BODY));
        let rolled = format!("{header},v1={},v0=ignored", tag_of(&by_two));
        for secrets in [&["whsec_one"][..], &["whsec_two"], &["whsec_three", "whsec_two"], &["", "whsec_one"]] {
            assert_eq!(verified(&rolled, secrets, seconds_later(0)), Ok(()), "{secrets:?}");
        }
        assert_eq!(verified(&rolled, &["whsec_three"], seconds_later(0)), Err(SignatureError::Mismatch));
    }

    #[test]
    fn an_empty_secret_is_no_secret() {
        let by_nobody = sign(&secret(""), SIGNED_AT, BODY);
        assert_eq!(verified(&by_nobody, &[""], seconds_later(0)), Err(SignatureError::NoSecret));
        assert_eq!(verified(&by_nobody, &["", "whsec_one"], seconds_later(0)), Err(SignatureError::Mismatch));
        assert_eq!(verified(&signed(), &[], seconds_later(0)), Err(SignatureError::NoSecret));
    }

    #[test]
    fn a_header_that_is_missing_or_unreadable_is_told_apart_from_a_wrong_one() {
        let secrets = [secret("whsec_one")];
        assert_eq!(verify(None, BODY, &secrets, seconds_later(0)), Err(SignatureError::Missing));
        let tag = tag_of(&signed()).to_owned();
        for header in [
            String::new(),
            "nonsense".to_owned(),
            format!("v1={tag}"),
            format!("t=,v1={tag}"),
            format!("t=+1760000000,v1={tag}"),
            format!("t=-1760000000,v1={tag}"),
            format!("t=1760000000.0,v1={tag}"),
            format!("t=١٧٦,v1={tag}"),
            format!("t=99999999999999999999,v1={tag}"),
            format!("t=1760000000,t=1760000001,v1={tag}"),
        ] {
            assert_eq!(verified(&header, &["whsec_one"], seconds_later(0)), Err(SignatureError::Malformed), "{header}");
        }
    }

    #[test]
    fn signatures_that_cannot_be_one_are_passed_over() {
        let header = signed();
        let tag = tag_of(&header);
        for bad in ["", "zz", "abc", &tag[..62], &format!("{tag}00"), "é"] {
            let alone = format!("t={SIGNED_AT},v1={bad},v0={tag}");
            assert_eq!(verified(&alone, &["whsec_one"], seconds_later(0)), Err(SignatureError::Mismatch), "{bad}");
            let beside = format!("t={SIGNED_AT},v1={bad},v1={tag}");
            assert_eq!(verified(&beside, &["whsec_one"], seconds_later(0)), Ok(()), "{bad}");
        }
    }

    #[test]
    fn a_header_past_4_kb_is_refused_however_good() {
        let padded = |length: usize| {
            let header = signed();
            format!("{header},v0={}", "0".repeat(length - header.len() - 4))
        };
        assert_eq!(verified(&padded(4096), &["whsec_one"], seconds_later(0)), Ok(()));
        assert_eq!(verified(&padded(4097), &["whsec_one"], seconds_later(0)), Err(SignatureError::Malformed));
    }

    #[test]
    fn a_verdict_takes_under_two_milliseconds_whatever_is_sent() {
        // Larger than Stripe's own events are.
        let largest = vec![b' '; 64 * 1024];
        let keys = [secret("whsec_one"), secret("whsec_two")];
        let genuine = sign(&keys[1], SIGNED_AT, &largest);
        let wrong = format!("t={SIGNED_AT},v1={}", "0".repeat(64));
        let many = format!("t={SIGNED_AT}{}", format!(",v1={}", "a".repeat(64)).repeat(58));
        let endless = format!("t={SIGNED_AT}{}", ",v1=".repeat(10_000));
        for header in [genuine, wrong, many, endless, ",".repeat(4096), String::new()] {
            // The best of some: others compute on this machine too.
            let fastest = (0..50).map(|_| {
                let start = std::time::Instant::now();
                let _ = verify(Some(header.as_bytes()), &largest, &keys, seconds_later(0));
                start.elapsed()
            });
            let fastest = fastest.min().unwrap();
            assert!(fastest.as_micros() < 2_000, "{fastest:?} for {}", &header[..header.len().min(80)]);
        }
    }

    proptest! {
        #[test]
        fn what_was_signed_verifies(body in prop::collection::vec(any::<u8>(), 0..300), key in "whsec_[a-zA-Z0-9]{10,60}") {
            let key = secret(&key);
            let header = sign(&key, SIGNED_AT, &body);
            prop_assert_eq!(verify(Some(header.as_bytes()), &body, [&key], seconds_later(0)), Ok(()));
        }

        #[test]
        fn one_flipped_bit_anywhere_does_not(
            body in prop::collection::vec(any::<u8>(), 1..300),
            at in any::<prop::sample::Index>(),
            bit in 0_u8..8,
        ) {
            let key = secret("whsec_one");
            let header = sign(&key, SIGNED_AT, &body);
            let mut flipped = body;
            let place = at.index(flipped.len());
            flipped[place] ^= 1 << bit;
            let verdict = verify(Some(header.as_bytes()), &flipped, [&key], seconds_later(0));
            prop_assert_eq!(verdict, Err(SignatureError::Mismatch));
        }

        #[test]
        fn no_header_panics(header in prop::collection::vec(any::<u8>(), 0..200)) {
            let verdict = verify(Some(&header), BODY, [&secret("whsec_one")], seconds_later(0));
            prop_assert!(verdict.is_err());
        }
    }
}
