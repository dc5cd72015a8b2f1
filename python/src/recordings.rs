//! Recordings and their windows as arrays, which look into the memory of the library.

use numpy::ndarray::{ArrayView1, ArrayView2, ArrayView3};
use numpy::{Element, PyArray1, PyArray2, PyArray3, PyUntypedArrayMethods};
use pyo3::exceptions::PyMemoryError;
use pyo3::prelude::*;
use triax::{Notice, Recordings};

use crate::errors::{notices, to_python};
use crate::settings::from_json;

/// A view of the values of a recording, and of its times.
type Views<'py> = (Bound<'py, PyArray2<f32>>, Option<Bound<'py, PyArray1<f64>>>);

/// What was read from one source.
#[pyclass(frozen, module = "triax._triax")]
pub struct Corpus {
    recordings: Recordings,
}

/// Windows that were cut from recordings.
#[pyclass(frozen, module = "triax._triax")]
pub struct Windows {
    windows: triax_data::Windows,
    shape: (usize, usize, usize),
    subjects: Vec<u32>,
    notices: Vec<Notice>,
}

/// Reads the recordings that the settings name, as the command does.
#[pyfunction]
pub fn read(py: Python<'_>, settings: &str) -> PyResult<Corpus> {
    let settings = from_json(settings)?;
    let read = || Recordings::read(&settings.data, settings.training.seed);
    py.detach(read).map(|recordings| Corpus { recordings }).map_err(to_python)
}

#[pymethods]
impl Corpus {
    #[getter]
    fn name(&self) -> &str {
        &self.recordings.corpus.name
    }

    #[getter]
    fn channels(&self) -> Vec<String> {
        self.recordings.corpus.channels.clone()
    }

    #[getter]
    fn classes(&self) -> Vec<String> {
        self.recordings.corpus.classes.clone()
    }

    #[getter]
    fn class_names(&self) -> Vec<String> {
        self.recordings.corpus.class_names.clone()
    }

    #[getter]
    fn rate_hz(&self) -> Option<f64> {
        self.recordings.corpus.rate_hz
    }

    /// Samples of a window, where the source came in windows.
    #[getter]
    fn window(&self) -> Option<usize> {
        self.recordings.corpus.window
    }

    #[getter]
    fn fingerprint(&self) -> &str {
        &self.recordings.corpus.fingerprint
    }

    #[getter]
    fn notices(&self) -> Vec<(bool, String)> {
        said_of(&self.recordings.corpus)
    }

    #[getter]
    fn n_recordings(&self) -> usize {
        self.recordings.corpus.recordings.len()
    }

    /// Subject, class, place in the source and given part of recording `idx`.
    fn facts(&self, idx: usize) -> PyResult<(&str, u32, &str, Option<&str>)> {
        let recording = self.recording(idx)?;
        let part = recording.part.map(|part| match part {
            triax_data::Part::Train => "train",
            triax_data::Part::Valid => "valid",
        });
        Ok((&recording.subject, recording.class, &recording.source, part))
    }

    /// Values (rows, channels) of recording `idx`, and the time of each row in seconds, if it is known: arrays that look into
    /// this corpus, and keep it alive.
    fn values<'py>(slf: &Bound<'py, Self>, idx: usize) -> PyResult<Views<'py>> {
        let corpus = slf.get();
        let recording = corpus.recording(idx)?;
        let n_channels = corpus.recordings.corpus.channels.len().max(1);
        let shape = (recording.values.len() / n_channels, n_channels);
        let values = ArrayView2::from_shape(shape, &recording.values).map_err(too_large)?;
        // SAFETY: the corpus is frozen, so that its values neither move nor change, and the array keeps it alive.
        let values = unsafe { PyArray2::borrow_from_array(&values, slf.clone().into_any()) };
        let times = (!recording.times.is_empty()).then(|| {
            let times = ArrayView1::from(&recording.times);
            // SAFETY: as above.
            read_only(unsafe { PyArray1::borrow_from_array(&times, slf.clone().into_any()) })
        });
        Ok((read_only(values)?, times.transpose()?))
    }

    /// Cuts all recordings into windows by the settings `window` and `step`, as the command does.
    fn cut(&self, py: Python<'_>, settings: &str) -> PyResult<Windows> {
        let data = from_json(settings)?.data;
        let corpus = &self.recordings.corpus;
        let mut told = Vec::new();
        let window = match data.window {
            Some(length) => {
                let (window, rounded) = length.samples("window", corpus.rate_hz, 0).map_err(to_python)?;
                told.extend(rounded);
                window
            }
            None => self.recordings.window,
        };
        let step = match corpus.window {
            Some(_) => window,
            None => {
                let (step, rounded) = data.step.samples("step", corpus.rate_hz, window).map_err(to_python)?;
                told.extend(rounded);
                step
            }
        };
        let windows = py.detach(|| triax_data::cut(corpus, window, step)).map_err(|error| to_python(error.into()))?;
        let subjects = windows.origins.iter().map(|origin| origin.recording).collect();
        let shape = (windows.len(), window, corpus.channels.len());
        Ok(Windows { windows, shape, subjects, notices: told })
    }
}

impl Corpus {
    fn recording(&self, idx: usize) -> PyResult<&triax::Recording> {
        let n = self.n_recordings();
        let missing = || pyo3::exceptions::PyIndexError::new_err(format!("recording {idx} (from 0) of {n}"));
        self.recordings.corpus.recordings.get(idx).ok_or_else(missing)
    }
}

#[pymethods]
impl Windows {
    /// Values (n, window, channels): an array that looks into these windows, and keeps them alive.
    fn values<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyArray3<f32>>> {
        let Self { windows, shape, .. } = slf.get();
        let values = ArrayView3::from_shape(*shape, &windows.values).map_err(too_large)?;
        // SAFETY: the windows are frozen, so that their values neither move nor change, and the array keeps them alive.
        read_only(unsafe { PyArray3::borrow_from_array(&values, slf.clone().into_any()) })
    }

    /// Class of each window.
    fn labels<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<u32>> {
        PyArray1::from_slice(py, &self.windows.labels)
    }

    /// Index of the recording that each window was cut from.
    fn recordings<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<u32>> {
        PyArray1::from_slice(py, &self.subjects)
    }

    #[getter]
    fn notices(&self) -> Vec<(bool, String)> {
        notices(&self.notices)
    }
}

/// What reading `corpus` has told: what was decided, then what was mended.
pub fn said_of(corpus: &triax::Corpus) -> Vec<(bool, String)> {
    let mended: Vec<Notice> = corpus.repairs.notices(corpus.window.is_some()).collect();
    notices(&[corpus.notices.as_slice(), &mended].concat())
}

/// `array`, which Python may not write to: it looks into memory that the library reads.
fn read_only<'py, T: Element, D: numpy::ndarray::Dimension>(
    array: Bound<'py, numpy::PyArray<T, D>>,
) -> PyResult<Bound<'py, numpy::PyArray<T, D>>> {
    debug_assert!(array.is_contiguous());
    let flags = pyo3::types::PyDict::new(array.py());
    flags.set_item("write", false)?;
    array.call_method("setflags", (), Some(&flags))?;
    Ok(array)
}

/// A shape that does not belong to its values: more values than an array can have.
fn too_large(problem: numpy::ndarray::ShapeError) -> PyErr {
    PyMemoryError::new_err(problem.to_string())
}
