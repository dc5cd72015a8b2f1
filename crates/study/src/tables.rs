//! The tables of a study. Rows are appended as trainings end. At the end, and when a study resumes, each table is
//! rewritten from the files of the trainings, in the order of their numbers, so that it does not depend on the order of
//! training.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::io::Write as _;

use triax_trainer::{ClassMetrics, SubjectFigures};

use crate::StudyError;
use crate::baselines::BaselineFold;
use crate::calibration::CalibratedSubject;
use crate::evaluation::{TrainingFigures, subject_figures};
use crate::folder::StudyFolder;
use crate::grid::Study;
use crate::training_file::TrainingFile;

/// The tables with rows for each training.
const NAMES: [&str; 4] = ["results.csv", "subjects.csv", "history.csv", "timings.csv"];

/// Writes the tables of the trainings in `files`.
///
/// # Errors
/// Scores that cannot be evaluated; a full disk.
pub(crate) fn write(
    study: &Study,
    folder: &StudyFolder,
    files: &BTreeMap<usize, TrainingFile>,
) -> Result<(), StudyError> {
    let mut tables = headers(study);
    for file in files.values() {
        add(study, file, &mut tables)?;
    }
    NAMES.into_iter().zip(tables).try_for_each(|(name, table)| folder.write(name, &table.bytes()))
}

/// Appends the rows of `files`, so that a study can be followed while it runs.
///
/// # Errors
/// As [`write()`].
pub(crate) fn append(study: &Study, folder: &StudyFolder, files: &[TrainingFile]) -> Result<(), StudyError> {
    let mut tables = NAMES.map(|_| Table::new());
    for file in files {
        add(study, file, &mut tables)?;
    }
    for (name, table) in NAMES.into_iter().zip(tables) {
        let path = folder.path().join(name);
        let mut end = OpenOptions::new().append(true).open(&path).map_err(StudyError::io("write", &path))?;
        end.write_all(&table.bytes()).map_err(StudyError::io("write", &path))?;
    }
    Ok(())
}

/// The names of the settings that vary.
fn varied(study: &Study) -> BTreeSet<&str> {
    study.settings.iter().flat_map(|setting| setting.values.keys()).map(String::as_str).collect()
}

/// The tables with only their headers.
fn headers(study: &Study) -> [Table; 4] {
    let mut tables = NAMES.map(|_| Table::new());
    let [results, subjects, history, timings] = &mut tables;
    let recalls: Vec<String> = study.classes().iter().map(|class| format!("recall_{class}")).collect();
    // None of these names is that of a setting that can vary.
    results.row(
        ["training", "setting"]
            .into_iter()
            .chain(varied(study))
            .chain(["fold", "subjects", "seed", "n_train", "n_valid", "n_epochs", "train_loss", "train_accuracy"])
            .chain(["valid_loss", "accuracy", "macro_f1"])
            .chain(recalls.iter().map(String::as_str))
            .chain(["device", "broken"]),
    );
    subjects.row(["training", "subject", "n_windows", "accuracy", "macro_f1", "lacking"]);
    history.row(["training", "epoch", "loss", "accuracy", "val_loss", "val_accuracy"]);
    timings.row(["training", "started", "seconds"]);
    tables
}

/// Adds the rows of one training.
fn add(study: &Study, file: &TrainingFile, tables: &mut [Table; 4]) -> Result<(), StudyError> {
    let [results, subjects, history, timings] = tables;
    let trained = &file.trained;
    let training = study.training(trained.number);
    let (setting, fold) = (&study.settings[training.setting], &study.folds[training.fold]);
    let figures = TrainingFigures::from_file(study, training, file)?;
    let number = trained.number.to_string();
    let last = trained.history.last();
    let metrics = figures.as_ref().map(|figures| &figures.metrics);
    let optional = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    // A class without windows has no recall.
    let judged = |class: &&ClassMetrics| class.support > 0;
    let recall = |class: usize| {
        optional(metrics.and_then(|it| it.per_class.get(class).filter(judged)).map(|class| class.recall))
    };
    results.row(
        [number.clone(), setting.name.clone()]
            .into_iter()
            .chain(varied(study).into_iter().map(|name| setting.values.get(name).cloned().unwrap_or_default()))
            .chain([
                fold.name.clone(),
                fold.valid_subjects.join(" "),
                training.seed.to_string(),
                fold.train.len().to_string(),
                fold.valid.len().to_string(),
                trained.history.len().to_string(),
                optional(last.map(|epoch| epoch.loss)),
                optional(last.map(|epoch| epoch.accuracy)),
                optional(metrics.map(|metrics| metrics.loss)),
                optional(metrics.map(|metrics| metrics.accuracy)),
                optional(metrics.map(|metrics| metrics.macro_f1)),
            ])
            .chain((0..study.classes().len()).map(recall))
            .chain([trained.device.clone(), trained.broken.clone().unwrap_or_default()]),
    );
    for one in figures.iter().flat_map(|figures| subject_figures(study, &fold.valid, &figures.predictions)) {
        subjects.row([number.clone()].into_iter().chain(subject_cells(one)));
    }
    for (epoch, figures) in (1..).zip(&trained.history) {
        history.row([
            number.clone(),
            epoch.to_string(),
            figures.loss.to_string(),
            figures.accuracy.to_string(),
            optional(figures.val_loss),
            optional(figures.val_accuracy),
        ]);
    }
    timings.row([number, trained.started.to_string(), format!("{:.3}", trained.seconds)]);
    Ok(())
}

/// A subject with its figures. The classes that it lacks stand between semicolons.
fn subject_cells(one: SubjectFigures) -> [String; 5] {
    let SubjectFigures { subject, n_windows, accuracy, macro_f1, lacking } = one;
    [subject, n_windows.to_string(), accuracy.to_string(), macro_f1.to_string(), lacking.join("; ")]
}

/// Writes `calibrations.csv`, where the study calibrates: a row for each calibration of a subject by a training.
pub(crate) fn write_calibrations(
    study: &Study,
    folder: &StudyFolder,
    files: &BTreeMap<usize, TrainingFile>,
) -> Result<(), StudyError> {
    if study.calibrations.is_empty() {
        return Ok(());
    }
    let mut table = Table::new();
    table.row([
        "training",
        "length",
        "subject",
        "n_windows",
        "accuracy",
        "macro_f1",
        "calibrated_accuracy",
        "calibrated_macro_f1",
    ]);
    for file in files.values() {
        for CalibratedSubject { length, before, after } in &file.trained.calibrated {
            let shares = [before.accuracy, before.macro_f1, after.accuracy, after.macro_f1];
            let names = [file.trained.number.to_string(), length.clone(), before.subject.clone()];
            table.row(
                names.into_iter().chain([before.n_windows.to_string()]).chain(shares.map(|share| share.to_string())),
            );
        }
    }
    folder.write("calibrations.csv", &table.bytes())
}

/// Writes `baselines.csv`.
pub(crate) fn write_baselines(folds: &[BaselineFold], folder: &StudyFolder) -> Result<(), StudyError> {
    let mut table = Table::new();
    table.row(["baseline", "fold", "subject", "n_windows", "accuracy", "macro_f1", "lacking"]);
    for fold in folds {
        for one in &fold.subjects {
            let names = [fold.baseline.to_owned(), fold.fold.clone()];
            table.row(names.into_iter().chain(subject_cells(one.clone())));
        }
    }
    folder.write("baselines.csv", &table.bytes())
}

/// A table in memory.
struct Table(csv::Writer<Vec<u8>>);

impl Table {
    fn new() -> Self {
        Self(csv::Writer::from_writer(Vec::new()))
    }

    fn row(&mut self, cells: impl IntoIterator<Item = impl AsRef<[u8]>>) {
        self.0.write_record(cells).expect("memory takes what it is given, and rows are as long as the first");
    }

    fn bytes(self) -> Vec<u8> {
        self.0.into_inner().expect("memory takes what it is given")
    }
}
