//! The report of a run.

use maud::{Markup, html};
use triax_data::Audit;
use triax_study::{Mistake, Reliability, SubjectFigures};
use triax_trainer::{EpochRecord, LossReading, Metrics, Summary};

use crate::report::charts::curves::{self, Curves, Point};
use crate::report::charts::reliability;
use crate::report::numbers::{counted, decimals, figure, grouped, name, percent};
use crate::report::{audit, confusion, loss, mistakes, page, probabilities, tables};
use crate::text::{lacking_in_words, step_in_words};

/// The file beside the report that has all of its figures.
const FILE: &str = "metrics.json";

/// The contents of the report of a run.
#[derive(Clone, Debug)]
pub struct RunReport {
    /// The name of the run: its folder.
    pub name: String,
    /// Its final figures.
    pub summary: Summary,
    /// Its epochs.
    pub history: Vec<EpochRecord>,
    /// The name of each class, as shown.
    pub class_names: Vec<String>,
    /// Whether no subject of the validation windows was trained on.
    pub unseen: bool,
    /// Whether the windows were split at random.
    pub random: bool,
    /// The figures of each subject of the validation windows; empty if subjects are unknown.
    pub subjects: Vec<SubjectFigures>,
    /// What the loss over the validation windows says.
    pub loss: Option<LossReading>,
    /// Whether the network is right more often where it is surer.
    pub reliability: Option<Reliability>,
    /// The worst mistakes over the validation windows, in descending order.
    pub mistakes: Vec<Mistake>,
    /// The audit of the split.
    pub audit: Audit,
    /// The data.
    pub data: DataFacts,
    /// The split, in words.
    pub split: String,
    /// The model, in words.
    pub model: String,
    /// Every setting by name.
    pub settings: Vec<(String, String)>,
    /// Engine and device.
    pub device: String,
    /// When it started.
    pub started: String,
    /// Version of Triax.
    pub version: String,
    /// Commands that repeat the run or continue from it.
    pub commands: Vec<Command>,
}

/// The facts of the data of a run.
#[derive(Clone, Debug)]
pub struct DataFacts {
    /// Name of the data set.
    pub name: String,
    /// Whether it is synthetic.
    pub synthetic: bool,
    /// SHA-256 of the data.
    pub fingerprint: String,
    /// Number of subjects; 0 if they are unknown.
    pub n_subjects: usize,
    /// Number of training windows.
    pub n_train: usize,
    /// Number of validation windows.
    pub n_valid: usize,
    /// Samples in a window.
    pub window: usize,
    /// Samples from one window to the next.
    pub step: Option<usize>,
    /// Samples per second.
    pub rate_hz: Option<f64>,
    /// Name of each channel.
    pub channels: Vec<String>,
    /// Rows that were repaired or dropped while reading.
    pub n_repairs: usize,
}

/// A command.
#[derive(Clone, Debug)]
pub struct Command {
    /// Its purpose.
    pub what: String,
    /// The command line.
    pub line: String,
}

impl RunReport {
    /// What the model is called. Without epochs it is no network.
    fn called(&self) -> &'static str {
        if self.summary.epochs == 0 { "the model" } else { "the network" }
    }
}

/// The text of `report.html` for a run.
pub fn run_html(run: &RunReport) -> String {
    let validation = run.summary.last.validation.as_ref();
    let body = html! {
        (audit::warning(&run.audit, run.random))
        (opening(run, validation))
        @if !run.history.is_empty() { (learning(run)) }
        @if let Some(reading) = &run.loss { (loss::section(reading)) }
        @if let Some(validation) = validation { (classes(run, validation)) }
        (subjects(run))
        @if let Some(found) = &run.reliability { (reliability::section(found)) }
        @if let Some(found) = &run.summary.last.temperature_scaling { (probabilities::section(found, &run.class_names)) }
        (mistakes::section(&run.mistakes, &run.class_names, run.data.rate_hz, run.called()))
        (audit::section(&run.audit))
        (settings(run))
        (page::section("Commands", "The same data, settings and device give the same weights, to the bit.", &html! {
            (page::commands(run.commands.iter().map(|command| (command.what.as_str(), command.line.as_str()))))
        }))
    };
    page::page(&run.name, "run", &body, &run.version)
}

/// The head of the page, with the verdict.
fn opening(run: &RunReport, validation: Option<&Metrics>) -> Markup {
    let last = &run.summary.last;
    let n_subjects = run.subjects.len() as u64;
    let on_whom = match (run.unseen, run.random) {
        (true, _) if n_subjects == 1 => "on a person it never saw".to_owned(),
        (true, _) => format!("on {n_subjects} people it never saw"),
        (_, true) => "on windows drawn at random".to_owned(),
        _ => "on the held-out windows".to_owned(),
    };
    let headline = match validation {
        Some(metrics) => format!("Macro-F1 {} {on_whom}", figure(metrics.macro_f1)),
        None => "Trained, and judged by nothing but its own training windows".to_owned(),
    };
    let n_epochs = counted(run.summary.epochs as u64, "epoch");
    let stopped = match run.summary.stopped_early {
        true => format!("stopped early, weights of {}", last.epoch),
        false => format!("weights of epoch {}", last.epoch),
    };
    let mut figures = match validation {
        Some(metrics) => vec![
            ("macro-F1", figure(metrics.macro_f1), mean_of(metrics)),
            ("accuracy", percent(metrics.accuracy), format!("{} in training", percent(last.accuracy))),
            ("loss", decimals(metrics.loss, 4), format!("{} in training", decimals(last.loss, 4))),
            ("trained", n_epochs, stopped),
        ],
        None => vec![
            ("accuracy", percent(last.accuracy), "in training".to_owned()),
            ("loss", decimals(last.loss, 4), "in training".to_owned()),
            ("trained", n_epochs, stopped),
        ],
    };
    if run.summary.epochs == 0 {
        figures.pop();
    }
    html! {
        header {
            p.kicker { "Run " (run.name) " · " (run.data.name) @if run.data.synthetic { " (synthetic)" } }
            h1 { (headline) }
            (page::verdict(&sentences(run, validation), &caveats(run, validation)))
            (page::headline_figures(&figures))
        }
    }
}

/// What macro-F1 is the mean of.
fn mean_of(metrics: &Metrics) -> String {
    let n_present = metrics.confusion.present().count() as u64;
    match metrics.confusion.n_classes() as u64 {
        n_classes if n_classes == n_present => "mean F1 of the classes".to_owned(),
        n_classes => format!("mean F1 of {} of {} classes", grouped(n_present), grouped(n_classes)),
    }
}

/// What the figures cannot claim.
fn caveats(run: &RunReport, validation: Option<&Metrics>) -> Vec<String> {
    let lacking = validation.and_then(|metrics| lacking_in_words(&metrics.confusion, &run.class_names));
    lacking.into_iter().chain(SubjectFigures::lacking_in_words(&run.subjects)).collect()
}

/// The sentences of the verdict.
fn sentences(run: &RunReport, validation: Option<&Metrics>) -> Vec<String> {
    let mut sentences = Vec::new();
    if let Some(metrics) = validation {
        let n_windows: u64 = metrics.per_class.iter().map(|class| class.support).sum();
        sentences.push(format!("{} of {} are recognised.", percent(metrics.accuracy), counted(n_windows, "window")));
        let weakest = metrics.per_class.iter().zip(&run.class_names).filter(|(class, _)| class.support > 0);
        if let Some((class, weak)) = weakest.min_by(|a, b| a.0.f1.total_cmp(&b.0.f1)) {
            let weak = name(weak);
            sentences.push(format!("The weakest class is {weak}, with an F1 of {}.", figure(class.f1)));
        }
    }
    let by_f1 = |a: &&SubjectFigures, b: &&SubjectFigures| a.macro_f1.total_cmp(&b.macro_f1);
    let ends = (run.subjects.iter().min_by(by_f1), run.subjects.iter().max_by(by_f1));
    if let (Some(worst), Some(best)) = ends
        && run.subjects.len() > 1
    {
        sentences.push(format!(
            "From subject to subject macro-F1 goes from {} ({}) to {} ({}).",
            figure(worst.macro_f1),
            name(&worst.subject),
            figure(best.macro_f1),
            name(&best.subject)
        ));
    }
    let best = &run.summary.best;
    if let Some(metrics) = best.validation.as_ref().filter(|_| best.epoch != run.summary.last.epoch) {
        sentences.push(format!(
            "The lowest validation loss was that of epoch {} (best.safetensors: macro-F1 {}, which flatters a little, since \
             these windows chose it).",
            best.epoch,
            figure(metrics.macro_f1)
        ));
    }
    if run.data.synthetic {
        sentences.push("The data was made by a program, not measured: this says nothing about people.".to_owned());
    }
    sentences.push("It is one training on one split; “triax study” says how sure such a figure is.".to_owned());
    sentences
}

fn learning(run: &RunReport) -> Markup {
    let points = |figure: fn(&EpochRecord) -> Option<f64>| {
        let point = |record: &EpochRecord| {
            figure(record).map(|mean| Point { epoch: record.epoch, mean, low: mean, high: mean })
        };
        run.history.iter().filter_map(point).collect()
    };
    let both = [
        Curves {
            name: "Loss",
            is_fraction: false,
            train: points(|record| Some(record.loss)),
            valid: points(|record| record.val_loss),
        },
        Curves {
            name: "Accuracy",
            is_fraction: true,
            train: points(|record| Some(record.accuracy)),
            valid: points(|record| record.val_accuracy),
        },
    ];
    let caption = "Training figures are means over an epoch, while the weights were changing and with dropout; those of \
                   validation are taken after it.";
    let seconds: f64 = run.history.iter().map(|record| record.seconds).sum();
    let lead = format!("{} in {}.", counted(run.history.len() as u64, "epoch"), duration(seconds));
    page::section("Learning curves", lead, &curves::figures(both, caption))
}

fn duration(seconds: f64) -> String {
    match seconds {
        seconds if seconds < 90.0 => format!("{seconds:.1} s"),
        seconds if seconds < 5400.0 => format!("{:.0} min", seconds / 60.0),
        seconds => format!("{:.1} h", seconds / 3600.0),
    }
}

fn classes(run: &RunReport, metrics: &Metrics) -> Markup {
    let body = html! {
        @let caption = "Percent of the validation windows of each class";
        (confusion::matrix(&metrics.confusion, &run.class_names, confusion::MOST_OF_BEST, caption, FILE))
        (tables::classes(&metrics.per_class, &run.class_names, "Each class", FILE))
    };
    page::section("What is taken for what", "Rows are what was done, columns what it was taken for.", &body)
}

fn subjects(run: &RunReport) -> Markup {
    let lead = if run.unseen { "None of them was trained on." } else { "Some of them were trained on." };
    let caption = "Each subject, the hardest first; macro-F1 over the classes that it has";
    let body = tables::subjects(&run.subjects, caption, "the predictions of `triax predict`");
    html! { @if !run.subjects.is_empty() { (page::section("Subjects", lead, &body)) } }
}

fn settings(run: &RunReport) -> Markup {
    let data = &run.data;
    let rate =
        data.rate_hz.map_or_else(|| "unknown".to_owned(), |rate| format!("{} Hz", (rate * 100.0).round() / 100.0));
    let subjects = if data.n_subjects == 0 { "unknown".to_owned() } else { grouped(data.n_subjects as u64) };
    let windows = format!(
        "{} to train on, {} to validate with; {} samples each, {}",
        grouped(data.n_train as u64),
        grouped(data.n_valid as u64),
        data.window,
        step_in_words(data.step)
    );
    let facts = [
        ("data", data.name.clone()),
        ("fingerprint (SHA-256)", data.fingerprint.clone()),
        ("subjects", subjects),
        ("channels", tables::listed(&data.channels, 60)),
        ("rate", rate),
        ("windows", windows),
        ("rows mended or dropped", grouped(data.n_repairs as u64)),
        ("split", run.split.clone()),
        ("model", run.model.clone()),
        ("device", run.device.clone()),
        ("began", run.started.clone()),
        ("Triax", run.version.clone()),
    ];
    let body = html! {
        div.grid.halves {
            div { h3 { "Data and machine" } (page::facts(facts)) }
            div {
                h3 { "Settings" }
                (page::facts(run.settings.iter().map(|(name, value)| (name.as_str(), value.clone()))))
            }
        }
    };
    page::section("Settings, data, device", "Everything that the figures depend on.", &body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;
    use triax_data::{Finding, Verdict};

    #[test]
    fn the_verdict_comes_before_everything_else() {
        let html = run_html(&samples::run());
        let at = |text: &str| html.find(text).unwrap_or_else(|| panic!("no `{text}`"));
        let order = [
            "<h1>",
            "Learning curves",
            "What the loss says",
            "What is taken for what",
            "Subjects</h2>",
            "Score and accuracy",
            "Before and after calibration",
            "Most wrong",
            "Leakage audit",
            "Settings, data, device",
            "Commands",
        ];
        assert!(order.map(at).is_sorted(), "{:?}", order.map(at));
        assert!(html.contains("on 4 people it never saw"), "{html}");
    }

    #[test]
    fn a_leak_warns_above_the_verdict() {
        let mut run = samples::run();
        assert!(!run_html(&run).contains("class=\"warning\""));
        let words = "12 of 20 windows share samples".to_owned();
        run.audit.findings.push(Finding { check: "shared samples".into(), verdict: Verdict::Leak, words });
        let html = run_html(&run);
        let warning = html.find("class=\"warning\"").expect("a warning");
        assert!(warning < html.find("<h1>").unwrap());
    }

    #[test]
    fn nothing_is_loaded_and_names_do_nothing() {
        samples::check_self_contained(&run_html(&samples::hostile_run()));
    }

    #[test]
    fn a_run_without_validation_gives_a_page() {
        let mut run = samples::run();
        run.summary.last.validation = None;
        run.summary.best.validation = None;
        let run = RunReport {
            subjects: Vec::new(),
            loss: None,
            reliability: None,
            mistakes: Vec::new(),
            history: Vec::new(),
            ..run
        };
        let html = run_html(&run);
        assert!(html.contains("judged by nothing but its own training windows") && !html.contains("NaN"));
    }
}
