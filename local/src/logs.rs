//! The last log lines of the functions, for the demo page and for tests: a tracing layer that keeps them in a ring.
//!
//! Subscribers are one per process, so the ring is too.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use serde_json::{Map, Value, json};
use shared::clock::Clock;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

/// The suite runs many stacks in one process, and each test looks for its own lines.
const KEPT: usize = 5_000;

#[derive(Default)]
struct Ring {
    count: u64,
    lines: VecDeque<Value>,
}

fn ring() -> MutexGuard<'static, Ring> {
    static RING: OnceLock<Mutex<Ring>> = OnceLock::new();
    RING.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}

/// The lines after number `after`, oldest first; each has its number as `n`.
pub fn after(after: u64) -> Vec<Value> {
    ring().lines.iter().filter(|line| line["n"].as_u64().is_some_and(|n| n > after)).cloned().collect()
}

/// Sends the process's log lines to the ring, and the important ones to stderr too. Nothing when a subscriber is
/// there already: a test that brought its own keeps it.
pub fn start(show_on_stderr: bool) {
    let ours = Targets::new().with_default(Level::INFO).with_target("dynoxide", Level::ERROR);
    let stderr = show_on_stderr.then(|| {
        tracing_subscriber::fmt::layer()
            .compact()
            .with_ansi(false)
            .with_target(false)
            .with_writer(std::io::stderr)
            .with_filter(ours.clone())
    });
    // An error means that there is one already.
    let _ = tracing_subscriber::registry().with(stderr).with(KeepInRing.with_filter(ours)).try_init();
}

struct KeepInRing;

/// The fields of a span, kept until its events need them.
struct SpanFields(Map<String, Value>);

impl<S> Layer<S> for KeepInRing
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().insert(SpanFields(fields.0));
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(SpanFields(fields)) = span.extensions_mut().get_mut()
        {
            let mut recorded = Fields::default();
            values.record(&mut recorded);
            fields.append(&mut recorded.0);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut line = Map::new();
        for span in context.event_scope(event).into_iter().flatten().collect::<Vec<_>>().into_iter().rev() {
            if let Some(SpanFields(fields)) = span.extensions().get() {
                line.extend(fields.clone());
            }
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        line.extend(fields.0);
        line.insert("level".to_owned(), json!(event.metadata().level().as_str()));
        line.insert("target".to_owned(), json!(event.metadata().target()));
        line.insert("time".to_owned(), json!(Clock::default().wall_now().to_string()));
        let mut ring = ring();
        ring.count += 1;
        line.insert("n".to_owned(), json!(ring.count));
        if ring.lines.len() == KEPT {
            ring.lines.pop_front();
        }
        ring.lines.push_back(Value::Object(line));
    }
}

#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn keep(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.keep(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.keep(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.keep(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.keep(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.keep(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.keep(field, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_its_message_its_fields_and_those_of_its_spans() {
        let subscriber = tracing_subscriber::registry().with(KeepInRing);
        tracing::subscriber::with_default(subscriber, || {
            let span = tracing::info_span!("request", function = "status", request_id = "story-of-one-line");
            span.in_scope(|| tracing::warn!(attempts = 3, "Subscription past due: {}", "sub_1"));
        });
        let lines = after(0);
        let line = lines.iter().find(|line| line["request_id"] == "story-of-one-line").unwrap();
        assert_eq!(line["message"], "Subscription past due: sub_1");
        assert_eq!(
            (&line["level"], &line["function"], &line["attempts"]),
            (&json!("WARN"), &json!("status"), &json!(3))
        );
        let number = line["n"].as_u64().unwrap();
        assert!(after(number).iter().all(|later| later["request_id"] != "story-of-one-line"));
    }
}
