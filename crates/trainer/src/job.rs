//! What is trained, and on what.

use std::collections::BTreeMap;

use triax_engine::{Engine, EngineError, Member, Session, WindowSet};
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
    /// The windows, their values as the sensors gave them.
    pub windows: &'a WindowSet,
    /// Which of them to train on.
    pub train: &'a [u32],
    /// Which of them to judge each epoch by; may be none. Each counts once, whatever its weight.
    pub valid: &'a [u32],
    /// The settings.
    pub plan: &'a FitPlan,
    /// Names of the classes; they travel with the weights, as the following do.
    pub classes: &'a [String],
    /// How the values are standardised, by the engine as it takes them; not at all where absent.
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
        let member = Member {
            network: self.network,
            weights,
            plan: &self.plan.training,
            scaler: self.scaler,
            validation: self.valid,
        };
        self.engine.open(&[member], self.windows)
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
        check_classes(self.classes, self.network).map_err(FitError::Input)?;
        check_roles(self.train, self.valid, self.windows).map_err(FitError::Input)?;
        self.plan.training.check(self.network)?;
        self.windows.check(self.network)?;
        if let Some(scaler) = self.scaler {
            scaler.fits(self.network.spec().channels).map_err(FitError::Input)?;
        }
        Ok(())
    }
}

/// Whether each class of `network` has a name.
pub(crate) fn check_classes(classes: &[String], network: &Network) -> Result<(), String> {
    match (classes.len(), network.spec().classes) {
        (names, n_classes) if names != n_classes => {
            Err(format!("{names} class names for a network of {n_classes} classes"))
        }
        _ => Ok(()),
    }
}

/// Whether there is something to train on, and only windows that there are.
pub(crate) fn check_roles(train: &[u32], valid: &[u32], windows: &WindowSet) -> Result<(), String> {
    if train.is_empty() {
        return Err("there is no window to train on".into());
    }
    for (role, indices) in [("training", train), ("validation", valid)] {
        if let Some(window) = indices.iter().find(|&&window| window as usize >= windows.len()) {
            return Err(format!("window {window} (from 0) is to be one for {role}, and there are {}", windows.len()));
        }
    }
    Ok(())
}
