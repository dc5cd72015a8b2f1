//! Passes over validation windows: their loss and confusion counts, or their scores.

use std::collections::VecDeque;

use crate::device::wgpu::{Buffer, BufferUsages, CommandEncoder, ComputePassDescriptor, SubmissionIndex};
use crate::{Confusion, EngineError, Evaluation, Phase};

use super::bound::Bound;
use super::device::{Device, Reading};
use super::plan::{Ending, FleetKey, Program, ROWS_READ_BEYOND, Step};
use super::session::{GpuSession, Model, index};
use super::stage_clock::StageClock;
use super::submissions::Submissions;

/// The evaluation of a fleet, chunk by chunk of windows. Kernels are compiled when they are first needed.
#[derive(Debug)]
pub(super) struct Evaluations {
    /// The most windows of a model in a chunk.
    chunk: usize,
    n_chunks: usize,
    buffers: Buffers,
    judged: Option<Stages>,
    scored: Option<Stages>,
    submissions: Submissions,
    /// Losses and confusion counts that nobody has fetched yet.
    started: VecDeque<(Reading, Reading)>,
}

/// The stages of one kind of evaluation.
#[derive(Debug)]
struct Stages {
    bound: Bound,
    clock: StageClock,
}

/// The buffers of an evaluation that a step of training does not use.
#[derive(Debug)]
struct Buffers {
    index: Buffer,
    steps: Buffer,
    arena: Buffer,
    notes: Buffer,
    confusion: Buffer,
    /// Allocated when windows are first scored.
    scores: Option<Buffer>,
}

impl Buffers {
    fn named<'a>(&'a self, session: &'a GpuSession, name: &str, pair: usize) -> Option<&'a Buffer> {
        match name {
            "index" => Some(&self.index),
            "steps" => Some(&self.steps),
            "arena" => Some(&self.arena),
            "notes" => Some(&self.notes),
            "confusion" => Some(&self.confusion),
            "scores" => self.scores.as_ref(),
            "members" => Some(&session.buffers.members),
            "parameters" => Some(&session.buffers.parameters),
            _ => session.windows.named(name, pair),
        }
    }
}

/// The words of the steps of an evaluation: those of one chunk after the other, of each model.
fn words(models: &[Model], key: &FleetKey, (chunk, n_chunks): (usize, usize), streamed: bool) -> Vec<u32> {
    let (step_words, n_models) = (key.evaluation.step_words(), models.len());
    let mut words = vec![0; n_chunks * n_models * step_words];
    for (c, words) in words.chunks_exact_mut(n_models * step_words).enumerate() {
        // A chunk of streamed windows holds those of each model in turn: see `for_each_chunk`.
        let mut before = 0;
        for (model, words) in models.iter().zip(words.chunks_exact_mut(step_words)) {
            let windows = chunk_of(&model.validation, c, chunk);
            let place = |(i, &idx): (usize, &u32)| if streamed { (before + i) as u32 } else { idx };
            Step {
                windows: &mut windows.iter().enumerate().map(place),
                n_windows: windows.len(),
                counter: 0,
                optimizer: &model.plan.optimizer,
                learning_rate: 0.0,
                updates: 1,
                result: 0,
            }
            .write(words);
            before += windows.len();
        }
    }
    words
}

/// The windows of chunk `c`.
fn chunk_of(windows: &[u32], c: usize, chunk: usize) -> &[u32] {
    &windows[(c * chunk).min(windows.len())..windows.len().min((c + 1) * chunk)]
}

impl Evaluations {
    pub fn new(session: &GpuSession) -> Result<Self, EngineError> {
        let (device, key, models) = (&session.device, &session.key, &session.models);
        let (n_models, batch) = (models.len(), key.evaluation);
        let most = models.iter().map(|model| model.validation.len()).max().unwrap_or(0);
        // The buffers of streamed windows hold one chunk.
        let room = session.windows.room().map_or(usize::MAX, |room| room / n_models);
        let chunk = batch.windows().min(room);
        let n_chunks = most.div_ceil(chunk).max(1);
        let program = Program::evaluation(key, Ending::Judged);
        let storage = BufferUsages::STORAGE | BufferUsages::COPY_DST | BufferUsages::COPY_SRC;
        let buffer = |what: &str, bytes: usize| device.buffer(what, bytes as u64, storage);
        let words = words(models, key, (chunk, n_chunks), session.windows.room().is_some());
        let buffers = Buffers {
            index: index(device, n_chunks)?,
            steps: buffer("validation windows", 4 * words.len())?,
            arena: buffer(
                "activations of validation windows",
                16 * (n_models * program.arena + ROWS_READ_BEYOND * batch.quads()),
            )?,
            notes: buffer("validation losses", 4 * n_chunks * n_models * program.note_words)?,
            confusion: buffer("confusion counts", 4 * n_models * key.layout.classes.pow(2))?,
            scores: None,
        };
        device.write(&buffers.steps, &words)?;
        Ok(Self {
            chunk,
            n_chunks,
            buffers,
            judged: None,
            scored: None,
            submissions: Submissions::new(),
            started: VecDeque::new(),
        })
    }

    fn stages(&self, session: &GpuSession, ending: Ending) -> Result<Stages, EngineError> {
        let (device, timings) = (&session.device, &session.timings);
        let _compiling = timings.phase(Phase::Compiling);
        let program = Program::evaluation(&session.key, ending);
        let bound = Bound::new(device, &program, session.windows.buffers.len(), |name, pair| {
            self.buffers.named(session, name, pair)
        })?;
        let prefix = match ending {
            Ending::Judged => "validation: ",
            Ending::Scored => "scoring: ",
        };
        let clock = StageClock::new(device, timings, prefix, bound.names())?;
        Ok(Stages { bound, clock })
    }

    /// Runs `stages` on each chunk; `after` records what follows it.
    fn for_each_chunk(
        &mut self,
        session: &mut GpuSession,
        Stages { bound, clock }: &mut Stages,
        mut after: impl FnMut(&mut CommandEncoder, usize),
    ) -> Result<Option<SubmissionIndex>, EngineError> {
        let chunk = self.chunk;
        let (tiles, n_models) = (session.key.evaluation.tiles, session.models.len());
        let streamed = session.windows.room().is_some();
        let mut last = None;
        let mut chunks = 0..self.n_chunks;
        while !chunks.is_empty() {
            // A clock measures one.
            let n = if streamed || clock.is_on() { 1 } else { self.submissions.steps().min(chunks.len()) };
            let now = chunks.start..chunks.start + n;
            chunks.start = now.end;
            if streamed {
                for model in &session.models {
                    let windows = chunk_of(&model.validation, now.start, chunk);
                    windows.iter().for_each(|&idx| _ = session.windows.locate(idx));
                }
            }
            let pair = session.windows.upload(&session.device)?;
            clock.begin(&session.device)?;
            let submission = session.device.submit(|encoder| {
                for index in now {
                    let grid = (tiles, n_models);
                    let is_recorded = clock.record_first(encoder, bound, pair, index, grid) > 0;
                    let timestamp_writes = clock.rest();
                    let mut pass = encoder.begin_compute_pass(&ComputePassDescriptor { label: None, timestamp_writes });
                    if !is_recorded {
                        bound.dispatch_all(&mut pass, pair, index, grid);
                    }
                    drop(pass);
                    after(encoder, index);
                }
                clock.end(encoder);
            })?;
            clock.submitted(&submission, n);
            last = Some(submission.clone());
            self.submissions.submit(&session.device, submission, n)?;
        }
        Ok(last)
    }

    /// Submits an evaluation of all models.
    pub fn start(&mut self, session: &mut GpuSession) -> Result<(), EngineError> {
        let mut stages = match self.judged.take() {
            Some(stages) => stages,
            None => self.stages(session, Ending::Judged)?,
        };
        let mut losses = session.device.reading(self.buffers.notes.size())?;
        let mut counts = session.device.reading(self.buffers.confusion.size())?;
        session.device.submit(|encoder| encoder.clear_buffer(&self.buffers.confusion, 0, None))?;
        let (notes, confusion) = (self.buffers.notes.clone(), self.buffers.confusion.clone());
        let last_chunk = self.n_chunks - 1;
        let submission = self.for_each_chunk(session, &mut stages, |encoder, chunk| {
            if chunk == last_chunk {
                encoder.copy_buffer_to_buffer(&notes, 0, &losses.staging, 0, notes.size());
                encoder.copy_buffer_to_buffer(&confusion, 0, &counts.staging, 0, confusion.size());
            }
        });
        self.judged = Some(stages);
        let submission = submission?;
        (losses.submission, counts.submission) = (submission.clone(), submission);
        self.started.push_back((losses, counts));
        Ok(())
    }

    /// Waits for the oldest evaluation that was started.
    pub fn fetch(&mut self, device: &Device, models: &[Model]) -> Result<Vec<Evaluation>, EngineError> {
        let (losses, counts) = self.started.pop_front().ok_or_else(|| EngineError::nothing_started("evaluations"))?;
        let losses: Vec<f32> = device.finish(losses)?;
        let counts: Vec<u32> = device.finish(counts)?;
        if let Some(stages) = &mut self.judged {
            stages.clock.collect(device, self.n_chunks)?;
        }
        let (n_models, classes) = (models.len(), models[0].network.spec().classes);
        // That of each window, with room for a whole chunk.
        let n_losses = losses.len() / (self.n_chunks * n_models);
        let evaluation = |(m, model): (usize, &Model)| {
            let n_windows = model.validation.len();
            let losses_of = |c: usize| {
                let n = chunk_of(&model.validation, c, self.chunk).len();
                losses[(c * n_models + m) * n_losses..][..n].iter()
            };
            let loss: f64 = (0..self.n_chunks).flat_map(losses_of).map(|&loss| f64::from(loss)).sum();
            let counts = &counts[m * classes * classes..][..classes * classes];
            Evaluation {
                loss: loss / n_windows.max(1) as f64,
                confusion: Confusion::from_counts(classes, counts.iter().map(|&count| u64::from(count)).collect()),
            }
        };
        Ok(models.iter().enumerate().map(evaluation).collect())
    }

    /// Scores (n_validation, classes) of the validation windows of each model.
    pub fn scores(&mut self, session: &mut GpuSession) -> Result<Vec<Vec<f32>>, EngineError> {
        let (classes, windows) = (session.key.layout.classes, session.key.evaluation.windows());
        let n_models = session.models.len();
        let n_scores = n_models * windows * classes;
        let bytes = 4 * n_scores as u64;
        if self.buffers.scores.is_none() {
            let usage = BufferUsages::STORAGE | BufferUsages::COPY_SRC;
            self.buffers.scores = Some(session.device.buffer("scores", bytes, usage)?);
        }
        let Some(buffer) = self.buffers.scores.clone() else { return Ok(Vec::new()) };
        let mut stages = match self.scored.take() {
            Some(stages) => stages,
            None => self.stages(session, Ending::Scored)?,
        };
        let chunks = (0..self.n_chunks).map(|_| session.device.reading(bytes));
        let mut chunks: Vec<Reading> = chunks.collect::<Result<_, _>>()?;
        let submission = self.for_each_chunk(session, &mut stages, |encoder, chunk| {
            encoder.copy_buffer_to_buffer(&buffer, 0, &chunks[chunk].staging, 0, bytes);
        });
        let submission = submission?;
        let mut scores: Vec<Vec<f32>> = vec![Vec::new(); n_models];
        for (c, mut reading) in chunks.drain(..).enumerate() {
            reading.submission = submission.clone();
            let values: Vec<f32> = session.device.finish(reading)?;
            for ((model, scores), values) in
                session.models.iter().zip(&mut scores).zip(values.chunks_exact(windows * classes))
            {
                let n_windows = chunk_of(&model.validation, c, self.chunk).len();
                scores.extend_from_slice(&values[..n_windows * classes]);
            }
        }
        stages.clock.collect(&session.device, self.n_chunks)?;
        self.scored = Some(stages);
        Ok(scores)
    }
}
