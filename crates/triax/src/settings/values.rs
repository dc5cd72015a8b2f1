//! Settings with a syntax of their own, and how they are read and written.
//!
//! [`std::fmt::Display`] and [`FromStr`] are inverse.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use triax_data::Format;
use triax_model::ConvSpec;

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

/// A convolution block, written `filters:kernel:stride` or `filters:kernel:stride:pool`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvBlock(pub ConvSpec);

impl FromStr for ConvBlock {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers: Result<Vec<usize>, _> = text.split(':').map(str::parse).collect();
        match numbers.as_deref() {
            Ok(&[filters, kernel, stride]) => Ok(Self(ConvSpec { filters, kernel, stride, pool: None })),
            Ok(&[filters, kernel, stride, pool]) => Ok(Self(ConvSpec { filters, kernel, stride, pool: Some(pool) })),
            _ => Err(format!(
                "`{text}` is no convolution; write filters:kernel:stride or filters:kernel:stride:pool, such as 32:3:2:2"
            )),
        }
    }
}

impl fmt::Display for ConvBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ConvSpec { filters, kernel, stride, pool } = self.0;
        write!(f, "{filters}:{kernel}:{stride}")?;
        pool.map_or(Ok(()), |pool| write!(f, ":{pool}"))
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

/// Units of each hidden dense layer. In an option, `none` stands for no hidden layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct HiddenUnits(pub Vec<usize>);

impl HiddenUnits {
    /// Text of an option for no hidden layer.
    pub const NONE: &str = "none";
}

impl<'de> Deserialize<'de> for HiddenUnits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let words = Vec::<Word>::deserialize(deserializer)?;
        if let [Word(only)] = words.as_slice()
            && only == Self::NONE
        {
            return Ok(Self(Vec::new()));
        }
        let units = |Word(text): &Word| match text.parse() {
            Ok(0) | Err(_) => Err(format!("`{text}` is no number of units; write a number of at least 1, or none")),
            Ok(units) => Ok(units),
        };
        words.iter().map(units).collect::<Result<_, _>>().map(Self).map_err(serde::de::Error::custom)
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
written_as_text!(DataSource, FormatChoice, ConvBlock, ClassWeights);

macro_rules! read_from_text {
    ($($name:ty),*) => {$(
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}
read_from_text!(DataSource, FormatChoice, ConvBlock);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for text in ["32:3:2:2", "1:2:3"] {
            assert_eq!(text.parse::<ConvBlock>().unwrap().to_string(), text);
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
