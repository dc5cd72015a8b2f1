//! How a study is watched: one bar over all its steps.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use triax_study::Watch;

use crate::progress::Style;

/// Seconds between two lines where there is no terminal to draw a bar on.
const BETWEEN_LINES: Duration = Duration::from_secs(30);

/// Watches a study, and stops it when Ctrl-C was pressed.
pub struct Bar {
    style: Style,
    interrupted: Arc<AtomicBool>,
    bar: Option<ProgressBar>,
    n_trainings: usize,
    /// When training began, the steps that it has then, and those taken since.
    begun: Instant,
    n_steps: u64,
    steps_done: u64,
    /// When a line was printed last.
    told: Instant,
}

impl Bar {
    /// A watch that prints in `style`.
    pub fn new(style: Style, interrupted: Arc<AtomicBool>) -> Self {
        let now = Instant::now();
        Self { style, interrupted, bar: None, n_trainings: 0, begun: now, n_steps: 0, steps_done: 0, told: now }
    }

    /// What the steps that are left will take, by those that were taken.
    fn time_left(&self) -> Duration {
        let left = self.n_steps.saturating_sub(self.steps_done) as f64 / self.steps_done.max(1) as f64;
        Duration::from_secs_f64(left * self.begun.elapsed().as_secs_f64())
    }
}

impl Watch for Bar {
    fn started(&mut self, n_steps: u64, done: u64, n_trainings: usize, n_done: usize) {
        self.n_trainings = n_trainings;
        self.n_steps = n_steps - done;
        self.begun = Instant::now();
        if self.style == Style::Human && n_done > 0 {
            println!("{n_done} of {n_trainings} trainings are there already");
        }
        if self.style == Style::Human && io::stdout().is_terminal() {
            let bar = ProgressBar::with_draw_target(Some(n_steps), ProgressDrawTarget::stdout());
            let style = ProgressStyle::with_template("{msg} {bar:30} {percent:>3} %  {eta} left");
            bar.set_style(style.expect("a valid template"));
            bar.set_position(done);
            bar.set_message(format!("{n_done}/{n_trainings} trainings"));
            bar.reset_eta();
            bar.enable_steady_tick(Duration::from_millis(200));
            self.bar = Some(bar);
        }
    }

    fn steps_done(&mut self, steps: u64) {
        self.steps_done += steps;
        if let Some(bar) = &self.bar {
            bar.inc(steps);
        }
    }

    fn trainings_done(&mut self, done: usize) {
        let n_trainings = self.n_trainings;
        match (&self.bar, self.style) {
            (Some(bar), _) => bar.set_message(format!("{done}/{n_trainings} trainings")),
            // A standard output that is gone or full does not end a study.
            (None, Style::Json) => {
                let left = self.time_left().as_secs_f64().round();
                let line = json!({"event": "progress", "trainings": done, "of": n_trainings, "seconds_left": left});
                drop(writeln!(io::stdout(), "{line}"));
            }
            (None, Style::Human) if done == n_trainings => {
                drop(writeln!(io::stdout(), "{done}/{n_trainings} trainings"))
            }
            (None, Style::Human) if self.told.elapsed() >= BETWEEN_LINES => {
                self.told = Instant::now();
                let left = HumanDuration(self.time_left());
                drop(writeln!(io::stdout(), "{done}/{n_trainings} trainings, {left} left"));
            }
            _ => {}
        }
    }

    fn interrupted(&mut self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
