//! The normalisation of a window as elementary operations, for formats whose graphs have no such layer.
//!
//! [`PerWindow::apply`] defines what they compute. It works in f64. Here the same is written so that it holds in f32 as well:
//! deviations are taken from a window's first sample, which leaves a constant channel exactly 0, and the turn of a mean that
//! points nearly down is not computed from a difference of nearly equal numbers.

use triax_model::PerWindow;

/// An operation on two tensors, element by element. A tensor of one sample stands for all samples of its window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binary {
    Add,
    Sub,
    Mul,
    Div,
    Max,
}

/// An operation on each element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unary {
    Sqrt,
    Abs,
}

/// A graph that is being built, and its tensors (batch, samples, channels).
pub trait Operations {
    type Value: Clone;

    /// One number, for all elements.
    fn constant(&mut self, value: f64) -> Self::Value;
    /// `n` channels of `x`, from `first` on.
    fn channels(&mut self, x: &Self::Value, first: usize, n: usize) -> Self::Value;
    /// The first sample of each window: (batch, 1, channels).
    fn first_sample(&mut self, x: &Self::Value) -> Self::Value;
    /// The mean over the samples of each window: (batch, 1, channels).
    fn mean(&mut self, x: &Self::Value) -> Self::Value;
    /// The channels of all `parts`, one after another.
    fn concat(&mut self, parts: &[Self::Value]) -> Self::Value;
    fn unary(&mut self, operation: Unary, x: &Self::Value) -> Self::Value;
    fn binary(&mut self, operation: Binary, a: &Self::Value, b: &Self::Value) -> Self::Value;
    /// `yes` where `a` < `b`, else `no`.
    fn where_less(&mut self, a: &Self::Value, b: &Self::Value, yes: &Self::Value, no: &Self::Value) -> Self::Value;

    fn add(&mut self, a: &Self::Value, b: &Self::Value) -> Self::Value {
        self.binary(Binary::Add, a, b)
    }

    fn sub(&mut self, a: &Self::Value, b: &Self::Value) -> Self::Value {
        self.binary(Binary::Sub, a, b)
    }

    fn mul(&mut self, a: &Self::Value, b: &Self::Value) -> Self::Value {
        self.binary(Binary::Mul, a, b)
    }

    fn div(&mut self, a: &Self::Value, b: &Self::Value) -> Self::Value {
        self.binary(Binary::Div, a, b)
    }

    /// The sum of the products of `a` and `b`.
    fn dot(&mut self, a: &[&Self::Value], b: &[&Self::Value]) -> Self::Value {
        let mut products: Vec<_> = a.iter().zip(b).map(|(a, b)| self.mul(a, b)).collect();
        let first = products.remove(0);
        products.iter().fold(first, |sum, product| self.add(&sum, product))
    }
}

/// Adds the normalisation of windows `x` (batch, window, `channels`) to `graph`.
pub fn normalise<G: Operations>(graph: &mut G, per_window: PerWindow, x: &G::Value, channels: usize) -> G::Value {
    match per_window {
        PerWindow::Standardise => standardise(graph, x),
        PerWindow::AlignGravity => {
            let groups = (0..channels).step_by(3);
            let parts: Vec<_> = groups.flat_map(|first| align(graph, x, first)).collect();
            graph.concat(&parts)
        }
    }
}

fn standardise<G: Operations>(graph: &mut G, x: &G::Value) -> G::Value {
    let (zero, one) = (graph.constant(0.0), graph.constant(1.0));
    let epsilon = graph.constant(f32::EPSILON.into());
    let first = graph.first_sample(x);
    let difference = graph.sub(x, &first);
    let mean_difference = graph.mean(&difference);
    let centred = graph.sub(&difference, &mean_difference);
    let squares = graph.mul(&centred, &centred);
    let variance = graph.mean(&squares);
    let deviation = graph.unary(Unary::Sqrt, &variance);
    let mean = graph.add(&first, &mean_difference);
    let size = graph.unary(Unary::Abs, &mean);
    let limit = graph.mul(&size, &epsilon);
    let reciprocal = graph.div(&one, &deviation);
    let scale = graph.where_less(&limit, &deviation, &reciprocal, &zero);
    graph.mul(&centred, &scale)
}

/// The three channels of a group, from `first` on, with their mean along the third axis.
///
/// With the unit mean (a, b, c), the shortest turn of (x, y, z) is (x − pr − az, y − qr − bz, ax + by + cz), where
/// (p, q) = √h · (a, b), r = px + qy and h = 1/(1 + c) = (1 − c)/(a² + b²).
fn align<G: Operations>(graph: &mut G, x: &G::Value, first: usize) -> [G::Value; 3] {
    let [zero, one] = [0.0, 1.0].map(|value| graph.constant(value));
    let axes = [0, 1, 2].map(|axis| graph.channels(x, first + axis, 1));
    let [x, y, z] = [&axes[0], &axes[1], &axes[2]];
    let means = [x, y, z].map(|axis| graph.mean(axis));
    let means = [&means[0], &means[1], &means[2]];
    let square = graph.dot(&means, &means);
    let length = graph.unary(Unary::Sqrt, &square);
    // A mean of 0 has no direction: (0, 0, 1) turns nothing.
    let divisor = graph.where_less(&zero, &length, &length, &one);
    let [a, b, c] = means.map(|mean| graph.div(mean, &divisor));
    let c = graph.where_less(&zero, &length, &c, &one);

    let level = graph.dot(&[&a, &b], &[&a, &b]);
    // 1 − c² where c is −1 + 10⁻¹²: nearer to it, the turn is half a turn about the first axis.
    let smallest = graph.constant(2e-12);
    let divisor = graph.binary(Binary::Max, &level, &smallest);
    let numerator = graph.sub(&one, &c);
    let when_down = graph.div(&numerator, &divisor);
    let denominator = graph.add(&one, &c);
    let when_up = graph.div(&one, &denominator);
    let h = graph.where_less(&c, &zero, &when_down, &when_up);
    let root = graph.unary(Unary::Sqrt, &h);
    let (p, q) = (graph.mul(&a, &root), graph.mul(&b, &root));
    let level_when_down = graph.where_less(&c, &zero, &level, &one);
    let root_of_two = graph.constant(std::f64::consts::SQRT_2);
    let p = graph.where_less(&level_when_down, &smallest, &zero, &p);
    let q = graph.where_less(&level_when_down, &smallest, &root_of_two, &q);

    let r = graph.dot(&[&p, &q], &[x, y]);
    let mut turned = |axis: &G::Value, factor: &G::Value, tilt: &G::Value| {
        let taken = graph.dot(&[factor, tilt], &[&r, z]);
        graph.sub(axis, &taken)
    };
    let (level_x, level_y) = (turned(x, &p, &a), turned(y, &q, &b));
    [level_x, level_y, graph.dot(&[&a, &b, &c], &[x, y, z])]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Operations on one window in f32: a tensor is its rows.
    struct Plain;

    type Rows = Vec<Vec<f32>>;

    fn each(a: &Rows, b: &Rows, operation: impl Fn(f32, f32) -> f32) -> Rows {
        let at = |rows: &Rows, t: usize, c: usize| {
            let row = &rows[t.min(rows.len() - 1)];
            row[c.min(row.len() - 1)]
        };
        let (n, width) = (a.len().max(b.len()), a[0].len().max(b[0].len()));
        (0..n).map(|t| (0..width).map(|c| operation(at(a, t, c), at(b, t, c))).collect()).collect()
    }

    impl Operations for Plain {
        type Value = Rows;

        fn constant(&mut self, value: f64) -> Rows {
            vec![vec![value as f32]]
        }

        fn channels(&mut self, x: &Rows, first: usize, n: usize) -> Rows {
            x.iter().map(|row| row[first..first + n].to_vec()).collect()
        }

        fn first_sample(&mut self, x: &Rows) -> Rows {
            vec![x[0].clone()]
        }

        fn mean(&mut self, x: &Rows) -> Rows {
            let sum = |c: usize| x.iter().map(|row| row[c]).sum::<f32>();
            vec![(0..x[0].len()).map(|c| sum(c) / x.len() as f32).collect()]
        }

        fn concat(&mut self, parts: &[Rows]) -> Rows {
            (0..parts[0].len()).map(|t| parts.iter().flat_map(|part| part[t].clone()).collect()).collect()
        }

        fn unary(&mut self, operation: Unary, x: &Rows) -> Rows {
            each(x, x, |x, _| match operation {
                Unary::Sqrt => x.sqrt(),
                Unary::Abs => x.abs(),
            })
        }

        fn binary(&mut self, operation: Binary, a: &Rows, b: &Rows) -> Rows {
            each(a, b, |a, b| match operation {
                Binary::Add => a + b,
                Binary::Sub => a - b,
                Binary::Mul => a * b,
                Binary::Div => a / b,
                Binary::Max => a.max(b),
            })
        }

        fn where_less(&mut self, a: &Rows, b: &Rows, yes: &Rows, no: &Rows) -> Rows {
            let chosen = each(a, b, |a, b| f32::from(u8::from(a < b)));
            let yes = each(&chosen, yes, |chosen, yes| if chosen == 1.0 { yes } else { f32::NAN });
            each(&yes, no, |yes, no| if yes.is_nan() { no } else { yes })
        }
    }

    /// A window of 40 samples whose means are `down`, a sensor at rest at 0, and one that is constant.
    fn window(down: [f32; 3]) -> Vec<f32> {
        let row = |t: usize| {
            let sway = [0.7, -0.3, 0.2].map(|s: f32| if t.is_multiple_of(2) { s } else { -s });
            [down[0] + sway[0], down[1] + sway[1], down[2] + sway[2], 0.0, 0.0, 0.0, 0.1, 0.1, -7.3]
        };
        (0..40).flat_map(row).collect()
    }

    #[test]
    fn operations_compute_what_the_definition_says() {
        let downs = [
            [0.0, 9.8, 0.0],
            [3.0, -4.0, 5.0],
            [0.0, 0.0, 9.8],
            [0.0, 0.0, -9.8],
            [0.01, 0.02, -9.8],
            [1.0, 0.0, -3.0],
            [0.0; 3],
        ];
        for per_window in [PerWindow::Standardise, PerWindow::AlignGravity] {
            for down in downs {
                let mut expected = window(down);
                let rows = expected.chunks_exact(9).map(<[f32]>::to_vec).collect();
                per_window.apply(&mut expected, 40, 9).unwrap();
                let found = normalise(&mut Plain, per_window, &rows, 9).concat();
                let error = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(error < 2e-4, "{per_window} {down:?}: {error}");
                assert!(found.iter().all(|value| value.is_finite()));
            }
        }
    }
}
