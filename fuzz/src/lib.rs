//! Fuzz targets: a function for everything that Triax reads, from bytes that may be anything.
//!
//! A target fails by a panic. It returns whether its input was read as what it claims to be, so that a test can hold that the
//! corpus still reaches what lies behind the first check. The files in `fuzz_targets/` hand each to libFuzzer.
//!
//! Readers read files. A target writes its input into a folder of its own in the system's folder for temporary files, which
//! is best in memory.

mod exchange;
mod files;
pub mod packed;
mod readers;
mod settings;
pub mod small;

pub use exchange::{INTEGERS, NETWORK, c, html, keras, onnx, tflite};
pub use files::{SAME_JOB, checkpoint, trainings, weights};
pub use readers::{motionsense, npz, pamap2, tables, uci_har, uea, wisdm, zip};
pub use settings::{config, study};

/// A target: whether it has read these bytes.
pub type Target = fn(&[u8]) -> bool;

/// Every target by its name, which is also that of its file in `fuzz_targets/` and of its folder in `corpus/`.
pub const TARGETS: [(&str, Target); 18] = [
    ("tables", tables),
    ("wisdm", wisdm),
    ("uci_har", uci_har),
    ("motionsense", motionsense),
    ("pamap2", pamap2),
    ("uea", uea),
    ("npz", npz),
    ("zip", zip),
    ("weights", weights),
    ("checkpoint", checkpoint),
    ("config", config),
    ("study", study),
    ("trainings", trainings),
    ("keras", keras),
    ("onnx", onnx),
    ("tflite", tflite),
    ("c", c),
    ("html", html),
];

#[cfg(test)]
mod tests {
    use super::TARGETS;
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::{Path, PathBuf};

    fn files(folder: &str) -> Vec<PathBuf> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    fn stems(folder: &str) -> BTreeSet<String> {
        files(folder).iter().map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn each_target_has_a_binary_and_a_corpus() {
        let names: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(stems("fuzz_targets"), names);
        assert_eq!(stems("corpus"), names);
    }

    /// Among the seeds are all inputs that once made something panic.
    #[test]
    fn each_seed_is_read_or_refused() {
        let mut n_bytes = 0;
        for (name, target) in TARGETS {
            let seeds = files(&format!("corpus/{name}"));
            let is_sound = |seed: &&PathBuf| seed.file_name().unwrap().to_string_lossy().starts_with("sound");
            assert!(seeds.iter().any(|seed| is_sound(&seed)), "{name}");
            for seed in &seeds {
                let bytes = fs::read(seed).unwrap();
                n_bytes += bytes.len();
                let read = target(&bytes);
                assert!(read || !is_sound(&seed), "{} is not read any more", seed.display());
            }
        }
        assert!(n_bytes < 150_000, "the corpus has {n_bytes} bytes");
    }
}
