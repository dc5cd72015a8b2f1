//! The files of a data set: a folder, an archive (perhaps inside another), or one file.

use crate::DataError;
use std::cell::RefCell;
use std::fs::{self, File};
use std::io::{self, BufReader, Cursor, Read, Seek};
use std::path::{Path, PathBuf};
use zip::ZipArchive;

/// Folders are searched to this depth; the deepest official layout has six levels.
const MAX_DEPTH: usize = 8;
/// The most files below a path. No supported data set has as many, so the wrong folder was named.
const MAX_FILES: usize = 50_000;
/// Most bytes read from one member of an archive, so that a crafted archive cannot fill the memory.
const MAX_MEMBER: u64 = 4 << 30;
/// Bytes of a file that are read to recognise its format.
const HEAD: u64 = 4096;

trait ReadSeek: Read + Seek {}
impl<T: Read + Seek> ReadSeek for T {}

enum At {
    Path(PathBuf),
    Member(usize),
}

/// The files below one path, as names relative to it, with `/` between folders, in sorted order.
pub(crate) struct Source {
    /// The path as named, for messages; continued with `:` inside archives.
    label: String,
    files: Vec<(String, At)>,
    archive: Option<RefCell<ZipArchive<Box<dyn ReadSeek>>>>,
    single: bool,
}

impl Source {
    /// Lists what is at `path`, without reading it.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        let io = |error| DataError::io(path, error);
        let label = path.display().to_string();
        let metadata = fs::metadata(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                DataError::malformed(&label, "there is no such file or folder", "Check the path")
            }
            _ => io(error),
        })?;
        if metadata.is_dir() {
            let mut files = Vec::new();
            walk(path, "", 0, &mut files)?;
            files.sort_by(|a, b| a.0.cmp(&b.0));
            return Ok(Self { label, files, archive: None, single: false });
        }
        if !metadata.is_file() {
            return Err(DataError::malformed(
                label,
                "neither a file nor a folder",
                "Name a file, a folder or a zip archive; only `predict -` reads a stream",
            ));
        }
        let mut file = File::open(path).map_err(io)?;
        let mut magic = Vec::new();
        file.by_ref().take(4).read_to_end(&mut magic).map_err(io)?;
        if is_zip(&magic) {
            file.rewind().map_err(io)?;
            return Self::archive(label, Box::new(BufReader::new(file)));
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { label, files: vec![(name, At::Path(path.to_owned()))], archive: None, single: true })
    }

    fn archive(label: String, reader: Box<dyn ReadSeek>) -> Result<Self, DataError> {
        let broken = |error: zip::result::ZipError| {
            DataError::malformed(&label, format!("not a readable zip archive ({error})"), "Download it again")
        };
        let archive = ZipArchive::new(reader).map_err(broken)?;
        let mut files = Vec::new();
        for index in 0..archive.len() {
            if let Some(Ok(name)) = archive.name_for_index(index) {
                let hidden = name.split('/').any(|part| part.starts_with('.') || part == "__MACOSX");
                if !hidden && !name.ends_with('/') {
                    files.push((name.into_owned(), At::Member(index)));
                }
            }
        }
        files.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(Self { label, files, archive: Some(RefCell::new(archive)), single: false })
    }

    /// The archive `name` that lies in this source.
    pub fn inside(&self, name: &str) -> Result<Self, DataError> {
        Self::archive(self.place(name), Box::new(Cursor::new(self.read(name)?)))
    }

    /// Names of all files.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|(name, _)| name.as_str())
    }

    /// Names of the files that are archives by their extension.
    pub fn archives(&self) -> impl Iterator<Item = &str> {
        self.names().filter(|name| matches!(extension(name).as_str(), "zip" | "npz"))
    }

    /// The only file, when the path named one file that is not an archive.
    pub fn single(&self) -> Option<&str> {
        self.single.then(|| self.files[0].0.as_str())
    }

    /// The path as the user named it, for messages.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Last part of the path without its extension, to call the data by.
    pub fn stem(&self) -> String {
        let last = self.label.rsplit(['/', '\\', ':']).find(|part| !part.is_empty()).unwrap_or("data");
        last.rsplit_once('.').map_or(last, |(stem, _)| if stem.is_empty() { last } else { stem }).to_owned()
    }

    /// The full name of a file, for messages.
    pub fn place(&self, name: &str) -> String {
        match (&self.archive, self.single) {
            (_, true) => self.label.clone(),
            (Some(_), _) => format!("{}:{name}", self.label),
            (None, _) => Path::new(&self.label).join(name).display().to_string(),
        }
    }

    /// A reader of a file.
    pub fn reader(&self, name: &str) -> Result<Box<dyn io::BufRead + '_>, DataError> {
        Ok(Box::new(Cursor::new(self.read(name)?)))
    }

    /// The whole content of a file.
    pub fn read(&self, name: &str) -> Result<Vec<u8>, DataError> {
        self.read_at_most(name, MAX_MEMBER)
    }

    /// The beginning of a file.
    pub fn head(&self, name: &str) -> Result<Vec<u8>, DataError> {
        self.read_at_most(name, HEAD)
    }

    /// The first line with anything in it, when the file is text.
    pub fn first_line(&self, name: &str) -> Result<Option<String>, DataError> {
        let head = self.head(name)?;
        if head.contains(&0) {
            return Ok(None);
        }
        let head = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&head);
        let lines = head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        let first = lines.into_iter().find(|line| !line.is_empty());
        Ok(first.and_then(|line| std::str::from_utf8(line).ok()).map(String::from))
    }

    fn read_at_most(&self, name: &str, limit: u64) -> Result<Vec<u8>, DataError> {
        let io = |error| DataError::io(self.place(name), error);
        let found = self.files.binary_search_by(|(known, _)| known.as_str().cmp(name));
        let at = found.map_err(|_| io(io::Error::from(io::ErrorKind::NotFound)))?;
        let mut bytes = Vec::new();
        match (&self.files[at].1, &self.archive) {
            (At::Path(path), _) => {
                let file = File::open(path).map_err(io)?;
                let length = file.metadata().map_err(io)?.len().min(limit);
                bytes.reserve_exact(usize::try_from(length).unwrap_or(0) + 1);
                file.take(limit).read_to_end(&mut bytes).map_err(io)?;
            }
            (At::Member(index), Some(archive)) => {
                let mut archive = archive.borrow_mut();
                let member = archive.by_index(*index).map_err(|error| io(error.into()))?;
                member.take(limit).read_to_end(&mut bytes).map_err(io)?;
            }
            (At::Member(_), None) => unreachable!("members are listed from an archive only"),
        }
        if bytes.len() as u64 == MAX_MEMBER {
            return Err(DataError::malformed(self.place(name), "larger than 4 GiB", "Split the file"));
        }
        Ok(bytes)
    }
}

fn walk(folder: &Path, prefix: &str, depth: usize, files: &mut Vec<(String, At)>) -> Result<(), DataError> {
    let io = |error| DataError::io(folder, error);
    for entry in fs::read_dir(folder).map_err(io)? {
        let entry = entry.map_err(io)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') || name == "__MACOSX" {
            continue;
        }
        let path = entry.path();
        // Follows links; one that leads nowhere is no file of the data set.
        let Ok(metadata) = fs::metadata(&path) else { continue };
        let name = format!("{prefix}{name}");
        if metadata.is_dir() {
            if depth < MAX_DEPTH {
                walk(&path, &format!("{name}/"), depth + 1, files)?;
            }
        } else if metadata.is_file() {
            files.push((name, At::Path(path)));
        }
        if files.len() > MAX_FILES {
            return Err(DataError::malformed(
                folder.display(),
                format!("more than {MAX_FILES} files lie here"),
                "Name the folder of the data set itself",
            ));
        }
    }
    Ok(())
}

fn is_zip(head: &[u8]) -> bool {
    head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06")
}

/// Last part of a name.
pub(crate) fn file_name(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// The folder of a file, with its `/`; empty at the top.
pub(crate) fn folder(name: &str) -> &str {
    &name[..name.len() - file_name(name).len()]
}

/// The extension in lower case, without its dot.
pub(crate) fn extension(name: &str) -> String {
    file_name(name).rsplit_once('.').map_or_else(String::new, |(_, extension)| extension.to_ascii_lowercase())
}
