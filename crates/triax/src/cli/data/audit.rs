//! `triax data audit`: what validation would know from training, and how much a random split flatters.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::ensure;
use clap::ArgMatches;
use clap::parser::ValueSource;
use serde_json::json;
use triax_data::{Audit, Corpus, Finding, Folds, Verdict};
use triax_engine::device::DeviceChoice;
use triax_model::WeightFile;
use triax_study::{Gap, Study, StudyFolder};

use crate::config::{self, Entries, RECORDED};
use crate::failure::Usage;
use crate::inputs::Inputs;
use crate::predictor::is_study;
use crate::record::Run;
use crate::report::{estimate, grouped, wrapped};
use crate::run_report::split_in_words;
use crate::settings::{DataSettings, Settings, SplitSettings};
use crate::values::DataSource;
use crate::{engines, study};

const EXAMPLES: &str = "\
Examples:
  triax data audit WISDM/                        the split that `triax train` would make
  triax data audit WISDM/ --split random         what a random one leaks
  triax data audit WISDM/ --folds loso           the folds of a study
  triax data audit X.npz --no-gap --strict       for a script: exit code 1 where something leaks
  triax data audit runs/NAME                     the split and the scaler that a run or a study has used

Looked for: samples, subjects and recordings on both sides, duplicate windows, a scaler or a standardisation of the data
that knows what validates, classes that nobody trains on. Then the gap: the network of a run, or that of `triax train`,
judged on random windows and on unseen subjects. That takes up to ten trainings on the CPU; --no-gap leaves it out.

What each check means, and what to do about it: docs/audit.md.";

/// Look for what validation would know from training, and measure how much a random split flatters
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, mut_arg("data", positional))]
pub struct Args {
    #[command(flatten)]
    data: DataSettings,
    #[command(flatten)]
    split: SplitSettings,
    /// Audit the folds of a study: loso, group-K, held-out, random-K or predefined
    #[arg(long, value_name = "FOLDS", conflicts_with = "split")]
    folds: Option<Folds>,
    /// Seed of the split and of the synthetic set
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
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
        .default_value(NONE)
        .required(true)
        .help_heading(NONE)
        .value_name("PATH|synthetic|RUN")
        .help("Recordings: a folder, a file or a zip, or `synthetic`; or the folder of a run or a study")
}

/// Options that a run or a study has settled.
const SETTLED: [&str; 10] = [
    "format",
    "activities",
    "window",
    "step",
    "normalize",
    "split",
    "valid_fraction",
    "valid_subjects",
    "folds",
    "seed",
];

/// What was audited, and what was found.
struct Audited {
    /// What made the split or the folds, in words.
    how: String,
    corpus: Corpus,
    window: usize,
    n_windows: usize,
    n_folds: usize,
    /// What is trained, or would be.
    settings: Settings,
    audit: Audit,
}

/// Runs the subcommand.
pub fn run(args: Args, matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let audited = Audited::of(&args, matches)?;
    let mut out = io::stdout().lock();
    if !args.json {
        audited.write(&mut out)?;
    }
    let (leaks, found) = (audited.audit.leaks(), audited.as_json());
    let gap = match args.no_gap {
        true => Err("--no-gap was given".to_owned()),
        false => {
            if io::stderr().is_terminal() {
                eprintln!("\ntraining networks on random windows and for unseen subjects; --no-gap leaves that out …");
            }
            audited.measure_gap()
        }
    };
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&with_gap(found, gap))?)?;
    } else {
        match &gap {
            Ok(gap) => write_gap(&mut out, gap)?,
            Err(_) if args.no_gap => {}
            Err(why) => writeln!(out, "\n{}", wrapped(&Gap::not_measured(why).words, ""))?,
        }
        let verdict = match leaks {
            true => "Something leaks: figures over this split are too good. docs/audit.md says what to do.",
            false => "Nothing was found that would make figures over this split too good.",
        };
        writeln!(out, "\n{}", wrapped(verdict, ""))?;
    }
    Ok(if leaks && args.strict { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

impl Audited {
    /// Finds out what the path is, and audits it.
    fn of(args: &Args, matches: &ArgMatches) -> anyhow::Result<Self> {
        let DataSource::Path(path) = &args.data.data else { return Self::of_data(args) };
        let is_study = is_study(path);
        let is_run = config::read(&path.join("config.json")).is_ok_and(|entries| entries.contains_key(RECORDED));
        if !is_study && !is_run {
            return Self::of_data(args);
        }
        let is_given = |name: &&&str| matches.value_source(name) == Some(ValueSource::CommandLine);
        if let Some(name) = SETTLED.iter().find(is_given) {
            return Err(Usage(format!(
                "{} is a {}, which is audited as it was trained: leave --{} out, or name its data instead",
                path.display(),
                if is_study { "study" } else { "run" },
                name.replace('_', "-"),
            ))
            .into());
        }
        if is_study { Self::of_study(path) } else { Self::of_run(path) }
    }

    /// What a training, or a study with these folds, would use.
    fn of_data(args: &Args) -> anyhow::Result<Self> {
        let mut settings = config::settings("".as_ref(), &Entries::new())?;
        settings.data = args.data.clone();
        settings.split = args.split.clone();
        settings.training.seed = args.seed;
        if let Some(folds) = args.folds {
            let study = study::of_one_setting(folds, settings.clone())?;
            let audit = study.audit(&study.scalers());
            return Ok(Self::of_folds("the folds of a study", study, settings, audit));
        }
        let inputs = Inputs::read(&settings.data, &settings.split, args.seed)?;
        let audit = inputs.audit(inputs.scaler.as_ref());
        Ok(Self::of_split("the split of a training", inputs, settings, audit))
    }

    /// The split and the scaler of a run.
    fn of_run(path: &Path) -> anyhow::Result<Self> {
        let Run { folder, settings, record } = Run::open(path)?;
        let inputs = Inputs::read(&settings.data, &settings.split, settings.training.seed)?;
        ensure!(
            inputs.corpus.fingerprint == record.data.fingerprint,
            "{} cannot be audited: its data has changed (it had the fingerprint {}, now {}); restore the data",
            path.display(),
            record.data.fingerprint,
            inputs.corpus.fingerprint,
        );
        let weights = [folder.last_path(), folder.best_path()].into_iter().find(|file| file.exists());
        let stored = weights.map(WeightFile::read).transpose()?;
        let audit = inputs.audit(match &stored {
            Some(file) => file.scaler.as_ref(),
            None => inputs.scaler.as_ref(),
        });
        Ok(Self::of_split("the split of the run", inputs, settings, audit))
    }

    /// The folds of a study, and the scalers in the weights that it has kept.
    fn of_study(path: &Path) -> anyhow::Result<Self> {
        let (study, first) = study::read_again(path)?;
        let audit = StudyFolder::audit(path, &study)?;
        Ok(Self::of_folds("the folds of the study", study, first, audit))
    }

    fn of_split(what: &str, inputs: Inputs, settings: Settings, audit: Audit) -> Self {
        Self {
            how: format!("{what}: {}", split_in_words(&inputs)),
            window: inputs.window,
            n_windows: inputs.windows.len(),
            n_folds: 1,
            corpus: inputs.corpus,
            settings,
            audit,
        }
    }

    fn of_folds(what: &str, study: Study, settings: Settings, audit: Audit) -> Self {
        Self {
            how: format!("{what}: {}", study.protocol.in_words()),
            window: study.window,
            n_windows: study.windows.len(),
            n_folds: study.folds.len(),
            corpus: study.corpus,
            settings,
            audit,
        }
    }

    /// The gap on the same windows, or why there is none.
    fn measure_gap(self) -> Result<Gap, String> {
        let why = |error: anyhow::Error| format!("{error:#}");
        // Folds are made anew there, and these only have to be some.
        let study = study::of_one_setting(Folds::Random(2), self.settings).map_err(why)?;
        let on = engines::open_for_scores(DeviceChoice::Cpu).map_err(why)?;
        Gap::measure(study, on.engine.as_ref())
    }

    fn as_json(&self) -> serde_json::Value {
        json!({
            "data": self.corpus.name,
            "synthetic": self.corpus.synthetic,
            "fingerprint": self.corpus.fingerprint,
            "audited": self.how,
            "window": self.window,
            "n_windows": self.n_windows,
            "n_subjects": self.corpus.subjects().len(),
            "n_folds": self.n_folds,
            "leaks": self.audit.leaks(),
            "findings": self.audit.findings,
        })
    }

    /// The findings, within 80 columns.
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { corpus, window, .. } = self;
        let synthetic = if corpus.synthetic { " (made by a program, not measured)" } else { "" };
        let subjects = match corpus.subjects().len() {
            0 => "unknown subjects".to_owned(),
            1 => "1 subject".to_owned(),
            n => format!("{n} subjects"),
        };
        writeln!(out, "data      {}{synthetic}", corpus.name)?;
        writeln!(out, "          {subjects}, {} windows of {window} samples", grouped(self.n_windows))?;
        writeln!(out, "{}", hanging("audited   ", &self.how))?;
        writeln!(out)?;
        for Finding { check, verdict, words } in &self.audit.findings {
            let verdict = match verdict {
                Verdict::Sound => "sound",
                Verdict::Note => "note",
                Verdict::Leak => "LEAK",
            };
            writeln!(out, "{}", hanging(&format!("{verdict:5}  {check:13}  "), words))?;
        }
        out.flush()
    }
}

/// `found`, with the gap or why there is none.
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
        writeln!(out, "{name:32}  {:22}  {}", estimate(f1), estimate(accuracy))?;
    }
    let verdict = match gap.is_shown() {
        true => format!("A random split flatters by {:.3} macro-F1 here.", f1.difference.mean),
        false => "That a random split flatters is not shown here.".to_owned(),
    };
    writeln!(out, "{verdict}")
}

/// `text` after `head`, its further lines below its first.
fn hanging(head: &str, text: &str) -> String {
    let width = head.chars().count();
    let lines = wrapped(text, &" ".repeat(width));
    format!("{head}{}", &lines[width..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_hangs_below_its_head() {
        let text = hanging("LEAK  samples  ", &"word ".repeat(30));
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("LEAK  samples  word word"), "{text}");
        assert!(lines.len() > 1 && lines[1..].iter().all(|line| line.starts_with("               word")), "{text}");
        assert!(lines.iter().all(|line| line.len() <= 80), "{text}");
    }
}
