//! The reference job: the network, the data and the plan of all engines and peers.
//!
//! `benches/peers/job.py` draws the same bits in numpy; [`ReferenceJob::data_sha256`] lets the two be compared.

use std::sync::Arc;

use serde::Serialize;
use sha2::{Digest, Sha256};
use triax_engine::StageTime;
use triax_engine::{Augmentation, EngineError, Member, Optimizer, TrainingPlan, WindowSet};
use triax_losses::Loss;
use triax_model::random::{Purpose, Stream};
use triax_model::text::hex;
use triax_model::{Layer, Network, NetworkSpec, Weights};

/// Windows in the training part of the data set that the job is modelled on.
pub const N_WINDOWS: usize = 7552;
/// The default number of windows per step.
pub const BATCH_SIZE: usize = 32;
/// Learning rate of every step.
pub const LEARNING_RATE: f32 = 1e-3;
/// Seed of the data, and of the first model's weights, order and dropout.
pub const SEED: u64 = 0;

/// Network and data.
pub struct ReferenceJob {
    pub network: Network,
    pub train: WindowSet,
}

/// The description of the job in a report.
#[derive(Serialize)]
pub struct Description {
    pub windows: usize,
    pub window: usize,
    pub channels: usize,
    pub classes: usize,
    pub parameters: usize,
    pub flop_a_window: u64,
    pub data_sha256: String,
}

impl ReferenceJob {
    pub fn new() -> Self {
        let network = Network::new(NetworkSpec::default()).expect("the reference network works");
        let train = data(network.spec());
        Self { network, train }
    }

    /// The network without dropout, for losses that others can compute too.
    pub fn network_without_dropout(&self) -> Network {
        Network::new(NetworkSpec { dropout: 0.0, ..self.network.spec().clone() }).expect("it works with dropout")
    }

    /// SHA-256 of windows and labels, little-endian.
    pub fn data_sha256(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(self.train.windows.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>());
        hash.update(self.train.labels.iter().flat_map(|label| label.to_le_bytes()).collect::<Vec<u8>>());
        hex(hash.finalize())
    }

    pub fn description(&self) -> Description {
        let spec = self.network.spec();
        Description {
            windows: self.train.len(),
            window: spec.window,
            channels: spec.channels,
            classes: spec.classes,
            parameters: self.network.n_parameters(),
            flop_a_window: flop_a_window(&self.network),
            data_sha256: self.data_sha256(),
        }
    }
}

/// The times of the stages of the fused engine in an epoch of the job.
pub fn stage_times(job: &ReferenceJob, batch_size: usize) -> Result<Vec<StageTime>, EngineError> {
    let models = Models::new(&job.network, batch_size, &[0]);
    triax_engine::stage_times(&models.fleet(&job.network)[0], &job.train)
}

/// The models of a fleet, each with its initial weights and its plan. They differ in their seeds, and the first is the
/// model of the job.
pub struct Models {
    pub weights: Vec<Weights>,
    pub plans: Vec<TrainingPlan>,
}

impl Models {
    /// The models of these numbers.
    pub fn new(network: &Network, batch_size: usize, numbers: &[usize]) -> Self {
        let seeds = || numbers.iter().map(|&number| SEED + number as u64);
        Self {
            weights: seeds().map(|seed| Weights::glorot_uniform(network, seed)).collect(),
            plans: seeds().map(|seed| plan(batch_size, seed)).collect(),
        }
    }

    /// The models as members of a fleet, without validation windows.
    pub fn fleet<'a>(&'a self, network: &'a Network) -> Vec<Member<'a>> {
        let models = self.weights.iter().zip(&self.plans);
        models.map(|(weights, plan)| Member { network, weights, plan, scaler: None, validation: &[] }).collect()
    }
}

/// Squared hinge and Keras's Adam.
fn plan(batch_size: usize, seed: u64) -> TrainingPlan {
    TrainingPlan {
        loss: Loss::SquaredHinge,
        optimizer: Optimizer::Adam { beta_1: 0.9, beta_2: 0.999, epsilon: 1e-7 },
        batch_size,
        clip_norm: None,
        class_weights: None,
        label_smoothing: 0.0,
        augmentation: Augmentation::default(),
        seed,
    }
}

/// Noise of unit variance with labels 0, 1, … 5, 0, 1, … The mean of one channel depends on the class, but so weakly that the
/// gradients do not vanish: some arithmetic is faster with zeros.
fn data(spec: &NetworkSpec) -> WindowSet {
    let mut stream = Stream::new(SEED, Purpose::Synthesise, 0);
    let scale = 3_f32.sqrt();
    let labels: Arc<[u32]> = (0..N_WINDOWS).map(|window_idx| (window_idx % spec.classes) as u32).collect();
    let mut windows = Vec::with_capacity(N_WINDOWS * spec.window * spec.channels);
    for &label in labels.iter() {
        let shift = if (label as usize) < spec.channels { 0.1 } else { -0.1 };
        for _ in 0..spec.window {
            for channel in 0..spec.channels {
                let noise = scale * (2.0 * stream.uniform() - 1.0);
                windows.push(if channel == label as usize % spec.channels { noise + shift } else { noise });
            }
        }
    }
    WindowSet { windows: windows.into(), labels, sample_weights: None }
}

/// Floating-point operations of forward and backward pass: each multiply-add of a layer is done again for the gradient of
/// its weights and, but for the first layer, for the gradient of its input.
pub fn flop_a_window(network: &Network) -> u64 {
    // The first layer is one that multiplies.
    let madds: Vec<u64> = network.layers().iter().map(Layer::multiply_adds).collect();
    2 * (3 * madds.iter().sum::<u64>() - madds[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_job_is_the_one_that_the_peers_draw() {
        let job = ReferenceJob::new();
        // Printed by `job.digest(*job.windows_and_labels())` in benches/peers.
        assert_eq!(job.data_sha256(), "6ce937cfb6b5759395e4f6ab8009091553b2c266b5a562cc6b026b642596f70a");
        assert_eq!(flop_a_window(&job.network), 2 * 616_752);
    }
}
