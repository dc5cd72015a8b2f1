//! The report on a corpus.

use super::{read_fixture, read_text};
use triax_data::Inspection;

#[test]
fn the_report_counts_what_is_there() {
    let report = Inspection::new(&read_fixture("wisdm1.txt"));
    assert_eq!((report.n_rows, report.n_recordings, report.n_dropped), (16, 4, 5));
    assert_eq!(report.recording_rows, (2, 10));
    assert_eq!(report.subjects, ["7", "8"]);
    let classes: Vec<_> = report.classes.iter().map(|class| (&*class.class, class.n_rows, class.n_subjects)).collect();
    assert_eq!(classes, [("Jogging", 6, 1), ("Walking", 10, 1)]);
    assert_eq!((report.gaps.count, report.gaps.first.as_deref()), (1, Some("wisdm1.txt:18")));
    assert!((report.gaps.longest_s - 20.95).abs() < 1e-9);
    assert_eq!((report.restarts.count, report.restarts.first.as_deref()), (1, Some("wisdm1.txt:20")));
    let x = &report.channels[0];
    assert_eq!((x.min, x.max, x.constant), (0.10, 1.5, false));
    let sampling = report.sampling.unwrap();
    assert!((sampling.interval_ms[1] - 50.0).abs() < 1e-6 && (sampling.interval_ms[3] - 250.0).abs() < 1e-6);
}

#[test]
fn a_constant_channel_is_named() {
    let report = Inspection::new(&read_text("a.csv", "subject,activity,x,y\ns,a,1,2\ns,a,1,3\n").unwrap());
    assert_eq!(report.channels.iter().map(|channel| channel.constant).collect::<Vec<_>>(), [true, false]);
    assert!(report.to_string().lines().any(|line| line.starts_with("x ") && line.ends_with("constant")));
}

#[test]
fn subjects_whose_phones_run_at_different_rates_are_named() {
    let report = Inspection::new(&read_fixture("wisdm2")).to_string();
    assert!(report.contains("subject 2001 at 19.86 Hz, subject 2002 at 25.00 Hz"), "{report}");
}

#[test]
fn the_report_fits_80_columns_and_names_each_repair() {
    let long = "an activity with a name that goes on and on and on until it does not fit any more";
    let mut text = format!("subject,activity,timestamp_s,{}\n", "c".repeat(120));
    for subject in 0..60 {
        text += &format!("a-subject-{subject},{long},1,-1e30\na-subject-{subject},{long},2,1e30\n");
    }
    text += &format!("s,{long},3,NaN\n");
    let fixtures = ["wisdm1.txt", "wisdm2", "plain.csv", "motionsense", "integers.npz"];
    let corpora = fixtures.map(read_fixture).into_iter().chain([read_text("a.csv", text).unwrap()]);
    for corpus in corpora {
        let inspection = Inspection::new(&corpus);
        let report = inspection.to_string();
        for line in report.lines() {
            assert!(line.chars().count() <= 80, "{} columns: {line}", line.chars().count());
        }
        assert!(inspection.repairs.entries.iter().all(|entry| report.contains(&entry.kind.to_string())));
        assert!(report.contains(&corpus.fingerprint));
        assert!(serde_json::to_value(&inspection).unwrap()["n_rows"].is_u64());
    }
}
