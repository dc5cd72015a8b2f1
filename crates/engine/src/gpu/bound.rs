//! A program with its kernels, bound to the buffers of a session.

use std::sync::Arc;

use crate::EngineError;
use crate::device::wgpu::{BindGroup, Buffer, ComputePass};

use super::device::{Device, Kernel, MOST_GROUPS};
use super::plan::{Access, Grid, Program, Stage};

/// The bytes between entries of the index: the largest alignment that any device requires.
pub(super) const INDEX_STRIDE: usize = 256;

/// One stage.
#[derive(Debug)]
struct BoundStage {
    kernel: Arc<Kernel>,
    grid: Grid,
    /// One for each pair of buffers of windows.
    groups: Vec<BindGroup>,
    has_index: bool,
}

/// The stages of a pass, in order.
#[derive(Debug)]
pub(super) struct Bound {
    names: Vec<String>,
    stages: Vec<BoundStage>,
}

impl Bound {
    /// Compiles the stages of `program` at the same time, and binds each to what `buffer` finds for a name and the index
    /// of a pair of buffers of windows.
    ///
    /// # Errors
    /// A batch that takes more workgroups than a grid may have; a driver that fails.
    pub fn new<'a>(
        device: &Device,
        program: &Program,
        n_pairs: usize,
        buffer: impl Fn(&str, usize) -> Option<&'a Buffer>,
    ) -> Result<Self, EngineError> {
        for stage in &program.stages {
            let groups = stage.grid.groups(program.batch.tiles);
            if groups > MOST_GROUPS {
                let tiles = MOST_GROUPS / stage.grid.groups(1).max(1);
                return Err(EngineError::TooLarge {
                    device: device.name(),
                    what: "the batch".to_owned(),
                    needed: program.batch.windows() as u64,
                    limit: (tiles * program.batch.samples) as u64,
                });
            }
        }
        let kernels = compile(device, &program.stages)?;
        let bound = |(stage, kernel): (&Stage, Arc<Kernel>)| {
            let groups = (0..n_pairs).map(|pair| device.bind(&kernel, |name| buffer(name, pair)));
            let groups = groups.collect::<Result<_, _>>()?;
            let has_index = kernel.bindings.iter().any(|binding| binding.access == Access::Uniform);
            Ok(BoundStage { grid: stage.grid, groups, has_index, kernel })
        };
        Ok(Self {
            names: program.stages.iter().map(|stage| stage.name.clone()).collect(),
            stages: program.stages.iter().zip(kernels).map(bound).collect::<Result<_, EngineError>>()?,
        })
    }

    /// The names of the stages, in order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Records stage `n` of step `index` of those uploaded, of which no model has more than `tiles` tiles.
    pub fn dispatch(&self, n: usize, pass: &mut ComputePass<'_>, pair: usize, index: usize, grid: (usize, usize)) {
        let (stage, (tiles, n_models)) = (&self.stages[n], grid);
        let offset = stage.has_index.then_some((index * INDEX_STRIDE) as u32);
        pass.set_pipeline(&stage.kernel.pipeline);
        pass.set_bind_group(0, &stage.groups[pair % stage.groups.len()], offset.as_slice());
        pass.dispatch_workgroups(stage.grid.groups(tiles) as u32, n_models as u32, 1);
    }

    /// Records all stages of a step.
    pub fn dispatch_all(&self, pass: &mut ComputePass<'_>, pair: usize, index: usize, grid: (usize, usize)) {
        (0..self.stages.len()).for_each(|n| self.dispatch(n, pass, pair, index, grid));
    }
}

/// The kernels of `stages`. Compiling takes most of the time until the first step, so that all are compiled at once.
pub(super) fn compile(device: &Device, stages: &[Stage]) -> Result<Vec<Arc<Kernel>>, EngineError> {
    std::thread::scope(|scope| {
        let compiling: Vec<_> =
            stages.iter().map(|stage| scope.spawn(|| device.kernel(&stage.name, &stage.source))).collect();
        let compiled = compiling
            .into_iter()
            .map(|kernel| kernel.join().unwrap_or_else(|_| Err(device.error("its driver failed to compile a kernel"))));
        compiled.collect()
    })
}
