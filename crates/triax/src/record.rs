//! What `config.json` records beside the settings: which data, network, device and version a run had.

use std::path::Path;

use anyhow::{Context as _, anyhow};
use clap::ValueEnum as _;
use serde::{Deserialize, Serialize};
use triax_data::{RepairLog, SplitPlan};
use triax_engine::device::{DeviceChoice, DeviceInfo, DeviceKind};
use triax_model::{Network, NetworkSpec};
use triax_trainer::RunFolder;

use crate::config::{self, RECORDED};
use crate::engines::{Measured, Settled};
use crate::inputs::Inputs;
use crate::settings::{EngineChoice, Settings};

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
    pub name: String,
    pub synthetic: bool,
    /// SHA-256 of the content, with the activities selected.
    pub fingerprint: String,
    pub channels: Vec<String>,
    pub classes: Vec<String>,
    pub class_names: Vec<String>,
    pub rate_hz: Option<f64>,
    pub subjects: Vec<String>,
    pub repairs: RepairLog,
}

/// The facts of a split.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SplitRecord {
    pub plan: SplitPlan,
    pub window: usize,
    pub n_train: usize,
    pub n_valid: usize,
    /// Validation windows that share samples with training.
    pub shared_windows: usize,
    pub train_subjects: Vec<String>,
    pub valid_subjects: Vec<String>,
}

impl Record {
    /// The record of a run that begins now.
    pub fn new(inputs: &Inputs, network: &Network, at: &Settled) -> Self {
        let Inputs { corpus, split, .. } = inputs;
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started: jiff::Zoned::now().strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
            engine: at.on.engine.name().to_owned(),
            device: at.on.device.clone(),
            measured: at.measured.clone(),
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
                plan: inputs.plan.clone(),
                window: inputs.window,
                n_train: inputs.train.len(),
                n_valid: inputs.valid.len(),
                shared_windows: split.shared_windows,
                train_subjects: split.train_subjects.clone(),
                valid_subjects: split.valid_subjects.clone(),
            },
            network: network.spec().clone(),
            n_parameters: network.n_parameters(),
        }
    }

    /// `config.json`: the settings, and this record.
    pub fn with_settings(&self, settings: &Settings) -> anyhow::Result<serde_json::Value> {
        let mut entries = config::entries_of(settings);
        entries.insert(RECORDED.to_owned(), config::as_written(self)?);
        Ok(entries.into())
    }
}

/// A run that was started before.
pub struct Run {
    pub folder: RunFolder,
    pub settings: Settings,
    pub record: Record,
}

impl Run {
    /// Reads the settings and the record of the run in `path`.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let folder = RunFolder::open(path)?;
        let file = folder.config_path();
        let mut entries = config::read(&file)?;
        let settings = config::settings(&file, &entries)?;
        let record = entries.remove(RECORDED).unwrap_or_default();
        let record = serde_json::from_value(record)
            .with_context(|| format!("{}: `{RECORDED}` is not what a run writes there", file.display()))?;
        Ok(Self { folder, settings, record })
    }

    /// The engine that it began with.
    pub fn engine(&self) -> anyhow::Result<EngineChoice> {
        let file = self.folder.config_path();
        EngineChoice::from_str(&self.record.engine, false)
            .map_err(|_| anyhow!("{}: this Triax has no engine `{}`", file.display(), self.record.engine))
    }

    /// The device that it began on, where that was left open and it is still there; else what was asked for.
    pub fn device(&self) -> DeviceChoice {
        let asked = self.settings.machine.device;
        if asked != DeviceChoice::Auto {
            return asked;
        }
        let before = &self.record.device;
        if before.kind == DeviceKind::Cpu {
            return DeviceChoice::Cpu;
        }
        let is_same = |now: &DeviceInfo| now.kind == before.kind && now.name == before.name && now.api == before.api;
        let same = triax_engine::device::list().into_iter().find(is_same);
        same.map_or(asked, |now| DeviceChoice::Gpu(now.index))
    }
}
