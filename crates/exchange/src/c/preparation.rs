//! What becomes of a window before the scaler.

use std::fmt::Write as _;

use triax_model::{Derivation, Derived, PerWindow};

use super::CText;
use super::layers::Head;

/// What the function that loads a window is made of.
pub struct Prepared {
    /// The statements before it goes through the values.
    pub fit: String,
    /// The value of channel `c` of `sample`.
    pub value: String,
    /// The function, with `FIT` and `VALUE`.
    pub load: String,
}

const RAW: &str = "sample[c]";
const NORMALISED: &str = "PREFIX_normalised(sample, c)";

/// Adds what the preparation of a window needs.
pub fn preparation(body: &mut CText<'_>, head: &Head<'_>) -> Prepared {
    let load = include_str!("source/load.h");
    let way = head.preparation.normalisation;
    let derivation = head.preparation.derivation.as_ref();
    let needs_root = |derivation: &Derivation| derivation.kinds().iter().any(|kind| !kind.is_vector());
    if way.is_some() || derivation.is_some_and(needs_root) {
        body.source(include_str!("source/root.h"));
    }
    let Some(derivation) = derivation else {
        let (fit, value) = match way {
            None => ("", RAW),
            Some(way) => {
                normalise(body, way, head.channels, "PREFIX_CHANNELS");
                ("    PREFIX_fit(samples, first);\n", NORMALISED)
            }
        };
        return Prepared { fit: fit.to_owned(), value: value.to_owned(), load: load.to_owned() };
    };

    let inputs = derivation.channels_out();
    body.source("\n/* Values that the network reads of a sample. */\n");
    body.constant("INPUTS", &inputs.to_string());
    let (mut fit, mut axis, mut value) = (String::new(), RAW, RAW);
    if way == Some(PerWindow::AlignGravity) {
        normalise(body, PerWindow::AlignGravity, head.channels, "PREFIX_CHANNELS");
        fit += "    PREFIX_fit(samples, first);\n";
        axis = NORMALISED;
    }
    derive(body, derivation, head.network.spec().window, axis);
    let mut offset = 0;
    for kind in derivation.kinds() {
        let name = kind.name();
        let _ = writeln!(fit, "    PREFIX_derive{name}(samples, first, PREFIX_derived + {offset});");
        offset += if kind.is_vector() { derivation.channels_in() } else { derivation.groups() };
    }
    // What follows reads the derived channels, which are in no ring.
    fit += "    samples = PREFIX_derived;\n    first = 0;\n";
    if way == Some(PerWindow::Standardise) {
        normalise(body, PerWindow::Standardise, inputs, "PREFIX_INPUTS");
        fit += "    PREFIX_fit(samples, first);\n";
        value = NORMALISED;
    }
    Prepared { fit, value: value.to_owned(), load: load.replace("PREFIX_CHANNELS", "PREFIX_INPUTS") }
}

/// Adds the normalisation of windows whose samples have `channels` values, a number that is called `name`.
fn normalise(body: &mut CText<'_>, way: PerWindow, channels: usize, name: &str) {
    let source = match way {
        PerWindow::Standardise => {
            body.buffer("double", "centres", channels, size_of::<f64>());
            body.buffer("double", "factors", channels, size_of::<f64>());
            include_str!("source/standardise.h")
        }
        PerWindow::AlignGravity => {
            body.buffer("double", "turns", 3 * channels, size_of::<f64>());
            include_str!("source/align.h")
        }
    };
    for source in [include_str!("source/mean.h"), source] {
        body.source(&source.replace("PREFIX_CHANNELS", name));
    }
}

/// Adds a function for each kind of channels, which vectors are derived from `axis` by.
fn derive(body: &mut CText<'_>, derivation: &Derivation, window: usize, axis: &str) {
    let kinds = derivation.kinds();
    let has_vector = kinds.iter().any(|kind| kind.is_vector());
    let has_scalar = kinds.iter().any(|kind| !kind.is_vector());
    body.buffer("float", "derived", window * derivation.channels_out(), size_of::<f32>());
    if has_scalar {
        body.source(include_str!("source/derive/raw_value.h"));
    }
    if has_vector {
        body.source(&include_str!("source/derive/axis_value.h").replace("AXIS", axis));
    }
    if derivation.low_pass() > 0 {
        body.source("\n/* Samples to each side of a moving average. */\n");
        body.constant("HALF", &(derivation.low_pass() / 2).min(window).to_string());
        body.buffer("double", "averaged", window, size_of::<f64>());
        body.source(include_str!("source/derive/slow.h"));
    }
    if kinds.iter().any(|kind| matches!(kind, Derived::Gravity | Derived::Linear)) {
        body.buffer("double", "slow", window, size_of::<f64>());
    }
    if !derivation.down().is_empty() {
        body.source("\n/* For each group of three channels, the one whose gravity tells where down is. */\n");
        body.table("down", derivation.down().iter().map(|group| *group as i32));
        body.buffer("double", "gravity", 3 * window, size_of::<f64>());
        body.source(include_str!("source/derive/split.h"));
    }
    for kind in kinds {
        body.source(match kind {
            Derived::Raw => include_str!("source/derive/raw.h"),
            Derived::Gravity => include_str!("source/derive/gravity.h"),
            Derived::Linear => include_str!("source/derive/linear.h"),
            Derived::Jerk => include_str!("source/derive/jerk.h"),
            Derived::Norm => include_str!("source/derive/norm.h"),
            Derived::Vertical => include_str!("source/derive/vertical.h"),
            Derived::Horizontal => include_str!("source/derive/horizontal.h"),
        });
    }
}
