//! Finds the GPUs of this machine, chooses one, and opens it.
//!
//! [`list`] names what is there, [`choose`] picks one by what a user asked for, and [`open`] opens it with wgpu. The
//! environment variable `WGPU_BACKEND` (`vulkan`, `metal`, `dx12`, `gl`, a list of them, or `none`) narrows what is
//! looked at.
//!
//! This module must never know networks, nor what a device is opened for.

mod adapters;
mod choice;
mod info;

pub use adapters::{DeviceError, Opened, list, open};
pub use choice::{ChoiceError, Chosen, DeviceChoice, choose};
pub use info::{DeviceInfo, DeviceKind, GpuLimits};
/// The wgpu of the handles in [`Opened`].
pub use wgpu;
