//! Trained networks as files of other programs, and from them.

use std::path::PathBuf;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use triax::{Export, ExportFormat, ExportOptions, ImportOptions, Metrics, PredictorOptions};
use triax_model::Scaler;

use crate::errors::{notices, to_python};
use crate::predictor::{Predictor, device_named};
use crate::settings::entries;

/// A network in another format.
#[pyclass(frozen, get_all, module = "triax._triax")]
pub struct Exported {
    /// The bytes of the file.
    content: Py<PyBytes>,
    /// What was found when the file's own arithmetic ran, and what it costs on a device where the format says that.
    figures: Py<PyDict>,
    /// Golden windows: the name of each file, and its bytes.
    golden: Vec<(&'static str, Py<PyBytes>)>,
    /// Pairs: whether it is a warning, and its text.
    notices: Vec<(bool, String)>,
}

/// The networks of `predictor` in another format. `tables` are settings that say what tables in `data` mean.
#[pyfunction]
#[pyo3(signature = (predictor, to, softmax, prefix, member, data, tables))]
#[allow(clippy::too_many_arguments, reason = "named arguments in Python")]
pub fn export(
    py: Python<'_>,
    predictor: &Predictor,
    to: &str,
    softmax: bool,
    prefix: String,
    member: Option<String>,
    data: Option<&str>,
    tables: &str,
) -> PyResult<Exported> {
    let format = to.parse::<ExportFormat>().map_err(|hint| PyValueError::new_err(format!("to: {hint}")))?;
    let (data, tables) = (data.map(str::parse).transpose()?, entries(tables)?);
    let options = ExportOptions { format, softmax, prefix, member, data, tables };
    let exported = py.detach(|| triax::export(&predictor.lock(), &options)).map_err(to_python)?;
    let golden = exported.golden.files().map(|(name, bytes)| (name, PyBytes::new(py, &bytes).unbind()));
    Ok(Exported {
        content: PyBytes::new(py, &exported.bytes).unbind(),
        figures: figures(py, &exported)?.unbind(),
        golden: golden.into(),
        notices: notices(&exported.notices),
    })
}

/// Name of every format of an export, and what it is.
#[pyfunction]
pub fn export_formats() -> Vec<(&'static str, &'static str)> {
    ExportFormat::choices().into_iter().map(|format| (format.name, format.help)).collect()
}

/// The network in a file of another program, with what was assumed.
#[pyfunction]
#[pyo3(signature = (path, classes, channels, rate, loss, mean, deviation, device))]
#[allow(clippy::too_many_arguments, reason = "named arguments in Python")]
pub fn import_network(
    py: Python<'_>,
    path: PathBuf,
    classes: Vec<String>,
    channels: Vec<String>,
    rate: Option<f64>,
    loss: Option<&str>,
    mean: Vec<f32>,
    deviation: Vec<f32>,
    device: &str,
) -> PyResult<(Predictor, Vec<(bool, String)>)> {
    let loss = loss.map(str::parse::<triax::Loss>).transpose();
    let loss = loss.map_err(|problem| PyValueError::new_err(format!("loss: {problem}")))?;
    let is_standardised = !(mean.is_empty() && deviation.is_empty());
    let scaler = is_standardised.then_some(Scaler { mean, scale: deviation });
    let options = ImportOptions { classes, channels, rate_hz: rate, loss, scaler };
    let opening = PredictorOptions { device: device_named(device)?, ..PredictorOptions::default() };
    let read = || {
        let (file, told) = triax::import(&path, &options)?;
        Ok((triax::Predictor::from_weights(file, &opening)?, told))
    };
    let (predictor, told) = py.detach(read).map_err(to_python)?;
    Ok((Predictor::new(predictor)?, notices(&told)))
}

/// What an export has found, by name; what it has not is None.
fn figures<'py>(py: Python<'py>, exported: &Export) -> PyResult<Bound<'py, PyDict>> {
    let Export { check, cost, .. } = exported;
    let before_and_after =
        |of: fn(&Metrics) -> f64| check.metrics.as_ref().map(|(before, after)| (of(before), of(after)));
    let figures = PyDict::new(py);
    figures.set_item("n_windows", check.n_windows)?;
    figures.set_item("judged", &check.judged)?;
    figures.set_item("largest_difference", check.largest_difference)?;
    figures.set_item("largest_score", check.largest_score)?;
    figures.set_item("same_class", check.same_class)?;
    figures.set_item("accuracy", before_and_after(|metrics| metrics.accuracy))?;
    figures.set_item("macro_f1", before_and_after(|metrics| metrics.macro_f1))?;
    figures.set_item("flash_bytes", cost.map(|cost| cost.flash_bytes))?;
    figures.set_item("ram_bytes", cost.map(|cost| cost.ram_bytes))?;
    figures.set_item("multiply_adds", cost.map(|cost| cost.multiply_adds))?;
    Ok(figures)
}
