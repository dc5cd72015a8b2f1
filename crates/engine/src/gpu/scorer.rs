//! Scores of windows by a trained network, call after call.

use crate::device::wgpu::{Buffer, BufferUsages, ComputePassDescriptor};
use crate::{EngineError, Optimizer, Phase, Scorer, Timings, count_windows};
use triax_losses::Loss;
use triax_model::{Network, Scaler, Weights};

use super::bound::Bound;
use super::device::Device;
use super::plan::{
    AugmentationKinds, Batch, Ending, FleetKey, FleetSize, Layout, OptimizerForm, Program, ROWS_READ_BEYOND, Step,
};
use super::session::{Options, index, with_evaluation};

/// The most windows that are scored at once.
const MOST_WINDOWS: usize = 4_096;

/// A network on the device, with room for some windows.
#[derive(Debug)]
pub(super) struct GpuScorer {
    device: Device,
    network: Network,
    scaler: Option<Scaler>,
    batch: Batch,
    /// The windows that there is room for.
    at_once: usize,
    stages: Bound,
    buffers: Buffers,
    timings: Timings,
}

#[derive(Debug)]
struct Buffers {
    index: Buffer,
    windows: Buffer,
    steps: Buffer,
    /// Read by no kernel: these windows are standardised on the host.
    members: Buffer,
    parameters: Buffer,
    arena: Buffer,
    scores: Buffer,
}

impl GpuScorer {
    pub fn new(
        device: &Device,
        (network, weights, scaler): (&Network, &Weights, Option<&Scaler>),
        options: &Options,
        timings: &Timings,
    ) -> Result<Self, EngineError> {
        let layout = Layout::new(network);
        let fitting = (options.most_window_bytes as usize / (4 * layout.window_values)).clamp(1, MOST_WINDOWS);
        let key = FleetKey {
            size: FleetSize::Few,
            // Loss, optimizer and batch have no influence on the scores.
            losses: vec![Loss::CategoricalCrossentropy.into()],
            optimizer: OptimizerForm::new(&Optimizer::sgd()),
            scaled: false,
            drops: false,
            clips: false,
            augmentation: AugmentationKinds::default(),
            training: Batch::new(1),
            evaluation: Batch::of_tiles(1),
            subgroup: 1,
            layout,
        };
        let key = with_evaluation(device, key, fitting, 1);
        let (layout, batch) = (&key.layout, key.evaluation);
        let program = Program::evaluation(&key, Ending::Scored);
        let storage = BufferUsages::STORAGE | BufferUsages::COPY_DST | BufferUsages::COPY_SRC;
        let buffer = |what: &str, bytes: usize| device.buffer(what, bytes as u64, storage);
        let buffers = Buffers {
            index: index(device, 1)?,
            windows: buffer("windows", 4 * fitting.min(batch.windows()) * layout.window_values)?,
            steps: buffer("windows to score", 4 * batch.step_words())?,
            members: buffer("model's settings", 4 * key.member_words())?,
            parameters: buffer("weights", 16 * (layout.weights + layout.weights_read_beyond()))?,
            arena: buffer("activations", 16 * (program.arena + ROWS_READ_BEYOND * batch.quads()))?,
            scores: buffer("scores", 4 * batch.windows() * layout.classes)?,
        };
        let mut values = vec![0.0; 4 * layout.weights];
        layout.pack(weights, &mut values);
        device.write(&buffers.parameters, &values)?;
        let compiling = timings.phase(Phase::Compiling);
        let stages = Bound::new(device, &program, 1, |name, _| buffers.named(name))?;
        drop(compiling);
        Ok(Self {
            device: device.clone(),
            network: network.clone(),
            scaler: scaler.cloned(),
            at_once: fitting.min(batch.windows()),
            batch,
            stages,
            buffers,
            timings: timings.clone(),
        })
    }
}

impl Buffers {
    fn named(&self, name: &str) -> Option<&Buffer> {
        Some(match name {
            "index" => &self.index,
            "windows" => &self.windows,
            "steps" => &self.steps,
            "members" => &self.members,
            "parameters" => &self.parameters,
            "arena" => &self.arena,
            "scores" => &self.scores,
            _ => return None,
        })
    }
}

impl Scorer for GpuScorer {
    fn scores(&mut self, windows: &[f32]) -> Result<Vec<f32>, EngineError> {
        let _scoring = self.timings.phase(Phase::Scoring);
        let n_windows = count_windows(&self.network, windows)?;
        let spec = self.network.spec();
        let window_values = spec.window * spec.channels;
        let mut scores = Vec::with_capacity(n_windows * spec.classes);
        for windows in windows.chunks(self.at_once * window_values) {
            let n = windows.len() / window_values;
            // On the host, since a GPU may round a quotient differently, and every device is to score the same values.
            let mut values = windows.to_vec();
            if let Some(scaler) = &self.scaler {
                scaler.apply(&mut values);
            }
            let mut words = vec![0; self.batch.step_words()];
            Step {
                windows: &mut (0..n as u32),
                n_windows: n,
                counter: 0,
                optimizer: &Optimizer::sgd(),
                learning_rate: 0.0,
                updates: 1,
                result: 0,
            }
            .write(&mut words);
            self.device.write(&self.buffers.windows, &values)?;
            self.device.write(&self.buffers.steps, &words)?;
            self.device.submit(|encoder| {
                let mut pass = encoder.begin_compute_pass(&ComputePassDescriptor::default());
                self.stages.dispatch_all(&mut pass, 0, 0, (self.batch.tiles_of(n), 1));
            })?;
            scores.extend(self.device.read::<f32>(&self.buffers.scores, n * spec.classes)?);
        }
        Ok(scores)
    }
}
