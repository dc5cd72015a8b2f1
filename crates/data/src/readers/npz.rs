//! NumPy arrays as a Keras user has them: one `.npz`, or a folder of `.npy` files.
//!
//! - `X_train` `(windows, samples, channels)` of numbers, and its labels `y_train`: whole numbers or texts `(windows)`,
//!   or a matrix `(windows, classes)` of rows that are one-hot or ±1. `X_val` and `y_val` are the validation part;
//!   without them `X_test` and `y_test` are. `X` and `y` alone are all there is.
//! - `subjects_train` and so on name the subject of each window, or `subjects` those of all of them, training windows
//!   first; without them the subjects are unknown. `channels`, if it is there, names the channels.
//! - Names may be in any case, and are often others: [`ArrayName`] knows them. What is not used is named.
//! - Windows that are only predicted need no labels.
//! - Each window is a recording, and its place is that in the array: `X_train[5]`. There is no clock.

use super::ReadOptions;
use super::array_name::{ArrayName, Holds, Portion};
use super::budget::RECORDING;
use super::npy::Array;
use super::source::{Source, extension, file_name, folder};
use super::table::sort_classes;
use crate::{Corpus, DataError, Notice, Part, Recording, Repair, RepairLog};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const LOOKS_FOR: &str = "arrays `X_train`, `y_train` and, if you like, `X_val`, `y_val`, `subjects`";

/// Windows whose values tell samples from channels.
const N_LOOKED_AT: usize = 200;

pub(crate) fn try_read(source: &Source, options: &ReadOptions) -> Result<Option<Corpus>, DataError> {
    let arrays: Vec<&str> = source.names().filter(|name| extension(name) == "npy").collect();
    if arrays.is_empty() {
        return Ok(None);
    }
    let mut files = Files::find(source, &arrays)?;
    if options.unlabelled
        && let [only] = arrays[..]
    {
        // Whatever it is called, there is nothing else to predict.
        files.by_name = BTreeMap::from([((Holds::Windows, Portion::All), only)]);
    }
    let has_windows = files.by_name.keys().any(|(holds, _)| *holds == Holds::Windows);
    if !has_windows && options.format.is_none() && source.names().any(|name| extension(name) != "npy") {
        return Ok(None);
    }
    read(files, options.unlabelled).map(Some)
}

fn read(mut files: Files, unlabelled: bool) -> Result<Corpus, DataError> {
    let mut notices = Vec::new();
    let parts = if unlabelled { files.portions() } else { files.labelled_portions(&mut notices)? };
    let labelled = parts.iter().all(|(portion, _)| files.has(Holds::Labels, *portion));
    let arrays: Vec<Array> =
        parts.iter().map(|(portion, _)| files.required(Holds::Windows, *portion)).collect::<Result<_, _>>()?;
    let channels = files.optional(Holds::Channels, Portion::All)?;
    let shape = window_shape(&arrays[0], channels.as_ref().map(Array::n_elements), &mut notices)?;
    let channels = channel_names(channels, shape.1)?;
    let lengths: Vec<(Portion, usize)> =
        parts.iter().map(|(portion, _)| *portion).zip(arrays.iter().map(Array::len)).collect();
    let mut subjects = files.subjects(&lengths, &mut notices)?.into_iter();

    let mut repairs = RepairLog::default();
    let mut windows: Vec<(String, Recording)> = Vec::new();
    for ((portion, part), x) in parts.into_iter().zip(arrays) {
        if x.shape.get(1..) != Some(&[shape.0, shape.1]) {
            let problem =
                format!("its windows are {:?}, those before {:?}", x.shape.get(1..).unwrap_or_default(), shape);
            return Err(DataError::malformed(x.place, problem, "Cut all parts the same way"));
        }
        if x.is_text() {
            return Err(not_numbers(&x));
        }
        let name = files.name(Holds::Windows, portion);
        let in_memory = x.len() as u64 * RECORDING + 4 * x.n_elements() as u64;
        files.source.claim(name, in_memory.saturating_sub(x.n_bytes() as u64))?;
        let labels =
            if labelled { labels(&files.required(Holds::Labels, portion)?, &x)? } else { vec![String::new(); x.len()] };
        let length = shape.0 * shape.1;
        for (idx, label) in labels.into_iter().enumerate() {
            let subject = subjects.next().unwrap_or_default();
            let values: Vec<f32> = x.numbers(idx * length..(idx + 1) * length).map(|value| value as f32).collect();
            let source = format!("{}[{idx}]", files.title(name));
            if values.iter().any(|value| !value.is_finite()) {
                repairs.record(Repair::NonFinite, || source);
                continue;
            }
            windows
                .push((label, Recording { subject, class: 0, times: Vec::new(), stamps: None, values, part, source }));
        }
    }
    if windows.is_empty() {
        return Err(DataError::malformed(
            files.source.label(),
            "no window can be used: there are none, or each holds NaN or infinity",
            "Save the arrays again from finite data",
        ));
    }
    let unused = files.unused();
    if !unused.is_empty() {
        notices.push(Notice::Note(format!("{}: not used: {}", files.source.label(), unused.join(", "))));
    }
    let classes: BTreeSet<&String> = windows.iter().map(|(label, _)| label).filter(|_| labelled).collect();
    let classes = sort_classes(classes.into_iter().cloned().collect());
    let class_of: BTreeMap<&String, u32> = classes.iter().zip(0..).collect();
    let recordings = windows
        .into_iter()
        .map(|(label, recording)| Recording { class: class_of.get(&label).copied().unwrap_or(0), ..recording });
    let corpus = Corpus {
        name: files.source.stem(),
        synthetic: false,
        channels,
        recordings: recordings.collect(),
        class_names: classes.clone(),
        classes,
        rate_hz: None,
        repairs,
        columns: Vec::new(),
        notices,
        window: Some(shape.0),
        fingerprint: String::new(),
    };
    Ok(corpus.with_fingerprint())
}

/// The arrays of one folder or archive.
struct Files<'a> {
    source: &'a Source,
    /// Those whose name says what they hold.
    by_name: BTreeMap<(Holds, Portion), &'a str>,
    all: Vec<&'a str>,
    used: BTreeSet<&'a str>,
}

impl<'a> Files<'a> {
    fn find(source: &'a Source, arrays: &[&'a str]) -> Result<Self, DataError> {
        let known: Vec<(ArrayName, &str)> =
            arrays.iter().filter_map(|name| Some((ArrayName::parse(name)?, *name))).collect();
        // Where several folders hold arrays, those beside the training windows belong together.
        let windows = known.iter().filter(|(name, _)| name.holds == Holds::Windows);
        let home =
            windows.min_by_key(|(name, _)| (name.portion != Portion::Train, name.portion)).map(|(name, _)| name.home);
        let mut by_name: BTreeMap<(Holds, Portion), (&ArrayName, &str)> = BTreeMap::new();
        for (parsed, name) in known.iter().filter(|(name, _)| home.is_none_or(|home| name.home == home)) {
            let key = (parsed.holds, parsed.portion);
            match by_name.get(&key) {
                Some((other, other_name)) if other.rank == parsed.rank => {
                    let problem = format!("`{name}` and `{other_name}` hold the same by their names");
                    return Err(DataError::malformed(source.label(), problem, "Keep one of them"));
                }
                Some((other, _)) if other.rank < parsed.rank => {}
                _ => {
                    by_name.insert(key, (parsed, name));
                }
            }
        }
        let by_name = by_name.into_iter().map(|(key, (_, name))| (key, name)).collect();
        Ok(Self { source, by_name, all: arrays.to_vec(), used: BTreeSet::new() })
    }

    fn has(&self, holds: Holds, portion: Portion) -> bool {
        self.by_name.contains_key(&(holds, portion))
    }

    /// The name of the file that holds it, where there is one.
    fn name(&self, holds: Holds, portion: Portion) -> &'a str {
        self.by_name.get(&(holds, portion)).copied().unwrap_or_default()
    }

    /// The name of an array as its owner knows it.
    fn title(&self, name: &str) -> String {
        let array = file_name(name);
        let array = array.strip_suffix(".npy").unwrap_or(array);
        match ArrayName::parse(name) {
            Some(parsed) if parsed.home != folder(name) => {
                let part = file_name(folder(name).trim_end_matches('/'));
                format!("{part}/{array}")
            }
            _ => array.to_owned(),
        }
    }

    /// Every part that has windows, for those who want no labels.
    fn portions(&self) -> Vec<(Portion, Option<Part>)> {
        let has = |portion: &Portion| self.has(Holds::Windows, *portion);
        let mut portions: Vec<Portion> = Portion::ALL.into_iter().filter(has).collect();
        // `X` beside `X_train` most likely holds the same windows.
        if portions.len() > 1 && has(&Portion::Train) {
            portions.retain(|portion| *portion != Portion::All);
        }
        if portions.is_empty() {
            // To be asked for.
            portions.push(Portion::Train);
        }
        let is_split = portions.len() > 1;
        portions.into_iter().map(|portion| (portion, is_split.then(|| portion.part()))).collect()
    }

    /// The parts to train and to validate with, whose windows and labels are both there.
    fn labelled_portions(&self, notices: &mut Vec<Notice>) -> Result<Vec<(Portion, Option<Part>)>, DataError> {
        use Portion::{All, Test, Train, Valid};
        let any = |portion: Portion| self.has(Holds::Windows, portion) || self.has(Holds::Labels, portion);
        let train = if any(Train) || !self.has(Holds::Windows, All) { Train } else { All };
        let valid = [Valid, Test].into_iter().find(|portion| any(*portion));
        let only = if any(train) { None } else { valid.filter(|valid| *valid == Test || !any(Test)) };
        let portions = match (only, valid) {
            (Some(only), _) => vec![(only, None)],
            (None, None) => vec![(train, None)],
            (None, Some(valid)) => vec![(train, Some(Part::Train)), (valid, Some(Part::Valid))],
        };
        for &(portion, _) in &portions {
            let (x, y) = (Holds::Windows.title(portion), Holds::Labels.title(portion));
            let is_second = portions.len() > 1 && portion != train;
            let problem = match (self.has(Holds::Windows, portion), self.has(Holds::Labels, portion)) {
                (true, true) => continue,
                (true, false) if is_second => format!("there is `{x}` but no `{y}`"),
                (false, true) if is_second => format!("there is `{y}` but no `{x}`"),
                (true, false) => format!("there is no array `{y}` with the labels of `{x}`"),
                (false, _) => format!("there is no array `{x}`"),
            };
            let may_predict = portions.len() == 1 && self.has(Holds::Windows, portion);
            let advice = "Windows without labels can be predicted, not trained or evaluated with. ";
            return Err(self.missing(problem, if may_predict { advice } else { "" }));
        }
        let label = self.source.label();
        if let Some(only) = only {
            let x = Holds::Windows.title(only);
            notices
                .push(Notice::Note(format!("{label}: there is no `X_train`; the windows of `{x}` are all there is")));
        } else if valid == Some(Valid) && any(Test) {
            notices.push(Notice::Note(format!(
                "{label}: `X_val` validates, and `X_test` is kept for later: save `X_test` and `y_test` alone to evaluate with them"
            )));
        }
        Ok(portions)
    }

    fn optional(&mut self, holds: Holds, portion: Portion) -> Result<Option<Array>, DataError> {
        let Some(&name) = self.by_name.get(&(holds, portion)) else { return Ok(None) };
        self.used.insert(name);
        let place = self.source.place(name);
        let place = if self.source.single().is_some() { place } else { place.trim_end_matches(".npy").to_owned() };
        Array::parse(place, self.source.read(name)?, holds.object_remedy()).map(Some)
    }

    fn required(&mut self, holds: Holds, portion: Portion) -> Result<Array, DataError> {
        self.optional(holds, portion)?
            .ok_or_else(|| self.missing(format!("there is no array `{}`", holds.title(portion)), ""))
    }

    fn missing(&self, problem: String, advice: &str) -> DataError {
        let found: Vec<String> = self.all.iter().map(|name| self.title(name)).collect();
        DataError::malformed(
            self.source.label(),
            format!("{problem}; found: {}", super::shown(&found.join(", "))),
            format!(
                "{advice}Expected X_train and y_train, optionally X_val and y_val, or X_test and y_test \
                 (numpy.savez(path, X_train=…, y_train=…)), or a folder of .npy files of these names"
            ),
        )
    }

    /// The arrays that were not read, by name; a long list is cut.
    fn unused(&self) -> Vec<String> {
        let unused: Vec<&&str> = self.all.iter().filter(|name| !self.used.contains(**name)).collect();
        let mut shown: Vec<String> =
            unused.iter().take(8).map(|name| format!("`{}`", super::shown(&self.title(name)))).collect();
        if unused.len() > shown.len() {
            shown.push(format!("and {} more", unused.len() - shown.len()));
        }
        shown
    }

    /// The subject of each window of these parts, in their order; empty when unknown.
    fn subjects(&mut self, lengths: &[(Portion, usize)], notices: &mut Vec<Notice>) -> Result<Vec<String>, DataError> {
        let total: usize = lengths.iter().map(|(_, length)| length).sum();
        let of_parts =
            lengths.iter().any(|(portion, _)| *portion != Portion::All && self.has(Holds::Subjects, *portion));
        if !of_parts {
            let Some(array) = self.optional(Holds::Subjects, Portion::All)? else { return Ok(Vec::new()) };
            let of_first = array.n_elements() == lengths[0].1;
            let length =
                if of_first { lengths[0].1 } else { self.with_unused_windows(lengths, total, array.n_elements())? };
            let mut subjects = names_of_subjects(&array, length)?;
            if of_first {
                notices.extend(lengths[1..].iter().map(|(portion, _)| self.unknown_subjects(*portion)));
            }
            subjects.resize(total, String::new());
            return Ok(subjects);
        }
        let mut subjects = Vec::with_capacity(total);
        for &(portion, length) in lengths {
            match self.optional(Holds::Subjects, portion)? {
                Some(array) => subjects.extend(names_of_subjects(&array, length)?),
                None => {
                    notices.push(self.unknown_subjects(portion));
                    subjects.resize(subjects.len() + length, String::new());
                }
            }
        }
        Ok(subjects)
    }

    /// The number of windows that one array of subjects is for: where it is longer than those that are read, those of the
    /// test part may follow them.
    fn with_unused_windows(
        &mut self,
        lengths: &[(Portion, usize)],
        total: usize,
        found: usize,
    ) -> Result<usize, DataError> {
        let is_unread = lengths.iter().all(|(portion, _)| *portion != Portion::Test);
        if found <= total || !is_unread || !self.has(Holds::Windows, Portion::Test) {
            return Ok(total);
        }
        let name = self.name(Holds::Windows, Portion::Test);
        let test = self.required(Holds::Windows, Portion::Test)?;
        self.used.remove(name);
        Ok(if found == total + test.len() { found } else { total })
    }

    fn unknown_subjects(&self, portion: Portion) -> Notice {
        Notice::Note(format!(
            "{}: there is no `{}`: the subjects of the windows of `{}` are unknown",
            self.source.label(),
            Holds::Subjects.title(portion),
            Holds::Windows.title(portion)
        ))
    }
}

fn names_of_subjects(array: &Array, n_windows: usize) -> Result<Vec<String>, DataError> {
    if array.n_elements() != n_windows || array.len() != n_windows {
        let problem = format!("its shape is {:?}, but there are {n_windows} windows", array.shape);
        return Err(DataError::malformed(&array.place, problem, "Give one subject for each window"));
    }
    array.identifiers().collect::<Option<Vec<String>>>().ok_or_else(|| {
        DataError::malformed(&array.place, "a subject is not a whole number or a text of UTF-8", "Number the subjects")
    })
}

/// Names of the channels: those of an array, or their numbers.
fn channel_names(array: Option<Array>, n_channels: usize) -> Result<Vec<String>, DataError> {
    let Some(array) = array else { return Ok((0..n_channels).map(|channel| channel.to_string()).collect()) };
    let bad = |problem: &str| {
        Err(DataError::malformed(
            &array.place,
            problem,
            format!("Give each of the {n_channels} channels a name of its own"),
        ))
    };
    if array.n_elements() != n_channels {
        return bad(&format!("its shape is {:?}", array.shape));
    }
    let names: Option<Vec<String>> = array.identifiers().collect();
    match names {
        Some(names)
            if names.iter().all(|name| !name.is_empty())
                && names.iter().collect::<BTreeSet<_>>().len() == n_channels =>
        {
            Ok(names)
        }
        _ => bad("a name is empty, given twice, or no text"),
    }
}

/// Samples and channels of the windows of `x`; an error where the axes seem to be the wrong way round. The number of
/// channels that have names decides it.
fn window_shape(x: &Array, n_named: Option<usize>, notices: &mut Vec<Notice>) -> Result<(usize, usize), DataError> {
    let bad = |problem: String, remedy: &str| Err(DataError::malformed(&x.place, problem, remedy));
    let shape = &x.shape;
    let (window, channels) = match shape[..] {
        [_, window, channels] if window > 0 && channels > 0 => (window, channels),
        [_, window] if window > 0 => {
            return bad(
                format!("its shape is {shape:?}, without an axis of channels"),
                "Save it as (windows, samples, channels); for one channel that is `X[..., None]`",
            );
        }
        [_, _, _, 1] => {
            return bad(format!("its shape is {shape:?}"), "Save `X[..., 0]`: (windows, samples, channels)");
        }
        [_, 1, _, _] => return bad(format!("its shape is {shape:?}"), "Save `X[:, 0]`: (windows, samples, channels)"),
        _ => return bad(format!("its shape is {shape:?}"), "Expected (windows, samples, channels), none of them zero"),
    };
    let named_first = window != channels && n_named == Some(window);
    if !named_first && (window >= channels || n_named == Some(channels)) || x.is_text() {
        return Ok((window, channels));
    }
    // A body does not jump: from one sample to the next a sensor changes less than from one channel to another.
    let (by_sample, by_channel) = mean_steps(x, window, channels);
    let smooth = by_sample < 0.5 * by_channel;
    if named_first || !smooth && (2 * window <= channels || by_channel < 0.5 * by_sample) {
        return bad(
            format!("its shape is {shape:?}: windows of {window} samples with {channels} channels"),
            "Are the channels first? Then save `X.transpose(0, 2, 1)`; if not, save the names of the channels beside it, as \
             the array `channels`",
        );
    }
    notices.push(Notice::Note(format!(
        "{}: windows of {window} samples with {channels} channels; were the channels first, `X.transpose(0, 2, 1)` would \
         put it right",
        x.place
    )));
    Ok((window, channels))
}

/// The mean of the absolute differences between neighbouring samples, and between neighbouring channels; NaN where there
/// are none.
fn mean_steps(x: &Array, window: usize, channels: usize) -> (f64, f64) {
    let length = window * channels;
    let values: Vec<f64> = x.numbers(0..length * x.len().min(N_LOOKED_AT)).collect();
    let mean = |apart: usize, is_pair: &dyn Fn(usize) -> bool| {
        let steps = values.chunks_exact(length).flat_map(|block| {
            (apart..length).filter(|at| is_pair(*at)).map(move |at| (block[at] - block[at - apart]).abs())
        });
        let (sum, n) = steps.filter(|step| step.is_finite()).fold((0.0, 0u32), |(sum, n), step| (sum + step, n + 1));
        sum / f64::from(n)
    };
    (mean(channels, &|_| true), mean(1, &|at| at % channels != 0))
}

fn not_numbers(x: &Array) -> DataError {
    DataError::malformed(&x.place, "it holds texts, not numbers", "Save the windows as float32")
}

/// The class identifier of each window of `x`.
fn labels(y: &Array, x: &Array) -> Result<Vec<String>, DataError> {
    if y.len() != x.len() {
        let problem = format!("{} labels for the {} windows of {}", y.len(), x.len(), x.place);
        let remedy = match y.shape[..] {
            [_, n] if n == x.len() => "Its axes may be the wrong way round: save `y.T`",
            _ => "Save labels and windows of the same rows",
        };
        return Err(DataError::malformed(&y.place, problem, remedy));
    }
    match y.shape[..] {
        [_] | [_, 1] => y.identifiers().enumerate().map(|(idx, label)| one_label(y, idx, label)).collect(),
        [_, n_classes] if n_classes > 1 && y.is_text() => Err(DataError::malformed(
            &y.place,
            format!("its shape is {:?}, of texts", y.shape),
            "Give one name for each window, or one-hot rows of numbers",
        )),
        [_, n_classes] if n_classes > 1 => (0..y.len())
            .map(|idx| hot(y, idx, &y.numbers(idx * n_classes..(idx + 1) * n_classes).collect::<Vec<_>>()))
            .collect(),
        _ => Err(DataError::malformed(
            &y.place,
            format!("its shape is {:?}", y.shape),
            "Labels are (windows) or one-hot (windows, classes)",
        )),
    }
}

/// A label that can name a class.
fn one_label(y: &Array, idx: usize, label: Option<String>) -> Result<String, DataError> {
    let (problem, remedy) = match label {
        Some(label) if !label.trim().is_empty() => return Ok(label),
        Some(_) => ("is empty", "Name its class, or leave the window out"),
        None if y.is_text() => ("is not UTF-8", "Save `np.char.decode(y, \"latin-1\")`, if that is its encoding"),
        None => (
            "is not a whole number",
            "Labels are class numbers, or rows that are one-hot or ±1; soft labels have no class",
        ),
    };
    Err(DataError::malformed(&y.place, format!("the label of window {idx} {problem}"), remedy))
}

/// The one class that a row of a label matrix marks with 1, the others being all 0 or all −1.
fn hot(y: &Array, idx: usize, row: &[f64]) -> Result<String, DataError> {
    let hot: Vec<usize> = (0..row.len()).filter(|class| row[*class] == 1.0).collect();
    let rest_is = |value: f64| row.iter().filter(|label| **label == value).count() + 1 == row.len();
    match hot[..] {
        [class] if rest_is(0.0) || rest_is(-1.0) => Ok(class.to_string()),
        _ => {
            let shown: Vec<String> = row.iter().take(6).map(f64::to_string).collect();
            let problem = format!("row {idx} is [{}…], neither one-hot nor ±1", shown.join(", "));
            let remedy = "A window has one class here; soft, smoothed or multiple labels would lose their meaning \
                          silently. Save `y.argmax(axis=1)` if the largest is meant";
            Err(DataError::malformed(&y.place, problem, remedy))
        }
    }
}
