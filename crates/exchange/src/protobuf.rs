//! The wire format of protocol buffers: messages are written field by field, and read as a sequence of fields.
//!
//! Crates for it need a compiler of protocol buffers, or derive macros that cost more time than these lines. A message is a
//! sequence of fields. Each is a key (field number and wire type) and a value in one of four forms.

/// A message that is being written.
#[derive(Clone, Debug, Default)]
pub struct Message(Vec<u8>);

impl Message {
    /// A message without fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an integer, an enumeration or a boolean. A negative `int64` is given as its two's complement.
    #[must_use]
    pub fn varint(mut self, field: u64, value: u64) -> Self {
        varint(&mut self.0, field << 3);
        varint(&mut self.0, value);
        self
    }

    /// Adds a `double`.
    #[must_use]
    pub fn double(mut self, field: u64, value: f64) -> Self {
        varint(&mut self.0, field << 3 | 1);
        self.0.extend(value.to_le_bytes());
        self
    }

    /// Adds bytes or a text.
    #[must_use]
    pub fn bytes(mut self, field: u64, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        varint(&mut self.0, field << 3 | 2);
        varint(&mut self.0, bytes.len() as u64);
        self.0.extend(bytes);
        self
    }

    /// Adds a message within this one.
    #[must_use]
    pub fn message(self, field: u64, message: &Self) -> Self {
        self.bytes(field, &message.0)
    }

    /// Adds several messages of one field.
    #[must_use]
    pub fn messages<T>(self, field: u64, items: &[T], encode: impl Fn(&T) -> Self) -> Self {
        items.iter().fold(self, |message, item| message.message(field, &encode(item)))
    }

    /// Adds integers in the packed form.
    #[must_use]
    pub fn packed(self, field: u64, values: &[i64]) -> Self {
        let mut packed = Vec::new();
        values.iter().for_each(|&value| varint(&mut packed, value as u64));
        self.bytes(field, packed)
    }

    /// Adds a `float`.
    #[must_use]
    pub fn float(mut self, field: u64, value: f32) -> Self {
        varint(&mut self.0, field << 3 | 5);
        self.0.extend(value.to_le_bytes());
        self
    }

    /// The bytes of the message.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// Seven bits per byte, the lowest first. The high bit is set if more bytes follow.
fn varint(message: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        message.push(value as u8 | 0x80);
        value >>= 7;
    }
    message.push(value as u8);
}

/// The value of a field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// An integer, an enumeration or a boolean.
    Varint(u64),
    /// Eight bytes: a `double`.
    Double(f64),
    /// Bytes, a text, a message, or packed numbers.
    Bytes(&'a [u8]),
    /// Four bytes: a `float`.
    Float(f32),
}

/// Why bytes are no message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The bytes end within a field.
    #[error("the message ends within field {0}")]
    Short(u64),
    /// A key or a number of more than 64 bits, or field 0.
    #[error("a number of more than 64 bits, or a field 0")]
    Number,
    /// A wire type that protocol buffers have given up, or never had.
    #[error("field {0} has the wire type {1}")]
    WireType(u64, u64),
    /// A field of another type than its message has it.
    #[error("field {0} is of another type than this message has")]
    Type(u64),
}

/// The fields of a message, as (number, value), in the order of the bytes. It ends after an error.
#[derive(Clone, Debug)]
pub struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// The fields of `message`.
    pub fn of(message: &'a [u8]) -> Self {
        Self(message)
    }

    fn take(&mut self, field: u64, n: usize) -> Result<&'a [u8], WireError> {
        let (taken, rest) = self.0.split_at_checked(n).ok_or(WireError::Short(field))?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, field: u64) -> Result<[u8; N], WireError> {
        Ok(self.take(field, N)?.try_into().expect("as many bytes as were taken"))
    }

    fn varint(&mut self, field: u64) -> Result<u64, WireError> {
        let mut value = 0;
        for shift in (0..).step_by(7) {
            let [byte] = self.array(field)?;
            let bits = u64::from(byte & 0x7f);
            if shift > 63 || bits << shift >> shift != bits {
                return Err(WireError::Number);
            }
            value |= bits << shift;
            if byte < 0x80 {
                break;
            }
        }
        Ok(value)
    }

    fn field(&mut self) -> Result<(u64, Value<'a>), WireError> {
        let key = self.varint(0)?;
        let field = key >> 3;
        if field == 0 {
            return Err(WireError::Number);
        }
        let value = match key & 7 {
            0 => Value::Varint(self.varint(field)?),
            1 => Value::Double(f64::from_le_bytes(self.array(field)?)),
            2 => {
                let n = self.varint(field)?;
                let n = usize::try_from(n).map_err(|_| WireError::Short(field))?;
                Value::Bytes(self.take(field, n)?)
            }
            5 => Value::Float(f32::from_le_bytes(self.array(field)?)),
            other => return Err(WireError::WireType(field, other)),
        };
        Ok((field, value))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Value<'a>), WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

/// Appends the integers of a repeated field: one, or several in the packed form.
///
/// # Errors
/// Bytes that are no whole integers, or a value of another type.
pub fn extend_integers(integers: &mut Vec<i64>, field: u64, value: Value<'_>) -> Result<(), WireError> {
    match value {
        Value::Varint(value) => integers.push(value as i64),
        Value::Bytes(bytes) => {
            let mut packed = Fields(bytes);
            while !packed.0.is_empty() {
                integers.push(packed.varint(field)? as i64);
            }
        }
        _ => return Err(WireError::Type(field)),
    }
    Ok(())
}

/// Appends the floats of a repeated field: one, or several in the packed form.
///
/// # Errors
/// Bytes that are no whole floats, or a value of another type.
pub fn extend_floats(floats: &mut Vec<f32>, field: u64, value: Value<'_>) -> Result<(), WireError> {
    match value {
        Value::Float(value) => floats.push(value),
        Value::Bytes(bytes) => {
            let (values, []) = bytes.as_chunks::<4>() else { return Err(WireError::Short(field)) };
            floats.extend(values.iter().map(|value| f32::from_le_bytes(*value)));
        }
        _ => return Err(WireError::Type(field)),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_encoded_as_protocol_buffers_have_them() {
        let message = Message::new().varint(1, 150).bytes(2, "testing").packed(6, &[3, 270, 86942]);
        // The examples of the documentation of protocol buffers.
        let packed = [0x32, 0x06, 0x03, 0x8e, 0x02, 0x9e, 0xa7, 0x05];
        assert_eq!(message.into_bytes(), [&[0x08, 0x96, 0x01, 0x12, 0x07][..], b"testing", &packed].concat());
    }

    #[test]
    fn fields_are_read_back() {
        let inner = Message::new().varint(3, u64::MAX);
        let bytes = Message::new().varint(1, 0).double(2, -0.5).float(9, 1.5).message(1 << 20, &inner).into_bytes();
        let fields: Result<Vec<_>, _> = Fields::of(&bytes).collect();
        let inner = inner.into_bytes();
        let expected =
            [(1, Value::Varint(0)), (2, Value::Double(-0.5)), (9, Value::Float(1.5)), (1 << 20, Value::Bytes(&inner))];
        assert_eq!(fields.unwrap(), expected);
        assert_eq!(Fields::of(&inner).next(), Some(Ok((3, Value::Varint(u64::MAX)))));
    }

    #[test]
    fn repeated_numbers_come_one_by_one_or_packed() {
        let mut integers = Vec::new();
        for value in [Value::Varint(u64::MAX), Value::Bytes(&[0x03, 0x8e, 0x02])] {
            extend_integers(&mut integers, 1, value).unwrap();
        }
        assert_eq!(integers, [-1, 3, 270]);
        let mut floats = Vec::new();
        for value in [Value::Float(2.0), Value::Bytes(&[0, 0, 0x80, 0x3f])] {
            extend_floats(&mut floats, 1, value).unwrap();
        }
        assert_eq!(floats, [2.0, 1.0]);
        assert_eq!(extend_floats(&mut floats, 4, Value::Bytes(&[1])), Err(WireError::Short(4)));
        assert_eq!(extend_integers(&mut integers, 4, Value::Double(0.0)), Err(WireError::Type(4)));
    }

    #[test]
    fn bytes_that_are_no_message_are_refused_once() {
        let refused = |bytes: &[u8]| {
            let mut fields = Fields::of(bytes);
            let last = fields.by_ref().find_map(Result::err);
            assert_eq!(fields.next(), None);
            last.unwrap()
        };
        assert_eq!(refused(&[0x08, 0x96]), WireError::Short(1));
        assert_eq!(
            refused(&[0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0]),
            WireError::Short(2)
        );
        assert_eq!(refused(&[0x08, 1, 0x0b]), WireError::WireType(1, 3));
        assert_eq!(refused(&[0x00, 1]), WireError::Number);
        assert_eq!(refused(&[[0x08].as_slice(), &[0xff; 9], &[0x02]].concat()), WireError::Number);
    }
}
