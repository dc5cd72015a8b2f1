//! Layers of an ONNX graph: convolutions, pools and dense layers.

use triax_model::PoolKind;

use super::model::Node;
use super::read::Reader;
use crate::assembly::{FAMILY, Pads, Pool, Refusal, Step, Values};

impl Reader<'_, '_> {
    /// Zeros around the positions, for the convolution that follows.
    pub fn pad(&mut self, node: &Node) -> Result<(), Refusal> {
        let pads = self.integers(node, 1, "pads").ok_or("its pads are no constant")?;
        let is_zero = match node.inputs.get(2).filter(|name| !name.is_empty()) {
            Some(value) => self.values.number(value) == Some(0.0),
            None => node.float("value").unwrap_or(0.0) == 0.0,
        };
        let rank = self.axes.rank();
        let named: Vec<usize> = match node.inputs.get(3).filter(|name| !name.is_empty()) {
            Some(axes) => {
                let axes = self.values.integers(axes).ok_or("its axes are no constant")?;
                axes.iter().map(|axis| self.axes.index(*axis)).collect::<Option<_>>().ok_or("its axes do not exist")?
            }
            None => (0..rank).collect(),
        };
        if pads.len() != 2 * named.len() || !is_zero || node.text("mode").unwrap_or("constant") != "constant" {
            return Err(
                "pads with something other than zeros; in the family a convolution reads zeros beyond the ends".into(),
            );
        }
        let mut found = None;
        for (n, axis) in named.iter().enumerate() {
            let both = (usize::try_from(pads[n]), usize::try_from(pads[n + named.len()]));
            match both {
                (Ok(0), Ok(0)) => {}
                (Ok(before), Ok(after)) if found.is_none() && self.axes.is_data(*axis) => {
                    found = Some((*axis, before, after))
                }
                _ => return Err("pads an axis that is not that of the positions".into()),
            }
        }
        if let Some((axis, before, after)) = found {
            // Which data axis it is must prove to be that of the positions.
            self.axes.expect_positions(axis)?;
            self.pads = Some((before, after));
        }
        Ok(())
    }

    /// Size, stride and dilation, and pads, along the positions, which are spatial axis `at` of `n`.
    fn steps(
        &self,
        node: &Node,
        (at, n): (usize, usize),
        kernel: Option<&[i64]>,
    ) -> Result<([usize; 3], Pads), Refusal> {
        let kernel = kernel.or(node.ints("kernel_shape")).ok_or("has no kernel shape")?;
        let ones = vec![1; n];
        let (strides, dilations) = (node.ints("strides").unwrap_or(&ones), node.ints("dilations").unwrap_or(&ones));
        let zeros = vec![0; 2 * n];
        let pads = node.ints("pads").unwrap_or(&zeros);
        if kernel.len() != n || strides.len() != n || dilations.len() != n || pads.len() != 2 * n {
            return Err(format!("does not describe its {n} axes after the channels"));
        }
        let others = (0..n).filter(|other| *other != at);
        if others.clone().any(|other| kernel[other] != 1 || pads[other] != 0 || pads[other + n] != 0) {
            return Err("reads more than one axis of positions; the family's layers have one".into());
        }
        let size = |value: i64| usize::try_from(value).ok().filter(|value| *value < 1 << 31);
        let (Some(length), Some(stride), Some(dilation), Some(before), Some(after)) =
            (size(kernel[at]), size(strides[at]), size(dilations[at]), size(pads[at]), size(pads[at + n]))
        else {
            return Err("has a kernel, stride, dilation or pad that is negative".into());
        };
        let pads = match node.text("auto_pad").unwrap_or("NOTSET") {
            "NOTSET" | "" => Pads::Explicit(before, after),
            "VALID" => Pads::NONE,
            "SAME_UPPER" => Pads::Same,
            other => return Err(format!("pads by `{other}`; the family pads none, or the odd position at the end")),
        };
        Ok(([length, stride, dilation], pads))
    }

    pub fn conv(&mut self, node: &Node) -> Result<(), Refusal> {
        let (dims, values) = self.floats(node, 1, "kernel")?;
        if node.int("group").unwrap_or(1) != 1 {
            return Err("reads channels in groups; the family's convolutions read all channels".into());
        }
        if dims.len() != self.axes.rank() || !(3..=4).contains(&dims.len()) {
            return Err(format!("has a kernel of {} axes; {FAMILY}", dims.len()));
        }
        let at = self.axes.channels_first()?;
        self.begin()?;
        let kernel: Vec<i64> = dims[2..].iter().map(|dim| *dim as i64).collect();
        let ([length, stride, dilation], mut pads) = self.steps(node, (at, dims.len() - 2), Some(&kernel))?;
        if let Some((before, after)) = self.pads.take() {
            pads = match pads {
                Pads::NONE => Pads::Explicit(before, after),
                _ => return Err("pads what is already padded".into()),
            };
        }
        let (outputs, inputs) = (dims[0], dims[1]);
        let bias = self.bias(node)?;
        // (out, in, kernel) becomes (kernel, in, out).
        let mut turned = Vec::with_capacity(values.len());
        for k in 0..length {
            for i in 0..inputs {
                turned.extend((0..outputs).map(|o| values[(o * inputs + i) * length + k]));
            }
        }
        let kernel = Values { shape: vec![length, inputs, outputs], values: turned };
        self.add(node, Step::Conv { kernel, bias, stride, dilation, pads })
    }

    /// The bias of a layer, if it has one.
    fn bias(&self, node: &Node) -> Result<Option<Vec<f32>>, Refusal> {
        let name = node.inputs.get(2).filter(|name| !name.is_empty());
        name.map(|_| Ok(self.floats(node, 2, "bias")?.1)).transpose()
    }

    pub fn pool(&mut self, node: &Node, kind: PoolKind) -> Result<(), Refusal> {
        let at = self.axes.channels_first()?;
        let ([size, stride, dilation], pads) = self.steps(node, (at, self.axes.rank() - 2), None)?;
        if dilation != 1 && size != 1 {
            return Err("leaves positions out between those that it reads (dilation); the family's pools do not".into());
        }
        let pool = Pool {
            kind,
            size,
            stride,
            pads,
            rounds_up: node.int("ceil_mode").unwrap_or(0) != 0,
            counts_pads: node.int("count_include_pad").unwrap_or(0) != 0,
        };
        self.add(node, Step::Pool(pool))
    }

    pub fn global_pool(&mut self, node: &Node, kind: PoolKind) -> Result<(), Refusal> {
        self.begun()?;
        self.axes.channels_first()?;
        self.add(node, Step::GlobalPool(kind))
    }

    /// A mean or a maximum over axes: a global pool, if they are the positions.
    pub fn reduce(&mut self, node: &Node, kind: PoolKind) -> Result<(), Refusal> {
        let axes = self.integers(node, 1, "axes").ok_or("its axes are no constant")?;
        if !self.axes.are_positions(&axes) {
            return Err("does not go over the positions; the family has a global pool, which does".into());
        }
        self.add(node, Step::GlobalPool(kind))?;
        match node.int("keepdims").unwrap_or(1) {
            0 => self.axes.squeeze(Some(&axes)),
            _ => Ok(()),
        }
    }

    pub fn gemm(&mut self, node: &Node) -> Result<(), Refusal> {
        let (dims, mut kernel) = self.floats(node, 1, "kernel")?;
        let [rows, columns] = dims[..] else { return Err(format!("has a kernel of {} axes", dims.len())) };
        if node.int("transA").unwrap_or(0) != 0 || self.values.is_constant(&node.inputs[0]) {
            return Err("multiplies from the left; the family's dense layers multiply from the right".into());
        }
        let is_transposed = node.int("transB").unwrap_or(0) != 0;
        let outputs = if is_transposed { rows } else { columns };
        if is_transposed {
            kernel = (0..columns).flat_map(|i| (0..rows).map(move |o| o * columns + i)).map(|at| kernel[at]).collect();
        }
        let mut bias = self.bias(node)?;
        kernel.iter_mut().for_each(|weight| *weight *= node.float("alpha").unwrap_or(1.0));
        if let Some(bias) = &mut bias {
            if let [single] = bias[..] {
                *bias = vec![single; outputs];
            }
            bias.iter_mut().for_each(|bias| *bias *= node.float("beta").unwrap_or(1.0));
        }
        let inputs = if is_transposed { columns } else { rows };
        self.dense(node, Values { shape: vec![inputs, outputs], values: kernel }, bias)
    }

    pub fn matmul(&mut self, node: &Node) -> Result<(), Refusal> {
        let (shape, values) = self.floats(node, 1, "kernel")?;
        self.dense(node, Values { shape, values }, None)
    }

    fn dense(&mut self, node: &Node, kernel: Values, bias: Option<Vec<f32>>) -> Result<(), Refusal> {
        // Without positions, channels are features.
        if self.axes.rank() == 2 {
            self.flatten(node)?;
        }
        self.add(node, Step::Dense { kernel, bias })
    }
}
