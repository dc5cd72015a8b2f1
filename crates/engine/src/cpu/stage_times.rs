//! The time that each stage of a step takes.
//!
//! The stages and their order are those of training, and each thread trains a model of its own, as in a fleet. The
//! passes are split between stages, and the update waits for the whole gradient, as it does with clipping. Training
//! itself carries no clocks, and its steps take a little less than the sum of these times.

use std::time::Instant;

use crate::{EngineError, Member, WindowSet, check_fleet};
use triax_model::Layer;

use super::model::{Model, SamplePass, Shape, Workspace};
use super::parameter_pass::{Round, Target, parameter_pass, update_pass};
use super::row::TILE;
use super::sample_pass::{Tile, parts};
use super::team::Team;
use super::update::{Slots, Update};
use super::{CpuEngine, Float};

/// The time of one stage of a step.
#[derive(Clone, Debug, PartialEq)]
pub struct StageTime {
    /// The stage: `gather`, `loss`, `update`, or a layer's name with `forward`, `backward` (the gradient of its input) or
    /// `gradient` (that of its weights), as in `conv1 forward`. The pool of a first convolution counts for the convolution.
    pub name: String,
    /// Seconds for all tiles of a step: those of one thread, divided by the number of threads.
    pub seconds: f64,
}

/// Adds up the time of each stage of a step.
struct Clock {
    stages: Vec<StageTime>,
}

impl Clock {
    fn time<R>(&mut self, name: impl AsRef<str>, work: impl FnOnce() -> R) -> R {
        let (name, start) = (name.as_ref(), Instant::now());
        let result = work();
        let seconds = start.elapsed().as_secs_f64();
        match self.stages.iter_mut().find(|stage| stage.name == name) {
            Some(stage) => stage.seconds += seconds,
            None => self.stages.push(StageTime { name: name.to_owned(), seconds }),
        }
        result
    }
}

/// The time of each stage at f32 on all threads of this machine, as the median over steps. `member` takes a step on each
/// whole batch of `windows`, in their order; the first step is not counted.
///
/// # Errors
/// As [`crate::Engine::open`]; also windows that do not fill two batches.
pub fn stage_times(member: &Member<'_>, windows: &WindowSet) -> Result<Vec<StageTime>, EngineError> {
    CpuEngine::<f32>::new().stage_times(member, windows)
}

impl<F: Float> CpuEngine<F> {
    fn stage_times(&self, member: &Member<'_>, windows: &WindowSet) -> Result<Vec<StageTime>, EngineError> {
        check_fleet(&[*member], windows)?;
        let batch_size = member.plan.batch_size;
        if windows.len() < 2 * batch_size {
            return Err(EngineError::Input(format!("{} windows are not two batches of {batch_size}", windows.len())));
        }
        let mut thread_times = vec![Vec::new(); self.n_threads];
        Team::scope(self.n_threads, |team| {
            team.each(&mut thread_times, |_, times| *times = medians::<F>(member, windows))
        });
        let n_threads = self.n_threads as f64;
        // The mean over threads, divided by the number of threads that share the work.
        let shared = |s: usize| {
            let seconds: f64 = thread_times.iter().map(|times| times[s].seconds).sum();
            StageTime { name: thread_times[0][s].name.clone(), seconds: seconds / (n_threads * n_threads) }
        };
        Ok((0..thread_times[0].len()).map(shared).collect())
    }
}

/// The median time of each stage on this thread.
fn medians<F: Float>(member: &Member<'_>, windows: &WindowSet) -> Vec<StageTime> {
    let batch_size = member.plan.batch_size;
    let (shape, names) = (Shape::new(member.network), names(member));
    let mut workspace = Workspace::new(&shape, batch_size, true, 1);
    let mut model = Model::<F>::new(member);
    let indices: Vec<u32> = (0..windows.len() as u32).collect();
    let batches = indices.chunks_exact(batch_size);
    let step = |batch| timed_step(&shape, &names, &mut model, windows, batch, &mut workspace);
    let steps: Vec<Vec<StageTime>> = batches.map(step).skip(1).collect();
    let median = |s: usize| {
        let mut seconds: Vec<f64> = steps.iter().map(|step| step[s].seconds).collect();
        seconds.sort_by(f64::total_cmp);
        StageTime { name: steps[0][s].name.clone(), seconds: seconds[seconds.len() / 2] }
    };
    (0..steps[0].len()).map(median).collect()
}

/// The names of the network's layers.
fn names(member: &Member<'_>) -> Vec<String> {
    let name = |layer: &Layer| match layer {
        Layer::Conv { name, .. } | Layer::Pool { name, .. } | Layer::Dense { name, .. } => name.clone(),
        Layer::Dropout { .. } => "dropout".to_owned(),
    };
    member.network.layers().iter().map(name).collect()
}

/// Takes and times the next step of `model`, on `batch`.
fn timed_step<F: Float>(
    shape: &Shape,
    names: &[String],
    model: &mut Model<F>,
    windows: &WindowSet,
    batch: &[u32],
    workspace: &mut Workspace<F>,
) -> Vec<StageTime> {
    let mut clock = Clock { stages: Vec::new() };
    let (in_round, team) = (workspace.tiles.len() * TILE, Team::alone());
    for (round_idx, indices) in batch.chunks(in_round).enumerate() {
        let first = round_idx * in_round;
        let pass = SamplePass { shape, model, windows, counter: model.updates, batch };
        let tiles = &mut workspace.tiles[..indices.len().div_ceil(TILE)];
        for (i, tile) in tiles.iter_mut().enumerate() {
            timed_tile(&mut clock, names, &pass, first + i * TILE, tile);
        }
        let round = Round { is_first: round_idx == 0, is_last: first + indices.len() == batch.len(), update: None };
        let [m, v] = &mut model.moments;
        let slots = Slots { parameters: &mut model.parameters, moments: [m, v] };
        let mut target = Target { slots, gradient: &mut workspace.gradient, squares: &mut workspace.squares };
        for blocks in shape.blocks.chunk_by(|a, b| a.stage == b.stage) {
            let n_parameters = blocks.iter().map(|block| block.parameters.len()).sum();
            let (here, rest) = target.split(blocks.len(), n_parameters);
            clock.time(format!("{} gradient", names[blocks[0].stage]), || {
                parameter_pass(&team, &shape.stages, blocks, tiles, round, here);
            });
            target = rest;
        }
    }
    model.updates += 1;
    let update = Update::new(model.plan.optimizer, LEARNING_RATE, model.updates);
    let [m, v] = &mut model.moments;
    let slots = Slots { parameters: &mut model.parameters, moments: [m, v] };
    clock.time("update", || update_pass(&team, update, F::ONE, slots, &mut workspace.gradient));
    clock.stages
}

/// Small enough that the loss stays finite under any optimizer.
const LEARNING_RATE: f64 = 1e-3;

/// Runs and times the sample pass of one tile.
fn timed_tile<F: Float>(
    clock: &mut Clock,
    names: &[String],
    pass: &SamplePass<'_, F>,
    first: usize,
    tile: &mut Tile<F>,
) {
    let (stages, parameters, dropout) = (&pass.shape.stages[..], &pass.model.parameters[..], pass.dropout(first));
    clock.time("gather", || pass.fill(first, tile));
    for part in parts(stages) {
        clock.time(format!("{} forward", names[part.start]), || tile.forward(stages, part, parameters, dropout));
    }
    clock.time("loss", || pass.judge(tile));
    for part in parts(stages).rev() {
        let name = format!("{} backward", names[part.start]);
        clock.time(name, || tile.backward(stages, part, parameters, dropout));
    }
}

#[cfg(test)]
mod tests {
    use triax_losses::Loss;
    use triax_model::{Network, NetworkSpec, PoolKind, Weights};

    use super::super::tests::{plan, window_set};
    use super::*;

    /// The times over `n_windows` windows in batches of 20.
    fn times(n_windows: usize) -> Result<Vec<StageTime>, EngineError> {
        times_of(NetworkSpec::default(), n_windows)
    }

    fn times_of(spec: NetworkSpec, n_windows: usize) -> Result<Vec<StageTime>, EngineError> {
        let network = Network::new(spec).unwrap();
        let windows = window_set(network.spec(), n_windows);
        let plan = plan(Loss::SquaredHinge, 20);
        let weights = Weights::glorot_uniform(&network, 1);
        let member = Member { network: &network, weights: &weights, plan: &plan, scaler: None, validation: &[] };
        stage_times(&member, &windows)
    }

    #[test]
    fn every_stage_of_a_step_is_timed_once() {
        let times = times(60).unwrap();
        let names: Vec<&str> = times.iter().map(|time| time.name.as_str()).collect();
        let forward =
            ["gather", "conv1 forward", "conv2 forward", "dropout forward", "dense1 forward", "dense2 forward"];
        let backward = ["loss", "dense2 backward", "dense1 backward", "dropout backward", "conv2 backward"];
        let gradients = ["conv1 gradient", "conv2 gradient", "dense1 gradient", "dense2 gradient", "update"];
        assert_eq!(names, [&forward[..], &backward, &["conv1 backward"], &gradients].concat());
        assert!(times.iter().all(|time| time.seconds > 0.0), "{times:?}");
    }

    #[test]
    fn every_layer_of_the_family_is_named() {
        let (convs, global_pool) = (vec!["4:3:1:avg3/2:same:gelu".parse().unwrap()], Some(PoolKind::Average));
        let times = times_of(NetworkSpec { convs, global_pool, hidden: vec![], ..NetworkSpec::default() }, 60).unwrap();
        let names: Vec<&str> = times.iter().map(|time| time.name.as_str()).collect();
        let forward = ["gather", "conv1 forward", "pool1 forward", "global_pool forward", "dropout forward"];
        let backward = ["dense1 forward", "loss", "dense1 backward", "dropout backward", "global_pool backward"];
        let rest = ["pool1 backward", "conv1 backward", "conv1 gradient", "dense1 gradient", "update"];
        assert_eq!(names, [forward, backward, rest].concat());
    }

    #[test]
    fn steps_that_cannot_be_taken_are_refused() {
        let EngineError::Input(problem) = times(39).unwrap_err() else { panic!("another error") };
        assert!(problem.contains("39") && problem.contains("20"), "{problem}");
    }
}
