//! The adapters of this machine through wgpu: listing them and opening one.

use pollster::block_on;
use wgpu::{Adapter, Backend, Backends, DeviceType, DownlevelFlags, Features, Instance, InstanceDescriptor};

use super::{DeviceInfo, DeviceKind, GpuLimits};

/// An open GPU. It closes when the last clone of its handles is dropped.
#[derive(Clone, Debug)]
pub struct OpenGpu {
    /// The instance of wgpu that lists the adapter.
    pub instance: Instance,
    /// The adapter.
    pub adapter: Adapter,
    /// The device, with all of the adapter's limits and features but the experimental ones.
    pub device: wgpu::Device,
    /// The queue.
    pub queue: wgpu::Queue,
    /// What it is.
    pub info: DeviceInfo,
}

/// Why a GPU could not be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// There is no such GPU, or it is gone.
    #[error("there is no gpu:{index}; this machine has {n_gpus} (`triax devices` lists them)")]
    NotFound {
        /// The index asked for.
        index: usize,
        /// GPUs there are.
        n_gpus: usize,
    },
    /// The driver refused.
    #[error(
        "{device} could not be opened: {reason}; another program may hold its memory, or its driver needs a restart"
    )]
    Refused {
        /// The device.
        device: String,
        /// The driver's message.
        reason: String,
    },
}

/// The devices of this machine: GPUs by kind (discrete, integrated, virtual, software), the CPU last. The order, and
/// with it the index, is stable as long as hardware and drivers are.
///
/// A GPU that several graphics APIs reach is listed once. A machine without a graphics driver has the CPU alone.
pub fn list() -> Vec<DeviceInfo> {
    let (_, gpus) = gpus();
    gpus.into_iter().map(|(_, info)| info).chain([DeviceInfo::cpu()]).collect()
}

/// Opens the GPU of this index in [`list`].
///
/// # Errors
/// No such GPU; a driver that refuses.
pub fn open(index: usize) -> Result<OpenGpu, DeviceError> {
    let (instance, mut gpus) = gpus();
    if index >= gpus.len() {
        return Err(DeviceError::NotFound { index, n_gpus: gpus.len() });
    }
    let (adapter, info) = gpus.swap_remove(index);
    let left_out = Features::all_experimental_mask() | Features::MAPPABLE_PRIMARY_BUFFERS;
    let descriptor = wgpu::DeviceDescriptor {
        label: Some("triax"),
        required_features: adapter.features().difference(left_out),
        required_limits: adapter.limits(),
        // Burn pools its buffers itself.
        memory_hints: wgpu::MemoryHints::MemoryUsage,
        ..wgpu::DeviceDescriptor::default()
    };
    let (device, queue) = block_on(adapter.request_device(&descriptor))
        .map_err(|error| DeviceError::Refused { device: info.to_string(), reason: error.to_string() })?;
    Ok(OpenGpu { instance, adapter, device, queue, info })
}

/// GPUs in the order of [`list`], with the instance they come from.
fn gpus() -> (Instance, Vec<(Adapter, DeviceInfo)>) {
    let backends = Backends::all().with_env();
    let (instance, gpus) = adapters(backends - Backends::GL);
    // OpenGL is the last resort: it does not say which GPU it reaches, and enumerating it can print warnings.
    if !gpus.is_empty() || !backends.contains(Backends::GL) {
        return (instance, ordered(gpus));
    }
    let (instance, gpus) = adapters(Backends::GL);
    (instance, ordered(gpus))
}

fn adapters(backends: Backends) -> (Instance, Vec<(Adapter, DeviceInfo)>) {
    let instance =
        Instance::new(InstanceDescriptor { backends, ..InstanceDescriptor::new_without_display_handle_from_env() });
    let found = block_on(instance.enumerate_adapters(backends)).into_iter();
    let computes =
        found.filter(|adapter| adapter.get_downlevel_capabilities().flags.contains(DownlevelFlags::COMPUTE_SHADERS));
    let gpus = computes.map(|adapter| {
        let info = info(&adapter);
        (adapter, info)
    });
    let gpus = gpus.collect();
    (instance, gpus)
}

fn info(adapter: &Adapter) -> DeviceInfo {
    let (info, limits, features) = (adapter.get_info(), adapter.limits(), adapter.features());
    DeviceInfo {
        index: None,
        kind: match info.device_type {
            DeviceType::DiscreteGpu => DeviceKind::Discrete,
            DeviceType::IntegratedGpu => DeviceKind::Integrated,
            DeviceType::VirtualGpu => DeviceKind::Virtual,
            DeviceType::Cpu => DeviceKind::Software,
            DeviceType::Other => DeviceKind::Unknown,
        },
        api: match info.backend {
            Backend::Vulkan => "Vulkan",
            Backend::Metal => "Metal",
            Backend::Dx12 => "DX12",
            Backend::Gl => "OpenGL",
            Backend::BrowserWebGpu => "WebGPU",
            Backend::Noop => "none",
        }
        .to_owned(),
        name: info.name,
        driver: info.driver,
        driver_version: info.driver_info,
        limits: Some(GpuLimits {
            max_buffer_size: limits.max_buffer_size,
            max_storage_buffer_binding_size: limits.max_storage_buffer_binding_size,
            max_compute_workgroup_storage_size: limits.max_compute_workgroup_storage_size,
            max_compute_invocations_per_workgroup: limits.max_compute_invocations_per_workgroup,
            max_storage_buffers_per_shader_stage: limits.max_storage_buffers_per_shader_stage,
            subgroups: features.contains(Features::SUBGROUP),
            f16: features.contains(Features::SHADER_F16),
            timestamps: features.contains(Features::TIMESTAMP_QUERY),
        }),
        threads: None,
    }
}

/// Identifies a GPU across graphics APIs, and ranks the APIs.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Identity {
    /// Rank of the API: lower is preferred.
    api: u8,
    kind: DeviceKind,
    vendor: u32,
    device: u32,
}

impl Identity {
    fn new(adapter: &Adapter, kind: DeviceKind) -> Self {
        let info = adapter.get_info();
        let api = match info.backend {
            Backend::Vulkan => 0,
            Backend::Metal => 1,
            Backend::Dx12 => 2,
            Backend::Gl | Backend::BrowserWebGpu | Backend::Noop => 3,
        };
        Self { api, kind, vendor: info.vendor, device: info.device }
    }

    /// Whether `other` is the same hardware through a preferred API. Two cards of one model in one API are two GPUs.
    fn is_repeated_by(&self, other: &Self) -> bool {
        other.api < self.api && (other.vendor, other.device) == (self.vendor, self.device)
    }
}

fn ordered(gpus: Vec<(Adapter, DeviceInfo)>) -> Vec<(Adapter, DeviceInfo)> {
    let identities: Vec<Identity> = gpus.iter().map(|(adapter, info)| Identity::new(adapter, info.kind)).collect();
    let mut once: Vec<_> = gpus
        .into_iter()
        .zip(&identities)
        .filter(|(_, identity)| !identities.iter().any(|other| identity.is_repeated_by(other)))
        .collect();
    // A stable sort: GPUs of one kind stay in the order of their driver.
    once.sort_by_key(|(_, identity)| (identity.kind, identity.api));
    let indexed = once.into_iter().enumerate();
    indexed.map(|(index, ((adapter, info), _))| (adapter, DeviceInfo { index: Some(index), ..info })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(api: u8, kind: DeviceKind, device: u32) -> Identity {
        Identity { api, kind, vendor: 0x10DE, device }
    }

    #[test]
    fn a_gpu_is_repeated_by_another_api_but_not_by_its_twin() {
        use DeviceKind::Discrete;
        let vulkan = identity(0, Discrete, 1);
        assert!(identity(2, Discrete, 1).is_repeated_by(&vulkan));
        assert!(!identity(2, Discrete, 2).is_repeated_by(&vulkan));
        assert!(!vulkan.is_repeated_by(&identity(2, Discrete, 1)));
        assert!(!vulkan.is_repeated_by(&vulkan.clone()));
    }

    #[test]
    fn devices_are_listed_by_kind_with_the_cpu_last() {
        let devices = list();
        let (cpu, gpus) = devices.split_last().expect("the CPU at least");
        assert_eq!(cpu, &DeviceInfo::cpu());
        assert!(gpus.is_sorted_by_key(|gpu| gpu.kind));
        assert!(gpus.iter().enumerate().all(|(index, gpu)| gpu.index == Some(index) && gpu.limits.is_some()));
        assert_eq!(devices, list(), "two listings differ");
    }

    #[test]
    fn an_index_past_the_last_gpu_is_refused() {
        let n_gpus = list().len() - 1;
        assert_eq!(open(n_gpus).unwrap_err(), DeviceError::NotFound { index: n_gpus, n_gpus });
    }

    #[test]
    fn an_opened_gpu_has_the_limits_it_was_listed_with() {
        let gpu = triax_testing::gpu_or_skip(
            "an_opened_gpu_has_the_limits_it_was_listed_with",
            list().into_iter().find(|device| device.index.is_some()),
        );
        let Some(gpu) = gpu else { return };
        let opened = open(gpu.index.unwrap()).unwrap();
        assert_eq!(opened.info, gpu);
        assert_eq!(opened.device.limits().max_buffer_size, gpu.limits.unwrap().max_buffer_size);
    }
}
