//! Trained networks that score arrays.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use numpy::{PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray3, PyUntypedArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use triax::{Notice, PredictorOptions, WhichWeights};
use triax_model::{WeightFile, whole_file};

use crate::errors::{notices, to_python};

/// One trained network, or several that predict together.
#[pyclass(frozen, module = "triax._triax")]
pub struct Predictor {
    /// It serves one thread at a time.
    predictor: Mutex<triax::Predictor>,
    facts: Facts,
}

/// What does not change.
struct Facts {
    shape: (usize, usize),
    classes: Vec<String>,
    class_names: Vec<String>,
    channels: Option<Vec<String>>,
    rate_hz: Option<f64>,
    step: Option<usize>,
    loss: Option<String>,
    temperature: f64,
    n_networks: usize,
    notices: Vec<Notice>,
}

impl Predictor {
    pub fn new(predictor: triax::Predictor) -> PyResult<Self> {
        let answers = predictor.answers().map_err(to_python)?;
        let spec = predictor.spec();
        let facts = Facts {
            shape: (spec.window, predictor.n_channels()),
            classes: predictor.classes().to_vec(),
            class_names: predictor.class_names.clone(),
            channels: predictor.channels.clone(),
            rate_hz: predictor.rate_hz,
            step: predictor.step,
            loss: predictor.loss().ok().map(|loss| loss.to_string()),
            temperature: answers.map_or(1.0, |answers| answers.temperature.value()),
            n_networks: predictor.members().len(),
            notices: predictor.notices.clone(),
        };
        Ok(Self { predictor: Mutex::new(predictor), facts })
    }

    /// The networks, once no other thread uses them. Not to be asked for while the GIL is held, which that thread may need.
    pub fn lock(&self) -> MutexGuard<'_, triax::Predictor> {
        self.predictor.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Predictor {
    /// A predictor of the bytes of a weight file.
    #[staticmethod]
    fn from_bytes(bytes: &[u8], device: &str) -> PyResult<Self> {
        let file = WeightFile::from_bytes(bytes, Path::new("the weights")).map_err(|error| to_python(error.into()))?;
        let options = PredictorOptions { device: device_named(device)?, ..PredictorOptions::default() };
        triax::Predictor::from_weights(file, &options).map_err(to_python).and_then(Self::new)
    }

    /// Scores (n, classes) of `windows` (n, window, channels), which are read where they lie.
    fn scores<'py>(&self, py: Python<'py>, windows: PyReadonlyArray3<'py, f32>) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let (n, window, channels) = (windows.shape()[0], windows.shape()[1], windows.shape()[2]);
        if (window, channels) != self.facts.shape {
            let (of, each) = self.facts.shape;
            return Err(PyValueError::new_err(format!(
                "windows of {window} samples in {channels} channels, where this network reads {of} samples in {each}"
            )));
        }
        let values = windows.as_slice()?;
        let score = || self.lock().scores(values);
        let scores = py.detach(score).map_err(to_python)?;
        PyArray1::from_vec(py, scores).reshape([n, self.facts.classes.len()])
    }

    /// Bytes of the weight file, if it is one network.
    fn to_bytes<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        let bytes = py.detach(|| match self.lock().members() {
            [only] => Some(only.to_bytes()),
            _ => None,
        });
        bytes.map(|bytes| PyBytes::new(py, &bytes))
    }

    #[getter]
    fn shape(&self) -> (usize, usize) {
        self.facts.shape
    }

    #[getter]
    fn classes(&self) -> Vec<String> {
        self.facts.classes.clone()
    }

    #[getter]
    fn class_names(&self) -> Vec<String> {
        self.facts.class_names.clone()
    }

    #[getter]
    fn channels(&self) -> Option<Vec<String>> {
        self.facts.channels.clone()
    }

    #[getter]
    fn rate_hz(&self) -> Option<f64> {
        self.facts.rate_hz
    }

    #[getter]
    fn step(&self) -> Option<usize> {
        self.facts.step
    }

    #[getter]
    fn loss(&self) -> Option<String> {
        self.facts.loss.clone()
    }

    /// What scores are divided by before their softmax.
    #[getter]
    fn temperature(&self) -> f64 {
        self.facts.temperature
    }

    #[getter]
    fn n_networks(&self) -> usize {
        self.facts.n_networks
    }

    #[getter]
    fn notices(&self) -> Vec<(bool, String)> {
        notices(&self.facts.notices)
    }
}

/// The networks of a run folder, of a study or of a weight file.
#[pyfunction]
#[pyo3(signature = (path, weights, setting, device))]
pub fn load(
    py: Python<'_>,
    path: PathBuf,
    weights: &str,
    setting: Option<String>,
    device: &str,
) -> PyResult<Predictor> {
    let weights = weights.parse::<WhichWeights>().map_err(|hint| PyValueError::new_err(format!("weights: {hint}")))?;
    let options = PredictorOptions { weights, setting, device: device_named(device)? };
    py.detach(|| triax::Predictor::open_with(&path, &options)).map_err(to_python).and_then(Predictor::new)
}

/// Writes `bytes` into the file `path`, whole or not at all.
#[pyfunction]
pub fn write(path: PathBuf, bytes: &[u8]) -> PyResult<()> {
    whole_file::write(&path, bytes).map_err(|source| to_python(triax::Error::io("write", &path, source)))
}

/// The device that a text names.
pub fn device_named(device: &str) -> PyResult<triax::DeviceChoice> {
    device.parse().map_err(|hint| PyValueError::new_err(format!("device: {hint}")))
}
