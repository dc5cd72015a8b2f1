//! Errors and notices of the library, as Python has them.

use std::io;

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use triax::{Error, Notice};
use triax_engine::EngineError;

/// An error of the library: `OSError` (`FileNotFoundError`, `PermissionError`, …) where the system refused something,
/// `RuntimeError` where a device failed, else `ValueError`. The message is the library's, with settings named as in Python.
pub fn to_python(error: Error) -> PyErr {
    let text = named_as_in_python(&error.in_full());
    match (error.io_error(), &error) {
        // Python's class follows from the kind.
        (Some(source), _) => io::Error::new(source.kind(), text).into(),
        (None, Error::Device(_) | Error::Engine(EngineError::Device { .. })) => PyRuntimeError::new_err(text),
        (None, _) => PyValueError::new_err(text),
    }
}

/// Notices as pairs: whether it is a warning, and its text.
pub fn notices(notices: &[Notice]) -> Vec<(bool, String)> {
    let pair = |notice: &Notice| match notice {
        Notice::Warning(text) => (true, named_as_in_python(text)),
        Notice::Note(text) => (false, named_as_in_python(text)),
    };
    notices.iter().map(pair).collect()
}

/// `text` with the options of the command line named as arguments in Python: `` `valid_fraction` `` for `--valid-fraction`.
/// Options of a command that is quoted whole (`triax train --resume`) stay as they are.
fn named_as_in_python(text: &str) -> String {
    let text = text.replace("`triax train --help`", "`triax.SETTINGS`");
    let mut parts = text.split("--");
    let mut named = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let ends = part.find(|c: char| !c.is_ascii_lowercase() && c != '-').unwrap_or(part.len());
        let (option, rest) = part.split_at(ends);
        let begins_a_word = !named.ends_with(|c: char| c.is_alphanumeric() || c == '-');
        if option.is_empty() || option.starts_with('-') || !begins_a_word || is_in_command(&named) {
            named.push_str("--");
            named.push_str(part);
        } else {
            let quote = if named.ends_with('`') { "" } else { "`" };
            named.push_str(&format!("{quote}{}{quote}{rest}", option.replace('-', "_")));
        }
    }
    named
}

/// Whether `text` ends within a command, since the last sign that could end one.
fn is_in_command(text: &str) -> bool {
    let phrase = text.rsplit(['`', ',', ';', ':', '(']).next().unwrap_or_default();
    phrase.split_whitespace().any(|word| word == "triax")
}
