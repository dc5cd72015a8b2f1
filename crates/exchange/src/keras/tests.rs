//! Without Keras: files that it has written, and what is not read. `tests/keras` has Keras itself.

use std::io::{Cursor, Read as _, Write as _};

use proptest::prelude::*;
use serde_json::{Value, json};
use triax_model::{PerWindow, PoolKind};
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

use super::*;
use crate::trained::tests::{derived, trained};
use crate::{About, ReadError, Trained};

fn golden(name: &str) -> Vec<u8> {
    let path = format!("{}/golden/{name}.gz", env!("CARGO_MANIFEST_DIR"));
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_end(&mut bytes).unwrap();
    bytes
}

fn floats(name: &str) -> Vec<f32> {
    golden(name).as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

#[test]
fn what_keras_has_written_is_read_and_answers_the_same() {
    let imported = read(&golden("functional.keras")).unwrap();
    assert_eq!(read(&golden("functional.h5")).unwrap(), imported);
    let spec = &imported.spec;
    assert_eq!(spec.convs[0].to_string(), "8:3:1:avg3/2-same:same:leaky_relu=0.1");
    assert_eq!((spec.convs[1].to_string(), spec.global_pool), ("5:2:1:gelu".to_owned(), Some(PoolKind::Average)));
    assert_eq!((spec.hidden[0].to_string(), spec.dropout), ("7:tanh".to_owned(), 0.25));
    assert!(imported.softmax && imported.notices.is_empty(), "{:?}", imported.notices);
    assert_eq!(imported.about.loss.as_deref(), Some("categorical_crossentropy"));
    let answers = imported.into_trained().unwrap().scores(&floats("windows.f32"));
    for (ours, keras) in answers.iter().zip(floats("functional.answers.f32")) {
        assert!((ours - keras).abs() < 1e-5, "{ours}, and {keras} by Keras");
    }
}

/// Networks of many kinds.
fn examples() -> Vec<Trained> {
    let with = |trained: Trained, change: fn(&mut Trained)| {
        let mut trained = trained;
        change(&mut trained);
        trained
    };
    vec![
        trained("8:3:2:2", "10", None),
        trained("8:3:1:avg3/2-same:same:elu,4:2:1:gelu", "7:tanh,5:leaky_relu=0.3", Some(PoolKind::Max)),
        trained("8:3:1:linear,4:2:2:leaky_relu=0.01", "", Some(PoolKind::Average)),
        with(trained("8:3:1", "", None), |t| (t.scaler, t.softmax) = (None, true)),
        with(trained("8:3:1", "4", None), |t| t.preparation = PerWindow::Standardise.into()),
        with(trained("8:3:1", "4", None), |t| t.preparation = PerWindow::AlignGravity.into()),
        with(derived()[0].1.clone(), |_| {}),
        with(derived()[1].1.clone(), |_| {}),
        with(derived()[2].1.clone(), |_| {}),
        with(derived()[3].1.clone(), |_| {}),
        with(trained("8:3:1", "4", None), |t| t.about.loss = Some("hinge".into())),
        with(trained("8:3:1", "4", None), |t| t.about.loss = Some("categorical_crossentropy".into())),
    ]
}

#[test]
fn what_is_written_is_read_back_bit_for_bit() {
    for example in examples() {
        let bytes = write(&example, &Compiled::default()).unwrap();
        assert_eq!(bytes, write(&example, &Compiled::default()).unwrap());
        let imported = read(&bytes).unwrap();
        assert!(!imported.is_folded && imported.notices.is_empty());
        assert_eq!(read_weights(&bytes, &example.network).unwrap(), (example.weights.clone(), vec![]));
        assert_eq!(imported.into_trained().unwrap(), example);
    }
}

#[test]
fn classes_and_rate_travel_with_the_file() {
    let about = About {
        classes: ["a", "b", "c"].map(str::to_owned).to_vec(),
        rate_hz: Some(20.0),
        step: Some(7),
        fingerprint: Some("abc".into()),
        ..About::default()
    };
    let example = Trained { about: about.clone(), ..trained("8:3:2:2", "10", None) };
    assert_eq!(read(&write(&example, &Compiled::default()).unwrap()).unwrap().about, about);
}

#[test]
fn a_scale_that_keras_would_not_divide_by_is_refused() {
    for scale in [9e-8, 1e-30, 1e30] {
        let mut example = trained("8:3:2:2", "10", None);
        example.scaler.as_mut().unwrap().scale[4] = scale;
        let error = write(&example, &Compiled::default()).unwrap_err().to_string();
        assert!(error.contains("channel 4") && error.contains("1e-7"), "{error}");
    }
}

/// The files of an archive, with `config.json` changed.
fn with_config(bytes: &[u8], change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut changed = ZipWriter::new(Cursor::new(Vec::new()));
    let mut change = Some(change);
    for i in 0..archive.len() {
        let mut file = archive.by_index(i).unwrap();
        let name = file.name().unwrap().into_owned();
        let mut content = Vec::new();
        file.read_to_end(&mut content).unwrap();
        if name == "config.json" {
            let mut config: Value = serde_json::from_slice(&content).unwrap();
            change.take().unwrap()(&mut config);
            content = config.to_string().into_bytes();
        }
        changed.start_file(name, SimpleFileOptions::default()).unwrap();
        changed.write_all(&content).unwrap();
    }
    changed.finish().unwrap().into_inner()
}

/// What reading the example says after its layer `layer` got this setting; `class` is the layer's class.
fn refusal(layer: usize, setting: &str, value: Value) -> ReadError {
    let bytes = write(&trained("8:3:2:2", "10", None), &Compiled::default()).unwrap();
    let bytes = with_config(&bytes, |config| match setting {
        "class" => config["config"]["layers"][layer]["class_name"] = value,
        setting => config["config"]["layers"][layer]["config"][setting] = value,
    });
    read(&bytes).expect_err(setting)
}

#[test]
fn what_is_not_of_the_family_is_refused_with_the_layer_and_its_class() {
    // 0 InputLayer, 1 Normalization, 2 Conv1D, 3 MaxPooling1D, 4 Dropout, 5 Flatten, 6 Dense, 7 Dense
    let cases = [
        (2, "class", json!("LSTM"), "layer `conv1` (LSTM)", "no such layer in the family"),
        (2, "dilation_rate", json!([2]), "layer `conv1` (Conv1D)", "its dilation is 2 and its stride 2"),
        (2, "dilation_rate", json!([0]), "layer `conv1` (Conv1D)", "`dilation_rate` is 0"),
        (2, "groups", json!(2), "layer `conv1` (Conv1D)", "grouped"),
        (2, "padding", json!("causal"), "layer `conv1` (Conv1D)", "`causal`"),
        (2, "data_format", json!("channels_first"), "layer `conv1` (Conv1D)", "channels_first"),
        (2, "kernel_size", json!([5]), "layer `conv1` (Conv1D)", "other than its settings say"),
        (2, "filters", json!(9), "layer `conv1` (Conv1D)", "other than its settings say"),
        (2, "filters", json!(-3), "layer `conv1` (Conv1D)", "not a count"),
        (2, "strides", json!(0), "layer `conv1` (Conv1D)", "`strides` is 0"),
        (2, "use_bias", json!(false), "layer `conv1` (Conv1D)", "1 arrays of weights belong to it"),
        (2, "activation", json!("swish"), "layer `conv1` (Conv1D)", "no activation `swish`"),
        (2, "activation", json!({"class_name": "PReLU", "config": {}}), "layer `conv1` (Conv1D)", "`PReLU`"),
        (6, "units", json!(9), "layer `dense1` (Dense)", "other than its settings say"),
        (7, "activation", json!("sigmoid"), "layer `dense2` (Dense)", "sigmoid"),
        (7, "activation", json!("relu"), "layer `dense2` (Dense)", "its scores go through `relu`"),
        (1, "axis", json!([1]), "layer `scaler` (Normalization)", "axis=-1"),
        (1, "invert", json!(true), "layer `scaler` (Normalization)", "it is inverted"),
        (4, "rate", json!(1.5), "layer `dropout` (Dropout)", "1.5"),
        (0, "batch_shape", json!([null, null, 6]), "layer `window` (InputLayer)", "windows of any length"),
        (0, "batch_shape", json!([null, 20, 6, 1]), "layer `window` (InputLayer)", "(batch, window, channels)"),
        (0, "batch_shape", Value::Null, "config.json", "keras.Input"),
        (5, "class", json!("Dropout"), "layer `dense1` (Dense)", "put a flatten"),
    ];
    for (layer, setting, value, place, problem) in cases {
        let error = refusal(layer, setting, value);
        assert_eq!(error.place, place, "{error}");
        assert!(error.problem.contains(problem), "{error}");
    }
}

#[test]
fn batch_normalisation_along_another_axis_is_refused() {
    let bytes = write(&trained("8:3:2:2", "10", None), &Compiled::default()).unwrap();
    let bytes = with_config(&bytes, |config| {
        let layer = &mut config["config"]["layers"][3];
        layer["class_name"] = json!("BatchNormalization");
        layer["config"]["axis"] = json!([1]);
    });
    let error = read(&bytes).unwrap_err().to_string();
    assert!(error.contains("(BatchNormalization): it normalises along axis 1"), "{error}");
}

#[test]
fn a_model_that_is_no_chain_is_refused() {
    let mut example = trained("8:3:2:2", "10", None);
    example.preparation = PerWindow::Standardise.into();
    let bytes = write(&example, &Compiled::default()).unwrap();
    let tensor = |name: &str| json!({"class_name": "__keras_tensor__", "config": {"shape": [], "dtype": "float32", "keras_history": [name, 0, 0]}});
    type Change<'a> = Box<dyn FnOnce(&mut Value) + 'a>;
    let last = |config: &Value| config["config"]["layers"].as_array().unwrap().len() - 1;
    let cases: Vec<(&str, Change<'_>)> = vec![
        (
            "it reads several layers",
            Box::new(|config| {
                let last = last(config);
                config["config"]["layers"][last]["inbound_nodes"][0]["args"] =
                    json!([[tensor("dense1"), tensor("flatten")]]);
            }),
        ),
        (
            "it is used several times",
            Box::new(|config| {
                let last = last(config);
                let node = config["config"]["layers"][last]["inbound_nodes"][0].clone();
                config["config"]["layers"][last]["inbound_nodes"] = json!([node.clone(), node]);
            }),
        ),
        (
            "the model branches after `flatten`",
            Box::new(|config| {
                let last = last(config);
                config["config"]["layers"][last]["inbound_nodes"][0]["args"] = json!([tensor("flatten")]);
            }),
        ),
        (
            "other outputs than its last layer",
            Box::new(|config| config["config"]["output_layers"] = json!(["dense1", 0, 0])),
        ),
        ("it is a Custom", Box::new(|config| config["class_name"] = json!("Custom"))),
        // An operation that is not what Triax writes is an unknown layer.
        (
            "no such layer in the family",
            Box::new(|config| {
                let layers = config["config"]["layers"].as_array_mut().unwrap();
                let rounding = layers.iter_mut().find(|layer| layer["class_name"] == "Multiply").unwrap();
                rounding["inbound_nodes"][0]["args"][1] = json!(0.5);
            }),
        ),
    ];
    for (problem, change) in cases {
        let error = read(&with_config(&bytes, change)).expect_err(problem);
        let is_a_chain_problem = error.problem.contains(problem)
            || problem.starts_with("no such layer") && error.problem.contains("the family is a chain of layers");
        assert!(is_a_chain_problem, "{error}");
    }
}

#[test]
fn files_of_other_kinds_are_refused() {
    for (bytes, problem) in [
        (&b"safetensors"[..], "neither a .keras archive nor an HDF5 file"),
        (b"PK\x03\x04 and no more", "archive"),
        (&crate::hdf5::SIGNATURE, "bytes should follow"),
        (&golden("default.h5"), "no weights of Keras"),
    ] {
        let error = read_weights(bytes, &trained("8:3:2:2", "10", None).network).unwrap_err().to_string();
        assert!(error.contains(problem), "{error}");
    }
    let other = trained("8:3:1:2", "10", None).network;
    let bytes = write(&trained("8:3:2:2", "10", None), &Compiled::default()).unwrap();
    let error = read_weights(&bytes, &other).unwrap_err().to_string();
    assert_eq!(error, "the network: conv1: 8:3:2:2 in the file, 8:3:1:2 in the settings; choose the same layers");
}

proptest! {
    /// For every scale that is not refused, what Keras divides by is the scale.
    #[test]
    fn a_variance_gives_its_scale_back(exponent in -23_i32..59, mantissa in 0_u32..1 << 23) {
        let scale = f32::from_bits(((exponent + 127) as u32) << 23 | mantissa);
        let mut example = trained("8:3:2:2", "", None);
        example.scaler.as_mut().unwrap().scale[0] = scale;
        let written = read(&write(&example, &Compiled::default()).unwrap()).unwrap();
        prop_assert_eq!(written.scaler, example.scaler);
    }

    #[test]
    fn damaged_files_are_read_or_refused(
        name in prop::sample::select(&["functional.keras", "functional.h5"][..]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = golden(name);
        let there: Vec<usize> = (0..bytes.len()).filter(|&i| bytes[i] != 0).collect();
        for (at, value) in changes {
            bytes[there[at.index(there.len())]] = value;
        }
        let _ = read(&bytes);
    }
}
