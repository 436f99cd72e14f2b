//! How a command ends: 0 done, 1 something is left to do or failed, 2 it was not asked properly.

use std::fmt;
use std::process::ExitCode;

pub(crate) const LEFT: u8 = 1;
pub(crate) const USAGE: u8 = 2;

/// A command that came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    Everything,
    /// Something is left to do, or a part failed; it has been said what.
    SomethingLeft,
}

impl Done {
    pub fn unless(is_something_left: bool) -> Done {
        if is_something_left { Done::SomethingLeft } else { Done::Everything }
    }
}

impl From<Done> for ExitCode {
    fn from(done: Done) -> ExitCode {
        match done {
            Done::Everything => ExitCode::SUCCESS,
            Done::SomethingLeft => LEFT.into(),
        }
    }
}

/// The command was not asked in a way it can answer; the sentence says how to.
#[derive(Debug)]
pub struct Usage(pub String);

impl fmt::Display for Usage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// A usage error as the error of a command.
pub fn usage(sentence: impl Into<String>) -> anyhow::Error {
    Usage(sentence.into()).into()
}

pub(crate) fn code_of(error: &anyhow::Error) -> ExitCode {
    if error.is::<Usage>() { USAGE.into() } else { LEFT.into() }
}
