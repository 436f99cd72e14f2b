//! Operator commands. A command is one file in [`commands`]: its arguments, `run`, which talks, and its core, which is a
//! function on the records and Stripe that a test calls without a terminal.
//!
//! - [`cli`]: names, arguments and help.
//! - [`target`]: where: the local stack, a deployed one, or what the environment names.
//! - [`printer`]: how it is said: data on stdout, talk on stderr.
//! - [`confirm`]: the question before anything that cannot be taken back.
//! - [`done`]: how a command ends, and with which exit code.
//! - [`sentence`]: what to tell a person about an error.

pub mod cli;
pub mod commands;
pub mod confirm;
pub mod done;
mod logs;
pub mod printer;
pub mod sentence;
mod shown;
pub mod target;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command, Common};
use confirm::Consent;
use done::Done;
use printer::Printer;
use target::Target;

/// What every command is lent.
pub struct Context {
    pub target: Target,
    pub printer: Printer,
    pub consent: Consent,
}

/// Parses, runs and says how it ended.
pub async fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    if shown::is_among(&arguments) {
        Printer::for_shell(&Common::default()).problem(shown::SENTENCE);
        return done::USAGE.into();
    }
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(usage) => {
            // Help goes to stdout and a mistake to stderr; a closed one is nobody's loss.
            let _ = usage.print();
            return if usage.use_stderr() { done::USAGE.into() } else { ExitCode::SUCCESS };
        }
    };
    let printer = Printer::for_shell(&cli.common);
    logs::start(cli.common.verbose, printer.clone());
    match Box::pin(dispatch(cli, printer.clone())).await {
        Ok(done) => done.into(),
        Err(error) => {
            printer.problem(&sentence::of(&error));
            done::code_of(&error)
        }
    }
}

async fn dispatch(cli: Cli, printer: Printer) -> anyhow::Result<Done> {
    let Cli { common, command } = cli;
    if let Command::Completions(_) | Command::Man = command {
        return cli::describe(&command, &printer);
    }
    let target = Target::find(&common, &printer).await?;
    if command.begins_at_the_table() {
        target.reach_table().await?;
    }
    let consent = Consent { is_yes: common.yes, is_live_named: common.live };
    let context = Context { target, printer, consent };
    command.run(&context).await
}
