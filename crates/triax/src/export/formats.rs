//! The formats: what each holds, how its file is written, and the scores that the file itself gives.

use std::fmt::Display;
use std::path::Path;

use triax_exchange::{Trained, html};
use triax_model::{Network, WeightFile};

use crate::Error;
use crate::predictor::Member;
use crate::settings::declare::named;

named! {
    /// Formats of trained networks.
    pub enum ExportFormat {
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
            Self::Html | Self::Safetensors => false,
        }
    }
}

/// A file in a format, and what it computes.
pub(super) struct File {
    pub bytes: Vec<u8>,
    /// Whether it ends in a softmax.
    pub softmax: bool,
    network: ReadBack,
}

/// The network of a file, as it was read back.
enum ReadBack {
    Float(Box<Trained>),
}

impl File {
    /// Scores (n_windows, classes) of `windows` (n_windows, window, channels), by the file's own numbers.
    pub fn scores(&self, windows: &[f32]) -> Vec<f32> {
        match &self.network {
            ReadBack::Float(network) => network.scores(windows),
        }
    }

    /// Whether it computes in integers of eight bits.
    pub fn is_int8(&self) -> bool {
        match &self.network {
            ReadBack::Float(_) => false,
        }
    }
}

/// Writes `trained` in `format`, and reads the file back. `member` is the first of them.
///
/// # Errors
/// A network that the format cannot hold.
pub(super) fn write(format: ExportFormat, trained: &[Trained], member: &Member) -> Result<File, Error> {
    let one = &trained[0];
    let (bytes, network) = match format {
        ExportFormat::Html => {
            let page = html::write(one)?;
            let network = html::read(&page).map_err(|error| not_read_back(&error))?;
            (page.into_bytes(), ReadBack::Float(Box::new(network)))
        }
        ExportFormat::Safetensors => {
            if one.softmax {
                return Err(Error::Usage("a weight file holds the network alone: leave --scores out".to_owned()));
            }
            let bytes = member.file.to_bytes();
            let file = WeightFile::from_bytes(&bytes, Path::new("it")).map_err(|error| not_read_back(&error))?;
            let (network, weights, scaler) = (Network::new(file.spec)?, file.weights, file.scaler);
            (bytes, ReadBack::Float(Box::new(Trained { network, weights, scaler, ..one.clone() })))
        }
    };
    Ok(File { bytes, softmax: one.softmax, network })
}

fn not_read_back(problem: &dyn Display) -> Error {
    Error::Input(format!("the file cannot be read back, so it was not written. This is a fault of Triax: {problem}"))
}
