//! The features of a network: what its last layer reads.

use triax_model::{Network, Tensor, Weights};

/// The most features that are read at once: the identity of more would cost more than the layers before it.
const AT_ONCE: usize = 256;
/// The most values of an identity, 64 MiB.
const MOST_VALUES: usize = 1 << 24;

/// Number of features that the last layer of `network` reads.
pub fn n_features(network: &Network) -> usize {
    let [.., kernel, _] = network.parameters() else { unreachable!("every network has a layer of scores") };
    kernel.shape[0]
}

/// The features (n_windows, n_features) of windows, which `score` gives to a network: the scores (n_windows, classes) of its
/// network and weights for always the same windows.
///
/// Features are the scores of the same network with the identity in place of its last layer. So whatever scores a network also
/// gives its features, on its device, for every network of the family. They are read in blocks.
///
/// # Errors
/// Those of `score`.
pub fn features<E>(
    network: &Network,
    weights: &Weights,
    mut score: impl FnMut(&Network, &Weights) -> Result<Vec<f32>, E>,
) -> Result<Vec<f32>, E> {
    let n_features = n_features(network);
    let at_once = AT_ONCE.min(MOST_VALUES / n_features).max(1);
    let mut blocks = Vec::new();
    for first in (0..n_features).step_by(at_once) {
        let width = at_once.min(n_features - first);
        let (network, weights) = with_identity(network, weights, first, width);
        blocks.push((width, network.spec().classes, score(&network, &weights)?));
    }
    let n_windows = blocks[0].2.len() / blocks[0].1;
    let mut all = Vec::with_capacity(n_windows * n_features);
    for window in 0..n_windows {
        for (width, classes, scores) in &blocks {
            all.extend(&scores[window * classes..][..*width]);
        }
    }
    Ok(all)
}

/// The network whose scores are the features `first..first + width`. A network has at least two scores: where one feature is
/// left, the second is 0.
fn with_identity(network: &Network, weights: &Weights, first: usize, width: usize) -> (Network, Weights) {
    let (n_features, classes) = (n_features(network), width.max(2));
    let spec = triax_model::NetworkSpec { classes, ..network.spec().clone() };
    let network = Network::new(spec).expect("fewer scores than the features that the network has already");
    let mut weights = weights.clone();
    let [.., kernel, bias] = weights.tensors.as_mut_slice() else {
        unreachable!("every network has a layer of scores")
    };
    let mut values = vec![0.0; n_features * classes];
    (0..width).for_each(|n| values[(first + n) * classes + n] = 1.0);
    *kernel = Tensor { name: kernel.name.clone(), shape: vec![n_features, classes], values };
    *bias = Tensor { name: bias.name.clone(), shape: vec![classes], values: vec![0.0; classes] };
    (network, weights)
}

#[cfg(test)]
mod tests {
    use triax_exchange::{About, Trained};
    use triax_model::{NetworkSpec, PoolKind, Preparation};

    use super::*;
    use crate::LastLayer;

    /// The scores of windows by a network, in plain arithmetic.
    fn scores(network: &Network, weights: &Weights, windows: &[f32]) -> Vec<f32> {
        let (network, weights) = (network.clone(), weights.clone());
        let about = About::default();
        Trained { network, weights, preparation: Preparation::default(), scaler: None, softmax: false, about }
            .scores(windows)
    }

    #[test]
    fn the_last_layer_makes_the_scores_of_the_features() {
        let family = [
            ("8:3:2:2,8:3:1", "12", None),
            ("8:3:1:same:avg3/2-same,6:4:1:same", "9:tanh,7:gelu", None),
            ("40:3:1:elu", "", None),
            ("6:3:1", "", Some(PoolKind::Average)),
            ("4:3:1", "1", None),
        ];
        for (convs, hidden, global_pool) in family {
            let spec = NetworkSpec {
                window: 20,
                channels: 3,
                convs: convs.split(',').map(|conv| conv.parse().unwrap()).collect(),
                global_pool,
                dropout: 0.5,
                hidden: hidden.split(',').filter(|text| !text.is_empty()).map(|text| text.parse().unwrap()).collect(),
                classes: 4,
            };
            let network = Network::new(spec).unwrap();
            let weights = Weights::glorot_uniform(&network, 1);
            let windows: Vec<f32> = (0..3 * 60).map(|n| ((n * n) % 17) as f32 / 8.0 - 1.0).collect();
            let mut n_blocks = 0;
            let found = features(&network, &weights, |network, weights| {
                n_blocks += 1;
                Ok::<_, ()>(scores(network, weights, &windows))
            });
            let found = found.unwrap();
            assert_eq!(found.len(), 3 * n_features(&network));
            assert_eq!(n_blocks, n_features(&network).div_ceil(AT_ONCE), "{convs}");
            let again = LastLayer::of(&weights).scores(&found);
            for (again, own) in again.iter().zip(scores(&network, &weights, &windows)) {
                assert!((again - own).abs() < 1e-5, "{convs} {hidden}: {again} is not {own}");
            }
        }
    }
}
