//! The results of a study: the contents of `summary.json`, from which the report is made.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use triax_answers::Answers;
use triax_data::Audit;
use triax_engine::Confusion;
use triax_trainer::{Mistake, Reliability, SubjectFigures, TemperatureScaling};

use crate::calibration::CalibrationGain;
use crate::comparisons::{main_effects, of_same_figure};
use crate::folder::check_is_study;
use crate::owned_folder::read_json;
use crate::statistics::Estimate;
use crate::{Gap, StudyError};

/// The results of a study.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Name of the data set.
    pub data: String,
    /// Whether a program made the data.
    pub synthetic: bool,
    /// SHA-256 of the data.
    pub fingerprint: String,
    /// The name of each class, as shown.
    pub class_names: Vec<String>,
    /// Subjects with a window; 0 where they are unknown.
    pub n_subjects: usize,
    /// Those of them that some fold judges; see also the number of each [`Estimate`].
    pub n_judged_subjects: usize,
    /// Number of windows.
    pub n_windows: usize,
    /// Those of them that some fold judges.
    pub n_judged_windows: usize,
    /// Samples in a window, and from one to the next.
    pub window: usize,
    /// See `window`.
    pub step: Option<usize>,
    /// Samples per second.
    pub rate_hz: Option<f64>,
    /// The protocol by its name (`loso`, `group-5`, `random-5`, …) and in words.
    pub folds: String,
    /// See `folds`.
    pub folds_in_words: String,
    /// Number of folds.
    pub n_folds: usize,
    /// Seeds of each setting and fold.
    pub n_seeds: usize,
    /// Settings that all trainings share, by name.
    pub shared_settings: BTreeMap<String, String>,
    /// The competitors: networks, then ensembles, then baselines, each in descending order of macro-F1.
    pub competitors: Vec<Competitor>,
    /// Classes that only people do who are held out together, with the fold that holds them out.
    pub untrained: Vec<Untrained>,
    /// What the figures cannot claim, as sentences to be shown beside them: too few subjects, classes that were not judged,
    /// subjects that lack classes.
    pub caveats: Vec<String>,
    /// Comparisons of pairs of competitors over subjects.
    pub comparisons: Vec<Comparison>,
    /// The main effect of each setting that varies, by name; none where a single one varies, whose settings are compared
    /// as they are.
    #[serde(default)]
    pub main_effects: Vec<MainEffect>,
    /// What calibration with a few seconds of each held-out person gives, if the study calibrates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calibrations: Vec<CalibrationGain>,
    /// The names that the user has given to values of settings that vary: by setting and value. Names of competitors have
    /// them instead of the values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub value_names: BTreeMap<String, BTreeMap<String, String>>,
    /// The audit of the folds.
    pub audit: Audit,
    /// The gap between random folds and folds by subject, if it was measured.
    pub gap: Option<Gap>,
    /// Number of trainings, and of those that broke down (a loss that is not finite).
    pub n_trainings: usize,
    /// See `n_trainings`.
    pub n_broken: usize,
    /// Devices that trained, by name.
    pub devices: Vec<String>,
    /// Version of Triax.
    pub version: String,
    /// The command that repeats the study.
    pub command: String,
}

impl Summary {
    /// The summary of the study in `folder`. One of an earlier version, which had no main effects, gets them here.
    ///
    /// # Errors
    /// No study there; one that is not finished; a file that cannot be read.
    pub fn read(folder: &Path) -> Result<Self, StudyError> {
        let path = folder.join("summary.json");
        if !path.exists() {
            check_is_study(folder)?;
            return Err(StudyError::Unfinished { path: folder.to_owned() });
        }
        let mut summary: Self = read_json(&path)?;
        if summary.main_effects.is_empty() {
            summary.main_effects = main_effects(&summary.competitors);
        }
        Ok(summary)
    }

    /// The finding of `comparison`, one of these, as sentences with these names for the two.
    pub fn in_words(&self, comparison: &Comparison, a: &str, b: &str) -> String {
        comparison.in_words(a, b, of_same_figure(&self.comparisons, comparison))
    }

    /// A value of a setting that varies, by the name that the user has given to it, if any.
    pub fn value_name<'a>(&'a self, setting: &str, value: &'a str) -> &'a str {
        self.value_names.get(setting).and_then(|names| names.get(value)).map_or(value, String::as_str)
    }
}

/// The name of the figure of a [`Comparison`], as shown.
pub fn figure_in_words(figure: &str) -> &str {
    if figure == "macro_f1" { "macro-F1" } else { figure }
}

/// A class that a fold cannot judge, because only people do it whom the fold holds out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Untrained {
    /// Name of the fold.
    pub fold: String,
    /// Name of the class, as shown.
    pub class: String,
    /// Those who do it.
    pub subjects: Vec<String>,
    /// Its windows, which are neither trained on nor judged in this fold.
    pub n_windows: usize,
}

/// A kind of classifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The networks of one setting, each evaluated alone.
    Network,
    /// The networks of all seeds of a setting, combined into one predictor.
    Ensemble,
    /// A classical method, or the majority class.
    Baseline,
}

/// A setting, an ensemble or a baseline with its figures. Figures of a subject are means over the seeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Competitor {
    /// Its name: the settings in which it differs from the others (`loss=hinge, dropout=0.3`).
    pub name: String,
    /// Its kind.
    pub kind: Kind,
    /// The settings in which it differs from the others.
    pub settings: BTreeMap<String, String>,
    /// Share of the windows classified correctly, over subjects.
    pub accuracy: Estimate,
    /// Macro-F1 of a subject over the classes that it has ([`Confusion::macro_f1`]), over subjects.
    pub macro_f1: Estimate,
    /// Macro-F1 of all windows pooled, from `confusion`.
    pub pooled_macro_f1: f64,
    /// Recall of each class from `confusion`; none of a class without windows.
    pub recall: Vec<Option<f64>>,
    /// (classes, classes) windows by label and prediction, summed over folds and seeds.
    pub confusion: Confusion,
    /// The figures of each subject, sorted by name; as numbers if all names are numbers.
    pub subjects: Vec<SubjectFigures>,
    /// The curves of training; empty for a baseline.
    pub curves: Vec<EpochBand>,
    /// Whether the networks are right more often where they are surer; absent for baselines.
    pub reliability: Option<Reliability>,
    /// How well the probabilities hold before and after a temperature, with the networks of all seeds as one; absent for
    /// baselines.
    #[serde(default, rename = "calibration", skip_serializing_if = "Option::is_none")]
    pub temperature_scaling: Option<TemperatureScaling>,
    /// What its networks, all as one, know about their answers to people who come later; absent for baselines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<Answers>,
    /// The worst mistakes, in descending order of the margin.
    pub mistakes: Vec<Mistake>,
}

/// One epoch over all folds and seeds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochBand {
    /// The epoch, from 1.
    pub epoch: usize,
    /// Training loss.
    pub loss: Band,
    /// Training accuracy.
    pub accuracy: Band,
    /// Validation loss, if it was followed.
    pub valid_loss: Option<Band>,
    /// Validation accuracy, if it was followed.
    pub valid_accuracy: Option<Band>,
}

/// Mean and range of the middle 90 % of values.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Band {
    /// Mean.
    pub mean: f64,
    /// 5th percentile.
    pub low: f64,
    /// 95th percentile.
    pub high: f64,
}

/// Two competitors, compared over the same subjects.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Name of one competitor.
    pub a: String,
    /// Name of the other.
    pub b: String,
    /// The figure compared: `macro_f1` or `accuracy`.
    pub figure: String,
    /// Subjects with figures for both.
    pub n_subjects: usize,
    /// Mean of a − b over subjects, with its interval.
    pub difference: Estimate,
    /// Matched-pairs rank-biserial correlation, from −1 to 1: the effect size of the signed-rank test.
    pub effect: f64,
    /// Two-sided p-value of Wilcoxon's signed-rank test.
    pub p: f64,
    /// `p` after Holm's correction for all comparisons of this figure.
    pub p_holm: f64,
    /// The finding in sentences.
    pub words: String,
}

/// What a setting does on average over the other settings that vary.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MainEffect {
    /// Name of the setting.
    pub setting: String,
    /// The number of combinations of the other settings that each mean is over.
    pub n_combinations: usize,
    /// Its values, in descending order of macro-F1.
    pub levels: Vec<Level>,
    /// Comparisons of pairs of its values, as of competitors. p-values are corrected for all comparisons of this setting by
    /// the same figure.
    pub comparisons: Vec<Comparison>,
}

/// A value of a setting, on average over the other settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Level {
    /// The value.
    pub value: String,
    /// Macro-F1 of a subject, averaged over the other settings, over subjects.
    pub macro_f1: Estimate,
    /// The same for the share of its windows classified correctly.
    pub accuracy: Estimate,
}
