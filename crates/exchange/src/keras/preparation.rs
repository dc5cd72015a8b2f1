//! The preparation of each window by itself, as operations of a functional model: out, and recognised on the way in.
//!
//! Keras has no layers for it. Operations of `keras.ops` between layers are part of a functional model and need no code
//! where it is loaded, as a `Lambda` or a layer of one's own would. They compute in float32, Triax in float64: the results
//! differ by rounding.

use serde_json::{Map, Value, json};
use triax_model::{PerWindow, Preparation};

use super::config::LayerConfig;
use crate::preprocessing::{Binary, Operations, Unary, derive};

/// The name of the input layer.
pub(super) const INPUT: &str = "window";

/// A deviation up to this part of the mean is the rounding of a constant channel in float32.
const CONSTANT: f64 = 2e-6;
/// The square of the sine below which a direction is the opposite one: as in [`PerWindow::AlignGravity`].
const OPPOSITE: f64 = 2e-12;

/// The functional model of these `layers`, an input layer first, with the operations of `preparation` after it.
pub(super) fn functional(preparation: &Preparation, input: (usize, usize), layers: Vec<Value>) -> Value {
    let operations = operations(preparation, input);
    let mut before = Tensor::layer(INPUT, vec![input.0, input.1]);
    let mut all = Vec::new();
    for (i, mut layer) in layers.into_iter().enumerate() {
        layer["name"] = layer["config"]["name"].clone();
        layer["inbound_nodes"] = if i == 0 { json!([]) } else { nodes(&[before.json()]) };
        // Keras infers shapes anew: those between the layers are not needed here.
        before = Tensor { name: layer["name"].as_str().unwrap_or_default().to_owned(), ..before };
        all.push(layer);
        if i == 0 {
            all.extend(operations.nodes.iter().cloned());
            before = operations.last();
        }
    }
    json!({
        "module": "keras.src.models.functional",
        "class_name": "Functional",
        "config": {
            "name": "triax",
            "layers": all,
            "input_layers": [INPUT, 0, 0],
            "output_layers": [before.name, 0, 0],
        },
        "registered_name": "Functional",
    })
}

/// The preparation that operations of a functional model are, with their names in the order of computation, if they are
/// those that [`functional`] writes. The file `tells` one that derives channels.
pub(super) fn recognised(
    layers: &[LayerConfig],
    input: (usize, usize),
    tells: Option<&Preparation>,
) -> Option<(Preparation, Vec<String>)> {
    let known = [PerWindow::Standardise, PerWindow::AlignGravity].map(Preparation::from);
    tells.cloned().into_iter().chain(known).find_map(|preparation| {
        if preparation.channels_out(input.1).is_err() {
            return None;
        }
        let expected = operations(&preparation, input).nodes;
        let names: Option<Vec<String>> = expected
            .iter()
            .map(|node| {
                let name = node["name"].as_str()?;
                let layer = layers.iter().find(|layer| layer.name == name)?;
                let settings = node["config"].as_object()?;
                let is_same = layer.class == node["class_name"].as_str()?
                    && settings.iter().all(|(key, value)| layer.settings.get(key) == Some(value))
                    && plain(&layer.inbound[0]["args"]) == plain(&node["inbound_nodes"][0]["args"]);
                is_same.then(|| name.to_owned())
            })
            .collect();
        Some((preparation, names?))
    })
}

/// Arguments with each tensor as the place that it comes from, and numbers as float64.
fn plain(arguments: &Value) -> Value {
    match arguments {
        Value::Array(list) => list.iter().map(plain).collect(),
        Value::Object(map) if map.contains_key("config") => map["config"]["keras_history"].clone(),
        Value::Number(number) => json!(number.as_f64()),
        other => other.clone(),
    }
}

/// The result of an operation.
#[derive(Clone)]
struct Tensor {
    name: String,
    /// Which of several results.
    index: usize,
    /// Without the batch.
    shape: Vec<usize>,
    dtype: &'static str,
}

impl Tensor {
    fn layer(name: &str, shape: Vec<usize>) -> Self {
        Self { name: name.to_owned(), index: 0, shape, dtype: "float32" }
    }

    fn json(&self) -> Value {
        let shape: Vec<Value> =
            [Value::Null].into_iter().chain(self.shape.iter().map(|&length| json!(length))).collect();
        let history = json!([self.name, 0, self.index]);
        json!({"class_name": "__keras_tensor__", "config": {"shape": shape, "dtype": self.dtype, "keras_history": history}})
    }
}

fn nodes(arguments: &[Value]) -> Value {
    json!([{"args": arguments, "kwargs": {}}])
}

/// An argument of an operation.
enum Argument<'a> {
    Of(&'a Tensor),
    Number(f64),
}
use Argument::{Number, Of};

/// Operations, one after the other.
struct Graph {
    prefix: String,
    nodes: Vec<Value>,
    shape: Vec<usize>,
}

impl Graph {
    fn last(&self) -> Tensor {
        Tensor::layer(&format!("{}_{}", self.prefix, self.nodes.len()), self.shape.clone())
    }

    /// Adds an operation of class `class`, with its `settings`, whose result has `shape`.
    fn add(&mut self, class: &str, settings: Value, arguments: Value, shape: &[usize], dtype: &'static str) -> Tensor {
        let name = format!("{}_{}", self.prefix, self.nodes.len() + 1);
        let mut config = Map::from_iter([("name".to_owned(), json!(name))]);
        config.extend(settings.as_object().cloned().unwrap_or_default());
        let is_layer = class == "AveragePooling1D";
        self.nodes.push(json!({
            "module": if is_layer { "keras.layers" } else { "keras.src.ops.numpy" },
            "class_name": class,
            "config": config,
            "registered_name": (!is_layer).then_some(class),
            "name": name,
            "inbound_nodes": [{"args": arguments, "kwargs": {}}],
        }));
        self.shape = shape.to_vec();
        Tensor { dtype, ..Tensor::layer(&name, shape.to_vec()) }
    }

    /// `n` places of `axis`, counted with the batch, from `first` on.
    fn part(&mut self, x: &Tensor, axis: usize, first: usize, n: usize) -> Tensor {
        let length = x.shape[axis - 1];
        if n == length {
            return x.clone();
        }
        let mut ends = vec![first, first + n];
        ends.retain(|end| !(*end == 0 || *end == length));
        let mut shape = x.shape.clone();
        shape[axis - 1] = n;
        let split = json!({"indices_or_sections": ends, "axis": axis});
        let part = self.add("Split", split, json!([x.json()]), &shape, "float32");
        Tensor { index: usize::from(first > 0), ..part }
    }

    fn joined(&mut self, parts: &[Operand], axis: usize) -> Operand {
        let parts: Vec<&Tensor> = parts.iter().map(Operand::tensor).collect();
        let mut shape = parts[0].shape.clone();
        shape[axis - 1] = parts.iter().map(|part| part.shape[axis - 1]).sum();
        let json: Vec<Value> = parts.iter().map(|part| part.json()).collect();
        Operand::Tensor(self.add("Concatenate", json!({"axis": axis}), json!([json]), &shape, "float32"))
    }

    /// An operation on each element. Shapes are spread over each other.
    fn each<const N: usize>(&mut self, class: &str, arguments: [Argument<'_>; N]) -> Tensor {
        let mut shape = Vec::new();
        for argument in &arguments {
            if let Of(tensor) = argument {
                shape.resize(tensor.shape.len(), 1);
                shape.iter_mut().zip(&tensor.shape).for_each(|(length, other)| *length = (*length).max(*other));
            }
        }
        let values = arguments.map(|argument| match argument {
            Of(tensor) => tensor.json(),
            Number(number) => json!(number),
        });
        let dtype = if matches!(class, "Greater" | "Less" | "LogicalAnd") { "bool" } else { "float32" };
        self.add(class, json!({}), json!(&values[..]), &shape, dtype)
    }

    /// The mean or the sum over `axis`, counted with the batch, which stays with length 1.
    fn over(&mut self, class: &str, axis: usize, x: &Tensor) -> Tensor {
        let mut shape = x.shape.clone();
        shape[axis - 1] = 1;
        self.add(class, json!({"axis": axis, "keepdims": true}), json!([x.json()]), &shape, "float32")
    }

    fn reshape(&mut self, x: &Tensor, shape: &[usize]) -> Tensor {
        let with_batch: Vec<i64> = [-1].into_iter().chain(shape.iter().map(|&length| length as i64)).collect();
        self.add("Reshape", json!({"newshape": with_batch}), json!([x.json()]), shape, "float32")
    }

    /// The three parts of the last axis, of three.
    fn split(&mut self, x: &Tensor) -> [Tensor; 3] {
        let axis = x.shape.len();
        let mut shape = x.shape.clone();
        shape[axis - 1] = 1;
        let split = json!({"indices_or_sections": 3, "axis": axis});
        let first = self.add("Split", split, json!([x.json()]), &shape, "float32");
        [0, 1, 2].map(|index| Tensor { index, ..first.clone() })
    }
}

/// A value of the operations that channels are derived by.
#[derive(Clone)]
enum Operand {
    Tensor(Tensor),
    Number(f64),
}

impl Operand {
    fn tensor(&self) -> &Tensor {
        match self {
            Self::Tensor(tensor) => tensor,
            Self::Number(_) => unreachable!("only element by element are there numbers"),
        }
    }

    fn argument(&self) -> Argument<'_> {
        match self {
            Self::Tensor(tensor) => Of(tensor),
            Self::Number(number) => Number(*number),
        }
    }
}

impl Operations for Graph {
    type Value = Operand;

    fn constant(&mut self, value: f64) -> Operand {
        Operand::Number(value)
    }

    fn channels(&mut self, x: &Operand, first: usize, n: usize) -> Operand {
        Operand::Tensor(self.part(x.tensor(), 2, first, n))
    }

    fn samples(&mut self, x: &Operand, first: usize, n: usize) -> Operand {
        Operand::Tensor(self.part(x.tensor(), 1, first, n))
    }

    fn mean(&mut self, x: &Operand) -> Operand {
        Operand::Tensor(self.over("Mean", 1, x.tensor()))
    }

    fn concat(&mut self, parts: &[Operand]) -> Operand {
        self.joined(parts, 2)
    }

    fn append(&mut self, parts: &[Operand]) -> Operand {
        self.joined(parts, 1)
    }

    fn low_pass(&mut self, x: &Operand, size: usize) -> Operand {
        let average = json!({"pool_size": [size], "strides": [1], "padding": "same"});
        let mut x = x.tensor().clone();
        for _ in 0..2 {
            x = self.add("AveragePooling1D", average.clone(), json!([x.json()]), &x.shape, "float32");
        }
        Operand::Tensor(x)
    }

    fn unary(&mut self, operation: Unary, x: &Operand) -> Operand {
        let class = match operation {
            Unary::Sqrt => "Sqrt",
            Unary::Abs => "Absolute",
        };
        Operand::Tensor(self.each(class, [x.argument()]))
    }

    fn binary(&mut self, operation: Binary, a: &Operand, b: &Operand) -> Operand {
        let class = match operation {
            Binary::Add => "Add",
            Binary::Sub => "Subtract",
            Binary::Mul => "Multiply",
            Binary::Div => "Divide",
            Binary::Max => "Maximum",
        };
        Operand::Tensor(self.each(class, [a.argument(), b.argument()]))
    }

    fn where_less(&mut self, a: &Operand, b: &Operand, yes: &Operand, no: &Operand) -> Operand {
        let is_less = self.each("Less", [a.argument(), b.argument()]);
        Operand::Tensor(self.each("Where", [Of(&is_less), yes.argument(), no.argument()]))
    }
}

/// The operations of `preparation` on windows of the shape `input`.
fn operations(preparation: &Preparation, input: (usize, usize)) -> Graph {
    let prefix = match (&preparation.derivation, preparation.normalisation) {
        (None, Some(way)) => format!("normalize_{way}"),
        _ => "prepare".to_owned(),
    };
    let mut graph = Graph { prefix, nodes: Vec::new(), shape: vec![input.0, input.1] };
    let raw = Tensor::layer(INPUT, vec![input.0, input.1]);
    let is = |way: PerWindow| preparation.normalisation == Some(way);
    let mut x = if is(PerWindow::AlignGravity) { align(&mut graph, &raw) } else { raw.clone() };
    if let Some(derivation) = &preparation.derivation {
        let upright = is(PerWindow::AlignGravity).then_some(Operand::Tensor(x));
        x = derive(&mut graph, derivation, &Operand::Tensor(raw), upright.as_ref(), input.0).tensor().clone();
    }
    if is(PerWindow::Standardise) {
        standardise(&mut graph, &x);
    }
    graph
}

/// `(x − mean) / deviation`, and 0 for a constant channel.
fn standardise(o: &mut Graph, x: &Tensor) -> Tensor {
    let mean = o.over("Mean", 1, x);
    let centred = o.each("Subtract", [Of(x), Of(&mean)]);
    let squares = o.each("Square", [Of(&centred)]);
    let variance = o.over("Mean", 1, &squares);
    let deviation = o.each("Sqrt", [Of(&variance)]);
    let size = o.each("Absolute", [Of(&mean)]);
    let rounding = o.each("Multiply", [Of(&size), Number(CONSTANT)]);
    let varies = o.each("Greater", [Of(&deviation), Of(&rounding)]);
    let divisor = o.each("Where", [Of(&varies), Of(&deviation), Number(1.0)]);
    let scaled = o.each("Divide", [Of(&centred), Of(&divisor)]);
    o.each("Where", [Of(&varies), Of(&scaled), Number(0.0)])
}

/// Rotates each group of three channels, with the shortest rotation of their mean's direction (a, b, c) to the third axis: with
/// `s = a·x + b·y` and `t = s/(1 + c) + z` it is `(x − a·t, y − b·t, s + c·z)`. `1/(1 + c)` is `(1 − c)/(a² + b²)` too, which is
/// exact where c is near −1.
fn align(o: &mut Graph, x: &Tensor) -> Tensor {
    let (window, groups) = (x.shape[0], x.shape[1] / 3);
    let v = o.reshape(x, &[window, groups, 3]);
    let mean = o.over("Mean", 1, &v);
    let squares = o.each("Square", [Of(&mean)]);
    let sum = o.over("Sum", 3, &squares);
    let length = o.each("Sqrt", [Of(&sum)]);
    let has_direction = o.each("Greater", [Of(&length), Number(0.0)]);
    let divisor = o.each("Where", [Of(&has_direction), Of(&length), Number(1.0)]);
    let direction = o.each("Divide", [Of(&mean), Of(&divisor)]);
    let [a, b, c] = o.split(&direction);
    // Without a direction: (0, 0, 1), which is not rotated.
    let c = o.each("Where", [Of(&has_direction), Of(&c), Number(1.0)]);
    let [a_squared, b_squared] = [&a, &b].map(|side| o.each("Square", [Of(side)]));
    let side = o.each("Add", [Of(&a_squared), Of(&b_squared)]);
    let is_down = o.each("Less", [Of(&c), Number(0.0)]);
    let is_near = o.each("Less", [Of(&side), Number(OPPOSITE)]);
    let is_opposite = o.each("LogicalAnd", [Of(&is_down), Of(&is_near)]);
    let one_less = o.each("Subtract", [Number(1.0), Of(&c)]);
    let some_side = o.each("Maximum", [Of(&side), Number(OPPOSITE)]);
    let for_down = o.each("Divide", [Of(&one_less), Of(&some_side)]);
    let one_more = o.each("Add", [Number(1.0), Of(&c)]);
    let at_least_one = o.each("Maximum", [Of(&one_more), Number(1.0)]);
    let for_up = o.each("Divide", [Number(1.0), Of(&at_least_one)]);
    let h = o.each("Where", [Of(&is_down), Of(&for_down), Of(&for_up)]);
    let [x, y, z] = o.split(&v);
    let ax = o.each("Multiply", [Of(&a), Of(&x)]);
    let by = o.each("Multiply", [Of(&b), Of(&y)]);
    let s = o.each("Add", [Of(&ax), Of(&by)]);
    let sh = o.each("Multiply", [Of(&s), Of(&h)]);
    let t = o.each("Add", [Of(&sh), Of(&z)]);
    let at = o.each("Multiply", [Of(&a), Of(&t)]);
    let bt = o.each("Multiply", [Of(&b), Of(&t)]);
    let cz = o.each("Multiply", [Of(&c), Of(&z)]);
    let turned = [
        o.each("Subtract", [Of(&x), Of(&at)]),
        o.each("Subtract", [Of(&y), Of(&bt)]),
        o.each("Add", [Of(&s), Of(&cz)]),
    ];
    let [back_y, back_z] = [&y, &z].map(|axis| o.each("Negative", [Of(axis)]));
    let half_turn = [x, back_y, back_z];
    let parts: Vec<Value> = half_turn
        .iter()
        .zip(&turned)
        .map(|(half, turned)| o.each("Where", [Of(&is_opposite), Of(half), Of(turned)]).json())
        .collect();
    let rotated = o.add("Concatenate", json!({"axis": 3}), json!([parts]), &[window, groups, 3], "float32");
    o.reshape(&rotated, &[window, 3 * groups])
}
