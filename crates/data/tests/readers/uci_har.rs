//! UCI HAR, from a set made on the spot: its windows are too long to be kept as files.

use super::{outline, read_text, repairs, tree, zip_bytes};
use std::fs;
use std::path::Path;
use tempfile::TempDir;
use triax_data::{Part, ReadOptions, Repair, read};

const SIGNALS: [&str; 9] = [
    "body_acc_x",
    "body_acc_y",
    "body_acc_z",
    "body_gyro_x",
    "body_gyro_y",
    "body_gyro_z",
    "total_acc_x",
    "total_acc_y",
    "total_acc_z",
];

/// Three training windows and two test windows; each value says its window, channel and sample.
fn official() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("UCI HAR Dataset");
    let parts = [("train", 3, "5\n1\n5\n", "1\n1\n3\n"), ("test", 2, "1\n5\n", "2\n4\n")];
    for (part, n, labels, subjects) in parts {
        let folder = root.join(part).join("Inertial Signals");
        fs::create_dir_all(&folder).unwrap();
        for (channel, signal) in SIGNALS.iter().enumerate() {
            let window = |window: usize| {
                let values =
                    (0..128).map(|sample| format!("{:15.7e}", (window * 10 + channel) as f32 + sample as f32 / 128.0));
                format!("  {}\n", values.collect::<Vec<_>>().join(" "))
            };
            fs::write(folder.join(format!("{signal}_{part}.txt")), (0..n).map(window).collect::<String>()).unwrap();
        }
        fs::write(root.join(part).join(format!("y_{part}.txt")), labels).unwrap();
        fs::write(root.join(part).join(format!("subject_{part}.txt")), subjects).unwrap();
    }
    fs::write(root.join("activity_labels.txt"), "1 WALKING\n5 STANDING\n").unwrap();
    dir
}

fn change(root: &Path, name: &str, edit: impl Fn(String) -> String) {
    let path = root.join("UCI HAR Dataset").join(name);
    fs::write(&path, edit(fs::read_to_string(&path).unwrap())).unwrap();
}

#[test]
fn windows_labels_subjects_and_the_official_split_are_read() {
    let dir = official();
    let corpus = read(dir.path(), &ReadOptions::default()).unwrap();
    assert_eq!((corpus.window, corpus.rate_hz), (Some(128), Some(50.0)));
    assert_eq!(corpus.channels, SIGNALS);
    assert_eq!(corpus.classes, ["STANDING", "WALKING"]);
    let [s, w] = ["STANDING", "WALKING"];
    assert_eq!(outline(&corpus), [("1", s, 128), ("1", w, 128), ("3", s, 128), ("2", w, 128), ("4", s, 128)]);
    let parts: Vec<_> = corpus.recordings.iter().map(|recording| recording.part.unwrap()).collect();
    assert_eq!(parts, [Part::Train, Part::Train, Part::Train, Part::Valid, Part::Valid]);
    // Window 1, sample 64, channel 4.
    assert_eq!(corpus.recordings[1].values[64 * 9 + 4], 14.5);
    assert!(corpus.repairs.is_empty());
}

#[test]
fn the_archive_inside_an_archive_reads_the_same() {
    let dir = official();
    let inner = zip_bytes(&tree(dir.path()));
    let outer = zip_bytes(&[("UCI HAR Dataset.names", &b"names"[..]), ("UCI HAR Dataset.zip", &inner)]);
    let corpus = read_text("har.zip", outer).unwrap();
    assert_eq!(corpus.fingerprint, read(dir.path(), &ReadOptions::default()).unwrap().fingerprint);
}

#[test]
fn one_part_alone_is_no_split() {
    let dir = official();
    let corpus = read(&dir.path().join("UCI HAR Dataset/test"), &ReadOptions::default()).unwrap();
    assert_eq!(outline(&corpus), [("2", "1", 128), ("4", "5", 128)]);
    assert!(corpus.recordings.iter().all(|recording| recording.part.is_none()));
}

#[test]
fn a_broken_window_is_dropped_in_every_channel() {
    let dir = official();
    change(dir.path(), "train/Inertial Signals/body_gyro_y_train.txt", |text| {
        text.lines().map(|line| if line.contains("1.4") { "1 2 3\n".into() } else { format!("{line}\n") }).collect()
    });
    let broken = fs::read_to_string(dir.path().join("UCI HAR Dataset/train/Inertial Signals/body_gyro_y_train.txt"));
    assert!(broken.unwrap().contains("1 2 3"));
    let corpus = read(dir.path(), &ReadOptions::default()).unwrap();
    let [(kind, count, place)] = repairs(&corpus)[..] else { panic!("one kind of repair") };
    assert_eq!(kind, Repair::MissingField);
    assert_eq!(corpus.recordings.len(), 5 - count);
    assert!(place.contains("body_gyro_y_train.txt:"), "{place}");
}

#[test]
fn files_that_do_not_match_are_refused() {
    let dir = official();
    change(dir.path(), "test/subject_test.txt", |text| text + "9\n");
    let error = read(dir.path(), &ReadOptions::default()).unwrap_err().to_string();
    assert!(error.contains("subject_test.txt: 3 lines, but y_test.txt has 2"), "{error}");

    let dir = official();
    change(dir.path(), "train/y_train.txt", |_| "5\n\n5\n".into());
    let error = read(dir.path(), &ReadOptions::default()).unwrap_err().to_string();
    assert!(error.contains("y_train.txt:2: expected one number"), "{error}");

    let dir = official();
    fs::remove_file(dir.path().join("UCI HAR Dataset/train/Inertial Signals/body_acc_z_train.txt")).unwrap();
    let error = read(dir.path(), &ReadOptions::default()).unwrap_err().to_string();
    assert!(error.contains("body_acc_z_train.txt"), "{error}");
}
