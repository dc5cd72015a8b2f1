//! Every kind of bad input is an error that names the file and says what to do, never a panic, and nothing is left.

use std::fs;
use std::path::Path;

use crate::{data, recordings, train_small, trained, triax};

/// The message for data that cannot be trained on; no run folder is left.
#[track_caller]
fn refused(name: &str, content: impl AsRef<[u8]>, more: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(name), content).unwrap();
    let message = train_small(folder.path(), name, "run", more).refused(1);
    assert!(!folder.path().join("run").exists(), "a run folder was left");
    message
}

#[track_caller]
fn says(message: &str, words: &[&str]) {
    for word in words {
        assert!(message.contains(word), "`{word}` is not in: {message}");
    }
}

#[test]
fn an_empty_file() {
    says(&refused("data.csv", "", &[]), &["data.csv", "nothing to read"]);
    says(&refused("data.txt", "", &[]), &["data.txt", "empty"]);
}

#[test]
fn a_binary_file() {
    let bytes: Vec<u8> = (0..=255).cycle().take(5000).collect();
    says(&refused("data.csv", &bytes, &[]), &["data.csv", "binary"]);
    says(&refused("data.bin", &bytes, &[]), &["data.bin", "binary"]);
}

#[test]
fn ragged_rows_and_nan_are_dropped_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let mut rows: Vec<String> = recordings::csv(4, 160).lines().map(String::from).collect();
    rows.insert(3, "p0,jog,0.1,1".to_owned());
    rows.insert(7, "p0,jog,0.25,nan,1,2".to_owned());
    rows.insert(9, "p0,jog,0.3,1,2,3,4".to_owned());
    fs::write(folder.path().join("data.csv"), rows.join("\n")).unwrap();
    let answer = train_small(folder.path(), "data.csv", "run", &[]).done();
    says(&answer.stderr, &["note: missing field: row dropped (1 row, first data.csv:4)."]);
    let answer = triax(folder.path(), ["data", "inspect", "data.csv"]).done();
    says(
        &answer.stdout,
        &["missing field", "data.csv:4", "NaN", "data.csv:8", "too many fields", "data.csv:10", "3 rows dropped"],
    );
}

#[test]
fn nothing_but_nan() {
    let text = "subject,activity,timestamp,x,y,z\n".to_owned() + &"a,jog,0,nan,nan,nan\n".repeat(50);
    says(&refused("data.csv", text, &[]), &["data.csv"]);
}

#[test]
fn one_class_only() {
    let text = recordings::csv(4, 160);
    let only: Vec<&str> = text.lines().filter(|line| line.contains("jog") || line.contains("activity")).collect();
    says(&refused("data.csv", only.join("\n"), &[]), &["one class only", "jog"]);
}

#[test]
fn too_few_rows_for_a_window() {
    says(&refused("data.csv", recordings::csv(4, 20), &[]), &["window of 32", "longest has 20", "--window"]);
}

#[test]
fn an_unknown_activity_or_subject() {
    says(&refused("data.csv", recordings::csv(4, 80), &["--activities", "jog,fly"]), &["fly", "jog, sit, walk"]);
    says(&refused("data.csv", recordings::csv(4, 80), &["--valid-subjects", "p9"]), &["p9", "p0"]);
}

#[test]
fn numpy_arrays_of_another_name_or_shape() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/tests/fixtures");
    let bytes = |name: &str| fs::read(fixtures.join(name)).unwrap();
    says(&refused("data.npz", bytes("wrong_key.npz"), &[]), &["data.npz", "X_train"]);
    says(&refused("data.npz", bytes("pickled.npz"), &[]), &["data.npz"]);
    says(&refused("data.npz", bytes("soft.npz"), &[]), &["data.npz"]);
    // Labels where windows should be: an array of another shape.
    let folder = tempfile::tempdir().unwrap();
    let arrays = folder.path().join("arrays");
    fs::create_dir(&arrays).unwrap();
    fs::copy(fixtures.join("arrays/y_train.npy"), arrays.join("x_train.npy")).unwrap();
    fs::copy(fixtures.join("arrays/y_train.npy"), arrays.join("y_train.npy")).unwrap();
    let message = train_small(folder.path(), "arrays", "run", &[]).refused(1);
    says(&message, &["arrays/x_train", "shape is [5, 1]"]);
}

#[test]
fn a_window_too_short_for_the_network() {
    let message = refused("data.csv", recordings::csv(4, 80), &["--convs", "4:3:2:2,4:30:1"]);
    says(&message, &["conv2"]);
}

#[test]
fn weights_that_are_cut_off_or_are_none() {
    let folder = trained();
    let weights = folder.path().join("run/best.safetensors");
    let bytes = fs::read(&weights).unwrap();
    for content in [&bytes[..bytes.len() / 2], &bytes[..4], &[], &[0xFF; 64][..]] {
        fs::write(folder.path().join("cut.safetensors"), content).unwrap();
        let message = triax(folder.path(), ["evaluate", "cut.safetensors", "--data", "data.csv"]).refused(1);
        says(&message, &["cut.safetensors"]);
        let more = ["--init-weights", "cut.safetensors"];
        says(&train_small(folder.path(), "data.csv", "no", &more).refused(1), &["cut.safetensors"]);
    }
    let message = triax(folder.path(), ["predict", "none.safetensors", "--data", "data.csv"]).refused(1);
    says(&message, &["none.safetensors"]);
}

#[test]
fn a_learning_rate_that_breaks_the_training() {
    let folder = data();
    let more = ["--optimizer", "sgd", "--learning-rate", "1e30", "--epochs", "3"];
    let message = train_small(folder.path(), "data.csv", "run", &more).refused(1);
    says(&message, &["epoch", "not finite", "learning rate"]);
}

#[test]
fn a_path_that_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    says(&triax(folder.path(), ["train", "--data", "nowhere"]).refused(1), &["nowhere", "no such file or folder"]);
    says(&triax(folder.path(), ["evaluate", "nowhere"]).refused(1), &["nowhere"]);
}

#[test]
fn a_server_that_does_not_answer() {
    let folder = tempfile::tempdir().unwrap();
    // A port that was free a moment ago: nobody listens there.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let server = format!("http://127.0.0.1:{port}");
    let message = triax(folder.path(), ["data", "fetch", "uci-har", "--base-url", &server]).refused(1);
    says(&message, &[&server, "try again"]);
    assert!(!folder.path().join("datasets/uci-har").exists());
}

#[test]
fn a_place_that_cannot_be_written() {
    let folder = trained();
    // A folder cannot be made below a file, whoever asks; permissions would not stop root.
    let message = train_small(folder.path(), "data.csv", "data.csv/run", &[]).refused(1);
    says(&message, &["data.csv/run"]);
    let args = ["predict", "run", "--data", "data.csv", "--out", "none/p.csv", "--device", "cpu"];
    says(&triax(folder.path(), args).refused(1), &["none/p.csv"]);
}

#[test]
#[cfg(target_os = "linux")]
fn a_folder_that_is_read_only() {
    let folder = data();
    says(&train_small(folder.path(), "data.csv", "/proc/run", &[]).refused(1), &["/proc/run"]);
}

#[test]
#[cfg(unix)]
fn a_reader_that_has_seen_enough_is_no_error() {
    let folder = trained();
    let mut child = crate::command(folder.path(), ["predict", "run", "--data", "data.csv", "--device", "cpu"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let answer = crate::Answer::from_output(child.wait_with_output().unwrap());
    assert_eq!((answer.code, answer.stderr.as_str()), (Some(0), ""));
}
