//! How well probabilities hold before and after a temperature, in all and for each class.

use maud::{Markup, html};
use triax_trainer::{ProbabilityFigures, TemperatureScaling};

use crate::report::numbers::{decimals, grouped, percent};
use crate::report::page;

/// The section on what a temperature makes of the scores.
pub fn section(found: &TemperatureScaling, class_names: &[String]) -> Markup {
    let lead = format!(
        "Scores divided by a temperature of {}, fitted to {} windows that the network was not trained on.",
        decimals(found.temperature, 2),
        grouped(found.n_windows)
    );
    let caption = format!(
        "Log loss, and the difference between what is claimed and what is kept (expected calibration error, ten bins): of the \
         answers, and of the probability of each class. After: {}.",
        found.judged.in_words()
    );
    let row = |name: &str, figure: &dyn Fn(&ProbabilityFigures) -> String| {
        html! {
            tr {
                th scope="row" { (name) }
                td.number { (figure(&found.before)) }
                td.number { (found.after.as_ref().map_or_else(|| "–".to_owned(), figure)) }
            }
        }
    };
    let body = html! {
        table.figures {
            caption { (caption) }
            thead {
                tr {
                    th scope="col" { "" }
                    th.number scope="col" { "before" }
                    th.number scope="col" { "after" }
                }
            }
            tbody {
                (row("log loss", &|figures| decimals(figures.log_loss, 4)))
                (row("calibration error", &|figures| percent(figures.error)))
                @for (class, name) in class_names.iter().enumerate().take(found.before.per_class.len()) {
                    (row(name, &|figures| percent(figures.per_class.get(class).copied().unwrap_or_default())))
                }
            }
        }
    };
    page::section("Before and after calibration", lead, &body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    #[test]
    fn each_class_has_a_row_and_what_was_not_judged_has_a_dash() {
        let mut found = samples::probabilities();
        let names: Vec<String> = (0..6).map(|class| format!("class{class}")).collect();
        let html = section(&found, &names).into_string();
        assert!(html.contains("temperature of 1.75") && html.contains("for each person by the temperature"), "{html}");
        assert!(html.contains("class5") && html.contains("4.0\u{a0}%") && !html.contains("–"), "{html}");
        found.after = None;
        assert!(section(&found, &names).into_string().contains("–"));
    }
}
