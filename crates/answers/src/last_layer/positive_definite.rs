//! Systems of equations with a symmetric, positive definite matrix.

/// Solves `matrix · x = right` for each column of `right` by Cholesky's decomposition `matrix = L·Lᵀ`, and puts the solutions
/// into its place. `matrix` (n, n) is row-major, and only its lower triangle is read; `right` is (n, columns).
///
/// Returns whether the matrix is positive definite. If it is not, `right` is unchanged.
pub fn solve(mut matrix: Vec<f64>, right: &mut [f64], columns: usize) -> bool {
    let n = right.len() / columns;
    for row in 0..n {
        for column in 0..=row {
            let (above, own) = matrix.split_at(row * n);
            let before = if column == row { &own[..column] } else { &above[column * n..][..column] };
            let product: f64 = own[..column].iter().zip(before).map(|(a, b)| a * b).sum();
            let rest = own[column] - product;
            matrix[row * n + column] = if column < row {
                rest / matrix[column * n + column]
            } else if rest > 0.0 && rest.is_finite() {
                rest.sqrt()
            } else {
                return false;
            };
        }
    }
    for column in 0..columns {
        for row in 0..n {
            let known: f64 = (0..row).map(|k| matrix[row * n + k] * right[k * columns + column]).sum();
            right[row * columns + column] = (right[row * columns + column] - known) / matrix[row * n + row];
        }
        for row in (0..n).rev() {
            let known: f64 = (row + 1..n).map(|k| matrix[k * n + row] * right[k * columns + column]).sum();
            right[row * columns + column] = (right[row * columns + column] - known) / matrix[row * n + row];
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_matrix_that_is_not_positive_definite_is_refused() {
        for matrix in
            [[0.0, 0.0, 0.0, 1.0], [1.0, 0.0, 2.0, 1.0], [f64::NAN, 0.0, 0.0, 1.0], [f64::INFINITY, 0.0, 0.0, 1.0]]
        {
            let mut right = [1.0, 2.0];
            assert!(!solve(matrix.to_vec(), &mut right, 1), "{matrix:?}");
            assert_eq!(right, [1.0, 2.0]);
        }
    }

    proptest! {
        #[test]
        fn the_solution_solves(n in 1_usize..9, columns in 1_usize..4, seed in proptest::collection::vec(-1.0..1.0_f64, 200)) {
            // A·Aᵀ + I is positive definite.
            let a = |row: usize, k: usize| seed[row * 9 + k];
            let entry = |i: usize, j: usize| (0..9).map(|k| a(i, k) * a(j, k)).sum::<f64>() + f64::from(u8::from(i == j));
            let matrix: Vec<f64> = (0..n * n).map(|at| entry(at / n, at % n)).collect();
            let right: Vec<f64> = seed[100..][..n * columns].to_vec();
            let mut x = right.clone();
            prop_assert!(solve(matrix.clone(), &mut x, columns));
            for (at, wanted) in right.iter().enumerate() {
                let (row, column) = (at / columns, at % columns);
                let found: f64 = (0..n).map(|k| matrix[row * n + k] * x[k * columns + column]).sum();
                prop_assert!((found - wanted).abs() < 1e-9, "{found} is not {wanted}");
            }
        }
    }
}
