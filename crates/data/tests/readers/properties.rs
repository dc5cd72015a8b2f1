//! Properties that hold for any input: no reader panics, and what was repaired needs no repair.

use super::{fixture, folder_with, tree, write_csv, zip_bytes};
use proptest::collection::vec;
use proptest::prelude::*;
use triax_data::{Corpus, Format, ReadOptions, Repair, Rows, read};

/// Whatever is read keeps the promises of a corpus.
fn assert_sound(corpus: &Corpus) {
    assert!(!corpus.recordings.is_empty() && !corpus.channels.is_empty());
    assert_eq!(corpus.classes.len(), corpus.class_names.len());
    for recording in &corpus.recordings {
        let n_rows = corpus.n_rows(recording);
        assert!(n_rows > 0 && n_rows * corpus.channels.len() == recording.values.len());
        assert!(corpus.window.is_none_or(|window| window == n_rows));
        assert!((recording.class as usize) < corpus.classes.len().max(1));
        assert!(recording.values.iter().all(|value| value.is_finite()));
        assert!(recording.times.is_empty() || recording.times.len() == n_rows);
        assert!(recording.times.windows(2).all(|pair| pair[0] < pair[1]), "{:?}", recording.times);
    }
    for class in 0..corpus.classes.len() {
        assert!(corpus.recordings.iter().any(|recording| recording.class as usize == class));
    }
}

fn assert_reads_or_refuses(name: &str, bytes: &[u8]) {
    let dir = folder_with(&[(name, bytes)]);
    let path = dir.path().join(name);
    for format in Format::ALL.map(Some).into_iter().chain([None]) {
        for unlabelled in [false, true] {
            match read(&path, &ReadOptions { format, unlabelled, ..ReadOptions::default() }) {
                Ok(corpus) => assert_sound(&corpus),
                Err(error) => assert!(error.to_string().contains(name), "{error}"),
            }
        }
    }
}

/// Subject, activity, time, values and what ends the row.
type Row = (u8, u8, Option<String>, Vec<String>, &'static str);

/// Rows of the WISDM kind, most of them good, with every quirk there is.
fn wisdm_text() -> impl Strategy<Value = String> {
    // `None` is the time at which the row is due.
    let time = prop_oneof![
        40 => Just(None),
        2 => (0..400_i64).prop_map(|step| Some((step * 50_000_000).to_string())),
        2 => Just(Some("0".to_owned())),
        1 => (-1_000_000_000_000_000..1_000_000_000_000_000_i64).prop_map(|time| Some(time.to_string())),
        1 => (-1e6..1e6).prop_map(|time: f64| Some(time.to_string())),
        1 => Just(Some(String::new())),
    ];
    let value = prop_oneof![8 => (-20.0..20.0_f32).prop_map(|value| value.to_string()), 1 => "[-0-9.e]{0,4}"];
    let end = prop_oneof![8 => Just(";\n"), 1 => Just(";"), 1 => Just(",;\n"), 1 => Just("\n"), 1 => Just(";\n\n")];
    let row = (0..2_u8, 0..2_u8, time, vec(value, 2..5), end);
    vec(row, 1..80).prop_map(|rows| {
        let line = |(row, (subject, activity, time, values, end)): (usize, &Row)| {
            let time = time.clone().unwrap_or_else(|| (row * 50_000_000).to_string());
            format!("{subject},{},{time},{}{end}", ["Walking", "Jogging"][*activity as usize], values.join(","))
        };
        rows.iter().enumerate().map(line).collect()
    })
}

/// Long runs of one subject and activity, where times repeat, fall to zero, leap and turn back.
fn timed_rows() -> impl Strategy<Value = String> {
    let step = prop_oneof![
        10 => Just(0.05),
        2 => Just(0.0),
        2 => Just(f64::NAN),
        2 => 0.0..0.3,
        1 => 0.0..3.0,
        // Less than the few rows by which one may be late would be in doubt.
        1 => -2.0..-0.5,
    ];
    vec(step, 1..60).prop_map(|steps| {
        let mut time = 50.0;
        let mut text = String::from("subject,activity,timestamp_s,x\n");
        // A clock is learnt from more than the few rows that some of these have.
        let steady = std::iter::repeat_n(0.05, 24);
        for step in steady.chain(steps) {
            // A step that is no number stands for a timestamp that was lost.
            if step.is_nan() {
                text += "s,a,0,1\n";
            } else {
                time += step;
                text += &format!("s,a,{time},1\n");
            }
        }
        text
    })
}

/// Reading what was read and written again changes nothing and repairs nothing.
fn assert_idempotent(name: &str, text: &str) {
    let dir = folder_with(&[(name, text.as_bytes())]);
    let Ok(once) = read(&dir.path().join(name), &ReadOptions::default()) else { return };
    assert_sound(&once);
    // Of a few rows nobody can tell for sure how fast a clock goes, and spread rows tell another story.
    let n_rows = |subject: &str| {
        once.recordings.iter().filter(|each| each.subject == subject).map(|each| once.n_rows(each)).sum::<usize>()
    };
    if once.subjects().iter().any(|subject| n_rows(subject) < 16) {
        return;
    }
    // What leads back may look late by a few rows when the rows before it are spread.
    let leads_back = |pair: &[triax_data::Recording]| {
        pair[0].subject == pair[1].subject && pair[1].times.first() < pair[0].times.last()
    };
    if once.recordings.windows(2).any(leads_back) {
        return;
    }
    // Sorted rows teach another interval than unsorted ones.
    if once.repairs.count(Repair::Late) > 0 {
        return;
    }
    let again_path = dir.path().join("again.csv");
    write_csv(&once, &again_path);
    let again = read(&again_path, &ReadOptions::default()).unwrap();
    assert!(again.repairs.is_empty(), "{:?} after {:?}\n{text}", again.repairs, once.repairs);
    // Without a clock a dropped row ends a recording, and it is not there the second time.
    if once.repairs.count(Repair::NoClock) > 0 && once.repairs.rows_dropped() > 0 {
        return;
    }
    assert_eq!(again.fingerprint, once.fingerprint, "{text}");
    let times = |corpus: &Corpus| corpus.recordings.iter().map(|each| each.times.clone()).collect::<Vec<_>>();
    assert_eq!(times(&again), times(&once));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn repairing_wisdm_is_idempotent(text in wisdm_text()) {
        assert_idempotent("a.txt", &text);
    }

    #[test]
    fn repairing_times_is_idempotent(text in timed_rows()) {
        assert_idempotent("a.csv", &text);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..400)) {
        assert_reads_or_refuses("a.bin", &bytes);
    }

    #[test]
    fn any_text_of_rows_is_read_or_refused(text in "([0-9a-c.\"eE+-]{0,5}[,;\n]){0,60}") {
        assert_reads_or_refuses("a.txt", text.as_bytes());
        let header = "subject,activity,timestamp,x\n";
        assert_reads_or_refuses("a.csv", format!("{header}{text}").as_bytes());
    }

    #[test]
    fn any_stream_ends(bytes in vec(any::<u8>(), 0..400)) {
        let bytes = [b"x,y\n", &bytes[..]].concat();
        let rows = Rows::new(&bytes[..], "stream", &ReadOptions::default()).unwrap();
        prop_assert!(rows.count() <= bytes.len());
    }

    #[test]
    fn damaged_files_are_read_or_refused(
        which in any::<prop::sample::Index>(),
        edits in vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
        shorten in any::<bool>(),
    ) {
        let mut candidates = tree(&fixture(""));
        candidates.push(("all.zip".to_owned(), zip_bytes(&candidates)));
        let (name, mut bytes) = which.get(&candidates).clone();
        for (at, byte) in edits {
            *at.get_mut(&mut bytes) = byte;
        }
        if shorten {
            bytes.truncate(cut.index(bytes.len()));
        }
        assert_reads_or_refuses(name.rsplit('/').next().unwrap(), &bytes);
    }
}
