//! Failures of the command: errors with their causes, wrong usage, panics, broken pipes.

use std::fmt::Write as _;
use std::io;
use std::process::ExitCode;
use std::sync::Mutex;

/// Prints the error on standard error, and returns the exit code.
pub fn report(error: &anyhow::Error) -> ExitCode {
    if is_broken_pipe(error) {
        // The reader has closed the pipe (`triax … | head`).
        return ExitCode::SUCCESS;
    }
    let panics = std::mem::take(&mut *PANICS.lock().unwrap_or_else(|poisoned| poisoned.into_inner()));
    let mut text = describe(error);
    for cause in panics {
        // An engine that turned a panic into an error of its own may have left out where it happened.
        let _ = write!(text, "\n  because: {cause}");
    }
    eprintln!("error: {text}");
    if error.downcast_ref::<triax::Error>().is_some_and(triax::Error::is_usage) {
        eprintln!("\nFor more information, try '--help'.");
        return ExitCode::from(2);
    }
    ExitCode::FAILURE
}

/// The error and those of its causes whose text it does not contain.
fn describe(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            let separator = if text.is_empty() { "" } else { "\n  because: " };
            let _ = write!(text, "{separator}{cause}");
        }
    }
    text
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .any(|cause| cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe))
}

/// The panics so far, on any thread. They are not printed at once, since an engine may turn a panic into an error.
static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Collects the messages of panics instead of printing them.
pub fn collect_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let message = panic.payload_as_str().unwrap_or("no message");
        let place = panic.location().map(|at| format!(" ({}:{})", at.file(), at.line())).unwrap_or_default();
        if let Ok(mut panics) = PANICS.lock() {
            panics.push(format!("{message}{place}"));
        }
        if std::env::var_os("RUST_BACKTRACE").is_some_and(|value| value != "0") {
            eprintln!("{}", std::backtrace::Backtrace::force_capture());
        }
    }));
}

/// Reports a panic that ended the command.
pub fn report_panic() -> ExitCode {
    let panics = PANICS.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    eprintln!("error: internal error: {}", panics.join("; "));
    eprintln!(
        "  This is a defect of Triax {}, not of your data. Please report it with this message, the command line and \
         the output of `triax devices`; RUST_BACKTRACE=1 adds where it happened. A run folder keeps its last \
         checkpoint.",
        env!("CARGO_PKG_VERSION")
    );
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    #[test]
    fn each_cause_is_printed_once() {
        let quoted = anyhow::anyhow!("disk full").context("cannot write x: disk full").context("saving");
        assert_eq!(describe(&quoted), "saving\n  because: cannot write x: disk full");
    }

    #[test]
    fn a_broken_pipe_is_found_below_a_context() {
        let error = Err::<(), _>(io::Error::from(io::ErrorKind::BrokenPipe)).context("printing").unwrap_err();
        assert!(is_broken_pipe(&error));
        assert!(!is_broken_pipe(&anyhow::anyhow!("other")));
    }
}
