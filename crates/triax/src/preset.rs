//! Presets: settings that go well together, under one name.

use clap::ValueEnum;
use serde::Serialize;
use serde_json::json;

use crate::config::Entries;

/// Defaults for other settings; whatever is given besides wins.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// The reference job, exactly as Keras trains it
    #[default]
    Reference,
    /// For people the network has never seen: axes turned around and windows turned at random, a longer training
    Subject,
}

impl Preset {
    /// The settings that differ from the defaults of [`crate::settings`], as entries of a config file.
    ///
    /// Those of `Subject` were chosen on groups of the 16 subjects of WISDM 2 with six activities; what each of them gives,
    /// and what was left out because it gives nothing, is in `docs/subject.md`.
    pub fn entries(self) -> Entries {
        let settings = match self {
            Self::Reference => json!({}),
            Self::Subject => json!({
                "flip_axes": true,
                "rotate": 45.0,
                "epochs": 40,
            }),
        };
        settings.as_object().expect("an object").clone()
    }
}
