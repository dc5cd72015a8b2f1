//! The report of a study.

use maud::{Markup, html};
use triax_study::{Band, Competitor, Kind, Summary};
use triax_trainer::ClassMetrics;

use crate::report::charts::curves::{self, Curves, Point};
use crate::report::charts::inline::{Axis, whisker};
use crate::report::charts::reliability;
use crate::report::numbers::{counted, decimals, figure, grouped, interval, interval_in_percent, name, percent};
use crate::report::verdict::{self, StudyVerdict};
use crate::report::{audit, calibration, comparisons, confusion, methods, mistakes, page, probabilities, tables};
use crate::study::Labels;
use crate::text::{lacking_in_words, step_in_words};

/// The file beside the report that has all of its figures.
const FILE: &str = "summary.json";
/// The most settings in a table.
const MOST_ROWS: usize = 60;

/// The text of `report.html` for a study.
pub fn study_html(summary: &Summary) -> String {
    let (best, labels) = (verdict::best(summary), &Labels::new(summary));
    let body = html! {
        (audit::warning(&summary.audit, verdict::is_random(summary)))
        (opening(summary, labels, best))
        (competitors(summary, labels))
        (comparisons::section(summary, labels))
        (comparisons::main_effects(summary))
        (calibration::section(summary, labels))
        @if let Some(best) = best {
            (learning(summary, labels, best))
            (confusions(summary, labels, best))
            (classes(summary, labels, best))
            (subjects(summary, labels, best))
            @if let Some(found) = &best.reliability { (reliability::section(found)) }
            @if let Some(found) = &best.temperature_scaling { (probabilities::section(found, &summary.class_names)) }
            @let whose = name(&labels.of(&best.name));
            (mistakes::section(&best.mistakes, &summary.class_names, summary.rate_hz, &whose))
        }
        (audit::section(&summary.audit))
        (methods::section(summary))
        (settings(summary))
        (page::section("To repeat it", "The same data and the same version of Triax give the same figures.", &html! {
            (page::commands([("The study again", summary.command.as_str())]))
        }))
    };
    page::page(&format!("Study of {}", summary.data), "study", &body, &summary.version)
}

/// The head of the page, with the verdict.
fn opening(summary: &Summary, labels: &Labels, best: Option<&Competitor>) -> Markup {
    let verdict = StudyVerdict::new(summary, labels);
    let n_settings = verdict::ranked(summary, Kind::Network).len() as u64;
    let figures = best.map(|best| {
        [
            ("macro-F1", figure(best.macro_f1.mean), interval(&best.macro_f1)),
            ("accuracy", percent(best.accuracy.mean), interval_in_percent(&best.accuracy)),
            ("trainings", grouped(summary.n_trainings as u64), shape(summary, n_settings)),
            ("judged by", judges(summary, best), counted(summary.n_judged_windows as u64, "window")),
        ]
    });
    html! {
        header {
            p.kicker { "Study · " (summary.data) @if summary.synthetic { " (synthetic)" } " · " (summary.folds) }
            h1 { (verdict.headline) }
            (page::verdict(&verdict.sentences, &summary.caveats))
            @if let Some(figures) = figures { (page::headline_figures(&figures)) }
        }
    }
}

/// The subjects that judged `best`, and how many of all they are.
fn judges(summary: &Summary, best: &Competitor) -> String {
    match (summary.n_judged_subjects, best.macro_f1.n) {
        (0, _) => "nobody known".to_owned(),
        (_, n) if n < summary.n_subjects => format!("{n} of {}", counted(summary.n_subjects as u64, "subject")),
        (_, n) => counted(n as u64, "subject"),
    }
}

fn shape(summary: &Summary, n_settings: u64) -> String {
    let (folds, seeds) = (summary.n_folds as u64, summary.n_seeds as u64);
    format!("{} × {} × {}", counted(n_settings, "setting"), counted(folds, "fold"), counted(seeds, "seed"))
}

/// The axis of the macro-F1 of all competitors. A baseline far below the networks would compress it, and is marked at its edge
/// instead.
pub fn axis_of_settings(summary: &Summary) -> Axis {
    let networks = || summary.competitors.iter().filter(|competitor| competitor.kind != Kind::Baseline);
    let worst = networks().map(|network| network.macro_f1.ends()[0]).fold(1.0, f64::min);
    let near = |competitor: &&Competitor| competitor.macro_f1.ends()[0] > worst - 0.2;
    Axis::for_fractions(summary.competitors.iter().filter(near).map(|competitor| &competitor.macro_f1))
}

fn competitors(summary: &Summary, labels: &Labels) -> Markup {
    let axis = axis_of_settings(summary);
    let kinds =
        [(Kind::Network, "networks"), (Kind::Ensemble, "ensembles of all seeds"), (Kind::Baseline, "baselines")];
    let caption = match summary.n_judged_subjects {
        0 => "Macro-F1 of all windows as one".to_owned(),
        1 => "Macro-F1 of one subject".to_owned(),
        n => format!(
            "Macro-F1 over {n} subjects: mean (dot) and 95 % bootstrap interval (line), each by itself and not corrected"
        ),
    };
    let body = html! {
        table.figures.competitors {
            caption { (caption) }
            thead {
                tr {
                    th scope="col" { "setting" }
                    th.number scope="col" { "macro-F1" }
                    th.graph scope="col" {
                        span.axis { span { (decimals(axis.low, 1)) } span { (decimals(axis.high, 1)) } }
                    }
                    th.number scope="col" { "accuracy" }
                }
            }
            @for (kind, heading) in kinds {
                @let ranked = verdict::ranked(summary, kind);
                @if !ranked.is_empty() {
                    tbody {
                        tr.kind { th colspan="4" scope="rowgroup" { (heading) } }
                        @for competitor in ranked.iter().take(MOST_ROWS) { (competitor_row(competitor, &labels.of(&competitor.name), axis)) }
                        @if ranked.len() > MOST_ROWS {
                            tr { td colspan="4" { "and " (grouped((ranked.len() - MOST_ROWS) as u64)) " more, in " (FILE) } }
                        }
                    }
                }
            }
        }
        (legend(labels))
    };
    let lead = format!("{} Each subject counts once, whatever it has of windows.", sentence(&summary.folds_in_words));
    page::section("What was compared", lead, &body)
}

/// What letters and names of values stand for.
fn legend(labels: &Labels) -> Markup {
    let legend = labels.legend();
    let shown = legend.iter().take(MOST_ROWS).map(|(label, meaning)| (label.as_str(), meaning.clone()));
    html! {
        @if !legend.is_empty() {
            h3 { "What the names stand for" }
            (page::facts(shown))
            (page::more(legend.len().saturating_sub(MOST_ROWS), FILE))
        }
    }
}

/// A phrase as a sentence of its own.
fn sentence(phrase: &str) -> String {
    let mut letters = phrase.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
}

fn competitor_row(competitor: &Competitor, label: &str, axis: Axis) -> Markup {
    let estimate = &competitor.macro_f1;
    let sure = if estimate.interval.is_some() { ", 95 % interval " } else { ", " };
    let title = format!("macro-F1 {}{sure}{}", figure(estimate.mean), interval(estimate));
    html! {
        tr {
            th scope="row" { (name(label)) }
            td.number { (figure(estimate.mean)) small { (interval(estimate)) } }
            td.graph { (whisker(estimate, axis, &[], &title)) }
            td.number { (percent(competitor.accuracy.mean)) small { (interval_in_percent(&competitor.accuracy)) } }
        }
    }
}

fn learning(summary: &Summary, labels: &Labels, best: &Competitor) -> Markup {
    let caption = format!("Lines are means, bands the middle 90 % of {}.", shape(summary, 1));
    let with_curves = |one: &&Competitor| !one.curves.is_empty() && one.name != best.name;
    let others: Vec<_> = verdict::ranked(summary, Kind::Network).into_iter().filter(with_curves).collect();
    let body = html! {
        (curves::figures(loss_and_accuracy(best), &caption))
        (page::others(&others, |one| labels.of(&one.name), |one| curves::figures(loss_and_accuracy(one), &caption)))
    };
    let lead = format!("How {} learned.", name(&labels.of(&best.name)));
    html! { @if !best.curves.is_empty() { (page::section("Learning curves", lead, &body)) } }
}

/// The curves of both figures over the epochs.
pub fn loss_and_accuracy(competitor: &Competitor) -> [Curves; 2] {
    let points = |figure: fn(&triax_study::EpochBand) -> Option<Band>| {
        let point = |it: &triax_study::EpochBand| {
            figure(it).map(|Band { mean, low, high }| Point { epoch: it.epoch, mean, low, high })
        };
        competitor.curves.iter().filter_map(point).collect()
    };
    [
        Curves {
            name: "Loss",
            is_fraction: false,
            train: points(|epoch| Some(epoch.loss)),
            valid: points(|epoch| epoch.valid_loss),
        },
        Curves {
            name: "Accuracy",
            is_fraction: true,
            train: points(|epoch| Some(epoch.accuracy)),
            valid: points(|epoch| epoch.valid_accuracy),
        },
    ]
}

fn confusions(summary: &Summary, labels: &Labels, best: &Competitor) -> Markup {
    let matrix = |one: &Competitor, most_classes: usize| {
        let caption = format!(
            "{}: percent of the windows of each class, summed over folds and seeds",
            name(&labels.of(&one.name))
        );
        confusion::matrix(&one.confusion, &summary.class_names, most_classes, &caption, FILE)
    };
    let others: Vec<_> = summary.competitors.iter().filter(|other| other.name != best.name).collect();
    let body = html! {
        (matrix(best, confusion::MOST_OF_BEST))
        (page::others(&others, |one| labels.of(&one.name), |one| matrix(one, confusion::MOST_OF_OTHERS)))
    };
    page::section("What is taken for what", "Rows are what was done, columns what it was taken for.", &body)
}

fn classes(summary: &Summary, labels: &Labels, best: &Competitor) -> Markup {
    let figures = ClassMetrics::from_confusion(&best.confusion, &summary.class_names);
    // Of many classes those that the best recognises least.
    let mut columns: Vec<usize> = (0..summary.class_names.len()).collect();
    if columns.len() > confusion::MOST_OF_BEST {
        columns.sort_by(|&a, &b| best.recall[a].unwrap_or(2.0).total_cmp(&best.recall[b].unwrap_or(2.0)));
        columns.truncate(confusion::MOST_OF_BEST);
    }
    let recalls = html! {
        @let caption = "Recall of each class, by every setting";
        (page::scrolling(caption, &html! {
            table.figures {
                caption { (caption) }
                thead {
                    tr {
                        th scope="col" { "setting" }
                        @for &class in &columns { th.number scope="col" { (name(&summary.class_names[class])) } }
                    }
                }
                tbody {
                    @for one in summary.competitors.iter().take(MOST_ROWS) {
                        tr {
                            th scope="row" { (name(&labels.of(&one.name))) }
                            @for &class in &columns { td.number { (figure(one.recall[class].unwrap_or(f64::NAN))) } }
                        }
                    }
                }
            }
        }))
        (page::more(summary.class_names.len() - columns.len(), "results.csv"))
    };
    let body = html! {
        @let caption = format!("{}: all folds and seeds pooled", name(&labels.of(&best.name)));
        (tables::classes(&figures, &summary.class_names, &caption, FILE))
        (page::folded("Recall of every setting", &recalls))
    };
    let lacking = lacking_in_words(&best.confusion, &summary.class_names).unwrap_or_default();
    let lead = format!("Pooled over all windows the macro-F1 is {}. {lacking}", figure(best.pooled_macro_f1));
    page::section("Classes", lead, &body)
}

fn subjects(summary: &Summary, labels: &Labels, best: &Competitor) -> Markup {
    let each = |one: &Competitor| {
        tables::subjects(
            &one.subjects,
            &format!("{}: each subject, the hardest first", name(&labels.of(&one.name))),
            FILE,
        )
    };
    let is_other = |one: &&Competitor| one.name != best.name && !one.subjects.is_empty();
    let others: Vec<_> = summary.competitors.iter().filter(is_other).collect();
    let body = html! {
        (each(best))
        (page::others(&others, |one| labels.of(&one.name), |one| each(one)))
    };
    let lead = if verdict::is_random(summary) {
        "Each subject, by networks that know it."
    } else {
        "Each subject, by networks that never saw it; means over the seeds, over the classes that it has."
    };
    html! { @if !best.subjects.is_empty() { (page::section("Subjects", lead, &body)) } }
}

fn settings(summary: &Summary) -> Markup {
    let rate =
        summary.rate_hz.map_or_else(|| "unknown".to_owned(), |rate| format!("{} Hz", (rate * 100.0).round() / 100.0));
    let facts = [
        ("data", summary.data.clone()),
        ("fingerprint (SHA-256)", summary.fingerprint.clone()),
        ("subjects", if summary.n_subjects == 0 { "unknown".to_owned() } else { grouped(summary.n_subjects as u64) }),
        (
            "windows",
            format!(
                "{}, {} samples each, {}",
                grouped(summary.n_windows as u64),
                summary.window,
                step_in_words(summary.step)
            ),
        ),
        ("rate", rate),
        ("folds", summary.folds.clone()),
        ("devices", summary.devices.join("; ")),
        ("Triax", summary.version.clone()),
    ];
    let body = html! {
        div.grid.halves {
            div { h3 { "Data and machine" } (page::facts(facts)) }
            div {
                h3 { "Settings that all share" }
                (page::facts(summary.shared_settings.iter().map(|(name, value)| (name.as_str(), value.clone()))))
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
    use triax_study::Comparison;

    #[test]
    fn the_verdict_comes_before_everything_else() {
        let html = study_html(&samples::study());
        let at = |text: &str| html.find(text).unwrap_or_else(|| panic!("no `{text}`"));
        let order = [
            "<h1>",
            "What was compared",
            "Are the differences real?",
            "Learning curves",
            "What is taken for what",
            "Classes",
            "Subjects</h2>",
            "Calibration",
            "Most wrong",
            "Leakage audit",
            "Settings, data, device",
            "To repeat it",
        ];
        assert!(order.map(at).is_sorted(), "{:?}", order.map(at));
        assert!(!html.contains("class=\"warning\""));
    }

    #[test]
    fn a_grid_of_hundreds_of_settings_stays_small() {
        let mut summary = samples::study();
        let (first, pair) = (summary.competitors[0].clone(), summary.comparisons[0].clone());
        for n in 0..400 {
            summary.competitors.push(Competitor { name: format!("setting {n}"), ..first.clone() });
            summary.comparisons.push(Comparison { b: format!("setting {n}"), ..pair.clone() });
        }
        let html = study_html(&summary);
        assert!(html.len() < 2_000_000, "{} bytes", html.len());
        assert!(html.contains("more, in summary.json"));
    }

    #[test]
    fn caveats_are_beside_the_verdict_and_one_subject_has_no_interval() {
        let mut summary = Summary { caveats: vec!["Nobody but s03 does swim.".into()], ..samples::study() };
        summary.comparisons.clear();
        summary.calibrations.clear();
        (summary.n_judged_subjects, summary.n_subjects) = (1, 20);
        for one in &mut summary.competitors {
            one.subjects.truncate(1);
            for estimate in [&mut one.macro_f1, &mut one.accuracy] {
                (estimate.n, estimate.interval) = (1, None);
            }
        }
        let html = study_html(&summary);
        let header = &html[..html.find("</header>").expect("a header")];
        for text in ["Nobody but s03 does swim.", "on one person it never saw", "of one subject.", "1 of 20 subjects"] {
            assert!(header.contains(text), "`{text}` is not in {header}");
        }
        for claim in ["95 % interval", "class=\"interval\"", "16 people"] {
            assert!(!html.contains(claim), "`{claim}` is claimed");
        }
    }

    #[test]
    fn a_leak_and_random_folds_warn_above_the_verdict() {
        let mut summary = samples::study();
        let words = "12 of 20 windows share samples".to_owned();
        summary.audit.findings.push(Finding { check: "shared samples".into(), verdict: Verdict::Leak, words });
        let leaking = study_html(&summary);
        let random = study_html(&Summary { folds: "random-5".into(), ..samples::study() });
        for (html, reason) in [(leaking, "12 of 20 windows share samples"), (random, "split at random")] {
            let warning = html.find("class=\"warning\"").expect("a warning");
            assert!(warning < html.find("<h1>").unwrap());
            assert!(html[warning..].contains(reason));
        }
    }

    #[test]
    fn nothing_is_loaded_and_names_do_nothing() {
        let html = study_html(&samples::hostile_study());
        samples::check_self_contained(&html);
    }

    #[test]
    fn a_study_of_nothing_still_gives_a_page() {
        let html = study_html(&Summary { competitors: Vec::new(), comparisons: Vec::new(), ..samples::study() });
        assert!(html.contains("Nothing was compared"));
        samples::check_self_contained(&html);
    }
}
