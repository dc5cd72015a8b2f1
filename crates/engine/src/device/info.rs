//! What is known about a device before it is opened.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a device is, in the order in which devices are listed and preferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceKind {
    /// A GPU with memory of its own.
    Discrete,
    /// A GPU that shares the memory of the CPU.
    Integrated,
    /// A GPU lent by a hypervisor.
    Virtual,
    /// A GPU whose driver does not say what it is (OpenGL often).
    Unknown,
    /// A GPU driver that computes on the CPU (llvmpipe, SwiftShader, WARP): for tests, never chosen automatically.
    Software,
    /// The CPU itself.
    Cpu,
}

impl DeviceKind {
    /// Whether it is hardware.
    pub fn is_real_gpu(self) -> bool {
        !matches!(self, Self::Software | Self::Cpu)
    }
}

impl fmt::Display for DeviceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Discrete => "discrete",
            Self::Integrated => "integrated",
            Self::Virtual => "virtual",
            Self::Unknown => "unknown",
            Self::Software => "software",
            Self::Cpu => "cpu",
        })
    }
}

/// The limits and features of a GPU that decide what runs on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GpuLimits {
    /// Bytes of the largest buffer.
    pub max_buffer_size: u64,
    /// Bytes of a buffer that one shader can see.
    pub max_storage_buffer_binding_size: u64,
    /// Bytes of workgroup memory.
    pub max_compute_workgroup_storage_size: u32,
    /// Invocations a workgroup.
    pub max_compute_invocations_per_workgroup: u32,
    /// Storage buffers that one shader can bind.
    pub max_storage_buffers_per_shader_stage: u32,
    /// Whether shaders have subgroup operations.
    pub subgroups: bool,
    /// Whether shaders have 16-bit floats.
    pub f16: bool,
    /// Whether the GPU can time its own work.
    pub timestamps: bool,
}

/// A device of this machine: a GPU through one graphics API, or the CPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceInfo {
    /// N of `gpu:N`; none for the CPU.
    pub index: Option<usize>,
    /// Name of the GPU or CPU.
    pub name: String,
    /// What it is.
    pub kind: DeviceKind,
    /// Graphics API it is reached through; empty for the CPU.
    pub api: String,
    /// Name of the driver; empty for the CPU.
    pub driver: String,
    /// Version of the driver, in the driver's own words; empty for the CPU.
    pub driver_version: String,
    /// Limits of a GPU; none for the CPU.
    pub limits: Option<GpuLimits>,
    /// Threads of the CPU that this process may use; none for a GPU.
    pub threads: Option<usize>,
}

impl DeviceInfo {
    /// The CPU of this machine.
    pub fn cpu() -> Self {
        Self {
            index: None,
            name: cpu_name(),
            kind: DeviceKind::Cpu,
            api: String::new(),
            driver: String::new(),
            driver_version: String::new(),
            limits: None,
            threads: std::thread::available_parallelism().ok().map(usize::from),
        }
    }

    /// The argument of `--device` that selects this device: `cpu` or `gpu:N`.
    pub fn argument(&self) -> String {
        self.index.map_or_else(|| "cpu".to_owned(), |index| format!("gpu:{index}"))
    }
}

impl fmt::Display for DeviceInfo {
    /// `gpu:0 NVIDIA H100 (discrete, Vulkan)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.argument(), self.name)?;
        if self.kind != DeviceKind::Cpu {
            write!(f, " ({}, {})", self.kind, self.api)?;
        }
        Ok(())
    }
}

/// The name of the CPU as the operating system gives it, else its architecture.
fn cpu_name() -> String {
    let name = if cfg!(windows) {
        std::env::var("PROCESSOR_IDENTIFIER").ok()
    } else if cfg!(target_os = "macos") {
        let output = std::process::Command::new("sysctl").args(["-n", "machdep.cpu.brand_string"]).output();
        output.ok().and_then(|output| String::from_utf8(output.stdout).ok())
    } else {
        std::fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| model_name(&text))
    };
    name.map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| format!("{} CPU", std::env::consts::ARCH))
}

/// The first `model name` of Linux's /proc/cpuinfo; Arm has none.
fn model_name(cpuinfo: &str) -> Option<String> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    line.split_once(':').map(|(_, name)| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_has_a_name_and_threads() {
        let cpu = DeviceInfo::cpu();
        assert!(!cpu.name.is_empty() && cpu.name == cpu.name.trim());
        assert!(cpu.threads.is_some_and(|n_threads| n_threads > 0));
        assert_eq!(cpu.argument(), "cpu");
        assert_eq!(cpu.to_string(), format!("cpu {}", cpu.name));
    }

    #[test]
    fn the_model_name_is_read_from_cpuinfo() {
        let amd64 = "processor\t: 0\nmodel\t\t: 85\nmodel name\t: Xeon @ 2.00GHz\nprocessor\t: 1\n";
        assert_eq!(model_name(amd64).as_deref(), Some(" Xeon @ 2.00GHz"));
        assert_eq!(model_name("processor\t: 0\nBogoMIPS\t: 50.00\n"), None);
    }
}
