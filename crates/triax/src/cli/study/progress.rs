//! The progress of a study: one bar for all its steps.

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use triax::Observer;
use triax_engine::StepResult;
use triax_trainer::FitSize;

use crate::cli::progress::Style;
use crate::cli::terminal::say;

/// Time between two lines if standard output is no terminal.
const BETWEEN_LINES: Duration = Duration::from_secs(30);

/// Prints the progress of a study, and stops it on Ctrl-C.
pub struct StudyProgress {
    style: Style,
    interrupted: Arc<AtomicBool>,
    bar: Option<ProgressBar>,
    n_trainings: usize,
    /// When training started, the steps that were left then, and the steps that were done.
    begun: Instant,
    steps_left: u64,
    first_steps: u64,
    /// Steps of all trainings that are done.
    steps_done: u64,
    /// When a line was printed last.
    last_line: Instant,
}

impl StudyProgress {
    /// Prints in `style`.
    pub fn new(style: Style, interrupted: Arc<AtomicBool>) -> Self {
        let now = Instant::now();
        Self {
            style,
            interrupted,
            bar: None,
            n_trainings: 0,
            begun: now,
            steps_left: 0,
            first_steps: 0,
            steps_done: 0,
            last_line: now,
        }
    }

    /// The time for the remaining steps, at the rate so far.
    fn time_left(&self) -> Duration {
        let taken = self.steps_done.saturating_sub(self.first_steps);
        let left = self.steps_left.saturating_sub(taken) as f64 / taken.max(1) as f64;
        Duration::from_secs_f64(left * self.begun.elapsed().as_secs_f64())
    }
}

impl Observer for StudyProgress {
    fn fit_started(&mut self, size: &FitSize) {
        let FitSize { n_models, models_done, n_steps, steps_done, .. } = *size;
        self.n_trainings = n_models;
        self.steps_left = n_steps - steps_done;
        (self.first_steps, self.steps_done) = (steps_done, steps_done);
        self.begun = Instant::now();
        if self.style == Style::Human && models_done > 0 {
            say(format_args!("{models_done} of {n_models} trainings are there already"));
        }
        if self.style == Style::Human && io::stdout().is_terminal() {
            let bar = ProgressBar::with_draw_target(Some(n_steps), ProgressDrawTarget::stdout());
            let style = ProgressStyle::with_template("{msg} {bar:30} {percent:>3} %  {eta} left");
            bar.set_style(style.expect("a valid template"));
            bar.set_position(steps_done);
            bar.set_message(format!("{models_done}/{n_models} trainings"));
            bar.reset_eta();
            bar.enable_steady_tick(Duration::from_millis(200));
            self.bar = Some(bar);
        }
    }

    fn steps_done(&mut self, steps: u64, _newest: Option<StepResult>) {
        self.steps_done = steps;
        if let Some(bar) = &self.bar {
            bar.set_position(steps);
        }
    }

    fn models_ended(&mut self, done: usize) {
        let n_trainings = self.n_trainings;
        match (&self.bar, self.style) {
            (Some(bar), _) => bar.set_message(format!("{done}/{n_trainings} trainings")),
            (None, Style::Json) => {
                let left = self.time_left().as_secs_f64().round();
                let line = json!({"event": "progress", "trainings": done, "of": n_trainings, "seconds_left": left});
                say(line);
            }
            (None, Style::Human) if done == n_trainings => say(format_args!("{done}/{n_trainings} trainings")),
            (None, Style::Human) if self.last_line.elapsed() >= BETWEEN_LINES => {
                self.last_line = Instant::now();
                let left = HumanDuration(self.time_left());
                say(format_args!("{done}/{n_trainings} trainings, {left} left"));
            }
            _ => {}
        }
    }

    fn interrupted(&mut self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }
}

impl Drop for StudyProgress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
