//! The figures of a study's report as files for a paper.

use triax_study::{Comparison, Kind, Summary, figure_in_words};

use super::charts::canvas::Canvas;
use super::charts::forest::{Rows, forest};
use super::charts::inline::Axis;
use super::charts::legend::with_legend;
use super::charts::matrix::matrix;
use super::charts::{curves, pdf, reliability, svg};
use super::numbers::{figure, interval, interval_of_difference, signed};
use super::{comparisons, confusion, study, verdict};
use crate::study::Labels;

/// The most rows of a figure: as many as a page holds. `summary.json` has all.
const MOST_ROWS: usize = 40;

/// A figure of a study.
pub struct StudyFigure {
    /// Name of its file, without extension.
    pub name: &'static str,
    /// What it shows, for its caption.
    pub title: String,
    canvas: Canvas,
}

impl StudyFigure {
    /// The figure as an SVG file.
    pub fn svg(&self) -> String {
        svg::file(&self.canvas, &self.title)
    }

    /// The figure as a PDF file of one page, with its font embedded. Letters other than Latin, Greek and Cyrillic ones are
    /// shown as `?`.
    pub fn pdf(&self) -> Vec<u8> {
        pdf::file(&self.canvas, &self.title)
    }
}

/// The figures of the study: settings, differences, main effects; and of the best setting its learning curves, its confusion
/// matrix and its calibration. What a study lacks has no figure. Settings are called as in its tables, with a legend below where
/// they have short names; the title of a figure of one setting has its whole name.
pub fn study_figures(summary: &Summary) -> Vec<StudyFigure> {
    let labels = Labels::new(summary);
    let mut figures = vec![settings(summary, &labels)];
    figures.extend(["macro_f1", "accuracy"].into_iter().filter_map(|by| differences(summary, &labels, by)));
    figures.extend(main_effects(summary, &labels));
    let Some(best) = verdict::best(summary) else { return figures };
    let whose = match labels.meaning(&best.name) {
        Some(name) => format!("{} ({name})", labels.of(&best.name)),
        None => best.name.clone(),
    };
    if !best.curves.is_empty() {
        for (curves, name) in study::loss_and_accuracy(best).into_iter().zip(["learning-loss", "learning-accuracy"]) {
            let title = format!("{} by epoch of {whose}: means, and the middle 90 % of trainings", curves.name);
            figures.push(StudyFigure { name, title, canvas: curves::with_key(curves) });
        }
    }
    if summary.class_names.len() <= confusion::MOST_OF_BEST {
        let title = format!("Confusion matrix of {whose}, in percent of each row, summed over folds and seeds");
        figures.push(StudyFigure { name: "confusion", title, canvas: matrix(&best.confusion, &summary.class_names) });
    }
    if let Some(found) = &best.reliability {
        let title = format!("Accuracy by confidence of {whose}");
        figures.push(StudyFigure { name: "calibration", title, canvas: reliability::canvas(found) });
    }
    figures
}

fn settings(summary: &Summary, labels: &Labels) -> StudyFigure {
    let kinds =
        [(Kind::Network, "networks"), (Kind::Ensemble, "ensembles of all seeds"), (Kind::Baseline, "baselines")];
    let group = |(kind, heading): (Kind, &str)| {
        let rows = verdict::ranked(summary, kind).into_iter().take(MOST_ROWS).map(|one| {
            let label = if kind == Kind::Ensemble { labels.of_setting(&one.name) } else { labels.of(&one.name) };
            (label, &one.macro_f1, format!("{} ({})", figure(one.macro_f1.mean), interval(&one.macro_f1)))
        });
        Rows { heading: heading.to_owned(), rows: rows.collect() }
    };
    let groups: Vec<Rows<'_>> = kinds.into_iter().map(group).filter(|group| !group.rows.is_empty()).collect();
    let canvas = forest(&groups, study::axis_of_settings(summary), "macro-F1", false);
    let shown = verdict::ranked(summary, Kind::Network).into_iter().take(MOST_ROWS).map(|one| one.name.as_str());
    let canvas = with_legend(canvas, &labels.legend_of(shown));
    let title = "Macro-F1 over subjects: means and 95 % bootstrap intervals, not corrected".to_owned();
    StudyFigure { name: "settings", title, canvas }
}

fn differences(summary: &Summary, labels: &Labels, by: &str) -> Option<StudyFigure> {
    let best = verdict::best(summary)?;
    let with_best = |it: &&Comparison| it.figure == by && (it.a == best.name || it.b == best.name);
    let found: Vec<&Comparison> = summary.comparisons.iter().filter(with_best).take(MOST_ROWS).collect();
    let rows = found.iter().map(|it| {
        let numbers = format!("{} ({})", signed(it.difference.mean), interval_of_difference(&it.difference));
        (format!("{} − {}", labels.of(&it.a), labels.of(&it.b)), &it.difference, numbers)
    });
    let rows: Vec<_> = rows.collect();
    let by_name = figure_in_words(by);
    let legend = labels.legend_of(found.iter().flat_map(|it| [it.a.as_str(), it.b.as_str()]));
    (!rows.is_empty()).then(|| StudyFigure {
        name: if by == "accuracy" { "differences-accuracy" } else { "differences-macro-f1" },
        title: format!("Differences in {by_name} over the same subjects: means and 95 % intervals, not corrected"),
        canvas: with_legend(
            forest(
                &[Rows { heading: "pairs with the best".to_owned(), rows }],
                comparisons::axis_of_differences(summary, &found),
                &format!("difference in {by_name}"),
                true,
            ),
            &legend,
        ),
    })
}

fn main_effects(summary: &Summary, labels: &Labels) -> Option<StudyFigure> {
    let groups: Vec<Rows<'_>> = summary
        .main_effects
        .iter()
        .map(|effect| {
            let rows = effect.levels.iter().take(MOST_ROWS).map(|level| {
                let numbers = format!("{} ({})", figure(level.macro_f1.mean), interval(&level.macro_f1));
                (summary.value_name(&effect.setting, &level.value).to_owned(), &level.macro_f1, numbers)
            });
            Rows { heading: effect.setting.clone(), rows: rows.collect() }
        })
        .collect();
    let levels = summary.main_effects.iter().flat_map(|effect| &effect.levels);
    let axis = Axis::for_fractions(levels.map(|level| &level.macro_f1));
    (!groups.is_empty()).then(|| StudyFigure {
        name: "main-effects",
        title: "Macro-F1 of each value of a setting, averaged over the others: means and 95 % intervals, not corrected"
            .to_owned(),
        canvas: with_legend(forest(&groups, axis, "macro-F1", false), &labels.legend_of([])),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    #[test]
    fn a_study_has_the_figures_of_its_report() {
        let names = |summary: &Summary| study_figures(summary).iter().map(|one| one.name).collect::<Vec<_>>();
        let of_best = ["learning-loss", "learning-accuracy", "confusion", "calibration"];
        let before = ["settings", "differences-macro-f1", "differences-accuracy", "main-effects"];
        assert_eq!(names(&samples::grid()), [before, of_best].concat());
        let nothing = Summary { competitors: Vec::new(), comparisons: Vec::new(), ..samples::study() };
        assert_eq!(names(&nothing), ["settings"]);
    }

    #[test]
    fn files_hold_the_names_and_numbers_as_text() {
        let figures = study_figures(&samples::grid());
        let settings = figures[0].svg();
        for text in [">A<", ">majority<", ">0.700 (0.659 to 0.738)<", ">macro-F1<"] {
            assert!(settings.contains(text), "`{text}` is not in {settings}");
        }
        for figure in &figures {
            let svg = figure.svg();
            assert!(svg.starts_with("<?xml") && svg.ends_with("</svg>\n") && !svg.contains("var("), "{svg}");
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
            assert!(figure.pdf().starts_with(b"%PDF-"));
        }
    }

    #[test]
    fn short_names_are_explained_where_they_are_shown() {
        let figures = study_figures(&samples::grid());
        for (name, parts) in [
            ("settings", &[">A: convs=64:5:2:2", ">D: convs=narrow", ">convs=narrow: 32:3:2:2,64:3:2<"][..]),
            ("differences-macro-f1", &[">A: convs=64:5:2:2", ">D: convs=narrow", ">convs=narrow: 32:3:2:2,64:3:2<"]),
            ("main-effects", &[">convs=narrow: 32:3:2:2,64:3:2<"]),
            ("confusion", &["of A (convs=64:5:2:2,96:5:1:2,128:3:1, loss=hinge), in percent"]),
        ] {
            let svg = figures.iter().find(|one| one.name == name).unwrap().svg();
            for part in parts {
                assert!(svg.contains(part), "`{part}` is not in {name}: {svg}");
            }
        }
        // Names that are whole need no legend.
        assert!(!study_figures(&samples::study())[0].svg().contains(": loss="));
    }

    #[test]
    fn names_in_figures_stay_text() {
        for figure in study_figures(&samples::hostile_study()) {
            assert!(!figure.svg().contains("<script") && !figure.svg().contains("<img"));
        }
    }
}
