//! `triax train`: from settings to a run folder with trained weights.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::ArgMatches;
use serde_json::json;
use triax_data::SplitPlan;
use triax_engine::device::DeviceInfo;
use triax_model::{Network, Weights, read_plain_weights};
use triax_trainer::{EpochRecord, FitPlan, Job, Metrics, Outcome, RunFolder, Summary, fit, resume};

use crate::config;
use crate::engines::{Place, Settled, Trial};
use crate::events::Events;
use crate::failure::Usage;
use crate::inputs::{Inputs, weight_file_extra};
use crate::plan::fit_plan;
use crate::progress::{Style, Watch, interruption};
use crate::record::{Record, Run};
use crate::report::{self, Judged, grouped, listed};
use crate::run_report::Finished;
use crate::settings::{MachineSettings, Settings};
use crate::sparkline;
use crate::values::ClassWeights;

const EXAMPLES: &str = "\
Examples:
  triax train                                           the built-in synthetic set
  triax train --data WISDM/ --split subject             your recordings, judged on people it never saw
  triax train --data WISDM/ --preset subject            trained for people it never saw
  triax train --data WISDM/ --activities A,B,C --step 40 --epochs 30 --early-stopping 5
  triax train --data X.npz --loss categorical_hinge --class-weights balanced
  triax train --config runs/NAME/config.json --seed 1   a run again, with another seed
  triax train --resume runs/NAME                        go on where a run was stopped

A run folder gets report.html, config.json, history.jsonl, metrics.json, best.safetensors, last.safetensors and a
checkpoint.
Ctrl-C finishes the batch, saves, and says how to resume.";

/// Train a network and write a run folder
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    run: RunArgs,
}

/// Where a run is kept, and what it prints.
#[derive(clap::Args)]
#[command(next_help_heading = "Run")]
struct RunArgs {
    /// Read settings from a JSON file, such as a run's config.json; options given here win
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The run folder, new or empty [default: runs/DATE_TIME-LOSS]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Go on with the run in this folder, with its own settings
    #[arg(long, value_name = "DIR", conflicts_with_all = ["config", "out"])]
    resume: Option<PathBuf>,
    /// Write the scalars of each epoch for TensorBoard too, into tensorboard/ of the run folder
    #[arg(long)]
    tensorboard: bool,
    /// Print a JSON object a line instead of text
    #[arg(long)]
    json: bool,
    /// Print nothing but warnings and errors
    #[arg(long, conflicts_with = "json")]
    quiet: bool,
}

/// Runs the subcommand.
pub fn run(args: Args, matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let style = match (args.run.json, args.run.quiet) {
        (true, _) => Style::Json,
        (_, true) => Style::Quiet,
        _ => Style::Human,
    };
    let show = Show { style, tensorboard: args.run.tensorboard };
    match (&args.run.resume, &args.run.config) {
        (Some(folder), _) => go_on(folder, matches, &args.settings, show),
        (None, Some(file)) => start(config::merged(file, matches, &args.settings)?, args.run.out, show),
        (None, None) => start(config::with_preset(matches, args.settings)?, args.run.out, show),
    }
}

/// What a run shows of itself.
#[derive(Clone, Copy)]
struct Show {
    style: Style,
    tensorboard: bool,
}

/// Everything a run needs, ready to train.
struct Prepared {
    settings: Settings,
    inputs: Inputs,
    network: Network,
    at: Settled,
    plan: FitPlan,
}

impl Prepared {
    fn new(mut settings: Settings) -> anyhow::Result<Self> {
        // What makes no sense whatever the data, and a device that is not there, are refused before a long read.
        settings.training.optimizer()?;
        let place = Place::find(&settings.machine)?;
        let inputs = Inputs::read(&settings.data, &settings.split, settings.training.seed)?;
        settings.data.window = Some(inputs.window);
        let n_classes = inputs.corpus.classes.len();
        let spec = settings.network.spec(inputs.window, inputs.corpus.channels.len(), n_classes);
        let network = Network::new(spec).context("this network cannot work")?;
        let mut plan = fit_plan(&settings, &network, &inputs.corpus.classes)?;
        if settings.training.class_weights == ClassWeights::Balanced {
            plan.training.class_weights = Some(triax_losses::balanced_class_weights(inputs.train_labels(), n_classes));
        }
        let at = place.settle(&Trial {
            network: &network,
            plan: &plan.training,
            windows: &inputs.windows,
            train: &inputs.train,
            scaler: inputs.scaler.as_ref(),
            learning_rate: plan.learning_rate,
        })?;
        Ok(Self { settings, inputs, network, at, plan })
    }

    fn record(&self) -> Record {
        Record::new(&self.inputs, &self.network, &self.at)
    }

    /// Calls `train` with the job, and reports how it ended.
    fn train(
        &self,
        folder: &RunFolder,
        Show { style, tensorboard }: Show,
        train: impl FnOnce(&Job<'_>, &mut Watch) -> Result<Outcome, triax_trainer::FitError>,
    ) -> anyhow::Result<ExitCode> {
        self.announce(folder, style)?;
        let extra = weight_file_extra(
            &self.inputs.corpus,
            self.inputs.normalize,
            self.plan.training.loss,
            self.settings.data.step,
        );
        let job = Job {
            engine: self.at.on.engine.as_ref(),
            network: &self.network,
            windows: &self.inputs.windows,
            train: &self.inputs.train,
            valid: &self.inputs.valid,
            plan: &self.plan,
            classes: &self.inputs.corpus.classes,
            scaler: self.inputs.scaler.as_ref(),
            extra: &extra,
        };
        let events = Events::of(folder, tensorboard)?;
        let interrupted =
            interruption("finishing the batch and saving", "the run resumes from its last complete epoch")?;
        let mut watch = Watch::new(style, self.plan.training.batch_size, interrupted, events);
        let outcome = train(&job, &mut watch);
        let events = watch.end();
        let outcome = outcome?;
        // Neither a report nor an event file that cannot be written is a reason to keep back the figures.
        let logged = events.map_or(Ok(()), Events::finish);
        match outcome {
            Outcome::Finished(summary) => {
                let Self { settings, inputs, network, at, .. } = self;
                let finished = Finished { settings, inputs, network, at, summary: &summary, folder };
                let report = finished.write_report();
                self.conclude(&finished, report.as_deref().ok(), style)?;
                report?;
                logged?;
                Ok(ExitCode::SUCCESS)
            }
            Outcome::Interrupted { epoch, step } => {
                let path = folder.path().display();
                if style == Style::Json {
                    let line = json!({"event": "interrupted", "epoch": epoch, "step": step, "run": folder.path()});
                    writeln!(io::stdout(), "{line}")?;
                }
                eprintln!("stopped in epoch {epoch} after step {step}, and saved; go on with:");
                eprintln!("  triax train --resume {path}");
                logged?;
                Ok(ExitCode::FAILURE)
            }
        }
    }

    /// What will be trained on what.
    fn announce(&self, folder: &RunFolder, style: Style) -> anyhow::Result<()> {
        self.warn();
        match style {
            Style::Human => Ok(self.header(&mut io::stdout().lock(), folder.path()).or_else(when_gone)?),
            Style::Json => {
                let line = json!({"event": "start", "run": folder.path(), "config": folder.config()?});
                Ok(writeln!(io::stdout(), "{line}").or_else(when_gone)?)
            }
            Style::Quiet => Ok(()),
        }
    }

    /// What a user should know before believing the figures, whatever the style.
    fn warn(&self) {
        let Inputs { corpus, split, valid, .. } = &self.inputs;
        if split.shared_windows > 0 {
            eprintln!(
                "warning: {} of {} validation windows share samples with training windows: the validation figures will \
                 be too good. Use --split subject, or --step {} or more.",
                grouped(split.shared_windows),
                grouped(valid.len()),
                self.inputs.window,
            );
        }
        if matches!(self.inputs.plan, SplitPlan::Random { .. }) {
            if !split.overlap_known {
                eprintln!(
                    "warning: the data came as windows, so nobody knows how many samples they share: a random split \
                     may make the validation figures too good."
                );
            }
            let both = split.valid_subjects.iter().filter(|subject| split.train_subjects.contains(subject)).count();
            if both > 0 {
                eprintln!("note: {both} subjects are in training and in validation: this is no test on unseen people.");
            }
        }
        if !corpus.repairs.is_empty() {
            let n_repairs: usize = corpus.repairs.entries.iter().map(|entry| entry.count).sum();
            let n_dropped = corpus.repairs.rows_dropped();
            eprintln!(
                "note: {} rows were mended and {} dropped on reading; `triax data inspect` says which.",
                grouped(n_repairs - n_dropped),
                grouped(n_dropped)
            );
        }
        if split.n_short_recordings > 0 {
            eprintln!(
                "note: {} of {} recordings are shorter than a window of {} samples and were left out.",
                grouped(split.n_short_recordings),
                grouped(corpus.recordings.len()),
                self.inputs.window,
            );
        }
    }

    fn header(&self, out: &mut dyn Write, folder: &Path) -> io::Result<()> {
        let Inputs { corpus, window, plan, split, train, valid, .. } = &self.inputs;
        let synthetic = if corpus.synthetic { " (made by a program, not measured)" } else { "" };
        let n_subjects = corpus.subjects().len();
        let subjects = if n_subjects == 0 { "unknown".to_owned() } else { n_subjects.to_string() };
        let rate = corpus.rate_hz.map(|rate| format!(", {} Hz", (rate * 100.0).round() / 100.0)).unwrap_or_default();
        writeln!(out, "data      {}{synthetic}", corpus.name)?;
        writeln!(out, "          {subjects} subjects, {} channels{rate}", corpus.channels.len())?;
        writeln!(out, "classes   {}", listed(&corpus.class_names, 20))?;
        writeln!(
            out,
            "windows   {} to train on, {} to validate with; {window} samples, a new one every {}",
            grouped(train.len()),
            grouped(valid.len()),
            if corpus.window.is_some() { *window } else { self.settings.data.step },
        )?;
        let held_out = &split.valid_subjects;
        match plan {
            SplitPlan::Subject { .. } => writeln!(
                out,
                "split     by subject: {} of {n_subjects} held out ({})",
                held_out.len(),
                listed(held_out, 12)
            )?,
            SplitPlan::Random { .. } => writeln!(
                out,
                "split     random windows: {} of {} validation windows share samples with training",
                grouped(split.shared_windows),
                grouped(valid.len()),
            )?,
            SplitPlan::Predefined => writeln!(out, "split     as the data comes")?,
        }
        let convs: Vec<String> = self.settings.network.convs.iter().map(ToString::to_string).collect();
        writeln!(
            out,
            "network   {window}×{} → convolutions {} → dense {} → {} classes: {} parameters",
            corpus.channels.len(),
            convs.join(" "),
            self.settings.network.hidden.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
            corpus.classes.len(),
            grouped(self.network.n_parameters()),
        )?;
        writeln!(
            out,
            "training  {}, {}, learning rate {}, batches of {}, {} epochs, seed {}",
            self.plan.training.loss,
            self.settings.training.optimizer.name(),
            self.plan.learning_rate,
            self.plan.training.batch_size,
            self.plan.epochs,
            self.settings.training.seed,
        )?;
        let varied = &self.plan.training.augmentation;
        if !varied.is_none() {
            let ordered = if varied.permute_channels { ", axes in any order" } else { "" };
            let flipped = if varied.flip_axes { ", axes turned around" } else { "" };
            writeln!(
                out,
                "          windows turned by up to {}°, shifted by {}, warped by {}, scaled by {}, mixed by {}, with noise of {}{ordered}{flipped}",
                varied.rotation, varied.shift, varied.time_warp, varied.scaling, varied.mix, varied.jitter,
            )?;
        }
        let Settled { on, why, .. } = &self.at;
        writeln!(out, "device    {} (engine {})", on.device, on.engine.name())?;
        if let Some(why) = why {
            writeln!(out, "          {why}")?;
        }
        writeln!(out, "run       {}", folder.display())?;
        writeln!(out)
    }

    fn conclude(&self, finished: &Finished<'_>, report: Option<&Path>, style: Style) -> anyhow::Result<()> {
        let Finished { summary, folder, .. } = finished;
        let mut out = io::stdout().lock();
        match style {
            Style::Quiet => Ok(()),
            Style::Json => {
                let line = json!({"event": "end", "run": folder.path(), "report": report, "metrics": summary});
                Ok(writeln!(out, "{line}")?)
            }
            Style::Human => {
                self.results(&mut out, summary, &folder.history()?)?;
                let run = folder.path().display();
                writeln!(out, "run folder: {run}")?;
                if let Some(report) = report {
                    writeln!(out, "report:     {}", report.display())?;
                }
                writeln!(out, "  triax evaluate {run}")?;
                Ok(writeln!(out, "  triax predict {run} --data PATH --out predictions.csv")?)
            }
        }
    }

    fn results(&self, out: &mut dyn Write, summary: &Summary, history: &[EpochRecord]) -> io::Result<()> {
        let corpus = &self.inputs.corpus;
        let Summary { epochs, stopped_early, best, last } = summary;
        writeln!(out)?;
        match (stopped_early, last.epoch == *epochs) {
            (true, _) => writeln!(out, "stopped early after epoch {epochs}, with the weights of epoch {}", last.epoch)?,
            (false, true) => writeln!(out, "after epoch {epochs}")?,
            (false, false) => writeln!(out, "after epoch {epochs}, with the weights of epoch {}", last.epoch)?,
        }
        writeln!(out)?;
        sparkline::curves(out, history)?;
        match &last.validation {
            Some(validation) => {
                let judged = Judged { class_names: &corpus.class_names, synthetic: corpus.synthetic };
                report::metrics(out, validation, &judged)?;
            }
            None => writeln!(out, "accuracy {:.4}  loss {:.4} (training windows)", last.accuracy, last.loss)?,
        }
        if let Some(Metrics { accuracy, macro_f1, loss, .. }) =
            best.validation.as_ref().filter(|_| best.epoch != last.epoch)
        {
            // Chosen by looking at the validation windows, it flatters a little; so it is not the headline.
            writeln!(out)?;
            writeln!(out, "lowest validation loss: epoch {} (best.safetensors)", best.epoch)?;
            writeln!(out, "accuracy {accuracy:.4}  macro-F1 {macro_f1:.4}  loss {loss:.4}")?;
        }
        writeln!(out)
    }
}

/// A reader that has gone away does not end a run.
fn when_gone(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::BrokenPipe { Ok(()) } else { Err(error) }
}

fn start(settings: Settings, out: Option<PathBuf>, show: Show) -> anyhow::Result<ExitCode> {
    let prepared = Prepared::new(settings)?;
    let Prepared { settings, network, .. } = &prepared;
    let weights = match &settings.training.init_weights {
        Some(file) => read_plain_weights(file, network).context("cannot start from these weights")?,
        None => Weights::glorot_uniform(network, settings.training.seed),
    };
    let out = out.unwrap_or_else(|| {
        let now = jiff::Zoned::now().strftime("%Y-%m-%d_%H-%M-%S");
        Path::new("runs").join(format!("{now}-{}", settings.training.loss))
    });
    let folder = RunFolder::create(&out, &prepared.record().with_settings(settings)?)?;
    prepared.train(&folder, show, |job, watch| fit(job, &weights, &folder, watch))
}

fn go_on(path: &Path, matches: &ArgMatches, given: &Settings, show: Show) -> anyhow::Result<ExitCode> {
    let run = Run::open(path)?;
    let before = config::entries_of(&run.settings);
    let given_now = config::given(matches, given);
    // What is trained stays as it is; where that happens may change.
    for (key, value) in given_now.iter().filter(|(key, _)| !["device", "engine"].contains(&key.as_str())) {
        if before[key] != *value {
            return Err(Usage(format!(
                "a resumed run keeps its settings: `{key}` is {} in {}, not {value}; for other settings start a new \
                 run with --config {}",
                before[key],
                path.display(),
                run.folder.config_path().display(),
            ))
            .into());
        }
    }
    let machine = MachineSettings {
        engine: if given_now.contains_key("engine") { given.machine.engine } else { run.engine()? },
        device: if given_now.contains_key("device") { given.machine.device } else { run.device() },
        ..run.settings.machine
    };
    let prepared = Prepared::new(Settings { machine, ..run.settings }).with_context(|| {
        format!("cannot go on with {}, which began with the engine {}", path.display(), run.record.engine)
    })?;
    let (before, now) = (&run.record, prepared.record());
    anyhow::ensure!(
        before.data.fingerprint == now.data.fingerprint,
        "{} cannot be resumed: its data has changed (it had the fingerprint {}, now {}); restore the data, or start a \
         new run",
        path.display(),
        before.data.fingerprint,
        now.data.fingerprint,
    );
    let computes = |record: &Record| {
        let DeviceInfo { name, api, driver, driver_version, .. } = &record.device;
        [&record.engine, name, api, driver, driver_version].map(String::clone)
    };
    if computes(before) != computes(&now) {
        eprintln!(
            "warning: this run began on {} (engine {}) and goes on on {} (engine {}): it will not end with the same \
             bits as a run that stayed.",
            before.device, before.engine, now.device, now.engine
        );
    }
    prepared.train(&run.folder, show, |job, watch| resume(job, &run.folder, watch))
}
