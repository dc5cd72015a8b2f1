//! UCI HAR (2012): 30 subjects, six activities, a phone at the waist at 50 Hz, cut into 10,299 windows of 128 samples.
//!
//! `{train,test}/Inertial Signals/<signal>_{train,test}.txt` hold a window a line, one file for each of nine channels;
//! `y_*.txt` and `subject_*.txt` hold a line for each window. The official split (by subject) is kept as the part of
//! each recording. Windows of one subject overlap by half in the source.

use super::ReadOptions;
use super::source::{Source, file_name, folder};
use super::table::sort_classes;
use super::text::value;
use crate::{Corpus, DataError, Part, Recording, Repair, RepairLog};
use std::collections::BTreeMap;

pub(crate) const LOOKS_FOR: &str = "files `train/Inertial Signals/total_acc_x_train.txt` and `train/y_train.txt`";
const REMEDY: &str = "The download may be damaged or incomplete: unpack the official archive again";

/// Samples in a window.
const WINDOW: usize = 128;
const RATE_HZ: f64 = 50.0;
const SIGNALS: [&str; 3] = ["body_acc", "body_gyro", "total_acc"];
const AXES: [&str; 3] = ["x", "y", "z"];

pub(crate) fn try_read(source: &Source, _options: &ReadOptions) -> Result<Option<Corpus>, DataError> {
    let base = |part: &str| {
        let wanted = format!("total_acc_x_{part}.txt");
        let name = source.names().find(|name| file_name(name) == wanted)?;
        // The signals lie in a folder of their own beside the labels.
        Some(folder(folder(name).strip_suffix('/')?).to_owned())
    };
    let (train, test) = (base("train"), base("test"));
    let both = train.is_some() && test.is_some();
    let parts = [("train", train, Part::Train), ("test", test, Part::Valid)];
    if parts.iter().all(|(_, base, _)| base.is_none()) {
        return Ok(None);
    }
    let activity_names = activity_names(source)?;
    let mut repairs = RepairLog::default();
    let mut windows = Vec::new();
    for (suffix, base, part) in parts {
        let Some(base) = base else { continue };
        let part = both.then_some(part);
        read_part(source, &base, suffix, part, &activity_names, &mut repairs, &mut windows)?;
    }
    if windows.is_empty() {
        return Err(DataError::malformed(source.label(), "no window of it can be used", REMEDY));
    }
    let mut classes: Vec<String> = windows.iter().map(|(activity, _)| activity.clone()).collect();
    classes.sort();
    classes.dedup();
    let classes = sort_classes(classes);
    let class_of: BTreeMap<&String, u32> = classes.iter().zip(0..).collect();
    let recordings = windows
        .into_iter()
        .map(|(activity, recording)| Recording { class: class_of[&activity], ..recording })
        .collect();
    let channels = SIGNALS.iter().flat_map(|signal| AXES.map(|axis| format!("{signal}_{axis}"))).collect();
    let corpus = Corpus {
        name: "UCI HAR".to_owned(),
        synthetic: false,
        channels,
        class_names: classes.clone(),
        classes,
        rate_hz: Some(RATE_HZ),
        recordings,
        repairs,
        columns: Vec::new(),
        notices: Vec::new(),
        window: Some(WINDOW),
        fingerprint: String::new(),
    };
    Ok(Some(corpus.with_fingerprint()))
}

/// Names of the activities by number; empty without `activity_labels.txt`, and the numbers serve as names.
fn activity_names(source: &Source) -> Result<BTreeMap<String, String>, DataError> {
    let Some(name) = source.names().find(|name| file_name(name) == "activity_labels.txt") else {
        return Ok(BTreeMap::new());
    };
    let text = source.read(name)?;
    let text = String::from_utf8_lossy(&text);
    let pairs = text.lines().filter_map(|line| line.trim().split_once(char::is_whitespace));
    Ok(pairs.map(|(number, name)| (number.to_owned(), name.trim().to_owned())).collect())
}

fn read_part(
    source: &Source,
    base: &str,
    suffix: &str,
    part: Option<Part>,
    activity_names: &BTreeMap<String, String>,
    repairs: &mut RepairLog,
    windows: &mut Vec<(String, Recording)>,
) -> Result<(), DataError> {
    let labels_name = format!("{base}y_{suffix}.txt");
    let labels = read_words(source, &labels_name)?;
    let subjects_name = format!("{base}subject_{suffix}.txt");
    let subjects = read_words(source, &subjects_name)?;
    let n = labels.len();
    let check_length = |name: &str, length: usize| {
        if length == n {
            return Ok(());
        }
        let problem =
            format!("{length} lines, but {} has {n}; both hold a line for each window", file_name(&labels_name));
        Err(DataError::malformed(source.place(name), problem, REMEDY))
    };
    check_length(&subjects_name, subjects.len())?;

    let n_channels = SIGNALS.len() * AXES.len();
    let mut values = Vec::new();
    let mut faults: Vec<Option<(Repair, String)>> = vec![None; n];
    for (signal_idx, signal) in SIGNALS.iter().enumerate() {
        for (axis_idx, axis) in AXES.iter().enumerate() {
            let name = format!("{base}Inertial Signals/{signal}_{axis}_{suffix}.txt");
            let text = source.read(&name)?;
            let lines = lines(&text);
            check_length(&name, lines.len())?;
            values.resize(n * WINDOW * n_channels, 0.0);
            let channel = signal_idx * AXES.len() + axis_idx;
            for (window, line) in lines.into_iter().enumerate() {
                let block = &mut values[window * WINDOW * n_channels..][..WINDOW * n_channels];
                if let Err(kind) = read_window(line, block, channel, n_channels) {
                    faults[window].get_or_insert_with(|| (kind, format!("{name}:{}", window + 1)));
                }
            }
        }
    }
    let blocks = values.chunks_exact(WINDOW * n_channels);
    for (window, ((block, fault), (label, subject))) in blocks.zip(faults).zip(labels.iter().zip(subjects)).enumerate()
    {
        if let Some((kind, place)) = fault {
            repairs.record(kind, || place);
            continue;
        }
        let recording = Recording {
            subject,
            class: 0,
            times: Vec::new(),
            stamps: None,
            values: block.to_vec(),
            part,
            source: format!("{labels_name}:{}", window + 1),
        };
        windows.push((activity_names.get(label).unwrap_or(label).clone(), recording));
    }
    Ok(())
}

fn read_window(line: &[u8], block: &mut [f32], channel: usize, n_channels: usize) -> Result<(), Repair> {
    let mut n = 0;
    for field in line.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty()) {
        if n == WINDOW {
            return Err(Repair::ExtraField);
        }
        block[n * n_channels + channel] = value(field)?;
        n += 1;
    }
    if n < WINDOW { Err(Repair::MissingField) } else { Ok(()) }
}

/// The lines of a file, without empty ones at its end.
fn lines(text: &[u8]) -> Vec<&[u8]> {
    let mut lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).collect();
    while lines.last().is_some_and(|line| line.is_empty()) {
        lines.pop();
    }
    lines
}

/// One word a line.
fn read_words(source: &Source, name: &str) -> Result<Vec<String>, DataError> {
    let text = source.read(name)?;
    let words = lines(&text).into_iter().enumerate().map(|(line_idx, line)| match std::str::from_utf8(line) {
        Ok(word) if !word.is_empty() && !word.contains(char::is_whitespace) => Ok(word.to_owned()),
        _ => {
            let place = format!("{}:{}", source.place(name), line_idx + 1);
            Err(DataError::malformed(place, "expected one number on the line", REMEDY))
        }
    });
    words.collect()
}
