//! Tables of classes and subjects.

use maud::{Markup, html};
use triax_study::SubjectFigures;
use triax_trainer::ClassMetrics;

use crate::report::charts::inline::bar;
use crate::report::numbers::{figure, grouped, name};
use crate::report::page;

/// The most classes of a table.
pub const MOST_CLASSES: usize = 100;
/// The most subjects of a table.
const MOST_SUBJECTS: usize = 100;
/// The most classes that a subject is said to lack.
const MOST_LACKING: usize = 6;

/// Precision, recall and F1 of each class. Of many classes the weakest are shown; `file` has all.
pub fn classes(classes: &[ClassMetrics], class_names: &[String], caption: &str, file: &str) -> Markup {
    let mut shown: Vec<(&ClassMetrics, &String)> = classes.iter().zip(class_names).collect();
    let n_more = shown.len().saturating_sub(MOST_CLASSES);
    if n_more > 0 {
        shown.sort_by(|(a, _), (b, _)| (a.support == 0).cmp(&(b.support == 0)).then(a.f1.total_cmp(&b.f1)));
        shown.truncate(MOST_CLASSES);
    }
    html! {
        table.figures {
            caption { (caption) @if n_more > 0 { ", the weakest first" } }
            thead {
                tr {
                    th scope="col" { "class" }
                    th scope="colgroup" colspan="2" { "recall" }
                    th.number scope="col" { "precision" }
                    th.number scope="col" { "F1" }
                    th.number.minor scope="col" { "windows" }
                }
            }
            tbody {
                @for (class, class_name) in shown {
                    // A class without windows has neither recall nor F1.
                    @let of_windows = |value: f64| if class.support > 0 { value } else { f64::NAN };
                    tr {
                        th scope="row" { (name(class_name)) }
                        td.graph { (bar(class.recall)) }
                        td.number { (figure(of_windows(class.recall))) }
                        td.number { (figure(class.precision)) }
                        td.number { (figure(of_windows(class.f1))) }
                        td.number.minor { (grouped(class.support)) }
                    }
                }
            }
        }
        (page::more(n_more, file))
    }
}

/// Each subject, the hardest first, with the classes that it lacks. `file` has all.
pub fn subjects(subjects: &[SubjectFigures], caption: &str, file: &str) -> Markup {
    let mut hardest_first: Vec<_> = subjects.iter().collect();
    hardest_first.sort_by(|a, b| a.macro_f1.total_cmp(&b.macro_f1));
    let n_more = hardest_first.len().saturating_sub(MOST_SUBJECTS);
    let some_lack = subjects.iter().any(|subject| !subject.lacking.is_empty());
    html! {
        table.figures {
            caption { (caption) }
            thead {
                tr {
                    th scope="col" { "subject" }
                    th scope="colgroup" colspan="2" { "macro-F1" }
                    @if some_lack { th scope="col" { "without" } }
                    th.number scope="col" { "accuracy" }
                    th.number scope="col" { "windows" }
                }
            }
            tbody {
                @for subject in hardest_first.into_iter().take(MOST_SUBJECTS) {
                    tr {
                        th scope="row" { @if subject.subject.is_empty() { "unknown" } @else { (name(&subject.subject)) } }
                        td.graph { (bar(subject.macro_f1)) }
                        td.number { (figure(subject.macro_f1)) }
                        @if some_lack { td { (listed(&subject.lacking, MOST_LACKING)) } }
                        td.number { (figure(subject.accuracy)) }
                        td.number { (grouped(subject.n_windows)) }
                    }
                }
            }
        }
        (page::more(n_more, file))
    }
}

/// The first of `names` and the number of the others.
pub fn listed(names: &[String], most: usize) -> String {
    let first = names.iter().take(most).map(|one| name(one)).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(most) {
        0 => first,
        n_more => format!("{first} and {n_more} more"),
    }
}
