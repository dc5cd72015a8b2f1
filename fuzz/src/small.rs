//! A study that is small enough to be checked a thousand times a second, and what its files hold.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use serde_json::{Value, json};
use triax::Settings;
use triax_data::{Folds, HeldOut, ReadOptions, cut, read};
use triax_engine::{CpuEngine, WindowSet};
use triax_model::{ConvSpec, DenseSpec, Network, NetworkSpec, Preparation, WeightFile, Weights};
use triax_study::{Setting, Study, Trained, TrainedEpoch};
use triax_trainer::{FitError, FitPlan, Job, Model, Observer, RunFolder, RunOutcome, fit_run, resume_run};

use crate::packed;

/// Rows of a window.
const WINDOW: usize = 4;
/// Epochs of a training.
const EPOCHS: usize = 2;

/// One setting, two folds, one seed.
pub(crate) static STUDY: LazyLock<Study> = LazyLock::new(study);

fn study() -> Study {
    let rows = (0..64).map(|row| format!("{},{},{}\n", row / 16, ["sit", "walk"][row / 8 % 2], row * 7 % 5));
    let folder = packed::file("a.csv", format!("subject,activity,x\n{}", rows.collect::<String>()).as_bytes());
    let corpus = read(&folder.path().join("a.csv"), &ReadOptions::default()).expect("a sound table");
    let windows = cut(&corpus, WINDOW, WINDOW).expect("recordings of eight rows");
    let folds = Folds::Groups(2).make(&corpus, &windows, WINDOW, &HeldOut::default(), 0).expect("four subjects");
    let convs = vec![ConvSpec::plain(2, 3, 1, None)];
    let spec = NetworkSpec {
        window: WINDOW,
        channels: 1,
        convs,
        global_pool: None,
        dropout: 0.1,
        hidden: DenseSpec::relu([3]),
        classes: 2,
    };
    let network = Network::new(spec).expect("a window of four rows");
    let setting = Setting {
        name: "one".to_owned(),
        values: BTreeMap::new(),
        plan: plan(&network, &corpus.classes),
        network,
        classical: None,
        initial: None,
        balances_classes: false,
        standardises: false,
        preparation: Preparation::default(),
        windows: WindowSet { windows: windows.values.clone(), labels: windows.labels.clone(), sample_weights: None },
        extra: BTreeMap::new(),
    };
    Study {
        corpus: corpus.into(),
        windows,
        window: WINDOW,
        step: WINDOW,
        protocol: Folds::Groups(2),
        folds,
        settings: vec![setting],
        seeds: vec![0],
        calibrations: Vec::new(),
    }
}

fn plan(network: &Network, classes: &[String]) -> FitPlan {
    let mut settings = Settings::default();
    settings.training.epochs = EPOCHS;
    settings.training.batch_size = 4;
    settings.fit_plan(network, classes).expect("the defaults are allowed")
}

/// Stops a training before its next step, after so many.
struct StopAfter(usize);

impl Observer for StopAfter {
    fn interrupted(&mut self) -> bool {
        self.0 = self.0.saturating_sub(1);
        self.0 == 0
    }
}

/// Trains the first training of the study in a folder, from its checkpoint where there is one, for so many steps.
pub(crate) fn train(folder: &RunFolder, n_steps: usize) -> Result<RunOutcome, FitError> {
    let (setting, fold) = (&STUDY.settings[0], &STUDY.folds[0]);
    let model = Model {
        network: &setting.network,
        weights: &Weights::glorot_uniform(&setting.network, 0),
        plan: &setting.plan,
        scaler: None,
        train: &fold.train,
        valid: &fold.valid,
    };
    let job = Job {
        engine: &CpuEngine::<f32>::with_threads(1),
        windows: &setting.windows,
        classes: STUDY.classes(),
        models: &[model],
        at_once: None,
        planned: None,
        follows_validation: true,
        wants_scores: false,
    };
    let start = if folder.checkpoint_path().exists() { resume_run } else { fit_run };
    start(&job, folder, &BTreeMap::new(), &mut StopAfter(n_steps))
}

/// A new run folder at `path`.
pub(crate) fn run_folder(path: &Path) -> RunFolder {
    RunFolder::create(path, &json!({})).expect("a new folder takes a run")
}

/// The checkpoint of the first training after `n_steps` steps, as a safetensors file; and its identity.
pub fn checkpoint(n_steps: usize) -> (Vec<u8>, String) {
    let folder = packed::new_folder();
    let run = run_folder(&folder.path().join("run"));
    train(&run, n_steps).expect("the small study can be trained");
    let file = std::fs::read(run.checkpoint_path()).expect("a run leaves a checkpoint");
    let (header, _) = packed::split(&file);
    let header: Value = serde_json::from_slice(header).expect("a header is JSON");
    let identity = header["__metadata__"]["identity"].as_str().expect("a checkpoint has an identity").to_owned();
    (file, identity)
}

/// A weight file of the study's network.
pub fn weights() -> Vec<u8> {
    let network = &STUDY.settings[0].network;
    let file = WeightFile {
        weights: Weights::glorot_uniform(network, 0),
        spec: network.spec().clone(),
        classes: STUDY.classes().to_vec(),
        scaler: None,
        extra: BTreeMap::from([("loss".to_owned(), "squared-hinge".to_owned()), ("step".to_owned(), "2".to_owned())]),
    };
    let folder = packed::new_folder();
    let path = folder.path().join("a.safetensors");
    file.write(&path).expect("a sound network");
    std::fs::read(path).expect("it was written")
}

/// The file of the first training, as [`packed::safetensors`] takes it.
pub fn training(broken: bool) -> Vec<u8> {
    let fold = &STUDY.folds[0];
    let epoch =
        TrainedEpoch { loss: 0.5, accuracy: 0.75, val_loss: Some(0.6), val_accuracy: Some(0.5), learning_rate: 0.001 };
    let trained = Trained {
        number: 0,
        setting: STUDY.settings[0].name.clone(),
        fold: fold.name.clone(),
        seed: 0,
        fingerprint: STUDY.corpus.fingerprint.clone(),
        device: "cpu".to_owned(),
        started: 1_700_000_000,
        seconds: 1.5,
        history: vec![epoch; if broken { 1 } else { EPOCHS }],
        broken: broken.then(|| "the loss is NaN".to_owned()),
        calibrated: Vec::new(),
    };
    let trained = serde_json::to_string(&trained).expect("plain data");
    let (n_windows, n_classes) = (if broken { 0 } else { fold.valid.len() }, STUDY.classes().len());
    let n_bytes = n_windows * n_classes * 4;
    let header = json!({
        "__metadata__": { "training": trained },
        "scores": { "dtype": "F32", "shape": [n_windows, n_classes], "data_offsets": [0, n_bytes] },
    });
    [header.to_string().as_bytes(), b"\n", &vec![0; n_bytes]].concat()
}
