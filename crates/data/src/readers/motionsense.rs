//! MotionSense (2018): 24 subjects, six activities, an iPhone in the front pocket at 50 Hz.
//!
//! One file `A_DeviceMotion_data/<activity>_<trial>/sub_<subject>.csv` each. Its twelve columns are parts of one
//! signal as the phone's sensor fusion separates them; this reader gives the acceleration as an accelerometer measures
//! it, `gravity + userAcceleration`, in g. There are no timestamps. Each trial is a recording of its own.

use super::ReadOptions;
use super::csv::check_width;
use super::source::{Source, file_name, folder};
use super::table::{SourceInfo, Table};
use super::text::{RawRow, RawRows, value};
use crate::{Corpus, DataError, Repair};

pub(crate) const LOOKS_FOR: &str = "files `A_DeviceMotion_data/wlk_7/sub_1.csv`";
const EXPECTED: &str =
    "index,…,gravity.x,gravity.y,gravity.z,…,userAcceleration.x,userAcceleration.y,userAcceleration.z";
const AXES: [&str; 3] = ["x", "y", "z"];
const RATE_HZ: f64 = 50.0;

const ACTIVITIES: [(&str, &str); 6] = [
    ("dws", "downstairs"),
    ("jog", "jogging"),
    ("sit", "sitting"),
    ("std", "standing"),
    ("ups", "upstairs"),
    ("wlk", "walking"),
];

pub(crate) fn try_read(source: &Source, options: &ReadOptions) -> Result<Option<Corpus>, DataError> {
    let mut trials: Vec<(&str, &str, &str)> =
        source.names().filter_map(|name| trial(name).map(|(activity, subject)| (name, activity, subject))).collect();
    // The same trials lie beside it as raw accelerometer and gyroscope; the fused signal is the one to read.
    let fused = |name: &str| name.contains("DeviceMotion");
    if trials.iter().any(|(name, ..)| fused(name)) {
        trials.retain(|(name, ..)| fused(name));
    }
    if trials.is_empty() {
        return Ok(None);
    }
    let channels = AXES.map(|axis| format!("acceleration.{axis}")).to_vec();
    let mut table = Table::new(channels, false);
    for (name, activity, subject) in trials {
        read_trial(source, name, activity, subject, &mut table)?;
    }
    let corpus = table.into_corpus(SourceInfo {
        label: source.label(),
        name: "MotionSense".to_owned(),
        expected: EXPECTED,
        activity_name: |id| ACTIVITIES.iter().find(|(known, _)| *known == id).map(|(_, name)| *name),
        rate_hz: Some(RATE_HZ),

        options,
        columns: None,
        notices: Vec::new(),
    })?;
    Ok(Some(corpus))
}

/// Activity and subject of a file, from its name.
fn trial(name: &str) -> Option<(&str, &str)> {
    let subject = file_name(name).strip_prefix("sub_")?.strip_suffix(".csv")?;
    let (activity, trial) = file_name(folder(name).strip_suffix('/')?).split_once('_')?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (is_number(subject) && is_number(trial) && !activity.is_empty()).then_some((activity, subject))
}

fn read_trial(source: &Source, name: &str, activity: &str, subject: &str, table: &mut Table) -> Result<(), DataError> {
    let mut rows = RawRows::new(source.reader(name)?, &source.place(name), &[], &[], |_| true)?;
    let width = rows.names.len();
    let column = |part: &str, axis: &str| {
        let wanted = format!("{part}.{axis}");
        rows.names.iter().position(|channel| *channel == wanted).ok_or_else(|| {
            DataError::malformed(
                source.place(name),
                format!("the header has no column `{wanted}`"),
                "Name the folder `A_DeviceMotion_data`, whose files hold gravity and user acceleration",
            )
        })
    };
    let mut pairs = [(0, 0); AXES.len()];
    for (pair, axis) in pairs.iter_mut().zip(AXES) {
        *pair = (column("gravity", axis)?, column("userAcceleration", axis)?);
    }
    table.start_file(name);
    while let Some((line, row)) = rows.next()? {
        let RawRow::Fields(fields) = row else { continue };
        let total = |(gravity, user): (usize, usize)| match value(fields.get(gravity))? + value(fields.get(user))? {
            total if total.is_finite() => Ok(total),
            _ => Err(Repair::NonFinite),
        };
        let pushed = check_width(fields, width).and_then(|()| {
            let values = [total(pairs[0])?, total(pairs[1])?, total(pairs[2])?];
            table.push(line, subject.as_bytes(), activity.as_bytes(), 0.0, &values)
        });
        if let Err(kind) = pushed {
            table.record(kind, line);
        }
    }
    Ok(())
}
