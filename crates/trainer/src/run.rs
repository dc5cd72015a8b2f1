//! The training of one model in a run folder, which can be resumed after an interruption.

use std::collections::BTreeMap;

use triax_engine::{EngineError, Phase};
use triax_model::{WeightFile, Weights};

use crate::checkpoint::Checkpoint;
use crate::error::{FitError, FolderError};
use crate::identity::Identity;
use crate::job::{Job, Model};
use crate::metrics::Metrics;
use crate::observer::{FitSize, Observer};
use crate::progress::Progress;
use crate::reliability::TemperatureScaling;
use crate::run_files::RunFiles;
use crate::run_folder::{Figures, RunFolder, Summary};
use crate::training::{Training, single};

/// How a run ended without an error.
#[derive(Clone, Debug, PartialEq)]
pub enum RunOutcome {
    /// No epoch is left. `best.safetensors`, `last.safetensors` and `metrics.json` are written.
    Finished {
        /// The figures, as in `metrics.json`.
        summary: Box<Summary>,
        /// The scores (n_valid, classes) of the validation windows with the weights in `last.safetensors`, if the job wants
        /// them.
        scores: Option<Vec<f32>>,
    },
    /// The observer asked to stop. The checkpoint is written, and [`resume_run`] goes on.
    Interrupted {
        /// The epoch in progress, from 1.
        epoch: usize,
        /// Steps of this epoch that are done.
        step: usize,
    },
}

/// What the files of a run say that its training does not know. A map of metadata says the same whatever the scores.
pub trait Contents {
    /// Further metadata of the weight files, from the first one on.
    fn metadata(&self) -> &BTreeMap<String, String>;

    /// What follows from the scores (n_valid, classes) of the validation windows with the weights that a file holds at the end
    /// of the run. It must depend on the scores alone, so that a run that is resumed ends with the same bytes.
    fn judged(&self, _scores: &[f32]) -> Judged {
        Judged::default()
    }

    /// Further metadata that follows from the weights that a file holds at the end of the run, and from them alone.
    ///
    /// # Errors
    /// A device that fails.
    fn learnt(&self, _weights: &Weights) -> Result<BTreeMap<String, String>, EngineError> {
        Ok(BTreeMap::new())
    }
}

/// What follows from the scores of a trained network.
#[derive(Clone, Debug, Default)]
pub struct Judged {
    /// Metadata for its weight file.
    pub metadata: BTreeMap<String, String>,
    /// For `metrics.json`.
    pub temperature_scaling: Option<TemperatureScaling>,
}

impl Contents for BTreeMap<String, String> {
    fn metadata(&self) -> &BTreeMap<String, String> {
        self
    }
}

/// Trains the one model of `job` in a new folder from [`RunFolder::create`]. Its weight files have the metadata of `contents`.
///
/// # Errors
/// See [`FitError`]. After any error, the folder holds the last finite state, from which the run can be resumed, and the
/// best weights.
pub fn fit_run(
    job: &Job<'_>,
    folder: &RunFolder,
    contents: &dyn Contents,
    observer: &mut dyn Observer,
) -> Result<RunOutcome, FitError> {
    let model = checked_model(job)?;
    let _lock = folder.lock()?;
    if folder.checkpoint_path().exists() {
        return Err(FolderError::AlreadyStarted { path: folder.path().to_owned() }.into());
    }
    let mut run = Run { folder, training: Training::open(job, 0..1, 0)? };
    let progress = Progress::new(model.plan);
    run.training.files =
        Some(RunFiles::open(job, folder, contents.metadata(), Identity::new(job, model), &progress, None)?);
    // A run that is killed within its first epoch resumes from this state. A full disk is an error already here.
    run.training.hold_state()?;
    run.check_unbroken()?;
    run.save()?;
    run.train(contents, observer)
}

/// Resumes the run in `folder` from its last checkpoint, which may be in the middle of an epoch. On the same device it ends
/// with the bits of an uninterrupted run. A finished run is evaluated again. The initial weights of `job` are not used.
///
/// # Errors
/// See [`FitError`]. A checkpoint of another job is refused with the differences (plan, network, windows).
pub fn resume_run(
    job: &Job<'_>,
    folder: &RunFolder,
    contents: &dyn Contents,
    observer: &mut dyn Observer,
) -> Result<RunOutcome, FitError> {
    let model = checked_model(job)?;
    let _lock = folder.lock()?;
    let path = folder.checkpoint_path();
    if !path.exists() {
        return Err(FolderError::NoCheckpoint { path: folder.path().to_owned() }.into());
    }
    let identity = Identity::new(job, model);
    let (network, plan) = (model.network, model.plan);
    if let Some(difference) = Checkpoint::read_identity(&path, network, plan)?.difference(&identity) {
        return Err(FitError::OtherJob { path, difference });
    }
    let checkpoint = Checkpoint::read(&path, network, plan)?;
    checkpoint.check(model).map_err(|reason| FolderError::Damaged { path, reason })?;
    let Checkpoint { progress, state, best, average, .. } = checkpoint;
    let mut training = Training::open(job, 0..1, 0)?;
    training.session.restore(&[state])?;
    training.files = Some(RunFiles::open(job, folder, contents.metadata(), identity, &progress, best)?);
    training.models[0].progress = progress;
    training.models[0].average = average;
    Run { folder, training }.train(contents, observer)
}

/// The model of `job`, if there is exactly one and it can be trained.
fn checked_model<'a>(job: &Job<'a>) -> Result<&'a Model<'a>, FitError> {
    let [model] = job.models else {
        return Err(FitError::Input(format!("a run folder takes one model, and not {}", job.models.len())));
    };
    job.check()?;
    Ok(model)
}

/// A weight file at the end of a run.
#[derive(Clone)]
struct JudgedFile {
    file: WeightFile,
    figures: Figures,
    /// The scores of the validation windows, if the job wants them.
    scores: Option<Vec<f32>>,
}

/// A run in progress.
struct Run<'a> {
    folder: &'a RunFolder,
    /// A fleet of one.
    training: Training<'a>,
}

impl Run<'_> {
    /// Trains the remaining epochs.
    fn train(mut self, contents: &dyn Contents, observer: &mut dyn Observer) -> Result<RunOutcome, FitError> {
        let Progress { epochs, steps, .. } = self.training.models[0].progress;
        let model = self.training.models[0].inputs;
        observer.fit_started(&FitSize {
            n_models: 1,
            models_done: 0,
            epochs: model.plan.epochs,
            epochs_done: epochs,
            n_steps: model.n_steps(),
            steps_done: (epochs * model.steps_per_epoch() + steps) as u64,
        });
        let trained = self.training.train(observer).and_then(|flow| {
            if flow.is_break() {
                self.training.hold_state()?;
            }
            self.check_unbroken()?;
            Ok(flow)
        });
        // The state is saved after an error, too. If saving fails as well, the first error is returned.
        let saved = self.save();
        let flow = trained?;
        saved?;
        if flow.is_break() {
            let Progress { epochs, steps, .. } = self.training.models[0].progress;
            return Ok(RunOutcome::Interrupted { epoch: epochs + 1, step: steps });
        }
        let (summary, scores) = self.finish(contents)?;
        observer.models_ended(1);
        Ok(RunOutcome::Finished { summary: Box::new(summary), scores })
    }

    /// Writes the final weights and their figures. Returns the figures, and the scores of the weights in the file of the last
    /// epoch.
    fn finish(mut self, contents: &dyn Contents) -> Result<(Summary, Option<Vec<f32>>), FitError> {
        let plan = self.training.models[0].inputs.plan;
        let mut weights = self.training.session.weights()?;
        self.training.set_averages(&mut weights)?;
        let Progress { epochs, last, best, .. } = self.training.models[0].progress;
        let best_file = self.training.files.as_ref().and_then(RunFiles::best_file);
        let (Some(best), Some(best_file)) = (best, best_file) else {
            unreachable!("a finished run has an epoch, and the first one is the best so far")
        };
        let last_file = WeightFile { weights: single(weights), ..best_file.clone() };
        let last = match plan.early_stopping {
            Some(_) => None,
            None => Some(self.judge(last_file, Figures::new(epochs, last, None), contents)?),
        };
        self.training.session.set_weights(std::slice::from_ref(&best_file.weights))?;
        let best = self.judge(best_file, Figures::new(best.epoch, best.sums, None), contents)?;
        let last = last.unwrap_or_else(|| best.clone());
        let _files = self.training.job.engine.timings().phase(Phase::Files);
        self.folder.write_best(&best.file)?;
        self.folder.write_last(&last.file)?;
        let stopped_early = epochs < plan.epochs;
        let summary = Summary { epochs, stopped_early, best: best.figures, last: last.figures };
        self.folder.write_summary(&summary)?;
        Ok((summary, last.scores))
    }

    /// Adds to a weight file, whose weights are the present ones, and to its figures what the validation windows say.
    fn judge(
        &mut self,
        mut file: WeightFile,
        mut figures: Figures,
        contents: &dyn Contents,
    ) -> Result<JudgedFile, FitError> {
        figures.validation = self.validate()?;
        let scores = self.scores()?;
        file.extra.extend(contents.learnt(&file.weights)?);
        if let Some(scores) = &scores {
            let Judged { metadata, temperature_scaling } = contents.judged(scores);
            file.extra.extend(metadata);
            figures.temperature_scaling = temperature_scaling;
        }
        Ok(JudgedFile { file, figures, scores })
    }

    /// The scores of the validation windows with the present weights, if the job wants them.
    fn scores(&mut self) -> Result<Option<Vec<f32>>, FitError> {
        let Training { job, session, .. } = &mut self.training;
        let _scoring = job.engine.timings().phase(Phase::Scoring);
        Ok(if job.wants_scores { Some(single(session.scores()?)) } else { None })
    }

    /// Figures over the validation windows, if there are any.
    fn validate(&mut self) -> Result<Option<Metrics>, FitError> {
        if self.training.models[0].inputs.valid.is_empty() {
            return Ok(None);
        }
        let evaluation = single(self.training.session.validate()?);
        if !evaluation.loss.is_finite() {
            self.training.models[0].break_down("the validation loss", None);
        }
        self.check_unbroken()?;
        Ok(Some(Metrics::from_evaluation(&evaluation, self.training.job.classes)))
    }

    /// Saves the state that is held.
    fn save(&mut self) -> Result<(), FitError> {
        self.training.files.as_mut().map_or(Ok(()), RunFiles::save)
    }

    /// Fails if the training of the model broke down.
    fn check_unbroken(&self) -> Result<(), FitError> {
        match &self.training.models[0].broken {
            Some(breakdown) => {
                Err(FitError::NotFinite { breakdown: breakdown.clone(), folder: self.folder.path().to_owned() })
            }
            None => Ok(()),
        }
    }
}
