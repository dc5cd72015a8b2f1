//! Recordings as loggers and people leave them: each is read by every command alike, or refused with its true cause.
//!
//! The values are made up: six people, three activities, 40 s of each at 20 Hz, unless a case says otherwise.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::{Answer, command, read_json, triax};

const ACTIVITIES: [&str; 3] = ["walk", "run", "sit"];
const WINDOW: usize = 60;

/// One row of the made-up recordings.
#[derive(Clone)]
struct Row {
    subject: String,
    activity: String,
    /// Seconds since the recording began, and on the clock.
    since: f64,
    time: f64,
    values: [f64; 3],
}

impl Row {
    fn xyz(&self) -> String {
        self.values.map(|value| format!("{value:.4}")).join(",")
    }
}

/// Noise that is the same every time.
fn noise(n: usize) -> f64 {
    let mut state = (n as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0xD1B5_4A32_D192_ED03;
    state = (state ^ (state >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    state ^= state >> 32;
    (state >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
}

/// Rows of `n_subjects` people, with a row at each of `offsets` of every recording; recordings are a minute apart.
fn rows(n_subjects: usize, offsets: &[f64]) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut begins = 1000.0;
    for subject in 0..n_subjects {
        for (activity, (frequency, swing)) in ACTIVITIES.iter().zip([(1.8, 3.0), (2.8, 9.0), (0.0, 0.0)]) {
            for &since in offsets {
                let phase = std::f64::consts::TAU * frequency * since;
                let n = 3 * rows.len();
                let values = [
                    swing * (phase + subject as f64).sin() + 0.5 * noise(n),
                    9.8 + swing / 2.0 * phase.cos() + 0.5 * noise(n + 1),
                    0.5 * noise(n + 2),
                ];
                let (subject, activity) = (format!("s{:02}", subject + 1), (*activity).to_owned());
                rows.push(Row { subject, activity, since, time: begins + since, values });
            }
            begins += offsets.last().unwrap_or(&0.0).ceil() + 60.0;
        }
    }
    rows
}

fn steady(seconds: f64, hz: f64) -> Vec<f64> {
    (0..(seconds * hz) as usize).map(|row| row as f64 / hz).collect()
}

fn base() -> Vec<Row> {
    rows(6, &steady(40.0, 20.0))
}

/// A table of `rows` with the clock that `stamp` writes.
fn timed(rows: &[Row], stamp: impl Fn(usize, &Row) -> String) -> String {
    table("subject,activity,timestamp,x,y,z", rows, |n, row| {
        format!("{},{},{},{}", row.subject, row.activity, stamp(n, row), row.xyz())
    })
}

fn table(header: &str, rows: &[Row], line: impl Fn(usize, &Row) -> String) -> String {
    let mut text = format!("{header}\n");
    for (n, row) in rows.iter().enumerate() {
        text += &line(n, row);
        text.push('\n');
    }
    text
}

fn seconds(_: usize, row: &Row) -> String {
    format!("{:.3}", row.time)
}

fn since_1970(row: &Row, per_second: f64) -> String {
    format!("{:.0}", (1.7e9 + row.time) * per_second)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

/// Cases that hold the rows of `base`, in a form of their own: every command finds the windows of `base`.
fn cases_of_base() -> Vec<(&'static str, Vec<u8>)> {
    let base = base();
    let plain = timed(&base, seconds);
    let mut swapped = base.clone();
    for n in (10..base.len() - 1).step_by(50) {
        if swapped[n].activity == swapped[n + 1].activity {
            swapped.swap(n, n + 1);
        }
    }
    let clock = |name: &str, per_second: f64| {
        table(&format!("subject,activity,{name},x,y,z"), &base, |_, row| {
            let stamp = match per_second {
                1.0 => format!("{:.3}", 1.7e9 + row.time),
                _ => since_1970(row, per_second),
            };
            format!("{},{},{stamp},{}", row.subject, row.activity, row.xyz())
        })
    };
    let iso = |row: &Row, zone: &str| {
        let milliseconds = (row.time * 1000.0).round() as u64;
        let (seconds, rest) = (milliseconds / 1000, milliseconds % 1000);
        let (minutes, hours) = (seconds / 60, seconds / 3600);
        let day = 1 + hours / 24;
        format!("2026-03-{day:02}T{:02}:{:02}:{:02}.{rest:03}{zone}", hours % 24, minutes % 60, seconds % 60)
    };
    let json = |row: &Row| {
        let [x, y, z] = row.values.map(|value| format!("{value:.4}"));
        format!(
            r#"{{"z":{z},"x":{x},"y":"{y}","subject":"{}","activity":"{}","t":{:.3}}}"#,
            row.subject, row.activity, row.time
        )
    };
    let utf_16: Vec<u8> = format!("\u{feff}{plain}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let decimal_commas = |separator: &str, quote: &str| {
        plain
            .lines()
            .map(|line| {
                let fields = line.split(',').map(|field| match field.contains('.') {
                    true => format!("{quote}{}{quote}", field.replace('.', ",")),
                    false => field.to_owned(),
                });
                fields.collect::<Vec<_>>().join(separator) + "\n"
            })
            .collect::<String>()
    };
    let texts: Vec<(&'static str, String)> = vec![
        ("base.csv", plain.clone()),
        // Time.
        (
            "first-step-2ms.csv",
            timed(&base, |n, row| format!("{:.3}", if n == 0 { row.time + 0.048 } else { row.time })),
        ),
        ("whole-seconds.csv", timed(&base, |_, row| format!("{:.0}", row.time.floor()))),
        ("zero-now-and-then.csv", timed(&base, |n, row| if n % 100 == 50 { "0".to_owned() } else { seconds(n, row) })),
        ("empty-now-and-then.csv", timed(&base, |n, row| if n % 70 == 9 { String::new() } else { seconds(n, row) })),
        ("repeated.csv", timed(&base, |n, row| seconds(n, if n % 90 == 33 { &base[n - 1] } else { row }))),
        ("ms-cut-to-seconds.csv", timed(&base, |_, row| format!("{:.0}000", (1.7e9 + row.time).floor()))),
        ("neighbours-swapped.csv", timed(&swapped, seconds)),
        ("nanoseconds.csv", timed(&base, |_, row| since_1970(row, 1e9))),
        ("clock-timestamp-ms.csv", clock("Timestamp (ms)", 1e3)),
        ("clock-epoch-ms.csv", clock("epoch_ms", 1e3)),
        ("clock-ts.csv", clock("ts", 1e3)),
        ("clock-timestamp-sec.csv", clock("timestamp_sec", 1.0)),
        ("clock-time-s.csv", clock("time [s]", 1.0)),
        ("clock-microseconds.csv", clock("timeMicros", 1e6)),
        ("iso-8601.csv", timed(&base, |_, row| iso(row, "Z"))),
        ("iso-offset.csv", timed(&base, |_, row| iso(row, "+02:00").replace('T', " "))),
        // Columns.
        (
            "zyx.csv",
            table("subject,activity,timestamp,z,y,x", &base, |n, row| {
                let [x, y, z] = row.values.map(|value| format!("{value:.4}"));
                format!("{},{},{},{z},{y},{x}", row.subject, row.activity, seconds(n, row))
            }),
        ),
        ("upper-case.csv", plain.replacen("timestamp,x,y,z", "Timestamp,X,Y,Z", 1)),
        (
            "sensor-logger.csv",
            table("time,seconds_elapsed,z,y,x,subject,activity", &base, |_, row| {
                let [x, y, z] = row.values.map(|value| format!("{value:.4}"));
                format!("{},{:.4},{z},{y},{x},{},{}", since_1970(row, 1e9), row.since, row.subject, row.activity)
            }),
        ),
        (
            "row-index.csv",
            table("X.1,subject,raw_timestamp_part_1,timestamp,x,y,z,activity", &base, |n, row| {
                format!(
                    "{n},{},{:.0},{},{},{}",
                    row.subject,
                    row.time.floor(),
                    seconds(n, row),
                    row.xyz(),
                    row.activity
                )
            }),
        ),
        (
            "text-columns.csv",
            table("subject,activity,timestamp,x,y,z,Model,Device", &base, |n, row| {
                format!("{},{},{},{},nexus4,nexus4_1", row.subject, row.activity, seconds(n, row), row.xyz())
            }),
        ),
        ("aliases.csv", plain.replacen("subject,activity", "User ID,Label", 1)),
        ("preamble.csv", format!("Logger 2.1\nDevice: phone, black\n\n{plain}")),
        // Text.
        ("semicolon-comma.csv", decimal_commas(";", "")),
        ("quoted-comma.csv", decimal_commas(",", "\"")),
        ("tabs.csv", plain.replace(',', "\t")),
        ("cr-only.csv", plain.replace('\n', "\r")),
        ("crlf.csv", plain.replace('\n', "\r\n")),
        ("lines.jsonl", base.iter().map(|row| json(row) + "\n").collect()),
    ];
    let mut cases: Vec<_> = texts.into_iter().map(|(name, text)| (name, text.into_bytes())).collect();
    cases.push(("utf-16.csv", utf_16));
    cases.push(("base.csv.gz", gzip(plain.as_bytes())));
    cases
}

/// Options of a small run on windows of three seconds.
const SMALL: [&str; 16] = [
    "--window",
    "60",
    "--step",
    "60",
    "--convs",
    "4:5:2:2",
    "--hidden",
    "8",
    "--epochs",
    "2",
    "--learning-rate",
    "0.01",
    "--device",
    "cpu",
    "--engine",
    "fused",
];

/// A folder with `base.csv` and a run on it.
fn trained_on_base() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("base.csv"), timed(&base(), seconds)).unwrap();
    let args = ["train", "--data", "base.csv", "--out", "run", "--quiet"];
    triax(folder.path(), args.iter().chain(&SMALL)).done();
    folder
}

/// `predict` of the run, from standard input.
fn predict_stream(folder: &Path, file: &Path) -> Answer {
    let input = fs::File::open(file).unwrap();
    let output = command(folder, ["predict", "run", "-"]).stdin(Stdio::from(input)).output().unwrap();
    Answer::from_output(output)
}

/// Subject and predicted class of each window, and all that the table says of it but its times.
fn windows(answer: &Answer) -> Vec<Vec<String>> {
    let mut table = csv::Reader::from_reader(answer.stdout.as_bytes());
    let header = table.headers().unwrap().clone();
    let kept: Vec<usize> =
        (0..header.len()).filter(|at| !["start", "end", "source"].contains(&header.get(*at).unwrap())).collect();
    table.records().map(|row| row.unwrap()).map(|row| kept.iter().map(|&at| row[at].to_owned()).collect()).collect()
}

#[test]
fn the_same_rows_give_the_same_windows_whoever_reads_them() {
    let folder = trained_on_base();
    let path = folder.path();
    let expected = windows(&triax(path, ["predict", "run", "--data", "base.csv"]).done());
    assert_eq!(expected.len(), 18 * 800 / WINDOW - 18 * (800 % WINDOW) / WINDOW, "every window of each recording");
    let fingerprint = |file: &Path| {
        let answer = triax(path, ["data".as_ref(), "inspect".as_ref(), file.as_os_str(), "--json".as_ref()]).done();
        let found: serde_json::Value = serde_json::from_str(&answer.stdout).unwrap();
        assert_eq!((found["n_rows"].as_u64(), found["n_recordings"].as_u64()), (Some(14_400), Some(18)), "{file:?}");
        let rate = found["rate_hz"].as_f64().unwrap();
        assert!((rate - 20.0).abs() < 0.05, "{file:?}: {rate} Hz");
        found["fingerprint"].as_str().unwrap().to_owned()
    };
    let of_base = fingerprint(&path.join("base.csv"));
    for (name, bytes) in cases_of_base() {
        // Alone, and in a folder.
        let alone = path.join("case").join(name);
        fs::create_dir_all(alone.parent().unwrap()).unwrap();
        fs::write(&alone, bytes).unwrap();
        let in_folder = alone.parent().unwrap().to_owned();
        let args = |what: &[&str], file: &Path| -> Vec<std::ffi::OsString> {
            what.iter().map(Into::into).chain([file.into()]).collect()
        };
        let same = |answer: Answer, how: &str| {
            let found = windows(&answer.done());
            assert_eq!(found.len(), expected.len(), "{name}, {how}");
            assert!(found == expected, "{name}, {how}: {:?} is not {:?}", found[0], expected[0]);
        };
        same(triax(path, args(&["predict", "run", "--data"], &alone)), "predict --data FILE");
        same(triax(path, args(&["predict", "run", "--data"], &in_folder)), "predict --data FOLDER");
        same(predict_stream(path, &alone), "predict -");
        let answer = triax(path, args(&["evaluate", "run", "--part", "all", "--json", "--data"], &alone)).done();
        let judged: serde_json::Value = serde_json::from_str(answer.stdout.trim()).unwrap();
        assert_eq!(judged["n_windows"].as_u64(), Some(expected.len() as u64), "{name}, evaluate");
        // Channels come in the order of the header where nobody chooses.
        let order = ["zyx.csv", "upper-case.csv", "sensor-logger.csv", "lines.jsonl"].contains(&name);
        let found = fingerprint(&alone);
        assert_eq!(found == of_base, !order, "{name}, inspect");
        let mut train = args(&["train", "--out", "of-case", "--quiet", "--channels", "x,y,z", "--data"], &alone);
        train.extend(SMALL.iter().map(Into::into));
        triax(path, train).done();
        let recorded = &read_json(path.join("of-case/config.json"))["recorded"];
        let split = &recorded["split"];
        let n_windows = split["n_train"].as_u64().unwrap() + split["n_valid"].as_u64().unwrap();
        assert_eq!(n_windows, expected.len() as u64, "{name}, train");
        fs::remove_dir_all(path.join("of-case")).unwrap();
        fs::remove_dir_all(in_folder).unwrap();
    }
}
