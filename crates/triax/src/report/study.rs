//! The report of a study.

use maud::{Markup, html};
use triax_study::{Band, Comparison, Competitor, Kind, Summary};
use triax_trainer::ClassMetrics;

use crate::report::charts::curves::{self, Curves, Point};
use crate::report::charts::inline::{Axis, whisker};
use crate::report::charts::reliability;
use crate::report::numbers::{
    counted, decimals, figure, grouped, interval, interval_in_percent, p_value, percent, signed,
};
use crate::report::verdict::{self, StudyVerdict};
use crate::report::{audit, confusion, mistakes, page, tables};
use crate::text::step_in_words;

/// The text of `report.html` for a study.
pub fn study_html(summary: &Summary) -> String {
    let best = verdict::best(summary);
    let body = html! {
        (audit::warning(&summary.audit, verdict::is_random(summary)))
        (opening(summary, best))
        (competitors(summary))
        (comparisons(summary))
        @if let Some(best) = best {
            (learning(summary, best))
            (confusions(summary, best))
            (classes(summary, best))
            (subjects(summary, best))
            @if let Some(found) = &best.reliability { (reliability::section(found)) }
            (mistakes::section(&best.mistakes, &summary.class_names, summary.rate_hz, &best.name))
        }
        (audit::section(&summary.audit))
        (settings(summary))
        (page::section("To repeat it", "The same data and the same version of Triax give the same figures.", &html! {
            (page::commands([("The study again", summary.command.as_str())]))
        }))
    };
    page::page(&format!("Study of {}", summary.data), "study", &body, &summary.version)
}

/// The head of the page, with the verdict.
fn opening(summary: &Summary, best: Option<&Competitor>) -> Markup {
    let verdict = StudyVerdict::new(summary);
    let n_settings = verdict::ranked(summary, Kind::Network).len() as u64;
    let figures = best.map(|best| {
        [
            ("macro-F1", figure(best.macro_f1.mean), interval(&best.macro_f1)),
            ("accuracy", percent(best.accuracy.mean), interval_in_percent(&best.accuracy)),
            ("trainings", grouped(summary.n_trainings as u64), shape(summary, n_settings)),
            ("judged by", counted(best.subjects.len() as u64, "subject"), counted(summary.n_windows as u64, "window")),
        ]
    });
    html! {
        header {
            p.kicker { "Study · " (summary.data) @if summary.synthetic { " (synthetic)" } " · " (summary.folds) }
            h1 { (verdict.headline) }
            (page::verdict(&verdict.sentences))
            @if let Some(figures) = figures { (page::headline_figures(&figures)) }
        }
    }
}

fn shape(summary: &Summary, n_settings: u64) -> String {
    let (folds, seeds) = (summary.n_folds as u64, summary.n_seeds as u64);
    format!("{} × {} × {}", counted(n_settings, "setting"), counted(folds, "fold"), counted(seeds, "seed"))
}

fn competitors(summary: &Summary) -> Markup {
    // A baseline far below the networks would compress the axis. It is marked at the edge instead.
    let networks = || summary.competitors.iter().filter(|competitor| competitor.kind != Kind::Baseline);
    let worst = networks().map(|network| network.macro_f1.low).fold(1.0, f64::min);
    let near = |competitor: &&Competitor| competitor.macro_f1.low > worst - 0.2;
    let axis = Axis::for_fractions(summary.competitors.iter().filter(near).map(|competitor| &competitor.macro_f1));
    let kinds =
        [(Kind::Network, "networks"), (Kind::Ensemble, "ensembles of all seeds"), (Kind::Baseline, "baselines")];
    let body = html! {
        table.figures.competitors {
            caption { "Macro-F1 over subjects: mean (dot) and 95 % bootstrap interval (line)" }
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
                        @for competitor in ranked { (competitor_row(competitor, axis)) }
                    }
                }
            }
        }
    };
    let lead = format!("{} Each subject counts once, whatever it has of windows.", sentence(&summary.folds_in_words));
    page::section("What was compared", lead, &body)
}

/// A phrase as a sentence of its own.
fn sentence(phrase: &str) -> String {
    let mut letters = phrase.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
}

fn competitor_row(competitor: &Competitor, axis: Axis) -> Markup {
    let estimate = &competitor.macro_f1;
    let title = format!("macro-F1 {}, 95 % interval {}", figure(estimate.mean), interval(estimate));
    html! {
        tr {
            th scope="row" { (competitor.name) }
            td.number { (figure(estimate.mean)) small { (interval(estimate)) } }
            td.graph { (whisker(estimate, axis, &[], &title)) }
            td.number { (percent(competitor.accuracy.mean)) small { (interval_in_percent(&competitor.accuracy)) } }
        }
    }
}

fn comparisons(summary: &Summary) -> Markup {
    let best = verdict::best(summary).map_or("", |best| best.name.as_str());
    let pairs = |figure: &str, with_best: bool| {
        let wanted = |it: &&Comparison| it.figure == figure && (it.a == best || it.b == best) == with_best;
        summary.comparisons.iter().filter(wanted).collect::<Vec<_>>()
    };
    let lead = "Settings in pairs, over the same subjects: Wilcoxon’s signed-rank test, corrected by Holm for all pairs. \
                The effect is the rank-biserial correlation: 1 where every subject does better with the first, 0 where \
                none is ahead. A difference that is not shown is not shown to be absent either.";
    let folded = [
        ("Macro-F1 of all other pairs", "Macro-F1", pairs("macro_f1", false)),
        ("Accuracy of the same pairs", "Accuracy", pairs("accuracy", true)),
        ("Accuracy of all other pairs", "Accuracy", pairs("accuracy", false)),
    ];
    let body = html! {
        (comparison_table(&pairs("macro_f1", true), "Macro-F1"))
        @for (heading, name, pairs) in folded {
            @if !pairs.is_empty() { (page::folded(heading, &comparison_table(&pairs, name))) }
        }
    };
    html! { @if !summary.comparisons.is_empty() { (page::section("Are the differences real?", lead, &body)) } }
}

fn comparison_table(comparisons: &[&Comparison], name: &str) -> Markup {
    let axis = Axis::for_differences(comparisons.iter().map(|comparison| &comparison.difference));
    html! {
        table.figures.comparisons {
            caption { (name) ": difference of each pair, with its 95 % interval" }
            thead {
                tr {
                    th scope="col" { "pair" }
                    th.number scope="col" { "difference" }
                    th.graph scope="col" { span.axis { span { (signed(axis.low)) } span { "0" } span { (signed(axis.high)) } } }
                    th.number.minor scope="col" { "effect" }
                    th.number scope="col" { "p (Holm)" }
                }
            }
            tbody {
                @for comparison in comparisons {
                    @let difference = &comparison.difference;
                    @let ends = format!("{} to {}", signed(difference.low), signed(difference.high));
                    tr {
                        th scope="row" { (comparison.a) " − " (comparison.b) small.words { (comparison.words) } }
                        td.number { (signed(difference.mean)) small { (ends) } }
                        td.graph { (whisker(difference, axis, &[0.0], &format!("difference {}, {ends}", signed(difference.mean)))) }
                        td.number.minor { (signed(comparison.effect)) }
                        td.number { (p_value(comparison.p_holm)) }
                    }
                }
            }
        }
    }
}

fn learning(summary: &Summary, best: &Competitor) -> Markup {
    let caption = format!("Lines are means, bands the middle 90 % of {}.", shape(summary, 1));
    let with_curves = |one: &&&Competitor| !one.curves.is_empty() && one.name != best.name;
    let networks = verdict::ranked(summary, Kind::Network);
    let others: Vec<_> = networks.iter().filter(with_curves).collect();
    let body = html! {
        (curves::figures(loss_and_accuracy(best), &caption))
        (page::others(others.iter().map(|one| (one.name.as_str(), curves::figures(loss_and_accuracy(one), &caption)))))
    };
    let lead = format!("How {} learned.", best.name);
    html! { @if !best.curves.is_empty() { (page::section("Learning curves", lead, &body)) } }
}

fn loss_and_accuracy(competitor: &Competitor) -> [Curves; 2] {
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

fn confusions(summary: &Summary, best: &Competitor) -> Markup {
    let matrix = |one: &Competitor| {
        let caption = format!("{}: percent of the windows of each class, summed over folds and seeds", one.name);
        confusion::matrix(&one.confusion, &summary.class_names, &caption)
    };
    let others = || summary.competitors.iter().filter(|other| other.name != best.name);
    let body = html! {
        (matrix(best))
        (page::others(others().map(|one| (one.name.as_str(), matrix(one)))))
    };
    page::section("What is taken for what", "Rows are what was done, columns what it was taken for.", &body)
}

fn classes(summary: &Summary, best: &Competitor) -> Markup {
    let figures = ClassMetrics::from_confusion(&best.confusion, &summary.class_names);
    let recalls = html! {
        @let caption = "Recall of each class, by every setting";
        (page::scrolling(caption, &html! {
            table.figures {
                caption { (caption) }
                thead {
                    tr { th scope="col" { "setting" } @for name in &summary.class_names { th.number scope="col" { (name) } } }
                }
                tbody {
                    @for one in &summary.competitors {
                        tr { th scope="row" { (one.name) } @for &recall in &one.recall { td.number { (figure(recall)) } } }
                    }
                }
            }
        }))
    };
    let body = html! {
        (tables::classes(&figures, &summary.class_names, &format!("{}: all folds and seeds pooled", best.name)))
        (page::folded("Recall of every setting", &recalls))
    };
    let lead = format!("Pooled over all windows the macro-F1 is {}.", figure(best.pooled_macro_f1));
    page::section("Classes", lead, &body)
}

fn subjects(summary: &Summary, best: &Competitor) -> Markup {
    let each =
        |one: &Competitor| tables::subjects(&one.subjects, &format!("{}: each subject, the hardest first", one.name));
    let others = || summary.competitors.iter().filter(|one| one.name != best.name && !one.subjects.is_empty());
    let body = html! {
        (each(best))
        (page::others(others().map(|one| (one.name.as_str(), each(one)))))
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
        ("subjects", grouped(summary.n_subjects as u64)),
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
