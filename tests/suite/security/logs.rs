//! Nothing secret or personal is in a log line, a refusal or a panic.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tests::canaries::WRITTEN_DOWN;

/// The parts of the local stack: they are no functions, and never run beside a real secret.
const STAND_INS: [&str; 3] = ["dynoxide", "stripe_sandbox", "local"];

#[test]
fn no_canary_is_in_a_log_a_refusal_or_a_panic() -> Result<()> {
    let file = std::env::temp_dir().join(format!("canaries-{}", std::process::id()));
    let output = Command::new(env!("CARGO_BIN_EXE_attacked")).arg("canaries").arg(&file).output()?;
    let secrets = fs::read_to_string(&file).context("the secrets of the run")?;
    fs::remove_file(&file)?;
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "it did not end well: {complained}");

    let is_of_a_function = |line: &&str| {
        let target =
            serde_json::from_str::<Value>(line).ok().and_then(|line| line["target"].as_str().map(str::to_owned));
        !target.is_some_and(|target| STAND_INS.iter().any(|stand_in| target.split("::").next() == Some(*stand_in)))
    };
    let lines: Vec<&str> = said.lines().filter(is_of_a_function).chain(complained.lines()).collect();
    let canaries = secrets.lines().chain(WRITTEN_DOWN).filter(|canary| canary.len() >= 8);
    let found: Vec<_> = canaries
        .flat_map(|canary| lines.iter().filter(move |line| line.contains(canary)).map(move |line| (canary, *line)))
        .collect();
    assert!(found.is_empty(), "{found:#?}");

    // It was not for want of lines.
    let logged: Vec<Value> = lines.iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let functions: BTreeSet<&str> = logged.iter().filter_map(|line| line["function"].as_str()).collect();
    for function in [
        "authorizer",
        "checkout",
        "config",
        "gate",
        "health",
        "panicking",
        "portal",
        "session-status",
        "status",
        "webhook",
    ] {
        assert!(functions.contains(function), "{function} logged nothing: {functions:?}");
    }
    let has =
        |message: &str| logged.iter().any(|line| line["message"].as_str().is_some_and(|text| text.contains(message)));
    for message in
        ["Panic", "Request failed", "Reconcile finished", "signature was refused", "Payment failed", "misconfigured"]
    {
        assert!(has(message), "{message} is nowhere in the log");
    }
    let refusals = lines.iter().filter(|line| line.starts_with("REFUSAL")).count();
    assert!(refusals > 60, "only {refusals} refusals");
    Ok(())
}
