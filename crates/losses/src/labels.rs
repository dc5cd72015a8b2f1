//! Converting label matrices to class indices, and computing class weights.

/// Why a label matrix does not give a class for each row.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum LabelError {
    /// The number of values is not rows × classes, or there are fewer than two classes.
    #[error("{values} label values cannot be {rows} rows of {classes} classes (at least 2)")]
    Shape {
        /// Values given.
        values: usize,
        /// Rows claimed.
        rows: usize,
        /// Classes claimed.
        classes: usize,
    },
    /// A value is part of neither a one-hot nor a ±1 label.
    #[error(
        "row {row}, class {class}: the label is {value}, and labels must be class indices, one-hot (0 and 1) or ±1; soft \
         or smoothed labels have no meaning for a hinge loss, and Keras would quietly take them for targets as they are"
    )]
    Soft {
        /// Row, counted from 0.
        row: usize,
        /// Class, counted from 0.
        class: usize,
        /// The value.
        value: f32,
    },
    /// A row names no class, or several.
    #[error("row {row} names {named} classes, and each row must name exactly one")]
    NotOneClass {
        /// Row, counted from 0.
        row: usize,
        /// Classes named.
        named: usize,
    },
}

/// The class index of each row of a label matrix (rows, classes), which is either one-hot (0 and 1) or ±1.
///
/// # Errors
/// A [`LabelError`] with the first invalid row.
pub fn labels_from_matrix(rows: usize, classes: usize, values: &[f32]) -> Result<Vec<u32>, LabelError> {
    if classes < 2 || rows.checked_mul(classes) != Some(values.len()) {
        return Err(LabelError::Shape { values: values.len(), rows, classes });
    }
    // One encoding for the whole matrix, as in Keras: a single −1 makes all labels ±1.
    let other = if values.contains(&-1.0) { -1.0 } else { 0.0 };
    values
        .chunks_exact(classes)
        .enumerate()
        .map(|(row, label)| {
            if let Some(class) = label.iter().position(|&value| value != 1.0 && value != other) {
                return Err(LabelError::Soft { row, class, value: label[class] });
            }
            let mut named = label.iter().enumerate().filter(|&(_, &value)| value == 1.0).map(|(class, _)| class);
            match (named.next(), named.count()) {
                (Some(class), 0) => Ok(class as u32),
                (first, more) => Err(LabelError::NotOneClass { row, named: usize::from(first.is_some()) + more }),
            }
        })
        .collect()
}

/// The weight n / (C·n_c) of each class, which gives all classes the same total weight: scikit-learn's `balanced`,
/// where C is the number of classes that occur. A class that does not occur gets 1.
///
/// # Panics
/// If a label is no class.
pub fn balanced_class_weights(labels: &[u32], classes: usize) -> Vec<f32> {
    let mut counts = vec![0_usize; classes];
    for &label in labels {
        counts[label as usize] += 1;
    }
    let occurring = counts.iter().filter(|&&count| count > 0).count();
    let weight = |count: usize| if count == 0 { 1.0 } else { labels.len() as f64 / (occurring * count) as f64 };
    counts.into_iter().map(|count| weight(count) as f32).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_hot_and_plus_minus_one_are_understood() {
        assert_eq!(labels_from_matrix(3, 2, &[0., 1., 1., 0., 0., 1.]), Ok(vec![1, 0, 1]));
        assert_eq!(labels_from_matrix(2, 3, &[-1., -1., 1., 1., -1., -1.]), Ok(vec![2, 0]));
        assert_eq!(labels_from_matrix(0, 3, &[]), Ok(vec![]));
    }

    #[test]
    fn what_names_no_single_class_is_refused_with_its_place() {
        let soft = |row, class, value| Err(LabelError::Soft { row, class, value });
        assert_eq!(labels_from_matrix(2, 2, &[0., 1., 0.1, 0.9]), soft(1, 0, 0.1));
        // Ones and zeros in one row, ones and minus ones in another.
        assert_eq!(labels_from_matrix(2, 2, &[0., 1., -1., 1.]), soft(0, 0, 0.0));
        assert!(matches!(
            labels_from_matrix(1, 2, &[f32::NAN, 1.]),
            Err(LabelError::Soft { row: 0, class: 0, value }) if value.is_nan()
        ));
        let named = |row, named| Err(LabelError::NotOneClass { row, named });
        assert_eq!(labels_from_matrix(2, 3, &[0., 1., 0., 1., 0., 1.]), named(1, 2));
        assert_eq!(labels_from_matrix(2, 3, &[0., 1., 0., 0., 0., 0.]), named(1, 0));
        assert_eq!(labels_from_matrix(1, 2, &[-1., -1.]), named(0, 0));
        for (rows, classes, values) in [(2, 2, 3), (3, 1, 3), (0, 0, 0), (usize::MAX, 2, 2)] {
            assert_eq!(
                labels_from_matrix(rows, classes, &vec![1.0; values]),
                Err(LabelError::Shape { values, rows, classes })
            );
        }
        let message = labels_from_matrix(1, 2, &[0.1, 0.9]).unwrap_err().to_string();
        assert!(message.contains("row 0, class 0") && message.contains("0.1") && message.contains("one-hot"));
    }

    #[test]
    fn balanced_weights_are_those_of_scikit_learn() {
        // compute_class_weight("balanced", classes=[0, 1, 2], y=[0, 0, 0, 1, 1, 2])
        assert_eq!(balanced_class_weights(&[0, 0, 0, 1, 1, 2], 3), [2.0 / 3.0, 1.0, 2.0]);
        assert_eq!(balanced_class_weights(&[2, 2, 0], 4), [1.5, 1.0, 0.75, 1.0]);
        assert_eq!(balanced_class_weights(&[], 2), [1.0, 1.0]);
    }

    proptest! {
        #[test]
        fn both_encodings_give_the_labels_back(labels in prop::collection::vec(0_u32..7, 0..50), plus_minus: bool) {
            let other = if plus_minus { -1.0 } else { 0.0 };
            let matrix: Vec<f32> = labels
                .iter()
                .flat_map(|&label| (0..7).map(move |class| if class == label { 1.0 } else { other }))
                .collect();
            prop_assert_eq!(labels_from_matrix(labels.len(), 7, &matrix), Ok(labels));
        }

        #[test]
        fn balanced_weights_weigh_every_class_alike(labels in prop::collection::vec(0_u32..5, 1..200)) {
            let weights = balanced_class_weights(&labels, 5);
            let total = |class: u32| f64::from(weights[class as usize])
                * labels.iter().filter(|&&label| label == class).count() as f64;
            let totals: Vec<f64> = (0..5).map(total).filter(|&total| total > 0.0).collect();
            let expected = labels.len() as f64 / totals.len() as f64;
            for total in totals {
                prop_assert!((total - expected).abs() < 1e-5 * expected);
            }
        }
    }
}
