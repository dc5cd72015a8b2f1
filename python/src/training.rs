//! The training of one network on arrays.

use numpy::{PyReadonlyArray1, PyReadonlyArray3, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use triax::WindowArrays;
use triax::settings::ConvBlock;
use triax_engine::WindowSet;

use crate::adapt;
use crate::errors::{notices, to_python};
use crate::settings::from_json;
use crate::watch::watched;

/// A network after its training.
#[pyclass(frozen, get_all, module = "triax._triax")]
pub struct Fitted {
    /// The bytes of its weight file.
    weights: Py<PyBytes>,
    /// The figures of each epoch: a dict.
    history: Vec<Py<PyDict>>,
    /// The device that trained it.
    device: String,
    /// What was changed in the network for windows this short, as sentences.
    adapted: Vec<String>,
    /// Pairs: whether it is a warning, and its text.
    notices: Vec<(bool, String)>,
}

/// Trains a network on `values` (n, window, channels) with `labels` (n), indices into `classes`, and `weights` (n) of the
/// windows in the loss and the numbers of their `subjects` (n). `train` and `valid` are indices of windows. Calls `progress(steps, n_steps, epoch)` meanwhile.
#[pyfunction]
#[pyo3(signature = (settings, values, labels, weights, subjects, channels, classes, rate_hz, train, valid, progress=None))]
#[allow(clippy::too_many_arguments, reason = "named arguments in Python")]
pub fn fit(
    py: Python<'_>,
    settings: &str,
    values: PyReadonlyArray3<'_, f32>,
    labels: PyReadonlyArray1<'_, u32>,
    weights: Option<PyReadonlyArray1<'_, f32>>,
    subjects: Option<PyReadonlyArray1<'_, u32>>,
    channels: Vec<String>,
    classes: Vec<String>,
    rate_hz: Option<f64>,
    train: PyReadonlyArray1<'_, u32>,
    valid: PyReadonlyArray1<'_, u32>,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<Fitted> {
    let mut settings = from_json(settings)?;
    let window = values.shape()[1];
    let network_channels = settings.data.network_channels(channels.len()).map_err(to_python)?;
    let mut spec = settings.network.spec(window, network_channels, classes.len());
    let adapted = adapt::to_window(&mut spec)
        .map_err(|problem| to_python(triax::Error::from(problem).while_doing("this network cannot work")))?;
    settings.network.convs = spec.convs.into_iter().map(ConvBlock).collect();
    // The one copy of the values: while the GIL is released, Python may write to its own.
    let arrays = WindowArrays {
        windows: WindowSet {
            windows: values.as_slice()?.into(),
            labels: labels.as_slice()?.into(),
            sample_weights: weights.map(|weights| weights.as_slice().map(Into::into)).transpose()?,
        },
        window,
        channels,
        classes,
        rate_hz,
        subjects: subjects.map(|subjects| subjects.as_slice().map(<[u32]>::to_vec)).transpose()?,
        train: train.as_slice()?.to_vec(),
        valid: valid.as_slice()?.to_vec(),
    };
    let fitted = watched(py, progress, |observer| arrays.fit(&settings, observer))?;
    let fitted = fitted.expect("only what was raised stops a training, and it was raised");
    let history = fitted.history.iter().map(|record| {
        let epoch = PyDict::new(py);
        epoch.set_item("epoch", record.epoch)?;
        epoch.set_item("loss", record.loss)?;
        epoch.set_item("accuracy", record.accuracy)?;
        for (name, figure) in [
            ("val_loss", record.val_loss),
            ("val_accuracy", record.val_accuracy),
            ("val_macro_f1", record.val_macro_f1),
        ] {
            figure.map(|figure| epoch.set_item(name, figure)).transpose()?;
        }
        epoch.set_item("learning_rate", record.learning_rate)?;
        epoch.set_item("seconds", record.seconds)?;
        Ok(epoch.unbind())
    });
    Ok(Fitted {
        history: history.collect::<PyResult<_>>()?,
        weights: PyBytes::new(py, &fitted.file.to_bytes()).unbind(),
        device: fitted.device.to_string(),
        adapted,
        notices: notices(&fitted.notices),
    })
}
