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
    /// For people the network has never seen: windows upright and turned at random, more dropout, a longer training
    Subject,
}

impl Preset {
    /// The settings that differ from the defaults of [`crate::settings`], as entries of a config file.
    ///
    /// Those of `Subject` were chosen on the 16 subjects of WISDM 2 with six activities, held out two at a time, by the
    /// macro-F1 over all held-out windows. To turn by up to 180° instead, without gravity, did about as well; axes in any
    /// order, and windows standardised by themselves, did harm.
    pub fn entries(self) -> Entries {
        let settings = match self {
            Self::Reference => json!({}),
            Self::Subject => json!({
                "normalize": "gravity",
                "rotate": 45.0,
                "dropout": 0.5,
                "lr_schedule": "cosine",
                "epochs": 40,
            }),
        };
        settings.as_object().expect("an object").clone()
    }
}
