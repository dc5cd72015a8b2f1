//! How a group of settings is declared: once, for the struct, its defaults, and what a command line shows of it.

/// What a setting is called, and what to tell somebody who is about to set it.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The key in a config file. On the command line `_` is `-`.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub help: &'static str,
    /// What stands for its value in a usage line; empty where the name says enough.
    pub value_name: &'static str,
    /// The values it can have, where they have names.
    pub choices: Option<fn() -> Vec<Choice>>,
}

/// A value that has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The name.
    pub name: &'static str,
    /// What it stands for; empty where the setting's own help says so.
    pub help: &'static str,
    /// Other names, which old files use.
    pub aliases: &'static [&'static str],
}

/// Settings that belong together.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// The heading above them.
    pub heading: &'static str,
    /// The settings, in the order in which they are shown.
    pub settings: &'static [Setting],
}

/// Declares a group: a struct whose fields are settings, each with its default.
macro_rules! settings {
    (
        $(#[doc = $doc:literal])*
        pub struct $group:ident in $heading:literal {
            $(
                $(#[doc = $help:literal])+
                pub $name:ident: $type:ty = $default:expr, $value_name:literal $(, one of $choices:expr)?;
            )*
        }
    ) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(default)]
        pub struct $group {
            $(
                $(#[doc = $help])+
                pub $name: $type,
            )*
        }

        impl Default for $group {
            fn default() -> Self {
                Self { $($name: $default),* }
            }
        }

        impl $group {
            /// What each field is called and does.
            pub const GROUP: $crate::settings::Group = $crate::settings::Group {
                heading: $heading,
                settings: &[$(
                    $crate::settings::Setting {
                        name: stringify!($name),
                        help: concat!($($help),+).trim_ascii(),
                        value_name: $value_name,
                        choices: settings!(@choices $($choices)?),
                    }
                ),*],
            };
        }
    };
    (@choices) => { None };
    (@choices $choices:expr) => { Some($choices) };
}

/// Declares an enum whose values have names.
macro_rules! named {
    (
        $(#[doc = $doc:literal])*
        pub enum $enum:ident {
            $(
                $(#[doc = $help:literal])*
                $value:ident = $name:literal $(| $alias:literal)*,
            )*
        }
    ) => {
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        #[serde(into = "&'static str", try_from = "String")]
        #[allow(missing_docs, reason = "where a value has no words of its own, the setting explains it")]
        pub enum $enum {
            $(
                $(#[doc = $help])*
                $value,
            )*
        }

        impl $enum {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$value),*];

            /// Its name in a config file and on the command line.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$value => $name,)*
                }
            }

            /// Every value with its name and what it stands for.
            pub fn choices() -> Vec<$crate::settings::Choice> {
                vec![$($crate::settings::Choice { name: $name, help: concat!($($help),*).trim_ascii(), aliases: &[$($alias),*] }),*]
            }
        }

        impl std::fmt::Display for $enum {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }

        impl std::str::FromStr for $enum {
            type Err = String;

            fn from_str(name: &str) -> Result<Self, String> {
                match name {
                    $($name $(| $alias)* => Ok(Self::$value),)*
                    _ => Err(format!("`{name}` is none of {}", [$($name),*].join(", "))),
                }
            }
        }

        impl From<$enum> for &'static str {
            fn from(value: $enum) -> Self {
                value.name()
            }
        }

        impl TryFrom<String> for $enum {
            type Error = String;

            fn try_from(name: String) -> Result<Self, String> {
                name.parse()
            }
        }
    };
}

pub(crate) use named;
pub(super) use settings;
