//! The formats: what each holds, how its file is written, and the scores that the file itself gives.

use std::fmt::Display;
use std::path::Path;

use triax_exchange::c::{self, CFile};
use triax_exchange::int8::{Quantised, quantise};
use triax_exchange::keras::{self, Compiled};
use triax_exchange::{Imported, Trained, html, onnx, softmax, tflite};
use triax_losses::Loss;
use triax_model::{Network, WeightFile};
use triax_study::EnsembleScores;

use crate::Error;
use crate::predictor::NetworkMember;
use crate::settings::declare::named;

named! {
    /// Formats of trained networks.
    pub enum ExportFormat {
        /// ONNX in floating point: onnxruntime and most programs; several networks of a study predict as one
        Onnx = "onnx",
        /// ONNX with quantised operators
        OnnxInt8 = "onnx-int8",
        /// TensorFlow Lite (LiteRT) in floating point
        Tflite = "tflite",
        /// TensorFlow Lite in integers of eight bits, also for TensorFlow Lite Micro
        TfliteInt8 = "tflite-int8",
        /// One C header in floating point: C99 and C++11, no heap, no library
        C = "c",
        /// One C header in integers of eight bits, for microcontrollers
        CInt8 = "c-int8",
        /// An archive that Keras 3 loads, with the same weights, and goes on training
        Keras = "keras",
        /// A web page that recognises with a phone's sensors, replays and records; one file, works offline
        Html = "html",
        /// Triax's own weight file: safetensors in Keras's layouts, with the scaler and all names in its metadata
        Safetensors = "safetensors",
    }
}

impl ExportFormat {
    /// Whether several networks can predict together in one file.
    pub fn holds_several(self) -> bool {
        match self {
            Self::Onnx => true,
            Self::OnnxInt8
            | Self::Tflite
            | Self::TfliteInt8
            | Self::C
            | Self::CInt8
            | Self::Keras
            | Self::Html
            | Self::Safetensors => false,
        }
    }

    /// Whether the network is in integers of eight bits.
    pub fn is_int8(self) -> bool {
        match self {
            Self::OnnxInt8 | Self::TfliteInt8 | Self::CInt8 => true,
            Self::Onnx | Self::Tflite | Self::C | Self::Keras | Self::Html | Self::Safetensors => false,
        }
    }
}

/// What a network costs on a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceCost {
    /// Bytes of tables in flash; code comes on top.
    pub flash_bytes: usize,
    /// Bytes of static buffers.
    pub ram_bytes: usize,
    /// Multiply-adds of a window.
    pub multiply_adds: usize,
}

/// A file in a format, and what it computes.
pub(super) struct File {
    pub bytes: Vec<u8>,
    /// Whether it ends in a softmax.
    pub softmax: bool,
    /// What it costs on a device, where the format says that.
    pub cost: Option<DeviceCost>,
    network: ReadBack,
}

/// The network of a file, as it was read back.
enum ReadBack {
    /// In floating point; several predict together.
    Float(Vec<Trained>),
    Int8(Box<Quantised>),
}

impl File {
    /// Scores (n_windows, classes) of `windows` (n_windows, window, channels), by the file's own numbers.
    pub fn scores(&self, windows: &[f32]) -> Vec<f32> {
        match &self.network {
            ReadBack::Float(networks) => match networks.as_slice() {
                [one] => one.scores(windows),
                several => together(several, windows, self.softmax),
            },
            ReadBack::Int8(network) => network.scores(windows),
        }
    }
}

/// Writes networks in a format, and reads the file back.
pub(super) struct Writer<'a> {
    pub format: ExportFormat,
    /// The networks; one, unless the format holds several.
    pub trained: &'a [Trained],
    /// The first network, as it lies in its weight file.
    pub member: &'a NetworkMember,
    /// How it was trained, for formats that go on training.
    pub compiled: &'a Compiled,
    /// Windows that it was trained on; empty unless the format is in integers.
    pub calibration: &'a [f32],
    /// What names begin with, in formats that are programs.
    pub prefix: &'a str,
}

impl Writer<'_> {
    /// The file.
    ///
    /// # Errors
    /// A network that the format cannot hold.
    pub fn write(&self) -> Result<File, Error> {
        let one = &self.trained[0];
        let float = |bytes: Vec<u8>, network: Trained| (bytes, None, ReadBack::Float(vec![network]));
        let int8 = |bytes: Vec<u8>, network: Quantised| (bytes, None, ReadBack::Int8(Box::new(network)));
        let (bytes, cost, network) = match self.format {
            ExportFormat::Onnx => {
                let bytes = onnx::write(self.trained)?;
                let networks = onnx::read_ensemble(&bytes).map_err(not_read_back)?;
                let networks = networks
                    .into_iter()
                    .map(Imported::into_trained)
                    .collect::<Result<_, _>>()
                    .map_err(not_read_back)?;
                (bytes, None, ReadBack::Float(networks))
            }
            ExportFormat::OnnxInt8 => {
                let bytes = onnx::write_int8(&quantise(one, self.calibration)?)?;
                let network = onnx::read_int8(&bytes).map_err(not_read_back)?;
                int8(bytes, network)
            }
            ExportFormat::Tflite => {
                let bytes = tflite::write(one)?;
                let network = tflite::read(&bytes).map_err(not_read_back)?;
                float(bytes, network)
            }
            ExportFormat::TfliteInt8 => {
                let bytes = tflite::write_int8(&quantise(one, self.calibration)?)?;
                let network = tflite::read_int8(&bytes).map_err(not_read_back)?;
                int8(bytes, network)
            }
            ExportFormat::C => {
                let file = c::write(one, self.prefix)?;
                let network = c::read(&file.text, one).map_err(not_read_back)?;
                let cost = cost(&file);
                (file.text.into_bytes(), Some(cost), ReadBack::Float(vec![network]))
            }
            ExportFormat::CInt8 => {
                let quantised = quantise(one, self.calibration)?;
                let file = c::write_int8(&quantised, self.prefix)?;
                let network = c::read_int8(&file.text, &quantised).map_err(not_read_back)?;
                let cost = cost(&file);
                (file.text.into_bytes(), Some(cost), ReadBack::Int8(Box::new(network)))
            }
            ExportFormat::Keras => {
                let bytes = keras::write(one, self.compiled)?;
                let network = keras::read(&bytes).and_then(Imported::into_trained).map_err(not_read_back)?;
                float(bytes, network)
            }
            ExportFormat::Html => {
                let page = html::write(one)?;
                let network = html::read(&page).map_err(not_read_back)?;
                float(page.into_bytes(), network)
            }
            ExportFormat::Safetensors => {
                if one.softmax {
                    return Err(Error::Usage("a weight file holds the network alone: leave --scores out".to_owned()));
                }
                let bytes = self.member.file.to_bytes();
                let file = WeightFile::from_bytes(&bytes, Path::new("it")).map_err(not_read_back)?;
                let (network, weights, scaler) = (Network::new(file.spec)?, file.weights, file.scaler);
                float(bytes, Trained { network, weights, scaler, ..one.clone() })
            }
        };
        Ok(File { bytes, softmax: one.softmax, cost, network })
    }
}

/// The combined scores of several networks. A softmax comes after all of them.
fn together(networks: &[Trained], windows: &[f32], has_softmax: bool) -> Vec<f32> {
    let classes = networks[0].network.spec().classes;
    let loss = networks[0].about.loss.as_deref().and_then(|loss| loss.parse().ok()).unwrap_or(Loss::SquaredHinge);
    let mut combined = EnsembleScores::new(loss, classes);
    for network in networks {
        combined.add(&Trained { softmax: false, ..network.clone() }.scores(windows));
    }
    let mut scores = combined.scores();
    if has_softmax {
        scores.chunks_exact_mut(classes).for_each(softmax);
    }
    scores
}

fn cost(file: &CFile) -> DeviceCost {
    DeviceCost { flash_bytes: file.flash_bytes, ram_bytes: file.ram_bytes, multiply_adds: file.multiply_adds as usize }
}

fn not_read_back(problem: impl Display) -> Error {
    Error::Input(format!("the file cannot be read back, so it was not written. This is a fault of Triax: {problem}"))
}
