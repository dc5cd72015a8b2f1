//! What each step adds to a network, and which it refuses.

use triax_model::{Activation, Padding, PoolKind, PoolSpec, Preparation, reach, steps};

use super::{
    Affine, Assembly, ConvParts, FAMILY, Last, MOST_FACTORS, MOST_VALUES, Order, Pads, Pool, Refusal, Values, Weighted,
};

/// What something that reads several positions at a time gives.
struct Strided {
    positions: usize,
    padding: Padding,
    /// Whether it reads beyond the ends.
    is_padded: bool,
}

impl Assembly {
    pub(super) fn prepare(&mut self, preparation: Preparation) -> Result<(), Refusal> {
        if !self.preparation.is_none() || self.pending.is_some() || !self.is_empty() {
            return Err("it normalises each window by itself, and something comes before; put it first".into());
        }
        let channels = preparation.channels_out(self.channels)?;
        if self.window.checked_mul(channels).is_none_or(|values| values > MOST_VALUES) {
            return Err(format!("it derives {channels} channels; the most is {MOST_VALUES} values a window"));
        }
        (self.preparation, self.channels, self.shape.1) = (preparation, channels, channels);
        Ok(())
    }

    pub(super) fn affine(&mut self, place: &str, affine: Affine) -> Result<(), Refusal> {
        affine.fits(self.shape.1)?;
        self.is_folded |= affine.multiplies() && !self.is_empty();
        // An average is the same of what is shifted and multiplied before as after; a maximum where the order stays.
        if let (Last::Sums(pools), Some(layer), None) = (&self.last, self.layers.last_mut(), &self.pending) {
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

    /// What waits before the first layer becomes the scaler, as far as it can be one.
    fn begin(&mut self) {
        let Some((place, affine)) = self.pending.take() else { return };
        let rest = match affine.scaler() {
            Some((scaler, signs)) => {
                self.scaler = Some(scaler);
                signs
            }
            None => Some(affine),
        };
        self.is_folded |= rest.is_some();
        self.pending = rest.map(|rest| (place, rest));
    }

    pub(super) fn conv(
        &mut self,
        place: &str,
        mut kernel: Values,
        bias: Option<Vec<f32>>,
        (stride, dilation): (usize, usize),
        pads: Pads,
    ) -> Result<(), Refusal> {
        if self.is_flat() {
            return Err(format!("it follows a flatten, a global pool or a dense layer; {FAMILY}"));
        }
        let [length, inputs, outputs] = self.kernel_shape(&kernel.shape, kernel.values.len())?;
        let mut bias = bias_of(bias, outputs)?;
        // With a single tap, there is nothing between taps.
        let dilation = if length == 1 { 1 } else { dilation };
        if dilation == 0 || (stride > 1 && dilation > 1) {
            return Err(format!(
                "its dilation is {dilation} and its stride {stride}; one of the two must be 1, as in Keras"
            ));
        }
        // An empty kernel is refused below.
        let reach = if length == 0 { 0 } else { reach(length, dilation) };
        let Strided { positions, padding, is_padded } = self.strided(reach, stride, pads, false)?;
        if positions.saturating_mul(outputs) > MOST_VALUES {
            return Err(format!(
                "it gives {positions} positions of {outputs} channels; {MOST_VALUES} values are the most"
            ));
        }
        if self.is_empty() {
            self.begin();
        }
        if let Some((place, affine)) = self.pending.take() {
            if is_padded && !affine.is_pure_scale() {
                return Err(format!(
                    "it reads the zeros of its padding beside what {place} has shifted, which cannot be folded into weights; \
                     normalise before the activation, or take `valid` padding"
                ));
            }
            affine.before(&mut kernel.values, &mut bias, inputs);
        }
        let conv = Some(ConvParts { stride, dilation, padding, pool: None });
        self.layers.push(Weighted { place: place.to_owned(), kernel, bias, activation: Activation::Linear, conv });
        self.shape = (positions, outputs);
        self.last = Last::Sums(Vec::new());
        Ok(())
    }

    /// Positions and padding of something that reads `size` positions at a time.
    fn strided(&self, size: usize, stride: usize, pads: Pads, rounds_up: bool) -> Result<Strided, Refusal> {
        let there = self.shape.0;
        if size == 0 || stride == 0 {
            return Err(format!("it reads {size} positions at a time with a stride of {stride}"));
        }
        let valid = steps(there, size, stride, Padding::Valid).map(|(positions, _)| positions);
        let (same, same_before) = steps(there, size, stride, Padding::Same).ok_or("there are no positions")?;
        let missing = ((same - 1) * stride).saturating_add(size).saturating_sub(there);
        let padding = match pads {
            Pads::Same => Padding::Same,
            Pads::Explicit(before, after) => {
                let room = there.saturating_add(before).saturating_add(after).checked_sub(size);
                let positions = room.map(|room| if rounds_up { room.div_ceil(stride) } else { room / stride } + 1);
                // What is padded beyond the last position is never read.
                match positions {
                    Some(_) if before == 0 && positions == valid => Padding::Valid,
                    Some(positions) if before == same_before && positions == same => Padding::Same,
                    None => {
                        return Err(format!(
                            "it reads {size} positions at a time, and there are {there}, padded by {before} and {after}"
                        ));
                    }
                    Some(_) => {
                        return Err(format!(
                            "it pads {before} positions before and {after} after its {there}; the family pads none, or \
                             {same_before} and {} (`same`)",
                            missing - same_before
                        ));
                    }
                }
            }
        };
        let positions = valid.filter(|_| padding == Padding::Valid).unwrap_or(same);
        Ok(Strided { positions, padding, is_padded: padding == Padding::Same && missing > 0 })
    }

    pub(super) fn pool(&mut self, pool: Pool) -> Result<(), Refusal> {
        let Pool { kind, size, stride, pads, rounds_up, counts_pads } = pool;
        let Strided { positions, padding, is_padded } = self.strided(size, stride, pads, rounds_up)?;
        let is_flat = self.is_flat();
        let Some(conv) = self.layers.last_mut().and_then(|layer| layer.conv.as_mut()).filter(|_| !is_flat) else {
            return Err(format!("it pools what is not the output of a convolution; {FAMILY}"));
        };
        if conv.pool.is_some() {
            return Err(format!("it follows another pool; {FAMILY}"));
        }
        if kind == PoolKind::Average && counts_pads && is_padded {
            return Err("it counts the zeros beyond the ends; the family's pools take the mean of what is there \
                        (`count_include_pad=False`)"
                .into());
        }
        conv.pool = Some(PoolSpec { kind, size, stride, padding });
        self.shape.0 = positions;
        self.pooled(kind)
    }

    pub(super) fn global_pool(&mut self, kind: PoolKind) -> Result<(), Refusal> {
        if self.is_flat() || self.is_empty() {
            return Err(format!("it pools what is not the output of a convolution; {FAMILY}"));
        }
        self.global_pool = Some(kind);
        self.shape.0 = 1;
        self.features = Some(Order::ChannelsLast);
        self.pooled(kind)
    }

    /// A pool has been added: what waits before it now comes after.
    fn pooled(&mut self, kind: PoolKind) -> Result<(), Refusal> {
        self.dropouts.pooled();
        if let Last::Sums(pools) = &mut self.last {
            pools.push(kind);
        }
        match &self.pending {
            Some((place, affine)) if kind == PoolKind::Max && !affine.is_increasing() => Err(format!(
                "it takes the largest values of what {place} has turned around (a factor is not above 0), which cannot be folded \
                 into weights"
            )),
            _ => Ok(()),
        }
    }

    pub(super) fn flatten(&mut self, order: Order) -> Result<(), Refusal> {
        if self.is_empty() {
            return Err(format!("there is no convolution before it; {FAMILY}"));
        }
        if self.is_flat() {
            return Ok(());
        }
        let (positions, channels) = self.shape;
        let features = positions.saturating_mul(channels);
        if let Some((place, affine)) = &mut self.pending {
            if features > MOST_FACTORS {
                return Err(format!(
                    "it gives {features} features, which {place} multiplies; {MOST_FACTORS} are the most"
                ));
            }
            *affine = affine.spread(positions, order);
        }
        self.features = Some(order);
        self.shape = (1, features);
        Ok(())
    }

    pub(super) fn dense(&mut self, place: &str, mut kernel: Values, bias: Option<Vec<f32>>) -> Result<(), Refusal> {
        let Some(order) = self.features else {
            return Err(
                "it reads each position by itself; put a flatten or a global pool between the convolutions and it"
                    .into(),
            );
        };
        let shape: Vec<usize> = [1].iter().chain(&kernel.shape).copied().collect();
        let [_, inputs, outputs] = self.kernel_shape(&shape, kernel.values.len())?;
        let mut bias = bias_of(bias, outputs)?;
        if let Some((_, affine)) = self.pending.take() {
            affine.before(&mut kernel.values, &mut bias, inputs);
        }
        if let (Order::ChannelsFirst, Some(layer)) = (order, self.layers.last()) {
            let channels = layer.bias.len();
            let rows = (0..inputs).map(|feature| (feature % channels) * (inputs / channels) + feature / channels);
            kernel.values = rows.flat_map(|row| kernel.values[row * outputs..][..outputs].to_vec()).collect();
        }
        self.layers.push(Weighted {
            place: place.to_owned(),
            kernel,
            bias,
            activation: Activation::Linear,
            conv: None,
        });
        self.shape = (1, outputs);
        self.features = Some(Order::ChannelsLast);
        self.last = Last::Sums(Vec::new());
        Ok(())
    }

    /// The sizes of a kernel (length, in, out) of `n` values, which reads what the last step gives.
    fn kernel_shape(&self, shape: &[usize], n: usize) -> Result<[usize; 3], Refusal> {
        let product = shape.iter().try_fold(1_usize, |product, size| product.checked_mul(*size));
        match *shape {
            [length, inputs, outputs] if inputs == self.shape.1 && product == Some(n) && n > 0 => {
                Ok([length, inputs, outputs])
            }
            _ => Err(format!("its kernel has the shape {shape:?}, and it reads {} channels or features", self.shape.1)),
        }
    }

    pub(super) fn activation(&mut self, activation: Activation) -> Result<(), Refusal> {
        if activation == Activation::Linear {
            return Ok(());
        }
        if let Some((place, _)) = &self.pending {
            return Err(format!(
                "it is applied to what {place} normalises, and that cannot be folded into the weights before: an activation or a \
                 pool lies between; normalise right after the convolution or dense layer"
            ));
        }
        let (Last::Sums(pools), Some(layer)) = (&self.last, self.layers.last_mut()) else {
            return Err(format!("it is applied to what is not the sum of a layer; {FAMILY}"));
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

    pub(super) fn softmax(&mut self) -> Result<(), Refusal> {
        let is_dense = self.layers.last().is_some_and(|layer| layer.conv.is_none());
        if !is_dense || !matches!(self.last, Last::Sums(_)) || self.pending.is_some() {
            return Err(format!("a softmax follows the last dense layer, or none; {FAMILY}"));
        }
        self.softmax = true;
        Ok(())
    }
}

/// The bias of a layer of so many outputs: zeros, where there is none.
fn bias_of(bias: Option<Vec<f32>>, outputs: usize) -> Result<Vec<f32>, Refusal> {
    match bias {
        None => Ok(vec![0.0; outputs]),
        Some(bias) if bias.len() == outputs => Ok(bias),
        Some(bias) => Err(format!("its bias has {} values for {outputs} outputs", bias.len())),
    }
}
