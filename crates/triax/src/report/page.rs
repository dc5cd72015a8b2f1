//! The frame of every report: head, style, sections, tables of facts, footer.

use maud::{DOCTYPE, Markup, PreEscaped, html};

const STYLE: &str = include_str!("style.css");

/// Nothing may be loaded, from nowhere, and no script runs: the browser itself keeps a report to what is in the file.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// A whole page. `kind` is what it reports on, and `body` all that it says.
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

/// A part of the page, with its heading and a line that says what to look for.
pub fn section(heading: &str, lead: impl maud::Render, body: &Markup) -> Markup {
    html! {
        section {
            h2 { (heading) }
            p.lead { (lead) }
            (body)
        }
    }
}

/// What is there for those who want it.
pub fn folded(summary: &str, body: &Markup) -> Markup {
    html! { details { summary { (summary) } (body) } }
}

/// The same of each of the other competitors, by name; nothing without any.
pub fn others<'a>(all: impl Iterator<Item = (&'a str, Markup)>) -> Markup {
    let all: Vec<_> = all.collect();
    let body = html! { @for (name, body) in &all { div.other { h3 { (name) } (body) } } };
    html! { @if !all.is_empty() { (folded("The others", &body)) } }
}

/// A verdict: its first sentence, and what there is to know besides.
pub fn verdict(sentences: &[String]) -> Markup {
    html! {
        @if let [first, rest @ ..] = sentences {
            p.verdict { (first) }
            ul.points { @for sentence in rest { li { (sentence) } } }
        }
    }
}

/// Something wide, which scrolls by itself on a narrow screen; `label` names it to who cannot see it.
pub fn scrolling(label: &str, body: &Markup) -> Markup {
    html! { div.scroll role="region" aria-label=(label) tabindex="0" { (body) } }
}

/// The few figures that everything else is about.
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

/// Commands to type, each below what it is for.
pub fn commands<'a>(commands: impl IntoIterator<Item = (&'a str, &'a str)>) -> Markup {
    html! {
        @for (what, line) in commands {
            p.what { (what) }
            pre { code { (line) } }
        }
    }
}
