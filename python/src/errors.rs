//! Errors and notices of the library, as Python has them.

use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use triax::{Error, Notice};
use triax_engine::EngineError;

/// An error of the library: `OSError` (`FileNotFoundError`, `PermissionError`, …) where the system refused something,
/// `RuntimeError` where a device failed, else `ValueError`. The message is the library's.
pub fn to_python(error: Error) -> PyErr {
    let text = error.in_full();
    match (&error, error.io_error().and_then(std::io::Error::raw_os_error)) {
        // Python chooses the class by the number.
        (_, Some(number)) => PyOSError::new_err((number, text)),
        (Error::Device(_) | Error::Engine(EngineError::Device { .. }), None) => PyRuntimeError::new_err(text),
        (error, None) if error.io_error().is_some() => PyOSError::new_err(text),
        _ => PyValueError::new_err(text),
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
