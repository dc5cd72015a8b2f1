//! Text as people leave it: compressed or not, in one of several encodings, with any kind of line end, and with fields
//! separated one way or another. Above this module, a row is a list of UTF-8 fields.

mod fields;
mod lines;
mod rows;

pub(crate) use fields::{Dialect, Fields, timestamp, value};
pub(crate) use lines::Lines;
pub(crate) use rows::{RawRow, RawRows};
