//! Macros that declare a group of settings once: the struct, its defaults, and its help for a command line.

/// Name and help of a setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Key in a config file. The option on the command line has `-` for `_`.
    pub name: &'static str,
    /// Help text: one sentence on what the setting does.
    pub help: &'static str,
    /// Placeholder for the value in a usage line. Empty if the name is clear enough.
    pub value_name: &'static str,
    /// The possible values, if they have names.
    pub choices: Option<fn() -> Vec<Choice>>,
}

/// A named value of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The name.
    pub name: &'static str,
    /// Help text. Empty if the setting's own help explains the value.
    pub help: &'static str,
    /// Other names, for old files.
    pub aliases: &'static [&'static str],
}

/// Settings that belong together.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// Heading of the group.
    pub heading: &'static str,
    /// The settings in display order.
    pub settings: &'static [Setting],
}

/// Declares a group: a struct whose fields are settings with defaults.
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
            /// Name and help of each field.
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

/// Declares an enum with a name for each value.
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

            /// Name of the value in a config file and on the command line.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$value => $name,)*
                }
            }

            /// All values with their names and help.
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
