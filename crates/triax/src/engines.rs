//! From `--device` and `--engine` to an engine that can train.

use triax_burn::BurnEngine;
use triax_device::{DeviceChoice, DeviceInfo};
use triax_engine::Engine;

use crate::settings::{EngineChoice, MachineSettings};

/// An engine, and the device it runs on.
pub struct OnDevice {
    pub engine: Box<dyn Engine>,
    pub device: DeviceInfo,
}

/// Opens the device that was asked for. Says on standard error what a user should know about the choice.
pub fn open(machine: &MachineSettings) -> anyhow::Result<OnDevice> {
    // `auto` means burn for as long as there is no other.
    let (EngineChoice::Auto | EngineChoice::Burn) = machine.engine;
    open_burn(machine.device)
}

/// Opens Burn's engine on a device.
pub fn open_burn(choice: DeviceChoice) -> anyhow::Result<OnDevice> {
    let devices = match choice {
        // Looking for GPUs takes a while, and drivers may print.
        DeviceChoice::Cpu => vec![DeviceInfo::cpu()],
        _ => triax_device::list(),
    };
    let chosen = triax_device::choose(choice, &devices)?;
    if let Some(notice) = chosen.notice {
        eprintln!("note: {notice}");
    }
    let engine = match chosen.info.index {
        None => BurnEngine::cpu(),
        Some(index) => BurnEngine::gpu(&triax_device::open(index)?)?,
    };
    Ok(OnDevice { engine: Box::new(engine), device: chosen.info })
}
