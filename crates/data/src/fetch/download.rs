//! Download of one file over HTTP. It resumes where an earlier attempt ended.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use ureq::http::{HeaderMap, Response};

use super::{DataSet, FetchError, FetchProgress, beside, write_whole};
use crate::DataError;

/// The most bytes of an archive, so that an endless answer cannot fill the disk. The largest, WISDM v2, has about 300 MB.
const MAX_ARCHIVE_BYTES: u64 = 1 << 30;

/// Where a part came from. It is written beside the part, and says whether the rest of the same file can be requested.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct PartSource {
    url: String,
    /// A strong ETag or the date of the last change, which differ when the file on the server does.
    validator: Option<String>,
}

/// Downloads `url` to `ARCHIVE.part`, syncs it, and returns that path.
pub(super) fn download(
    url: &str,
    set: &DataSet,
    archive: &Path,
    progress: &mut dyn FnMut(FetchProgress),
) -> Result<PathBuf, DataError> {
    let part = beside(archive, ".part");
    let at_part = |error| DataError::io(&part, error);
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&part).map_err(at_part)?;
    let earlier = fs::read(source_path(archive)).ok().and_then(|json| serde_json::from_slice::<PartSource>(&json).ok());
    let validator = match earlier {
        Some(earlier) if earlier.url == url && (earlier.validator.is_some() || set.sha256.is_some()) => {
            earlier.validator
        }
        // Without a validator or a checksum, a mixture of two versions would go unnoticed.
        _ => {
            file.set_len(0).map_err(at_part)?;
            None
        }
    };
    let mut have = file.metadata().map_err(at_part)?.len();
    let mut answer = request(url, have, validator.as_deref())?;
    if have > 0 {
        match (answer.status().as_u16(), content_range(answer.headers())) {
            (206, Some((Some(first), _))) if first == have => {}
            // The part is complete: the earlier attempt ended after the last byte and before the renaming.
            (416, Some((None, Some(total)))) if total == have => return Ok(part),
            // The file has changed, or the server does not support ranges and sends all of it.
            (200, _) => have = 0,
            // Not the range that was requested: start again.
            (206 | 416, _) => {
                have = 0;
                answer = request(url, 0, None)?;
            }
            _ => {}
        }
    }
    let status = answer.status().as_u16();
    if status != 200 && !(status == 206 && have > 0) {
        return Err(refusal(url, status).into());
    }
    file.set_len(have).map_err(at_part)?;
    file.seek(SeekFrom::Start(have)).map_err(at_part)?;
    let source = PartSource { url: url.to_owned(), validator: validator_of(answer.headers()) };
    let json = serde_json::to_vec(&source).expect("two strings are JSON");
    write_whole(&source_path(archive), &json)?;
    receive(url, answer, &mut file, &part, have, set.size, progress)?;
    Ok(part)
}

fn source_path(archive: &Path) -> PathBuf {
    beside(archive, ".part.json")
}

/// Requests `url` from byte `have` on, provided that `validator` still holds.
fn request(url: &str, have: u64, validator: Option<&str>) -> Result<Response<ureq::Body>, FetchError> {
    let agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        // Archives are compressed already, and a range counts the bytes that are sent.
        .accept_encoding("identity")
        .timeout_connect(Some(Duration::from_secs(30)))
        .timeout_per_read(Some(Duration::from_secs(60)))
        .user_agent(concat!("triax/", env!("CARGO_PKG_VERSION")))
        .build()
        .new_agent();
    let mut request = agent.get(url);
    if have > 0 {
        request = request.header("Range", format!("bytes={have}-"));
        if let Some(validator) = validator {
            request = request.header("If-Range", validator);
        }
    }
    request.call().map_err(|error| FetchError::NoAnswer { url: url.to_owned(), reason: error.to_string() })
}

/// Appends the body of `answer` to `file`, which holds `have` bytes.
fn receive(
    url: &str,
    answer: Response<ureq::Body>,
    file: &mut File,
    part: &Path,
    have: u64,
    size: Option<u64>,
    progress: &mut dyn FnMut(FetchProgress),
) -> Result<(), DataError> {
    let announced = answer.body().content_length().map(|rest| have + rest);
    let total = announced.or(size);
    let mut received = have;
    let mut body = answer.into_body().into_reader();
    let mut buffer = vec![0; 1 << 16];
    let ended = loop {
        progress(FetchProgress { received, total });
        match body.read(&mut buffer) {
            Ok(0) => break None,
            Ok(n) => {
                received += n as u64;
                if received > MAX_ARCHIVE_BYTES {
                    fs::remove_file(part).map_err(|error| DataError::io(part, error))?;
                    return Err(FetchError::TooLarge { what: url.to_owned() }.into());
                }
                file.write_all(&buffer[..n]).map_err(|error| DataError::io(part, error))?;
            }
            Err(error) => break Some(error.to_string()),
        }
    };
    file.sync_all().map_err(|error| DataError::io(part, error))?;
    let is_short = announced.is_some_and(|total| received < total);
    let reason = ended.or(is_short.then(|| "fewer bytes than announced".to_owned()));
    match reason {
        Some(reason) => Err(FetchError::CutOff { url: url.to_owned(), received, total, reason }.into()),
        None => Ok(()),
    }
}

/// A strong ETag, else the date of the last change: what `If-Range` takes (RFC 9110, 13.1.5).
fn validator_of(headers: &HeaderMap) -> Option<String> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    text("etag").filter(|tag| !tag.starts_with("W/")).or_else(|| text("last-modified")).map(str::to_owned)
}

/// First byte and total of a `Content-Range`: `bytes 5-9/10` or `bytes */10`.
fn content_range(headers: &HeaderMap) -> Option<(Option<u64>, Option<u64>)> {
    let (range, total) = headers.get("content-range")?.to_str().ok()?.strip_prefix("bytes ")?.split_once('/')?;
    let first = range.split_once('-').and_then(|(first, _)| first.parse().ok());
    Some((first, total.parse().ok()))
}

fn refusal(url: &str, status: u16) -> FetchError {
    let remedy = match status {
        404 | 410 => "It has moved; see datasets/README.md for the page of the data set, and download it by hand.",
        401 | 403 => "It must be downloaded by hand; see datasets/README.md for the page of the data set.",
        _ => "Try again later.",
    };
    FetchError::Status { url: url.to_owned(), status, remedy }
}
