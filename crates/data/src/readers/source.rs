//! The files of a data set: a folder, an archive (perhaps inside another), or one file.

use super::budget::{Bounded, Budget};
use crate::DataError;
use flate2::bufread::MultiGzDecoder;
use std::cell::Cell;
use std::collections::{BTreeSet, VecDeque};
use std::ffi::OsStr;
use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use typed_arena::Arena;
use zip::read::{ZipFileEntry, ZipReadOptions};
use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

/// Folders are searched to this depth; the deepest official layout has six levels.
const MAX_DEPTH: usize = 8;
/// The most files below a path. No supported data set has as many, so the wrong folder was named.
const MAX_FILES: usize = 50_000;
/// Most bytes of one file that are held in memory at once.
const MAX_FILE: u64 = 4 << 30;
/// Bytes of a file that are read to recognise its format.
const HEAD: u64 = 4096;

/// The files below one path, as names relative to it, with `/` between folders, in sorted order.
pub(crate) struct Source {
    /// The path as named, for messages; continued with `:` inside archives.
    label: String,
    files: Vec<Listed>,
    archive: Option<ZipArchive<Bytes>>,
    /// A reader of the archive for each member that was opened.
    readers: Arena<Bytes>,
    single: bool,
    /// Shared with the archives inside.
    budget: Rc<Budget>,
}

struct Listed {
    name: String,
    at: At,
    /// Whether its size on disk is known to the budget.
    packed: Cell<bool>,
    /// Bytes that it is known to expand to. Whoever reads it again pays once.
    expanded: Cell<u64>,
}

enum At {
    Path(PathBuf),
    Member(usize),
}

impl Listed {
    fn new(name: String, at: At) -> Self {
        Self { name, at, packed: Cell::new(false), expanded: Cell::new(0) }
    }
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
            return Self::list(label, walk(path)?, None, Rc::default());
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
            let budget = Rc::new(Budget::default());
            budget.add_packed(metadata.len());
            return Self::archive(label, Bytes::new(Content::File(file)), budget);
        }
        let name = readable(path.file_name().unwrap_or_default());
        let source = Self::list(label, vec![Listed::new(name, At::Path(path.to_owned()))], None, Rc::default())?;
        Ok(Self { single: true, ..source })
    }

    fn list(
        label: String,
        mut files: Vec<Listed>,
        archive: Option<ZipArchive<Bytes>>,
        budget: Rc<Budget>,
    ) -> Result<Self, DataError> {
        if files.len() > MAX_FILES {
            let problem = format!("more than {MAX_FILES} files lie in it");
            return Err(DataError::malformed(label, problem, "Name the folder or the archive of the data set itself"));
        }
        files.sort_by(|a, b| a.name.cmp(&b.name));
        if let Some(pair) = files.windows(2).find(|pair| pair[0].name == pair[1].name) {
            let problem = format!("two files in it have the name `{}`", super::shown(&pair[0].name));
            return Err(DataError::malformed(label, problem, "Rename one of them"));
        }
        Ok(Self { label, files, archive, readers: Arena::new(), single: false, budget })
    }

    fn archive(label: String, bytes: Bytes, budget: Rc<Budget>) -> Result<Self, DataError> {
        let broken = |error: ZipError| {
            DataError::malformed(&label, format!("not a readable zip archive ({error})"), "Download it again")
        };
        let archive = ZipArchive::new(bytes).map_err(broken)?;
        let mut files = Vec::new();
        for index in 0..archive.len() {
            let entry = archive.by_index_data(index).map_err(broken)?;
            // Names of UTF-8 often lack the flag that says so.
            let name = match (std::str::from_utf8(entry.name_raw()), entry.name()) {
                (Ok(name), _) => name.to_owned(),
                (Err(_), Ok(name)) => name.into_owned(),
                (Err(_), Err(_)) => escaped(entry.name_raw()),
            };
            // Some programs on Windows write the separators of its paths.
            let name = name.replace('\\', "/");
            let is_file = !name.ends_with('/') && !entry.is_symlink();
            let parts: Vec<&str> = name.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
            if is_file && !parts.is_empty() && !parts.iter().any(|part| is_hidden(part)) {
                files.push(Listed::new(parts.join("/"), At::Member(index)));
            }
        }
        Self::list(label, files, Some(archive), budget)
    }

    /// The archive `name` that lies in this source.
    pub fn inside(&self, name: &str) -> Result<Self, DataError> {
        let file = self.listed(name)?;
        let content = match &file.at {
            At::Path(path) => Content::File(File::open(path).map_err(|error| DataError::io(path, error))?),
            At::Member(_) => Content::Memory(self.read(name)?),
        };
        self.know_packed(file);
        Self::archive(self.place(name), Bytes::new(content), self.budget.clone())
    }

    /// Names of all files.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|file| file.name.as_str())
    }

    /// Names of the files that are archives by their extension.
    pub fn archives(&self) -> impl Iterator<Item = &str> {
        self.names().filter(|name| matches!(extension(name).as_str(), "zip" | "npz"))
    }

    /// The only file, when the path named one file that is not an archive.
    pub fn single(&self) -> Option<&str> {
        self.single.then(|| self.files[0].name.as_str())
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

    /// The whole content of a file.
    pub fn read(&self, name: &str) -> Result<Vec<u8>, DataError> {
        self.read_at_most(name, MAX_FILE)
    }

    /// The beginning of a file.
    pub fn head(&self, name: &str) -> Result<Vec<u8>, DataError> {
        self.read_at_most(name, HEAD)
    }

    /// The first line with anything in it, when the file is text, or text that gzip has compressed.
    pub fn first_line(&self, name: &str) -> Result<Option<String>, DataError> {
        let mut head = Vec::new();
        // A file that breaks off here breaks off for its reader, who says so.
        _ = self.reader(name)?.take(HEAD).read_to_end(&mut head);
        if head.contains(&0) {
            return Ok(None);
        }
        let head = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&head);
        let lines = head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        let first = lines.into_iter().find(|line| !line.is_empty());
        Ok(first.and_then(|line| std::str::from_utf8(line).ok()).map(String::from))
    }

    /// The content of a file from its beginning, not held in memory; what gzip has compressed is expanded. What archives and
    /// gzip expand to counts against the budget of the whole source.
    pub fn reader(&self, name: &str) -> Result<Box<dyn BufRead + '_>, DataError> {
        let mut reader = self.stored(name)?;
        let head = reader.fill_buf().map_err(|error| self.failed(name, error))?;
        Ok(match head.starts_with(&[0x1f, 0x8b]) {
            true => Box::new(BufReader::new(self.expanding(name, MultiGzDecoder::new(reader))?)),
            false => reader,
        })
    }

    /// The content of a file as it is stored.
    fn stored(&self, name: &str) -> Result<Box<dyn BufRead + '_>, DataError> {
        let file = self.listed(name)?;
        match (&file.at, &self.archive) {
            (At::Path(path), _) => {
                let opened = File::open(path).map_err(|error| DataError::io(self.place(name), error))?;
                Ok(Box::new(BufReader::new(opened)))
            }
            (At::Member(index), Some(archive)) => {
                let damaged = |error: ZipError| self.damaged(name, &error);
                let entry = archive.by_index_data(*index).map_err(damaged)?;
                if let Some((problem, remedy)) = obstacle(&entry) {
                    return Err(DataError::malformed(self.place(name), problem, remedy));
                }
                let reader = self.readers.alloc(archive.clone().into_inner());
                let member = entry.with_reader(reader, ZipReadOptions::new()).map_err(damaged)?;
                Ok(Box::new(BufReader::new(self.expanding(name, member)?)))
            }
            (At::Member(_), None) => unreachable!("members are listed from an archive only"),
        }
    }

    /// `decoder`, which expands the file `name`, within the budget of the whole source.
    pub fn expanding<'a, R: Read>(&'a self, name: &str, decoder: R) -> Result<Bounded<'a, R>, DataError> {
        let file = self.listed(name)?;
        self.know_packed(file);
        Ok(Bounded::new(decoder, &self.budget, &file.expanded))
    }

    /// Asks for room in memory for recordings that the file `name` holds: `bytes` beyond its own size.
    pub fn claim(&self, name: &str, bytes: u64) -> Result<(), DataError> {
        self.know_packed(self.listed(name)?);
        self.budget.charge(bytes).map_err(|error| DataError::io(self.place(name), error.into()))
    }

    fn listed(&self, name: &str) -> Result<&Listed, DataError> {
        match self.files.binary_search_by(|file| file.name.as_str().cmp(name)) {
            Ok(at) => Ok(&self.files[at]),
            Err(_) => Err(DataError::io(self.place(name), io::Error::from(io::ErrorKind::NotFound))),
        }
    }

    /// Tells the budget what `file` takes on disk.
    fn know_packed(&self, file: &Listed) {
        if let At::Path(path) = &file.at
            && !file.packed.replace(true)
        {
            self.budget.add_packed(fs::metadata(path).map_or(0, |metadata| metadata.len()));
        }
    }

    fn read_at_most(&self, name: &str, limit: u64) -> Result<Vec<u8>, DataError> {
        let mut bytes = Vec::new();
        if let At::Path(path) = &self.listed(name)?.at {
            // The size of a file can be believed, that of a member cannot.
            let length = fs::metadata(path).map_or(0, |metadata| metadata.len()).min(limit);
            bytes.reserve_exact(usize::try_from(length).unwrap_or(0) + 1);
        }
        let read = self.stored(name)?.take(limit).read_to_end(&mut bytes);
        read.map_err(|error| self.failed(name, error))?;
        if bytes.len() as u64 == MAX_FILE {
            return Err(DataError::malformed(self.place(name), "larger than 4 GiB", "Split the file"));
        }
        Ok(bytes)
    }

    /// The error of a reader of the file `name`.
    pub fn failed(&self, name: &str, error: io::Error) -> DataError {
        match error.kind() {
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => self.damaged(name, &error),
            _ => DataError::io(self.place(name), error),
        }
    }

    fn damaged(&self, name: &str, error: &dyn Display) -> DataError {
        DataError::malformed(self.place(name), format!("damaged ({error})"), "Download the archive again")
    }
}

/// Why a member of an archive cannot be unpacked here, and what to do about it.
fn obstacle(entry: &ZipFileEntry) -> Option<(String, &'static str)> {
    if entry.encrypted() {
        return Some(("it is encrypted".to_owned(), "Unpack the archive with its password, and name the folder"));
    }
    // The crate knows the numbers of methods that it has no decoder for by no other name.
    #[allow(deprecated)]
    let CompressionMethod::Unsupported(code) = entry.compression() else { return None };
    let method = match code {
        1 => "Shrink",
        2..=5 => "Reduce",
        6 => "Implode",
        14 => "LZMA",
        20 | 93 => "Zstandard",
        95 => "xz",
        98 => "PPMd",
        _ => &format!("method {code}"),
    };
    Some((
        format!("it is compressed with {method}, for which there is no decoder here"),
        "Unpack the archive and name the folder, or repack it with Deflate, the usual method of zip",
    ))
}

/// A file or memory that many read, each from a place of its own.
#[derive(Clone)]
struct Bytes {
    content: Rc<Content>,
    at: u64,
}

enum Content {
    File(File),
    Memory(Vec<u8>),
}

impl Bytes {
    fn new(content: Content) -> Self {
        Self { content: Rc::new(content), at: 0 }
    }
}

impl Read for Bytes {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = match &*self.content {
            Content::File(file) => {
                let mut file: &File = file;
                file.seek(SeekFrom::Start(self.at))?;
                file.read(into)?
            }
            Content::Memory(bytes) => {
                let start = usize::try_from(self.at).unwrap_or(usize::MAX).min(bytes.len());
                (&bytes[start..]).read(into)?
            }
        };
        self.at += n as u64;
        Ok(n)
    }
}

impl Seek for Bytes {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => match &*self.content {
                Content::File(file) => file.metadata()?.len().checked_add_signed(by),
                Content::Memory(bytes) => (bytes.len() as u64).checked_add_signed(by),
            },
        };
        self.at = at.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}

/// Every file below `root`, once, however many links lead to it. What lies there itself comes before what links lead to.
fn walk(root: &Path) -> Result<Vec<Listed>, DataError> {
    let home = root.canonicalize().map_err(|error| DataError::io(root, error))?;
    let mut seen = BTreeSet::from([home.clone()]);
    let mut files = Vec::new();
    // Folders and links that are still to be looked at: path, name, depth.
    let mut waiting = VecDeque::from([(root.to_owned(), String::new(), 0)]);
    let mut links = VecDeque::new();
    while let Some((path, name, depth)) = waiting.pop_front().or_else(|| links.pop_front()) {
        let io = |error| DataError::io(&path, error);
        // A link that leads nowhere is no file of the data set.
        let Ok(metadata) = fs::metadata(&path) else { continue };
        if depth > 0 {
            let target = path.canonicalize().map_err(io)?;
            // A folder above this one holds it too.
            if home.starts_with(&target) || !seen.insert(target) {
                continue;
            }
        }
        if metadata.is_file() {
            files.push(Listed::new(name, At::Path(path)));
            // Enough to be refused.
            if files.len() > MAX_FILES {
                break;
            }
        } else if metadata.is_dir() && depth <= MAX_DEPTH {
            let entries = fs::read_dir(&path).map_err(io)?.collect::<Result<Vec<_>, _>>().map_err(io)?;
            let mut entries: Vec<_> = entries.iter().map(|entry| (entry.path(), entry.file_type())).collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            for (path, kind) in entries {
                let part = readable(path.file_name().unwrap_or_default());
                if is_hidden(&part) {
                    continue;
                }
                let name = if name.is_empty() { part } else { format!("{name}/{part}") };
                let is_link = kind.map_err(io)?.is_symlink();
                if is_link { &mut links } else { &mut waiting }.push_back((path, name, depth + 1));
            }
        }
    }
    Ok(files)
}

fn is_hidden(part: &str) -> bool {
    part.starts_with('.') || part == "__MACOSX"
}

/// The name of a file as text; bytes that are no UTF-8 are shown as `\xFF`, so that different names stay different.
fn readable(name: &OsStr) -> String {
    escaped(name.as_encoded_bytes())
}

fn escaped(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        chunk.invalid().iter().for_each(|byte| text.push_str(&format!("\\x{byte:02X}")));
    }
    text
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
