//! Networks as ONNX graphs.

use triax_model::{Activation, Layer, NetworkSpec, PoolKind, Preparation, Scaler, Tensor, reach};

use super::builder::{Builder, INPUT};
use super::model::{Attribute, Data, data_type};
use crate::about::{DROPOUT, preparation_entry};
use crate::preprocessing::prepare;
use crate::{Trained, Unsupported};

/// The bytes of an ONNX file (opset 13, IR 7) with one network, or with several as an ensemble.
///
/// Its input is `window` (batch, window, channels), float32, as the sensor gave it: normalisation and scaler are inside. Its
/// output is `scores` (batch, classes). The scores of an ensemble are the mean of those of its members. Where the loss is the
/// cross-entropy, they are the logarithms of the mean of the members' probabilities.
///
/// # Errors
/// No member; a member whose parts do not fit; members with different inputs, classes, losses or ends; more than 2 GiB.
pub fn write(members: &[Trained]) -> Result<Vec<u8>, Unsupported> {
    let Some(first) = members.first() else { return Err(Unsupported("an ensemble has at least one network".into())) };
    let spec = first.network.spec();
    for (n, member) in members.iter().enumerate() {
        member.check()?;
        Trained::check_steps(&member.network)?;
        let other = member.network.spec();
        let refuse = |what: &str| {
            Err(Unsupported(format!("network {} of the ensemble has another {what} than the first", n + 1)))
        };
        if (other.window, member.channels()) != (spec.window, first.channels()) {
            return refuse("input");
        }
        if member.preparation.derivation != first.preparation.derivation {
            return refuse("derivation of channels");
        }
        if (other.classes, &member.about.classes) != (spec.classes, &first.about.classes) {
            return refuse("list of classes");
        }
        if member.about.loss != first.about.loss {
            return refuse("loss");
        }
        if member.softmax != first.softmax {
            return refuse("end: a softmax follows all, or none");
        }
    }
    let n_values: usize = members.iter().map(|member| member.network.n_parameters()).sum();
    if n_values > (1 << 29) - (1 << 20) {
        return Err(Unsupported(format!(
            "{n_values} values are more than the 2 GiB of an ONNX file; export members alone"
        )));
    }

    let mut graph = Builder::new(spec.window, first.channels());
    let mut scores = Vec::new();
    for (n, member) in members.iter().enumerate() {
        if members.len() > 1 {
            graph.set_prefix(format!("member{}/", n + 1));
        }
        scores.push(network(&mut graph, member));
    }
    graph.set_prefix(String::new());
    let mut last = scores.remove(0);
    if !scores.is_empty() {
        scores.insert(0, last);
        last = combine(&mut graph, &scores, first.about.has_logits());
    }
    if first.softmax {
        softmax(&mut graph, "softmax", &last);
    }
    let doc = match members {
        [_] => "Scores of a window of motion-sensor samples.".to_owned(),
        all => format!("Combined scores of {} networks for a window of motion-sensor samples.", all.len()),
    };
    let entries = [(DROPOUT, spec.dropout.to_string())].into_iter().chain(preparation_entry(&first.preparation));
    Ok(graph.finish(spec.classes, &doc, &first.about, entries))
}

/// The scores of several networks, combined.
fn combine(graph: &mut Builder, scores: &[String], are_logits: bool) -> String {
    if !are_logits {
        let scores: Vec<&str> = scores.iter().map(String::as_str).collect();
        return graph.node("mean", "Mean", &scores, &[]);
    }
    let probabilities: Vec<String> =
        (1..).zip(scores).map(|(n, scores)| softmax(graph, &format!("member{n}/probabilities"), scores)).collect();
    let probabilities: Vec<&str> = probabilities.iter().map(String::as_str).collect();
    let mean = graph.node("mean", "Mean", &probabilities, &[]);
    // Probabilities that vanish stay finite.
    let smallest = graph.constant("smallest", &[], Data::Float(vec![f32::MIN_POSITIVE]));
    let clipped = graph.node("clip", "Clip", &[&mean, &smallest], &[]);
    graph.node("log", "Log", &[&clipped], &[])
}

/// Adds a softmax over classes.
pub fn softmax(graph: &mut Builder, name: &str, scores: &str) -> String {
    graph.node(name, "Softmax", &[scores], &[("axis", Attribute::Int(-1))])
}

/// Adds a network, and returns its scores.
fn network(graph: &mut Builder, trained: &Trained) -> String {
    let x = input(graph, &trained.preparation, trained.scaler.as_ref(), trained.network.spec());
    let mut x = transpose(graph, "channels_first", &x);
    let mut tensors = trained.weights.tensors.chunks_exact(2);
    for layer in trained.network.layers() {
        let mut kernel_and_bias = || match tensors.next() {
            Some([kernel, bias]) => (kernel, bias),
            _ => unreachable!("every layer with weights has its two tensors"),
        };
        match layer {
            Layer::Conv { name, activation, .. } => {
                let (kernel, bias) = kernel_and_bias();
                let kernel = graph.constant(
                    &kernel.name,
                    &[kernel.shape[2], kernel.shape[1], kernel.shape[0]],
                    Data::Float(outputs_first(kernel)),
                );
                let bias = graph.constant(&bias.name, &bias.shape, Data::Float(bias.values.clone()));
                x = graph.node(name, "Conv", &[&x, &kernel, &bias], &steps(layer));
                x = activate(graph, name, &x, *activation);
            }
            Layer::Pool { .. } => x = pool(graph, layer, &x),
            Layer::Dropout { units, .. } => x = features(graph, &x, *units),
            Layer::Dense { name, activation, .. } => {
                let (kernel, bias) = kernel_and_bias();
                let kernel = graph.constant(&kernel.name, &kernel.shape, Data::Float(kernel.values.clone()));
                let bias = graph.constant(&bias.name, &bias.shape, Data::Float(bias.values.clone()));
                x = graph.node(name, "Gemm", &[&x, &kernel, &bias], &[]);
                x = activate(graph, name, &x, *activation);
            }
        }
    }
    x
}

/// Adds preparation and scaler, and returns what the first layer reads.
pub fn input(graph: &mut Builder, preparation: &Preparation, scaler: Option<&Scaler>, spec: &NetworkSpec) -> String {
    let channels = spec.channels;
    let mut x = INPUT.to_owned();
    if !preparation.is_none() {
        let channels_in = preparation.channels_in(channels).expect("the parts of the network fit each other");
        x = prepared(graph, preparation, &x, (spec.window, channels_in));
    }
    if let Some(scaler) = scaler {
        let mean = graph.constant("scaler.mean", &[channels], Data::Float(scaler.mean.clone()));
        let scale = graph.constant("scaler.scale", &[channels], Data::Float(scaler.scale.clone()));
        let centred = graph.node("scaler/centre", "Sub", &[&x, &mean], &[]);
        x = graph.node("scaler", "Div", &[&centred, &scale], &[]);
    }
    x
}

/// Adds the preparation of windows `x` (batch, window, channels), in f64 between two casts.
pub fn prepared(graph: &mut Builder, preparation: &Preparation, x: &str, shape: (usize, usize)) -> String {
    let cast = |graph: &mut Builder, name: &str, x: &str, to: i64| {
        graph.node(name, "Cast", &[x], &[("to", Attribute::Int(to))])
    };
    let wide = cast(graph, "normalise/wide", x, data_type::DOUBLE);
    let prepared = prepare(graph, preparation, &wide, shape);
    cast(graph, "normalise", &prepared, data_type::FLOAT)
}

/// Swaps positions and channels.
pub fn transpose(graph: &mut Builder, name: &str, x: &str) -> String {
    graph.node(name, "Transpose", &[x], &[("perm", Attribute::Ints(vec![0, 2, 1]))])
}

/// Adds a pool.
pub fn pool(graph: &mut Builder, layer: &Layer, x: &str) -> String {
    let Layer::Pool { name, kind, .. } = layer else { unreachable!("the layer is a pool") };
    let op = match kind {
        PoolKind::Max => "MaxPool",
        PoolKind::Average => "AveragePool",
    };
    if name == "global_pool" {
        return graph.node(name, &format!("Global{op}"), &[x], &[]);
    }
    let mut attributes = steps(layer);
    if *kind == PoolKind::Average {
        attributes.push(("count_include_pad", Attribute::Int(0)));
    }
    graph.node(name, op, &[x], &attributes)
}

/// Flattens (batch, channels, positions), position by position.
pub fn features(graph: &mut Builder, x: &str, units: usize) -> String {
    let last = transpose(graph, "channels_last", x);
    let shape = graph.constant("features_shape", &[2], Data::Int64(vec![0, units as i64]));
    graph.node("features", "Reshape", &[&last, &shape], &[])
}

/// Kernel, stride and pads of a convolution or a pool, and the dilation where there is one.
pub fn steps(layer: &Layer) -> Vec<(&'static str, Attribute)> {
    let (size, stride, dilation, before, input, output) = match layer {
        Layer::Conv { kernel, stride, dilation, before, input, output, .. } => {
            (*kernel, *stride, *dilation, *before, input.0, output.0)
        }
        Layer::Pool { size, stride, before, input, output, .. } => (*size, *stride, 1, *before, input.0, output.0),
        Layer::Dropout { .. } | Layer::Dense { .. } => unreachable!("such layers take no steps"),
    };
    let after = ((output - 1) * stride + reach(size, dilation)).saturating_sub(before + input);
    let ints = |values: &[usize]| Attribute::Ints(values.iter().map(|&value| value as i64).collect());
    let mut steps =
        vec![("kernel_shape", ints(&[size])), ("strides", ints(&[stride])), ("pads", ints(&[before, after]))];
    if dilation > 1 {
        steps.push(("dilations", ints(&[dilation])));
    }
    steps
}

/// A convolution's kernel (kernel, in, out) as (out, in, kernel).
pub fn outputs_first(kernel: &Tensor) -> Vec<f32> {
    let [length, inputs, outputs] = kernel.shape[..] else { unreachable!("a convolution's kernel has three axes") };
    let at = |o: usize, i: usize, k: usize| kernel.values[(k * inputs + i) * outputs + o];
    (0..outputs)
        .flat_map(|o| (0..inputs).flat_map(move |i| (0..length).map(move |k| (o, i, k))))
        .map(|(o, i, k)| at(o, i, k))
        .collect()
}

/// Adds the activation of layer `name`.
pub fn activate(graph: &mut Builder, name: &str, x: &str, activation: Activation) -> String {
    let plain = |graph: &mut Builder, op: &str, attributes: &[(&str, Attribute)]| {
        graph.node(&format!("{name}/{}", op.to_lowercase()), op, &[x], attributes)
    };
    match activation {
        Activation::Linear => x.to_owned(),
        Activation::Relu => plain(graph, "Relu", &[]),
        Activation::Elu => plain(graph, "Elu", &[("alpha", Attribute::Float(1.0))]),
        Activation::Tanh => plain(graph, "Tanh", &[]),
        Activation::LeakyRelu { slope } => plain(graph, "LeakyRelu", &[("alpha", Attribute::Float(slope))]),
        // x/2 · (1 + erf(x/√2)). The operator `Gelu` came with opset 20.
        Activation::Gelu => {
            let constants = [("root", std::f32::consts::FRAC_1_SQRT_2), ("one", 1.0), ("half", 0.5)];
            let [root, one, half] = constants
                .map(|(part, value)| graph.constant(&format!("{name}/gelu/{part}"), &[], Data::Float(vec![value])));
            let mut step =
                |part: &str, op: &str, inputs: &[&str]| graph.node(&format!("{name}/gelu/{part}"), op, inputs, &[]);
            let scaled = step("scaled", "Mul", &[x, &root]);
            let erf = step("erf", "Erf", &[&scaled]);
            let share = step("share", "Add", &[&erf, &one]);
            let product = step("product", "Mul", &[x, &share]);
            step("gelu", "Mul", &[&product, &half])
        }
    }
}
