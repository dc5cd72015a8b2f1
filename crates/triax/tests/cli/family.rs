//! Networks with padding, dilation, other activations and other pools than those of the reference network.

use std::fs;

use crate::{SMALL, data, read_json, recordings, train_small, triax};

/// Options for such a network.
pub const WIDE: [&str; 6] =
    ["--convs", "4:5:1:avg3/2:same:elu,5:4:1:d2:3/2-same:same:gelu", "--global-pool", "average", "--hidden", "6:tanh"];

#[test]
fn a_network_of_the_whole_family_trains_is_judged_and_predicts() {
    let folder = data();
    train_small(folder.path(), "data.csv", "run", &[&WIDE[..], &["--quiet"]].concat()).done();
    let run = folder.path().join("run");
    let spec = &read_json(run.join("config.json"))["recorded"]["network"];
    assert_eq!((&spec["global_pool"], &spec["hidden"][0]), (&"average".into(), &"6:tanh".into()));

    let judged = triax(folder.path(), ["evaluate", "run", "--weights", "last", "--device", "cpu", "--json"]).done();
    assert_eq!(judged.json_text()["metrics"], read_json(run.join("metrics.json"))["last"]["validation"]);
    let predicted = triax(folder.path(), ["predict", "run", "--data", "data.csv", "--device", "cpu"]).done();
    assert_eq!(predicted.stdout.lines().count(), 1 + 4 * 3 * 9);
}

#[test]
fn a_study_varies_what_lies_beyond_the_reference_network() {
    let folder = recordings::csv_folder(3, 96);
    let options: Vec<&str> = SMALL.chunks(2).filter(|pair| pair[0] != "--convs").flatten().copied().collect();
    let vary = ["--vary", "convs=4:5:1:2:same:gelu|4:5:2:avg3/2:leaky_relu=0.2", "--global-pool", "max", "--quiet"];
    let args = [&["study", "--data", "data.csv", "--out", "study"], &options[..], &vary[..]].concat();
    triax(folder.path(), args).done();
    let results = fs::read_to_string(folder.path().join("study/results.csv")).unwrap();
    assert!(results.contains("gelu") && results.contains("leaky_relu=0.2"), "{results}");
}
