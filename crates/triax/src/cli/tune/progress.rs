//! The progress of a search: one bar for the budgets of all searches.

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use triax::{OneSearch, Spending, TuneObserver};
use triax_study::search::{Block, Searched};

use crate::cli::progress::Style;
use crate::cli::terminal::say;
use crate::cli::text::interval;

/// Time between two lines if standard output is no terminal.
const BETWEEN_LINES: Duration = Duration::from_secs(30);
/// Positions of the bar.
const WHOLE: u64 = 10_000;

/// Prints the progress of a search, and stops it on Ctrl-C.
pub struct TuneProgress {
    style: Style,
    interrupted: Arc<AtomicBool>,
    bar: Option<ProgressBar>,
    what: String,
    /// When something was trained first, and what was spent by then: what was there before takes no time.
    begun: Option<(Instant, f64)>,
    last_line: Instant,
}

impl TuneProgress {
    /// Prints in `style`.
    pub fn new(style: Style, interrupted: Arc<AtomicBool>) -> Self {
        let bar = (style == Style::Human && io::stdout().is_terminal()).then(|| {
            let bar = ProgressBar::with_draw_target(Some(WHOLE), ProgressDrawTarget::stdout());
            let style = ProgressStyle::with_template("{bar:24} {percent:>3} %  {msg}").expect("a valid template");
            bar.set_style(style);
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        Self { style, interrupted, bar, what: String::new(), begun: None, last_line: Instant::now() }
    }

    /// Prints a line above the bar.
    fn print(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| say(line)),
            None => say(line),
        }
    }
}

impl TuneObserver for TuneProgress {
    fn search_started(&mut self, search: &OneSearch) {
        self.what.clone_from(&search.name);
    }

    fn block_started(&mut self, block: &Block, n_candidates: usize) {
        let what = self.what.split(',').next().unwrap_or_default().to_owned();
        self.what = format!("{what}, generation {}: {n_candidates} candidates", block.generation);
        if self.style == Style::Json {
            let Block { generation, number, folds, seed } = block;
            say(json!({
                "event": "block", "search": what, "generation": generation, "block": number, "folds": folds.len(),
                "seed": seed, "candidates": n_candidates,
            }));
        }
    }

    fn spent(&mut self, spending: &Spending) {
        let share = spending.share();
        let (began, first) = *self.begun.get_or_insert((Instant::now(), share));
        let left = (share > first).then(|| {
            let left = began.elapsed().as_secs_f64() * (1.0 - share) / (share - first);
            Duration::from_secs_f64(left.min(1e9))
        });
        let left = left.map(|left| format!(", {} left", HumanDuration(left))).unwrap_or_default();
        match &self.bar {
            Some(bar) => {
                bar.set_position((share * WHOLE as f64) as u64);
                bar.set_message(format!("{}{left}", self.what));
            }
            None if self.style == Style::Human && self.last_line.elapsed() >= BETWEEN_LINES => {
                self.last_line = Instant::now();
                say(format_args!("{:.0} %  {}{left}", share * 100.0, self.what));
            }
            None => {}
        }
    }

    fn search_ended(&mut self, search: &OneSearch, searched: &Searched) {
        let best = searched.best.map(|best| &searched.candidates[best]);
        match self.style {
            Style::Human => {
                let best = best.map_or_else(
                    || "none could be trained".to_owned(),
                    |best| format!("the best came to {}", interval(&best.estimate())),
                );
                self.print(&format!("{}: {} candidates, {best}", search.name, searched.candidates.len()));
            }
            Style::Json => self.print(
                &json!({
                    "event": "search", "search": search.name, "held_out": search.held_out,
                    "candidates": searched.candidates.len(), "best": best.map(|best| &best.values),
                    "macro_f1": best.map(|best| best.mean()),
                })
                .to_string(),
            ),
            Style::Quiet => {}
        }
    }

    fn final_run_started(&mut self) {
        if self.style == Style::Human {
            self.print("training the network of the chosen settings …");
        }
    }

    fn interrupted(&mut self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }
}

impl Drop for TuneProgress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
