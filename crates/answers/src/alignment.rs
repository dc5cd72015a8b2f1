//! A scaler, moved towards the channels of one person.

use triax_model::Scaler;

/// The share of the way to a person's own mean and deviation. With more, gravity, which tells postures apart, goes with the
/// mean: see docs/subject.md.
const SHARE: f64 = 0.25;

/// `scaler` with its means and deviations a quarter of the way to those of `values` (n_rows, channels): windows of a person
/// whose activities are not known. It is the alignment of first and second moments that adaptive batch normalisation does (Li,
/// Wang, Shi, Hou and Liu, "Adaptive batch normalization for practical domain adaptation", Pattern Recognition 80, 2018), at the
/// input and shrunk. Deviations are averaged as logarithms; a constant channel keeps its own.
///
/// None where there are no rows, or a value is not finite.
pub fn aligned(scaler: &Scaler, values: &[f32]) -> Option<Scaler> {
    let channels = scaler.mean.len();
    let n = (values.len() / channels) as f64;
    let mut found = scaler.clone();
    for (channel, (mean, scale)) in found.mean.iter_mut().zip(&mut found.scale).enumerate() {
        let own = || values.iter().skip(channel).step_by(channels).map(|&value| f64::from(value));
        let own_mean = own().sum::<f64>() / n;
        let own_scale = (own().map(|value| (value - own_mean).powi(2)).sum::<f64>() / n).sqrt();
        if !own_scale.is_finite() {
            return None;
        }
        *mean = (f64::from(*mean) + SHARE * (own_mean - f64::from(*mean))) as f32;
        if own_scale > 0.0 {
            *scale = (f64::from(*scale).powf(1.0 - SHARE) * own_scale.powf(SHARE)) as f32;
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_of_the_way_is_gone() {
        let scaler = Scaler { mean: vec![0.0, 8.0], scale: vec![1.0, 3.0] };
        // Mean 4 and deviation 16; mean 4, constant.
        let values = [-12.0, 4.0, 20.0, 4.0];
        let found = aligned(&scaler, &values).unwrap();
        assert_eq!(found, Scaler { mean: vec![1.0, 7.0], scale: vec![2.0, 3.0] });
        assert_eq!(aligned(&scaler, &[]), None);
        assert_eq!(aligned(&scaler, &[f32::NAN, 0.0]), None);
    }
}
