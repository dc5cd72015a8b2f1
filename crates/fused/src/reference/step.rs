//! One batch through the whole network, forward and backward, with every stage kept.

use triax_losses::Loss;
use triax_model::{Layer, Network};

use super::conv::Conv;
use super::dense::Dense;
use super::loss::batch_loss;
use super::pool::MaxPool;
use super::{Tensors, clip, dropout, relu};

/// A batch as the network takes it.
#[derive(Clone, Debug)]
pub(super) struct Batch {
    /// (batch, window, channels).
    pub windows: Vec<f64>,
    /// Class index of each window.
    pub labels: Vec<u32>,
    /// Weight of each window in the loss.
    pub weights: Vec<f64>,
    /// (batch, features); none where nothing is dropped.
    pub mask: Option<Vec<f64>>,
}

/// Everything that one batch computes, stage by stage, so that another engine can be compared where it goes wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Stages {
    /// Output of each layer, in the order of [`Network::layers`], after its ReLU where it has one: (batch, positions,
    /// channels) or (batch, units). The last one holds the scores.
    pub outputs: Vec<Vec<f64>>,
    /// Gradient of the loss by each of `outputs`.
    pub d_outputs: Vec<Vec<f64>>,
    /// `w·l` of each window.
    pub losses: Vec<f64>,
    /// `Σ w·l / batch`.
    pub loss: f64,
    /// Windows whose first largest score is their label's.
    pub correct: u32,
    /// Gradient of the loss by each parameter, before clipping, in the order of [`Network::parameters`].
    pub gradients: Vec<Vec<f64>>,
    /// Euclidean norm of all `gradients` together.
    pub gradient_norm: f64,
}

impl Stages {
    /// The scores, (batch, classes).
    pub fn scores(&self) -> &[f64] {
        self.outputs.last().expect("a network has layers")
    }
}

/// Output of each layer for `windows` (batch, window, channels), as in [`Stages::outputs`].
pub(super) fn forward(network: &Network, parameters: &Tensors, windows: &[f64], mask: Option<&[f64]>) -> Vec<Vec<f64>> {
    let mut outputs: Vec<Vec<f64>> = Vec::with_capacity(network.layers().len());
    let mut parameters = parameters.iter();
    let mut next = || parameters.next().expect("one tensor for each parameter");
    for layer in network.layers() {
        let x: &[f64] = outputs.last().map_or(windows, |output| output);
        let y = match *layer {
            Layer::Conv { input, output, kernel, stride, .. } => {
                let mut y = Conv { input, output, kernel, stride }.forward(x, next(), next());
                relu::forward(&mut y);
                y
            }
            Layer::MaxPool { input, output, size, .. } => MaxPool { input, output, size }.forward(x),
            Layer::Dropout { .. } => match mask {
                Some(mask) => dropout::apply(mask, x),
                None => x.to_vec(),
            },
            Layer::Dense { inputs, units, relu, .. } => {
                let mut y = Dense { inputs, units }.forward(x, next(), next());
                if relu {
                    relu::forward(&mut y);
                }
                y
            }
        };
        outputs.push(y);
    }
    outputs
}

/// Forward and backward pass of `batch`.
pub(super) fn forward_backward(network: &Network, parameters: &Tensors, loss: Loss, batch: &Batch) -> Stages {
    let outputs = forward(network, parameters, &batch.windows, batch.mask.as_deref());
    let scores = outputs.last().expect("a network has layers");
    let result = batch_loss(loss, scores, &batch.labels, &batch.weights);

    let mut gradients: Tensors = parameters.iter().map(|values| vec![0.0; values.len()]).collect();
    // Kernel and bias of each layer that has them, from the last to the first.
    let mut trainable = parameters.chunks_exact(2).zip(gradients.chunks_exact_mut(2)).rev();
    let mut next = || match trainable.next() {
        Some(([weights, _], [d_weights, d_bias])) => (weights, d_weights, d_bias),
        _ => unreachable!("a kernel and a bias for each layer that has parameters"),
    };
    let mut d_outputs = vec![Vec::new(); outputs.len()];
    let mut d_y = result.d_scores;
    for (l, layer) in network.layers().iter().enumerate().rev() {
        d_outputs[l] = d_y.clone();
        let x: &[f64] = if l == 0 { &batch.windows } else { &outputs[l - 1] };
        d_y = match *layer {
            Layer::Conv { input, output, kernel, stride, .. } => {
                relu::backward(&outputs[l], &mut d_y);
                let (weights, d_weights, d_bias) = next();
                Conv { input, output, kernel, stride }.backward(x, weights, &d_y, d_weights, d_bias)
            }
            Layer::MaxPool { input, output, size, .. } => MaxPool { input, output, size }.backward(x, &d_y),
            Layer::Dropout { .. } => match &batch.mask {
                Some(mask) => dropout::apply(mask, &d_y),
                None => d_y,
            },
            Layer::Dense { inputs, units, relu, .. } => {
                if relu {
                    relu::backward(&outputs[l], &mut d_y);
                }
                let (weights, d_weights, d_bias) = next();
                Dense { inputs, units }.backward(x, weights, &d_y, d_weights, d_bias)
            }
        };
    }
    let gradient_norm = clip::global_norm(&gradients);
    let (losses, loss, correct) = (result.rows, result.mean, result.correct);
    Stages { outputs, d_outputs, losses, loss, correct, gradients, gradient_norm }
}
