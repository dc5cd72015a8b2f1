//! The size of submissions: large enough that the device does not run idle, and small enough that a desktop stays
//! responsive, a driver's watchdog does not fire, and an interrupt takes effect soon.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::EngineError;
use crate::device::wgpu::SubmissionIndex;

use super::device::Device;

/// The time that a submission should take. Two are in flight, so that a caller who stops waits for about 100 ms.
const A_SUBMISSION: Duration = Duration::from_millis(50);

/// Keeps two submissions in flight, and measures how many steps fit into one. A session keeps it from stretch to stretch.
#[derive(Debug)]
pub(super) struct Submissions {
    in_flight: VecDeque<InFlight>,
    /// When the newest of those that are known to be finished was seen to be.
    finished: Instant,
    /// The steps that the next submission should have.
    steps: usize,
    submitted: usize,
}

#[derive(Debug)]
struct InFlight {
    number: usize,
    submission: SubmissionIndex,
    steps: usize,
    submitted: Instant,
}

impl Submissions {
    pub fn new() -> Self {
        Self { in_flight: VecDeque::new(), finished: Instant::now(), steps: 1, submitted: 0 }
    }

    /// The number of steps that the next submission should have.
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// The number of submissions so far.
    pub fn submitted(&self) -> usize {
        self.submitted
    }

    /// Records a submission of `steps` steps, and waits until no more than two are in flight.
    pub fn submit(&mut self, device: &Device, submission: SubmissionIndex, steps: usize) -> Result<(), EngineError> {
        self.submitted += 1;
        self.in_flight.push_back(InFlight { number: self.submitted, submission, steps, submitted: Instant::now() });
        while self.in_flight.len() > 2 {
            self.wait_for_oldest(device)?;
        }
        Ok(())
    }

    /// Waits for the first `n` submissions.
    pub fn wait_for(&mut self, device: &Device, n: usize) -> Result<(), EngineError> {
        while self.in_flight.front().is_some_and(|oldest| oldest.number <= n) {
            self.wait_for_oldest(device)?;
        }
        Ok(())
    }

    fn wait_for_oldest(&mut self, device: &Device) -> Result<(), EngineError> {
        let Some(InFlight { submission, steps, submitted, .. }) = self.in_flight.pop_front() else { return Ok(()) };
        // One that has ended before does not tell when.
        let is_measured = !device.is_done(&submission)?;
        device.wait(submission)?;
        let now = Instant::now();
        if is_measured {
            let took = now - self.finished.max(submitted);
            let fitting = A_SUBMISSION.as_secs_f64() / (took.as_secs_f64() / steps as f64).max(1e-9);
            // The first measurement includes one-time work of the driver.
            self.steps = (fitting as usize).clamp(1, 4 * self.steps);
        }
        self.finished = now;
        Ok(())
    }
}
