//! The engine for the settings `engine` and `device`.

mod auto;
mod cache;
mod shelf;
mod trial;

use triax_engine::device::{self, DeviceChoice, DeviceInfo, DeviceKind};
use triax_engine::{CpuEngine, Engine, GpuEngine};

use crate::settings::{EngineName, MachineSettings};
use crate::{Error, Notice};

pub use auto::Measured;
pub(crate) use shelf::Shelf;
pub use trial::{Trial, time_to_warm, warm_up};

/// An engine and its device.
pub struct OpenEngine {
    /// The engine. It may move to the thread that uses it.
    pub engine: Box<dyn Engine + Send>,
    /// The device.
    pub device: DeviceInfo,
}

/// The engine and the device of a job, and the reason for the choice.
pub struct ChosenEngine {
    /// The engine.
    pub open: OpenEngine,
    /// The reason for the device, if it was chosen automatically.
    pub why: Option<String>,
    /// The measurements that decided; empty if none were needed.
    pub measured: Vec<Measured>,
    /// Notices about the choice.
    pub notices: Vec<Notice>,
}

/// The devices on which a job may run.
pub enum Candidates {
    /// The only device.
    One(Box<ChosenEngine>),
    /// Several devices, the CPU first. The fastest one is chosen.
    Several(EngineName, Vec<DeviceInfo>),
}

impl Candidates {
    /// Finds the devices for `machine`, and opens the device if there is only one. Unknown devices and engines that are not
    /// built in are refused here, before the data is read.
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

    /// Chooses a device by the time of a few steps of the job on each, or by cached times.
    ///
    /// # Errors
    /// A job that the CPU refuses. A GPU that fails is left out with a notice.
    pub fn choose(self, trial: &Trial<'_>) -> Result<ChosenEngine, Error> {
        match self {
            Self::One(chosen) => Ok(*chosen),
            Self::Several(engine, candidates) => auto::choose(engine, candidates, trial),
        }
    }
}

/// Opens the device that `choice` names, and returns notices about it.
///
/// # Errors
/// As [`Candidates::find`].
pub fn open_choice(engine: EngineName, choice: DeviceChoice) -> Result<(OpenEngine, Vec<Notice>), Error> {
    let devices = match choice {
        // Listing GPUs is slow, and drivers may print.
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
fn fused(gpu: Option<usize>) -> Result<Box<dyn Engine + Send>, Error> {
    Ok(match gpu {
        None => Box::new(CpuEngine::<f32>::new()),
        Some(index) => Box::new(GpuEngine::new(&device::open(index)?)?),
    })
}

/// Burn's engine on the CPU, or on the GPU of this index.
#[cfg(feature = "burn")]
fn burn(gpu: Option<usize>) -> Result<Box<dyn Engine + Send>, Error> {
    Ok(Box::new(match gpu {
        None => triax_burn::BurnEngine::cpu(),
        Some(index) => triax_burn::BurnEngine::gpu(&device::open(index)?)?,
    }))
}

#[cfg(not(feature = "burn"))]
fn burn(_gpu: Option<usize>) -> Result<Box<dyn Engine + Send>, Error> {
    check_built_in(EngineName::Burn)?;
    unreachable!("an engine that was left out is refused")
}
