//! Plain CSV, files and streams, and MotionSense, which is CSV too.

use super::{fixture, folder_with, near, outline, read_fixture, read_text, repairs, tree, zip_bytes};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use triax_data::{Format, ReadOptions, Repair, Row, Rows, read};

#[test]
fn a_plain_file_is_repaired_and_counted() {
    let corpus = read_fixture("plain.csv");
    assert_eq!(outline(&corpus), [("anna", "walk", 3), ("anna", "sit, still", 2), ("ben", "walk", 4)]);
    assert_eq!(
        repairs(&corpus),
        [
            (Repair::StrayComma, 1, "plain.csv:11"),
            (Repair::MissingField, 2, "plain.csv:10"),
            (Repair::NonFinite, 1, "plain.csv:12"),
        ]
    );
    assert_eq!((corpus.name.as_str(), corpus.channels.join(" ").as_str()), ("plain", "x y z"));
    assert_eq!(corpus.recordings[1].source, "plain.csv:5");
    assert_eq!(corpus.recordings[0].values[..3], [0.10, 9.81, -0.20]);
    assert!((corpus.rate_hz.unwrap() - 50.0).abs() < 1e-6);
}

#[test]
fn columns_may_stand_in_any_order_and_an_index_is_ignored() {
    let text = "\u{feff},force,Activity,TIMESTAMP,angle,subject\r\n0,1,a,10,2,s\r\n1,3,a,30,4,s\r\n";
    let corpus = read_text("a.csv", text).unwrap();
    assert_eq!(corpus.channels, ["force", "angle"]);
    assert_eq!(corpus.recordings[0].values, [1.0, 2.0, 3.0, 4.0]);
    near(&corpus.recordings[0].times, &[0.010, 0.030]);
}

#[test]
fn the_unit_of_time_is_in_the_name_of_the_column() {
    for (name, per_second) in [("timestamp_s", 1.0), ("time_ms", 1e3), ("timestamp_us", 1e6), ("time_ns", 1e9)] {
        let text = format!("subject,activity,{name},x\ns,a,{},1\ns,a,{},2\n", 2.0 * per_second, 5.0 * per_second);
        near(&read_text("a.csv", text).unwrap().recordings[0].times, &[2.0, 5.0]);
    }
}

#[test]
fn a_file_without_times_is_cut_at_subjects_and_activities_only() {
    let corpus = read_text("a.csv", "subject,activity,x\ns,a,1\ns,a,2\ns,b,3\nt,b,4\n").unwrap();
    assert_eq!(outline(&corpus), [("s", "a", 2), ("s", "b", 1), ("t", "b", 1)]);
    assert!(corpus.rate_hz.is_none() && corpus.recordings[0].times.is_empty());
}

#[test]
fn classes_that_are_numbers_are_sorted_as_numbers() {
    let corpus = read_text("a.csv", "subject,activity,x\ns,10,1\ns,9,2\ns,-1,3\n").unwrap();
    assert_eq!(corpus.classes, ["-1", "9", "10"]);
}

#[test]
fn a_folder_of_csv_files_is_one_corpus() {
    let dir = folder_with(&[("1.csv", b"subject,activity,x\ns,a,1\n"), ("2.csv", b"subject,activity,x\ns,a,2\n")]);
    assert_eq!(outline(&read(dir.path(), &ReadOptions::default()).unwrap()), [("s", "a", 1), ("s", "a", 1)]);
    fs::write(dir.path().join("3.csv"), "subject,activity,y\ns,a,2\n").unwrap();
    assert!(
        read(dir.path(), &ReadOptions::default())
            .unwrap_err()
            .to_string()
            .contains("3.csv: its channels (y) are not those of 1.csv (x)")
    );
}

#[test]
fn headers_that_cannot_be_used_say_what_to_do() {
    let cases = [
        ("activity,timestamp,x\na,1,2\n", "a.csv:1: the header has no column `subject`"),
        ("subject,timestamp,x\ns,1,2\n", "no column `activity`"),
        ("1,2,3\n4,5,6\n", "holds numbers"),
        ("subject,activity,x,x\ns,a,1,2\n", "names `x` twice"),
        ("subject,subject,activity,x\ns,s,a,1\n", "names `subject` twice"),
        ("subject,activity,timestamp\ns,a,1\n", "names no channel"),
        ("subject,activity,x\n", "no rows"),
        (
            "subject,activity,x\ns,a,\ns,a,b\n",
            "no column is left that could be a channel. There are: subject (its name), activity (its name), x (holding text)",
        ),
    ];
    for (text, expected) in cases {
        let error = read_text("a.csv", text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text:?} gives {error}");
    }
}

#[test]
fn a_stream_gives_rows_with_whatever_columns_it_has() {
    let text = "timestamp,x,y\n100,1,2\n\n120,3,oops\n140,5,6,\n160,7";
    let mut rows = Rows::new(text.as_bytes(), "standard input", &ReadOptions::default()).unwrap();
    assert_eq!(rows.channels(), ["x", "y"]);
    let row = |line, time, values: [f32; 2]| Row {
        line,
        subject: None,
        activity: None,
        time: Some(time),
        stamp: Some(time.to_string()),
        values: values.to_vec(),
    };
    assert_eq!(rows.next().unwrap().unwrap(), row(2, 100.0, [1.0, 2.0]));
    let error = rows.next().unwrap().unwrap_err().to_string();
    assert!(error.starts_with("standard input:4: a field that is not a number: `oops` in column 3"), "{error}");
    assert_eq!(rows.next().unwrap().unwrap(), row(5, 140.0, [5.0, 6.0]));
    assert!(
        rows.next().unwrap().unwrap_err().to_string().contains("standard input:6: a missing field: 2 instead of 3")
    );
    assert!(rows.next().is_none());
}

/// Gives one line at a time and fails the test when more is asked for than the lines read so far need.
struct LiveSensor {
    lines: Vec<&'static [u8]>,
    allowed: std::rc::Rc<std::cell::Cell<usize>>,
    given: usize,
}

impl Read for LiveSensor {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        assert!(self.given < self.allowed.get(), "read ahead of the sensor");
        let Some(line) = self.lines.get(self.given) else { return Ok(0) };
        self.given += 1;
        buffer[..line.len()].copy_from_slice(line);
        Ok(line.len())
    }
}

#[test]
fn a_row_of_a_live_stream_is_given_as_soon_as_its_line_is_complete() {
    let allowed = std::rc::Rc::new(std::cell::Cell::new(1));
    let lines: Vec<&[u8]> = vec![b"subject,x\n", b"s,1\n", b"\"s\",2\n"];
    let sensor = BufReader::new(LiveSensor { lines, allowed: allowed.clone(), given: 0 });
    let mut rows = Rows::new(sensor, "sensor", &ReadOptions::default()).unwrap();
    for expected in [1.0, 2.0] {
        allowed.set(allowed.get() + 1);
        let row = rows.next().unwrap().unwrap();
        assert_eq!((row.subject.as_deref(), row.values), (Some("s"), vec![expected]));
    }
    allowed.set(usize::MAX);
    assert!(rows.next().is_none());
}

#[test]
fn a_line_without_end_is_refused_before_it_fills_the_memory() {
    let endless = "x\n".as_bytes().chain(std::io::repeat(b'1'));
    let mut rows = Rows::new(BufReader::new(endless), "endless", &ReadOptions::default()).unwrap();
    assert!(rows.next().unwrap().unwrap_err().to_string().contains("64 MiB"));
    assert!(rows.next().is_none());
}

#[test]
fn a_stream_that_fails_ends_after_its_error() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("unplugged"))
        }
    }
    let reader: Box<dyn BufRead> = Box::new("x\n1\n".as_bytes().chain(BufReader::new(Broken)));
    let mut rows = Rows::new(reader, "sensor", &ReadOptions::default()).unwrap();
    assert_eq!(rows.next().unwrap().unwrap().values, [1.0]);
    assert!(rows.next().unwrap().unwrap_err().to_string().contains("unplugged"));
    assert!(rows.next().is_none());
}

#[test]
fn motionsense_gives_total_acceleration() {
    let corpus = read_fixture("motionsense");
    assert_eq!(corpus.channels, ["acceleration.x", "acceleration.y", "acceleration.z"]);
    assert_eq!(corpus.class_names, ["sit sitting", "wlk walking"]);
    assert_eq!(outline(&corpus), [("1", "sit", 1), ("1", "wlk", 3), ("2", "wlk", 2)]);
    assert_eq!(corpus.recordings[1].values[..3], [0.75, 0.625, -0.8 + 0.25]);
    assert_eq!(corpus.rate_hz, Some(50.0));
    assert!(corpus.repairs.is_empty());
}

#[test]
fn motionsense_is_read_from_its_archive_and_not_from_the_parts_beside_it() {
    let folder = read_fixture("motionsense");
    let mut members = tree(&fixture("motionsense"));
    members.push(("B_Accelerometer_data/wlk_7/sub_1.csv".to_owned(), b",x,y,z\n0,1,2,3\n".to_vec()));
    let corpus = read_text("data.zip", zip_bytes(&members)).unwrap();
    assert_eq!(corpus.fingerprint, folder.fingerprint);

    let only_b = zip_bytes(&members[members.len() - 1..]);
    let error = read_text("data.zip", only_b).unwrap_err().to_string();
    assert!(error.contains("no column `gravity.x`") && error.contains("A_DeviceMotion_data"), "{error}");
}

#[test]
fn a_named_format_takes_a_file_that_detection_would_not() {
    let dir = folder_with(&[("rows.dat", b"who,Activity ,subject,x\n1,a,s,2\n")]);
    let path = dir.path().join("rows.dat");
    assert_eq!(outline(&read(&path, &ReadOptions::of_format(Format::Csv)).unwrap()), [("s", "a", 1)]);
    assert!(
        read(&path, &ReadOptions::of_format(Format::Wisdm1)).unwrap_err().to_string().contains("Expected rows like")
    );
}
