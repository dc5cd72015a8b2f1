//! Baselines on the folds of a study.

use rayon::prelude::*;
use triax_trainer::SubjectFigures;

use crate::StudyError;
use crate::baselines::{Baseline, ClassicalModel, ClassicalPlan, Features};
use crate::evaluation::subject_figures;
use crate::grid::Study;

/// The results of one baseline in one fold.
#[derive(Debug, PartialEq)]
pub(crate) struct BaselineFold {
    pub baseline: &'static str,
    pub fold: String,
    /// Class of each validation window.
    pub predictions: Vec<u32>,
    pub subjects: Vec<SubjectFigures>,
}

/// The features of all windows of `study`.
pub(crate) fn features(study: &Study) -> Features {
    Features::new(&study.windows.values, study.window, study.channels(), study.corpus.rate_hz)
}

/// Trains every baseline in every fold. The results are in the order of the baselines, then of the folds.
pub(crate) fn train(study: &Study, features: &Features) -> Result<Vec<BaselineFold>, StudyError> {
    let labels = &study.windows.labels;
    let work: Vec<_> =
        Baseline::OF_STUDIES.iter().flat_map(|&one| study.folds.iter().map(move |fold| (one, fold))).collect();
    work.into_par_iter()
        .map(|(baseline, fold)| {
            let plan = ClassicalPlan::new(baseline);
            let model = ClassicalModel::train(&plan, features, labels, &fold.train, study.classes().len())
                .map_err(|problem| StudyError::Baseline { name: baseline.name(), fold: fold.name.clone(), problem })?;
            let predictions = model.predict(features, &fold.valid);
            let subjects = subject_figures(study, &fold.valid, &predictions);
            Ok(BaselineFold { baseline: baseline.name(), fold: fold.name.clone(), predictions, subjects })
        })
        .collect()
}
