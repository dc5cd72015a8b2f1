//! Trains a fleet: many models of one shape, as many at once as the device holds. Nothing is written to disk; whoever
//! asks for a fleet is handed the results of each group as it ends.

mod group;

use serde::{Deserialize, Serialize};
use triax_engine::{Engine, Member, WindowSet, check_fleet};
use triax_model::{Network, Scaler, Weights};

use crate::error::{Breakdown, FitError};
use crate::job::{check_classes, check_roles};
use crate::metrics::Metrics;
use crate::plan::FitPlan;
use group::Group;

/// The models to train, and what they share.
#[derive(Clone, Copy)]
pub struct FleetJob<'a> {
    /// Trains them.
    pub engine: &'a dyn Engine,
    /// The windows of all models, their values as the sensors gave them.
    pub windows: &'a WindowSet,
    /// Names of the classes.
    pub classes: &'a [String],
    /// The models.
    pub models: &'a [FleetModel<'a>],
    /// Models to train at once; fewer where the device holds fewer, and as many as it holds where absent. The results of
    /// small groups come sooner; a GPU trains large ones faster.
    pub at_once: Option<usize>,
    /// Whether each epoch's history says how well the validation windows were classified after it.
    pub follows_validation: bool,
}

/// One model of a fleet. What the models must have in common is said at [`Member`]; here the number of epochs is added.
#[derive(Clone, Copy, Debug)]
pub struct FleetModel<'a> {
    /// The network.
    pub network: &'a Network,
    /// The weights that training starts from.
    pub weights: &'a Weights,
    /// The settings. There is no early stopping in a fleet, and no log of steps.
    pub plan: &'a FitPlan,
    /// How the values are standardised; not at all where absent.
    pub scaler: Option<&'a Scaler>,
    /// The windows to train on.
    pub train: &'a [u32],
    /// The windows to judge the trained model by; may be none. A plateau schedule looks at them after each epoch.
    pub valid: &'a [u32],
}

/// The size of a fleet, told once at its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FleetShape {
    /// All models.
    pub n_models: usize,
    /// Models trained at once; fewer in the last group.
    pub n_at_once: usize,
    /// Steps of all models in all epochs together.
    pub n_steps: u64,
}

/// Watches a fleet, from whichever thread takes its steps. `()` watches nothing.
pub trait FleetObserver: Send {
    /// Training begins.
    fn fleet_started(&mut self, _shape: &FleetShape) {}

    /// So many steps of the fleet are done; or queued on a GPU; or spared, because their model broke down.
    fn steps_done(&mut self, _steps: u64) {}

    /// The models of a group have come to their end: those that follow the ones handed over before, in their order.
    fn group_ended(&mut self, _results: Vec<FleetResult>) {}

    /// Whether the fleet should stop. Asked after every step of a single model and every few steps of many; what the
    /// group in progress has learnt is lost.
    fn interrupted(&mut self) -> bool {
        false
    }
}

impl FleetObserver for () {}

/// What became of one model.
#[derive(Clone, Debug, PartialEq)]
pub struct FleetResult {
    /// Its index in [`FleetJob::models`].
    pub model: usize,
    /// Its complete epochs, the first one first.
    pub history: Vec<FleetEpoch>,
    /// The trained model; or how its training broke down, which leaves the others as they are.
    pub end: Result<TrainedModel, Breakdown>,
}

/// A model after its last epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainedModel {
    /// Its weights.
    pub weights: Weights,
    /// Its figures over the validation windows; absent where it has none.
    pub validation: Option<Metrics>,
}

/// One epoch of one model.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FleetEpoch {
    /// As [`crate::EpochRecord::loss`].
    pub loss: f64,
    /// As [`crate::EpochRecord::accuracy`].
    pub accuracy: f64,
    /// As [`crate::EpochRecord::val_loss`], where the job follows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub val_loss: Option<f64>,
    /// As [`crate::EpochRecord::val_accuracy`], likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub val_accuracy: Option<f64>,
    /// Learning rate of the epoch's last step.
    pub learning_rate: f32,
}

/// How a fleet ended without an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FleetOutcome {
    /// The results of all models have been handed over.
    Finished,
    /// The observer asked to stop.
    Interrupted {
        /// The models whose results have been handed over: so many, from the first.
        n_models: usize,
    },
}

/// Trains the models of `job`, group after group. A model comes out as it would alone, and with the weights that
/// [`crate::fit()`] ends with on an engine that computes in f32.
///
/// # Errors
/// [`FitError::Input`] before anything is trained; [`FitError::Engine`] where the device fails. The results of the groups
/// before have been handed over then.
pub fn fit_fleet(job: &FleetJob<'_>, observer: &mut dyn FleetObserver) -> Result<FleetOutcome, FitError> {
    job.check()?;
    let n_at_once = job.models_at_once();
    let n_steps = job.models.iter().map(FleetModel::n_steps).sum();
    observer.fleet_started(&FleetShape { n_models: job.models.len(), n_at_once, n_steps });
    let mut steps_done = 0;
    for first in (0..job.models.len()).step_by(n_at_once) {
        let models = first..job.models.len().min(first + n_at_once);
        let Some(results) = Group::open(job, models.clone(), steps_done)?.train(observer)? else {
            return Ok(FleetOutcome::Interrupted { n_models: first });
        };
        observer.group_ended(results);
        steps_done += job.models[models].iter().map(FleetModel::n_steps).sum::<u64>();
    }
    Ok(FleetOutcome::Finished)
}

impl FleetJob<'_> {
    /// Models in a group: as many as may be, but all groups about as large.
    fn models_at_once(&self) -> usize {
        let capacities = self.models.iter().map(|model| self.engine.capacity(&model.member(), self.windows));
        let n_groups = self.models.len().div_ceil(capacities.chain(self.at_once).min().unwrap_or(1).max(1));
        self.models.len().div_ceil(n_groups)
    }

    /// Checks that the parts belong together, before anything is put on a device.
    fn check(&self) -> Result<(), FitError> {
        let Some(first) = self.models.first() else {
            return Err(FitError::Input("a fleet has at least one model".into()));
        };
        check_classes(self.classes, first.network).map_err(FitError::Input)?;
        for (m, model) in self.models.iter().enumerate() {
            let in_fleet = |problem| FitError::Input(format!("model {m} of the fleet: {problem}"));
            model.plan.check().map_err(in_fleet)?;
            check_roles(model.train, model.valid, self.windows).map_err(in_fleet)?;
            if model.plan.early_stopping.is_some() {
                return Err(in_fleet("a fleet has no early stopping: train this model alone".into()));
            }
            if model.plan.log_steps {
                return Err(in_fleet("a fleet logs no steps: train this model alone".into()));
            }
            if model.plan.epochs != first.plan.epochs {
                let (own, shared) = (model.plan.epochs, first.plan.epochs);
                return Err(in_fleet(format!(
                    "it is to be trained for {own} epochs, and the first model for {shared}"
                )));
            }
        }
        let members: Vec<Member<'_>> = self.models.iter().map(FleetModel::member).collect();
        Ok(check_fleet(&members, self.windows)?)
    }
}

impl<'a> FleetModel<'a> {
    /// What the engine sees of it.
    fn member(&self) -> Member<'a> {
        let Self { network, weights, plan, scaler, valid, .. } = *self;
        Member { network, weights, plan: &plan.training, scaler, validation: valid }
    }

    /// Steps of an epoch.
    fn steps_per_epoch(&self) -> usize {
        self.plan.training.n_steps(self.train.len())
    }

    /// Steps of all epochs.
    fn n_steps(&self) -> u64 {
        (self.plan.epochs * self.steps_per_epoch()) as u64
    }
}
