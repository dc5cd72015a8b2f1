//! How many threads take the steps of a single model: the number that is fastest now.
//!
//! Results do not depend on it, so it can change after any step. More threads are faster on processors of one's own, and
//! slower where other programs or the host take processors away, since each join then waits for a thread that does not
//! run. Which of the two it is changes from second to second. So the favourite number takes the steps, now and then
//! another number takes a few, and one that is faster becomes the favourite.

/// Steps that are measured of another number.
const TRIAL_STEPS: usize = 8;

/// Steps after a change that do not count: threads wake up, and fill the caches of their processors.
const COLD_STEPS: usize = 4;

/// Steps of all threads before the first trial. A system takes a while to give each thread a processor of its own; trials
/// before that would leave a quiet machine with one thread.
const FIRST_STEPS: usize = 256;

/// Steps of the favourite between two trials, at least.
const STEPS_BETWEEN: usize = 32;

/// A step that takes so long, in seconds, is measured well enough by itself.
const LONG_STEP: f64 = 2e-3;

/// The part of all time by which trials may lengthen training.
const SHARE_OF_TRIALS: f64 = 1.0 / 64.0;

/// The weight of one step in the pace of the favourite.
const WEIGHT_OF_A_STEP: f64 = 1.0 / 16.0;

/// The weight of one trial in what is known of a number.
const WEIGHT_OF_A_TRIAL: f64 = 1.0 / 4.0;

/// A single trial says at most "four times as slow" or "four times as fast".
const MOST_OF_A_TRIAL: f64 = 4.0;

/// The favourite changes to a number that takes so much of its time, or less.
const CLEARLY_FASTER: f64 = 0.97;

/// Chooses the number of threads from the durations of steps.
#[derive(Clone, Debug)]
pub(super) struct ThreadChoice {
    candidates: Vec<Candidate>,
    favourite: usize,
    /// Seconds a step of the favourite, of late; none until it has taken enough.
    pace: Option<f64>,
    /// Steps of the favourite since the last trial.
    n_steps: usize,
    trial: Option<Trial>,
    /// The candidate of the latest trial.
    latest: usize,
    /// Seconds by which trials may still lengthen training; negative if the last one took longer than it might.
    credit: f64,
    /// Steps that do not count yet, since the number of threads has just changed.
    cold: usize,
}

/// A number of threads.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    n_threads: usize,
    /// The logarithm of its time in that of the favourite, over its trials; none before the first one. Only ratios are
    /// kept, of steps that ran one after the other: the machine's own speed changes too.
    slowness: Option<f64>,
}

/// Steps of a candidate that is not the favourite.
#[derive(Clone, Copy, Debug)]
struct Trial {
    candidate: usize,
    /// All steps and their seconds.
    taken: (usize, f64),
    /// Those that count.
    measured: (usize, f64),
}

impl ThreadChoice {
    /// A choice of 1, 2, 4, … and `most` threads. It begins with `most`.
    pub fn new(most: usize) -> Self {
        let below = std::iter::successors(Some(1), |n| Some(2 * n)).take_while(|&n| n < most);
        let candidates: Vec<_> =
            below.chain([most.max(1)]).map(|n_threads| Candidate { n_threads, slowness: None }).collect();
        let favourite = candidates.len() - 1;
        Self {
            candidates,
            favourite,
            pace: None,
            n_steps: 0,
            trial: None,
            latest: favourite,
            credit: 0.0,
            cold: COLD_STEPS,
        }
    }

    /// Whether there is a choice.
    pub fn is_open(&self) -> bool {
        self.candidates.len() > 1
    }

    /// The number of threads for the next step.
    pub fn n_threads(&self) -> usize {
        self.candidates[self.trial.map_or(self.favourite, |trial| trial.candidate)].n_threads
    }

    /// Takes note that the step with that number took `seconds`.
    pub fn took(&mut self, seconds: f64) {
        let counts = self.cold == 0 || seconds >= LONG_STEP;
        self.cold = self.cold.saturating_sub(1);
        match self.trial {
            Some(trial) => self.continue_trial(trial, seconds, counts),
            None => self.continue_favourite(seconds, counts),
        }
    }

    fn continue_favourite(&mut self, seconds: f64, counts: bool) {
        self.n_steps += 1;
        self.credit += SHARE_OF_TRIALS * seconds;
        if counts {
            let pace = self.pace.unwrap_or(seconds);
            self.pace = Some(pace + WEIGHT_OF_A_STEP * (seconds - pace));
        }
        let Some(pace) = self.pace.filter(|_| self.is_open()) else { return };
        // In turn.
        let mut others = (1..=self.candidates.len()).map(|i| (self.latest + i) % self.candidates.len());
        let candidate = others.find(|&other| other != self.favourite).expect("the choice is open");
        let is_due = match self.candidates[candidate].slowness {
            Some(slowness) => self.n_steps >= STEPS_BETWEEN && self.credit >= cost_of_trial(pace, slowness),
            None if self.candidates.iter().all(|candidate| candidate.slowness.is_none()) => {
                self.n_steps >= FIRST_STEPS || pace >= LONG_STEP
            }
            None => self.n_steps >= COLD_STEPS + TRIAL_STEPS || pace >= LONG_STEP,
        };
        if is_due {
            self.trial = Some(Trial { candidate, taken: (0, 0.0), measured: (0, 0.0) });
            (self.latest, self.n_steps, self.cold) = (candidate, 0, COLD_STEPS);
        }
    }

    fn continue_trial(&mut self, mut trial: Trial, seconds: f64, counts: bool) {
        let add = |(n, sum): (usize, f64)| (n + 1, sum + seconds);
        trial.taken = add(trial.taken);
        if counts {
            trial.measured = add(trial.measured);
        }
        let (n, sum) = trial.measured;
        if n < TRIAL_STEPS && sum < LONG_STEP {
            self.trial = Some(trial);
            return;
        }
        (self.trial, self.cold) = (None, COLD_STEPS);
        let pace = self.pace.expect("a trial follows steps of the favourite");
        self.credit -= (trial.taken.1 - trial.taken.0 as f64 * pace).max(0.0);
        let ratio = (sum / n as f64 / pace).clamp(1.0 / MOST_OF_A_TRIAL, MOST_OF_A_TRIAL).ln();
        let known = &mut self.candidates[trial.candidate].slowness;
        let slowness = known.map_or(ratio, |known| known + WEIGHT_OF_A_TRIAL * (ratio - known));
        *known = Some(slowness);
        if slowness <= CLEARLY_FASTER.ln() {
            self.change_favourite(trial.candidate, slowness, pace);
        }
    }

    /// Makes `candidate` the favourite. What is known of the others is known of them beside the old one.
    fn change_favourite(&mut self, candidate: usize, slowness: f64, pace: f64) {
        self.candidates[self.favourite].slowness = Some(0.0);
        for other in self.candidates.iter_mut().filter_map(|candidate| candidate.slowness.as_mut()) {
            *other -= slowness;
        }
        self.favourite = candidate;
        self.pace = Some(pace * slowness.exp());
    }
}

/// The seconds by which a trial is expected to lengthen training.
fn cost_of_trial(pace: f64, slowness: f64) -> f64 {
    // A long step is a trial by itself.
    let n_steps = if pace * slowness.exp() >= LONG_STEP { 1 } else { COLD_STEPS + TRIAL_STEPS };
    n_steps as f64 * pace * (slowness.exp() - 1.0)
}

#[cfg(test)]
mod tests {
    use triax_model::random::{Purpose, Stream};

    use super::*;

    /// A machine: the seconds of a step on so many threads, before its noise.
    type Machine<'a> = &'a dyn Fn(usize) -> f64;

    /// Takes `n` steps on `machine`, with up to a tenth of noise. Returns seconds, and the steps on each number of threads.
    fn run(choice: &mut ThreadChoice, n: usize, seed: u64, machine: Machine<'_>) -> (f64, Vec<usize>) {
        let mut stream = Stream::new(seed, Purpose::Synthesise, 0);
        let (mut seconds, mut steps) = (0.0, vec![0; 65]);
        for _ in 0..n {
            let n_threads = choice.n_threads();
            steps[n_threads] += 1;
            let step = machine(n_threads) * (1.0 + 0.1 * f64::from(stream.uniform()));
            choice.took(step);
            seconds += step;
        }
        (seconds, steps)
    }

    /// The time over that of `n` steps on the number of threads that is fastest.
    fn excess(n: usize, seconds: f64, fastest: f64) -> f64 {
        seconds / (n as f64 * fastest * 1.05) - 1.0
    }

    #[test]
    fn one_thread_is_no_choice() {
        let mut choice = ThreadChoice::new(1);
        assert!(!choice.is_open());
        assert_eq!(run(&mut choice, 500, 1, &|_| 3e-4).1[1], 500);
        assert_eq!(ThreadChoice::new(0).n_threads(), 1);
    }

    #[test]
    fn powers_of_two_and_all_threads_are_tried() {
        for (most, expected) in
            [(2, &[1, 2][..]), (6, &[1, 2, 4, 6]), (8, &[1, 2, 4, 8]), (64, &[1, 2, 4, 8, 16, 32, 64])]
        {
            let (_, steps) = run(&mut ThreadChoice::new(most), 1000, 1, &|_| 3e-4);
            let tried: Vec<usize> = (0..steps.len()).filter(|&n| steps[n] > 0).collect();
            assert_eq!(tried, expected);
        }
    }

    /// Work that threads share, and joins that cost more the more threads there are.
    fn quiet(n_threads: usize) -> f64 {
        3e-4 / n_threads as f64 + 4e-6 * n_threads as f64
    }

    #[test]
    fn the_fastest_number_takes_nearly_all_steps() {
        for (seed, most, fastest) in [(1, 2, 2), (2, 4, 4), (3, 8, 8), (4, 64, 8)] {
            let mut choice = ThreadChoice::new(most);
            run(&mut choice, 500, seed, &quiet);
            let (seconds, steps) = run(&mut choice, 5000, seed, &quiet);
            assert!(steps[fastest] > 4000, "{most} threads: {steps:?}");
            assert!(excess(5000, seconds, quiet(fastest)) < 0.06, "{most} threads: {seconds}");
        }
    }

    /// Two threads that have to wait for each other, however badly, cost no more than the trials may.
    #[test]
    fn it_is_never_slower_than_one_thread_beyond_the_trials() {
        for (seed, slower) in [(1, 1.02), (2, 1.1), (3, 1.5), (4, 4.0), (5, 100.0)] {
            let mut choice = ThreadChoice::new(2);
            let machine = |n_threads| if n_threads == 1 { 3e-4 } else { 3e-4 * slower };
            run(&mut choice, 200, seed, &machine);
            let (seconds, _) = run(&mut choice, 20_000, seed, &machine);
            assert!(excess(20_000, seconds, 3e-4) < 0.06, "{slower} times as slow: {seconds}");
        }
    }

    #[test]
    fn the_beginning_is_short_even_if_all_threads_are_slow() {
        let machine = |n_threads| if n_threads == 1 { 3e-4 } else { 3e-3 };
        let (_, steps) = run(&mut ThreadChoice::new(2), 50, 1, &machine);
        assert!(steps[1] > 40, "{steps:?}");
        // Of steps that take long, one of each number is enough.
        let (_, steps) = run(&mut ThreadChoice::new(8), 8, 1, &|n_threads| 100.0 * quiet(n_threads));
        assert_eq!([steps[1], steps[2], steps[4]], [1; 3], "{steps:?}");
    }

    #[test]
    fn it_changes_its_mind_when_the_machine_changes() {
        let busy = |n_threads| if n_threads == 1 { 3e-4 } else { 1.2e-3 };
        let mut choice = ThreadChoice::new(2);
        for seed in 0..5 {
            run(&mut choice, 10_000, seed, &quiet);
            let (_, steps) = run(&mut choice, 1000, seed, &busy);
            assert!(steps[1] > 600, "the processor is gone: {steps:?}");
            run(&mut choice, 10_000, seed, &busy);
            // 10,000 steps take three seconds.
            run(&mut choice, 10_000, seed, &quiet);
            let (_, steps) = run(&mut choice, 1000, seed, &quiet);
            assert!(steps[2] > 850, "the processor is back: {steps:?}");
        }
    }

    /// Two threads are faster in most steps, but one step in 25 waits for a processor: all in all one thread is faster.
    #[test]
    fn rare_and_long_waits_count() {
        let mut stream = Stream::new(7, Purpose::Synthesise, 1);
        let waits: Vec<bool> = (0..100_000).map(|_| stream.uniform() < 0.04).collect();
        let step = std::cell::Cell::new(0);
        let machine = |n_threads| {
            step.set(step.get() + 1);
            if n_threads == 1 { 3e-4 } else { 2e-4 + if waits[step.get()] { 1e-2 } else { 0.0 } }
        };
        let mut choice = ThreadChoice::new(2);
        let (seconds, steps) = run(&mut choice, 20_000, 7, &machine);
        assert!(steps[1] > 17_000, "{steps:?}");
        assert!(excess(20_000, seconds, 3e-4) < 0.2, "{seconds}");
    }

    /// A machine that is slower for a while is slower for all numbers of threads.
    #[test]
    fn speed_that_drifts_does_not_change_its_mind() {
        let step = std::cell::Cell::new(0);
        let machine = |n_threads| {
            step.set(step.get() + 1);
            quiet(n_threads) * (1.0 + f64::from(step.get() / 500 % 2))
        };
        let mut choice = ThreadChoice::new(2);
        run(&mut choice, 500, 1, &machine);
        let (_, steps) = run(&mut choice, 10_000, 1, &machine);
        assert!(steps[2] > 8000, "{steps:?}");
    }
}
