//! The results of a benchmark as a table.

use std::fmt::Write as _;

use comfy_table::{CellAlignment, Table, presets};
use triax_device::DeviceKind;

use super::{Report, Row};

/// Table and footnotes.
pub fn of(report: &Report) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header([
        "engine",
        "device",
        "batch",
        "s/epoch",
        "fastest–slowest",
        "µs/step",
        "windows/s",
        "first step",
        "memory",
        "of sgemm",
    ]);
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    for row in &report.rows {
        table.add_row(cells(row));
    }
    let mut text = table.trim_fmt();
    text.push('\n');
    footnotes(&mut text, report).expect("a String takes any text");
    text
}

fn cells(row: &Row) -> [String; 10] {
    let spread = &row.seconds_per_epoch;
    let mark = if row.extrapolated { "~" } else { "" };
    [
        row.engine.clone(),
        row.device.argument(),
        row.batch_size.to_string(),
        format!("{mark}{:.3}", spread.median),
        format!("{mark}{:.3}–{:.3}", spread.fastest, spread.slowest),
        format!("{:.0}", row.microseconds_per_step),
        format!("{:.0}", row.windows_per_second),
        format!("{:.2} s", row.seconds_to_first_step),
        row.peak_bytes.map_or_else(|| "n/a".to_owned(), |bytes| format!("{} MiB", bytes >> 20)),
        row.share_of_sgemm.map_or_else(|| "n/a".to_owned(), |share| format!("{:.0} %", 100.0 * share)),
    ]
}

fn footnotes(text: &mut String, report: &Report) -> std::fmt::Result {
    let job = &report.job;
    writeln!(text)?;
    let mut devices: Vec<String> = report.rows.iter().map(|row| row.device.to_string()).collect();
    devices.dedup();
    for device in devices {
        writeln!(text, "{device}")?;
    }
    writeln!(
        text,
        "{} windows of {}×{}, {} parameters; median of {} measurements each, shuffling included.",
        job.windows, job.window, job.channels, job.parameters, report.repeats
    )?;
    if let Some(worst) = report.rows.iter().map(|row| row.checked.largest_difference).reduce(f64::max) {
        writeln!(text, "Checked before it was timed: losses agree with the f64 reference to {worst:.0e}.")?;
    }
    writeln!(
        text,
        "of sgemm: share of the {:.0} GFLOP/s that f32 matrix products reach on this CPU; n/a for a GPU of its own.",
        report.sgemm_gflops
    )?;
    let partial = report.rows.iter().filter(|row| row.extrapolated);
    if let Some(fewest) = partial.map(|row| row.windows).min() {
        writeln!(text, "~ extrapolated from measurements of at least {fewest} windows, not a whole epoch.")?;
    }
    if report.rows.iter().any(|row| row.device.kind == DeviceKind::Software) {
        writeln!(text, "A software GPU computes on the CPU: its figures say nothing about a GPU.")?;
    }
    for failure in &report.failures {
        writeln!(text, "failed: {}, batch {}: {}", failure.device, failure.batch_size, failure.reason)?;
    }
    Ok(())
}
