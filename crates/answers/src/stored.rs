//! What a trained network knows about its answers: an entry in the metadata of its weight file.

use serde::{Deserialize, Serialize};

use crate::hmm::Dynamics;
use crate::temperature::Temperature;
use crate::unknown::KnownConfidence;

/// The key of the entry.
pub const KEY: &str = "answers";

/// What turns scores into probabilities, and sequences of them into one answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answers {
    /// Makes probabilities of scores. It is fitted to held-out windows.
    pub temperature: Temperature,
    /// Number of these windows. With 0 the temperature is 1.
    pub n_windows: usize,
    /// The confidence in held-out windows that are answered rightly; absent where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<KnownConfidence>,
    /// Share of each class in training.
    pub priors: Vec<f64>,
    /// How long activities last in the recordings of the training part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dynamics: Option<Dynamics>,
}

impl Answers {
    /// What is taken of a network that says nothing: scores as they are, and as many windows of each class.
    pub fn unknown(classes: usize) -> Self {
        Self {
            temperature: Temperature::ONE,
            n_windows: 0,
            confidence: None,
            priors: vec![1.0 / classes.max(1) as f64; classes],
            dynamics: None,
        }
    }

    /// What the windows that a network was trained on say, each with its class and its weight in the loss: the shares of the
    /// classes as the loss weighs them, with one more window of each class, so that none is impossible. `class_weights` are
    /// those of the loss, if they differ. How long activities last is not known, and scores are taken as they are.
    ///
    /// # Panics
    /// If a window is of no class.
    pub fn of_training(
        windows: impl IntoIterator<Item = (u32, f32)>,
        classes: usize,
        class_weights: Option<&[f32]>,
    ) -> Self {
        let mut shares = vec![1.0; classes];
        for (label, weight) in windows {
            shares[label as usize] += f64::from(weight);
        }
        if let Some(weights) = class_weights {
            shares.iter_mut().zip(weights).for_each(|(share, &weight)| *share *= f64::from(weight));
        }
        let sum: f64 = shares.iter().sum();
        Self { priors: shares.iter().map(|share| share / sum).collect(), ..Self::unknown(classes) }
    }

    /// These, with temperature and confidence fitted to held-out windows with `scores` (n_windows, classes), all finite.
    ///
    /// # Panics
    /// As [`Temperature::fit`].
    pub fn fitted(&self, scores: &[f32], labels: &[u32]) -> Self {
        let classes = self.priors.len();
        let temperature = Temperature::fit(scores, labels, classes);
        let confidence = KnownConfidence::fit(&temperature.probabilities(scores, classes), labels, classes);
        Self { temperature, n_windows: labels.len(), confidence, ..self.clone() }
    }

    /// These for scores of another scale: what is known of the recordings stays, temperature and confidence are not known.
    pub fn unfitted(&self) -> Self {
        Self { temperature: Temperature::ONE, n_windows: 0, confidence: None, ..self.clone() }
    }

    /// For each group of windows its one of `bases`, fitted to the windows of all other groups: what is known about people who
    /// are judged, without them. None with fewer than two groups. `groups` has the index of a group for each window.
    ///
    /// # Panics
    /// As [`Answers::fitted`]; if there is not one group for each window and one base for each group.
    pub fn cross_fitted(bases: &[Self], scores: &[f32], labels: &[u32], groups: &[u32]) -> Option<Vec<Self>> {
        assert_eq!(groups.len(), labels.len(), "a group for each window");
        if bases.len() < 2 {
            return None;
        }
        let fit = |(group, base): (usize, &Self)| {
            let others: Vec<usize> = (0..labels.len()).filter(|&window| groups[window] as usize != group).collect();
            let classes = base.priors.len();
            let rows = others.iter().flat_map(|&window| &scores[window * classes..][..classes]);
            let labels: Vec<u32> = others.iter().map(|&window| labels[window]).collect();
            base.fitted(&rows.copied().collect::<Vec<f32>>(), &labels)
        };
        Some(bases.iter().enumerate().map(fit).collect())
    }

    /// The entry's text.
    ///
    /// # Errors
    /// None that can happen: numbers are finite.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// Reads the entry of a network with this many classes.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn from_json(text: &str, classes: usize) -> Result<Self, String> {
        let read: Self = serde_json::from_str(text).map_err(|problem| format!("cannot be understood: {problem}"))?;
        let is_share = |share: &f64| (0.0..=1.0).contains(share);
        if read.priors.len() != classes || !read.priors.iter().all(is_share) {
            return Err(format!("`priors` are not {classes} shares"));
        }
        read.confidence.as_ref().map_or(Ok(()), KnownConfidence::check)?;
        read.dynamics.as_ref().map_or(Ok(()), |dynamics| dynamics.check(classes))?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Answers {
        let answers = Answers { dynamics: Some(Dynamics::uniform(90.0, 2)), ..Answers::unknown(2) };
        answers.fitted(&[2.0, 0.0, 0.0, 1.0, 0.5, 0.0], &[0, 1, 1])
    }

    #[test]
    fn the_shares_of_classes_are_those_in_the_loss() {
        // With one more of each class: 3, 2 and 1 of 6; with the weights 3, 4 and 1 of 8.
        let priors = |windows: &[(u32, f32)], weights| Answers::of_training(windows.to_vec(), 3, weights).priors;
        assert_eq!(priors(&[(0, 1.0), (1, 1.0), (0, 1.0)], None), [0.5, 1.0 / 3.0, 1.0 / 6.0]);
        assert_eq!(priors(&[(0, 2.0), (1, 1.0), (2, 0.0)], Some(&[1.0, 2.0, 1.0])), [0.375, 0.5, 0.125]);
        assert_eq!(priors(&[], None), [1.0 / 3.0; 3]);
    }

    #[test]
    fn a_group_is_not_calibrated_by_itself() {
        let scores = [3.0, 0.0, 0.0, 1.0, 2.0, 0.0, 0.0, 0.5_f32];
        let (labels, groups) = ([0, 1, 1, 1], [0, 1, 0, 1]);
        let bases = [Answers { priors: vec![0.3, 0.7], ..Answers::unknown(2) }, Answers::unknown(2)];
        let found = Answers::cross_fitted(&bases, &scores, &labels, &groups).unwrap();
        assert_eq!(found[0], bases[0].fitted(&[0.0, 1.0, 0.0, 0.5], &[1, 1]));
        assert_eq!(found[1], bases[1].fitted(&[3.0, 0.0, 2.0, 0.0], &[0, 1]));
        assert_ne!(found[0].temperature, found[1].temperature);
        assert_eq!(Answers::cross_fitted(&bases[..1], &scores, &labels, &[0; 4]), None);
    }

    #[test]
    fn what_is_written_is_read() {
        let answers = example();
        assert_eq!((answers.n_windows, answers.confidence.is_some()), (3, true));
        let rescaled = answers.unfitted();
        assert_eq!(rescaled, Answers { dynamics: answers.dynamics.clone(), ..Answers::unknown(2) });
        let text = answers.to_json().unwrap();
        assert_eq!(Answers::from_json(&text, 2).unwrap(), answers);
        assert_eq!(Answers::from_json(&text, 2).unwrap().to_json().unwrap(), text, "bytes differ");
    }

    #[test]
    fn what_a_network_cannot_use_is_refused_in_words() {
        let text = example().to_json().unwrap();
        let refused = |text: &str, classes| Answers::from_json(text, classes).unwrap_err();
        assert!(refused(&text, 3).contains("`priors` are not 3 shares"));
        assert!(refused(&text.replace("\"temperature\":", "\"temperature\":-"), 2).contains("above 0"));
        assert!(refused(&text.replace("[90.0,90.0]", "[90.0,0.0]"), 2).contains("`durations`"));
        assert!(refused(&text.replace("[0.0,1.0]", "[0.0,0.5]"), 2).contains("`next`"));
        assert!(refused("{", 2).contains("cannot be understood"));
    }
}
