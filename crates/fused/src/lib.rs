//! The fused engine: a training step in two passes, a fleet of models at once, on the CPU and in WGSL.

mod cpu;
mod gpu;

pub use cpu::{CpuEngine, Float, StageTime, Stages, gradients, stage_times};
pub use gpu::GpuEngine;
