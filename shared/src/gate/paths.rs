//! Which paths pass the gate at all, and which need no token.
//!
//! The gate and the product behind it must read a path alike, or a caller shows the one a path that needs no token and
//! the other a path that does. So a path with a shape that servers are known to read in different ways is refused
//! ([`BadPath`]): a `.` or `..` segment (also with spaces or matrix parameters about it), an empty segment, an encoded
//! slash, a backslash, a control character, a broken UTF-8 sequence, each also when it shows only after one or more
//! percent-decodings.
//!
//! What is exempt has to be cleaner still: nothing but the letters, digits and marks that mean themselves everywhere.
//! A path that is not so clean is no error, it just needs a token.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_decode, percent_encode};

use crate::http::ApiError;

/// More layers of percent-encoding than anybody means.
const MOST_DECODINGS: usize = 3;

/// What `http::Uri` refuses within a path; the rest of a path that came encoded stays as the caller spelled it.
const NOT_IN_A_URI: &AsciiSet = &CONTROLS.add(b' ').add(b'#').add(b'<').add(b'>').add(b'?').add(b'`');

/// What may stand for itself in a path: RFC 3986's `pchar` and the slash.
const OUTSIDE_A_PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@')
    .remove(b'/');

/// How a path came to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    /// As the caller wrote it: function URLs.
    AsSent,
    /// Percent-decoded once: HTTP APIs. Seen at AWS: <https://github.com/hotsock/voker/pull/8>.
    Decoded,
}

/// The path does not mean the same to everybody. Holds why, never the path.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0}")]
pub struct BadPath(pub &'static str);

impl From<BadPath> for ApiError {
    fn from(error: BadPath) -> ApiError {
        ApiError::bad_request("BAD_PATH", error.0)
    }
}

/// A path that everybody reads alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedPath {
    encoded: String,
    decoded: String,
}

impl CheckedPath {
    pub fn parse(raw: &str, spelling: Spelling) -> Result<CheckedPath, BadPath> {
        if !raw.starts_with('/') {
            return Err(BadPath("Path must start with a slash"));
        }
        let encoded = match spelling {
            Spelling::AsSent => keep_escapes(raw),
            Spelling::Decoded => percent_encode(raw.as_bytes(), OUTSIDE_A_PATH).to_string(),
        };
        let decoded = decode_wholly(raw)?;
        Ok(CheckedPath { encoded, decoded })
    }

    /// The path as a URL holds it. One that came as it was sent is that to the letter, but for characters that no URL
    /// can hold.
    pub fn encoded(&self) -> &str {
        &self.encoded
    }
}

/// Decodes until nothing is left to decode, looking at what every layer shows.
fn decode_wholly(raw: &str) -> Result<String, BadPath> {
    let slashes = |text: &str| text.bytes().filter(|byte| *byte == b'/').count();
    let mut layer = raw.to_owned();
    for _ in 0..=MOST_DECODINGS {
        check(&layer)?;
        let next = match percent_decode(layer.as_bytes()).into() {
            Cow::Borrowed(_) => return Ok(layer),
            Cow::Owned(bytes) => String::from_utf8(bytes).map_err(|_| BadPath("Path is not UTF-8"))?,
        };
        if slashes(&next) != slashes(&layer) {
            return Err(BadPath("Path must not hold an encoded slash"));
        }
        layer = next;
    }
    Err(BadPath("Path is percent-encoded too many times"))
}

fn check(path: &str) -> Result<(), BadPath> {
    if path.chars().any(char::is_control) {
        return Err(BadPath("Path must not hold control characters"));
    }
    if path.contains('\\') {
        return Err(BadPath("Path must not hold backslashes"));
    }
    // What an HTTP API makes of bytes that are not UTF-8.
    if path.contains(char::REPLACEMENT_CHARACTER) {
        return Err(BadPath("Path is not UTF-8"));
    }
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        // Servlet containers cut matrix parameters off before they look at dots; Windows ignores spaces.
        let name = segment.split(';').next().unwrap_or_default().trim();
        let is_last = segments.peek().is_none();
        if name.is_empty() && !(is_last && segment.is_empty()) {
            return Err(BadPath("Path must not hold empty segments"));
        }
        if !name.is_empty() && name.bytes().all(|byte| byte == b'.') {
            return Err(BadPath("Path must not hold dot segments"));
        }
    }
    Ok(())
}

/// Escapes only what cannot be in a URL, a `%` that begins no escape included.
fn keep_escapes(raw: &str) -> String {
    let mut encoded = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(place) = rest.find('%') {
        encoded.extend(percent_encode(&rest.as_bytes()[..place], NOT_IN_A_URI));
        let begins_escape = rest.as_bytes()[place + 1..].iter().take(2).filter(|byte| byte.is_ascii_hexdigit()).count();
        encoded.push_str(if begins_escape == 2 { "%" } else { "%25" });
        rest = &rest[place + 1..];
    }
    encoded.extend(percent_encode(rest.as_bytes(), NOT_IN_A_URI));
    encoded
}

/// Paths that pass as they are, matched on whole segments: `/api/auth/` means `/api/auth` and all below it, not
/// `/api/authx` and not `/API/auth/`.
#[derive(Clone, Debug)]
pub struct ExemptPrefixes(Vec<String>);

impl ExemptPrefixes {
    pub fn new(prefixes: &[String]) -> ExemptPrefixes {
        ExemptPrefixes(prefixes.iter().map(|prefix| prefix.trim_end_matches('/').to_owned()).collect())
    }

    pub fn cover(&self, path: &CheckedPath) -> bool {
        means_itself_everywhere(&path.decoded) && self.0.iter().any(|prefix| is_under(prefix, &path.encoded))
    }
}

fn is_under(prefix: &str, path: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// No `;` (matrix parameters), no `?` or `#` (a server that decodes first would end the path there), nothing beyond
/// ASCII (servers that normalise Unicode know several other dots and slashes).
fn means_itself_everywhere(path: &str) -> bool {
    path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,=:@".contains(&byte))
}

#[cfg(test)]
mod tests;
