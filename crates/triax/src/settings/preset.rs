//! Presets: named combinations of settings.

use serde_json::json;

use super::declare::named;
use super::entries::Entries;

named! {
    /// Defaults for other settings. Settings that are given override them.
    pub enum Preset {
        /// The reference job, exactly as Keras trains it
        Reference = "reference",
        /// For people the network has never seen: three convolutions, axes turned around and windows turned at random, a
        /// longer training
        Subject = "subject",
    }
}

impl Preset {
    /// The settings of the preset that differ from the defaults.
    ///
    /// Those of `Subject` were chosen on groups of the 16 subjects of WISDM 2 with six activities, its convolutions on five
    /// tasks. `docs/subject.md` lists the gain of each, and the settings that were rejected because they gain nothing.
    pub fn entries(self) -> Entries {
        let entries = match self {
            Self::Reference => json!({}),
            Self::Subject => json!({
                "convs": "32:5:1:2,64:5:1:2,96:5:1:2", "flip_axes": true, "rotate": 45.0, "epochs": 40,
            }),
        };
        entries.as_object().expect("an object").clone()
    }
}
