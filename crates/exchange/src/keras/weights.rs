//! Where the weights of each layer are in the HDF5 file.

use std::collections::HashMap;

use super::config::LayerConfig;
use super::layers::group_of;
use crate::ReadError;
use crate::assembly::Values;
use crate::hdf5::{Dataset, Group};

/// The weights of a model's layers.
pub(super) enum Store<'a, 'b> {
    /// Keras 3: by class and counter. The group holds a group for each layer.
    ByClass { layers: &'b Group<'a>, used: HashMap<&'static str, usize> },
    /// `.h5` files: by the layer's name. The group holds a group for each layer, whose attribute lists the weights.
    ByName(&'b Group<'a>),
}

impl<'a, 'b> Store<'a, 'b> {
    /// The store of a file of weights: `model.weights.h5`, or a whole or weights-only `.h5` file.
    pub fn new(root: &'b Group<'a>) -> Result<Self, ReadError> {
        // Keras 2.12 and 2.13 called it so.
        if let Some(layers) = root.group("layers").or(root.group("_layer_checkpoint_dependencies")) {
            return Ok(Self::ByClass { layers, used: HashMap::new() });
        }
        let named = root.group("model_weights").unwrap_or(root);
        if named.attributes.contains_key("layer_names") {
            return Ok(Self::ByName(named));
        }
        let problem = "it has neither `layers`, as Keras 3 writes, nor `layer_names`, as Keras 2 does: it holds no weights of Keras";
        Err(ReadError::new("the HDF5 file", problem))
    }

    /// The arrays of the next layer in the order of the model; none of a layer without weights.
    pub fn arrays(&mut self, layer: &LayerConfig) -> Result<Arrays<'a, 'b>, ReadError> {
        let Some(class) = group_of(&layer.class) else { return Ok(Arrays::default()) };
        match self {
            Self::ByClass { layers, used } => {
                let count = used.entry(class).and_modify(|count| *count += 1).or_insert(0);
                Ok(of_class(layers, &numbered(class, *count)))
            }
            Self::ByName(named) => of_name(named, &layer.name),
        }
    }
}

/// The arrays of one layer, which are read when they are asked for.
#[derive(Clone, Default)]
pub(super) struct Arrays<'a, 'b> {
    /// Where they are in the file.
    pub place: String,
    pub datasets: Vec<&'b Dataset<'a>>,
}

impl Arrays<'_, '_> {
    /// All arrays of `layer`, which should have `n`.
    pub fn read(&self, layer: &LayerConfig, n: usize) -> Result<Vec<Values>, ReadError> {
        if self.datasets.len() != n {
            let found = self.datasets.len();
            return layer.refuse(format!("{n} arrays of weights belong to it, and `{}` has {found}", self.place));
        }
        self.datasets.iter().map(|dataset| self.values(dataset)).collect()
    }

    /// The first `N` arrays of `layer`, of at least as many.
    pub fn read_first<const N: usize>(&self, layer: &LayerConfig) -> Result<[Values; N], ReadError> {
        let Some(first) = self.datasets.first_chunk::<N>() else {
            let found = self.datasets.len();
            return layer.refuse(format!("{N} arrays of weights belong to it, and `{}` has {found}", self.place));
        };
        let read: Vec<Values> = first.iter().map(|dataset| self.values(dataset)).collect::<Result<_, _>>()?;
        Ok(read.try_into().expect("as many as were read"))
    }

    fn values(&self, dataset: &Dataset<'_>) -> Result<Values, ReadError> {
        let values =
            dataset.values().map_err(|error| ReadError::new(format!("weights `{}`", self.place), error.to_string()))?;
        Ok(Values { shape: dataset.shape.clone(), values })
    }
}

/// The group of the layer of a class that `count` others of it come before.
pub(super) fn numbered(class: &str, count: usize) -> String {
    if count == 0 { class.to_owned() } else { format!("{class}_{count}") }
}

/// The arrays `vars/0`, `vars/1`, … of a layer's group.
pub(super) fn of_class<'a, 'b>(layers: &'b Group<'a>, group: &str) -> Arrays<'a, 'b> {
    let vars = |i: usize| layers.dataset(&format!("{group}/vars/{i}"));
    Arrays { place: format!("layers/{group}/vars"), datasets: (0..).map_while(vars).collect() }
}

/// The arrays that a layer's attribute lists.
pub(super) fn of_name<'a, 'b>(named: &'b Group<'a>, layer: &str) -> Result<Arrays<'a, 'b>, ReadError> {
    let place = layer.to_owned();
    let missing = |what: &str| ReadError::new(format!("weights `{layer}`"), format!("{what}; save the model anew"));
    let Some(group) = named.members.get(layer).and_then(|_| named.group(layer)) else {
        return Ok(Arrays { place, ..Arrays::default() });
    };
    let Some(names) = group.attributes.get("weight_names").and_then(|names| names.texts()) else {
        return Ok(Arrays { place, ..Arrays::default() });
    };
    let dataset =
        |name: &String| group.dataset(name).ok_or_else(|| missing(&format!("its array `{name}` is not there")));
    Ok(Arrays { place, datasets: names.iter().map(dataset).collect::<Result<_, _>>()? })
}
