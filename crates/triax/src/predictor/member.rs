//! The models of a predictor, whatever their kind.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use triax_answers::TrainedFeatures;
use triax_model::{Layer, Network, Preparation, WeightFile};
use triax_study::baselines::ClassicalFile;

use super::WindowSpec;
use crate::Error;
use crate::recordings::{PER_WINDOW, RATE};

/// A model of a predictor.
pub struct Member {
    /// The model.
    pub model: Model,
    /// Fold of a study in which the model was trained, and its seed.
    place: Option<(String, u64)>,
    /// How much it counts among the models of an ensemble.
    pub(super) weight: f32,
    /// What its scores are divided by before they become probabilities of an ensemble.
    pub(super) temperature: f32,
}

/// A trained model with everything that its scores depend on.
pub enum Model {
    /// A network.
    Network(Box<NetworkMember>),
    /// A classical model.
    Classical(Box<ClassicalMember>),
}

/// A network with everything that its scores depend on.
pub struct NetworkMember {
    /// Weights, specification, classes and scaler.
    pub file: WeightFile,
    /// The network that the specification describes.
    pub network: Network,
    /// What becomes of each window before the scaler.
    preparation: Preparation,
    /// The number of the sensors' channels.
    n_channels: usize,
}

/// A classical model with everything that its scores depend on.
pub struct ClassicalMember {
    /// The model, with the shape of its windows and its classes.
    pub file: ClassicalFile,
    /// What becomes of each window before its features.
    preparation: Preparation,
    /// The number of the sensors' channels.
    n_channels: usize,
}

impl NetworkMember {
    #[cfg(test)]
    pub(crate) fn new(file: WeightFile, network: Network, preparation: Preparation) -> Self {
        let n_channels = preparation.channels_in(file.spec.channels).unwrap();
        Self { file, network, preparation, n_channels }
    }

    /// What becomes of each window by itself.
    pub fn preparation(&self) -> &Preparation {
        &self.preparation
    }

    /// The number of channels of the windows that it reads: those of the sensors.
    pub fn n_channels(&self) -> usize {
        self.n_channels
    }

    /// `windows` (n_windows, window, channels) in the sensors' unit, each prepared by itself, as the scaler reads them.
    pub(crate) fn prepared<'a>(&self, windows: &'a [f32]) -> Result<Cow<'a, [f32]>, Error> {
        let prepared = self.preparation.apply(Cow::Borrowed(windows), self.file.spec.window, self.n_channels);
        prepared.map_err(Error::Input)
    }

    /// The network of `file`, which errors call `path`.
    pub(super) fn of_file(file: WeightFile, path: &Path) -> Result<Self, Error> {
        let network = Network::new(file.spec.clone())?;
        let (preparation, n_channels) = preparation(&file.extra, file.spec.channels, path)?;
        Ok(Self { file, network, preparation, n_channels })
    }
}

impl Member {
    /// A model that counts as much as any other.
    pub(super) fn alone(model: Model, place: Option<(String, u64)>) -> Self {
        Self { model, place, weight: 1.0, temperature: 1.0 }
    }

    /// Reads the model in the weight file `path`.
    pub(super) fn read(path: &Path, place: Option<(String, u64)>) -> Result<Self, Error> {
        let model = if ClassicalFile::is_at(path) {
            let file = ClassicalFile::read(path)?;
            let (preparation, n_channels) = preparation(&file.extra, file.channels, path)?;
            Model::Classical(Box::new(ClassicalMember { file, preparation, n_channels }))
        } else {
            Model::Network(Box::new(NetworkMember::of_file(WeightFile::read(path)?, path)?))
        };
        Ok(Self::alone(model, place))
    }

    /// Its name in a study, `FOLD:SEED`; empty for a model that is alone.
    pub fn name(&self) -> String {
        self.place.as_ref().map_or_else(String::new, |(fold, seed)| format!("{fold}:{seed}"))
    }

    /// The fold of a study in which it was trained.
    pub(crate) fn fold(&self) -> Option<&str> {
        self.place.as_ref().map(|(fold, _)| fold.as_str())
    }

    /// The network, if it is one.
    pub fn network(&self) -> Option<&NetworkMember> {
        match &self.model {
            Model::Network(network) => Some(network),
            Model::Classical(_) => None,
        }
    }

    /// What it is, in a word or two: `network`, or the name of a classical method.
    pub fn kind(&self) -> &'static str {
        match &self.model {
            Model::Network(_) => "network",
            Model::Classical(classical) => classical.file.model.method().name(),
        }
    }

    /// What becomes of each window by itself.
    pub fn preparation(&self) -> &Preparation {
        match &self.model {
            Model::Network(network) => &network.preparation,
            Model::Classical(classical) => &classical.preparation,
        }
    }

    /// The bytes of its weight file.
    pub fn to_bytes(&self) -> Vec<u8> {
        match &self.model {
            Model::Network(network) => network.file.to_bytes(),
            Model::Classical(classical) => classical.file.to_bytes(),
        }
    }

    /// Names of the classes.
    pub(super) fn classes(&self) -> &[String] {
        match &self.model {
            Model::Network(network) => &network.file.classes,
            Model::Classical(classical) => &classical.file.classes,
        }
    }

    /// Samples and sensors' channels of a window, and the number of classes.
    pub(super) fn spec(&self) -> WindowSpec {
        let (window, channels) = match &self.model {
            Model::Network(network) => (network.file.spec.window, network.n_channels),
            Model::Classical(classical) => (classical.file.window, classical.n_channels),
        };
        WindowSpec { window, channels, classes: self.classes().len() }
    }

    /// An entry in the metadata of its weight file.
    pub(super) fn extra(&self, key: &str) -> Option<&str> {
        self.all_extra().get(key).map(String::as_str)
    }

    fn all_extra(&self) -> &BTreeMap<String, String> {
        match &self.model {
            Model::Network(network) => &network.file.extra,
            Model::Classical(classical) => &classical.file.extra,
        }
    }

    /// Multiply-adds of the layers for a window; none of a classical model, which no other device computes.
    pub(super) fn multiply_adds(&self) -> u64 {
        self.network().map_or(0, |it| it.network.layers().iter().map(Layer::multiply_adds).sum())
    }

    /// Why `other` cannot predict together with this model, as a sentence; `None` if it can. The models of one setting of a
    /// study are the same in everything but their weights.
    pub(crate) fn difference(&self, other: &Self, is_of_one_setting: bool) -> Option<String> {
        let (one, two) = (self.spec(), other.spec());
        if (one.window, one.channels) != (two.window, two.channels) {
            return Some(format!(
                "one model reads windows of {} samples in {} channels, and another of {} samples in {} channels",
                one.window, one.channels, two.window, two.channels
            ));
        }
        if self.classes() != other.classes() {
            let [one, two] = [self, other].map(|member| member.classes().join(", "));
            return Some(format!("one model knows the classes {one}, and another {two}"));
        }
        for key in ["channels", "step", RATE] {
            let [one, two] = [self, other].map(|member| member.extra(key).unwrap_or("unknown"));
            if one != two {
                return Some(format!("`{key}` of one model is {one}, and of another {two}"));
            }
        }
        let is_same = || {
            let spec = |member: &Self| member.network().map(|network| network.file.spec.clone());
            // What is known of the features follows from the weights.
            let of_setting =
                |member: &Self| member.all_extra().clone().into_iter().filter(|(key, _)| key != TrainedFeatures::KEY);
            self.kind() == other.kind() && spec(self) == spec(other) && of_setting(self).eq(of_setting(other))
        };
        (is_of_one_setting && !is_same()).then(|| "the models differ in more than their weights".to_owned())
    }
}

/// How the metadata of the file `path` says that each window is prepared, and the number of the sensors' channels where the
/// model reads `channels`.
fn preparation(extra: &BTreeMap<String, String>, channels: usize, path: &Path) -> Result<(Preparation, usize), Error> {
    let wrong = |problem| Error::Input(format!("{}: {PER_WINDOW}: {problem}", path.display()));
    let text = extra.get(PER_WINDOW).map_or("", String::as_str);
    let preparation = text.parse::<Preparation>().map_err(wrong)?;
    let n_channels = preparation.channels_in(channels).map_err(wrong)?;
    Ok((preparation, n_channels))
}
