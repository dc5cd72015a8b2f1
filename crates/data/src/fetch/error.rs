//! What can go wrong when a data set is fetched, and what to do about it.

use std::path::PathBuf;

/// Why a data set could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No data set of that name.
    #[error("There is no data set `{name}` to fetch. There are: {known}.")]
    UnknownSet {
        /// The name.
        name: String,
        /// Those that exist.
        known: String,
    },
    /// A folder of that name is there and holds nothing.
    #[error("{} exists already, but is empty. Remove it, or name another folder.", folder.display())]
    InTheWay {
        /// The folder.
        folder: PathBuf,
    },
    /// Another fetch holds the lock.
    #[error("{} is being fetched already. Wait for that, or name another folder.", archive.display())]
    Busy {
        /// The archive.
        archive: PathBuf,
    },
    /// The server said no.
    #[error("{url}: the server answered {status}. {remedy}")]
    Status {
        /// What was asked for.
        url: String,
        /// The HTTP status.
        status: u16,
        /// What to do.
        remedy: &'static str,
    },
    /// No answer came.
    #[error("{url}: {reason}. Check the connection and try again.")]
    NoAnswer {
        /// What was asked for.
        url: String,
        /// What went wrong.
        reason: String,
    },
    /// The answer ended too soon.
    #[error(
        "{url}: the connection ended after {received} bytes{} ({reason}). Run the same command again: it goes on from \
         there.",
        total.map(|total| format!(" of {total}")).unwrap_or_default()
    )]
    CutOff {
        /// What was asked for.
        url: String,
        /// Bytes that are here.
        received: u64,
        /// Bytes of the whole, where known.
        total: Option<u64>,
        /// What went wrong.
        reason: String,
    },
    /// Not what was expected.
    #[error(
        "{}: SHA-256 is {found}, but should be {expected}; the file was deleted. Try again; if it happens again, the \
         official file has changed or something on the way alters it.",
        archive.display()
    )]
    Checksum {
        /// The archive that was deleted.
        archive: PathBuf,
        /// The known checksum.
        expected: String,
        /// That of the archive.
        found: String,
    },
    /// The archive is not one, or is damaged.
    #[error("{}: {problem}; the file was deleted. Fetch it again.", archive.display())]
    Archive {
        /// The archive that was deleted.
        archive: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The archive wants to write where it must not.
    #[error("{}: its entry `{entry}` {problem}; nothing was unpacked and the file was deleted.", archive.display())]
    Hostile {
        /// The archive that was deleted.
        archive: PathBuf,
        /// The entry.
        entry: String,
        /// What it tries.
        problem: &'static str,
    },
    /// More than any data set has.
    #[error("{what} is several times larger than any data set known here; it was deleted.")]
    TooLarge {
        /// The file, or what an archive unpacks to.
        what: String,
    },
}
