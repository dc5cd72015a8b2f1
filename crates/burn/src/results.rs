//! The results of steps: read at once on a CPU, and collected on the device and read together on a GPU.

use burn::tensor::{ExecutionError, Tensor};
use triax_engine::StepResult;

use crate::parameters::read;

/// The number of steps whose results are concatenated to one tensor, which limits the number of small buffers on a GPU.
const STEPS_A_BLOCK: usize = 64;

/// The results of one step on the device, one value each: loss, correct windows, gradient norm.
pub(crate) type StepTensors = [Tensor<1>; 3];

/// The results of a stretch of steps.
pub(crate) enum Results {
    /// Read after each step.
    Read(Vec<StepResult>),
    /// Still on the device.
    Queued {
        /// Values of the latest steps.
        steps: Vec<Tensor<1>>,
        /// Values of [`STEPS_A_BLOCK`] steps each.
        blocks: Vec<Tensor<1>>,
    },
}

impl Results {
    /// No results. With `at_once`, each step's result is read when it is taken.
    pub fn new(at_once: bool) -> Self {
        if at_once { Self::Read(Vec::new()) } else { Self::Queued { steps: Vec::new(), blocks: Vec::new() } }
    }

    /// Adds the result of one step, and returns it if it was read.
    pub fn take(&mut self, step: StepTensors) -> Result<Option<StepResult>, ExecutionError> {
        match self {
            Self::Read(results) => {
                let result = result(&read(Tensor::cat(step.to_vec(), 0))?);
                results.push(result);
                Ok(Some(result))
            }
            Self::Queued { steps, blocks } => {
                steps.extend(step);
                if steps.len() == STEPS_A_BLOCK * 3 {
                    blocks.push(Tensor::cat(std::mem::take(steps), 0));
                }
                Ok(None)
            }
        }
    }

    /// All results in the order of their steps.
    pub fn read(self) -> Result<Vec<StepResult>, ExecutionError> {
        match self {
            Self::Read(results) => Ok(results),
            Self::Queued { steps, mut blocks } => {
                blocks.extend(steps);
                if blocks.is_empty() {
                    return Ok(Vec::new());
                }
                Ok(read(Tensor::cat(blocks, 0))?.chunks_exact(3).map(result).collect())
            }
        }
    }
}

fn result(values: &[f32]) -> StepResult {
    StepResult { loss: values[0], correct: values[1] as u32, gradient_norm: values[2] }
}
