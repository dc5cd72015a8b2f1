//! WISDM v1.1 (2012): 1,098,207 rows of 36 users in one text file, a phone in the pocket at 20 Hz, m/s².

use super::ReadOptions;
use super::source::{Source, file_name};
use super::table::SourceInfo;
use super::wisdm_rows;
use crate::{Corpus, DataError};

pub(crate) const LOOKS_FOR: &str = "a text file of rows `33,Jogging,49105962326000,-0.69,12.68,0.50;`";

pub(crate) fn try_read(source: &Source, options: &ReadOptions) -> Result<Option<Corpus>, DataError> {
    let official = |name: &&str| {
        let name = file_name(name).to_ascii_lowercase();
        name.starts_with("wisdm_ar_") && name.ends_with("_raw.txt")
    };
    let Some(name) = source.names().find(official).or(only_text(source)) else { return Ok(None) };
    if options.format.is_none() && !official(&name) {
        let line = source.first_line(name)?;
        if line.as_deref().and_then(wisdm_rows::activity_of).is_none_or(wisdm_rows::is_letter) {
            return Ok(None);
        }
    }
    let mut table = wisdm_rows::table();
    let notice = wisdm_rows::read_rows(&mut table, source, name)?;
    let corpus = table.into_corpus(SourceInfo {
        label: &source.place(name),
        name: "WISDM v1.1".to_owned(),
        expected: wisdm_rows::EXPECTED,
        activity_name: |_| None,
        rate_hz: None,

        options,
        columns: None,
        notices: notice.into_iter().collect(),
    })?;
    Ok(Some(corpus))
}

/// The one file there is, when it lies alone.
fn only_text(source: &Source) -> Option<&str> {
    let mut names = source.names();
    names.next().filter(|_| names.next().is_none())
}
