//! What is trained, and on what.

use std::collections::BTreeMap;

use triax_engine::{Engine, EngineError, Session, WindowSet};
use triax_model::{Network, Scaler, WeightFile, Weights};

use crate::error::FitError;
use crate::plan::FitPlan;

/// A network to train, with everything that decides how it comes out but its first weights.
#[derive(Clone, Copy)]
pub struct Job<'a> {
    /// Trains it.
    pub engine: &'a dyn Engine,
    /// The network.
    pub network: &'a Network,
    /// Windows to train on.
    pub train: &'a WindowSet,
    /// Windows to judge each epoch by; may be empty. Each counts once: they have no weights.
    pub valid: &'a WindowSet,
    /// The settings.
    pub plan: &'a FitPlan,
    /// Names of the classes; they travel with the weights, as the following do.
    pub classes: &'a [String],
    /// How the windows were standardised.
    pub scaler: Option<&'a Scaler>,
    /// Further metadata of the weight files.
    pub extra: &'a BTreeMap<String, String>,
}

impl Job<'_> {
    /// Steps of an epoch, the last of which may be smaller.
    pub fn steps_per_epoch(&self) -> usize {
        self.plan.training.n_steps(self.train.len())
    }

    /// Puts everything on the device.
    pub(crate) fn open(&self, weights: &Weights) -> Result<Box<dyn Session>, EngineError> {
        self.engine.open(self.network, weights, &self.plan.training, self.train, self.valid)
    }

    /// A weight file of this job.
    pub(crate) fn weight_file(&self, weights: Weights) -> WeightFile {
        WeightFile {
            weights,
            spec: self.network.spec().clone(),
            classes: self.classes.to_vec(),
            scaler: self.scaler.cloned(),
            extra: self.extra.clone(),
        }
    }

    /// Checks that the parts belong together, before anything is written or put on a device.
    pub(crate) fn check(&self) -> Result<(), FitError> {
        self.plan.check().map_err(FitError::Input)?;
        let spec = self.network.spec();
        if self.classes.len() != spec.classes {
            let names = self.classes.len();
            return Err(FitError::Input(format!("{names} class names for a network of {} classes", spec.classes)));
        }
        if self.train.is_empty() {
            return Err(FitError::Input("there is no window to train on".into()));
        }
        if self.valid.sample_weights.is_some() {
            return Err(FitError::Input("validation windows have no weights: each counts once".into()));
        }
        self.plan.training.check(self.network)?;
        for (set, role) in [(self.train, "training"), (self.valid, "validation")] {
            set.check(role, self.network)?;
            if let Some(value) = set.windows.iter().position(|value| !value.is_finite()) {
                let (window, value) = (value / (spec.window * spec.channels), set.windows[value]);
                return Err(FitError::Input(format!("{role} window {window} (from 0) holds {value}: repair the data")));
            }
        }
        Ok(())
    }
}
