//! `triax data audit`: leaks between training and validation, and the gap between random windows and unseen subjects.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use serde_json::json;
use triax::settings::{DataSettings, DataSource, Settings, SplitSettings};
use triax::text::grouped;
use triax::{Error, SplitAudit, is_run, is_study};
use triax_data::{Finding, Folds, Verdict};
use triax_study::Gap;

use crate::cli::options::GivenSettings;
use crate::cli::print_notices;
use crate::cli::terminal::{out, tell, visible};
use crate::cli::text::{SYNTHETIC, interval, wrapped};

const EXAMPLES: &str = "\
Examples:
  triax data audit WISDM/                        the split that `triax train` would make
  triax data audit WISDM/ --split random         what a random one leaks
  triax data audit WISDM/ --folds loso           the folds of a study
  triax data audit X.npz --no-gap --strict       for a script: exit code 1 where something leaks
  triax data audit runs/NAME                     the split and the scaler that a run or a study has used

Looked for: samples, subjects and recordings on both sides, duplicate windows, channels that tell the class or the
subject, a scaler or a standardisation of the data that knows what validates, classes that nobody trains on. What the data
does not let a check exclude is said to be so. Then the gap: the network of a run, or that of `triax train`,
judged on random windows and on unseen subjects. That takes up to ten trainings on the CPU; --no-gap leaves it out.

What each check means, and what to do about it: docs/audit.md.";

/// Look for what validation would know from training, and measure how much a random split flatters
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, mut_arg("data", positional))]
pub struct Args {
    #[command(flatten)]
    settings: GivenSettings<(DataSettings, SplitSettings)>,
    /// Audit the folds of a study: loso, group-K, held-out, random-K or predefined
    #[arg(long, value_name = "FOLDS", conflicts_with = "split")]
    folds: Option<Folds>,
    /// Seed of the split and of the synthetic set [default: 0]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Measure no gap between random windows and unseen subjects: it takes trainings
    #[arg(long, help_heading = "Audit")]
    no_gap: bool,
    /// Exit with 1 where something leaks
    #[arg(long, help_heading = "Audit")]
    strict: bool,
    /// Print a JSON object
    #[arg(long, help_heading = "Audit")]
    json: bool,
}

/// `--data` as the one argument without a name.
fn positional(data: clap::Arg) -> clap::Arg {
    const NONE: Option<&str> = None;
    data.long(NONE)
        .required(true)
        .help_heading(NONE)
        .value_name("PATH|synthetic|RUN")
        .help("Recordings: a folder, a file or a zip, or `synthetic`; or the folder of a run or a study")
}

/// Runs the subcommand.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let audit = audit(&args)?;
    print_notices(&audit.corpus.notices);
    let mut out = out();
    if !args.json {
        write(&mut out, &audit)?;
    }
    let (leaks, is_open, json) = (audit.audit.leaks(), audit.audit.is_open(), audit.to_json());
    let gap = match args.no_gap {
        true => Err("--no-gap was given".to_owned()),
        false => {
            if io::stderr().is_terminal() {
                tell("\ntraining networks on random windows and for unseen subjects; --no-gap leaves that out …");
            }
            audit.measure_gap()
        }
    };
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&with_gap(json, gap))?)?;
    } else {
        match &gap {
            Ok(gap) => write_gap(&mut out, gap)?,
            Err(_) if args.no_gap => {}
            Err(why) => writeln!(out, "\n{}", wrapped(&Gap::not_measured(why).words, ""))?,
        }
        let verdict = match (leaks, is_open) {
            (true, _) => "Something leaks: figures over this split are too good. docs/audit.md says what to do.",
            (false, true) => {
                "Nothing was found that would make figures over this split too good, but it is not excluded: see above."
            }
            (false, false) => "Nothing was found that would make figures over this split too good.",
        };
        writeln!(out, "\n{}", wrapped(verdict, ""))?;
    }
    Ok(if leaks && args.strict { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Audits the data, run or study at the path.
fn audit(args: &Args) -> Result<SplitAudit, Error> {
    let mut given = args.settings.entries.clone();
    let settings = Settings::from_entries(&given)?;
    if let DataSource::Path(path) = &settings.data.data {
        let is_study = is_study(path);
        if is_study || is_run(path) {
            // A run and a study have their own settings.
            given.remove("data");
            let option = given.keys().next().map(String::as_str);
            let option = option.or(args.folds.map(|_| "folds")).or(args.seed.map(|_| "seed"));
            if let Some(name) = option {
                return Err(Error::Usage(format!(
                    "{} is a {}, which is audited as it was trained: leave --{} out, or name its data instead",
                    path.display(),
                    if is_study { "study" } else { "run" },
                    name.replace('_', "-"),
                )));
            }
            return if is_study { SplitAudit::for_study(path) } else { SplitAudit::for_run(path) };
        }
    }
    given.extend(args.seed.map(|seed| ("seed".to_owned(), seed.into())));
    SplitAudit::for_data(Settings::from_entries(&given)?, args.folds)
}

/// The findings, within 80 columns.
fn write(out: &mut dyn Write, audit: &SplitAudit) -> io::Result<()> {
    let SplitAudit { corpus, window, .. } = audit;
    let synthetic = if corpus.synthetic { SYNTHETIC } else { "" };
    let subjects = match corpus.subjects().len() {
        0 => "unknown subjects".to_owned(),
        1 => "1 subject".to_owned(),
        n => format!("{n} subjects"),
    };
    writeln!(out, "data      {}{synthetic}", visible(&corpus.name))?;
    writeln!(out, "          {subjects}, {} windows of {window} samples", grouped(audit.n_windows))?;
    writeln!(out, "{}", hanging_indent("audited   ", &audit.audited))?;
    writeln!(out)?;
    let findings = &audit.audit.findings;
    let in_words = |verdict: Verdict| match verdict {
        Verdict::Leak => "LEAK",
        Verdict::Sound | Verdict::Note | Verdict::NotExcluded => verdict.in_words(),
    };
    let width = findings.iter().map(|finding| in_words(finding.verdict).len()).max().unwrap_or(0);
    for Finding { check, verdict, words } in findings {
        let head = format!("{:width$}  {check:13}  ", in_words(*verdict));
        writeln!(out, "{}", hanging_indent(&head, words))?;
    }
    out.flush()
}

/// `found` with the gap, or with the reason why there is none.
fn with_gap(mut found: serde_json::Value, gap: Result<Gap, String>) -> serde_json::Value {
    let (gap, why) = match gap {
        Ok(gap) => (Some(gap), None),
        Err(why) => (None, Some(why)),
    };
    found["gap"] = json!(gap);
    found["no_gap"] = json!(why);
    found
}

fn write_gap(out: &mut dyn Write, gap: &Gap) -> io::Result<()> {
    let (f1, accuracy) = (&gap.macro_f1, &gap.accuracy);
    writeln!(out)?;
    writeln!(out, "{}, mean over {} subjects [95 % interval]", gap.method.replace('_', " "), gap.n_subjects)?;
    writeln!(out, "{:32}  {:22}  accuracy", "", "macro-F1")?;
    for (name, f1, accuracy) in [
        (format!("random windows ({})", gap.random_folds), &f1.random, &accuracy.random),
        (format!("unseen subjects ({})", gap.unseen_folds), &f1.unseen, &accuracy.unseen),
        ("gap".to_owned(), &f1.difference, &accuracy.difference),
    ] {
        writeln!(out, "{name:32}  {:22}  {}", interval(f1), interval(accuracy))?;
    }
    let verdict = match gap.is_shown() {
        true => format!("A random split flatters by {:.3} macro-F1 here.", f1.difference.mean),
        false => "That a random split flatters is not shown here.".to_owned(),
    };
    writeln!(out, "{verdict}")
}

/// `text` after `head`, wrapped with a hanging indent.
fn hanging_indent(head: &str, text: &str) -> String {
    let width = head.chars().count();
    let lines = wrapped(text, &" ".repeat(width));
    format!("{head}{}", &lines[width..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_hangs_below_its_head() {
        let text = hanging_indent("LEAK  samples  ", &"word ".repeat(30));
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("LEAK  samples  word word"), "{text}");
        assert!(lines.len() > 1 && lines[1..].iter().all(|line| line.starts_with("               word")), "{text}");
        assert!(lines.iter().all(|line| line.len() <= 80), "{text}");
    }
}
