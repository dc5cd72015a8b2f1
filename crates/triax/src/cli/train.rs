//! `triax train`: from settings to a run folder with trained weights.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;
use triax::Settings;
use triax::text::{grouped, listed, network_in_words, step_in_words};
use triax::{ClassicalTraining, Outcome, Training, TrainingData};
use triax_data::SplitPlan;
use triax_trainer::{EpochRecord, Metrics, RunFolder, Summary};

use super::new_folder::NewFolder;
use super::options::GivenSettings;
use super::output;
use super::progress::{Style, StyleArgs, TrainingProgress, interruption};
use super::terminal::{log, say, tell, visible};
use super::text::{self, Labels};
use super::{print_notices, sparkline, timings};

const EXAMPLES: &str = "\
Examples:
  triax train                                           the built-in synthetic set
  triax train --data WISDM/ --split subject             your recordings, judged on people it never saw
  triax train --data WISDM/ --preset subject            trained for people it never saw
  triax train --data WISDM/ --activities A,B,C --step 40 --epochs 30 --early-stopping 5
  triax train --data X.npz --loss categorical_hinge --class-weights balanced
  triax train --data WISDM/ --model logistic_regression a classical model on features, to compare or combine with
  triax train --config runs/NAME/config.json --seed 1   a run again, with another seed
  triax train --resume runs/NAME                        go on where a run was stopped

A run folder gets report.html, config.json, history.jsonl, metrics.json, best.safetensors, last.safetensors and a
checkpoint.
Ctrl-C finishes the batch, saves, and says how to resume.";

/// Train a network or a classical model, and write a run folder
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    settings: GivenSettings<Settings>,
    #[command(flatten)]
    run: RunArgs,
}

/// Where a run is kept, and what it prints.
#[derive(clap::Args)]
#[command(next_help_heading = "Run")]
struct RunArgs {
    /// Read settings from a JSON or TOML file, such as a run's config.json or a search's best.toml; options given here win
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The run folder, new or empty [default: runs/DATE_TIME-LOSS]
    #[arg(long, value_name = "DIR", value_parser = output::beside())]
    out: Option<PathBuf>,
    /// Go on with the run in this folder, with its own settings
    #[arg(long, value_name = "DIR", conflicts_with_all = ["config", "out"])]
    resume: Option<PathBuf>,
    /// Write the scalars of each epoch for TensorBoard too, into tensorboard/ of the run folder
    #[arg(long)]
    tensorboard: bool,
    /// Print on standard error where the time went, and how long the device was busy
    #[arg(long)]
    timings: bool,
    #[command(flatten)]
    style: StyleArgs,
}

/// Runs the subcommand.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let (given, run) = (args.settings.entries, args.run);
    let (style, timings) = (run.style.style(), timings::recorder(run.timings));
    let mut training = match (&run.resume, &run.config) {
        (Some(folder), _) => Training::resume_with(folder, &given, &timings)?,
        (None, config) => {
            let settings = match config {
                Some(file) => Settings::from_file_and(file, &given)?,
                None => Settings::from_entries(&given)?,
            };
            let is_classical = settings.training.classical().is_some();
            if is_classical && run.tensorboard {
                let problem = format!("a {} has no epochs: leave --tensorboard out", settings.training.model);
                return Err(triax::Error::Usage(problem).into());
            }
            let called = if is_classical { settings.training.model.name() } else { settings.training.loss.name() };
            let unnamed = match &run.out {
                Some(_) => None,
                None => Some(NewFolder::make(called)?),
            };
            let out = run.out.as_deref().or(unnamed.as_ref().map(NewFolder::path)).expect("given or made");
            if is_classical {
                let training = ClassicalTraining::new(settings, out, &timings)?;
                let code = train_classical(&training, style)?;
                timings::print(&timings, 1);
                return Ok(code);
            }
            Training::new_with(settings, out, &timings)?
        }
    };
    training.tensorboard = run.tensorboard;
    print_notices(&training.notices);
    announce(&training, style)?;
    let interrupted = interruption("finishing the batch and saving", "the run resumes from its last complete epoch")?;
    let mut progress = TrainingProgress::new(style, &training.plan, training.data.split.train.len(), interrupted);
    let outcome = training.run(&mut progress)?;
    drop(progress);
    let code = conclude((&training.data, &training.folder), outcome, style)?;
    timings::print(&timings, 1);
    Ok(code)
}

/// Trains a classical model, and prints what that gave.
fn train_classical(training: &ClassicalTraining, style: Style) -> anyhow::Result<ExitCode> {
    let ClassicalTraining { data, plan, folder, .. } = training;
    print_notices(&training.notices);
    match style {
        Style::Human => {
            let mut out = log();
            of_data(&mut out, data)?;
            write!(out, "model     {} on {} features", plan.method.name(), plan.features.name())?;
            if plan.method.is_penalised() {
                write!(out, ", regularization {}", plan.regularization)?;
            }
            writeln!(out)?;
            writeln!(out, "run       {}", folder.path().display())?;
        }
        Style::Json => start(folder)?,
        Style::Quiet => {}
    }
    conclude((data, folder), training.run()?, style)
}

/// Prints the data, the network and the settings.
fn announce(training: &Training, style: Style) -> anyhow::Result<()> {
    match style {
        Style::Human => header(&mut log(), training)?,
        Style::Json => start(&training.folder)?,
        Style::Quiet => {}
    }
    Ok(())
}

/// Prints the event that begins a run.
fn start(folder: &RunFolder) -> anyhow::Result<()> {
    say(json!({"event": "start", "run": folder.path(), "config": folder.config()?}));
    Ok(())
}

/// Prints the data and its split.
fn of_data(out: &mut dyn Write, data: &TrainingData) -> io::Result<()> {
    let TrainingData { corpus, window, split, .. } = data;
    let synthetic = if corpus.synthetic { text::SYNTHETIC } else { "" };
    let n_subjects = corpus.subjects().len();
    let subjects = if n_subjects == 0 { "unknown".to_owned() } else { n_subjects.to_string() };
    let rate = corpus.rate_hz.map(|rate| format!(", {} Hz", (rate * 100.0).round() / 100.0)).unwrap_or_default();
    writeln!(out, "data      {}{synthetic}", visible(&corpus.name))?;
    writeln!(out, "          {subjects} subjects, {} channels{rate}", corpus.channels.len())?;
    writeln!(out, "classes   {}", visible(&listed(&corpus.class_names, 20)))?;
    writeln!(
        out,
        "windows   {} to train on, {} to validate with; {window} samples, {}",
        grouped(split.train.len()),
        grouped(split.valid.len()),
        step_in_words(data.known_step()),
    )?;
    let held_out = &split.valid_subjects;
    match data.plan {
        SplitPlan::Subject(_) => writeln!(
            out,
            "split     by subject: {} of {n_subjects} held out ({})",
            held_out.len(),
            visible(&listed(held_out, 12))
        )?,
        SplitPlan::Random { .. } if split.overlap_known => writeln!(
            out,
            "split     random windows: {} of {} validation windows share samples with training",
            grouped(split.shared_windows),
            grouped(split.valid.len()),
        )?,
        SplitPlan::Random { .. } => writeln!(out, "split     random windows")?,
        SplitPlan::Predefined => writeln!(out, "split     as the data comes")?,
    }
    Ok(())
}

fn header(out: &mut dyn Write, training: &Training) -> io::Result<()> {
    let Training { settings, data, network, plan, engine, folder, .. } = training;
    of_data(out, data)?;
    writeln!(out, "network   {}", network_in_words(network))?;
    writeln!(
        out,
        "training  {}, {}, learning rate {}, batches of {}, {} epochs, seed {}",
        plan.training.loss,
        settings.training.optimizer.name(),
        plan.learning_rate,
        plan.training.batch_size,
        plan.epochs,
        settings.training.seed,
    )?;
    let varied = &plan.training.augmentation;
    if !varied.is_none() {
        let ordered = if varied.permute_channels { ", axes in any order" } else { "" };
        let flipped = if varied.flip_axes { ", axes turned around" } else { "" };
        writeln!(
            out,
            "          windows turned by up to {}°, shifted by {}, warped by {}, scaled by {}, mixed by {}, with noise of {}{ordered}{flipped}",
            varied.rotation, varied.shift, varied.time_warp, varied.scaling, varied.mix, varied.jitter,
        )?;
    }
    writeln!(out, "device    {} (engine {})", engine.open.device, engine.open.engine.name())?;
    if let Some(why) = &engine.why {
        writeln!(out, "          {why}")?;
    }
    writeln!(out, "run       {}", folder.path().display())?;
    writeln!(out)
}

/// Prints the result. The figures are printed even if the report or an event file cannot be written.
fn conclude((data, folder): (&TrainingData, &RunFolder), outcome: Outcome, style: Style) -> anyhow::Result<ExitCode> {
    let path = folder.path();
    match outcome {
        Outcome::Finished { summary, report, events } => {
            let mut out = log();
            match style {
                Style::Quiet => {}
                Style::Json => {
                    let report = report.as_ref().ok();
                    writeln!(out, "{}", json!({"event": "end", "run": path, "report": report, "metrics": summary}))?;
                }
                Style::Human => {
                    results(&mut out, data, &summary, &folder.history()?)?;
                    let run = path.display();
                    writeln!(out, "run folder: {run}")?;
                    if let Ok(report) = &report {
                        writeln!(out, "report:     {}", report.display())?;
                    }
                    writeln!(out, "  triax evaluate {run}")?;
                    writeln!(out, "  triax predict {run} --data PATH --out predictions.csv")?;
                }
            }
            report?;
            events?;
            Ok(ExitCode::SUCCESS)
        }
        Outcome::Interrupted { epoch, step, events } => {
            if style == Style::Json {
                say(json!({"event": "interrupted", "epoch": epoch, "step": step, "run": path}));
            }
            tell(format_args!("stopped in epoch {epoch} after step {step}, and saved; go on with:"));
            tell(format_args!("  triax train --resume {}", path.display()));
            events?;
            Ok(ExitCode::FAILURE)
        }
    }
}

fn results(out: &mut dyn Write, data: &TrainingData, summary: &Summary, history: &[EpochRecord]) -> io::Result<()> {
    let corpus = &data.corpus;
    let Summary { epochs, stopped_early, best, last } = summary;
    writeln!(out)?;
    match (stopped_early, last.epoch == *epochs) {
        _ if *epochs == 0 => writeln!(out, "trained")?,
        (true, _) => writeln!(out, "stopped early after epoch {epochs}, with the weights of epoch {}", last.epoch)?,
        (false, true) => writeln!(out, "after epoch {epochs}")?,
        (false, false) => writeln!(out, "after epoch {epochs}, with the weights of epoch {}", last.epoch)?,
    }
    writeln!(out)?;
    sparkline::curves(out, history)?;
    match &last.validation {
        Some(validation) => {
            let labels = Labels { class_names: &corpus.class_names, synthetic: corpus.synthetic };
            text::metrics(out, validation, &labels)?;
        }
        None => writeln!(out, "accuracy {:.4}  loss {:.4} (training windows)", last.accuracy, last.loss)?,
    }
    if let Some(Metrics { accuracy, macro_f1, loss, .. }) =
        best.validation.as_ref().filter(|_| best.epoch != last.epoch)
    {
        // It was chosen by the validation windows, so that its figures are slightly too good.
        writeln!(out)?;
        writeln!(out, "lowest validation loss: epoch {} (best.safetensors)", best.epoch)?;
        writeln!(out, "accuracy {accuracy:.4}  macro-F1 {macro_f1:.4}  loss {loss:.4}")?;
    }
    writeln!(out)
}
