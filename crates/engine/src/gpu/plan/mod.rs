//! The plan of a fleet's training: what is computed, by which kernels, on which grids, and the layout of what they read and
//! write. It knows no device and no wgpu, so that whatever drives it drives the same step.
//!
//! | module | contents |
//! |---|---|
//! | `key` | everything that a plan depends on |
//! | `layers` | the layers of a network as the kernels take them |
//! | `layout` | rows of the arena, vectors of the weights |
//! | `shape` | how the work of a layer is shared out among workgroups and invocations |
//! | `compose` | WGSL of a stage, of the sources of `triax-kernels` |
//! | `program` | the stages of a step and of an evaluation, in order, with their grids |
//! | `members` | the words that describe a model and a step to the kernels |

mod compose;
mod key;
mod layers;
mod layout;
mod members;
mod program;
mod shape;
#[cfg(test)]
mod tests;

pub(super) use compose::{Access, Binding, reflect};
pub(super) use key::{AugmentationKinds, Batch, FleetKey, FleetSize, OptimizerForm, different_losses};
pub(super) use layers::Tail;
pub(super) use layout::{Layout, ROWS_READ_BEYOND, check_layout};
pub(super) use members::{Step, dropout, member_words};
pub(super) use program::{Ending, Grid, Program, Stage};
