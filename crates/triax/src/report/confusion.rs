//! The confusion matrix as a table with shaded cells, which can be read aloud, copied and printed.

use maud::{Markup, html};

use triax_engine::Confusion;

use crate::report::numbers::{counted, grouped, name, percent};
use crate::report::page;

/// The percentage of its row from which a cell is dark and its text light.
const DARK: u64 = 55;

/// The most classes of a matrix; of more, the most frequent confusions are shown. Those of the best are shown in full.
pub const MOST_OF_BEST: usize = 40;
/// The same for the others, of which there are many on a page.
pub const MOST_OF_OTHERS: usize = 20;
/// The number of confusions that are shown instead of a matrix.
const CONFUSIONS: usize = 30;

/// `confusion` with these names of the classes: the matrix, or its most frequent confusions if there are more than
/// `most_classes`. `file` has the whole matrix.
pub fn matrix(confusion: &Confusion, class_names: &[String], most_classes: usize, caption: &str, file: &str) -> Markup {
    if confusion.n_classes() > most_classes {
        return confusions(confusion, class_names, caption, file);
    }
    let table = html! {
        table.confusion {
            caption { (caption) }
            thead {
                tr {
                    td { span.corner { "done ↓ taken for →" } }
                    @for class_name in class_names { th scope="col" { span { (name(class_name)) } } }
                    th.total.minor scope="col" { span { "windows" } }
                }
            }
            tbody {
                @for (label, (row, class_name)) in confusion.rows().zip(class_names).enumerate() {
                    @let total: u64 = row.iter().sum();
                    tr {
                        th scope="row" { (name(class_name)) }
                        @for (prediction, &count) in row.iter().enumerate() { (cell(count, total, label == prediction)) }
                        td.total.minor { (grouped(total)) }
                    }
                }
            }
        }
    };
    page::scrolling(caption, &table)
}

/// The most frequent confusions, for more classes than a page can show in a matrix.
fn confusions(confusion: &Confusion, class_names: &[String], caption: &str, file: &str) -> Markup {
    let mut pairs = confusion.mistakes();
    let n_more = pairs.len().saturating_sub(CONFUSIONS);
    pairs.truncate(CONFUSIONS);
    html! {
        table.figures {
            caption { (caption) ": the most frequent confusions of " (grouped(confusion.n_classes() as u64)) " classes" }
            thead {
                tr {
                    th scope="col" { "done" }
                    th scope="col" { "taken for" }
                    th.number scope="col" { "windows" }
                    th.number scope="col" { "of its class" }
                }
            }
            tbody {
                @for (label, prediction, count) in pairs {
                    tr {
                        th scope="row" { (name(&class_names[label])) }
                        td { (name(&class_names[prediction])) }
                        td.number { (grouped(count)) }
                        td.number { (percent(count as f64 / confusion.support(label) as f64)) }
                    }
                }
            }
        }
        (page::more(n_more, file))
    }
}

/// `count` of the `total` windows of its row, in percent.
fn cell(count: u64, total: u64, is_hit: bool) -> Markup {
    let percent = (100 * count + total / 2).checked_div(total).unwrap_or(0);
    let class = match (percent >= DARK, is_hit) {
        (true, true) => "hit dark",
        (false, true) => "hit",
        (true, false) => "dark",
        (false, false) => "",
    };
    // A matrix of many classes is mostly zeros.
    if count == 0 && !is_hit {
        return html! { td { "·" } };
    }
    html! {
        td class=(class) style={ "--share:" (percent) "%" } title=(counted(count, "window")) {
            @if count == 0 { "·" } @else if percent == 0 { "<1" } @else { (percent) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_percent_of_their_row() {
        let names = ["a".to_owned(), "b".to_owned()];
        let html = matrix(&Confusion::from_counts(2, vec![3, 1, 0, 0]), &names, 2, "c", "f").into_string();
        assert!(html.contains(r#"<td class="hit dark" style="--share:75%" title="3 windows">75</td>"#), "{html}");
        assert!(html.contains(r#"title="1 window">25</td>"#), "{html}");
        assert!(html.contains(r#"title="0 windows">·</td>"#) && html.contains("<td>·</td>"), "{html}");
    }

    #[test]
    fn of_many_classes_the_most_frequent_confusions_are_shown() {
        let names: Vec<String> = (0..500).map(|class| format!("class {class}")).collect();
        let labels: Vec<u32> = (0..500).flat_map(|class| [class; 4]).collect();
        let mut predictions: Vec<u32> = labels.iter().map(|label| (label + 1) % 500).collect();
        predictions[28] = 7;
        let html =
            matrix(&Confusion::from_predictions(500, &labels, &predictions), &names, 40, "c", "a.json").into_string();
        assert!(html.len() < 10_000, "{} bytes", html.len());
        assert_eq!(html.matches("<td>class").count(), CONFUSIONS);
        assert!(html.contains("of 500 classes") && html.contains("and 470 more, in a.json"), "{html}");
        assert!(html.contains("100.0\u{a0}%") && !html.contains(r#"<th scope="row">class 7<"#), "{html}");
    }
}
