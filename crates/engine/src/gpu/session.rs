//! The training of a fleet on a GPU.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use crate::device::wgpu::{Buffer, BufferUsages, ComputePassDescriptor};
use crate::{
    EngineError, Evaluation, Member, Phase, Progress, Session, SessionState, StepResult, Stretch, Timings,
    TrainingPlan, Watch, WindowSet, check_weights,
};
use triax_model::{Network, Weights};

use super::bound::{Bound, INDEX_STRIDE, compile};
use super::device::{Device, Kernel, MOST_GROUPS, Reading};
use super::evaluation::Evaluations;
use super::plan::{AugmentationKinds, Batch, Ending, FleetKey, FleetSize, Layout, OptimizerForm, Program, Step};
use super::plan::{ROWS_READ_BEYOND, different_losses, dropout, member_words};
use super::stage_clock::StageClock;
use super::submissions::Submissions;
use super::windows::Windows;

/// The most bytes of the steps of one submission.
const SUBMISSION_BYTES: usize = 16 << 20;

/// The most steps of a submission.
const MOST_STEPS: usize = 512;

/// The most bytes that the rows of an evaluation take.
const EVALUATION_BYTES: usize = 256 << 20;

/// Options of an engine.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    /// The most bytes of a buffer of windows.
    pub most_window_bytes: u64,
    /// The models that the kernels are made for, if not for those of each fleet.
    pub planned_models: Option<usize>,
    /// Whether kernels use subgroups where the device has them.
    pub subgroups: bool,
}

/// The host's state of a model.
#[derive(Debug)]
pub(super) struct Model {
    pub network: Network,
    pub plan: TrainingPlan,
    pub validation: Vec<u32>,
    /// The number of updates so far.
    updates: u64,
}

/// The buffers of the fleet. `kernels/part/place.wgsl` describes the large ones.
#[derive(Debug)]
pub(super) struct Buffers {
    pub members: Buffer,
    pub parameters: Buffer,
    pub arena: Buffer,
    pub gradients: Buffer,
    steps: Buffer,
    notes: Buffer,
    index: Buffer,
}

/// A stretch that was submitted, and whose results nobody has fetched yet.
#[derive(Debug)]
struct Started {
    reading: Reading,
    /// The steps of each member.
    taken: Vec<usize>,
    /// The numbers of its submissions.
    submissions: Range<usize>,
}

/// A session of [`super::GpuEngine`].
#[derive(Debug)]
pub(super) struct GpuSession {
    pub device: Device,
    pub models: Vec<Model>,
    n_windows: usize,
    pub key: FleetKey,
    pub windows: Windows,
    pub buffers: Buffers,
    step: Bound,
    results: Arc<Kernel>,
    /// The number of steps that `buffers.steps` can hold.
    most_steps: usize,
    submissions: Submissions,
    started: VecDeque<Started>,
    evaluations: Option<Evaluations>,
    clock: StageClock,
    pub timings: Timings,
}

/// The bytes of each buffer of one model.
fn bytes_of_model(key: &FleetKey, program: &Program) -> [(&'static str, usize); 3] {
    [
        ("weights and moments", 16 * key.parameters()),
        ("activations of a batch", 16 * program.arena),
        ("gradients", if key.clips { 16 * key.layout.weights } else { 0 }),
    ]
}

/// The key of `fleet` on `device`.
fn fleet_key(device: &Device, fleet: &[Member<'_>], options: &Options) -> FleetKey {
    let first = &fleet[0];
    let losses: Vec<_> = fleet.iter().map(|member| member.plan.training_loss()).collect();
    let n_validation = fleet.iter().map(|member| member.validation.len()).max().unwrap_or(0);
    let key = FleetKey {
        size: FleetSize::of(options.planned_models.unwrap_or(fleet.len())),
        losses: different_losses(&losses),
        optimizer: OptimizerForm::new(&first.plan.optimizer),
        scaled: fleet.iter().any(|member| member.scaler.is_some()),
        drops: fleet.iter().any(|member| dropout(member.network) > 0.0),
        clips: fleet.iter().any(|member| member.plan.clip_norm.is_some()),
        augmentation: AugmentationKinds::union(fleet.iter().map(|member| &member.plan.augmentation)),
        training: Batch::new(first.plan.batch_size),
        evaluation: Batch::of_tiles(1),
        subgroup: if options.subgroups { device.subgroup() } else { 1 },
        layout: Layout::new(first.network),
    };
    with_evaluation(device, key, n_validation, fleet.len())
}

/// `key` with as many tiles in its evaluation as `n_windows` windows of each of `n_models` models need, or as there is room
/// on `device`: a power of two, so that the folds of a study share their kernels.
pub(super) fn with_evaluation(device: &Device, key: FleetKey, n_windows: usize, n_models: usize) -> FleetKey {
    let one = FleetKey { evaluation: Batch::of_tiles(1), ..key };
    let program = Program::evaluation(&one, Ending::Judged);
    let groups = program.stages.iter().map(|stage| stage.grid.groups(1)).max().unwrap_or(1);
    let room = EVALUATION_BYTES.min(device.most_bytes() as usize * 15 / 16);
    let most = (room / (16 * n_models * program.arena)).min(MOST_GROUPS / groups).max(1);
    let wanted = one.evaluation.tiles_of(n_windows).max(1).next_power_of_two();
    FleetKey { evaluation: Batch::of_tiles(wanted.min(1 << most.ilog2())), ..one }
}

/// The number of models like `member` that one session on `device` can hold.
pub(super) fn capacity(device: &Device, member: &Member<'_>, options: &Options) -> usize {
    // The largest fleet has the most notes, and the least of them matter.
    let key = FleetKey { size: FleetSize::Many, ..fleet_key(device, &[*member], options) };
    let of_training: usize = bytes_of_model(&key, &Program::training(&key)).into_iter().map(|(_, bytes)| bytes).sum();
    // A tile of validation windows at least, and the counts of all pairs of classes.
    let of_evaluation = 4 * Batch::of_tiles(1).samples * key.layout.forward_rows + 4 * key.layout.classes.pow(2);
    // wgpu does not report the memory of a device. Most have several times the size of the largest buffer.
    let beside = (EVALUATION_BYTES + SUBMISSION_BYTES) as u64;
    let room = device.most_bytes().saturating_sub(beside.min(device.most_bytes() / 4));
    ((room / of_training.max(of_evaluation) as u64) as usize).clamp(1, MOST_GROUPS)
}

impl GpuSession {
    /// Opens a session for a checked fleet.
    pub fn new(
        device: &Device,
        fleet: &[Member<'_>],
        set: &WindowSet,
        options: &Options,
        timings: &Timings,
    ) -> Result<Self, EngineError> {
        let n_models = fleet.len();
        let window_values = fleet[0].network.spec().window * fleet[0].network.spec().channels;
        let batch_windows = n_models * fleet[0].plan.batch_size;
        let windows = Windows::new(device, set, window_values, batch_windows, options.most_window_bytes)?;
        let key = fleet_key(device, fleet, options);
        let too_large = |what: &str, needed: usize, limit: usize| EngineError::TooLarge {
            device: device.name(),
            what: what.to_owned(),
            needed: needed as u64,
            limit: limit as u64,
        };
        if n_models > MOST_GROUPS {
            return Err(too_large("the fleet", n_models, MOST_GROUPS));
        }
        if let Some(room) = windows.room().filter(|&room| room < batch_windows) {
            return Err(too_large("one step's windows", 4 * window_values * batch_windows, 4 * window_values * room));
        }

        let program = Program::training(&key);
        let bytes_a_step = n_models * (4 * key.training.step_words() + 4 * program.note_words);
        let mut most_steps = (SUBMISSION_BYTES / bytes_a_step).clamp(1, MOST_STEPS);
        if let Some(room) = windows.room() {
            most_steps = most_steps.min(room / batch_windows).max(1);
        }
        let storage = BufferUsages::STORAGE | BufferUsages::COPY_DST | BufferUsages::COPY_SRC;
        let [parameters, arena, gradients] = bytes_of_model(&key, &program);
        // What a kernel may read behind the last model.
        let beyond = 16 * (key.layout.weights_read_beyond() + ROWS_READ_BEYOND * key.training.quads());
        let model_buffer =
            |(what, bytes): (&str, usize)| device.buffer(what, (n_models * bytes + beyond) as u64, storage);
        let step_buffer =
            |what: &str, words: usize| device.buffer(what, (4 * most_steps * n_models * words) as u64, storage);
        let buffers = Buffers {
            parameters: model_buffer(parameters)?,
            arena: model_buffer(arena)?,
            gradients: model_buffer(gradients)?,
            steps: step_buffer("steps", key.training.step_words())?,
            notes: step_buffer("losses and squares", program.note_words)?,
            members: device.buffer("models' settings", (4 * n_models * key.member_words()) as u64, storage)?,
            index: index(device, most_steps)?,
        };
        let words: Vec<u32> = fleet.iter().flat_map(|member| member_words(member, &key.losses)).collect();
        device.write(&buffers.members, &words)?;

        let compiling = timings.phase(Phase::Compiling);
        let step = Bound::new(device, &program, windows.buffers.len(), |name, pair| {
            buffers.named(name).or_else(|| windows.named(name, pair))
        })?;
        let results = compile(device, program.results.as_slice())?.remove(0);
        drop(compiling);
        let model = |member: &Member<'_>| Model {
            network: member.network.clone(),
            plan: member.plan.clone(),
            validation: member.validation.to_vec(),
            updates: 0,
        };
        let session = Self {
            device: device.clone(),
            models: fleet.iter().map(model).collect(),
            n_windows: set.len(),
            windows,
            buffers,
            clock: StageClock::new(device, timings, "", step.names())?,
            step,
            results,
            most_steps,
            submissions: Submissions::new(),
            started: VecDeque::new(),
            evaluations: None,
            key,
            timings: timings.clone(),
        };
        let n_values = 4 * session.key.parameters();
        let mut values = vec![0.0; n_models * n_values];
        values.chunks_exact_mut(n_values).zip(fleet).for_each(|(values, member)| {
            session.key.layout.pack(member.weights, values);
        });
        session.device.write(&session.buffers.parameters, &values)?;
        Ok(session)
    }

    /// Reads back the weights of each model and its moments.
    fn read_parameters(&self) -> Result<Vec<f32>, EngineError> {
        let _reading = self.timings.phase(Phase::ReadingBack);
        self.device.read(&self.buffers.parameters, 4 * self.models.len() * self.key.parameters())
    }

    /// Submits the steps of `stretch`. Returns how many of each member.
    fn queue(&mut self, stretch: &Stretch<'_>, watch: &mut Watch<'_>) -> Result<Started, EngineError> {
        let n_models = self.models.len();
        let batch_size = self.models[0].plan.batch_size;
        let step_words = self.key.training.step_words();
        let n_results = stretch.steps.len() * n_models;
        let bytes = 16 * n_results as u64;
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_SRC;
        let results = self.device.buffer("results of the steps", bytes, usage)?;
        let named = |name: &str| if name == "results" { Some(&results) } else { self.buffers.named(name) };
        let results_group = self.device.bind(&self.results, named)?;
        let mut reading = self.device.reading(bytes)?;
        let first_submission = self.submissions.submitted();
        let mut words = Vec::new();
        let (mut steps, mut taken, mut stopped) = (stretch.steps.clone(), 0, false);
        while !steps.is_empty() && !stopped {
            let wanted = self.submissions.steps().min(self.most_steps).min(steps.len());
            words.clear();
            let mut tiles = Vec::new();
            while tiles.len() < wanted && !stopped {
                let step = steps.start;
                steps.start += 1;
                let mut most_windows = 0;
                for (m, (model, epoch)) in self.models.iter_mut().zip(stretch.members).enumerate() {
                    let windows = epoch.batch(step, batch_size);
                    let start = words.len();
                    words.resize(start + step_words, 0);
                    if windows.is_empty() {
                        continue;
                    }
                    taken += 1;
                    most_windows = most_windows.max(windows.len());
                    model.updates += 1;
                    let own = stretch.steps_of(m, batch_size);
                    Step {
                        windows: &mut windows.iter().map(|&idx| self.windows.locate(idx)),
                        n_windows: windows.len(),
                        counter: epoch.first_step + step as u64,
                        optimizer: &model.plan.optimizer,
                        learning_rate: epoch.learning_rates[step - own.start],
                        updates: model.updates,
                        result: step - stretch.steps.start,
                    }
                    .write(&mut words[start..]);
                }
                tiles.push(self.key.training.tiles_of(most_windows));
                stopped = watch(Progress { steps: taken, newest: None }).is_break();
            }
            let pair = self.windows.upload(&self.device)?;
            self.device.write(&self.buffers.steps, &words)?;
            let is_last = steps.is_empty() || stopped;
            self.clock.begin(&self.device)?;
            let submission = self.device.submit(|encoder| {
                let recorded = self.clock.record_first(encoder, &self.step, pair, 0, (tiles[0], n_models));
                let timestamp_writes = self.clock.rest();
                let mut pass = encoder.begin_compute_pass(&ComputePassDescriptor { label: None, timestamp_writes });
                for (index, &tiles) in tiles.iter().enumerate().skip(recorded) {
                    self.step.dispatch_all(&mut pass, pair, index, (tiles, n_models));
                }
                pass.set_pipeline(&self.results.pipeline);
                pass.set_bind_group(0, &results_group, &[]);
                pass.dispatch_workgroups(tiles.len() as u32, n_models as u32, 1);
                drop(pass);
                self.clock.end(encoder);
                if is_last {
                    encoder.copy_buffer_to_buffer(&results, 0, &reading.staging, 0, bytes);
                }
            })?;
            self.clock.submitted(&submission, tiles.len());
            reading.submission = Some(submission.clone());
            self.submissions.submit(&self.device, submission, tiles.len())?;
        }
        let n_steps = steps.start - stretch.steps.start;
        let taken = (0..n_models).map(|m| stretch.steps_of(m, batch_size).len().min(n_steps)).collect();
        Ok(Started { reading, taken, submissions: first_submission..self.submissions.submitted() })
    }

    /// The evaluation of validation windows, compiled and allocated when it is first needed.
    fn evaluations(&mut self) -> Result<Evaluations, EngineError> {
        match self.evaluations.take() {
            Some(evaluations) => Ok(evaluations),
            None => Evaluations::new(self),
        }
    }
}

impl Buffers {
    fn named(&self, name: &str) -> Option<&Buffer> {
        Some(match name {
            "index" => &self.index,
            "steps" => &self.steps,
            "members" => &self.members,
            "parameters" => &self.parameters,
            "arena" => &self.arena,
            "gradients" => &self.gradients,
            "notes" => &self.notes,
            _ => return None,
        })
    }
}

/// A buffer of the numbers below `n`, an alignment apart: where a dispatch finds which step it belongs to.
pub(super) fn index(device: &Device, n: usize) -> Result<Buffer, EngineError> {
    let usage = BufferUsages::UNIFORM | BufferUsages::COPY_DST;
    let buffer = device.buffer("index of steps", (n * INDEX_STRIDE) as u64, usage)?;
    let mut index = vec![0_u32; n * INDEX_STRIDE / 4];
    index.chunks_exact_mut(INDEX_STRIDE / 4).zip(0..).for_each(|(entry, n)| entry[0] = n);
    device.write(&buffer, &index)?;
    Ok(buffer)
}

impl Session for GpuSession {
    fn runs_ahead(&self) -> bool {
        true
    }

    fn start(&mut self, stretch: &Stretch<'_>, watch: &mut Watch<'_>) -> Result<(), EngineError> {
        let timings = self.timings.clone();
        let _steps = timings.phase(Phase::Steps);
        stretch.check(self.models.len(), self.n_windows, self.models[0].plan.batch_size)?;
        let started = self.queue(stretch, watch)?;
        self.started.push_back(started);
        Ok(())
    }

    fn results(&mut self) -> Result<Vec<Vec<StepResult>>, EngineError> {
        let _steps = self.timings.phase(Phase::Steps);
        let Started { reading, taken, submissions } =
            self.started.pop_front().ok_or_else(|| EngineError::nothing_started("steps"))?;
        let n_models = self.models.len();
        self.submissions.wait_for(&self.device, submissions.end)?;
        let values: Vec<[u32; 4]> = self.device.finish(reading)?;
        let result = |[loss, correct, norm, _]: [u32; 4]| StepResult {
            loss: f32::from_bits(loss),
            correct,
            gradient_norm: f32::from_bits(norm),
        };
        let results_of =
            |(m, &taken): (usize, &usize)| (0..taken).map(|step| result(values[step * n_models + m])).collect();
        let results = taken.iter().enumerate().map(results_of).collect();
        self.clock.collect(&self.device, submissions.len())?;
        Ok(results)
    }

    fn start_validation(&mut self) -> Result<(), EngineError> {
        let timings = self.timings.clone();
        let _validation = timings.phase(Phase::Validation);
        let mut evaluations = self.evaluations()?;
        let started = evaluations.start(self);
        self.evaluations = Some(evaluations);
        started
    }

    fn evaluations(&mut self) -> Result<Vec<Evaluation>, EngineError> {
        let _validation = self.timings.phase(Phase::Validation);
        let nothing = || EngineError::nothing_started("evaluations");
        self.evaluations.as_mut().ok_or_else(nothing)?.fetch(&self.device, &self.models)
    }

    fn scores(&mut self) -> Result<Vec<Vec<f32>>, EngineError> {
        let timings = self.timings.clone();
        let _scoring = timings.phase(Phase::Scoring);
        let mut evaluations = self.evaluations()?;
        let scores = evaluations.scores(self);
        self.evaluations = Some(evaluations);
        scores
    }

    fn weights(&mut self) -> Result<Vec<Weights>, EngineError> {
        let values = self.read_parameters()?;
        let models = self.models.iter().zip(values.chunks_exact(4 * self.key.parameters()));
        Ok(models.map(|(model, values)| self.key.layout.unpack(&model.network, values)).collect())
    }

    fn set_weights(&mut self, weights: &[Weights]) -> Result<(), EngineError> {
        check_weights(weights, self.models.iter().map(|model| &model.network))?;
        let mut values = self.read_parameters()?;
        values.chunks_exact_mut(4 * self.key.parameters()).zip(weights).for_each(|(values, weights)| {
            self.key.layout.pack(weights, values);
        });
        self.device.write(&self.buffers.parameters, &values)
    }

    fn state(&mut self) -> Result<Vec<SessionState>, EngineError> {
        let values = self.read_parameters()?;
        let layout = &self.key.layout;
        let state = |(model, values): (&Model, &[f32])| {
            let mut arrays = values.chunks_exact(4 * layout.weights).map(|array| layout.unpack(&model.network, array));
            SessionState {
                weights: arrays.next().expect("a model has weights"),
                moments: arrays.collect(),
                updates: model.updates,
            }
        };
        Ok(self.models.iter().zip(values.chunks_exact(4 * self.key.parameters())).map(state).collect())
    }

    fn restore(&mut self, states: &[SessionState]) -> Result<(), EngineError> {
        if states.len() != self.models.len() {
            let (given, models) = (states.len(), self.models.len());
            return Err(EngineError::Input(format!("{given} saved states for a fleet of {models}")));
        }
        for (model, state) in self.models.iter().zip(states) {
            state.check(&model.network, &model.plan.optimizer)?;
        }
        let layout = &self.key.layout;
        let mut values = vec![0.0; 4 * self.models.len() * self.key.parameters()];
        let arrays = states.iter().flat_map(|state| std::iter::once(&state.weights).chain(&state.moments));
        values.chunks_exact_mut(4 * layout.weights).zip(arrays).for_each(|(values, array)| layout.pack(array, values));
        self.device.write(&self.buffers.parameters, &values)?;
        self.models.iter_mut().zip(states).for_each(|(model, state)| model.updates = state.updates);
        Ok(())
    }
}
