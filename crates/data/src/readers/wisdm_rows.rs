//! The row both WISDM sets share: `subject,activity,timestamp,x,y,z;`.
//!
//! Version 1.1 was assembled from many uploads. It has rows without a z, several rows on a line, commas with nothing between
//! them, and rows without their `;`. A row ends at a `;` or at the end of its line.

use super::source::Source;
use super::table::Table;
use super::text::{Lines, timestamp, value};
use crate::{DataError, Notice, Repair};

pub(crate) const EXPECTED: &str = "33,Jogging,49105962326000,-0.69,12.68,0.50;";
const N_FIELDS: usize = 6;

pub(crate) fn table() -> Table {
    Table::new(["x", "y", "z"].map(String::from).to_vec(), true)
}

/// Adds the rows of one file to the table.
pub(crate) fn read_rows(table: &mut Table, source: &Source, name: &str) -> Result<Option<Notice>, DataError> {
    let mut lines = Lines::new(source.reader(name)?, &source.place(name))?;
    table.start_file(name);
    loop {
        let Some((number, line)) = lines.next()? else { return Ok(lines.notice()) };
        let rows = line.split(|byte| *byte == b';').map(<[u8]>::trim_ascii).filter(|row| !row.is_empty());
        for (row_idx, row) in rows.enumerate() {
            match read_row(table, row, number) {
                Ok(()) if row_idx > 0 => table.record(Repair::SplitLine, number),
                Ok(()) => {}
                Err(fault) => table.record(fault, number),
            }
        }
    }
}

fn read_row(table: &mut Table, row: &[u8], line_number: usize) -> Result<(), Repair> {
    let mut fields = [&[][..]; N_FIELDS];
    let (mut n_filled, mut n_empty) = (0, 0);
    for field in row.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
        if field.is_empty() {
            n_empty += 1;
        } else if let Some(slot) = fields.get_mut(n_filled) {
            *slot = field;
            n_filled += 1;
        } else {
            return Err(Repair::ExtraField);
        }
    }
    if n_filled < N_FIELDS {
        return Err(Repair::MissingField);
    }
    let [subject, activity, time, x, y, z] = fields;
    table.push(line_number, subject, activity, timestamp(time)?, &[value(x)?, value(y)?, value(z)?])?;
    if n_empty > 0 {
        table.record(Repair::StrayComma, line_number);
    }
    Ok(())
}

/// Whether a line begins like a WISDM row, and if so its activity.
pub(crate) fn activity_of(line: &str) -> Option<&str> {
    let mut fields = line.split(';').next()?.split(',').map(str::trim);
    let (subject, activity, time) = (fields.next()?, fields.next()?, fields.next()?);
    let x = fields.next()?;
    let is_row = subject.parse::<u64>().is_ok()
        && activity.parse::<f64>().is_err()
        && timestamp(time.as_bytes()).is_ok()
        && value(x.as_bytes()).is_ok();
    is_row.then_some(activity)
}

/// Version 2 names its activities by a capital letter.
pub(crate) fn is_letter(activity: &str) -> bool {
    matches!(activity.as_bytes(), [b'A'..=b'Z'])
}
