//! Targets for the files of other programs.

use std::sync::LazyLock;

use triax_exchange::int8::{Quantised, quantise};
use triax_exchange::keras::{self as keras_files, Compiled};
use triax_exchange::{About, Trained, c as c_files, hdf5, html as pages, onnx as onnx_files, tflite as tflite_files};
use triax_model::{Network, NetworkSpec, PerWindow, Scaler, Weights};

/// The windows that seeds and networks in integers are made of: (window, channels).
const WINDOW: (usize, usize) = (6, 3);

/// The network that headers are read for, and the one of the seeds.
pub static NETWORK: LazyLock<Trained> = LazyLock::new(network);

/// The same in integers.
pub static INTEGERS: LazyLock<Quantised> =
    LazyLock::new(|| quantise(&NETWORK, &windows(4)).expect("the network has no GELU"));

fn network() -> Trained {
    let convs = vec!["2:3:1:2:tanh".parse().expect("a convolution")];
    let hidden = vec!["3".parse().expect("a dense layer")];
    let (window, channels) = WINDOW;
    let spec = NetworkSpec { window, channels, convs, global_pool: None, dropout: 0.25, hidden, classes: 2 };
    let network = Network::new(spec).expect("a window of six rows");
    Trained {
        weights: Weights::glorot_uniform(&network, 1),
        network,
        preparation: PerWindow::Standardise.into(),
        scaler: Some(Scaler { mean: vec![0.5, -1.0, 0.25], scale: vec![1.0, 2.0, 0.5] }),
        softmax: true,
        about: About { classes: vec!["sit".to_owned(), "walk".to_owned()], ..About::default() },
    }
}

/// `n` windows.
fn windows(n: usize) -> Vec<f32> {
    (0..n * WINDOW.0 * WINDOW.1).map(|i| (i * 7 % 11) as f32 - 5.0).collect()
}

/// A `.keras` archive or an `.h5` file. What is read comes back when it is written.
pub fn keras(bytes: &[u8]) -> bool {
    if let Ok(root) = hdf5::read(bytes) {
        values(&root);
    }
    let Ok(imported) = keras_files::read(bytes) else { return false };
    let trained = imported.into_trained().expect("what was read is a network");
    // A scale may be one that Keras does not divide by.
    if let Ok(written) = keras_files::write(&trained, &Compiled::default()) {
        let again = keras_files::read(&written).expect("what was written can be read");
        let again = again.into_trained().expect("what was read is a network");
        assert_eq!((again.network, again.weights, again.scaler), (trained.network, trained.weights, trained.scaler));
    }
    true
}

/// An ONNX file, of floats or of integers. What is read comes back when it is written.
pub fn onnx(bytes: &[u8]) -> bool {
    if let Ok(quantised) = onnx_files::read_int8(bytes) {
        computes(&quantised);
        return true;
    }
    let Ok(members) = onnx_files::read_ensemble(bytes) else { return false };
    for imported in members {
        let trained = imported.into_trained().expect("what was read is a network");
        // A file may name classes or channels that it does not have, or have larger steps than files hold.
        if let Ok(written) = onnx_files::write(std::slice::from_ref(&trained)) {
            let again = onnx_files::read(&written).expect("what was written can be read");
            assert_eq!((again.spec, again.weights), (trained.network.spec().clone(), trained.weights));
            assert_eq!((again.preparation, again.scaler), (trained.preparation, trained.scaler));
        }
    }
    true
}

/// A TensorFlow Lite file, of floats or of integers. What is read comes back when it is written.
pub fn tflite(bytes: &[u8]) -> bool {
    if let Ok(quantised) = tflite_files::read_int8(bytes) {
        computes(&quantised);
        return true;
    }
    let Ok(trained) = tflite_files::read(bytes) else { return false };
    if let Ok(written) = tflite_files::write(&trained) {
        let again = tflite_files::read(&written).expect("what was written can be read");
        assert_eq!((again.network, again.weights), (trained.network, trained.weights));
        assert_eq!((again.preparation, again.scaler), (trained.preparation, trained.scaler));
    }
    true
}

/// A header for C, of floats or of integers, with the numbers of [`NETWORK`].
pub fn c(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(quantised) = c_files::read_int8(&text, &INTEGERS) {
        computes(&quantised);
        return true;
    }
    let Ok(trained) = c_files::read(&text, &NETWORK) else { return false };
    // A table may hold a number that is not finite.
    if let Ok(written) = c_files::write(&trained, "network") {
        assert_eq!(c_files::read(&written.text, &NETWORK).as_ref(), Ok(&trained));
    }
    true
}

/// A web page.
pub fn html(bytes: &[u8]) -> bool {
    let Ok(trained) = pages::read(&String::from_utf8_lossy(bytes)) else { return false };
    let written = pages::write(&trained).expect("what was read can be written");
    let again = pages::read(&written).expect("what was written can be read");
    assert_eq!((again.network, again.weights), (trained.network, trained.weights));
    true
}

/// Lets a network in integers compute, if it is small.
fn computes(quantised: &Quantised) {
    let spec = quantised.network.spec();
    if spec.window * quantised.channels() == WINDOW.0 * WINDOW.1 && quantised.network.n_parameters() < 1000 {
        assert_eq!(quantised.scores(&windows(2)).len(), 2 * spec.classes);
    }
}

/// Reads the values of every data set.
fn values(group: &hdf5::Group<'_>) {
    for node in group.members.values() {
        match node {
            hdf5::Node::Group(group) => values(group),
            hdf5::Node::Dataset(dataset) => _ = dataset.values(),
        }
    }
}
