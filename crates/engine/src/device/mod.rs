//! The devices of this machine.
//!
//! [`list`] lists them, [`choose`] selects one by the argument of `--device`, and [`open`] opens a GPU with wgpu. The
//! environment variable `WGPU_BACKEND` (`vulkan`, `metal`, `dx12`, `gl`, a list of them, or `none`) restricts the search.
//!
//! This module knows neither networks nor what a device is used for.

mod adapters;
mod choice;
mod info;

pub use adapters::{DeviceError, OpenGpu, list, open};
pub use choice::{ChoiceError, ChosenDevice, DeviceChoice, choose};
pub use info::{DeviceInfo, DeviceKind, GpuLimits};
/// The version of wgpu whose handles [`OpenGpu`] holds.
pub use wgpu;
