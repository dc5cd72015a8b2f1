//! Max-pooling with stride = size: `y[n, t, c] = max x[n, t·size + j, c]` over j. Positions left over are not read.
//!
//! The gradient goes to the first of equal maxima, as TensorFlow does it.

/// Shape of a pooling; inputs and outputs are (positions, channels).
#[derive(Clone, Copy, Debug)]
pub(super) struct MaxPool {
    pub input: (usize, usize),
    pub output: (usize, usize),
    pub size: usize,
}

impl MaxPool {
    /// Calls `winner` with the index, in the flat input, of each value of the output in turn.
    fn winners(&self, input: &[f64], mut winner: impl FnMut(usize)) {
        let ((positions_in, channels), (positions, _)) = (self.input, self.output);
        for sample in 0..input.len() / (positions_in * channels) {
            for t in 0..positions {
                for c in 0..channels {
                    let first = (sample * positions_in + t * self.size) * channels + c;
                    let mut best = first;
                    for candidate in (first..).step_by(channels).take(self.size).skip(1) {
                        // NaN wins, so that it is noticed.
                        if input[candidate] > input[best] || input[candidate].is_nan() {
                            best = candidate;
                        }
                    }
                    winner(best);
                }
            }
        }
    }

    /// Output (batch, positions, channels) of `input` (batch, positions, channels).
    pub fn forward(&self, input: &[f64]) -> Vec<f64> {
        let mut output = Vec::new();
        self.winners(input, |best| output.push(input[best]));
        output
    }

    /// The gradient of the input.
    pub fn backward(&self, input: &[f64], d_output: &[f64]) -> Vec<f64> {
        let mut d_input = vec![0.0; input.len()];
        let mut d_output = d_output.iter();
        self.winners(input, |best| d_input[best] = *d_output.next().expect("one gradient for each output"));
        d_input
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_equal_maxima_wins_and_the_rest_is_not_read() {
        // What tf.GradientTape gave for MaxPooling1D(3) over these ten positions.
        let pool = MaxPool { input: (10, 1), output: (3, 1), size: 3 };
        let input = [1.0, 1.0, 1.0, 0.0, 2.0, 2.0, -1.0, -3.0, -1.0, 5.0];
        assert_eq!(pool.forward(&input), [1.0, 2.0, -1.0]);
        assert_eq!(pool.backward(&input, &[1.0, 2.0, 3.0]), [1.0, 0.0, 0.0, 0.0, 2.0, 0.0, 3.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn channels_and_samples_do_not_mix() {
        let pool = MaxPool { input: (5, 2), output: (2, 2), size: 2 };
        let mut input: Vec<f64> = (0..20).map(f64::from).collect();
        assert_eq!(pool.forward(&input), [2.0, 3.0, 6.0, 7.0, 12.0, 13.0, 16.0, 17.0]);
        input.reverse();
        assert_eq!(pool.forward(&input), [19.0, 18.0, 15.0, 14.0, 9.0, 8.0, 5.0, 4.0]);
    }

    #[test]
    fn nan_is_not_lost() {
        let pool = MaxPool { input: (3, 1), output: (1, 1), size: 3 };
        for at in 0..3 {
            let mut input = [1.0, 2.0, 3.0];
            input[at] = f64::NAN;
            assert!(pool.forward(&input)[0].is_nan());
        }
    }
}
