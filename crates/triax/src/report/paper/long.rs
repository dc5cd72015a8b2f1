//! All figures of a study in one table of CSV: a row for each figure of each setting, comparison and main effect.

use std::collections::BTreeSet;

use triax_study::statistics::Estimate;
use triax_study::{Comparison, Kind, Summary};

use crate::study::Labels;

/// The columns before those of the settings that vary.
const COLUMNS: [&str; 13] = [
    "kind",
    "label",
    "name",
    "compared_with",
    "figure",
    "n_subjects",
    "mean",
    "low",
    "high",
    "deviation",
    "effect",
    "p",
    "p_holm",
];

/// The table in CSV with full precision. A cell is empty where it does not apply.
pub fn csv(summary: &Summary) -> String {
    let labels = Labels::new(summary);
    let varied: BTreeSet<&String> = summary.competitors.iter().flat_map(|one| one.settings.keys()).collect();
    let mut rows: Vec<Vec<String>> = Vec::new();
    rows.push(COLUMNS.iter().map(|name| (*name).to_owned()).chain(varied.iter().map(|name| (*name).clone())).collect());
    let none = || vec![String::new(); varied.len()];
    for one in &summary.competitors {
        let kind = match one.kind {
            Kind::Network => "network",
            Kind::Ensemble => "ensemble",
            Kind::Baseline => "baseline",
        };
        let settings: Vec<String> =
            varied.iter().map(|name| one.settings.get(*name).cloned().unwrap_or_default()).collect();
        for (figure, estimate) in [("macro_f1", &one.macro_f1), ("accuracy", &one.accuracy)] {
            let what = [kind, &labels.of(&one.name), &one.name, "", figure];
            rows.push([row(what, estimate, None), settings.clone()].concat());
        }
    }
    for it in &summary.comparisons {
        let label = format!("{} - {}", labels.of(&it.a), labels.of(&it.b));
        rows.push([row(["comparison", &label, &it.a, &it.b, &it.figure], &it.difference, Some(it)), none()].concat());
    }
    for effect in &summary.main_effects {
        let called = |value: &str| format!("{}={}", effect.setting, summary.value_name(&effect.setting, value));
        for level in &effect.levels {
            let name = format!("{}={}", effect.setting, level.value);
            for (figure, estimate) in [("macro_f1", &level.macro_f1), ("accuracy", &level.accuracy)] {
                let what = ["main_effect", &called(&level.value), &name, "", figure];
                rows.push([row(what, estimate, None), none()].concat());
            }
        }
        for it in &effect.comparisons {
            let label = format!("{} - {}", called(&it.a), called(&it.b));
            let [a, b] = [&it.a, &it.b].map(|value| format!("{}={value}", effect.setting));
            let what = ["main_effect_comparison", &label, &a, &b, &it.figure];
            rows.push([row(what, &it.difference, Some(it)), none()].concat());
        }
    }
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.write_record(row).expect("memory takes what it is given, and rows are as long as the first");
    }
    String::from_utf8(writer.into_inner().expect("memory takes what it is given")).expect("texts are UTF-8")
}

/// The cells of [`COLUMNS`].
fn row(what: [&str; 5], estimate: &Estimate, comparison: Option<&Comparison>) -> Vec<String> {
    let optional = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    let mut cells: Vec<String> = what.map(str::to_owned).into();
    cells.extend([
        estimate.n.to_string(),
        estimate.mean.to_string(),
        optional(estimate.interval.map(|ends| ends.low)),
        optional(estimate.interval.map(|ends| ends.high)),
        estimate.deviation.to_string(),
        optional(comparison.map(|it| it.effect)),
        optional(comparison.map(|it| it.p)),
        optional(comparison.map(|it| it.p_holm)),
    ]);
    cells
}
