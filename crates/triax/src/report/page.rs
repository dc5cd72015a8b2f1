//! The frame of every report: head, style, sections, tables of facts, footer.

use maud::{DOCTYPE, Markup, PreEscaped, html};

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

/// The same contents for each of the other competitors, by name, folded; nothing without competitors.
pub fn others<'a>(all: impl Iterator<Item = (&'a str, Markup)>) -> Markup {
    let all: Vec<_> = all.collect();
    let body = html! { @for (name, body) in &all { div.other { h3 { (name) } (body) } } };
    html! { @if !all.is_empty() { (folded("The others", &body)) } }
}

/// A verdict: its first sentence, and the others as a list.
pub fn verdict(sentences: &[String]) -> Markup {
    html! {
        @if let [first, rest @ ..] = sentences {
            p.verdict { (first) }
            ul.points { @for sentence in rest { li { (sentence) } } }
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
            @for (name, value) in facts { div { dt { (name) } dd { (value) } } }
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
