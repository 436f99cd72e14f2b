//! An error and what caused it, as one line.

use std::error::Error;

/// The error's text and those of its causes, joined by colons. Unlike a `Debug` of an SDK's error it never holds the
/// request or the answer, which may carry personal data.
pub fn causes(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        line.push_str(": ");
        line.push_str(&inner.to_string());
        cause = inner.source();
    }
    line
}
