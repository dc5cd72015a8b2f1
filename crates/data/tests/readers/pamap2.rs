//! PAMAP2, written as the official set has it.

use super::{folder_with, outline, repairs, zip_bytes};
use std::path::Path;
use triax_data::{Corpus, DataError, Fill, Notice, ReadOptions, Repair, read};

/// A row of 54 columns whose values say which column they are in; a heart rate now and then.
fn row(time: f64, activity: u8, heart_rate: Option<u8>) -> String {
    let heart_rate = heart_rate.map_or("NaN".to_owned(), |rate| rate.to_string());
    let sensors: Vec<String> = (4..=54).map(|column| column.to_string()).collect();
    format!("{time:.2} {activity} {heart_rate} {}\n", sensors.join(" "))
}

/// Rows of each activity at 100 Hz, a heart rate in every eleventh.
fn recording(activities: &[(u8, usize)]) -> String {
    let rows = activities.iter().flat_map(|(activity, n)| std::iter::repeat_n(*activity, *n));
    rows.enumerate()
        .map(|(at, activity)| row(8.0 + at as f64 / 100.0, activity, (at % 11 == 0).then_some(90)))
        .collect()
}

fn official() -> tempfile::TempDir {
    let first = recording(&[(0, 20), (1, 30), (0, 200), (1, 10), (24, 40)]);
    let second = recording(&[(2, 25)]);
    folder_with(&[
        ("PAMAP2_Dataset/Protocol/subject101.dat", first.as_bytes()),
        ("PAMAP2_Dataset/Protocol/subject102.dat", second.as_bytes()),
        ("PAMAP2_Dataset/readme.pdf", b"%PDF"),
    ])
}

fn read_with(path: &Path, channels: &[&str], fill: Fill) -> Result<Corpus, DataError> {
    let channels = channels.iter().map(|name| (*name).to_owned()).collect();
    read(path, &ReadOptions { channels, fill, ..ReadOptions::default() })
}

#[test]
fn the_official_folder_has_18_channels_at_100_hz() {
    let folder = official();
    let corpus = read(folder.path(), &ReadOptions::default()).unwrap();
    assert_eq!(corpus.name, "PAMAP2");
    assert!((corpus.rate_hz.unwrap() - 100.0).abs() < 1e-6);
    assert_eq!(corpus.class_names, ["1 lying", "2 sitting", "24 rope jumping"]);
    assert_eq!(outline(&corpus), [("101", "1", 30), ("101", "1", 10), ("101", "24", 40), ("102", "2", 25)]);
    assert_eq!(
        corpus.channels[..7],
        ["hand_acc16_x", "hand_acc16_y", "hand_acc16_z", "hand_gyro_x", "hand_gyro_y", "hand_gyro_z", "chest_acc16_x"]
    );
    // Columns of the set's readme, from 1.
    let columns = [5, 6, 7, 11, 12, 13, 22, 23, 24, 28, 29, 30, 39, 40, 41, 45, 46, 47].map(|column| column as f32);
    assert_eq!(corpus.recordings[0].values[..18], columns);
    assert_eq!(corpus.recordings[0].source, "PAMAP2_Dataset/Protocol/subject101.dat:21");
    let [Notice::Note(note)] = &corpus.notices[..] else { panic!("{:?}", corpus.notices) };
    assert!(note.contains("220 of 325 rows lie between activities"), "{note}");
}

#[test]
fn a_file_and_an_archive_within_an_archive_are_read() {
    let folder = official();
    let file = read(&folder.path().join("PAMAP2_Dataset/Protocol/subject102.dat"), &ReadOptions::default()).unwrap();
    assert_eq!(outline(&file), [("102", "2", 25)]);
    let inner = zip_bytes(&[("PAMAP2_Dataset/Protocol/subject102.dat", recording(&[(2, 25)]))]);
    let outer = folder_with(&[("pamap2.zip", &zip_bytes(&[("PAMAP2_Dataset.zip", inner)]))]);
    let archive = read(&outer.path().join("pamap2.zip"), &ReadOptions::default()).unwrap();
    assert_eq!(archive.fingerprint, file.fingerprint);
}

#[test]
fn channels_are_chosen_by_name_and_a_slow_one_is_carried_forward() {
    let folder = official();
    let chosen = read_with(folder.path(), &["ankle_mag_z", "HAND_acc6_x", "chest_temperature"], Fill::None).unwrap();
    assert_eq!(chosen.channels, ["ankle_mag_z", "hand_acc6_x", "chest_temperature"]);
    assert_eq!(chosen.recordings[0].values[..3], [50.0, 8.0, 21.0]);

    let sparse = read_with(folder.path(), &["heart_rate", "hand_acc16_x"], Fill::None).unwrap();
    assert_eq!(sparse.recordings.iter().map(|recording| sparse.n_rows(recording)).sum::<usize>(), 11);
    let warning = sparse.notices.iter().find(|notice| matches!(notice, Notice::Warning(_))).unwrap().to_string();
    assert!(warning.contains("channel `heart_rate` has no value in 94 of 105 rows"), "{warning}");
    assert!(warning.contains("--fill previous"), "{warning}");

    let filled = read_with(folder.path(), &["heart_rate", "hand_acc16_x"], Fill::Previous).unwrap();
    // What comes before the first heart rate of an activity is not known: rows 20 and 21 of the file.
    assert_eq!(outline(&filled)[0], ("101", "1", 28));
    assert_eq!(filled.recordings[0].values[..4], [90.0, 5.0, 90.0, 5.0]);

    let unknown = read_with(folder.path(), &["hand_acc_x"], Fill::None).unwrap_err().to_string();
    assert!(
        unknown.contains("PAMAP2: there is no channel `hand_acc_x`")
            && unknown.contains("heart_rate, hand_temperature"),
        "{unknown}"
    );
}

#[test]
fn rows_that_the_radio_lost_are_dropped() {
    let lost = row(8.30, 1, None).replace(" 5 6 7 ", " NaN NaN NaN ");
    let text = recording(&[(1, 30)])
        + &lost
        + "8.31 1 NaN 1 2\n"
        + &row(8.32, 1, None).replace('\n', " 55\n")
        + &row(8.33, 1, None);
    let folder = folder_with(&[("subject103.dat", text.as_bytes())]);
    let corpus = read(folder.path(), &ReadOptions::default()).unwrap();
    assert_eq!(outline(&corpus), [("103", "1", 31)]);
    let at = |line: usize| format!("subject103.dat:{line}");
    let expected = [(Repair::MissingField, 1, at(32)), (Repair::ExtraField, 1, at(33)), (Repair::NonFinite, 1, at(31))];
    assert_eq!(repairs(&corpus), expected.each_ref().map(|(kind, n, place)| (*kind, *n, place.as_str())));
}

#[test]
fn optional_activities_are_read_and_said() {
    let rows = recording(&[(20, 10)]);
    let folder = folder_with(&[
        ("Protocol/subject101.dat", recording(&[(1, 10)]).as_bytes()),
        ("Optional/subject101.dat", rows.as_bytes()),
    ]);
    let corpus = read(folder.path(), &ReadOptions::default()).unwrap();
    assert_eq!(outline(&corpus), [("101", "20", 10), ("101", "1", 10)]);
    assert!(corpus.notices.iter().any(|notice| notice.to_string().contains("name the folder `Protocol`")));
}

#[test]
fn files_of_the_same_name_with_other_columns_are_something_else() {
    let folder = folder_with(&[("subject1.dat", b"1 2 3\n4 5 6\n")]);
    let error = read(folder.path(), &ReadOptions::default()).unwrap_err().to_string();
    assert!(error.contains("pamap2: files `Protocol/subject101.dat`"), "{error}");
}
