//! A graph that is being built.

use super::model::{Kind, Model, Operator, Quantisation, Setting, Settings, Tensor, op, tables};
use crate::About;
use crate::int8::Grid;
use crate::preprocessing::{Binary, Operations, Unary};

/// The name of the graph's input.
pub const INPUT: &str = "window";
/// The name of the graph's output.
pub const OUTPUT: &str = "scores";
/// The name of the metadata entry that is a JSON object of all that is known.
pub const ABOUT: &str = "triax";

/// A model that grows operator by operator. Values are indices of tensors.
#[derive(Debug)]
pub struct Builder {
    model: Model,
}

/// What an operator is: its number, version and settings.
pub struct Operation {
    pub op: i32,
    pub version: i32,
    pub settings: Settings,
}

/// Operator `op` of version `version` with settings of `table`.
pub fn operation(op: i32, version: i32, table: u8, slots: impl Into<Vec<Setting>>) -> Operation {
    Operation { op, version, settings: Settings { table, slots: slots.into() } }
}

impl Builder {
    /// A graph without operators, for windows of (window, channels).
    pub fn new(window: usize, channels: usize) -> Self {
        let mut builder = Self { model: Model::default() };
        builder.model.input = builder.tensor(INPUT, &[1, window, channels], Kind::Float, None);
        builder
    }

    /// The graph's input.
    pub fn input(&self) -> usize {
        self.model.input
    }

    fn tensor(&mut self, name: &str, shape: &[usize], kind: Kind, data: Option<Vec<u8>>) -> usize {
        let shape = shape.iter().map(|size| i32::try_from(*size).expect("tensors have at most 2²⁸ values")).collect();
        self.model.tensors.push(Tensor { name: name.to_owned(), shape, kind, data, quantisation: None });
        self.model.tensors.len() - 1
    }

    /// Shape of tensor `x`, with a batch of 1.
    pub fn shape(&self, x: usize) -> Vec<usize> {
        self.model.tensors[x].shape.iter().map(|size| *size as usize).collect()
    }

    pub fn floats(&mut self, name: &str, shape: &[usize], values: &[f32]) -> usize {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.tensor(name, shape, Kind::Float, Some(bytes))
    }

    pub fn ints(&mut self, name: &str, shape: &[usize], values: &[i32]) -> usize {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.tensor(name, shape, Kind::Int32, Some(bytes))
    }

    pub fn bytes(&mut self, name: &str, shape: &[usize], values: &[i8]) -> usize {
        let bytes = values.iter().map(|value| *value as u8).collect();
        self.tensor(name, shape, Kind::Int8, Some(bytes))
    }

    /// Says what the integers of `tensor` stand for: with several scales, along its first axis.
    pub fn set_scales(&mut self, tensor: usize, scales: &[f32], zero_point: i32) {
        let zero_points = vec![i64::from(zero_point); scales.len()];
        self.model.tensors[tensor].quantisation = Some(Quantisation { scales: scales.to_vec(), zero_points, axis: 0 });
    }

    /// Adds an operator with an output of `shape`.
    pub fn operator(
        &mut self,
        name: &str,
        operation: Operation,
        inputs: &[usize],
        shape: &[usize],
        kind: Kind,
    ) -> usize {
        let output = self.tensor(name, shape, kind, None);
        let Operation { op, version, settings } = operation;
        self.model.operators.push(Operator { op, version, inputs: inputs.to_vec(), output, settings });
        output
    }

    /// Adds an operator whose output is as its first input, in floats or on `grid`.
    pub fn layer(
        &mut self,
        name: &str,
        operation: Operation,
        inputs: &[usize],
        shape: &[usize],
        grid: Option<Grid>,
    ) -> usize {
        let kind = if grid.is_some() { Kind::Int8 } else { Kind::Float };
        let output = self.operator(name, operation, inputs, shape, kind);
        if let Some(grid) = grid {
            self.set_scales(output, &[grid.scale], grid.zero_point);
        }
        output
    }

    /// Reshapes `x` to (batch, `rest`).
    pub fn reshape(&mut self, name: &str, x: usize, rest: &[usize], grid: Option<Grid>) -> usize {
        let sizes: Vec<i32> = std::iter::once(-1).chain(rest.iter().map(|size| *size as i32)).collect();
        let shape = self.ints(&format!("{name}/shape"), &[sizes.len()], &sizes);
        let all: Vec<usize> = std::iter::once(1).chain(rest.iter().copied()).collect();
        self.layer(name, operation(op::RESHAPE, 1, tables::RESHAPE, []), &[x, shape], &all, grid)
    }

    /// The file, whose last operator gives the scores.
    pub fn finish(
        mut self,
        description: &str,
        about: &About,
        entries: impl IntoIterator<Item = (&'static str, String)>,
    ) -> Vec<u8> {
        let last = self.model.operators.last().expect("a network has layers").output;
        self.model.output = last;
        OUTPUT.clone_into(&mut self.model.tensors[last].name);
        description.clone_into(&mut self.model.description);
        let entries = about.entries().into_iter().chain(entries);
        let entries: serde_json::Map<String, serde_json::Value> =
            entries.map(|(key, value)| (key.to_owned(), value.into())).collect();
        let about = serde_json::Value::Object(entries).to_string();
        self.model.metadata = vec![(ABOUT.into(), about)];
        self.model.encode()
    }

    /// The operators and tensors so far.
    pub fn into_model(self) -> Model {
        self.model
    }

    fn elementwise(&mut self, operation: Operation, inputs: &[usize], kind: Kind) -> usize {
        // The longest of each axis: a constant has one axis, of length 1.
        let shapes: Vec<Vec<usize>> = inputs.iter().map(|x| self.shape(*x)).filter(|shape| shape.len() == 3).collect();
        let longest = |axis: usize| shapes.iter().map(|shape| shape[axis]).max().unwrap_or(1);
        let shape = [0, 1, 2].map(longest);
        let name = format!("normalise/{}", self.model.tensors.len());
        self.operator(&name, operation, inputs, &shape, kind)
    }

    fn joined(&mut self, name: &str, parts: &[usize], axis: usize) -> usize {
        let mut shape = self.shape(parts[0]);
        shape[axis] = parts.iter().map(|part| self.shape(*part)[axis]).sum();
        let settings = [Setting::Int(axis as i32), Setting::Byte(0)];
        let concatenation = operation(op::CONCATENATION, 1, tables::CONCATENATION, settings);
        self.operator(name, concatenation, parts, &shape, Kind::Float)
    }

    fn slice(&mut self, x: usize, axis: usize, first: usize, n: usize) -> usize {
        let mut shape = self.shape(x);
        let (mut begin, mut end) = ([0; 3], [0; 3]);
        (begin[axis], end[axis], shape[axis]) = (first as i32, (first + n) as i32, n);
        let name = format!("normalise/{}", self.model.tensors.len());
        let begin = self.ints(&format!("{name}/begin"), &[3], &begin);
        let end = self.ints(&format!("{name}/end"), &[3], &end);
        let strides = self.ints(&format!("{name}/strides"), &[3], &[1; 3]);
        // The other axes are taken whole.
        let mask = Setting::Int(0b111 & !(1 << axis));
        let none = Setting::Int(0);
        let slice = operation(op::STRIDED_SLICE, 1, tables::STRIDED_SLICE, [mask, mask, none, none, none]);
        self.operator(&name, slice, &[x, begin, end, strides], &shape, Kind::Float)
    }
}

/// In f32: no other floats are there.
impl Operations for Builder {
    type Value = usize;

    fn constant(&mut self, value: f64) -> usize {
        let name = format!("normalise/{}", self.model.tensors.len());
        self.floats(&name, &[1], &[value as f32])
    }

    fn channels(&mut self, x: &usize, first: usize, n: usize) -> usize {
        self.slice(*x, 2, first, n)
    }

    fn samples(&mut self, x: &usize, first: usize, n: usize) -> usize {
        self.slice(*x, 1, first, n)
    }

    fn mean(&mut self, x: &usize) -> usize {
        let mut shape = self.shape(*x);
        shape[1] = 1;
        let name = format!("normalise/{}", self.model.tensors.len());
        let axis = self.ints(&format!("{name}/axis"), &[1], &[1]);
        let mean = operation(op::MEAN, 1, tables::REDUCER, [Setting::Byte(1)]);
        self.operator(&name, mean, &[*x, axis], &shape, Kind::Float)
    }

    fn concat(&mut self, parts: &[usize]) -> usize {
        self.joined("normalise/all", parts, 2)
    }

    fn append(&mut self, parts: &[usize]) -> usize {
        self.joined(&format!("normalise/{}", self.model.tensors.len()), parts, 1)
    }

    fn low_pass(&mut self, x: &usize, size: usize) -> usize {
        let shape = self.shape(*x);
        let name = format!("normalise/{}", self.model.tensors.len());
        let image = [1, 1, shape[1], shape[2]];
        let mut x = self.reshape(&format!("{name}/image"), *x, &image[1..], None);
        for pass in 1..=2 {
            let int = |value: usize| Setting::Int(value as i32);
            let settings = [Setting::Byte(0), int(1), int(1), int(size), int(1), Setting::Byte(0)];
            let average = operation(op::AVERAGE_POOL_2D, 1, tables::POOL_2D, settings);
            x = self.operator(&format!("{name}/average{pass}"), average, &[x], &image, Kind::Float);
        }
        self.reshape(&name, x, &shape[1..], None)
    }

    fn unary(&mut self, unary: Unary, x: &usize) -> usize {
        let operation = match unary {
            Unary::Sqrt => operation(op::SQRT, 1, tables::NONE, []),
            Unary::Abs => operation(op::ABS, 1, tables::ABS, []),
        };
        self.elementwise(operation, &[*x], Kind::Float)
    }

    fn binary(&mut self, binary: Binary, a: &usize, b: &usize) -> usize {
        let plain = [Setting::Byte(0)];
        let operation = match binary {
            Binary::Add => operation(op::ADD, 1, tables::ADD, plain),
            Binary::Sub => operation(op::SUB, 1, tables::SUB, plain),
            Binary::Mul => operation(op::MUL, 1, tables::MUL, plain),
            Binary::Div => operation(op::DIV, 1, tables::DIV, plain),
            Binary::Max => operation(op::MAXIMUM, 1, tables::MAXIMUM, []),
        };
        self.elementwise(operation, &[*a, *b], Kind::Float)
    }

    fn where_less(&mut self, a: &usize, b: &usize, yes: &usize, no: &usize) -> usize {
        let less = self.elementwise(operation(op::LESS, 1, tables::LESS, []), &[*a, *b], Kind::Bool);
        self.elementwise(operation(op::SELECT_V2, 1, tables::SELECT_V2, []), &[less, *yes, *no], Kind::Float)
    }
}
