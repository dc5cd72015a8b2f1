//! From `--engine` and `--device` to an engine that can train.

mod auto;
mod cache;
mod trial;

use triax_engine::device::{DeviceChoice, DeviceInfo, DeviceKind};
use triax_engine::Engine;
use triax_engine::{CpuEngine, GpuEngine};

use crate::failure::Usage;
use crate::settings::{EngineChoice, MachineSettings};

pub use auto::Measured;
pub use trial::Trial;

/// An engine, and the device it runs on.
pub struct OnDevice {
    pub engine: Box<dyn Engine>,
    pub device: DeviceInfo,
}

/// Where a job runs, and what decided it.
pub struct Settled {
    pub on: OnDevice,
    /// Why it is this device, where the user left that open.
    pub why: Option<String>,
    /// What was measured to decide it; empty where nothing was.
    pub measured: Vec<Measured>,
}

/// Where a job may run, before it is known.
pub enum Place {
    /// There is nothing to decide.
    Settled(Box<Settled>),
    /// One of these, the fastest: the CPU first.
    Open(EngineChoice, Vec<DeviceInfo>),
}

impl Place {
    /// Finds the devices that were asked for, and opens one where there is no choice. What is not there, or not built
    /// in, is refused here, before a long read.
    pub fn find(machine: &MachineSettings) -> anyhow::Result<Self> {
        check_built_in(machine.engine)?;
        if machine.device != DeviceChoice::Auto {
            let on = open_choice(machine.engine, machine.device)?;
            return Ok(Self::Settled(Box::new(Settled { on, why: None, measured: Vec::new() })));
        }
        let devices = triax_engine::device::list();
        let candidates = auto::candidates(&devices);
        if candidates.len() > 1 {
            return Ok(Self::Open(machine.engine, candidates));
        }
        let why = match devices.iter().any(|device| device.kind == DeviceKind::Software) {
            true => "no GPU but a software one, which computes on the CPU too",
            false => "there is no GPU here",
        };
        let on = open(machine.engine, &DeviceInfo::cpu())?;
        Ok(Self::Settled(Box::new(Settled { on, why: Some(why.to_owned()), measured: Vec::new() })))
    }

    /// Decides on a device, by a few steps of the job itself on each where this machine has not taken them before.
    pub fn settle(self, trial: &Trial<'_>) -> anyhow::Result<Settled> {
        match self {
            Self::Settled(settled) => Ok(*settled),
            Self::Open(engine, candidates) => auto::settle(engine, candidates, trial),
        }
    }
}

/// Opens a device to compute scores on, by what a user asked for alone.
pub fn open_for_scores(choice: DeviceChoice) -> anyhow::Result<OnDevice> {
    open_choice(EngineChoice::Fused, choice)
}

/// Opens the device that a user asked for. Says on standard error what they should know about it.
pub fn open_choice(engine: EngineChoice, choice: DeviceChoice) -> anyhow::Result<OnDevice> {
    let devices = match choice {
        // Looking for GPUs takes a while, and drivers may print.
        DeviceChoice::Cpu => vec![DeviceInfo::cpu()],
        _ => triax_engine::device::list(),
    };
    let chosen = triax_engine::device::choose(choice, &devices)?;
    if let Some(notice) = chosen.notice {
        eprintln!("note: {notice}");
    }
    open(engine, &chosen.info)
}

/// The engines that this program was built with.
pub fn built_in() -> Vec<EngineChoice> {
    let all = [EngineChoice::Fused, EngineChoice::Burn];
    all.into_iter().filter(|&engine| check_built_in(engine).is_ok()).collect()
}

/// Refuses an engine that was left out when this program was built.
pub fn check_built_in(engine: EngineChoice) -> Result<(), Usage> {
    if engine == EngineChoice::Burn && cfg!(not(feature = "burn")) {
        let problem = "this triax was built without the engine burn: build it with `cargo build --release` (without \
                       --no-default-features), or use --engine fused";
        return Err(Usage(problem.to_owned()));
    }
    Ok(())
}

/// Opens an engine on a device.
pub fn open(engine: EngineChoice, device: &DeviceInfo) -> anyhow::Result<OnDevice> {
    let engine = match engine {
        EngineChoice::Fused => fused(device.index)?,
        EngineChoice::Burn => burn(device.index)?,
    };
    Ok(OnDevice { engine, device: device.clone() })
}

/// The fused engine on the CPU, or on the GPU of this index.
fn fused(gpu: Option<usize>) -> anyhow::Result<Box<dyn Engine>> {
    Ok(match gpu {
        None => Box::new(CpuEngine::<f32>::new()),
        Some(index) => Box::new(GpuEngine::new(&triax_engine::device::open(index)?)?),
    })
}

/// Burn's engine on the CPU, or on the GPU of this index.
#[cfg(feature = "burn")]
fn burn(gpu: Option<usize>) -> anyhow::Result<Box<dyn Engine>> {
    Ok(Box::new(match gpu {
        None => triax_burn::BurnEngine::cpu(),
        Some(index) => triax_burn::BurnEngine::gpu(&triax_engine::device::open(index)?)?,
    }))
}

#[cfg(not(feature = "burn"))]
fn burn(_gpu: Option<usize>) -> anyhow::Result<Box<dyn Engine>> {
    check_built_in(EngineChoice::Burn)?;
    unreachable!("an engine that was left out is refused")
}
