//! A network that was read from another program's file.

use triax_model::{Network, NetworkSpec, PoolKind, Preparation, Scaler, Weights};

use crate::{About, Trained, keras, onnx};

/// A network of the family that another program has written.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    /// The specification of the network.
    pub spec: NetworkSpec,
    /// The weights, in the order of the network of `spec`.
    pub weights: Weights,
    /// What the file makes of each window before the scaler.
    pub preparation: Preparation,
    /// How the file standardises the input.
    pub scaler: Option<Scaler>,
    /// Whether the file ends in a softmax, which is not part of the network.
    pub softmax: bool,
    /// Whether batch normalisation was folded into weights: the network then computes the same, and would not train the same.
    pub is_folded: bool,
    /// What the file says about the network.
    pub about: About,
    /// What the user should know although nothing failed, as sentences.
    pub notices: Vec<String>,
}

/// Whether `bytes`, the first 64 or more of a file, begin as one of a format that [`read`] knows.
pub fn is_known(bytes: &[u8]) -> bool {
    keras::is_keras(bytes) || onnx::is_onnx(bytes)
}

/// Reads a file of any format that is read.
///
/// # Errors
/// A file of another format; what its format's reader refuses.
pub fn read(bytes: &[u8]) -> Result<Imported, ReadError> {
    if keras::is_keras(bytes) {
        return keras::read(bytes);
    }
    if onnx::is_onnx(bytes) {
        return onnx::read(bytes);
    }
    Err(ReadError::new("byte 0", UNKNOWN))
}

/// Reads the weights of `network` from a file of any format that is read, with what the user should know.
///
/// # Errors
/// As [`read`]; the weights of another network, with the first difference.
pub fn read_weights(bytes: &[u8], network: &Network) -> Result<(Weights, Vec<String>), ReadError> {
    if keras::is_keras(bytes) {
        return keras::read_weights(bytes, network);
    }
    read(bytes)?.weights_of(network)
}

/// Why a file of an unknown format is not read.
const UNKNOWN: &str = "this is none of the files that are read: .keras and .h5 of Keras, and .onnx";

impl Imported {
    /// The network with everything that its answers depend on, to be run or written in another format.
    ///
    /// # Errors
    /// A specification that is no network: those of readers are.
    pub fn into_trained(self) -> Result<Trained, ReadError> {
        let Self { spec, weights, preparation, scaler, softmax, about, .. } = self;
        let network = Network::new(spec).map_err(|error| ReadError::new(error.layer, error.problem))?;
        Ok(Trained { network, weights, preparation, scaler, softmax, about })
    }

    /// The weights, where they are of `network`, to go on training with; and what the user should know.
    ///
    /// # Errors
    /// The first difference between the networks.
    pub fn weights_of(self, network: &Network) -> Result<(Weights, Vec<String>), ReadError> {
        if let Some(difference) = first_difference(&self.spec, network.spec()) {
            return Err(ReadError::new("the network", format!("{difference}; choose the same layers")));
        }
        let folded = "batch normalisation of the file is folded into its weights; the training goes on without it";
        Ok((self.weights, if self.is_folded { vec![folded.to_owned()] } else { Vec::new() }))
    }
}

/// Why a file is not read.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct ReadError {
    /// The place in the file: a layer, a node, a group, a byte.
    pub place: String,
    /// The problem, and a remedy.
    pub problem: String,
}

impl ReadError {
    /// The error `problem` at `place`.
    pub fn new(place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { place: place.into(), problem: problem.into() }
    }
}

/// The first difference between the layers of a file and those of the settings, as a sentence. Dropout may differ: it has no
/// weights.
fn first_difference(file: &NetworkSpec, settings: &NetworkSpec) -> Option<String> {
    let differ = |what: &str, file: String, settings: String| {
        (file != settings).then(|| format!("{what}: {file} in the file, {settings} in the settings"))
    };
    let number = |what: &str, file: usize, settings: usize| differ(what, file.to_string(), settings.to_string());
    let layers = |what: &str, file: Vec<String>, settings: Vec<String>| {
        let longest = file.len().max(settings.len());
        let name = |list: &[String], i: usize| list.get(i).cloned().unwrap_or_else(|| "none".to_owned());
        (0..longest).find_map(|i| differ(&format!("{what}{}", i + 1), name(&file, i), name(&settings, i)))
    };
    let global = |spec: &NetworkSpec| match spec.global_pool {
        None => "none".to_owned(),
        Some(PoolKind::Max) => "max".to_owned(),
        Some(PoolKind::Average) => "average".to_owned(),
    };
    let texts = |convs: &[triax_model::ConvSpec]| convs.iter().map(ToString::to_string).collect();
    let hidden = |spec: &NetworkSpec| spec.hidden.iter().map(ToString::to_string).collect();
    number("window", file.window, settings.window)
        .or_else(|| number("channels", file.channels, settings.channels))
        .or_else(|| layers("conv", texts(&file.convs), texts(&settings.convs)))
        .or_else(|| differ("global pool", global(file), global(settings)))
        .or_else(|| layers("dense", hidden(file), hidden(settings)))
        .or_else(|| number("classes", file.classes, settings.classes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keras::Compiled;
    use crate::trained::tests::trained;

    #[test]
    fn formats_are_told_apart_by_what_they_hold() {
        let one = trained("4:3:2:2", "5", None);
        let keras = keras::write(&one, &Compiled::default()).unwrap();
        let onnx = onnx::write(std::slice::from_ref(&one)).unwrap();
        for file in [&keras, &onnx] {
            assert!(is_known(file) && is_known(&file[..64]));
            assert_eq!(read(file).unwrap().into_trained().as_ref(), Ok(&one));
            assert_eq!(read_weights(file, &one.network), Ok((one.weights.clone(), Vec::new())));
            let other = trained("4:3:1:2", "5", None).network;
            assert!(read_weights(file, &other).unwrap_err().to_string().contains("conv1: 4:3:2:2 in the file"));
        }
        // The length of a safetensors file's header may look like the version of an ONNX file.
        let safetensors = [&[8, 7, 0, 0, 0, 0, 0, 0][..], b"{}"].concat();
        let lines = b"\x08\x07 a text".to_vec();
        // Another protocol buffer that begins with a version: a SavedModel of TensorFlow.
        let saved_model = b"\x08\x01\x12\x02\x0a\x00".to_vec();
        let tflite = crate::tflite::write(&one).unwrap();
        for other in [safetensors, lines, saved_model, tflite, Vec::new()] {
            assert!(!is_known(&other), "{:?}", &other[..other.len().min(8)]);
            let error = read(&other).unwrap_err().to_string();
            assert!(error.contains(".keras") && error.contains(".h5") && error.contains(".onnx"), "{error}");
        }
        let error = read(&onnx[..onnx.len() / 2]).unwrap_err().to_string();
        assert!(error.contains("cut short"), "{error}");
    }

    #[test]
    fn the_first_difference_is_named_with_both_sides() {
        let spec = NetworkSpec::default();
        assert_eq!(first_difference(&spec, &NetworkSpec { dropout: 0.5, ..spec.clone() }), None);
        type Change = fn(&mut NetworkSpec);
        let cases: [(&str, Change); 6] = [
            ("window: 120 in the file, 60 in the settings", |s| s.window = 60),
            ("conv1: 32:3:2:2 in the file, 32:3:1:2 in the settings", |s| s.convs[0].stride = 1),
            ("conv2: 64:3:2 in the file, none in the settings", |s| s.convs.truncate(1)),
            ("global pool: none in the file, max in the settings", |s| s.global_pool = Some(PoolKind::Max)),
            ("dense1: 120 in the file, none in the settings", |s| s.hidden.clear()),
            ("classes: 6 in the file, 7 in the settings", |s| s.classes = 7),
        ];
        for (expected, change) in cases {
            let mut settings = spec.clone();
            change(&mut settings);
            assert_eq!(first_difference(&spec, &settings).as_deref(), Some(expected));
        }
    }
}
