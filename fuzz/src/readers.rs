//! Targets for the readers of recordings.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use triax_data::time::{GAP, LiveClock};
use triax_data::{
    Audit, Corpus, Fill, Folds, Format, HeldOut, Inspection, MappedRole, ReadOptions, Role, Rows, SplitPlan, cut,
    fit_scaler, read, split,
};
use zip::CompressionMethod;

use crate::packed;

/// Rows of the windows that are cut where the source has none of its own.
const WINDOW: usize = 4;

/// Tables in text: two characters for the options, one for the name of the file, and its content. It is read as a file and
/// as a stream; and it is the same table where it is compressed.
pub fn tables(bytes: &[u8]) -> bool {
    let [flags, choice, name, content @ ..] = bytes else { return false };
    let options = options(*flags, *choice);
    let name = ["a.csv", "a.tsv", "a.txt", "a.jsonl", "walk_07.csv", "a.csv.gz", "a.dat"][*name as usize % 16 % 7];
    stream(content, &options);
    let Some(plain) = name.strip_suffix(".gz") else { return read_file(name, content, &options).is_some() };
    let options = ReadOptions { format: Some(Format::Csv), ..options };
    let (packed, plain) = (read_file(name, &gzip(content), &options), read_file(plain, content, &options));
    // What begins like an archive is one, and no table.
    let is_archive = content.starts_with(b"PK") || content.starts_with(b"\x1f\x8b");
    assert!(plain == packed || is_archive, "{plain:?} is {packed:?} where it is compressed");
    plain.is_some()
}

/// WISDM: a character for the version, and a file of version 1 or the files of version 2.
pub fn wisdm(bytes: &[u8]) -> bool {
    match bytes {
        [b'1', text @ ..] => read_file("a.txt", text, &ReadOptions::of_format(Format::Wisdm1)).is_some(),
        [_, files @ ..] => read_folder(files, Format::Wisdm2),
        [] => false,
    }
}

/// UCI HAR, as files.
pub fn uci_har(bytes: &[u8]) -> bool {
    read_folder(bytes, Format::UciHar)
}

/// MotionSense, as files.
pub fn motionsense(bytes: &[u8]) -> bool {
    read_folder(bytes, Format::MotionSense)
}

/// PAMAP2, as files.
pub fn pamap2(bytes: &[u8]) -> bool {
    read_folder(bytes, Format::Pamap2)
}

/// Files of the UEA archive.
pub fn uea(bytes: &[u8]) -> bool {
    read_folder(bytes, Format::Uea)
}

/// Arrays: as a folder, and as an archive.
pub fn npz(bytes: &[u8]) -> bool {
    let archive = packed::archive(bytes, CompressionMethod::Stored);
    let read = read_file("a.npz", &archive, &ReadOptions::of_format(Format::Npz));
    read_folder(bytes, Format::Npz) || read.is_some()
}

/// Archives of anything: those that an input is, and those of the files in it, by each method.
pub fn zip(bytes: &[u8]) -> bool {
    let [method, archive @ ..] = bytes else { return false };
    let method = match method % 4 {
        0 => CompressionMethod::Stored,
        1 => CompressionMethod::Deflated,
        _ => CompressionMethod::Bzip2,
    };
    let archive = packed::archive(archive, method);
    read_file("a.zip", &archive, &ReadOptions::default()).is_some()
}

fn read_file(name: &str, content: &[u8], options: &ReadOptions) -> Option<String> {
    read_and_use(&packed::file(name, content).path().join(name), options)
}

fn read_folder(bytes: &[u8], format: Format) -> bool {
    read_and_use(packed::folder(bytes).path(), &ReadOptions::of_format(format)).is_some()
}

/// The options that two characters choose; `00` are the defaults.
fn options(flags: u8, choice: u8) -> ReadOptions {
    let options = ReadOptions {
        unlabelled: flags & 1 > 0,
        merge: flags & 2 > 0,
        keep_stamps: flags & 4 > 0,
        fill: if flags & 8 > 0 { Fill::Previous } else { Fill::None },
        ..ReadOptions::default()
    };
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    let map = |role| vec![("t".to_owned(), role)];
    match choice % 16 {
        1 => ReadOptions { columns: names(&["t", "x", "y", "z"]), map: map(MappedRole::As(Role::Time)), ..options },
        2 => ReadOptions { map: map(MappedRole::TimeIn(triax_data::time::Unit::Milliseconds)), ..options },
        3 => ReadOptions { map: map(MappedRole::As(Role::LeftOut)), ..options },
        4 => ReadOptions { channels: names(&["y", "x"]), ..options },
        5 => ReadOptions { subject_from: Some(r"_(\d+)".to_owned()), ..options },
        6 => ReadOptions { gap: Some(1.5), ..options },
        7 => ReadOptions { rename: vec![("Walk".to_owned(), "walk".to_owned())], ..options },
        8 => ReadOptions { format: Some(Format::Csv), ..options },
        _ => options,
    }
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(content).and_then(|()| gzip.finish()).expect("memory takes every byte")
}

/// Reads `path`, and takes what is read to where it is trained on. The fingerprint of it, where it was read.
fn read_and_use(path: &Path, options: &ReadOptions) -> Option<String> {
    match read(path, options) {
        Ok(corpus) => {
            check(&corpus);
            follow(&corpus);
            Some(corpus.fingerprint)
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            None
        }
    }
}

/// What holds for every corpus, by its documentation.
fn check(corpus: &Corpus) {
    let channels = corpus.channels.len();
    assert!(channels > 0 && !corpus.recordings.is_empty());
    assert_eq!(corpus.classes.len(), corpus.class_names.len());
    let mut classes = BTreeSet::new();
    for recording in &corpus.recordings {
        let n_rows = corpus.n_rows(recording);
        assert!(n_rows > 0 && recording.values.len() == n_rows * channels, "{}", recording.source);
        assert!(recording.values.iter().all(|value| value.is_finite()), "{}", recording.source);
        assert!(recording.times.is_empty() || recording.times.len() == n_rows, "{}", recording.source);
        assert!(recording.times.is_sorted_by(|before, now| before < now), "{}", recording.source);
        assert!(corpus.window.is_none_or(|window| window == n_rows), "{}", recording.source);
        if let Some(stamps) = &recording.stamps {
            assert!(stamps.get(n_rows - 1).is_some() && stamps.get(n_rows).is_none(), "{}", recording.source);
        }
        classes.insert(recording.class as usize);
    }
    assert!(classes.into_iter().eq(0..corpus.classes.len().max(1)));
    assert!(corpus.rate_hz.is_none_or(|rate| rate.is_finite() && rate > 0.0), "{:?}", corpus.rate_hz);
    corpus.notices.iter().for_each(|notice| assert!(!notice.to_string().is_empty()));
}

/// Cuts and splits a corpus in every way that it allows, and audits that.
fn follow(corpus: &Corpus) {
    _ = Inspection::new(corpus);
    let window = corpus.window.unwrap_or(WINDOW);
    let Ok(windows) = cut(corpus, window, window.div_ceil(2)) else { return };
    let held_out = HeldOut::default();
    if let Ok(split) = split(corpus, &windows, window, &SplitPlan::most_honest(corpus, held_out.clone()), 0) {
        _ = fit_scaler(&windows.values, &split.train, window, corpus.channels.len());
        _ = Audit::new(corpus, &windows.origins, window, &[(&split.train, &split.valid)]);
    }
    _ = Folds::most_honest(corpus).make(corpus, &windows, window, &held_out, 0);
}

/// Reads `bytes` as a stream, with its clock. Each row comes out of the clock once at most.
fn stream(bytes: &[u8], options: &ReadOptions) {
    let Ok(mut rows) = Rows::new(bytes, "stream", options) else { return };
    let channels = rows.channels().len();
    assert!(channels > 0);
    let mut clock = LiveClock::new(WINDOW, rows.unit(), options.gap.unwrap_or(GAP));
    let (mut n_rows, mut placed) = (0, BTreeSet::new());
    let mut place = |n_rows: usize, row: usize| assert!(row < n_rows && placed.insert(row), "row {row} of {n_rows}");
    let mut before = (String::new(), None);
    for row in rows.by_ref().flatten() {
        assert!(row.values.len() == channels && row.values.iter().all(|value| value.is_finite()));
        let Some(time) = row.time else { continue };
        n_rows += 1;
        let run = (row.subject.unwrap_or_default(), row.activity);
        let starts = run != before;
        if clock.push(&run.0, starts, time, &mut |row, _| place(n_rows, row)).is_err() {
            return;
        }
        before = run;
    }
    _ = clock.end(&mut |row, _| place(n_rows, row));
    _ = rows.notice();
}
