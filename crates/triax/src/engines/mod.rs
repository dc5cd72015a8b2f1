//! From the settings `engine` and `device` to an engine that can train.

mod auto;
mod cache;
mod trial;

use triax_engine::device::{self, DeviceChoice, DeviceInfo, DeviceKind};
use triax_engine::{CpuEngine, Engine, GpuEngine};

use crate::settings::{EngineName, MachineSettings};
use crate::{Error, Notice};

pub use auto::Measured;
pub use trial::Trial;

/// An engine on the device that it was opened on.
pub struct OpenEngine {
    /// Trains and scores.
    pub engine: Box<dyn Engine>,
    /// Where.
    pub device: DeviceInfo,
}

/// The engine and device of a job, and what decided on them.
pub struct ChosenEngine {
    /// The engine.
    pub open: OpenEngine,
    /// Why it is this device, where the user left that open.
    pub why: Option<String>,
    /// What was measured to decide it; empty where nothing was.
    pub measured: Vec<Measured>,
    /// What a user should know about the choice.
    pub notices: Vec<Notice>,
}

/// Where a job may run, before it is known which device takes it.
pub enum Candidates {
    /// There is nothing to decide.
    One(Box<ChosenEngine>),
    /// One of these, the fastest: the CPU first.
    Several(EngineName, Vec<DeviceInfo>),
}

impl Candidates {
    /// Finds the devices that were asked for, and opens one where there is no choice. A device that is not there, or an
    /// engine that is not built in, is refused here, before a long read.
    ///
    /// # Errors
    /// No such device or engine; a driver that refuses.
    pub fn find(machine: &MachineSettings) -> Result<Self, Error> {
        check_built_in(machine.engine)?;
        if machine.device != DeviceChoice::Auto {
            let (open, notices) = open_choice(machine.engine, machine.device)?;
            return Ok(Self::One(Box::new(ChosenEngine { open, why: None, measured: Vec::new(), notices })));
        }
        let devices = device::list();
        let candidates = auto::candidates(&devices);
        if candidates.len() > 1 {
            return Ok(Self::Several(machine.engine, candidates));
        }
        let why = match devices.iter().any(|device| device.kind == DeviceKind::Software) {
            true => "no GPU but a software one, which computes on the CPU too",
            false => "there is no GPU here",
        };
        let open = open(machine.engine, &DeviceInfo::cpu())?;
        let why = Some(why.to_owned());
        Ok(Self::One(Box::new(ChosenEngine { open, why, measured: Vec::new(), notices: Vec::new() })))
    }

    /// Decides on a device: by a few steps of the job itself on each, where this machine has not taken them before.
    ///
    /// # Errors
    /// A job that the CPU refuses. A GPU that fails is left out, with a notice.
    pub fn choose(self, trial: &Trial<'_>) -> Result<ChosenEngine, Error> {
        match self {
            Self::One(chosen) => Ok(*chosen),
            Self::Several(engine, candidates) => auto::choose(engine, candidates, trial),
        }
    }
}

/// Opens the device that a user asked for, with what they should know about it.
///
/// # Errors
/// As [`Candidates::find`].
pub fn open_choice(engine: EngineName, choice: DeviceChoice) -> Result<(OpenEngine, Vec<Notice>), Error> {
    let devices = match choice {
        // Looking for GPUs takes a while, and drivers may print.
        DeviceChoice::Cpu => vec![DeviceInfo::cpu()],
        _ => device::list(),
    };
    let chosen = device::choose(choice, &devices)?;
    Ok((open(engine, &chosen.info)?, chosen.notice.map(Notice::Note).into_iter().collect()))
}

/// The engines that this program was built with.
pub fn built_in() -> Vec<EngineName> {
    EngineName::ALL.iter().copied().filter(|&engine| check_built_in(engine).is_ok()).collect()
}

/// Refuses an engine that was left out when this program was built.
///
/// # Errors
/// [`Error::Usage`].
pub fn check_built_in(engine: EngineName) -> Result<(), Error> {
    if engine == EngineName::Burn && cfg!(not(feature = "burn")) {
        let problem = "this triax was built without the engine burn: build it with `cargo build --release` (without \
                       --no-default-features), or use --engine fused";
        return Err(Error::Usage(problem.to_owned()));
    }
    Ok(())
}

/// Opens an engine on a device.
///
/// # Errors
/// An engine that is not built in; a driver that refuses.
pub fn open(engine: EngineName, device: &DeviceInfo) -> Result<OpenEngine, Error> {
    let engine = match engine {
        EngineName::Fused => fused(device.index)?,
        EngineName::Burn => burn(device.index)?,
    };
    Ok(OpenEngine { engine, device: device.clone() })
}

/// The fused engine on the CPU, or on the GPU of this index.
fn fused(gpu: Option<usize>) -> Result<Box<dyn Engine>, Error> {
    Ok(match gpu {
        None => Box::new(CpuEngine::<f32>::new()),
        Some(index) => Box::new(GpuEngine::new(&device::open(index)?)?),
    })
}

/// Burn's engine on the CPU, or on the GPU of this index.
#[cfg(feature = "burn")]
fn burn(gpu: Option<usize>) -> Result<Box<dyn Engine>, Error> {
    Ok(Box::new(match gpu {
        None => triax_burn::BurnEngine::cpu(),
        Some(index) => triax_burn::BurnEngine::gpu(&device::open(index)?)?,
    }))
}

#[cfg(not(feature = "burn"))]
fn burn(_gpu: Option<usize>) -> Result<Box<dyn Engine>, Error> {
    check_built_in(EngineName::Burn)?;
    unreachable!("an engine that was left out is refused")
}
