//! From the output of a graph back to its input: the operators that a window goes through.

use std::collections::HashMap;

use triax_model::{PerWindow, Preparation};

use super::builder::Builder;
use super::constants::Values;
use super::model::{Model, Node};
use super::write::prepared;
use crate::ReadError;

/// What a window goes through.
#[derive(Clone)]
pub enum Step<'a> {
    /// An operator, with the index of its input that holds the data.
    Node(&'a Node, usize),
    /// A GELU of several operators, the last of which is this.
    Gelu(&'a Node),
    /// The preparation of a window, as it is written here.
    Prepare(Preparation, &'a Node),
}

/// The ends of the networks of a graph: one, or several that are an ensemble.
pub struct Ends<'a> {
    /// The scores of each network.
    pub scores: Vec<&'a str>,
    /// Whether the mean of their probabilities is taken, and not that of their scores.
    pub are_logits: bool,
    /// Whether a softmax follows what an ensemble has combined.
    pub softmax: bool,
}

/// The networks of the graph with output `output`.
///
/// # Errors
/// An ensemble that is combined in a way that is not the family's.
pub fn ends<'a>(values: &Values<'a>, output: &'a str) -> Result<Ends<'a>, ReadError> {
    let single = Ends { scores: vec![output], are_logits: false, softmax: false };
    let node = |value: &str, op: &str| values.producer(value).filter(|node| node.op == op && !node.inputs.is_empty());
    let (softmax, last) = match node(output, "Softmax") {
        Some(softmax) => (true, softmax.inputs[0].as_str()),
        None => (false, output),
    };
    let mean = |value: &str| node(value, "Mean").filter(|node| node.inputs.len() > 1);
    if let Some(mean) = mean(last) {
        return Ok(Ends { scores: mean.inputs.iter().map(String::as_str).collect(), are_logits: false, softmax });
    }
    let clipped = node(last, "Log").and_then(|log| node(&log.inputs[0], "Clip"));
    let Some(mean) = clipped.and_then(|clip| mean(&clip.inputs[0])) else { return Ok(single) };
    let mut scores = Vec::new();
    for input in &mean.inputs {
        let softmax = node(input, "Softmax").ok_or_else(|| {
            ReadError::new(
                mean.title(),
                "takes the logarithm of a mean that is not one of probabilities, each from a softmax",
            )
        })?;
        scores.push(softmax.inputs[0].as_str());
    }
    Ok(Ends { scores, are_logits: true, softmax })
}

/// The steps from `input` to `output`, in the order of the data. Windows have `shape`, where it is (window, channels); the metadata
/// `tells` a preparation that derives channels.
///
/// # Errors
/// A value that nothing makes, a circle, or an operator of two values that no network of the family has.
pub fn steps<'a>(
    model: &'a Model,
    values: &Values<'a>,
    input: &str,
    output: &'a str,
    shape: Option<(usize, usize)>,
    tells: Option<&Preparation>,
) -> Result<Vec<Step<'a>>, ReadError> {
    let mut steps = Vec::new();
    let mut value = output;
    while value != input {
        let node = values.producer(value).ok_or_else(|| {
            ReadError::new(format!("value `{value}`"), "comes from no node; the network does not go back to its input")
        })?;
        if steps.len() > model.nodes.len() {
            return Err(ReadError::new(node.title(), "is its own input"));
        }
        if let Some((inner, preparation)) = preparation(values, node, shape, tells) {
            steps.push(Step::Prepare(preparation, node));
            value = inner;
            continue;
        }
        if let Some(inner) = gelu(values, node) {
            steps.push(Step::Gelu(node));
            value = inner;
            continue;
        }
        let at = data_input(values, node).ok_or_else(|| {
            ReadError::new(
                node.title(),
                "combines two values that both depend on the window; a network of the family is one line of layers from its \
                 input to its output",
            )
        })?;
        let Some(next) = node.inputs.get(at) else { return Err(ReadError::new(node.title(), "has no input")) };
        steps.push(Step::Node(node, at));
        value = next;
    }
    steps.reverse();
    Ok(steps)
}

/// The index of the input that holds the data; `None` if two do.
fn data_input(values: &Values<'_>, node: &Node) -> Option<usize> {
    if !matches!(
        node.op.as_str(),
        "Add" | "Sub" | "Mul" | "Div" | "MatMul" | "Gemm" | "Max" | "Min" | "Sum" | "Concat" | "Where"
    ) {
        return Some(0);
    }
    let mut data = (0..node.inputs.len()).filter(|at| !values.is_constant(&node.inputs[*at]));
    match (data.next(), data.next()) {
        (Some(at), None) => Some(at),
        (None, _) => Some(0),
        _ => None,
    }
}

/// What `node` is a GELU of, where it ends one: x · (1 + erf(x/√2)) / 2, in any order of the factors.
fn gelu<'a>(values: &Values<'a>, node: &'a Node) -> Option<&'a str> {
    let mut factors = Vec::new();
    let mut constant = 1.0;
    product(values, node, &mut factors, &mut constant, 4)?;
    let [a, b] = factors[..] else { return None };
    let about = |value: f32, expected: f32| (value / expected - 1.0).abs() < 1e-5;
    [(a, b), (b, a)].into_iter().find_map(|(x, share)| {
        let sum = values.producer(share).filter(|node| node.op == "Add")?;
        let [p, q] = &sum.inputs[..] else { return None };
        let erf = [(p, q), (q, p)].into_iter().find_map(|(one, erf)| {
            let is_one = values.number(one) == Some(1.0);
            values.producer(erf).filter(|node| is_one && node.op == "Erf")
        })?;
        let (mut factors, mut root) = (Vec::new(), 1.0);
        product(values, values.producer(erf.inputs.first()?)?, &mut factors, &mut root, 4)?;
        let fits = factors[..] == [x] && about(root, std::f32::consts::FRAC_1_SQRT_2) && about(constant, 0.5);
        fits.then_some(x)
    })
}

/// Collects the factors of a product: values, and the product of all constants.
fn product<'a>(
    values: &Values<'a>,
    node: &'a Node,
    factors: &mut Vec<&'a str>,
    constant: &mut f32,
    depth: usize,
) -> Option<()> {
    let [a, b] = &node.inputs[..] else { return None };
    let divides = match node.op.as_str() {
        "Mul" => false,
        "Div" => true,
        _ => return None,
    };
    for (at, input) in [a, b].into_iter().enumerate() {
        let is_divisor = divides && at == 1;
        if let Some(number) = values.number(input) {
            *constant *= if is_divisor { number.recip() } else { number };
            continue;
        }
        if is_divisor {
            return None;
        }
        match values.producer(input).filter(|node| depth > 0 && matches!(node.op.as_str(), "Mul" | "Div")) {
            Some(inner) => product(values, inner, factors, constant, depth - 1)?,
            None => factors.push(input),
        }
    }
    Some(())
}

/// The preparation of windows that `node` ends, if it is one as it is written here: the same operators on the same numbers, whatever
/// the names.
fn preparation<'a>(
    values: &Values<'a>,
    node: &'a Node,
    shape: Option<(usize, usize)>,
    tells: Option<&Preparation>,
) -> Option<(&'a str, Preparation)> {
    let (window, channels) = shape.filter(|_| node.op == "Cast")?;
    let inner = values.producer(node.inputs.first()?)?;
    let preparation = match (tells, inner.op.as_str()) {
        // What is built to compare is bounded by the channels of the input.
        (Some(tells), "Mul" | "Concat") => tells.clone(),
        (None, "Mul") => PerWindow::Standardise.into(),
        // A file holds a slice and its three numbers for each channel: this bounds what is built to compare.
        (None, "Concat") if channels.is_multiple_of(3) && inner.inputs.len() == channels => {
            PerWindow::AlignGravity.into()
        }
        _ => return None,
    };
    let mut builder = Builder::new(window, channels);
    let last = prepared(&mut builder, &preparation, super::builder::INPUT, (window, channels));
    let expected = builder.into_model();
    let mut comparison =
        Comparison { expected: &Values::of(&expected), found: values, input: None, seen: HashMap::new() };
    comparison.is_same(&last, node.outputs.first()?).then_some(())?;
    Some((comparison.input?, preparation))
}

/// A comparison of two graphs.
struct Comparison<'a, 'e, 'v> {
    expected: &'v Values<'e>,
    found: &'v Values<'a>,
    /// What the found graph has in the place of the expected one's input.
    input: Option<&'a str>,
    /// The values that were found the same: found by expected.
    seen: HashMap<&'e str, &'a str>,
}

impl<'a, 'e> Comparison<'a, 'e, '_> {
    /// Whether `found` is computed as `expected` is.
    fn is_same(&mut self, expected: &'e str, found: &'a str) -> bool {
        if let Some(seen) = self.seen.get(expected) {
            return *seen == found;
        }
        if expected == super::builder::INPUT {
            return *self.input.get_or_insert(found) == found;
        }
        let same = match (self.expected.producer(expected), self.found.producer(found)) {
            (Some(e), Some(f)) => {
                let is_alike = e.op == f.op && e.inputs.len() == f.inputs.len() && e.attributes == f.attributes;
                is_alike && e.inputs.iter().zip(&f.inputs).all(|(e, f)| self.is_same(e, f))
            }
            (None, _) => {
                let (e, f) = (self.expected.constant(expected), self.found.constant(found));
                e.zip(f).is_some_and(|(e, f)| e == f)
            }
            _ => false,
        };
        if same {
            self.seen.insert(expected, found);
        }
        same
    }
}
