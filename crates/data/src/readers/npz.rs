//! NumPy arrays as a Keras user has them: one `.npz`, or a folder of `.npy` files.
//!
//! - `X_train` `(windows, samples, channels)` of floats or integers, and its labels `y_train`: whole numbers or texts
//!   `(windows)`, or a matrix `(windows, classes)` of rows that are one-hot or ±1. `X_test` and `y_test`, where they are
//!   given, are the validation part. Names may be in any case.
//! - `subjects_train` and `subjects_test` name the subject of each window, or `subjects` of all of them, training
//!   windows first; without them the subjects are unknown.
//! - Each window is a recording. There is no clock, and channels have no names.

use super::ReadOptions;
use super::npy::Array;
use super::source::{Source, extension, file_name, folder};
use super::table::sort_classes;
use crate::{Corpus, DataError, Part, Recording, Repair, RepairLog};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const LOOKS_FOR: &str = "arrays `X_train`, `y_train` and, if you like, `X_test`, `y_test`, `subjects`";

pub(crate) fn try_read(source: &Source, _options: &ReadOptions) -> Result<Option<Corpus>, DataError> {
    let arrays: Vec<&str> = source.names().filter(|name| extension(name) == "npy").collect();
    if arrays.is_empty() {
        return Ok(None);
    }
    let files = Files::find(source, &arrays)?;
    let train = files.required("x_train")?;
    let y_train = files.required("y_train")?;
    let test = files.optional("x_test")?;
    let y_test = files.optional("y_test")?;
    let mut parts = vec![(train, y_train, None)];
    match (test, y_test) {
        (Some(x), Some(y)) => {
            parts[0].2 = Some(Part::Train);
            parts.push((x, y, Some(Part::Valid)));
        }
        (None, None) => {}
        (x, _) => {
            let (one, other) = if x.is_some() { ("X_test", "y_test") } else { ("y_test", "X_test") };
            return Err(files.missing(format!("there is `{one}` but no `{other}`")));
        }
    }
    let lengths: Vec<usize> = parts.iter().map(|(x, ..)| x.len()).collect();
    let mut subjects = files.subjects(&lengths)?.into_iter();

    let shape = window_shape(&parts[0].0)?;
    let mut repairs = RepairLog::default();
    let mut windows: Vec<(String, Recording)> = Vec::new();
    for (x, y, part) in parts {
        if window_shape(&x)? != shape {
            let problem = format!("its windows are {:?}, those of X_train {:?}", &x.shape[1..], shape);
            return Err(DataError::malformed(x.place, problem, "Cut both parts the same way"));
        }
        let labels = labels(&y)?;
        if labels.len() != x.len() {
            let problem = format!("{} labels for the {} windows of {}", labels.len(), x.len(), x.place);
            return Err(DataError::malformed(y.place, problem, "Save labels and windows of the same rows"));
        }
        let Some(numbers) = x.numbers() else { return Err(not_numbers(&x)) };
        let length = (shape.0 * shape.1).max(1);
        for (idx, (block, label)) in numbers.chunks_exact(length).zip(labels).enumerate() {
            let subject = subjects.next().unwrap_or_default();
            let values: Vec<f32> = block.iter().map(|value| *value as f32).collect();
            let source = format!("{}[{idx}]", x.place);
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
            source.label(),
            "no window can be used: there are none, or each holds NaN or infinity",
            "Save the arrays again from finite data",
        ));
    }
    let classes: BTreeSet<&String> = windows.iter().map(|(label, _)| label).collect();
    let classes = sort_classes(classes.into_iter().cloned().collect());
    let class_of: BTreeMap<&String, u32> = classes.iter().zip(0..).collect();
    let recordings =
        windows.into_iter().map(|(label, recording)| Recording { class: class_of[&label], ..recording }).collect();
    let corpus = Corpus {
        name: source.stem(),
        synthetic: false,
        channels: (0..shape.1).map(|channel| channel.to_string()).collect(),
        class_names: classes.clone(),
        classes,
        rate_hz: None,
        recordings,
        repairs,
        columns: Vec::new(),
        notices: Vec::new(),
        window: Some(shape.0),
        fingerprint: String::new(),
    };
    Ok(Some(corpus.with_fingerprint()))
}

/// The arrays of one folder or archive, by name in lower case.
struct Files<'a> {
    source: &'a Source,
    by_name: BTreeMap<String, &'a str>,
}

impl<'a> Files<'a> {
    fn find(source: &'a Source, arrays: &[&'a str]) -> Result<Self, DataError> {
        let stem = |name: &str| file_name(name).rsplit_once('.').map_or("", |(stem, _)| stem).to_ascii_lowercase();
        let train = arrays.iter().find(|name| stem(name) == "x_train");
        let home = folder(train.unwrap_or(&arrays[0]));
        let mut by_name = BTreeMap::new();
        for &name in arrays.iter().filter(|name| folder(name) == home) {
            if let Some(other) = by_name.insert(stem(name), name) {
                let problem = format!("`{name}` and `{other}` differ in case only");
                return Err(DataError::malformed(source.label(), problem, "Keep one of them"));
            }
        }
        Ok(Self { source, by_name })
    }

    fn optional(&self, key: &str) -> Result<Option<Array>, DataError> {
        let Some(name) = self.by_name.get(key) else { return Ok(None) };
        let place = self.source.place(name);
        let place = if self.source.single().is_some() { place } else { place.trim_end_matches(".npy").to_owned() };
        Array::parse(place, self.source.read(name)?).map(Some)
    }

    fn required(&self, key: &str) -> Result<Array, DataError> {
        let title = if key == "x_train" { "X_train" } else { key };
        self.optional(key)?.ok_or_else(|| self.missing(format!("there is no array `{title}`")))
    }

    fn missing(&self, problem: String) -> DataError {
        let found: Vec<&str> = self.by_name.values().map(|name| file_name(name).trim_end_matches(".npy")).collect();
        DataError::malformed(
            self.source.label(),
            format!("{problem}; found: {}", found.join(", ")),
            "Expected X_train and y_train, optionally X_test and y_test (numpy.savez(path, X_train=…, y_train=…)), or \
             a folder of .npy files of these names",
        )
    }

    /// The subject of each window, training windows first; empty when unknown.
    fn subjects(&self, lengths: &[usize]) -> Result<Vec<String>, DataError> {
        let mut subjects = Vec::new();
        let total: usize = lengths.iter().sum();
        let split = [("subjects_train", lengths.first()), ("subjects_test", lengths.get(1))];
        let split = split.into_iter().filter_map(|(key, length)| Some((key, *length?)));
        let wanted: Vec<(&str, usize)> =
            if self.by_name.contains_key("subjects") { vec![("subjects", total)] } else { split.collect() };
        let present = wanted.iter().filter(|(key, _)| self.by_name.contains_key(*key)).count();
        if present == 0 {
            return Ok(subjects);
        }
        for (key, length) in wanted {
            let Some(array) = self.optional(key)? else {
                return Err(self.missing(format!("there are subjects for one part, but no `{key}`")));
            };
            if array.shape.iter().product::<usize>() != length || array.len() != length {
                let problem = format!("its shape is {:?}, but there are {length} windows", array.shape);
                return Err(DataError::malformed(array.place, problem, "Give one subject for each window"));
            }
            subjects.extend(array.identifiers().ok_or_else(|| {
                DataError::malformed(&array.place, "a subject is not a whole number or a text", "Number the subjects")
            })?);
        }
        Ok(subjects)
    }
}

/// Samples and channels of the windows of `x`.
fn window_shape(x: &Array) -> Result<(usize, usize), DataError> {
    match x.shape[..] {
        [_, window, channels] if window > 0 && channels > 0 => Ok((window, channels)),
        [_, window] if window > 0 => Err(DataError::malformed(
            &x.place,
            format!("its shape is {:?}, without an axis of channels", x.shape),
            "Save it as (windows, samples, channels); for one channel that is `X[..., None]`",
        )),
        _ => Err(DataError::malformed(
            &x.place,
            format!("its shape is {:?}", x.shape),
            "Expected (windows, samples, channels), none of them zero",
        )),
    }
}

fn not_numbers(x: &Array) -> DataError {
    DataError::malformed(&x.place, "it holds texts, not numbers", "Save the windows as float32")
}

/// The class identifier of each row of `y`.
fn labels(y: &Array) -> Result<Vec<String>, DataError> {
    match y.shape[..] {
        [_] | [_, 1] => y.identifiers().ok_or_else(|| {
            DataError::malformed(
                &y.place,
                "a label is not a whole number",
                "Labels are class numbers, or rows that are one-hot or ±1; soft labels have no class",
            )
        }),
        [_, n_classes] if n_classes > 1 => {
            let Some(numbers) = y.numbers() else { return Err(not_numbers(y)) };
            numbers.chunks_exact(n_classes).enumerate().map(|(idx, row)| hot(y, idx, row)).collect()
        }
        _ => Err(DataError::malformed(
            &y.place,
            format!("its shape is {:?}", y.shape),
            "Labels are (windows) or one-hot (windows, classes)",
        )),
    }
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
