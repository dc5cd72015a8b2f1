//! `report.html` of a run: what the finished network makes of its validation windows, and all that was known of the run.

use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use serde_json::Value;
use triax_data::{Audit, SplitPlan};
use triax_engine::NotFinite;
use triax_losses::predicted_class;
use triax_model::{Network, WeightFile, whole_file};
use triax_report::{Command, DataFacts, RunReport, run_html};
use triax_study::Gap;
use triax_trainer::{Mistake, Reliability, RunFolder, SubjectFigures, Summary, worst_mistakes};

use crate::config;
use crate::engines::Settled;
use crate::inputs::Inputs;
use crate::report::{grouped, listed};
use crate::settings::Settings;

/// Wrong windows that a report shows.
const MOST_MISTAKES: usize = 6;

/// What a report is made from.
pub struct Finished<'a> {
    /// Its settings.
    pub settings: &'a Settings,
    /// What it was trained on.
    pub inputs: &'a Inputs,
    /// The network.
    pub network: &'a Network,
    /// Where it was trained.
    pub at: &'a Settled,
    /// The figures that it ended with.
    pub summary: &'a Summary,
    /// Its folder.
    pub folder: &'a RunFolder,
}

impl Finished<'_> {
    /// Writes `report.html` into the folder of the run, in place of what was there, and returns its path.
    pub fn write_report(&self) -> anyhow::Result<PathBuf> {
        let path = self.folder.path().join("report.html");
        let report = self.report().with_context(|| format!("cannot make {}", path.display()))?;
        let html = run_html(&report);
        whole_file::write(&path, html.as_bytes()).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    fn report(&self) -> anyhow::Result<RunReport> {
        let Inputs { corpus, split, plan, valid, train, window, .. } = self.inputs;
        let run = self.folder.path().display();
        let subjects: Vec<&str> = split.valid.origins.iter().map(|&origin| corpus.subject_of(origin)).collect();
        let known = subjects.iter().all(|subject| !subject.is_empty());
        let is_unseen = |subject: &&str| !split.train_subjects.iter().any(|trained| trained == subject);
        let mut report = RunReport {
            name: run.to_string(),
            summary: self.summary.clone(),
            history: self.folder.history()?,
            class_names: corpus.class_names.clone(),
            unseen: known && !subjects.is_empty() && subjects.iter().all(is_unseen),
            random: matches!(plan, SplitPlan::Random { .. }),
            subjects: Vec::new(),
            reliability: None,
            mistakes: Vec::new(),
            audit: audit(self.inputs, &run.to_string()),
            data: DataFacts {
                name: corpus.name.clone(),
                synthetic: corpus.synthetic,
                fingerprint: corpus.fingerprint.clone(),
                n_subjects: corpus.subjects().len(),
                n_train: train.len(),
                n_valid: valid.len(),
                window: *window,
                step: if corpus.window.is_some() { *window } else { self.settings.data.step },
                rate_hz: corpus.rate_hz,
                channels: corpus.channels.clone(),
                n_repairs: corpus.repairs.entries.iter().map(|entry| entry.count).sum(),
            },
            split: split_in_words(self.inputs),
            network: self.network_in_words(),
            settings: settings_in_words(self.settings),
            device: format!("{} (engine {})", self.at.on.device, self.at.on.engine.name()),
            started: started(self.folder)?,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commands: commands(&run.to_string()),
        };
        if !valid.is_empty() {
            self.judge(&mut report, &subjects, known)?;
        }
        Ok(report)
    }

    /// Adds what the scores of the validation windows show.
    fn judge(&self, report: &mut RunReport, subjects: &[&str], known: bool) -> anyhow::Result<()> {
        let Inputs { corpus, split, window, .. } = self.inputs;
        let weights = WeightFile::read(self.folder.last_path())?.weights;
        let scores = self.at.on.engine.scores(self.network, &weights, &self.inputs.valid_values())?;
        let (labels, n_classes) = (&split.valid.labels, corpus.classes.len());
        ensure!(NotFinite::find(&scores, n_classes).is_none(), "the network gives scores that are not finite");
        if known {
            let predictions: Vec<u32> = scores.chunks_exact(n_classes).map(|row| predicted_class(row) as u32).collect();
            report.subjects = SubjectFigures::of_each(&predictions, labels, subjects);
        }
        report.reliability = Some(Reliability::of(&scores, labels, n_classes));
        let recording = |idx: usize| split.valid.origins[idx].recording;
        let n_values = window * corpus.channels.len();
        let wrong = worst_mistakes(&scores, labels, n_classes, MOST_MISTAKES, recording);
        report.mistakes = wrong
            .into_iter()
            .map(|wrong| {
                let origin = split.valid.origins[wrong.window];
                let first = self.inputs.valid[wrong.window] as usize * n_values;
                Mistake {
                    subject: corpus.subject_of(origin).to_owned(),
                    source: corpus.place_of(origin),
                    label: labels[wrong.window] as usize,
                    prediction: wrong.prediction,
                    margin: wrong.margin,
                    values: self.inputs.windows.windows[first..first + n_values].to_vec(),
                    channels: corpus.channels.clone(),
                }
            })
            .collect();
        Ok(())
    }

    fn network_in_words(&self) -> String {
        let spec = self.network.spec();
        let convs: Vec<String> = self.settings.network.convs.iter().map(ToString::to_string).collect();
        let hidden: Vec<String> = spec.hidden.iter().map(ToString::to_string).collect();
        format!(
            "{}×{} → convolutions {} → dense {} → {} classes: {} parameters",
            spec.window,
            spec.channels,
            convs.join(" "),
            hidden.join(" "),
            spec.classes,
            grouped(self.network.n_parameters()),
        )
    }
}

/// The audit of the run's split. What a random one flatters by takes trainings of its own, and is left to who asks for it.
fn audit(inputs: &Inputs, run: &str) -> Audit {
    let audit = inputs.audit(inputs.scaler.as_ref());
    match inputs.plan {
        SplitPlan::Random { .. } => {
            audit.with(Gap::not_measured(&format!("a run does not train for that; `triax data audit {run}` does")))
        }
        _ => audit,
    }
}

/// How windows were held out.
pub fn split_in_words(inputs: &Inputs) -> String {
    let held_out = &inputs.split.valid_subjects;
    match &inputs.plan {
        SplitPlan::Subject { .. } => format!("by subject: {} held out ({})", held_out.len(), listed(held_out, 20)),
        SplitPlan::Random { .. } => "windows at random".to_owned(),
        SplitPlan::Predefined => "as the data comes".to_owned(),
    }
}

/// Every setting that was set or has a default, by its option.
fn settings_in_words(settings: &Settings) -> Vec<(String, String)> {
    let shown = |value: Value| match value {
        Value::Null => None,
        Value::String(text) => Some(text),
        Value::Array(items) if items.is_empty() => None,
        Value::Array(items) => {
            let item = |item: &Value| item.as_str().map_or_else(|| item.to_string(), str::to_owned);
            Some(items.iter().map(item).collect::<Vec<_>>().join(", "))
        }
        other => Some(other.to_string()),
    };
    let entries = config::entries_of(settings).into_iter();
    entries.filter_map(|(name, value)| Some((name.replace('_', "-"), shown(value)?))).collect()
}

/// When the run began, as its `config.json` says.
fn started(folder: &RunFolder) -> anyhow::Result<String> {
    let config = folder.config()?;
    Ok(config[config::RECORDED]["started"].as_str().unwrap_or("unknown").to_owned())
}

fn commands(run: &str) -> Vec<Command> {
    let command = |what: &str, line: String| Command { what: what.to_owned(), line };
    vec![
        command("Train it again", format!("triax train --config {run}/config.json")),
        command("Judge it by its validation windows again", format!("triax evaluate {run}")),
        command("Recognise other recordings", format!("triax predict {run} --data PATH --out predictions.csv")),
    ]
}
