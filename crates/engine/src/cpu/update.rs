//! The optimizers, in Keras's form; see [`Optimizer`] for the formulas. Moments of up to [`Float::TINY`] are 0.

use crate::Optimizer;
use pulp::Simd;

use super::Float;
use super::row::{Row, TILE};

/// An optimizer in one step, with all factors that do not depend on a parameter computed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Update<F> {
    /// α, 1 − β₁, 1 − β₂, ε, and lr·weight_decay of AdamW, 0 of Adam.
    Adam { alpha: F, rate_1: F, rate_2: F, epsilon: F, decay: F },
    /// lr
    Sgd { lr: F },
    /// lr, momentum
    Momentum { lr: F, momentum: F, nesterov: bool },
    /// lr, ρ, 1 − ρ, ε
    RmsProp { lr: F, rho: F, rate: F, epsilon: F, momentum: Option<F> },
}

/// Parameters with their moments.
#[derive(Debug)]
pub(super) struct Slots<'a, F> {
    pub parameters: &'a mut [F],
    /// In the order of [`Optimizer::moment_names`]; empty where there are fewer.
    pub moments: [&'a mut [F]; 2],
}

impl<'a, F> Slots<'a, F> {
    /// The first `n`, and the rest.
    #[inline(always)]
    pub fn split(self, n: usize) -> (Self, Self) {
        let (parameters, rest) = self.parameters.split_at_mut(n);
        let [m, v] = self.moments;
        let (m, rest_m) = m.split_at_mut(n.min(m.len()));
        let (v, rest_v) = v.split_at_mut(n.min(v.len()));
        (Self { parameters, moments: [m, v] }, Self { parameters: rest, moments: [rest_m, rest_v] })
    }

    /// Reborrows the slots.
    pub fn reborrow(&mut self) -> Slots<'_, F> {
        let [m, v] = &mut self.moments;
        Slots { parameters: self.parameters, moments: [m, v] }
    }
}

impl<F: Float> Update<F> {
    /// Update number `t`, from 1.
    pub fn new(optimizer: Optimizer, learning_rate: f64, t: u64) -> Self {
        let (lr, float) = (learning_rate, |value: f64| F::from_f64(value));
        match optimizer {
            Optimizer::Adam { beta_1, beta_2, epsilon } | Optimizer::AdamW { beta_1, beta_2, epsilon, .. } => {
                Self::Adam {
                    alpha: float(optimizer.step_size(lr, t)),
                    rate_1: float(1.0 - f64::from(beta_1)),
                    rate_2: float(1.0 - f64::from(beta_2)),
                    epsilon: float(epsilon.into()),
                    decay: float(optimizer.decay(lr)),
                }
            }
            Optimizer::Sgd { momentum: 0.0, .. } => Self::Sgd { lr: float(lr) },
            Optimizer::Sgd { momentum, nesterov } => {
                Self::Momentum { lr: float(lr), momentum: float(momentum.into()), nesterov }
            }
            Optimizer::RmsProp { rho, momentum, epsilon } => Self::RmsProp {
                lr: float(lr),
                rho: float(rho.into()),
                rate: float(1.0 - f64::from(rho)),
                epsilon: float(epsilon.into()),
                momentum: (momentum != 0.0).then(|| float(momentum.into())),
            },
        }
    }

    /// Applies `gradient` to as many slots.
    #[inline(always)]
    pub fn apply<S: Simd>(&self, simd: S, slots: Slots<'_, F>, gradient: &[F]) {
        let (slots, _) = slots.split(gradient.len());
        let (gradient, rest_gradient) = gradient.split_at(gradient.len() / TILE * TILE);
        let (slots, rest) = slots.split(gradient.len());
        self.apply_to_vectors(simd, slots, gradient);
        if !rest_gradient.is_empty() {
            // The rest goes through rows with padding.
            let [m, v] = rest.moments;
            let (mut parameters, mut first, mut second) = (padded(rest.parameters), padded(m), padded(v));
            let slots = Slots { parameters: &mut parameters.0, moments: [&mut first.0, &mut second.0] };
            self.apply_to_vectors(simd, slots, &padded(rest_gradient).0);
            for (slots, row) in [(rest.parameters, parameters), (m, first), (v, second)] {
                slots.copy_from_slice(&row.0[..slots.len()]);
            }
        }
    }

    #[inline(always)]
    fn apply_to_vectors<S: Simd>(&self, simd: S, slots: Slots<'_, F>, gradient: &[F]) {
        let (p, g) = (F::vectors_mut::<S>(slots.parameters), F::vectors::<S>(gradient));
        let [m, v] = slots.moments;
        let (m, v) = (F::vectors_mut::<S>(m), F::vectors_mut::<S>(v));
        let (splat, add, sub) = (|a| F::splat(simd, a), |a, b| F::plus(simd, a, b), |a, b| F::minus(simd, a, b));
        let (mul, div, sqrt) = (|a, b| F::times(simd, a, b), |a, b| F::over(simd, a, b), |a| F::sqrt(simd, a));
        // A moment of a weight whose gradient stays 0 shrinks with every step until it is subnormal. Arithmetic on a vector
        // with a subnormal number takes a hundred times as long, so tiny moments become 0. NaN stays NaN.
        let (zero, tiny, minus_tiny) = (splat(F::ZERO), splat(F::TINY), splat(F::ZERO - F::TINY));
        let flushed = |a| F::if_le(simd, [minus_tiny, a], F::if_le(simd, [a, tiny], zero, a), a);
        match *self {
            Self::Adam { alpha, rate_1, rate_2, epsilon, decay } => {
                let (alpha, rate_1, rate_2) = (splat(alpha), splat(rate_1), splat(rate_2));
                let (epsilon, decay) = (splat(epsilon), splat(decay));
                for (((p, m), v), &g) in p.iter_mut().zip(m).zip(v).zip(g) {
                    *m = flushed(add(*m, mul(sub(g, *m), rate_1)));
                    *v = flushed(add(*v, mul(sub(mul(g, g), *v), rate_2)));
                    let step = div(mul(alpha, *m), add(sqrt(*v), epsilon));
                    *p = sub(sub(*p, mul(decay, *p)), step);
                }
            }
            Self::Sgd { lr } => {
                let lr = splat(lr);
                p.iter_mut().zip(g).for_each(|(p, &g)| *p = sub(*p, mul(lr, g)));
            }
            Self::Momentum { lr, momentum, nesterov } => {
                let (lr, momentum) = (splat(lr), splat(momentum));
                for ((p, v), &g) in p.iter_mut().zip(m).zip(g) {
                    let step = mul(lr, g);
                    *v = flushed(sub(mul(momentum, *v), step));
                    *p = add(*p, if nesterov { sub(mul(momentum, *v), step) } else { *v });
                }
            }
            Self::RmsProp { lr, rho, rate, epsilon, momentum } => {
                let (lr, rho, rate, epsilon) = (splat(lr), splat(rho), splat(rate), splat(epsilon));
                let step = |v: &mut F::Vector<S>, g| {
                    *v = flushed(add(mul(rho, *v), mul(mul(rate, g), g)));
                    div(mul(lr, g), sqrt(add(*v, epsilon)))
                };
                match momentum {
                    Some(momentum) => {
                        let momentum = splat(momentum);
                        for (((p, v), b), &g) in p.iter_mut().zip(m).zip(v).zip(g) {
                            *b = flushed(add(mul(momentum, *b), step(v, g)));
                            *p = sub(*p, *b);
                        }
                    }
                    None => p.iter_mut().zip(m).zip(g).for_each(|((p, v), &g)| *p = sub(*p, step(v, g))),
                }
            }
        }
    }
}

/// A row that begins with `values`, followed by zeros.
#[inline(always)]
fn padded<F: Float>(values: &[F]) -> Row<F> {
    let mut row = Row::ZERO;
    row.0[..values.len()].copy_from_slice(values);
    row
}

#[cfg(test)]
mod tests {
    use super::super::parameter_pass::update_pass;
    use super::super::team::Team;
    use super::*;

    /// The moments of one weight after `gradients`, one an update.
    fn moments<F: Float>(optimizer: Optimizer, gradients: impl Iterator<Item = f64>) -> [F; 2] {
        let (mut p, mut m, mut v) = ([F::ONE], [F::ZERO], [F::ZERO]);
        for (t, gradient) in (1..).zip(gradients) {
            let slots = Slots { parameters: &mut p, moments: [&mut m, &mut v] };
            let update = Update::new(optimizer, 1e-3, t);
            update_pass(&Team::alone(), update, F::ONE, slots, &mut [F::from_f64(gradient)]);
        }
        [m[0], v[0]]
    }

    /// The moments of a dead unit's weights: without an end to it they would stay subnormal, and slow, for ever.
    fn moments_end<F: Float>() {
        for gradient in [1e-3, -1e-3] {
            let dead = |n| [gradient].into_iter().chain(std::iter::repeat_n(0.0, n));
            let adam = Optimizer::Adam { beta_1: 0.9, beta_2: 0.9, epsilon: 1e-7 };
            assert!(moments::<F>(adam, dead(100)).iter().all(|&moment| moment != F::ZERO));
            assert_eq!(moments::<F>(adam, dead(10_000)), [F::ZERO; 2]);
            let momentum = Optimizer::Sgd { momentum: 0.9, nesterov: false };
            assert_eq!(moments::<F>(momentum, dead(10_000))[0], F::ZERO);
            let rms_prop = Optimizer::RmsProp { rho: 0.9, momentum: 0.9, epsilon: 1e-7 };
            assert_eq!(moments::<F>(rms_prop, dead(10_000)), [F::ZERO; 2]);
        }
        let spoilt = moments::<F>(Optimizer::adam(), [f64::NAN, 0.0].into_iter());
        assert!(spoilt.iter().all(|moment| moment.to_f64().is_nan()), "a NaN is to be noticed");
    }

    #[test]
    fn moments_end_at_zero_and_never_as_subnormals() {
        moments_end::<f32>();
        moments_end::<f64>();
    }
}
