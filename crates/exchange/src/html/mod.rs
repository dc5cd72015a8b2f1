//! A web page that recognises: one file with the network in plain JavaScript, for the sensors of a phone and for recordings.
//!
//! The page loads nothing, so it works from a file and offline. It holds the network as JSON, with the weights as the Base64
//! of little-endian f32. `network.js` computes, `signal.js` resamples and reads tables, `page.js` is what a person sees.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use triax_model::{Activation, Layer, Network, NetworkSpec, PoolKind, Preparation, Scaler, Tensor, Weights};

use crate::{About, ReadError, Trained, Unsupported};

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("style.css");
const SCRIPTS: [&str; 3] = [include_str!("network.js"), include_str!("signal.js"), include_str!("page.js")];
/// What stands before the network in a page.
const BEFORE_MODEL: &str = "<script id=\"model\" type=\"application/json\">";

/// The network as the page's scripts read it.
#[derive(Serialize, Deserialize)]
struct Model {
    window: usize,
    /// Those of the sensors.
    channels: usize,
    /// Names of the channels.
    names: Vec<String>,
    classes: Vec<String>,
    units: Vec<Option<String>>,
    rate: Option<f64>,
    step: usize,
    /// The preparation of windows, by its text.
    per_window: Option<String>,
    scaler: Option<Scaler>,
    softmax: bool,
    /// For the scripts; a reader derives them from `spec`.
    #[serde(skip_deserializing)]
    layers: Vec<serde_json::Value>,
    weights: String,
    spec: NetworkSpec,
    about: BTreeMap<String, String>,
}

/// The page, as HTML.
///
/// # Errors
/// Parts of the network that do not fit each other.
pub fn write(trained: &Trained) -> Result<String, Unsupported> {
    trained.check()?;
    let Trained { network, weights, preparation, scaler, softmax, about } = trained;
    let spec = network.spec();
    let or_numbers = |names: &[String], n: usize| match names {
        [] => (0..n).map(|i| i.to_string()).collect(),
        names => names.to_vec(),
    };
    let bytes: Vec<u8> =
        weights.tensors.iter().flat_map(|tensor| &tensor.values).flat_map(|value| value.to_le_bytes()).collect();
    let model = Model {
        window: spec.window,
        channels: trained.channels(),
        names: or_numbers(&about.channels, trained.channels()),
        classes: or_numbers(&about.classes, spec.classes),
        units: about.units.clone(),
        rate: about.rate_hz,
        step: about.step_or_half(spec.window),
        per_window: (!preparation.is_none()).then(|| preparation.to_string()),
        scaler: scaler.clone(),
        softmax: *softmax,
        layers: network.layers().iter().filter_map(layer).collect(),
        weights: STANDARD.encode(bytes),
        spec: spec.clone(),
        about: about.entries().into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
    };
    // Within a script element only `<` could end it.
    let json = serde_json::to_string(&model).expect("plain structs have a JSON form").replace('<', "\\u003c");
    let title = format!("Recognises {}", model.classes.join(", ")).replace('&', "&amp;").replace('<', "&lt;");
    let scripts = SCRIPTS.concat();
    let parts = [
        ("{{style}}", STYLE.trim_end()),
        ("{{scripts}}", scripts.trim_end()),
        ("{{title}}", &title),
        ("{{model}}", &json),
    ];
    // Each is put in once, so that no name can stand for another part.
    let mut page = String::with_capacity(PAGE.len() + json.len() + 40_000);
    let mut rest = PAGE;
    while let Some((at, (mark, part))) =
        parts.iter().filter_map(|part| Some((rest.find(part.0)?, part))).min_by_key(|(at, _)| *at)
    {
        page.push_str(&rest[..at]);
        page.push_str(part);
        rest = &rest[at + mark.len()..];
    }
    page.push_str(rest);
    Ok(page)
}

/// A layer as the scripts read it; dropout does nothing.
fn layer(layer: &Layer) -> Option<serde_json::Value> {
    let activation = |activation: &Activation| match activation {
        Activation::LeakyRelu { slope } => serde_json::json!({"name": "leaky_relu", "slope": slope}),
        other => serde_json::json!({"name": other.to_string()}),
    };
    Some(match layer {
        Layer::Conv { input, output, kernel, stride, dilation, before, activation: by, .. } => serde_json::json!({
            "type": "conv", "positions": [input.0, output.0], "channels": [input.1, output.1], "kernel": kernel,
            "stride": stride, "dilation": dilation, "before": before, "activation": activation(by),
        }),
        Layer::Pool { kind, input, output, size, stride, before, .. } => serde_json::json!({
            "type": "pool", "kind": match kind { PoolKind::Max => "max", PoolKind::Average => "average" },
            "positions": [input.0, output.0], "channels": [input.1, output.1], "size": size, "stride": stride,
            "before": before,
        }),
        Layer::Dropout { .. } => return None,
        Layer::Dense { inputs, units, activation: by, .. } => {
            serde_json::json!({"type": "dense", "inputs": inputs, "units": units, "activation": activation(by)})
        }
    })
}

/// The network of a page that [`write()`] has made.
///
/// # Errors
/// A text that is no such page.
pub fn read(page: &str) -> Result<Trained, ReadError> {
    let wrong = |place: &str, problem: &str| ReadError::new(place, problem);
    let (_, rest) = page.split_once(BEFORE_MODEL).ok_or_else(|| wrong("page", "it holds no network of Triax"))?;
    let (json, _) = rest.split_once("</script>").ok_or_else(|| wrong("page", "it is cut off"))?;
    let model: Model = serde_json::from_str(json).map_err(|error| ReadError::new("model", error.to_string()))?;
    let network = Network::new(model.spec).map_err(|error| ReadError::new("spec", error.to_string()))?;
    let bytes = STANDARD.decode(&model.weights).map_err(|error| ReadError::new("weights", error.to_string()))?;
    let (words, beyond) = bytes.as_chunks();
    if words.len() != network.n_parameters() || !beyond.is_empty() {
        return Err(wrong("weights", "they are not those of the network"));
    }
    let mut values = words.iter().map(|word| f32::from_le_bytes(*word));
    let tensors = network.parameters().iter().map(|parameter| Tensor {
        name: parameter.name.clone(),
        shape: parameter.shape.clone(),
        values: values.by_ref().take(parameter.len()).collect(),
    });
    let weights = Weights { tensors: tensors.collect() };
    let preparation = model.per_window.unwrap_or_default().parse::<Preparation>();
    let trained = Trained {
        weights,
        preparation: preparation.map_err(|problem| ReadError::new("per_window", problem))?,
        scaler: model.scaler,
        softmax: model.softmax,
        about: About::from_entries(model.about.iter().map(|(key, value)| (key.as_str(), value.as_str()))),
        network,
    };
    trained.check().map_err(|problem| ReadError::new("model", problem.to_string()))?;
    Ok(trained)
}

#[cfg(test)]
mod tests;
