//! Log lines: JSON on stdout, one object a line, `message` exactly the sentence of the contract.
//!
//! Nothing here filters values: that nothing secret gets into a line is the rule of those who write it
//! (`skip_all`, fixed sentences, types without a readable Debug). What other crates could say too much is capped.

use std::panic::PanicHookInfo;

use tracing::level_filters::LevelFilter;
use tracing::{Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;

/// Crates whose finer levels print payloads, headers or connection chatter. Matched by prefix.
const QUIET_TARGETS: [&str; 9] =
    ["aws_", "h2", "hyper", "lambda_http", "lambda_runtime", "rustls", "stripe", "async_stripe", "tower"];

/// Starts logging for this process and lets panics log where they happened. Only the first call counts.
pub fn start(level: Level) {
    let subscriber = subscriber(level, std::io::stdout);
    if tracing::subscriber::set_global_default(subscriber).is_ok() {
        std::panic::set_hook(Box::new(log_panic));
    }
}

/// TRACE is DEBUG: the Lambda runtime prints whole payloads at TRACE.
fn subscriber<W>(level: Level, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let level = level.min(Level::DEBUG);
    let targets = Targets::new()
        .with_default(level)
        .with_targets(QUIET_TARGETS.map(|target| (target, LevelFilter::WARN.min(LevelFilter::from_level(level)))));
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_writer(writer);
    tracing_subscriber::registry().with(targets).with(lines)
}

/// The place only: a panic's text may quote the value that caused it.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let (file, line) = panic.location().map_or(("unknown", 0), |location| (location.file(), location.line()));
    tracing::error!(file, line, "Panic");
}
