//! From a chain of layers, as other programs have them, to a network of the family.
//!
//! Other programs put activations, batch normalisation and dropout into layers of their own, in an order of their own. The
//! family has blocks: convolution, activation, pool; then a global pool, dropout, dense layers. Here steps become blocks as far
//! as the answers stay the same. Batch normalisation is folded into the layer before it, or the one after.

mod affine;
mod dropout;

#[cfg(test)]
mod tests;

use triax_model::{
    Activation, ConvSpec, DenseSpec, Network, NetworkSpec, Padding, PoolKind, PoolSpec, Scaler, Tensor, Weights,
};

pub(crate) use affine::Affine;
use dropout::Dropouts;

use crate::ReadError;

/// What the family holds, for refusals.
pub(crate) const FAMILY: &str = "Triax has networks of one to four convolutions, each with an activation (relu, elu, gelu, \
    leaky_relu, tanh, linear) and a pool, then a global pool, dropout, and dense layers";

/// A layer of the chain.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    /// What the layer is called in its file: the place of errors.
    pub place: String,
    pub step: Step,
}

/// What a layer does.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Standardises the input.
    Scale(Scaler),
    /// Multiplies and shifts each channel, or each feature where they are flat. `axis` is that of the channels, counted with the
    /// batch, or −1 for the last.
    Affine { affine: Affine, axis: i64 },
    /// A convolution over positions with weights (kernel, in, out) and one bias for each output.
    Conv { kernel: Values, bias: Option<Vec<f32>>, stride: usize, padding: Padding },
    /// A pool.
    Pool(PoolSpec),
    /// A pool over all positions, which leaves one feature for each channel.
    GlobalPool(PoolKind),
    /// Positions and channels become features, positions first.
    Flatten,
    /// Drops features with this probability in training. Some programs drop otherwise than single features.
    Dropout { rate: f32, is_plain: bool },
    /// A dense layer with weights (in, out) and one bias for each output.
    Dense { kernel: Values, bias: Option<Vec<f32>> },
    /// What becomes of the sums of a layer.
    Activation(Activation),
    /// Turns scores into probabilities.
    Softmax,
}

/// An array of numbers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Values {
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
}

/// A network of the family that a chain was brought to.
#[derive(Debug)]
pub(crate) struct Assembled {
    pub spec: NetworkSpec,
    pub weights: Weights,
    pub scaler: Option<Scaler>,
    pub softmax: bool,
    pub is_folded: bool,
    pub notices: Vec<String>,
}

/// Brings `chain`, which reads windows of `window` samples in `channels` channels, to a network of the family.
///
/// # Errors
/// The first layer that has no place in the family, with what the family holds.
pub(crate) fn assemble(window: usize, channels: usize, chain: Vec<Link>) -> Result<Assembled, ReadError> {
    let mut builder = Builder {
        shape: (window, channels),
        is_flat: false,
        scaler: None,
        linear: Vec::new(),
        global_pool: None,
        last: Last::Start,
        pending: None,
        dropouts: Dropouts::default(),
        softmax: false,
        is_folded: false,
    };
    for Link { place, step } in chain {
        builder.add(&place, step).map_err(|problem| ReadError::new(place, problem))?;
    }
    builder.finish((window, channels))
}

/// A layer with weights.
struct Linear {
    place: String,
    kernel: Values,
    bias: Vec<f32>,
    activation: Activation,
    /// What a convolution has besides; `None` for a dense layer.
    conv: Option<ConvParts>,
}

struct ConvParts {
    stride: usize,
    padding: Padding,
    pool: Option<PoolSpec>,
}

/// What the last step of the chain gave.
enum Last {
    /// The input.
    Start,
    /// The sums of the last layer with weights, after these pools.
    Sums(Vec<PoolKind>),
    /// What an activation has been applied to.
    Activated,
}

struct Builder {
    /// (positions, channels), also where they are flat.
    shape: (usize, usize),
    is_flat: bool,
    scaler: Option<Scaler>,
    linear: Vec<Linear>,
    global_pool: Option<PoolKind>,
    last: Last,
    /// A normalisation that waits for the next layer with weights, with its place.
    pending: Option<(String, Affine)>,
    dropouts: Dropouts,
    softmax: bool,
    is_folded: bool,
}

impl Builder {
    fn add(&mut self, place: &str, step: Step) -> Result<(), String> {
        if self.softmax && !matches!(step, Step::Dropout { .. }) {
            return Err(format!("it follows a softmax. {FAMILY}; a softmax can only be last"));
        }
        match step {
            Step::Scale(scaler) => self.scale(scaler),
            Step::Affine { affine, axis } => self.affine(place, affine, axis),
            Step::Conv { kernel, bias, stride, padding } => self.conv(place, kernel, bias, stride, padding),
            Step::Pool(pool) => self.pool(pool),
            Step::GlobalPool(kind) => self.global_pool(kind),
            Step::Flatten => self.flatten(),
            Step::Dropout { rate, is_plain } => {
                self.dropouts.add(place, rate, is_plain, self.linear.len());
                Ok(())
            }
            Step::Dense { kernel, bias } => self.dense(place, kernel, bias),
            Step::Activation(activation) => self.activation(activation),
            Step::Softmax => self.softmax(),
        }
    }

    fn is_start(&self) -> bool {
        matches!(self.last, Last::Start) && !self.is_flat && self.pending.is_none()
    }

    fn scale(&mut self, scaler: Scaler) -> Result<(), String> {
        if !self.is_start() || self.scaler.is_some() {
            return Err("it standardises what is not the input; put it first".into());
        }
        scaler.fits(self.shape.1)?;
        self.scaler = Some(scaler);
        Ok(())
    }

    fn affine(&mut self, place: &str, affine: Affine, axis: i64) -> Result<(), String> {
        let (n, last) = if self.is_flat { (self.shape.0 * self.shape.1, 1) } else { (self.shape.1, 2) };
        if axis != -1 && axis != last {
            return Err(format!("it normalises along axis {axis}; the family has channels last: take `axis=-1`"));
        }
        affine.fits(n)?;
        self.is_folded = true;
        let at_input = Some(affine.scaler()).filter(|scaler| affine.is_increasing() && scaler.fits(n).is_ok());
        if let Some(scaler) = at_input.filter(|_| self.is_start() && self.scaler.is_none()) {
            self.scaler = Some(scaler);
            return Ok(());
        }
        // An average is the same of what is shifted and scaled before as after; a maximum where the order stays.
        if let (Last::Sums(pools), Some(layer), None) = (&self.last, self.linear.last_mut(), &self.pending) {
            let commutes = pools.iter().all(|&kind| kind == PoolKind::Average || affine.is_increasing());
            if commutes && affine.len() == layer.bias.len() {
                affine.after(&mut layer.kernel.values, &mut layer.bias);
                return Ok(());
            }
        }
        self.pending = Some(match self.pending.take() {
            Some((place, before)) => (place, before.then(&affine)),
            None => (place.to_owned(), affine),
        });
        Ok(())
    }

    fn conv(
        &mut self,
        place: &str,
        mut kernel: Values,
        bias: Option<Vec<f32>>,
        stride: usize,
        padding: Padding,
    ) -> Result<(), String> {
        if self.is_flat {
            return Err(format!("it follows Flatten, a global pool or a dense layer. {FAMILY}"));
        }
        let [length, inputs, outputs] = self.kernel_shape(&kernel, self.shape.1)?;
        let mut bias = self.bias(bias, outputs)?;
        if let Some((place, affine)) = self.pending.take() {
            if padding == Padding::Same && !affine.is_pure_scale() {
                return Err(format!(
                    "it reads the zeros of its padding beside what {place} has shifted, which cannot be folded into weights; \
                     normalise before the activation, or take `valid` padding"
                ));
            }
            affine.before(&mut kernel.values, &mut bias, inputs);
        }
        // `Network::new` says the same of what does not fit, but of its own layers.
        let outputs_at = match padding {
            Padding::Same => Some(self.shape.0.div_ceil(stride.max(1))),
            Padding::Valid => self.shape.0.checked_sub(length).map(|rest| rest / stride.max(1) + 1),
        };
        self.shape = (outputs_at.ok_or("its kernel is longer than what it reads")?, outputs);
        let conv = Some(ConvParts { stride, padding, pool: None });
        self.linear.push(Linear { place: place.to_owned(), kernel, bias, activation: Activation::Linear, conv });
        self.last = Last::Sums(Vec::new());
        Ok(())
    }

    fn pool(&mut self, pool: PoolSpec) -> Result<(), String> {
        let Some(conv) = self.linear.last_mut().and_then(|layer| layer.conv.as_mut()).filter(|_| !self.is_flat) else {
            return Err(format!("it pools what is not the output of a convolution. {FAMILY}"));
        };
        if conv.pool.is_some() {
            return Err(format!("it follows another pool. {FAMILY}"));
        }
        let PoolSpec { size, stride, padding, .. } = pool;
        let positions = match padding {
            Padding::Same => Some(self.shape.0.div_ceil(stride.max(1))),
            Padding::Valid => self.shape.0.checked_sub(size).map(|rest| rest / stride.max(1) + 1),
        };
        self.shape.0 = positions.ok_or("it pools over more positions than there are")?;
        conv.pool = Some(pool);
        self.dropouts.pooled();
        self.pooled(pool.kind)
    }

    fn global_pool(&mut self, kind: PoolKind) -> Result<(), String> {
        if self.is_flat || self.linear.is_empty() {
            return Err(format!("it pools what is not the output of a convolution. {FAMILY}"));
        }
        self.global_pool = Some(kind);
        self.shape.0 = 1;
        self.is_flat = true;
        self.dropouts.pooled();
        self.pooled(kind)
    }

    /// A pool has been added: what waits before it now comes after.
    fn pooled(&mut self, kind: PoolKind) -> Result<(), String> {
        if let Last::Sums(pools) = &mut self.last {
            pools.push(kind);
        }
        match &self.pending {
            Some((place, affine)) if kind == PoolKind::Max && !affine.is_increasing() => Err(format!(
                "it takes the largest values of what {place} has turned around (a factor is negative), which cannot be folded \
                 into weights"
            )),
            _ => Ok(()),
        }
    }

    fn flatten(&mut self) -> Result<(), String> {
        if let Some((_, affine)) = self.pending.as_mut().filter(|_| !self.is_flat) {
            *affine = affine.repeated(self.shape.0);
        }
        self.is_flat = true;
        Ok(())
    }

    fn dense(&mut self, place: &str, mut kernel: Values, bias: Option<Vec<f32>>) -> Result<(), String> {
        if !self.is_flat {
            return Err(
                "it reads each position by itself; put Flatten or a global pool between the convolutions and it".into(),
            );
        }
        if self.linear.is_empty() {
            return Err(format!("there is no convolution before it. {FAMILY}"));
        }
        kernel.shape.insert(0, 1);
        let [_, inputs, outputs] = self.kernel_shape(&kernel, self.shape.0 * self.shape.1)?;
        kernel.shape.remove(0);
        let mut bias = self.bias(bias, outputs)?;
        if let Some((_, affine)) = self.pending.take() {
            affine.before(&mut kernel.values, &mut bias, inputs);
        }
        self.shape = (1, outputs);
        let activation = Activation::Linear;
        self.linear.push(Linear { place: place.to_owned(), kernel, bias, activation, conv: None });
        self.last = Last::Sums(Vec::new());
        Ok(())
    }

    /// The shape of a kernel that reads `inputs` channels.
    fn kernel_shape(&self, kernel: &Values, inputs: usize) -> Result<[usize; 3], String> {
        match kernel.shape[..] {
            [length, i, outputs] if i == inputs && length * i * outputs == kernel.values.len() && outputs > 0 => {
                Ok([length, i, outputs])
            }
            _ => {
                Err(format!("its kernel has the shape {:?}, and it reads {inputs} channels or features", kernel.shape))
            }
        }
    }

    /// The bias of a layer of so many outputs: zeros, where there is none.
    fn bias(&self, bias: Option<Vec<f32>>, outputs: usize) -> Result<Vec<f32>, String> {
        match bias {
            None => Ok(vec![0.0; outputs]),
            Some(bias) if bias.len() == outputs => Ok(bias),
            Some(bias) => Err(format!("its bias has {} values for {outputs} outputs", bias.len())),
        }
    }

    fn activation(&mut self, activation: Activation) -> Result<(), String> {
        if activation == Activation::Linear {
            return Ok(());
        }
        if let Some((place, _)) = &self.pending {
            return Err(format!(
                "it is applied to what {place} normalises, and that cannot be folded into the weights before: an activation or a \
                 pool lies between; normalise right after the convolution or dense layer"
            ));
        }
        let (Last::Sums(pools), Some(layer)) = (&self.last, self.linear.last_mut()) else {
            return Err(format!("it is applied to what is not the sum of a layer. {FAMILY}"));
        };
        // A maximum may be taken before or after what keeps the order.
        let keeps_order = activation != Activation::Gelu;
        if !pools.iter().all(|&kind| kind == PoolKind::Max && keeps_order) {
            return Err(format!("it follows a pool, and `{activation}` there is not the same as before the pool"));
        }
        layer.activation = activation;
        self.last = Last::Activated;
        Ok(())
    }

    fn softmax(&mut self) -> Result<(), String> {
        let is_dense = self.linear.last().is_some_and(|layer| layer.conv.is_none());
        if !is_dense || !matches!(self.last, Last::Sums(_)) || self.pending.is_some() {
            return Err(format!("a softmax follows the last dense layer, or none. {FAMILY}"));
        }
        self.softmax = true;
        Ok(())
    }

    fn finish(mut self, (window, channels): (usize, usize)) -> Result<Assembled, ReadError> {
        let Some(scores) = self.linear.pop_if(|layer| layer.conv.is_none()) else {
            return Err(ReadError::new("the last layer", format!("it is not dense, with a score a class. {FAMILY}")));
        };
        if let Some((place, _)) = self.pending {
            return Err(ReadError::new(place, "no layer follows into whose weights it could be folded"));
        }
        if scores.activation != Activation::Linear {
            let problem = format!(
                "its scores go through `{}`, so it is no classifier of the family: its last layer is linear, or has a softmax",
                scores.activation
            );
            return Err(ReadError::new(scores.place, problem));
        }
        let n_convs = self.linear.iter().filter(|layer| layer.conv.is_some()).count();
        let (dropout, notices) = self.dropouts.place(n_convs);
        let conv_spec = |layer: &Linear| {
            let ConvParts { stride, padding, pool } = *layer.conv.as_ref()?;
            let (kernel, filters, activation) = (layer.kernel.shape[0], layer.bias.len(), layer.activation);
            Some(ConvSpec { filters, kernel, stride, padding, activation, pool })
        };
        let spec = NetworkSpec {
            window,
            channels,
            convs: self.linear.iter().filter_map(conv_spec).collect(),
            global_pool: self.global_pool,
            dropout,
            hidden: self.linear[n_convs..]
                .iter()
                .map(|layer| DenseSpec { units: layer.bias.len(), activation: layer.activation })
                .collect(),
            classes: scores.bias.len(),
        };
        let network =
            Network::new(spec.clone()).map_err(|error| ReadError::new("the network", format!("{error}. {FAMILY}")))?;
        self.linear.push(scores);
        let values = self
            .linear
            .into_iter()
            .flat_map(|layer| [(layer.place.clone(), layer.kernel.values), (layer.place, layer.bias)]);
        let mut tensors = Vec::new();
        for (parameter, (place, values)) in network.parameters().iter().zip(values) {
            if let Some(value) = values.iter().find(|value| !value.is_finite()) {
                return Err(ReadError::new(place, format!("its weights hold {value}; all must be finite")));
            }
            tensors.push(Tensor { name: parameter.name.clone(), shape: parameter.shape.clone(), values });
        }
        let weights = Weights { tensors };
        weights.fits(&network).map_err(|problem| ReadError::new("the weights", problem))?;
        let Self { scaler, softmax, is_folded, .. } = self;
        Ok(Assembled { spec, weights, scaler, softmax, is_folded, notices })
    }
}
