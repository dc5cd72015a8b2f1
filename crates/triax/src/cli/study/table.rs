//! The results of a study as text within 80 columns.

use std::io::{self, Write};

use triax::Labels;
use triax::text::{grouped, listed};
use triax_study::{Comparison, Kind, Summary};

use crate::cli::terminal::visible;
use crate::cli::text::{interval, shortened, wrapped};

/// Columns of a name with its indentation: all of the label of a setting.
const NAME: usize = 34;
/// Columns of a mean with its interval.
const INTERVAL: usize = 20;

/// Writes leaks, competitors and comparisons.
pub fn write(out: &mut dyn Write, summary: &Summary) -> io::Result<()> {
    let labels = Labels::new(summary);
    writeln!(out)?;
    if summary.audit.leaks() || !summary.is_about_strangers() {
        writeln!(out, "These figures are no test on unseen people:")?;
        writeln!(out, "{}", wrapped(&summary.folds_in_words, "  "))?;
        for finding in summary.audit.findings.iter().filter(|finding| finding.verdict == triax_data::Verdict::Leak) {
            writeln!(out, "{}", wrapped(&finding.words, "  "))?;
        }
        writeln!(out)?;
    }
    if summary.n_judged_windows < summary.n_windows {
        writeln!(out, "judged by {}", judged(summary))?;
    }
    let head = match summary.n_judged_subjects {
        0 => "all windows as one".to_owned(),
        1 => "one subject".to_owned(),
        n => format!("mean over {n} subjects [95 % interval]"),
    };
    writeln!(out, "{head}")?;
    writeln!(out, "{:NAME$} {:INTERVAL$}  accuracy", "", "macro-F1")?;
    for (kind, heading) in [(Kind::Network, "networks"), (Kind::Ensemble, "ensembles"), (Kind::Baseline, "baselines")] {
        let mut of_kind = summary.competitors.iter().filter(|one| one.kind == kind).peekable();
        if of_kind.peek().is_some() {
            writeln!(out, "{heading}")?;
        }
        for one in of_kind {
            let label = if kind == Kind::Ensemble { labels.of_setting(&one.name) } else { labels.of(&one.name) };
            let row = format!("  {}", shortened(&label, NAME - 2));
            writeln!(out, "{row:NAME$} {:INTERVAL$}  {}", interval(&one.macro_f1), interval(&one.accuracy))?;
        }
    }
    calibrations(out, summary, &labels)?;
    let legend = labels.legend();
    if !legend.is_empty() {
        writeln!(out)?;
    }
    for (label, meaning) in &legend {
        writeln!(out, "{}", wrapped(&format!("{} is {}", visible(label), visible(meaning)), ""))?;
    }
    if !summary.caveats.is_empty() {
        writeln!(out)?;
    }
    for caveat in &summary.caveats {
        writeln!(out, "{}", wrapped(caveat, ""))?;
    }
    let shown = shown(summary);
    if !shown.is_empty() {
        writeln!(out)?;
    }
    for one in &shown {
        let words = summary.in_words(one, &labels.of(&one.a), &labels.of(&one.b));
        writeln!(out, "{}", wrapped(&visible(&words), ""))?;
    }
    let n_more = summary.comparisons.len() - shown.len();
    if n_more > 0 {
        writeln!(out, "({n_more} more comparisons are in report.html)")?;
    }
    if summary.n_broken > 0 {
        writeln!(out, "{} of {} trainings broke down: see results.csv", summary.n_broken, summary.n_trainings)?;
    }
    Ok(())
}

/// What calibration with a few seconds of each person gives, by macro-F1.
fn calibrations(out: &mut dyn Write, summary: &Summary, labels: &Labels) -> io::Result<()> {
    if summary.calibrations.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    writeln!(out, "calibrated with the first seconds of each class of a person, judged by the rest")?;
    writeln!(out, "{:NAME$} {:INTERVAL$}  calibrated", "", "macro-F1 as trained")?;
    for gain in &summary.calibrations {
        let row = shortened(&format!("  {:>5}  {}", gain.length, labels.of(&gain.setting)), NAME);
        writeln!(out, "{row:NAME$} {:INTERVAL$}  {}", interval(&gain.before_macro_f1), interval(&gain.after_macro_f1))?;
    }
    for gain in &summary.calibrations {
        if let Some(words) = gain.in_words(&labels.of(&gain.setting), summary) {
            writeln!(out, "{}", wrapped(&visible(&words), ""))?;
        }
        if !gain.left_out.is_empty() {
            let who = listed(&gain.left_out, 8);
            let words = format!("Too little of a class for {}, and in none of these figures: {who}.", gain.length);
            writeln!(out, "{}", wrapped(&visible(&words), ""))?;
        }
    }
    Ok(())
}

/// The judged windows and subjects, where they are not all.
fn judged(summary: &Summary) -> String {
    let Summary { n_subjects, n_judged_subjects, n_windows, n_judged_windows, .. } = *summary;
    let windows = format!("{} of {} windows", grouped(n_judged_windows), grouped(n_windows));
    match n_subjects {
        0 => windows,
        n if n == n_judged_subjects => windows,
        _ => format!("{windows}, of {n_judged_subjects} of {n_subjects} subjects"),
    }
}

/// The comparisons of the best setting with the other settings and with the best baseline, by macro-F1.
fn shown(summary: &Summary) -> Vec<&Comparison> {
    let names = |kind: Kind| {
        let competitors = summary.competitors.iter().filter(move |one| one.kind == kind);
        competitors.map(|one| one.name.as_str())
    };
    let Some(best) = names(Kind::Network).next() else { return Vec::new() };
    // Competitors of a kind are sorted, the best first.
    let others: Vec<&str> = names(Kind::Network).skip(1).chain(names(Kind::Baseline).take(1)).collect();
    let matters = |one: &&Comparison| one.figure == "macro_f1" && one.a == best && others.contains(&one.b.as_str());
    summary.comparisons.iter().filter(matters).collect()
}

#[cfg(test)]
mod tests {
    use triax_study::statistics::{Estimate, Interval};

    use super::*;

    const ESTIMATE: Estimate =
        Estimate { mean: 0.7125, n: 16, deviation: 0.1, interval: Some(Interval { low: 0.64, high: 1.0 }) };

    #[test]
    fn rows_fit() {
        assert_eq!(interval(&ESTIMATE).len(), INTERVAL);
        assert_eq!(interval(&Estimate { interval: None, ..ESTIMATE }), "0.713");
        assert_eq!(NAME + 1 + 2 * INTERVAL + 2, 77);
        assert_eq!(shortened("abcdef", 4), "abc…");
        assert_eq!(shortened("abcd", 4), "abcd");
    }
}
