//! The layers and parameters of a network, derived from its specification.

use crate::spec::{Activation, ConvSpec, DenseSpec, NetworkSpec, Padding, PoolKind, PoolSpec};

/// Why a specification is invalid, with the layer at fault.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{layer}: {problem}")]
pub struct SpecError {
    /// The layer (`conv2`, `pool1`, `dense1`) or setting (`window`, `classes`) at fault.
    pub layer: String,
    /// The problem, and a remedy.
    pub problem: String,
}

/// A layer with its shapes as (positions, channels).
#[derive(Clone, Debug, PartialEq)]
pub enum Layer {
    /// Convolution and activation.
    Conv {
        /// `conv1`, `conv2`, …
        name: String,
        /// Input (positions, channels).
        input: (usize, usize),
        /// Output (positions, channels).
        output: (usize, usize),
        /// Length of the convolution's kernel.
        kernel: usize,
        /// Stride of the convolution; 1 where it is dilated.
        stride: usize,
        /// Positions from one that the kernel reads to the next.
        dilation: usize,
        /// How it treats the ends.
        padding: Padding,
        /// Positions of zeros before the input. Output `t` reads the positions `t · stride + j · dilation − before` for each `j`
        /// of the kernel; beyond the input's end there are zeros too.
        before: usize,
        /// What becomes of the sums.
        activation: Activation,
    },
    /// Pooling. Output `t` reads from position `t · stride − before` on, `size` positions at most: only those that exist.
    /// Positions left over at the end are not read.
    Pool {
        /// `pool1`, …, or `global_pool`.
        name: String,
        /// What it takes.
        kind: PoolKind,
        /// Input (positions, channels).
        input: (usize, usize),
        /// Output (positions, channels).
        output: (usize, usize),
        /// Length.
        size: usize,
        /// From one to the next.
        stride: usize,
        /// How it treats the ends.
        padding: Padding,
        /// Positions before the input that the first output would read, if they were there.
        before: usize,
    },
    /// Dropout over `units` features; inactive outside training.
    Dropout {
        /// Features.
        units: usize,
        /// Probability of dropping.
        rate: f32,
    },
    /// Dense layer. That of the scores is linear.
    Dense {
        /// `dense1`, `dense2`, …
        name: String,
        /// Input features: after the convolutions position-major, channel-minor, as Keras flattens.
        inputs: usize,
        /// Output features.
        units: usize,
        /// What becomes of the sums.
        activation: Activation,
    },
}

impl Layer {
    /// Multiply-adds of the forward pass for one window.
    pub fn multiply_adds(&self) -> u64 {
        match self {
            Self::Conv { input, output, kernel, .. } => (output.0 * output.1 * kernel * input.1) as u64,
            Self::Dense { inputs, units, .. } => (inputs * units) as u64,
            Self::Pool { .. } | Self::Dropout { .. } => 0,
        }
    }
}

/// A parameter tensor in Keras's layout.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// `conv1.kernel`, `conv1.bias`, …
    pub name: String,
    /// (kernel, in, out) for a convolution, (in, out) for a dense layer, (out) for a bias.
    pub shape: Vec<usize>,
    /// Inputs that reach one output: Keras's fan-in (channels × kernel for a convolution); 0 for a bias.
    pub fan_in: usize,
    /// Outputs that one input reaches; 0 for a bias.
    pub fan_out: usize,
}

impl Parameter {
    /// Number of values.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether the tensor has no values; never, in a valid network.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A valid specification, with its layers and parameters in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    spec: NetworkSpec,
    layers: Vec<Layer>,
    parameters: Vec<Parameter>,
}

/// The most values of one tensor, of one sample's activations or of all parameters: 1 GiB of f32. All values of a valid
/// network can then be indexed with 32 bits, as a GPU does.
pub(crate) const MOST_VALUES: usize = 1 << 28;

/// The most hidden layers.
const MOST_HIDDEN: usize = 100;

impl Network {
    /// Derives the layers and parameters of `spec`.
    ///
    /// # Errors
    /// The first invalid layer or setting: a zero size, no or more than four convolution blocks, a window that
    /// is shorter than its kernels and pools need, more than 100 hidden layers, a dropout outside [0, 1), fewer than two
    /// classes, or more than 2²⁸ values in a layer or in all parameters together.
    pub fn new(spec: NetworkSpec) -> Result<Self, SpecError> {
        let refuse = |layer: &str, problem: String| Err(SpecError { layer: layer.to_owned(), problem });
        for (setting, size) in [("window", spec.window), ("channels", spec.channels)] {
            if size == 0 {
                return refuse(setting, "is 0; it must be at least 1".into());
            }
        }
        if !(1..=4).contains(&spec.convs.len()) {
            return refuse("convs", format!("{} convolution blocks; there must be one to four", spec.convs.len()));
        }
        if spec.hidden.len() > MOST_HIDDEN {
            return refuse(
                "hidden",
                format!("{} hidden layers; there must be at most {MOST_HIDDEN}", spec.hidden.len()),
            );
        }
        if !(0.0..1.0).contains(&spec.dropout) {
            return refuse("dropout", format!("{} is not a probability in [0, 1)", spec.dropout));
        }
        if spec.classes < 2 {
            return refuse("classes", format!("{} given; there must be at least 2 to tell apart", spec.classes));
        }

        let mut builder = Builder::default();
        let mut shape = (spec.window, spec.channels);
        count_values("window", &[shape.0, shape.1])?;
        for (i, conv) in spec.convs.iter().enumerate() {
            shape = builder.conv(i + 1, shape, conv)?;
        }
        if let Some(kind) = spec.global_pool {
            let pool = PoolSpec { kind, ..PoolSpec::max(shape.0) };
            shape = builder.pool("global_pool".to_owned(), shape, pool)?;
        }
        let mut units = shape.0 * shape.1;
        builder.layers.push(Layer::Dropout { units, rate: spec.dropout });
        let scores = DenseSpec { units: spec.classes, activation: Activation::Linear };
        for (i, &dense) in spec.hidden.iter().chain([&scores]).enumerate() {
            units = builder.dense(i + 1, units, dense)?;
        }
        Ok(Self { layers: builder.layers, parameters: builder.parameters, spec })
    }

    /// The specification this network was made from.
    pub fn spec(&self) -> &NetworkSpec {
        &self.spec
    }

    /// The layers, in order.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The parameter tensors in order: kernel, then bias, of each layer that has them.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// Number of trainable values.
    pub fn n_parameters(&self) -> usize {
        self.parameters.iter().map(Parameter::len).sum()
    }

    /// The first layer, by name, that is of another kind than those of the reference network: convolutions without padding and
    /// hidden layers, all with a ReLU, and max-pools with a stride as long as the pool.
    pub fn beyond_plain(&self) -> Option<&str> {
        let last = self.layers.len() - 1;
        let beyond = self.layers.iter().enumerate().find_map(|(n, layer)| match layer {
            Layer::Conv { name, activation, padding, .. } => {
                (*activation != Activation::Relu || *padding != Padding::Valid).then_some(name)
            }
            Layer::Pool { name, kind, size, stride, padding, .. } => {
                (*kind != PoolKind::Max || size != stride || *padding != Padding::Valid).then_some(name)
            }
            Layer::Dropout { .. } => None,
            Layer::Dense { name, activation, .. } => (*activation != Activation::Relu && n < last).then_some(name),
        });
        beyond.map(String::as_str)
    }

    /// Whether a layer has this activation.
    pub fn uses(&self, wanted: Activation) -> bool {
        self.layers.iter().any(|layer| match layer {
            Layer::Conv { activation, .. } | Layer::Dense { activation, .. } => *activation == wanted,
            Layer::Pool { .. } | Layer::Dropout { .. } => false,
        })
    }

    /// The number of features of a flattened window after the convolutions, which the first dense layer reads.
    pub fn features(&self) -> usize {
        let units = self.layers.iter().find_map(|layer| match layer {
            Layer::Dropout { units, .. } => Some(*units),
            _ => None,
        });
        units.expect("every network has its dropout layer")
    }
}

/// The product of `sizes`, unless `layer` would have more than [`MOST_VALUES`].
fn count_values(layer: &str, sizes: &[usize]) -> Result<usize, SpecError> {
    let product = sizes.iter().try_fold(1_usize, |product, &size| product.checked_mul(size));
    product.filter(|&n| n <= MOST_VALUES).ok_or_else(|| SpecError {
        layer: layer.to_owned(),
        problem: format!("{sizes:?} is more than the {MOST_VALUES} values (1 GiB) that a tensor may have"),
    })
}

/// The positions from the first to the last that a kernel reads, both included.
pub fn reach(kernel: usize, dilation: usize) -> usize {
    (kernel - 1).saturating_mul(dilation).saturating_add(1)
}

/// The outputs of something that reads `size` of `positions` at a time, and the positions before the first that it would read;
/// none if there is no output.
pub fn steps(positions: usize, size: usize, stride: usize, padding: Padding) -> Option<(usize, usize)> {
    match padding {
        Padding::Valid => Some(((positions.checked_sub(size)?) / stride + 1, 0)),
        Padding::Same => {
            let outputs = positions.div_ceil(stride);
            // What is missing is halved, and the odd one comes at the end: TensorFlow's rule.
            let missing = ((outputs - 1) * stride).saturating_add(size).saturating_sub(positions);
            Some((outputs, missing / 2))
        }
    }
}

/// Layers and parameters in the order in which they are added.
#[derive(Default)]
struct Builder {
    layers: Vec<Layer>,
    parameters: Vec<Parameter>,
    n_parameters: usize,
}

impl Builder {
    /// Adds block `number` and returns its output as (positions, channels).
    fn conv(&mut self, number: usize, input: (usize, usize), conv: &ConvSpec) -> Result<(usize, usize), SpecError> {
        let ConvSpec { filters, kernel, stride, dilation, padding, activation, pool } = *conv;
        let name = format!("conv{number}");
        let refuse = |problem: String| Err(SpecError { layer: name.clone(), problem });
        for (what, size) in [("filters", filters), ("kernel", kernel), ("stride", stride), ("dilation", dilation)] {
            if size == 0 {
                return refuse(format!("{what} is 0; it must be at least 1"));
            }
        }
        if stride > 1 && dilation > 1 {
            return refuse(format!(
                "its stride is {stride} and its dilation {dilation}; one of the two must be 1, as in Keras"
            ));
        }
        let reach = reach(kernel, dilation);
        let Some((positions, before)) = steps(input.0, reach, stride, padding) else {
            let dilated = if dilation > 1 { ", less dilation" } else { "" };
            return refuse(format!(
                "its kernel needs {reach} positions and only {} of the window are left; \
                 take a longer window, a shorter kernel{dilated}, less stride and pooling before it, or `same` padding",
                input.0
            ));
        };
        let output = (positions, filters);
        count_values(&name, &[output.0, output.1])?;
        if dilation > 1 {
            // What its padding takes, and what its taps read where each has a copy.
            count_values(&name, &[input.0.saturating_add(reach), input.1])?;
            count_values(&name, &[positions, kernel, input.1])?;
        }
        self.add_parameters(&name, vec![kernel, input.1, filters], kernel)?;
        self.layers.push(Layer::Conv { name, input, output, kernel, stride, dilation, padding, before, activation });
        match pool {
            Some(pool) => self.pool(format!("pool{number}"), output, pool),
            None => Ok(output),
        }
    }

    /// Adds a pool and returns its output as (positions, channels).
    fn pool(&mut self, name: String, input: (usize, usize), pool: PoolSpec) -> Result<(usize, usize), SpecError> {
        let PoolSpec { kind, size, stride, padding } = pool;
        let refuse = |problem: String| Err(SpecError { layer: name.clone(), problem });
        for (what, size) in [("size", size), ("stride", stride)] {
            if size == 0 {
                return refuse(format!("its {what} is 0; it must be at least 1, or the pool absent"));
            }
        }
        let Some((positions, before)) = steps(input.0, size, stride, padding) else {
            return refuse(format!("pools over {size} positions and only {} are left; make it smaller", input.0));
        };
        let output = (positions, input.1);
        self.layers.push(Layer::Pool { name, kind, input, output, size, stride, padding, before });
        Ok(output)
    }

    /// Adds dense layer `number` and returns its units.
    fn dense(&mut self, number: usize, inputs: usize, dense: DenseSpec) -> Result<usize, SpecError> {
        let DenseSpec { units, activation } = dense;
        let name = format!("dense{number}");
        if units == 0 {
            return Err(SpecError { layer: name, problem: "has 0 units; it must have at least 1".into() });
        }
        self.add_parameters(&name, vec![inputs, units], 1)?;
        self.layers.push(Layer::Dense { name, inputs, units, activation });
        Ok(units)
    }

    /// Adds kernel and bias of `layer`. The last two axes of `shape` are (in, out); `receptive` is the length of a
    /// convolution's kernel, 1 for a dense layer.
    fn add_parameters(&mut self, layer: &str, shape: Vec<usize>, receptive: usize) -> Result<(), SpecError> {
        let n_kernel = count_values(layer, &shape)?;
        let [.., inputs, outputs] = shape[..] else { unreachable!("a kernel has at least two axes") };
        self.n_parameters += n_kernel + outputs;
        count_values(layer, &[self.n_parameters]).map_err(|_| SpecError {
            layer: layer.to_owned(),
            problem: format!(
                "brings the network to {} parameters; the most is {MOST_VALUES} (1 GiB)",
                self.n_parameters
            ),
        })?;
        self.parameters.push(Parameter {
            name: format!("{layer}.kernel"),
            shape,
            fan_in: receptive * inputs,
            fan_out: receptive * outputs,
        });
        self.parameters.push(Parameter { name: format!("{layer}.bias"), shape: vec![outputs], fan_in: 0, fan_out: 0 });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The reference network after `change`.
    fn changed(change: impl FnOnce(&mut NetworkSpec)) -> Result<Network, SpecError> {
        let mut spec = NetworkSpec::default();
        change(&mut spec);
        Network::new(spec)
    }

    #[test]
    fn the_reference_network_has_keras_s_shapes_and_fans() {
        let network = changed(|_| ()).unwrap();
        assert_eq!((network.n_parameters(), network.features()), (114_894, 896));
        let parameters: Vec<_> =
            network.parameters().iter().map(|p| (p.name.as_str(), p.shape.as_slice(), p.fan_in, p.fan_out)).collect();
        let expected: [(&str, &[usize], usize, usize); 8] = [
            ("conv1.kernel", &[3, 3, 32], 9, 96),
            ("conv1.bias", &[32], 0, 0),
            ("conv2.kernel", &[3, 32, 64], 96, 192),
            ("conv2.bias", &[64], 0, 0),
            ("dense1.kernel", &[896, 120], 896, 120),
            ("dense1.bias", &[120], 0, 0),
            ("dense2.kernel", &[120, 6], 120, 6),
            ("dense2.bias", &[6], 0, 0),
        ];
        assert_eq!(parameters, expected);
        assert_eq!(network.layers().len(), 6);
        assert_eq!(network.layers()[3], Layer::Dropout { units: 896, rate: 0.1 });
        assert_eq!(
            network.layers()[5],
            Layer::Dense { name: "dense2".into(), inputs: 120, units: 6, activation: Activation::Linear }
        );
    }

    #[test]
    fn a_network_without_hidden_layers_ends_in_dense1() {
        let network = changed(|spec| spec.hidden.clear()).unwrap();
        assert_eq!(
            network.layers().last(),
            Some(&Layer::Dense { name: "dense1".into(), inputs: 896, units: 6, activation: Activation::Linear })
        );
    }

    #[test]
    fn a_window_just_long_enough_works_and_one_shorter_names_the_layer() {
        // conv2 needs 3 positions from pool1, which needs 6 from conv1, which needs 2·5 + 3 from the window.
        assert_eq!(changed(|spec| spec.window = 13).unwrap().features(), 64);
        for (window, layer) in [(12, "conv2"), (4, "pool1"), (2, "conv1"), (0, "window")] {
            assert_eq!(changed(|spec| spec.window = window).unwrap_err().layer, layer, "window {window}");
        }
    }

    #[test]
    fn what_cannot_work_is_refused_with_the_layer_named() {
        let block = ConvSpec::plain(4, 1, 1, None);
        let pool = |size| Some(PoolSpec::max(size));
        type Change<'a> = Box<dyn FnOnce(&mut NetworkSpec) + 'a>;
        let cases: Vec<(&str, Change<'_>)> = vec![
            ("channels", Box::new(|spec| spec.channels = 0)),
            ("convs", Box::new(|spec| spec.convs.clear())),
            ("convs", Box::new(|spec| spec.convs = vec![block; 5])),
            ("conv1", Box::new(|spec| spec.convs[0].filters = 0)),
            ("conv2", Box::new(|spec| spec.convs[1].kernel = 0)),
            ("conv2", Box::new(|spec| spec.convs[1].stride = 0)),
            ("pool1", Box::new(|spec| spec.convs[0].pool = pool(0))),
            ("pool1", Box::new(|spec| spec.convs[0].pool = pool(60))),
            ("pool2", Box::new(|spec| spec.convs[1].pool = pool(15))),
            ("dropout", Box::new(|spec| spec.dropout = 1.0)),
            ("dropout", Box::new(|spec| spec.dropout = -0.1)),
            ("dropout", Box::new(|spec| spec.dropout = f32::NAN)),
            ("dropout", Box::new(|spec| spec.dropout = f32::INFINITY)),
            ("dense1", Box::new(|spec| spec.hidden = DenseSpec::relu([0]))),
            ("dense2", Box::new(|spec| spec.hidden = DenseSpec::relu([8, 0]))),
            ("classes", Box::new(|spec| spec.classes = 0)),
            ("classes", Box::new(|spec| spec.classes = 1)),
        ];
        for (layer, change) in cases {
            let error = changed(change).unwrap_err();
            assert_eq!(error.layer, layer, "{error}");
        }
    }

    #[test]
    fn absurd_sizes_are_refused_and_do_not_overflow() {
        let huge = usize::MAX;
        let cases: Vec<(&str, NetworkSpec)> = vec![
            ("window", NetworkSpec { window: huge, channels: huge, ..Default::default() }),
            ("window", NetworkSpec { channels: 1 << 40, ..Default::default() }),
            ("dense1", NetworkSpec { hidden: DenseSpec::relu([huge]), ..Default::default() }),
            ("dense1", NetworkSpec { hidden: DenseSpec::relu([1 << 28]), ..Default::default() }),
            ("dense2", NetworkSpec { classes: huge, ..Default::default() }),
            // Each layer is within the limit; together they are not.
            ("dense3", NetworkSpec { hidden: DenseSpec::relu([14_000; 3]), ..Default::default() }),
        ];
        for (layer, spec) in cases {
            let error = Network::new(spec).unwrap_err();
            assert_eq!(error.layer, layer, "{error}");
        }
        assert_eq!(changed(|spec| spec.convs[0].filters = huge).unwrap_err().layer, "conv1");
        assert_eq!(changed(|spec| spec.convs[0].kernel = huge).unwrap_err().layer, "conv1");
        assert_eq!(changed(|spec| spec.convs[0].pool = Some(PoolSpec::max(huge))).unwrap_err().layer, "pool1");
        // A stride beyond the window's end leaves one position, which is a network.
        assert_eq!(changed(|spec| spec.convs[1].stride = huge).unwrap().features(), 64);
    }

    /// The layers but for dropout and dense ones, as (positions in, positions out, before).
    fn steps_of(window: usize, convs: &str) -> Vec<(usize, usize, usize)> {
        let convs = convs.split(',').map(|conv| conv.parse().unwrap()).collect();
        let network = changed(|spec| (spec.window, spec.convs) = (window, convs)).unwrap();
        let steps = network.layers().iter().filter_map(|layer| match layer {
            Layer::Conv { input, output, before, .. } | Layer::Pool { input, output, before, .. } => {
                Some((input.0, output.0, *before))
            }
            _ => None,
        });
        steps.collect()
    }

    #[test]
    fn same_padding_follows_tensorflow() {
        // ⌈10 / 3⌉ outputs; the last reads to 3·3 + 5 = 14, so 4 are missing: 2 before. Of an even kernel, the odd one is at
        // the end.
        assert_eq!(steps_of(10, "4:5:3:same"), [(10, 4, 2)]);
        assert_eq!(steps_of(10, "4:4:1:same"), [(10, 10, 1)]);
        // A stride beyond the kernel misses nothing, and a kernel beyond the window is no problem.
        assert_eq!(steps_of(10, "4:1:3:same"), [(10, 4, 0)]);
        assert_eq!(steps_of(3, "4:9:1:same"), [(3, 3, 4)]);
    }

    #[test]
    fn a_dilated_kernel_reaches_further_and_pads_as_in_tensorflow() {
        // Three taps with three positions between them reach over seven.
        assert_eq!(steps_of(10, "4:3:1:d3"), [(10, 4, 0)]);
        assert_eq!(steps_of(10, "4:3:1:d3:same"), [(10, 10, 3)]);
        assert_eq!(steps_of(10, "4:2:1:d3:same"), [(10, 10, 1)]);
        let conv = |conv: &str| changed(|spec| spec.convs = vec![conv.parse().unwrap()]);
        let same_weights = [conv("4:3:1").unwrap(), conv("4:3:1:d5").unwrap()].map(|it| it.parameters()[0].clone());
        assert_eq!(same_weights[0], same_weights[1]);
        for (wrong, problem) in [
            ("4:3:2:d2", "its stride is 2 and its dilation 2"),
            ("4:3:1:d0", "dilation is 0"),
            ("4:3:1:d60", "its kernel needs 121 positions and only 120"),
            ("4:3:1:d1000000000:same", "values"),
            ("4:3:1:d18446744073709551615:same", "values"),
        ] {
            let error = conv(wrong).unwrap_err();
            assert!(error.layer == "conv1" && error.problem.contains(problem), "{error}");
        }
    }

    #[test]
    fn pools_have_a_stride_and_padding_of_their_own() {
        assert_eq!(steps_of(10, "4:1:1:3/2"), [(10, 10, 0), (10, 4, 0)]);
        assert_eq!(steps_of(10, "4:1:1:avg3/2-same"), [(10, 10, 0), (10, 5, 0)]);
        assert_eq!(steps_of(9, "4:1:1:2/4"), [(9, 9, 0), (9, 2, 0)]);
        assert_eq!(steps_of(9, "4:1:1:4/1-same"), [(9, 9, 0), (9, 9, 1)]);
    }

    #[test]
    fn a_global_pool_leaves_one_position() {
        let network = changed(|spec| spec.global_pool = Some(PoolKind::Average)).unwrap();
        assert_eq!(network.features(), 64);
        let (input, output) = ((14, 64), (1, 64));
        let (kind, padding, name) = (PoolKind::Average, Padding::Valid, "global_pool".to_owned());
        let expected = Layer::Pool { name, kind, input, output, size: 14, stride: 14, padding, before: 0 };
        assert_eq!(network.layers()[3], expected);
    }
}
