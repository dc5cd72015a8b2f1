//! Atomic writing of files: the contents go to a temporary file, which is synced and then renamed.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

/// Replaces the contents of the file `path` by `bytes`. On any failure (a full disk, a power cut, a folder that cannot be
/// written) the old file is unchanged and no other file is left behind.
///
/// # Errors
/// The system's error, without `path`. A `path` that exists and is no regular file is refused, since a rename would
/// destroy a device or a pipe.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if fs::metadata(path).is_ok_and(|there| !there.is_file()) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it exists and is not a regular file"));
    }
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".triax-").suffix(".partial");
    #[cfg(unix)]
    {
        // A temporary file is private by default; this one becomes an ordinary file, under the user's umask.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    // The system's message names the temporary file, which would confuse the user.
    let no_file = |kind| io::Error::new(kind, format!("no file can be made in {}: {kind}", folder.display()));
    let mut beside = builder.tempfile_in(folder).map_err(|e| no_file(e.kind()))?;
    beside.as_file_mut().write_all(bytes)?;
    beside.as_file().sync_all()?;
    beside.persist(path).map_err(|e| e.error)?;
    if cfg!(unix) {
        // The rename itself is durable only once the folder is.
        File::open(folder)?.sync_all()?;
    }
    Ok(())
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
}
