//! The training of a fleet on a GPU.

use std::collections::VecDeque;

use crate::device::wgpu::{BindGroup, Buffer, BufferUsages, CommandEncoder, ComputePass, ComputePassDescriptor};
use crate::{
    Confusion, EngineError, Evaluation, Member, Progress, Session, SessionState, StepResult, Stretch, TrainingPlan,
    Watch, WindowSet, check_weights,
};
use triax_losses::Loss;
use triax_model::{Network, Weights};

use super::device::{Binding, Device, Kernel, MOST_GROUPS};
use super::layout::{Layout, TILE};
use super::members::{Step, dropout, member_words};
use super::source::{AugmentationKinds, Batch, FleetKey, OptimizerForm, Pass};
use super::submissions::Submissions;
use super::vectors::Vectors;
use super::windows::Windows;

/// The most bytes of the steps of one submission.
const SUBMISSION_BYTES: usize = 16 << 20;

/// The most steps of a submission.
const MOST_STEPS: usize = 512;

/// The most tiles that an evaluation processes at the same time, over the whole fleet.
const EVALUATED_TILES: usize = 512;

/// The bytes between entries of the index: the largest alignment that any device requires.
const INDEX_STRIDE: usize = 256;

/// Options that depend on the device.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    /// The most bytes of a buffer of windows.
    pub most_window_bytes: u64,
    /// [`FleetKey::software`].
    pub software: bool,
    /// [`FleetKey::in_textures`].
    pub in_textures: bool,
}

/// The host's state of a model.
#[derive(Debug)]
struct Model {
    network: Network,
    plan: TrainingPlan,
    validation: Vec<u32>,
    /// The number of updates so far.
    updates: u64,
}

/// A kernel with its bind groups: one for each pair of buffers of windows, or a single one.
#[derive(Debug)]
struct BoundKernel {
    kernel: Kernel,
    groups: Vec<BindGroup>,
}

impl BoundKernel {
    fn dispatch(&self, pass: &mut ComputePass<'_>, buffers: usize, index: Option<usize>, grid: (usize, usize)) {
        let offset = index.map(|index| (index * INDEX_STRIDE) as u32);
        pass.set_pipeline(&self.kernel.pipeline);
        pass.set_bind_group(0, &self.groups[buffers % self.groups.len()], offset.as_slice());
        pass.dispatch_workgroups(grid.0 as u32, grid.1 as u32, 1);
    }
}

/// The buffers of the fleet. The headers of `kernels/*_pass.wgsl` describe them.
#[derive(Debug)]
pub(super) struct Buffers {
    steps: Buffer,
    members: Buffer,
    weights: Vectors,
    moments: Vectors,
    pub activations: Vectors,
    pub gradients: Vectors,
    tile_results: Buffer,
    squares: Buffer,
    index: Buffer,
}

/// The kernels of training.
struct Kernels {
    sample_pass: BoundKernel,
    /// Each with its number of workgroups for a model.
    parameter_passes: Vec<(BoundKernel, usize)>,
    step_results: Kernel,
}

/// The kernel and the buffers of validation.
#[derive(Debug)]
struct Validation {
    evaluation_pass: BoundKernel,
    tile_results: Buffer,
    confusion: Buffer,
    n_chunks: usize,
}

/// A session of [`super::GpuEngine`].
#[derive(Debug)]
pub(super) struct GpuSession {
    device: Device,
    models: Vec<Model>,
    n_windows: usize,
    pub(super) key: FleetKey,
    windows: Windows,
    pub(super) buffers: Buffers,
    /// The number of steps that `buffers.steps` can hold.
    most_steps: usize,
    sample_pass: BoundKernel,
    /// The kernels after a sample pass, each with its number of workgroups for a model: the parameter pass, or the two
    /// passes that clip.
    parameter_passes: Vec<(BoundKernel, usize)>,
    step_results: Kernel,
    validation: Option<Validation>,
    /// The results of stretches that nobody has fetched yet, the oldest first.
    results: VecDeque<Vec<Vec<StepResult>>>,
    /// The same of validations.
    evaluations: VecDeque<Vec<Evaluation>>,
}

/// The bytes of each buffer of one model.
fn bytes_of_model(key: &FleetKey, clips: bool) -> Vec<(&'static str, u64)> {
    let vectors = key.layout.weights as u64;
    let tiles = key.training.tiles.max(key.evaluation.tiles) as u64;
    vec![
        ("weights", 16 * vectors),
        ("optimizer's moments", 16 * vectors * key.optimizer.moments() as u64),
        ("gradients", if clips { 16 * vectors } else { 0 }),
        ("activations of a batch", 16 * tiles * key.layout.rows as u64),
        ("steps", 4 * key.training.step_words() as u64),
    ]
}

/// The key of `fleet`, and whether it clips.
fn fleet_key(fleet: &[Member<'_>], options: &Options, room: Option<usize>) -> (FleetKey, bool) {
    let first = &fleet[0];
    let used = |loss: &Loss| fleet.iter().any(|member| member.plan.loss == *loss);
    let n_validation = fleet.iter().map(|member| member.validation.len()).max().unwrap_or(0);
    // No more than there are, and than a chunk of streamed windows can hold.
    let mut evaluated = EVALUATED_TILES.div_ceil(fleet.len()).min(n_validation.div_ceil(TILE));
    if let Some(room) = room {
        evaluated = evaluated.min(room / (TILE * fleet.len()));
    }
    let key = FleetKey {
        layout: Layout::new(first.network),
        losses: Loss::ALL.into_iter().filter(used).collect(),
        optimizer: OptimizerForm::new(&first.plan.optimizer),
        scaled: fleet.iter().any(|member| member.scaler.is_some()),
        drops: fleet.iter().any(|member| dropout(member.network) > 0.0),
        augmentation: AugmentationKinds::union(fleet.iter().map(|member| &member.plan.augmentation)),
        training: Batch { tiles: first.plan.batch_size.div_ceil(TILE) },
        evaluation: Batch { tiles: evaluated.max(1) },
        software: options.software,
        in_textures: options.in_textures,
    };
    (key, fleet.iter().any(|member| member.plan.clip_norm.is_some()))
}

/// The number of models like `member` that one session on `device` can hold.
pub(super) fn capacity(device: &Device, member: &Member<'_>, options: &Options) -> usize {
    let (key, clips) = fleet_key(&[*member], options, None);
    let bytes: u64 = bytes_of_model(&key, clips).into_iter().map(|(_, bytes)| bytes).sum();
    // wgpu does not report the memory of a device. Most have several times the size of the largest buffer.
    let most_bytes = device.most_bytes().min(Vectors::most_bytes(device, options.in_textures));
    ((most_bytes / bytes.max(1)) as usize).clamp(1, MOST_GROUPS)
}

impl GpuSession {
    /// Opens a session for a checked fleet.
    pub fn new(device: &Device, fleet: &[Member<'_>], set: &WindowSet, options: &Options) -> Result<Self, EngineError> {
        let n_models = fleet.len();
        let window_values = fleet[0].network.spec().window * fleet[0].network.spec().channels;
        let windows = Windows::new(device, set, window_values, options.most_window_bytes)?;
        let (key, clips) = fleet_key(fleet, options, windows.room());
        let too_large = |what: &str, needed: usize, limit: usize| EngineError::TooLarge {
            device: device.name(),
            what: what.to_owned(),
            needed: needed as u64,
            limit: limit as u64,
        };
        if n_models > MOST_GROUPS {
            return Err(too_large("the fleet", n_models, MOST_GROUPS));
        }
        if key.training.tiles > MOST_GROUPS {
            return Err(too_large("the batch", TILE * key.training.tiles, TILE * MOST_GROUPS));
        }
        let most_validated = fleet.iter().map(|member| member.validation.len()).max().unwrap_or(0);
        let evaluated = (TILE * key.evaluation.tiles).min(most_validated);
        let batch_windows = n_models * evaluated.max(fleet[0].plan.batch_size);
        if let Some(room) = windows.room().filter(|&room| room < batch_windows) {
            return Err(too_large("one step's windows", 4 * window_values * batch_windows, 4 * window_values * room));
        }

        let groups = key.gradient_groups();
        let bytes_a_step = n_models * (4 * key.training.step_words() + 8 * key.training.tiles + 4 * groups);
        let mut most_steps = (SUBMISSION_BYTES / bytes_a_step).clamp(1, MOST_STEPS);
        if let Some(room) = windows.room() {
            most_steps = most_steps.min(room / batch_windows).max(1);
        }
        let storage = BufferUsages::STORAGE | BufferUsages::COPY_DST;
        let per_model = bytes_of_model(&key, clips);
        let model_buffer = |n: usize| {
            let (what, bytes) = per_model[n];
            Vectors::new(device, what, bytes as usize / 16 * n_models, key.in_textures)
        };
        let step_buffer =
            |what: &str, bytes: usize| device.buffer(what, (most_steps * n_models * bytes) as u64, storage);
        let n_chunks = most_validated.div_ceil(TILE * key.evaluation.tiles);
        let n_indices = most_steps.max(n_chunks);
        let buffers = Buffers {
            weights: model_buffer(0)?,
            moments: model_buffer(1)?,
            gradients: model_buffer(2)?,
            activations: model_buffer(3)?,
            steps: step_buffer("steps", 4 * key.training.step_words())?,
            members: device.buffer("models' settings", (4 * n_models * key.member_words()) as u64, storage)?,
            tile_results: step_buffer("losses", 8 * key.training.tiles)?,
            squares: step_buffer("squares of gradients", 4 * groups)?,
            index: device.buffer(
                "index of steps",
                (n_indices * INDEX_STRIDE) as u64,
                BufferUsages::UNIFORM | BufferUsages::COPY_DST,
            )?,
        };
        let mut index = vec![0_u32; n_indices * INDEX_STRIDE / 4];
        index.chunks_exact_mut(INDEX_STRIDE / 4).zip(0..).for_each(|(entry, n)| entry[0] = n);
        device.write(&buffers.index, &index)?;
        let words: Vec<u32> = fleet.iter().flat_map(|member| member_words(member, &key.losses)).collect();
        device.write(&buffers.members, &words)?;

        let Kernels { sample_pass, parameter_passes, step_results } = kernels(device, &key, clips, &windows, &buffers)?;
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
            key,
            windows,
            buffers,
            most_steps,
            sample_pass,
            parameter_passes,
            step_results,
            validation: None,
            results: VecDeque::new(),
            evaluations: VecDeque::new(),
        };
        session.write_weights(&session.buffers.weights, 1, fleet.iter().map(|member| member.weights))?;
        Ok(session)
    }

    /// Packs and uploads `tensors`, `n` for each model.
    fn write_weights<'a>(
        &self,
        vectors: &Vectors,
        n: usize,
        tensors: impl Iterator<Item = &'a Weights>,
    ) -> Result<(), EngineError> {
        let n_values = 4 * self.key.layout.weights;
        let mut values = vec![0.0; self.models.len() * n * n_values];
        values.chunks_exact_mut(n_values).zip(tensors).for_each(|(values, weights)| {
            self.key.layout.pack(weights, values);
        });
        vectors.upload(&self.device, &values)
    }

    /// Submits the steps of `stretch`, which write their results to `results`. Returns their number.
    fn queue(&mut self, stretch: &Stretch<'_>, results: &Buffer, watch: &mut Watch<'_>) -> Result<usize, EngineError> {
        let n_models = self.models.len();
        let batch_size = self.models[0].plan.batch_size;
        let step_words = self.key.training.step_words();
        let bindings = [
            Binding::Read(&self.buffers.steps),
            Binding::Read(&self.buffers.tile_results),
            Binding::Read(&self.buffers.squares),
            Binding::Write(results),
        ];
        let results_group = self.device.bind(&self.step_results, &bindings)?;
        let (mut submissions, mut words) = (Submissions::new(), Vec::new());
        let (mut steps, mut taken, mut stopped) = (stretch.steps.clone(), 0, false);
        while !steps.is_empty() && !stopped {
            let wanted = submissions.steps().min(self.most_steps).min(steps.len());
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
                tiles.push(most_windows.div_ceil(TILE));
                stopped = watch(Progress { steps: taken, newest: None }).is_break();
            }
            let buffers = self.windows.upload(&self.device)?;
            self.device.write(&self.buffers.steps, &words)?;
            let submission = self.device.submit(|encoder| {
                let mut pass = encoder.begin_compute_pass(&ComputePassDescriptor::default());
                for (index, &tiles) in tiles.iter().enumerate() {
                    self.sample_pass.dispatch(&mut pass, buffers, Some(index), (tiles, n_models));
                    for (parameter_pass, groups) in &self.parameter_passes {
                        parameter_pass.dispatch(&mut pass, buffers, Some(index), (*groups, n_models));
                    }
                }
                pass.set_pipeline(&self.step_results.pipeline);
                pass.set_bind_group(0, &results_group, &[]);
                pass.dispatch_workgroups(tiles.len() as u32, n_models as u32, 1);
            })?;
            submissions.submitted(&self.device, submission, tiles.len())?;
        }
        submissions.finish(&self.device)?;
        Ok(steps.start - stretch.steps.start)
    }

    /// Compiles the kernel of validation and allocates its buffers. This happens at the first validation, as compiling
    /// takes a while.
    fn new_validation(&mut self) -> Result<Validation, EngineError> {
        let n_models = self.models.len();
        let Batch { tiles } = self.key.evaluation;
        let (chunk, step_words) = (TILE * tiles, self.key.evaluation.step_words());
        let n_chunks = self.models.iter().map(|model| model.validation.len().div_ceil(chunk)).max().unwrap_or(0);
        // The validation windows never change, so neither do the words of the steps.
        let mut words = vec![0; n_chunks * n_models * step_words];
        for (entry, words) in words.chunks_exact_mut(step_words).enumerate() {
            let (c, model) = (entry / n_models, entry % n_models);
            let validation = &self.models[model].validation;
            let chunk_windows = &validation[(c * chunk).min(validation.len())..validation.len().min((c + 1) * chunk)];
            // A chunk of streamed windows holds those of each model in turn: see `evaluate_chunks`.
            let before: usize = self.models[..model]
                .iter()
                .map(|model| model.validation.len().saturating_sub(c * chunk).min(chunk))
                .sum();
            let streamed = self.windows.room().is_some();
            let place = |(i, &idx): (usize, &u32)| if streamed { (before + i) as u32 } else { idx };
            Step {
                windows: &mut chunk_windows.iter().enumerate().map(place),
                n_windows: chunk_windows.len(),
                counter: 0,
                optimizer: &self.models[model].plan.optimizer,
                learning_rate: 0.0,
                updates: 1,
                result: 0,
            }
            .write(words);
        }
        let storage = BufferUsages::STORAGE | BufferUsages::COPY_DST | BufferUsages::COPY_SRC;
        let steps = self.device.buffer("validation windows", 4 * words.len() as u64, storage)?;
        self.device.write(&steps, &words)?;
        let n_results = n_chunks * n_models * tiles;
        let tile_results = self.device.buffer("validation losses", 8 * n_results as u64, storage)?;
        let classes = self.key.layout.classes;
        let confusion = self.device.buffer("confusion counts", (4 * n_models * classes * classes) as u64, storage)?;
        let Buffers { members, weights, activations, index, .. } = &self.buffers;
        let bindings = self.windows.buffers.iter().map(|[values, facts]| {
            let read = [values, facts, &steps, members].map(Binding::Read);
            let written = [&tile_results, &confusion].map(Binding::Write);
            let vectors = [weights.read(), activations.write()];
            read.into_iter().chain(vectors).chain(written).chain([Binding::Uniform(index)]).collect()
        });
        let bindings: Vec<Vec<Binding<'_>>> = bindings.collect();
        let evaluation_pass = bound_kernel(&self.device, &self.key, Pass::Evaluation, &bindings)?;
        Ok(Validation { evaluation_pass, tile_results, confusion, n_chunks })
    }

    /// Runs the evaluation pass over all validation windows. `after` records the commands that follow each chunk.
    fn evaluate_chunks(
        &mut self,
        validation: &Validation,
        after: impl Fn(&mut CommandEncoder, usize),
    ) -> Result<(), EngineError> {
        let Batch { tiles } = self.key.evaluation;
        let chunk = TILE * tiles;
        let streamed = self.windows.room().is_some();
        let mut submissions = Submissions::new();
        let mut chunks = 0..validation.n_chunks;
        while !chunks.is_empty() {
            // The buffers of streamed windows hold one chunk.
            let n = if streamed { 1 } else { submissions.steps().min(chunks.len()) };
            let now = chunks.start..chunks.start + n;
            chunks.start = now.end;
            if streamed {
                for model in &self.models {
                    let chunk_windows = model.validation.iter().skip(now.start * chunk).take(chunk);
                    chunk_windows.for_each(|&idx| _ = self.windows.locate(idx));
                }
            }
            let buffers = self.windows.upload(&self.device)?;
            let submission = self.device.submit(|encoder| {
                for index in now {
                    let mut pass = encoder.begin_compute_pass(&ComputePassDescriptor::default());
                    validation.evaluation_pass.dispatch(&mut pass, buffers, Some(index), (tiles, self.models.len()));
                    drop(pass);
                    after(encoder, index);
                }
            })?;
            submissions.submitted(&self.device, submission, n)?;
        }
        submissions.finish(&self.device)
    }

    /// The kernel and the buffers of validation.
    fn validation(&mut self) -> Result<Validation, EngineError> {
        match self.validation.take() {
            Some(validation) => Ok(validation),
            None => self.new_validation(),
        }
    }

    /// Runs the evaluation pass over all validation windows, and reads the scores (n_windows, classes) of each model back.
    fn read_scores(&mut self, validation: &Validation) -> Result<Vec<Vec<f32>>, EngineError> {
        let Batch { tiles } = self.key.evaluation;
        let Layout { classes, rows, .. } = self.key.layout;
        let (first, _) = self.key.layout.scores();
        let bytes_of_rows = |n: usize| (4 * TILE * n) as u64;
        let n_windows: Vec<usize> = self.models.iter().map(|model| model.validation.len()).collect();
        // The tiles of one model after those of another.
        let ends = n_windows.iter().scan(0, |end, n| {
            *end += n.div_ceil(TILE);
            Some(*end)
        });
        let starts: Vec<usize> = std::iter::once(0).chain(ends).collect();
        let n_tiles = starts[self.models.len()];
        let usage = BufferUsages::COPY_DST | BufferUsages::COPY_SRC;
        let scores = self.device.buffer("scores", bytes_of_rows(n_tiles * classes), usage)?;
        let activations = self.buffers.activations.clone();
        self.evaluate_chunks(validation, |encoder, chunk| {
            for (model, ends) in starts.windows(2).enumerate() {
                for tile in chunk * tiles..((chunk + 1) * tiles).min(ends[1] - ends[0]) {
                    let from = (model * tiles + tile % tiles) * rows + first;
                    activations.copy(encoder, from, &scores, (ends[0] + tile) * classes, classes);
                }
            }
        })?;
        let by_tile: Vec<[f32; TILE]> = self.device.read(&scores, n_tiles * classes)?;
        let of_model = |(n_windows, start): (usize, usize)| {
            let rows = |n: usize| &by_tile[(start + n / TILE) * classes..][..classes];
            (0..n_windows).flat_map(|n| rows(n).iter().map(move |row| row[n % TILE])).collect()
        };
        Ok(n_windows.into_iter().zip(starts).map(of_model).collect())
    }

    /// Runs the evaluation pass over all validation windows, and reads the results back.
    fn evaluate(&mut self, validation: &Validation) -> Result<Vec<Evaluation>, EngineError> {
        let (n_models, classes) = (self.models.len(), self.key.layout.classes);
        let Batch { tiles } = self.key.evaluation;
        self.device.submit(|encoder| encoder.clear_buffer(&validation.confusion, 0, None))?;
        self.evaluate_chunks(validation, |_, _| ())?;
        let losses: Vec<[f32; 2]> =
            self.device.read(&validation.tile_results, validation.n_chunks * n_models * tiles)?;
        let confusion: Vec<u32> = self.device.read(&validation.confusion, n_models * classes * classes)?;
        let evaluation = |(m, model): (usize, &Model)| {
            let n_windows = model.validation.len();
            let loss_of_tile = |tile: usize| losses[(tile / tiles * n_models + m) * tiles + tile % tiles][0];
            let loss: f64 = (0..n_windows.div_ceil(TILE)).map(|tile| f64::from(loss_of_tile(tile))).sum();
            let counts = &confusion[m * classes * classes..][..classes * classes];
            Evaluation {
                loss: loss / n_windows.max(1) as f64,
                confusion: Confusion::from_counts(classes, counts.iter().map(|&count| u64::from(count)).collect()),
            }
        };
        Ok(self.models.iter().enumerate().map(evaluation).collect())
    }
}

/// Compiles `pass` and binds it to each of `bindings`.
fn bound_kernel(
    device: &Device,
    key: &FleetKey,
    pass: Pass,
    bindings: &[Vec<Binding<'_>>],
) -> Result<BoundKernel, EngineError> {
    let kernel = device.pipeline(pass.name(), &key.source(pass), &bindings[0])?;
    let groups = bindings.iter().map(|bindings| device.bind(&kernel, bindings));
    Ok(BoundKernel { groups: groups.collect::<Result<_, _>>()?, kernel })
}

/// Compiles the kernels of training.
fn kernels(
    device: &Device,
    key: &FleetKey,
    clips: bool,
    windows: &Windows,
    buffers: &Buffers,
) -> Result<Kernels, EngineError> {
    use Binding::{Read, Uniform, Write};
    let Buffers { steps, members, weights, moments, activations, gradients, tile_results, squares, index } = buffers;
    let sample: Vec<Vec<Binding<'_>>> = windows
        .buffers
        .iter()
        .map(|[values, facts]| {
            let read = [values, facts, steps, members].map(Read);
            let vectors = [weights.read(), activations.write()];
            read.into_iter().chain(vectors).chain([Write(tile_results), Uniform(index)]).collect()
        })
        .collect();
    let parameter = [Read(steps), Read(members), activations.read(), weights.write(), moments.write(), Write(squares)];
    let gradient = [Read(steps), activations.read(), gradients.write(), Write(squares)];
    let update = [Read(steps), Read(members), gradients.read(), Read(squares), weights.write(), moments.write()];
    // Every stretch has a results buffer of its own; only the layout matters here.
    let results = [Read(steps), Read(tile_results), Read(squares), Write(squares)];
    fn indexed<'a>(bindings: &[Binding<'a>], index: &'a Buffer) -> Vec<Binding<'a>> {
        bindings.iter().copied().chain([Uniform(index)]).collect()
    }

    // Compiling takes most of the time until the first step, so it uses two threads.
    std::thread::scope(|scope| {
        let sample = scope.spawn(move || bound_kernel(device, key, Pass::Sample, &sample));
        let parameter_passes = if clips {
            let groups = (key.layout.weights.div_ceil(key.workgroup())).min(key.gradient_groups());
            vec![
                (bound_kernel(device, key, Pass::Gradient, &[indexed(&gradient, index)])?, key.gradient_groups()),
                (bound_kernel(device, key, Pass::Update, &[indexed(&update, index)])?, groups),
            ]
        } else {
            vec![(bound_kernel(device, key, Pass::Parameter, &[indexed(&parameter, index)])?, key.gradient_groups())]
        };
        let step_results = device.pipeline(Pass::StepResults.name(), &key.source(Pass::StepResults), &results)?;
        let sample_pass = sample.join().map_err(|_| device.error("its driver failed to compile a kernel"))??;
        Ok(Kernels { sample_pass, parameter_passes, step_results })
    })
}

impl Session for GpuSession {
    fn runs_ahead(&self) -> bool {
        true
    }

    fn start(&mut self, stretch: &Stretch<'_>, watch: &mut Watch<'_>) -> Result<(), EngineError> {
        let (n_models, batch_size) = (self.models.len(), self.models[0].plan.batch_size);
        stretch.check(n_models, self.n_windows, batch_size)?;
        let n_results = stretch.steps.len() * n_models;
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_SRC;
        let results = self.device.buffer("results of the steps", 16 * n_results as u64, usage)?;
        let n_steps = self.queue(stretch, &results, watch)?;
        let values: Vec<[u32; 4]> = self.device.read(&results, n_steps * n_models)?;
        let result = |[loss, correct, norm, _]: [u32; 4]| StepResult {
            loss: f32::from_bits(loss),
            correct,
            gradient_norm: f32::from_bits(norm),
        };
        let model_weights = |m: usize| {
            let taken = stretch.steps_of(m, batch_size).len().min(n_steps);
            (0..taken).map(|step| result(values[step * n_models + m])).collect()
        };
        self.results.push_back((0..n_models).map(model_weights).collect());
        Ok(())
    }

    fn results(&mut self) -> Result<Vec<Vec<StepResult>>, EngineError> {
        self.results.pop_front().ok_or_else(|| EngineError::nothing_started("steps"))
    }

    fn start_validation(&mut self) -> Result<(), EngineError> {
        let validation = self.validation()?;
        let evaluated = self.evaluate(&validation);
        self.validation = Some(validation);
        self.evaluations.push_back(evaluated?);
        Ok(())
    }

    fn evaluations(&mut self) -> Result<Vec<Evaluation>, EngineError> {
        self.evaluations.pop_front().ok_or_else(|| EngineError::nothing_started("evaluations"))
    }

    fn scores(&mut self) -> Result<Vec<Vec<f32>>, EngineError> {
        let validation = self.validation()?;
        let scores = self.read_scores(&validation);
        self.validation = Some(validation);
        scores
    }

    fn weights(&mut self) -> Result<Vec<Weights>, EngineError> {
        let n_values = 4 * self.key.layout.weights;
        let values: Vec<f32> =
            self.buffers.weights.download(&self.device, self.models.len() * self.key.layout.weights)?;
        let models = self.models.iter().zip(values.chunks_exact(n_values));
        Ok(models.map(|(model, values)| self.key.layout.unpack(&model.network, values)).collect())
    }

    fn set_weights(&mut self, weights: &[Weights]) -> Result<(), EngineError> {
        check_weights(weights, self.models.iter().map(|model| &model.network))?;
        self.write_weights(&self.buffers.weights, 1, weights.iter())
    }

    fn state(&mut self) -> Result<Vec<SessionState>, EngineError> {
        let weights = self.weights()?;
        let (layout, n_moments) = (&self.key.layout, self.key.optimizer.moments());
        let n_values = 4 * layout.weights;
        let moments: Vec<f32> =
            self.buffers.moments.download(&self.device, self.models.len() * n_moments * layout.weights)?;
        let state = |((m, model), weights): ((usize, &Model), Weights)| SessionState {
            weights,
            moments: (0..n_moments)
                .map(|n| layout.unpack(&model.network, &moments[(m * n_moments + n) * n_values..]))
                .collect(),
            updates: model.updates,
        };
        Ok(self.models.iter().enumerate().zip(weights).map(state).collect())
    }

    fn restore(&mut self, states: &[SessionState]) -> Result<(), EngineError> {
        if states.len() != self.models.len() {
            let (given, models) = (states.len(), self.models.len());
            return Err(EngineError::Input(format!("{given} saved states for a fleet of {models}")));
        }
        for (model, state) in self.models.iter().zip(states) {
            state.check(&model.network, &model.plan.optimizer)?;
        }
        self.write_weights(&self.buffers.weights, 1, states.iter().map(|state| &state.weights))?;
        let moments = states.iter().flat_map(|state| &state.moments);
        self.write_weights(&self.buffers.moments, self.key.optimizer.moments(), moments)?;
        self.models.iter_mut().zip(states).for_each(|(model, state)| model.updates = state.updates);
        Ok(())
    }
}
