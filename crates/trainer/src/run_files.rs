//! The files of a run in progress.

use std::collections::BTreeMap;
use std::time::Instant;

use triax_engine::{Phase, SessionState, StepResult, Timings};
use triax_model::{WeightFile, Weights};

use crate::checkpoint::Checkpoint;
use crate::error::{FitError, FolderError};
use crate::history::{EpochRecord, JsonLines, StepRecord};
use crate::identity::Identity;
use crate::job::{Job, Model};
use crate::model_state::ModelState;
use crate::progress::Progress;
use crate::run_folder::RunFolder;

/// The files of a run in progress.
pub(crate) struct RunFiles<'a> {
    folder: &'a RunFolder,
    model: &'a Model<'a>,
    classes: &'a [String],
    /// Further metadata of the weight files.
    metadata: &'a BTreeMap<String, String>,
    identity: Identity,
    history: JsonLines,
    steps: Option<JsonLines>,
    /// Weights of the best epoch.
    best: Option<Weights>,
    /// The epoch whose weights are in `best.safetensors`, as far as this process knows.
    best_on_disk: Option<usize>,
    /// The state to save next, if it is not saved yet.
    unsaved: Option<Checkpoint>,
    /// When the checkpoint on the disk was written.
    saved: Instant,
    timings: &'a Timings,
}

impl<'a> RunFiles<'a> {
    /// Opens the files of the run of `job` at `progress`.
    pub(crate) fn open(
        job: &'a Job<'a>,
        folder: &'a RunFolder,
        metadata: &'a BTreeMap<String, String>,
        identity: Identity,
        progress: &Progress,
        best: Option<Weights>,
    ) -> Result<Self, FolderError> {
        let model = &job.models[0];
        let history = JsonLines::open(&folder.history_path(), progress.history_bytes)?;
        let steps = model.plan.log_steps.then(|| JsonLines::open(&folder.steps_path(), progress.steps_bytes));
        Ok(Self {
            folder,
            model,
            classes: job.classes,
            metadata,
            identity,
            history,
            steps: steps.transpose()?,
            best,
            best_on_disk: progress.best.map(|best| best.epoch),
            unsaved: None,
            saved: Instant::now(),
            timings: job.engine.timings(),
        })
    }

    /// Logs the steps that follow the first `n_before` of the run, if the plan asks for it.
    pub(crate) fn append_steps(&mut self, n_before: u64, results: &[StepResult]) -> Result<(), FolderError> {
        let Some(steps) = &mut self.steps else { return Ok(()) };
        let _files = self.timings.phase(Phase::Files);
        steps.append((n_before + 1..).zip(results).map(|(step, result)| StepRecord { step, loss: result.loss }))
    }

    /// Records an epoch that ended with `state`, and saves the state if enough time has passed since the last time.
    pub(crate) fn end_epoch(
        &mut self,
        record: &EpochRecord,
        model: &ModelState<'_>,
        state: SessionState,
    ) -> Result<(), FitError> {
        let _files = self.timings.phase(Phase::Files);
        if model.progress.best.is_some_and(|best| best.epoch == record.epoch) {
            self.best = Some(state.weights.clone());
        }
        self.history.append([record])?;
        self.hold(model, state);
        if self.saved.elapsed() >= self.folder.save_every {
            self.save()?;
        }
        Ok(())
    }

    /// Holds `state` and the progress of `model` as the ones to save next.
    pub(crate) fn hold(&mut self, model: &ModelState<'_>, state: SessionState) {
        let progress = Progress {
            history_bytes: self.history.bytes(),
            steps_bytes: self.steps.as_ref().map_or(0, JsonLines::bytes),
            ..model.progress.clone()
        };
        self.unsaved = Some(Checkpoint {
            identity: self.identity.clone(),
            progress,
            state,
            best: self.best.clone(),
            average: model.average.clone(),
        });
    }

    /// Saves the state that is held. The checkpoint is written last, since it refers to the other files. If the run is
    /// killed, what it has written after the checkpoint is cut off or written again when it resumes.
    pub(crate) fn save(&mut self) -> Result<(), FitError> {
        let Some(checkpoint) = self.unsaved.take() else { return Ok(()) };
        let _files = self.timings.phase(Phase::Files);
        self.history.sync()?;
        self.steps.as_ref().map_or(Ok(()), JsonLines::sync)?;
        let best = checkpoint.progress.best.map(|best| best.epoch);
        if let Some(weights) = checkpoint.best.clone().filter(|_| best != self.best_on_disk) {
            self.folder.write_best(&self.weight_file(weights))?;
            self.best_on_disk = best;
        }
        checkpoint.write(&self.folder.checkpoint_path(), &self.model.plan.training.optimizer)?;
        self.saved = Instant::now();
        Ok(())
    }

    /// The weight file of the best epoch.
    pub(crate) fn best_file(&self) -> Option<WeightFile> {
        self.best.clone().map(|best| self.weight_file(best))
    }

    /// A weight file of the run.
    fn weight_file(&self, weights: Weights) -> WeightFile {
        WeightFile {
            weights,
            spec: self.model.network.spec().clone(),
            classes: self.classes.to_vec(),
            scaler: self.model.scaler.cloned(),
            extra: self.metadata.clone(),
        }
    }
}
