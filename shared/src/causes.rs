//! An error and what caused it, as one line.

use std::error::Error;

/// The error's text and those of its causes, joined by colons. Unlike a `Debug` of an SDK's error it never holds the
/// request or the answer, which may carry personal data. A cause that its error has told already is not told again.
pub fn causes(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let text = inner.to_string();
        if !line.ends_with(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        cause = inner.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Told {
        text: &'static str,
        source: Option<Box<Told>>,
    }

    #[test]
    fn each_cause_is_told_once() {
        let inner = Told { text: "NotFound: no such table", source: None };
        let same = Told { text: "NotFound: no such table", source: Some(Box::new(inner)) };
        let outer = Told { text: "service error", source: Some(Box::new(same)) };
        assert_eq!(causes(&outer), "service error: NotFound: no such table");
    }
}
