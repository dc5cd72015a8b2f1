//! Which axis of a tensor is which: graphs move axes about, and the family knows one order.

use triax_model::Preparation;

use crate::assembly::{Order, Refusal};

/// An axis of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Axis {
    Batch,
    /// Of length 1, and of no meaning.
    One,
    /// One of the two data axes of the input, in their order there.
    Data(usize),
    /// All features after a flatten.
    Features,
}

/// An element of a shape that the graph computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShapeElement {
    /// The number of windows.
    Batch,
    Known(i64),
    Unknown,
}

/// The numbers of a constant that is combined with a tensor.
#[derive(Debug, PartialEq)]
pub enum Spread {
    /// One for all elements.
    All,
    /// One for each position along this data axis of the input.
    Along(usize),
    /// One for each feature.
    Features,
}

/// The axes of the tensor that the last operator gives.
#[derive(Clone, Debug)]
pub struct Axes {
    axes: Vec<Axis>,
    /// Lengths of the two data axes.
    sizes: [usize; 2],
    /// Which data axis holds the channels, once a convolution has told.
    channel: Option<usize>,
    /// Number of windows, if the file fixes it.
    batch: Option<usize>,
}

impl Axes {
    /// The axes of an input of (batch, `dims`), of which two are not 1. With fewer, the last are taken.
    pub fn new(batch: Option<usize>, dims: &[usize]) -> Result<Self, Refusal> {
        let mut data: Vec<usize> = (0..dims.len()).filter(|n| dims[*n] != 1).collect();
        for n in (0..dims.len()).rev() {
            if data.len() < 2 && !data.contains(&n) {
                data.push(n);
            }
        }
        data.sort_unstable();
        let [first, second] = data[..] else {
            return Err(format!("the input is (batch, {dims:?}); the family reads (batch, window, channels)"));
        };
        let axis = |n| match n {
            n if n == first => Axis::Data(0),
            n if n == second => Axis::Data(1),
            _ => Axis::One,
        };
        let axes = std::iter::once(Axis::Batch).chain((0..dims.len()).map(axis)).collect();
        Ok(Self { axes, sizes: [dims[first], dims[second]], channel: None, batch })
    }

    fn size(&self, axis: Axis) -> Option<usize> {
        match axis {
            Axis::Batch => self.batch,
            Axis::One => Some(1),
            Axis::Data(n) => Some(self.sizes[n]),
            Axis::Features => Some(self.sizes[0] * self.sizes[1]),
        }
    }

    pub fn rank(&self) -> usize {
        self.axes.len()
    }

    /// Index of `axis`, which may count from the end.
    pub fn index(&self, axis: i64) -> Option<usize> {
        let n = self.rank() as i64;
        usize::try_from(if axis < 0 { axis + n } else { axis }).ok().filter(|axis| *axis < self.rank())
    }

    /// Which data axis holds the channels, once it is known.
    pub fn channel(&self) -> Option<usize> {
        self.channel
    }

    /// Whether the axes are those of the input in their order, and there is no other.
    pub fn is_untouched(&self) -> bool {
        self.axes == [Axis::Batch, Axis::Data(0), Axis::Data(1)]
    }

    pub fn transpose(&mut self, order: &[i64]) -> Result<(), Refusal> {
        let moved: Option<Vec<Axis>> = order.iter().map(|&axis| Some(self.axes[self.index(axis)?])).collect();
        let is_permutation =
            (0..self.rank()).all(|n| order.iter().filter(|axis| self.index(**axis) == Some(n)).count() == 1);
        match moved {
            Some(moved) if is_permutation && moved[0] == Axis::Batch => self.axes = moved,
            _ => return Err(format!("reorders {} axes by {order:?}; windows stay first", self.rank())),
        }
        Ok(())
    }

    pub fn unsqueeze(&mut self, new: &[i64]) -> Result<(), Refusal> {
        let rank = self.rank() + new.len();
        let mut at: Vec<usize> = Vec::new();
        for &axis in new {
            let axis = if axis < 0 { axis + rank as i64 } else { axis };
            match usize::try_from(axis) {
                Ok(axis) if (1..rank).contains(&axis) && !at.contains(&axis) && rank <= 6 => at.push(axis),
                _ => return Err(format!("adds axes {new:?}")),
            }
        }
        at.sort_unstable();
        at.into_iter().for_each(|axis| self.axes.insert(axis, Axis::One));
        Ok(())
    }

    /// Takes axes of length 1 away: all if none are named.
    pub fn squeeze(&mut self, named: Option<&[i64]>) -> Result<(), Refusal> {
        let mut gone = Vec::new();
        match named {
            None => gone.extend((1..self.rank()).filter(|n| self.size(self.axes[*n]) == Some(1))),
            Some(named) => {
                for &axis in named {
                    match self.index(axis) {
                        Some(n) if n > 0 && self.size(self.axes[n]) == Some(1) => gone.push(n),
                        _ => return Err(format!("removes axes {named:?}, which are not of length 1")),
                    }
                }
            }
        }
        let mut n = 0;
        self.axes.retain(|_| {
            n += 1;
            !gone.contains(&(n - 1))
        });
        Ok(())
    }

    /// Reshapes to `shape`. Returns the order of features if this is a flatten.
    pub fn reshape(&mut self, shape: &[ShapeElement]) -> Result<Option<Order>, Refusal> {
        let refusal =
            || format!("reshapes {:?} to {shape:?}; the family flattens, and may add or remove axes of 1", self.axes);
        let (first, rest) = shape.split_first().ok_or_else(refusal)?;
        let keeps_batch = match *first {
            ShapeElement::Batch | ShapeElement::Known(0 | -1) => true,
            ShapeElement::Known(n) => usize::try_from(n).ok().is_some_and(|n| self.batch == Some(n)),
            ShapeElement::Unknown => false,
        };
        if !keeps_batch || rest.len() > 6 {
            return Err(refusal());
        }
        // Lengths with 0 (as before) and −1 (what is left) replaced.
        let before = |n: usize| self.axes.get(n + 1).and_then(|axis| self.size(*axis));
        let mut sizes: Vec<Option<usize>> = Vec::new();
        for (n, element) in rest.iter().enumerate() {
            sizes.push(match *element {
                ShapeElement::Known(0) => Some(before(n).ok_or_else(refusal)?),
                ShapeElement::Known(-1) | ShapeElement::Unknown => None,
                ShapeElement::Known(size) => Some(usize::try_from(size).map_err(|_| refusal())?),
                ShapeElement::Batch => return Err(refusal()),
            });
        }
        let total: usize = self.axes[1..].iter().filter_map(|axis| self.size(*axis)).product();
        let known = sizes.iter().flatten().try_fold(1_usize, |product, size| product.checked_mul(*size));
        let known = known.filter(|known| *known > 0 && total.is_multiple_of(*known)).ok_or_else(refusal)?;
        let open = sizes.iter().filter(|size| size.is_none()).count();
        if open > 1 || open == 0 && known != total {
            return Err(refusal());
        }
        let sizes: Vec<usize> = sizes.into_iter().map(|size| size.unwrap_or(total / known)).collect();

        let matters = |axis: &&Axis| self.size(**axis) != Some(1);
        let mut old = self.axes[1..].iter().filter(matters).copied().collect::<Vec<_>>().into_iter();
        let relabelled: Vec<Axis> =
            sizes.iter().map(|size| if *size == 1 { Axis::One } else { old.next().unwrap_or(Axis::One) }).collect();
        let fits =
            old.next().is_none() && relabelled.iter().zip(&sizes).all(|(axis, size)| self.size(*axis) == Some(*size));
        if sizes.len() == 1 && !self.axes.contains(&Axis::Features) {
            return self.flatten().map(Some);
        }
        if !fits {
            return Err(refusal());
        }
        self.axes = std::iter::once(Axis::Batch).chain(relabelled).collect();
        Ok(None)
    }

    /// All data axes become features, in their order.
    pub fn flatten(&mut self) -> Result<Order, Refusal> {
        let data: Vec<usize> =
            self.axes.iter().filter_map(|axis| if let Axis::Data(n) = axis { Some(*n) } else { None }).collect();
        let Some(channel) = self.channel else {
            return Err("flattens before a convolution; the family has one to four convolutions first".into());
        };
        self.axes = vec![Axis::Batch, Axis::Features];
        Ok(if data == [channel, 1 - channel] { Order::ChannelsFirst } else { Order::ChannelsLast })
    }

    /// Whether this is a flat tensor: (batch, features).
    pub fn is_flat(&self) -> bool {
        self.axes == [Axis::Batch, Axis::Features]
    }

    /// Whether axis `n` holds data: samples, or channels.
    pub fn is_data(&self, n: usize) -> bool {
        matches!(self.axes.get(n), Some(Axis::Data(_)))
    }

    /// Takes axis `n`, which holds data, for that of the positions, unless it is known to be another.
    pub fn expect_positions(&mut self, n: usize) -> Result<(), Refusal> {
        match (self.axes.get(n), self.channel) {
            (Some(Axis::Data(axis)), Some(channel)) if *axis == channel => Err("pads the channels".into()),
            (Some(Axis::Data(axis)), _) => {
                self.channel = Some(1 - axis);
                Ok(())
            }
            _ => Err("pads an axis that is not that of the positions".into()),
        }
    }

    /// Samples and channels of a window, and whether the input has the channels last. Known after [`Self::channels_first`].
    pub fn window(&self) -> Result<(usize, usize, bool), Refusal> {
        let channel = self.channel.ok_or("it is not known which axis holds the channels")?;
        Ok((self.sizes[1 - channel], self.sizes[channel], channel == 1))
    }

    /// Lets the tensor have the channels of `preparation`, which reads the last axis as channels.
    pub fn prepare(&mut self, preparation: &Preparation) -> Result<(), Refusal> {
        self.sizes[1] = preparation.channels_out(self.sizes[1])?;
        Ok(())
    }

    /// What a constant of `dims` says about each element, when it is combined with this tensor.
    pub fn spread(&self, dims: &[usize]) -> Result<Spread, Refusal> {
        let long: Vec<usize> = (0..dims.len()).filter(|n| dims[*n] != 1).collect();
        let [n] = long[..] else {
            return if long.is_empty() {
                Ok(Spread::All)
            } else {
                Err(format!("a constant of {dims:?}; the family has one number for each channel"))
            };
        };
        let axis = (self.rank() + n).checked_sub(dims.len()).and_then(|n| self.axes.get(n));
        match axis {
            Some(Axis::Data(axis)) if self.sizes[*axis] == dims[n] => Ok(Spread::Along(*axis)),
            Some(Axis::Features) if self.size(Axis::Features) == Some(dims[n]) => Ok(Spread::Features),
            _ => Err(format!("a constant of {dims:?} along an axis that is neither channels nor features")),
        }
    }

    /// Lets a convolution or a pool read the tensor: channels at axis 1, positions along one other axis. Returns the index of
    /// the positions' axis among those after axis 1.
    pub fn channels_first(&mut self) -> Result<usize, Refusal> {
        let gone = (0..2).find(|n| self.sizes[*n] == 1 && !self.axes.contains(&Axis::Data(*n)));
        let channel = match (self.axes.get(1), gone) {
            (Some(Axis::Data(channel)), _) => *channel,
            // A channel of length 1 that has been reshaped away.
            (Some(Axis::One), Some(gone)) => gone,
            _ => return Err("its channels are not at axis 1".into()),
        };
        self.axes[1] = Axis::Data(channel);
        let position = 1 - channel;
        if self.channel.is_some_and(|known| known != channel) {
            return Err("its axis 1 holds positions; channels belong there".into());
        }
        self.channel = Some(channel);
        let spatial = &self.axes[2..];
        if let Some(at) = spatial.iter().position(|axis| *axis == Axis::Data(position)) {
            return Ok(at);
        }
        // A single position that has been reshaped away: the last axis.
        match spatial.last() {
            Some(Axis::One) if self.sizes[position] == 1 => {
                let last = self.rank() - 1;
                self.axes[last] = Axis::Data(position);
                Ok(last - 2)
            }
            _ => Err("it has no axis of positions".into()),
        }
    }

    /// Whether `reduced` are the positions, or those and axes of length 1.
    pub fn are_positions(&self, reduced: &[i64]) -> bool {
        let Some(channel) = self.channel else { return false };
        let named: Option<Vec<Axis>> = reduced.iter().map(|&axis| Some(self.axes[self.index(axis)?])).collect();
        named.is_some_and(|named| {
            let are_allowed = named.iter().all(|axis| matches!(axis, Axis::One) || *axis == Axis::Data(1 - channel));
            are_allowed && (named.contains(&Axis::Data(1 - channel)) || self.sizes[1 - channel] == 1)
        })
    }

    /// Sets (positions, channels) after a layer.
    pub fn set_shape(&mut self, (positions, channels): (usize, usize)) {
        if let Some(channel) = self.channel {
            self.sizes[channel] = channels;
            self.sizes[1 - channel] = positions;
        }
    }
}
