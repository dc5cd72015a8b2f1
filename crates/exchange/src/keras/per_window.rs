//! Normalisation of each window by itself, as operations of a functional model: out, and recognised on the way in.
//!
//! Keras has no layer for either. Operations of `keras.ops` between layers are part of a functional model and need no code
//! where it is loaded, as a `Lambda` or a layer of one's own would. They compute in float32, Triax in float64: the results
//! differ by rounding.

use serde_json::{Map, Value, json};
use triax_model::PerWindow;

use super::config::LayerConfig;

/// The name of the input layer.
pub(super) const INPUT: &str = "window";

/// A deviation up to this part of the mean is the rounding of a constant channel in float32.
const CONSTANT: f64 = 2e-6;
/// The square of the sine below which a direction is the opposite one: as in [`PerWindow::AlignGravity`].
const OPPOSITE: f64 = 2e-12;

/// The functional model of these `layers`, an input layer first, with the operations of `kind` after it.
pub(super) fn functional(kind: PerWindow, input: (usize, usize), layers: Vec<Value>) -> Value {
    let operations = operations(kind, input);
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

/// The normalisation that operations of a functional model are, with their names in the order of computation, if they are
/// those that [`functional`] writes.
pub(super) fn recognised(layers: &[LayerConfig], input: (usize, usize)) -> Option<(PerWindow, Vec<String>)> {
    [PerWindow::Standardise, PerWindow::AlignGravity].into_iter().find_map(|kind| {
        let expected = operations(kind, input).nodes;
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
        Some((kind, names?))
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
struct Operations {
    prefix: String,
    nodes: Vec<Value>,
    shape: Vec<usize>,
}

impl Operations {
    fn last(&self) -> Tensor {
        Tensor::layer(&format!("{}_{}", self.prefix, self.nodes.len()), self.shape.clone())
    }

    /// Adds an operation of class `class`, with its `settings`, whose result has `shape`.
    fn add(&mut self, class: &str, settings: Value, arguments: Value, shape: &[usize], dtype: &'static str) -> Tensor {
        let name = format!("{}_{}", self.prefix, self.nodes.len() + 1);
        let mut config = Map::from_iter([("name".to_owned(), json!(name))]);
        config.extend(settings.as_object().cloned().unwrap_or_default());
        self.nodes.push(json!({
            "module": "keras.src.ops.numpy",
            "class_name": class,
            "config": config,
            "registered_name": class,
            "name": name,
            "inbound_nodes": [{"args": arguments, "kwargs": {}}],
        }));
        self.shape = shape.to_vec();
        Tensor { dtype, ..Tensor::layer(&name, shape.to_vec()) }
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

/// The operations of `kind` on windows of the shape `input`.
fn operations(kind: PerWindow, input: (usize, usize)) -> Operations {
    let prefix = format!("normalize_{kind}");
    let mut operations = Operations { prefix, nodes: Vec::new(), shape: vec![input.0, input.1] };
    let x = Tensor::layer(INPUT, vec![input.0, input.1]);
    match kind {
        PerWindow::Standardise => standardise(&mut operations, &x),
        PerWindow::AlignGravity => align(&mut operations, &x),
    };
    operations
}

/// `(x − mean) / deviation`, and 0 for a constant channel.
fn standardise(o: &mut Operations, x: &Tensor) -> Tensor {
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
fn align(o: &mut Operations, x: &Tensor) -> Tensor {
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
