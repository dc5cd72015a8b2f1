//! The size of submissions: large enough that the device does not run idle, and small enough that a desktop stays
//! responsive, a driver's watchdog does not fire, and an interrupt takes effect soon.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::EngineError;
use crate::device::wgpu::SubmissionIndex;

use super::device::Device;

/// The time that a submission should take. Two are in flight, so that a caller who stops waits for about 100 ms.
const A_SUBMISSION: Duration = Duration::from_millis(50);

/// Keeps two submissions in flight, and measures the time of a step.
#[derive(Debug)]
pub(super) struct Submissions {
    in_flight: VecDeque<(SubmissionIndex, usize, Instant)>,
    /// When the latest finished submission was seen to be finished.
    finished: Instant,
    steps: usize,
}

impl Submissions {
    pub fn new() -> Self {
        Self { in_flight: VecDeque::new(), finished: Instant::now(), steps: 1 }
    }

    /// The number of steps that the next submission should have.
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// Records a submission of `steps` steps, and waits until no more than two are in flight.
    pub fn submitted(&mut self, device: &Device, submission: SubmissionIndex, steps: usize) -> Result<(), EngineError> {
        self.in_flight.push_back((submission, steps, Instant::now()));
        while self.in_flight.len() > 2 {
            self.wait_for_oldest(device)?;
        }
        Ok(())
    }

    /// Waits until nothing is in flight.
    pub fn finish(&mut self, device: &Device) -> Result<(), EngineError> {
        while !self.in_flight.is_empty() {
            self.wait_for_oldest(device)?;
        }
        Ok(())
    }

    fn wait_for_oldest(&mut self, device: &Device) -> Result<(), EngineError> {
        let Some((submission, steps, submitted)) = self.in_flight.pop_front() else { return Ok(()) };
        device.wait(submission)?;
        let now = Instant::now();
        let took = now - self.finished.max(submitted);
        self.finished = now;
        let fitting = A_SUBMISSION.as_secs_f64() / (took.as_secs_f64() / steps as f64).max(1e-9);
        // The first measurement includes one-time work of the driver.
        self.steps = (fitting as usize).clamp(1, 4 * self.steps);
        Ok(())
    }
}
