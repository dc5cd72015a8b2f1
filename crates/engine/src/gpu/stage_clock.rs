//! How long each stage takes on the device, by timestamps.

use std::collections::VecDeque;
use std::time::Duration;

use crate::device::wgpu::{
    Buffer, BufferUsages, CommandEncoder, ComputePassDescriptor, ComputePassTimestampWrites, QuerySet, SubmissionIndex,
};
use crate::{EngineError, Timings};

use super::bound::Bound;
use super::device::{Device, Reading};

/// Measures the stages where time is recorded and the device has timestamps, else nothing. It takes the first step of each
/// submission stage by stage, and the rest as a whole. The whole is shared out among the stages as the first step was.
#[derive(Debug)]
pub(super) struct StageClock(Option<Clock>);

#[derive(Debug)]
struct Clock {
    timings: Timings,
    stages: Vec<String>,
    queries: QuerySet,
    resolved: Buffer,
    /// The timestamps of the submission that is being recorded.
    recording: Option<Reading>,
    /// Those of submissions, with their steps, the oldest first.
    submitted: VecDeque<(Reading, usize)>,
}

impl StageClock {
    /// For stages whose names are told by `prefix` from those of another pass.
    pub fn new(device: &Device, timings: &Timings, prefix: &str, stages: &[String]) -> Result<Self, EngineError> {
        if timings.found().is_none() || !device.has_timestamps() {
            return Ok(Self(None));
        }
        let n_queries = 2 * (stages.len() + 1);
        let usage = BufferUsages::QUERY_RESOLVE | BufferUsages::COPY_SRC;
        Ok(Self(Some(Clock {
            timings: timings.clone(),
            stages: stages.iter().map(|stage| format!("{prefix}{stage}")).collect(),
            queries: device.queries(n_queries as u32)?,
            resolved: device.buffer("timestamps", 8 * n_queries as u64, usage)?,
            recording: None,
            submitted: VecDeque::new(),
        })))
    }

    /// Whether it measures.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Prepares for a submission.
    pub fn begin(&mut self, device: &Device) -> Result<(), EngineError> {
        if let Some(clock) = &mut self.0 {
            clock.recording = Some(device.reading(clock.resolved.size())?);
        }
        Ok(())
    }

    /// Records the first step of a submission, number `index`, stage by stage. Returns the number of steps recorded.
    pub fn record_first(
        &self,
        encoder: &mut CommandEncoder,
        stages: &Bound,
        pair: usize,
        index: usize,
        grid: (usize, usize),
    ) -> usize {
        let Some(clock) = &self.0 else { return 0 };
        for n in 0..clock.stages.len() {
            let timestamp_writes = Some(clock.between(n));
            let mut pass = encoder.begin_compute_pass(&ComputePassDescriptor { label: None, timestamp_writes });
            stages.dispatch(n, &mut pass, pair, index, grid);
        }
        1
    }

    /// The timestamps of the pass with the rest. It has to be there, even if there is nothing in it.
    pub fn rest(&self) -> Option<ComputePassTimestampWrites<'_>> {
        self.0.as_ref().map(|clock| clock.between(clock.stages.len()))
    }

    /// Records that the timestamps are read back.
    pub fn end(&self, encoder: &mut CommandEncoder) {
        if let Some((clock, reading)) = self.0.as_ref().and_then(|clock| Some((clock, clock.recording.as_ref()?))) {
            encoder.resolve_query_set(&clock.queries, 0..2 * (clock.stages.len() as u32 + 1), &clock.resolved, 0);
            encoder.copy_buffer_to_buffer(&clock.resolved, 0, &reading.staging, 0, clock.resolved.size());
        }
    }

    /// Takes note that what was recorded has been submitted, with so many steps.
    pub fn submitted(&mut self, submission: &SubmissionIndex, steps: usize) {
        if let Some(clock) = &mut self.0
            && let Some(mut reading) = clock.recording.take()
        {
            reading.submission = Some(submission.clone());
            clock.submitted.push_back((reading, steps));
        }
    }

    /// Adds the times of the `n` oldest submissions.
    pub fn collect(&mut self, device: &Device, n: usize) -> Result<(), EngineError> {
        let Some(clock) = &mut self.0 else { return Ok(()) };
        for _ in 0..n {
            let Some((reading, steps)) = clock.submitted.pop_front() else { break };
            let stamps: Vec<u64> = device.finish(reading)?;
            let seconds: Vec<f64> = stamps
                .chunks_exact(2)
                .map(|pair| pair[1].saturating_sub(pair[0]) as f64 * f64::from(device.timestamp_ns()) / 1e9)
                .collect();
            let Some((rest, first)) = seconds.split_last() else { break };
            let of_first: f64 = first.iter().sum();
            for (stage, seconds) in clock.stages.iter().zip(first) {
                let share = if of_first > 0.0 { seconds / of_first } else { 0.0 };
                let time = Duration::from_secs_f64(seconds + share * rest);
                clock.timings.add_device(stage, time, steps as u64);
            }
        }
        Ok(())
    }
}

impl Clock {
    /// The `n`th pair of timestamps.
    fn between(&self, n: usize) -> ComputePassTimestampWrites<'_> {
        ComputePassTimestampWrites {
            query_set: &self.queries,
            beginning_of_pass_write_index: Some(2 * n as u32),
            end_of_pass_write_index: Some(2 * n as u32 + 1),
        }
    }
}
