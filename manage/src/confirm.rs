//! The question before anything that cannot be taken back: the plan is shown, then a person says yes.

use std::io::{self, BufRead, IsTerminal};

use shared::domain::Mode;

use crate::done::usage;
use crate::printer::Printer;

/// What was agreed to on the command line.
#[derive(Clone, Copy, Debug, Default)]
pub struct Consent {
    /// `--yes`.
    pub is_yes: bool,
    /// `--live`: in live mode `--yes` alone is not enough.
    pub is_live_named: bool,
}

/// What came of the question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    GoAhead,
    Leave,
}

impl Consent {
    /// Shows the plan and asks, unless `--yes` has answered already.
    ///
    /// # Errors
    /// A usage error when nobody is there to be asked, or `--yes` is said in live mode without `--live`.
    pub async fn ask(self, printer: &Printer, mode: Mode, plan: &[String]) -> anyhow::Result<Answer> {
        for line in plan {
            printer.problem(line);
        }
        match self.settled(mode)? {
            Some(answer) => Ok(answer),
            None => ask_person(printer, mode).await,
        }
    }

    fn settled(self, mode: Mode) -> anyhow::Result<Option<Answer>> {
        if self.is_yes {
            return match mode.is_live() && !self.is_live_named {
                true => Err(usage("This is live mode: --yes needs --live beside it. Nothing was changed.")),
                false => Ok(Some(Answer::GoAhead)),
            };
        }
        if !io::stdin().is_terminal() {
            return Err(usage("Nobody is here to be asked. Say --yes if you mean it. Nothing was changed."));
        }
        Ok(None)
    }
}

async fn ask_person(printer: &Printer, mode: Mode) -> anyhow::Result<Answer> {
    let wanted = if mode.is_live() { "live" } else { "yes" };
    printer.problem(&format!("Go ahead in {mode} mode? Type \"{wanted}\" to do it:"));
    let line = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line).map(|_| line)
    });
    if is_agreed(&line.await??, wanted) {
        return Ok(Answer::GoAhead);
    }
    printer.problem("Nothing was changed.");
    Ok(Answer::Leave)
}

/// Live mode asks for the word itself, so that a habit of typing "y" does no harm there.
fn is_agreed(line: &str, wanted: &str) -> bool {
    let line = line.trim().to_lowercase();
    line == wanted || (wanted == "yes" && line == "y")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yes_in_live_mode_needs_live_to_be_named() {
        let yes = Consent { is_yes: true, is_live_named: false };
        assert_eq!(yes.settled(Mode::Test).unwrap(), Some(Answer::GoAhead));
        assert!(yes.settled(Mode::Live).unwrap_err().is::<crate::done::Usage>());
        let both = Consent { is_live_named: true, ..yes };
        assert_eq!(both.settled(Mode::Live).unwrap(), Some(Answer::GoAhead));
    }

    #[test]
    fn live_mode_wants_its_own_word() {
        for (line, wanted, expected) in [
            ("y\n", "yes", true),
            ("YES\n", "yes", true),
            ("\n", "yes", false),
            ("y\n", "live", false),
            ("live\n", "live", true),
        ] {
            assert_eq!(is_agreed(line, wanted), expected, "{line:?} for {wanted}");
        }
    }
}
