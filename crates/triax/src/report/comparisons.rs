//! Comparisons of pairs of settings, and the main effects of the settings that vary.

use maud::{Markup, html};
use triax_study::baselines::Baseline;
use triax_study::{Comparison, Kind, MainEffect, Summary};

use crate::report::charts::inline::{Axis, whisker};
use crate::report::numbers::{
    decimals, figure, interval, interval_in_percent, interval_of_difference, name, p_value, percent, shortened, signed,
};
use crate::report::{page, verdict};
use crate::study::Labels;

/// The most pairs or values in a table.
const MOST_ROWS: usize = 60;
/// The most characters of the sentences on a pair.
const MOST_OF_WORDS: usize = 1200;
/// The file that has all.
const FILE: &str = "summary.json";

/// The section on the comparisons of settings, ensembles and baselines.
pub fn section(summary: &Summary, labels: &Labels) -> Markup {
    let best = verdict::best(summary).map_or("", |best| best.name.as_str());
    let pairs = |figure: &str, with_best: bool| {
        let wanted = |it: &&Comparison| it.figure == figure && (it.a == best || it.b == best) == with_best;
        summary.comparisons.iter().filter(wanted).collect::<Vec<_>>()
    };
    let lead = "Settings in pairs, over the same subjects: Wilcoxon’s signed-rank test. p-values are corrected by Holm for \
                all pairs of the same figure; intervals are of each pair alone, and not corrected. Where the two disagree, \
                the corrected p-value counts. The effect is the rank-biserial correlation: 1 where every subject does \
                better with the first, 0 where none is ahead. A difference that is not shown is not shown to be absent \
                either.";
    let folded = [
        ("Macro-F1 of all other pairs", "Macro-F1", pairs("macro_f1", false)),
        ("Accuracy of the same pairs", "Accuracy", pairs("accuracy", true)),
        ("Accuracy of all other pairs", "Accuracy", pairs("accuracy", false)),
    ];
    let body = html! {
        (table(summary, labels, &pairs("macro_f1", true), "Macro-F1"))
        @for (heading, figure_name, pairs) in folded {
            @if !pairs.is_empty() { (page::folded(heading, &table(summary, labels, &pairs, figure_name))) }
        }
    };
    html! { @if !summary.comparisons.is_empty() { (page::section("Are the differences real?", lead, &body)) } }
}

/// The axis of the differences of `comparisons`. What is compared sets its scale: networks and ensembles with each other;
/// where there is one network only, it and the classical methods. A baseline that is much further away, as the majority
/// class mostly is, is marked at the edge.
pub fn axis_of_differences(summary: &Summary, comparisons: &[&Comparison]) -> Axis {
    let is_baseline = |name: &str| summary.competitors.iter().any(|one| one.kind == Kind::Baseline && one.name == name);
    let with_baseline = |it: &&&Comparison| is_baseline(&it.a) || is_baseline(&it.b);
    let with_majority = |it: &&&Comparison| [&it.a, &it.b].iter().any(|name| *name == Baseline::Majority.name());
    let (baselines, own): (Vec<&Comparison>, Vec<&Comparison>) = comparisons.iter().partition(with_baseline);
    let classical: Vec<&Comparison> = baselines.iter().copied().filter(|it| !with_majority(&it)).collect();
    let scale = [own, classical, baselines.clone()].into_iter().find(|some| !some.is_empty()).unwrap_or_default();
    let axis = Axis::for_differences(scale.iter().map(|it| &it.difference));
    let near = baselines.into_iter().filter(|it| it.difference.ends().iter().all(|end| end.abs() <= 2.0 * axis.high));
    Axis::for_differences(scale.iter().copied().chain(near).map(|it| &it.difference))
}

/// The differences of `comparisons`, which are of one figure.
fn table(summary: &Summary, labels: &Labels, comparisons: &[&Comparison], figure_name: &str) -> Markup {
    let axis = axis_of_differences(summary, comparisons);
    let words = |it: &Comparison| {
        let words = summary.in_words(it, &name(&labels.of(&it.a)), &name(&labels.of(&it.b)));
        shortened(&words, MOST_OF_WORDS)
    };
    html! {
        table.figures.comparisons {
            caption { (figure_name) ": difference of each pair, with its own 95 % interval (not corrected)" }
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
                @for comparison in comparisons.iter().take(MOST_ROWS) {
                    @let difference = &comparison.difference;
                    @let ends = interval_of_difference(difference);
                    tr {
                        th scope="row" { (name(&labels.of(&comparison.a))) " − " (name(&labels.of(&comparison.b))) small.words { (words(comparison)) } }
                        td.number { (signed(difference.mean)) small { (ends) } }
                        td.graph { (whisker(difference, axis, &[0.0], &format!("difference {}, {ends}", signed(difference.mean)))) }
                        td.number.minor { (signed(comparison.effect)) }
                        td.number { (p_value(comparison.p_holm)) }
                    }
                }
            }
        }
        (page::more(comparisons.len().saturating_sub(MOST_ROWS), FILE))
    }
}

/// The section on main effects; nothing where a single setting varies.
pub fn main_effects(summary: &Summary) -> Markup {
    let lead = "What each setting does on average over all others that vary: of each subject, the mean over their \
                combinations. Values are compared as settings are; p-values are corrected by Holm for all pairs of values \
                of the same setting, intervals are not corrected. An average hides where a value helps with one \
                combination and harms with another.";
    let body = html! { @for effect in &summary.main_effects { (effect_table(summary, effect)) } };
    html! { @if !summary.main_effects.is_empty() { (page::section("Main effects", lead, &body)) } }
}

/// The values of one setting, each with its difference to the best of them.
fn effect_table(summary: &Summary, effect: &MainEffect) -> Markup {
    let axis = Axis::for_fractions(effect.levels.iter().map(|level| &level.macro_f1));
    let called = |value: &str| name(summary.value_name(&effect.setting, value));
    let to_best = |value: &str| {
        let best = effect.levels.first().map_or("", |level| level.value.as_str());
        effect.comparisons.iter().find(|it| it.figure == "macro_f1" && it.a == best && it.b == value)
    };
    html! {
        table.figures.competitors {
            caption {
                strong { (name(&effect.setting)) } ": macro-F1, each mean over " (effect.n_combinations)
                @if effect.n_combinations == 1 { " combination" } @else { " combinations" } " of the other settings"
            }
            thead {
                tr {
                    th scope="col" { "value" }
                    th.number scope="col" { "macro-F1" }
                    th.graph scope="col" {
                        span.axis { span { (decimals(axis.low, 1)) } span { (decimals(axis.high, 1)) } }
                    }
                    th.number scope="col" { "accuracy" }
                    th.number scope="col" { "behind the first" }
                    th.number scope="col" { "p (Holm)" }
                }
            }
            tbody {
                @for level in effect.levels.iter().take(MOST_ROWS) {
                    @let (f1, ends) = (figure(level.macro_f1.mean), interval(&level.macro_f1));
                    @let difference = to_best(&level.value);
                    tr {
                        th scope="row" { (called(&level.value)) }
                        td.number { (f1) small { (ends) } }
                        td.graph { (whisker(&level.macro_f1, axis, &[], &format!("macro-F1 {f1}, {ends}"))) }
                        td.number { (percent(level.accuracy.mean)) small { (interval_in_percent(&level.accuracy)) } }
                        td.number {
                            @if let Some(it) = difference {
                                (signed(it.difference.mean)) small { (interval_of_difference(&it.difference)) }
                            }
                        }
                        td.number { @if let Some(it) = difference { (p_value(it.p_holm)) } }
                    }
                }
            }
        }
        (page::more(effect.levels.len().saturating_sub(MOST_ROWS), FILE))
        @for it in effect.comparisons.iter().filter(|it| it.figure == "macro_f1").take(1) {
            p.caption { (shortened(&effect.in_words(it, &called(&it.a), &called(&it.b)), MOST_OF_WORDS)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use triax_study::Summary;

    use super::*;
    use crate::report::{samples, study_html};

    /// Of the table of comparisons with the best, the ends of its axis.
    fn axis(html: &str) -> (&str, &str) {
        let table = &html[html.find("Are the differences real?").expect("comparisons")..];
        let axis = &table[table.find("class=\"axis\"").expect("an axis")..];
        let mut ends = axis.split("<span>").skip(1).map(|span| span.split('<').next().unwrap_or_default());
        (ends.next().expect("a lower end"), ends.nth(1).expect("an upper end"))
    }

    #[test]
    fn the_axis_of_differences_is_scaled_by_what_is_compared() {
        let mut summary = samples::study();
        let html = study_html(&summary);
        // Ensemble, settings and regression differ by 0.099 at most; the majority class is behind by 0.636.
        assert_eq!(axis(&html), ("−0.100", "+0.100"));
        assert!(html.contains("0.636 ›"), "the majority class is not marked");
        // With one setting, the classical methods set the scale.
        summary.competitors.retain(|one| one.kind == Kind::Baseline || one.name == "loss=squared_hinge");
        let names: Vec<String> = summary.competitors.iter().map(|one| one.name.clone()).collect();
        summary.comparisons.retain(|it| names.contains(&it.a) && names.contains(&it.b));
        assert_eq!(axis(&study_html(&summary)), ("−0.100", "+0.100"));
        // Alone, the majority class is what is compared.
        summary.comparisons.retain(|it| it.b == "majority");
        let html = study_html(&summary);
        assert_eq!(axis(&html), ("−0.680", "+0.680"));
        assert!(!html.contains('›'));
    }

    #[test]
    fn main_effects_have_the_names_of_values_and_a_sentence() {
        let html = study_html(&samples::grid());
        let section = &html[html.find("Main effects</h2>").expect("main effects")..];
        for text in ["each mean over 2 combinations", ">narrow<", "No difference is shown between", "corrected by Holm"]
        {
            assert!(section.contains(text), "`{text}` is missing");
        }
        assert!(!study_html(&samples::study()).contains("Main effects"));
    }

    #[test]
    fn long_names_are_letters_with_a_legend_and_nothing_that_differs_is_cut() {
        let summary = samples::grid();
        let html = study_html(&summary);
        assert!(html.contains("Setting A is ahead"), "no letter in the headline");
        for one in summary.competitors.iter().filter(|one| one.kind == Kind::Network) {
            assert!(html.contains(&one.name), "{} is in no legend", one.name);
        }
        assert!(html.contains("No difference is shown between A and B"));
    }

    #[test]
    fn an_interval_that_excludes_0_beside_a_corrected_p_that_shows_nothing_is_explained() {
        let mut summary: Summary = samples::study();
        for it in &mut summary.comparisons {
            let ends = triax_study::statistics::Interval { low: 0.004, high: 0.05 };
            (it.difference.mean, it.difference.interval) = (0.02, Some(ends));
            (it.p, it.p_holm) = (0.02, 0.18);
        }
        let html = study_html(&summary);
        let header = &html[..html.find("</header>").expect("a header")];
        assert!(header.contains("excludes 0") && header.contains("not corrected"), "{header}");
        let table = &html[html.find("Are the differences real?").expect("comparisons")..];
        for said in ["not corrected; p = 0.180, corrected by Holm for 9 comparisons", "p = 0.020 before the correction"]
        {
            assert!(table.contains(said), "`{said}` is missing");
        }
    }
}
