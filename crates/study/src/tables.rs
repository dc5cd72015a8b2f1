//! The tables of a study. Each is made anew from the files of the trainings, in the order of their numbers, so that it
//! does not depend on how these came about.

use std::collections::BTreeSet;

use crate::StudyError;
use crate::baselines::FoldOfBaseline;
use crate::folder::StudyFolder;
use crate::grid::Study;
use crate::judge::judge;

/// Writes `results.csv`, `subjects.csv`, `history.csv` and `timings.csv` of all trainings that `folder` holds.
///
/// # Errors
/// A training that is damaged; a disk that is full.
pub fn write(study: &Study, folder: &StudyFolder) -> Result<(), StudyError> {
    let varied: BTreeSet<&String> = study.settings.iter().flat_map(|setting| setting.values.keys()).collect();
    let mut results = Table::new(
        ["training", "setting"]
            .into_iter()
            .map(String::from)
            .chain(varied.iter().map(|name| (*name).clone()))
            .chain(
                ["fold", "subjects", "seed", "n_train", "n_valid", "epochs", "train_loss", "train_accuracy"]
                    .map(String::from),
            )
            .chain(["loss", "accuracy", "macro_f1"].map(String::from))
            .chain(study.classes().iter().map(|class| format!("recall_{class}")))
            .chain(["device", "broken"].map(String::from)),
    );
    let mut subjects = Table::new(["training", "subject", "n_windows", "accuracy", "macro_f1"]);
    let mut history = Table::new(["training", "epoch", "loss", "accuracy", "val_loss", "val_accuracy"]);
    let mut timings = Table::new(["training", "started", "seconds"]);
    for (number, file) in folder.trainings(study.classes().len())? {
        let training = study.training(number);
        let (setting, fold) = (&study.settings[training.setting], &study.folds[training.fold]);
        let (trained, judged) = (&file.trained, judge(study, training, &file)?);
        let number = number.to_string();
        let last = trained.history.last();
        let figures = judged.as_ref().map(|judged| &judged.metrics);
        let optional = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
        let recall = |class: usize| optional(figures.map(|metrics| metrics.per_class[class].recall));
        results.row(
            [number.clone(), setting.name.clone()]
                .into_iter()
                .chain(varied.iter().map(|name| setting.values.get(*name).cloned().unwrap_or_default()))
                .chain([
                    fold.name.clone(),
                    fold.valid_subjects.join(" "),
                    training.seed.to_string(),
                    fold.train.len().to_string(),
                    fold.valid.len().to_string(),
                    trained.history.len().to_string(),
                    optional(last.map(|epoch| epoch.loss)),
                    optional(last.map(|epoch| epoch.accuracy)),
                    optional(figures.map(|metrics| metrics.loss)),
                    optional(figures.map(|metrics| metrics.accuracy)),
                    optional(figures.map(|metrics| metrics.macro_f1)),
                ])
                .chain((0..study.classes().len()).map(recall))
                .chain([trained.device.clone(), trained.broken.clone().unwrap_or_default()]),
        );
        for one in judged.iter().flat_map(|judged| &judged.subjects) {
            let figures = [one.accuracy.to_string(), one.macro_f1.to_string()];
            subjects.row([number.clone(), one.subject.clone(), one.n_windows.to_string()].into_iter().chain(figures));
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
    }
    for (name, table) in [("subjects", subjects), ("history", history), ("timings", timings), ("results", results)] {
        folder.write(&format!("{name}.csv"), &table.bytes())?;
    }
    Ok(())
}

/// Writes `baselines.csv`.
pub(crate) fn write_baselines(folds: &[FoldOfBaseline], folder: &StudyFolder) -> Result<(), StudyError> {
    let mut table = Table::new(["baseline", "fold", "subject", "n_windows", "accuracy", "macro_f1"]);
    for fold in folds {
        for one in &fold.subjects {
            let names = [fold.baseline.to_owned(), fold.fold.clone(), one.subject.clone(), one.n_windows.to_string()];
            table.row(names.into_iter().chain([one.accuracy.to_string(), one.macro_f1.to_string()]));
        }
    }
    folder.write("baselines.csv", &table.bytes())
}

/// A table in memory.
struct Table(csv::Writer<Vec<u8>>);

impl Table {
    fn new(columns: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Self {
        let mut table = Self(csv::Writer::from_writer(Vec::new()));
        table.row(columns);
        table
    }

    fn row(&mut self, cells: impl IntoIterator<Item = impl AsRef<[u8]>>) {
        self.0.write_record(cells).expect("memory takes what it is given, and rows are as long as the first");
    }

    fn bytes(self) -> Vec<u8> {
        self.0.into_inner().expect("memory takes what it is given")
    }
}
