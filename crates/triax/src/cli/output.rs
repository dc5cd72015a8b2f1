//! The file that a command writes its result to, if the user has named one.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::builder::{PathBufValueParser, TypedValueParser};
use same_file::Handle;
use triax::Error;
use triax_model::whole_file::{self, WholeFile};

use super::terminal::table_out;

/// What a command reads, and must not overwrite.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    /// A file, or a folder with all that is in it.
    Path(&'a Path),
    /// Standard input.
    StandardInput,
}

/// How the rows of a table come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// All at once: nobody needs to see the first ones before the last.
    AtOnce,
    /// One now and then, for as long as something is measured: each is to be seen as it comes.
    AsTheyCome,
}

/// A table that is being written: to a file, whose name is in every error, or to standard output.
///
/// An old file of that name stays until there is something to put in its place. [`Rows::AtOnce`] replace it when all of them
/// are there ([`Output::finish`]). Rows [`Rows::AsTheyCome`] replace it with the first one, and grow from there. A device or a
/// pipe is written directly.
pub struct Output {
    /// None is standard output.
    path: Option<PathBuf>,
    target: Target,
}

enum Target {
    /// Standard output, a device or a pipe.
    Stream(Box<dyn Write>),
    /// As a stream, in large pieces.
    Buffered(BufWriter<Box<dyn Write>>),
    Whole(BufWriter<WholeFile>),
    Growing(Growing),
}

impl Output {
    /// Begins to write to `path`, or to standard output, which `-` stands for too.
    ///
    /// # Errors
    /// A file that cannot be written; one that is among the `sources`.
    pub fn open(path: Option<&Path>, sources: &[Source<'_>], rows: Rows) -> anyhow::Result<Self> {
        let Some(path) = path.filter(|path| !is_standard_output(path)) else {
            check_standard_output(sources)?;
            return Ok(Self { path: None, target: Target::stream(table_out(), rows) });
        };
        check_is_not_read(path, sources)?;
        let failed = || format!("cannot write {}", path.display());
        let target = if is_stream(path) {
            // Not `create`, which would cut off a device that can be.
            let file = File::options().write(true).open(path).with_context(failed)?;
            Target::stream(Box::new(file), rows)
        } else {
            whole_file::clear_partial(whole_file::folder_of(path));
            let file = WholeFile::create(path).with_context(failed)?;
            match rows {
                Rows::AtOnce => Target::Whole(BufWriter::new(file)),
                Rows::AsTheyCome => {
                    let (held, placed) = (Some(file), None);
                    Target::Growing(Growing { held, placed, header_has_ended: false, is_quoted: false })
                }
            }
        };
        Ok(Self { path: Some(path.to_owned()), target })
    }

    /// Puts a file of [`Rows::AtOnce`] into its place, and waits until everything is written.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn finish(mut self) -> anyhow::Result<()> {
        let finished = match self.target {
            Target::Stream(mut stream) => stream.flush(),
            Target::Buffered(mut stream) => stream.flush(),
            Target::Whole(file) => {
                file.into_inner().map_err(io::IntoInnerError::into_error).and_then(WholeFile::finish)
            }
            Target::Growing(file) => file.finish(),
        };
        Ok(finished.map_err(|error| named(self.path.take().as_deref(), error))?)
    }
}

impl Target {
    fn stream(stream: Box<dyn Write>, rows: Rows) -> Self {
        match rows {
            Rows::AtOnce => Self::Buffered(BufWriter::new(stream)),
            Rows::AsTheyCome => Self::Stream(stream),
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = match &mut self.target {
            Target::Stream(stream) => stream.write(bytes),
            Target::Buffered(stream) => stream.write(bytes),
            Target::Whole(file) => file.write(bytes),
            Target::Growing(file) => file.write(bytes),
        };
        written.map_err(|error| named(self.path.as_deref(), error))
    }

    /// Nobody waits for the rows of [`Rows::AtOnce`].
    fn flush(&mut self) -> io::Result<()> {
        match &mut self.target {
            Target::Stream(stream) => stream.flush().map_err(|error| named(self.path.as_deref(), error)),
            Target::Buffered(_) | Target::Whole(_) | Target::Growing(_) => Ok(()),
        }
    }
}

/// Whether `path` stands for standard output.
fn is_standard_output(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Parser of an option for a file or a folder that is written beside what the command prints.
pub fn beside() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path| match is_standard_output(&path) {
        true => Err("standard output is for what the command prints; a file of this name is ./-"),
        false => Ok(path),
    })
}

/// Replaces the file `path`; writes to a device or a pipe.
///
/// # Errors
/// A file that cannot be written.
pub fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let mut output = Output::open(Some(path), &[], Rows::AtOnce)?;
    output.write_all(bytes)?;
    output.finish()
}

/// A CSV file that grows row by row. It takes the place of the old file with its first row.
struct Growing {
    /// The file beside its place, as long as no row has come.
    held: Option<WholeFile>,
    /// The file in its place.
    placed: Option<File>,
    header_has_ended: bool,
    /// Whether what has come of the header ends within quotes, where a line break does not end it.
    is_quoted: bool,
}

impl Growing {
    /// Whether `bytes`, the next ones of the table, hold a part of a row.
    fn reach_a_row(&mut self, bytes: &[u8]) -> bool {
        for byte in bytes {
            match byte {
                _ if self.header_has_ended => return true,
                b'"' => self.is_quoted = !self.is_quoted,
                b'\n' => self.header_has_ended = !self.is_quoted,
                _ => {}
            }
        }
        false
    }

    fn finish(self) -> io::Result<()> {
        self.held.map_or(Ok(()), WholeFile::finish)?;
        self.placed.map_or(Ok(()), |file| file.sync_all())
    }
}

impl Write for Growing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(held) = &mut self.held {
            let n_written = held.write(bytes)?;
            if self.reach_a_row(&bytes[..n_written]) {
                self.placed = self.held.take().map(WholeFile::take_place).transpose()?;
            }
            return Ok(n_written);
        }
        match &mut self.placed {
            Some(file) => file.write(bytes),
            None => Err(io::Error::other("it could not be put into its place")),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// `error` with the file that it is about. Standard output names itself.
fn named(path: Option<&Path>, error: io::Error) -> io::Error {
    match path {
        Some(path) => io::Error::new(error.kind(), format!("cannot write {}: {error}", path.display())),
        None => error,
    }
}

/// Whether `path` is written as it comes: a device, a pipe, or another name of an open file, such as `/dev/stdout`.
fn is_stream(path: &Path) -> bool {
    let is_name_of_an_open_file = cfg!(unix) && ["/dev", "/proc"].iter().any(|folder| path.starts_with(folder));
    fs::metadata(path).is_ok_and(|there| !there.is_file() || is_name_of_an_open_file)
}

/// Makes a folder that the user has named, with those above it, unless it is there.
///
/// # Errors
/// A folder that cannot be made.
pub fn make_folder(folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))
}

/// Refuses to write to a file that is among the `sources`, whatever its name: behind links, or within a folder that is read.
/// A file that is not there yet holds nothing that could be lost.
///
/// # Errors
/// Such a file.
pub fn check_is_not_read(path: &Path, sources: &[Source<'_>]) -> Result<(), Error> {
    let Ok(there) = fs::canonicalize(path) else { return Ok(()) };
    let refuse = |what: String| {
        Err(Error::Usage(format!("{} cannot be written, since {what} is read: name another file", path.display())))
    };
    for source in sources {
        match source {
            Source::Path(source) => {
                let is_within = |source: PathBuf| there.is_file() && source.is_dir() && there.starts_with(source);
                if same_file::is_same_file(&there, source).unwrap_or(false) {
                    return refuse("the same file".to_owned());
                }
                if fs::canonicalize(source).is_ok_and(is_within) {
                    return refuse(format!("all of {}", source.display()));
                }
            }
            Source::StandardInput => {
                let input = Handle::stdin();
                if input.is_ok_and(|input| Handle::from_path(&there).is_ok_and(|output| output == input)) {
                    return refuse("standard input comes from the same file, which".to_owned());
                }
            }
        }
    }
    Ok(())
}

/// Refuses to append to a file while it is read, which would never end.
fn check_standard_output(sources: &[Source<'_>]) -> Result<(), Error> {
    let Ok(output) = Handle::stdout() else { return Ok(()) };
    if !output.as_file().metadata().is_ok_and(|there| there.is_file()) {
        return Ok(());
    }
    let is_output = |source: &Source<'_>| {
        let source = match source {
            Source::Path(source) => Handle::from_path(source),
            Source::StandardInput => Handle::stdin(),
        };
        source.is_ok_and(|source| source == output)
    };
    match sources.iter().any(is_output) {
        true => Err(Error::Usage("standard output is the file that is read: name another file".to_owned())),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(path: &Path, rows: Rows) -> Output {
        Output::open(Some(path), &[], rows).unwrap()
    }

    #[test]
    fn rows_at_once_replace_the_old_file_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.csv");
        fs::write(&path, "old").unwrap();
        let mut output = open(&path, Rows::AtOnce);
        output.write_all(b"head\nrow\n").unwrap();
        output.flush().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"old");
        output.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"head\nrow\n");
    }

    #[test]
    fn the_first_row_that_comes_replaces_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.csv");
        fs::write(&path, "old").unwrap();
        let mut output = open(&path, Rows::AsTheyCome);
        for piece in [&b"a,\"score"[..], b"\n of it\"", b"\n"] {
            output.write_all(piece).unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"old");
        }
        output.write_all(b"1,2\n").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"a,\"score\n of it\"\n1,2\n");
        output.write_all(b"3,4\n").unwrap();
        // As if the process were killed: all rows so far are there, and nothing beside them.
        drop(output);
        assert_eq!(fs::read_to_string(&path).unwrap().lines().last(), Some("3,4"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn without_a_row_the_old_file_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.csv");
        fs::write(&path, "old").unwrap();
        for rows in [Rows::AtOnce, Rows::AsTheyCome] {
            let mut output = open(&path, rows);
            output.write_all(b"head\n").unwrap();
            drop(output);
            assert_eq!(fs::read(&path).unwrap(), b"old");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_full_device_is_named() {
        let error = write(Path::new("/dev/full"), b"text").unwrap_err().to_string();
        assert!(error.contains("cannot write /dev/full") && error.contains("No space left"), "{error}");
    }

    #[test]
    fn what_is_read_is_not_written_whatever_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("data")).unwrap();
        fs::write(at("data/a.csv"), "x").unwrap();
        fs::hard_link(at("data/a.csv"), at("hard.csv")).unwrap();
        let mut names = vec!["data/a.csv", "data/../data/./a.csv", "hard.csv"];
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("data/a.csv", at("soft.csv")).unwrap();
            names.push("soft.csv");
        }
        for name in names {
            let file = at("data/a.csv");
            let refusal = check_is_not_read(&at(name), &[Source::Path(&file)]).unwrap_err();
            assert!(refusal.to_string().contains("the same file is read"), "{refusal}");
        }
        let data = at("data");
        let refusal = check_is_not_read(&at("data/a.csv"), &[Source::Path(&data)]).unwrap_err().to_string();
        assert!(refusal.contains("all of"), "{refusal}");
        check_is_not_read(&at("data/new.csv"), &[Source::Path(&data)]).unwrap();
        check_is_not_read(&at("new.csv"), &[Source::Path(&at("data/a.csv")), Source::StandardInput]).unwrap();
    }
}
