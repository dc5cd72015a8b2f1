//! The tables of a study for a paper.

use triax_study::statistics::Estimate;
use triax_study::{Comparison, Kind, MainEffect, Summary, figure_in_words};

use super::table::{Column, ColumnKind, Group, Table};
use crate::report::numbers::{counted, figure, p_value, signed};
use crate::report::verdict;
use crate::study::Labels;

/// Below tables with intervals.
const UNCORRECTED: &str = "Each interval is the 95 % bootstrap interval over subjects of its figure alone, not corrected for \
                           the number of figures.";

/// All tables of the study: what letters stand for, settings, comparisons by each figure, main effects.
pub fn tables(summary: &Summary) -> Vec<Table> {
    let labels = Labels::new(summary);
    let mut tables = Vec::new();
    tables.extend(legend(&labels));
    tables.push(settings(summary, &labels));
    tables.extend(["macro_f1", "accuracy"].into_iter().filter_map(|figure| comparisons(summary, &labels, figure)));
    tables.extend(main_effects(summary));
    tables
}

fn text(head: &'static str) -> Column {
    Column { head, kind: ColumnKind::Text }
}

fn wrapped(head: &'static str, percent: u32) -> Column {
    Column { head, kind: ColumnKind::Wrapped(percent) }
}

fn numbers(heads: &[&'static str]) -> Vec<Column> {
    heads.iter().map(|head| Column { head, kind: ColumnKind::Number }).collect()
}

/// The ends of an interval; nothing without one.
fn interval(estimate: &Estimate, number: fn(f64) -> String) -> String {
    estimate.interval.map(|ends| format!("[{}, {}]", number(ends.low), number(ends.high))).unwrap_or_default()
}

fn legend(labels: &Labels) -> Option<Table> {
    let rows: Vec<Vec<String>> = labels.legend().into_iter().map(|(label, meaning)| vec![label, meaning]).collect();
    (!rows.is_empty()).then(|| Table {
        caption: "What the names of settings stand for.".to_owned(),
        label: "names",
        columns: vec![text("Name"), wrapped("Setting", 70)],
        groups: vec![Group { heading: None, rows }],
        notes: Vec::new(),
    })
}

fn settings(summary: &Summary, labels: &Labels) -> Table {
    let kinds =
        [(Kind::Network, "networks"), (Kind::Ensemble, "ensembles of all seeds"), (Kind::Baseline, "baselines")];
    let group = |(kind, heading): (Kind, &str)| {
        let ranked = verdict::ranked(summary, kind);
        let rows: Vec<Vec<String>> = ranked
            .into_iter()
            .map(|one| {
                let (f1, accuracy) = (&one.macro_f1, &one.accuracy);
                let label = if kind == Kind::Ensemble { labels.of_setting(&one.name) } else { labels.of(&one.name) };
                vec![
                    label,
                    figure(f1.mean),
                    interval(f1, figure),
                    figure(accuracy.mean),
                    interval(accuracy, figure),
                    f1.n.to_string(),
                ]
            })
            .collect();
        (!rows.is_empty()).then(|| Group { heading: Some(heading.to_owned()), rows })
    };
    let over = match summary.n_judged_subjects {
        0 => "all windows as one".to_owned(),
        n => format!("means over {}", counted(n as u64, "subject")),
    };
    let notes = if summary.n_judged_subjects > 1 { vec![UNCORRECTED.to_owned()] } else { Vec::new() };
    Table {
        caption: format!("Macro-F1 and accuracy on {}: {over} ({}).", summary.data, summary.folds),
        label: "settings",
        columns: [
            vec![text("Setting")],
            numbers(&["Macro-F1", "95 % interval", "Accuracy", "95 % interval", "Subjects"]),
        ]
        .into_iter()
        .flatten()
        .collect(),
        groups: kinds.into_iter().filter_map(group).collect(),
        notes: [notes, summary.caveats.clone()].concat(),
    }
}

fn comparisons(summary: &Summary, labels: &Labels, by: &'static str) -> Option<Table> {
    let found: Vec<&Comparison> = summary.comparisons.iter().filter(|it| it.figure == by).collect();
    let row = |it: &&Comparison| {
        vec![
            format!("{} − {}", labels.of(&it.a), labels.of(&it.b)),
            signed(it.difference.mean),
            interval(&it.difference, signed),
            signed(it.effect),
            p_value(it.p),
            p_value(it.p_holm),
        ]
    };
    (!found.is_empty()).then(|| Table {
        caption: format!("Differences in {} of pairs over the same subjects.", figure_in_words(by)),
        label: if by == "accuracy" { "accuracy" } else { "macro-f1" },
        columns: std::iter::once(wrapped("Pair", 30))
            .chain(numbers(&["Difference", "95 % interval", "Effect", "p", "p (Holm)"]))
            .collect(),
        notes: vec![
            format!(
                "p: Wilcoxon's signed-rank test; p (Holm): corrected for these {}. Effect: rank-biserial correlation.",
                counted(found.len() as u64, "comparison")
            ),
            UNCORRECTED.to_owned(),
        ],
        groups: vec![Group { heading: None, rows: found.iter().map(row).collect() }],
    })
}

fn main_effects(summary: &Summary) -> Option<Table> {
    let group = |effect: &MainEffect| {
        let best = effect.levels.first().map_or("", |level| level.value.as_str());
        let rows = effect.levels.iter().map(|level| {
            let to_best = effect
                .comparisons
                .iter()
                .find(|it| it.figure == "macro_f1" && it.a == best && it.b == level.value)
                .map_or_else(
                    || vec![String::new(); 3],
                    |it| vec![signed(it.difference.mean), interval(&it.difference, signed), p_value(it.p_holm)],
                );
            let own = vec![
                summary.value_name(&effect.setting, &level.value).to_owned(),
                figure(level.macro_f1.mean),
                interval(&level.macro_f1, figure),
                figure(level.accuracy.mean),
            ];
            [own, to_best].concat()
        });
        let heading = format!("{}, over {}", effect.setting, counted(effect.n_combinations as u64, "combination"));
        Group { heading: Some(heading), rows: rows.collect() }
    };
    (!summary.main_effects.is_empty()).then(|| Table {
        caption:
            "Main effects: each value of a setting, averaged over all combinations of the other settings that vary."
                .to_owned(),
        label: "main-effects",
        columns: std::iter::once(wrapped("Value", 17))
            .chain(numbers(&["Macro-F1", "95 % interval", "Accuracy", "Difference", "95 % interval", "p (Holm)"]))
            .collect(),
        groups: summary.main_effects.iter().map(group).collect(),
        notes: vec![
            "Differences are from the first value of a setting. p (Holm): Wilcoxon's signed-rank test over subjects, corrected \
             for all pairs of values of the setting."
                .to_owned(),
            UNCORRECTED.to_owned(),
        ],
    })
}
