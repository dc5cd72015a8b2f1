//! The values of a setting that varies, and their names.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A value of a setting that varies, written `NAME:VALUE` or `VALUE`. A name starts with a letter, as no value with a colon
/// does, and consists of letters, digits, `-`, `_`, `.` and spaces.
///
/// ```
/// use triax::Variant;
///
/// let large: Variant = "large:64:5:2:2,96:5:1:2".parse()?;
/// assert_eq!((large.name.as_deref(), large.value.as_str()), (Some("large"), "64:5:2:2,96:5:1:2"));
/// assert_eq!("64:5:2:2".parse::<Variant>()?.name, None);
/// # Ok::<(), std::convert::Infallible>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", from = "String")]
pub struct Variant {
    /// What to call it instead of its value.
    pub name: Option<String>,
    /// The value, as the text of its option.
    pub value: String,
}

impl Variant {
    /// What it is called: its name, or its value.
    pub fn called(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.value)
    }
}

impl From<&str> for Variant {
    fn from(text: &str) -> Self {
        let is_name = |name: &str| {
            name.starts_with(char::is_alphabetic)
                && name.chars().all(|letter| letter.is_alphanumeric() || "-_. ".contains(letter))
        };
        match text.split_once(':').map(|(name, value)| (name.trim(), value.trim())) {
            Some((name, value)) if is_name(name) => Self { name: Some(name.to_owned()), value: value.to_owned() },
            _ => Self { name: None, value: text.trim().to_owned() },
        }
    }
}

impl From<String> for Variant {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

impl FromStr for Variant {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(text.into())
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name}:{}", self.value),
            None => f.write_str(&self.value),
        }
    }
}

impl From<Variant> for String {
    fn from(variant: Variant) -> Self {
        variant.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_starts_with_a_letter_and_comes_back() {
        for (text, name, value) in [
            ("small:32:3:2:2", Some("small"), "32:3:2:2"),
            ("32:3:2:2,64:3:2", None, "32:3:2:2,64:3:2"),
            ("2-blocks:32:3:2", None, "2-blocks:32:3:2"),
            ("größer_2.b:64", Some("größer_2.b"), "64"),
            ("hinge", None, "hinge"),
            ("1e-3", None, "1e-3"),
            ("a,b:1", None, "a,b:1"),
            ("empty:", Some("empty"), ""),
        ] {
            let variant = Variant::from(text);
            assert_eq!((variant.name.as_deref(), variant.value.as_str()), (name, value), "{text}");
            assert_eq!(Variant::from(variant.to_string()), variant);
        }
        assert_eq!(Variant::from(" wide : 64 ").to_string(), "wide:64");
    }
}
