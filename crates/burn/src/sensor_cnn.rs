//! The network as a Burn module.
//!
//! Activations are (batch, position, channel) in every layer, and kernels are (kernel·in, out), which is Keras's
//! (kernel, in, out) as a matrix. No layout is converted, and flattening is a reshape. A convolution gathers the taps
//! of each output position and takes one matrix product.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Gradients, Int, Tensor};
use triax_model::{Activation, Layer, Network, Weights};

use crate::parameters;

/// The network of a specification, with its weights on a device.
#[derive(Module, Debug)]
pub struct SensorCnn {
    convs: Vec<ConvBlock>,
    denses: Vec<DenseBlock>,
}

/// Convolution, ReLU and, if `pool` is above 1, max-pooling.
#[derive(Module, Debug)]
struct ConvBlock {
    /// (kernel·in, out)
    kernel: Param<Tensor<2>>,
    /// (out)
    bias: Param<Tensor<1>>,
    /// Input position of each tap of each output position: (positions · kernel length). Positions that the pool would
    /// not read are not computed.
    #[module(skip)]
    taps: Tensor<1, Int>,
    pool: usize,
}

/// Dense layer, with a ReLU unless it is the last.
#[derive(Module, Debug)]
struct DenseBlock {
    /// (in, out)
    kernel: Param<Tensor<2>>,
    /// (out)
    bias: Param<Tensor<1>>,
    relu: bool,
}

impl SensorCnn {
    /// Builds `network` with `weights` on `device`.
    ///
    /// # Errors
    /// Weights that are not those of the network, as [`Weights::fits`] says it.
    pub fn new(network: &Network, weights: &Weights, device: &Device) -> Result<Self, String> {
        weights.fits(network)?;
        Ok(Self::from_parameters(network, parameters::upload(weights, device)))
    }

    /// Builds `network` with the parameters of `vector`: those of [`Network::parameters`] in order, each row-major.
    pub(crate) fn from_parameters(network: &Network, vector: Tensor<1>) -> Self {
        let device = vector.device();
        let mut slices = Slices { vector, offset: 0 };
        let mut kernel_and_bias = |inputs, outputs| {
            let kernel = slices.next([inputs, outputs]);
            (Param::from_tensor(kernel), Param::from_tensor(slices.next([outputs])))
        };
        let (mut convs, mut denses) = (Vec::new(), Vec::new());
        let layers = network.layers();
        for (layer_idx, layer) in layers.iter().enumerate() {
            match *layer {
                Layer::Conv { input, output, kernel: length, stride, dilation, .. } => {
                    let (kernel, bias) = kernel_and_bias(length * input.1, output.1);
                    let (pool, n_positions) = match layers.get(layer_idx + 1) {
                        Some(Layer::Pool { size, output, .. }) => (*size, output.0 * size),
                        _ => (1, output.0),
                    };
                    let read = |at: usize| (0..length).map(move |tap| (at * stride + tap * dilation) as i32);
                    let taps = (0..n_positions).flat_map(read);
                    let taps: Vec<i32> = taps.collect();
                    convs.push(ConvBlock { kernel, bias, taps: Tensor::from_data(taps.as_slice(), &device), pool });
                }
                Layer::Dense { inputs, units, activation, .. } => {
                    let (kernel, bias) = kernel_and_bias(inputs, units);
                    denses.push(DenseBlock { kernel, bias, relu: activation == Activation::Relu });
                }
                // A pool belongs to its convolution, and the dropout mask is an argument of `forward`.
                Layer::Pool { .. } | Layer::Dropout { .. } => {}
            }
        }
        Self { convs, denses }
    }

    /// The same network with the parameters of `vector`. [`Module::train`] then makes each the leaf of a new graph.
    pub(crate) fn with_parameters(&self, vector: &Tensor<1>) -> Self {
        self.clone().map(&mut Slices { vector: vector.clone(), offset: 0 })
    }

    /// Scores (batch, classes) of `windows` (batch, window, channels). In training `mask` (batch, features) multiplies
    /// the flattened features: 0 where dropped, 1 / (1 − rate) where kept.
    pub fn forward(&self, windows: Tensor<3>, mask: Option<Tensor<2>>) -> Tensor<2> {
        let activations = self.convs.iter().fold(windows, |activations, block| block.forward(activations));
        let features = activations.flatten(1, 2);
        let features = match mask {
            Some(mask) => features * mask,
            None => features,
        };
        self.denses.iter().fold(features, |activations, block| block.forward(activations))
    }

    /// The gradients of all parameters as one vector, in the order of the parameters.
    ///
    /// # Panics
    /// If `gradients` is not of a forward pass through this network in training ([`Module::train`]).
    pub(crate) fn gradient(&self, gradients: &mut Gradients) -> Tensor<1> {
        let mut visitor = CollectGradients { gradients, parts: Vec::new() };
        self.visit(&mut visitor);
        Tensor::cat(visitor.parts, 0)
    }
}

impl ConvBlock {
    /// (batch, position, in) to (batch, position, out).
    fn forward(&self, activations: Tensor<3>) -> Tensor<3> {
        let [batch, _, channels] = activations.dims();
        let [n_taps] = self.taps.dims();
        let [inputs, outputs] = self.kernel.dims();
        let n_positions = n_taps * channels / inputs;
        let rows = activations.select(1, self.taps.clone()).reshape([batch * n_positions, inputs]);
        let rows = relu(rows.matmul(self.kernel.val()) + self.bias.val().unsqueeze());
        match self.pool {
            1 => rows.reshape([batch, n_positions, outputs]),
            size => {
                let pooled = rows.reshape([batch, n_positions / size, size, outputs]).max_dim(2);
                pooled.reshape([batch, n_positions / size, outputs])
            }
        }
    }
}

impl DenseBlock {
    /// (batch, in) to (batch, out).
    fn forward(&self, activations: Tensor<2>) -> Tensor<2> {
        let output = activations.matmul(self.kernel.val()) + self.bias.val().unsqueeze();
        if self.relu { relu(output) } else { output }
    }
}

/// Splits a vector into consecutive tensors.
struct Slices {
    vector: Tensor<1>,
    offset: usize,
}

impl Slices {
    fn next<const D: usize>(&mut self, shape: [usize; D]) -> Tensor<D> {
        let start = self.offset;
        self.offset += shape.iter().product::<usize>();
        self.vector.clone().slice(start..self.offset).reshape(shape)
    }
}

impl ModuleMapper for Slices {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|old| self.next(old.dims()))
    }
}

/// Collects the gradients of a module's parameters in order.
struct CollectGradients<'a> {
    gradients: &'a mut Gradients,
    parts: Vec<Tensor<1>>,
}

impl ModuleVisitor for CollectGradients<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let gradient = param.val().grad_remove(self.gradients);
        self.parts.push(gradient.expect("every parameter takes part in the loss").flatten(0, D - 1));
    }
}
