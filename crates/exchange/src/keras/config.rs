//! The layers of a Keras model as a chain, out of its JSON.

use std::collections::HashMap;

use serde_json::{Map, Value, json};
use triax_model::Preparation;

use super::preparation;
use crate::ReadError;

/// The most layers of a model, and the deepest JSON in which names of layers are looked for.
const MOST_LAYERS: usize = 1000;
const DEEPEST: usize = 16;

/// A layer of a model.
#[derive(Clone, Debug)]
pub(super) struct LayerConfig {
    pub name: String,
    pub class: String,
    pub settings: Map<String, Value>,
    /// What the layer reads in a functional model: `inbound_nodes`, as it stands there.
    pub inbound: Value,
}

impl LayerConfig {
    fn read(layer: &Value) -> Result<Self, ReadError> {
        let class = layer["class_name"].as_str();
        let settings = layer["config"].as_object();
        let (Some(class), Some(settings)) = (class, settings) else {
            return Err(ReadError::new("config.json", "a layer has no class or no settings; save the model anew"));
        };
        let name = layer["name"].as_str().or(settings.get("name").and_then(Value::as_str)).unwrap_or(class);
        let inbound = layer["inbound_nodes"].clone();
        Ok(Self { name: name.to_owned(), class: class.to_owned(), settings: settings.clone(), inbound })
    }

    /// How errors call the layer.
    pub fn place(&self) -> String {
        format!("layer `{}` ({})", self.name, self.class)
    }

    /// The error `problem` at this layer.
    pub fn refuse<T>(&self, problem: impl Into<String>) -> Result<T, ReadError> {
        Err(ReadError::new(self.place(), problem))
    }

    /// A number that Keras writes as such, or as a list of one.
    pub fn number(&self, setting: &str) -> Result<usize, ReadError> {
        let value = match self.settings.get(setting) {
            Some(Value::Array(list)) if list.len() == 1 => &list[0],
            Some(value) => value,
            None => return self.refuse(format!("it has no `{setting}`")),
        };
        match value.as_u64().and_then(|number| usize::try_from(number).ok()).filter(|&number| number > 0) {
            Some(number) => Ok(number),
            None => self.refuse(format!("its `{setting}` is {value}, not a count")),
        }
    }

    /// A setting that is a text.
    pub fn text(&self, setting: &str) -> Option<&str> {
        self.settings.get(setting)?.as_str()
    }

    /// A setting that is a real number.
    pub fn real(&self, setting: &str) -> Option<f64> {
        self.settings.get(setting)?.as_f64()
    }

    /// A setting that is yes or no.
    pub fn flag(&self, setting: &str, default: bool) -> bool {
        self.settings.get(setting).and_then(Value::as_bool).unwrap_or(default)
    }

    /// The shape of a window that an input layer names: (window, channels).
    fn input_shape(&self) -> Option<Result<(usize, usize), ReadError>> {
        let shape = ["batch_shape", "batch_input_shape"].iter().find_map(|setting| self.settings.get(*setting));
        let shape = shape.filter(|shape| !shape.is_null())?;
        let lengths: Vec<Option<usize>> =
            shape.as_array()?.iter().map(|length| length.as_u64().map(|length| length as usize)).collect();
        Some(match lengths[..] {
            [_, Some(window), Some(channels)] => Ok((window, channels)),
            [_, None, _] => {
                self.refuse("it takes windows of any length; the family has windows of one length: name it")
            }
            _ => self.refuse(format!("it reads {shape}; the family reads (batch, window, channels)")),
        })
    }
}

/// The chain of layers of a model.
pub(super) struct Model {
    /// (window, channels)
    pub input: (usize, usize),
    /// The preparation of windows that Triax has written before the layers.
    pub preparation: Preparation,
    /// The layers in the order in which they compute. Input layers are left out.
    pub layers: Vec<LayerConfig>,
}

impl Model {
    /// Reads `config.json`, or the attribute `model_config`. `tells` gives the preparation that the file tells for windows of so many
    /// channels, if it derives channels.
    pub fn read(config: &Value, tells: impl Fn(usize) -> Option<Preparation>) -> Result<Self, ReadError> {
        let class = config["class_name"].as_str().unwrap_or("no class");
        let settings = &config["config"];
        // Keras before 2.2.3 wrote the layers of a sequential model alone.
        let layers = settings["layers"].as_array().or(settings.as_array());
        let Some(layers) = layers.filter(|layers| layers.len() <= MOST_LAYERS) else {
            let problem = format!("it holds {class}, and no list of layers; a Sequential or functional model is read");
            return Err(ReadError::new("config.json", problem));
        };
        let layers = layers.iter().map(LayerConfig::read).collect::<Result<Vec<_>, _>>()?;
        let input = layers.iter().find_map(LayerConfig::input_shape).unwrap_or_else(|| {
            let problem = "the model does not say what it reads; begin it with `keras.Input((window, channels))`";
            Err(ReadError::new("config.json", problem))
        })?;
        let mut preparation = Preparation::default();
        let layers = match class {
            "Sequential" => layers,
            "Functional" | "Model" => {
                let (layers, found) = without_preparation(layers, input, tells(input.1).as_ref());
                preparation = found;
                in_order(layers, settings)?
            }
            other => {
                let problem = format!("it is a {other}; a Sequential or functional model is read");
                return Err(ReadError::new("config.json", problem));
            }
        };
        let layers = layers.into_iter().filter(|layer| layer.class != "InputLayer").collect();
        Ok(Self { input, preparation, layers })
    }
}

/// The layers of a functional model without the operations that prepare windows, as Triax writes them, and what those
/// were. The layer after them then reads the input.
fn without_preparation(
    mut layers: Vec<LayerConfig>,
    input: (usize, usize),
    tells: Option<&Preparation>,
) -> (Vec<LayerConfig>, Preparation) {
    let Some((preparation, names)) = preparation::recognised(&layers, input, tells) else {
        return (layers, Preparation::default());
    };
    layers.retain(|layer| !names.contains(&layer.name));
    let last = names.last().map(String::as_str);
    for layer in &mut layers {
        let mut inputs = Vec::new();
        names_of_inputs(&layer.inbound, DEEPEST, &mut inputs);
        if inputs.len() == 1 && inputs.first().copied() == last {
            layer.inbound = json!([[[preparation::INPUT, 0, 0]]]);
        }
    }
    (layers, preparation)
}

/// The layers of a functional model from its input to its output.
fn in_order(layers: Vec<LayerConfig>, settings: &Value) -> Result<Vec<LayerConfig>, ReadError> {
    let mut next: HashMap<String, usize> = HashMap::new();
    let mut start = None;
    for (i, layer) in layers.iter().enumerate() {
        let nodes = layer.inbound.as_array().map_or(0, Vec::len);
        let mut inputs = Vec::new();
        names_of_inputs(&layer.inbound, DEEPEST, &mut inputs);
        match (layer.class.as_str(), nodes, inputs.as_slice()) {
            ("InputLayer", _, []) if start.is_none() => start = Some(i),
            ("InputLayer", ..) => return layer.refuse("the model has a second input; the family has one"),
            (_, 1, [input]) => {
                if next.insert((*input).to_owned(), i).is_some() {
                    return layer
                        .refuse(format!("the model branches after `{input}`; the family is a chain of layers"));
                }
            }
            (_, 1, _) => return layer.refuse("it reads several layers; the family is a chain of layers"),
            _ => return layer.refuse("it is used several times; the family is a chain of layers"),
        }
    }
    let Some(start) = start else {
        return Err(ReadError::new("config.json", "the model has no input layer"));
    };
    let mut order = vec![start];
    while let Some(&following) = next.get(&layers[order[order.len() - 1]].name) {
        if order.contains(&following) {
            return layers[following].refuse("the model goes in a circle");
        }
        order.push(following);
    }
    let last = &layers[order[order.len() - 1]];
    let mut outputs = Vec::new();
    names_of_inputs(&settings["output_layers"], DEEPEST, &mut outputs);
    if order.len() != layers.len() || outputs != [last.name.as_str()] {
        return last.refuse("the model has other outputs than its last layer; the family is a chain of layers");
    }
    let mut layers: Vec<Option<LayerConfig>> = layers.into_iter().map(Some).collect();
    Ok(order.into_iter().filter_map(|i| layers[i].take()).collect())
}

/// The names of the layers that nodes read, or that a list of outputs names: in Keras 3 a `keras_history` each, in Keras 2 a list of name, two numbers and a
/// dictionary.
fn names_of_inputs<'a>(value: &'a Value, depth: usize, names: &mut Vec<&'a str>) {
    match value {
        Value::Object(map) => match map.get("keras_history") {
            Some(history) => names.extend(history[0].as_str()),
            None if depth > 0 => map.values().for_each(|value| names_of_inputs(value, depth - 1, names)),
            None => {}
        },
        Value::Array(list) => match list.as_slice() {
            [Value::String(name), Value::Number(_), Value::Number(_), ..] => names.push(name),
            list if depth > 0 => list.iter().for_each(|value| names_of_inputs(value, depth - 1, names)),
            _ => {}
        },
        _ => {}
    }
}
