//! `triax data audit`: what validation would know from training, and how much a random split flatters.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::ensure;
use clap::ArgMatches;
use clap::parser::ValueSource;
use serde_json::json;
use triax_data::{Audit, Corpus, Finding, Folds, ScalerInUse, SplitPlan, Verdict, fit_scaler_to};
use triax_model::WeightFile;
use triax_study::{Gap, StudyFolder};

use crate::config::{self, RECORDED};
use crate::failure::Usage;
use crate::inputs::{self, Inputs};
use crate::record::Run;
use crate::report::{estimate, grouped, wrapped};
use crate::run_report::split_in_words;
use crate::settings::{DataSettings, SplitSettings};
use crate::study;
use crate::values::DataSource;

const EXAMPLES: &str = "\
Examples:
  triax data audit WISDM/                        the split that `triax train` would make
  triax data audit WISDM/ --split random         what a random one leaks
  triax data audit WISDM/ --folds loso           the folds of a study
  triax data audit X.npz --no-gap --strict       for a script: exit code 1 where something leaks
  triax data audit runs/NAME                     the split and the scaler that a run or a study has used

Looked for: samples, subjects and recordings on both sides, duplicate windows, a scaler or a standardisation of the data
that knows what validates, classes that nobody trains on. Then the gap: logistic regression, judged on random windows
and on unseen subjects (--no-gap leaves it out).

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
    step: usize,
    seed: u64,
    n_windows: usize,
    n_folds: usize,
    audit: Audit,
}

/// Runs the subcommand.
pub fn run(args: Args, matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let audited = Audited::of(&args, matches)?;
    let mut out = io::stdout().lock();
    if !args.json {
        audited.write(&mut out)?;
    }
    let gap = match args.no_gap {
        true => Err("--no-gap was given".to_owned()),
        false => audited.measure_gap()?,
    };
    let leaks = audited.audit.leaks();
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&audited.as_json(gap))?)?;
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
        let is_study = path.join("study.json").is_file();
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
        let Args { data, split, seed, .. } = args;
        let Some(folds) = args.folds else {
            let inputs = Inputs::read(data, split, *seed)?;
            let audit = inputs.audit(inputs.scaler.as_ref());
            let how = format!("the split of a training: {}", split_in_words(&inputs));
            return Ok(Self::of_inputs(how, inputs, data.step, *seed, audit));
        };
        let (corpus, window) = inputs::read_selected(data, *seed)?;
        let mut windows = triax_data::cut(&corpus, window, data.step)?;
        let held_out =
            SplitPlan::Subject { valid_fraction: split.valid_fraction, valid_subjects: split.valid_subjects.clone() };
        let made = folds.of(&corpus, &windows, window, &held_out, *seed)?;
        let channels = corpus.channels.len();
        if let Some(per_window) = data.normalize.per_window() {
            let problem = per_window.apply(&mut windows.values, window, channels);
            problem.map_err(|problem| anyhow::anyhow!("{}: {problem}", corpus.name))?;
        }
        let values = &windows.values;
        let fitted = made.iter().filter(|_| data.normalize.has_scaler());
        let scalers: Vec<_> = fitted.map(|fold| fit_scaler_to(values, &fold.train, window, channels)).collect();
        let used = made.iter().zip(&scalers).map(|(fold, scaler)| ScalerInUse {
            scaler,
            values,
            train: &fold.train,
            valid: &fold.valid,
        });
        let parts: Vec<(&[u32], &[u32])> = made.iter().map(|fold| (&*fold.train, &*fold.valid)).collect();
        let audit = Audit::of(&corpus, &windows.origins, window, &parts);
        let audit = audit.with_scalers(window, channels, &used.collect::<Vec<_>>());
        Ok(Self {
            how: format!("the folds of a study: {}", folds.in_words()),
            window,
            step: data.step,
            seed: *seed,
            n_windows: windows.len(),
            n_folds: made.len(),
            audit,
            corpus,
        })
    }

    /// The split and the scaler of a run.
    fn of_run(path: &Path) -> anyhow::Result<Self> {
        let Run { folder, settings, record } = Run::open(path)?;
        let seed = settings.training.seed;
        let inputs = Inputs::read(&settings.data, &settings.split, seed)?;
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
        let how = format!("the split of the run: {}", split_in_words(&inputs));
        Ok(Self::of_inputs(how, inputs, settings.data.step, seed, audit))
    }

    /// The folds of a study, and the scalers in the weights that it has kept.
    fn of_study(path: &Path) -> anyhow::Result<Self> {
        let study = study::read_again(path)?;
        let audit = study.audit(&match StudyFolder::kept_scalers(path, &study)? {
            kept if kept.is_empty() => study.scalers(),
            kept => kept,
        });
        Ok(Self {
            how: format!("the folds of the study: {}", study.protocol.in_words()),
            window: study.window,
            step: study.step,
            seed: study.seeds.first().copied().unwrap_or_default(),
            n_windows: study.windows.len(),
            n_folds: study.folds.len(),
            audit,
            corpus: study.corpus,
        })
    }

    fn of_inputs(how: String, inputs: Inputs, step: usize, seed: u64, audit: Audit) -> Self {
        let n_windows = inputs.windows.len();
        Self { how, window: inputs.window, step, seed, n_windows, n_folds: 1, audit, corpus: inputs.corpus }
    }

    /// The gap on the same windows, or why there is none.
    fn measure_gap(&self) -> anyhow::Result<Result<Gap, String>> {
        let windows = triax_data::cut(&self.corpus, self.window, self.step)?;
        Ok(Gap::measure(&self.corpus, &windows, self.window, self.seed))
    }

    fn as_json(&self, gap: Result<Gap, String>) -> serde_json::Value {
        let (gap, no_gap) = match gap {
            Ok(gap) => (Some(gap), None),
            Err(why) => (None, Some(why)),
        };
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
            "gap": gap,
            "no_gap": no_gap,
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
