//! `triax data audit`: each kind of leak is found, and sound data has none.

use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;
use triax_data::{cut, fit_scaler};
use triax_model::WeightFile;

use crate::{Answer, SMALL, data, read_json, recordings, train_small, trained, triax};

/// `data audit` with windows of 32 samples, a new one every 16.
fn audit(folder: &Path, data: &str, more: &[&str]) -> Answer {
    let step: &[&str] = if more.contains(&"--step") { &[] } else { &["--step", "16"] };
    triax(folder, [&["data", "audit", data, "--window", "32"], step, more].concat())
}

fn json(answer: &Answer) -> Value {
    serde_json::from_str(&answer.stdout).unwrap_or_else(|e| panic!("{e}: {}\n{}", answer.stdout, answer.stderr))
}

/// The checks that leak. The exit code must agree.
#[track_caller]
fn leaking_checks(answer: &Answer) -> Vec<String> {
    let found = json(answer);
    let findings = found["findings"].as_array().unwrap().iter();
    let leaks: Vec<String> = findings
        .filter(|finding| finding["verdict"] == "leak")
        .map(|finding| finding["check"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(found["leaks"], !leaks.is_empty());
    assert_eq!(answer.code, Some(i32::from(!leaks.is_empty())), "{}", answer.stderr);
    leaks
}

#[track_caller]
fn leaks(folder: &Path, data: &str, more: &[&str]) -> Vec<String> {
    leaking_checks(&audit(folder, data, &[&["--json", "--strict", "--no-gap"], more].concat()))
}

#[track_caller]
fn words(answer: &Answer, check: &str) -> String {
    let found = json(answer);
    let finding = found["findings"].as_array().unwrap().iter().find(|finding| finding["check"] == check);
    finding.unwrap_or_else(|| panic!("no {check} in {found}"))["words"].as_str().unwrap().to_owned()
}

/// A window of 32 samples by the name of its subject, its activity and its first row.
pub type Window = (usize, usize, usize);

fn values((subject, activity, start): Window) -> Vec<f32> {
    (start..start + 32).flat_map(|row| recordings::sample(subject, activity, row)).collect()
}

/// Windows of `subjects`, one every `step` rows of 160.
pub fn windows(subjects: &[usize], step: usize) -> Vec<Window> {
    let starts = |subject, activity| (0..=128).step_by(step).map(move |start| (subject, activity, start));
    subjects.iter().flat_map(|&subject| (0..3).flat_map(move |activity| starts(subject, activity))).collect()
}

/// Writes `{X,y,subjects}_{part}.npy` into `folder/arrays`.
fn save(folder: &Path, part: &str, windows: &[Window], values: &[Vec<f32>]) {
    let save = |name: &str, descr: &str, shape: String, data: Vec<u8>| {
        let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
        let header = format!("{header:117}\n");
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
        bytes.extend(header.bytes());
        bytes.extend(data);
        fs::write(folder.join("arrays").join(format!("{name}_{part}.npy")), bytes).unwrap();
    };
    fs::create_dir_all(folder.join("arrays")).unwrap();
    let n = windows.len();
    let numbers = |field: fn(&Window) -> usize| windows.iter().flat_map(|w| (field(w) as i64).to_le_bytes()).collect();
    save("X", "<f4", format!("({n}, 32, 3)"), values.iter().flatten().flat_map(|v| v.to_le_bytes()).collect());
    save("y", "<i8", format!("({n},)"), numbers(|window| window.1));
    save("subjects", "<i8", format!("({n},)"), numbers(|window| window.0));
}

/// A folder with `arrays`: windows for training and for validation, as `X_train` and `X_test`.
pub fn arrays(train: &[Window], test: &[Window]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (part, windows) in [("train", train), ("test", test)] {
        save(folder.path(), part, windows, &windows.iter().map(|&window| values(window)).collect::<Vec<_>>());
    }
    folder
}

#[test]
fn unseen_subjects_are_sound() {
    let folder = data();
    let answer = audit(folder.path(), "data.csv", &["--strict"]).done();
    for check in ["samples", "subjects", "recordings", "duplicates", "preprocessing", "scaler", "classes"] {
        assert!(answer.stdout.contains(&format!("sound  {check}")), "{check} in\n{}", answer.stdout);
    }
    for expected in
        ["4 subjects, 108 windows", "by subject: 1 held out", "unseen subjects (group-4)", "Nothing was found"]
    {
        assert!(answer.stdout.contains(expected), "`{expected}` is not in\n{}", answer.stdout);
    }
    assert!(answer.stdout.lines().all(|line| line.chars().count() <= 80), "{}", answer.stdout);
    assert_eq!(leaks(folder.path(), "data.csv", &["--folds", "loso"]), [""; 0]);
    assert_eq!(leaks(folder.path(), "data.csv", &["--normalize", "none"]), [""; 0]);
}

#[test]
fn random_windows_leak() {
    let folder = data();
    let split = ["--split", "random"];
    let expected = ["samples", "subjects", "recordings"];
    assert_eq!(leaks(folder.path(), "data.csv", &split), expected);
    assert_eq!(leaks(folder.path(), "data.csv", &["--folds", "random-3"]), expected);
    // Windows that only touch share no samples, and the people all the same.
    let apart = [&split[..], &["--step", "32"]].concat();
    assert_eq!(leaks(folder.path(), "data.csv", &apart), ["subjects", "recordings"]);
    // Without --strict a leak is reported, but is no failure.
    let answer = audit(folder.path(), "data.csv", &split).done();
    assert!(answer.stdout.contains("LEAK   samples") && answer.stdout.contains("too good"), "{}", answer.stdout);
    assert!(answer.stdout.lines().all(|line| line.chars().count() <= 80), "{}", answer.stdout);
}

#[test]
fn a_subject_in_both_parts_of_a_split_that_came_with_the_data() {
    let (train, test) = (windows(&[0, 1], 32), windows(&[2], 32));
    assert_eq!(leaks(arrays(&train, &test).path(), "arrays", &[]), [""; 0]);
    // The second half of subject 1 validates.
    let (late, early): (Vec<_>, Vec<_>) = train.iter().partition(|(subject, _, start)| *subject == 1 && *start >= 64);
    let folder = arrays(&early, &[late, test].concat());
    assert_eq!(leaks(folder.path(), "arrays", &[]), ["subjects"]);
    let answer = audit(folder.path(), "arrays", &["--json", "--no-gap"]);
    assert_eq!(words(&answer, "subjects"), "1 subject is in training and in validation: 1.");
}

#[test]
fn windows_that_came_overlapping() {
    let (even, odd): (Vec<_>, Vec<_>) = windows(&[0, 1], 16).into_iter().partition(|window| window.2 % 32 == 0);
    assert_eq!(leaks(arrays(&even, &odd).path(), "arrays", &[]), ["samples", "subjects"]);
}

/// Rows of noise of one recording, three channels, with a fourth where `extra` says so.
fn noise(subject: usize, activity: usize, n_rows: usize) -> Vec<[f32; 3]> {
    let mut state = (subject * 8 + activity + 1) as u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / 16_777_216.0 * (1.0 + activity as f32)
    };
    (0..n_rows).map(|_| [next(), next(), next()]).collect()
}

/// Windows of 32 rows of noise, one every `step`, of which every fifth validates; each with its values.
fn shuffled_windows(step: usize) -> [Vec<(Window, Vec<f32>)>; 2] {
    let mut parts = [Vec::new(), Vec::new()];
    for (subject, activity) in (0..3).flat_map(|subject| (0..3).map(move |activity| (subject, activity))) {
        let rows = noise(subject, activity, 500);
        for (idx, start) in (0..rows.len() - 32).step_by(step).enumerate() {
            let values = rows[start..start + 32].concat();
            parts[usize::from(idx % 5 == 4)].push(((subject, activity, start), values));
        }
    }
    parts
}

/// A folder with `arrays` of two parts, without the subjects.
fn arrays_of_unknown(parts: &[Vec<(Window, Vec<f32>)>; 2]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (part, windows) in ["train", "test"].into_iter().zip(parts) {
        let (windows, values): (Vec<Window>, Vec<Vec<f32>>) = windows.iter().cloned().unzip();
        save(folder.path(), part, &windows, &values);
        fs::remove_file(folder.path().join(format!("arrays/subjects_{part}.npy"))).unwrap();
    }
    folder
}

#[test]
fn windows_that_came_with_less_than_half_in_common() {
    let parts = shuffled_windows(24);
    let n_valid = parts[1].len();
    let folder = arrays_of_unknown(&parts);
    assert_eq!(leaks(folder.path(), "arrays", &[]), ["samples"]);
    let answer = audit(folder.path(), "arrays", &["--json", "--no-gap"]);
    let found = words(&answer, "samples");
    assert!(found.contains(&format!("{n_valid} of {n_valid} validation windows share samples")), "{found}");

    // A training says so before its first epoch, and counts neither subjects nor steps that nobody knows.
    let answer = train_small(folder.path(), "arrays", "run", &["--quiet"]).done();
    assert!(answer.stderr.contains(&format!("{n_valid} of {n_valid} validation windows share")), "{}", answer.stderr);
    assert!(answer.stderr.contains("figures will be too good"), "{}", answer.stderr);
    let answer = train_small(folder.path(), "arrays", "random", &["--split", "random"]).done();
    let html = fs::read_to_string(folder.path().join("random/report.html")).unwrap();
    for text in [&answer.stdout, &answer.stderr, &html] {
        for wrong in ["1 subject", "a new one every"] {
            assert!(!text.contains(wrong), "`{wrong}` is in {text}");
        }
    }
    assert!(answer.stdout.contains("32 samples, cut by the source"), "{}", answer.stdout);
    assert!(answer.stdout.contains("random windows\n"), "a count of what nobody knows: {}", answer.stdout);

    // Side by side they share nothing that could be found, which is no proof.
    let folder = arrays_of_unknown(&shuffled_windows(32));
    let answer = audit(folder.path(), "arrays", &["--no-gap", "--strict"]);
    assert_eq!(answer.code, Some(0), "{}", answer.stdout);
    assert!(answer.stdout.contains("not excluded  samples"), "{}", answer.stdout);
}

#[test]
fn a_training_warns_of_subjects_on_both_sides_of_a_split_that_came_with_the_data() {
    let folder = tempfile::tempdir().unwrap();
    for (part, windows) in ["train", "test"].into_iter().zip(shuffled_windows(32)) {
        let (windows, values): (Vec<Window>, Vec<Vec<f32>>) = windows.into_iter().unzip();
        save(folder.path(), part, &windows, &values);
    }
    let answer = train_small(folder.path(), "arrays", "run", &["--json"]).done();
    let expected = "warning: 3 subjects are in training and in validation: 0, 1, 2.";
    assert!(answer.stderr.contains(expected), "{}", answer.stderr);
    let args = ["study", "--data", "arrays", "--folds", "predefined", "--seeds", "1", "--out", "study", "--quiet"];
    let answer = triax(folder.path(), args.iter().chain(&SMALL)).done();
    assert!(answer.stderr.contains(expected), "{}", answer.stderr);
    let html = fs::read_to_string(folder.path().join("study/report.html")).unwrap();
    assert!(html.contains("cut by the source") && !html.contains("a new one every"), "a step that nobody knows");
}

#[test]
fn a_label_among_the_channels() {
    // The third channel is the number of the activity, in a split that holds subject 2 out.
    let folder = tempfile::tempdir().unwrap();
    let windows = shuffled_windows(32).concat().into_iter().map(|(window, mut values)| {
        values.chunks_exact_mut(3).for_each(|row| row[2] = window.1 as f32);
        (window, values)
    });
    let (valid, train): (Vec<_>, Vec<_>) = windows.partition(|((subject, ..), _)| *subject == 2);
    for (part, windows) in [("train", train), ("test", valid)] {
        let (windows, values): (Vec<Window>, Vec<Vec<f32>>) = windows.into_iter().unzip();
        save(folder.path(), part, &windows, &values);
    }
    let answer = audit(folder.path(), "arrays", &["--json", "--strict", "--no-gap"]);
    assert_eq!(leaking_checks(&answer), ["channels"]);
    let expected = "`2` by itself tells the class";
    assert!(words(&answer, "channels").contains(expected), "{}", answer.stdout);
    let answer = train_small(folder.path(), "arrays", "run", &["--quiet"]).done();
    assert!(answer.stderr.contains(&format!("warning: {expected}")), "{}", answer.stderr);
    let html = fs::read_to_string(folder.path().join("run/report.html")).unwrap();
    let above = &html[html.find("class=\"warning\"").expect("a warning")..html.find("<h1").unwrap()];
    assert!(above.contains(expected), "{above}");
}

#[test]
fn a_copied_recording() {
    let folder = data();
    let text = recordings::csv(4, 160);
    let of_p0: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("p0,jog")).collect();
    let others = text.lines().filter(|line| !line.starts_with("p1,jog")).map(str::to_owned);
    let copied: Vec<String> = others.chain(of_p0.iter().map(|line| format!("p1,jog{line}"))).collect();
    fs::write(folder.path().join("data.csv"), copied.join("\n")).unwrap();
    assert_eq!(leaks(folder.path(), "data.csv", &["--valid-subjects", "p1"]), ["duplicates"]);
    // On one side of the split it is worth knowing, and no leak.
    let answer = audit(folder.path(), "data.csv", &["--valid-subjects", "p2", "--json", "--no-gap", "--strict"]);
    assert_eq!(leaking_checks(&answer), [""; 0]);
    assert!(words(&answer, "duplicates").contains("never across a split"));
}

#[test]
fn data_that_was_standardised_with_what_validates() {
    let (train, test) = (windows(&[0, 1], 32), windows(&[2], 32));
    let standardised_by = |windows: &[Window]| {
        let rows: Vec<f32> = windows.iter().flat_map(|&window| values(window)).collect();
        let n = (rows.len() / 3) as f64;
        let channel = |c: usize| rows.iter().skip(c).step_by(3).map(|&value| f64::from(value));
        let scale: Vec<(f64, f64)> = (0..3)
            .map(|c| {
                let mean = channel(c).sum::<f64>() / n;
                (mean, (channel(c).map(|value| (value - mean).powi(2)).sum::<f64>() / n).sqrt())
            })
            .collect();
        let standardised = |&window: &Window| -> Vec<f32> {
            let values = values(window).into_iter().enumerate();
            values.map(|(at, value)| ((f64::from(value) - scale[at % 3].0) / scale[at % 3].1) as f32).collect()
        };
        let folder = tempfile::tempdir().unwrap();
        for (part, windows) in [("train", &train), ("test", &test)] {
            save(folder.path(), part, windows, &windows.iter().map(standardised).collect::<Vec<_>>());
        }
        folder
    };
    assert_eq!(
        leaks(standardised_by(&[train.clone(), test.clone()].concat()).path(), "arrays", &[]),
        ["preprocessing"]
    );
    assert_eq!(leaks(standardised_by(&train).path(), "arrays", &[]), [""; 0]);
}

#[test]
fn a_run_is_audited_with_the_scaler_that_it_used() {
    let folder = trained();
    let strict = ["data", "audit", "run", "--json", "--strict", "--no-gap"];
    assert_eq!(leaking_checks(&triax(folder.path(), strict)), [""; 0]);

    let path = folder.path().join("run/last.safetensors");
    let mut file = WeightFile::read(&path).unwrap();
    let corpus = triax_data::read(&folder.path().join("data.csv"), &triax_data::ReadOptions::default()).unwrap();
    let windows = cut(&corpus, 32, 16).unwrap();
    let all: Vec<u32> = (0..windows.len() as u32).collect();
    file.scaler = Some(fit_scaler(&windows.values, &all, 32, 3));
    file.write(&path).unwrap();
    let answer = triax(folder.path(), strict);
    assert_eq!(leaking_checks(&answer), ["scaler"]);
    assert!(words(&answer, "scaler").contains("training and validation together"));

    // A run keeps its own settings, and its data.
    let message = triax(folder.path(), ["data", "audit", "run", "--step", "8"]).refused(2);
    assert!(message.contains("leave --step out"), "{message}");
    fs::write(folder.path().join("data.csv"), recordings::csv(5, 160)).unwrap();
    let message = triax(folder.path(), ["data", "audit", "run"]).refused(1);
    assert!(message.contains("its data has changed"), "{message}");
}

#[test]
fn a_study_is_audited_and_its_report_carries_the_gap() {
    let folder = data();
    let study = |folds: &str, out: &str| {
        let args = ["study", "--data", "data.csv", "--folds", folds, "--seeds", "1", "--out", out, "--quiet"];
        triax(folder.path(), args.iter().chain(&SMALL)).done();
        let html = fs::read_to_string(folder.path().join(out).join("report.html")).unwrap();
        (read_json(folder.path().join(out).join("summary.json")), html)
    };
    let (summary, html) = study("loso", "apart");
    assert_eq!(
        (&summary["gap"]["random_folds"], &summary["gap"]["unseen_folds"]),
        (&"random-4".into(), &"loso".into())
    );
    assert!(html.contains("Random windows: macro-F1") && !html.contains("class=\"warning\""));
    let strict = ["--json", "--strict", "--no-gap"];
    assert_eq!(leaking_checks(&triax(folder.path(), [&["data", "audit", "apart"], &strict[..]].concat())), [""; 0]);

    let (summary, html) = study("random-3", "leaking");
    assert_eq!(summary["gap"]["unseen_folds"], "group-3");
    let warning = html.find("class=\"warning\"").expect("a warning");
    assert!(html.find("share samples").is_some_and(|at| warning < at && at < html.find("<h1").unwrap()));
    let found = leaking_checks(&triax(folder.path(), [&["data", "audit", "leaking"], &strict[..]].concat()));
    assert_eq!(found, ["samples", "subjects", "recordings"]);
    let message = triax(folder.path(), ["data", "audit", "apart", "--folds", "loso"]).refused(2);
    assert!(message.contains("is a study"), "{message}");
}

#[test]
fn the_report_of_a_leaking_run_names_what_leaks_and_where_the_gap_is_measured() {
    let folder = data();
    train_small(folder.path(), "data.csv", "run", &["--split", "random", "--quiet"]).done();
    let html = fs::read_to_string(folder.path().join("run/report.html")).unwrap();
    let above = &html[html.find("class=\"warning\"").expect("a warning")..html.find("<h1").unwrap()];
    for expected in ["validation windows share samples", "4 subjects are in training", "recordings are in training"] {
        assert!(above.contains(expected), "`{expected}` is not above the figures: {above}");
    }
    assert!(html.contains("triax data audit run"), "no word of the gap");
}

#[test]
fn json_has_every_figure() {
    let folder = data();
    let found = json(&audit(folder.path(), "data.csv", &["--json"]).done());
    for key in ["data", "fingerprint", "audited", "window", "n_windows", "n_subjects", "n_folds", "synthetic"] {
        assert!(!found[key].is_null(), "{key} is missing: {found}");
    }
    assert_eq!((&found["gap"]["method"], &found["gap"]["n_subjects"]), (&"network".into(), &4.into()));
    for figure in ["macro_f1", "accuracy"] {
        let mean = |split: &str| found["gap"][figure][split]["mean"].as_f64().unwrap();
        assert!((mean("random") - mean("unseen") - mean("difference")).abs() < 1e-9, "{found}");
    }
    let found = json(&audit(folder.path(), "data.csv", &["--json", "--no-gap"]).done());
    assert!(found["gap"].is_null() && found["no_gap"].is_string(), "{found}");
}

#[test]
fn without_subjects_there_is_no_gap_to_measure() {
    let folder = arrays(&windows(&[0, 1], 32), &windows(&[2], 32));
    for part in ["train", "test"] {
        fs::remove_file(folder.path().join(format!("arrays/subjects_{part}.npy"))).unwrap();
    }
    let answer = audit(folder.path(), "arrays", &["--strict"]).done();
    assert!(answer.stdout.contains("not excluded  subjects"), "{}", answer.stdout);
    assert!(answer.stdout.contains("but it is\nnot excluded"), "{}", answer.stdout);
    assert!(answer.stdout.contains("was not measured: the data does not say who"), "{}", answer.stdout);
}

#[test]
fn bad_input_is_refused() {
    let folder = data();
    for args in [
        &["data", "audit"][..],
        &["data", "audit", "data.csv", "--folds", "some"],
        &["data", "audit", "data.csv", "--folds", "loso", "--split", "random"],
        &["data", "audit", "--data", "data.csv"],
    ] {
        triax(folder.path(), args).refused(2);
    }
    let message = triax(folder.path(), ["data", "audit", "nothing.csv"]).refused(1);
    assert!(message.contains("nothing.csv"), "{message}");
    let message = audit(folder.path(), "data.csv", &["--valid-subjects", "zoe"]).refused(1);
    assert!(message.contains("zoe") && message.contains("p0"), "{message}");
    let message = audit(folder.path(), "data.csv", &["--folds", "group-9"]).refused(1);
    assert!(message.contains("9 groups"), "{message}");
}
