//! Engines that are used again: opening one takes long, and its compiled kernels are lost with it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use triax_engine::{Engine, EngineError, Member, Scorer, Session, Timings, WindowSet};
use triax_model::{Network, Scaler, Weights};

/// A place for an engine that nobody uses at the moment. A clone is the same place.
#[derive(Clone)]
pub(crate) struct Shelf(Arc<Mutex<Option<Box<dyn Engine + Send>>>>);

/// An engine from a [`Shelf`]. It goes back there when it is dropped.
pub(crate) struct Lent {
    /// Only missing while it is dropped.
    engine: Option<Box<dyn Engine + Send>>,
    shelf: Shelf,
}

impl Shelf {
    /// A shelf with an engine.
    pub fn with(engine: Box<dyn Engine + Send>) -> Self {
        Self(Arc::new(Mutex::new(Some(engine))))
    }

    /// Its engine, if nobody has it.
    pub fn take(&self) -> Option<Lent> {
        let engine = self.lock().take()?;
        Some(self.lend(engine))
    }

    /// An engine that goes to this shelf when it is dropped.
    pub fn lend(&self, engine: Box<dyn Engine + Send>) -> Lent {
        Lent { engine: Some(engine), shelf: self.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Box<dyn Engine + Send>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lent {
    fn engine(&self) -> &(dyn Engine + Send) {
        self.engine.as_deref().expect("an engine until it is dropped")
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        *self.shelf.lock() = self.engine.take();
    }
}

impl Engine for Lent {
    fn name(&self) -> &'static str {
        self.engine().name()
    }

    fn capacity(&self, member: &Member<'_>, windows: &WindowSet) -> usize {
        self.engine().capacity(member, windows)
    }

    fn open(&self, fleet: &[Member<'_>], windows: &WindowSet) -> Result<Box<dyn Session>, EngineError> {
        self.engine().open(fleet, windows)
    }

    fn open_part(
        &self,
        fleet: &[Member<'_>],
        windows: &WindowSet,
        planned: usize,
    ) -> Result<Box<dyn Session>, EngineError> {
        self.engine().open_part(fleet, windows, planned)
    }

    fn scorer(
        &self,
        network: &Network,
        weights: &Weights,
        scaler: Option<&Scaler>,
    ) -> Result<Box<dyn Scorer>, EngineError> {
        self.engine().scorer(network, weights, scaler)
    }

    fn scores(
        &self,
        network: &Network,
        weights: &Weights,
        scaler: Option<&Scaler>,
        windows: &[f32],
    ) -> Result<Vec<f32>, EngineError> {
        self.engine().scores(network, weights, scaler, windows)
    }

    fn timings(&self) -> &Timings {
        self.engine().timings()
    }

    fn set_timings(&mut self, timings: &Timings) {
        if let Some(engine) = &mut self.engine {
            engine.set_timings(timings);
        }
    }
}

#[cfg(test)]
mod tests {
    use triax_engine::CpuEngine;

    use super::*;

    #[test]
    fn an_engine_is_lent_to_one_at_a_time_and_comes_back() {
        let shelf = Shelf::with(Box::new(CpuEngine::<f32>::new()));
        let lent = shelf.take().unwrap();
        assert_eq!(lent.name(), "fused");
        assert!(shelf.take().is_none());
        drop(lent);
        assert!(shelf.take().is_some());
    }
}
