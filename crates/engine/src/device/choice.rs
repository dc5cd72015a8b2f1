//! Selects a device by the argument of `--device`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{DeviceInfo, DeviceKind};

/// The device that a user asks for: `auto`, `cpu`, `gpu` or `gpu:N`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum DeviceChoice {
    /// The first hardware GPU, else the CPU; the caller may measure and decide otherwise.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The GPU of this index, or the first one.
    Gpu(Option<usize>),
}

impl FromStr for DeviceChoice {
    type Err = ChoiceError;

    fn from_str(text: &str) -> Result<Self, ChoiceError> {
        let unknown = || ChoiceError::Unknown(text.to_owned());
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "gpu" => Ok(Self::Gpu(None)),
            _ => {
                let index = text.strip_prefix("gpu:").ok_or_else(unknown)?;
                index.parse().map(|index| Self::Gpu(Some(index))).map_err(|_| unknown())
            }
        }
    }
}

impl TryFrom<String> for DeviceChoice {
    type Error = ChoiceError;

    fn try_from(text: String) -> Result<Self, ChoiceError> {
        text.parse()
    }
}

impl From<DeviceChoice> for String {
    fn from(choice: DeviceChoice) -> Self {
        choice.to_string()
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.pad("auto"),
            Self::Cpu => f.pad("cpu"),
            Self::Gpu(None) => f.pad("gpu"),
            Self::Gpu(Some(index)) => f.pad(&format!("gpu:{index}")),
        }
    }
}

/// Why no device was selected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChoiceError {
    /// The text names no device.
    #[error(
        "no device is called `{0}`: use auto (a real GPU or the CPU), cpu, gpu (the first GPU) or gpu:N \
         with an index that `triax devices` prints, such as gpu:0"
    )]
    Unknown(String),
    /// This machine has no GPU.
    #[error(
        "this machine has no GPU that wgpu can reach (Vulkan, Metal, DX12 or OpenGL): install its driver, or use \
         --device cpu"
    )]
    NoGpu,
    /// There are GPUs, but not that one.
    #[error("there is no gpu:{index}; this machine has {}", .available.join(", "))]
    NoSuchGpu {
        /// The index asked for.
        index: usize,
        /// The GPUs there are.
        available: Vec<String>,
    },
}

/// The selected device, with a notice for the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChosenDevice {
    /// The device.
    pub info: DeviceInfo,
    /// A sentence to print if the device is a software GPU.
    pub notice: Option<String>,
}

/// Selects one of `devices` (those of [`super::list`]).
///
/// `auto` never selects a software GPU. `gpu:N` does, and so does `gpu` if there is no other; the notice then says so.
///
/// # Errors
/// A GPU was asked for and there is none, or none of that index.
pub fn choose(choice: DeviceChoice, devices: &[DeviceInfo]) -> Result<ChosenDevice, ChoiceError> {
    let gpus = || devices.iter().filter(|device| device.index.is_some());
    let real = || gpus().find(|device| device.kind.is_real_gpu());
    let cpu = || devices.iter().find(|device| device.kind == DeviceKind::Cpu).cloned().unwrap_or_else(DeviceInfo::cpu);
    let info = match choice {
        DeviceChoice::Auto => real().cloned().unwrap_or_else(cpu),
        DeviceChoice::Cpu => cpu(),
        DeviceChoice::Gpu(None) => real().or_else(|| gpus().next()).cloned().ok_or(ChoiceError::NoGpu)?,
        DeviceChoice::Gpu(Some(_)) if gpus().next().is_none() => return Err(ChoiceError::NoGpu),
        DeviceChoice::Gpu(Some(index)) => gpus()
            .find(|device| device.index == Some(index))
            .cloned()
            .ok_or_else(|| ChoiceError::NoSuchGpu { index, available: gpus().map(ToString::to_string).collect() })?,
    };
    let notice = (info.kind == DeviceKind::Software).then(|| {
        format!("{info} is a software GPU: it computes on the CPU, for tests, and much slower than --device cpu would")
    });
    Ok(ChosenDevice { info, notice })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(kinds: &[DeviceKind]) -> Vec<DeviceInfo> {
        let gpus = kinds.iter().enumerate().map(|(index, &kind)| DeviceInfo {
            index: Some(index),
            name: format!("GPU {index}"),
            kind,
            api: "Vulkan".to_owned(),
            ..DeviceInfo::cpu()
        });
        gpus.chain([DeviceInfo::cpu()]).collect()
    }

    fn chosen(choice: &str, kinds: &[DeviceKind]) -> Result<(String, bool), ChoiceError> {
        choose(choice.parse()?, &machine(kinds)).map(|chosen| (chosen.info.argument(), chosen.notice.is_some()))
    }

    #[test]
    fn choices_are_read_as_they_are_printed() {
        for text in ["auto", "cpu", "gpu", "gpu:0", "gpu:17"] {
            assert_eq!(text.parse::<DeviceChoice>().unwrap().to_string(), text);
        }
        for text in ["", "GPU", "gpu:", "gpu:-1", "gpu:x", "gpu:1:2", "cuda"] {
            let error = text.parse::<DeviceChoice>().unwrap_err();
            assert!(error.to_string().contains("auto") && error.to_string().contains("gpu:0"), "{error}");
        }
    }

    #[test]
    fn auto_takes_a_real_gpu_or_the_cpu_but_no_software_gpu() {
        use DeviceKind::{Discrete, Integrated, Software};
        assert_eq!(chosen("auto", &[Discrete, Integrated, Software]), Ok(("gpu:0".to_owned(), false)));
        assert_eq!(chosen("auto", &[Software]), Ok(("cpu".to_owned(), false)));
        assert_eq!(chosen("auto", &[]), Ok(("cpu".to_owned(), false)));
        assert_eq!(chosen("cpu", &[Discrete]), Ok(("cpu".to_owned(), false)));
    }

    #[test]
    fn a_software_gpu_is_taken_where_it_was_named_and_says_so() {
        use DeviceKind::{Discrete, Software};
        assert_eq!(chosen("gpu:1", &[Discrete, Software]), Ok(("gpu:1".to_owned(), true)));
        assert_eq!(chosen("gpu", &[Discrete, Software]), Ok(("gpu:0".to_owned(), false)));
        assert_eq!(chosen("gpu", &[Software]), Ok(("gpu:0".to_owned(), true)));
    }

    #[test]
    fn what_is_not_there_is_refused_with_what_is() {
        assert_eq!(chosen("gpu", &[]), Err(ChoiceError::NoGpu));
        assert_eq!(chosen("gpu:0", &[]), Err(ChoiceError::NoGpu));
        let error = chosen("gpu:3", &[DeviceKind::Discrete]).unwrap_err();
        assert_eq!(error.to_string(), "there is no gpu:3; this machine has gpu:0 GPU 0 (discrete, Vulkan)");
    }
}
