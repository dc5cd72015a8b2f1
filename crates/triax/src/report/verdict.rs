//! The verdict on a study: which setting is ahead, how far, and whether the difference is shown.

use triax_study::{Comparison, Competitor, Kind, Summary};

use crate::report::numbers::{figure, interval, interval_in_percent, name, percent};

/// The level of significance, for corrected p-values.
const LEVEL: f64 = 0.05;

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
    pub fn new(summary: &Summary) -> Self {
        let Some(best) = best(summary) else {
            let sentences = vec!["Every training broke down, or none was asked for.".to_owned()];
            return StudyVerdict { headline: "Nothing was compared".to_owned(), sentences };
        };
        let others = ranked(summary, Kind::Network).len().saturating_sub(1);
        let (beaten, open) = against(summary, best);
        let (whose, on_whom) = (name(&best.name), on_whom(summary, best));
        let headline = match (others, beaten.len()) {
            (0, _) => format!("{whose}: macro-F1 {} {on_whom}", figure(best.macro_f1.mean)),
            (_, n) if n == others => format!("{whose} does best {on_whom}"),
            _ => format!("{whose} is ahead {on_whom}, but not shown to be best"),
        };
        let mut sentences = vec![figures(summary, best)];
        sentences.extend(lead(&beaten, &open));
        sentences.extend(other_kinds(summary, best));
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
            "Macro-F1 {f1} (95 % interval {f1_ends} over {n} subjects), accuracy {accuracy} ({accuracy_ends})."
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

/// The other settings that `best` is shown to be better than, and those for which this is not shown.
fn against(summary: &Summary, best: &Competitor) -> (Vec<String>, Vec<String>) {
    let (mut beaten, mut open) = (Vec::new(), Vec::new());
    for other in ranked(summary, Kind::Network) {
        if let Some((comparison, ahead)) = compared(summary, best, other) {
            let list = if comparison.p_holm < LEVEL && ahead > 0.0 { &mut beaten } else { &mut open };
            list.push(name(&other.name));
        }
    }
    (beaten, open)
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
fn other_kinds(summary: &Summary, best: &Competitor) -> Vec<String> {
    let mut sentences = Vec::new();
    if best.kind != Kind::Network {
        sentences.push("No network was trained to the end.".to_owned());
        return sentences;
    }
    let comparison =
        |other: &Competitor| compared(summary, best, other).map_or("", |(comparison, _)| comparison.words.as_str());
    if let Some(ensemble) = ranked(summary, Kind::Ensemble).first() {
        let (reached, sure) = (figure(ensemble.macro_f1.mean), interval(&ensemble.macro_f1));
        let whose = name(&ensemble.name);
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
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [all @ .., last] if names.len() <= 4 => format!("{} and {last}", all.join(", ")),
        many => format!("{} and {} more", many[..3].join(", "), many.len() - 3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    #[test]
    fn a_lead_that_is_shown_differs_from_one_that_is_not() {
        let mut summary = samples::study();
        let verdict = StudyVerdict::new(&summary);
        assert!(verdict.headline.contains("not shown to be best"), "{verdict:?}");
        assert!(verdict.sentences[1].contains("it is not"), "{verdict:?}");
        summary.comparisons.iter_mut().for_each(|comparison| comparison.p_holm = 0.001);
        let verdict = StudyVerdict::new(&summary);
        assert_eq!(verdict.headline, "loss=squared_hinge does best on 16 people it never saw");
        summary.comparisons.iter_mut().for_each(|comparison| comparison.p_holm = 0.5);
        assert!(StudyVerdict::new(&summary).sentences[1].starts_with("No difference to "));
    }

    #[test]
    fn a_test_that_went_the_other_way_shows_no_lead() {
        let mut summary = samples::study();
        for comparison in &mut summary.comparisons {
            comparison.p_holm = 0.001;
            comparison.difference.mean = if comparison.a == "loss=squared_hinge" { -0.1 } else { 0.1 };
        }
        assert!(StudyVerdict::new(&summary).headline.contains("not shown to be best"));
    }

    #[test]
    fn a_baseline_that_does_better_is_not_hidden() {
        let mut summary = samples::study();
        let baseline = summary.competitors.iter_mut().find(|one| one.kind == Kind::Baseline).unwrap();
        baseline.macro_f1.mean = 0.99;
        assert!(StudyVerdict::new(&summary).sentences.iter().any(|words| words.contains("ahead of every network")));
    }

    #[test]
    fn what_is_no_setting_takes_no_part_in_which_setting_is_best() {
        let mut summary = samples::study();
        let settings: Vec<String> = ranked(&summary, Kind::Network).iter().map(|one| one.name.clone()).collect();
        for comparison in &mut summary.comparisons {
            let are_settings = settings.contains(&comparison.a) && settings.contains(&comparison.b);
            comparison.p_holm = if are_settings { 0.001 } else { 0.5 };
        }
        assert!(StudyVerdict::new(&summary).headline.contains("does best"));
        summary.comparisons.iter_mut().for_each(|comparison| comparison.p_holm = 0.501 - comparison.p_holm);
        assert!(StudyVerdict::new(&summary).headline.contains("not shown to be best"));
    }

    #[test]
    fn a_study_of_nothing_says_so() {
        let summary = Summary { competitors: Vec::new(), comparisons: Vec::new(), ..samples::study() };
        assert_eq!(StudyVerdict::new(&summary).headline, "Nothing was compared");
    }

    #[test]
    fn random_folds_never_speak_of_people() {
        let summary = Summary { folds: "random-5".into(), ..samples::study() };
        assert!(StudyVerdict::new(&summary).headline.contains("drawn at random"));
    }
}
