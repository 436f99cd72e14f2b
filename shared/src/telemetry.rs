//! Log lines: JSON on stdout, one object a line, `message` exactly the sentence of the contract.
//!
//! Nothing here filters values: that nothing secret gets into a line is the rule of those who write it
//! (`skip_all`, fixed sentences, types without a readable Debug). What other crates could say too much is capped.

use std::fmt;
use std::panic::PanicHookInfo;

use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;

use crate::clock::Clock;
use crate::metrics;

/// Crates whose finer levels print payloads, headers or connection chatter. Matched by prefix.
const QUIET_TARGETS: [&str; 9] =
    ["aws_", "h2", "hyper", "lambda_http", "lambda_runtime", "rustls", "stripe", "async_stripe", "tower"];

/// Starts logging for this process and lets panics log where they happened. Only the first call counts. Metrics are of
/// `namespace`.
pub fn start(level: Level, namespace: &str) {
    let subscriber = subscriber(level, namespace, std::io::stdout);
    if tracing::subscriber::set_global_default(subscriber).is_ok() {
        std::panic::set_hook(Box::new(log_panic));
    }
}

/// TRACE is DEBUG: the Lambda runtime prints whole payloads at TRACE.
fn subscriber<W>(level: Level, namespace: &str, writer: W) -> impl Subscriber + Send + Sync + use<W>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let level = level.min(Level::DEBUG);
    let targets = Targets::new()
        .with_default(level)
        .with_targets(QUIET_TARGETS.map(|target| (target, LevelFilter::WARN.min(LevelFilter::from_level(level)))))
        // Alarms must not depend on how much an operator wants to read.
        .with_target(metrics::TARGETS, LevelFilter::from_level(level.max(Level::INFO)));
    let namespace = metrics::namespace(namespace);
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .map_event_format(|json| Lines { json, namespace })
        .with_writer(writer);
    tracing_subscriber::registry().with(targets).with(lines)
}

/// JSON lines, those with metrics with the field that CloudWatch looks for.
struct Lines<J> {
    json: J,
    namespace: String,
}

impl<J, S, N> FormatEvent<S, N> for Lines<J>
where
    J: FormatEvent<S, N>,
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let at_ms = Clock::default().wall_now().as_millisecond();
        let Some(embedded) = metrics::embedded(event.metadata().target(), &self.namespace, at_ms) else {
            return self.json.format_event(context, writer, event);
        };
        let mut line = String::new();
        self.json.format_event(context, Writer::new(&mut line), event)?;
        let fields = line.trim_end().strip_suffix('}').ok_or(fmt::Error)?;
        writeln!(writer, r#"{fields},"_aws":{embedded}}}"#)
    }
}

/// The place only: a panic's text may quote the value that caused it.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let (file, line) = panic.location().map_or(("unknown", 0), |location| (location.file(), location.line()));
    tracing::error!(file, line, "Panic");
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use serde_json::Value;
    use tracing::subscriber::DefaultGuard;

    use super::*;

    /// The log of this thread, for tests that assert what is in it.
    #[derive(Clone, Default)]
    pub(crate) struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Captured {
        pub(crate) fn start(level: Level) -> (Captured, DefaultGuard) {
            let captured = Captured::default();
            let writer = captured.clone();
            let guard = tracing::subscriber::set_default(subscriber(level, "test", move || writer.clone()));
            (captured, guard)
        }

        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }

        pub(crate) fn lines(&self) -> Vec<Value> {
            self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
        }
    }

    impl Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_is_one_json_object_with_the_sentence_and_its_fields_at_the_top() {
        let (log, _guard) = Captured::start(Level::INFO);
        let span = tracing::info_span!("request", request_id = "r-1");
        span.in_scope(|| tracing::info!(subscription = "sub_1", "Subscription created via webhook: {}", "sub_1"));
        let lines = log.lines();
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0]["message"], "Subscription created via webhook: sub_1");
        assert_eq!(lines[0]["level"], "INFO");
        assert_eq!(lines[0]["subscription"], "sub_1");
        assert_eq!(lines[0]["span"]["request_id"], "r-1");
        assert!(lines[0]["timestamp"].as_str().unwrap().ends_with('Z'));
    }

    #[test]
    fn payloads_of_other_crates_are_not_logged_at_any_level() {
        let (log, _guard) = Captured::start(Level::TRACE);
        tracing::trace!(target: "lambda_runtime", "a whole payload");
        tracing::debug!(target: "lambda_runtime::runtime", "a whole payload");
        tracing::debug!(target: "aws_smithy_runtime::client", "headers with a signature");
        tracing::info!(target: "hyper_util::client", "a connection");
        tracing::trace!("our own finest");
        assert_eq!(log.text(), "");
        tracing::debug!("our own fine");
        tracing::warn!(target: "lambda_runtime", "something went wrong");
        assert_eq!(log.lines().len(), 2);
    }

    #[test]
    fn metrics_are_written_at_every_level_with_what_cloudwatch_looks_for() {
        let (log, _guard) = Captured::start(Level::ERROR);
        tracing::warn!("not at this level");
        tracing::warn!(target: metrics::SIGNATURE, signature_failures = 1, "A webhook's signature was refused");
        let lines = log.lines();
        assert_eq!(lines.len(), 1);
        assert_eq!((&lines[0]["signature_failures"], &lines[0]["level"]), (&1.into(), &"WARN".into()));
        assert_eq!(lines[0]["_aws"]["CloudWatchMetrics"][0]["Namespace"], "test");
        assert!(lines[0]["_aws"]["Timestamp"].as_i64().unwrap() > 1_700_000_000_000);
    }

    #[test]
    fn text_from_outside_cannot_forge_a_line() {
        let (log, _guard) = Captured::start(Level::INFO);
        tracing::info!(path = "/a\n{\"level\":\"ERROR\"}", "Request answered");
        assert_eq!(log.lines().len(), 1);
    }
}
