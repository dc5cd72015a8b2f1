//! Targets for the files of other programs.

use triax_exchange::keras::{Compiled, read, write};
use triax_exchange::{Imported, Trained, hdf5};
use triax_model::Network;

/// A `.keras` archive or an `.h5` file. What is read comes back when it is written.
pub fn keras(bytes: &[u8]) -> bool {
    if let Ok(root) = hdf5::read(bytes) {
        values(&root);
    }
    let Ok(imported) = read(bytes) else { return false };
    let Imported { spec, weights, per_window, scaler, softmax, about, .. } = imported.clone();
    let network = Network::new(spec).expect("what was read is a network");
    let trained = Trained { network, weights, per_window, scaler, softmax, about };
    // A scale may be one that Keras does not divide by.
    if let Ok(written) = write(&trained, &Compiled::default()) {
        let again = read(&written).expect("what was written can be read");
        assert_eq!((again.spec, again.weights, again.scaler), (imported.spec, imported.weights, imported.scaler));
    }
    true
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
