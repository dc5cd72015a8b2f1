//! From the layers of a network to tables, buffers and calls.

use std::fmt::Write as _;

use triax_model::{Activation, Layer, Network, PoolKind, Preparation, Scaler};

use super::CText;
use super::preparation::{Prepared, preparation};
use super::text::{Number, comment, string};
use super::{CFile, check_prefix};
use crate::int8::{Affine, Quantised};
use crate::{About, Trained, Unsupported, arithmetic};

/// The most parameters of a network: more than any flash that runs in place.
const MOST_PARAMETERS: usize = 1 << 24;

/// What headers in floating point and in integers share.
pub struct Head<'a> {
    pub network: &'a Network,
    pub preparation: &'a Preparation,
    /// The channels of the sensors.
    pub channels: usize,
    scaler: Option<&'a Scaler>,
    softmax: bool,
    about: &'a About,
}

impl<'a> Head<'a> {
    pub fn of(trained: &'a Trained) -> Self {
        let Trained { network, preparation, scaler, softmax, about, .. } = trained;
        let (channels, scaler) = (trained.channels(), scaler.as_ref());
        Self { network, preparation, channels, scaler, softmax: *softmax, about }
    }

    pub fn of_int8(quantised: &'a Quantised) -> Self {
        let Quantised { network, preparation, scaler, softmax, about, .. } = quantised;
        let (channels, scaler) = (quantised.channels(), scaler.as_ref());
        Self { network, preparation, channels, scaler, softmax: *softmax, about }
    }
}

/// What a header computes with.
#[derive(Clone, Copy)]
pub enum Arithmetic<'a> {
    Float(&'a Trained),
    Int8(&'a Quantised),
}

/// The header.
pub fn header(head: &Head<'_>, arithmetic: Arithmetic<'_>, prefix: &str) -> Result<CFile, Unsupported> {
    check_prefix(prefix)?;
    if head.network.n_parameters() > MOST_PARAMETERS {
        return Err(Unsupported(format!(
            "the network has {} parameters; a header is for {MOST_PARAMETERS} at most, train a smaller one",
            head.network.n_parameters()
        )));
    }
    let mut text = CText::new(prefix);
    // What comes first tells what it costs, which is known at the end.
    let mut body = CText::new(prefix);
    constants(&mut body, head);
    body.source(include_str!("source/types.h"));
    let calls = match arithmetic {
        Arithmetic::Float(trained) => float_layers(&mut body, trained)?,
        Arithmetic::Int8(quantised) => int8_layers(&mut body, quantised)?,
    };
    buffers(&mut body, head, arithmetic);
    load(&mut body, head, arithmetic);
    run(&mut body, head, arithmetic, &calls);
    body.source(include_str!("source/interface.h"));
    let spec = head.network.spec();
    names(&mut body, "classname", "a class", &head.about.classes, spec.classes);
    names(&mut body, "channelname", "a channel", &head.about.channels, head.channels);

    let multiply_adds = head.network.layers().iter().map(Layer::multiply_adds).sum();
    introduction(&mut text, head, arithmetic, &body, multiply_adds);
    text.text.push_str(&body.text);
    text.source("\n#endif /* PREFIX_H */\n");
    Ok(CFile { text: text.text, flash_bytes: body.flash, ram_bytes: body.ram, multiply_adds })
}

fn introduction(
    text: &mut CText<'_>,
    head: &Head<'_>,
    arithmetic: Arithmetic<'_>,
    body: &CText<'_>,
    multiply_adds: u64,
) {
    let spec = head.network.spec();
    let numbers = match arithmetic {
        Arithmetic::Float(_) => "floating point",
        Arithmetic::Int8(_) => "integers of eight bits",
    };
    text.source("#ifndef PREFIX_H\n#define PREFIX_H\n\n");
    let _ = writeln!(
        text.text,
        "/* A network for windows of {} samples in {} channels, which tells {} classes apart, in {numbers}.\n \
         * Written by {}.\n *\n \
         * Tables: {} bytes. Buffers: {} bytes. Multiply-adds for a window: {multiply_adds}.\n \
         * It has one set of buffers: one stream of samples, from one thread. Include it in one source file. */\n\n\
         #include <stdint.h>\n",
        spec.window,
        head.channels,
        spec.classes,
        comment(&head.about.producer),
        body.flash,
        body.ram,
    );
}

/// Sizes, and what is known of the data.
fn constants(body: &mut CText<'_>, head: &Head<'_>) {
    let (spec, about) = (head.network.spec(), head.about);
    let mut size = |name: &str, value: usize, what: &str| {
        body.source(&format!("/* {what} */\n"));
        body.constant(name, &value.to_string());
    };
    size("WINDOW", spec.window, "Samples of a window.");
    size("CHANNELS", head.channels, "Values of a sample.");
    size("CLASSES", spec.classes, "Scores.");
    let step = about.step_or_half(spec.window).clamp(1, i32::MAX as usize);
    size("STEP", step, "Samples from one window to the next: as in training, where that is known.");
    if let Some(rate) = about.rate_hz {
        body.source("/* Samples a second. */\n");
        body.constant("RATE", &format!("{rate:e}"));
    }
    let units: Vec<&str> = about.units.iter().map(|unit| unit.as_deref().unwrap_or("unknown")).collect();
    if !units.is_empty() {
        body.source(&format!("/* Unit of each group of three channels: {}. */\n", comment(&units.join(", "))));
        body.constant("UNITS", &string(&units.join(", ")));
    }
    if let Some(fingerprint) = &about.fingerprint {
        body.source("/* Fingerprint of the recordings that the network was trained on. */\n");
        body.constant("FINGERPRINT", &string(fingerprint));
    }
}

/// The function with the names of `n` things; where there are none, their numbers.
fn names(body: &mut CText<'_>, function: &str, what: &str, names: &[String], n: usize) {
    let numbers: Vec<String> = (0..n).map(|number| number.to_string()).collect();
    body.names(function, what, if names.is_empty() { &numbers } else { names });
}

/// The sources that layers need, each once, in the order in which they are needed.
#[derive(Default)]
struct Sources(Vec<&'static str>);

impl Sources {
    fn add(&mut self, body: &mut CText<'_>, source: &'static str) {
        if !self.0.contains(&source) {
            self.0.push(source);
            body.source(source);
        }
    }
}

const EXPONENTIAL: &str = include_str!("source/exponential.h");

/// A statement for each layer, in which `$in` and `$out` stand for its buffers.
struct Calls(Vec<String>);

fn float_layers(body: &mut CText<'_>, trained: &Trained) -> Result<Calls, Unsupported> {
    let (mut sources, mut calls) = (Sources::default(), Vec::new());
    body.source("\ntypedef float PREFIX_Value;\n");
    for (layer, weights) in arithmetic::layers(trained) {
        let Some(shape) = shape(layer)? else { continue };
        let name = name(layer);
        let Some((kernel, bias)) = weights else {
            calls.push(pool(body, &mut sources, layer, &shape, include_str!("source/pool_average_float.h")));
            continue;
        };
        sources.add(body, include_str!("source/affine_float.h"));
        let outputs = bias.len();
        let inputs = kernel.len() / outputs;
        body.source("\n");
        let transposed = (0..kernel.len()).map(|n| kernel[n % inputs * outputs + n / inputs]);
        body.table(&format!("{name}kernel"), transposed);
        body.table(&format!("{name}bias"), bias.iter().copied());
        body.structure("Layer", name, &format!("{{{}}},\n    PREFIX_{name}kernel, PREFIX_{name}bias", listed(&shape)));
        let n = shape[2] as usize * outputs;
        let activation = match arithmetic::activation(layer) {
            Activation::Linear => String::new(),
            Activation::Relu => {
                sources.add(body, include_str!("source/relu.h"));
                format!(" PREFIX_relu($out, {n});")
            }
            Activation::LeakyRelu { slope } => {
                sources.add(body, include_str!("source/leaky.h"));
                format!(" PREFIX_leaky($out, {n}, {});", slope.literal())
            }
            Activation::Elu => {
                sources.add(body, EXPONENTIAL);
                sources.add(body, include_str!("source/expm1.h"));
                sources.add(body, include_str!("source/elu.h"));
                format!(" PREFIX_elu($out, {n});")
            }
            Activation::Tanh => {
                sources.add(body, EXPONENTIAL);
                sources.add(body, include_str!("source/expm1.h"));
                sources.add(body, include_str!("source/tanh.h"));
                format!(" PREFIX_tanh($out, {n});")
            }
            Activation::Gelu => {
                sources.add(body, EXPONENTIAL);
                sources.add(body, include_str!("source/gelu.h"));
                format!(" PREFIX_gelu($out, {n});")
            }
        };
        let affine = affine(body, &mut sources, layer, include_str!("source/dilated_float.h"));
        calls.push(format!("{affine}{activation}"));
    }
    if trained.softmax {
        sources.add(body, EXPONENTIAL);
        sources.add(body, include_str!("source/softmax.h"));
    }
    Ok(Calls(calls))
}

fn int8_layers(body: &mut CText<'_>, quantised: &Quantised) -> Result<Calls, Unsupported> {
    let (mut sources, mut calls) = (Sources::default(), Vec::new());
    body.source("\ntypedef int8_t PREFIX_Value;\n");
    let mut input = quantised.input;
    for layer in &quantised.layers {
        let Some(shape) = shape(&layer.layer)? else { continue };
        match &layer.affine {
            None => {
                let average = include_str!("source/pool_average_int8.h");
                calls.push(pool(body, &mut sources, &layer.layer, &shape, average));
            }
            Some(affine) => {
                sources.add(body, include_str!("source/affine_int8.h"));
                let name = name(&layer.layer);
                int8_tables(body, name, &shape, input.zero_point, affine);
                calls.push(self::affine(body, &mut sources, &layer.layer, include_str!("source/dilated_int8.h")));
            }
        }
        input = layer.output;
    }
    if quantised.softmax {
        sources.add(body, EXPONENTIAL);
        sources.add(body, include_str!("source/softmax.h"));
    }
    Ok(Calls(calls))
}

fn int8_tables(body: &mut CText<'_>, name: &str, shape: &[i32; 7], input_zero: i32, affine: &Affine) {
    body.source("\n");
    body.table(&format!("{name}kernel"), affine.kernel.iter().copied());
    body.table(&format!("{name}bias"), affine.bias.iter().copied());
    body.table(&format!("{name}fractions"), affine.multipliers.iter().map(|multiplier| multiplier.fraction));
    body.table(&format!("{name}shifts"), affine.multipliers.iter().map(|multiplier| multiplier.shift as i8));
    if let Some(lookup) = &affine.lookup {
        body.table(&format!("{name}lookup"), lookup.iter().copied());
    }
    let lookup = if affine.lookup.is_some() { format!("PREFIX_{name}lookup") } else { "0".to_owned() };
    let numbers = [input_zero, affine.sums.zero_point, affine.least.into(), affine.multipliers.len() as i32];
    let fields = format!(
        "{{{}}}, {},\n    PREFIX_{name}kernel, PREFIX_{name}bias, PREFIX_{name}fractions, PREFIX_{name}shifts, {lookup}",
        listed(shape),
        listed(&numbers),
    );
    body.structure("Layer", name, &fields);
}

fn listed(numbers: &[i32]) -> String {
    numbers.iter().map(i32::to_string).collect::<Vec<_>>().join(", ")
}

/// The call of a layer with weights. Adds the source `dilated` where it is needed.
fn affine(body: &mut CText<'_>, sources: &mut Sources, layer: &Layer, dilated: &'static str) -> String {
    let name = name(layer);
    match layer {
        Layer::Conv { dilation, .. } if *dilation > 1 => {
            sources.add(body, dilated);
            format!("PREFIX_dilated(&PREFIX_{name}, {dilation}, $in, $out);")
        }
        _ => format!("PREFIX_affine(&PREFIX_{name}, $in, $out);"),
    }
}

/// Adds a pool, and returns its call.
fn pool(body: &mut CText<'_>, sources: &mut Sources, layer: &Layer, shape: &[i32; 7], average: &'static str) -> String {
    let Layer::Pool { kind, .. } = layer else { unreachable!("layers without weights are pools") };
    let (source, function) = match kind {
        PoolKind::Max => (include_str!("source/pool_max.h"), "maxpool"),
        PoolKind::Average => (average, "meanpool"),
    };
    sources.add(body, source);
    let name = name(layer);
    body.source("\n");
    body.structure("Shape", name, &listed(shape));
    format!("PREFIX_{function}(&PREFIX_{name}, $in, $out);")
}

/// The name of a layer in C: without an underscore.
pub fn name(layer: &Layer) -> &str {
    match layer {
        Layer::Conv { name, .. } | Layer::Dense { name, .. } => name,
        Layer::Pool { name, .. } if name == "global_pool" => "globalpool",
        Layer::Pool { name, .. } => name,
        Layer::Dropout { .. } => "dropout",
    }
}

/// The shape of a layer as in `source/types.h`; `None` for dropout.
fn shape(layer: &Layer) -> Result<Option<[i32; 7]>, Unsupported> {
    let (positions, inputs, results, outputs, size, stride, before) = match layer {
        Layer::Conv { input, output, kernel, stride, before, .. } => {
            (input.0, input.1, output.0, output.1, *kernel, *stride, *before)
        }
        Layer::Pool { input, output, size, stride, before, .. } => {
            (input.0, input.1, output.0, output.1, *size, *stride, *before)
        }
        Layer::Dense { inputs, units, .. } => (1, *inputs, 1, *units, 1, 1, 0),
        Layer::Dropout { .. } => return Ok(None),
    };
    // The stride of a single result does not matter.
    let stride = if results == 1 { 1 } else { stride };
    let shape = [positions, inputs, results, outputs, size, stride, before];
    let dilation = if let Layer::Conv { dilation, .. } = layer { *dilation } else { 1 };
    if let Some(large) = shape.iter().chain([&dilation]).find(|&&value| value > 1 << 28) {
        return Err(Unsupported(format!("{}: {large} is too large for C; make it smaller", name(layer))));
    }
    Ok(Some(shape.map(|value| value as i32)))
}

/// The buffers. The tensors of a window take turns in two; the scores are their caller's.
fn buffers(body: &mut CText<'_>, head: &Head<'_>, arithmetic: Arithmetic<'_>) {
    let spec = head.network.spec();
    let mut sizes = vec![spec.window * spec.channels];
    sizes.extend(head.network.layers().iter().filter_map(|layer| match layer {
        Layer::Conv { output, .. } | Layer::Pool { output, .. } => Some(output.0 * output.1),
        Layer::Dense { units, .. } => Some(*units),
        Layer::Dropout { .. } => None,
    }));
    let value = match arithmetic {
        Arithmetic::Float(_) => {
            sizes.pop();
            size_of::<f32>()
        }
        Arithmetic::Int8(_) => size_of::<i8>(),
    };
    body.source("\n");
    for (n, name) in ["even", "odd"].into_iter().enumerate() {
        if let Some(largest) = sizes.iter().skip(n).step_by(2).max() {
            body.buffer("PREFIX_Value", name, *largest, value);
        }
    }
    body.buffer("float", "ring", spec.window * head.channels, size_of::<f32>());
    body.source("static int32_t PREFIX_next = 0, PREFIX_missing = PREFIX_WINDOW;\n");
    body.ram += 2 * size_of::<i32>();
}

/// The function that brings a window to what the first layer reads.
fn load(body: &mut CText<'_>, head: &Head<'_>, arithmetic: Arithmetic<'_>) {
    let Prepared { fit, mut value, mut load } = preparation(body, head);
    if let Some(scaler) = head.scaler {
        body.source("\n");
        body.table("means", scaler.mean.iter().copied());
        body.table("scales", scaler.scale.iter().copied());
        value = format!("({value} - PREFIX_means[c]) / PREFIX_scales[c]");
    }
    if let Arithmetic::Int8(quantised) = arithmetic {
        body.source("\n/* An integer i stands for the number scale * (i - zero). */\n");
        for (name, grid) in [("INPUT", quantised.input), ("OUTPUT", quantised.output())] {
            body.constant(&format!("{name}SCALE"), &grid.scale.literal());
            body.constant(&format!("{name}ZERO"), &format!("({})", grid.zero_point));
        }
        body.source(include_str!("source/integer.h"));
        value = format!("PREFIX_integer({value})");
    }
    load = load.replace("FIT\n", &fit).replace("VALUE", &value);
    body.source(&load);
}

/// The function that computes the scores of a window.
fn run(body: &mut CText<'_>, head: &Head<'_>, arithmetic: Arithmetic<'_>, calls: &Calls) {
    let (mut buffer, mut next) = ("PREFIX_even", "PREFIX_odd");
    let mut statements = String::new();
    for (n, call) in calls.0.iter().enumerate() {
        let is_last = n + 1 == calls.0.len();
        let output = if is_last && matches!(arithmetic, Arithmetic::Float(_)) { "scores" } else { next };
        let _ = writeln!(statements, "    {}", call.replace("$in", buffer).replace("$out", output));
        (buffer, next) = (next, buffer);
    }
    if let Arithmetic::Int8(_) = arithmetic {
        let _ = writeln!(
            statements,
            "    for (int32_t i = 0; i < PREFIX_CLASSES; i++) {{\n        \
             scores[i] = PREFIX_OUTPUTSCALE * (float)({buffer}[i] - PREFIX_OUTPUTZERO);\n    }}"
        );
    }
    if head.softmax {
        statements.push_str("    PREFIX_softmax(scores);\n");
    }
    body.source(&include_str!("source/run.h").replace("STATEMENTS\n", &statements));
}
