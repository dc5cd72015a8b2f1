//! The windows that a session trains on and validates with.

use std::sync::Arc;

use triax_model::Network;

use crate::EngineError;

/// Windows with their labels, in host memory. A clone shares their memory.
#[derive(Clone, Debug)]
pub struct WindowSet {
    /// (n_windows, window, channels), row-major.
    pub windows: Arc<[f32]>,
    /// Class index of each window.
    pub labels: Arc<[u32]>,
    /// Weight of each window in the loss; 1 where absent.
    pub sample_weights: Option<Arc<[f32]>>,
}

impl WindowSet {
    /// Number of windows.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// A copy of the windows at `indices` (n_indices, window, channels), in that order.
    pub fn values_at(&self, indices: &[u32]) -> Vec<f32> {
        let n_values = self.windows.len() / self.len().max(1);
        indices.iter().flat_map(|&idx| &self.windows[idx as usize * n_values..][..n_values]).copied().collect()
    }

    /// Whether these windows have the shape that `network` reads, one label and at most one weight each, only labels it
    /// has an output for, and only finite values and weights of at least 0. There can be no more than 2³² of them, which is what an index counts.
    ///
    /// # Errors
    /// [`EngineError::Input`] with the first difference.
    pub fn check(&self, network: &Network) -> Result<(), EngineError> {
        let spec = network.spec();
        let n_values = self.len() * spec.window * spec.channels;
        let problem = if self.windows.len() != n_values {
            format!(
                "{} values where {} windows of {} samples in {} channels need {n_values}",
                self.windows.len(),
                self.len(),
                spec.window,
                spec.channels
            )
        } else if u32::try_from(self.len()).is_err() {
            format!("{} windows; the most is {}", self.len(), u32::MAX)
        } else if let Some((window_idx, label)) =
            self.labels.iter().enumerate().find(|(_, label)| **label as usize >= spec.classes)
        {
            format!("window {window_idx} has class {label}, and the network only the classes below {}", spec.classes)
        } else if let Some(weights) = self.sample_weights.as_ref().filter(|weights| weights.len() != self.len()) {
            format!("{} sample weights for {} windows", weights.len(), self.len())
        } else if let Some((window_idx, weight)) = self
            .sample_weights
            .iter()
            .flat_map(|weights| weights.iter().enumerate())
            .find(|(_, weight)| !is_weight(**weight))
        {
            format!("window {window_idx} (from 0) has the weight {weight}; a weight is a finite number of at least 0")
        } else if let Some(value_idx) = self.windows.iter().position(|value| !value.is_finite()) {
            let (window_idx, value) = (value_idx / (spec.window * spec.channels), self.windows[value_idx]);
            format!("window {window_idx} (from 0) holds {value}: repair the data")
        } else {
            return Ok(());
        };
        Err(EngineError::Input(format!("the windows do not fit: {problem}")))
    }

    /// Weight of window `idx` in the loss of a model with these class weights.
    pub fn weight(&self, idx: usize, class_weights: Option<&[f32]>) -> f32 {
        let sample_weight = self.sample_weights.as_ref().map_or(1.0, |weights| weights[idx]);
        sample_weight * class_weights.map_or(1.0, |weights| weights[self.labels[idx] as usize])
    }
}

/// Whether a window can have this weight in a loss.
fn is_weight(weight: f32) -> bool {
    weight >= 0.0 && weight.is_finite()
}

#[cfg(test)]
mod tests {
    use triax_model::NetworkSpec;

    use super::*;

    #[test]
    fn weights_that_are_no_weights_are_refused() {
        let network = Network::new(NetworkSpec::default()).unwrap();
        let n_values = network.spec().window * network.spec().channels;
        let set = |weights: [f32; 2]| WindowSet {
            windows: vec![0.5; 2 * n_values].into(),
            labels: [0, 1].into(),
            sample_weights: Some(weights.into()),
        };
        assert!(set([0.0, 2.5]).check(&network).is_ok());
        for bad in [-1.0, f32::NAN, f32::INFINITY] {
            let message = set([1.0, bad]).check(&network).unwrap_err().to_string();
            assert!(message.contains("window 1 (from 0) has the weight"), "{message}");
        }
    }

    #[test]
    fn windows_are_copied_in_the_order_of_their_indices() {
        let set = WindowSet {
            windows: [1.0, 2.0, 3.0, 4.0, 5.0, 6.0].into(),
            labels: [0, 1, 0].into(),
            sample_weights: None,
        };
        assert_eq!(set.values_at(&[2, 0, 2]), [5.0, 6.0, 1.0, 2.0, 5.0, 6.0]);
        assert!(set.values_at(&[]).is_empty());
    }
}
