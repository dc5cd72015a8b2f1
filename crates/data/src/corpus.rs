//! The corpus: labelled recordings, the same for every file format.

use crate::{Column, DataError, Notice, Origin, RepairLog};
use std::collections::{BTreeMap, BTreeSet};

/// The part of the source's own split that a recording belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// Training.
    Train,
    /// Validation (a source's test part).
    Valid,
}

/// An uninterrupted stretch of samples of one subject doing one activity. It never crosses a subject, activity or
/// time-gap boundary.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    /// Who was recorded; empty when the source does not say.
    pub subject: String,
    /// Index into [`Corpus::classes`].
    pub class: u32,
    /// Time of each row in seconds, strictly increasing, on the source's own clock; empty when unknown.
    pub times: Vec<f64>,
    /// Timestamp of each row as it was written, where [`crate::ReadOptions::keep_stamps`] asks for it and there is one.
    pub stamps: Option<Stamps>,
    /// Samples, `(row, channel)`, all finite.
    pub values: Vec<f32>,
    /// The part prescribed by the source, if it comes split already.
    pub part: Option<Part>,
    /// `file:line` of the first row, or `array[index]` of a window, for messages and to align predictions. The file is named
    /// relative to the path that was read.
    pub source: String,
}

/// The texts of timestamps, one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stamps {
    text: String,
    /// Where each ends in `text`.
    ends: Vec<u32>,
}

impl Stamps {
    /// Adds the timestamp of the next row.
    pub fn push(&mut self, stamp: &str) {
        self.text.push_str(stamp);
        self.ends.push(self.text.len() as u32);
    }

    /// The timestamps of these rows, in this order.
    pub(crate) fn select(&self, rows: impl IntoIterator<Item = usize>) -> Self {
        let mut selected = Self::default();
        rows.into_iter().for_each(|row| selected.push(self.get(row).unwrap_or_default()));
        selected
    }

    /// The timestamp of `row`.
    pub fn get(&self, row: usize) -> Option<&str> {
        let end = *self.ends.get(row)? as usize;
        let start = row.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        self.text.get(start..end)
    }
}

/// Everything read from one source.
#[derive(Clone, Debug, PartialEq)]
pub struct Corpus {
    /// Name for display: that of the data set, or of the file.
    pub name: String,
    /// Whether [`crate::synthetic()`] made it; if not, it was measured.
    pub synthetic: bool,
    /// Name of each channel.
    pub channels: Vec<String>,
    /// Identifier of each class, as in the files and as [`Corpus::select_activities`] takes them. Sorted (as numbers
    /// where all are whole numbers), unless an order was selected. Every class has at least one recording. There are
    /// none where nothing was labelled, and [`crate::ReadOptions::unlabelled`] allowed it; every class is then 0.
    pub classes: Vec<String>,
    /// Each class for display: its identifier, and its name where the data set gives one ("A walking").
    pub class_names: Vec<String>,
    /// Samples a second: one over the median interval, or the documented rate of a source without times.
    pub rate_hz: Option<f64>,
    /// The recordings, in the order of the source; none is empty.
    pub recordings: Vec<Recording>,
    /// Rows that were mended or dropped on reading.
    pub repairs: RepairLog,
    /// The columns of a table, in the order of the header; empty where the format says what each is.
    pub columns: Vec<Column>,
    /// What was decided on reading that the user should know.
    pub notices: Vec<Notice>,
    /// Rows of a window, where the source is cut into windows already: each recording is one.
    pub window: Option<usize>,
    /// SHA-256, in hexadecimal, of values, labels and subjects. It does not depend on where or how the data is stored.
    pub fingerprint: String,
}

impl Corpus {
    /// Number of samples in a recording.
    pub fn n_rows(&self, recording: &Recording) -> usize {
        recording.values.len() / self.channels.len().max(1)
    }

    /// The subjects, each once, in the order of first appearance; without those that are unknown.
    pub fn subjects(&self) -> Vec<String> {
        let mut seen = BTreeSet::new();
        let known = self.recordings.iter().map(|recording| recording.subject.as_str());
        known.filter(|subject| !subject.is_empty() && seen.insert(*subject)).map(String::from).collect()
    }

    /// The window of `window` rows at `origin`, (window, channels).
    ///
    /// # Panics
    /// If there is none.
    pub fn values_at(&self, origin: Origin, window: usize) -> &[f32] {
        let channels = self.channels.len();
        let values = &self.recordings[origin.recording as usize].values;
        &values[origin.start as usize * channels..][..window * channels]
    }

    /// Subject of the window at `origin`; empty when the source does not say.
    pub fn subject_of(&self, origin: Origin) -> &str {
        &self.recordings[origin.recording as usize].subject
    }

    /// Place of the window at `origin` in the source: `file:line` of its recording, and the samples from there.
    pub fn place_of(&self, origin: Origin) -> String {
        let source = &self.recordings[origin.recording as usize].source;
        if origin.start == 0 { source.clone() } else { format!("{source} + {} samples", origin.start) }
    }

    /// Keeps the channels at `columns` only, in this order.
    ///
    /// # Panics
    /// If there is no such channel.
    pub fn take_channels(mut self, columns: &[usize]) -> Self {
        let n_channels = self.channels.len().max(1);
        for recording in &mut self.recordings {
            let rows = recording.values.chunks_exact(n_channels);
            recording.values = rows.flat_map(|row| columns.iter().map(|&column| row[column])).collect();
        }
        self.channels = columns.iter().map(|&column| self.channels[column].clone()).collect();
        self.with_fingerprint()
    }

    /// Calls the channels `names`.
    ///
    /// # Panics
    /// If there are not as many.
    pub fn with_channel_names(self, names: &[String]) -> Self {
        assert_eq!(names.len(), self.channels.len(), "a name for each channel");
        if self.channels == names { self } else { Self { channels: names.to_vec(), ..self }.with_fingerprint() }
    }

    /// Keeps the named activities only, and makes the order of `names` the order of the classes.
    ///
    /// # Errors
    /// A name that the corpus does not have, or one given twice.
    pub fn select_activities(mut self, names: &[String]) -> Result<Self, DataError> {
        // The class of each name before the selection.
        let mut old_classes = Vec::with_capacity(names.len());
        for name in names {
            let old = self.classes.iter().position(|class| class == name).ok_or_else(|| {
                DataError::request(
                    format!("There is no activity `{name}` in {}", self.name),
                    format!("It has: {}.", self.class_names.join(", ")),
                )
            })?;
            if old_classes.contains(&old) {
                return Err(DataError::request(
                    format!("The activity `{name}` was asked for twice"),
                    "Name each activity once, in the order the classes should have.",
                ));
            }
            old_classes.push(old);
        }
        if names.is_empty() {
            return Err(DataError::request("No activity was asked for", "Name at least one."));
        }
        self.recordings.retain_mut(|recording| {
            let new = old_classes.iter().position(|&old| old == recording.class as usize);
            recording.class = new.map_or(recording.class, |new| new as u32);
            new.is_some()
        });
        let select = |from: &[String]| old_classes.iter().map(|&old| from[old].clone()).collect();
        (self.classes, self.class_names) = (select(&self.classes), select(&self.class_names));
        Ok(self.with_fingerprint())
    }

    /// Leaves out the recordings of the named subjects, and the classes that only they do.
    ///
    /// # Errors
    /// A name that is none of the corpus's subjects; no recording of anybody else.
    pub fn without_subjects(mut self, names: &[String]) -> Result<Self, DataError> {
        let subjects = self.subjects();
        if let Some(unknown) = names.iter().find(|name| !subjects.contains(name)) {
            let known = if subjects.is_empty() {
                "It does not say whose its recordings are.".to_owned()
            } else {
                format!("It has: {}.", subjects.join(", "))
            };
            return Err(DataError::request(format!("There is no subject `{unknown}` in {}", self.name), known));
        }
        if names.is_empty() {
            return Ok(self);
        }
        self.recordings.retain(|recording| !names.contains(&recording.subject));
        if self.recordings.is_empty() {
            return Err(DataError::request(
                format!("Nothing is left of {} without these subjects", self.name),
                "Leave fewer out.",
            ));
        }
        if !self.classes.is_empty() {
            let is_done: BTreeSet<u32> = self.recordings.iter().map(|recording| recording.class).collect();
            let keep = |all: &[String]| is_done.iter().map(|&class| all[class as usize].clone()).collect();
            // A class keeps its place among those that are left.
            let places: BTreeMap<u32, u32> = is_done.iter().copied().zip(0..).collect();
            self.recordings.iter_mut().for_each(|recording| recording.class = places[&recording.class]);
            (self.classes, self.class_names) = (keep(&self.classes), keep(&self.class_names));
        }
        Ok(self.with_fingerprint())
    }

    /// Keeps the named channels only, in the order of `names`; none of them means all. Names are compared as they are,
    /// and where none is the same, without regard to case.
    ///
    /// # Errors
    /// A name that the corpus does not have, that could be two of its channels, or that is given twice.
    pub fn select_channels(self, names: &[String]) -> Result<Self, DataError> {
        let chosen = chosen(&self.channels, names).map_err(|(problem, remedy)| {
            DataError::request(
                format!("{}: {problem}", self.name),
                format!("{remedy} It has: {}.", self.channels.join(", ")),
            )
        })?;
        if names.is_empty() || chosen.iter().copied().eq(0..self.channels.len()) {
            return Ok(self);
        }
        Ok(self.take_channels(&chosen))
    }
}

/// The index in `all` of the one called `wanted`: in these letters, or, where there is only one such, in any case.
pub(crate) fn position(all: &[String], wanted: &str) -> Option<usize> {
    if let Some(at) = all.iter().position(|name| name == wanted) {
        return Some(at);
    }
    let mut alike = (0..all.len()).filter(|&at| all[at].to_lowercase() == wanted.to_lowercase());
    alike.next().filter(|_| alike.next().is_none())
}

/// The index in `all` of each of `names`, or problem and remedy.
pub(crate) fn chosen(all: &[String], names: &[String]) -> Result<Vec<usize>, (String, &'static str)> {
    let mut chosen = Vec::with_capacity(names.len());
    for name in names {
        let Some(at) = position(all, name) else {
            return Err(match all.iter().any(|other| other.to_lowercase() == name.to_lowercase()) {
                true => (format!("several channels could be `{name}`"), "Write it as it is written there."),
                false => (format!("there is no channel `{name}`"), "Name channels that it has."),
            });
        };
        if chosen.contains(&at) {
            return Err((format!("the channel `{name}` was asked for twice"), "Name each channel once."));
        }
        chosen.push(at);
    }
    Ok(chosen)
}
