//! Failures of the command: errors with their causes, wrong usage, panics, broken pipes.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

use super::terminal::{reader_left, tell};

/// Prints the error on standard error, and returns the exit code.
pub fn report(error: &anyhow::Error) -> ExitCode {
    if error.chain().any(reader_left) {
        return ExitCode::SUCCESS;
    }
    let mut text = describe(error);
    for cause in panics_so_far() {
        // An engine that turned a panic into an error of its own may have left out where it happened.
        let _ = write!(text, "\n  because: {cause}");
    }
    tell(format_args!("error: {text}"));
    if error.downcast_ref::<triax::Error>().is_some_and(triax::Error::is_usage) {
        tell("\nFor more information, try '--help'.");
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

/// Prints what is wrong with the command line, or the help that it asks for, and returns the exit code.
pub fn usage(error: &clap::Error) -> ExitCode {
    if error.use_stderr() {
        tell(error.render().to_string().trim_end());
    } else {
        // As for any other output that nobody can read.
        let _ = error.print();
    }
    u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
}

/// The panics so far, on any thread. They are not printed at once, since an engine may turn a panic into an error.
static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Collects the messages of panics instead of printing them.
pub fn collect_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let message = panic.payload_as_str().unwrap_or("no message");
        let place = panic.location().map(|at| format!(" ({}:{})", at.file(), at.line())).unwrap_or_default();
        PANICS.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{message}{place}"));
        if std::env::var_os("RUST_BACKTRACE").is_some_and(|value| value != "0") {
            tell(std::backtrace::Backtrace::force_capture());
        }
    }));
}

/// Takes the panics so far. Nobody may print while they are locked: another panic would wait for them.
fn panics_so_far() -> Vec<String> {
    std::mem::take(&mut *PANICS.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Reports a panic that ended the command.
pub fn report_panic() -> ExitCode {
    tell(format_args!("error: internal error: {}", panics_so_far().join("; ")));
    tell(format_args!(
        "  This is a defect of Triax {}, not of your data. Please report it with this message, the command line and \
         the output of `triax devices`; RUST_BACKTRACE=1 adds where it happened. A run folder keeps its last \
         checkpoint.",
        env!("CARGO_PKG_VERSION")
    ));
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_is_printed_once() {
        let quoted = anyhow::anyhow!("disk full").context("cannot write x: disk full").context("saving");
        assert_eq!(describe(&quoted), "saving\n  because: cannot write x: disk full");
    }
}
