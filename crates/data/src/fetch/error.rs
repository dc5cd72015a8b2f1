//! Errors of fetching a data set. Every message says what to do about it.

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
    /// The folder exists and is empty.
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
    /// The server refused.
    #[error("{url}: the server answered {status}. {remedy}")]
    Status {
        /// The requested address.
        url: String,
        /// The HTTP status.
        status: u16,
        /// What to do.
        remedy: &'static str,
    },
    /// The server did not answer.
    #[error("{url}: {reason}. Check the connection and try again.")]
    NoAnswer {
        /// The requested address.
        url: String,
        /// What went wrong.
        reason: String,
    },
    /// The connection ended before the last byte.
    #[error(
        "{url}: the connection ended after {received} bytes{} ({reason}). Run the same command again: it goes on from \
         there.",
        total.map(|total| format!(" of {total}")).unwrap_or_default()
    )]
    CutOff {
        /// The requested address.
        url: String,
        /// Bytes received.
        received: u64,
        /// Bytes of the whole, where known.
        total: Option<u64>,
        /// What went wrong.
        reason: String,
    },
    /// The archive does not have the known checksum.
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
    /// The file is no archive, or a damaged one.
    #[error("{}: {problem}; the file was deleted. Fetch it again.", archive.display())]
    Archive {
        /// The archive that was deleted.
        archive: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// An entry of the archive would write where it must not.
    #[error("{}: its entry `{entry}` {problem}; nothing was unpacked and the file was deleted.", archive.display())]
    Hostile {
        /// The archive that was deleted.
        archive: PathBuf,
        /// The entry.
        entry: String,
        /// What the entry would do.
        problem: &'static str,
    },
    /// Larger than any data set.
    #[error("{what} is several times larger than any data set known here; it was deleted.")]
    TooLarge {
        /// The file, or what an archive unpacks to.
        what: String,
    },
}
