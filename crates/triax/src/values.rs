//! Values of options that are more than a number or a word: how they are read, and how `config.json` shows them.
//!
//! What is written is read back: [`std::fmt::Display`] and [`FromStr`] are inverse, as config files need.

use std::fmt;
use std::io;
use std::ops::RangeFrom;
use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde::{Serialize, Serializer};
use triax_data::Format;
use triax_model::ConvSpec;

/// Where recordings come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataSource {
    /// The built-in set.
    Synthetic,
    /// A folder, file or zip.
    Path(PathBuf),
}

impl FromStr for DataSource {
    type Err = io::Error;

    /// A relative path becomes absolute, so that a run can be resumed and evaluated from any folder.
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

/// A format, or the wish that it be found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FormatChoice(pub Option<Format>);

impl fmt::Display for FormatChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.pad("auto"),
            Some(format) => format.fmt(f),
        }
    }
}

/// Parser of `--format`.
pub fn formats() -> impl TypedValueParser<Value = FormatChoice> {
    let names = std::iter::once("auto").chain(Format::ALL.map(Format::name));
    PossibleValuesParser::new(names).map(|name| FormatChoice(name.parse().ok()))
}

/// One convolution block as `filters:kernel:stride` or `filters:kernel:stride:pool`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvBlock(pub ConvSpec);

impl FromStr for ConvBlock {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers: Result<Vec<usize>, _> = text.split(':').map(str::parse).collect();
        match numbers.as_deref() {
            Ok(&[filters, kernel, stride]) => Ok(Self(ConvSpec { filters, kernel, stride, pool: None })),
            Ok(&[filters, kernel, stride, pool]) => Ok(Self(ConvSpec { filters, kernel, stride, pool: Some(pool) })),
            _ => Err("write filters:kernel:stride or filters:kernel:stride:pool, such as 32:3:2:2".to_owned()),
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
    /// From how often each class occurs in the training windows.
    Balanced,
    /// One for each class, in class order.
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
                weights.map(Self::Given).ok_or_else(|| {
                    "write none, balanced, or a number of at least 0 for each class, such as 1,2,0.5".to_owned()
                })
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

macro_rules! serialize_as_displayed {
    ($($name:ty),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    )*};
}
serialize_as_displayed!(DataSource, FormatChoice, ConvBlock, ClassWeights);

/// Parser of a count of at least 1.
pub fn positive() -> impl TypedValueParser<Value = usize> {
    clap::builder::RangedU64ValueParser::<usize>::new().range(RangeFrom { start: 1 })
}

/// Reads a path and makes it absolute, as [`DataSource`] does.
pub fn path(text: &str) -> io::Result<PathBuf> {
    std::path::absolute(text)
}

/// Reads a finite number above 0.
pub fn positive_number(text: &str) -> Result<f32, String> {
    let number: Option<f32> = text.parse().ok();
    number.filter(|number| number.is_finite() && *number > 0.0).ok_or_else(|| "a number above 0 is needed".to_owned())
}

/// Reads a finite number of at least 0.
pub fn not_negative(text: &str) -> Result<f32, String> {
    let number: Option<f32> = text.parse().ok();
    number
        .filter(|number| number.is_finite() && *number >= 0.0)
        .ok_or_else(|| "a number of at least 0 is needed".to_owned())
}

/// Reads a number between 0 and 1, both excluded.
pub fn fraction(text: &str) -> Result<f64, String> {
    let number: Option<f64> = text.parse().ok();
    number
        .filter(|number| *number > 0.0 && *number < 1.0)
        .ok_or_else(|| "a number between 0 and 1 is needed".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trips<T: FromStr<Err: fmt::Debug> + fmt::Display>(texts: &[&str]) {
        for text in texts {
            assert_eq!(text.parse::<T>().unwrap().to_string(), *text);
        }
    }

    #[test]
    fn what_is_shown_is_read_back() {
        round_trips::<DataSource>(&["synthetic", "/some/folder", "/synthetic"]);
        round_trips::<ConvBlock>(&["32:3:2:2", "64:3:2"]);
        round_trips::<ClassWeights>(&["none", "balanced", "1,2,0.5"]);
    }

    #[test]
    fn values_that_make_no_sense_are_refused() {
        assert!("32:3".parse::<ConvBlock>().is_err() && "32:x:2".parse::<ConvBlock>().is_err());
        assert!("1,-1".parse::<ClassWeights>().is_err() && "1,nan".parse::<ClassWeights>().is_err());
        assert!(positive_number("0").is_err() && positive_number("nan").is_err() && positive_number("inf").is_err());
        assert!(fraction("1").is_err() && fraction("0").is_err() && fraction("0.2").is_ok());
    }
}
