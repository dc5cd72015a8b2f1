//! The answers for a sequence as it comes.

use std::collections::VecDeque;

use super::chain::{Chain, Evidence};
use super::normalised;

/// Smooths a sequence as it comes: the answer for a window follows `lag` windows later, and knows the windows up to then.
#[derive(Clone, Debug)]
pub struct FixedLag {
    chain: Chain,
    lag: usize,
    /// Of the windows without an answer, from the oldest on: probabilities given the windows up to it, and its likelihoods.
    waiting: VecDeque<(Vec<f64>, Vec<f64>)>,
    /// The forward probabilities of the newest window.
    newest: Option<Vec<f64>>,
}

impl FixedLag {
    /// A smoother that answers `lag` windows later. With 0, an answer knows the past alone.
    pub fn new(chain: Chain, lag: usize) -> Self {
        Self { chain, lag, waiting: VecDeque::new(), newest: None }
    }

    /// The number of states: see [`Chain::n_states`].
    pub fn n_states(&self) -> usize {
        self.chain.n_states()
    }

    /// Takes the next window. Returns the probabilities of the states at the window `lag` before it, if there is one.
    pub fn push(&mut self, window: Evidence<'_>) -> Option<Vec<f64>> {
        let likelihoods = self.chain.likelihoods(window);
        let forward = self.chain.forward(self.newest.as_deref(), &likelihoods);
        self.newest = Some(forward.clone());
        self.waiting.push_back((forward, likelihoods));
        (self.waiting.len() > self.lag).then(|| self.oldest())
    }

    /// Ends the sequence. Returns the probabilities at the windows that have no answer yet. The next window begins a new
    /// sequence.
    pub fn finish(&mut self) -> Vec<Vec<f64>> {
        self.newest = None;
        (0..self.waiting.len()).map(|_| self.oldest()).collect()
    }

    /// The probabilities at the oldest window without an answer, which leaves.
    fn oldest(&mut self) -> Vec<f64> {
        let mut later = vec![1.0; self.chain.n_states()];
        for (_, likelihoods) in self.waiting.iter().skip(1).rev() {
            later = self.chain.backward(&later, likelihoods);
        }
        let (forward, _) = self.waiting.pop_front().expect("a window waits");
        normalised(forward.iter().zip(&later).map(|(p, later)| p * later).collect())
    }
}
