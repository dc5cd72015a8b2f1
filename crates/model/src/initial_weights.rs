//! The weights that a training starts from: those of a file for the first layers, drawn ones for the layers behind them.
//!
//! A file of a trained network holds all layers. Its last one, which gives the scores, may be of other classes; it is then
//! drawn anew. A file of first layers comes from a training without labels, which has no scores worth keeping: it may end
//! before any dense layer.

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::SafeTensors;

use crate::network::{Layer, Network, Parameter};
use crate::weight_file::{FORMAT_KEY, WeightFileError, check_names, parse, read_bytes, read_tensor, to_bytes};
use crate::weights::{Tensor, Weights};

/// Value of `format` in the metadata of a file of first layers.
pub(crate) const FIRST_LAYERS: &str = "triax-first-layers";

/// The weights of the first layers of a network.
#[derive(Clone, Debug, PartialEq)]
pub struct InitialWeights {
    /// Tensors in the order of [`Network::parameters`], from the first one on: of all layers or fewer.
    pub tensors: Vec<Tensor>,
    /// What the file says of them.
    pub metadata: BTreeMap<String, String>,
}

impl InitialWeights {
    /// Reads the weights that `network` can start from.
    ///
    /// # Errors
    /// A file that cannot be read or is damaged; tensors that the network does not have; a convolution or a hidden layer of
    /// another shape; a layer that is missing, but for the last dense ones in a file of first layers.
    pub fn read(path: impl AsRef<Path>, network: &Network) -> Result<Self, WeightFileError> {
        let path = path.as_ref();
        Self::from_bytes(&read_bytes(path)?, path, network)
    }

    /// [`InitialWeights::read`] of the bytes of a file. Errors call it `path`.
    ///
    /// # Errors
    /// As [`InitialWeights::read`].
    pub fn from_bytes(bytes: &[u8], path: &Path, network: &Network) -> Result<Self, WeightFileError> {
        let (metadata, tensors) = parse(path, bytes)?;
        check_names(path, &tensors, network)?;
        let has_scores = metadata.get(FORMAT_KEY).is_none_or(|format| format != FIRST_LAYERS);
        let mut taken = Vec::new();
        for layer in layers(network) {
            let rest = &network.parameters()[taken.len()..];
            let ends_here = match has_scores {
                true => layer.is_scores && is_of_other_classes(&tensors, layer.parameters),
                false => layer.is_dense && rest.iter().all(|parameter| tensors.tensor(&parameter.name).is_err()),
            };
            if ends_here {
                break;
            }
            if layer.is_scores && !has_scores {
                return Err(WeightFileError::Tensor {
                    path: path.to_owned(),
                    tensor: layer.parameters[0].name.clone(),
                    problem: "is that of a hidden layer, and here that of the scores: take as many hidden layers"
                        .to_owned(),
                });
            }
            for parameter in layer.parameters {
                taken.push(read_tensor(path, &tensors, parameter)?);
            }
        }
        Ok(Self { tensors: taken, metadata })
    }

    /// The weights of a whole network, from a file of another program.
    pub fn whole(weights: Weights) -> Self {
        Self { tensors: weights.tensors, metadata: BTreeMap::new() }
    }

    /// The weights of all layers of `network` but the last one, which gives the scores.
    pub fn without_scores(weights: Weights, metadata: BTreeMap<String, String>) -> Self {
        let mut tensors = weights.tensors;
        tensors.truncate(tensors.len().saturating_sub(2));
        Self { tensors, metadata }
    }

    /// The bytes of a file of first layers. Equal contents give equal bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut metadata: BTreeMap<&str, String> =
            self.metadata.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
        metadata.insert(FORMAT_KEY, FIRST_LAYERS.to_owned());
        to_bytes(metadata, &self.tensors)
    }

    /// The weights of `network`, that these were read for. What is not among them is drawn from `seed`, as
    /// [`Weights::glorot_uniform`] draws it.
    pub fn weights(&self, network: &Network, seed: u64) -> Weights {
        let mut weights = Weights::glorot_uniform(network, seed);
        weights.tensors.iter_mut().zip(&self.tensors).for_each(|(tensor, taken)| tensor.clone_from(taken));
        weights
    }

    /// The names of the layers of `network` that are taken from here, and of those that are drawn.
    pub fn layers<'a>(&self, network: &'a Network) -> (Vec<&'a str>, Vec<&'a str>) {
        let names: Vec<&str> = layers(network).map(|layer| layer.name).collect();
        let (taken, drawn) = names.split_at(self.tensors.len() / 2);
        (taken.to_vec(), drawn.to_vec())
    }
}

/// A layer with weights.
struct LayerWeights<'a> {
    name: &'a str,
    is_dense: bool,
    /// Whether it is the last one.
    is_scores: bool,
    /// Kernel and bias.
    parameters: [&'a Parameter; 2],
}

/// The layers of `network` that have weights, in order.
fn layers(network: &Network) -> impl Iterator<Item = LayerWeights<'_>> {
    let named = network.layers().iter().filter_map(|layer| match layer {
        Layer::Conv { name, .. } => Some((name, false)),
        Layer::Dense { name, .. } => Some((name, true)),
        Layer::Pool { .. } | Layer::Dropout { .. } => None,
    });
    let n_layers = network.parameters().len() / 2;
    named.zip(network.parameters().chunks_exact(2)).enumerate().map(move |(n, ((name, is_dense), parameters))| {
        LayerWeights { name, is_dense, is_scores: n + 1 == n_layers, parameters: [&parameters[0], &parameters[1]] }
    })
}

/// Whether the file has this layer for another number of classes, and otherwise of the same shape.
fn is_of_other_classes(tensors: &SafeTensors<'_>, [kernel, bias]: [&Parameter; 2]) -> bool {
    let (Ok(in_file), Ok(bias_in_file)) = (tensors.tensor(&kernel.name), tensors.tensor(&bias.name)) else {
        return false;
    };
    let (inputs, classes) = (kernel.shape[0], kernel.shape[1]);
    matches!((in_file.shape(), bias_in_file.shape()), (&[its_inputs, its_classes], &[biases])
        if its_inputs == inputs && its_classes != classes && biases == its_classes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{ConvSpec, DenseSpec, NetworkSpec};
    use crate::weight_file::WeightFile;

    /// Two convolutions, these hidden layers, and this number of classes.
    fn network(hidden: &[usize], classes: usize) -> Network {
        let convs = vec![ConvSpec::plain(4, 3, 1, Some(2)), ConvSpec::plain(3, 2, 1, None)];
        let hidden = DenseSpec::relu(hidden.iter().copied());
        Network::new(NetworkSpec { window: 12, channels: 2, convs, hidden, classes, ..NetworkSpec::default() }).unwrap()
    }

    fn read(bytes: &[u8], network: &Network) -> Result<InitialWeights, String> {
        InitialWeights::from_bytes(bytes, Path::new("a.safetensors"), network).map_err(|error| error.to_string())
    }

    /// The bytes of a trained network.
    fn trained(network: &Network) -> Vec<u8> {
        let spec = network.spec().clone();
        let classes = (0..spec.classes).map(|class| class.to_string()).collect();
        let weights = Weights::glorot_uniform(network, 7);
        WeightFile { weights, spec, classes, scaler: None, extra: BTreeMap::new() }.to_bytes()
    }

    #[test]
    fn a_file_of_first_layers_comes_back_and_the_rest_is_drawn() {
        let (before, after) = (network(&[5], 9), network(&[5], 3));
        let metadata = BTreeMap::from([("pretrained".to_owned(), "{}".to_owned())]);
        let pretrained = Weights::glorot_uniform(&before, 7);
        let bytes = InitialWeights::without_scores(pretrained.clone(), metadata).to_bytes();
        let initial = read(&bytes, &after).unwrap();
        assert_eq!(initial.metadata["pretrained"], "{}");
        assert_eq!(initial.layers(&after), (vec!["conv1", "conv2", "dense1"], vec!["dense2"]));
        let weights = initial.weights(&after, 1);
        assert_eq!(weights.fits(&after), Ok(()));
        assert_eq!(weights.tensors[..6], pretrained.tensors[..6]);
        assert_eq!(weights.tensors[6..], Weights::glorot_uniform(&after, 1).tensors[6..]);
        assert_eq!(read(&initial.to_bytes(), &after), Ok(initial));

        let error = WeightFile::from_bytes(&bytes, Path::new("a.safetensors")).unwrap_err().to_string();
        assert!(error.contains("no layer of scores") && error.contains("--init-weights"), "{error}");
    }

    #[test]
    fn convolutions_alone_suit_any_dense_layers() {
        let bytes = InitialWeights::without_scores(Weights::zeros(&network(&[], 9)), BTreeMap::new()).to_bytes();
        for hidden in [&[][..], &[5], &[5, 6]] {
            let network = network(hidden, 3);
            assert_eq!(read(&bytes, &network).unwrap().layers(&network).0, ["conv1", "conv2"]);
        }
    }

    #[test]
    fn a_trained_network_of_other_classes_gives_all_layers_but_the_last() {
        let bytes = trained(&network(&[5], 9));
        let (same, other) = (network(&[5], 9), network(&[5], 3));
        assert_eq!(read(&bytes, &same).unwrap().layers(&same).1, [""; 0]);
        let initial = read(&bytes, &other).unwrap();
        assert_eq!(initial.layers(&other), (vec!["conv1", "conv2", "dense1"], vec!["dense2"]));
        assert_eq!(initial.weights(&other, 1).tensors[..6], Weights::glorot_uniform(&network(&[5], 9), 7).tensors[..6]);
    }

    #[test]
    fn layers_that_do_not_fit_are_refused() {
        let first_layers =
            |network: &Network| InitialWeights::without_scores(Weights::zeros(network), BTreeMap::new()).to_bytes();
        let wider = read(&first_layers(&network(&[6], 9)), &network(&[5], 3)).unwrap_err();
        assert!(wider.contains("tensor `dense1.kernel` has shape"), "{wider}");
        for units in [6, 3] {
            let deeper = read(&first_layers(&network(&[5, units], 9)), &network(&[5], 3)).unwrap_err();
            assert!(deeper.contains("`dense2.kernel` is that of a hidden layer"), "{deeper}");
        }
        let deepest = read(&first_layers(&network(&[5, 6, 7], 9)), &network(&[5], 3)).unwrap_err();
        assert!(deepest.contains("`dense3.bias` is not part of the network"), "{deepest}");

        // A convolution cannot be missing, nor a layer before others.
        let without = |name: &str, format: bool| {
            let mut tensors = Weights::zeros(&network(&[5], 3)).tensors;
            tensors.retain(|tensor| !tensor.name.starts_with(name));
            let initial = InitialWeights { tensors, metadata: BTreeMap::new() };
            let bytes = if format { initial.to_bytes() } else { to_bytes(BTreeMap::new(), &initial.tensors) };
            read(&bytes, &network(&[5], 3))
        };
        for (name, format) in [("conv2", true), ("dense1", true), ("dense2", false), ("dense", false)] {
            let error = without(name, format).unwrap_err();
            assert!(error.contains("is missing"), "{error}");
        }
        assert!(without("dense", true).is_ok());
        assert!(without("conv1", true).is_err());
        // Other classes of other inputs are no other classes.
        let error = read(&trained(&network(&[], 9)), &network(&[5], 3)).unwrap_err();
        assert!(error.contains("`dense1.kernel` has shape"), "{error}");
    }
}
