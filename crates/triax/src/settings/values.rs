//! Settings with a syntax of their own, and how they are read and written.
//!
//! [`std::fmt::Display`] and [`FromStr`] are inverse.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use triax_data::{Format, MappedRole};
use triax_model::{ConvSpec, DenseSpec, Derived};

use super::check_count;
use crate::text::grouped;
use crate::{Error, Notice};

/// The most samples of a window, or from one window to the next: more than a network can read.
const MOST_SAMPLES: usize = 1 << 28;

/// Source of recordings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataSource {
    /// The built-in set.
    Synthetic,
    /// A folder, a file or a zip.
    Path(PathBuf),
}

impl FromStr for DataSource {
    type Err = io::Error;

    /// Makes a relative path absolute, so that a run can be resumed and evaluated from any folder.
    fn from_str(text: &str) -> Result<Self, io::Error> {
        Ok(if text == "synthetic" { Self::Synthetic } else { Self::Path(std::path::absolute(text)?) })
    }
}

impl fmt::Display for DataSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Synthetic => f.pad("synthetic"),
            Self::Path(path) => path.display().fmt(f),
        }
    }
}

/// A data format. `None` detects it from the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FormatChoice(pub Option<Format>);

impl FromStr for FormatChoice {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "auto" => Ok(Self(None)),
            _ => name.parse().map(|format| Self(Some(format))).map_err(|_| {
                let names: Vec<&str> = Format::ALL.iter().map(|format| format.name()).collect();
                format!("`{name}` is none of auto, {}", names.join(", "))
            }),
        }
    }
}

impl fmt::Display for FormatChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.pad("auto"),
            Some(format) => format.fmt(f),
        }
    }
}

/// Length of a window, or of the step from one to the next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Length {
    /// A number of samples, written `120`.
    Samples(usize),
    /// Seconds, written `6s`.
    Seconds(f64),
    /// A share of the window in percent, written `50%`. Only a step is one.
    Percent(f64),
}

impl Length {
    /// The number of samples of the setting `name` at `rate_hz`, where a window has `window` samples; at least 1. A notice
    /// says if it was rounded.
    ///
    /// # Errors
    /// Seconds without a rate; no samples, or more than 2²⁸.
    pub fn samples(self, name: &str, rate_hz: Option<f64>, window: usize) -> Result<(usize, Option<Notice>), Error> {
        self.check(name)?;
        let (exact, of) = match (self, rate_hz) {
            (Self::Samples(samples), _) => return Ok((samples, None)),
            (Self::Percent(percent), _) => (window as f64 * percent / 100.0, format!("of a window of {window}")),
            (Self::Seconds(seconds), Some(rate)) => {
                (seconds * rate, format!("at {} a second", (rate * 1000.0).round() / 1000.0))
            }
            (Self::Seconds(_), None) => {
                return Err(Error::Usage(format!(
                    "`{name}` is {self}, and nobody knows how many samples of this data that is: write a number of \
                     samples, or name the column that holds the time with --map COLUMN=timestamp"
                )));
            }
        };
        let samples = exact.round().max(1.0);
        if samples > MOST_SAMPLES as f64 {
            let most = grouped(MOST_SAMPLES);
            return Err(Error::Usage(format!("`{name}` is {self}, {of} too many samples; it must be at most {most}")));
        }
        let is_rounded = (samples - exact).abs() > 1e-6 * exact;
        let notice = is_rounded.then(|| {
            let exact = (exact * 1000.0).round() / 1000.0;
            Notice::Note(format!("`{name}` is {self}, {of} {exact} samples: rounded to {samples}."))
        });
        Ok((samples as usize, notice))
    }

    /// Rejects a length that is none whatever the data.
    pub(super) fn check(self, name: &str) -> Result<(), Error> {
        match self {
            Self::Samples(samples) => check_count(name, samples, MOST_SAMPLES),
            Self::Seconds(_) | Self::Percent(_) if self.is_positive() => Ok(()),
            Self::Seconds(_) | Self::Percent(_) => {
                Err(Error::Usage(format!("`{name}` is {self}; it must be a number above 0")))
            }
        }
    }

    /// Whether it is a number above 0.
    fn is_positive(self) -> bool {
        match self {
            Self::Samples(samples) => samples > 0,
            Self::Seconds(number) | Self::Percent(number) => number > 0.0 && number.is_finite(),
        }
    }
}

impl From<usize> for Length {
    fn from(samples: usize) -> Self {
        Self::Samples(samples)
    }
}

impl FromStr for Length {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let number_before =
            |unit: &str| text.strip_suffix(unit).and_then(|number| number.trim_end().parse::<f64>().ok());
        let length = match text.parse() {
            Ok(samples) => Some(Self::Samples(samples)),
            Err(_) => number_before("%")
                .map(Self::Percent)
                .or_else(|| number_before("ms").map(|ms| Self::Seconds(ms / 1000.0)))
                .or_else(|| number_before("s").map(Self::Seconds)),
        };
        // Whether a whole number is 0 is checked together with other settings.
        length.filter(|length| *length == Self::Samples(0) || length.is_positive()).ok_or_else(|| {
            format!(
                "`{text}` is no length; write samples (120), seconds (6s) or, for a step, a share of the window (50%)"
            )
        })
    }
}

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Samples(samples) => samples.fmt(f),
            Self::Seconds(seconds) => write!(f, "{seconds}s"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl Serialize for Length {
    /// Samples are a number, as in config files of all versions; other lengths are a text.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Samples(samples) => samples.serialize(serializer),
            length => serializer.collect_str(length),
        }
    }
}

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Word::deserialize(deserializer)?.0.parse().map_err(serde::de::Error::custom)
    }
}

/// Columns with a role, each written `COLUMN=ROLE`. A role has no `=`, so that the last one counts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MappedColumns(pub Vec<(String, MappedRole)>);

/// Names of subjects or activities and what to call them, each written `OLD=NEW`. The last `=` counts: an old name may
/// have some, and a new one has none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Renames(pub Vec<(String, String)>);

/// Splits `text` at its last `=`, if there is something on both sides.
fn pair(text: &str) -> Option<(&str, &str)> {
    text.rsplit_once('=').filter(|(left, right)| !left.trim().is_empty() && !right.trim().is_empty())
}

impl FromStr for MappedColumns {
    type Err = String;

    /// Parses one column.
    fn from_str(text: &str) -> Result<Self, String> {
        let Some((column, role)) = pair(text) else {
            return Err(format!("`{text}` gives no column a role; write COLUMN=ROLE, such as Proband=subject"));
        };
        let role = role.parse().map_err(|problem: triax_data::DataError| problem.to_string())?;
        Ok(Self(vec![(column.trim().to_owned(), role)]))
    }
}

impl FromStr for Renames {
    type Err = String;

    /// Parses one name.
    fn from_str(text: &str) -> Result<Self, String> {
        match pair(text) {
            Some((old, new)) => Ok(Self(vec![(old.to_owned(), new.to_owned())])),
            None => Err(format!("`{text}` renames nothing; write OLD=NEW, such as Walk=walk")),
        }
    }
}

/// Reads a list of `pair`s, and refuses a second one of the same name.
fn pairs<'de, D: Deserializer<'de>, T: PartialEq>(
    deserializer: D,
    parse: impl Fn(&str) -> Result<Vec<(String, T)>, String>,
) -> Result<Vec<(String, T)>, D::Error> {
    let words = Vec::<Word>::deserialize(deserializer)?;
    if matches!(words.as_slice(), [Word(only)] if only.is_empty()) {
        return Ok(Vec::new());
    }
    let mut pairs: Vec<(String, T)> = Vec::new();
    for Word(text) in &words {
        for (name, value) in parse(text).map_err(serde::de::Error::custom)? {
            match pairs.iter().find(|(known, _)| *known == name) {
                Some((_, known)) if *known != value => {
                    return Err(serde::de::Error::custom(format!("`{name}` is given twice")));
                }
                Some(_) => {}
                None => pairs.push((name, value)),
            }
        }
    }
    Ok(pairs)
}

impl<'de> Deserialize<'de> for MappedColumns {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        pairs(deserializer, |text| text.parse::<Self>().map(|one| one.0)).map(Self)
    }
}

impl<'de> Deserialize<'de> for Renames {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        pairs(deserializer, |text| text.parse::<Self>().map(|one| one.0)).map(Self)
    }
}

impl Serialize for MappedColumns {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|(column, role)| format!("{column}={role}")))
    }
}

impl Serialize for Renames {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|(old, new)| format!("{old}={new}")))
    }
}

/// A convolution block in its notation, such as `32:3:2:2`: see [`triax_model::ConvSpec`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConvBlock(pub ConvSpec);

impl FromStr for ConvBlock {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(Self)
    }
}

impl fmt::Display for ConvBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Channels that are derived from the axes of the sensors, by their name: see [`triax_model::Derived`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DerivedChannels(pub Derived);

impl FromStr for DerivedChannels {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        name.parse().map(Self)
    }
}

impl fmt::Display for DerivedChannels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name())
    }
}

/// Weights of the classes in the loss.
#[derive(Clone, Debug, PartialEq)]
pub enum ClassWeights {
    /// All 1.
    None,
    /// Computed from the frequency of each class in the training windows.
    Balanced,
    /// One weight per class, in class order.
    Given(Vec<f32>),
}

impl FromStr for ClassWeights {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self::None),
            "balanced" => Ok(Self::Balanced),
            _ => {
                let weight = |text: &str| text.parse().ok().filter(|w: &f32| w.is_finite() && *w >= 0.0);
                let weights: Option<Vec<f32>> = text.split(',').map(weight).collect();
                match weights {
                    Some(weights) if weights.iter().all(|&weight| weight == 0.0) => Err(format!(
                        "the weights `{text}` are all 0: nothing would be learned; give one class a weight"
                    )),
                    Some(weights) => Ok(Self::Given(weights)),
                    None => Err(format!(
                        "`{text}` weighs no classes; write none, balanced, or a number of at least 0 for each class, such \
                         as 1,2,0.5"
                    )),
                }
            }
        }
    }
}

impl fmt::Display for ClassWeights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.pad("none"),
            Self::Balanced => f.pad("balanced"),
            Self::Given(weights) => {
                let weights: Vec<String> = weights.iter().map(f32::to_string).collect();
                f.pad(&weights.join(","))
            }
        }
    }
}

/// The hidden dense layers, each in its notation, such as `120` or `60:tanh`: see [`DenseSpec`]. In an option, `none` stands
/// for no hidden layer.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct HiddenLayers(pub Vec<DenseSpec>);

impl HiddenLayers {
    /// Text of an option for no hidden layer.
    pub const NONE: &str = "none";
}

impl<'de> Deserialize<'de> for HiddenLayers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let words = Vec::<Word>::deserialize(deserializer)?;
        if let [Word(only)] = words.as_slice()
            && only == Self::NONE
        {
            return Ok(Self(Vec::new()));
        }
        let layer = |Word(text): &Word| match text.parse::<DenseSpec>() {
            Ok(DenseSpec { units: 0, .. }) => {
                Err(format!("`{text}` has no units; write a number of at least 1, or none"))
            }
            layer => layer,
        };
        words.iter().map(layer).collect::<Result<_, _>>().map(Self).map_err(serde::de::Error::custom)
    }
}

/// A string or a number, as text.
struct Word(String);

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) => Ok(Self(text)),
            serde_json::Value::Number(number) => Ok(Self(number.to_string())),
            other => Err(serde::de::Error::custom(format!("`{other}` is neither a text nor a number"))),
        }
    }
}

impl<'de> Deserialize<'de> for ClassWeights {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let words: Vec<String> = Vec::<Word>::deserialize(deserializer)?.into_iter().map(|Word(text)| text).collect();
        words.join(",").parse().map_err(serde::de::Error::custom)
    }
}

macro_rules! written_as_text {
    ($($name:ty),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    )*};
}
written_as_text!(DataSource, FormatChoice, DerivedChannels, ConvBlock, ClassWeights);

macro_rules! read_from_text {
    ($($name:ty),*) => {$(
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}
read_from_text!(DataSource, FormatChoice, DerivedChannels, ConvBlock);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for text in ["32:3:2:2", "1:2:3", "8:3:1:avg4:same:gelu"] {
            assert_eq!(text.parse::<ConvBlock>().unwrap().to_string(), text);
        }
        for text in ["raw", "horizontal"] {
            assert_eq!(text.parse::<DerivedChannels>().unwrap().to_string(), text);
        }
        for text in ["none", "balanced", "1,0.5,0"] {
            assert_eq!(text.parse::<ClassWeights>().unwrap().to_string(), text);
        }
        for text in ["auto", "csv", "wisdm2"] {
            assert_eq!(text.parse::<FormatChoice>().unwrap().to_string(), text);
        }
        assert_eq!("synthetic".parse::<DataSource>().unwrap(), DataSource::Synthetic);
        let path = "a/b".parse::<DataSource>().unwrap().to_string();
        assert!(path.ends_with("b") && path.parse::<DataSource>().unwrap().to_string() == path);
    }

    #[test]
    fn lengths_come_back_and_become_samples() {
        for (text, length, samples) in [
            ("120", Length::Samples(120), 120),
            ("6s", Length::Seconds(6.0), 120),
            ("2.5 s", Length::Seconds(2.5), 50),
            ("250ms", Length::Seconds(0.25), 5),
            ("50%", Length::Percent(50.0), 60),
            (" 12.5 % ", Length::Percent(12.5), 15),
        ] {
            assert_eq!(text.parse(), Ok(length));
            assert_eq!(length.to_string().parse(), Ok(length));
            let json = serde_json::to_value(length).unwrap();
            assert_eq!(serde_json::from_value::<Length>(json).unwrap(), length);
            assert_eq!(length.samples("step", Some(20.0), 120).unwrap(), (samples, None), "{text}");
        }
        assert_eq!(serde_json::to_string(&Length::Samples(60)).unwrap(), "60");
        for text in ["", "s", "%", "-1", "1.5", "0s", "-2s", "nans", "infs", "0%", "1e400s", "6 m"] {
            assert!(text.parse::<Length>().unwrap_err().contains("6s"), "{text}");
        }
    }

    #[test]
    fn what_is_no_whole_number_of_samples_is_rounded_and_said() {
        let (samples, said) = Length::Seconds(6.0).samples("window", Some(28.3), 0).unwrap();
        assert_eq!(samples, 170);
        let said = said.unwrap().to_string();
        assert_eq!(said, "note: `window` is 6s, at 28.3 a second 169.8 samples: rounded to 170.");
        assert_eq!(Length::Percent(50.0).samples("step", None, 125).unwrap().0, 63);
        assert_eq!(Length::Seconds(0.001).samples("step", Some(20.0), 1).unwrap().0, 1);
        let refused = Length::Seconds(6.0).samples("window", None, 0).unwrap_err().to_string();
        assert!(refused.contains("`window` is 6s") && refused.contains("--map"), "{refused}");
        for length in [Length::Samples((1 << 28) + 1), Length::Seconds(1e300), Length::Percent(1e300)] {
            let refused = length.samples("step", Some(1e9), 100).unwrap_err().to_string();
            assert!(refused.contains("`step` is") && refused.contains("at most 268,435,456"), "{refused}");
        }
        assert!(Length::Samples(0).samples("step", None, 100).is_err());
    }

    #[test]
    fn pairs_are_split_at_their_last_equals_sign() {
        let columns: MappedColumns = serde_json::from_str(r#"["a=b = subject", "t=timestamp_ms"]"#).unwrap();
        let expected = [
            ("a=b", MappedRole::As(triax_data::Role::Subject)),
            ("t", MappedRole::TimeIn(triax_data::time::Unit::Milliseconds)),
        ];
        assert_eq!(columns.0, expected.map(|(name, role)| (name.to_owned(), role)));
        assert_eq!(serde_json::to_string(&columns).unwrap(), r#"["a=b=subject","t=timestamp_ms"]"#);
        let renames: Renames = serde_json::from_str(r#"["walk =walk", "a=b=c"]"#).unwrap();
        assert_eq!(serde_json::to_string(&renames).unwrap(), r#"["walk =walk","a=b=c"]"#);
        assert_eq!(renames.0[1], ("a=b".to_owned(), "c".to_owned()));
        assert_eq!(serde_json::from_str::<Renames>(r#"[""]"#).unwrap(), Renames::default());
        for text in [r#"["walk"]"#, r#"["=walk"]"#, r#"["walk="]"#, r#"["a=b","a=c"]"#, r#"["", "a=b"]"#] {
            assert!(serde_json::from_str::<Renames>(text).is_err(), "{text}");
        }
        let refused = serde_json::from_str::<MappedColumns>(r#"["x=sensor"]"#).unwrap_err().to_string();
        assert!(refused.contains("`sensor`") && refused.contains("channel"), "{refused}");
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "32", "32:3", "32:3:2:2:2", "a:b:c", "-1:3:2"] {
            assert!(text.parse::<ConvBlock>().is_err(), "{text}");
        }
        for text in ["", "1,", "-1,2", "inf,1", "balance", "0", "0,0,-0", "1e-50,0"] {
            assert!(text.parse::<ClassWeights>().is_err(), "{text}");
        }
        assert!("xml".parse::<FormatChoice>().unwrap_err().contains("csv"));
    }
}
