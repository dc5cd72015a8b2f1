//! Samples of a study and a run for tests, with figures in the range of those on WISDM, and with usual or hostile names.

use std::collections::BTreeMap;

use triax_data::{Audit, Finding, Verdict};
use triax_engine::Confusion;
use triax_losses::Loss;
use triax_study::statistics::{Estimate, Interval};
use triax_study::{
    Band, CalibrationGain, Comparison, Competitor, EpochBand, Kind, Level, MainEffect, Mistake, Reliability,
    SubjectFigures, Summary,
};
use triax_trainer::{
    ClassMetrics, CrossFit, EpochRecord, Figures, LossReading, Metrics, ProbabilityFigures, TemperatureScaling,
};

use crate::report::{Command, DataFacts, RunReport};

const CLASSES: [&str; 6] = ["A walking", "B jogging", "C stairs", "D sitting", "E standing", "M kicking"];
const LOSSES: [(&str, f64); 4] =
    [("squared_hinge", 0.684), ("categorical_hinge", 0.676), ("categorical_crossentropy", 0.668), ("hinge", 0.617)];
/// A name that must be shown as text everywhere.
const HOSTILE: &str = "<script>alert('x')</script>\"><img src=http://example.org/x onerror=alert(1)>";

/// The four losses on sixteen subjects, with an ensemble and two baselines.
pub fn study() -> Summary {
    let mut competitors: Vec<Competitor> =
        LOSSES.iter().map(|(loss, f1)| competitor(&format!("loss={loss}"), Kind::Network, *f1)).collect();
    competitors.push(competitor("loss=squared_hinge × 5 seeds", Kind::Ensemble, 0.701));
    competitors.push(competitor("logistic regression", Kind::Baseline, 0.612));
    competitors.push(competitor("majority", Kind::Baseline, 0.048));
    let best = &competitors[0];
    let others = competitors.iter().filter(|one| one.kind != Kind::Network);
    let mut comparisons: Vec<Comparison> = others
        .map(|other| comparison(&best.name, &other.name, "macro_f1", best.macro_f1.mean - other.macro_f1.mean))
        .collect();
    for (i, (a, f1)) in LOSSES.iter().enumerate() {
        for (b, other) in &LOSSES[i + 1..] {
            for figure in ["macro_f1", "accuracy"] {
                comparisons.push(comparison(&format!("loss={a}"), &format!("loss={b}"), figure, f1 - other));
            }
        }
    }
    let settings = [("epochs", "10"), ("batch-size", "32"), ("learning-rate", "0.001"), ("optimizer", "adam")];
    Summary {
        data: "WISDM v2, phone accelerometer".into(),
        synthetic: false,
        fingerprint: "3f1c9b".repeat(10) + "a7d2",
        class_names: CLASSES.map(String::from).to_vec(),
        n_subjects: 16,
        n_judged_subjects: 16,
        n_windows: 8_512,
        n_judged_windows: 8_512,
        window: 120,
        step: Some(40),
        rate_hz: Some(20.0),
        folds: "loso".into(),
        folds_in_words: "each subject once, judged by networks trained on all others".into(),
        n_folds: 16,
        n_seeds: 5,
        shared_settings: settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        competitors,
        untrained: Vec::new(),
        caveats: Vec::new(),
        comparisons,
        main_effects: Vec::new(),
        calibrations: vec![calibration("10s", 0.12, 16), calibration("30s", 0.15, 15)],
        value_names: BTreeMap::new(),
        audit: audit(),
        gap: None,
        n_trainings: 320,
        n_broken: 0,
        devices: vec!["AMD EPYC, 2 cores".into()],
        version: "0.1.0".into(),
        command: "triax study losses --data wisdm2 --activities A,B,C,D,E,M --step 40".into(),
    }
}

/// Two networks, one of them with a name, by two losses: settings with long names, and main effects.
pub fn grid() -> Summary {
    let mut summary = study();
    let (wide, narrow) = ("64:5:2:2,96:5:1:2,128:3:1", "32:3:2:2,64:3:2");
    let points = [(wide, "hinge", 0.70), ("narrow", "hinge", 0.68), (wide, "squared_hinge", 0.65)];
    let points = points.into_iter().chain([("narrow", "squared_hinge", 0.61)]);
    let mut competitors: Vec<Competitor> = points
        .map(|(convs, loss, f1)| {
            let one = competitor(&format!("convs={convs}, loss={loss}"), Kind::Network, f1);
            let convs = if convs == "narrow" { narrow } else { convs };
            let settings = [("convs", convs), ("loss", loss)].map(|(name, value)| (name.to_owned(), value.to_owned()));
            Competitor { settings: settings.into(), ..one }
        })
        .collect();
    competitors.push(competitor(&format!("{} × 5 seeds", competitors[0].name), Kind::Ensemble, 0.72));
    competitors.extend(summary.competitors.drain(..).filter(|one| one.kind == Kind::Baseline));
    let pair = |n: usize| {
        let (best, other) = (&competitors[0], &competitors[n]);
        ["macro_f1", "accuracy"]
            .map(|figure| comparison(&best.name, &other.name, figure, best.macro_f1.mean - other.macro_f1.mean))
    };
    let comparisons = (1..competitors.len()).flat_map(pair).collect();
    let effect = |setting: &str, values: [&str; 2]| MainEffect {
        setting: setting.to_owned(),
        n_combinations: 2,
        levels: values
            .iter()
            .zip([0.675, 0.645])
            .map(|(value, f1)| Level {
                value: (*value).to_owned(),
                macro_f1: estimate(f1, f1 - 0.04, f1 + 0.04),
                accuracy: estimate(f1 + 0.02, f1 - 0.02, f1 + 0.06),
            })
            .collect(),
        comparisons: ["macro_f1", "accuracy"].map(|figure| comparison(values[0], values[1], figure, 0.03)).to_vec(),
    };
    let main_effects = vec![effect("convs", [wide, narrow]), effect("loss", ["hinge", "squared_hinge"])];
    let names = BTreeMap::from([(narrow.to_owned(), "narrow".to_owned())]);
    let value_names = BTreeMap::from([("convs".to_owned(), names)]);
    Summary { competitors, comparisons, main_effects, value_names, ..summary }
}

/// A study whose every name is an attack.
pub fn hostile_study() -> Summary {
    let mut summary = grid();
    summary.value_names =
        BTreeMap::from([(HOSTILE.to_owned(), BTreeMap::from([(HOSTILE.to_owned(), HOSTILE.to_owned())]))]);
    for effect in &mut summary.main_effects {
        effect.setting = HOSTILE.to_owned();
        effect.levels.iter_mut().for_each(|level| level.value = HOSTILE.to_owned());
    }
    for text in [&mut summary.data, &mut summary.folds_in_words, &mut summary.command, &mut summary.fingerprint] {
        *text = HOSTILE.to_owned();
    }
    summary.class_names = vec![HOSTILE.to_owned(); CLASSES.len()];
    summary.shared_settings = BTreeMap::from([(HOSTILE.to_owned(), HOSTILE.to_owned())]);
    summary.devices = vec![HOSTILE.to_owned()];
    for competitor in &mut summary.competitors {
        competitor.name = format!("{HOSTILE} {}", competitor.name);
        competitor.subjects.iter_mut().for_each(|subject| subject.subject = HOSTILE.to_owned());
        competitor.mistakes.iter_mut().for_each(hostile_mistake);
    }
    for comparison in &mut summary.comparisons {
        comparison.a = format!("{HOSTILE} {}", comparison.a);
        comparison.words = HOSTILE.to_owned();
    }
    for gain in &mut summary.calibrations {
        (gain.setting, gain.length, gain.left_out) = (HOSTILE.to_owned(), HOSTILE.to_owned(), vec![HOSTILE.to_owned()]);
    }
    hostile_audit(&mut summary.audit);
    summary
}

/// A run on four held-out subjects.
pub fn run() -> RunReport {
    let class_names = CLASSES.map(String::from).to_vec();
    let confusion = confusion(0.66, 170);
    let metrics = |loss: f64| Metrics {
        loss,
        accuracy: 0.66,
        macro_f1: 0.648,
        lacking: Vec::new(),
        per_class: ClassMetrics::from_confusion(&confusion, &class_names),
        confusion: confusion.clone(),
    };
    let figures = |epoch, loss| Figures {
        epoch,
        loss: 0.21,
        accuracy: 0.95,
        validation: Some(metrics(loss)),
        temperature_scaling: Some(probabilities()),
    };
    let setting = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    RunReport {
        name: "runs/2026-03-01_12-00-00-squared_hinge".into(),
        summary: triax_trainer::Summary {
            epochs: 10,
            stopped_early: false,
            best: figures(4, 0.52),
            last: figures(10, 0.61),
        },
        history: (1..=10).map(epoch).collect(),
        class_names,
        unseen: true,
        random: false,
        subjects: subjects(0.65, 4),
        loss: Some(loss_reading(Loss::SquaredHinge)),
        reliability: Some(reliability(Loss::SquaredHinge)),
        mistakes: mistakes(),
        audit: audit(),
        data: DataFacts {
            name: "WISDM v2, phone accelerometer".into(),
            synthetic: false,
            fingerprint: "3f1c9b".repeat(10) + "a7d2",
            n_subjects: 16,
            n_train: 6_384,
            n_valid: 2_128,
            window: 120,
            step: Some(40),
            rate_hz: Some(20.0),
            channels: vec!["x".into(), "y".into(), "z".into()],
            n_repairs: 12,
        },
        split: "by subject: 4 of 16 held out (3, 7, 9, 12)".into(),
        model: "120×3 → convolutions 32:3:2:2 64:3:2 → dense 120 → 6 classes: 114,894 parameters".into(),
        settings: [("epochs", "10"), ("batch-size", "32"), ("loss", "squared_hinge"), ("seed", "0")]
            .map(setting)
            .into(),
        device: "AMD EPYC, 2 cores (engine fused)".into(),
        started: "2026-03-01T12:00:00+01:00".into(),
        version: "0.1.0".into(),
        commands: vec![Command { what: "The run again".into(), line: "triax train --config config.json".into() }],
    }
}

/// A run whose every name is an attack.
pub fn hostile_run() -> RunReport {
    let mut run = run();
    for text in [&mut run.name, &mut run.split, &mut run.model, &mut run.device, &mut run.started] {
        *text = HOSTILE.to_owned();
    }
    run.data.name = HOSTILE.to_owned();
    run.data.channels = vec![HOSTILE.to_owned(); 3];
    run.class_names = vec![HOSTILE.to_owned(); CLASSES.len()];
    run.subjects.iter_mut().for_each(|subject| subject.subject = HOSTILE.to_owned());
    run.mistakes.iter_mut().for_each(hostile_mistake);
    run.settings = vec![(HOSTILE.to_owned(), HOSTILE.to_owned())];
    run.commands = vec![Command { what: HOSTILE.to_owned(), line: HOSTILE.to_owned() }];
    hostile_audit(&mut run.audit);
    run
}

/// Checks that `html` has no script, refers to nothing outside of it, and shows [`HOSTILE`] only as text.
#[track_caller]
pub fn check_self_contained(html: &str) {
    assert!(html.starts_with("<!DOCTYPE html>") && html.trim_end().ends_with("</html>"));
    assert!(html.contains("default-src 'none'"), "no policy");
    for tag in ["<script", "<img", "<link", "<iframe", "<object", "<a ", "@import", "url("] {
        assert!(!html.contains(tag), "{tag} is in the page");
    }
    for end in ["NaN", "inf%", "Some("] {
        assert!(!html.contains(end), "{end} is in the page");
    }
}

fn hostile_mistake(mistake: &mut Mistake) {
    mistake.subject = HOSTILE.to_owned();
    mistake.source = HOSTILE.to_owned();
    mistake.channels = vec![HOSTILE.to_owned(); 3];
}

fn hostile_audit(audit: &mut Audit) {
    let verdict = Verdict::Leak;
    audit.findings.push(Finding { check: HOSTILE.to_owned(), verdict, words: HOSTILE.to_owned() });
}

fn competitor(name: &str, kind: Kind, f1: f64) -> Competitor {
    let estimate = |mean: f64| estimate(mean, mean - 0.041, mean + 0.038);
    let confusion = confusion(f1, 1_400);
    let class_names = CLASSES.map(String::from);
    let is_network = kind != Kind::Baseline;
    Competitor {
        name: name.to_owned(),
        kind,
        settings: BTreeMap::new(),
        accuracy: estimate(f1 + 0.02),
        macro_f1: estimate(f1),
        pooled_macro_f1: f1 - 0.01,
        recall: ClassMetrics::from_confusion(&confusion, &class_names).iter().map(|class| Some(class.recall)).collect(),
        confusion,
        subjects: subjects(f1, 16),
        curves: if kind == Kind::Network { (1..=10).map(|epoch| band(epoch, f1)).collect() } else { Vec::new() },
        reliability: is_network.then(|| reliability(Loss::CategoricalCrossentropy)),
        temperature_scaling: is_network.then(probabilities),
        answers: None,
        mistakes: if is_network { mistakes() } else { Vec::new() },
    }
}

fn comparison(a: &str, b: &str, figure: &str, difference: f64) -> Comparison {
    let p: f64 = if difference > 0.04 { 0.002 } else { 0.31 };
    let words = match p < 0.05 {
        true => format!("{a} does better than {b} on 14 of 16 subjects; the difference is shown."),
        false => format!("No difference between {a} and {b} is shown over 16 subjects."),
    };
    Comparison {
        a: a.to_owned(),
        b: b.to_owned(),
        figure: figure.to_owned(),
        n_subjects: 16,
        difference: estimate(difference, difference - 0.025, difference + 0.027),
        effect: (difference * 12.0).min(0.95),
        p,
        p_holm: (p * 6.0).min(1.0),
        words,
    }
}

/// The best setting after a calibration that gains so much for so many people.
fn calibration(length: &str, gain: f64, n_people: usize) -> CalibrationGain {
    let (setting, before) = ("loss=squared_hinge", 0.684);
    let (after_name, before_name) = (format!("{setting} after {length}"), format!("{setting} as trained"));
    let around = |mean: f64| estimate(mean, mean - 0.04, mean + 0.04);
    CalibrationGain {
        setting: setting.into(),
        length: length.into(),
        left_out: (n_people..16).map(|n| format!("16{n}")).collect(),
        before_macro_f1: around(before),
        after_macro_f1: around(before + gain),
        before_accuracy: around(before + 0.02),
        after_accuracy: around(before + gain + 0.02),
        comparisons: ["macro_f1", "accuracy"].map(|it| comparison(&after_name, &before_name, it, gain)).to_vec(),
        subjects: Vec::new(),
    }
}

fn estimate(mean: f64, low: f64, high: f64) -> Estimate {
    Estimate { mean, n: 16, deviation: 0.05, interval: Some(Interval { low, high }) }
}

fn audit() -> Audit {
    let finding = |check: &str, verdict, words: &str| Finding { check: check.into(), verdict, words: words.into() };
    Audit {
        findings: vec![
            finding("shared samples", Verdict::Sound, "No window of validation shares a sample with training."),
            finding("shared subjects", Verdict::Sound, "No subject is on both sides of a fold."),
            finding("duplicate windows", Verdict::Note, "3 windows are equal to another one of the same subject."),
        ],
    }
}

/// A matrix with a recall of about `recall`, and mistakes in neighbouring classes.
fn confusion(recall: f64, n_windows: u64) -> Confusion {
    let row = |label: usize| {
        let hits = (n_windows as f64 * (recall + 0.08 * (label as f64 - 2.5) / 2.5).clamp(0.0, 1.0)) as u64;
        let rest = n_windows - hits;
        let mut row = vec![0; CLASSES.len()];
        row[label] = hits;
        row[(label + 1) % CLASSES.len()] = rest * 2 / 3;
        row[(label + 3) % CLASSES.len()] = rest / 3;
        row
    };
    Confusion::from_counts(CLASSES.len(), (0..CLASSES.len()).flat_map(row).collect())
}

fn subjects(f1: f64, n: usize) -> Vec<SubjectFigures> {
    let one = |idx: usize| {
        let macro_f1 = (f1 + 0.2 * (idx as f64 * 2.3).sin()).clamp(0.0, 1.0);
        let accuracy = (macro_f1 + 0.03).min(1.0);
        let (subject, n_windows) = ((1600 + idx).to_string(), 500 + 7 * idx as u64);
        SubjectFigures { subject, n_windows, accuracy, macro_f1, lacking: Vec::new() }
    };
    (0..n).map(one).collect()
}

fn band(epoch: usize, f1: f64) -> EpochBand {
    let around = |mean: f64, width: f64| Band { mean, low: mean - width, high: mean + width };
    let falling = 0.9 * (-0.35 * epoch as f64).exp() + 0.12;
    EpochBand {
        epoch,
        loss: around(falling, 0.03),
        accuracy: around(1.0 - 0.6 * falling, 0.02),
        valid_loss: Some(around(falling + 0.2 + 0.012 * epoch as f64, 0.11)),
        valid_accuracy: Some(around(f1 - 0.3 * (-0.6 * epoch as f64).exp(), 0.12)),
    }
}

fn epoch(epoch: usize) -> EpochRecord {
    let band = band(epoch, 0.66);
    EpochRecord {
        epoch,
        loss: band.loss.mean,
        accuracy: band.accuracy.mean,
        val_loss: band.valid_loss.map(|band| band.mean),
        val_accuracy: band.valid_accuracy.map(|band| band.mean),
        val_macro_f1: band.valid_accuracy.map(|band| band.mean - 0.01),
        learning_rate: 0.001,
        seconds: 0.4,
    }
}

/// The reliability of scores that are too confident.
fn reliability(loss: Loss) -> Reliability {
    let (scores, labels) = scores_and_labels();
    Reliability::from_scores(&scores, &labels, 2, loss)
}

/// What a temperature makes of scores that are too confident.
pub fn probabilities() -> TemperatureScaling {
    let figures = |log_loss, error| ProbabilityFigures { log_loss, error, per_class: vec![error / 2.0; 6] };
    TemperatureScaling {
        temperature: 1.75,
        n_windows: 400,
        judged: CrossFit::People,
        before: figures(0.61, 0.12),
        after: Some(figures(0.44, 0.08)),
    }
}

/// What `loss` says of the same scores.
fn loss_reading(loss: Loss) -> LossReading {
    let (scores, labels) = scores_and_labels();
    LossReading::from_scores(&scores, &labels, 2, loss)
}

/// Scores (400, 2) and their labels.
fn scores_and_labels() -> (Vec<f32>, Vec<u32>) {
    let score = |window: usize| (window % 40) as f32 / 10.0;
    let scores = (0..400).flat_map(|window| [score(window), 0.0]).collect();
    let labels = (0..400).map(|window| u32::from(window * 7 % 40 > 26)).collect();
    (scores, labels)
}

fn mistakes() -> Vec<Mistake> {
    let one = |idx: usize| {
        let at = |sample: usize, channel: usize| {
            let phase = sample as f32 * (0.2 + 0.1 * idx as f32) + channel as f32;
            9.81 * f32::from(u8::from(channel == 1)) + 4.0 * phase.sin() * (1.0 + 0.3 * (7.0 * phase).cos())
        };
        Mistake {
            subject: (1603 + idx).to_string(),
            source: format!("data_160{idx}_accel_phone.txt:{}", 3_568 * (idx + 1)),
            label: idx % 6,
            prediction: (idx + 1) % 6,
            margin: 2.7 - 0.2 * idx as f64,
            values: (0..120).flat_map(|sample| [0, 1, 2].map(|channel| at(sample, channel))).collect(),
            channels: vec!["x".into(), "y".into(), "z".into()],
        }
    };
    (0..6).map(one).collect()
}
