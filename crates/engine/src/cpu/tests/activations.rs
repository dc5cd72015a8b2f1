//! The approximations of activations at f32 against their definitions.

use pulp::{Simd, WithSimd};
use triax_model::Activation;
use triax_testing::ulp;

use super::super::Float;
use super::super::activation::{self, keeps_slopes};
use super::super::row::{Row, TILE};

const ALL: [Activation; 6] = [
    Activation::Relu,
    Activation::Elu,
    Activation::Gelu,
    Activation::LeakyRelu { slope: 0.3 },
    Activation::Tanh,
    Activation::Linear,
];

/// Values and derivatives of one activation, which replace the sums and the gradients.
struct Call<'a, F> {
    activation: Activation,
    rows: &'a mut [Row<F>],
    slopes: &'a mut [Row<F>],
    gradients: &'a mut [Row<F>],
}

impl<F: Float> WithSimd for Call<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { activation, rows, slopes, gradients } = self;
        activation::forward(simd, activation, rows, slopes);
        activation::backward(simd, activation, rows, slopes, gradients);
    }
}

/// Values and derivatives at `sums`, with the vectors of this processor, and with none.
fn activated<F: Float>(activation: Activation, sums: &[F]) -> [(Vec<F>, Vec<F>); 2] {
    let rows: Vec<Row<F>> = (sums.chunks(TILE))
        .map(|sums| {
            let mut row = Row::ZERO;
            row.0[..sums.len()].copy_from_slice(sums);
            row
        })
        .collect();
    [true, false].map(|vectors| {
        let mut values = rows.clone();
        let mut slopes = vec![Row::ZERO; if keeps_slopes(activation) { rows.len() } else { 0 }];
        let mut gradients = vec![Row([F::ONE; TILE]); rows.len()];
        let call = Call { activation, rows: &mut values, slopes: &mut slopes, gradients: &mut gradients };
        if vectors {
            pulp::Arch::new().dispatch(call);
        } else {
            call.with_simd(pulp::Scalar::new());
        }
        let flat = |rows: &[Row<F>]| rows.iter().flat_map(|row| row.0).take(sums.len()).collect();
        (flat(&values), flat(&gradients))
    })
}

/// Numbers of both signs: evenly from 0 to 16, and of all magnitudes from 2⁻⁴⁰ to 2⁶⁰.
fn sums() -> Vec<f32> {
    let even = (0..160_000).map(|i| i as f32 / 10_000.0);
    let magnitudes = (-40..60).flat_map(|e| (0..64).map(move |m| (1.0 + m as f32 / 64.0) * 2.0_f32.powi(e)));
    even.chain(magnitudes).flat_map(|x| [x, -x]).collect()
}

#[test]
fn values_and_derivatives_are_within_a_few_units_in_the_last_place() {
    let sums = sums();
    for activation in ALL {
        // A derivative that follows from a rounded value, or is a difference, is as exact as 1 is.
        let [most_value, most_slope] = match activation {
            Activation::Relu | Activation::Linear => [0.0, 0.0],
            Activation::LeakyRelu { .. } => [0.5, 0.0],
            Activation::Elu => [1.0, 1.0],
            Activation::Tanh => [3.0, 3.0],
            Activation::Gelu => [8.0, 2.0],
        };
        for (values, slopes) in activated::<f32>(activation, &sums) {
            let mut largest = [0.0_f64; 2];
            for ((&sum, &value), &slope) in sums.iter().zip(&values).zip(&slopes) {
                let (expected, expected_slope) = (activation.value(sum.into()), activation.derivative(sum.into()));
                // Values that are less than 10⁻³⁶ may be 0.
                let error = (f64::from(value) - expected).abs();
                let ulps = if error <= 1e-36 { 0.0 } else { error / ulp(expected) };
                let slope_error = (f64::from(slope) - expected_slope).abs() / ulp(1.0);
                assert!(ulps <= most_value, "{activation} of {sum}: {value}, not {expected}");
                assert!(slope_error <= most_slope, "slope of {activation} at {sum}: {slope}, not {expected_slope}");
                largest = [largest[0].max(ulps), largest[1].max(slope_error)];
            }
            println!("{activation}: value within {} ulp, derivative within {} ulp of 1", largest[0], largest[1]);
        }
    }
}

#[test]
fn at_f64_the_definitions_are_computed() {
    let sums: Vec<f64> = sums().into_iter().map(f64::from).collect();
    for activation in ALL {
        for (values, slopes) in activated::<f64>(activation, &sums) {
            for ((&sum, value), slope) in sums.iter().zip(values).zip(slopes) {
                // A ReLU is part of the product, which lets NaN pass, and is tested there.
                assert_eq!(value, activation.value(sum), "{activation} of {sum}");
                let error = (slope - activation.derivative(sum)).abs();
                assert!(error <= 4.0 * f64::EPSILON, "slope of {activation} at {sum}: {slope}");
            }
        }
    }
}

#[test]
fn what_is_not_finite_is_not_lost() {
    for activation in ALL {
        for (values, _) in activated::<f32>(activation, &[f32::NAN, f32::INFINITY, f32::MAX, -1.0]) {
            assert!(values[0].is_nan(), "{activation}");
            let (largest, at_most) = (values[1], if activation == Activation::Tanh { 1.0 } else { f32::INFINITY });
            assert!(largest == at_most, "{activation} of infinity: {largest}");
            assert!(values[2] == if activation == Activation::Tanh { 1.0 } else { f32::MAX }, "{activation}");
            assert!(values[3].is_finite());
        }
    }
}
