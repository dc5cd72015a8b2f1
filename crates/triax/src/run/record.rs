//! What `config.json` records beside the settings: which data, network, device and version a run had.

use std::path::Path;

use serde::{Deserialize, Serialize};
use triax_data::{RepairLog, SplitPlan};
use triax_engine::device::{self, DeviceChoice, DeviceInfo, DeviceKind};
use triax_model::{Network, NetworkSpec};
use triax_trainer::RunFolder;

use crate::Error;
use crate::engines::{ChosenEngine, Measured};
use crate::recordings::TrainingData;
use crate::settings::{EngineName, RECORDED, Settings, read_entries, to_json};

/// The facts of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// Version of Triax.
    pub version: String,
    /// When the run began: local time, RFC 3339.
    pub started: String,
    /// The engine.
    pub engine: String,
    /// The device with its driver.
    pub device: DeviceInfo,
    /// What was measured to choose that device, where it was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub measured: Vec<Measured>,
    /// The data.
    pub data: DataRecord,
    /// The split.
    pub split: SplitRecord,
    /// The network.
    pub network: NetworkSpec,
    /// Its parameters.
    pub n_parameters: usize,
}

/// The facts of a data set.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DataRecord {
    /// Its name.
    pub name: String,
    /// Whether a program made it.
    pub synthetic: bool,
    /// SHA-256 of the content, with the activities selected.
    pub fingerprint: String,
    /// Names of the channels.
    pub channels: Vec<String>,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// What to show for each class.
    pub class_names: Vec<String>,
    /// Samples a second, where known.
    pub rate_hz: Option<f64>,
    /// The subjects.
    pub subjects: Vec<String>,
    /// What was repaired on reading.
    pub repairs: RepairLog,
}

/// The facts of a split.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SplitRecord {
    /// How windows were held out.
    pub plan: SplitPlan,
    /// Samples in a window.
    pub window: usize,
    /// Windows to train on.
    pub n_train: usize,
    /// Windows to validate with.
    pub n_valid: usize,
    /// Validation windows that share samples with training.
    pub shared_windows: usize,
    /// Subjects with a window in training.
    pub train_subjects: Vec<String>,
    /// Subjects with a window in validation.
    pub valid_subjects: Vec<String>,
}

impl Record {
    /// The record of a run that begins now.
    pub(super) fn new(data: &TrainingData, network: &Network, chosen: &ChosenEngine) -> Self {
        let TrainingData { corpus, split, .. } = data;
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started: jiff::Zoned::now().strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
            engine: chosen.open.engine.name().to_owned(),
            device: chosen.open.device.clone(),
            measured: chosen.measured.clone(),
            data: DataRecord {
                name: corpus.name.clone(),
                synthetic: corpus.synthetic,
                fingerprint: corpus.fingerprint.clone(),
                channels: corpus.channels.clone(),
                classes: corpus.classes.clone(),
                class_names: corpus.class_names.clone(),
                rate_hz: corpus.rate_hz,
                subjects: corpus.subjects(),
                repairs: corpus.repairs.clone(),
            },
            split: SplitRecord {
                plan: data.plan.clone(),
                window: data.window,
                n_train: split.train.len(),
                n_valid: split.valid.len(),
                shared_windows: split.shared_windows,
                train_subjects: split.train_subjects.clone(),
                valid_subjects: split.valid_subjects.clone(),
            },
            network: network.spec().clone(),
            n_parameters: network.n_parameters(),
        }
    }

    /// `config.json`: the settings, and this record.
    pub(super) fn with_settings(&self, settings: &Settings) -> serde_json::Value {
        let mut entries = settings.entries();
        entries.insert(RECORDED.to_owned(), to_json(self));
        entries.into()
    }
}

/// A run that was started before.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its folder.
    pub folder: RunFolder,
    /// Its settings.
    pub settings: Settings,
    /// What it recorded beside them.
    pub record: Record,
}

impl Run {
    /// Reads the settings and the record of the run in `path`.
    ///
    /// # Errors
    /// A folder that is none of a run; a `config.json` that makes no sense.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let folder = RunFolder::open(path)?;
        let file = folder.config_path();
        let mut entries = read_entries(&file)?;
        let record = entries.remove(RECORDED).unwrap_or_default();
        let settings = Settings::from_entries(&entries).map_err(|error| error.in_file(&file))?;
        let record = serde_json::from_value(record).map_err(|problem| {
            let reason = Error::Input(problem.to_string());
            reason.while_doing(format!("{}: `{RECORDED}` is not what a run writes there", file.display()))
        })?;
        Ok(Self { folder, settings, record })
    }

    /// The engine that it began with.
    pub(super) fn engine(&self) -> Result<EngineName, Error> {
        let (file, engine) = (self.folder.config_path(), &self.record.engine);
        engine.parse().map_err(|_| Error::Input(format!("{}: this Triax has no engine `{engine}`", file.display())))
    }

    /// The device that it began on, where that was left open and it is still there; else what was asked for.
    pub(super) fn device(&self) -> DeviceChoice {
        let asked = self.settings.machine.device;
        if asked != DeviceChoice::Auto {
            return asked;
        }
        let before = &self.record.device;
        if before.kind == DeviceKind::Cpu {
            return DeviceChoice::Cpu;
        }
        let is_same = |now: &DeviceInfo| now.kind == before.kind && now.name == before.name && now.api == before.api;
        device::list().into_iter().find(is_same).map_or(asked, |now| DeviceChoice::Gpu(now.index))
    }
}

/// Whether `path` is the folder of a run.
pub fn is_run(path: &Path) -> bool {
    read_entries(&path.join("config.json")).is_ok_and(|entries| entries.contains_key(RECORDED))
}
