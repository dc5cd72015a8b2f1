//! Event files of TensorBoard: the scalars of each epoch.
//!
//! A file is a sequence of TFRecords, each with an `Event` of TensorBoard's protocol buffers.
//!
//! A record is the length of its data (u64), the masked CRC-32C of these eight bytes (u32), the data, and the masked
//! CRC-32C of the data (u32), all little-endian: tensorflow/core/lib/io/record_writer.h. The messages in
//! tensorboard/compat/proto/{event,summary}.proto have these fields, among others:
//!
//! ```text
//! Event   { double wall_time = 1; int64 step = 2; string file_version = 3; Summary summary = 5; }
//! Summary { repeated Value value = 1; }    Value { string tag = 1; float simple_value = 2; }
//! ```

use triax_exchange::protobuf::Message;
use triax_trainer::EpochRecord;

/// The version of the format, which the first event of a file states.
const FILE_VERSION: &str = "brain.Event:2";

/// The file name for a run that started at `started` (seconds since 1970). TensorBoard finds files by such names.
pub fn file_name(started: f64) -> String {
    format!("events.out.tfevents.{started:.0}.triax")
}

/// The first record of a file; `started` in seconds since 1970.
pub fn head(started: f64) -> Vec<u8> {
    record(&Message::new().double(1, started).bytes(3, FILE_VERSION).into_bytes())
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
    let mut summary = Message::new();
    for (tag, value) in scalars {
        if let Some(value) = value {
            summary = summary.message(1, &Message::new().bytes(1, tag).float(2, value as f32));
        }
    }
    let event = Message::new().double(1, ended).varint(2, figures.epoch as u64).message(5, &summary);
    record(&event.into_bytes())
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

#[cfg(test)]
mod tests {
    use super::*;

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
