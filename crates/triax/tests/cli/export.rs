//! `triax export`: files are checked before they are kept, and hold what their run holds.

use std::fs;
use std::path::Path;

use triax_testing::browser_or_skip;

use crate::{train_small, trained, triax};

/// Exports `run` in `folder` with these further arguments, and returns what is printed.
fn exported(folder: &Path, run: &str, to: &str, out: &str, more: &[&str]) -> String {
    let answer = triax(folder, [&["export", run, "--to", to, "--out", out], more].concat()).done();
    answer.stdout + &answer.stderr
}

#[test]
fn a_weight_file_is_that_of_the_run_and_says_how_it_was_checked() {
    let folder = trained();
    let said = exported(folder.path(), "run", "safetensors", "w.safetensors", &[]);
    let [written, kept] =
        ["w.safetensors", "run/last.safetensors"].map(|name| fs::read(folder.path().join(name)).unwrap());
    assert_eq!(written, kept);
    assert!(said.contains("the run's validation part") && said.contains("same class as Triax for 100.00 %"), "{said}");
    // Without the run nobody knows its recordings.
    let said = exported(folder.path(), "w.safetensors", "html", "page.html", &["--scores", "softmax"]);
    assert!(said.contains("made-up windows") && said.contains("no probability"), "{said}");
    let said = exported(folder.path(), "w.safetensors", "html", "page.html", &["--data", "data.csv"]);
    assert!(said.contains("all of the data"), "{said}");
}

#[test]
fn a_page_records_a_table_that_triax_reads() {
    let Some(browser) = browser_or_skip("a_page_records_a_table_that_triax_reads") else { return };
    let folder = trained();
    exported(folder.path(), "run", "html", "page.html", &[]);
    let page = fs::read_to_string(folder.path().join("page.html")).unwrap();
    // Two activities of one person: 10 s at 50 Hz each, a minute apart.
    let script = "
        find('live').click();
        await new Promise((done) => setTimeout(done, 100));
        const move = (start, x) => {
            for (let n = 0; n < 500; n++) {
                const event = new DeviceMotionEvent('devicemotion', { accelerationIncludingGravity: { x: x(n / 50), y: 0.5, z: 9.8 } });
                Object.defineProperty(event, 'timeStamp', { value: 1000 * (start + n / 50) });
                dispatchEvent(event);
            }
        };
        find('subject').value = 'Zoë';
        for (const [start, activity, x] of [[1, 'sit', () => 0], [61, 'walk, fast', (t) => Math.sin(12 * t)]]) {
            find('activity').value = activity;
            find('record').click();
            move(start, x);
            find('record').click();
        }
        return recordedTable();";
    let table: String = browser.run(&page, script);
    fs::write(folder.path().join("recorded.csv"), table).unwrap();
    let found = triax(folder.path(), ["data", "inspect", "recorded.csv", "--json"]).done().json_text();
    assert_eq!(found["subjects"], serde_json::json!(["Zoë"]), "{found}");
    assert_eq!(found["classes"].as_array().unwrap().len(), 2, "{found}");
    assert!((found["rate_hz"].as_f64().unwrap() - 50.0).abs() < 0.5, "{found}");
    let predicted = triax(folder.path(), ["predict", "run", "--data", "recorded.csv"]).done();
    assert!(predicted.stdout.lines().count() > 1, "{}", predicted.stdout);
}

#[test]
fn a_network_of_a_study_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let study =
        ["study", "--epochs", "1", "--convs", "4:5:3:2", "--hidden", "none", "--folds", "group-2", "--seeds", "2"];
    let more = ["--out", "study", "--keep-weights", "true", "--device", "cpu", "--quiet"];
    triax(folder.path(), [&study[..], &more].concat()).done();
    let export =
        |more: &[&str]| triax(folder.path(), [&["export", "study", "--to", "html", "--out", "a.html"], more].concat());
    let refused = export(&[]).refused(2);
    assert!(refused.contains("--member") && refused.contains("1:0, 1:1, 2:0, 2:1"), "{refused}");
    let refused = export(&["--member", "3:0"]).refused(2);
    assert!(refused.contains("`3:0`") && !folder.path().join("a.html").exists(), "{refused}");
    let said = export(&["--member", "2:1"]).done().stdout;
    assert!(said.contains("2:1") && said.contains("the validation part of fold 2"), "{said}");
}

#[test]
fn what_is_read_is_not_overwritten_and_what_is_wrong_is_said() {
    let folder = trained();
    let run = |arguments: &[&str]| triax(folder.path(), arguments).refused(2);
    let before = fs::read(folder.path().join("run/last.safetensors")).unwrap();
    let refused = run(&["export", "run", "--to", "html", "--out", "run/last.safetensors"]);
    assert!(refused.contains("cannot be written"), "{refused}");
    assert_eq!(fs::read(folder.path().join("run/last.safetensors")).unwrap(), before);
    assert!(run(&["export", "run", "--to", "html", "--out", "a.html", "--member", "1:0"]).contains("--member"));
    assert!(run(&["export", "run", "--to", "nothing", "--out", "a.html"]).contains("possible values"));
    let refused = run(&["export", "run", "--to", "safetensors", "--out", "a.safetensors", "--scores", "softmax"]);
    assert!(refused.contains("--scores"), "{refused}");
}

#[test]
fn recordings_that_have_gone_are_no_obstacle_and_are_said() {
    let folder = tempfile::tempdir().unwrap();
    let row =
        |n: usize| format!("{},{},{},{},{}\n", n / 400, if n % 400 < 200 { "a" } else { "b" }, n % 7, n % 11, n % 3);
    let rows: String = (0..1600).map(row).collect();
    fs::write(folder.path().join("data.csv"), format!("subject,activity,x,y,z\n{rows}")).unwrap();
    train_small(folder.path(), "data.csv", "run", &["--window", "20", "--epochs", "1", "--quiet"]).done();
    fs::remove_file(folder.path().join("data.csv")).unwrap();
    let said = exported(folder.path(), "run", "html", "page.html", &[]);
    assert!(said.contains("warning") && said.contains("data.csv") && said.contains("made-up windows"), "{said}");
    let refused =
        triax(folder.path(), ["export", "run", "--to", "html", "--out", "b.html", "--data", "data.csv"]).refused(1);
    assert!(refused.contains("data.csv") && !folder.path().join("b.html").exists(), "{refused}");
}

#[test]
fn a_header_for_a_microcontroller_comes_with_its_cost_its_loss_and_golden_windows() {
    let folder = trained();
    let golden = ["--prefix", "gait", "--golden", "golden"];
    let said = exported(folder.path(), "run", "c-int8", "gait.h", &golden);
    for words in ["bytes of tables in flash", "multiply-adds", "macro-F1", "before", "the run's validation part"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let read = |name: &str| fs::read(folder.path().join(name)).unwrap();
    let header = String::from_utf8(read("gait.h")).unwrap();
    assert!(header.contains("gait_window(") && !header.contains("PREFIX"), "{header}");
    assert!(String::from_utf8(read("golden/golden.h")).unwrap().contains("gait_goldenscores"));
    // 16 windows of 32 samples in three channels, and the scores of three classes.
    assert_eq!(
        (read("golden/inputs.npy").len(), read("golden/outputs.npy").len()),
        (128 + 16 * 32 * 3 * 4, 128 + 16 * 3 * 4)
    );
    let said = exported(folder.path(), "run", "c", "float.h", &[]);
    assert!(said.contains("same class as Triax for 100.00 %") && !said.contains("before"), "{said}");

    let refused = triax(folder.path(), ["export", "run", "--to", "c", "--out", "a.h", "--prefix", "2x"]).refused(1);
    assert!(refused.contains("2x") && !folder.path().join("a.h").exists(), "{refused}");
    // Integers are calibrated, so a weight file alone is not enough.
    fs::copy(folder.path().join("run/last.safetensors"), folder.path().join("w.safetensors")).unwrap();
    let alone = ["export", "w.safetensors", "--to", "c-int8", "--out", "b.h"];
    assert!(triax(folder.path(), alone).refused(2).contains("--data"));
    let said = exported(folder.path(), "w.safetensors", "c-int8", "b.h", &["--data", "data.csv"]);
    assert!(said.contains("calibrated with the recordings that they are judged by"), "{said}");
}

#[test]
fn every_format_that_is_read_makes_the_round_trip() {
    let folder = trained();
    let evaluate = |run: &str| {
        let answer = triax(folder.path(), ["evaluate", run, "--data", "data.csv", "--json", "--device", "cpu"]).done();
        answer.json_text()["metrics"].clone()
    };
    exported(folder.path(), "run", "safetensors", "plain.safetensors", &[]);
    for (format, file) in [("onnx", "net.onnx"), ("keras", "net.keras")] {
        exported(folder.path(), "run", format, file, &[]);
        // Names, rate and loss are in the file.
        let said = triax(folder.path(), ["import", file, "--out", "back.safetensors"]).done();
        assert!(!said.stderr.contains("warning"), "{}", said.stderr);
        assert_eq!(evaluate("back.safetensors"), evaluate("plain.safetensors"), "{format}");
        let started = ["--epochs", "1", "--init-weights", file, "--quiet"];
        train_small(folder.path(), "data.csv", &format!("from-{format}"), &started).done();
        let refused = triax(folder.path(), ["evaluate", file, "--data", "data.csv"]).refused(1);
        assert!(refused.contains("triax import net."), "{refused}");
    }
    let [from_onnx, from_keras] = ["onnx", "keras"]
        .map(|format| fs::read(folder.path().join(format!("from-{format}/last.safetensors"))).unwrap());
    assert_eq!(from_onnx, from_keras, "the same weights go on to the same end");
}

#[test]
fn a_negative_mean_is_a_value_and_a_device_is_no_file() {
    let folder = trained();
    exported(folder.path(), "run", "onnx", "net.onnx", &[]);
    let given = ["import", "net.onnx", "--out", "a.safetensors", "--mean", "-1,2,3", "--deviation", "1,1,1"];
    let refused = triax(folder.path(), given).refused(2);
    assert!(refused.contains("leave --mean and --deviation out"), "{refused}");
    let refused = triax(folder.path(), ["import", ".", "--out", "a.safetensors"]).refused(1);
    assert!(refused.contains("not a regular file"), "{refused}");
    fs::write(folder.path().join("file"), "").unwrap();
    let refused = triax(folder.path(), ["export", "run", "--to", "c", "--out", "a.h", "--golden", "file"]).refused(2);
    assert!(refused.contains("--golden") && !folder.path().join("a.h").exists(), "{refused}");
    let refused =
        triax(folder.path(), ["export", "run", "--to", "html", "--out", "a.html", "--prefix", "x"]).refused(2);
    assert!(refused.contains("--prefix"), "{refused}");
}
