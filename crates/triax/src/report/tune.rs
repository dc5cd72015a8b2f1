//! The report of a search for settings.

use std::collections::BTreeMap;

use maud::{Markup, html};
use triax_study::search::{Effect, Tried, Values};

use crate::report::charts::inline::{Axis, whisker};
use crate::report::charts::slices::{Slice, slices};
use crate::report::charts::svg;
use crate::report::numbers::{counted, figure, interval, interval_of_difference, name, percent, signed};
use crate::report::page;
use crate::{EnsembleCandidate, NestedSearch, TuneSummary};

/// The file beside the report that has all of its figures.
const FILE: &str = "summary.json";
/// The most candidates in the table.
const MOST_CANDIDATES: usize = 20;
/// The most rows of the table of nested searches.
const MOST_SEARCHES: usize = 60;

/// The text of `report.html` for a search.
pub fn tune_html(summary: &TuneSummary) -> String {
    let body = html! {
        (opening(summary))
        (judged(summary))
        (chosen(summary))
        (tried(summary))
        (effects(summary))
        @if !summary.searches.is_empty() { (searches(summary)) }
        (page::section("To repeat it", "The same data, device and version of Triax give the same figures.", &html! {
            (page::commands([("The search again", summary.command.as_str())]))
        }))
    };
    page::page(&format!("Settings for {}", summary.data), "search", &body, &summary.version)
}

/// The head of the page, with the honest figure.
fn opening(summary: &TuneSummary) -> Markup {
    let honest = &summary.honest().macro_f1;
    let of_reference = summary.comparisons.iter().find(|one| one.figure == "macro_f1" && one.b == "reference");
    let sentences = [
        Some(format!("Judged by {}.", summary.held_out_in_words())),
        summary.kind_in_words(),
        of_reference.map(|comparison| comparison.words.clone()),
        Some(format!(
            "In the search itself what was chosen came to {}. That figure flatters, because it was chosen by it.",
            figure(summary.flattering.mean)
        )),
    ];
    let n_candidates = summary.search.candidates.len() as u64;
    let figures = [
        ("macro-F1, unseen people", figure(honest.mean), interval(honest)),
        ("in the search", figure(summary.flattering.mean), interval(&summary.flattering)),
        ("candidates", n_candidates.to_string(), counted(summary.search.n_generations as u64, "generation")),
        ("people", summary.n_people.to_string(), counted(summary.folds.len() as u64, "inner fold")),
    ];
    let few = honest.rests_on_few().then(|| {
        format!(
            "Judged by {} people: an interval over fewer than five is far too narrow. --nested judges by all.",
            honest.n
        )
    });
    html! {
        header {
            p.kicker { "Search · " (summary.data) @if summary.synthetic { " (synthetic)" } }
            @let what = if summary.chosen_ensemble().is_some() { "The chosen ensemble comes" } else { "The chosen settings come" };
            h1 { (what) " to " (figure(honest.mean)) " on unseen people" }
            (page::verdict(&sentences.into_iter().flatten().collect::<Vec<_>>(), &few.into_iter().collect::<Vec<_>>()))
            (page::headline_figures(&figures))
        }
    }
}

/// The figures of the chosen settings beside those that are given, by people whom no search has seen.
fn judged(summary: &TuneSummary) -> Markup {
    let lead = format!(
        "By {}; {} each, and means over people with 95 % intervals.",
        summary.held_out_in_words(),
        counted(summary.n_seeds as u64, "seed")
    );
    let axis = Axis::for_fractions(summary.judged.iter().map(|one| &one.macro_f1).chain([&summary.flattering]));
    let words = summary.comparisons.iter().filter(|one| one.figure == "macro_f1").map(|one| one.words.as_str());
    let table = html! {
        table.figures.competitors {
            thead { tr {
                th scope="col" { "settings" }
                th.number scope="col" { "macro-F1" }
                th.graph scope="col" { span.axis { span { (figure(axis.low)) } span { (figure(axis.high)) } } }
                th.number scope="col" { "accuracy" }
            } }
            tbody {
                @for one in &summary.judged { tr {
                    th scope="row" { (name(&one.name)) @if let Some(how) = &one.broken { small { "broke down: " (how) } } }
                    td.number { (figure(one.macro_f1.mean)) small { (interval(&one.macro_f1)) } }
                    td.graph { (whisker(&one.macro_f1, axis, &[], &figure(one.macro_f1.mean))) }
                    td.number { (percent(one.accuracy.mean)) }
                } }
                tr {
                    th scope="row" { "chosen, in the search: flattering" }
                    td.number { (figure(summary.flattering.mean)) small { (interval(&summary.flattering)) } }
                    td.graph { (whisker(&summary.flattering, axis, &[], &figure(summary.flattering.mean))) }
                    td.number { "" }
                }
            }
        }
    };
    page::section(
        "By people whom no search has seen",
        lead,
        &html! {
            (page::scrolling("figures by unseen people", &table))
            @for sentence in words { p { (sentence) } }
        },
    )
}

fn chosen(summary: &TuneSummary) -> Markup {
    let lead = match summary.chosen_ensemble() {
        None => "They are in best.toml, which train and study take; run/ is a run of them like any other.",
        Some(_) => {
            "Those of the best single model are in best.toml, which train and study take; run/ is the ensemble, which predict \
             and evaluate take."
        }
    };
    let facts = summary.chosen.iter().map(|(setting, value)| (setting.as_str(), value.clone()));
    let contents = html! {
        (page::facts(facts))
        @if let Some(ensemble) = &summary.ensemble { (self::ensemble(ensemble)) }
    };
    page::section("The chosen settings", lead, &contents)
}

/// The members of an ensemble.
fn ensemble(ensemble: &EnsembleCandidate) -> Markup {
    let estimate = ensemble.estimate();
    let table = html! {
        table.figures {
            thead { tr {
                th scope="col" { "member" }
                th.number scope="col" { "weight" }
                th.number scope="col" { "temperature" }
            } }
            tbody { @for one in &ensemble.members { tr {
                th scope="row" { (one.candidate) small.words { (in_words(&one.values)) } }
                td.number { (format!("{:.2}", one.weight)) }
                td.number { (format!("{:.2}", one.temperature.value())) }
            } } }
        }
    };
    html! {
        p {
            "The best ensemble came to " (figure(estimate.mean)) " " (interval(&estimate)) " in the search, with weights that "
            "suit the other folds" @if !ensemble.is_chosen { ": the best single model was ahead of it" } "."
        }
        (page::scrolling("members of the ensemble", &table))
    }
}

/// What was tried: a panel for each setting, and the best candidates.
fn tried(summary: &TuneSummary) -> Markup {
    let ranked = summary.search.ranked();
    let lead = format!(
        "{} in {}. Each point is a candidate, above its value of the setting: blue if it was judged by everybody, grey if it \
         was dropped before. Grey ones are judged by fewer people, so that their height compares only roughly.",
        counted(ranked.len() as u64, "candidate"),
        counted(summary.search.n_generations as u64, "generation"),
    );
    let table = html! {
        table.figures {
            thead { tr {
                th scope="col" { "candidate" }
                th.number scope="col" { "macro-F1" }
                th.number scope="col" { "people" }
                th scope="col" { "end" }
            } }
            tbody { @for one in ranked.iter().take(MOST_CANDIDATES) { tr {
                th scope="row" { (one.number) " (" (one.origin) ")" small.words { (in_words(&one.values)) } }
                td.number { @if one.n_folds > 0 { (figure(one.mean())) } }
                td.number { (one.scores.len()) }
                td { @match &one.dropped { None => "judged by all", Some(why) => (why) } }
            } } }
        }
    };
    page::section(
        "What was tried",
        lead,
        &html! {
            @let panels = panels(summary);
            @if !panels.is_empty() { (svg::in_page(&slices(&panels), "macro-F1 of the candidates by each setting")) }
            (page::scrolling("candidates", &table))
            (page::more(ranked.len().saturating_sub(MOST_CANDIDATES), FILE))
        },
    )
}

/// The candidates by their values of each setting that has several, the setting that mattered most first.
fn panels(summary: &TuneSummary) -> Vec<Slice<'_>> {
    let judged: Vec<&Tried> = summary.search.candidates.iter().filter(|one| one.n_folds > 0).collect();
    let mut by_setting: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (setting, value) in judged.iter().flat_map(|one| &one.values) {
        let values = by_setting.entry(setting).or_default();
        if !values.contains(&value.as_str()) {
            values.push(value);
        }
    }
    let most_first = |setting: &str| summary.effects.iter().position(|one| one.setting == setting);
    let mut settings: Vec<(&str, Vec<&str>)> = by_setting.into_iter().filter(|(_, values)| values.len() > 1).collect();
    settings.sort_by_key(|(setting, _)| most_first(setting).unwrap_or(usize::MAX));
    let number = |text: &str| text.trim_end_matches(['s', '%']).parse::<f64>().unwrap_or(f64::INFINITY);
    let mut panels = Vec::new();
    for (setting, mut values) in settings {
        values.sort_by(|a, b| number(a).total_cmp(&number(b)).then(a.cmp(b)));
        let point = |one: &&Tried| {
            let value = one.values.get(setting)?;
            let at = values.iter().position(|other| other == value)?;
            Some((at, one.mean(), one.n_folds == summary.folds.len()))
        };
        let points = judged.iter().filter_map(point).collect();
        panels.push(Slice { setting, values, points });
    }
    panels
}

fn effects(summary: &TuneSummary) -> Markup {
    let lead = "The mean difference of the candidates with a value to all that were drawn at random, by the people of the \
                first folds, with the 95 % bootstrap interval over candidates. All other settings vary at random beside it.";
    let axis = Axis::for_differences(summary.effects.iter().flat_map(|one| &one.levels).map(|level| &level.difference));
    let rows = |effect: &Effect| {
        html! {
            @for level in &effect.levels {
                @let ends = interval_of_difference(&level.difference);
                tr {
                    th scope="row" { (name(&effect.setting)) " = " (name(&level.value)) }
                    td.number { (signed(level.difference.mean)) small { (ends) } }
                    td.graph { (whisker(&level.difference, axis, &[0.0], &format!("{} {ends}", signed(level.difference.mean)))) }
                    td.number { (level.difference.n) }
                }
            }
        }
    };
    let table = html! {
        table.figures.comparisons {
            thead { tr {
                th scope="col" { "value" }
                th.number scope="col" { "difference" }
                th.graph scope="col" { span.axis { span { (signed(axis.low)) } span { "0" } span { (signed(axis.high)) } } }
                th.number scope="col" { "candidates" }
            } }
            tbody { @for effect in &summary.effects { (rows(effect)) } }
        }
    };
    html! { @if !summary.effects.is_empty() {
        (page::section("What mattered", lead, &page::scrolling("what mattered", &table)))
    } }
}

fn searches(summary: &TuneSummary) -> Markup {
    let lead = "What each search has chosen, its own figure, and that of the people whom it has not seen.";
    let table = html! {
        table.figures {
            thead { tr {
                th scope="col" { "held out" }
                th.number scope="col" { "in the search" }
                th.number scope="col" { "unseen people" }
            } }
            tbody { @for one in summary.searches.iter().take(MOST_SEARCHES) { tr {
                th scope="row" { (name(&one.held_out.join(", "))) small.words { (chosen_in_words(one)) } }
                td.number { (figure(one.flattering)) }
                td.number { (figure(one.honest)) }
            } } }
        }
    };
    page::section(
        "The nested searches",
        lead,
        &html! {
            (page::scrolling("nested searches", &table))
            (page::more(summary.searches.len().saturating_sub(MOST_SEARCHES), FILE))
        },
    )
}

/// What a search has chosen.
fn chosen_in_words(search: &NestedSearch) -> String {
    match search.ensemble.as_ref().filter(|one| one.is_chosen) {
        Some(ensemble) => ensemble.in_words(),
        None => in_words(&search.chosen),
    }
}

/// `window=4s, dropout=0.3`, cut where it is too long.
fn in_words(values: &Values) -> String {
    name(&values.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use triax_study::search::{Drop, Origin, Searched, effects};
    use triax_study::statistics::Estimate;
    use triax_testing::browser_or_skip;

    use super::*;
    use crate::report::samples::check_self_contained;
    use crate::settings::ModelName;
    use crate::{JudgedCandidate, StackedMember};

    const HOSTILE: &str = "<script>alert('x')</script>\"><img src=http://example.org/x onerror=alert(1)>";

    /// A nested search of twelve candidates over eight people, all of whose names are `name`, with a number.
    fn summary(name: &str) -> TuneSummary {
        let score = |candidate: usize, person: usize| 0.4 + 0.03 * candidate as f64 + 0.02 * (person % 3) as f64;
        let candidate = |number: usize| {
            let people = if number.is_multiple_of(3) { 8 } else { 5 };
            let scores = (0..people).map(|person| (format!("{name} {person}"), vec![score(number, person)]));
            Tried {
                number,
                generation: 1 + number / 8,
                origin: if number < 8 { Origin::Drawn } else { Origin::Near(3) },
                values: [(name.to_owned(), (number % 2).to_string()), ("convs".to_owned(), name.to_owned())].into(),
                scores: scores.collect(),
                n_folds: people / 2,
                first: Some(score(number, 0)),
                dropped: (!number.is_multiple_of(3)).then_some(Drop::Worse { generation: 1, block: 1, p: 0.03 }),
            }
        };
        let candidates: Vec<Tried> = (0..12).map(candidate).collect();
        let search = Searched { n_generations: 2, budget: 100, used: 90, best: Some(9), candidates };
        let estimate = |mean: f64| Estimate::new(&[mean - 0.1, mean, mean + 0.1], 0);
        let judged = |who: &str, mean| JudgedCandidate {
            name: who.to_owned(),
            macro_f1: estimate(mean),
            accuracy: estimate(mean),
            people: Vec::new(),
            broken: Some(name.to_owned()),
        };
        let chosen = search.candidates[9].values.clone();
        let member = |candidate: usize| StackedMember {
            candidate,
            model: ModelName::Network,
            weight: 0.5,
            temperature: 1.5.try_into().unwrap(),
            values: search.candidates[candidate].values.clone(),
        };
        let ensemble = EnsembleCandidate {
            members: vec![member(9), member(6)],
            scores: [(name.to_owned(), 0.9)].into(),
            is_chosen: true,
        };
        let nested = NestedSearch {
            name: "nested/1".to_owned(),
            held_out: vec![name.to_owned()],
            chosen: chosen.clone(),
            ensemble: Some(ensemble.clone()),
            flattering: 0.8,
            honest: 0.7,
        };
        TuneSummary {
            data: name.to_owned(),
            synthetic: true,
            fingerprint: name.to_owned(),
            class_names: vec![name.to_owned()],
            n_people: 8,
            held_out: Vec::new(),
            nested: Some("loso".to_owned()),
            folds: vec![(name.to_owned(), vec![name.to_owned()]); 4],
            budget: "100".to_owned(),
            n_seeds: 3,
            effects: effects(&search),
            search,
            chosen,
            ensemble: Some(ensemble),
            flattering: estimate(0.8),
            judged: vec![judged("chosen", 0.7), judged(name, 0.6)],
            comparisons: Vec::new(),
            searches: vec![nested],
            version: "0.1.0".to_owned(),
            command: format!("triax tune --data {name}"),
        }
    }

    #[test]
    fn a_report_shows_both_figures_and_loads_nothing() {
        let page = tune_html(&summary("dropout"));
        check_self_contained(&page);
        for said in [
            "comes to 0.700 on unseen people",
            "0.50 network + 0.50 network",
            "flattering",
            "0.800",
            "worse than the best (p = 0.030)",
        ] {
            assert!(page.contains(said), "{said}");
        }
        // A point for each candidate in the panel of the setting that has two values.
        let panels = page.matches("<circle").count();
        assert!(panels >= 12, "{panels}");
    }

    #[test]
    fn names_are_shown_as_text() {
        check_self_contained(&tune_html(&summary(HOSTILE)));
    }

    #[test]
    fn a_report_fits_a_phone_and_a_desktop() {
        let Some(browser) = browser_or_skip("a_report_fits_a_phone_and_a_desktop") else { return };
        browser.check(&tune_html(&summary("dropout")));
        browser.check(&tune_html(&summary(HOSTILE)));
    }
}
