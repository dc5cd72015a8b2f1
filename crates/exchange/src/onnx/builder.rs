//! A graph that is being built.

use super::model::{Attribute, Data, Dim, Model, Node, Port, Tensor, data_type};
use crate::About;
use crate::preprocessing::{Binary, Operations, Unary};

/// A model that grows node by node. Values are called after the nodes that make them.
#[derive(Debug)]
pub struct Builder {
    model: Model,
    /// Stands before all names, such as `member2/`.
    prefix: String,
    /// Number of the nodes and constants that have no name of their own.
    unnamed: usize,
}

/// The name of the graph's input.
pub const INPUT: &str = "window";
/// The name of the graph's output.
pub const OUTPUT: &str = "scores";

impl Builder {
    /// A graph without nodes, for windows of (window, channels).
    pub fn new(window: usize, channels: usize) -> Self {
        let input = Port {
            name: INPUT.into(),
            data_type: data_type::FLOAT,
            dims: vec![Dim::Open("batch".into()), Dim::Size(window), Dim::Size(channels)],
        };
        // The oldest versions that hold everything, which the most programs read. Operators per channel of int8 came with
        // opset 13.
        let model = Model { ir_version: 7, opset: 13, inputs: vec![input], ..Model::default() };
        Self { model, prefix: String::new(), unnamed: 0 }
    }

    /// Lets the names of what follows start with `prefix`.
    pub fn set_prefix(&mut self, prefix: String) {
        self.prefix = prefix;
    }

    /// A constant tensor, and its name.
    pub fn constant(&mut self, name: &str, dims: &[usize], data: Data) -> String {
        let name = format!("{}{name}", self.prefix);
        self.model.constants.push((name.clone(), Tensor { dims: dims.to_vec(), data }));
        name
    }

    /// A node with one output, which has its name.
    pub fn node(&mut self, name: &str, op: &str, inputs: &[&str], attributes: &[(&str, Attribute)]) -> String {
        let name = format!("{}{name}", self.prefix);
        self.model.nodes.push(Node {
            name: name.clone(),
            op: op.into(),
            domain: String::new(),
            inputs: inputs.iter().map(|&input| input.to_owned()).collect(),
            outputs: vec![name.clone()],
            attributes: attributes.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect(),
        });
        name
    }

    /// The graph, whose last node gives the scores.
    pub fn finish(
        mut self,
        classes: usize,
        doc: &str,
        about: &About,
        entries: impl IntoIterator<Item = (&'static str, String)>,
    ) -> Vec<u8> {
        let last = self.model.nodes.last_mut().expect("a network has layers");
        last.outputs = vec![OUTPUT.into()];
        self.model.outputs = vec![Port {
            name: OUTPUT.into(),
            data_type: data_type::FLOAT,
            dims: vec![Dim::Open("batch".into()), Dim::Size(classes)],
        }];
        let (program, version) = about.producer.split_once(' ').unwrap_or((&about.producer, ""));
        self.model.producer = (program.to_owned(), version.to_owned());
        doc.clone_into(&mut self.model.doc);
        let entries = about.entries().into_iter().chain(entries);
        self.model.metadata = entries.map(|(key, value)| (key.to_owned(), value)).collect();
        self.model.encode()
    }

    /// The nodes and constants so far.
    pub fn into_model(self) -> Model {
        self.model
    }

    fn unnamed(&mut self, op: &str) -> String {
        self.unnamed += 1;
        format!("normalise/{}{}", op.to_lowercase(), self.unnamed)
    }

    fn indices(&mut self, values: &[i64]) -> String {
        let name = self.unnamed("indices");
        self.constant(&name, &[values.len()], Data::Int64(values.to_vec()))
    }

    fn operation(&mut self, op: &str, inputs: &[&str], attributes: &[(&str, Attribute)]) -> String {
        let name = self.unnamed(op);
        self.node(&name, op, inputs, attributes)
    }

    fn slice(&mut self, x: &str, axis: i64, first: usize, n: usize) -> String {
        let [starts, ends, axes] = [first as i64, (first + n) as i64, axis].map(|index| self.indices(&[index]));
        self.operation("Slice", &[x, &starts, &ends, &axes], &[])
    }
}

/// In f64, as they are defined.
impl Operations for Builder {
    type Value = String;

    fn constant(&mut self, value: f64) -> String {
        let name = self.unnamed("constant");
        Self::constant(self, &name, &[1], Data::Double(vec![value]))
    }

    fn channels(&mut self, x: &String, first: usize, n: usize) -> String {
        self.slice(x, 2, first, n)
    }

    fn samples(&mut self, x: &String, first: usize, n: usize) -> String {
        self.slice(x, 1, first, n)
    }

    fn mean(&mut self, x: &String) -> String {
        self.operation("ReduceMean", &[x], &[("axes", Attribute::Ints(vec![1])), ("keepdims", Attribute::Int(1))])
    }

    fn concat(&mut self, parts: &[String]) -> String {
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        self.operation("Concat", &parts, &[("axis", Attribute::Int(2))])
    }

    fn append(&mut self, parts: &[String]) -> String {
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        self.operation("Concat", &parts, &[("axis", Attribute::Int(1))])
    }

    /// In f32: runtimes have no averages in f64.
    fn low_pass(&mut self, x: &String, size: usize) -> String {
        let cast = |graph: &mut Self, x: &str, to: i64| graph.operation("Cast", &[x], &[("to", Attribute::Int(to))]);
        let swap =
            |graph: &mut Self, x: &str| graph.operation("Transpose", &[x], &[("perm", Attribute::Ints(vec![0, 2, 1]))]);
        let (size, half) = (size as i64, size as i64 / 2);
        let average = [
            ("kernel_shape", Attribute::Ints(vec![size])),
            ("strides", Attribute::Ints(vec![1])),
            ("pads", Attribute::Ints(vec![half, half])),
            ("count_include_pad", Attribute::Int(0)),
        ];
        let mut x = cast(self, x, data_type::FLOAT);
        x = swap(self, &x);
        for _ in 0..2 {
            x = self.operation("AveragePool", &[&x], &average);
        }
        x = swap(self, &x);
        cast(self, &x, data_type::DOUBLE)
    }

    fn unary(&mut self, operation: Unary, x: &String) -> String {
        let op = match operation {
            Unary::Sqrt => "Sqrt",
            Unary::Abs => "Abs",
        };
        self.operation(op, &[x], &[])
    }

    fn binary(&mut self, operation: Binary, a: &String, b: &String) -> String {
        let op = match operation {
            Binary::Add => "Add",
            Binary::Sub => "Sub",
            Binary::Mul => "Mul",
            Binary::Div => "Div",
            Binary::Max => "Max",
        };
        self.operation(op, &[a, b], &[])
    }

    fn where_less(&mut self, a: &String, b: &String, yes: &String, no: &String) -> String {
        let is_less = self.operation("Less", &[a, b], &[]);
        self.operation("Where", &[&is_less, yes, no], &[])
    }
}
