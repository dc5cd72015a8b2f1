//! The frame of every report: head, style, sections, tables of facts, footer.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::report::numbers::{grouped, name, shortened};

/// The most competitors beside the best of which a section shows its figures.
const MOST_OTHERS: usize = 12;
/// The most characters of a sentence or a setting.
const MOST_OF_A_TEXT: usize = 4000;

const STYLE: &str = include_str!("style.css");

/// The browser loads nothing and runs no script.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// A page with the contents `body`. `kind` is `run` or `study`.
pub fn page(title: &str, kind: &str, body: &Markup, version: &str) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                title { (title) " · Triax" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main { (body) }
                footer { p { "Triax " (version) " wrote this " (kind) ". It is one file, and loads nothing." } }
            }
        }
    };
    page.into_string()
}

/// A section with its heading and an introductory line.
pub fn section(heading: &str, lead: impl maud::Render, body: &Markup) -> Markup {
    html! {
        section {
            h2 { (heading) }
            p.lead { (lead) }
            (body)
        }
    }
}

/// Contents that are folded at first.
pub fn folded(summary: &str, body: &Markup) -> Markup {
    html! { details { summary { (summary) } (body) } }
}

/// The same contents for each of the `others`, by name, folded; nothing without others. Of many only the first are shown.
pub fn others<T>(others: &[T], name_of: impl Fn(&T) -> String, show: impl Fn(&T) -> Markup) -> Markup {
    let body = html! {
        @for one in others.iter().take(MOST_OTHERS) { div.other { h3 { (name(&name_of(one))) } (show(one)) } }
        (more(others.len().saturating_sub(MOST_OTHERS), "summary.json"))
    };
    html! { @if !others.is_empty() { (folded("The others", &body)) } }
}

/// The line below a table that was cut: how many more there are, and the file that has them.
pub fn more(n: usize, file: &str) -> Markup {
    html! { @if n > 0 { p.caption { "and " (grouped(n as u64)) " more, in " (file) } } }
}

/// A verdict: its first sentence, and the others as a list, with what the figures cannot claim.
pub fn verdict(sentences: &[String], caveats: &[String]) -> Markup {
    html! {
        @if let [first, rest @ ..] = sentences {
            p.verdict { (first) }
            ul.points { @for sentence in rest.iter().chain(caveats) { li { (shortened(sentence, MOST_OF_A_TEXT)) } } }
        }
    }
}

/// Wide contents, which scroll on a narrow screen. `label` is their name for screen readers.
pub fn scrolling(label: &str, body: &Markup) -> Markup {
    html! { div.scroll role="region" aria-label=(label) tabindex="0" { (body) } }
}

/// The most important figures: name, value, note.
pub fn headline_figures(figures: &[(&str, String, String)]) -> Markup {
    html! {
        dl.headline {
            @for (name, value, note) in figures {
                div { dt { (name) } dd.value { (value) } dd.note { (note) } }
            }
        }
    }
}

/// Names and values, one below the other.
pub fn facts<'a>(facts: impl IntoIterator<Item = (&'a str, String)>) -> Markup {
    html! {
        dl.facts {
            @for (name, value) in facts { div { dt { (name) } dd { (shortened(&value, MOST_OF_A_TEXT)) } } }
        }
    }
}

/// Commands, each below its purpose.
pub fn commands<'a>(commands: impl IntoIterator<Item = (&'a str, &'a str)>) -> Markup {
    html! {
        @for (what, line) in commands {
            p.what { (what) }
            pre { code { (line) } }
        }
    }
}
