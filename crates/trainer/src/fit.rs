//! The training of a fleet in memory: models of one shape, as many at once as the device holds.

use crate::error::FitError;
use crate::job::Job;
use crate::model_result::ModelResult;
use crate::observer::{FitSize, Observer};
use crate::training::Training;

/// How a fleet ended without an error. The results are in the order of the models.
#[derive(Clone, Debug, PartialEq)]
pub enum FitOutcome {
    /// The results of all models.
    Finished(Vec<ModelResult>),
    /// The observer asked to stop. These are the results of the groups that had ended: models from the first on.
    Interrupted(Vec<ModelResult>),
}

/// Trains the models of `job`, group after group, and writes no files. The result of a model does not depend on the others.
/// On an engine that computes in f32, its weights are those of [`crate::fit_run`]: with early stopping, which a model has
/// alone, those of its best epoch.
///
/// # Errors
/// [`FitError::Input`] before anything is trained, also for several models with early stopping, and for a log of steps, which
/// only a run in a folder has; [`FitError::Engine`] if the device fails.
pub fn fit(job: &Job<'_>, observer: &mut dyn Observer) -> Result<FitOutcome, FitError> {
    job.check()?;
    job.check_each(|model| {
        if model.plan.early_stopping.is_some() && job.models.len() > 1 {
            return Err("a fleet has no early stopping: train this model alone".into());
        }
        if model.plan.log_steps {
            return Err("a fleet logs no steps: train this model alone".into());
        }
        Ok(())
    })?;
    observer.fit_started(&FitSize {
        n_models: job.models.len(),
        models_done: 0,
        epochs: job.models[0].plan.epochs,
        epochs_done: 0,
        n_steps: job.n_steps(),
        steps_done: 0,
    });
    let n_at_once = models_at_once(job);
    let (mut results, mut steps_done) = (Vec::with_capacity(job.models.len()), 0);
    for first in (0..job.models.len()).step_by(n_at_once) {
        let models = first..job.models.len().min(first + n_at_once);
        let mut training = Training::open(job, models.clone(), steps_done)?;
        if training.train(observer)?.is_break() {
            return Ok(FitOutcome::Interrupted(results));
        }
        steps_done += job.models[models].iter().map(|model| model.n_steps()).sum::<u64>();
        observer.steps_done(steps_done, None);
        results.extend(training.into_results()?);
        observer.models_ended(results.len());
    }
    Ok(FitOutcome::Finished(results))
}

/// The number of models in a group: as many as the device and the job allow, with groups of about equal size.
fn models_at_once(job: &Job<'_>) -> usize {
    let capacities = job.models.iter().map(|model| job.engine.capacity(&model.member(), job.windows));
    let n_groups = job.models.len().div_ceil(capacities.chain(job.at_once).min().unwrap_or(1).max(1));
    job.models.len().div_ceil(n_groups)
}
