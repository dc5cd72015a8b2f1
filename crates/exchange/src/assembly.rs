//! A network of the family, put together from the operators of a graph.

use triax_model::{
    Activation, ConvSpec, DenseSpec, Network, NetworkSpec, Padding, PerWindow, PoolKind, PoolSpec, Scaler, Weights,
    steps,
};

use crate::{About, Imported, ReadError};

/// The most values of an input or a layer that an assembly counts to: that of a network.
pub const MOST_VALUES: usize = 1 << 28;

/// The most channels or features that are multiplied or moved, which the file need not name one by one.
pub const MOST_FACTORS: usize = 1 << 22;

/// `scale · x + shift` for each channel, or each feature.
#[derive(Clone, Debug, PartialEq)]
pub struct Affine {
    pub scale: Vec<f64>,
    pub shift: Vec<f64>,
}

impl Affine {
    /// The affine that is `self` and then `next`.
    fn then(&self, next: &Self) -> Self {
        let scale = self.scale.iter().zip(&next.scale).map(|(a, b)| a * b).collect();
        let shift = self.shift.iter().zip(&next.scale).zip(&next.shift).map(|((t, s), u)| t * s + u).collect();
        Self { scale, shift }
    }

    fn moves(&self) -> bool {
        self.shift.iter().any(|shift| *shift != 0.0)
    }
}

/// Positions beyond the ends that a convolution or a pool reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pads {
    /// As many before and after.
    Explicit(usize, usize),
    /// As TensorFlow's `SAME`.
    Same,
}

/// How features are numbered that were positions and channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Position-major, as in Keras.
    ChannelsLast,
    /// Channel-major, as in PyTorch.
    ChannelsFirst,
}

/// A pool of a graph.
#[derive(Clone, Copy, Debug)]
pub struct Pool {
    pub kind: PoolKind,
    pub size: usize,
    pub stride: usize,
    pub pads: Pads,
    /// Whether a last pool may reach beyond the end.
    pub rounds_up: bool,
    /// Whether a mean counts what is beyond the ends as zeros.
    pub counts_pads: bool,
}

/// The network so far. Operators come in the order of the data.
#[derive(Debug)]
pub struct Assembly {
    window: usize,
    channels: usize,
    per_window: Option<PerWindow>,
    scaler: Option<Scaler>,
    convs: Vec<ConvSpec>,
    global_pool: Option<PoolKind>,
    dense: Vec<DenseSpec>,
    dropout: f32,
    /// Kernel and bias of each layer.
    weights: Vec<(Vec<f32>, Vec<f32>)>,
    /// What the last operator gives: (positions, channels), or (1, features).
    shape: (usize, usize),
    /// How a flattened window is numbered, until the first dense layer has read it.
    flat: Option<Order>,
    /// Whether nothing nonlinear has followed the last layer but this pool.
    open: Option<Option<PoolKind>>,
    /// What the next layer has to take into its weights.
    pending: Option<Affine>,
    softmax: bool,
    is_folded: bool,
    notices: Vec<String>,
}

type Refusal = String;

impl Assembly {
    /// A network for windows of (window, channels).
    ///
    /// # Errors
    /// A window without values, or with more than a network can have.
    pub fn new(window: usize, channels: usize) -> Result<Self, Refusal> {
        match window.checked_mul(channels) {
            Some(1..=MOST_VALUES) => {}
            _ => {
                return Err(format!(
                    "windows of {window} samples in {channels} channels; the most is {MOST_VALUES} values"
                ));
            }
        }
        Ok(Self {
            window,
            channels,
            per_window: None,
            scaler: None,
            convs: Vec::new(),
            global_pool: None,
            dense: Vec::new(),
            dropout: 0.0,
            weights: Vec::new(),
            shape: (window, channels),
            flat: None,
            open: None,
            pending: None,
            softmax: false,
            is_folded: false,
            notices: Vec::new(),
        })
    }

    /// (positions, channels) of what the last operator gives, or (1, features).
    pub fn shape(&self) -> (usize, usize) {
        self.shape
    }

    /// Whether there is a layer yet.
    pub fn is_empty(&self) -> bool {
        self.weights.is_empty()
    }

    /// Lets the user know.
    pub fn notice(&mut self, notice: String) {
        if !self.notices.contains(&notice) {
            self.notices.push(notice);
        }
    }

    pub fn normalise(&mut self, per_window: PerWindow) -> Result<(), Refusal> {
        if self.per_window.is_some() || self.scaler.is_some() || self.pending.is_some() || !self.is_empty() {
            return Err(
                "each window is normalised by itself, and something comes before; the family does so first".into()
            );
        }
        self.per_window = Some(per_window);
        Ok(())
    }

    /// Multiplies channels or features and moves them. It becomes the scaler, or part of the weights beside it.
    pub fn affine(&mut self, affine: Affine) -> Result<(), Refusal> {
        let n = self.shape.1;
        if affine.scale.len() != n || affine.shift.len() != n {
            return Err(format!("{} factors stand for {n} channels", affine.scale.len()));
        }
        if affine.scale.iter().chain(&affine.shift).any(|value| !value.is_finite()) {
            return Err("a factor is not finite".into());
        }
        let is_factor = affine.scale.iter().any(|scale| *scale != 1.0);
        // A pool of sums that are moved is the pool of them, moved: a maximum, where no factor turns the order around.
        let commutes = |pool: Option<PoolKind>| pool != Some(PoolKind::Max) || affine.scale.iter().all(|s| *s > 0.0);
        match self.open {
            Some(pool) if self.flat.is_none() && commutes(pool) => {
                let (kernel, bias) = self.weights.last_mut().expect("an open layer");
                let mut factors = affine.scale.iter().cycle();
                kernel.iter_mut().for_each(|w| *w = (f64::from(*w) * factors.next().unwrap_or(&1.0)) as f32);
                for ((bias, scale), shift) in bias.iter_mut().zip(&affine.scale).zip(&affine.shift) {
                    *bias = (f64::from(*bias) * scale + shift) as f32;
                }
                self.is_folded |= is_factor;
            }
            _ => {
                self.pending = Some(match &self.pending {
                    Some(pending) => pending.then(&affine),
                    None => affine,
                });
                self.open = None;
                self.is_folded |= is_factor && !self.is_empty();
            }
        }
        Ok(())
    }

    /// The affine before the first layer, as a scaler where it can be one.
    fn pending_as_scaler(&mut self) {
        let Some(affine) = self.pending.take() else { return };
        let mean = affine.scale.iter().zip(&affine.shift).map(|(scale, shift)| (-shift / scale) as f32).collect();
        let scaler = Scaler { mean, scale: affine.scale.iter().map(|scale| scale.recip() as f32).collect() };
        if self.scaler.is_none() && scaler.fits(self.channels).is_ok() {
            self.scaler = Some(scaler);
        } else {
            self.is_folded = true;
            self.pending = Some(affine);
        }
    }

    /// A convolution with `kernel` (length, in, out) and `bias` (out).
    pub fn conv(
        &mut self,
        [length, inputs, outputs]: [usize; 3],
        mut kernel: Vec<f32>,
        mut bias: Vec<f32>,
        stride: usize,
        pads: Pads,
    ) -> Result<(), Refusal> {
        if self.global_pool.is_some() || self.flat.is_some() || !self.dense.is_empty() {
            return Err(
                "a convolution comes after a dense layer, a flatten or a global pool; in the family it does not".into(),
            );
        }
        if self.convs.len() == 4 {
            return Err("is the fifth convolution; the family has one to four".into());
        }
        let values = [length, inputs, outputs].iter().try_fold(1_usize, |product, n| product.checked_mul(*n));
        if inputs != self.shape.1
            || values != Some(kernel.len())
            || bias.len() != outputs
            || kernel.is_empty()
            || stride == 0
        {
            return Err(format!(
                "a kernel ({length}, {inputs}, {outputs}) with stride {stride} and {} biases does not read {} channels",
                bias.len(),
                self.shape.1
            ));
        }
        let (positions, padding) = self.padded(length, stride, pads, false, "convolution")?;
        if positions.saturating_mul(outputs) > MOST_VALUES {
            return Err(format!("gives {positions} positions of {outputs} channels; the most is {MOST_VALUES} values"));
        }
        if self.is_empty() {
            self.pending_as_scaler();
        }
        if let Some(affine) = self.pending.take() {
            if padding == Padding::Same && length > 1 && affine.moves() {
                return Err(
                    "reads zeros beyond the ends of channels that were moved before it, by a batch normalisation or a sum; \
                     no weights do the same. Put the normalisation before the activation, or leave out the padding"
                        .into(),
                );
            }
            fold(&affine, &mut kernel, &mut bias);
        }
        self.convs.push(ConvSpec {
            padding,
            activation: Activation::Linear,
            ..ConvSpec::plain(outputs, length, stride, None)
        });
        self.weights.push((kernel, bias));
        self.shape = (positions, outputs);
        self.open = Some(None);
        Ok(())
    }

    /// Outputs and padding of something that reads `size` positions at a time.
    fn padded(
        &self,
        size: usize,
        stride: usize,
        pads: Pads,
        rounds_up: bool,
        what: &str,
    ) -> Result<(usize, Padding), Refusal> {
        let positions = self.shape.0;
        if size == 0 || stride == 0 || size > MOST_VALUES || stride > MOST_VALUES {
            return Err(format!("a {what} of size {size} with stride {stride}"));
        }
        let valid = steps(positions, size, stride, Padding::Valid);
        let Some((same, same_before)) = steps(positions, size, stride, Padding::Same) else {
            return Err("there are no positions".into());
        };
        let (before, after) = match pads {
            Pads::Same => return Ok((same, Padding::Same)),
            Pads::Explicit(before, after) => (before, after),
        };
        let room = positions.saturating_add(before).saturating_add(after).checked_sub(size);
        let outputs = room.map(|room| if rounds_up { room.div_ceil(stride) + 1 } else { room / stride + 1 });
        // What is padded beyond the last output is never read.
        match outputs {
            Some(outputs) if before == 0 && valid.is_some_and(|(valid, _)| valid == outputs) => {
                Ok((outputs, Padding::Valid))
            }
            Some(outputs) if before == same_before && outputs == same => Ok((outputs, Padding::Same)),
            _ => {
                let missing = ((same - 1) * stride).saturating_add(size).saturating_sub(positions);
                Err(format!(
                    "pads {before} positions before and {after} after its {positions}; the family pads none, or {same_before} \
                     and {} (`same`)",
                    missing - same_before
                ))
            }
        }
    }

    /// What becomes of the sums of the last layer.
    pub fn activation(&mut self, activation: Activation) -> Result<(), Refusal> {
        if activation == Activation::Linear {
            return Ok(());
        }
        let is_monotone = activation != Activation::Gelu;
        match self.open.take() {
            Some(None) => {}
            // The largest value of a monotone function is that of the largest value.
            Some(Some(PoolKind::Max)) if is_monotone && self.flat.is_none() => {}
            _ => {
                return Err(format!(
                    "{activation} does not follow a convolution or a dense layer; in the family each has one activation, \
                     before its pool"
                ));
            }
        }
        match self.dense.last_mut() {
            Some(dense) => dense.activation = activation,
            None => self.convs.last_mut().expect("an open layer").activation = activation,
        }
        Ok(())
    }

    pub fn pool(&mut self, pool: Pool) -> Result<(), Refusal> {
        let name = match pool.kind {
            PoolKind::Max => "max-pool",
            PoolKind::Average => "average pool",
        };
        let is_misplaced = self.flat.is_some() || !self.dense.is_empty() || self.global_pool.is_some();
        let (positions, padding) = self.padded(pool.size, pool.stride, pool.pads, pool.rounds_up, name)?;
        if pool.kind == PoolKind::Average && pool.counts_pads && padding == Padding::Same {
            return Err("an average pool counts the zeros beyond the ends; the family's pools take what is there \
                        (`count_include_pad=False`)"
                .into());
        }
        self.check_pool(pool.kind)?;
        match self.convs.last_mut() {
            Some(conv) if conv.pool.is_none() && !is_misplaced => {
                conv.pool = Some(PoolSpec { kind: pool.kind, size: pool.size, stride: pool.stride, padding });
            }
            _ => return Err("a pool does not follow a convolution; in the family each may have one".into()),
        }
        self.open = self.open.map(|_| Some(pool.kind));
        self.shape.0 = positions;
        Ok(())
    }

    pub fn global_pool(&mut self, kind: PoolKind) -> Result<(), Refusal> {
        self.check_pool(kind)?;
        if self.convs.is_empty() || self.flat.is_some() || !self.dense.is_empty() || self.global_pool.is_some() {
            return Err(
                "a global pool does not follow a convolution; in the family one may stand after the last".into()
            );
        }
        self.global_pool = Some(kind);
        self.open = match self.open {
            // Two pools are monotone only if both are.
            Some(Some(PoolKind::Average)) => Some(Some(PoolKind::Average)),
            Some(_) => Some(Some(kind)),
            None => None,
        };
        self.shape.0 = 1;
        Ok(())
    }

    /// A maximum does not commute with a factor below 0.
    fn check_pool(&self, kind: PoolKind) -> Result<(), Refusal> {
        let commutes = |affine: &Affine| affine.scale.iter().all(|scale| *scale > 0.0);
        match &self.pending {
            Some(affine) if kind == PoolKind::Max && !commutes(affine) => {
                Err("a maximum is taken of channels that were multiplied by a number that is not above 0".into())
            }
            _ => Ok(()),
        }
    }

    /// Positions and channels become features.
    pub fn flatten(&mut self, order: Order) -> Result<(), Refusal> {
        if self.convs.is_empty() {
            return Err("there is no convolution before it; the family has one to four".into());
        }
        if self.flat.is_some() || !self.dense.is_empty() {
            return Ok(());
        }
        let (positions, channels) = self.shape;
        if positions.saturating_mul(channels) > MOST_FACTORS && self.pending.is_some() {
            return Err(format!("{positions} positions of {channels} channels that were multiplied or moved"));
        }
        if let Some(affine) = &mut self.pending {
            let spread = |values: &[f64]| -> Vec<f64> {
                match order {
                    Order::ChannelsLast => values.repeat(positions),
                    Order::ChannelsFirst => values.iter().flat_map(|v| std::iter::repeat_n(*v, positions)).collect(),
                }
            };
            *affine = Affine { scale: spread(&affine.scale), shift: spread(&affine.shift) };
        }
        self.flat = Some(order);
        self.shape = (1, positions * channels);
        Ok(())
    }

    /// Features are dropped in training.
    pub fn dropout(&mut self, rate: f32) {
        if self.flat.is_some() || self.dense.is_empty() {
            self.dropout = rate;
        } else {
            self.notice(format!(
                "dropout of {rate} between dense layers is left out: the family drops features before them"
            ));
        }
    }

    /// A dense layer with `kernel` (in, out) and `bias` (out).
    pub fn dense(&mut self, outputs: usize, mut kernel: Vec<f32>, mut bias: Vec<f32>) -> Result<(), Refusal> {
        if self.flat.is_none() && self.dense.is_empty() {
            return Err("a dense layer reads each position by itself; in the family it reads all features after a flatten or a \
                        global pool"
                .into());
        }
        if self.softmax {
            return Err("a dense layer follows a softmax".into());
        }
        let features = self.shape.1;
        if outputs == 0 || bias.len() != outputs || features.checked_mul(outputs) != Some(kernel.len()) {
            return Err(format!(
                "a kernel of {} values does not read {features} features into {outputs}",
                kernel.len()
            ));
        }
        if let Some(affine) = self.pending.take() {
            fold(&affine, &mut kernel, &mut bias);
        }
        if self.flat.take() == Some(Order::ChannelsFirst) {
            let channels = self.convs.last().expect("a convolution before a flatten").filters;
            let positions = features / channels;
            let rows = (0..features).map(|feature| (feature % channels) * positions + feature / channels);
            kernel = rows.flat_map(|row| kernel[row * outputs..][..outputs].to_vec()).collect();
        }
        self.dense.push(DenseSpec { units: outputs, activation: Activation::Linear });
        self.weights.push((kernel, bias));
        self.shape = (1, outputs);
        self.open = Some(None);
        Ok(())
    }

    /// A softmax over the scores.
    pub fn softmax(&mut self) -> Result<(), Refusal> {
        if self.dense.is_empty() || self.softmax {
            return Err("a softmax does not follow the last dense layer".into());
        }
        self.softmax = true;
        Ok(())
    }

    /// The network.
    ///
    /// # Errors
    /// What is missing, or what the family does not have, with its place.
    pub fn finish(mut self, about: About) -> Result<Imported, ReadError> {
        let end = |problem: &str| Err(ReadError::new("the end of the network", problem));
        let Some(scores) = self.dense.pop() else {
            return end("there is no dense layer; the family ends in one, with a score for each class");
        };
        if scores.activation != Activation::Linear || self.pending.is_some() {
            return end(
                "the last dense layer has an activation; the family ends in a linear one, and a softmax or none after it",
            );
        }
        let spec = NetworkSpec {
            window: self.window,
            channels: self.channels,
            convs: self.convs,
            global_pool: self.global_pool,
            dropout: if (0.0..1.0).contains(&self.dropout) { self.dropout } else { 0.0 },
            hidden: self.dense,
            classes: scores.units,
        };
        let network = Network::new(spec.clone()).map_err(|error| ReadError::new(error.layer, error.problem))?;
        let mut weights = Weights { tensors: Vec::new() };
        let values = self.weights.into_iter().flat_map(|(kernel, bias)| [kernel, bias]);
        for (parameter, values) in network.parameters().iter().zip(values) {
            let (name, shape) = (parameter.name.clone(), parameter.shape.clone());
            weights.tensors.push(triax_model::Tensor { name, shape, values });
        }
        weights.fits(&network).map_err(|problem| ReadError::new("weights", problem))?;
        if let Some(name) = weights.first_non_finite() {
            return Err(ReadError::new(name, "holds a value that is not finite"));
        }
        if self.per_window == Some(PerWindow::AlignGravity) && !self.channels.is_multiple_of(3) {
            return Err(ReadError::new("input", "gravity is aligned in channels that are no groups of three"));
        }
        Ok(Imported {
            spec,
            weights,
            per_window: self.per_window,
            scaler: self.scaler,
            softmax: self.softmax,
            is_folded: self.is_folded,
            about,
            notices: self.notices,
        })
    }
}

/// Takes an affine of the inputs into `kernel` (.., in, out) and `bias` (out).
fn fold(affine: &Affine, kernel: &mut [f32], bias: &mut [f32]) {
    let mut moved: Vec<f64> = bias.iter().map(|bias| f64::from(*bias)).collect();
    let inputs = affine.scale.iter().zip(&affine.shift).cycle();
    for (weights, (scale, shift)) in kernel.chunks_exact_mut(bias.len()).zip(inputs) {
        for (weight, moved) in weights.iter_mut().zip(&mut moved) {
            *moved += f64::from(*weight) * shift;
            *weight = (f64::from(*weight) * scale) as f32;
        }
    }
    bias.iter_mut().zip(moved).for_each(|(bias, moved)| *bias = moved as f32);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Trained;
    use crate::trained::tests::windows;

    /// A convolution of six channels into two, then a batch normalisation.
    fn normalised(padding: Pads, activation: Activation, scale: [f64; 2]) -> Assembly {
        let mut assembly = Assembly::new(20, 6).unwrap();
        let kernel = (0..36).map(|n| (n % 7) as f32 * 0.1 - 0.3).collect();
        assembly.conv([3, 6, 2], kernel, vec![0.5, -0.5], 1, padding).unwrap();
        assembly.activation(activation).unwrap();
        assembly.affine(Affine { scale: scale.into(), shift: vec![0.25, -0.125] }).unwrap();
        assembly
    }

    fn second(assembly: &mut Assembly, padding: Pads) -> Result<(), String> {
        let kernel = (0..12).map(|n| (n % 5) as f32 * 0.2 - 0.4).collect();
        assembly.conv([3, 2, 2], kernel, vec![0.1, 0.2], 1, padding)
    }

    /// The scores of an assembly that ends in a global pool and a dense layer of ones and twos.
    fn scores(mut assembly: Assembly) -> Vec<f32> {
        assembly.global_pool(PoolKind::Average).unwrap();
        assembly.flatten(Order::ChannelsLast).unwrap();
        assembly.dense(2, vec![1.0, 2.0, 2.0, 1.0], vec![0.0; 2]).unwrap();
        let imported = assembly.finish(About::default()).unwrap();
        assert!(imported.is_folded);
        let network = Network::new(imported.spec).unwrap();
        let weights = imported.weights;
        let (per_window, scaler) = (None, imported.scaler);
        Trained { network, weights, per_window, scaler, softmax: false, about: About::default() }.scores(&windows(3))
    }

    #[test]
    fn a_normalisation_is_the_same_in_the_layer_before_it_and_in_the_one_after_it() {
        let mut before = normalised(Pads::Explicit(0, 0), Activation::Linear, [2.0, 0.5]);
        second(&mut before, Pads::Explicit(0, 0)).unwrap();
        // A pool of one position closes the layer before: the normalisation goes into the next.
        let mut after = Assembly::new(20, 6).unwrap();
        let kernel = (0..36).map(|n| (n % 7) as f32 * 0.1 - 0.3).collect();
        after.conv([3, 6, 2], kernel, vec![0.5, -0.5], 1, Pads::Explicit(0, 0)).unwrap();
        after.activation(Activation::LeakyRelu { slope: 0.999_999_9 }).unwrap();
        after.affine(Affine { scale: vec![2.0, 0.5], shift: vec![0.25, -0.125] }).unwrap();
        second(&mut after, Pads::Explicit(0, 0)).unwrap();
        for (a, b) in scores(before).iter().zip(scores(after)) {
            assert!((a - b).abs() < 1e-4 * a.abs().max(1.0), "{a} {b}");
        }
    }

    #[test]
    fn what_no_weights_can_do_is_refused() {
        let valid = Pads::Explicit(0, 0);
        let mut padded = normalised(valid, Activation::Relu, [2.0, 0.5]);
        let refusal = second(&mut padded, Pads::Same).unwrap_err();
        assert!(refusal.contains("reads zeros beyond the ends"), "{refusal}");
        let maximum =
            Pool { kind: PoolKind::Max, size: 2, stride: 2, pads: valid, rounds_up: false, counts_pads: false };
        let refusal = normalised(valid, Activation::Relu, [2.0, -0.5]).pool(maximum).unwrap_err();
        assert!(refusal.contains("a maximum is taken"), "{refusal}");
        // The layer itself takes a factor below 0, as long as no pool has come.
        normalised(valid, Activation::Linear, [2.0, -0.5]).pool(maximum).unwrap();
        let mut counted = normalised(valid, Activation::Relu, [2.0, 0.5]);
        let pool =
            Pool { kind: PoolKind::Average, size: 3, stride: 2, pads: Pads::Same, rounds_up: false, counts_pads: true };
        assert!(counted.pool(pool).unwrap_err().contains("count_include_pad=False"));
        assert!(normalised(valid, Activation::Relu, [2.0, 0.5]).activation(Activation::Elu).is_err());
        assert!(normalised(valid, Activation::Relu, [1.0, 1.0]).dense(2, vec![0.0; 72], vec![0.0; 2]).is_err());
    }
}
