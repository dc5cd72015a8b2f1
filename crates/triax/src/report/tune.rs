//! The report of a search for settings.

use maud::{Markup, html};
use triax_study::search::{Effect, Tried};

use crate::TuneSummary;
use crate::report::numbers::{counted, figure, interval, name, percent};
use crate::report::page;

/// The file beside the report that has all of its figures.
const FILE: &str = "summary.json";
/// The most candidates in the table.
const MOST_CANDIDATES: usize = 20;

/// The text of `report.html` for a search.
pub fn tune_html(summary: &TuneSummary) -> String {
    let body = html! {
        (opening(summary))
        (judged(summary))
        (chosen(summary))
        (candidates(summary))
        (effects(summary))
        @if !summary.searches.is_empty() { (searches(summary)) }
        (page::section("To repeat it", "The same data, device and version of Triax give the same figures.", &html! {
            (page::commands([("The search again", summary.command.as_str())]))
        }))
    };
    page::page(&format!("Settings for {}", summary.data), "search", &body, &summary.version)
}

fn opening(summary: &TuneSummary) -> Markup {
    let honest = &summary.honest().macro_f1;
    let sentences = [
        format!("Judged by {}.", summary.held_out_in_words()),
        format!(
            "In the search itself it came to {}: that figure is too good, because the settings were chosen by it.",
            figure(summary.flattering.mean)
        ),
    ];
    let figures = [
        ("macro-F1, unseen people", figure(honest.mean), interval(honest)),
        ("in the search", figure(summary.flattering.mean), interval(&summary.flattering)),
        ("candidates", summary.search.candidates.len().to_string(), format!("in {} generations", summary.search.n_generations)),
        ("people", summary.n_people.to_string(), counted(summary.folds.len() as u64, "inner fold")),
    ];
    html! {
        header {
            p.kicker { "Search · " (summary.data) @if summary.synthetic { " (synthetic)" } }
            h1 { "Macro-F1 " (figure(honest.mean)) " with the chosen settings" }
            (page::verdict(&sentences, &[]))
            (page::headline_figures(&figures))
        }
    }
}

fn judged(summary: &TuneSummary) -> Markup {
    let lead = format!("Macro-F1 and accuracy as means over people with 95 % intervals: {}.", summary.held_out_in_words());
    let words = summary.comparisons.iter().filter(|one| one.figure == "macro_f1").map(|one| one.words.as_str());
    page::section("Judged by people whom no search has seen", lead, &html! {
        (page::scrolling("figures by unseen people", &html! { table.figures {
            thead { tr { th { "settings" } th.number { "macro-F1" } th { "interval" } th.number { "accuracy" } } }
            tbody { @for one in &summary.judged { tr {
                td { (name(&one.name)) }
                td.number { (figure(one.macro_f1.mean)) }
                td { (interval(&one.macro_f1)) }
                td.number { (percent(one.accuracy.mean)) }
            } } }
        } }))
        @for sentence in words { p { (sentence) } }
    })
}

fn chosen(summary: &TuneSummary) -> Markup {
    let lead = "They are in best.toml, which train and study take, and run/ is their network.";
    page::section("The chosen settings", lead, &html! {
        (page::scrolling("the chosen settings", &html! { table.figures { tbody { @for (setting, value) in &summary.chosen { tr {
            td { (name(setting)) } td { (name(value)) }
        } } } } }))
    })
}

fn candidates(summary: &TuneSummary) -> Markup {
    let ranked = summary.search.ranked();
    let lead = format!("The best of {}; candidates.csv has all of them.", counted(ranked.len() as u64, "candidate"));
    let differing = |one: &Tried| -> String {
        let all = one.values.iter().map(|(name, value)| format!("{name}={value}"));
        all.collect::<Vec<_>>().join(", ")
    };
    page::section("What was tried", lead, &html! {
        (page::scrolling("candidates", &html! { table.figures {
            thead { tr { th { "candidate" } th.number { "macro-F1" } th.number { "people" } th { "end" } th { "settings" } } }
            tbody { @for one in ranked.iter().take(MOST_CANDIDATES) { tr {
                td { (one.number) " (" (one.origin) ")" }
                td.number { @if one.n_folds > 0 { (figure(one.mean())) } }
                td.number { (one.scores.len()) }
                td { @match &one.dropped { None => "judged by all", Some(why) => (why) } }
                td { (name(&differing(one))) }
            } } }
        } }))
        (page::more(ranked.len().saturating_sub(MOST_CANDIDATES), FILE))
    })
}

fn effects(summary: &TuneSummary) -> Markup {
    let lead = "The mean difference of the candidates with a value to all that were drawn at random, by the people of the \
                first block of folds, with the 95 % bootstrap interval over candidates. All other settings vary with it.";
    let rows = |effect: &Effect| html! {
        @for (n, level) in effect.levels.iter().enumerate() { tr {
            td { @if n == 0 { (name(&effect.setting)) } }
            td { (name(&level.value)) }
            td.number { (format!("{:+.3}", level.difference.mean)) }
            td { (interval(&level.difference)) }
            td.number { (level.difference.n) }
        } }
    };
    page::section("What mattered", lead, &html! {
        (page::scrolling("effects", &html! { table.figures {
            thead { tr { th { "setting" } th { "value" } th.number { "difference" } th { "interval" } th.number { "candidates" } } }
            tbody { @for effect in &summary.effects { (rows(effect)) } }
        } }))
    })
}

fn searches(summary: &TuneSummary) -> Markup {
    let lead = "What each search has chosen that did not see these people, its own figure, and the honest one.";
    page::section("The nested searches", lead, &html! {
        (page::scrolling("nested searches", &html! { table.figures {
            thead { tr { th { "held out" } th.number { "in the search" } th.number { "unseen people" } th { "chosen" } } }
            tbody { @for one in &summary.searches { tr {
                td { (name(&one.held_out.join(", "))) }
                td.number { (figure(one.flattering)) }
                td.number { (figure(one.honest)) }
                td { (name(&one.chosen.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(", "))) }
            } } }
        } }))
    })
}
