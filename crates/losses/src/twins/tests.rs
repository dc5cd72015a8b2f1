//! The twins against Keras, against central differences, and against what is true of every loss.

use std::path::Path;

use proptest::prelude::*;
use serde::Deserialize;
use triax_testing::{Tolerance, assert_close, golden};

use crate::{Loss, SmoothedLoss, loss_rows};

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
    kinks: Vec<Kink>,
    smoothed: Vec<Smoothed>,
}

/// Losses and gradients by smoothed labels.
#[derive(Deserialize)]
struct Smoothed {
    label_smoothing: f32,
    #[serde(flatten)]
    case: Case,
}

/// Losses and gradients from Keras in f64.
#[derive(Deserialize)]
struct Case {
    loss: Loss,
    rows: usize,
    classes: usize,
    scores: Vec<f64>,
    labels: Vec<u32>,
    sample_weights: Option<Vec<f64>>,
    /// Loss of each row, unweighted.
    values: Vec<f64>,
    /// Gradient of the sum of `values`.
    d_values: Vec<f64>,
    /// Σ w·l / rows.
    reduced: f64,
    /// Gradient of `reduced`.
    d_reduced: Vec<f64>,
}

/// A row where the loss is not differentiable.
#[derive(Deserialize)]
struct Kink {
    loss: Loss,
    what: String,
    scores: Vec<f64>,
    label: usize,
    value: f64,
    keras_d_scores: Vec<f64>,
}

fn keras() -> Golden {
    golden(Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/losses.json"))
}

/// Value and gradient of one row.
fn row(loss: Loss, scores: &[f64], label: usize) -> (f64, Vec<f64>) {
    let mut d_scores = vec![f64::NAN; scores.len()];
    let value = loss.row(scores, label, &mut d_scores);
    (value, d_scores)
}

/// Losses and gradients of a batch.
fn batch(loss: Loss, scores: &[f64], labels: &[u32], weights: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let (mut losses, mut d_scores) = (vec![f64::NAN; labels.len()], vec![f64::NAN; scores.len()]);
    loss_rows(loss, scores, labels, weights, &mut losses, &mut d_scores);
    (losses, d_scores)
}

/// A few roundings of f64 in a sum of about 100 terms near 1, or relative to a large value.
fn rounding(expected: &[f64]) -> Vec<f64> {
    expected.iter().map(|value| 1e-14 * value.abs().max(1.0)).collect()
}

#[test]
fn values_and_gradients_are_those_of_keras() {
    let cases = keras().cases;
    for loss in Loss::ALL {
        assert!(cases.iter().filter(|case| case.loss == loss).count() >= 10, "{loss} has few golden cases");
    }
    for case in cases {
        let name = format!("{} of {}×{}", case.loss, case.rows, case.classes);
        let (losses, d_scores) = batch(case.loss, &case.scores, &case.labels, &vec![1.0; case.rows]);
        assert_close(&name, &losses, &case.values, Tolerance::Each(&rounding(&case.values)));
        assert_close(&name, &d_scores, &case.d_values, Tolerance::Each(&rounding(&case.d_values)));

        let weights = case.sample_weights.unwrap_or_else(|| vec![1.0; case.rows]);
        let (losses, d_scores) = batch(case.loss, &case.scores, &case.labels, &weights);
        let n = case.rows as f64;
        let reduced = [losses.iter().sum::<f64>() / n];
        assert_close(&name, &reduced, &[case.reduced], Tolerance::Each(&rounding(&[case.reduced])));
        let d_reduced: Vec<f64> = d_scores.iter().map(|d| d / n).collect();
        assert_close(&name, &d_reduced, &case.d_reduced, Tolerance::Each(&rounding(&case.d_reduced)));
    }
}

#[test]
fn smoothed_labels_give_what_keras_gives() {
    let cases = keras().smoothed;
    assert!(cases.len() >= 4);
    for Smoothed { label_smoothing, case } in cases {
        let name = format!("{} smoothed by {label_smoothing}, {}×{}", case.loss, case.rows, case.classes);
        let loss = SmoothedLoss::new(case.loss, label_smoothing).unwrap();
        let (mut values, mut d_values) = (Vec::new(), Vec::new());
        for (scores, &label) in case.scores.chunks_exact(case.classes).zip(&case.labels) {
            let mut d_scores = vec![f64::NAN; case.classes];
            values.push(loss.row(scores, label as usize, &mut d_scores));
            d_values.extend(d_scores);
        }
        assert_close(&name, &values, &case.values, Tolerance::Each(&rounding(&case.values)));
        assert_close(&name, &d_values, &case.d_values, Tolerance::Each(&rounding(&case.d_values)));
        let (n, weights) = (case.rows as f64, case.sample_weights.unwrap());
        let reduced = values.iter().zip(&weights).map(|(value, weight)| weight * value).sum::<f64>() / n;
        assert_close(&name, &[reduced], &[case.reduced], Tolerance::Each(&rounding(&[case.reduced])));
        let by_row = weights.iter().flat_map(|weight| vec![weight / n; case.classes]);
        let d_reduced: Vec<f64> = d_values.iter().zip(by_row).map(|(d, weight)| weight * d).collect();
        assert_close(&name, &d_reduced, &case.d_reduced, Tolerance::Each(&rounding(&case.d_reduced)));
    }
}

#[test]
fn without_smoothing_nothing_changes_and_with_it_nan_stays_nan() {
    let scores = [0.3_f32, -1.7, 2.9, 0.1];
    for loss in Loss::ALL {
        let [mut d_plain, mut d_smoothed] = [[0.0; 4]; 2];
        let plain = loss.row(&scores, 2, &mut d_plain);
        let smoothed = SmoothedLoss::new(loss, 0.0).unwrap().row(&scores, 2, &mut d_smoothed);
        assert_eq!((plain.to_bits(), d_plain.map(f32::to_bits)), (smoothed.to_bits(), d_smoothed.map(f32::to_bits)));
    }
    let smoothed = SmoothedLoss::new(Loss::CategoricalCrossentropy, 0.1).unwrap();
    let mut d_scores = [0.0; 2];
    assert!(smoothed.row(&[f32::INFINITY, 0.0], 0, &mut d_scores).is_nan() && d_scores.iter().all(|d| d.is_nan()));
}

/// Where a `max(·, 0)` switches we say 0 and Keras leaves it to its backend; ties are shared as in Keras.
#[test]
fn kinks_have_keras_values_and_the_documented_gradients() {
    let kinks = keras().kinks;
    assert!(kinks.len() >= 6);
    for kink in kinks {
        let (value, d_scores) = row(kink.loss, &kink.scores, kink.label);
        assert!((value - kink.value).abs() < 1e-15, "{}: {}", kink.loss, kink.what);
        let expected: Vec<f64> = match kink.loss {
            Loss::Hinge | Loss::SquaredHinge => {
                let at_kink = |class: usize| {
                    let y = if class == kink.label { 1.0 } else { -1.0 };
                    1.0 - y * kink.scores[class] == 0.0
                };
                (0..kink.scores.len()).map(|c| if at_kink(c) { 0.0 } else { kink.keras_d_scores[c] }).collect()
            }
            Loss::CategoricalHinge if kink.value == 0.0 => vec![0.0; kink.scores.len()],
            _ => kink.keras_d_scores,
        };
        for (d, expected) in d_scores.iter().zip(expected) {
            assert!((d - expected).abs() < 1e-15, "{}: {}: {d} is not {expected}", kink.loss, kink.what);
        }
    }
}

#[test]
fn a_score_that_is_not_finite_is_noticed_everywhere() {
    for loss in Loss::ALL {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for at in 0..3 {
                let mut scores = [0.5_f32, -0.25, 2.0];
                scores[at] = bad;
                let mut d_scores = [0.0; 3];
                assert!(loss.row(&scores, 1, &mut d_scores).is_nan());
                assert!(d_scores.iter().all(|d| d.is_nan()), "{loss} let {bad} at {at} pass");
            }
        }
    }
}

#[test]
fn a_label_that_is_no_class_is_noticed_and_spares_the_other_rows() {
    for loss in Loss::ALL {
        let (losses, d_scores) = batch(loss, &[0.5; 6], &[1, 2, 0], &[1.0; 3]);
        assert!(losses[1].is_nan() && d_scores[2].is_nan() && d_scores[3].is_nan());
        assert!([losses[0], losses[2], d_scores[0], d_scores[5]].iter().all(|value| value.is_finite()));
    }
}

#[test]
fn large_scores_do_not_overflow() {
    for loss in Loss::ALL {
        let mut d_scores = [0.0_f32; 3];
        let value = loss.row(&[1e4, -1e4, 88.0], 1, &mut d_scores);
        assert!(value.is_finite() && d_scores.iter().all(|d| d.is_finite()), "{loss}: {value}");
    }
}

fn losses() -> impl Strategy<Value = Loss> {
    prop::sample::select(Loss::ALL.to_vec())
}

/// Scores of a row, and its label. Quarters, so that kinks and ties are common.
fn rows() -> impl Strategy<Value = (Vec<f64>, usize)> {
    let score = prop_oneof![(-12_i32..12).prop_map(|quarters| f64::from(quarters) / 4.0), -5.0..5.0];
    prop::collection::vec(score, 2..40).prop_flat_map(|scores| {
        let n = scores.len();
        (Just(scores), 0..n)
    })
}

/// Whether the largest score, the first of equals, is the label's.
fn is_correct(scores: &[f64], label: usize) -> bool {
    scores.iter().enumerate().all(|(class, &s)| s < scores[label] || (s == scores[label] && class >= label))
}

proptest! {
    #[test]
    fn gradients_agree_with_central_differences(loss in losses(), (scores, label) in rows()) {
        let h = 1e-6;
        let (value, d_scores) = row(loss, &scores, label);
        for class in 0..scores.len() {
            let (mut up, mut down) = (scores.clone(), scores.clone());
            up[class] += h;
            down[class] -= h;
            let (up, down) = (row(loss, &up, label).0, row(loss, &down, label).0);
            let (right, left) = ((up - value) / h, (value - down) / h);
            let smooth = (right - left).abs() < 1e-4;
            if smooth {
                let central = (up - down) / (2.0 * h);
                // The losses are convex: the derivative lies between the one-sided quotients, up to their rounding. At the
                // kink of a squared hinge these differ by h/C, which is no error.
                let bound = (right - left).abs() / 2.0 + 1e-7;
                prop_assert!((d_scores[class] - central).abs() < bound, "{loss} class {class}: {central}");
            } else {
                // A kink: what we give lies between the one-sided derivatives.
                let d = d_scores[class];
                prop_assert!(left - 1e-4 <= d && d <= right + 1e-4, "{loss} class {class}: {left} {d} {right}");
            }
        }
    }

    /// Every loss is convex in its scores, and what we give at kinks is a subgradient: the tangent stays below.
    #[test]
    fn gradients_are_subgradients(
        loss in losses(),
        (scores, label) in rows(),
        step in prop::collection::vec(-3.0..3.0_f64, 40),
    ) {
        let (value, d_scores) = row(loss, &scores, label);
        let moved: Vec<f64> = scores.iter().zip(&step).map(|(score, step)| score + step).collect();
        let tangent: f64 = value + d_scores.iter().zip(&step).map(|(d, step)| d * step).sum::<f64>();
        prop_assert!(row(loss, &moved, label).0 >= tangent - 1e-12);
    }

    /// A wrong row costs at least 2/C under both hinge losses, 1 under the categorical one, log 2 under cross-entropy:
    /// so each loss bounds the share of wrong rows.
    #[test]
    fn the_loss_bounds_the_share_of_wrong_rows(batch in prop::collection::vec(rows(), 1..20)) {
        for loss in Loss::ALL {
            for (scores, label) in &batch {
                let price = loss.price_of_a_mistake(scores.len());
                let wrong = if is_correct(scores, *label) { 0.0 } else { 1.0 };
                let (value, _) = row(loss, scores, *label);
                prop_assert!(value >= price * wrong - 1e-12, "{loss}: {value} < {price}");
            }
        }
    }

    #[test]
    fn classes_are_interchangeable(loss in losses(), (scores, label) in rows(), turn in 0_usize..40) {
        let n = scores.len();
        let (value, d_scores) = row(loss, &scores, label);
        let mut turned = scores.clone();
        turned.rotate_right(turn % n);
        let (value_turned, mut d_turned) = row(loss, &turned, (label + turn) % n);
        d_turned.rotate_left(turn % n);
        prop_assert!((value - value_turned).abs() < 1e-12 * value.max(1.0));
        for (d, d_turned) in d_scores.iter().zip(d_turned) {
            prop_assert!((d - d_turned).abs() < 1e-12);
        }
    }

    /// Cross-entropy sees only differences of scores: its derivatives sum to 0.
    #[test]
    fn crossentropy_gradients_sum_to_zero((scores, label) in rows()) {
        let (_, d_scores) = row(Loss::CategoricalCrossentropy, &scores, label);
        prop_assert!(d_scores.iter().sum::<f64>().abs() < 1e-13);
    }

    #[test]
    fn a_batch_is_its_rows(
        loss in losses(),
        rows in prop::collection::vec((prop::collection::vec(-3.0..3.0_f64, 4), 0_u32..4, 0.0..2.0_f64), 0..12),
    ) {
        let scores: Vec<f64> = rows.iter().flat_map(|(scores, ..)| scores.clone()).collect();
        let labels: Vec<u32> = rows.iter().map(|&(_, label, _)| label).collect();
        let weights: Vec<f64> = rows.iter().map(|&(.., weight)| weight).collect();
        let (losses, d_scores) = batch(loss, &scores, &labels, &weights);
        for (r, (scores, label, weight)) in rows.iter().enumerate() {
            let (value, d) = row(loss, scores, *label as usize);
            prop_assert_eq!(losses[r], weight * value);
            let expected: Vec<f64> = d.iter().map(|d| weight * d).collect();
            prop_assert_eq!(&d_scores[4 * r..4 * (r + 1)], &expected[..]);
        }
    }
}
