//! The findings of an audit, and the warning if something leaks.

use maud::{Markup, html};
use triax_data::{Audit, Verdict};

use crate::report::page;

/// The warning above everything else if the split leaks; otherwise nothing.
pub fn warning(audit: &Audit, random: bool) -> Markup {
    let leaks: Vec<_> = audit.findings.iter().filter(|finding| finding.verdict == Verdict::Leak).collect();
    html! {
        @if random || !leaks.is_empty() {
            aside.warning role="note" aria-label="Warning" {
                p { strong { "These figures are too good." } " What judged the network is not new to it." }
                ul {
                    @if random {
                        li {
                            "The windows were split at random: those of one person are on both sides. Nothing here says how \
                             well unseen people would be recognised. Hold whole subjects out to learn that."
                        }
                    }
                    @for finding in leaks { li { strong { (finding.check) } ": " (finding.words) } }
                }
            }
        }
    }
}

/// The section with all findings.
pub fn section(audit: &Audit) -> Markup {
    let lead = if audit.leaks() {
        "Validation knows something from training that it would not know of a stranger."
    } else if audit.is_open() {
        "Nothing was found that would make the figures too good; but the data does not let every check exclude it."
    } else {
        "What was looked for that would make the figures too good."
    };
    let body = html! {
        @if audit.findings.is_empty() {
            p { "No audit was made." }
        } @else {
            ul.findings {
                @for finding in &audit.findings {
                    @let class = match finding.verdict {
                        Verdict::Sound => "sound",
                        Verdict::Note => "noted",
                        Verdict::NotExcluded => "not-excluded",
                        Verdict::Leak => "leak",
                    };
                    li { span class={ "badge " (class) } { (finding.verdict.in_words()) } div { strong { (finding.check) } p { (finding.words) } } }
                }
            }
        }
    };
    page::section("Leakage audit", lead, &body)
}
