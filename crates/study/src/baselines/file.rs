//! The weight file of a classical model: safetensors, with everything that it takes to predict in the metadata.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use triax_model::{WeightFileError, whole_file};

use super::model::Learnt;
use super::tensors::{Bytes, Tensors};
use super::{Baseline, ClassicalModel, FeatureSet, Features};

/// Value of `format` in the metadata.
const FORMAT: &str = "triax-classical";
/// Value of `version` in the metadata; it changes with the features, and when older programs could misread a file.
const VERSION: &str = "1";
/// Metadata keys with a meaning of their own, which `extra` must not use.
const RESERVED: [&str; 4] = ["format", "version", "spec", "classes"];
/// The most bytes of a file.
const MOST_BYTES: u64 = 1 << 28;
/// The most bytes of a header, which is looked at to tell the kind of a file.
const MOST_HEADER: u64 = 1 << 20;
/// The most channels.
const MOST_CHANNELS: usize = 1 << 16;

/// A classical model with everything that it takes to predict.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassicalFile {
    /// The model.
    pub model: ClassicalModel,
    /// Samples of a window.
    pub window: usize,
    /// Number of channels.
    pub channels: usize,
    /// Samples a second, which the bands of the spectrum depend on; unknown for some recordings.
    pub rate_hz: Option<f64>,
    /// Name of each class.
    pub classes: Vec<String>,
    /// Further entries of the metadata, as in a [`triax_model::WeightFile`].
    pub extra: BTreeMap<String, String>,
}

/// The metadata entry `spec`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Spec {
    method: String,
    features: String,
    window: usize,
    channels: usize,
    rate_hz: Option<f64>,
    /// The classes that were seen in training, in ascending order.
    seen: Vec<usize>,
}

impl ClassicalFile {
    /// Whether the file at `path` says that it holds a classical model. What cannot be read does not.
    pub fn is_at(path: &Path) -> bool {
        let header = || -> io::Result<Value> {
            let mut file = File::open(path)?;
            let mut length = [0; 8];
            file.read_exact(&mut length)?;
            let mut header = Vec::new();
            file.take(u64::from_le_bytes(length).min(MOST_HEADER)).read_to_end(&mut header)?;
            Ok(serde_json::from_slice(&header)?)
        };
        // A pipe or a device would wait, or never end.
        path.is_file() && header().is_ok_and(|header| header["__metadata__"]["format"] == FORMAT)
    }

    /// Scores (n_windows, classes) of `windows` (n_windows, window, channels), as [`ClassicalModel::scores`].
    ///
    /// # Errors
    /// A number of values that is not a multiple of a window's.
    pub fn scores(&self, windows: &[f32]) -> Result<Vec<f32>, String> {
        let (found, n_values) = (windows.len(), self.window * self.channels);
        if !found.is_multiple_of(n_values) {
            return Err(format!("{found} values are no whole number of windows of {n_values}"));
        }
        let set = self.model.features();
        let features = Features::of(set, windows, self.window, self.channels, self.rate_hz);
        let all: Vec<u32> = (0..features.len() as u32).collect();
        Ok(self.model.scores(&features, &all))
    }

    /// Writes the file whole or not at all. The same contents give the same bytes.
    ///
    /// # Errors
    /// Contents that [`ClassicalFile::read`] would refuse; a folder that is missing or cannot be written; a full disk.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), WeightFileError> {
        let path = path.as_ref();
        let bytes = self.to_bytes();
        let inconsistent = |problem: String| WeightFileError::Inconsistent { path: path.to_owned(), problem };
        if let Some(key) = RESERVED.iter().find(|key| self.extra.contains_key(**key)) {
            return Err(inconsistent(format!("extra metadata must not be called `{key}`")));
        }
        Self::from_bytes(&bytes, path).map_err(|error| inconsistent(error.to_string()))?;
        whole_file::write(path, &bytes).map_err(|reason| WeightFileError::Io {
            action: "write",
            path: path.to_owned(),
            reason,
        })
    }

    /// Reads a file that [`ClassicalFile::write`] has written.
    ///
    /// # Errors
    /// A file that cannot be read, is damaged, lacks the metadata, or whose tensors do not fit it, all values finite.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, WeightFileError> {
        let path = path.as_ref();
        let bytes = whole_file::read(path, MOST_BYTES).map_err(|reason| WeightFileError::Io {
            action: "read",
            path: path.to_owned(),
            reason,
        })?;
        Self::from_bytes(&bytes, path)
    }

    /// Reads the bytes of [`ClassicalFile::to_bytes`]. Errors call them `path`.
    ///
    /// # Errors
    /// As [`ClassicalFile::read`].
    pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Self, WeightFileError> {
        let damaged = |reason: String| WeightFileError::Damaged { path: path.to_owned(), reason };
        let wrong = |key: &str, problem: String| WeightFileError::Metadata {
            path: path.to_owned(),
            key: key.to_owned(),
            problem,
        };
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|error| damaged(error.to_string()))?;
        let tensors = SafeTensors::deserialize(bytes).map_err(|error| damaged(error.to_string()))?;
        let mut extra: BTreeMap<String, String> = header.metadata().clone().unwrap_or_default().into_iter().collect();
        let mut take = |key: &str| extra.remove(key).ok_or_else(|| wrong(key, "is missing".to_owned()));
        for (key, expected) in [("format", FORMAT), ("version", VERSION)] {
            let found = take(key)?;
            if found != expected {
                return Err(wrong(key, format!("is `{found}`; this Triax reads `{expected}`")));
            }
        }
        let unclear =
            |key: &'static str| move |error: serde_json::Error| wrong(key, format!("cannot be understood: {error}"));
        let spec: Spec = serde_json::from_str(&take("spec")?).map_err(unclear("spec"))?;
        let classes: Vec<String> = serde_json::from_str(&take("classes")?).map_err(unclear("classes"))?;
        let Spec { method, features, window, channels, rate_hz, seen } = spec;
        let Some(method) = Baseline::named(&method) else {
            return Err(wrong("spec", format!("has the method `{method}`, which this Triax does not know")));
        };
        let Some(features) = FeatureSet::named(&features) else {
            return Err(wrong("spec", format!("has the features `{features}`, which this Triax does not know")));
        };
        let is_sound = window > 0
            && (1..=MOST_CHANNELS).contains(&channels)
            && window.checked_mul(channels).is_some()
            && rate_hz.is_none_or(|rate| rate.is_finite() && rate > 0.0)
            && !seen.is_empty()
            && seen.is_sorted_by(|a, b| a < b)
            && seen.last().is_some_and(|&class| class < classes.len());
        if !is_sound {
            return Err(wrong("spec", "cannot be that of a model".to_owned()));
        }
        let tensors = Tensors { path, tensors };
        let learnt = match method {
            Baseline::ExtraTrees => Learnt::Trees(tensors.forest(features.count(channels), classes.len())?),
            Baseline::Majority | Baseline::LogisticRegression | Baseline::LinearSvm => {
                Learnt::Linear(tensors.linear(features.count(channels), classes.len(), &seen)?)
            }
        };
        let model = ClassicalModel { method, features, learnt };
        Ok(Self { model, window, channels, rate_hz, classes, extra })
    }

    /// The bytes of the file, whose contents are not checked. The header is written here, as that of a
    /// [`triax_model::WeightFile`] is, so that its entries have one order.
    pub fn to_bytes(&self) -> Vec<u8> {
        let Self { model: ClassicalModel { method, features, learnt }, window, channels, rate_hz, classes, extra } =
            self;
        let seen = match learnt {
            Learnt::Linear(linear) => linear.seen(),
            Learnt::Trees(forest) => forest.seen(),
        };
        let spec = Spec {
            method: method.name().to_owned(),
            features: features.name().to_owned(),
            window: *window,
            channels: *channels,
            rate_hz: *rate_hz,
            seen,
        };
        let mut metadata = extra.clone();
        let own = [
            ("format", FORMAT.to_owned()),
            ("version", VERSION.to_owned()),
            ("spec", serde_json::to_string(&spec).expect("plain data has a JSON form")),
            ("classes", json!(classes).to_string()),
        ];
        metadata.extend(own.map(|(key, value)| (key.to_owned(), value)));
        let mut header = json!({ "__metadata__": metadata });
        let mut values = Vec::new();
        let tensors = match learnt {
            Learnt::Linear(linear) => linear.tensors(),
            Learnt::Trees(forest) => forest.tensors(),
        };
        for Bytes { name, dtype, shape, bytes } in tensors {
            let start = values.len();
            values.extend(bytes);
            header[name] = json!({"dtype": dtype, "shape": shape, "data_offsets": [start, values.len()]});
        }
        let mut header = header.to_string();
        // Padded with spaces, so that the values are aligned.
        header.push_str(&" ".repeat(header.len().next_multiple_of(8) - header.len()));
        [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &values].concat()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::baselines::ClassicalPlan;
    use crate::baselines::trees::{Forest, Node};

    /// A model of three classes, one of which was never seen, for windows of 16 samples in three channels; and windows.
    fn example() -> (ClassicalFile, Vec<f32>) {
        example_of(ClassicalPlan::new(Baseline::LogisticRegression))
    }

    fn example_of(plan: ClassicalPlan) -> (ClassicalFile, Vec<f32>) {
        let value =
            |i: usize| ((i * 7919) % 1000) as f32 / 500.0 - 1.0 + if (i / 48).is_multiple_of(2) { 0.5 } else { 0.0 };
        let windows: Vec<f32> = (0..20 * 48).map(value).collect();
        let features = Features::of(plan.features, &windows, 16, 3, Some(20.0));
        let labels: Vec<u32> = (0..20).map(|window| if window % 2 == 0 { 0 } else { 2 }).collect();
        let all: Vec<u32> = (0..20).collect();
        let model = ClassicalModel::train(&plan, &features, &labels, &all, 3).unwrap();
        let classes = ["a", "b", "c \"d\"\n"].map(str::to_owned).to_vec();
        let extra = BTreeMap::from([("loss".to_owned(), "categorical_crossentropy".to_owned())]);
        (ClassicalFile { model, window: 16, channels: 3, rate_hz: Some(20.0), classes, extra }, windows)
    }

    fn refusal(bytes: &[u8]) -> String {
        let error = ClassicalFile::from_bytes(bytes, Path::new("bad.safetensors")).expect_err("it is bad").to_string();
        assert!(error.contains("bad.safetensors"), "the file is not named: {error}");
        error
    }

    #[test]
    fn a_file_comes_back_and_scores_the_same() {
        for (method, features) in Baseline::ALL.into_iter().flat_map(|method| FeatureSet::ALL.map(|set| (method, set)))
        {
            comes_back(&example_of(ClassicalPlan { features, ..ClassicalPlan::new(method) }));
        }
    }

    fn comes_back((file, windows): &(ClassicalFile, Vec<f32>)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("last.safetensors");
        assert!(!ClassicalFile::is_at(&path));
        file.write(&path).unwrap();
        assert!(ClassicalFile::is_at(&path) && !ClassicalFile::is_at(folder.path()));
        let read = ClassicalFile::read(&path).unwrap();
        assert_eq!(&read, file);
        assert_eq!(read.to_bytes(), fs::read(&path).unwrap());
        let scores = file.scores(windows).unwrap();
        assert_eq!((scores.len(), read.scores(windows).unwrap()), (60, scores.clone()));
        assert_eq!(read.scores(&windows[48..96]).unwrap(), scores[3..6], "a window alone");
        assert!(read.scores(&windows[1..]).unwrap_err().contains("959 values"));
    }

    #[test]
    fn damage_is_an_error_that_names_the_place() {
        let bytes = example().0.to_bytes();
        (0..bytes.len()).for_each(|length| drop(refusal(&bytes[..length])));
        refusal(&[&bytes[..], &[0]].concat());
        refusal(&[&u64::MAX.to_le_bytes()[..], b"{}"].concat());
        let with_header = |from: &str, to: &str| {
            let n = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
            let header = String::from_utf8(bytes[8..8 + n].to_vec()).unwrap();
            let changed = header.replacen(from, to, 1);
            assert_ne!(changed, header, "{from}");
            refusal(&[&(changed.len() as u64).to_le_bytes(), changed.as_bytes(), &bytes[8 + n..]].concat())
        };
        for (from, to, reason) in [
            ("triax-classical", "triax", "`format` is `triax`"),
            ("\\\"basic\\\"", "\\\"odd\\\"", "features `odd`"),
            ("\"version\":\"1\"", "\"version\":\"9\"", "`version` is `9`"),
            ("logistic_regression", "forest", "method `forest`"),
            ("\\\"seen\\\":[0,2]", "\\\"seen\\\":[0,3]", "`spec`"),
            ("\\\"seen\\\":[0,2]", "\\\"seen\\\":[2,0]", "`spec`"),
            ("\\\"seen\\\":[0,2]", "\\\"seen\\\":[2]", "tensor `weights` is F64 [2, 72]"),
            ("\\\"channels\\\":3", "\\\"channels\\\":99999999999", "`spec`"),
            ("\\\"channels\\\":3", "\\\"channels\\\":4", "tensor `mean`"),
            ("\\\"window\\\":16", "\\\"window\\\":0", "`spec`"),
            ("\\\"rate_hz\\\":20.0", "\\\"rate_hz\\\":-1.0", "`spec`"),
            ("\"mean\"", "\"man\"", "tensor `mean` is missing"),
        ] {
            let error = with_header(from, to);
            assert!(error.contains(reason), "expected {reason}\ngot {error}");
        }
        let mut bad = bytes.clone();
        let end = bad.len();
        bad[end - 8..].copy_from_slice(&f64::NAN.to_le_bytes());
        assert!(refusal(&bad).contains("tensor `weights` holds NaN"));
    }

    #[test]
    fn damaged_trees_are_refused() {
        let (file, _) = example_of(ClassicalPlan::new(Baseline::ExtraTrees));
        let bytes = file.to_bytes();
        for length in (0..bytes.len()).step_by(997) {
            refusal(&bytes[..length]);
        }
        let Learnt::Trees(forest) = &file.model.learnt else { panic!("it is a forest") };
        let damaged = |change: fn(&mut Forest)| {
            let mut forest = forest.clone();
            change(&mut forest);
            let model = ClassicalModel { learnt: Learnt::Trees(forest), ..file.model.clone() };
            refusal(&ClassicalFile { model, ..file.clone() }.to_bytes())
        };
        let loops = damaged(|forest| {
            forest.trees[7].nodes[0] = Node::Split { feature: 0, threshold: 0.0, other: 0 };
        });
        assert!(loops.contains("tree 7") && loops.contains("node 0"), "{loops}");
        assert!(damaged(|forest| forest.trees[0].leaves[0] = f32::NAN).contains("`leaves` holds NaN"));
        assert!(damaged(|forest| forest.trees[0].leaves.clear()).contains("tree 0"));
        assert!(damaged(|forest| forest.trees.clear()).contains("`trees`"));
    }

    #[test]
    fn contents_that_would_not_be_read_back_are_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.safetensors");
        let (mut file, _) = example();
        let Learnt::Linear(linear) = &mut file.model.learnt else { panic!("it is linear") };
        linear.scaler.scale[0] = f64::INFINITY;
        let error = file.write(&path).unwrap_err().to_string();
        assert!(error.contains("was not written") && error.contains("`scale`") && !path.exists(), "{error}");
        let (mut file, _) = example();
        file.extra.insert("spec".to_owned(), String::new());
        assert!(file.write(&path).unwrap_err().to_string().contains("`spec`"));
    }
}
