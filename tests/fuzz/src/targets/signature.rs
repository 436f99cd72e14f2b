//! The `Stripe-Signature` header.

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use secrecy::SecretString;
use sha2::Sha256;
use shared::stripe::signature;

const SECRET: &str = "whsec_0123456789abcdef";
pub(crate) const NOW: i64 = 1_760_000_000;

/// A header, a zero byte, a body. What is accepted must hold the body's own signature, computed another way.
pub(crate) fn header(data: &[u8]) {
    let (header, body) = data.split_at_byte(0);
    let now = Timestamp::from_second(NOW).expect("a time");
    let secret = SecretString::from(SECRET);
    if signature::verify(Some(header), body, [&secret], now).is_ok() {
        let text = String::from_utf8_lossy(header);
        let parts: Vec<&str> =
            text.split(',').map(|part| part.trim_matches(|letter: char| letter.is_ascii_whitespace())).collect();
        let second = parts.iter().find_map(|part| part.strip_prefix("t=")).expect("a time");
        let wanted = tag(second.as_bytes(), body);
        let is_signed =
            parts.iter().filter_map(|part| part.strip_prefix("v1=")).any(|given| given.eq_ignore_ascii_case(&wanted));
        assert!(is_signed, "accepted without a signature");
        let second: i64 = second.parse().expect("a whole number of seconds");
        assert!(second.abs_diff(NOW) <= signature::TOLERANCE_SECONDS, "accepted out of time");
    }
    // The genuine header of whatever body came is always good, also beside what came.
    let genuine = signature::sign(&secret, NOW, body);
    assert_eq!(signature::verify(Some(genuine.as_bytes()), body, [&secret], now), Ok(()));
    assert!(signature::verify(Some(genuine.as_bytes()), body, [&SecretString::from("whsec_another")], now).is_err());
}

fn tag(second: &[u8], body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any key");
    mac.update(second);
    mac.update(b".");
    mac.update(body);
    hex::encode(mac.finalize().into_bytes())
}

trait SplitAt {
    fn split_at_byte(&self, byte: u8) -> (&[u8], &[u8]);
}

impl SplitAt for [u8] {
    fn split_at_byte(&self, byte: u8) -> (&[u8], &[u8]) {
        match self.iter().position(|found| *found == byte) {
            Some(place) => (&self[..place], &self[place + 1..]),
            None => (self, &[]),
        }
    }
}
