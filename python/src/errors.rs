//! Errors and notices of the library, as Python has them.

use std::io;

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use triax::{Error, Notice};
use triax_engine::EngineError;

/// An error of the library: `OSError` (`FileNotFoundError`, `PermissionError`, …) where the system refused something,
/// `RuntimeError` where a device failed, else `ValueError`. The message is the library's.
pub fn to_python(error: Error) -> PyErr {
    let text = error.in_full();
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
        Notice::Warning(text) => (true, text.clone()),
        Notice::Note(text) => (false, text.clone()),
    };
    notices.iter().map(pair).collect()
}
