//! `bench`: rows that were checked before they were timed, as a table, as JSON and as figures.

use std::fs;

use crate::triax;

const SHORT: [&str; 8] = ["bench", "--quick", "--repeats", "1", "--device", "cpu", "--engine", "fused"];

#[test]
fn a_model_and_a_fleet_are_measured_and_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let args = [&SHORT[..], &["--fleets", "1,2", "--json", "--svg", "cost.svg"]].concat();
    let answer = triax(folder.path(), args).done();
    let report: serde_json::Value = serde_json::from_str(&answer.stdout).unwrap();
    let rows = report["rows"].as_array().unwrap();
    let models: Vec<_> = rows.iter().map(|row| row["models"].as_u64().unwrap()).collect();
    assert_eq!(models, [1, 2], "{}", answer.stderr);
    for row in rows {
        assert_eq!((&row["engine"], &row["batch_size"]), (&"fused".into(), &32.into()));
        assert!(row["checked"]["largest_difference"].as_f64().unwrap() <= 1e-5, "{row}");
        for figure in ["seconds_per_model_epoch", "windows_per_second", "share_of_sgemm", "seconds_to_first_step"] {
            assert!(row[figure].as_f64().unwrap() > 0.0, "{figure} in {row}");
        }
    }
    // The first model of each fleet is the same one.
    assert_eq!(rows[0]["checked"]["first_loss"], rows[1]["checked"]["first_loss"]);
    let stages = report["roofline"]["stages"].as_array().unwrap();
    assert!(stages.len() > 5);
    for stage in stages {
        for figure in ["microseconds", "gflops", "share_of_sgemm"] {
            assert!(stage["measured"][figure].as_f64().unwrap() > 0.0, "{figure} of {stage}");
        }
    }
    let parts = stages.iter().map(|stage| &stage["measured"]["microseconds"]);
    let others = report["roofline"]["others"].as_array().unwrap().iter().map(|other| &other["microseconds"]);
    let sum: f64 = parts.chain(others).map(|microseconds| microseconds.as_f64().unwrap()).sum();
    let whole = report["roofline"]["measured_microseconds"].as_f64().unwrap();
    assert!((sum - whole).abs() < 1e-6 * whole, "{sum}, not {whole}");
    let svg = fs::read_to_string(folder.path().join("cost.svg")).unwrap();
    for expected in ["<svg", "</svg>", "fused on cpu", "models in the fleet", "dense1 backward", "what fused reaches"] {
        assert!(svg.contains(expected), "`{expected}` is not in the figures");
    }
}

#[test]
fn results_are_a_table_for_people() {
    let folder = tempfile::tempdir().unwrap();
    let answer = triax(folder.path(), [&SHORT[..], &["--batch-sizes", "256"]].concat()).done();
    for expected in
        ["a model", "of sgemm", "agree with the f64 reference", "roofline of a step of 32", "arithmetic", "measured µs"]
    {
        assert!(answer.stdout.contains(expected), "`{expected}` is not in\n{}", answer.stdout);
    }
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |more: &[&str]| triax(folder.path(), [&["bench", "--device", "cpu"], more].concat()).refused(2);
    let message = refused(&["--batch-sizes", "10000"]);
    assert!(message.contains("10000") && message.contains("7552"), "{message}");
    assert!(refused(&["--fleets", "0"]).contains("--fleets"));
    if cfg!(not(feature = "burn")) {
        assert!(refused(&["--engine", "burn"]).contains("without the engine burn"));
    }
}
