//! `--timings`: where the wall time of a command went.

use std::fmt::Write;
use std::time::Duration;

use triax::text::grouped;
use triax_engine::{PhaseTime, Timings, TimingsFound};

use super::terminal::tell;

/// A recorder if `asked`.
pub fn recorder(asked: bool) -> Timings {
    if asked { Timings::on() } else { Timings::off() }
}

/// Prints what `timings` has recorded, on standard error, if it is on. The command has used `n_devices` devices at a time.
pub fn print(timings: &Timings, n_devices: usize) {
    if let Some(found) = timings.found() {
        tell(table(&found, n_devices).trim_end());
    }
}

/// The table, with shares of the wall time.
fn table(found: &TimingsFound, n_devices: usize) -> String {
    // A stage is named after its layers.
    let longest = found.device.iter().map(|stage| "device: ".len() + stage.stage.chars().count()).max();
    let width = longest.unwrap_or(0).max(24);
    let mut text = format!("\n{:<width$}   seconds     share\n", "where the time went");
    let share = |time: Duration| 100.0 * time.as_secs_f64() / found.wall.as_secs_f64();
    // Writing to a string does not fail.
    let mut row = |name: &str, time: Duration, share: Option<f64>, note: &str| {
        let share = share.map(|share| format!("{share:>8.1} %")).unwrap_or_default();
        let line = format!("{name:<width$} {:>9.3}{share}{note}", time.as_secs_f64());
        let _ = writeln!(text, "{line}");
    };
    for PhaseTime { phase, time } in &found.main {
        row(phase.name(), *time, Some(share(*time)), "");
    }
    row("other", found.other(), Some(share(found.other())), "");
    row("all", found.wall, None, "");
    for (idx, PhaseTime { phase, time }) in found.beside.iter().enumerate() {
        let note = if idx == 0 { "  on other threads" } else { "" };
        row(&format!("beside: {}", phase.name()), *time, None, note);
    }
    for stage in &found.device {
        let note = format!("  {} ×", grouped(stage.n as usize));
        row(&format!("device: {}", stage.stage), stage.time, Some(share(stage.time) / n_devices as f64), &note);
    }
    let _ = match (found.device.is_empty(), n_devices) {
        (true, _) => writeln!(text, "device busy: not measured"),
        (false, 1) => writeln!(text, "device busy for {:.1} % of the time", share(found.busy())),
        (false, n) => writeln!(text, "{n} devices busy for {:.1} % of the time", share(found.busy()) / n as f64),
    };
    text
}

#[cfg(test)]
mod tests {
    use triax_engine::{Phase, StageRow};

    use super::*;

    #[test]
    fn shares_are_of_the_wall_time_and_the_rest_is_named() {
        let ms = Duration::from_millis;
        let stage = |stage: &str, time, n| StageRow { stage: stage.to_owned(), time, n };
        let found = TimingsFound {
            wall: ms(2000),
            main: vec![
                PhaseTime { phase: Phase::Reading, time: ms(250) },
                PhaseTime { phase: Phase::ReadingBack, time: ms(1700) },
            ],
            beside: vec![
                PhaseTime { phase: Phase::Files, time: ms(123) },
                PhaseTime { phase: Phase::Baselines, time: ms(1) },
            ],
            device: vec![stage("steps", ms(1000), 2360), stage("validation", ms(500), 10)],
        };
        let expected = "
where the time went        seconds     share
reading                      0.250    12.5 %
reading back                 1.700    85.0 %
other                        0.050     2.5 %
all                          2.000
beside: files                0.123  on other threads
beside: baselines            0.001
device: steps                1.000    50.0 %  2,360 ×
device: validation           0.500    25.0 %  10 ×
device busy for 75.0 % of the time
";
        assert_eq!(table(&found, 1), expected);
        assert!(table(&found, 2).ends_with("2 devices busy for 37.5 % of the time\n"), "{}", table(&found, 2));
        let none = TimingsFound { device: Vec::new(), ..found };
        assert!(table(&none, 1).ends_with("device busy: not measured\n"));
    }
}
