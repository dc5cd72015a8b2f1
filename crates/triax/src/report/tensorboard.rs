//! Event files of TensorBoard: the scalars of each epoch.
//!
//! A file is a sequence of TFRecords, each with an `Event` of TensorBoard's protocol buffers. Both take a few lines. The
//! crates for it need a compiler of protocol buffers, or are not maintained.
//!
//! A record is the length of its data (u64), the masked CRC-32C of these eight bytes (u32), the data, and the masked
//! CRC-32C of the data (u32), all little-endian: tensorflow/core/lib/io/record_writer.h. The messages in
//! tensorboard/compat/proto/{event,summary}.proto have these fields, among others:
//!
//! ```text
//! Event   { double wall_time = 1; int64 step = 2; string file_version = 3; Summary summary = 5; }
//! Summary { repeated Value value = 1; }    Value { string tag = 1; float simple_value = 2; }
//! ```

use triax_trainer::EpochRecord;

/// The version of the format, which the first event of a file states.
const FILE_VERSION: &str = "brain.Event:2";

/// The file name for a run that started at `started` (seconds since 1970). TensorBoard finds files by such names.
pub fn file_name(started: f64) -> String {
    format!("events.out.tfevents.{started:.0}.triax")
}

/// The first record of a file; `started` in seconds since 1970.
pub fn head(started: f64) -> Vec<u8> {
    let mut event = Vec::new();
    put_fixed64(&mut event, 1, started);
    put_bytes(&mut event, 3, FILE_VERSION.as_bytes());
    record(&event)
}

/// The record of an epoch that ended at `ended` (seconds since 1970), with the names of `history.jsonl`.
pub fn epoch(figures: &EpochRecord, ended: f64) -> Vec<u8> {
    let scalars = [
        ("loss", Some(figures.loss)),
        ("accuracy", Some(figures.accuracy)),
        ("val_loss", figures.val_loss),
        ("val_accuracy", figures.val_accuracy),
        ("val_macro_f1", figures.val_macro_f1),
        ("learning_rate", Some(f64::from(figures.learning_rate))),
    ];
    let mut summary = Vec::new();
    for (tag, value) in scalars {
        if let Some(value) = value {
            let mut scalar = Vec::new();
            put_bytes(&mut scalar, 1, tag.as_bytes());
            put_fixed32(&mut scalar, 2, value as f32);
            put_bytes(&mut summary, 1, &scalar);
        }
    }
    let mut event = Vec::new();
    put_fixed64(&mut event, 1, ended);
    put_varint(&mut event, 2, figures.epoch as u64);
    put_bytes(&mut event, 5, &summary);
    record(&event)
}

/// `data` as a TFRecord.
fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    [&length, &masked_crc(&length).to_le_bytes()[..], data, &masked_crc(data).to_le_bytes()].concat()
}

/// The masked CRC-32C: rotated by 15 bits, plus a constant, modulo 2³². It suits data that contains checksums itself.
fn masked_crc(data: &[u8]) -> u32 {
    crc32c::crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8)
}

// The three wire types in use, each after a key of field number and type.

fn put_varint(message: &mut Vec<u8>, field: u64, value: u64) {
    varint(message, field << 3);
    varint(message, value);
}

fn put_fixed64(message: &mut Vec<u8>, field: u64, value: f64) {
    varint(message, field << 3 | 1);
    message.extend(value.to_le_bytes());
}

fn put_bytes(message: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    varint(message, field << 3 | 2);
    varint(message, bytes.len() as u64);
    message.extend(bytes);
}

fn put_fixed32(message: &mut Vec<u8>, field: u64, value: f32) {
    varint(message, field << 3 | 5);
    message.extend(value.to_le_bytes());
}

/// Seven bits per byte, the lowest first. The high bit is set if more bytes follow.
fn varint(message: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        message.push(value as u8 | 0x80);
        value >>= 7;
    }
    message.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_encoded_as_protocol_buffers_have_them() {
        let mut message = Vec::new();
        put_varint(&mut message, 1, 150);
        put_bytes(&mut message, 2, b"testing");
        // The examples of the documentation of protocol buffers.
        assert_eq!(message, [&[0x08, 0x96, 0x01, 0x12, 0x07][..], b"testing"].concat());
    }

    #[test]
    fn a_record_is_framed_by_its_length_and_two_checksums() {
        let record = record(b"123456789");
        assert_eq!(record[..8], 9_u64.to_le_bytes());
        assert_eq!(&record[12..21], b"123456789");
        // CRC-32C of these nine digits is 0xE3069283, the check value of its definition.
        let crc: u32 = 0xE306_9283;
        let masked = crc.rotate_right(15).wrapping_add(0xa282_ead8);
        assert_eq!(record[21..], masked.to_le_bytes());
    }

    #[test]
    fn what_was_not_measured_is_not_written() {
        let figures = EpochRecord {
            epoch: 3,
            loss: 0.5,
            accuracy: 0.75,
            val_loss: None,
            val_accuracy: None,
            val_macro_f1: None,
            learning_rate: 0.001,
            seconds: 1.0,
        };
        let has = |record: &[u8], tag: &str| record.windows(tag.len()).any(|bytes| bytes == tag.as_bytes());
        let record = epoch(&figures, 0.0);
        assert!(has(&record, "accuracy") && !has(&record, "val_accuracy"));
        assert!(has(&epoch(&EpochRecord { val_accuracy: Some(0.5), ..figures }, 0.0), "val_accuracy"));
    }
}
