//! ReLU: `y = max(x, 0)`, with gradient 0 at 0. NaN stays NaN, so that it is noticed.

/// Applies it in place.
pub(super) fn forward(values: &mut [f64]) {
    for value in values {
        if *value < 0.0 {
            *value = 0.0;
        }
    }
}

/// From the gradient of the output to that of the input, in place. The output tells where the input was positive.
pub(super) fn backward(output: &[f64], d_values: &mut [f64]) {
    for (y, d) in output.iter().zip(d_values) {
        if *y <= 0.0 {
            *d = 0.0;
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_gradient_at_zero_is_zero_and_nan_passes() {
        let mut y = [-1.0, -0.0, 0.0, 2.0, f64::NAN];
        super::forward(&mut y);
        assert_eq!(y[..4], [0.0, 0.0, 0.0, 2.0]);
        assert!(y[4].is_nan());
        let mut d = [3.0; 5];
        super::backward(&y, &mut d);
        assert_eq!(d, [0.0, 0.0, 0.0, 3.0, 3.0]);
    }
}
