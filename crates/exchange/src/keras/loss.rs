//! Losses, as Keras calls them.

use serde_json::{Value, json};

use crate::about::CROSSENTROPY;

/// The loss in a compilation's configuration, by its name in Triax, if it is one of Triax's.
pub(super) fn read(setting: &Value) -> Option<&'static str> {
    // A name, or an object with its class or the name of a function.
    let name = setting.as_str().or(setting["class_name"].as_str().filter(|class| *class != "function"));
    match name.or(setting["config"].as_str())? {
        "hinge" | "Hinge" => Some("hinge"),
        "squared_hinge" | "SquaredHinge" => Some("squared_hinge"),
        "categorical_hinge" | "CategoricalHinge" => Some("categorical_hinge"),
        "categorical_crossentropy"
        | "CategoricalCrossentropy"
        | "sparse_categorical_crossentropy"
        | "SparseCategoricalCrossentropy" => Some(CROSSENTROPY),
        _ => None,
    }
}

/// The loss of this name for a compilation's configuration. The scores are not probabilities, unless a softmax makes them
/// some.
pub(super) fn write(loss: &str, softmax: bool) -> Value {
    if loss != CROSSENTROPY || softmax {
        return json!(loss);
    }
    json!({
        "module": "keras.losses",
        "class_name": "CategoricalCrossentropy",
        "config": { "from_logits": true },
        "registered_name": null,
    })
}
