//! What a paper says about how a study was made: data, networks, folds, statistics, software.

use std::path::Path;

use maud::{Markup, html};
use triax_model::LOW_PASS_S;
use triax_study::statistics::{LEVEL, RESAMPLES};
use triax_study::{Kind, Summary};

use crate::report::numbers::{counted, grouped};
use crate::report::{page, verdict};
use crate::settings::ModelName;
use crate::shell;
use crate::text::{joined, step_in_words};

/// The key by which [`paragraphs`] cite the software, in brackets.
pub const KEY: &str = "triax";
/// Who wrote the software, its name, and the year of this version: those of CITATION.cff.
const AUTHOR: &str = "The Triax founders";
const TITLE: &str = "Triax: small convolutional networks on windows of motion sensors";
const YEAR: &str = "2026";

/// Characters of a line of the command: as many as one of two columns of a page holds in small letters of equal width.
const WIDTH: usize = 48;

/// Settings of training that a methods section names, where all trainings share them.
const NAMED: [&str; 13] = [
    "convs",
    "hidden",
    "dropout",
    "loss",
    "class_weights",
    "label_smoothing",
    "optimizer",
    "learning_rate",
    "lr_schedule",
    "epochs",
    "batch_size",
    "average_last",
    "sampling",
];

/// The methods of the study as paragraphs of plain text, the last of which announces the [`command`]. The software is cited as
/// `[triax]`; see [`bibtex`].
pub fn paragraphs(summary: &Summary) -> Vec<String> {
    [data(summary), training(summary), evaluation(summary), statistics(summary), software(summary)]
        .map(|sentences| sentences.join(" "))
        .into()
}

/// The command of the study in lines that a shell reads as one. Of the path of the data it has the name alone.
pub fn command(summary: &Summary) -> String {
    let mut words = shell::words(&summary.command);
    if let Some(data) = words.iter().position(|word| word == "--data").and_then(|at| words.get_mut(at + 1)) {
        *data = Path::new(data).file_name().map_or_else(|| data.clone(), |name| name.to_string_lossy().into_owned());
    }
    shell::in_lines(&words, WIDTH)
}

/// The entry of this version of the software for BibTeX.
pub fn bibtex(version: &str) -> String {
    format!(
        "@software{{{KEY},\n  author = {{{{{AUTHOR}}}}},\n  title = {{{{{TITLE}}}}},\n  version = {{{version}}},\n  year = \
         {{{YEAR}}}\n}}\n"
    )
}

/// The section of the report.
pub fn section(summary: &Summary) -> Markup {
    let body = html! {
        div.methods { @for paragraph in paragraphs(summary) { p { (paragraph) } } }
        pre { code { (command(summary)) } }
        (page::folded("BibTeX", &html! { pre { code { (bibtex(&summary.version)) } } }))
    };
    page::section("Methods", "As a paper may say it; check it against what you did.", &body)
}

fn data(summary: &Summary) -> Vec<String> {
    let who = match summary.n_subjects {
        0 => "subjects unknown".to_owned(),
        n => counted(n as u64, "subject"),
    };
    let made = if summary.synthetic { ", made by a program and not measured" } else { "" };
    let seconds = summary.rate_hz.map_or_else(String::new, |rate| {
        let seconds = (summary.window as f64 / rate * 100.0).round() / 100.0;
        format!(" ({seconds} s at {} Hz)", (rate * 100.0).round() / 100.0)
    });
    let mut sentences = vec![
        format!(
            "The data is {} ({who}; SHA-256 {}){made}, with {} classes: {}.",
            summary.data,
            summary.fingerprint,
            grouped(summary.class_names.len() as u64),
            joined(&summary.class_names)
        ),
        format!(
            "It was cut into {} of {} samples{seconds}, {}.",
            counted(summary.n_windows as u64, "window"),
            summary.window,
            step_in_words(summary.step)
        ),
    ];
    let normalised = match summary.shared_settings.get("normalize").map(String::as_str) {
        Some("standard") => {
            Some("Each channel was standardised by the mean and deviation of the training part of a fold.")
        }
        Some("window") => Some("Each window was standardised by its own mean and deviation, channel by channel."),
        Some("gravity") => Some(
            "Each window was turned so that gravity points one way, and channels were standardised by the training part of a \
             fold.",
        ),
        Some("none") => Some("Values were not normalised."),
        _ => None,
    };
    if let Some(kinds) = summary.shared_settings.get("derive").filter(|kinds| !matches!(kinds.as_str(), "" | "raw")) {
        sentences.push(format!(
            "Of each three axes of a sensor, the networks read these channels: {}. Their low-pass takes two moving averages of \
             {LOW_PASS_S} s; vertical is the component along gravity (Mizell, 2003).",
            kinds.replace(',', ", ")
        ));
    }
    sentences.extend(normalised.map(str::to_owned));
    sentences
}

fn training(summary: &Summary) -> Vec<String> {
    let n_settings = verdict::ranked(summary, Kind::Network).len();
    let (varied, models) = (varied(summary), models(summary));
    let compared = match varied.len() {
        0 => format!("{} was trained.", models.one),
        _ => format!(
            "{} of {} were compared, which differ in {}.",
            counted(n_settings as u64, "setting"),
            models.several,
            joined(&varied)
        ),
    };
    let shared =
        models.named.iter().copied().filter_map(|name| Some(format!("{name} {}", summary.shared_settings.get(name)?)));
    let shared: Vec<String> = shared.collect();
    let mut sentences = vec![compared];
    if !shared.is_empty() {
        sentences.push(format!("All trainings share: {}.", shared.join("; ")));
    }
    sentences.push(
        "The weights at the end of training were judged; no epoch was chosen by the windows that judge.".to_owned(),
    );
    sentences
}

/// What a study has trained, in words.
struct Models {
    one: &'static str,
    several: &'static str,
    /// The settings of training that a methods section names.
    named: &'static [&'static str],
}

fn models(summary: &Summary) -> Models {
    let shared = summary.shared_settings.get("model").map(String::as_str);
    let varied = summary.competitors.iter().filter_map(|one| one.settings.get("model")).map(String::as_str);
    let is_network = |name: &str| name == ModelName::Network.name();
    // Studies of early versions know no other models.
    let kinds: Vec<bool> = shared.into_iter().chain(varied).map(is_network).collect();
    match (kinds.iter().all(|&network| network), kinds.contains(&true)) {
        (true, _) => Models {
            one: "A one-dimensional convolutional network",
            several: "one-dimensional convolutional networks",
            named: &NAMED,
        },
        (false, true) => Models {
            one: "A model",
            several: "one-dimensional convolutional networks, and of classical models on features of the windows in time and \
                      frequency,",
            named: &NAMED,
        },
        (false, false) => Models {
            one: "A classical model on features of the windows in time and frequency",
            several: "classical models on features of the windows in time and frequency",
            named: &["model", "features", "regularization"],
        },
    }
}

/// Each setting that varies, with its values, and what those are that have names.
fn varied(summary: &Summary) -> Vec<String> {
    let mut varied: Vec<(&str, Vec<String>)> = Vec::new();
    for one in summary.competitors.iter().filter(|one| one.kind == Kind::Network) {
        for (setting, value) in &one.settings {
            let value = match summary.value_name(setting, value) {
                called if called == value => value.clone(),
                called => format!("{called} = {value}"),
            };
            match varied.iter_mut().find(|(known, _)| known == setting) {
                Some((_, values)) if values.contains(&value) => {}
                Some((_, values)) => values.push(value),
                None => varied.push((setting, vec![value])),
            }
        }
    }
    let mut varied: Vec<String> =
        varied.into_iter().map(|(setting, values)| format!("{setting} ({})", values.join("; "))).collect();
    varied.sort();
    varied
}

fn evaluation(summary: &Summary) -> Vec<String> {
    let seeds = match (summary.n_seeds, summary.shared_settings.get("seed").and_then(|seed| seed.parse::<u64>().ok())) {
        (1, Some(seed)) => format!("one seed ({seed})"),
        (n, Some(seed)) => format!("{n} seeds ({seed} to {})", seed.saturating_add(n as u64 - 1)),
        (n, None) => counted(n as u64, "seed"),
    };
    let broken = match summary.n_broken {
        0 => String::new(),
        n => format!("; {} of them broke down and are left out", grouped(n as u64)),
    };
    let mut sentences = vec![
        format!(
            "The protocol ({}, {}) is: {}.",
            summary.folds,
            counted(summary.n_folds as u64, "fold"),
            summary.folds_in_words
        ),
        format!(
            "Each setting was trained on each fold with {seeds}, {} in all{broken}.",
            counted(summary.n_trainings as u64, "training")
        ),
    ];
    let baselines: Vec<String> =
        verdict::ranked(summary, Kind::Baseline).iter().map(|one| one.name.replace('_', " ")).collect();
    if !baselines.is_empty() {
        sentences.push(format!(
            "Baselines ({}) were trained on features of the windows, on the same folds.",
            joined(&baselines)
        ));
    }
    sentences.push(if summary.audit.leaks() {
        "The audit of the folds found that validation shares something with training; see the report.".to_owned()
    } else {
        "An audit of the folds found no leak from validation to training.".to_owned()
    });
    sentences
}

fn statistics(summary: &Summary) -> Vec<String> {
    let each = "Macro-F1 is the mean F1 of the classes that occur in what is judged.";
    if summary.n_judged_subjects < 2 {
        let who = if summary.n_judged_subjects == 1 { "One subject was judged" } else { "All windows count as one" };
        return vec![each.to_owned(), format!("{who}: there are no intervals and no tests.")];
    }
    let mut sentences = vec![
        each.to_owned(),
        format!(
            "Accuracy and macro-F1 of each of {} subjects were averaged over seeds; means and their 95 % intervals are over \
             subjects (percentile bootstrap of {} resamples), and the intervals are not corrected for their number.",
            summary.n_judged_subjects,
            grouped(RESAMPLES as u64)
        ),
    ];
    let n_comparisons = summary.comparisons.iter().filter(|one| one.figure == "macro_f1").count();
    if n_comparisons > 0 {
        sentences.push(format!(
            "Pairs were compared over the same subjects by Wilcoxon's two-sided signed-rank test, with the matched-pairs \
             rank-biserial correlation as effect size; p-values were corrected by Holm for {} of each figure, and a \
             difference is called shown where the corrected p is below {LEVEL}.",
            counted(n_comparisons as u64, "comparison")
        ));
    }
    if !summary.main_effects.is_empty() {
        sentences.push(
            "The main effect of a setting is the mean of each subject over all combinations of the other settings; values \
             were compared in the same way, corrected for the pairs of values of the setting."
                .to_owned(),
        );
    }
    sentences
}

fn software(summary: &Summary) -> Vec<String> {
    vec![
        format!("Everything was computed by Triax {} [{KEY}] on {}.", summary.version, joined(&summary.devices)),
        "The command is:".to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    #[test]
    fn the_methods_name_everything_that_figures_depend_on() {
        let text = paragraphs(&samples::grid()).join("\n");
        for said in [
            "16 subjects; SHA-256 3f1c9b",
            "8,512 windows of 120 samples (6 s at 20 Hz)",
            "4 settings of one-dimensional convolutional networks",
            "convs (64:5:2:2,96:5:1:2,128:3:1; narrow = 32:3:2:2,64:3:2) and loss (hinge; squared_hinge)",
            "16 folds",
            "320 trainings in all",
            "Baselines (logistic regression and majority)",
            "10,000 resamples",
            "not corrected for their number",
            "corrected by Holm for 6 comparisons",
            "The main effect",
            "Triax 0.1.0 [triax]",
            "The command is:",
        ] {
            assert!(text.contains(said), "`{said}` is not in\n{text}");
        }
    }

    #[test]
    fn the_command_has_short_lines_and_no_path_of_the_author() {
        let data =
            "triax study --data '/home/ada lovelace/runs.csv' --vary 'convs=small:4:5:2:2|large:8:5:1:2,4:3:1:2'";
        let command =
            command(&Summary { command: format!("{data} --epochs 1 --folds loso --seeds 5"), ..samples::grid() });
        assert_eq!(
            command,
            "triax study --data runs.csv --vary \\\n  \"convs=small:4:5:2:2|large:8:5:1:2,4:3:1:2\" \\\n  --epochs 1 --folds loso \
             --seeds 5"
        );
    }

    #[test]
    fn one_subject_is_given_no_statistics() {
        let summary = Summary { n_judged_subjects: 1, ..samples::study() };
        let text = paragraphs(&summary).join("\n");
        assert!(text.contains("no intervals and no tests") && !text.contains("Wilcoxon"), "{text}");
    }

    #[test]
    fn the_entry_for_bibtex_is_whole() {
        let entry = bibtex("0.1.0");
        assert!(entry.starts_with("@software{triax,\n") && entry.contains("version = {0.1.0}"), "{entry}");
        assert_eq!(entry.matches('{').count(), entry.matches('}').count());
    }
}
