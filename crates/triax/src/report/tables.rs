//! Tables of classes and subjects.

use maud::{Markup, html};
use triax_study::SubjectFigures;
use triax_trainer::ClassMetrics;

use crate::report::charts::inline::bar;
use crate::report::numbers::{figure, grouped};

/// Precision, recall and F1 of each class.
pub fn classes(classes: &[ClassMetrics], class_names: &[String], caption: &str) -> Markup {
    html! {
        table.figures {
            caption { (caption) }
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
                @for (class, name) in classes.iter().zip(class_names) {
                    tr {
                        th scope="row" { (name) }
                        td.graph { (bar(class.recall)) }
                        td.number { (figure(class.recall)) }
                        td.number { (figure(class.precision)) }
                        td.number { (figure(class.f1)) }
                        td.number.minor { (grouped(class.support)) }
                    }
                }
            }
        }
    }
}

/// Each subject, the hardest first.
pub fn subjects(subjects: &[SubjectFigures], caption: &str) -> Markup {
    let mut hardest_first: Vec<_> = subjects.iter().collect();
    hardest_first.sort_by(|a, b| a.macro_f1.total_cmp(&b.macro_f1));
    html! {
        table.figures {
            caption { (caption) }
            thead {
                tr {
                    th scope="col" { "subject" }
                    th scope="colgroup" colspan="2" { "macro-F1" }
                    th.number scope="col" { "accuracy" }
                    th.number scope="col" { "windows" }
                }
            }
            tbody {
                @for subject in hardest_first {
                    tr {
                        th scope="row" { @if subject.subject.is_empty() { "unknown" } @else { (subject.subject) } }
                        td.graph { (bar(subject.macro_f1)) }
                        td.number { (figure(subject.macro_f1)) }
                        td.number { (figure(subject.accuracy)) }
                        td.number { (grouped(subject.n_windows)) }
                    }
                }
            }
        }
    }
}
