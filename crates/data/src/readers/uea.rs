//! The `.ts` files of the UEA and UCR archive, as sktime writes them.
//!
//! A header of lines `@name value` ends with `@data`. Then each line is a case: its dimensions, separated by `:`, each of
//! values separated by `,`, and its class at the end. `NAME_TRAIN.ts` and `NAME_TEST.ts` in one folder are the training and
//! the validation part.
//!
//! - Where all cases are equally long, each is a window; otherwise each is a recording. A dimension is a channel, and has a
//!   number for a name.
//! - A missing value (`?`) costs the case, unless [`Fill::Previous`] lets the one before stand for it.
//! - Nothing is known of subjects and of time. Cases with timestamps of their own, and with a number to predict instead of
//!   a class, are refused.

use super::budget::RECORDING;
use super::source::{Source, extension, file_name};
use super::table::sort_classes;
use super::text::{Lines, value};
use super::{Fill, ReadOptions};
use crate::{Corpus, DataError, Notice, Part, Recording, Repair, RepairLog};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const LOOKS_FOR: &str = "`NAME_TRAIN.ts` (and `NAME_TEST.ts`) with a header `@problemName …` and `@data`";

const PARTS: [(&str, Part); 2] = [("_train", Part::Train), ("_test", Part::Valid)];
/// What a comment begins with.
const COMMENT: &[u8] = b"#%";
/// Names of the header, in lower case, one of which is its first.
const NAMES: [&str; 10] = [
    "@problemname",
    "@timestamps",
    "@missing",
    "@univariate",
    "@dimension",
    "@dimensions",
    "@equallength",
    "@serieslength",
    "@classlabel",
    "@targetlabel",
];

pub(crate) fn try_read(source: &Source, options: &ReadOptions) -> Result<Option<Corpus>, DataError> {
    let mut names = Vec::new();
    for name in source.names() {
        let is_named = source.single().is_some() && options.format.is_some();
        if is_named || (extension(name) == "ts" || source.single().is_some()) && begins_as_ts(source, name)? {
            names.push(name);
        }
    }
    // Of a problem and its variants without missing values or of equal length (`NAME_nmv`, `NAME_eq`), the problem itself.
    let Some(first) = names.iter().min_by_key(|name| problem_and_part(name).0.len()).copied() else { return Ok(None) };
    let (problem, _) = problem_and_part(first);
    let (names, variants): (Vec<&str>, Vec<&str>) =
        names.into_iter().partition(|name| problem_and_part(name).0 == problem);
    let is_variant =
        |name: &&str| problem_and_part(name).0.strip_prefix(&problem).is_some_and(|rest| rest.starts_with('_'));
    if let Some(other) = variants.iter().find(|name| !is_variant(name)) {
        let found = format!("`{first}` and `{other}` belong to different problems");
        return Err(DataError::malformed(source.label(), found, "Name the folder of one problem, or one file"));
    }
    let mut cases = Cases::new(options);
    for &name in &names {
        cases.read(source, name, problem_and_part(name).1.filter(|_| names.len() > 1))?;
    }
    let mut corpus = cases.into_corpus(source, file_name(&problem).to_owned())?;
    if !variants.is_empty() {
        let text = format!("{}: not used: {}", source.label(), variants.join(", "));
        corpus.notices.push(Notice::Note(text));
    }
    Ok(Some(corpus))
}

fn begins_as_ts(source: &Source, name: &str) -> Result<bool, DataError> {
    // Comments are in any encoding, and of any length.
    let head = source.head(name)?;
    let head = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&head).trim_ascii_start().to_ascii_lowercase();
    let is_comment = head.first().is_some_and(|first| COMMENT.contains(first)) && extension(name) == "ts";
    let first = head.split(u8::is_ascii_whitespace).next().unwrap_or_default();
    Ok(is_comment || NAMES.iter().any(|known| known.as_bytes() == first))
}

/// The name of a file without extension and part, and its part.
fn problem_and_part(name: &str) -> (String, Option<Part>) {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let lower = stem.to_ascii_lowercase();
    match PARTS.into_iter().find(|(ending, _)| lower.ends_with(ending)) {
        Some((ending, part)) => (stem[..stem.len() - ending.len()].to_owned(), Some(part)),
        None => (stem.to_owned(), None),
    }
}

/// What the header of a file says.
#[derive(Default)]
struct Header {
    /// The classes, where cases have one.
    classes: Option<BTreeSet<String>>,
    /// Whether `@data` was read.
    ended: bool,
}

impl Header {
    /// Takes in one line; `place` is `file:line`.
    fn line(&mut self, line: &str, place: &str) -> Result<(), DataError> {
        let mut words = line.split_whitespace();
        let name = words.next().unwrap_or_default().to_ascii_lowercase();
        let rest: Vec<&str> = words.collect();
        let is_true = rest.first().is_some_and(|word| word.eq_ignore_ascii_case("true"));
        let bad = |problem: String, remedy: &str| Err(DataError::malformed(place, problem, remedy));
        match name.as_str() {
            "@data" => self.ended = true,
            "@timestamps" if is_true => {
                return bad(
                    "cases with timestamps of their own are not read".to_owned(),
                    "Save the values alone, evenly spaced in time, or write a CSV file with a column `timestamp`",
                );
            }
            "@targetlabel" if is_true => {
                return bad(
                    "each case has a number to predict (@targetLabel), not a class".to_owned(),
                    "Triax learns classes only: give each case a class, and say `@classLabel true …`",
                );
            }
            "@classlabel" if is_true => {
                self.classes = Some(rest[1..].iter().map(|class| (*class).to_owned()).collect())
            }
            name if name.starts_with('@') => {}
            _ => {
                return bad(
                    format!("`{}` stands before `@data`", super::shown(line)),
                    "Put a line `@data` above the cases",
                );
            }
        }
        Ok(())
    }
}

/// The cases of all files.
struct Cases<'a> {
    options: &'a ReadOptions,
    cases: Vec<(String, Recording)>,
    n_channels: Option<usize>,
    /// Whether every file so far has classes.
    labelled: bool,
    repairs: RepairLog,
}

impl<'a> Cases<'a> {
    fn new(options: &'a ReadOptions) -> Self {
        Self { options, cases: Vec::new(), n_channels: None, labelled: true, repairs: RepairLog::default() }
    }

    fn read(&mut self, source: &Source, name: &str, part: Option<Part>) -> Result<(), DataError> {
        let mut header = Header::default();
        Lines::new(source.reader(name)?, &source.place(name))?.for_each(|number, line| {
            let place = || format!("{}:{number}", source.place(name));
            if line.first().is_none_or(|first| COMMENT.contains(first)) {
                return Ok(());
            }
            if header.ended {
                let before = self.cases.len();
                self.case(line, &header, part, format!("{name}:{number}"), place)?;
                let values = self.cases.get(before).map_or(0, |(_, case)| case.values.len());
                return source.claim(name, (RECORDING + 4 * values as u64).saturating_sub(line.len() as u64));
            }
            header.line(&String::from_utf8_lossy(line), &place())?;
            if header.ended && header.classes.is_none() {
                self.labelled = false;
                if !self.options.unlabelled {
                    let remedy = "Add a line `@classLabel true` with the classes, and to each case `:` and its class; cases \
                                  without classes can be predicted only";
                    return Err(DataError::malformed(
                        place(),
                        "its header names no classes (`@classLabel true …`)",
                        remedy,
                    ));
                }
            }
            Ok(())
        })?;
        if header.ended {
            return Ok(());
        }
        Err(DataError::malformed(source.place(name), "it ends before `@data`", "Download it again"))
    }

    fn case(
        &mut self,
        line: &[u8],
        header: &Header,
        part: Option<Part>,
        source: String,
        place: impl Fn() -> String,
    ) -> Result<(), DataError> {
        let mut dimensions: Vec<&[u8]> = line.split(|byte| *byte == b':').map(<[u8]>::trim_ascii).collect();
        let mut class = String::new();
        if let Some(classes) = &header.classes {
            let last = String::from_utf8_lossy(dimensions.pop().unwrap_or_default()).into_owned();
            if last.is_empty() || !classes.is_empty() && !classes.contains(&last) {
                let problem = format!("its class `{}` is none of those of @classLabel", super::shown(&last));
                return Err(DataError::malformed(place(), problem, "Correct the class, or the header"));
            }
            class = last;
        }
        let n_channels = *self.n_channels.get_or_insert(dimensions.len());
        match self.values(&dimensions, n_channels) {
            Ok(values) => self.cases.push((
                class,
                Recording { subject: String::new(), class: 0, times: Vec::new(), stamps: None, values, part, source },
            )),
            Err(kind) => self.repairs.record(kind, || source),
        }
        Ok(())
    }

    /// The values of a case, (row, channel).
    fn values(&self, dimensions: &[&[u8]], n_channels: usize) -> Result<Vec<f32>, Repair> {
        if dimensions.len() > n_channels {
            return Err(Repair::ExtraField);
        }
        let Some(first) = dimensions.first().filter(|_| dimensions.len() == n_channels) else {
            return Err(Repair::MissingField);
        };
        let fields = |dimension: &'_ [u8]| dimension.split(|byte| *byte == b',').count();
        let n_rows = fields(first);
        let mut values = vec![0.0; n_rows * n_channels];
        for (channel, dimension) in dimensions.iter().enumerate() {
            if fields(dimension) != n_rows {
                return Err(Repair::MissingField);
            }
            let mut last = None;
            for (row, field) in dimension.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).enumerate() {
                let read = if field == b"?" { Err(Repair::NonFinite) } else { value(field) };
                let read = match (read, self.options.fill, last) {
                    (Err(Repair::NonFinite), Fill::Previous, Some(last)) => Ok(last),
                    (read, ..) => read,
                }?;
                values[row * n_channels + channel] = read;
                last = Some(read);
            }
        }
        Ok(values)
    }

    fn into_corpus(self, source: &Source, name: String) -> Result<Corpus, DataError> {
        let label = source.label();
        let Some((_, first)) = self.cases.first() else {
            let problem = match self.repairs.entries.first() {
                None => "it has no cases".to_owned(),
                Some(entry) => format!("no case of it can be used; first at {} ({})", entry.first, entry.kind),
            };
            return Err(DataError::malformed(
                label,
                problem,
                "Expected lines like `0.1,0.2:0.3,0.4:walk` below `@data`",
            ));
        };
        let n_channels = self.n_channels.unwrap_or(1);
        let length = first.values.len();
        let is_equal = self.cases.iter().all(|(_, case)| case.values.len() == length);
        let classes: BTreeSet<&String> = self.cases.iter().map(|(class, _)| class).filter(|_| self.labelled).collect();
        let classes = sort_classes(classes.into_iter().cloned().collect());
        let class_of: BTreeMap<&String, u32> = classes.iter().zip(0..).collect();
        let recordings = self
            .cases
            .into_iter()
            .map(|(class, recording)| Recording { class: class_of.get(&class).copied().unwrap_or(0), ..recording });
        let mut notices = vec![Notice::Note(format!(
            "{label}: `.ts` files do not say who was recorded, nor how fast; no split by subject can be made"
        ))];
        if !is_equal {
            notices.push(Notice::Note(format!("{label}: the cases differ in length; windows are cut from each")));
        }
        let corpus = Corpus {
            name,
            synthetic: false,
            channels: (0..n_channels).map(|channel| channel.to_string()).collect(),
            recordings: recordings.collect(),
            class_names: classes.clone(),
            classes,
            rate_hz: None,
            repairs: self.repairs,
            columns: Vec::new(),
            notices,
            window: is_equal.then_some(length / n_channels),
            fingerprint: String::new(),
        };
        Ok(corpus.with_fingerprint())
    }
}
