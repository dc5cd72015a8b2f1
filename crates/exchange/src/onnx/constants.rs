//! The constants of a graph, and who makes its values.

use std::borrow::Cow;
use std::collections::HashMap;

use super::axes::ShapeElement;
use super::model::{Attribute, Data, Model, Node, Tensor};

/// How many nodes deep a constant may be computed.
const DEEPEST: usize = 16;

/// The nodes of a graph by what they make, and its constants.
pub struct Values<'a> {
    constants: HashMap<&'a str, &'a Tensor>,
    producers: HashMap<&'a str, &'a Node>,
}

impl<'a> Values<'a> {
    /// Those of `model`.
    pub fn of(model: &'a Model) -> Self {
        let producers = model.nodes.iter().flat_map(|node| node.outputs.iter().map(move |name| (name.as_str(), node)));
        Self {
            constants: model.constants.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect(),
            producers: producers.collect(),
        }
    }

    /// The node that makes `value`.
    pub fn producer(&self, value: &str) -> Option<&'a Node> {
        self.producers.get(value).copied()
    }

    /// Whether `value` is a constant.
    pub fn is_constant(&self, value: &str) -> bool {
        self.depends_on_constants(value, DEEPEST)
    }

    fn depends_on_constants(&self, value: &str, depth: usize) -> bool {
        if self.constants.contains_key(value) {
            return true;
        }
        let Some(node) = self.producer(value) else { return false };
        match node.op.as_str() {
            "Constant" => true,
            "Identity" | "Cast" | "Transpose" | "Reshape" | "Unsqueeze" | "Squeeze" | "DequantizeLinear" => {
                depth > 0 && node.inputs.iter().all(|input| self.depends_on_constants(input, depth - 1))
            }
            _ => false,
        }
    }

    /// The constant `value`, if it is one that can be read.
    pub fn constant(&self, value: &str) -> Option<Cow<'a, Tensor>> {
        self.computed(value, DEEPEST)
    }

    fn computed(&self, value: &str, depth: usize) -> Option<Cow<'a, Tensor>> {
        if let Some(&tensor) = self.constants.get(value) {
            return Some(Cow::Borrowed(tensor));
        }
        let node = self.producer(value)?;
        if node.op == "Constant" {
            return constant_of(node);
        }
        let input = self.computed(node.inputs.first()?, depth.checked_sub(1)?)?;
        let ints = |at: usize, name: &str| match node.inputs.get(at) {
            Some(input) => self.integers(input),
            None => node.ints(name).map(<[i64]>::to_vec),
        };
        match node.op.as_str() {
            "Identity" => Some(input),
            "Cast" => Some(input).filter(|_| matches!(node.int("to"), Some(1 | 7 | 11))),
            "Transpose" => {
                let reversed = (0..input.dims.len() as i64).rev().collect();
                transposed(&input, &node.ints("perm").map_or(reversed, <[i64]>::to_vec)).map(Cow::Owned)
            }
            // A constant's shape matters where it is combined with a tensor; lengths of 1 come and go.
            "Reshape" => reshaped(input, &ints(1, "shape")?),
            "Unsqueeze" => {
                let axes = ints(1, "axes")?;
                let mut dims = input.dims.clone();
                let rank = (dims.len() + axes.len()) as i64;
                let mut axes: Vec<i64> = axes.iter().map(|axis| if *axis < 0 { axis + rank } else { *axis }).collect();
                axes.sort_unstable();
                for axis in axes {
                    let axis = usize::try_from(axis).ok().filter(|axis| *axis <= dims.len() && dims.len() < 8)?;
                    dims.insert(axis, 1);
                }
                Some(Cow::Owned(Tensor { dims, ..input.into_owned() }))
            }
            "Squeeze" => {
                let dims = input.dims.iter().copied().filter(|dim| *dim != 1).collect();
                Some(Cow::Owned(Tensor { dims, ..input.into_owned() }))
            }
            _ => None,
        }
    }

    /// A constant of integers.
    pub fn integers(&self, value: &str) -> Option<Vec<i64>> {
        match &self.constant(value)?.data {
            Data::Int64(values) => Some(values.clone()),
            Data::Int32(values) => Some(values.iter().map(|value| i64::from(*value)).collect()),
            _ => None,
        }
    }

    /// A constant of floats, with its shape.
    pub fn floats(&self, value: &str) -> Option<(Vec<usize>, Vec<f32>)> {
        let tensor = self.constant(value)?;
        let values = match &tensor.data {
            Data::Float(values) => values.clone(),
            Data::Double(values) => values.iter().map(|value| *value as f32).collect(),
            _ => return None,
        };
        Some((tensor.dims.clone(), values))
    }

    /// A constant of a single number.
    pub fn number(&self, value: &str) -> Option<f32> {
        match self.floats(value)?.1[..] {
            [number] => Some(number),
            _ => None,
        }
    }

    /// A shape that the graph may compute from that of its input.
    pub fn shape(&self, value: &str) -> Option<Vec<ShapeElement>> {
        self.shape_within(value, DEEPEST)
    }

    fn shape_within(&self, value: &str, depth: usize) -> Option<Vec<ShapeElement>> {
        if let Some(integers) = self.integers(value) {
            return (integers.len() <= 8).then(|| integers.into_iter().map(ShapeElement::Known).collect());
        }
        let node = self.producer(value)?;
        let depth = depth.checked_sub(1)?;
        let first = || self.shape_within(node.inputs.first()?, depth);
        match node.op.as_str() {
            "Identity" | "Cast" | "Unsqueeze" | "Squeeze" => first(),
            // Windows come first; no tensor of the family has more than six axes.
            "Shape" => {
                let mut shape = vec![ShapeElement::Unknown; 6];
                shape[0] = ShapeElement::Batch;
                Some(shape)
            }
            "Gather" => {
                let (shape, indices) = (first()?, self.integers(node.inputs.get(1)?)?);
                let at = |index: &i64| usize::try_from(*index).ok().and_then(|index| shape.get(index).copied());
                let taken = indices.iter().take(8).map(|index| at(index).unwrap_or(ShapeElement::Unknown));
                Some(taken.collect())
            }
            "Slice" => {
                let [start, end] = [1, 2].map(|at| self.integers(node.inputs.get(at)?));
                let ([start], [end]) = (&start?[..], &end?[..]) else { return None };
                let (start, end) = (usize::try_from(*start).ok()?, usize::try_from(*end).ok()?);
                first()?.get(start..end).map(<[ShapeElement]>::to_vec)
            }
            "Mul" => Some(vec![ShapeElement::Unknown]),
            "Concat" => {
                let mut shape = Vec::new();
                for input in node.inputs.iter().take(8) {
                    shape.extend(self.shape_within(input, depth)?);
                }
                (shape.len() <= 8).then_some(shape)
            }
            _ => None,
        }
    }
}

impl Node {
    /// Attribute `name`, if it is an integer.
    pub fn int(&self, name: &str) -> Option<i64> {
        match self.attribute(name)? {
            Attribute::Int(value) => Some(*value),
            _ => None,
        }
    }

    /// Attribute `name`, if it is a float.
    pub fn float(&self, name: &str) -> Option<f32> {
        match self.attribute(name)? {
            Attribute::Float(value) => Some(*value),
            _ => None,
        }
    }

    /// Attribute `name`, if it is a list of integers.
    pub fn ints(&self, name: &str) -> Option<&[i64]> {
        match self.attribute(name)? {
            Attribute::Ints(values) => Some(values),
            _ => None,
        }
    }

    /// Attribute `name`, if it is a text.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.attribute(name)? {
            Attribute::Text(text) => Some(text),
            _ => None,
        }
    }

    fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }
}

fn constant_of(node: &Node) -> Option<Cow<'_, Tensor>> {
    let (_, value) = node.attributes.iter().find(|(key, _)| key.starts_with("value"))?;
    let list = |data: Data| Some(Cow::Owned(Tensor { dims: vec![data.len()], data }));
    let single = |data: Data| Some(Cow::Owned(Tensor { dims: Vec::new(), data }));
    match value {
        Attribute::Tensor(tensor) => Some(Cow::Borrowed(tensor)),
        Attribute::Float(value) => single(Data::Float(vec![*value])),
        Attribute::Int(value) => single(Data::Int64(vec![*value])),
        Attribute::Floats(values) => list(Data::Float(values.clone())),
        Attribute::Ints(values) => list(Data::Int64(values.clone())),
        Attribute::Text(_) | Attribute::Other => None,
    }
}

fn reshaped<'a>(tensor: Cow<'a, Tensor>, shape: &[i64]) -> Option<Cow<'a, Tensor>> {
    let n = tensor.data.len();
    let known = shape.iter().filter(|dim| **dim > 0).try_fold(1_i64, |product, dim| product.checked_mul(*dim))?;
    let dim = |(at, dim): (usize, &i64)| match *dim {
        -1 => usize::try_from(known).ok().map(|known| n / known),
        0 => tensor.dims.get(at).copied(),
        dim => usize::try_from(dim).ok(),
    };
    let dims: Vec<usize> = shape.iter().enumerate().map(dim).collect::<Option<_>>()?;
    let count = dims.iter().try_fold(1_usize, |product, dim| product.checked_mul(*dim));
    (count == Some(n) && dims.len() <= 8).then(|| Cow::Owned(Tensor { dims, ..tensor.into_owned() }))
}

/// `tensor` with its axes in another order.
fn transposed(tensor: &Tensor, order: &[i64]) -> Option<Tensor> {
    let rank = tensor.dims.len();
    let order: Vec<usize> = order.iter().map(|axis| usize::try_from(*axis).ok()).collect::<Option<_>>()?;
    let is_permutation = order.len() == rank && (0..rank).all(|axis| order.contains(&axis));
    let Data::Float(values) = &tensor.data else { return None };
    if !is_permutation {
        return None;
    }
    let dims: Vec<usize> = order.iter().map(|axis| tensor.dims[*axis]).collect();
    let stride = |axis: usize| tensor.dims[axis + 1..].iter().product::<usize>();
    let strides: Vec<usize> = order.iter().map(|axis| stride(*axis)).collect();
    let value = |mut n: usize| {
        let mut at = 0;
        for (dim, stride) in dims.iter().zip(&strides).rev() {
            at += n % dim * stride;
            n /= dim;
        }
        values[at]
    };
    Some(Tensor { data: Data::Float((0..values.len()).map(value).collect()), dims })
}
