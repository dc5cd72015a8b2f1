//! NumPy arrays; the fixtures are written by NumPy itself (`fixtures/make_numpy.py`).

use super::{fixture, outline, read_fixture, read_text, repairs, zip_bytes};
use std::fs;
use triax_data::{Corpus, Part, Repair};

/// A version 1 `.npy` file.
pub fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}");
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((header.len() as u16).to_le_bytes());
    file.extend(header.bytes());
    file.extend(data);
    file
}

pub fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

pub fn npz(arrays: &[(&str, Vec<u8>)]) -> Result<Corpus, triax_data::DataError> {
    read_text("a.npz", zip_bytes(arrays))
}

fn x(n: usize) -> Vec<u8> {
    npy("'<f4'", &format!("({n}, 2, 1)"), &floats(&vec![0.5; 2 * n]))
}

pub fn parts(corpus: &Corpus) -> Vec<Option<Part>> {
    corpus.recordings.iter().map(|recording| recording.part).collect()
}

#[test]
fn integer_labels_and_one_array_of_subjects() {
    let corpus = read_fixture("integers.npz");
    assert_eq!(corpus.window, Some(4));
    assert_eq!(corpus.classes, ["0", "2", "10"]);
    assert_eq!(corpus.channels, ["0", "1"]);
    assert_eq!(outline(&corpus), [("s1", "2", 4), ("s1", "0", 4), ("s2", "10", 4), ("s3", "2", 4), ("s3", "0", 4)]);
    let (train, valid) = (Some(Part::Train), Some(Part::Valid));
    assert_eq!(parts(&corpus), [train, train, train, valid, valid]);
    let values: Vec<f32> = corpus.recordings.iter().flat_map(|recording| recording.values.clone()).collect();
    assert_eq!(values, (0..40).map(|value| value as f32).collect::<Vec<_>>());
}

#[test]
fn one_hot_and_signed_labels_float64_big_endian_and_fortran_order() {
    let corpus = read_fixture("one_hot_f64.npz");
    assert_eq!(outline(&corpus), [("1", "1", 4), ("1", "0", 4), ("2", "2", 4), ("3", "1", 4), ("3", "0", 4)]);
    let values: Vec<f32> = corpus.recordings.iter().flat_map(|recording| recording.values.clone()).collect();
    assert_eq!(values, (0..40).map(|value| value as f32).collect::<Vec<_>>());
}

#[test]
fn a_folder_of_arrays_without_a_test_part_or_subjects() {
    let corpus = read_fixture("arrays");
    assert_eq!(outline(&corpus)[2], ("", "10", 4));
    assert_eq!(parts(&corpus), [None; 5]);
    assert!(corpus.subjects().is_empty());
    assert_eq!(corpus.recordings[4].values, [32.0, 33.0, 34.0, 35.0, 36.0, 37.0, 38.0, 39.0]);
}

#[test]
fn windows_that_are_not_finite_are_dropped_and_counted() {
    let x = npy("'<f4'", "(3, 2, 1)", &floats(&[1.0, 2.0, f32::NAN, 1.0, 3.0, 4.0]));
    let corpus = npz(&[("X_train.npy", x), ("y_train.npy", npy("'|u1'", "(3,)", &[7, 8, 7]))]).unwrap();
    assert_eq!(outline(&corpus), [("", "7", 2), ("", "7", 2)]);
    let [(kind, count, place)] = repairs(&corpus)[..] else { panic!("one kind of repair") };
    assert_eq!((kind, count), (Repair::NonFinite, 1));
    assert!(place.ends_with("X_train[1]"), "{place}");
}

#[test]
fn soft_labels_are_refused_with_the_reason() {
    let error = triax_data::read(&fixture("soft.npz"), &triax_data::ReadOptions::default()).unwrap_err().to_string();
    assert!(error.contains("row 0 is [0.033"), "{error}");
    assert!(error.contains("neither one-hot nor ±1") && error.contains("argmax"), "{error}");
    for rows in [[1.0, 1.0, 0.0, 1.0], [0.0, 0.0, 0.0, 1.0], [1.0, 0.0, -1.0, 0.0], [f32::NAN, 1.0, 0.0, 1.0]] {
        let y = npy("'<f4'", "(2, 2)", &floats(&rows));
        assert!(npz(&[("X_train.npy", x(2)), ("y_train.npy", y)]).unwrap_err().to_string().contains("one-hot"));
    }
}

#[test]
fn wrong_names_are_answered_with_those_found_and_those_expected() {
    let error =
        triax_data::read(&fixture("wrong_key.npz"), &triax_data::ReadOptions::default()).unwrap_err().to_string();
    assert!(error.contains("no array `X_train`; found: data, labels"), "{error}");
    let error = npz(&[("X_train.npy", x(1))]).unwrap_err().to_string();
    assert!(error.contains("no array `y_train`"), "{error}");
    let y = npy("'|u1'", "(1,)", &[0]);
    let test = [("X_train.npy", x(1)), ("y_train.npy", y), ("X_test.npy", x(1))];
    assert!(npz(&test).unwrap_err().to_string().contains("there is `X_test` but no `y_test`"));
}

#[test]
fn pickled_objects_are_never_loaded() {
    let error = triax_data::read(&fixture("pickled.npz"), &triax_data::ReadOptions::default()).unwrap_err().to_string();
    assert!(error.contains("y_train") && error.contains("never loaded"), "{error}");
}

#[test]
fn shapes_that_do_not_fit_are_named() {
    let y = |n: u8| npy("'|u1'", &format!("({n},)"), &(0..n).collect::<Vec<_>>());
    let cases = [
        (npy("'<f4'", "(2, 2)", &floats(&[1.0; 4])), y(2), "X[..., None]"),
        (npy("'<f4'", "(2, 0, 3)", &[]), y(2), "none of them zero"),
        (npy("'<f4'", "(0, 2, 3)", &[]), y(0), "no window can be used"),
        (x(2), y(3), "3 labels for the 2 windows"),
        (x(2), npy("'<f4'", "(2,)", &floats(&[0.5, 1.0])), "soft labels have no class"),
        (x(2), npy("'|u1'", "(2, 1, 1)", &[0, 1]), "Labels are (windows)"),
        (npy("'<f4'", "(2, 2, 1)", &floats(&[1.0; 3])), y(2), "cut short"),
        (npy("'<f4'", "(9999999999999999999, 9, 9)", &[]), y(2), "larger than any memory"),
        (npy("'<c8'", "(1, 1, 1)", &[0; 8]), y(1), "neither integers nor float16"),
        (npy(&"(".repeat(900), "(1,)", &[]), y(1), "header cannot be read"),
        (npy(&"(".repeat(9000), "(1,)", &[]), y(1), "no plain array"),
        (b"hello".to_vec(), y(1), "not a NumPy array"),
        (b"\x93NUMPY\x01".to_vec(), y(1), "cut short within its header"),
    ];
    for (x, y, expected) in cases {
        let error = npz(&[("X_train.npy", x), ("y_train.npy", y)]).unwrap_err().to_string();
        assert!(error.contains(expected), "expected {expected:?}, found: {error}");
    }
    let short = [("X_train.npy", x(2)), ("y_train.npy", y(2)), ("subjects.npy", y(1))];
    assert!(npz(&short).unwrap_err().to_string().contains("there are 2 windows"));
    let wider = npy("'<f4'", "(2, 1, 2)", &floats(&[1.0; 4]));
    let parts = [("X_train.npy", x(2)), ("y_train.npy", y(2)), ("X_test.npy", wider), ("y_test.npy", y(2))];
    assert!(npz(&parts).unwrap_err().to_string().contains("its windows are [1, 2]"));
}

#[test]
fn a_single_array_says_to_name_the_folder() {
    let array = fs::read(fixture("arrays/x_train.npy")).unwrap();
    let error = read_text("X_train.npy", array).unwrap_err().to_string();
    assert!(error.contains("no array `y_train`") && error.contains("a folder of .npy files"), "{error}");
}
