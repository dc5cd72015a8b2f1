//! Gates for tests that need a GPU, real data, TensorBoard or compilers of C. Such a test prints that it is skipped, or fails if an
//! environment variable requires it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Whether tests must find a GPU: the environment variable `TRIAX_REQUIRE_GPU` is set to something other than `0`.
pub fn require_gpu() -> bool {
    is_set("TRIAX_REQUIRE_GPU")
}

/// Whether `variable` is in the environment, and neither empty nor `0`.
pub(crate) fn is_set(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| !value.is_empty() && value != "0")
}

/// Returns the device that `test` found. Without one, prints that the test is skipped, and returns `None`:
///
/// ```
/// # fn find_device() -> Option<u32> { Some(0) }
/// let Some(device) = triax_testing::gpu_or_skip("my_test", find_device()) else { return };
/// # assert_eq!(device, 0);
/// ```
///
/// # Panics
/// If there is none and `TRIAX_REQUIRE_GPU` is set.
pub fn gpu_or_skip<D>(test: &str, found: Option<D>) -> Option<D> {
    gate(test, "GPU adapter", found, require_gpu())
}

/// The folder of real WISDM v2 recordings, for `test`: where `TRIAX_WISDM2_DIR` points, or `shared/data/wisdm2` beside the
/// workspace. Without it, prints that the test is skipped, and
/// returns `None`.
///
/// # Panics
/// If there is none and the environment variable `TRIAX_REQUIRE_DATA` is set.
pub fn wisdm2_or_skip(test: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/wisdm2");
    let folder = std::env::var_os("TRIAX_WISDM2_DIR").map_or(beside, PathBuf::from);
    let found = folder.is_dir().then_some(folder);
    gate(test, "WISDM v2 data in ../shared/data/wisdm2 or $TRIAX_WISDM2_DIR", found, is_set("TRIAX_REQUIRE_DATA"))
}

/// A Python that has TensorBoard, for `test`: the one in `TRIAX_PYTHON`, or `python3` on the path. Without it, prints
/// that the test is skipped, and returns `None`.
///
/// # Panics
/// If there is none and the environment variable `TRIAX_REQUIRE_TENSORBOARD` is set.
pub fn tensorboard_or_skip(test: &str) -> Option<PathBuf> {
    let python = std::env::var_os("TRIAX_PYTHON").map_or_else(|| PathBuf::from("python3"), PathBuf::from);
    let imports = Command::new(&python).args(["-c", "import tensorboard"]).output();
    let found = imports.is_ok_and(|output| output.status.success()).then_some(python);
    gate(test, "Python with TensorBoard in $TRIAX_PYTHON", found, is_set("TRIAX_REQUIRE_TENSORBOARD"))
}

/// Whether the compilers `gcc` and `g++` run here, for `test`. Without them, prints that the test is skipped.
///
/// # Panics
/// If they are not there and the environment variable `TRIAX_REQUIRE_CC` is set.
pub fn has_c_compilers(test: &str) -> bool {
    let found = ["gcc", "g++"].into_iter().all(runs).then_some(());
    gate(test, "gcc and g++", found, is_set("TRIAX_REQUIRE_CC")).is_some()
}

/// Whether a compiler for Cortex-M and an emulator of it run here, for `test`: `arm-none-eabi-gcc` and `qemu-system-arm`.
/// Without them, prints that the test is skipped.
///
/// # Panics
/// If they are not there and the environment variable `TRIAX_REQUIRE_ARM` is set.
pub fn has_cortex_m(test: &str) -> bool {
    let found = ["arm-none-eabi-gcc", "qemu-system-arm"].into_iter().all(runs).then_some(());
    gate(test, "arm-none-eabi-gcc and qemu-system-arm", found, is_set("TRIAX_REQUIRE_ARM")).is_some()
}

/// Whether `program` is on the path.
fn runs(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

/// Returns `found`. If it is `None`, prints that `test` is skipped, or panics if it is `required`.
pub(crate) fn gate<D>(test: &str, needed: &str, found: Option<D>, required: bool) -> Option<D> {
    if found.is_none() {
        assert!(!required, "{test} found no {needed}, and it is required here");
        // Not `eprintln!`, which the test harness hides when a test passes. One write, so that lines do not mix.
        let line = format!("\nSKIPPED {test}: this machine has no {needed}\n");
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::gate;

    #[test]
    fn a_device_is_handed_on() {
        assert_eq!(gate("test", "GPU adapter", Some(7), true), Some(7));
        assert_eq!(gate("test", "GPU adapter", Some(7), false), Some(7));
    }

    #[test]
    fn without_a_device_the_test_is_skipped() {
        assert_eq!(gate::<u32>("without_a_device_the_test_is_skipped (on purpose)", "GPU", None, false), None);
    }

    #[test]
    #[should_panic(expected = "my_test found no GPU adapter")]
    fn without_a_required_device_the_test_fails() {
        gate::<u32>("my_test", "GPU adapter", None, true);
    }
}
