//! Tests of refitted layers.

use proptest::prelude::*;
use serde::Deserialize;
use triax_testing::golden;

use super::*;

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    features: Vec<f32>,
    labels: Vec<u32>,
    kernel: Vec<f32>,
    bias: Vec<f32>,
    strength: f64,
    trained: Option<TrainedFeatures>,
    refitted_kernel: Vec<f32>,
    refitted_bias: Vec<f32>,
}

fn assert_near(found: &[f32], wanted: &[f32]) {
    assert_eq!(found.len(), wanted.len());
    for (found, wanted) in found.iter().zip(wanted) {
        assert!((found - wanted).abs() <= 1e-5 * wanted.abs().max(1.0), "{found} is not {wanted}");
    }
}

#[test]
fn a_refitted_layer_is_that_of_numpy() {
    let golden: Golden = golden(concat!(env!("CARGO_MANIFEST_DIR"), "/golden/last_layer/numpy.json"));
    let (mut fewer, mut more) = (0, 0);
    for case in golden.cases {
        let layer = LastLayer { kernel: case.kernel, bias: case.bias };
        let found = layer.refitted(&case.features, &case.labels, case.trained.as_ref(), case.strength).unwrap();
        assert_near(&found.kernel, &case.refitted_kernel);
        assert_near(&found.bias, &case.refitted_bias);
        // Both forms of the solution are among the cases.
        *if case.labels.len() <= layer.n_features() + 1 { &mut fewer } else { &mut more } += 1;
    }
    assert!(fewer > 0 && more > 0);
}

/// A layer of two features and three classes, each of which looks at one corner of the plane.
fn layer() -> LastLayer {
    LastLayer { kernel: vec![1.0, -1.0, 0.0, -1.0, 1.0, 0.0], bias: vec![0.0, 0.0, 0.5] }
}

#[test]
fn windows_that_were_wrong_become_right_and_classes_that_were_not_recorded_keep_their_scores() {
    let layer = layer();
    // This person's class 0 looks like class 1, and the other way around.
    let (features, labels) = ([0.0, 2.0, 0.2, 1.8, 2.0, 0.1, 1.9, 0.0], [0, 0, 1, 1]);
    let before = layer.scores(&features);
    let refitted = layer.refitted(&features, &labels, None, 1e-4).unwrap();
    let after = refitted.scores(&features);
    for (scores, label) in after.chunks_exact(3).zip(labels) {
        let lead = scores[label as usize] - scores[1 - label as usize];
        assert!((lead - 2.0).abs() < 0.3, "{scores:?}");
    }
    assert!(before.chunks_exact(3).zip(labels).all(|(scores, own)| scores[own as usize] < scores[1 - own as usize]));
    for row in 0..2 {
        assert_eq!(refitted.kernel[3 * row + 2], layer.kernel[3 * row + 2]);
    }
    assert_eq!(refitted.bias[2], layer.bias[2]);
}

#[test]
fn what_is_right_already_stays_as_it_is_and_one_class_alone_says_nothing() {
    let layer = layer();
    let (features, labels) = ([2.0, 0.0, 0.0, 2.0], [0, 1]);
    assert_eq!(layer.refitted(&features, &labels, None, STRENGTH).unwrap(), layer);
    assert_eq!(layer.refitted(&[0.0, 2.0], &[0], None, STRENGTH).unwrap(), layer);
}

#[test]
fn a_stronger_pull_stays_nearer() {
    let layer = layer();
    let (features, labels) = ([0.0, 2.0, 2.0, 0.0], [0, 1]);
    let distance = |strength: f64| -> f32 {
        let refitted = layer.refitted(&features, &labels, None, strength).unwrap();
        refitted.kernel.iter().zip(&layer.kernel).map(|(a, b)| (a - b).powi(2)).sum()
    };
    let distances = [1e-6, 0.01, 0.1, 1.0, 1e6].map(distance);
    assert!(distances.is_sorted_by(|a, b| a > b), "{distances:?}");
    assert!(distances[4] < 1e-9);
}

/// A layer of two classes tells them apart by the first feature. This person's are the other way around, and differ in the second
/// one, too.
#[test]
fn what_the_network_was_trained_on_keeps_its_scores_as_far_as_it_can() {
    let layer = LastLayer { kernel: vec![1.0, -1.0, 0.0, 0.0], bias: vec![0.0; 2] };
    let (features, labels) = ([1.0, 1.0, -1.0, -1.0], [1, 0]);
    // Windows of the training lie along the first feature: a change of its weights would cost them their scores.
    let training: Vec<f32> = (0..40).flat_map(|n| [2.0 * (n % 2) as f32 - 1.0, 0.1 * (n % 3) as f32]).collect();
    let trained = TrainedFeatures::of(&training, 2).unwrap();
    let by_person = layer.refitted(&features, &labels, None, 0.05).unwrap();
    let refitted = layer.refitted(&features, &labels, Some(&trained), 0.05).unwrap();
    let before = layer.scores(&training);
    let cost = |layer: &LastLayer| -> f32 {
        layer.scores(&training).iter().zip(&before).map(|(after, before)| (after - before).powi(2)).sum()
    };
    assert!(cost(&refitted) < 0.5 * cost(&by_person), "{} and {}", cost(&refitted), cost(&by_person));
    let right = |layer: &LastLayer| {
        layer.scores(&features).chunks_exact(2).zip(labels).all(|(s, own)| s[own as usize] > s[1 - own as usize])
    };
    assert!(right(&refitted) && !right(&layer));
}

#[test]
fn bad_input_is_refused() {
    let layer = layer();
    assert_eq!(layer.refitted(&[], &[], None, 0.1), Err(RefitError::NoWindows));
    for (features, labels) in [(&[0.0; 3][..], &[0, 1][..]), (&[0.0; 4], &[0, 3]), (&[0.0; 2], &[0, 1])] {
        assert!(matches!(layer.refitted(features, labels, None, 0.1), Err(RefitError::Shape { .. })));
    }
    for strength in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(matches!(layer.refitted(&[0.0; 4], &[0, 1], None, strength), Err(RefitError::Strength(_))));
    }
    for value in [f32::NAN, f32::INFINITY] {
        assert_eq!(
            layer.refitted(&[value, value, 1.0, 1.0], &[0, 1], None, 0.1),
            Err(RefitError::NotFinite),
            "{value}"
        );
    }
    let wide = LastLayer { kernel: vec![0.0; 2 * 5000], bias: vec![0.0; 2] };
    let labels: Vec<u32> = (0..5000).map(|n| n % 2).collect();
    assert!(matches!(wide.refitted(&vec![0.0; 5000 * 5000], &labels, None, 0.1), Err(RefitError::TooMany { .. })));
    // Features of 0, as of dead units, are no reason to fail: there is nothing to tell the two apart by.
    assert_eq!(layer.refitted(&[0.0; 4], &[0, 1], None, 0.1).unwrap(), layer);
}

proptest! {
    /// Windows that come twice, as overlapping ones nearly do, say nothing new.
    #[test]
    fn copies_of_windows_change_nothing(features in prop::collection::vec(0.0..2.0_f32, 12), labels in prop::collection::vec(0..3_u32, 6)) {
        let once = layer().refitted(&features, &labels, None, STRENGTH).unwrap();
        let twice = layer().refitted(&[&features[..], &features].concat(), &[&labels[..], &labels].concat(), None, STRENGTH).unwrap();
        for (once, twice) in once.kernel.iter().chain(&once.bias).zip(twice.kernel.iter().chain(&twice.bias)) {
            prop_assert!((once - twice).abs() < 1e-3 * once.abs().max(1.0), "{once} and {twice}");
        }
    }
}
