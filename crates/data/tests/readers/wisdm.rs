//! WISDM, both versions.

use super::{fixture, folder_with, near, outline, read_fixture, read_text, repairs, tree, zip_bytes};
use std::fs;
use std::io::Write;
use triax_data::{Format, ReadOptions, Repair, read};

#[test]
fn wisdm1_repairs_each_quirk_and_says_where() {
    let corpus = read_fixture("wisdm1.txt");
    assert_eq!(
        repairs(&corpus),
        [
            (Repair::SplitLine, 1, "wisdm1.txt:4"),
            (Repair::StrayComma, 1, "wisdm1.txt:6"),
            (Repair::Timestamp, 2, "wisdm1.txt:7"),
            (Repair::MissingField, 2, "wisdm1.txt:3"),
            (Repair::ExtraField, 1, "wisdm1.txt:12"),
            (Repair::NotANumber, 1, "wisdm1.txt:13"),
            (Repair::NonFinite, 1, "wisdm1.txt:14"),
        ]
    );
    assert_eq!(corpus.repairs.rows_dropped(), 5);
}

#[test]
fn wisdm1_cuts_at_subjects_activities_gaps_and_restarts() {
    let corpus = read_fixture("wisdm1.txt");
    let jogging = ("8", "Jogging", 2);
    assert_eq!(outline(&corpus), [("7", "Walking", 10), jogging, jogging, jogging]);
    assert_eq!(corpus.classes, ["Jogging", "Walking"]);
    assert_eq!(corpus.recordings[2].source, "wisdm1.txt:18");
}

#[test]
fn wisdm1_values_and_times_are_those_of_the_file() {
    let corpus = read_fixture("wisdm1.txt");
    let walking = &corpus.recordings[0];
    near(&walking.times, &[1.0, 1.05, 1.15, 1.2, 1.25, 1.3, 1.35, 1.4, 1.45, 1.7]);
    assert_eq!(walking.values[..6], [0.10, 9.81, -0.20, 0.11, 9.70, -0.21]);
    assert_eq!(walking.values[27..], [0.24, 8.40, -0.34]);
    assert!((corpus.rate_hz.unwrap() - 20.0).abs() < 1e-6);
}

#[test]
fn wisdm1_whose_timestamps_are_all_zero_keeps_its_rows_without_times() {
    let corpus = read_text("a.txt", "1,Walking,0,1,2,3;\n1,Walking,0,4,5,6;\n").unwrap();
    assert_eq!(outline(&corpus), [("1", "Walking", 2)]);
    assert!(corpus.recordings[0].times.is_empty() && corpus.rate_hz.is_none());
    assert_eq!(repairs(&corpus), [(Repair::NoClock, 2, "a.txt:1")]);
}

#[test]
fn wisdm1_is_known_where_it_is_compressed() {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&fs::read(fixture("wisdm1.txt")).unwrap()).unwrap();
    let corpus = read_text("wisdm1.txt.gz", gzip.finish().unwrap()).unwrap();
    assert_eq!(corpus.name, "WISDM v1.1");
    assert_eq!(corpus.fingerprint, read_fixture("wisdm1.txt").fingerprint);
}

#[test]
fn wisdm2_is_found_at_any_level_of_its_tree() {
    let whole = read_fixture("wisdm2");
    assert_eq!(whole.name, "WISDM v2 (phone accel)");
    assert_eq!(outline(&whole), [("2001", "A", 6), ("2001", "B", 6), ("2002", "B", 6), ("2002", "A", 6)]);
    assert_eq!(whole.class_names, ["A walking", "B jogging"]);
    assert_eq!(whole.channels, ["x", "y", "z"]);
    assert!(whole.repairs.is_empty());
    for level in ["wisdm2/raw", "wisdm2/raw/phone", "wisdm2/raw/phone/accel"] {
        assert_eq!(read_fixture(level).fingerprint, whole.fingerprint, "{level}");
    }
}

#[test]
fn wisdm2_reads_another_sensor_when_its_folder_is_named() {
    let watch = read_fixture("wisdm2/raw/watch");
    assert_eq!((watch.name.as_str(), outline(&watch)), ("WISDM v2 (watch gyro)", vec![("2001", "A", 6)]));
}

#[test]
fn wisdm2_reads_one_file_whatever_its_name() {
    let path = fixture("wisdm2/raw/phone/accel/data_2001_accel_phone.txt");
    let official = read(&path, &ReadOptions::default()).unwrap();
    assert_eq!(outline(&official), [("2001", "A", 6), ("2001", "B", 6)]);
    let renamed = read_text("mine.txt", fs::read(path).unwrap()).unwrap();
    assert_eq!(renamed.fingerprint, official.fingerprint);
    assert_eq!(renamed.class_names, ["A walking", "B jogging"]);
}

#[test]
fn wisdm2_reads_the_archive_and_the_archive_inside_an_archive() {
    let files = tree(&fixture("wisdm2")).into_iter();
    let mut members: Vec<(String, Vec<u8>)> =
        files.map(|(name, content)| (format!("wisdm-dataset/{name}"), content)).collect();
    // Files that macOS adds to an archive are no data.
    members.push(("__MACOSX/raw/phone/accel/data_9999_accel_phone.txt".to_owned(), b"rubbish".to_vec()));
    let inner = zip_bytes(&members);
    let outer = zip_bytes(&[("dataset-description.txt", &b"A set."[..]), ("wisdm-dataset.zip", &inner)]);
    let folder = read_fixture("wisdm2");
    for bytes in [inner, outer.clone()] {
        let corpus = read_text("any.zip", bytes).unwrap();
        assert_eq!(corpus.fingerprint, folder.fingerprint);
        assert!(corpus.recordings[0].source.ends_with("data_2001_accel_phone.txt:1"));
    }
    let dir = folder_with(&[("wisdm+dataset.zip", &outer)]);
    assert_eq!(read(dir.path(), &ReadOptions::of_format(Format::Wisdm2)).unwrap().fingerprint, folder.fingerprint);
}

#[test]
fn wisdm2_refuses_two_copies_of_one_sensor() {
    let row = &b"1,A,5,1,2,3;\n"[..];
    let dir = folder_with(&[("a/data_1_accel_phone.txt", row), ("b/data_1_accel_phone.txt", row)]);
    let error = read(dir.path(), &ReadOptions::default()).unwrap_err().to_string();
    assert!(error.contains("`a/` and in `b/`"), "{error}");
}

#[test]
fn selected_activities_become_the_classes_in_that_order() {
    let whole = read_fixture("wisdm2");
    let pick =
        |names: &[&str]| whole.clone().select_activities(&names.iter().map(ToString::to_string).collect::<Vec<_>>());
    let swapped = pick(&["B", "A"]).unwrap();
    assert_eq!(
        (swapped.classes.clone(), swapped.class_names.clone()),
        (vec!["B".to_owned(), "A".to_owned()], vec!["B jogging".to_owned(), "A walking".to_owned()])
    );
    assert_eq!(outline(&swapped), outline(&whole));
    assert_ne!(swapped.fingerprint, whole.fingerprint);
    assert_eq!(outline(&pick(&["B"]).unwrap()), [("2001", "B", 6), ("2002", "B", 6)]);
    assert_eq!(pick(&["A", "B"]).unwrap().fingerprint, whole.fingerprint);

    let unknown = pick(&["A", "Q"]).unwrap_err().to_string();
    assert!(unknown.contains("`Q`") && unknown.contains("A walking, B jogging"), "{unknown}");
    assert!(pick(&["A", "A"]).unwrap_err().to_string().contains("twice"));
    assert!(pick(&[]).is_err());
}
