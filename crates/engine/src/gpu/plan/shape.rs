//! How the work of a layer is shared out among workgroups and invocations.
//!
//! A device is busy with some 32,768 invocations, or 128 workgroups that stage their operands. Where a layer has fewer
//! results, several invocations share the sum of each.

use super::layers::Affine;

/// The most invocations of a workgroup: the default limit of WebGPU.
const WORKGROUP: usize = 256;

/// Invocations that keep a device busy.
const BUSY: usize = 32_768;

/// Workgroups that keep a device busy, if each stages its operands.
const BUSY_GROUPS: usize = 128;

/// Quads of samples of a whole tile, which the staged kernels are made for.
const WHOLE_TILE: usize = 8;

/// Bytes of workgroup memory for the windows of a first convolution.
const SPAN_BYTES: usize = 8_192;

/// The largest power of two that is at most `n`; 1 for 0.
fn power_of_two(n: usize) -> usize {
    1 << n.max(1).ilog2()
}

/// `n` things in as few groups of at most `most` as possible: the size of a group, and the number of groups.
fn balanced(n: usize, most: usize) -> (usize, usize) {
    let groups = n.div_ceil(most.max(1)).max(1);
    let size = n.div_ceil(groups).max(1);
    (size, n.div_ceil(size).max(1))
}

/// A forward pass; the headers of `forward_by_lanes.wgsl` and `forward_staged.wgsl` describe the fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Forward {
    pub staged: bool,
    /// Rows of the windows that a workgroup takes on its way; none if its inputs are rows of the arena.
    pub span: Option<usize>,
    pub lanes: usize,
    pub slots: usize,
    pub positions: usize,
    pub unit_blocks: usize,
    pub position_blocks: usize,
    pub workgroup: usize,
}

impl Forward {
    /// For a layer whose tiles have `quads` quads of samples, of which there are `tiles` in the whole fleet.
    pub fn new(layer: &Affine, quads: usize, tiles: usize) -> Self {
        if quads == WHOLE_TILE && layer.quads() >= 3 && layer.inputs() >= 16 {
            let (slots, unit_blocks) = balanced(layer.quads().div_ceil(2), 16);
            let positions = (16 / slots).clamp(1, 4).min(layer.outputs);
            let position_blocks = layer.outputs.div_ceil(positions);
            if unit_blocks * position_blocks * tiles >= BUSY_GROUPS {
                let workgroup = slots * positions * quads;
                return Self {
                    staged: true,
                    span: None,
                    lanes: 1,
                    slots,
                    positions,
                    unit_blocks,
                    position_blocks,
                    workgroup,
                };
            }
        }
        let results = layer.outputs * layer.quads() * quads * tiles;
        let lanes = power_of_two(BUSY / results.max(1)).min(power_of_two(layer.inputs() / 8)).min(WORKGROUP / quads);
        Self::by_lanes(layer, quads, lanes, layer.outputs)
    }

    fn by_lanes(layer: &Affine, quads: usize, lanes: usize, most_positions: usize) -> Self {
        let room = WORKGROUP / (quads * lanes);
        let (slots, unit_blocks) = balanced(layer.quads(), room);
        let (positions, position_blocks) = balanced(layer.outputs, (room / slots).min(most_positions));
        let workgroup = lanes * slots * positions * quads;
        Self { staged: false, span: None, lanes, slots, positions, unit_blocks, position_blocks, workgroup }
    }

    /// For the first layer, taking its windows on the way, if the rows that a workgroup needs fit into its memory.
    pub fn from_windows(layer: &Affine, samples: usize, input_rows: usize) -> Option<Self> {
        let span = |positions: usize| {
            (((positions * layer.pool - 1) * layer.stride + layer.kernel.max(layer.stride)) * layer.channels)
                .min(input_rows)
        };
        let fits = |positions: &usize| 4 * span(*positions) * (samples + 1) <= SPAN_BYTES;
        let most = (1..=layer.outputs).take_while(fits).last()?;
        let shape = Self::by_lanes(layer, samples / 4, 1, most);
        Some(Self { span: Some(span(shape.positions)), ..shape })
    }
}

/// A backward pass; the headers of `backward_by_lanes.wgsl` and `backward_staged.wgsl` describe the fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Backward {
    pub staged: bool,
    /// Whether an invocation has two quads of channels.
    pub paired: bool,
    pub lanes: usize,
    pub slots: usize,
    pub blocks: usize,
    pub workgroup: usize,
}

impl Backward {
    /// As [`Forward::new`].
    pub fn new(layer: &Affine, quads: usize, tiles: usize) -> Self {
        if quads == WHOLE_TILE && layer.is_dense() && layer.quads() >= 4 {
            let blocks = layer.inputs().div_ceil(128);
            if layer.inputs() >= 128 && blocks * tiles >= BUSY_GROUPS {
                return Self { staged: true, paired: false, lanes: 1, slots: 16, blocks, workgroup: 128 };
            }
        }
        let tasks = layer.positions_in * layer.channels.div_ceil(4);
        let paired = layer.channels.is_multiple_of(8) && tasks * quads * tiles >= 4 * BUSY;
        let tasks = if paired { tasks / 2 } else { tasks };
        let lanes = power_of_two(BUSY / (tasks * quads * tiles)).min(power_of_two(layer.quads() / 2)).min(16);
        let (slots, blocks) = balanced(tasks, WORKGROUP / (quads * lanes));
        Self { staged: false, paired, lanes, slots, blocks, workgroup: lanes * slots * quads }
    }
}

/// The backward pass of a dense layer with its update; the header of `dense_backward.wgsl` describes the fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DenseBackward {
    pub features: usize,
    pub piece: usize,
    pub blocks: usize,
    pub workgroup: usize,
}

impl DenseBackward {
    pub fn new(layer: &Affine, quads: usize) -> Self {
        let features = 32;
        let (piece, _) = balanced(layer.quads(), 16);
        Self { features, piece, blocks: (layer.inputs() + 1).div_ceil(features), workgroup: features * quads }
    }
}

/// The gradients of weights; the headers of `gradient_by_lanes.wgsl` and `gradient_staged.wgsl` describe the fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gradient {
    Staged { unit_quads: usize, unit_blocks: usize, input_blocks: usize },
    ByLanes { lanes: usize, blocks: usize },
}

impl Gradient {
    /// The workgroups of [`Gradient::ByLanes`], the same for every layer.
    pub const WORKGROUP: usize = WORKGROUP;

    /// Quads of inputs of a workgroup of [`Gradient::Staged`]: `INPUT_QUADS` of its kernel.
    pub const INPUT_QUADS: usize = 8;

    /// For a layer whose tiles have `quads` quads of samples, with `tiles` tiles in a batch, in a fleet of `models`, on a device
    /// whose subgroups have `subgroup` invocations at least.
    pub fn new(layer: &Affine, quads: usize, tiles: usize, models: usize, subgroup: usize) -> Self {
        if quads == WHOLE_TILE && layer.quads() >= 8 && layer.inputs() >= 32 {
            let (unit_quads, unit_blocks) = balanced(layer.quads(), 16);
            let input_blocks = layer.inputs().div_ceil(4 * Self::INPUT_QUADS);
            if unit_blocks * input_blocks * models >= BUSY_GROUPS && unit_quads >= 8 {
                return Self::Staged { unit_quads, unit_blocks, input_blocks };
            }
        }
        let tasks = (layer.inputs() + 1).div_ceil(4) * layer.quads();
        let terms = tiles * layer.positions() * quads;
        let wanted =
            power_of_two(2 * BUSY / (tasks * models)).max(WORKGROUP / tasks.next_power_of_two().min(WORKGROUP));
        // Within a subgroup, lanes need neither memory nor barriers.
        let most = if subgroup >= 16 { subgroup.min(64) } else { 64 };
        let lanes = wanted.min(power_of_two(terms / 4)).min(most);
        Self::ByLanes { lanes, blocks: tasks.div_ceil(WORKGROUP / lanes) }
    }
}

/// The last dense layer with the loss, if it is small enough to be computed with it: the quads of classes that a workgroup
/// of `head.wgsl` has room for.
pub(super) fn head_slots(layer: &Affine) -> Option<usize> {
    (layer.inputs() <= 512 && layer.units <= 64).then(|| layer.quads().next_power_of_two())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn balanced_groups_hold_everything_and_no_group_is_empty() {
        for n in 1..200 {
            for most in 1..40 {
                let (size, groups) = balanced(n, most);
                assert!(size <= most && size * groups >= n && size * (groups - 1) < n, "{n} by {most}");
            }
        }
    }
}
