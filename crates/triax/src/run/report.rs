//! `report.html` of a run: the finished network's predictions on the validation windows, and all facts of the run.

use std::path::PathBuf;

use serde_json::Value;
use triax_data::{Audit, SplitPlan};
use triax_engine::NotFinite;
use triax_losses::{Loss, predicted_classes};
use triax_model::whole_file;
use triax_study::Gap;
use triax_trainer::{LossReading, Mistake, Reliability, RunFolder, SubjectFigures, Summary, worst_mistakes};

use crate::Error;
use crate::recordings::TrainingData;
use crate::report::{Command, DataFacts, RunReport, run_html};
use crate::settings::{RECORDED, Settings, text_of};

/// Maximum number of misclassified windows in a report.
const MOST_MISTAKES: usize = 6;

/// What a report tells of a run beside its figures.
pub struct OfRun<'a> {
    pub settings: &'a Settings,
    pub data: &'a TrainingData,
    pub audit: &'a Audit,
    pub folder: &'a RunFolder,
    /// What its scores are: those of this loss.
    pub loss: Loss,
    /// The model, in words.
    pub model: String,
    /// The device, in words.
    pub device: String,
}

/// Writes `report.html` into the folder of the run, replaces an existing one, and returns its path. `scores` (n_valid,
/// classes) are those of the validation windows.
pub fn write(run: &OfRun<'_>, summary: &Summary, scores: &[f32]) -> Result<PathBuf, Error> {
    let path = run.folder.path().join("report.html");
    let report =
        report(run, summary, scores).map_err(|error| error.while_doing(format!("cannot make {}", path.display())))?;
    whole_file::write(&path, run_html(&report).as_bytes()).map_err(|source| Error::io("write", &path, source))?;
    Ok(path)
}

fn report(of_run: &OfRun<'_>, summary: &Summary, scores: &[f32]) -> Result<RunReport, Error> {
    let OfRun { settings, data, folder, .. } = *of_run;
    let TrainingData { corpus, split, plan, .. } = data;
    let run = folder.path().display();
    let subjects = data.valid_subjects();
    let known = subjects.iter().all(|subject| !subject.is_empty());
    let is_unseen = |subject: &&str| !split.train_subjects.iter().any(|trained| trained == subject);
    let mut report = RunReport {
        name: run.to_string(),
        summary: summary.clone(),
        history: folder.history()?,
        class_names: corpus.class_names.clone(),
        unseen: known && !subjects.is_empty() && subjects.iter().all(is_unseen),
        random: matches!(plan, SplitPlan::Random { .. }),
        subjects: Vec::new(),
        loss: None,
        reliability: None,
        mistakes: Vec::new(),
        audit: with_gap(of_run.audit, plan, &run.to_string()),
        data: DataFacts {
            name: corpus.name.clone(),
            synthetic: corpus.synthetic,
            fingerprint: corpus.fingerprint.clone(),
            n_subjects: corpus.subjects().len(),
            n_train: split.train.len(),
            n_valid: split.valid.len(),
            window: data.window,
            step: data.known_step(),
            rate_hz: corpus.rate_hz,
            channels: corpus.channels.clone(),
            n_repairs: corpus.repairs.entries.iter().map(|entry| entry.count).sum(),
        },
        split: data.split_in_words(),
        model: of_run.model.clone(),
        settings: settings_in_words(settings),
        device: of_run.device.clone(),
        started: started(folder)?,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        commands: commands(&run.to_string()),
    };
    if !split.valid.is_empty() {
        add_scores(&mut report, of_run, scores, &subjects, known)?;
    }
    Ok(report)
}

/// Adds the results that follow from the scores of the validation windows.
fn add_scores(
    report: &mut RunReport,
    of_run: &OfRun<'_>,
    scores: &[f32],
    subjects: &[&str],
    known: bool,
) -> Result<(), Error> {
    let OfRun { data, loss, .. } = *of_run;
    let (labels, n_classes) = (data.valid_labels(), data.corpus.classes.len());
    if let Some(problem) = NotFinite::find(scores, n_classes) {
        return Err(Error::Input(problem.to_string()));
    }
    if known {
        let predictions = predicted_classes(scores, n_classes);
        report.subjects = SubjectFigures::by_subject(&predictions, &labels, subjects, &data.corpus.class_names);
    }
    report.loss = Some(LossReading::from_scores(scores, &labels, n_classes, loss));
    report.reliability = Some(Reliability::from_scores(scores, &labels, n_classes, loss));
    let origin = |idx: usize| data.origins[data.split.valid[idx] as usize];
    let wrong = worst_mistakes(scores, &labels, n_classes, MOST_MISTAKES, |idx| origin(idx).recording);
    report.mistakes = wrong
        .into_iter()
        .map(|wrong| Mistake {
            subject: data.corpus.subject_of(origin(wrong.window)).to_owned(),
            source: data.corpus.place_of(origin(wrong.window)),
            label: labels[wrong.window] as usize,
            prediction: wrong.prediction,
            margin: wrong.margin,
            values: data.as_measured(origin(wrong.window)).to_vec(),
            channels: data.corpus.channels.clone(),
        })
        .collect();
    Ok(())
}

/// The audit of a run, with a word on how much a random split flatters: it takes more trainings to measure that.
fn with_gap(audit: &Audit, plan: &SplitPlan, run: &str) -> Audit {
    let audit = audit.clone();
    match plan {
        SplitPlan::Random { .. } => {
            audit.with(Gap::not_measured(&format!("a run does not train for that; `triax data audit {run}` does")))
        }
        SplitPlan::Subject(_) | SplitPlan::Predefined => audit,
    }
}

/// All settings that have a value, by the names of their options.
fn settings_in_words(settings: &Settings) -> Vec<(String, String)> {
    let shown = |name: &str, value: &Value| {
        let text = match value {
            // A space after each comma separates several values.
            Value::Array(items) if !items.is_empty() => {
                items.iter().filter_map(|item| text_of(name, item)).collect::<Vec<_>>().join(", ")
            }
            value => text_of(name, value)?,
        };
        (value.is_string() || !text.is_empty()).then_some(text)
    };
    let entries = settings.entries();
    entries.iter().filter_map(|(name, value)| Some((name.replace('_', "-"), shown(name, value)?))).collect()
}

/// Start of the run, as in its `config.json`.
fn started(folder: &RunFolder) -> Result<String, Error> {
    let config = folder.config()?;
    Ok(config[RECORDED]["started"].as_str().unwrap_or("unknown").to_owned())
}

fn commands(run: &str) -> Vec<Command> {
    let command = |what: &str, line: String| Command { what: what.to_owned(), line };
    vec![
        command("Train it again", format!("triax train --config {run}/config.json")),
        command("Judge it by its validation windows again", format!("triax evaluate {run}")),
        command("Recognise other recordings", format!("triax predict {run} --data PATH --out predictions.csv")),
    ]
}
