//! What becomes of a window before a scaler or a network reads it.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use crate::{Derivation, PerWindow};

/// The way from a window of the sensors' channels to the channels of a network. It depends on the window alone.
///
/// The order is: [`PerWindow::AlignGravity`], then the derivation of channels, then [`PerWindow::Standardise`]. Vectors are derived
/// from the axes that were turned upright. Scalars are derived from the axes as they are, which the turn would not change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preparation {
    /// Which channels the network reads; without one, those of the sensors.
    pub derivation: Option<Derivation>,
    /// Normalisation of the window by itself.
    pub normalisation: Option<PerWindow>,
}

impl Preparation {
    /// Whether a window stays as it is.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// The number of a network's channels where the sensors have `channels`.
    ///
    /// # Errors
    /// A sentence, for another number of channels than those that it derives from, and where gravity is to be aligned in channels
    /// that are not a whole number of groups of three.
    pub fn channels_out(&self, channels: usize) -> Result<usize, String> {
        if self.normalisation == Some(PerWindow::AlignGravity) {
            PerWindow::AlignGravity.check(channels)?;
        }
        match &self.derivation {
            None => Ok(channels),
            Some(derivation) if derivation.channels_in() == channels => Ok(derivation.channels_out()),
            Some(derivation) => {
                Err(format!("channels are derived from {}, and there are {channels}", derivation.channels_in()))
            }
        }
    }

    /// The number of the sensors' channels for a network with `channels`.
    ///
    /// # Errors
    /// As [`Preparation::channels_out`].
    pub fn channels_in(&self, channels: usize) -> Result<usize, String> {
        let channels_in = self.derivation.as_ref().map_or(channels, Derivation::channels_in);
        match self.channels_out(channels_in)? {
            given if given == channels => Ok(channels_in),
            given => Err(format!("{given} channels are derived, and the network reads {channels}")),
        }
    }

    /// How many of the network's last channels are no axes of a vector, and do not turn with the sensor.
    pub fn scalars(&self) -> usize {
        self.derivation.as_ref().map_or(0, Derivation::scalars)
    }

    /// Names of the network's channels, from those of the sensors.
    pub fn names(&self, channels: &[String]) -> Vec<String> {
        self.derivation.as_ref().map_or_else(|| channels.to_vec(), |derivation| derivation.names(channels))
    }

    /// Prepares `windows` (n_windows, window, channels in): the result is (n_windows, window, channels out). Without a derivation, values
    /// that are owned are changed in place.
    ///
    /// # Errors
    /// As [`Preparation::channels_out`].
    pub fn apply<'a>(
        &self,
        mut windows: Cow<'a, [f32]>,
        window: usize,
        channels: usize,
    ) -> Result<Cow<'a, [f32]>, String> {
        self.channels_out(channels)?;
        let Some(derivation) = &self.derivation else {
            if let Some(normalisation) = self.normalisation {
                normalisation.apply(windows.to_mut(), window, channels)?;
            }
            return Ok(windows);
        };
        let (n_in, n_out) = (window * channels, window * derivation.channels_out());
        let mut prepared = vec![0.0; windows.len() / n_in * n_out];
        let mut upright = Vec::new();
        for (raw, out) in windows.chunks_exact(n_in).zip(prepared.chunks_exact_mut(n_out)) {
            let mut axes = raw;
            if self.normalisation == Some(PerWindow::AlignGravity) {
                upright.clear();
                upright.extend_from_slice(raw);
                PerWindow::AlignGravity.apply(&mut upright, window, channels)?;
                axes = &upright;
            }
            derivation.apply(raw, axes, out);
        }
        if self.normalisation == Some(PerWindow::Standardise) {
            PerWindow::Standardise.apply(&mut prepared, window, derivation.channels_out())?;
        }
        Ok(Cow::Owned(prepared))
    }
}

impl From<PerWindow> for Preparation {
    fn from(normalisation: PerWindow) -> Self {
        Self { derivation: None, normalisation: Some(normalisation) }
    }
}

/// Its steps in their order, with spaces between them: `window`, `gravity`, `gravity derive:raw,norm:groups=1`. Nothing where a
/// window stays as it is.
impl fmt::Display for Preparation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is = |way: PerWindow| self.normalisation.filter(|normalisation| *normalisation == way);
        let steps = [
            is(PerWindow::AlignGravity).map(|way| way.to_string()),
            self.derivation.as_ref().map(ToString::to_string),
            is(PerWindow::Standardise).map(|way| way.to_string()),
        ];
        f.write_str(&steps.into_iter().flatten().collect::<Vec<_>>().join(" "))
    }
}

impl FromStr for Preparation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut preparation = Self::default();
        for step in text.split(' ').filter(|step| !step.is_empty()) {
            if step.starts_with("derive:") {
                preparation.derivation = Some(step.parse()?);
            } else {
                preparation.normalisation = Some(step.parse()?);
            }
        }
        // What is there twice, or in another order, is not what it says.
        if preparation.to_string() == text {
            Ok(preparation)
        } else {
            Err(format!("`{text}`: its steps are not in their order"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Derived;

    fn preparation(kinds: &[Derived], normalisation: Option<PerWindow>) -> Preparation {
        let derivation = Derivation::new(kinds, 3, Some(4.0), || vec![true]).unwrap();
        Preparation { derivation: Some(derivation), normalisation }
    }

    fn windows() -> Vec<f32> {
        (0..2 * 8 * 3).map(|i| ((i * i) as f32 * 0.37).sin() + if i % 3 == 1 { 9.0 } else { 0.5 }).collect()
    }

    fn applied(preparation: &Preparation) -> Vec<f32> {
        preparation.apply(windows().into(), 8, 3).unwrap().into_owned()
    }

    #[test]
    fn windows_are_turned_upright_before_vectors_are_derived_and_scalars_stay() {
        let kinds = [Derived::Raw, Derived::Jerk, Derived::Norm, Derived::Vertical];
        let plain = applied(&preparation(&kinds, None));
        let upright = applied(&preparation(&kinds, Some(PerWindow::AlignGravity)));
        let turned = applied(&PerWindow::AlignGravity.into());
        for (t, row) in upright.chunks_exact(8).enumerate() {
            assert_eq!(row[..3], turned[3 * t..][..3]);
            let before = if t % 8 > 0 { t - 1 } else { continue };
            (0..3).for_each(|axis| assert_eq!(row[3 + axis], turned[3 * t + axis] - turned[3 * before + axis]));
            assert_eq!(row[6..], plain[8 * t..][6..8]);
        }
    }

    #[test]
    fn derived_channels_are_standardised_last() {
        let found = applied(&preparation(&[Derived::Norm, Derived::Linear], Some(PerWindow::Standardise)));
        let mut expected = applied(&preparation(&[Derived::Linear, Derived::Norm], None));
        PerWindow::Standardise.apply(&mut expected, 8, 4).unwrap();
        assert_eq!(found, expected);
    }

    #[test]
    fn numbers_of_channels_are_checked_both_ways() {
        let norm = preparation(&[Derived::Norm, Derived::Raw], None);
        assert_eq!((norm.channels_out(3), norm.channels_in(4), norm.scalars()), (Ok(4), Ok(3), 1));
        assert!(norm.channels_out(6).unwrap_err().contains("there are 6"));
        assert!(norm.channels_in(3).unwrap_err().contains("the network reads 3"));
        assert!(norm.apply(windows().into(), 8, 6).is_err());
        let none = Preparation::default();
        assert_eq!((none.channels_out(5), none.channels_in(5), none.scalars()), (Ok(5), Ok(5), 0));
        assert!(Preparation::from(PerWindow::AlignGravity).channels_in(5).is_err());
        assert!(matches!(none.apply(Cow::Borrowed(&[1.0, 2.0]), 2, 1), Ok(Cow::Borrowed(_))));
    }

    #[test]
    fn texts_come_back_also_those_of_old_files() {
        for text in [
            "",
            "window",
            "gravity",
            "derive:norm:groups=1",
            "gravity derive:raw,norm:groups=1",
            "derive:jerk:groups=2 window",
        ] {
            assert_eq!(text.parse::<Preparation>().unwrap().to_string(), text);
        }
        for text in
            ["standard", "window gravity", "window derive:norm:groups=1", "derive:norm:groups=1 gravity", " window"]
        {
            assert!(text.parse::<Preparation>().is_err(), "{text}");
        }
    }
}
