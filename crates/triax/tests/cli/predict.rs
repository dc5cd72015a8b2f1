//! `predict`: from files, and from a stream while it is still coming.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Stdio;

use crate::{command, read_json, recordings, train_small, trained, triax};

/// The fields of each line of a table, header first.
fn table(text: &str) -> Vec<Vec<&str>> {
    text.lines().map(|line| line.split(',').collect()).collect()
}

/// Runs `predict -` with `input` on its standard input.
fn piped(folder: &Path, input: &str) -> crate::Answer {
    let mut child = command(folder, ["predict", "run", "-", "--device", "cpu"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // It may refuse before it has read everything.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    crate::Answer::from_output(child.wait_with_output().unwrap())
}

#[test]
fn a_dash_is_standard_output_for_a_table_and_no_name_of_anything_else() {
    let folder = trained();
    let to =
        |out: &[&str]| triax(folder.path(), [&["predict", "run", "--data", "data.csv"], out].concat()).done().stdout;
    assert_eq!(to(&["--out", "-"]), to(&[]));
    for args in [
        &["export", "run", "--to", "onnx", "--out", "-"][..],
        &["import", "model.onnx", "--out", "-"],
        &["calibrate", "run", "--data", "data.csv", "--out", "-"],
        &["ensemble", "run", "run", "--out", "-"],
        &["train", "--data", "data.csv", "--out", "-"],
        &["study", "--data", "data.csv", "--out", "-"],
        &["study", "figures", "study", "--out", "-"],
        &["tune", "merge", "part", "--out", "-"],
    ] {
        let refused = triax(folder.path(), args).refused(2);
        assert!(refused.contains("standard output is for what the command prints"), "{refused}");
    }
    assert!(!folder.path().join("-").exists());
}

#[test]
fn a_file_gets_a_row_a_window() {
    let folder = trained();
    triax(folder.path(), ["predict", "run", "--data", "data.csv", "--out", "p.csv", "--device", "cpu"]).done();
    let text = fs::read_to_string(folder.path().join("p.csv")).unwrap();
    let rows = table(&text);
    assert_eq!(rows[0], ["index", "subject", "start", "end", "predicted", "score jog", "score sit", "score walk"]);
    assert_eq!(rows.len(), 1 + 4 * 3 * 9);
    assert_eq!(rows[1][..4], ["0", "p0", "0.00", "1.55"]);
    for row in &rows[1..] {
        let scores: Vec<f32> = row[5..].iter().map(|score| score.parse().unwrap()).collect();
        let largest = (0..3).max_by(|&a, &b| scores[a].total_cmp(&scores[b])).unwrap();
        assert_eq!(row[4], recordings::ACTIVITIES[largest]);
    }
}

#[test]
fn a_folder_is_predicted_as_the_same_rows_in_csv_are() {
    let folder = trained();
    recordings::wisdm2(&folder.path().join("wisdm2"), 2, 80);
    let answer = triax(folder.path(), ["predict", "run", "--data", "wisdm2", "--device", "cpu"]).done();
    let rows = table(&answer.stdout);
    assert_eq!(rows.len(), 1 + 2 * 3 * 4);
    // The first recording in the folder is jogging, as in the file.
    fs::write(folder.path().join("same.csv"), recordings::csv(2, 80)).unwrap();
    let same = triax(folder.path(), ["predict", "run", "--data", "same.csv", "--device", "cpu"]).done();
    let near = |a: &str, b: &str| (a.parse::<f32>().unwrap() - b.parse::<f32>().unwrap()).abs() < 1e-4;
    for (folder_rows, file_rows) in rows[1..].iter().zip(&table(&same.stdout)[1..]) {
        assert!(folder_rows[6..].iter().zip(&file_rows[5..]).all(|(a, b)| near(a, b)), "{folder_rows:?} {file_rows:?}");
    }
}

#[test]
fn standard_input_gives_what_the_file_gives() {
    let folder = trained();
    let file_rows = triax(folder.path(), ["predict", "run", "--data", "data.csv", "--device", "cpu"]).done();
    let piped_rows = piped(folder.path(), &recordings::csv(4, 160)).done();
    assert_eq!(file_rows.stdout, piped_rows.stdout);
}

#[test]
fn windows_are_normalised_by_themselves_as_in_training() {
    let folder = trained();
    for normalize in ["window", "gravity"] {
        let _ = fs::remove_dir_all(folder.path().join("run"));
        train_small(folder.path(), "data.csv", "run", &["--normalize", normalize, "--quiet"]).done();
        let file_rows = triax(folder.path(), ["predict", "run", "--data", "data.csv", "--device", "cpu"]).done();
        let piped_rows = piped(folder.path(), &recordings::csv(4, 160)).done();
        assert_eq!(file_rows.stdout, piped_rows.stdout);
        // The evaluation of the validation part agrees with that of training.
        let metrics = read_json(folder.path().join("run/metrics.json"));
        let answer = triax(folder.path(), ["evaluate", "run", "--json", "--device", "cpu"]).done();
        let found = &answer.json_lines()[0]["metrics"];
        assert_eq!(found["confusion"], metrics["last"]["validation"]["confusion"], "{normalize}");
        let [loss, trained] = [&found["loss"], &metrics["last"]["validation"]["loss"]].map(|l| l.as_f64().unwrap());
        assert!((loss - trained).abs() < 1e-5 * trained, "{normalize}: {loss}, in training {trained}");
    }
}

#[test]
fn a_line_goes_out_as_soon_as_its_window_is_full() {
    let folder = trained();
    let mut child = command(folder.path(), ["predict", "run", "-", "--device", "cpu", "--step", "32"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    // Neither subjects nor activities, another order of the channels, and no times.
    stdin.write_all(b"z,x,y\n").unwrap();
    assert_eq!(lines.next().unwrap(), "index,subject,start,end,predicted,score jog,score sit,score walk");
    for window in 0..3 {
        for row in window * 32..(window + 1) * 32 {
            let [x, y, z] = recordings::sample(0, 1, row);
            stdin.write_all(format!("{z},{x},{y}\n").as_bytes()).unwrap();
        }
        // The pipe is still open. A buffered line would block this read.
        let line = lines.next().unwrap();
        assert!(line.starts_with(&format!("{window},,{},{},", window * 32, window * 32 + 31)), "{line}");
    }
    drop(stdin);
    assert!(lines.next().is_none());
    assert!(child.wait().unwrap().success());
}

#[test]
fn rows_that_cannot_be_used_are_dropped_and_named() {
    let folder = trained();
    let mut rows: Vec<String> = recordings::csv(1, 96).lines().map(String::from).collect();
    rows.insert(5, "p0,jog,0.2,nan,1,2".to_owned());
    rows.insert(9, "p0,jog,0.3".to_owned());
    let answer = piped(folder.path(), &rows.join("\n")).done();
    let sound = piped(folder.path(), &recordings::csv(1, 96)).done();
    assert_eq!(answer.stdout, sound.stdout);
    assert!(answer.stderr.contains("standard input:6: ") && answer.stderr.contains("2 rows"), "{}", answer.stderr);
}

#[test]
fn a_stream_that_holds_no_window_is_an_error() {
    let folder = trained();
    for (input, expected) in [
        ("", "nothing to read"),
        ("x,y,z\n1,2,3\n", "before a window of 32 rows was full: its longest unbroken recording has 1"),
        ("1,2,3\n1,2,3\n", "names of the columns"),
        ("a,b\n1,2\n", "2 channels (a, b)"),
    ] {
        let message = piped(folder.path(), input).refused(1);
        assert!(message.contains("standard input") && message.contains(expected), "{message}");
    }
}
