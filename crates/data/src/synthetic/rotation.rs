//! Rotations in space, as far as the synthetic set needs them.

/// A rotation matrix: rows are the new axes in terms of the old.
#[derive(Clone, Copy, Debug)]
pub struct Rotation(pub [[f64; 3]; 3]);

impl Rotation {
    /// The rotation by `angle` radians about the unit vector `axis` (Rodrigues).
    pub fn about(axis: [f64; 3], angle: f64) -> Self {
        let [x, y, z] = axis;
        let (sin, cos) = angle.sin_cos();
        let rest = 1.0 - cos;
        Self([
            [cos + x * x * rest, x * y * rest - z * sin, x * z * rest + y * sin],
            [y * x * rest + z * sin, cos + y * y * rest, y * z * rest - x * sin],
            [z * x * rest - y * sin, z * y * rest + x * sin, cos + z * z * rest],
        ])
    }

    /// The rotation about the direction of `vector`, by its length in radians.
    pub fn from_vector(vector: [f64; 3]) -> Self {
        let angle = vector.iter().map(|v| v * v).sum::<f64>().sqrt();
        let axis = if angle > 0.0 { vector.map(|v| v / angle) } else { [0.0, 0.0, 1.0] };
        Self::about(axis, angle)
    }

    /// This rotation, followed by `next`.
    pub fn then(self, next: Self) -> Self {
        let mut product = [[0.0; 3]; 3];
        for (row, next_row) in product.iter_mut().zip(next.0) {
            for (column, entry) in row.iter_mut().enumerate() {
                *entry = (0..3).map(|k| next_row[k] * self.0[k][column]).sum();
            }
        }
        Self(product)
    }

    /// Rotates `vector`.
    pub fn apply(self, vector: [f64; 3]) -> [f64; 3] {
        self.0.map(|row| row[0] * vector[0] + row[1] * vector[1] + row[2] * vector[2])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::FRAC_PI_2;

    fn assert_near(a: [f64; 3], b: [f64; 3]) {
        assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-12), "{a:?} is not {b:?}");
    }

    #[test]
    fn a_quarter_turn_about_up_takes_forward_to_left() {
        assert_near(Rotation::about([0.0, 0.0, 1.0], FRAC_PI_2).apply([1.0, 0.0, 0.0]), [0.0, 1.0, 0.0]);
        assert_near(Rotation::from_vector([0.0, 0.0, FRAC_PI_2]).apply([1.0, 0.0, 0.0]), [0.0, 1.0, 0.0]);
        assert_near(Rotation::from_vector([0.0; 3]).apply([1.0, 2.0, 3.0]), [1.0, 2.0, 3.0]);
    }

    #[test]
    fn rotations_compose_in_the_order_of_reading_and_keep_lengths() {
        let first = Rotation::about([0.0, 0.0, 1.0], 0.7);
        let second = Rotation::from_vector([0.3, -0.5, 0.1]);
        let vector = [1.0, -2.0, 0.5];
        let turned = first.then(second).apply(vector);
        assert_near(turned, second.apply(first.apply(vector)));
        let square = |v: [f64; 3]| v.iter().map(|v| v * v).sum::<f64>();
        assert!((square(turned) - square(vector)).abs() < 1e-12);
    }
}
