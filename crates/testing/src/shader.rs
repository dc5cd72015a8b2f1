//! Checks of kernels that need no GPU: translation to every shading language, and the default limits of WebGPU.

use naga::back::{glsl, hlsl, msl, spv};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{AddressSpace, Module, ShaderStage};

/// The default limits of WebGPU: <https://www.w3.org/TR/webgpu/#limits>.
const MOST_STORAGE_BUFFERS: usize = 8;
const MOST_WORKGROUP_BYTES: u32 = 16_384;
const MOST_INVOCATIONS: u32 = 256;

/// The resources that a kernel uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footprint {
    /// The invocations of a workgroup in each dimension.
    pub workgroup: [u32; 3],
    /// The number of storage buffers.
    pub storage_buffers: usize,
    /// The bytes of workgroup memory.
    pub workgroup_bytes: u32,
}

/// Parses and validates WGSL.
///
/// # Panics
/// If it is not valid, with the source and the place of the error.
pub fn parse_shader(source: &str) -> (Module, ModuleInfo) {
    let module =
        naga::front::wgsl::parse_str(source).unwrap_or_else(|error| panic!("{}", error.emit_to_string(source)));
    let info = Validator::new(ValidationFlags::all(), Capabilities::SUBGROUP)
        .validate(&module)
        .unwrap_or_else(|error| panic!("{}", error.emit_to_string(source)));
    (module, info)
}

/// Checks that a compute kernel translates to SPIR-V (Vulkan), MSL (Metal), HLSL (DX12) and GLSL.
///
/// # Panics
/// If a translation fails, with `what` and the translator's message.
pub fn assert_translates(source: &str, what: &str) {
    let (module, info) = parse_shader(source);
    let [x, y, z] = footprint(&module).workgroup;

    let words = spv::write_vec(&module, &info, &spv::Options::default(), None);
    assert!(words.unwrap_or_else(|error| panic!("{what}: {error}")).len() > 100, "{what}");

    let options = msl::Options { lang_version: (2, 1), ..Default::default() };
    let (text, _) = msl::write_string(&module, &info, &options, &Default::default())
        .unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(text.contains("kernel void"), "{what}");

    // Subgroups need it.
    let options = hlsl::Options { shader_model: hlsl::ShaderModel::V6_0, ..Default::default() };
    let mut text = String::new();
    hlsl::Writer::new(&mut text, &options, &Default::default())
        .write(&module, &info, None)
        .unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(text.contains(&format!("[numthreads({x}, {y}, {z})]")), "{what}");

    let mut text = String::new();
    // OpenGL ES has no subgroups; wgpu offers none there.
    let has_subgroups = source.contains("subgroupShuffleXor(");
    let version = if has_subgroups { glsl::Version::Desktop(430) } else { glsl::Version::new_gles(310) };
    let options = glsl::Options { version, ..Default::default() };
    let (shader_stage, entry_point) = (ShaderStage::Compute, module.entry_points[0].name.clone());
    let pipeline = glsl::PipelineOptions { shader_stage, entry_point, multiview: None };
    glsl::Writer::new(&mut text, &module, &info, &options, &pipeline, Default::default())
        .and_then(|mut writer| writer.write())
        .unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(text.contains("void main()"), "{what}");
}

/// Checks that a kernel is within the default limits of WebGPU, and returns its resources.
///
/// # Panics
/// If it is not, or if it has a variable elsewhere than in storage, workgroup memory, a uniform or an invocation.
pub fn assert_within_limits(source: &str, what: &str) -> Footprint {
    let found = footprint(&parse_shader(source).0);
    assert!(found.workgroup.iter().product::<u32>() <= MOST_INVOCATIONS, "{what}: {found:?}");
    assert!(found.storage_buffers <= MOST_STORAGE_BUFFERS, "{what}: {found:?}");
    assert!(found.workgroup_bytes <= MOST_WORKGROUP_BYTES, "{what}: {found:?}");
    found
}

fn footprint(module: &Module) -> Footprint {
    let [main] = module.entry_points.as_slice() else {
        panic!("a kernel has one entry point, not {}", module.entry_points.len())
    };
    assert_eq!((main.name.as_str(), main.stage), ("main", ShaderStage::Compute));
    let mut found = Footprint { workgroup: main.workgroup_size, storage_buffers: 0, workgroup_bytes: 0 };
    for (_, variable) in module.global_variables.iter() {
        match variable.space {
            AddressSpace::Storage { .. } => found.storage_buffers += 1,
            AddressSpace::WorkGroup => found.workgroup_bytes += module.types[variable.ty].inner.size(module.to_ctx()),
            AddressSpace::Uniform | AddressSpace::Private => {}
            space => panic!("a kernel keeps {:?} in {space:?}", variable.name),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel(invocations: u32, floats: u32) -> String {
        format!(
            "@group(0) @binding(0) var<storage, read_write> values: array<f32>;\n\
             var<workgroup> shared_values: array<f32, {floats}>;\n\
             @compute @workgroup_size({invocations})\n\
             fn main(@builtin(local_invocation_index) i: u32) {{\n\
             shared_values[i] = values[i];\n    workgroupBarrier();\n    values[i] = 2.0 * shared_values[i];\n}}\n"
        )
    }

    #[test]
    fn a_kernel_is_translated_and_measured() {
        let source = kernel(64, 128);
        assert_translates(&source, "doubling");
        let found = assert_within_limits(&source, "doubling");
        assert_eq!(found, Footprint { workgroup: [64, 1, 1], storage_buffers: 1, workgroup_bytes: 512 });
    }

    #[test]
    #[should_panic(expected = "too much memory")]
    fn workgroup_memory_beyond_the_limit_is_refused() {
        assert_within_limits(&kernel(64, 4_097), "too much memory");
    }

    #[test]
    #[should_panic(expected = "too wide")]
    fn workgroups_beyond_the_limit_are_refused() {
        assert_within_limits(&kernel(257, 257), "too wide");
    }

    #[test]
    #[should_panic(expected = "unknown")]
    fn what_is_not_wgsl_is_refused() {
        parse_shader("fn main() { unknown(); }");
    }
}
