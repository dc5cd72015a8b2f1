//! The verdict on a study: which setting is ahead, how far, and whether the difference is shown.

use triax_study::statistics::LEVEL;
use triax_study::{Comparison, Competitor, Kind, Summary};

use crate::report::numbers::{figure, interval, interval_in_percent, name, percent};
use crate::study::Labels;
use crate::text::joined;

/// The verdict on a study.
#[derive(Debug, PartialEq)]
pub struct StudyVerdict {
    /// The verdict in one line.
    pub headline: String,
    /// Further sentences: figures, certainty, other kinds of competitors.
    pub sentences: Vec<String>,
}

/// Whether the folds are random windows, regardless of subjects.
pub fn is_random(summary: &Summary) -> bool {
    summary.folds.starts_with("random")
}

/// The competitors of a kind, in descending order of macro-F1.
pub fn ranked(summary: &Summary, kind: Kind) -> Vec<&Competitor> {
    let mut found: Vec<_> = summary.competitors.iter().filter(|competitor| competitor.kind == kind).collect();
    found.sort_by(|a, b| b.macro_f1.mean.total_cmp(&a.macro_f1.mean));
    found
}

/// The setting with the highest macro-F1, or the first competitor if no network was trained to the end.
pub fn best(summary: &Summary) -> Option<&Competitor> {
    ranked(summary, Kind::Network).first().copied().or_else(|| summary.competitors.first())
}

impl StudyVerdict {
    /// The verdict on `summary`.
    pub fn new(summary: &Summary, labels: &Labels) -> Self {
        let Some(best) = best(summary) else {
            let sentences = vec!["Every training broke down, or none was asked for.".to_owned()];
            return StudyVerdict { headline: "Nothing was compared".to_owned(), sentences };
        };
        let others = ranked(summary, Kind::Network).len().saturating_sub(1);
        let (beaten, open) = against(summary, best);
        let (whose, on_whom) = (name(&labels.at_first(&best.name)), on_whom(summary, best));
        let headline = match (others, beaten.len()) {
            (0, _) => format!("{whose}: macro-F1 {} {on_whom}", figure(best.macro_f1.mean)),
            (_, n) if n == others => format!("{whose} does best {on_whom}"),
            _ => format!("{whose} is ahead {on_whom}, but not shown to be best"),
        };
        let mut sentences = vec![figures(summary, best)];
        let label = labels.of(&best.name);
        if label != best.name {
            sentences.push(format!("{label} is {}.", best.name));
        }
        sentences.extend(lead(&called(&beaten, labels), &called(&open, labels)));
        sentences.extend(seeming(&open, labels));
        sentences.extend(other_kinds(summary, labels, best));
        if let Some((worst, hardest)) = hardest(best) {
            let hardest = name(hardest);
            sentences.push(format!("The hardest subject is {hardest}, with a macro-F1 of {}.", figure(worst)));
        }
        if summary.n_broken > 0 {
            sentences.push(format!(
                "{} of {} trainings broke down (a loss that was no longer finite) and count nowhere.",
                summary.n_broken, summary.n_trainings
            ));
        }
        if summary.synthetic {
            sentences.push("The data was made by a program, not measured: this says nothing about people.".to_owned());
        }
        StudyVerdict { headline, sentences }
    }
}

/// The figures of `best`, with the subjects and the intervals that they have.
fn figures(summary: &Summary, best: &Competitor) -> String {
    let (f1, accuracy) = (figure(best.macro_f1.mean), percent(best.accuracy.mean));
    if best.macro_f1.interval.is_some() {
        let (n, f1_ends, accuracy_ends) =
            (best.macro_f1.n, interval(&best.macro_f1), interval_in_percent(&best.accuracy));
        return format!(
            "Macro-F1 {f1} (95 % interval {f1_ends} over {n} subjects), accuracy {accuracy} ({accuracy_ends}). Intervals \
             are of each figure by itself, and not corrected; p-values are."
        );
    }
    let whose = if summary.n_judged_subjects == 0 { "all windows as one" } else { "one subject" };
    format!("Macro-F1 {f1}, accuracy {accuracy}, of {whose}.")
}

/// What judged `best`, as the end of a sentence.
fn on_whom(summary: &Summary, best: &Competitor) -> String {
    match (summary.folds.as_str(), best.macro_f1.n as u64) {
        (folds, _) if folds.starts_with("random") => "on windows drawn at random".to_owned(),
        ("predefined", _) => "on the part that the data holds out".to_owned(),
        (_, 1) => "on one person it never saw".to_owned(),
        (_, n) => format!("on {n} people it never saw"),
    }
}

/// The comparison of `best` with `other` by macro-F1, and the lead of `best`.
fn compared<'a>(summary: &'a Summary, best: &Competitor, other: &Competitor) -> Option<(&'a Comparison, f64)> {
    summary.comparisons.iter().filter(|it| it.figure == "macro_f1").find_map(|it| match (&it.a, &it.b) {
        (a, b) if *a == best.name && *b == other.name => Some((it, it.difference.mean)),
        (a, b) if *a == other.name && *b == best.name => Some((it, -it.difference.mean)),
        _ => None,
    })
}

/// A comparison of the best setting with another one.
type Rival<'a> = (&'a Competitor, &'a Comparison);

/// The other settings that `best` is shown to be better than, and those for which this is not shown.
fn against<'a>(summary: &'a Summary, best: &Competitor) -> (Vec<Rival<'a>>, Vec<Rival<'a>>) {
    let rivals = ranked(summary, Kind::Network).into_iter();
    let rivals = rivals.filter_map(|other| compared(summary, best, other).map(|(it, ahead)| ((other, it), ahead)));
    let (beaten, open): (Vec<_>, Vec<_>) = rivals.partition(|((_, it), ahead)| it.p_holm < LEVEL && *ahead > 0.0);
    let without_lead = |rivals: Vec<(Rival<'a>, f64)>| rivals.into_iter().map(|(rival, _)| rival).collect();
    (without_lead(beaten), without_lead(open))
}

/// What the settings are called.
fn called(rivals: &[Rival<'_>], labels: &Labels) -> Vec<String> {
    rivals.iter().map(|(other, _)| name(&labels.of(&other.name))).collect()
}

/// The sentence on differences that only seem to be shown: those whose interval excludes 0 although the corrected test does not
/// show them.
fn seeming(open: &[Rival<'_>], labels: &Labels) -> Option<String> {
    let seeming: Vec<Rival<'_>> = open.iter().copied().filter(|(_, it)| it.difference.excludes_0()).collect();
    (!seeming.is_empty()).then(|| {
        format!(
            "The interval of the difference to {} excludes 0 all the same. It is of one comparison alone and not \
             corrected: of many, some exclude 0 by chance. The corrected p-value counts.",
            listed(&called(&seeming, labels))
        )
    })
}

/// The sentence on whether the lead is shown.
fn lead(beaten: &[String], open: &[String]) -> Option<String> {
    match (beaten, open) {
        ([], []) => None,
        (_, []) => Some(format!(
            "That it does better than {} is shown (signed-rank test over subjects, Holm-corrected, p < {LEVEL}).",
            listed(beaten)
        )),
        ([], _) => Some(format!(
            "No difference to {} is shown: over these subjects it may well be chance (signed-rank test, \
             Holm-corrected).",
            listed(open)
        )),
        _ => Some(format!(
            "That it does better than {} is shown (signed-rank test over subjects, Holm-corrected, p < {LEVEL}); over \
             {} it is not: that difference may well be chance.",
            listed(beaten),
            listed(open)
        )),
    }
}

/// Sentences on the best ensemble and the best baseline, and on whether their differences are shown.
fn other_kinds(summary: &Summary, labels: &Labels, best: &Competitor) -> Vec<String> {
    let mut sentences = Vec::new();
    if best.kind != Kind::Network {
        sentences.push("No network was trained to the end.".to_owned());
        return sentences;
    }
    let called = |one: &str| name(&labels.of(one));
    let comparison = |other: &Competitor| {
        let found = compared(summary, best, other);
        found.map(|(it, _)| summary.in_words(it, &called(&it.a), &called(&it.b))).unwrap_or_default()
    };
    if let Some(ensemble) = ranked(summary, Kind::Ensemble).first() {
        let (reached, sure) = (figure(ensemble.macro_f1.mean), interval(&ensemble.macro_f1));
        let whose = called(&ensemble.name);
        sentences.push(format!("The best ensemble is {whose}: {reached} ({sure}). {}", comparison(ensemble)));
    }
    if let Some(baseline) = ranked(summary, Kind::Baseline).first() {
        let beside = match baseline.macro_f1.mean > best.macro_f1.mean {
            true => "The best baseline is ahead of every network",
            false => "The best baseline stays behind",
        };
        let reached = figure(baseline.macro_f1.mean);
        sentences.push(format!("{beside}: {}, {reached}. {}", baseline.name, comparison(baseline)));
    }
    sentences
}

/// The lowest macro-F1 of a subject and the subject's name, if there are several subjects.
fn hardest(best: &Competitor) -> Option<(f64, &str)> {
    let lowest = best.subjects.iter().min_by(|a, b| a.macro_f1.total_cmp(&b.macro_f1))?;
    (best.subjects.len() > 1).then_some((lowest.macro_f1, lowest.subject.as_str()))
}

/// `a`, `a and b`, `a, b and c`; for many names the first three and the number of the others.
fn listed(names: &[String]) -> String {
    match names.len() {
        0..=4 => joined(names),
        n => format!("{} and {} more", names[..3].join(", "), n - 3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    fn verdict(summary: &Summary) -> StudyVerdict {
        StudyVerdict::new(summary, &Labels::new(summary))
    }

    #[test]
    fn a_lead_that_is_shown_differs_from_one_that_is_not() {
        let mut summary = samples::study();
        let found = verdict(&summary);
        assert!(found.headline.contains("not shown to be best"), "{found:?}");
        assert!(found.sentences[1].contains("it is not"), "{found:?}");
        summary.comparisons.iter_mut().for_each(|comparison| comparison.p_holm = 0.001);
        let found = verdict(&summary);
        assert_eq!(found.headline, "loss=squared_hinge does best on 16 people it never saw");
        summary.comparisons.iter_mut().for_each(|comparison| comparison.p_holm = 0.5);
        assert!(verdict(&summary).sentences[1].starts_with("No difference to "));
    }

    #[test]
    fn a_test_that_went_the_other_way_shows_no_lead() {
        let mut summary = samples::study();
        for comparison in &mut summary.comparisons {
            comparison.p_holm = 0.001;
            comparison.difference.mean = if comparison.a == "loss=squared_hinge" { -0.1 } else { 0.1 };
        }
        assert!(verdict(&summary).headline.contains("not shown to be best"));
    }

    #[test]
    fn a_baseline_that_does_better_is_not_hidden() {
        let mut summary = samples::study();
        let baseline = summary.competitors.iter_mut().find(|one| one.kind == Kind::Baseline).unwrap();
        baseline.macro_f1.mean = 0.99;
        assert!(verdict(&summary).sentences.iter().any(|words| words.contains("ahead of every network")));
    }

    #[test]
    fn what_is_no_setting_takes_no_part_in_which_setting_is_best() {
        let mut summary = samples::study();
        let settings: Vec<String> = ranked(&summary, Kind::Network).iter().map(|one| one.name.clone()).collect();
        for comparison in &mut summary.comparisons {
            let are_settings = settings.contains(&comparison.a) && settings.contains(&comparison.b);
            comparison.p_holm = if are_settings { 0.001 } else { 0.5 };
        }
        assert!(verdict(&summary).headline.contains("does best"));
        summary.comparisons.iter_mut().for_each(|comparison| comparison.p_holm = 0.501 - comparison.p_holm);
        assert!(verdict(&summary).headline.contains("not shown to be best"));
    }

    #[test]
    fn a_study_of_nothing_says_so() {
        let summary = Summary { competitors: Vec::new(), comparisons: Vec::new(), ..samples::study() };
        assert_eq!(verdict(&summary).headline, "Nothing was compared");
    }

    #[test]
    fn random_folds_never_speak_of_people() {
        let summary = Summary { folds: "random-5".into(), ..samples::study() };
        assert!(verdict(&summary).headline.contains("drawn at random"));
    }
}
