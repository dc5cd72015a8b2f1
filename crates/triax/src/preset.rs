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
    /// For people that the network has never seen: augmentation and a longer, smoother training
    Subject,
}

impl Preset {
    /// The settings that differ from the defaults of [`crate::settings`], as entries of a config file.
    pub fn entries(self) -> Entries {
        let settings = match self {
            Self::Reference => json!({}),
            Self::Subject => json!({
                "rotate": 30.0,
                "scale_windows": 0.1,
                "time_warp": 0.1,
                "jitter": 0.05,
                "dropout": 0.4,
                "lr_schedule": "cosine",
                "epochs": 30,
            }),
        };
        settings.as_object().expect("an object").clone()
    }
}
