//! Targets for the files that hold networks and scores: weights, checkpoints, and the trainings of a study.

use std::sync::LazyLock;

use serde_json::Value;
use triax::Predictor;
use triax_model::{InitialWeights, WeightFile};
use triax_study::StudyFolder;

use crate::packed;
use crate::small::{self, STUDY};

/// What stands in the seeds for the identity of the job, which changes with whatever decides a training.
pub const SAME_JOB: &str = r#""identity":"""#;

/// The identity of the job, as it stands in the header of its checkpoint.
static IDENTITY: LazyLock<String> =
    LazyLock::new(|| format!(r#""identity":{}"#, Value::String(small::checkpoint(1).1)));

/// A weight file. What is read comes back when it is written, and can be opened to predict.
pub fn weights(bytes: &[u8]) -> bool {
    let folder = packed::file("a.safetensors", &packed::safetensors(bytes));
    let path = folder.path().join("a.safetensors");
    _ = InitialWeights::read(&path, &STUDY.settings[0].network);
    let Ok(file) = WeightFile::read(&path) else { return false };
    let copy = folder.path().join("b.safetensors");
    file.write(&copy).expect("what was read can be written");
    assert_eq!(WeightFile::read(&copy).expect("what was written can be read"), file);
    _ = Predictor::open(&copy).map(|predictor| predictor.loss());
    true
}

/// A checkpoint, from which a training of the small study is resumed for one step.
pub fn checkpoint(bytes: &[u8]) -> bool {
    let folder = packed::new_folder();
    let run = small::run_folder(&folder.path().join("run"));
    let bytes = match bytes.windows(SAME_JOB.len()).position(|here| here == SAME_JOB.as_bytes()) {
        Some(at) => [&bytes[..at], IDENTITY.as_bytes(), &bytes[at + SAME_JOB.len()..]].concat(),
        None => bytes.to_vec(),
    };
    // Of the history, a checkpoint knows the length, which has to be the end of a line.
    packed::write(&run.history_path(), &[b'\n'; 1024]);
    packed::write(&run.checkpoint_path(), &packed::safetensors(&bytes));
    small::train(&run, 1).is_ok()
}

/// The file of a training of the small study.
pub fn trainings(bytes: &[u8]) -> bool {
    let folder = packed::new_folder();
    let study = StudyFolder::open(folder.path(), &Value::Null, &Value::Null).expect("a new folder takes a study");
    packed::write(&folder.path().join("trainings/00000.safetensors"), &packed::safetensors(bytes));
    study.missing(&STUDY).is_ok_and(|missing| !missing.contains(&0))
}
