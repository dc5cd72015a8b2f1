//! A `.keras` file out.

use std::collections::BTreeMap;
use std::io::{Cursor, Write as _};

use serde_json::{Value, json};
use triax_model::{Activation, Layer, Padding, PoolKind, Scaler};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::layers::LEAST_DEVIATION;
use super::weights::numbered;
use super::{loss, preparation};
use crate::about::{CROSSENTROPY, preparation_entry};
use crate::hdf5::{self, Content};
use crate::{Trained, Unsupported};

/// The version of Keras whose form is written. Those before 3.0 cannot read it.
const KERAS_VERSION: &str = "3.15.1";

/// How the model is compiled, so that a training can go on with `model.fit`: the optimizer. The loss is that of the network.
#[derive(Clone, Debug, PartialEq)]
pub struct Compiled {
    /// Class of the optimizer in `keras.optimizers`.
    pub optimizer: String,
    /// Its settings by their names in Keras, such as `learning_rate`.
    pub settings: Vec<(String, Value)>,
}

impl Default for Compiled {
    /// Keras's Adam.
    fn default() -> Self {
        Self { optimizer: "Adam".to_owned(), settings: vec![("learning_rate".to_owned(), json!(0.001))] }
    }
}

/// The bytes of a `.keras` file of `trained`, which Keras 3 loads. The same network gives the same bytes.
///
/// The scaler becomes a `Normalization` layer, whose division Keras computes with the same bits; derived channels,
/// gravity alignment and normalisation of windows become operations of a functional model, in float32. The optimizer begins anew.
///
/// # Errors
/// Parts that do not fit each other; a channel that is scaled by less than 1e-7 or more than 1e18.
pub fn write(trained: &Trained, compiled: &Compiled) -> Result<Vec<u8>, Unsupported> {
    trained.check()?;
    let spec = trained.network.spec();
    let variance = trained.scaler.as_ref().map(variance).transpose()?;

    let mut layers = vec![layer(
        "InputLayer",
        json!({"name": preparation::INPUT, "batch_shape": [null, spec.window, trained.channels()], "dtype": "float32"}),
    )];
    layers.extend(chain(trained));
    let model = if trained.preparation.is_none() {
        json!({
            "module": "keras",
            "class_name": "Sequential",
            "config": { "name": "triax", "layers": layers },
            "registered_name": null,
        })
    } else {
        preparation::functional(&trained.preparation, (spec.window, trained.channels()), layers)
    };
    let config = with_compilation(model, trained, compiled);

    let mut weights = BTreeMap::new();
    if let (Some(Scaler { mean, .. }), Some(variance)) = (&trained.scaler, &variance) {
        let shape = std::slice::from_ref(&spec.channels);
        let arrays = [Content::Floats(shape, mean), Content::Floats(shape, variance), Content::Integer(0)];
        weights.insert("normalization".to_owned(), vars(arrays));
    }
    let mut used = BTreeMap::new();
    for pair in trained.weights.tensors.chunks_exact(2) {
        let class = if pair[0].shape.len() == 3 { "conv1d" } else { "dense" };
        let count = used.entry(class).and_modify(|count| *count += 1).or_insert(0);
        weights.insert(
            numbered(class, *count),
            vars(pair.iter().map(|tensor| Content::Floats(&tensor.shape, &tensor.values))),
        );
    }
    let weights = hdf5::write(&BTreeMap::from([("layers".to_owned(), Content::Group(weights))]));
    let entries = trained.about.entries().into_iter().chain(preparation_entry(&trained.preparation));
    let about: BTreeMap<_, _> = entries.collect();
    let metadata = json!({ "keras_version": KERAS_VERSION, "triax": about });
    archive(&[
        ("metadata.json", metadata.to_string().as_bytes()),
        ("config.json", config.to_string().as_bytes()),
        ("model.weights.h5", &weights),
    ])
}

/// The layers after the input.
fn chain(trained: &Trained) -> Vec<Value> {
    let mut layers = Vec::new();
    if trained.scaler.is_some() {
        layers.push(layer("Normalization", json!({"name": "scaler", "axis": [-1]})));
    }
    let mut has_global_pool = false;
    for one in trained.network.layers() {
        match one {
            Layer::Conv { name, output, kernel, stride, dilation, padding, activation, .. } => {
                let (inline, own) = activation_of(name, *activation);
                let mut config = json!({
                    "name": name, "filters": output.1, "kernel_size": [kernel], "strides": [stride],
                    "padding": padding_name(*padding), "activation": inline, "use_bias": true,
                });
                if *dilation != 1 {
                    config["dilation_rate"] = json!([dilation]);
                }
                layers.push(layer("Conv1D", config));
                layers.extend(own);
            }
            Layer::Pool { name, kind, .. } if name == "global_pool" => {
                let class = match kind {
                    PoolKind::Max => "GlobalMaxPooling1D",
                    PoolKind::Average => "GlobalAveragePooling1D",
                };
                has_global_pool = true;
                layers.push(layer(class, json!({"name": name})));
            }
            Layer::Pool { name, kind, size, stride, padding, .. } => {
                let class = match kind {
                    PoolKind::Max => "MaxPooling1D",
                    PoolKind::Average => "AveragePooling1D",
                };
                layers.push(layer(
                    class,
                    json!({"name": name, "pool_size": [size], "strides": [stride], "padding": padding_name(*padding)}),
                ));
            }
            Layer::Dropout { rate, .. } => {
                if *rate > 0.0 {
                    layers.push(layer("Dropout", json!({"name": "dropout", "rate": decimal(*rate)})));
                }
                if !has_global_pool {
                    layers.push(layer("Flatten", json!({"name": "flatten"})));
                }
            }
            Layer::Dense { name, units, activation, .. } => {
                let (inline, own) = activation_of(name, *activation);
                layers.push(layer(
                    "Dense",
                    json!({"name": name, "units": units, "activation": inline, "use_bias": true}),
                ));
                layers.extend(own);
            }
        }
    }
    if trained.softmax {
        layers.push(layer("Softmax", json!({"name": "softmax"})));
    }
    layers
}

fn layer(class: &str, config: Value) -> Value {
    json!({"module": "keras.layers", "class_name": class, "config": config, "registered_name": null})
}

/// The name of an activation within the layer `of`, or a layer of its own: the slope of a leaky ReLU has no place within.
fn activation_of(of: &str, activation: Activation) -> (String, Option<Value>) {
    match activation {
        Activation::LeakyRelu { slope } => {
            let own = json!({"name": format!("{of}_leaky_relu"), "negative_slope": decimal(slope)});
            ("linear".to_owned(), Some(layer("LeakyReLU", own)))
        }
        other => (other.to_string(), None),
    }
}

fn padding_name(padding: Padding) -> &'static str {
    match padding {
        Padding::Valid => "valid",
        Padding::Same => "same",
    }
}

/// The shortest decimal that is `value` in float32: 0.1, where its float64 would be 0.10000000149011612.
fn decimal(value: f32) -> f64 {
    value.to_string().parse().expect("a number is read as it is written")
}

/// The variance for which Keras divides by each scale: `max(√variance, 1e-7)` in float32 is the scale to the last bit.
fn variance(scaler: &Scaler) -> Result<Vec<f32>, Unsupported> {
    let of_channel = |(channel, &scale): (usize, &f32)| {
        let variance = scale * scale;
        if variance.sqrt().max(LEAST_DEVIATION) == scale {
            return Ok(variance);
        }
        Err(Unsupported(format!(
            "channel {channel} is divided by {scale:e}, and Keras's Normalization divides by numbers from 1e-7 to 1e18; bring the \
             recordings to another unit"
        )))
    };
    scaler.scale.iter().enumerate().map(of_channel).collect()
}

/// A layer's group of arrays.
fn vars<'a>(arrays: impl IntoIterator<Item = Content<'a>>) -> Content<'a> {
    let arrays = arrays.into_iter().enumerate().map(|(i, array)| (i.to_string(), array)).collect();
    Content::Group(BTreeMap::from([("vars".to_owned(), Content::Group(arrays))]))
}

/// Adds loss and optimizer, where the loss is known. A softmax before one of the hinge losses is no training of Triax's.
fn with_compilation(mut model: Value, trained: &Trained, compiled: &Compiled) -> Value {
    let loss = trained.about.loss.as_deref().filter(|loss| !trained.softmax || *loss == CROSSENTROPY);
    if let Some(loss) = loss {
        let settings: serde_json::Map<String, Value> = compiled.settings.iter().cloned().collect();
        model["compile_config"] = json!({
            "optimizer": {
                "module": "keras.optimizers",
                "class_name": compiled.optimizer,
                "config": settings,
                "registered_name": null,
            },
            "loss": loss::write(loss, trained.softmax),
            "metrics": ["accuracy"],
        });
    }
    model
}

/// A zip archive of files that are stored as they are, without a time.
fn archive(files: &[(&str, &[u8])]) -> Result<Vec<u8>, Unsupported> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(DateTime::default());
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let mut write = || {
        for (name, bytes) in files {
            archive.start_file(*name, options)?;
            archive.write_all(bytes)?;
        }
        Ok::<_, zip::result::ZipError>(())
    };
    let failed = |problem: zip::result::ZipError| Unsupported(format!("the archive cannot be made: {problem}"));
    write().map_err(failed)?;
    Ok(archive.finish().map_err(failed)?.into_inner())
}
