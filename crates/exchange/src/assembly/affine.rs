//! A factor and a shift for each channel, such as batch normalisation is outside of training.

use triax_model::Scaler;

use super::{MOST_FACTORS, Order};

/// `factor · x + shift`, for each channel.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Affine {
    factor: Vec<f64>,
    shift: Vec<f64>,
}

impl Affine {
    /// `factor · x + shift` for as many channels or features as there are of each.
    ///
    /// # Errors
    /// Numbers that are not finite, or not as many of each.
    pub fn new(factor: Vec<f64>, shift: Vec<f64>) -> Result<Self, String> {
        if factor.len() != shift.len() {
            return Err(format!("it has {} factors and {} shifts", factor.len(), shift.len()));
        }
        if factor.iter().chain(&shift).all(|value| value.is_finite()) {
            return Ok(Self { factor, shift });
        }
        Err("it multiplies or shifts by numbers that are not finite".into())
    }

    /// What a scaler computes: `(x − mean) / scale`.
    pub fn of_scaler(scaler: &Scaler) -> Result<Self, String> {
        let factor: Vec<f64> = scaler.scale.iter().map(|scale| f64::from(*scale).recip()).collect();
        let shift = scaler.mean.iter().zip(&factor).map(|(mean, factor)| -f64::from(*mean) * factor).collect();
        Self::new(factor, shift)
    }

    /// What batch normalisation computes: `gamma · (x − mean) / √(variance + epsilon) + beta`. Without gamma the factor is 1,
    /// without beta the shift 0.
    pub fn batch_normalisation(
        gamma: Option<&[f32]>,
        beta: Option<&[f32]>,
        mean: &[f32],
        variance: &[f32],
        epsilon: f64,
    ) -> Result<Self, String> {
        let n = mean.len();
        let lengths = [gamma, beta, Some(variance)].map(|part| part.map_or(n, <[f32]>::len));
        if lengths != [n; 3] {
            return Err("its parts have different lengths".into());
        }
        let part = |part: Option<&[f32]>, i: usize, default: f64| part.map_or(default, |part| f64::from(part[i]));
        let factor: Vec<f64> =
            (0..n).map(|i| part(gamma, i, 1.0) / (f64::from(variance[i]) + epsilon).sqrt()).collect();
        let shift = (0..n).map(|i| part(beta, i, 0.0) - f64::from(mean[i]) * factor[i]).collect();
        Self::new(factor, shift)
    }

    /// The factors and the shifts.
    #[cfg(test)]
    pub fn parts(&self) -> (&[f64], &[f64]) {
        (&self.factor, &self.shift)
    }

    pub fn len(&self) -> usize {
        self.factor.len()
    }

    /// Checks that this is for `n` channels or features.
    pub fn fits(&self, n: usize) -> Result<(), String> {
        if self.len() == n {
            return Ok(());
        }
        Err(format!("it has factors for {} channels or features, and reads {n}", self.len()))
    }

    /// The same factor and shift for each of `n` channels or features.
    pub fn over(&self, n: usize) -> Result<Self, String> {
        match (&self.factor[..], &self.shift[..]) {
            ([factor], [shift]) if n <= MOST_FACTORS => Ok(Self { factor: vec![*factor; n], shift: vec![*shift; n] }),
            _ => Err(format!("it has {} factors for {n} channels or features", self.len())),
        }
    }

    /// Whether a factor is not 1.
    pub fn multiplies(&self) -> bool {
        self.factor.iter().any(|&factor| factor != 1.0)
    }

    /// Whether larger values stay larger.
    pub fn is_increasing(&self) -> bool {
        self.factor.iter().all(|&factor| factor > 0.0)
    }

    /// Whether 0 stays 0.
    pub fn is_pure_scale(&self) -> bool {
        self.shift.iter().all(|&shift| shift == 0.0)
    }

    /// This, then `next`.
    pub fn then(&self, next: &Self) -> Self {
        let shift = self.shift.iter().zip(next.factor.iter().zip(&next.shift)).map(|(t, (s, u))| s * t + u).collect();
        Self { factor: self.factor.iter().zip(&next.factor).map(|(a, b)| a * b).collect(), shift }
    }

    /// The same for each of `positions`, as they are flattened.
    pub fn spread(&self, positions: usize, order: Order) -> Self {
        let spread = |values: &[f64]| match order {
            Order::ChannelsLast => values.repeat(positions),
            Order::ChannelsFirst => values.iter().flat_map(|v| std::iter::repeat_n(*v, positions)).collect(),
        };
        Self { factor: spread(&self.factor), shift: spread(&self.shift) }
    }

    /// The scaler `(x − mean) / scale` that does the same, where no factor is 0; with what is left where one is negative: a
    /// change of signs.
    pub fn scaler(&self) -> Option<(Scaler, Option<Self>)> {
        let mean = self.shift.iter().zip(&self.factor).map(|(shift, factor)| (-shift / factor) as f32).collect();
        let scaler = Scaler { mean, scale: self.factor.iter().map(|factor| factor.recip().abs() as f32).collect() };
        scaler.fits(self.len()).ok()?;
        let signs = Self { factor: self.factor.iter().map(|f| f.signum()).collect(), shift: vec![0.0; self.len()] };
        Some((scaler, Some(signs).filter(Self::multiplies)))
    }

    /// Folds this into the weights (.., out) and the bias (out) of the layer before it.
    pub fn after(&self, kernel: &mut [f32], bias: &mut [f32]) {
        for row in kernel.chunks_exact_mut(self.len()) {
            row.iter_mut().zip(&self.factor).for_each(|(w, factor)| *w = (f64::from(*w) * factor) as f32);
        }
        for (bias, (factor, shift)) in bias.iter_mut().zip(self.factor.iter().zip(&self.shift)) {
            *bias = (f64::from(*bias) * factor + shift) as f32;
        }
    }

    /// Folds this into the weights (.., in, out) and the bias (out) of the layer after it, which reads `inputs`.
    pub fn before(&self, kernel: &mut [f32], bias: &mut [f32], inputs: usize) {
        let mut sums: Vec<f64> = bias.iter().copied().map(f64::from).collect();
        for (i, row) in kernel.chunks_exact_mut(bias.len()).enumerate() {
            let (factor, shift) = (self.factor[i % inputs], self.shift[i % inputs]);
            for (w, sum) in row.iter_mut().zip(&mut sums) {
                *sum += f64::from(*w) * shift;
                *w = (f64::from(*w) * factor) as f32;
            }
        }
        bias.iter_mut().zip(sums).for_each(|(bias, sum)| *bias = sum as f32);
    }
}
