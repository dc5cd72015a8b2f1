//! The size of submissions: large enough that the device does not run idle, and small enough that a desktop stays
//! responsive, a driver's watchdog does not fire, and an interrupt takes effect soon.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::EngineError;
use crate::device::wgpu::SubmissionIndex;

use super::device::Device;

/// The time that a submission should take. Two are in flight, so that a caller who stops waits for about 100 ms.
const A_SUBMISSION: Duration = Duration::from_millis(50);

/// How many steps fit into a submission, as measured so far. A session keeps it from stretch to stretch.
#[derive(Debug)]
pub(super) struct Pace {
    steps: usize,
}

impl Pace {
    pub fn new() -> Self {
        Self { steps: 1 }
    }

    fn measured(&mut self, took: Duration, steps: usize) {
        let fitting = A_SUBMISSION.as_secs_f64() / (took.as_secs_f64() / steps as f64).max(1e-9);
        // The first measurement includes one-time work of the driver.
        self.steps = (fitting as usize).clamp(1, 4 * self.steps);
    }
}

/// Keeps two submissions in flight, and measures the time of a step. Those in flight when it is dropped go on: what follows
/// them need not wait.
#[derive(Debug)]
pub(super) struct Submissions<'a> {
    pace: &'a mut Pace,
    in_flight: VecDeque<(SubmissionIndex, usize)>,
    /// When the latest finished submission was seen to be finished; not known before the first one.
    finished: Option<Instant>,
}

impl<'a> Submissions<'a> {
    pub fn new(pace: &'a mut Pace) -> Self {
        Self { pace, in_flight: VecDeque::new(), finished: None }
    }

    /// The number of steps that the next submission should have.
    pub fn steps(&self) -> usize {
        self.pace.steps
    }

    /// Records a submission of `steps` steps, and waits until no more than two are in flight.
    pub fn submitted(&mut self, device: &Device, submission: SubmissionIndex, steps: usize) -> Result<(), EngineError> {
        self.in_flight.push_back((submission, steps));
        while self.in_flight.len() > 2 {
            let Some((submission, steps)) = self.in_flight.pop_front() else { break };
            device.wait(submission)?;
            let now = Instant::now();
            // Between two that were waited for, the device had nothing else to do. The first may have waited for others.
            if let Some(finished) = self.finished.replace(now) {
                self.pace.measured(now - finished, steps);
            }
        }
        Ok(())
    }
}
