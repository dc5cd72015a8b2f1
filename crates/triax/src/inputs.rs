//! From settings to windows: reads the data, selects activities, splits, cuts windows, learns how to standardise them.

use std::collections::BTreeMap;

use triax_data::{Audit, Corpus, ScalerInUse, Split, SplitPlan, Windows};
use triax_engine::WindowSet;
use triax_losses::Loss;
use triax_model::{NetworkSpec, Scaler};

use crate::settings::{DataSettings, Normalize, SplitKind, SplitSettings};
use crate::values::{DataSource, FormatChoice};

/// Key in the metadata of a weight file: what is done to each window before the scaler. Absent where nothing is.
pub const PER_WINDOW: &str = "per_window";

/// Everything a run trains on.
pub struct Inputs {
    /// The data, with the activities selected.
    pub corpus: Corpus,
    /// Samples in a window.
    pub window: usize,
    /// The split as it was asked for.
    pub plan: SplitPlan,
    /// Which windows are in which part; their values have moved to `windows`.
    pub split: Split,
    /// How the windows have been, and are to be, normalised.
    pub normalize: Normalize,
    /// How the windows are to be standardised.
    pub scaler: Option<Scaler>,
    /// The windows of both parts; what is done to each by itself is done, and the scaler is left to the engine.
    pub windows: WindowSet,
    /// Those to train on.
    pub train: Vec<u32>,
    /// Those to validate with.
    pub valid: Vec<u32>,
}

impl Inputs {
    /// Reads and prepares what the settings ask for.
    pub fn read(data: &DataSettings, split: &SplitSettings, seed: u64) -> anyhow::Result<Self> {
        let (corpus, window) = selected(read_corpus(&data.data, data.format, seed)?, data)?;
        let plan = split_plan(split, &corpus);
        let mut split = triax_data::split(&corpus, window, data.step, &plan, seed)?;
        let (normalize, n_channels) = (data.normalize, corpus.channels.len());
        if let Some(per_window) = normalize.per_window() {
            for part in [&mut split.train, &mut split.valid] {
                let problem = per_window.apply(&mut part.values, window, n_channels);
                problem.map_err(|problem| anyhow::anyhow!("{}: {problem}", corpus.name))?;
            }
        }
        let scaler = normalize.has_scaler().then(|| triax_data::fit_scaler(&split.train, n_channels));
        let (windows, [train, valid]) = joined([&mut split.train, &mut split.valid])?;
        Ok(Self { corpus, window, plan, split, normalize, scaler, windows, train, valid })
    }

    /// Audits the split, and the scaler that its windows are read with, if any.
    pub fn audit(&self, scaler: Option<&Scaler>) -> Audit {
        let Self { corpus, window, split, windows, train, valid, .. } = self;
        let origins = [&split.train, &split.valid].map(|part| part.origins.as_slice()).concat();
        let used = scaler.map(|scaler| ScalerInUse { scaler, values: &windows.windows, train, valid });
        let audit = Audit::of(corpus, &origins, *window, &[(train, valid)]);
        audit.with_scalers(*window, corpus.channels.len(), used.as_slice())
    }

    /// Values of the windows to validate with, standardised as the network reads them.
    pub fn valid_values(&self) -> Vec<f32> {
        // They are the last of all.
        let all = &self.windows.windows;
        let n_values = all.len() / self.windows.len().max(1);
        let mut values = all[all.len() - self.valid.len() * n_values..].to_vec();
        if let Some(scaler) = &self.scaler {
            scaler.apply(&mut values);
        }
        values
    }

    /// Labels of the windows to train on.
    pub fn train_labels(&self) -> &[u32] {
        &self.split.train.labels
    }
}

/// What must travel with the weights for them to be used on other recordings.
pub fn weight_file_extra(corpus: &Corpus, normalize: Normalize, loss: Loss, step: usize) -> BTreeMap<String, String> {
    let list = |names: &[String]| serde_json::json!(names).to_string();
    let mut extra = BTreeMap::from([
        ("loss".to_owned(), loss.to_string()),
        ("channels".to_owned(), list(&corpus.channels)),
        ("class_names".to_owned(), list(&corpus.class_names)),
        ("step".to_owned(), step.to_string()),
    ]);
    extra.extend(corpus.rate_hz.map(|rate| ("rate_hz".to_owned(), rate.to_string())));
    extra.extend(normalize.per_window().map(|way| (PER_WINDOW.to_owned(), way.to_string())));
    if corpus.synthetic {
        extra.insert("synthetic".to_owned(), "true".to_owned());
    }
    extra
}

/// Of all recordings of a source those of the activities that the settings select; and how many samples a window has.
pub fn selected(corpus: Corpus, data: &DataSettings) -> anyhow::Result<(Corpus, usize)> {
    let corpus = match data.activities.as_slice() {
        [] => corpus,
        activities => corpus.select_activities(activities)?,
    };
    let window = data.window.or(corpus.window).unwrap_or(NetworkSpec::default().window);
    Ok((corpus, window))
}

/// Reads all recordings of a source.
pub fn read_corpus(source: &DataSource, format: FormatChoice, seed: u64) -> anyhow::Result<Corpus> {
    match source {
        DataSource::Synthetic => Ok(triax_data::synthetic(seed)),
        DataSource::Path(path) => Ok(triax_data::read(path, format.0)?),
    }
}

/// The split that was asked for, or the most honest one that the data allows.
pub fn split_plan(asked: &SplitSettings, corpus: &Corpus) -> SplitPlan {
    let SplitSettings { valid_fraction, ref valid_subjects, .. } = *asked;
    let kind = asked.split.unwrap_or_else(|| {
        if corpus.recordings.iter().all(|recording| recording.part.is_some()) {
            SplitKind::Predefined
        } else if !valid_subjects.is_empty() || corpus.subjects().len() > 1 {
            SplitKind::Subject
        } else {
            SplitKind::Random
        }
    });
    match kind {
        SplitKind::Subject => SplitPlan::Subject { valid_fraction, valid_subjects: valid_subjects.clone() },
        SplitKind::Random => SplitPlan::Random { valid_fraction },
        SplitKind::Predefined => SplitPlan::Predefined,
    }
}

/// Moves the values of two parts into one set, and says which of its windows are whose.
fn joined(parts: [&mut Windows; 2]) -> anyhow::Result<(WindowSet, [Vec<u32>; 2])> {
    let ends = [parts[0].len(), parts[0].len() + parts[1].len()].map(u32::try_from);
    let [Ok(first), Ok(all)] = ends else {
        anyhow::bail!("{} windows are more than can be numbered; use a larger --step", parts[0].len() + parts[1].len())
    };
    let labels = parts.iter().flat_map(|part| &part.labels).copied().collect();
    let [mut values, more] = parts.map(|part| std::mem::take(&mut part.values));
    values.extend(more);
    let windows = WindowSet { windows: values.into(), labels, sample_weights: None };
    Ok((windows, [(0..first).collect(), (first..all).collect()]))
}

/// How a corpus was fitted to the classes and channels of a trained network.
pub struct Fitted {
    /// The corpus, with the network's classes.
    pub corpus: Corpus,
    /// Activities that the network does not know, with how many of their recordings were left out.
    pub left_out: BTreeMap<String, usize>,
}

/// Gives `corpus` the classes of a network, in its order, and leaves out the recordings of other activities.
pub fn fit_classes(mut corpus: Corpus, classes: &[String]) -> anyhow::Result<Fitted> {
    let mut left_out = BTreeMap::new();
    let position: Vec<Option<u32>> =
        corpus.classes.iter().map(|name| classes.iter().position(|class| class == name).map(|at| at as u32)).collect();
    corpus.recordings.retain_mut(|recording| {
        let old = recording.class as usize;
        match position[old] {
            Some(new) => recording.class = new,
            None => *left_out.entry(corpus.class_names[old].clone()).or_default() += 1,
        }
        position[old].is_some()
    });
    anyhow::ensure!(
        !corpus.recordings.is_empty(),
        "{} has none of the network's activities: it has {}, the network knows {}",
        corpus.name,
        corpus.classes.join(", "),
        classes.join(", ")
    );
    let name_of = |class: &String| {
        let old = corpus.classes.iter().position(|name| name == class);
        old.map_or_else(|| class.clone(), |old| corpus.class_names[old].clone())
    };
    corpus.class_names = classes.iter().map(name_of).collect();
    corpus.classes = classes.to_vec();
    Ok(Fitted { corpus, left_out })
}
