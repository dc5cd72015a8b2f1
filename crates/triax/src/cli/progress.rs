//! The progress of a run: a bar on a terminal, a line per epoch elsewhere, JSON lines for programs, or nothing.

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use serde_json::json;
use triax::Observer;
use triax::settings::to_json;
use triax_engine::StepResult;
use triax_trainer::{EpochRecord, FitPlan, FitSize, Metrics};

use super::terminal::{say, tell};

/// The style of what a run prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// A line per epoch, and a bar if standard output is a terminal.
    Human,
    /// A JSON object per line.
    Json,
    /// Nothing.
    Quiet,
}

/// The options for the style of a command that prints while it trains.
#[derive(Args)]
pub struct StyleArgs {
    /// Print a JSON object a line instead of text
    #[arg(long)]
    json: bool,
    /// Print nothing but warnings and errors
    #[arg(long, conflicts_with = "json")]
    quiet: bool,
}

impl StyleArgs {
    /// The style that they ask for.
    pub fn style(&self) -> Style {
        Style::new(self.json, self.quiet)
    }
}

impl Style {
    /// The style that the options `--json` and `--quiet` ask for.
    pub fn new(json: bool, quiet: bool) -> Self {
        match (json, quiet) {
            (true, _) => Self::Json,
            (_, true) => Self::Quiet,
            _ => Self::Human,
        }
    }
}

/// Prints the progress of a run, and stops it on Ctrl-C.
pub struct TrainingProgress {
    style: Style,
    interrupted: Arc<AtomicBool>,
    bar: Option<ProgressBar>,
    epochs: usize,
    n_train: usize,
    batch_size: usize,
    /// Steps of the run before the epoch in progress.
    epoch_start: u64,
    /// Sums over the steps of the epoch so far.
    sums: EpochSums,
}

/// Sums over steps.
#[derive(Clone, Copy, Debug, Default)]
struct EpochSums {
    loss: f64,
    correct: u64,
    windows: u64,
}

impl TrainingProgress {
    /// Prints the progress of a training of `n_train` windows by `plan`, in `style`.
    pub fn new(style: Style, plan: &FitPlan, n_train: usize, interrupted: Arc<AtomicBool>) -> Self {
        Self {
            style,
            interrupted,
            bar: None,
            epochs: plan.epochs,
            n_train,
            batch_size: plan.training.batch_size,
            epoch_start: 0,
            sums: EpochSums::default(),
        }
    }

    /// Prints a line above the bar.
    fn print(&self, line: &str) {
        let print = || say(line);
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }
}

impl Observer for TrainingProgress {
    fn fit_started(&mut self, size: &FitSize) {
        if self.style == Style::Human && io::stdout().is_terminal() {
            let bar = ProgressBar::with_draw_target(Some(size.n_steps), ProgressDrawTarget::stdout());
            let style = ProgressStyle::with_template("{prefix} {bar:20} {msg}  {rate}  {eta} left");
            let rate = |state: &ProgressState, out: &mut dyn std::fmt::Write| {
                // An error of the bar does not end the run.
                let _ = write!(out, "{:.0} steps/s", state.per_sec());
            };
            bar.set_style(style.expect("a valid template").with_key("rate", rate));
            bar.set_position(size.steps_done);
            bar.reset_eta();
            bar.enable_steady_tick(Duration::from_millis(200));
            self.bar = Some(bar);
        }
    }

    fn epoch_started(&mut self, epoch: usize) {
        self.epoch_start = ((epoch - 1) * self.n_train.div_ceil(self.batch_size)) as u64;
        self.sums = EpochSums::default();
        if let Some(bar) = &self.bar {
            bar.set_prefix(format!("Epoch {epoch}/{}", self.epochs));
        }
    }

    fn steps_done(&mut self, steps: u64, newest: Option<StepResult>) {
        let Some(bar) = &self.bar else { return };
        bar.set_position(steps);
        if let Some(result) = newest {
            let first = (steps - self.epoch_start - 1) as usize * self.batch_size;
            let n_windows = self.batch_size.min(self.n_train - first) as u64;
            self.sums.loss += f64::from(result.loss) * n_windows as f64;
            self.sums.correct += u64::from(result.correct);
            self.sums.windows += n_windows;
            let mean = |sum: f64| sum / self.sums.windows as f64;
            bar.set_message(in_words(mean(self.sums.loss), mean(self.sums.correct as f64), "  "));
        }
    }

    fn epoch_ended(&mut self, _model_idx: usize, record: &EpochRecord, _validation: Option<&Metrics>) {
        match self.style {
            Style::Human => {
                if let Some(bar) = &self.bar {
                    bar.set_message(in_words(record.loss, record.accuracy, "  "));
                }
                self.print(&epoch_line(record, self.epochs));
            }
            Style::Json => {
                let mut line = json!({ "event": "epoch" });
                if let (Some(line), serde_json::Value::Object(figures)) = (line.as_object_mut(), to_json(record)) {
                    line.extend(figures);
                }
                self.print(&line.to_string());
            }
            Style::Quiet => {}
        }
    }

    fn interrupted(&mut self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }
}

impl Drop for TrainingProgress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn in_words(loss: f64, accuracy: f64, between: &str) -> String {
    format!("loss: {loss:.4}{between}accuracy: {accuracy:.4}")
}

/// An epoch as Keras prints it.
fn epoch_line(record: &EpochRecord, epochs: usize) -> String {
    let trained = in_words(record.loss, record.accuracy, " - ");
    let mut line = format!("Epoch {}/{epochs} - {:.1}s - {trained}", record.epoch, record.seconds);
    let figures =
        [("val_loss", record.val_loss), ("val_accuracy", record.val_accuracy), ("val_macro_f1", record.val_macro_f1)];
    for (name, value) in figures {
        if let Some(value) = value {
            line.push_str(&format!(" - {name}: {value:.4}"));
        }
    }
    line
}

/// A flag that Ctrl-C, or a request of the system to end, sets. The second time ends the process at once. `first` is printed
/// the first time, and `kept` the second time.
pub fn interruption(first: &'static str, kept: &'static str) -> anyhow::Result<Arc<AtomicBool>> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&interrupted);
    ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            tell(format_args!("error: interrupted again; {kept}"));
            std::process::exit(1);
        }
        tell(format_args!("\n{first}; press Ctrl-C again to stop at once"));
    })
    .context("cannot listen for Ctrl-C")?;
    Ok(interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_is_printed_as_keras_prints_it() {
        let record = EpochRecord {
            epoch: 3,
            loss: 0.12344,
            accuracy: 0.91,
            val_loss: Some(0.25),
            val_accuracy: Some(0.8),
            val_macro_f1: Some(0.75),
            learning_rate: 0.001,
            seconds: 1.234,
        };
        assert_eq!(
            epoch_line(&record, 10),
            "Epoch 3/10 - 1.2s - loss: 0.1234 - accuracy: 0.9100 - val_loss: 0.2500 - val_accuracy: 0.8000 - \
             val_macro_f1: 0.7500"
        );
        let record = EpochRecord { val_loss: None, val_accuracy: None, val_macro_f1: None, ..record };
        assert!(!epoch_line(&record, 10).contains("val_"));
    }
}
