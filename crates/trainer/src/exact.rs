//! Floats in JSON as their bits, for state that must be restored exactly (`#[serde(with = "exact")]`).
//!
//! serde_json's default parser may be off by one unit in the last place, and JSON has no infinity.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A float type that converts to its bits.
pub trait Bits: Copy {
    /// Unsigned integer of the same size.
    type Integer: Serialize + for<'de> Deserialize<'de>;
    /// The bits.
    fn to_integer(self) -> Self::Integer;
    /// The float of these bits.
    fn from_integer(bits: Self::Integer) -> Self;
}

impl Bits for f32 {
    type Integer = u32;
    fn to_integer(self) -> u32 {
        self.to_bits()
    }
    fn from_integer(bits: u32) -> Self {
        Self::from_bits(bits)
    }
}

impl Bits for f64 {
    type Integer = u64;
    fn to_integer(self) -> u64 {
        self.to_bits()
    }
    fn from_integer(bits: u64) -> Self {
        Self::from_bits(bits)
    }
}

pub fn serialize<F: Bits, S: Serializer>(value: &F, serializer: S) -> Result<S::Ok, S::Error> {
    value.to_integer().serialize(serializer)
}

pub fn deserialize<'de, F: Bits, D: Deserializer<'de>>(deserializer: D) -> Result<F, D::Error> {
    F::Integer::deserialize(deserializer).map(F::from_integer)
}
