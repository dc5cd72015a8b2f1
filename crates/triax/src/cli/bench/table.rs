//! The results of a benchmark as tables.

use std::fmt::Write as _;

use comfy_table::{CellAlignment, Table, presets};
use triax_engine::device::DeviceKind;

use super::roofline::Roofline;
use super::{Report, Row};

/// Tables and footnotes.
pub fn text(report: &Report) -> String {
    let mut rows = table(
        ["engine", "device", "batch", "models", "s/epoch", "a model", "fastest–slowest"],
        ["µs/step", "windows/s", "first step", "memory", "of sgemm"],
    );
    for row in &report.rows {
        rows.add_row(cells(row));
    }
    let columns = ["stage", "", "MFLOP", "MB", "FLOP/byte", "GFLOP/s", "µs"];
    let mut stages = table(columns, ["measured µs", "GFLOP/s", "of sgemm"]);
    for stage in &report.roofline.stages {
        stages.add_row([
            stage.name.clone(),
            if stage.gflops < report.sgemm_gflops { "memory" } else { "arithmetic" }.to_owned(),
            format!("{:.2}", stage.flop as f64 / 1e6),
            format!("{:.2}", stage.bytes as f64 / 1e6),
            format!("{:.1}", stage.flop_per_byte),
            format!("{:.0}", stage.gflops),
            format!("{:.0}", stage.least_microseconds),
            stage.measured.map_or_else(String::new, |measured| format!("{:.1}", measured.microseconds)),
            stage.measured.map_or_else(String::new, |measured| format!("{:.0}", measured.gflops)),
            stage.measured.map_or_else(String::new, |measured| format!("{:.0} %", 100.0 * measured.share_of_sgemm)),
        ]);
    }
    for other in &report.roofline.others {
        let mut cells = [const { String::new() }; 10];
        cells[0].clone_from(&other.name);
        cells[7] = format!("{:.1}", other.microseconds);
        stages.add_row(cells);
    }
    let mut text = format!("{}\n", rows.trim_fmt());
    let notes = footnotes(&mut text, report)
        .and_then(|()| {
            writeln!(text, "\nroofline of a step of {}\n\n{}", report.roofline.batch_size, stages.trim_fmt())
        })
        .and_then(|()| roofline_notes(&mut text, report));
    notes.expect("a String takes any text");
    text
}

/// A table whose first two columns are words and whose others are numbers.
fn table<const N: usize>(columns: [&str; 7], more: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(columns.into_iter().chain(more));
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// `1 model`, `8 models`.
pub fn models(n_models: usize) -> String {
    format!("{n_models} model{}", if n_models == 1 { "" } else { "s" })
}

fn cells(row: &Row) -> [String; 12] {
    let spread = &row.seconds_per_epoch;
    let mark = if row.extrapolated { "~" } else { "" };
    [
        row.engine.clone(),
        row.device.argument(),
        row.batch_size.to_string(),
        row.models.to_string(),
        format!("{mark}{:.3}", spread.median),
        format!("{mark}{:.4}", row.seconds_per_model_epoch),
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
        let models = models(failure.models);
        let (engine, device, batch_size) = (failure.engine, &failure.device, failure.batch_size);
        writeln!(text, "failed: {engine} on {device}, batch {batch_size}, {models}: {}", failure.reason)?;
    }
    Ok(())
}

fn roofline_notes(text: &mut String, report: &Report) -> std::fmt::Result {
    let Roofline { batch_size, least_microseconds, measured_microseconds, .. } = report.roofline;
    writeln!(
        text,
        "\nAt best: arithmetic at {:.0} GFLOP/s, traffic at {:.1} GB/s (a = b + s·c on all threads), {:.0} µs in all.",
        report.sgemm_gflops, report.stream_gbytes, least_microseconds
    )?;
    writeln!(
        text,
        "Measured: the fused engine with a model on each thread, {measured_microseconds:.0} µs a step in all; the medians \
         of an epoch, with a clock around each stage."
    )?;
    let on_cpu = |row: &&Row| row.device.kind == DeviceKind::Cpu && row.batch_size == batch_size && row.models == 1;
    for row in report.rows.iter().filter(on_cpu) {
        let share = 100.0 * least_microseconds / row.microseconds_per_step;
        writeln!(text, "{} takes {:.0} µs: {share:.0} % of the roofline.", row.engine, row.microseconds_per_step)?;
    }
    Ok(())
}
