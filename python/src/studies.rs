//! Studies and audits of what the command line reads.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use serde_json::{Value, json};
use triax::settings::text_of;
use triax::{
    Description, Folds, Notice, SplitAudit, StudyOptions, StudyOutcome, StudyRun, Variant, Vary, is_run, is_study,
};

use crate::errors::{notices, to_python};
use crate::settings::{entries, from_json};
use crate::watch::watched;

/// Trains the study in the folder `out`, or goes on with it, and sums it up. Returns notices; the results are in the folder.
#[pyfunction]
#[pyo3(signature = (settings, vary, folds, seeds, baselines, out, progress=None))]
#[allow(clippy::too_many_arguments, reason = "named arguments in Python")]
pub fn study(
    py: Python<'_>,
    settings: &str,
    vary: &str,
    folds: Option<&str>,
    seeds: usize,
    baselines: bool,
    out: PathBuf,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<Vec<(bool, String)>> {
    let values: BTreeMap<String, Vec<Value>> =
        serde_json::from_str(vary).map_err(|problem| PyValueError::new_err(format!("vary: {problem}")))?;
    let variants = |name: &str, values: Vec<Value>| -> Vec<Variant> {
        values.iter().map(|value| text_of(name, value).unwrap_or_default().into()).collect()
    };
    let named = values.into_iter().map(|(name, values)| {
        let variants = variants(&name, values);
        (name, variants)
    });
    let vary: Vary = named.collect();
    let folds = folds.map(parsed).transpose()?;
    let settings = entries(settings)?;
    let (seeds, baselines) = (Some(seeds), Some(baselines));
    let options = StudyOptions { folds, seeds, baselines, settings, vary, ..StudyOptions::default() };
    let description = Description::new(options).map_err(to_python)?;
    let told = watched(py, progress, |observer| {
        let study = StudyRun::new(description, &out)?;
        let corpus = &study.study.corpus;
        let mended: Vec<Notice> = corpus.repairs.notices(corpus.window.is_some()).collect();
        let told = notices(&[study.notices.as_slice(), &mended].concat());
        match study.run(observer)? {
            StudyOutcome::Finished => study.summarise().map(|_| told),
            StudyOutcome::Interrupted { .. } => Ok(told),
        }
    })?;
    Ok(told)
}

/// Audits the split, or with `folds` the folds, that a training with `settings` would use. Returns JSON.
#[pyfunction]
#[pyo3(signature = (settings, folds, gap))]
pub fn audit(py: Python<'_>, settings: &str, folds: Option<&str>, gap: bool) -> PyResult<String> {
    let (settings, folds) = (from_json(settings)?, folds.map(parsed).transpose()?);
    py.detach(|| SplitAudit::for_data(settings, folds)).map_err(to_python).and_then(|audit| told(py, audit, gap))
}

/// Audits the split of a run, or the folds of a study, in the folder `path`. Returns JSON.
#[pyfunction]
#[pyo3(signature = (path, gap))]
pub fn audit_of(py: Python<'_>, path: PathBuf, gap: bool) -> PyResult<Option<String>> {
    let audit = |path: &Path| match (is_study(path), is_run(path)) {
        (true, _) => SplitAudit::for_study(path).map(Some),
        (false, true) => SplitAudit::for_run(path).map(Some),
        (false, false) => Ok(None),
    };
    py.detach(|| audit(&path)).map_err(to_python)?.map(|audit| told(py, audit, gap)).transpose()
}

/// An audit as JSON, with the gap between random folds and folds by subject if it is to be measured.
fn told(py: Python<'_>, audit: SplitAudit, gap: bool) -> PyResult<String> {
    let mut json = audit.to_json();
    if gap {
        let gap = py.detach(|| audit.measure_gap()).map_err(PyValueError::new_err)?;
        json["gap"] = json!(gap);
    }
    Ok(json.to_string())
}

fn parsed(folds: &str) -> PyResult<Folds> {
    folds.parse().map_err(|hint| PyValueError::new_err(format!("folds: {hint}")))
}
