//! What each layer class of Keras does, as steps of an assembly.

use serde_json::Value;
use triax_model::{Activation, PoolKind, Scaler};

use super::config::LayerConfig;
use super::weights::Arrays;
use crate::ReadError;
use crate::assembly::{Affine, Assembly, FAMILY, Order, Pads, Pool, Step, Values};

/// The slope of `activation="leaky_relu"`; the layer `LeakyReLU` has another.
const INLINE_SLOPE: f32 = 0.2;
/// The slope of the layer `LeakyReLU`, where none is given.
const LAYER_SLOPE: f32 = 0.3;
/// The least deviation that a `Normalization` layer divides by: `keras.config.epsilon()`.
pub(super) const LEAST_DEVIATION: f32 = 1e-7;

/// What the groups of layers of this class are called in a file of Keras 3, before their counter; `None` for a class without
/// weights.
pub(super) fn group_of(class: &str) -> Option<&'static str> {
    match class {
        "Conv1D" | "Convolution1D" => Some("conv1d"),
        "Dense" => Some("dense"),
        "BatchNormalization" => Some("batch_normalization"),
        "Normalization" => Some("normalization"),
        _ => None,
    }
}

/// The steps of `layer`, which follows those of `assembly`, with its weights `arrays`.
pub(super) fn steps(layer: &LayerConfig, assembly: &Assembly, arrays: &Arrays<'_, '_>) -> Result<Vec<Step>, ReadError> {
    let one = |step: Step| Ok(vec![step]);
    match layer.class.as_str() {
        "Conv1D" | "Convolution1D" => convolution(layer, arrays),
        "Dense" => {
            let (kernel, bias) = kernel_and_bias(layer, arrays)?;
            if kernel.shape.last() != Some(&layer.number("units")?) {
                return layer
                    .refuse(format!("its kernel has the shape {:?}, other than its settings say", kernel.shape));
            }
            with_activation(layer, Step::Dense { kernel, bias })
        }
        "MaxPooling1D" | "MaxPool1D" => one(Step::Pool(pool(layer, PoolKind::Max)?)),
        "AveragePooling1D" | "AvgPool1D" => one(Step::Pool(pool(layer, PoolKind::Average)?)),
        "GlobalMaxPooling1D" | "GlobalMaxPool1D" => {
            channels_last(layer).and_then(|()| one(Step::GlobalPool(PoolKind::Max)))
        }
        "GlobalAveragePooling1D" | "GlobalAvgPool1D" => {
            channels_last(layer).and_then(|()| one(Step::GlobalPool(PoolKind::Average)))
        }
        "Flatten" => channels_last(layer).and_then(|()| one(Step::Flatten(Order::ChannelsLast))),
        "Dropout" | "SpatialDropout1D" => {
            let rate = layer.real("rate").unwrap_or(0.0) as f32;
            if !(0.0..1.0).contains(&rate) {
                return layer.refuse(format!("its rate is {rate}"));
            }
            one(Step::Dropout { rate, is_plain: layer.class == "Dropout" })
        }
        "Activation" => one(activation(layer)?),
        "ReLU" => {
            let slope = layer.real("negative_slope").unwrap_or(0.0);
            let is_plain = layer.settings.get("max_value").is_none_or(Value::is_null)
                && layer.real("threshold").unwrap_or(0.0) == 0.0;
            if !is_plain {
                return layer.refuse(format!("it has a largest value or a threshold; {FAMILY}"));
            }
            one(Step::Activation(if slope == 0.0 { Activation::Relu } else { leaky(layer, slope as f32)? }))
        }
        "LeakyReLU" => {
            // Keras 2 has called it `alpha`.
            let slope = layer.real("negative_slope").or(layer.real("alpha")).map_or(LAYER_SLOPE, |slope| slope as f32);
            one(Step::Activation(leaky(layer, slope)?))
        }
        "ELU" => {
            if layer.real("alpha").unwrap_or(1.0) != 1.0 {
                return layer.refuse("its alpha is not 1, as it is in the family");
            }
            one(Step::Activation(Activation::Elu))
        }
        "Softmax" => one(Step::Softmax),
        "Normalization" => one(Step::Affine(normalization(layer, assembly.shape().1, arrays)?)),
        "BatchNormalization" => {
            // Keras 2 has written a list, and has counted the axis.
            let axis = layer.settings.get("axis").unwrap_or(&Value::Null);
            let axis = axis.as_i64().or(axis[0].as_i64()).unwrap_or(-1);
            if axis != -1 && axis != if assembly.is_flat() { 1 } else { 2 } {
                return layer
                    .refuse(format!("it normalises along axis {axis}; the family has channels last: take `axis=-1`"));
            }
            one(Step::BatchNormalisation(batch_normalization(layer, arrays)?))
        }
        _ => layer.refuse(format!("there is no such layer in the family; {FAMILY}")),
    }
}

fn convolution(layer: &LayerConfig, arrays: &Arrays<'_, '_>) -> Result<Vec<Step>, ReadError> {
    channels_last(layer)?;
    let number_or_1 = |setting: &str| if layer.settings.contains_key(setting) { layer.number(setting) } else { Ok(1) };
    if number_or_1("groups")? != 1 {
        return layer.refuse(format!("it is grouped; {FAMILY}"));
    }
    let (kernel, bias) = kernel_and_bias(layer, arrays)?;
    let said = [layer.number("kernel_size")?, layer.number("filters")?];
    if [kernel.shape.first(), kernel.shape.last()] != [Some(&said[0]), Some(&said[1])] {
        return layer.refuse(format!("its kernel has the shape {:?}, other than its settings say", kernel.shape));
    }
    let (stride, dilation, pads) = (layer.number("strides")?, number_or_1("dilation_rate")?, pads(layer)?);
    with_activation(layer, Step::Conv { kernel, bias, stride, dilation, pads })
}

fn pool(layer: &LayerConfig, kind: PoolKind) -> Result<Pool, ReadError> {
    channels_last(layer)?;
    let size = layer.number("pool_size")?;
    // Without strides they are as long as the pool.
    let is_strided = layer.settings.get("strides").is_some_and(|strides| !strides.is_null());
    let stride = if is_strided { layer.number("strides")? } else { size };
    Ok(Pool { kind, size, stride, pads: pads(layer)?, rounds_up: false, counts_pads: false })
}

fn pads(layer: &LayerConfig) -> Result<Pads, ReadError> {
    match layer.text("padding") {
        None | Some("valid") => Ok(Pads::NONE),
        Some("same") => Ok(Pads::Same),
        Some(other) => layer.refuse(format!("its padding is `{other}`; the family has `valid` and `same`")),
    }
}

fn channels_last(layer: &LayerConfig) -> Result<(), ReadError> {
    match layer.text("data_format") {
        None | Some("channels_last") => Ok(()),
        Some(other) => layer.refuse(format!("its data format is `{other}`; the family has channels_last")),
    }
}

/// The kernel of a layer, and its bias, if it has one.
fn kernel_and_bias(layer: &LayerConfig, arrays: &Arrays<'_, '_>) -> Result<(Values, Option<Vec<f32>>), ReadError> {
    let has_bias = layer.flag("use_bias", true);
    let mut arrays = arrays.read(layer, 1 + usize::from(has_bias))?.into_iter();
    let kernel = arrays.next().expect("as many as were asked for");
    Ok((kernel, arrays.next().map(|bias| bias.values)))
}

/// A layer with weights, and its activation.
fn with_activation(layer: &LayerConfig, step: Step) -> Result<Vec<Step>, ReadError> {
    Ok(vec![step, activation(layer)?])
}

/// The step of a setting `activation`.
fn activation(layer: &LayerConfig) -> Result<Step, ReadError> {
    let setting = layer.settings.get("activation").unwrap_or(&Value::Null);
    // What is no plain name is an object of Keras: its class, and its settings or its name.
    let (name, settings) = match setting {
        Value::Null => return Ok(Step::Activation(Activation::Linear)),
        Value::String(name) => (name.as_str(), &Value::Null),
        other => {
            let name = other["config"].as_str().or(other["class_name"].as_str());
            (name.unwrap_or("unknown"), &other["config"])
        }
    };
    Ok(Step::Activation(match name {
        "linear" => Activation::Linear,
        "relu" | "ReLU" if settings.is_null() || settings.is_string() => Activation::Relu,
        "elu" => Activation::Elu,
        "gelu" => Activation::Gelu,
        "tanh" => Activation::Tanh,
        "leaky_relu" => Activation::LeakyRelu { slope: INLINE_SLOPE },
        "LeakyReLU" => {
            let slope = settings["negative_slope"].as_f64().or(settings["alpha"].as_f64());
            leaky(layer, slope.map_or(LAYER_SLOPE, |slope| slope as f32))?
        }
        "softmax" => return Ok(Step::Softmax),
        "sigmoid" => {
            return layer.refuse(
                "its sigmoid judges each class by itself, and the family has one answer a window; end in a linear layer with \
                 one of the hinge losses, or in a softmax",
            );
        }
        other => return layer.refuse(format!("there is no activation `{other}`; {FAMILY}")),
    }))
}

fn leaky(layer: &LayerConfig, slope: f32) -> Result<Activation, ReadError> {
    if (0.0..1.0).contains(&slope) {
        return Ok(Activation::LeakyRelu { slope });
    }
    layer.refuse(format!("its slope is {slope}; the family has slopes from 0 to 1"))
}

/// Keras computes `(x − mean) / max(√variance, 1e-7)` in float32, so that is the scale.
fn normalization(layer: &LayerConfig, channels: usize, arrays: &Arrays<'_, '_>) -> Result<Affine, ReadError> {
    let axis = layer.settings.get("axis").unwrap_or(&Value::Null);
    let axes: Vec<i64> = match axis {
        Value::Array(list) => list.iter().filter_map(Value::as_i64).collect(),
        axis => axis.as_i64().into_iter().collect(),
    };
    if layer.flag("invert", false) {
        return layer.refuse("it is inverted: it undoes a standardisation, and the family has none that does");
    }
    if !matches!(axes[..], [] | [-1] | [2]) {
        return layer.refuse("it does not standardise each channel; the family does: take `axis=-1`");
    }
    let numbers = |setting: &str| -> Option<Vec<f32>> {
        let mut numbers = Vec::new();
        flatten(layer.settings.get(setting)?, &mut numbers).then_some(numbers)
    };
    let (mean, variance) = match (numbers("mean"), numbers("variance")) {
        (Some(mean), Some(variance)) if !mean.is_empty() => (mean, variance),
        _ => {
            let [mean, variance] = arrays.read_first(layer)?;
            (mean.values, variance.values)
        }
    };
    let for_each = |values: Vec<f32>| if let [one] = values[..] { vec![one; channels] } else { values };
    let scale: Vec<f32> = for_each(variance).into_iter().map(|variance| variance.sqrt().max(LEAST_DEVIATION)).collect();
    let scaler = Scaler { mean: for_each(mean), scale };
    scaler.fits(channels).and_then(|()| Affine::of_scaler(&scaler)).or_else(|problem| layer.refuse(problem))
}

/// Collects the numbers of nested lists; false for what holds anything else.
fn flatten(value: &Value, numbers: &mut Vec<f32>) -> bool {
    match value {
        Value::Array(list) => list.iter().all(|value| flatten(value, numbers)),
        value => value.as_f64().map(|number| numbers.push(number as f32)).is_some(),
    }
}

fn batch_normalization(layer: &LayerConfig, arrays: &Arrays<'_, '_>) -> Result<Affine, ReadError> {
    let (has_gamma, has_beta) = (layer.flag("scale", true), layer.flag("center", true));
    let mut arrays = arrays.read(layer, 2 + usize::from(has_gamma) + usize::from(has_beta))?.into_iter();
    let gamma = has_gamma.then(|| arrays.next()).flatten();
    let beta = has_beta.then(|| arrays.next()).flatten();
    let (mean, variance) = (arrays.next(), arrays.next());
    let values = |array: &Option<Values>| array.as_ref().map_or_else(Vec::new, |array| array.values.clone());
    let optional = |array: &Option<Values>| array.as_ref().map(|array| array.values.clone());
    let epsilon = layer.real("epsilon").unwrap_or(1e-3);
    let (gamma, beta) = (optional(&gamma), optional(&beta));
    let affine =
        Affine::batch_normalisation(gamma.as_deref(), beta.as_deref(), &values(&mean), &values(&variance), epsilon);
    affine.or_else(|problem| layer.refuse(problem))
}
