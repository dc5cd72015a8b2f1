//! The confusion matrix as a table with shaded cells, which can be read aloud, copied and printed.

use maud::{Markup, html};

use triax_engine::Confusion;

use crate::report::numbers::{counted, grouped};
use crate::report::page;

/// The percentage of its row from which a cell is dark and its text light.
const DARK: u64 = 55;

/// The table of `confusion` with these names of the classes.
pub fn matrix(confusion: &Confusion, class_names: &[String], caption: &str) -> Markup {
    let table = html! {
        table.confusion {
            caption { (caption) }
            thead {
                tr {
                    td { span.corner { "done ↓ taken for →" } }
                    @for name in class_names { th scope="col" { span { (name) } } }
                    th.total.minor scope="col" { span { "windows" } }
                }
            }
            tbody {
                @for (label, (row, name)) in confusion.rows().zip(class_names).enumerate() {
                    @let total: u64 = row.iter().sum();
                    tr {
                        th scope="row" { (name) }
                        @for (prediction, &count) in row.iter().enumerate() { (cell(count, total, label == prediction)) }
                        td.total.minor { (grouped(total)) }
                    }
                }
            }
        }
    };
    page::scrolling(caption, &table)
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
        let html = matrix(&Confusion::from_counts(2, vec![3, 1, 0, 0]), &["a".into(), "b".into()], "c").into_string();
        assert!(html.contains(r#"<td class="hit dark" style="--share:75%" title="3 windows">75</td>"#), "{html}");
        assert!(html.contains(r#"title="1 window">25</td>"#), "{html}");
        assert!(html.contains(r#"title="0 windows">·</td>"#), "{html}");
    }
}
