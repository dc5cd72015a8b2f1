//! What a few seconds of each person give.

use maud::{Markup, html};
use triax_study::{CalibrationGain, Summary};

use crate::report::charts::inline::{Axis, whisker};
use crate::report::numbers::{figure, interval, interval_of_difference, name, p_value, shortened, signed};
use crate::report::page;
use crate::study::Labels;
use crate::text::listed;

/// The most rows of the table.
const MOST_ROWS: usize = 60;
/// The most characters of the sentences on a row.
const MOST_OF_WORDS: usize = 1200;

/// The section on calibrations; nothing where the study does not calibrate.
pub fn section(summary: &Summary, labels: &Labels) -> Markup {
    let lead = "The first seconds of each class of a held-out person calibrate the network: its last layer is refitted to \
                them in closed form, pulled to the layer as it was trained. The rest of the person’s windows judge the network \
                before and after; none of them overlaps the calibration. p-values are of Wilcoxon’s signed-rank test over \
                people, corrected by Holm for all rows; intervals are not corrected.";
    let body = table(summary, labels);
    html! { @if !summary.calibrations.is_empty() { (page::section("Calibrated with a few seconds", lead, &body)) } }
}

fn table(summary: &Summary, labels: &Labels) -> Markup {
    let gains = &summary.calibrations;
    let differences = gains.iter().filter_map(CalibrationGain::by_macro_f1);
    let axis = Axis::for_differences(differences.map(|comparison| &comparison.difference));
    html! {
        table.figures.comparisons {
            caption { "Macro-F1 over people as trained and calibrated, and the gain with its 95 % interval" }
            thead {
                tr {
                    th scope="col" { "setting, and how much of each class" }
                    th.number.minor scope="col" { "as trained" }
                    th.number.minor scope="col" { "calibrated" }
                    th.number scope="col" { "gain" }
                    th.graph scope="col" { span.axis { span { (signed(axis.low)) } span { "0" } span { (signed(axis.high)) } } }
                    th.number scope="col" { "p (Holm)" }
                }
            }
            tbody {
                @for gain in gains.iter().take(MOST_ROWS) {
                    @let label = name(&labels.of(&gain.setting));
                    tr {
                        th scope="row" { (label) ", " (name(&gain.length)) ": " (figure(gain.before_macro_f1.mean)) " → " (figure(gain.after_macro_f1.mean)) small.words { (words(summary, gain, &label)) } }
                        td.number.minor { (figure(gain.before_macro_f1.mean)) small { (interval(&gain.before_macro_f1)) } }
                        td.number.minor { (figure(gain.after_macro_f1.mean)) small { (interval(&gain.after_macro_f1)) } }
                        @if let Some(found) = gain.by_macro_f1() {
                            @let ends = interval_of_difference(&found.difference);
                            td.number { (signed(found.difference.mean)) small { (ends) } }
                            td.graph { (whisker(&found.difference, axis, &[0.0], &format!("gain {}, {ends}", signed(found.difference.mean)))) }
                            td.number { (p_value(found.p_holm)) }
                        } @else {
                            td colspan="3" { "one person: no interval, and nothing can be compared" }
                        }
                    }
                }
            }
        }
        (page::more(gains.len().saturating_sub(MOST_ROWS), "summary.json"))
    }
}

/// What a row shows, and who is not in it.
fn words(summary: &Summary, gain: &CalibrationGain, label: &str) -> String {
    let mut words = gain.in_words(label, summary).unwrap_or_default();
    if !gain.left_out.is_empty() {
        let names: Vec<String> = gain.left_out.iter().map(|who| name(who)).collect();
        words += &format!(" Left out, with too little of a class: {}.", listed(&names, 8));
    }
    shortened(&words, MOST_OF_WORDS)
}
