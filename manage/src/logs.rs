//! What the library logs, on stderr: nothing below a warning unless asked with `--verbose`.

use std::io::{self, Write};

use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::printer::Printer;

/// Through the printer, so that a line does not break a progress bar.
pub(crate) fn start(is_verbose: bool, printer: Printer) {
    // The secrets' complaints are said once more by the command's own error, with what to do.
    let targets = if is_verbose {
        Targets::new().with_target("shared", Level::INFO)
    } else {
        Targets::new().with_target("shared::sync", Level::WARN)
    };
    let lines = tracing_subscriber::fmt::layer()
        .compact()
        .with_ansi(false)
        .with_target(false)
        .without_time()
        .with_writer(move || Lines { printer: printer.clone(), buffer: Vec::new() });
    // An error means that there is a subscriber already: a test's.
    let _ = tracing_subscriber::registry().with(targets).with(lines).try_init();
}

struct Lines {
    printer: Printer,
    buffer: Vec<u8>,
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        let text = String::from_utf8_lossy(&self.buffer);
        if !text.trim().is_empty() {
            self.printer.problem(text.trim_end());
        }
    }
}
