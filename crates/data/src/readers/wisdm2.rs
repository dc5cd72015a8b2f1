//! WISDM v2 (2019): 51 subjects and 18 activities at 20 Hz, phone and watch, accelerometer and gyroscope, with one file
//! `data_<subject>_<sensor>_<device>.txt` each.
//!
//! Any folder of the official tree may be named, one file, or the official archive. Where several sensors lie below the
//! path, the phone's accelerometer is read; the folder of another sensor is read when it is named itself.

use super::ReadOptions;
use super::source::{Source, file_name, folder};
use super::table::SourceInfo;
use super::wisdm_rows;
use crate::{Corpus, DataError};

pub(crate) const LOOKS_FOR: &str = "files `data_1600_accel_phone.txt` at any depth";

/// Device and sensor, in the order they are looked for.
const SENSORS: [(&str, &str); 4] = [("phone", "accel"), ("watch", "accel"), ("phone", "gyro"), ("watch", "gyro")];

/// The set's own `activity_key.txt`; N is not used.
const ACTIVITIES: [(&str, &str); 18] = [
    ("A", "walking"),
    ("B", "jogging"),
    ("C", "stairs"),
    ("D", "sitting"),
    ("E", "standing"),
    ("F", "typing"),
    ("G", "teeth"),
    ("H", "soup"),
    ("I", "chips"),
    ("J", "pasta"),
    ("K", "drinking"),
    ("L", "sandwich"),
    ("M", "kicking"),
    ("O", "catch"),
    ("P", "dribbling"),
    ("Q", "writing"),
    ("R", "clapping"),
    ("S", "folding"),
];

pub(crate) fn try_read(source: &Source, options: &ReadOptions) -> Result<Option<Corpus>, DataError> {
    for (device, sensor) in SENSORS {
        let wanted = |name: &&str| is_subject_file(file_name(name), sensor, device);
        let names: Vec<&str> = source.names().filter(wanted).collect();
        if !names.is_empty() {
            let name = format!("WISDM v2 ({device} {sensor})");
            return read_files(source, &names, name, options).map(Some);
        }
    }
    let Some(name) = source.single() else { return Ok(None) };
    let line = source.first_line(name)?;
    if options.format.is_some() || line.as_deref().and_then(wisdm_rows::activity_of).is_some_and(wisdm_rows::is_letter)
    {
        return read_files(source, &[name], "WISDM v2".to_owned(), options).map(Some);
    }
    Ok(None)
}

fn is_subject_file(name: &str, sensor: &str, device: &str) -> bool {
    let subject = name.strip_prefix("data_").and_then(|rest| rest.strip_suffix(".txt"));
    let subject = subject.and_then(|rest| rest.strip_suffix(device)?.strip_suffix('_')?.strip_suffix(sensor));
    subject.and_then(|rest| rest.strip_suffix('_')).is_some_and(|id| id.bytes().all(|byte| byte.is_ascii_digit()))
}

fn read_files(
    source: &Source,
    names: &[&str],
    corpus_name: String,
    options: &ReadOptions,
) -> Result<Corpus, DataError> {
    if let Some(other) = names.iter().find(|name| folder(name) != folder(names[0])) {
        return Err(DataError::malformed(
            source.label(),
            format!("the same sensor's files lie in `{}` and in `{}`", folder(names[0]), folder(other)),
            "Name one of these folders",
        ));
    }
    let mut table = wisdm_rows::table();
    let mut notices = Vec::new();
    for name in names {
        notices.extend(wisdm_rows::read_rows(&mut table, source, name)?);
    }
    let label = if names.len() == 1 { source.place(names[0]) } else { source.label().to_owned() };
    table.into_corpus(SourceInfo {
        label: &label,
        name: corpus_name,
        expected: "1600,A,252207666810782,-0.36,8.79,1.05;",
        activity_name: |letter| ACTIVITIES.iter().find(|(known, _)| *known == letter).map(|(_, name)| *name),
        rate_hz: None,

        options,
        columns: None,
        notices,
    })
}
