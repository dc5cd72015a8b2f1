//! The models of a predictor on one device.

use std::borrow::Cow;
use std::cell::RefCell;

use triax_engine::Scorer;

use super::member::{ClassicalMember, Member, Model, NetworkMember};
use crate::Error;
use crate::engines::OpenEngine;

/// The models of a predictor on one device.
pub(super) struct Scoring {
    pub open: OpenEngine,
    /// One for each network, as soon as it has scored.
    scorers: RefCell<Vec<Option<Box<dyn Scorer>>>>,
}

impl Scoring {
    pub fn new(open: OpenEngine, n_members: usize) -> Self {
        Self { open, scorers: RefCell::new((0..n_members).map(|_| None).collect()) }
    }

    /// Scores by member `idx`, which is `member`, of windows in the sensor's unit. They are prepared and standardised as in
    /// training.
    pub fn scores(&self, idx: usize, member: &Member, windows: &[f32]) -> Result<Vec<f32>, Error> {
        let spec = member.spec();
        let windows =
            member.preparation().apply(Cow::Borrowed(windows), spec.window, spec.channels).map_err(Error::Input)?;
        match &member.model {
            Model::Network(network) => {
                let NetworkMember { file, network, .. } = &**network;
                let mut scorers = self.scorers.borrow_mut();
                let scorer = match &mut scorers[idx] {
                    Some(open) => open,
                    empty => empty.insert(self.open.engine.scorer(network, &file.weights, file.scaler.as_ref())?),
                };
                Ok(scorer.scores(&windows)?)
            }
            Model::Classical(classical) => {
                let ClassicalMember { file, .. } = &**classical;
                file.scores(&windows).map_err(Error::Input)
            }
        }
    }
}
