//! Keras files in.

use std::io::{Cursor, Read as _};

use serde_json::Value;
use triax_model::{Network, Weights};
use zip::ZipArchive;

use super::config::{LayerConfig, Model};
use super::layers::steps;
use super::loss;
use super::weights::{Store, numbered, of_class, of_name};
use crate::about::{CROSSENTROPY, preparation_in};
use crate::assembly::{Assembly, Step};
use crate::hdf5::{self, Group};
use crate::{About, Imported, ReadError};

/// What each zip archive begins with.
const ZIP: &[u8] = b"PK\x03\x04";
/// The most bytes of a model's JSON, and of its weights: those of the largest network of the family, with the optimizer's.
const MOST_JSON: u64 = 1 << 24;
const MOST_WEIGHTS: u64 = 1 << 32;

/// Whether `bytes` begin as a Keras file does.
pub fn is_keras(bytes: &[u8]) -> bool {
    bytes.starts_with(ZIP) || bytes.starts_with(&hdf5::SIGNATURE)
}

/// Reads a `.keras` archive, or an `.h5` file of a whole model.
///
/// # Errors
/// A file that is damaged, or of another kind; weights alone; a layer that the family does not hold.
pub fn read(bytes: &[u8]) -> Result<Imported, ReadError> {
    let file = KerasFile::open(bytes)?;
    let root = file.weights()?;
    match file.config(&root)? {
        Some(config) => import(&config, &root, &file.metadata),
        None => Err(ReadError::new(
            "the HDF5 file",
            "it holds weights alone, without their network; save the model by `model.save(\"model.keras\")`, or give the file \
             to `--init-weights` of a training with the same network",
        )),
    }
}

/// Reads the weights of `network` from a Keras file of any kind. Returns them with what the user should know.
///
/// # Errors
/// As [`read`]; weights of another network, with the first difference.
pub fn read_weights(bytes: &[u8], network: &Network) -> Result<(Weights, Vec<String>), ReadError> {
    let file = KerasFile::open(bytes)?;
    let root = file.weights()?;
    let Some(config) = file.config(&root)? else {
        return Ok((weights_alone(&root, network)?, Vec::new()));
    };
    import(&config, &root, &file.metadata)?.weights_of(network)
}

/// A Keras file, unpacked as far as it is packed.
struct KerasFile<'a> {
    /// `config.json`, where the file is an archive.
    config: Option<Value>,
    metadata: Value,
    /// The HDF5 file.
    hdf5: std::borrow::Cow<'a, [u8]>,
}

impl<'a> KerasFile<'a> {
    fn open(bytes: &'a [u8]) -> Result<Self, ReadError> {
        if bytes.starts_with(&hdf5::SIGNATURE) {
            return Ok(Self { config: None, metadata: Value::Null, hdf5: bytes.into() });
        }
        if !bytes.starts_with(ZIP) {
            return Err(ReadError::new("byte 0", "it is neither a .keras archive nor an HDF5 file"));
        }
        let mut archive = ZipArchive::new(Cursor::new(bytes))
            .map_err(|problem| ReadError::new("the archive", problem.to_string()))?;
        let config = member(&mut archive, "config.json", MOST_JSON)?;
        let metadata = member(&mut archive, "metadata.json", MOST_JSON)?;
        let (Some(config), Some(hdf5)) = (config, member(&mut archive, "model.weights.h5", MOST_WEIGHTS)?) else {
            return Err(ReadError::new(
                "the archive",
                "it holds no config.json with model.weights.h5, so it is no .keras file of one piece",
            ));
        };
        let config = serde_json::from_slice(&config)
            .map_err(|problem| ReadError::new("config.json", format!("it is no JSON: {problem}")))?;
        let metadata = metadata.and_then(|metadata| serde_json::from_slice(&metadata).ok()).unwrap_or_default();
        Ok(Self { config: Some(config), metadata, hdf5: hdf5.into() })
    }

    fn weights(&self) -> Result<Group<'_>, ReadError> {
        hdf5::read(&self.hdf5).map_err(|error| ReadError::new("the weights", error.to_string()))
    }

    /// The model's JSON; `None` for weights alone. Of an `.h5` file, the compilation is put where Keras 3 has it.
    fn config(&self, root: &Group<'_>) -> Result<Option<Value>, ReadError> {
        if let Some(config) = &self.config {
            return Ok(Some(config.clone()));
        }
        let parse = |name: &str| -> Result<Option<Value>, ReadError> {
            let Some(text) = root.attributes.get(name) else { return Ok(None) };
            let wrong = |problem: String| ReadError::new(format!("attribute `{name}`"), problem);
            let text = text.text().ok_or_else(|| wrong("it is no text; save the model anew".into()))?;
            serde_json::from_str(text).map(Some).map_err(|problem| wrong(format!("it is no JSON: {problem}")))
        };
        let Some(mut config) = parse("model_config")? else { return Ok(None) };
        if let (Some(compiled), Some(config)) = (parse("training_config")?, config.as_object_mut()) {
            config.insert("compile_config".to_owned(), compiled);
        }
        Ok(Some(config))
    }
}

/// The bytes of a member of the archive, if it has one of that name.
fn member(archive: &mut ZipArchive<Cursor<&[u8]>>, name: &str, most: u64) -> Result<Option<Vec<u8>>, ReadError> {
    let Some(index) = archive.index_for_name(name) else { return Ok(None) };
    let failed = |problem: String| ReadError::new(format!("`{name}` of the archive"), problem);
    let file = archive.by_index(index).map_err(|problem| failed(problem.to_string()))?;
    if file.size() > most {
        return Err(failed(format!("it has {} bytes, and {most} are the most", file.size())));
    }
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes).map_err(|problem| failed(problem.to_string()))?;
    Ok(Some(bytes))
}

fn import(config: &Value, root: &Group<'_>, metadata: &Value) -> Result<Imported, ReadError> {
    let entries = metadata["triax"].as_object().into_iter().flatten();
    let entries = entries.filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)));
    let model = Model::read(config, |channels| preparation_in(entries.clone(), channels))?;
    let mut store = Store::new(root)?;
    let input = |problem: String| ReadError::new("the input", problem);
    let mut assembly = Assembly::new(model.input.0, model.input.1).map_err(input)?;
    if !model.preparation.is_none() {
        assembly.add("the input", Step::Prepare(model.preparation)).map_err(input)?;
    }
    for layer in &model.layers {
        for step in steps(layer, &assembly, &store.arrays(layer)?)? {
            assembly.add(&layer.place(), step).or_else(|problem| layer.refuse(problem))?;
        }
    }
    let about = About::from_entries(entries);
    let mut imported = assembly.finish(about)?;
    let loss = loss::read(&config["compile_config"]["loss"]);
    let policy = |layer: &LayerConfig| {
        let dtype = layer.settings.get("dtype")?;
        let name = dtype.as_str().or(dtype["config"]["name"].as_str())?;
        (name != "float32").then(|| format!("{} computes in {name} in Keras, and in float32 here", layer.place()))
    };
    imported.notices.extend(model.layers.iter().find_map(policy));
    if imported.softmax && loss.is_some_and(|loss| loss != CROSSENTROPY) {
        imported.notices.push(format!(
            "it was trained with {} on probabilities; here scores are what its softmax reads, so that the loss is another, and \
             the classes are the same",
            loss.unwrap_or_default()
        ));
    }
    if let Some(loss) = loss {
        imported.about.loss = Some(loss.to_owned());
    }
    Ok(imported)
}

/// The weights of `network` from a file without layers: convolutions, then dense layers, in the order of the file.
fn weights_alone(root: &Group<'_>, network: &Network) -> Result<Weights, ReadError> {
    let normalises = |place: &str| {
        let problem = "it has weights of batch normalisation, which can be folded where the layers are known; save the model by \
                       `model.save(\"model.keras\")`";
        Err(ReadError::new(format!("weights `{place}`"), problem))
    };
    let mut arrays = Vec::new();
    match Store::new(root)? {
        Store::ByClass { layers, .. } => {
            if layers.group("batch_normalization").is_some() {
                return normalises("layers/batch_normalization");
            }
            for class in ["conv1d", "dense"] {
                let there = (0..).map(|i| numbered(class, i)).take_while(|group| layers.group(group).is_some());
                arrays.extend(there.map(|group| of_class(layers, &group)));
            }
        }
        Store::ByName(named) => {
            let names = named.attributes.get("layer_names").and_then(|names| names.texts()).unwrap_or_default();
            for name in names {
                arrays.push(of_name(named, name)?);
            }
        }
    }
    // The first array of a layer with weights is its kernel. Of a scaler, one array is a single number, its count.
    arrays.retain(|arrays| {
        !arrays.datasets.iter().any(|dataset| dataset.shape.is_empty()) && !arrays.datasets.is_empty()
    });
    if let Some(other) = arrays.iter().find(|arrays| arrays.datasets[0].shape.len() < 2) {
        return normalises(&other.place);
    }
    let n_layers = network.parameters().len() / 2;
    if arrays.len() != n_layers {
        let problem =
            format!("it has weights of {} layers, and the network of the settings has {n_layers}", arrays.len());
        return Err(ReadError::new("the weights", problem));
    }
    let mut tensors = Vec::new();
    for (parameters, arrays) in network.parameters().chunks_exact(2).zip(arrays) {
        let settings = serde_json::Map::new();
        let layer = LayerConfig { name: arrays.place.clone(), class: "weights".into(), settings, inbound: Value::Null };
        let read = arrays.read(&layer, arrays.datasets.len())?;
        for (i, parameter) in parameters.iter().enumerate() {
            // A layer without bias.
            let values = match read.get(i) {
                Some(array) if array.shape == parameter.shape => array.values.clone(),
                None if i == 1 => vec![0.0; parameter.len()],
                array => {
                    let found = array.map_or_else(|| "none".to_owned(), |array| format!("{:?}", array.shape));
                    let problem = format!(
                        "`{}` has the shape {found}, and {} of the settings has {:?}",
                        arrays.place, parameter.name, parameter.shape
                    );
                    return Err(ReadError::new("the weights", problem));
                }
            };
            tensors.push(triax_model::Tensor { name: parameter.name.clone(), shape: parameter.shape.clone(), values });
        }
    }
    let weights = Weights { tensors };
    match weights.first_non_finite() {
        Some(name) => Err(ReadError::new(name, "it holds a value that is not finite")),
        None => Ok(weights),
    }
}
