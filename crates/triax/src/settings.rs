//! Every setting of a training run: its option on the command line, its key in a config file, its default.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};
use triax_data::PerWindow;
use triax_engine::device::DeviceChoice;
use triax_engine::{Augmentation, Optimizer};
use triax_losses::Loss;
use triax_model::{ConvSpec, NetworkSpec};
use triax_trainer::{Sampling, Schedule};

use crate::failure::Usage;
use crate::preset::Preset;
use crate::values::{
    ClassWeights, ConvBlock, DataSource, FormatChoice, formats, fraction, not_negative, path, positive, positive_number,
};

/// The settings of a run. The name of a field is the option's name and the key in `config.json`, so that a config file
/// is a command line in a file (see [`crate::config`]).
#[derive(Args, Clone, Debug, Serialize)]
pub struct Settings {
    #[command(flatten)]
    #[serde(flatten)]
    pub data: DataSettings,
    #[command(flatten)]
    #[serde(flatten)]
    pub split: SplitSettings,
    #[command(flatten)]
    #[serde(flatten)]
    pub network: NetworkSettings,
    #[command(flatten)]
    #[serde(flatten)]
    pub training: TrainingSettings,
    #[command(flatten)]
    #[serde(flatten)]
    pub augmentation: AugmentationSettings,
    #[command(flatten)]
    #[serde(flatten)]
    pub machine: MachineSettings,
}

/// Where windows come from.
#[derive(Args, Clone, Debug, Serialize)]
#[command(next_help_heading = "Data")]
pub struct DataSettings {
    /// Recordings to read: a folder, a file or a zip; or `synthetic` for the built-in set
    #[arg(long, value_name = "PATH|synthetic", default_value = "synthetic")]
    pub data: DataSource,
    /// Format of the data; `auto` looks for itself
    #[arg(long, value_name = "FORMAT", default_value = "auto", value_parser = formats())]
    pub format: FormatChoice,
    /// A subset of the activities, in the order that their classes shall have
    #[arg(long, value_name = "A,B,…", value_delimiter = ',')]
    pub activities: Vec<String>,
    /// Samples in a window [default: 120, or as the data is windowed already]
    #[arg(long, value_name = "SAMPLES", value_parser = positive())]
    pub window: Option<usize>,
    /// Samples from one window to the next
    #[arg(long, value_name = "SAMPLES", default_value_t = 60, value_parser = positive())]
    pub step: usize,
    /// `standard` takes mean and deviation of each channel from the training part; `window` from each window itself;
    /// `gravity` turns each window upright before `standard`; `none` leaves the data as it is
    #[arg(long, value_enum, default_value_t = Normalize::Standard)]
    pub normalize: Normalize,
}

/// What is held out for validation.
#[derive(Args, Clone, Debug, Serialize)]
#[command(next_help_heading = "Validation")]
pub struct SplitSettings {
    /// How to hold windows out [default: predefined where the data says, subject where subjects are known, else random]
    #[arg(long, value_enum, value_name = "KIND")]
    pub split: Option<SplitKind>,
    /// Part of the subjects (`subject`) or windows (`random`) to hold out
    #[arg(long, value_name = "FRACTION", default_value_t = 0.2, value_parser = fraction)]
    pub valid_fraction: f64,
    /// The subjects to hold out, by name, instead of a fraction
    #[arg(long, value_name = "ID,…", value_delimiter = ',')]
    pub valid_subjects: Vec<String>,
}

/// The network's shape. Window, channels and classes follow from the data.
#[derive(Args, Clone, Debug, Serialize)]
#[command(next_help_heading = "Network")]
pub struct NetworkSettings {
    /// Convolution blocks: filters, kernel, stride and, where pooled, the pool's length, joined by colons
    #[arg(long, value_name = "F:K:S[:P],…", value_delimiter = ',', default_value = "32:3:2:2,64:3:2")]
    pub convs: Vec<ConvBlock>,
    /// Units of each hidden dense layer
    #[arg(long, value_name = "UNITS,…", value_delimiter = ',', default_value = "120", value_parser = positive())]
    pub hidden: Vec<usize>,
    /// Probability that a feature is dropped before the dense layers, in training
    #[arg(long, value_name = "RATE", default_value_t = 0.1)]
    pub dropout: f32,
}

/// How the network is trained.
#[derive(Args, Clone, Debug, Serialize)]
#[command(next_help_heading = "Training")]
pub struct TrainingSettings {
    /// Defaults for other settings, which win where they are given
    #[arg(long, value_enum, default_value_t = Preset::Reference)]
    pub preset: Preset,
    /// Loss, as Keras defines it
    #[arg(long, default_value = "squared_hinge", value_parser = losses())]
    pub loss: Loss,
    /// Weight of each class in the loss: `none`, `balanced` (n / (classes · n of the class)), or one number a class
    #[arg(long, value_name = "none|balanced|W,…", default_value = "none")]
    pub class_weights: ClassWeights,
    /// Optimizer, in Keras's form and with its defaults
    #[arg(long, value_enum, default_value_t = OptimizerName::Adam)]
    pub optimizer: OptimizerName,
    /// Learning rate at the start
    #[arg(long, value_name = "RATE", default_value_t = 0.001, value_parser = positive_number)]
    pub learning_rate: f32,
    /// `cosine` falls to 0 over the run; `plateau` falls when the validation loss no longer does
    #[arg(long, value_enum, value_name = "KIND", default_value_t = LrSchedule::Constant)]
    pub lr_schedule: LrSchedule,
    /// Momentum of `sgd` and `rmsprop` [default: 0]
    #[arg(long, value_name = "FACTOR", value_parser = not_negative)]
    pub momentum: Option<f32>,
    /// Decoupled weight decay of `adamw` [default: 0.004]
    #[arg(long, value_name = "FACTOR", value_parser = not_negative)]
    pub weight_decay: Option<f32>,
    /// Upper bound of the gradient's norm over all parameters
    #[arg(long, value_name = "NORM", value_parser = positive_number)]
    pub clip_norm: Option<f32>,
    /// Passes over the training windows
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = positive())]
    pub epochs: usize,
    /// Windows a step
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = positive())]
    pub batch_size: usize,
    /// Stop when the validation loss has not improved for this many epochs, and keep the best weights
    #[arg(long, value_name = "PATIENCE", value_parser = positive())]
    pub early_stopping: Option<usize>,
    /// End with the mean of the weights at the ends of this many last epochs
    #[arg(long, value_name = "N", value_parser = positive())]
    pub average_last: Option<usize>,
    /// `shuffle` visits every window once an epoch, `balanced` each class equally often
    #[arg(long, value_enum, default_value_t = SamplingChoice::Shuffle)]
    pub sampling: SamplingChoice,
    /// Start from the weights of this safetensors file instead of drawing them from the seed
    #[arg(long, value_name = "FILE", value_parser = path)]
    pub init_weights: Option<PathBuf>,
    /// Keep the training windows in the order of the data
    #[arg(long)]
    pub no_shuffle: bool,
    /// Seed of the split, the initial weights, the order, dropout and the synthetic set
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
}

/// How training windows are varied, anew in every step. Validation windows never are.
#[derive(Args, Clone, Debug, Serialize)]
#[command(next_help_heading = "Augmentation")]
pub struct AugmentationSettings {
    /// Turn the axes of each window's sensors about a random axis, by up to this angle
    #[arg(long, value_name = "DEGREES", default_value_t = 0.0, value_parser = not_negative)]
    pub rotate: f32,
    /// Put the three axes of the sensors in a random order
    #[arg(long)]
    pub permute_channels: bool,
    /// Turn each axis of the sensors around at random, as if they were worn upside down or on the other side
    #[arg(long)]
    pub flip_axes: bool,
    /// Deviation of a random factor of each window around 1
    #[arg(long, value_name = "DEVIATION", default_value_t = 0.0, value_parser = not_negative)]
    pub scale_windows: f32,
    /// Shift each window in time by up to so many samples, repeating its ends
    #[arg(long, value_name = "SAMPLES", default_value_t = 0)]
    pub shift: u32,
    /// Change the speed within each window by up to this share
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = not_negative)]
    pub time_warp: f32,
    /// Blend each window and its label with another of its batch, by up to this share (mixup)
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = not_negative)]
    pub mix: f32,
    /// Deviation of the noise on each value, in deviations of its channel
    #[arg(long, value_name = "DEVIATION", default_value_t = 0.0, value_parser = not_negative)]
    pub jitter: f32,
}

/// What trains it.
#[derive(Args, Clone, Debug, Serialize)]
#[command(next_help_heading = "Device")]
pub struct MachineSettings {
    /// `auto` takes a few steps on each real GPU and on the CPU, and then the fastest; a software GPU only when named
    #[arg(long, value_name = "auto|cpu|gpu|gpu:N", default_value = "auto")]
    pub device: DeviceChoice,
    /// What computes the steps
    #[arg(long, value_enum, default_value_t = EngineChoice::Fused)]
    pub engine: EngineChoice,
    /// Write the loss of each step to steps.jsonl
    #[arg(long)]
    pub log_steps: bool,
}

/// How a channel's scale is treated.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Normalize {
    Standard,
    Window,
    Gravity,
    None,
}

impl Normalize {
    /// What is done to each window by itself.
    pub fn per_window(self) -> Option<PerWindow> {
        match self {
            Self::Standard | Self::None => None,
            Self::Window => Some(PerWindow::Standardise),
            Self::Gravity => Some(PerWindow::AlignGravity),
        }
    }

    /// Whether the channels are then standardised by what the training part has.
    pub fn has_scaler(self) -> bool {
        matches!(self, Self::Standard | Self::Gravity)
    }
}

/// Ways of drawing an epoch by name.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SamplingChoice {
    Shuffle,
    Balanced,
}

/// Kinds of split.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SplitKind {
    /// Whole subjects are held out
    Subject,
    /// Windows are held out, whoever they are of: overlapping ones leak
    Random,
    /// As the data says itself
    Predefined,
}

/// Optimizers by name.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[value(rename_all = "lower")]
#[serde(rename_all = "lowercase")]
pub enum OptimizerName {
    Adam,
    AdamW,
    Sgd,
    RmsProp,
}

/// Learning-rate schedules by name.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LrSchedule {
    Constant,
    Cosine,
    Plateau,
}

/// Engines by name.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EngineChoice {
    /// A step in two passes: the fastest
    // Runs of a time when Burn's was the only engine have `auto` in their config.json.
    #[value(alias = "auto")]
    Fused,
    /// A graph of operations of Burn: a second opinion
    Burn,
}

impl EngineChoice {
    /// The name on the command line, and that of [`triax_engine::Engine::name`].
    pub fn name(self) -> &'static str {
        match self {
            Self::Fused => "fused",
            Self::Burn => "burn",
        }
    }
}

impl OptimizerName {
    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Adam => "adam",
            Self::AdamW => "adamw",
            Self::Sgd => "sgd",
            Self::RmsProp => "rmsprop",
        }
    }
}

impl TrainingSettings {
    /// The optimizer, with Keras's defaults where nothing else is set.
    pub fn optimizer(&self) -> Result<Optimizer, Usage> {
        let mut optimizer = match self.optimizer {
            OptimizerName::Adam => Optimizer::adam(),
            OptimizerName::AdamW => Optimizer::adam_w(),
            OptimizerName::Sgd => Optimizer::sgd(),
            OptimizerName::RmsProp => Optimizer::rms_prop(),
        };
        if let Some(given) = self.weight_decay {
            let Optimizer::AdamW { weight_decay, .. } = &mut optimizer else {
                return Err(Usage("--weight-decay belongs to --optimizer adamw".to_owned()));
            };
            *weight_decay = given;
        }
        if let Some(given) = self.momentum {
            let (Optimizer::Sgd { momentum, .. } | Optimizer::RmsProp { momentum, .. }) = &mut optimizer else {
                return Err(Usage("--momentum belongs to --optimizer sgd or rmsprop".to_owned()));
            };
            *momentum = given;
        }
        Ok(optimizer)
    }

    /// The learning-rate schedule, with Keras's defaults.
    pub fn schedule(&self) -> Schedule {
        match self.lr_schedule {
            LrSchedule::Constant => Schedule::Constant,
            LrSchedule::Cosine => Schedule::Cosine,
            LrSchedule::Plateau => Schedule::PLATEAU,
        }
    }
}

impl SamplingChoice {
    /// What the trainer calls it.
    pub fn sampling(self) -> Sampling {
        match self {
            Self::Shuffle => Sampling::Shuffle,
            Self::Balanced => Sampling::Balanced,
        }
    }
}

impl AugmentationSettings {
    /// What the engine calls it.
    pub fn augmentation(&self) -> Augmentation {
        let Self { rotate, permute_channels, flip_axes, scale_windows, shift, time_warp, mix, jitter } = *self;
        let (rotation, scaling) = (rotate, scale_windows);
        Augmentation { rotation, permute_channels, flip_axes, scaling, shift, time_warp, mix, jitter }
    }
}

impl NetworkSettings {
    /// The specification for windows of this shape.
    pub fn spec(&self, window: usize, channels: usize, classes: usize) -> NetworkSpec {
        let convs: Vec<ConvSpec> = self.convs.iter().map(|block| block.0).collect();
        NetworkSpec { window, channels, convs, dropout: self.dropout, hidden: self.hidden.clone(), classes }
    }
}

fn losses() -> impl TypedValueParser<Value = Loss> {
    PossibleValuesParser::new(Loss::ALL.iter().map(|loss| loss.name()))
        .map(|name| name.parse().expect("one of the names offered"))
}
