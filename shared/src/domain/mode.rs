//! Which of Stripe's two worlds a value belongs to.

use std::fmt;

/// Test or live, decided once at boot from `STRIPE_LIVE_MODE`, or by the uuid of a webhook's path.
///
/// Every key of the table starts with [`Mode::as_str`], so that IAM can fence a function to its mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    Test,
    Live,
}

impl Mode {
    pub const BOTH: [Mode; 2] = [Mode::Test, Mode::Live];

    pub const fn as_str(self) -> &'static str {
        match self {
            Mode::Test => "test",
            Mode::Live => "live",
        }
    }

    pub const fn is_live(self) -> bool {
        matches!(self, Mode::Live)
    }

    /// The mode of an object whose `livemode` is the argument.
    pub const fn from_livemode(livemode: bool) -> Mode {
        if livemode { Mode::Live } else { Mode::Test }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_has_one_word_everywhere() {
        for (mode, is_live, word) in [(Mode::Test, false, "test"), (Mode::Live, true, "live")] {
            assert_eq!((mode.as_str(), mode.to_string().as_str(), mode.is_live()), (word, word, is_live));
            assert_eq!(Mode::from_livemode(is_live), mode);
        }
    }
}
