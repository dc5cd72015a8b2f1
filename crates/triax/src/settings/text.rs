//! Deserialises a setting of any type from JSON or from the text of its option.

use serde::Deserializer;
use serde::de::value::{Error, SeqDeserializer};
use serde::de::{DeserializeSeed, Error as _, IntoDeserializer, MapAccess, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Map, Value};

/// Splits the text of a list at its commas. An item in double quotes may hold commas, and doubled quotes.
pub fn list_items(text: &str) -> Vec<String> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let items: Vec<String> =
        reader.records().flatten().flat_map(|items| items.iter().map(str::to_owned).collect::<Vec<_>>()).collect();
    // An empty text is one empty item, which its setting may refuse.
    if items.is_empty() { vec![text.to_owned()] } else { items }
}

/// Joins `items` to a text that [`list_items`] splits again.
pub fn list_text<'a>(items: impl IntoIterator<Item = &'a str>) -> String {
    let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
    let written = writer.write_record(items).and_then(|()| Ok(writer.flush()?));
    written.expect("memory can be written");
    let text = writer.into_inner().expect("what is written is flushed");
    String::from_utf8(text).expect("texts joined by commas are a text").trim_end_matches('\n').to_owned()
}

/// A value that may be the text of an option: a number or boolean in quotes, a list separated by commas, or text that
/// looks like a number.
#[derive(Clone, Copy)]
pub(super) struct Text<'de>(pub &'de Value);

macro_rules! numbers {
    ($($deserialize:ident, $visit:ident, $problem:expr;)*) => {$(
        // Parses the text of the number, not serde_json's f64, so that an f32 is rounded once.
        fn $deserialize<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            let text = plain(self.0)?;
            match text.parse() {
                Ok(number) => visitor.$visit(number),
                Err(_) => Err(Error::custom(format!("`{text}` {}", $problem))),
            }
        }
    )*};
}

const NO_COUNT: &str = "is no whole number of at least 0, or too large a one";
const NO_NUMBER: &str = "is no number";

/// Converts a string or a number to text.
fn plain(value: &Value) -> Result<String, Error> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        other => Err(Error::custom(format!("`{other}` is neither a text nor a number"))),
    }
}

impl<'de> Deserializer<'de> for Text<'de> {
    type Error = Error;

    numbers! {
        deserialize_u32, visit_u32, NO_COUNT;
        deserialize_u64, visit_u64, NO_COUNT;
        deserialize_f32, visit_f32, NO_NUMBER;
        deserialize_f64, visit_f64, NO_NUMBER;
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.0.deserialize_any(visitor).map_err(Error::custom)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let text = self.0.to_string();
        match text.trim_matches('"').parse() {
            Ok(value) => visitor.visit_bool(value),
            Err(_) => Err(Error::custom(format!("`{text}` is neither true nor false"))),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_string(plain(self.0)?)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_string(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if let Value::Array(items) = self.0 {
            return visitor.visit_seq(SeqDeserializer::new(items.iter().map(Text)));
        }
        let text = plain(self.0)?;
        visitor.visit_seq(SeqDeserializer::new(list_items(&text).into_iter()))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let name = plain(self.0)?;
        match variants.contains(&name.as_str()) {
            true => visitor.visit_enum(name.into_deserializer()),
            false => Err(Error::custom(format!("`{name}` is none of {}", variants.join(", ")))),
        }
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u128 char bytes byte_buf unit unit_struct tuple tuple_struct map struct identifier
        ignored_any
    }
}

impl<'de> IntoDeserializer<'de> for Text<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// A group of settings, read from the entries of all groups. Errors name the setting.
pub(super) struct Group<'de>(pub &'de Map<String, Value>);

impl<'de> Deserializer<'de> for Group<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_map(Entries { left: self.0.iter(), next: None })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

struct Entries<'de> {
    left: serde_json::map::Iter<'de>,
    /// The entry whose key was returned last.
    next: Option<(&'de String, &'de Value)>,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        self.next = self.left.next();
        self.next.map(|(name, _)| seed.deserialize(name.as_str().into_deserializer())).transpose()
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Error> {
        let (name, value) = self.next.expect("a value is asked for after its name");
        seed.deserialize(Text(value)).map_err(|problem| Error::custom(format!("`{name}`: {problem}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_come_back_whatever_their_items_hold() {
        for items in [
            &["Walk, fast", "Run"][..],
            &["a", "", "b"],
            &[""],
            &["say \"hi\"", "\"", ",", "a\nb", " led by a space", "5\" disk"],
            &["Gehen", "Ö, ä"],
        ] {
            assert_eq!(list_items(&list_text(items.iter().copied())), items);
        }
        assert_eq!(list_text(["64", "32"]), "64,32");
        assert_eq!(list_items(r#""Walk, fast",Run"#), ["Walk, fast", "Run"]);
        assert_eq!(list_items(""), [""]);
        assert_eq!(list_items("1,"), ["1", ""]);
    }
}
