//! The one printer. Data goes to stdout, as lines or, with `--json`, as JSON; talk, questions and progress go to stderr.
//!
//! A bar is drawn on a terminal and never into a pipe. A reader that went away (`| head`) ends the printing, not the work.

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::cli::Common;

type Sink = Arc<Mutex<dyn Write + Send>>;

#[derive(Clone)]
pub struct Printer {
    stdout: Sink,
    stderr: Sink,
    is_json: bool,
    is_quiet: bool,
    bars: MultiProgress,
}

impl Printer {
    pub fn for_shell(common: &Common) -> Printer {
        let has_bars = io::stderr().is_terminal() && !common.quiet && !common.json;
        let bars = if has_bars { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Printer {
            stdout: Arc::new(Mutex::new(io::stdout())),
            stderr: Arc::new(Mutex::new(io::stderr())),
            is_json: common.json,
            is_quiet: common.quiet,
            bars: MultiProgress::with_draw_target(bars),
        }
    }

    /// Into memory, for tests.
    pub fn captured(is_json: bool) -> (Printer, Captured) {
        let captured = Captured::default();
        let printer = Printer {
            stdout: captured.stdout.clone(),
            stderr: captured.stderr.clone(),
            is_json,
            is_quiet: false,
            bars: MultiProgress::with_draw_target(ProgressDrawTarget::hidden()),
        };
        (printer, captured)
    }

    pub fn is_json(&self) -> bool {
        self.is_json
    }

    /// A line of data for a person; nothing with `--json`.
    pub fn line(&self, text: &str) {
        if !self.is_json {
            self.write(&self.stdout, text);
        }
    }

    /// One JSON value on one line; nothing without `--json`.
    pub fn json(&self, value: &impl Serialize) {
        if self.is_json
            && let Ok(text) = serde_json::to_string(value)
        {
            self.write(&self.stdout, &text);
        }
    }

    /// The same answer in either form.
    pub fn answer(&self, value: &impl Serialize, lines: impl IntoIterator<Item = String>) {
        self.json(value);
        for line in lines {
            self.line(&line);
        }
    }

    /// Text that is neither data of a command nor talk: a man page, a completion script.
    pub fn raw(&self, bytes: &[u8]) {
        let mut sink = self.stdout.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = sink.write_all(bytes).and_then(|()| sink.flush());
    }

    /// What is going on; not with `--quiet`.
    pub fn say(&self, text: &str) {
        if !self.is_quiet {
            self.write(&self.stderr, text);
        }
    }

    /// What went wrong, or a question.
    pub fn problem(&self, text: &str) {
        self.write(&self.stderr, text);
    }

    /// A bar that counts up to `total`, or just counts.
    pub fn progress(&self, title: &str, total: Option<u64>) -> Progress {
        let bar = self.bars.add(total.map_or_else(ProgressBar::no_length, ProgressBar::new));
        let template = match total {
            Some(_) => "{msg} [{bar:30}] {pos}/{len} {eta}",
            None => "{spinner} {msg} {pos} ({per_sec})",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_message(title.to_owned());
        if !self.bars.is_hidden() {
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        Progress { bar }
    }

    fn write(&self, sink: &Sink, text: &str) {
        self.bars.suspend(|| {
            let mut sink = sink.lock().unwrap_or_else(PoisonError::into_inner);
            // Whoever read it may have gone; the work goes on.
            let _ = writeln!(sink, "{text}").and_then(|()| sink.flush());
        });
    }
}

/// Gone from the screen when it is dropped.
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// For what nobody watches.
    pub fn hidden() -> Progress {
        Progress { bar: ProgressBar::hidden() }
    }

    pub fn step(&self, count: u64) {
        self.bar.inc(count);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// What a [`Printer`] said.
#[derive(Clone, Default)]
pub struct Captured {
    stdout: Arc<Mutex<Vec<u8>>>,
    stderr: Arc<Mutex<Vec<u8>>>,
}

impl Captured {
    pub fn stdout(&self) -> String {
        text(&self.stdout)
    }

    pub fn stderr(&self) -> String {
        text(&self.stderr)
    }
}

fn text(bytes: &Mutex<Vec<u8>>) -> String {
    String::from_utf8_lossy(&bytes.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_for_people_and_json_for_programs_and_talk_is_neither() {
        for (is_json, expected) in [(false, "a line\n"), (true, "{\"id\":\"cus_1\"}\n")] {
            let (printer, captured) = Printer::captured(is_json);
            printer.answer(&serde_json::json!({"id": "cus_1"}), ["a line".to_owned()]);
            printer.say("talk");
            assert_eq!((captured.stdout().as_str(), captured.stderr().as_str()), (expected, "talk\n"));
        }
    }

    #[test]
    fn a_reader_that_went_away_does_not_end_the_work() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (mut printer, captured) = Printer::captured(false);
        printer.stdout = Arc::new(Mutex::new(Gone));
        printer.line("nobody reads this");
        printer.say("still here");
        assert_eq!(captured.stderr(), "still here\n");
    }
}
