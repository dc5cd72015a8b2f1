//! Inputs that stand for several files, or for one that has lengths and checksums: as text that can be mutated.

use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;

use tempfile::TempDir;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// The most files of an input.
const MOST_FILES: usize = 32;
/// What the line before each file begins with.
const MARK: &[u8] = b"=== ";

/// The files in `bytes`, by name: each follows a line `=== NAME`, and ends before the newline of the next. There are none
/// where the input does not begin with such a line.
pub fn files(bytes: &[u8]) -> Vec<(String, &[u8])> {
    let mut files = Vec::new();
    let mut rest = bytes.strip_prefix(MARK);
    while let Some(file) = rest.filter(|_| files.len() < MOST_FILES) {
        let name_end = file.iter().position(|&byte| byte == b'\n').unwrap_or(file.len());
        let (name, content) = (&file[..name_end], file.get(name_end + 1..).unwrap_or_default());
        let next = content.windows(MARK.len() + 1).position(|here| here[0] == b'\n' && &here[1..] == MARK);
        files.push((String::from_utf8_lossy(name).into_owned(), &content[..next.unwrap_or(content.len())]));
        rest = next.map(|next| &content[next + 1 + MARK.len()..]);
    }
    files
}

/// A folder of the files in `bytes`. Their names cannot lead out of it; what the system does not take is left out.
pub fn folder(bytes: &[u8]) -> TempDir {
    let folder = new_folder();
    for (name, content) in files(bytes) {
        let parts = name.split('/').map(|part| part.replace(['\0', '\\'], "_"));
        let parts: Vec<String> = parts.filter(|part| !matches!(part.as_str(), "" | "." | "..")).collect();
        let path = folder.path().join(parts.join("/"));
        if !parts.is_empty() && fs::create_dir_all(path.parent().unwrap_or(folder.path())).is_ok() {
            _ = fs::write(path, content);
        }
    }
    folder
}

/// A folder with one file.
pub fn file(name: &str, content: &[u8]) -> TempDir {
    let folder = new_folder();
    write(&folder.path().join(name), content);
    folder
}

/// A new folder for an input.
pub fn new_folder() -> TempDir {
    tempfile::tempdir().expect("the folder for temporary files can be written")
}

/// Writes a file of a folder for an input.
pub fn write(path: &Path, content: &[u8]) {
    fs::write(path, content).expect("the folder for temporary files can be written");
}

/// The archive that `bytes` are, or the archive of the files in them. Names are written as they are. Files whose name ends
/// with `.zip` are archives in turn where they hold files after a mark of their own, `+++ ` for the first level inside.
pub fn archive(bytes: &[u8], method: CompressionMethod) -> Vec<u8> {
    let files = files(bytes);
    if files.is_empty() {
        return bytes.to_vec();
    }
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(method);
    for (name, content) in files {
        let inner = name.ends_with(".zip") && content.starts_with(b"+++ ");
        let content = if inner { self::archive(&opened(content), method) } else { content.to_vec() };
        // Names that an archive cannot hold, or has already, are left out.
        if archive.start_file(name, options).is_ok() {
            archive.write_all(&content).expect("memory takes every byte");
        }
    }
    archive.finish().map(Cursor::into_inner).unwrap_or_default()
}

/// `bytes` with each mark of one level more, `+++ ` at the beginning of a line, as a mark of files.
fn opened(bytes: &[u8]) -> Vec<u8> {
    let mut opened = bytes.to_vec();
    for at in 0..opened.len().saturating_sub(3) {
        if (at == 0 || opened[at - 1] == b'\n') && opened[at..].starts_with(b"+++ ") {
            opened[at..at + 3].fill(b'=');
        }
    }
    opened
}

/// The safetensors file that `bytes` are; or where they begin with `{`, that of the header in their first line and the data
/// after it.
pub fn safetensors(bytes: &[u8]) -> Vec<u8> {
    if !bytes.starts_with(b"{") {
        return bytes.to_vec();
    }
    let end = bytes.iter().position(|&byte| byte == b'\n').unwrap_or(bytes.len());
    let (header, data) = (&bytes[..end], bytes.get(end + 1..).unwrap_or_default());
    [&(header.len() as u64).to_le_bytes()[..], header, data].concat()
}

/// The header of a safetensors file, and the data after it.
pub fn split(file: &[u8]) -> (&[u8], &[u8]) {
    let (length, rest) = file.split_at(8);
    rest.split_at(u64::from_le_bytes(length.try_into().expect("eight bytes")) as usize)
}
