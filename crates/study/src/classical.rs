//! The classical baselines of a study. They depend on its data alone, so they can be trained beside its networks.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread::JoinHandle;

use triax_engine::{Phase, Timings};

use crate::baselines::{self, BaselineFold};
use crate::grid::Study;
use crate::{Gap, StudyError};

/// The baselines of a study in all of its folds, and the gap that they measure.
#[derive(Debug, PartialEq)]
pub struct Classical {
    pub(crate) folds: Vec<BaselineFold>,
    /// The gap; or the reason why there is none.
    pub(crate) gap: Result<Gap, String>,
}

impl Classical {
    /// Trains the baselines of `study` on the threads of this process.
    ///
    /// # Errors
    /// A baseline that fails.
    pub fn train(study: &Study) -> Result<Self, StudyError> {
        let features = baselines::features(study);
        let folds = baselines::train(study, &features)?;
        let gap = Gap::from_baselines(study, &features, &folds);
        Ok(Self { folds, gap })
    }
}

/// Baselines that are being trained on threads of their own. If nobody waits for them, they are trained for nothing.
#[derive(Debug)]
pub struct ClassicalBeside(JoinHandle<Result<Classical, StudyError>>);

impl ClassicalBeside {
    /// Starts to train the baselines of `study` on `n_threads` threads. `timings` records how long that takes.
    pub fn start(study: Arc<Study>, n_threads: usize, timings: &Timings) -> Self {
        let timings = timings.clone();
        // Threads of their own: those of the process make the orders of windows, for which a device waits.
        Self(std::thread::spawn(move || {
            let _baselines = timings.phase(Phase::Baselines);
            match rayon::ThreadPoolBuilder::new().num_threads(n_threads).build() {
                Ok(threads) => threads.install(|| Classical::train(&study)),
                Err(_) => Classical::train(&study),
            }
        }))
    }

    /// Waits for the baselines.
    ///
    /// # Errors
    /// As [`Classical::train`].
    pub fn finish(self) -> Result<Classical, StudyError> {
        self.0.join().unwrap_or_else(|panic| resume_unwind(panic))
    }
}
