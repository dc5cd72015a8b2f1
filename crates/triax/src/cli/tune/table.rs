//! The result of a search as text within 80 columns.

use std::io::{self, Write};

use triax::TuneSummary;
use triax_study::search::Tried;

use crate::cli::terminal::visible;
use crate::cli::text::{interval, shortened, wrapped};

/// The most candidates that are shown.
const MOST_CANDIDATES: usize = 8;
/// The most settings of which the effect is shown.
const MOST_EFFECTS: usize = 6;
/// Columns of a name with its indentation.
const NAME: usize = 34;

/// Writes the best candidates, the chosen settings, what mattered, and both figures.
pub fn write(out: &mut dyn Write, summary: &TuneSummary) -> io::Result<()> {
    let ranked = summary.search.ranked();
    writeln!(out, "\n{} candidates in {} generations", ranked.len(), summary.search.n_generations)?;
    writeln!(out, "{:NAME$} macro-F1 (people of the search)", "")?;
    for one in ranked.iter().take(MOST_CANDIDATES) {
        let row = shortened(&format!("  {} ({})", one.number, one.origin), NAME);
        writeln!(out, "{row:NAME$} {}", found(one))?;
    }
    if let Some(ensemble) = &summary.ensemble {
        writeln!(out, "{:NAME$} {}", "  ensemble", interval(&ensemble.estimate()))?;
    }
    writeln!(out, "\nchosen settings")?;
    let chosen: Vec<String> = summary.chosen.iter().map(|(name, value)| format!("{name}={}", visible(value))).collect();
    writeln!(out, "{}", wrapped(&chosen.join("  "), "  "))?;
    if let Some(words) = summary.kind_in_words() {
        writeln!(out, "{}", wrapped(&words, "  "))?;
    }
    if !summary.effects.is_empty() {
        writeln!(out, "\nwhat mattered: the best and the worst value, against all that were drawn at random")?;
    }
    for effect in summary.effects.iter().take(MOST_EFFECTS) {
        for level in [&effect.levels[0], &effect.levels[effect.levels.len() - 1]] {
            let row = shortened(&format!("  {}={}", effect.setting, level.value), NAME);
            let difference = &level.difference;
            let ends = difference.interval.map(|ends| format!(" [{:+.3}, {:+.3}]", ends.low, ends.high));
            writeln!(out, "{row:NAME$} {:+.3}{}", difference.mean, ends.unwrap_or_default())?;
        }
    }
    writeln!(out, "\njudged by {}", summary.held_out_in_words())?;
    writeln!(out, "{:NAME$} {:20}  accuracy", "", "macro-F1")?;
    for one in &summary.judged {
        let row = shortened(&format!("  {}", one.name), NAME);
        match &one.broken {
            Some(how) => writeln!(out, "{row:NAME$} {}", shortened(&format!("broke down: {how}"), 44))?,
            None => writeln!(out, "{row:NAME$} {:20}  {}", interval(&one.macro_f1), interval(&one.accuracy))?,
        }
    }
    for words in summary.comparisons.iter().filter(|one| one.figure == "macro_f1").map(|one| &one.words) {
        writeln!(out, "{}", wrapped(&visible(words), "  "))?;
    }
    let (flattering, honest) = (&summary.flattering, &summary.honest().macro_f1);
    writeln!(out, "\nmacro-F1 of what was chosen")?;
    writeln!(out, "{:NAME$} {}", "  in the search, which is flattering", interval(flattering))?;
    writeln!(out, "{:NAME$} {}", "  by unseen people", interval(honest))
}

fn found(one: &Tried) -> String {
    let why = one.dropped.as_ref().map(|why| format!("  {why}")).unwrap_or_default();
    match one.n_folds {
        0 => shortened(why.trim(), 44),
        _ => shortened(&format!("{}, {} people{why}", interval(&one.estimate()), one.scores.len()), 60),
    }
}
