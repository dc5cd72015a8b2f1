//! The steps that a session is asked to take, and their results.

use std::ops::Range;

use crate::EngineError;

/// A stretch of steps within one epoch of a fleet.
#[derive(Clone, Debug)]
pub struct Stretch<'a> {
    /// The steps to take, counted from the start of the epoch. A member whose epoch is shorter skips the last ones.
    pub steps: Range<usize>,
    /// The epoch of each member.
    pub members: &'a [MemberEpoch<'a>],
}

/// One epoch of one member.
#[derive(Clone, Copy, Debug)]
pub struct MemberEpoch<'a> {
    /// The windows to train on in this epoch, in their order. Step `s` trains on `order[s·batch .. (s+1)·batch]`, cut at
    /// the end of the epoch.
    pub order: &'a [u32],
    /// The number of steps before this epoch. The counter of dropout is `first_step + s`.
    pub first_step: u64,
    /// The learning rate of each step of the stretch that this member takes.
    pub learning_rates: &'a [f32],
}

impl MemberEpoch<'_> {
    /// The number of steps of this epoch.
    pub fn n_steps(&self, batch_size: usize) -> usize {
        self.order.len().div_ceil(batch_size)
    }

    /// The windows of the batch of step `step`; empty beyond the end of the epoch.
    pub fn batch(&self, step: usize, batch_size: usize) -> &[u32] {
        let start = (step * batch_size).min(self.order.len());
        &self.order[start..self.order.len().min(start + batch_size)]
    }
}

impl Stretch<'_> {
    /// The steps of this stretch that `member` takes.
    pub fn steps_of(&self, member: usize, batch_size: usize) -> Range<usize> {
        let end = self.steps.end.min(self.members[member].n_steps(batch_size));
        self.steps.start.min(end)..end
    }

    /// Checks that a session of `n_members` members on `n_windows` windows can take these steps: there is one epoch for
    /// each member, all windows exist, each step has a learning rate, and no step is beyond the end of all epochs.
    ///
    /// # Errors
    /// [`EngineError::Input`] with the first violation.
    pub fn check(&self, n_members: usize, n_windows: usize, batch_size: usize) -> Result<(), EngineError> {
        let refuse = |problem: String| Err(EngineError::Input(format!("these steps cannot be taken: {problem}")));
        if self.members.len() != n_members {
            return refuse(format!("epochs of {} members for a fleet of {n_members}", self.members.len()));
        }
        let longest = self.members.iter().map(|member| member.n_steps(batch_size)).max().unwrap_or(0);
        if self.steps.end > longest {
            return refuse(format!("steps {:?} of an epoch that has {longest}", self.steps));
        }
        for (m, member) in self.members.iter().enumerate() {
            let n_steps = self.steps_of(m, batch_size).len();
            if member.learning_rates.len() != n_steps {
                return refuse(format!("{} learning rates for {n_steps} steps", member.learning_rates.len()));
            }
            if let Some(window_idx) = member.order.iter().find(|&&window_idx| window_idx as usize >= n_windows) {
                return refuse(format!("the order names window {window_idx} of {n_windows}"));
            }
        }
        Ok(())
    }
}

/// The result of a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepResult {
    /// Loss of the batch, before the update: Σ w·l / batch.
    pub loss: f32,
    /// The number of windows whose largest score (the first of equals) is that of their label.
    pub correct: u32,
    /// Euclidean norm of the whole gradient, before clipping.
    pub gradient_norm: f32,
}

/// The progress of a stretch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// The steps taken or submitted so far in this stretch, of all members together.
    pub steps: usize,
    /// The result of the newest step, if it is known at no cost: for a fleet of one on a CPU.
    pub newest: Option<StepResult>,
}
