//! The preparation of a window as elementary operations, for formats whose graphs have no such layer.
//!
//! [`Preparation::apply`] defines what they compute. It works in f64. Here the same is written so that it holds in f32 as well:
//! deviations are taken from a window's first sample, which leaves a constant channel exactly 0, and the turn of a mean that
//! points nearly down is not computed from a difference of nearly equal numbers.

use triax_model::{Derivation, Derived, PerWindow, Preparation};

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
    /// `n` samples of each window of `x`, from `first` on.
    fn samples(&mut self, x: &Self::Value, first: usize, n: usize) -> Self::Value;
    /// The mean over the samples of each window: (batch, 1, channels).
    fn mean(&mut self, x: &Self::Value) -> Self::Value;
    /// The channels of all `parts`, one after another.
    fn concat(&mut self, parts: &[Self::Value]) -> Self::Value;
    /// The samples of all `parts`, one after another.
    fn append(&mut self, parts: &[Self::Value]) -> Self::Value;
    /// Two averages after each other of each channel, over up to `size` samples around each: those that are there.
    fn low_pass(&mut self, x: &Self::Value, size: usize) -> Self::Value;
    fn unary(&mut self, operation: Unary, x: &Self::Value) -> Self::Value;
    fn binary(&mut self, operation: Binary, a: &Self::Value, b: &Self::Value) -> Self::Value;
    /// `yes` where `a` < `b`, else `no`.
    fn where_less(&mut self, a: &Self::Value, b: &Self::Value, yes: &Self::Value, no: &Self::Value) -> Self::Value;

    /// The first sample of each window: (batch, 1, channels).
    fn first_sample(&mut self, x: &Self::Value) -> Self::Value {
        self.samples(x, 0, 1)
    }

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

/// Adds `preparation` of windows `x` (batch, `window`, `channels`) to `graph`.
pub fn prepare<G: Operations>(
    graph: &mut G,
    preparation: &Preparation,
    x: &G::Value,
    (window, channels): (usize, usize),
) -> G::Value {
    let Preparation { derivation, normalisation } = preparation;
    match (derivation, normalisation) {
        (None, None) => x.clone(),
        (None, Some(way)) => normalise(graph, *way, x, channels),
        (Some(derivation), None) => derive(graph, derivation, x, None, window),
        (Some(derivation), Some(PerWindow::AlignGravity)) => {
            let upright = normalise(graph, PerWindow::AlignGravity, x, channels);
            derive(graph, derivation, x, Some(&upright), window)
        }
        (Some(derivation), Some(PerWindow::Standardise)) => {
            let derived = derive(graph, derivation, x, None, window);
            normalise(graph, PerWindow::Standardise, &derived, derivation.channels_out())
        }
    }
}

/// The low-pass of all channels, and what it leaves.
struct Slow<V> {
    slow: V,
    rest: V,
}

/// Of differences from the first sample, so that a constant channel stays what it is.
fn low_pass<G: Operations>(graph: &mut G, x: &G::Value, size: usize) -> Slow<G::Value> {
    let first = graph.first_sample(x);
    let moved = graph.sub(x, &first);
    let low = graph.low_pass(&moved, size);
    Slow { rest: graph.sub(&moved, &low), slow: graph.add(&low, &first) }
}

/// The channels of `derivation`: vectors of the axes that were turned `upright`, if they were, and scalars of `raw`.
pub fn derive<G: Operations>(
    graph: &mut G,
    derivation: &Derivation,
    raw: &G::Value,
    upright: Option<&G::Value>,
    window: usize,
) -> G::Value {
    // A longer average sees no more samples.
    let size = derivation.low_pass().min(2 * window - 1);
    let axes = upright.unwrap_or(raw);
    let (mut slow_axes, mut split) = (None, None);
    let mut parts = Vec::new();
    for kind in derivation.kinds() {
        match kind {
            Derived::Raw => parts.push(axes.clone()),
            Derived::Gravity => parts.push(slow_axes.get_or_insert_with(|| low_pass(graph, axes, size)).slow.clone()),
            Derived::Linear => parts.push(slow_axes.get_or_insert_with(|| low_pass(graph, axes, size)).rest.clone()),
            Derived::Jerk => parts.push(jerk(graph, axes, window)),
            Derived::Norm => {
                for group in 0..derivation.groups() {
                    let v = axes_of(graph, raw, group);
                    parts.push(length(graph, &v));
                }
            }
            Derived::Vertical | Derived::Horizontal => {
                let shared = slow_axes.as_ref().filter(|_| upright.is_none()).map(|slow| slow.slow.clone());
                let split = split.get_or_insert_with(|| {
                    let slow = shared.unwrap_or_else(|| low_pass(graph, raw, size).slow);
                    split_at_gravity(graph, derivation, raw, &slow)
                });
                let of_group = |(along, rest): &(G::Value, G::Value)| {
                    if *kind == Derived::Vertical { along.clone() } else { rest.clone() }
                };
                parts.extend(split.iter().map(of_group));
            }
        }
    }
    graph.concat(&parts)
}

fn axes_of<G: Operations>(graph: &mut G, x: &G::Value, group: usize) -> [G::Value; 3] {
    [0, 1, 2].map(|axis| graph.channels(x, 3 * group + axis, 1))
}

fn length<G: Operations>(graph: &mut G, v: &[G::Value; 3]) -> G::Value {
    let v = v.each_ref();
    let square = graph.dot(&v, &v);
    graph.unary(Unary::Sqrt, &square)
}

fn jerk<G: Operations>(graph: &mut G, x: &G::Value, window: usize) -> G::Value {
    if window == 1 {
        return graph.sub(x, x);
    }
    let (later, earlier) = (graph.samples(x, 1, window - 1), graph.samples(x, 0, window - 1));
    let differences = graph.sub(&later, &earlier);
    let first = graph.first_sample(&differences);
    graph.append(&[first, differences])
}

/// For each group, its component along gravity and the length of the rest.
fn split_at_gravity<G: Operations>(
    graph: &mut G,
    derivation: &Derivation,
    raw: &G::Value,
    slow: &G::Value,
) -> Vec<(G::Value, G::Value)> {
    let [zero, one] = [0.0, 1.0].map(|value| graph.constant(value));
    let mut units: Vec<Option<[G::Value; 3]>> = vec![None; derivation.groups()];
    let mut split = Vec::new();
    for (group, &down) in derivation.down().iter().enumerate() {
        let unit = units[down].get_or_insert_with(|| {
            let gravity = axes_of(graph, slow, down);
            let size = length(graph, &gravity);
            // Without a direction, 0 stays 0.
            let divisor = graph.where_less(&zero, &size, &size, &one);
            gravity.map(|axis| graph.div(&axis, &divisor))
        });
        let v = axes_of(graph, raw, group);
        let along = graph.dot(&v.each_ref(), &unit.each_ref());
        let rest = [0, 1, 2].map(|axis| {
            let taken = graph.mul(&along, &unit[axis]);
            graph.sub(&v[axis], &taken)
        });
        split.push((along, length(graph, &rest)));
    }
    split
}

/// Adds the normalisation of windows `x` (batch, window, `channels`) to `graph`.
fn normalise<G: Operations>(graph: &mut G, per_window: PerWindow, x: &G::Value, channels: usize) -> G::Value {
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

        fn samples(&mut self, x: &Rows, first: usize, n: usize) -> Rows {
            x[first..first + n].to_vec()
        }

        fn append(&mut self, parts: &[Rows]) -> Rows {
            parts.concat()
        }

        fn low_pass(&mut self, x: &Rows, size: usize) -> Rows {
            let average = |x: &Rows| -> Rows {
                let around = |t: usize| x[t.saturating_sub(size / 2)..(t + size / 2 + 1).min(x.len())].to_vec();
                (0..x.len()).flat_map(|t| Plain.mean(&around(t))).collect()
            };
            average(&average(x))
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
        for text in [
            "window",
            "gravity",
            "derive:raw,gravity,linear,jerk,norm,vertical,horizontal:groups=3:low_pass=21:down=0,0,2",
            "gravity derive:raw,linear,jerk,norm,vertical:groups=3:low_pass=999:down=0,2,2",
            "derive:linear,jerk,norm:groups=3:low_pass=5 window",
        ] {
            let preparation: Preparation = text.parse().unwrap();
            for down in downs {
                // A direction of nothing but rounding is another one in f32.
                if text.contains("down=0") && down == [0.0; 3] {
                    continue;
                }
                let window = window(down);
                let rows = window.chunks_exact(9).map(<[f32]>::to_vec).collect();
                let expected = preparation.apply(window.into(), 40, 9).unwrap();
                let found = prepare(&mut Plain, &preparation, &rows, (40, 9)).concat();
                let error = found.iter().zip(&*expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(found.len() == expected.len() && error < 2e-4, "{text} {down:?}: {error}");
                assert!(found.iter().all(|value| value.is_finite()));
            }
        }
    }
}
