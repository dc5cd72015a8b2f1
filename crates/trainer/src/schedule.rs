//! The learning rate of every step, in Keras's forms.

use std::f64::consts::PI;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::exact;
use crate::fit_plan::FitPlan;

/// How the learning rate changes over a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case", deny_unknown_fields)]
pub enum Schedule {
    /// Constant.
    Constant,
    /// `lr · ½ (1 + cos(π · step / steps of the whole run))`: Keras's `CosineDecay` with `alpha = 0`, step counted from 0.
    Cosine,
    /// Multiplied by `factor` when the loss has not improved for `patience` epochs: Keras's `ReduceLROnPlateau`. The
    /// loss is that of validation, or of training without validation windows.
    Plateau {
        /// Factor of each reduction, in (0, 1).
        factor: f64,
        /// Epochs without improvement before a reduction.
        patience: usize,
        /// Smallest decrease of the loss that counts as an improvement.
        min_delta: f64,
        /// Epochs after a reduction that are not counted.
        cooldown: usize,
        /// The learning rate is never reduced below this.
        min_learning_rate: f32,
    },
}

impl Schedule {
    /// Reduce on plateau with Keras's defaults.
    pub const PLATEAU: Self =
        Self::Plateau { factor: 0.1, patience: 10, min_delta: 1e-4, cooldown: 0, min_learning_rate: 0.0 };

    pub(crate) fn check(&self) -> Result<(), String> {
        let Self::Plateau { factor, min_delta, min_learning_rate, .. } = *self else { return Ok(()) };
        if !(factor > 0.0 && factor < 1.0) {
            return Err(format!("the plateau schedule's factor must lie between 0 and 1, it is {factor}"));
        }
        if !(min_delta >= 0.0 && min_delta.is_finite()) {
            return Err(format!("the plateau schedule's min_delta must be at least 0, it is {min_delta}"));
        }
        if !(min_learning_rate >= 0.0 && min_learning_rate.is_finite()) {
            return Err(format!("the plateau schedule's lower bound must be at least 0, it is {min_learning_rate}"));
        }
        Ok(())
    }
}

/// The state of a schedule within a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ScheduleState {
    /// The learning rate before the schedule's function of the step is applied.
    #[serde(with = "exact")]
    learning_rate: f32,
    /// Lowest loss seen; infinite before the first epoch.
    #[serde(with = "exact")]
    lowest: f64,
    /// Epochs without improvement that count.
    waited: usize,
    /// Remaining epochs of the cooldown.
    cooling: usize,
}

impl ScheduleState {
    pub(crate) fn new(learning_rate: f32) -> Self {
        Self { learning_rate, lowest: f64::INFINITY, waited: 0, cooling: 0 }
    }

    /// Checks that this can be the state after `epochs` epochs of a training by `plan`.
    pub(crate) fn check(&self, plan: &FitPlan, epochs: usize) -> Result<(), String> {
        let Self { learning_rate, lowest, waited, .. } = *self;
        if !(0.0..=plan.learning_rate).contains(&learning_rate) {
            return Err(format!("the learning rate is {learning_rate} after a start with {}", plan.learning_rate));
        }
        if lowest.is_nan() {
            return Err("the lowest loss is NaN".to_owned());
        }
        match waited <= epochs {
            true => Ok(()),
            false => Err(format!("{waited} epochs without a better loss cannot be among {epochs}")),
        }
    }

    /// Learning rate of `step`, counted from 0 at the start of a run of `n_steps`.
    pub(crate) fn rate(&self, schedule: &Schedule, step: u64, n_steps: u64) -> f32 {
        match schedule {
            Schedule::Constant | Schedule::Plateau { .. } => self.learning_rate,
            Schedule::Cosine => {
                let done = step as f64 / n_steps as f64;
                (f64::from(self.learning_rate) * 0.5 * (1.0 + (PI * done).cos())) as f32
            }
        }
    }

    /// Learning rate of each of `steps`, counted likewise.
    pub(crate) fn rates(&self, schedule: &Schedule, steps: Range<u64>, n_steps: u64) -> Vec<f32> {
        steps.map(|step| self.rate(schedule, step, n_steps)).collect()
    }

    /// Updates the state after an epoch with `loss`.
    pub(crate) fn epoch_ended(&mut self, schedule: &Schedule, loss: f64) {
        let Schedule::Plateau { factor, patience, min_delta, cooldown, min_learning_rate } = *schedule else { return };
        if self.cooling > 0 {
            self.cooling -= 1;
            self.waited = 0;
        }
        if loss + min_delta < self.lowest {
            self.lowest = loss;
            self.waited = 0;
        } else if self.cooling == 0 {
            self.waited += 1;
            if self.waited >= patience && self.learning_rate > min_learning_rate {
                let reduced = (f64::from(self.learning_rate) * factor) as f32;
                self.learning_rate = reduced.max(min_learning_rate);
                self.cooling = cooldown;
                self.waited = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use triax_testing::{Tolerance, assert_close, golden};

    use super::*;

    fn callbacks() -> Value {
        golden(concat!(env!("CARGO_MANIFEST_DIR"), "/golden/callbacks.json"))
    }

    fn numbers(value: &Value) -> Vec<f64> {
        value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
    }

    #[test]
    fn cosine_is_that_of_keras() {
        let golden = &callbacks()["cosine"];
        let state = ScheduleState::new(golden["learning_rate"].as_f64().unwrap() as f32);
        for run in golden["runs"].as_array().unwrap() {
            let n_steps = run["n_steps"].as_u64().unwrap();
            let steps = run["steps"].as_array().unwrap().iter().map(|step| step.as_u64().unwrap());
            let rates: Vec<f32> = steps.map(|step| state.rate(&Schedule::Cosine, step, n_steps)).collect();
            // Keras computes in f32: near the end the cosine cancels, and only its absolute error is small.
            assert_close(
                "rates",
                &rates,
                &numbers(&run["rates"]),
                Tolerance::Absolute(1e-3 * 2.0 * f64::from(f32::EPSILON)),
            );
        }
        assert_eq!(state.rate(&Schedule::Cosine, 0, 1), 1e-3);
    }

    #[test]
    fn a_state_that_cannot_be_is_refused() {
        let sound = ScheduleState { learning_rate: 0.1, lowest: 0.5, waited: 2, cooling: 0 };
        let plan = FitPlan { learning_rate: 0.1, ..crate::progress::tests::plan(5, None) };
        assert_eq!(sound.check(&plan, 2), Ok(()));
        assert_eq!(ScheduleState::new(0.1).check(&plan, 0), Ok(()));
        for state in [
            ScheduleState { learning_rate: 0.2, ..sound },
            ScheduleState { learning_rate: f32::NAN, ..sound },
            ScheduleState { learning_rate: -0.1, ..sound },
            ScheduleState { lowest: f64::NAN, ..sound },
            ScheduleState { waited: usize::MAX, ..sound },
        ] {
            assert!(state.check(&plan, 2).is_err(), "{state:?}");
        }
    }

    #[test]
    fn a_constant_rate_stays() {
        let mut state = ScheduleState::new(0.25);
        for epoch in 0..30 {
            assert_eq!(state.rate(&Schedule::Constant, epoch, 30), 0.25);
            state.epoch_ended(&Schedule::Constant, 1.0);
        }
    }

    #[test]
    fn plateau_is_that_of_keras() {
        let golden = &callbacks()["plateau"];
        for run in golden["runs"].as_array().unwrap() {
            let schedule = Schedule::Plateau {
                factor: run["factor"].as_f64().unwrap(),
                patience: run["patience"].as_u64().unwrap() as usize,
                min_delta: run["min_delta"].as_f64().unwrap(),
                cooldown: run["cooldown"].as_u64().unwrap() as usize,
                min_learning_rate: run["min_lr"].as_f64().unwrap() as f32,
            };
            let mut state = ScheduleState::new(golden["learning_rate"].as_f64().unwrap() as f32);
            let mut rates = Vec::new();
            for loss in numbers(&golden["losses"]) {
                rates.push(state.rate(&schedule, 0, 1));
                state.epoch_ended(&schedule, loss);
            }
            assert_close("rates", &rates, &numbers(&run["rates"]), Tolerance::Exact);
        }
    }

    #[test]
    fn the_defaults_are_those_of_keras() {
        let defaults = &callbacks()["plateau"]["defaults"];
        let Schedule::Plateau { factor, patience, min_delta, cooldown, min_learning_rate } = Schedule::PLATEAU else {
            panic!("{:?}", Schedule::PLATEAU)
        };
        let ours = [factor, patience as f64, min_delta, cooldown as f64, f64::from(min_learning_rate)];
        let names = ["factor", "patience", "min_delta", "cooldown", "min_lr"];
        assert_eq!(ours, names.map(|name| defaults[name].as_f64().unwrap()));
    }

    #[test]
    fn settings_that_cannot_work_are_refused() {
        let bad = |factor, min_delta, min_learning_rate| {
            Schedule::Plateau { factor, patience: 1, min_delta, cooldown: 0, min_learning_rate }.check().unwrap_err()
        };
        assert!(bad(1.0, 0.0, 0.0).contains("factor"));
        assert!(bad(f64::NAN, 0.0, 0.0).contains("factor"));
        assert!(bad(0.5, -1.0, 0.0).contains("min_delta"));
        assert!(bad(0.5, 0.0, f32::INFINITY).contains("lower bound"));
        assert_eq!(Schedule::PLATEAU.check(), Ok(()));
    }
}
