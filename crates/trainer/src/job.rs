//! The models to train, and their windows.

use triax_engine::{Engine, Member, WindowSet, check_fleet};
use triax_model::{Network, Scaler, Weights};

use crate::error::FitError;
use crate::fit_plan::FitPlan;

/// The models to train, and what they share. One model is a fleet of one.
#[derive(Clone, Copy)]
pub struct Job<'a> {
    /// Trains them.
    pub engine: &'a dyn Engine,
    /// The windows of all models, their values as the sensors gave them.
    pub windows: &'a WindowSet,
    /// Names of the classes.
    pub classes: &'a [String],
    /// The models.
    pub models: &'a [Model<'a>],
    /// The most models to train at once, if the device holds as many; if absent, as many as it holds. Small groups end
    /// sooner; a GPU trains large groups faster.
    pub at_once: Option<usize>,
    /// The models that were to be trained at once, if some of them have ended before.
    pub planned: Option<usize>,
    /// Whether the record of each epoch has validation figures. A run in a folder always has them.
    pub follows_validation: bool,
    /// Whether the results have the scores of the validation windows, with the final weights.
    pub wants_scores: bool,
}

/// One model with all its inputs. The models of a fleet must have the same number of epochs, and what [`Member`] requires.
#[derive(Clone, Copy, Debug)]
pub struct Model<'a> {
    /// The network.
    pub network: &'a Network,
    /// The weights that training starts from.
    pub weights: &'a Weights,
    /// The settings.
    pub plan: &'a FitPlan,
    /// How the engine standardises the values; not at all if absent.
    pub scaler: Option<&'a Scaler>,
    /// Indices of the windows to train on.
    pub train: &'a [u32],
    /// Indices of the windows to validate with; may be empty. Each counts once, regardless of its weight.
    pub valid: &'a [u32],
}

impl<'a> Model<'a> {
    /// The number of steps of an epoch. The last one may have a smaller batch.
    pub fn steps_per_epoch(&self) -> usize {
        self.plan.training.n_steps(self.train.len())
    }

    /// Steps of all epochs.
    pub fn n_steps(&self) -> u64 {
        (self.plan.epochs * self.steps_per_epoch()) as u64
    }

    /// The model as a member of an engine's fleet.
    pub(crate) fn member(&self) -> Member<'a> {
        let Self { network, weights, plan, scaler, valid, .. } = *self;
        Member { network, weights, plan: &plan.training, scaler, validation: valid }
    }

    /// Checks that it can be trained on `windows` together with models of `epochs` epochs.
    fn check(&self, windows: &WindowSet, epochs: usize) -> Result<(), String> {
        self.plan.check()?;
        if self.train.is_empty() {
            return Err("there is no window to train on".into());
        }
        for (role, indices) in [("training", self.train), ("validation", self.valid)] {
            if let Some(window) = indices.iter().find(|&&window| window as usize >= windows.len()) {
                let n_windows = windows.len();
                return Err(format!("window {window} (from 0) is to be one for {role}, and there are {n_windows}"));
            }
        }
        if self.plan.epochs != epochs {
            let own = self.plan.epochs;
            return Err(format!("it is to be trained for {own} epochs, and the first model for {epochs}"));
        }
        Ok(())
    }
}

impl Job<'_> {
    /// Checks that the parts belong together, before anything is written or put on a device.
    pub(crate) fn check(&self) -> Result<(), FitError> {
        let Some(first) = self.models.first() else {
            return Err(FitError::Input("a fleet has at least one model".into()));
        };
        let (n_names, n_classes) = (self.classes.len(), first.network.spec().classes);
        if n_names != n_classes {
            let problem = format!("{n_names} class names for a network of {n_classes} classes");
            return Err(FitError::Input(problem));
        }
        self.check_each(|model| model.check(self.windows, first.plan.epochs))?;
        let members: Vec<Member<'_>> = self.models.iter().map(Model::member).collect();
        Ok(check_fleet(&members, self.windows)?)
    }

    /// Checks each model. The error names the model if there are several.
    pub(crate) fn check_each(&self, check: impl Fn(&Model<'_>) -> Result<(), String>) -> Result<(), FitError> {
        for (model_idx, model) in self.models.iter().enumerate() {
            check(model).map_err(|problem| match self.models {
                [_] => FitError::Input(problem),
                _ => FitError::Input(format!("model {model_idx} of the fleet: {problem}")),
            })?;
        }
        Ok(())
    }

    /// Steps of all models in all epochs.
    pub(crate) fn n_steps(&self) -> u64 {
        self.models.iter().map(Model::n_steps).sum()
    }
}
