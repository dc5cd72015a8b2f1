//! Each reader on small files written for the purpose, one test for each quirk.

mod bad_input;
mod channels;
mod csv;
mod inspect;
mod numpy;
mod numpy_names;
mod pamap2;
mod properties;
mod real_data;
mod source;
mod tables;
mod uci_har;
mod uea;
mod wisdm;

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use triax_data::{Corpus, DataError, ReadOptions, Recording, Repair, read};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn read_fixture(name: &str) -> Corpus {
    read(&fixture(name), &ReadOptions::default()).unwrap_or_else(|error| panic!("{error}"))
}

/// A folder of these files; a name may have folders of its own.
fn folder_with(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    folder
}

/// Reads a file of this name and content.
fn read_text(name: &str, text: impl AsRef<[u8]>) -> Result<Corpus, DataError> {
    read(&folder_with(&[(name, text.as_ref())]).path().join(name), &ReadOptions::default())
}

/// Kind, count and first place of each repair.
fn repairs(corpus: &Corpus) -> Vec<(Repair, usize, &str)> {
    corpus.repairs.entries.iter().map(|entry| (entry.kind, entry.count, entry.first.as_str())).collect()
}

/// Subject, class and number of rows of each recording.
fn outline(corpus: &Corpus) -> Vec<(&str, &str, usize)> {
    let class = |recording: &Recording| corpus.classes[recording.class as usize].as_str();
    corpus.recordings.iter().map(|each| (each.subject.as_str(), class(each), corpus.n_rows(each))).collect()
}

fn near(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len(), "{found:?} is not {expected:?}");
    assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-9), "{found:?} is not {expected:?}");
}

/// An archive with these members.
fn zip_bytes(members: &[(impl AsRef<str>, impl AsRef<[u8]>)]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    for (name, content) in members {
        archive.start_file(name.as_ref(), options).unwrap();
        archive.write_all(content.as_ref()).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// Every file below a folder, by its name relative to it.
fn tree(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_string_lossy().replace('\\', "/");
                files.push((name, fs::read(&path).unwrap()));
            }
        }
    }
    files
}

/// The corpus as plain CSV; times must be known for all rows or for none.
fn write_csv(corpus: &Corpus, path: &Path) {
    let mut file = std::io::BufWriter::new(File::create(path).unwrap());
    let timed = corpus.recordings.iter().any(|recording| !recording.times.is_empty());
    let time_column = if timed { ",timestamp_s" } else { "" };
    writeln!(file, "subject,activity{time_column},{}", corpus.channels.join(",")).unwrap();
    for recording in &corpus.recordings {
        for (row, values) in recording.values.chunks_exact(corpus.channels.len()).enumerate() {
            let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
            write!(file, "{},{}", quoted(&recording.subject), quoted(&corpus.classes[recording.class as usize]))
                .unwrap();
            if timed {
                write!(file, ",{}", recording.times[row]).unwrap();
            }
            values.iter().for_each(|value| write!(file, ",{value}").unwrap());
            writeln!(file).unwrap();
        }
    }
}
