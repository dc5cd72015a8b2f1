//! Files that are read and written whole.
//!
//! A file is written beside its place under a name that ends with `.partial`, synced, and renamed. Whatever happens in
//! between, the old file stays. What a process that was killed has left is removed by [`clear_partial`].

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use tempfile::NamedTempFile;

/// The most bytes of a file of settings, such as a config file or the description of a study: 64 MiB.
pub const MOST_SETTINGS: u64 = 64 << 20;
/// The most bytes of a file of figures, such as a history or a summary: 1 GiB.
pub const MOST_FIGURES: u64 = 1 << 30;

const PREFIX: &str = ".triax-";
const SUFFIX: &str = ".partial";

/// A file that is being written beside its place, which it takes with [`WholeFile::finish`]. Dropped before, it leaves
/// nothing, and the old file is unchanged.
#[derive(Debug)]
pub struct WholeFile {
    partial: NamedTempFile,
    path: PathBuf,
}

impl WholeFile {
    /// Begins to write the file `path`; if that is a symbolic link, the file that it names.
    ///
    /// # Errors
    /// The system's error, without `path`. A `path` that exists and is no regular file is refused, since a rename would
    /// destroy a device or a pipe.
    pub fn create(path: &Path) -> io::Result<Self> {
        let path = match fs::metadata(path) {
            Ok(there) if !there.is_file() => {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "it exists and is not a regular file"));
            }
            Ok(_) if path.is_symlink() => fs::canonicalize(path)?,
            _ => path.to_owned(),
        };
        let folder = folder_of(&path);
        let mut builder = tempfile::Builder::new();
        builder.prefix(PREFIX).suffix(SUFFIX);
        #[cfg(unix)]
        {
            // A temporary file is private by default; this one becomes an ordinary file, under the user's umask.
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(fs::Permissions::from_mode(0o666));
        }
        loop {
            // The system's message names the temporary file, which would confuse the user.
            let no_file = |kind| io::Error::new(kind, format!("no file can be made in {}: {kind}", folder.display()));
            let partial = builder.tempfile_in(folder).map_err(|e| no_file(e.kind()))?;
            // The lock tells `clear_partial` that somebody writes here. A file system without locks is no error: nothing is
            // cleared there.
            let _ = partial.as_file().lock();
            // Between its creation and its lock, the file may have been cleared.
            if partial.path().exists() {
                return Ok(Self { partial, path });
            }
        }
    }

    /// Syncs the file and puts it into its place.
    ///
    /// # Errors
    /// The system's error, without the path.
    pub fn finish(self) -> io::Result<()> {
        self.partial.as_file().sync_all()?;
        self.take_place().map(drop)
    }

    /// Puts the file into its place as it is, and returns it, so that more can be written to its end.
    ///
    /// # Errors
    /// The system's error, without the path.
    pub fn take_place(self) -> io::Result<File> {
        let Self { partial, path } = self;
        let file = partial.persist(&path).map_err(|e| e.error)?;
        if cfg!(unix) {
            // The rename itself is durable only once the folder is.
            File::open(folder_of(&path))?.sync_all()?;
        }
        Ok(file)
    }
}

impl Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.partial.as_file_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.partial.as_file_mut().flush()
    }
}

/// The folder of the file `path`.
pub fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// Replaces the contents of the file `path` by `bytes`. On any failure (a full disk, a power cut, a folder that cannot be
/// written) the old file is unchanged and no other file is left behind.
///
/// # Errors
/// As [`WholeFile::create`] and [`WholeFile::finish`].
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = WholeFile::create(path)?;
    file.write_all(bytes)?;
    file.finish()
}

/// Replaces the contents of the file `path` by `value` as indented JSON with a newline at the end.
///
/// # Errors
/// A value without a JSON form; otherwise as [`write()`].
pub fn write_json(path: &Path, value: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_vec_pretty(value)?;
    text.push(b'\n');
    write(path, &text)
}

/// Reads the file or pipe `path`, if it has at most `most` bytes.
///
/// # Errors
/// The system's error, without `path`; a file that is longer.
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let too_long = || {
        io::Error::new(io::ErrorKind::FileTooLarge, format!("it is longer than {most} bytes, the most that is read"))
    };
    let file = File::open(path)?;
    // A disk knows the length before a byte is read.
    if file.metadata()?.len() > most {
        return Err(too_long());
    }
    let mut bytes = Vec::new();
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most { Err(too_long()) } else { Ok(bytes) }
}

/// Whether a file of this name is one that was not finished.
pub fn is_partial(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    name.starts_with(PREFIX.as_bytes()) && name.ends_with(SUFFIX.as_bytes())
}

/// Removes the files in `folder` that were not finished, and whose writers are gone. Where there are no locks, nothing is
/// removed. What cannot be removed is no error.
pub fn clear_partial(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if is_partial(&entry.file_name()) && entry.file_type().is_ok_and(|kind| kind.is_file()) {
            let file = OpenOptions::new().write(true).open(entry.path());
            if file.is_ok_and(|file| file.try_lock().is_ok()) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names_in(folder: &Path) -> Vec<String> {
        let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.collect()
    }

    #[test]
    fn a_file_is_replaced_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");
        write(&path, b"one").unwrap();
        write(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(names_in(folder.path()), ["a.bin"]);
    }

    #[test]
    fn json_is_indented_and_ends_with_a_newline() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        write_json(&path, &serde_json::json!({"a": [1]})).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "{\n  \"a\": [\n    1\n  ]\n}\n");
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let error = write(&folder.path().join("gone/a.bin"), b"one").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(!error.to_string().contains(".partial"), "{error}");
    }

    #[test]
    fn a_folder_in_its_place_stays() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), b"one").unwrap_err();
        assert!(folder.path().is_dir());
    }

    #[test]
    #[cfg(unix)]
    fn the_file_is_an_ordinary_one() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let [ours, plain] = ["ours", "plain"].map(|name| folder.path().join(name));
        write(&ours, b"one").unwrap();
        fs::write(&plain, b"one").unwrap();
        let mode = |path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&ours), mode(&plain));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_device_is_never_replaced() {
        use std::os::unix::fs::FileTypeExt;
        write(Path::new("/dev/full"), b"one").unwrap_err();
        assert!(fs::metadata("/dev/full").unwrap().file_type().is_char_device());
    }

    #[test]
    #[cfg(unix)]
    fn behind_a_link_the_file_is_replaced_and_the_link_stays() {
        let folder = tempfile::tempdir().unwrap();
        let [file, link] = ["a.bin", "link"].map(|name| folder.path().join(name));
        fs::write(&file, b"one").unwrap();
        std::os::unix::fs::symlink("a.bin", &link).unwrap();
        write(&link, b"two").unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read(&file).unwrap(), b"two");
    }

    #[test]
    fn a_file_that_is_not_finished_leaves_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");
        write(&path, b"old").unwrap();
        let mut file = WholeFile::create(&path).unwrap();
        file.write_all(b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"old");
        drop(file);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names_in(folder.path()), ["a.bin"]);
    }

    #[test]
    fn a_file_in_its_place_is_written_further() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");
        write(&path, b"old").unwrap();
        let mut file = WholeFile::create(&path).unwrap();
        file.write_all(b"one, ").unwrap();
        let mut file = file.take_place().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"one, ");
        file.write_all(b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"one, two");
    }

    #[test]
    fn what_nobody_writes_any_more_is_cleared_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let stale = folder.path().join(".triax-Ab12.partial");
        for name in [".triax-Ab12.partial", "thesis.partial", ".triax-notes"] {
            fs::write(folder.path().join(name), b"half").unwrap();
        }
        let path = folder.path().join("a.bin");
        let mut alive = WholeFile::create(&path).unwrap();
        clear_partial(folder.path());
        assert!(!stale.exists());
        alive.write_all(b"whole").unwrap();
        alive.finish().unwrap();
        let mut names = names_in(folder.path());
        names.sort();
        assert_eq!(names, [".triax-notes", "a.bin", "thesis.partial"]);
        clear_partial(&folder.path().join("gone"));
    }

    #[test]
    fn a_file_is_read_up_to_its_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");
        fs::write(&path, b"12345").unwrap();
        assert_eq!(read(&path, 5).unwrap(), b"12345");
        let refusal = read(&path, 4).unwrap_err().to_string();
        assert!(refusal.contains("longer than 4 bytes"), "{refusal}");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_device_without_end_is_read_up_to_the_limit() {
        let refusal = read(Path::new("/dev/zero"), 1000).unwrap_err().to_string();
        assert!(refusal.contains("longer than 1000 bytes"), "{refusal}");
    }
}
