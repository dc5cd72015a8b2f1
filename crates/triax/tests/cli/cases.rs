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

/// A folder with the file `name`.
fn folder_with(name: &str, bytes: impl AsRef<[u8]>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(name), bytes).unwrap();
    folder
}

/// `data inspect --json`, and what it says beside.
fn inspect(folder: &Path, name: &str, more: &[&str]) -> (serde_json::Value, String) {
    let answer = triax(folder, [&["data", "inspect", name, "--json"], more].concat()).done();
    (serde_json::from_str(&answer.stdout).unwrap(), answer.stderr)
}

/// Rows, recordings and rate.
fn outline(found: &serde_json::Value) -> (u64, u64, f64) {
    let rate = found["rate_hz"].as_f64().unwrap_or(0.0);
    (found["n_rows"].as_u64().unwrap(), found["n_recordings"].as_u64().unwrap(), (rate * 10.0).round() / 10.0)
}

fn repaired(found: &serde_json::Value) -> BTreeMap<String, u64> {
    let entries = found["repairs"].as_array().unwrap().iter();
    entries.map(|entry| (entry["kind"].as_str().unwrap().to_owned(), entry["count"].as_u64().unwrap())).collect()
}

fn channels(found: &serde_json::Value) -> Vec<&str> {
    found["channels"].as_array().unwrap().iter().map(|each| each["channel"].as_str().unwrap()).collect()
}

/// `train` with windows of `window` samples.
fn train(folder: &Path, data: &str, out: &str, window: &str, more: &[&str]) -> Answer {
    let mut args = vec!["train", "--data", data, "--out", out, "--quiet"];
    for pair in SMALL.chunks(2).filter(|pair| !more.contains(&pair[0])) {
        args.extend(if ["--window", "--step"].contains(&pair[0]) { [pair[0], window] } else { [pair[0], pair[1]] });
    }
    triax(folder, [&args[..], more].concat())
}

#[test]
fn clocks_that_tick_in_bursts_are_one_recording_each() {
    // Six rows within three milliseconds, every 212; and seven within nine, every second.
    let within = [0.0, 0.0, 0.001, 0.002, 0.002, 0.003];
    let bursts: Vec<f64> = (0..188).flat_map(|burst| within.map(|more| 0.212 * f64::from(burst) + more)).collect();
    let batch = [0.002, 0.003, 0.004, 0.006, 0.007, 0.008, 1.0];
    let batches: Vec<f64> = (0..200).flat_map(|second| batch.map(|more| f64::from(second) + more)).collect();
    let (bursts, batches) = (rows(6, &bursts), rows(6, &batches));
    for (name, text, n_rows, rate) in [
        ("bursts.csv", timed(&bursts, |_, row| format!("{:.4}", row.time)), 20_304, 28.3),
        ("bursts-ns.csv", timed(&bursts, |_, row| format!("{:.0}", row.time * 1e9)), 20_304, 28.3),
        ("batches.csv", timed(&batches, |_, row| since_1970(row, 1e3)), 25_200, 7.0),
    ] {
        let folder = folder_with(name, text);
        let (found, _) = inspect(folder.path(), name, &[]);
        assert_eq!(outline(&found), (n_rows, 18, rate), "{name}");
        assert!(repaired(&found)["shared-tick"] > n_rows / 2, "{name}");
        let answer = train(folder.path(), name, "run", "60", &[]).done();
        assert!(answer.stderr.contains("several rows on one tick: spread evenly"), "{name}: {}", answer.stderr);
        let file = triax(folder.path(), ["predict", "run", "--data", name]).done();
        assert_eq!(windows(&file), windows(&predict_stream(folder.path(), &folder.path().join(name)).done()), "{name}");
    }
}

#[test]
fn units_follow_from_the_size_of_stamps_and_are_asked_for_where_they_do_not() {
    let base = base();
    let far = |n: usize, row: &Row| match n {
        0 => "0".to_owned(),
        _ => format!("{:.3}", 1.7e9 + row.time + if row.since > 20.0 { 60.0 } else { 0.0 }),
    };
    let two_units = |_: usize, row: &Row| {
        let per_second = if row.subject.as_str() < "s04" { 1e9 } else { 1e3 };
        since_1970(&Row { time: row.time + if row.since > 20.0 { 15.0 } else { 0.0 }, ..row.clone() }, per_second)
    };
    let kilohertz = rows(2, &steady(3.0, 1000.0));
    let one_hertz = rows(4, &steady(300.0, 1.0));
    for (name, text, expected) in [
        ("first-zero.csv", timed(&base, far), (14_400, 36, 20.0)),
        ("two-units.csv", timed(&base, two_units), (14_400, 36, 20.0)),
        ("kilohertz.csv", timed(&kilohertz, |_, row| since_1970(row, 1e3)), (18_000, 6, 1000.0)),
        ("one-hertz.csv", timed(&one_hertz, |_, row| since_1970(row, 1e3)), (3_600, 12, 1.0)),
    ] {
        let folder = folder_with(name, text);
        let (found, said) = inspect(folder.path(), name, &[]);
        let (n_rows, n_recordings, rate) = outline(&found);
        assert_eq!((n_rows, n_recordings), (expected.0, expected.1), "{name}");
        assert!((rate / expected.2 - 1.0).abs() < 0.01, "{name}: {rate}");
        assert_eq!(said.contains("count in different units"), name == "two-units.csv", "{said}");
    }
    // Rows 1 apart are 1 Hz or 1 kHz.
    let folder = folder_with("open.csv", timed(&base, |n, _| n.to_string()));
    let message = triax(folder.path(), ["data", "inspect", "open.csv"]).refused(1);
    assert!(message.contains("open.csv:2: the unit of the clock is unknown"), "{message}");
    let (found, _) = inspect(folder.path(), "open.csv", &["--map", "timestamp=timestamp_ms"]);
    assert_eq!(outline(&found).2, 1000.0);
}

#[test]
fn a_file_whose_newest_row_comes_first_is_turned_round_and_a_stream_is_not() {
    let folder = trained_on_base();
    let newest_first: Vec<Row> = base().into_iter().rev().collect();
    let path = folder.path().join("newest-first.csv");
    fs::write(&path, timed(&newest_first, seconds)).unwrap();
    let expected = windows(&triax(folder.path(), ["predict", "run", "--data", "base.csv"]).done());
    let answer = triax(folder.path(), ["predict", "run", "--data", "newest-first.csv"]).done();
    assert_eq!(windows(&answer), expected);
    assert!(answer.stderr.contains("14400 rows, first newest-first.csv:"), "{}", answer.stderr);
    let message = predict_stream(folder.path(), &path).refused(1);
    assert!(message.contains("time runs backwards"), "{message}");
    // What is in no order at all is refused whoever reads it.
    let mut shuffled = base();
    (0..shuffled.len()).for_each(|n| shuffled.swap(n, (n * 7919 + 13) % 14_400));
    shuffled.sort_by(|a, b| (&a.subject, &a.activity).cmp(&(&b.subject, &b.activity)));
    let path = folder.path().join("shuffled.csv");
    fs::write(&path, timed(&shuffled, seconds)).unwrap();
    for answer in [
        triax(folder.path(), ["predict", "run", "--data", "shuffled.csv"]),
        predict_stream(folder.path(), &path),
        triax(folder.path(), ["data", "inspect", "shuffled.csv"]),
    ] {
        let message = answer.refused(1);
        assert!(message.contains("no order") && message.contains("Sort the rows by time"), "{message}");
    }
}

#[test]
fn a_column_that_determines_the_class_is_no_channel_unless_it_is_named() {
    let text = table("subject,activity,label,timestamp,x,y,z", &base(), |n, row| {
        let label = ACTIVITIES.iter().position(|activity| *activity == row.activity).unwrap();
        let [x, y, z] = [noise(5 * n), noise(5 * n + 1), noise(5 * n + 2)];
        format!("{},{},{label},{},{x:.4},{y:.4},{z:.4}", row.subject, row.activity, seconds(n, row))
    });
    let folder = folder_with("label.csv", text);
    let (found, said) = inspect(folder.path(), "label.csv", &[]);
    assert_eq!(channels(&found), ["x", "y", "z"]);
    assert!(said.contains("warning: column `label` is left out: it determines the class"), "{said}");
    train(folder.path(), "label.csv", "run", "60", &[]).done();
    let accuracy = &read_json(folder.path().join("run/metrics.json"))["last"]["validation"]["accuracy"];
    assert!(accuracy.as_f64().unwrap() < 0.7, "noise is not learnt: {accuracy}");
    // Named, it is a channel, and the audit calls it a leak.
    let named = ["--channels", "x,y,z,label"];
    let answer = train(folder.path(), "label.csv", "named", "60", &named).done();
    assert!(answer.stderr.contains("`label` by itself tells the class"), "{}", answer.stderr);
    let report = fs::read_to_string(folder.path().join("named/report.html")).unwrap();
    assert!(report.contains("by itself tells the class"));
    let args = [&["data", "audit", "label.csv", "--window", "60", "--step", "60", "--no-gap"], &named[..]].concat();
    assert!(triax(folder.path(), args).done().stdout.contains("LEAK   channels"));
}

#[test]
fn a_slow_sensor_is_said_with_its_price() {
    let text = table("subject,activity,timestamp,x,y,z,heart_rate", &rows(4, &steady(40.0, 100.0)), |n, row| {
        let beats = if n % 11 == 0 { (60 + n % 17).to_string() } else { String::new() };
        format!("{},{},{},{},{beats}", row.subject, row.activity, seconds(n, row), row.xyz())
    });
    let folder = folder_with("heart.csv", text);
    let (found, said) = inspect(folder.path(), "heart.csv", &[]);
    assert_eq!(outline(&found).0, 4_364);
    assert!(said.starts_with("warning: channel `heart_rate` has no value in 43636 of 48000 rows (91 %)"), "{said}");
    let (found, said) = inspect(folder.path(), "heart.csv", &["--channels", "x,y,z"]);
    assert_eq!((outline(&found), said.as_str()), ((48_000, 12, 100.0), ""));
    let (found, _) = inspect(folder.path(), "heart.csv", &["--fill", "previous"]);
    assert!(outline(&found).0 > 47_800 && channels(&found).len() == 4);
    // A network of all four channels meets the price again.
    train(folder.path(), "heart.csv", "run", "60", &["--fill", "none"]).done();
    let answer = triax(folder.path(), ["evaluate", "run", "--part", "all"]).done();
    assert!(answer.stderr.contains("`heart_rate` has no value in 43636"), "{}", answer.stderr);
}

#[test]
fn names_are_read_as_they_were_meant_or_asked_about() {
    let cafe = |activity: &str| if activity == "sit" { "caf\u{e9}".to_owned() } else { activity.to_owned() };
    let text = table("subject,activity,timestamp,x,y,z", &base(), |n, row| {
        format!("{},{},{},{}", row.subject, cafe(&row.activity), seconds(n, row), row.xyz())
    });
    let latin_1: Vec<u8> = text.chars().map(|letter| letter as u8).collect();
    let folder = folder_with("latin-1.csv", latin_1);
    let (found, said) = inspect(folder.path(), "latin-1.csv", &[]);
    let classes: Vec<&str> =
        found["classes"].as_array().unwrap().iter().map(|class| class["class"].as_str().unwrap()).collect();
    assert_eq!(classes, ["caf\u{e9}", "run", "walk"]);
    assert!(said.contains("warning: ") && said.contains("is not UTF-8, first in line 1602"), "{said}");

    let spelt = table("subject,activity,timestamp,x,y,z", &base(), |n, row| {
        let activity = if row.activity == "walk" { ["walk", "Walk", "walk "][n % 3] } else { &row.activity };
        let subject = if row.subject == "s01" { ["1", "01", "1.0"][n / 5 % 3] } else { &row.subject };
        format!("{subject},{activity},{},{}", seconds(n, row), row.xyz())
    });
    fs::write(folder.path().join("spelt.csv"), spelt).unwrap();
    let (_, said) = inspect(folder.path(), "spelt.csv", &[]);
    assert!(said.contains("subjects that look alike") && said.contains("`1`, `01`, `1.0`"), "{said}");
    assert!(said.contains("activities that look alike") && said.contains("--rename 'Walk=walk'"), "{said}");
    let (found, said) = inspect(folder.path(), "spelt.csv", &["--merge"]);
    assert_eq!((outline(&found), said.as_str()), ((14_400, 18, 20.0), ""));
    let (found, _) = inspect(folder.path(), "spelt.csv", &["--rename", "Walk=walk,01=1,1.0=1"]);
    assert_eq!(outline(&found), (14_400, 18, 20.0));
}

#[test]
fn predictions_can_be_aligned_with_what_was_read() {
    let folder = trained_on_base();
    let path = folder.path();
    // Nineteen digits come out as they went in, from a file and from a stream.
    let stamp = |row: &Row| 1_700_000_000_123_456_789_u64 + (row.time * 1e9).round() as u64;
    let text = table("time,x,y,z", &base(), |_, row| format!("{},{}", stamp(row), row.xyz()));
    fs::write(path.join("exact.csv"), &text).unwrap();
    let answer = triax(path, ["predict", "run", "--data", "exact.csv"]).done();
    assert_eq!(answer.stdout, predict_stream(path, &path.join("exact.csv")).done().stdout);
    let first: Vec<&str> = answer.stdout.lines().nth(1).unwrap().split(',').take(4).collect();
    assert_eq!(first, ["0", "", &stamp(&base()[0]).to_string(), &stamp(&base()[WINDOW - 1]).to_string()]);
    // Several files are told apart.
    fs::create_dir(path.join("two")).unwrap();
    for name in ["a.csv", "b.csv"] {
        fs::write(path.join("two").join(name), &text).unwrap();
    }
    let answer = triax(path, ["predict", "run", "--data", "two"]).done();
    assert!(answer.stdout.starts_with("source,index,subject,start,end,predicted,"), "{}", answer.stdout);
    assert!(answer.stdout.lines().any(|line| line.starts_with("b.csv,")));
    // Rows that were left out are said, with the first of them.
    let broken = text.replacen(",9.", ",oops", 3);
    fs::write(path.join("broken.csv"), broken).unwrap();
    let answer = triax(path, ["predict", "run", "--data", "broken.csv"]).done();
    assert!(answer.stderr.contains("not a number: row dropped (3 rows, first broken.csv:"), "{}", answer.stderr);
}

#[test]
fn streams_come_in_every_form_and_say_what_is_wrong_at_once() {
    let folder = trained_on_base();
    let base = base();
    let predict = |input: String, more: &[&str]| {
        let path: PathBuf = folder.path().join("input");
        fs::write(&path, input).unwrap();
        let args = [&["predict", "run", "-"], more].concat();
        let output = command(folder.path(), args).stdin(Stdio::from(fs::File::open(&path).unwrap())).output().unwrap();
        Answer::from_output(output)
    };
    let rows = |line: &dyn Fn(&Row) -> String| base.iter().take(240).map(|row| line(row) + "\n").collect::<String>();
    let expected = predict(rows(&|row| row.xyz()), &["--columns", "x,y,z"]).done().stdout;
    assert_eq!(expected.lines().count(), 1 + 240 / WINDOW);
    let json = |row: &Row| {
        let [x, y, z] = row.values.map(|value| format!("{value:.4}"));
        format!(r#"{{"y":{y},"z":{z},"x":{x}}}"#)
    };
    assert_eq!(predict(rows(&json), &["--json-lines"]).done().stdout, expected);
    let lines_above = format!("Logger 2\n\nx,y,z\n{}", rows(&|row| row.xyz()));
    assert_eq!(predict(lines_above.clone(), &[]).done().stdout, expected);
    let message = predict(lines_above, &["--json-lines"]).refused(1);
    assert!(message.contains("no JSON lines"), "{message}");
    // A row that is lost where there is no clock begins a new recording: nobody knows how much is missing.
    let torn: String = rows(&|row| row.xyz()).lines().enumerate().fold(String::from("x,y,z\n"), |text, (n, line)| {
        text + if n == 100 { "1,2\n" } else { line } + if n == 100 { "" } else { "\n" }
    });
    let answer = predict(torn, &[]).done();
    let starts: Vec<&str> = answer.stdout.lines().skip(1).map(|line| line.split(',').nth(2).unwrap()).collect();
    assert_eq!(starts, ["0", "100", "160"]);
    // Another rate is warned of as soon as it can be known.
    let slow = format!("t_s,x,y,z\n{}", rows(&|row| format!("{:.2},{}", 4.0 * row.since, row.xyz())));
    let answer = predict(slow, &[]).done();
    assert!(
        answer.stderr.contains("warning: 5.0 samples a second come, and the network was trained on 20.0"),
        "{}",
        answer.stderr
    );
}
