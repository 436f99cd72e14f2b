//! Names, arguments and help. Each command's own arguments are with the command.

use anyhow::Result;
use clap::{Args, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use crate::Context;
use crate::commands::{
    check_trial_status, doctor, events, explain, fix_customer_links, go_live, import_djstripe, inspect,
    mark_trial_used, register_webhook, replay, report, rollback, rotate, secrets, sync_stripe,
};
use crate::done::Done;
use crate::printer::Printer;

pub const DEFAULT_PORT: u16 = 9000;

/// Operator commands of the Stripe subscription stack: safe to repeat, and nothing is destroyed unasked.
#[derive(Parser, Debug)]
#[command(
    name = "manage",
    version,
    arg_required_else_help = true,
    after_help = "Exit codes: 0 done, 1 something is left to do or failed, 2 not asked properly.\n\
                  Commands also answer to their old names, such as sync_stripe."
)]
pub struct Cli {
    #[command(flatten)]
    pub common: Common,

    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Args, Clone, Debug, Default)]
pub struct Common {
    /// Work on the local stack (cargo run -p local)
    #[arg(long, global = true, conflicts_with = "stack", help_heading = "Where")]
    pub local: bool,

    /// Port of the local stack's API [default: 9000]
    #[arg(long, global = true, value_name = "N", requires = "local", help_heading = "Where")]
    pub port: Option<u16>,

    /// Work on a deployed CloudFormation stack; without it the environment names table and secrets
    #[arg(long, global = true, value_name = "NAME", help_heading = "Where")]
    pub stack: Option<String>,

    /// AWS region of the stack [default: as the AWS CLI finds it]
    #[arg(long, global = true, value_name = "REGION", help_heading = "Where")]
    pub region: Option<String>,

    /// Profile of the AWS configuration to take credentials from
    #[arg(long, global = true, value_name = "NAME", help_heading = "Where")]
    pub profile: Option<String>,

    /// Work in live mode; with --yes it also permits changes there
    #[arg(long, global = true, conflicts_with = "test", help_heading = "Where")]
    pub live: bool,

    /// Work in test mode, also where the functions are in live mode
    #[arg(long, global = true, help_heading = "Where")]
    pub test: bool,

    /// Do not ask before what cannot be taken back
    #[arg(long, short, global = true, help_heading = "How")]
    pub yes: bool,

    /// Print JSON, one value a line
    #[arg(long, global = true, help_heading = "How")]
    pub json: bool,

    /// Say only what goes wrong
    #[arg(long, short, global = true, help_heading = "How")]
    pub quiet: bool,

    /// Show what the library logs
    #[arg(long, short, global = true, conflicts_with = "quiet", help_heading = "How")]
    pub verbose: bool,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Bring products, prices, customers and subscriptions from Stripe to the table
    #[command(name = "sync-stripe", alias = "sync_stripe")]
    SyncStripe(sync_stripe::Arguments),

    /// List the webhook endpoints Stripe has, or create one and store its secret
    #[command(
        name = "register-webhook",
        aliases = ["register_webhook", "register_stripe_webhook", "register-stripe-webhook"]
    )]
    RegisterWebhook(register_webhook::Arguments),

    /// How many trials there are and how they ended; or one user's
    #[command(name = "check-trial-status", alias = "check_trial_status")]
    CheckTrialStatus(check_trial_status::Arguments),

    /// Find customers without a user and link them
    #[command(name = "fix-customer-links", alias = "fix_customer_links")]
    FixCustomerLinks(fix_customer_links::Arguments),

    /// Stripe's events and what became of them, newest first
    Events(events::Arguments),

    /// Run events again by the webhook's own road
    Replay(replay::Arguments),

    /// Mark a user's one trial as used
    #[command(name = "mark-trial-used", alias = "mark_trial_used")]
    MarkTrialUsed(mark_trial_used::Arguments),

    /// Everything on record of a user, a customer or a subscription
    Inspect(inspect::Arguments),

    /// Whether everything works: each part is asked, and what mends it is said
    Doctor(doctor::Arguments),

    /// Why somebody has, or has not, access now
    Explain(explain::Arguments),

    /// From a working test mode to live: the plan, and then its steps
    #[command(name = "go-live", alias = "go_live")]
    GoLive(go_live::Arguments),

    /// Let the functions serve test mode again; nothing of live mode is touched
    Rollback(rollback::Arguments),

    /// Exchange a secret without a lost event or a refused user
    Rotate(rotate::Arguments),

    /// Trials, conversion, churn and revenue, by month and by where users came from
    Report(report::Arguments),

    /// Bring the records of a Django/dj-stripe deployment, and compare what both decide
    #[command(name = "import-djstripe", alias = "import_djstripe")]
    ImportDjstripe(import_djstripe::Arguments),

    /// Fill or check the mode's secret
    Secrets(secrets::Arguments),

    /// Print a completion script for a shell
    #[command(after_help = "Example: manage completions bash > ~/.local/share/bash-completion/completions/manage")]
    Completions(Completions),

    /// Print the man page
    #[command(after_help = "Example: manage man | man -l -")]
    Man,
}

#[derive(Args, Debug)]
pub struct Completions {
    pub shell: Shell,
}

impl Command {
    /// Not those that work where there is no table yet, or that say themselves what is wrong with it.
    pub(crate) fn begins_at_the_table(&self) -> bool {
        !matches!(self, Command::Doctor(_) | Command::Secrets(_))
    }

    pub async fn run(self, context: &Context) -> Result<Done> {
        match self {
            Command::SyncStripe(arguments) => sync_stripe::run(context, arguments).await,
            Command::RegisterWebhook(arguments) => register_webhook::run(context, arguments).await,
            Command::CheckTrialStatus(arguments) => check_trial_status::run(context, arguments).await,
            Command::FixCustomerLinks(arguments) => fix_customer_links::run(context, arguments).await,
            Command::Events(arguments) => events::run(context, arguments).await,
            Command::Replay(arguments) => replay::run(context, arguments).await,
            Command::MarkTrialUsed(arguments) => mark_trial_used::run(context, arguments).await,
            Command::Inspect(arguments) => inspect::run(context, arguments).await,
            Command::Doctor(arguments) => doctor::run(context, arguments).await,
            Command::Explain(arguments) => explain::run(context, arguments).await,
            Command::GoLive(arguments) => go_live::run(context, arguments).await,
            Command::Rollback(arguments) => rollback::run(context, arguments).await,
            Command::Rotate(arguments) => rotate::run(context, arguments).await,
            Command::Report(arguments) => report::run(context, arguments).await,
            Command::ImportDjstripe(arguments) => import_djstripe::run(context, arguments).await,
            Command::Secrets(arguments) => secrets::run(context, arguments).await,
            Command::Completions(_) | Command::Man => describe(&self, &context.printer),
        }
    }
}

/// The commands about the commands, which need no stack.
pub(crate) fn describe(command: &Command, printer: &Printer) -> Result<Done> {
    let mut bytes = Vec::new();
    let mut cli = Cli::command();
    match command {
        Command::Completions(Completions { shell }) => clap_complete::generate(*shell, &mut cli, "manage", &mut bytes),
        _ => man_pages(cli, &mut bytes)?,
    }
    printer.raw(&bytes);
    Ok(Done::Everything)
}

/// The page of `manage` and, after it, one for each command.
fn man_pages(cli: clap::Command, bytes: &mut Vec<u8>) -> std::io::Result<()> {
    clap_mangen::Man::new(cli.clone()).render(bytes)?;
    for command in cli.get_subcommands() {
        let name = format!("manage-{}", command.get_name());
        clap_mangen::Man::new(command.clone().display_name(name)).render(bytes)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_an_example() {
        for command in Cli::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains(&format!("manage {}", command.get_name())), "{} has no example", command.get_name());
        }
    }

    #[test]
    fn old_spellings_are_the_same_commands() {
        for (old, is_it) in [
            ("sync_stripe", (|command| matches!(command, Command::SyncStripe(_))) as fn(&Command) -> bool),
            ("register_stripe_webhook", |command| matches!(command, Command::RegisterWebhook(_))),
            ("register_webhook", |command| matches!(command, Command::RegisterWebhook(_))),
            ("check_trial_status", |command| matches!(command, Command::CheckTrialStatus(_))),
            ("fix_customer_links", |command| matches!(command, Command::FixCustomerLinks(_))),
        ] {
            let cli = Cli::try_parse_from(["manage", old]).unwrap();
            assert!(is_it(&cli.command), "{old}");
        }
    }
}
