//! Tables as people leave them: what each column is, and what the user may say about it.

use std::fmt::Write as _;

use triax_data::{Corpus, DataError, Fill, MappedRole, Notice, ReadOptions, Repair, Role, Rows, read};

use super::{folder_with, outline, repairs};

/// Two subjects, two activities, 40 rows each at 20 Hz, of the columns that `row` writes for a subject, an activity, a row
/// of the recording and a row of all.
fn table(header: &str, row: impl Fn(usize, usize, usize, usize) -> String) -> String {
    let mut text = format!("{header}\n");
    for recording in 0..4 {
        for at in 0..40 {
            writeln!(text, "{}", row(recording / 2, recording % 2, at, 40 * recording + at)).unwrap();
        }
    }
    text
}

const ACTIVITIES: [&str; 2] = ["walk", "sit"];

/// A value that neither rises nor falls all the time.
fn wave(row: usize) -> f32 {
    ((row * row * 7919) % 1000) as f32 / 100.0
}

fn plain() -> String {
    table("subject,activity,timestamp_s,x,y", |subject, activity, _, row| {
        format!("s{subject},{},{:.2},{},{}", ACTIVITIES[activity], row as f64 / 20.0, wave(row), wave(row + 7))
    })
}

fn read_as(name: &str, text: &str, options: &ReadOptions) -> Result<Corpus, DataError> {
    read(&folder_with(&[(name, text.as_bytes())]).path().join(name), options)
}

fn read_table(text: &str) -> Corpus {
    read_as("a.csv", text, &ReadOptions::default()).unwrap_or_else(|error| panic!("{error}"))
}

fn strings(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn roles(corpus: &Corpus) -> Vec<(&str, Role)> {
    corpus.columns.iter().map(|column| (column.name.as_str(), column.role)).collect()
}

/// The text of the first warning.
#[track_caller]
fn warning(corpus: &Corpus) -> &str {
    let warnings = corpus.notices.iter().filter_map(|notice| match notice {
        Notice::Warning(text) => Some(text.as_str()),
        Notice::Note(_) => None,
    });
    warnings.into_iter().next().unwrap_or_else(|| panic!("no warning among {:?}", corpus.notices))
}

#[test]
fn columns_are_known_by_the_names_that_people_use() {
    let expected = read_table(&plain()).fingerprint;
    for (subject, activity) in
        [("User_ID", "Label"), ("person", "class"), ("Participant", "Activity Label"), ("subject id", "gt")]
    {
        let text = plain().replacen("subject,activity", &format!("{subject},{activity}"), 1);
        assert_eq!(read_table(&text).fingerprint, expected, "{subject}, {activity}");
    }
    // The plain name wins, and the other column is looked at like any.
    let text = table("person,subject,activity,x", |subject, activity, _, row| {
        format!("{},s{subject},{},{}", wave(row + 3), ACTIVITIES[activity], wave(row))
    });
    let corpus = read_table(&text);
    assert_eq!(
        (corpus.subjects(), corpus.channels.as_slice()),
        (strings(&["s0", "s1"]), &strings(&["person", "x"])[..])
    );
}

#[test]
fn columns_of_other_names_are_mapped() {
    let text = plain().replacen("subject,activity,timestamp_s", "Proband,Aktivität,Zeitpunkt", 1);
    let error = read_as("a.csv", &text, &ReadOptions::default()).unwrap_err().to_string();
    assert!(error.contains("no column `subject`") && error.contains("--map 'COLUMN=subject'"), "{error}");
    let map = |pairs: &[(&str, &str)]| ReadOptions {
        map: pairs.iter().map(|(name, role)| ((*name).to_owned(), role.parse::<MappedRole>().unwrap())).collect(),
        ..ReadOptions::default()
    };
    let mapped = map(&[("proband", "subject"), ("Aktivität", "activity"), ("Zeitpunkt", "timestamp_s")]);
    assert_eq!(read_as("a.csv", &text, &mapped).unwrap().fingerprint, read_table(&plain()).fingerprint);
    let no_y = map(&[("y", "nothing")]);
    assert_eq!(read_as("a.csv", &plain(), &no_y).unwrap().channels, ["x"]);
    let error = read_as("a.csv", &plain(), &map(&[("w", "channel")])).unwrap_err().to_string();
    assert!(
        error.contains("no column `w` to map") && error.contains("subject, activity, timestamp_s, x, y"),
        "{error}"
    );
    let error = read_as("a.csv", &plain(), &map(&[("x", "subject"), ("y", "subject")])).unwrap_err().to_string();
    assert!(error.contains("`x` and `y` are both the subject"), "{error}");
    assert!("colour".parse::<MappedRole>().unwrap_err().to_string().contains("Roles:"));
}

#[test]
fn channels_are_chosen_and_ordered_by_name_in_any_case() {
    let choose = |names: &[&str]| ReadOptions { channels: strings(names), ..ReadOptions::default() };
    let swapped = read_as("a.csv", &plain(), &choose(&["Y", "x"])).unwrap();
    let corpus = read_table(&plain());
    assert_eq!(swapped.channels, ["y", "x"]);
    assert_eq!(swapped.recordings[0].values[..2], [corpus.recordings[0].values[1], corpus.recordings[0].values[0]]);
    assert_eq!(roles(&read_as("a.csv", &plain(), &choose(&["x"])).unwrap())[4], ("y", Role::LeftOut));
    let error = read_as("a.csv", &plain(), &choose(&["x", "z", "w"])).unwrap_err().to_string();
    assert!(error.contains("no column `z`, `w`. There are: subject, activity, timestamp_s, x, y"), "{error}");
    assert!(read_as("a.csv", &plain(), &choose(&["x", "X"])).unwrap_err().to_string().contains("twice"));
}

#[test]
fn what_is_no_sensor_is_no_channel_unless_it_is_named() {
    let text = table("index,subject,activity,label,phone,session,x", |subject, activity, _, row| {
        format!("{row},s{subject},{},{activity},nexus {subject},{subject},{}", ACTIVITIES[activity], wave(row))
    });
    let corpus = read_table(&text);
    assert_eq!(corpus.channels, ["x"]);
    let expected = [
        ("index", Role::LeftOut),
        ("subject", Role::Subject),
        ("activity", Role::Activity),
        ("label", Role::LeftOut),
        ("phone", Role::LeftOut),
        ("session", Role::LeftOut),
        ("x", Role::Channel),
    ];
    assert_eq!(roles(&corpus), expected);
    assert!(
        warning(&corpus).starts_with("column `label` is left out: it determines the class"),
        "{}",
        warning(&corpus)
    );
    let named = ReadOptions { channels: strings(&["x", "label", "index"]), ..ReadOptions::default() };
    assert_eq!(read_as("a.csv", &text, &named).unwrap().channels, ["x", "label", "index"]);
    // Where nothing is left, the error says why.
    let text = table("subject,activity,label", |s, a, _, _| format!("s{s},{},{a}", ACTIVITIES[a]));
    let error = read_as("a.csv", &text, &ReadOptions::default()).unwrap_err().to_string();
    assert!(error.contains("label (determining the class)"), "{error}");
}

#[test]
fn of_several_clocks_one_is_read_and_the_others_are_no_channels() {
    let text = table("time,seconds_elapsed,subject,activity,x", |s, a, at, row| {
        let (ns, seconds) = (1_700_000_000_000_000_000_u64 + 50_000_000 * row as u64, at as f64 / 20.0);
        format!("{ns},{seconds},s{s},{},{}", ACTIVITIES[a], wave(row))
    });
    let corpus = read_table(&text);
    assert_eq!(corpus.columns[0].why, "its name; nanoseconds since 1970");
    assert_eq!((corpus.channels.as_slice(), corpus.rate_hz.unwrap().round()), (&strings(&["x"])[..], 20.0));
    let said = corpus.notices[0].to_string();
    assert!(said.contains("`seconds_elapsed` is a clock too, and no channel"), "{said}");
}

#[test]
fn rows_of_two_sensors_at_one_time_are_warned_of() {
    let text = table("subject,activity,sensor,timestamp_s,x", |s, a, _, row| {
        let sensor = ["acc", "gyro"][row % 2];
        format!("s{s},{},{sensor},{:.2},{}", ACTIVITIES[a], (row / 2) as f64 / 20.0, wave(row))
    });
    let corpus = read_table(&text);
    let said: Vec<String> = corpus.notices.iter().map(Notice::to_string).collect();
    assert!(
        said.iter().any(|said| said.starts_with("warning: rows of subject s0 in a.csv come in groups of 2")),
        "{said:?}"
    );
}

#[test]
fn subjects_at_different_rates_are_said() {
    let text = table("subject,activity,timestamp_s,x", |s, a, _, row| {
        format!("s{s},{},{:.2},{}", ACTIVITIES[a], row as f64 / [20.0, 10.0][s], wave(row))
    });
    let said = read_table(&text).notices[0].to_string();
    let expected = "from 10.00 a second (subject s1 in a.csv) to 20.00 (subject s0 in a.csv)";
    assert!(said.contains(expected) && said.contains("--rate"), "{said}");
}

#[test]
fn a_slow_sensor_is_said_with_its_price_and_carried_forward_when_asked() {
    let text = table("subject,activity,timestamp_s,x,heart_rate", |s, a, at, row| {
        let beats = if at % 10 == 2 { format!("{}", 60 + row % 7) } else { String::new() };
        format!("s{s},{},{:.2},{},{beats}", ACTIVITIES[a], row as f64 / 20.0, wave(row))
    });
    let corpus = read_table(&text);
    assert_eq!(corpus.recordings.iter().map(|each| corpus.n_rows(each)).sum::<usize>(), 16);
    let said = warning(&corpus);
    assert!(said.contains("`heart_rate` has no value in 144 of 160 rows (90 %)"), "{said}");
    assert!(said.contains("--channels x") && said.contains("--fill previous"), "{said}");
    assert_eq!(corpus.notices.first(), Some(&Notice::Warning(said.to_owned())), "it comes first");

    let filled = read_as("a.csv", &text, &ReadOptions { fill: Fill::Previous, ..ReadOptions::default() }).unwrap();
    // The first two rows of each recording have nothing before them.
    assert_eq!(outline(&filled).iter().map(|each| each.2).collect::<Vec<_>>(), [38; 4]);
    assert_eq!(repairs(&filled), [(Repair::Filled, 136, "a.csv:5"), (Repair::MissingField, 8, "a.csv:2")]);
    assert_eq!(filled.recordings[0].values[..6], [wave(2), 62.0, wave(3), 62.0, wave(4), 62.0]);
}

#[test]
fn the_subject_can_be_in_the_name_of_the_file() {
    let text = table("activity,x", |_, a, _, row| format!("{},{}", ACTIVITIES[a], wave(row)));
    let dir = folder_with(&[("p07/walk_1.csv", text.as_bytes()), ("p12/walk_1.csv", text.as_bytes())]);
    let error = read(dir.path(), &ReadOptions::default()).unwrap_err().to_string();
    assert!(error.contains("--subject-from"), "{error}");
    let from = |pattern: &str| ReadOptions { subject_from: Some(pattern.to_owned()), ..ReadOptions::default() };
    assert_eq!(read(dir.path(), &from(r"p(\d+)")).unwrap().subjects(), ["07", "12"]);
    let error = read(dir.path(), &from(r"q(\d+)")).unwrap_err().to_string();
    assert!(error.contains("walk_1.csv: its name does not have what --subject-from"), "{error}");
    assert!(read(dir.path(), &from("(")).unwrap_err().to_string().contains("no regular expression"));
}

#[test]
fn names_that_look_alike_are_warned_of_and_made_one() {
    let text = table("subject,activity,x", |s, a, _, row| {
        format!("{},{},{}", ["01", "1"][s], [["walk", "Walk"][row % 2], "sit"][a], wave(row))
    });
    let corpus = read_table(&text);
    let said: Vec<String> = corpus.notices.iter().map(Notice::to_string).collect();
    assert!(said[0].contains("subjects that look alike") && said[0].contains("`01`, `1`"), "{said:?}");
    assert!(said[1].contains("activities that look alike") && said[1].contains("--rename 'Walk=walk'"), "{said:?}");
    let merged = read_as("a.csv", &text, &ReadOptions { merge: true, ..ReadOptions::default() }).unwrap();
    assert!(merged.notices.is_empty(), "{:?}", merged.notices);
    // Rows are one recording where their names are one.
    assert_eq!(outline(&merged), [("01", "walk", 40), ("01", "sit", 40), ("01", "walk", 40), ("01", "sit", 40)]);
    let rename =
        |old: &str| ReadOptions { rename: vec![(old.to_owned(), "walk".to_owned())], ..ReadOptions::default() };
    assert_eq!(read_as("a.csv", &text, &rename("Walk")).unwrap().classes, ["sit", "walk"]);
    let error = read_as("a.csv", &text, &rename("jog")).unwrap_err().to_string();
    assert!(error.contains("no subject or activity `jog`") && error.contains("Walk, sit, walk"), "{error}");
}

#[test]
fn a_class_never_vanishes_unsaid() {
    let text = table("subject,activity,x", |s, a, _, row| {
        let x = if a == 1 { "-".to_owned() } else { wave(row).to_string() };
        format!("s{s},{},{x}", ACTIVITIES[a])
    });
    let corpus = read_table(&text);
    assert_eq!(corpus.classes, ["walk"]);
    let said: Vec<String> = corpus.notices.iter().map(Notice::to_string).collect();
    assert!(said.iter().any(|said| said.contains("not one row of activity `sit` can be used")), "{said:?}");
}

#[test]
fn files_of_a_folder_are_matched_by_name() {
    let a = plain();
    let b = table("x,subject,extra,activity,Y,timestamp_s", |s, a, _, row| {
        let t = row as f64 / 20.0;
        format!("{},t{s},{},{},{},{t:.2}", wave(row), wave(row + 1), ACTIVITIES[a], wave(row + 7))
    });
    let key = "code,name\n0,walk\n1,run\n";
    let dir = folder_with(&[("a.csv", a.as_bytes()), ("b.csv", b.as_bytes()), ("key.csv", key.as_bytes())]);
    let corpus = read(dir.path(), &ReadOptions::default()).unwrap();
    assert_eq!(corpus.channels, ["x", "y"]);
    assert_eq!(corpus.recordings[0].values, corpus.recordings[4].values);
    let said: Vec<String> = corpus.notices.iter().map(Notice::to_string).collect();
    assert!(
        said[0].contains("left out: ") && said[0].contains("key.csv:1: the header has no column `subject`"),
        "{said:?}"
    );
    assert!(said[1].contains("column `extra` is left out: b.csv has it, and a.csv has not"), "{said:?}");
    let chosen = ReadOptions { channels: strings(&["extra"]), ..ReadOptions::default() };
    let corpus = read(dir.path(), &chosen).unwrap();
    assert!(corpus.notices.iter().any(|notice| notice.to_string().contains("a.csv:1: there is no column `extra`")));
}

#[test]
fn a_header_between_the_rows_is_passed_over_and_another_one_refused() {
    let twice = format!("{0}{0}", plain());
    assert_eq!(repairs(&read_table(&twice))[0], (Repair::Header, 1, "a.csv:162"));
    let other = plain() + &plain().replacen("x,y", "y,x", 1);
    let error = read_as("a.csv", &other, &ReadOptions::default()).unwrap_err().to_string();
    assert!(error.contains("a.csv:162: the names of the columns stand here again"), "{error}");
}

#[test]
fn values_are_no_header() {
    let text: String = plain().lines().skip(1).map(|line| format!("{line}\n")).collect();
    for unlabelled in [false, true] {
        let options = ReadOptions { unlabelled, ..ReadOptions::default() };
        let error = read_as("a.csv", &text, &options).unwrap_err().to_string();
        assert!(error.contains("a.csv:1: the first line holds numbers"), "{error}");
    }
    // Columns that are called by numbers are.
    let text =
        table("subject,activity,0,1", |s, a, _, row| format!("s{s},{},{},{}", ACTIVITIES[a], wave(row), wave(row + 7)));
    assert_eq!(read_table(&text).channels, ["0", "1"]);
}

#[test]
fn json_lines_are_a_table() {
    let csv = read_table(&plain());
    let mut text = String::new();
    for line in plain().lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let [subject, activity, time, x, y] = fields[..] else { panic!("{line}") };
        writeln!(text, r#"{{"subject":"{subject}","activity":"{activity}","timestamp_s":{time},"x":{x},"y":"{y}"}}"#)
            .unwrap();
    }
    assert_eq!(read_as("a.jsonl", &text, &ReadOptions::default()).unwrap().fingerprint, csv.fingerprint);
    let broken = format!("{text}oops\n{{\"subject\":\"s1\"}}\n");
    let corpus = read_as("a.ndjson", &broken, &ReadOptions::default()).unwrap();
    assert_eq!(repairs(&corpus), [(Repair::MissingField, 1, "a.ndjson:162"), (Repair::NotJson, 1, "a.ndjson:161")]);
}

#[test]
fn a_table_without_a_header_has_its_columns_named() {
    let text: String = plain().lines().skip(1).map(|line| format!("{line}\n")).collect();
    let columns = strings(&["subject", "activity", "timestamp_s", "x", "y"]);
    let corpus = read_as("a.csv", &text, &ReadOptions { columns, ..ReadOptions::default() }).unwrap();
    assert_eq!(corpus.fingerprint, read_table(&plain()).fingerprint);
}

#[test]
fn without_labels_rows_can_be_predicted() {
    let text = table("timestamp,x", |_, _, _, row| {
        format!("{},{}", 1_700_000_000_123_456_789_u64 + 50_000_000 * row as u64, wave(row))
    });
    assert!(read_as("a.csv", &text, &ReadOptions::default()).is_err());
    let options = ReadOptions { unlabelled: true, keep_stamps: true, ..ReadOptions::default() };
    let text = text.replace("timestamp", "timestamp_ns");
    let corpus = read_as("a.csv", &text, &options).unwrap();
    assert!(corpus.classes.is_empty() && corpus.subjects().is_empty());
    let stamps = corpus.recordings[0].stamps.as_ref().unwrap();
    assert_eq!(stamps.get(0), Some("1700000000123456789"));
}

#[test]
fn a_dropped_row_without_a_clock_ends_a_recording() {
    let text = "subject,activity,x,y\ns,a,1,1\ns,a,2,4\ns,a,oops,1\ns,a,3,5\ns,a,4,2\n";
    assert_eq!(outline(&read_table(text)), [("s", "a", 2), ("s", "a", 2)]);
}

#[test]
fn a_stream_reads_what_it_is_told_to() {
    let rows = |text: &'static str, options: &ReadOptions| -> Vec<Result<Vec<f32>, String>> {
        let rows = Rows::new(text.as_bytes(), "stream", options).unwrap();
        rows.map(|row| row.map(|row| row.values).map_err(|error| error.to_string())).collect()
    };
    let xy = ReadOptions { channels: strings(&["x", "y"]), ..ReadOptions::default() };
    for text in ["phone: ok\nt,y,X\n1,2,3\n", "{\"y\":2,\"t\":1,\"X\":3}\n", "# t;y;X\n1;2;3\n"] {
        assert_eq!(rows(text, &xy), [Ok(vec![3.0, 2.0])], "{text}");
    }
    let headless = ReadOptions { columns: strings(&["t", "x", "y"]), ..xy.clone() };
    assert_eq!(rows("1,2,3\n4,5,6\n", &headless), [Ok(vec![2.0, 3.0]), Ok(vec![5.0, 6.0])]);
    let filled = ReadOptions { fill: Fill::Previous, ..xy };
    let found = rows("x,y\n1,\n1,2\n3,\n,\n", &filled);
    assert!(found[0].as_ref().unwrap_err().contains("stream:2: a missing field: `` in column 2"));
    assert_eq!(found[1..], [Ok(vec![1.0, 2.0]), Ok(vec![3.0, 2.0]), Ok(vec![3.0, 2.0])]);
}

#[test]
fn a_table_whose_columns_are_given_is_no_wisdm() {
    let rows = "1,walk,1000000000,0.5,9.8\n1,walk,1050000000,0.6,9.7\n1,walk,1100000000,0.7,9.6\n";
    let folder = folder_with(&[("a.csv", rows.as_bytes())]);
    let columns = ["subject", "activity", "timestamp_ns", "x", "y"].map(String::from).to_vec();
    let corpus = read(&folder.path().join("a.csv"), &ReadOptions { columns, ..ReadOptions::default() }).unwrap();
    assert_eq!(corpus.channels, ["x", "y"]);
    assert_eq!(outline(&corpus), [("1", "walk", 3)]);
}
