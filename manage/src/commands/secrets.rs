//! `secrets set|check`: the mode's secret, field by field, from a prompt or standard input. No value is ever an argument,
//! for arguments are seen by every process, and none is ever printed.

use std::io::{IsTerminal, Read};

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand, ValueEnum};
use console::Term;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};
use shared::boot::Core;
use shared::domain::Mode;
use shared::secrets::versions::flaws;
use shared::secrets::write::Fields;

use crate::Context;
use crate::confirm::Answer;
use crate::done::{Done, usage};
use crate::printer::Printer;

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  manage secrets check --stack prod\n  \
                        manage secrets set --stack prod                       (asks for what is missing)\n  \
                        pass show stripe/key | manage secrets set --stack prod stripe_secret_key --yes\n  \
                        manage secrets set --stack prod < secret.json         (fields of a JSON object)")]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand, Debug)]
enum Action {
    /// Put fields into the mode's secret; the others stay as they are
    Set {
        /// The fields to set, one line of standard input for each; on a terminal they are asked for
        #[arg(value_enum)]
        fields: Vec<Field>,
    },
    /// Say of each field whether the functions accept it
    Check,
}

/// What can be set one by one. Signing secrets belong to an endpoint: `register-webhook` stores them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Field {
    #[value(name = "stripe_secret_key", alias = "stripe-secret-key")]
    StripeSecretKey,
    #[value(name = "stripe_publishable_key", alias = "stripe-publishable-key")]
    StripePublishableKey,
    #[value(name = "jwt_signing_keys", aliases = ["jwt-signing-keys", "jwt_signing_key", "jwt-signing-key"])]
    JwtSigningKeys,
}

const SIGNING_SECRETS: &str = "webhook_signing_secrets";
const FIELDS: [Field; 3] = [Field::StripeSecretKey, Field::StripePublishableKey, Field::JwtSigningKeys];

impl Field {
    pub fn name(self) -> &'static str {
        match self {
            Field::StripeSecretKey => "stripe_secret_key",
            Field::StripePublishableKey => "stripe_publishable_key",
            Field::JwtSigningKeys => "jwt_signing_keys",
        }
    }

    fn question(self, mode: Mode) -> String {
        match self {
            Field::StripeSecretKey => format!("Stripe's secret or restricted key (sk_{mode}_… or rk_{mode}_…): "),
            Field::StripePublishableKey => format!("Stripe's publishable key (pk_{mode}_…): "),
            Field::JwtSigningKeys => "The key your login signs access tokens with (32 bytes or more): ".to_owned(),
        }
    }
}

pub async fn run(context: &Context, arguments: Arguments) -> Result<Done> {
    match arguments.action {
        Action::Check => check(context).await,
        Action::Set { fields } => set(context, fields).await,
    }
}

async fn check(context: &Context) -> Result<Done> {
    let mode = context.target.mode;
    let fields = context.target.core.secrets.read_fields(mode).await?;
    let flaws = flaws(mode, &fields);
    for name in FIELDS.map(Field::name).into_iter().chain([SIGNING_SECRETS]) {
        let flaw = flaws.iter().find(|flaw| flaw.field.starts_with(name));
        let value = json!({ "field": name, "is_good": flaw.is_none(), "problem": flaw.map(|flaw| flaw.problem) });
        let line = match flaw {
            Some(flaw) => format!("✗ {} {}", flaw.field, flaw.problem),
            None => format!("✓ {name}"),
        };
        context.printer.answer(&value, [line]);
    }
    if !flaws.is_empty() {
        context.printer.say(&format!("Mend it with: {}", context.target.command("secrets set")));
    }
    Ok(Done::unless(!flaws.is_empty()))
}

async fn set(context: &Context, fields: Vec<Field>) -> Result<Done> {
    let (mode, core) = (context.target.mode, &context.target.core);
    let kept = core.secrets.read_fields(mode).await?;
    let given = if std::io::stdin().is_terminal() {
        let asked = if fields.is_empty() { flawed(mode, &kept) } else { fields };
        if asked.is_empty() && kept.get(SIGNING_SECRETS).is_none() {
            fill(core, mode, Map::new()).await?;
            tell(&context.printer, mode, &Map::from_iter([(SIGNING_SECRETS.to_owned(), json!([]))]));
            return Ok(Done::Everything);
        }
        if asked.is_empty() && !flaws(mode, &kept).is_empty() {
            context.printer.problem(
                "✗ webhook_signing_secrets is not typed field by field: give {\"webhook_signing_secrets\": […]} on standard \
                 input, or [] and register the webhook again.",
            );
            return Ok(Done::SomethingLeft);
        }
        if asked.is_empty() {
            context.printer.say("Nothing is missing. Name the fields that are to be replaced.");
            return Ok(Done::Everything);
        }
        prompt(mode, asked).await?
    } else {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("read standard input")?;
        read_lines(&fields, &text)?
    };
    let replaced: Vec<String> =
        given.keys().filter(|name| is_filled(&kept, name)).map(|name| format!("Replaces {name}.")).collect();
    if !replaced.is_empty() && context.consent.ask(&context.printer, mode, &replaced).await? == Answer::Leave {
        return Ok(Done::SomethingLeft);
    }
    fill(core, mode, given.clone()).await?;
    tell(&context.printer, mode, &given);
    Ok(Done::Everything)
}

fn tell(printer: &Printer, mode: Mode, given: &Map<String, Value>) {
    let names: Vec<&String> = given.keys().collect();
    let lines = names.iter().map(|name| format!("✅ {name} stored for {mode} mode"));
    printer.answer(&json!({ "mode": mode.as_str(), "stored": names }), lines);
    printer.say("Functions that run already use it within five minutes.");
}

/// Changes the fields and keeps every other; what the functions would refuse is not written. A signing key that was
/// there stays good after the new one, so that nobody who is logged in is refused.
pub async fn fill(core: &Core, mode: Mode, given: Map<String, Value>) -> Result<()> {
    core.secrets
        .edit(mode, |fields| {
            for (name, value) in given {
                let value = match (name.as_str(), value) {
                    ("jwt_signing_keys", Value::String(key)) => with_older(fields, key),
                    (_, value) => value,
                };
                fields.set(&name, value);
            }
            if fields.get(SIGNING_SECRETS).is_none() {
                fields.set(SIGNING_SECRETS, json!([]));
            }
        })
        .await?;
    Ok(())
}

fn with_older(fields: &Fields, key: String) -> Value {
    let older = fields.get("jwt_signing_keys").and_then(Value::as_array).cloned().unwrap_or_default();
    let older =
        older.into_iter().filter(|known| *known != json!(key) && known.as_str().is_some_and(|text| !text.is_empty()));
    let keys: Vec<Value> = [json!(key)].into_iter().chain(older).collect();
    json!(keys)
}

fn is_filled(fields: &Fields, name: &str) -> bool {
    fields.get(name).is_some_and(|value| !matches!(value, Value::Null) && *value != json!("") && *value != json!([]))
}

/// The fields that are missing or wrong.
fn flawed(mode: Mode, fields: &Fields) -> Vec<Field> {
    let flaws = flaws(mode, fields);
    FIELDS.into_iter().filter(|field| flaws.iter().any(|flaw| flaw.field.starts_with(field.name()))).collect()
}

async fn prompt(mode: Mode, fields: Vec<Field>) -> Result<Map<String, Value>> {
    let asking = tokio::task::spawn_blocking(move || {
        fields
            .into_iter()
            .map(|field| Ok((field.name().to_owned(), json!(ask(&field.question(mode))?.expose_secret()))))
            .collect()
    });
    asking.await?
}

/// A value that is not shown while it is typed.
pub(crate) fn ask(question: &str) -> Result<SecretString> {
    let terminal = Term::stderr();
    terminal.write_str(question)?;
    let line = terminal.read_secure_line().context("read what was typed")?;
    Ok(line.trim().to_owned().into())
}

/// One secret for a command: asked for on a terminal, else the first line of standard input.
pub(crate) async fn one_secret(question: &'static str) -> Result<SecretString> {
    let reading = tokio::task::spawn_blocking(move || {
        if std::io::stdin().is_terminal() {
            return ask(question);
        }
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).context("read standard input")?;
        match line.trim() {
            "" => Err(usage("Nothing came on standard input: the secret is read from there, or typed on a terminal.")),
            text => Ok(text.to_owned().into()),
        }
    });
    reading.await?
}

/// A line for each named field, or, with none named, a JSON object of fields.
pub fn read_lines(fields: &[Field], text: &str) -> Result<Map<String, Value>> {
    if fields.is_empty() {
        let Ok(Value::Object(given)) = serde_json::from_str(text) else {
            return Err(usage("Standard input is not a JSON object. Name a field to give one value a line."));
        };
        let is_known = |name: &str| name == SIGNING_SECRETS || FIELDS.iter().any(|field| field.name() == name);
        return match given.keys().find(|name| !is_known(name)) {
            Some(_) => Err(usage("Standard input names a field that no secret has.")),
            None if given.is_empty() => Err(usage("Standard input holds no field.")),
            None => Ok(given),
        };
    }
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if lines.len() != fields.len() {
        let (wanted, found) = (fields.len(), lines.len());
        return Err(usage(format!(
            "Standard input has {found} lines for {wanted} fields: one line is wanted for each."
        )));
    }
    Ok(fields.iter().zip(lines).map(|(field, line)| (field.name().to_owned(), json!(line))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standard_input_is_a_line_a_field_or_json() {
        let given =
            read_lines(&[Field::StripeSecretKey, Field::StripePublishableKey], "sk_test_1\n pk_test_1 \n").unwrap();
        assert_eq!(
            Value::Object(given),
            json!({"stripe_secret_key": "sk_test_1", "stripe_publishable_key": "pk_test_1"})
        );
        assert!(read_lines(&[], r#"{"jwt_signing_keys": ["a"]}"#).is_ok());
        for (fields, text) in [
            (&[Field::StripeSecretKey][..], ""),
            (&[Field::StripeSecretKey], "canary\ncanary"),
            (&[], "canary"),
            (&[], "{}"),
            (&[], r#"{"canary": 1}"#),
        ] {
            let refused = read_lines(fields, text).unwrap_err();
            assert!(refused.is::<crate::done::Usage>());
            assert!(!refused.to_string().contains("canary"));
        }
    }
}
