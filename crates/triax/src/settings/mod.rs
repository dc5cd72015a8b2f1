//! All settings of a training. Name, type, default and help of each are declared once.
//!
//! [`Settings`] is plain data. A command line, a config file (`config.json`), a study file and the points of a study's
//! grid are [`Entries`]: names with values, either JSON or the text of an option. [`Settings::from_entries`] reads all
//! of them with the same checks and messages. [`Settings::entries`] writes them.
//!
//! To add a setting, add a line to one of the groups below and define its effect in [`Settings::fit_plan`].

mod aliases;
pub(crate) mod declare;
mod entries;
mod preset;
mod text;
mod values;

use std::path::PathBuf;

use serde::Serialize;
use triax_data::{Fill, Format, Notice, ReadOptions};
use triax_engine::device::DeviceChoice;
use triax_engine::{Augmentation, Optimizer, TrainingPlan};
use triax_losses::{Loss, SmoothedLoss};
use triax_model::{ConvSpec, Derivation, Derived, Network, NetworkSpec, PerWindow, PoolKind, Preparation};
use triax_study::baselines::{Baseline, ClassicalPlan, FeatureSet};
use triax_trainer::{FitPlan, Sampling, Schedule};

use crate::Error;
use crate::text::grouped;
use declare::{named, settings};

pub use aliases::{meant, meant_or_similar};
pub use declare::{Choice, Group, Setting};
pub use entries::{Entries, RECORDED, read_entries, text_of, to_json};
pub use preset::Preset;
pub use text::{list_items, list_text};
pub use values::{
    ClassWeights, ConvBlock, DataSource, DerivedChannels, FormatChoice, HiddenLayers, Length, MappedColumns, Renames,
};

/// The most epochs. So the steps of a run can be counted, whatever the data.
const MOST_EPOCHS: usize = 1_000_000;
/// The most windows of a step.
const MOST_WINDOWS: usize = 1_000_000;

/// The settings of a training. The name of a field is the key in a config file and the option on the command line.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Settings {
    /// Source of the windows.
    #[serde(flatten)]
    pub data: DataSettings,
    /// What to hold out for validation.
    #[serde(flatten)]
    pub split: SplitSettings,
    /// Shape of the network.
    #[serde(flatten)]
    pub network: NetworkSettings,
    /// Training of the network.
    #[serde(flatten)]
    pub training: TrainingSettings,
    /// Augmentation of the training windows.
    #[serde(flatten)]
    pub augmentation: AugmentationSettings,
    /// Device and engine.
    #[serde(flatten)]
    pub machine: MachineSettings,
}

settings! {
    /// Source of the windows.
    pub struct DataSettings in "Data" {
        /// Recordings to read: a folder, a file or a zip; or `synthetic` for the built-in set
        pub data: DataSource = DataSource::Synthetic, "PATH|synthetic";
        /// Format of the data; `auto` looks for itself
        pub format: FormatChoice = FormatChoice(None), "FORMAT", one of formats;
        /// The channels, in this order [default: every column that can be one]; a name with a comma stands in double quotes
        pub channels: Vec<String> = Vec::new(), "X,Y,…";
        /// Names of the columns of text without a header
        pub columns: Vec<String> = Vec::new(), "SUBJECT,X,…";
        /// Columns by their role: subject, activity, timestamp (or timestamp_s, _ms, _us, _ns), channel, or nothing
        pub map: MappedColumns = MappedColumns::default(), "COLUMN=ROLE,…";
        /// Regular expression whose first group finds the subject in the name of a file, or of the folder that it lies in
        pub subject_from: Option<String> = None, "REGEX";
        /// What stands for a missing value: `none` leaves the row out, `previous` repeats the last value
        pub fill: FillName = FillName::None, "", one of FillName::choices;
        /// Time without a sample, in intervals between samples, after which a recording ends [default: 10]
        pub gap: Option<f64> = None, "INTERVALS";
        /// Other names for subjects and activities; of several `=` the last one counts
        pub rename: Renames = Renames::default(), "OLD=NEW,…";
        /// Take names of subjects and activities for one that differ only in case, spaces, leading zeros or `.0`
        pub merge: bool = false, "";
        /// Resample recordings to this many samples a second
        pub rate: Option<f64> = None, "HZ";
        /// A subset of the activities, in the order that their classes shall have
        pub activities: Vec<String> = Vec::new(), "A,B,…";
        /// Length of a window: samples, or seconds such as `6s` [default: 120, or as the data is windowed already]
        pub window: Option<Length> = None, "N|Ns";
        /// From one window to the next: samples, seconds such as `3s`, or a share of the window such as `50%`
        pub step: Length = Length::Samples(60), "N|Ns|N%";
        /// Channels for the network instead of the axes, of each three axes of a sensor: `raw` (the axes), `gravity` (their low-pass),
        /// `linear` (the rest), `jerk` (change from sample to sample), and what no turn of the sensor changes: `norm` (length),
        /// `vertical` (along gravity), `horizontal` (length of the rest) [default: raw]
        pub derive: Vec<DerivedChannels> = Vec::new(), "NAME,…";
        /// `standard` takes mean and deviation of each channel from the training part; `window` from each window itself;
        /// `gravity` turns each window upright before `standard`; `none` leaves the data as it is
        pub normalize: Normalize = Normalize::Standard, "", one of Normalize::choices;
    }
}

settings! {
    /// What to hold out for validation.
    pub struct SplitSettings in "Validation" {
        /// How to hold windows out [default: predefined where the data says, subject where subjects are known, else random]
        pub split: Option<SplitKind> = None, "KIND", one of SplitKind::choices;
        /// Part of the subjects (`subject`) or windows (`random`) to hold out
        pub valid_fraction: f64 = 0.2, "FRACTION";
        /// The subjects to hold out, by name, instead of a fraction
        pub valid_subjects: Vec<String> = Vec::new(), "ID,…";
    }
}

settings! {
    /// Shape of the network. Window, channels and classes follow from the data.
    pub struct NetworkSettings in "Network" {
        /// Convolution blocks: filters, kernel, stride; then dilation (d2), pool (2, 3/2, avg2, 3/2-same), `same` padding and
        /// activation (relu, elu, gelu, tanh, linear, leaky_relu=0.3), where wanted
        pub convs: Vec<ConvBlock> = NetworkSpec::default().convs.into_iter().map(ConvBlock).collect(), "F:K:S[:dD][:P][:same][:ACTIVATION],…";
        /// A pool over all positions that the convolutions leave, before the dense layers
        pub global_pool: GlobalPool = GlobalPool::None, "", one of GlobalPool::choices;
        /// Units of each hidden dense layer, each with an activation that is no ReLU where wanted, or `none`
        pub hidden: HiddenLayers = HiddenLayers(NetworkSpec::default().hidden), "UNITS[:ACTIVATION],…";
        /// Probability that a feature is dropped before the dense layers, in training
        pub dropout: f32 = NetworkSpec::default().dropout, "RATE";
    }
}

settings! {
    /// Training of the network.
    pub struct TrainingSettings in "Training" {
        /// What is trained. Classical models read features of a window in time and frequency, and have no epochs
        pub model: ModelName = ModelName::Network, "", one of ModelName::choices;
        /// Inverse strength of the penalty of a linear classical model, as C in scikit-learn [default: 1]
        pub regularization: Option<f64> = None, "C";
        /// What a classical model reads: features of each channel, or also such that hold however a sensor is turned
        pub features: FeaturesName = FeaturesName::Basic, "", one of FeaturesName::choices;
        /// Defaults for other settings, which win where they are given
        pub preset: Preset = Preset::Reference, "", one of Preset::choices;
        /// Loss, as Keras defines it
        pub loss: Loss = Loss::SquaredHinge, "", one of losses;
        /// Weight of each class in the loss: `none`, `balanced` (n / (classes · n of the class)), or one number a class
        pub class_weights: ClassWeights = ClassWeights::None, "none|balanced|W,…";
        /// Part of each label that goes to all classes alike, in training with categorical_crossentropy
        pub label_smoothing: f32 = 0.0, "PART";
        /// Optimizer, in Keras's form and with its defaults
        pub optimizer: OptimizerName = OptimizerName::Adam, "", one of OptimizerName::choices;
        /// Learning rate at the start
        pub learning_rate: f32 = 0.001, "RATE";
        /// `cosine` falls to 0 over the run; `plateau` falls when the validation loss no longer does
        pub lr_schedule: LrSchedule = LrSchedule::Constant, "KIND", one of LrSchedule::choices;
        /// Momentum of `sgd` and `rmsprop` [default: 0]
        pub momentum: Option<f32> = None, "FACTOR";
        /// Decoupled weight decay of `adamw` [default: 0.004]
        pub weight_decay: Option<f32> = None, "FACTOR";
        /// Upper bound of the gradient's norm over all parameters
        pub clip_norm: Option<f32> = None, "NORM";
        /// Passes over the training windows
        pub epochs: usize = 10, "N";
        /// Windows a step
        pub batch_size: usize = 32, "N";
        /// Stop when the validation loss has not improved for this many epochs, and keep the best weights
        pub early_stopping: Option<usize> = None, "PATIENCE";
        /// End with the mean of the weights at the ends of this many last epochs
        pub average_last: Option<usize> = None, "N";
        /// `shuffle` visits every window once an epoch, `balanced` each class equally often
        pub sampling: SamplingName = SamplingName::Shuffle, "", one of SamplingName::choices;
        /// Start from the weights of this file (.safetensors, .keras, .h5) instead of drawing them from the seed; of a
        /// file of `triax pretrain`, or of other classes, all layers but the last are taken. `none` draws all
        pub init_weights: Option<PathBuf> = None, "FILE";
        /// Keep the training windows in the order of the data
        pub no_shuffle: bool = false, "";
        /// Seed of the split, the initial weights, the order, dropout and the synthetic set
        pub seed: u64 = 0, "N";
    }
}

settings! {
    /// Augmentation of the training windows, drawn anew in every step. Validation windows are not augmented.
    pub struct AugmentationSettings in "Augmentation" {
        /// Turn the axes of each window's sensors about a random axis, by up to this angle
        pub rotate: f32 = 0.0, "DEGREES";
        /// Put the three axes of the sensors in a random order
        pub permute_channels: bool = false, "";
        /// Turn each axis of the sensors around at random, as if they were worn upside down or on the other side
        pub flip_axes: bool = false, "";
        /// Deviation of a random factor of each window around 1
        pub scale_windows: f32 = 0.0, "DEVIATION";
        /// Shift each window in time by up to so many samples, repeating its ends
        pub shift: u32 = 0, "SAMPLES";
        /// Change the speed within each window by up to this share
        pub time_warp: f32 = 0.0, "SHARE";
        /// Blend each window and its label with another of its batch, by up to this share (mixup)
        pub mix: f32 = 0.0, "SHARE";
        /// Deviation of the noise on each value, in deviations of its channel
        pub jitter: f32 = 0.0, "DEVIATION";
    }
}

settings! {
    /// Device and engine.
    pub struct MachineSettings in "Device" {
        /// `auto` takes a few steps on each real GPU and on the CPU, and then the fastest; a software GPU only when named
        pub device: DeviceChoice = DeviceChoice::Auto, "auto|cpu|gpu|gpu:N";
        /// What computes the steps
        pub engine: EngineName = EngineName::Fused, "", one of EngineName::choices;
        /// Write the loss of each step to steps.jsonl
        pub log_steps: bool = false, "";
    }
}

named! {
    /// What stands for a value that is missing.
    pub enum FillName {
        None = "none",
        Previous = "previous",
    }
}

named! {
    /// Kinds of models.
    pub enum ModelName {
        /// A convolutional network
        Network = "network",
        /// Multinomial logistic regression with an L2 penalty
        LogisticRegression = "logistic_regression",
        /// A linear support vector machine for each class
        LinearSvm = "linear_svm",
        /// 100 extremely randomised trees
        ExtraTrees = "extra_trees",
    }
}

named! {
    /// Sets of features of classical models.
    pub enum FeaturesName {
        Basic = "basic",
        Oriented = "oriented",
    }
}

named! {
    /// Pools over all positions.
    pub enum GlobalPool {
        None = "none",
        Max = "max",
        Average = "average",
    }
}

named! {
    /// Normalisation of the channels.
    pub enum Normalize {
        Standard = "standard",
        Window = "window",
        Gravity = "gravity",
        None = "none",
    }
}

named! {
    /// Ways to draw the windows of an epoch.
    pub enum SamplingName {
        Shuffle = "shuffle",
        Balanced = "balanced",
    }
}

named! {
    /// Kinds of split.
    pub enum SplitKind {
        /// Whole subjects are held out
        Subject = "subject",
        /// Windows are held out, whoever they are of: overlapping ones leak
        Random = "random",
        /// As the data says itself
        Predefined = "predefined",
    }
}

named! {
    /// Optimizers.
    pub enum OptimizerName {
        Adam = "adam",
        AdamW = "adamw",
        Sgd = "sgd",
        RmsProp = "rmsprop",
    }
}

named! {
    /// Learning-rate schedules.
    pub enum LrSchedule {
        Constant = "constant",
        Cosine = "cosine",
        Plateau = "plateau",
    }
}

named! {
    /// Engines. Config files of early versions call the only engine of that time `auto`.
    pub enum EngineName {
        /// Made for these networks: the fastest
        Fused = "fused" | "auto",
        /// A graph of operations of Burn: a second opinion
        Burn = "burn",
    }
}

fn losses() -> Vec<Choice> {
    Loss::ALL.iter().map(|loss| Choice { name: loss.name(), help: "", aliases: &[] }).collect()
}

fn formats() -> Vec<Choice> {
    let names = std::iter::once("auto").chain(Format::ALL.map(Format::name));
    names.map(|name| Choice { name, help: "", aliases: &[] }).collect()
}

impl Settings {
    /// The groups in display order.
    pub const GROUPS: [Group; 6] = [
        DataSettings::GROUP,
        SplitSettings::GROUP,
        NetworkSettings::GROUP,
        TrainingSettings::GROUP,
        AugmentationSettings::GROUP,
        MachineSettings::GROUP,
    ];

    /// Rejects settings that are invalid for any data: values out of range, and invalid combinations.
    ///
    /// # Errors
    /// [`Error::Usage`] for the first such setting.
    pub fn check(&self) -> Result<(), Error> {
        self.check_each()?;
        let TrainingSettings { loss, label_smoothing, .. } = self.training;
        SmoothedLoss::new(loss, label_smoothing)
            .map_err(|problem| Error::Usage(format!("`label_smoothing`: {problem}")))?;
        self.training.optimizer().map(|_| ())
    }

    /// Rejects values that are out of range, each by itself.
    fn check_each(&self) -> Result<(), Error> {
        let Self { data, split, network, training, augmentation, .. } = self;
        for (name, length) in [("window", data.window), ("step", Some(data.step))] {
            length.map_or(Ok(()), |length| length.check(name))?;
        }
        if let Some(share @ Length::Percent(_)) = data.window {
            return Err(Error::Usage(format!("`window` is {share}; write samples, or seconds such as 6s")));
        }
        if let Some(gap) = data.gap.filter(|gap| !(gap.is_finite() && *gap >= 1.0)) {
            return Err(Error::Usage(format!("`gap` is {gap}; it must be a number of at least 1")));
        }
        if let Some(rate) = data.rate.filter(|rate| !(rate.is_finite() && *rate > 0.0)) {
            return Err(Error::Usage(format!("`rate` is {rate}; it must be a number above 0")));
        }
        if let Some((_, name)) = data.channels.iter().enumerate().find(|(n, name)| data.channels[..*n].contains(name)) {
            return Err(Error::Usage(format!("`channels` names `{name}` twice")));
        }
        if let Some((_, kind)) = data.derive.iter().enumerate().find(|(n, kind)| data.derive[..*n].contains(kind)) {
            return Err(Error::Usage(format!("`derive` names `{kind}` twice")));
        }
        for (name, count, most) in [
            ("epochs", Some(training.epochs), MOST_EPOCHS),
            ("batch_size", Some(training.batch_size), MOST_WINDOWS),
            ("early_stopping", training.early_stopping, MOST_EPOCHS),
            ("average_last", training.average_last, MOST_EPOCHS),
        ] {
            count.map_or(Ok(()), |count| check_count(name, count, most))?;
        }
        let AugmentationSettings { rotate, scale_windows, time_warp, mix, jitter, .. } = *augmentation;
        for (name, number) in [
            ("dropout", Some(network.dropout)),
            ("momentum", training.momentum),
            ("weight_decay", training.weight_decay),
            ("rotate", Some(rotate)),
            ("scale_windows", Some(scale_windows)),
            ("time_warp", Some(time_warp)),
            ("mix", Some(mix)),
            ("jitter", Some(jitter)),
        ] {
            if let Some(number) = number.filter(|number| !(number.is_finite() && *number >= 0.0)) {
                return Err(Error::Usage(format!("`{name}` is {number}; it must be a number of at least 0")));
            }
        }
        for (name, number) in [("learning_rate", Some(training.learning_rate)), ("clip_norm", training.clip_norm)] {
            if let Some(number) = number.filter(|number| !(number.is_finite() && *number > 0.0)) {
                return Err(Error::Usage(format!("`{name}` is {number}; it must be a number above 0")));
            }
        }
        if let Some(c) = training.regularization.filter(|c| !(c.is_finite() && *c > 0.0)) {
            return Err(Error::Usage(format!("`regularization` is {c}; it must be a number above 0")));
        }
        let fraction = split.valid_fraction;
        if !(fraction > 0.0 && fraction < 1.0) {
            return Err(Error::Usage(format!("`valid_fraction` is {fraction}; it must be between 0 and 1")));
        }
        Ok(())
    }

    /// The settings that differ from their defaults and have no effect on the model that is trained.
    pub fn without_effect(&self) -> Vec<&'static str> {
        let Some(plan) = self.training.classical() else {
            let features = (self.training.features != FeaturesName::Basic).then_some("features");
            return self.training.regularization.map(|_| "regularization").into_iter().chain(features).collect();
        };
        let (own, defaults) = (self.entries(), Self::default().entries());
        let groups =
            [NetworkSettings::GROUP, TrainingSettings::GROUP, AugmentationSettings::GROUP, MachineSettings::GROUP];
        let names = groups.into_iter().flat_map(|group| group.settings).map(|setting| setting.name);
        let has_effect = |name: &str| match name {
            "model" | "features" | "seed" => true,
            "regularization" => plan.method.is_penalised(),
            // It is the device that a classical model computes on.
            "device" => self.machine.device == DeviceChoice::Cpu,
            _ => false,
        };
        names.filter(|name| !has_effect(name) && own[*name] != defaults[*name]).collect()
    }

    /// Refuses settings of a classical model where only networks are trained.
    pub(crate) fn check_is_network(&self) -> Result<(), Error> {
        match self.training.classical() {
            None => Ok(()),
            Some(_) => {
                Err(Error::Usage(format!("`model` is {}, and only a network is trained here", self.training.model)))
            }
        }
    }

    /// A note on [`Settings::without_effect`], if there are such settings.
    pub(crate) fn note_without_effect(&self, names: &[&str]) -> Option<Notice> {
        let listed = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let have = if names.len() == 1 { "has" } else { "have" };
        let model = self.training.model;
        (!names.is_empty()).then(|| Notice::Note(format!("{listed} {have} no effect where `model` is {model}.")))
    }

    /// The plan for training `network` with these settings. It lacks class weights that depend on the training windows.
    ///
    /// # Errors
    /// [`Error::Usage`] for settings that do not suit each other, the classes or the network.
    pub fn fit_plan(&self, network: &Network, classes: &[String]) -> Result<FitPlan, Error> {
        let training = &self.training;
        let class_weights = match &training.class_weights {
            ClassWeights::Given(weights) if weights.len() == classes.len() => Some(weights.clone()),
            ClassWeights::Given(weights) => {
                let (given, classes) = (weights.len(), classes.join(", "));
                return Err(Error::Usage(format!("`class_weights` has {given} numbers for the classes {classes}")));
            }
            ClassWeights::None | ClassWeights::Balanced => None,
        };
        let plan = FitPlan {
            training: TrainingPlan {
                loss: training.loss,
                optimizer: training.optimizer()?,
                batch_size: training.batch_size,
                clip_norm: training.clip_norm,
                class_weights,
                label_smoothing: training.label_smoothing,
                augmentation: Augmentation {
                    scalars: self.data.scalars(network.spec().channels),
                    ..self.augmentation.augmentation()
                },
                seed: training.seed,
            },
            epochs: training.epochs,
            shuffle: !training.no_shuffle,
            sampling: match training.sampling {
                SamplingName::Shuffle => Sampling::Shuffle,
                SamplingName::Balanced => Sampling::Balanced,
            },
            learning_rate: training.learning_rate,
            schedule: match training.lr_schedule {
                LrSchedule::Constant => Schedule::Constant,
                LrSchedule::Cosine => Schedule::Cosine,
                LrSchedule::Plateau => Schedule::PLATEAU,
            },
            early_stopping: training.early_stopping,
            average_last: training.average_last,
            log_steps: self.machine.log_steps,
        };
        plan.check().map_err(Error::Usage)?;
        plan.training.check(network).map_err(|problem| Error::Usage(problem.to_string()))?;
        Ok(plan)
    }
}

impl DataSettings {
    /// The settings that say what the tables of one logger mean. Those of a run also hold for other recordings that its
    /// network reads, unless others are given.
    pub const OF_TABLES: [&str; 7] = ["columns", "map", "subject_from", "fill", "gap", "rename", "merge"];

    /// How to read the recordings.
    pub fn read_options(&self) -> ReadOptions {
        ReadOptions {
            format: self.format.0,
            channels: self.channels.clone(),
            columns: self.columns.clone(),
            map: self.map.0.clone(),
            subject_from: self.subject_from.clone().filter(|pattern| !pattern.is_empty()),
            fill: match self.fill {
                FillName::None => Fill::None,
                FillName::Previous => Fill::Previous,
            },
            gap: self.gap,
            rename: self.rename.0.clone(),
            merge: self.merge,
            ..ReadOptions::default()
        }
    }

    /// The channels that the network reads instead of the sensors'; `None` where it reads those.
    fn derived(&self) -> Option<Vec<Derived>> {
        let kinds: Vec<Derived> = self.derive.iter().map(|kind| kind.0).collect();
        (!kinds.is_empty() && kinds != [Derived::Raw]).then_some(kinds)
    }

    /// What becomes of each window of `channels` channels by itself. `rate_hz` is samples a second, if known. `gravity` tells that in
    /// each three channels, and is asked only where it matters.
    ///
    /// # Errors
    /// As [`Derivation::new`].
    pub fn preparation(
        &self,
        channels: usize,
        rate_hz: Option<f64>,
        gravity: impl FnOnce() -> Vec<Option<f64>>,
    ) -> Result<Preparation, Error> {
        let has_gravity = || gravity().iter().map(Option::is_some).collect();
        let derivation = self.derived().map(|kinds| Derivation::new(&kinds, channels, rate_hz, has_gravity));
        let derivation = derivation.transpose().map_err(|problem| Error::Usage(format!("`derive`: {problem}")))?;
        Ok(Preparation { derivation, normalisation: self.normalize.per_window() })
    }

    /// The number of channels that the network reads where the sensors have `channels`.
    ///
    /// # Errors
    /// [`Error::Usage`] for channels that are no groups of three, where some are derived.
    pub fn network_channels(&self, channels: usize) -> Result<usize, Error> {
        // The number depends neither on the rate nor on which sensor holds gravity.
        let preparation = self.preparation(channels, Some(1.0), || vec![Some(1.0); channels / 3])?;
        Ok(preparation.derivation.map_or(channels, |derivation| derivation.channels_out()))
    }

    /// How many of the network's last channels are no axes of a sensor.
    fn scalars(&self, network_channels: usize) -> usize {
        let kinds = self.derived().unwrap_or_default();
        let of_group: usize = kinds.iter().map(|kind| kind.channels()).sum();
        let scalars = kinds.iter().filter(|kind| !kind.is_vector()).count();
        network_channels.checked_div(of_group).map_or(0, |groups| groups * scalars)
    }
}

impl Normalize {
    /// Normalisation of each window by itself, if there is one.
    pub fn per_window(self) -> Option<PerWindow> {
        match self {
            Self::Standard | Self::None => None,
            Self::Window => Some(PerWindow::Standardise),
            Self::Gravity => Some(PerWindow::AlignGravity),
        }
    }

    /// Whether the channels are then standardised with the statistics of the training part.
    pub fn has_scaler(self) -> bool {
        matches!(self, Self::Standard | Self::Gravity)
    }
}

impl GlobalPool {
    /// What the pool takes; none without a pool.
    pub fn kind(self) -> Option<PoolKind> {
        match self {
            Self::None => None,
            Self::Max => Some(PoolKind::Max),
            Self::Average => Some(PoolKind::Average),
        }
    }
}

impl NetworkSettings {
    /// The specification of a network for windows (window, channels) and this number of classes.
    pub fn spec(&self, window: usize, channels: usize, classes: usize) -> NetworkSpec {
        let convs: Vec<ConvSpec> = self.convs.iter().map(|block| block.0).collect();
        NetworkSpec {
            window,
            channels,
            convs,
            global_pool: self.global_pool.kind(),
            dropout: self.dropout,
            hidden: self.hidden.0.clone(),
            classes,
        }
    }
}

impl TrainingSettings {
    /// How to train a classical model; `None` if a network is trained.
    pub fn classical(&self) -> Option<ClassicalPlan> {
        let method = Baseline::named(self.model.name())?;
        let default = ClassicalPlan::new(method);
        let regularization = self.regularization.unwrap_or(default.regularization);
        let features = match self.features {
            FeaturesName::Basic => FeatureSet::Basic,
            FeaturesName::Oriented => FeatureSet::Oriented,
        };
        Some(ClassicalPlan { method, regularization, features })
    }

    /// The optimizer. Settings that are not given have Keras's defaults.
    fn optimizer(&self) -> Result<Optimizer, Error> {
        let mut optimizer = match self.optimizer {
            OptimizerName::Adam => Optimizer::adam(),
            OptimizerName::AdamW => Optimizer::adam_w(),
            OptimizerName::Sgd => Optimizer::sgd(),
            OptimizerName::RmsProp => Optimizer::rms_prop(),
        };
        if let Some(given) = self.weight_decay {
            let Optimizer::AdamW { weight_decay, .. } = &mut optimizer else {
                return Err(Error::Usage("`weight_decay` belongs to the optimizer adamw".to_owned()));
            };
            *weight_decay = given;
        }
        if let Some(given) = self.momentum {
            let (Optimizer::Sgd { momentum, .. } | Optimizer::RmsProp { momentum, .. }) = &mut optimizer else {
                return Err(Error::Usage("`momentum` belongs to the optimizers sgd and rmsprop".to_owned()));
            };
            *momentum = given;
        }
        Ok(optimizer)
    }
}

impl AugmentationSettings {
    fn augmentation(&self) -> Augmentation {
        let Self { rotate, permute_channels, flip_axes, scale_windows, shift, time_warp, mix, jitter } = *self;
        let (rotation, scaling) = (rotate, scale_windows);
        Augmentation { rotation, permute_channels, flip_axes, scaling, shift, time_warp, mix, jitter, scalars: 0 }
    }
}

/// Rejects a count that is 0 or above `most`.
fn check_count(name: &str, count: usize, most: usize) -> Result<(), Error> {
    match count {
        0 => Err(Error::Usage(format!("`{name}` is 0; it must be at least 1"))),
        _ if count > most => {
            let (count, most) = (grouped(count), grouped(most));
            Err(Error::Usage(format!("`{name}` is {count}; it must be at most {most}")))
        }
        _ => Ok(()),
    }
}
