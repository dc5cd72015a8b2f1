//! What a file says about its network, beside the network.

use triax_model::Preparation;

/// The loss whose scores are logits, by its name.
pub(crate) const CROSSENTROPY: &str = "categorical_crossentropy";

/// The metadata entry for the share of features that are dropped in training, in formats whose layers do not tell.
pub(crate) const DROPOUT: &str = "dropout";

/// The metadata entry for a preparation of windows that derives channels: what a reader looks for in the graph, as the numbers
/// of a derivation cannot be told from its operations.
pub(crate) const PREPARATION: &str = "preparation";

/// What people and programs should know about a network. It travels as the metadata of each format.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct About {
    /// Names of the classes, in the order of the scores.
    pub classes: Vec<String>,
    /// Names of the channels, in the order of the input; may be empty.
    pub channels: Vec<String>,
    /// Unit of each sensor, as far as it is known: `m/s²`, `g`. One for each three channels, or empty.
    pub units: Vec<Option<String>>,
    /// Samples a second, if it is known.
    pub rate_hz: Option<f64>,
    /// Samples from one window to the next in training, if it is known.
    pub step: Option<usize>,
    /// Loss of the training, by its name, if it is known.
    pub loss: Option<String>,
    /// Fingerprint of the recordings that the network was trained on, if it is known.
    pub fingerprint: Option<String>,
    /// The program that wrote the file, with its version.
    pub producer: String,
}

impl About {
    /// The entries of a format's metadata: keys are the same in every format. Lists are JSON.
    pub fn entries(&self) -> Vec<(&'static str, String)> {
        let list = |names: &[String]| (!names.is_empty()).then(|| serde_json::json!(names).to_string());
        let entries = [
            ("classes", list(&self.classes)),
            ("channels", list(&self.channels)),
            ("units", (!self.units.is_empty()).then(|| serde_json::json!(self.units).to_string())),
            ("rate_hz", self.rate_hz.map(|rate| rate.to_string())),
            ("step", self.step.map(|step| step.to_string())),
            ("loss", self.loss.clone()),
            ("trained_on", self.fingerprint.clone()),
            ("producer", Some(self.producer.clone())),
        ];
        entries.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
    }

    /// Whether the training's loss is the cross-entropy, so that scores are logits.
    pub(crate) fn has_logits(&self) -> bool {
        self.loss.as_deref() == Some(CROSSENTROPY)
    }

    /// Samples from one window of `window` samples to the next, for a program that recognises: as in training, else half a
    /// window.
    pub fn step_or_half(&self, window: usize) -> usize {
        self.step.unwrap_or(window.div_ceil(2))
    }

    /// What the entries of a format's metadata say; entries that are unknown or cannot be read are left out.
    pub fn from_entries<'a>(entries: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut about = Self::default();
        for (key, value) in entries {
            match key {
                "classes" => about.classes = serde_json::from_str(value).unwrap_or_default(),
                "channels" => about.channels = serde_json::from_str(value).unwrap_or_default(),
                "units" => about.units = serde_json::from_str(value).unwrap_or_default(),
                "rate_hz" => about.rate_hz = value.parse().ok().filter(|rate: &f64| rate.is_finite() && *rate > 0.0),
                "step" => about.step = value.parse().ok().filter(|step| *step > 0),
                "loss" => about.loss = Some(value.to_owned()),
                "trained_on" => about.fingerprint = Some(value.to_owned()),
                "producer" => value.clone_into(&mut about.producer),
                _ => {}
            }
        }
        about
    }
}

/// The share of features that are dropped in training, if the entries of a format's metadata tell one.
pub(crate) fn dropout_in<'a>(entries: impl IntoIterator<Item = (&'a str, &'a str)>) -> Option<f32> {
    let (_, rate) = entries.into_iter().find(|(key, _)| *key == DROPOUT)?;
    rate.parse().ok().filter(|rate| (0.0..1.0).contains(rate))
}

/// The preparation that the entries of a format's metadata tell, if it derives channels of windows with `channels`.
pub(crate) fn preparation_in<'a>(
    entries: impl IntoIterator<Item = (&'a str, &'a str)>,
    channels: usize,
) -> Option<Preparation> {
    let (_, text) = entries.into_iter().find(|(key, _)| *key == PREPARATION)?;
    let preparation: Preparation = text.parse().ok()?;
    preparation.derivation.as_ref().filter(|derivation| derivation.channels_in() == channels)?;
    Some(preparation)
}

/// The entry of a preparation that derives channels.
pub(crate) fn preparation_entry(preparation: &Preparation) -> Option<(&'static str, String)> {
    preparation.derivation.as_ref().map(|_| (PREPARATION, preparation.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_back() {
        let about = About {
            classes: vec!["a \"b\"".into(), "c,d".into()],
            channels: ["x", "y", "z"].map(str::to_owned).to_vec(),
            units: vec![Some("m/s²".into())],
            rate_hz: Some(0.1),
            step: Some(7),
            loss: Some("hinge".into()),
            fingerprint: Some("abc".into()),
            producer: "triax 0.1.0".into(),
        };
        let entries = about.entries();
        assert_eq!(About::from_entries(entries.iter().map(|(key, value)| (*key, value.as_str()))), about);
        assert_eq!(About::from_entries([("rate_hz", "-1"), ("step", "0"), ("classes", "x")]), About::default());
    }
}
