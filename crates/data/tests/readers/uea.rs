//! `.ts` files of the UEA and UCR archive.

use super::numpy::parts;
use super::{folder_with, outline, read_text, repairs, zip_bytes};
use triax_data::{Fill, Format, Notice, Part, ReadOptions, Repair, read};

const HEADER: &str = "# Motions, recorded somewhere\n@problemName Motions\n@timeStamps false\n@missing false\n\
                      @univariate false\n@dimensions 2\n@equalLength true\n@seriesLength 3\n@classLabel true Run walk\n@data\n";

fn error(text: &str) -> String {
    read_text("Motions_TRAIN.ts", text).unwrap_err().to_string()
}

fn unlabelled() -> ReadOptions {
    ReadOptions { unlabelled: true, ..ReadOptions::default() }
}

#[test]
fn each_case_is_a_window_and_each_dimension_a_channel() {
    let corpus =
        read_text("Motions_TRAIN.ts", format!("{HEADER}1,2,3:-1,-2,-3.5:walk\n\n4,5,6:7,8,9e-1:Run\n")).unwrap();
    assert_eq!((corpus.name.as_str(), corpus.window, corpus.rate_hz), ("Motions", Some(3), None));
    assert_eq!(corpus.channels, ["0", "1"]);
    assert_eq!(outline(&corpus), [("", "walk", 3), ("", "Run", 3)]);
    assert_eq!(corpus.recordings[0].values, [1.0, -1.0, 2.0, -2.0, 3.0, -3.5]);
    assert_eq!(corpus.recordings[1].source, "Motions_TRAIN.ts:13");
    assert_eq!(parts(&corpus), [None, None]);
    let [Notice::Note(note)] = &corpus.notices[..] else { panic!("{:?}", corpus.notices) };
    assert!(note.contains("do not say who was recorded"), "{note}");
}

#[test]
fn the_two_files_of_a_folder_or_an_archive_are_the_two_parts() {
    let train = format!("{HEADER}1,2,3:4,5,6:walk\n1,2,3:4,5,6:Run\n");
    let test = format!("{HEADER}7,8,9:4,5,6:Run\n");
    let files = [
        ("Motions/Motions_TRAIN.ts", train.as_bytes()),
        ("Motions/Motions_TEST.ts", test.as_bytes()),
        ("Motions/Motions.txt", b"A description".as_slice()),
        ("Motions/Motions_TRAIN.arff", b"@relation Motions".as_slice()),
    ];
    let folder = folder_with(&files);
    let corpus = read(folder.path(), &ReadOptions::default()).unwrap();
    assert_eq!(corpus.name, "Motions");
    assert_eq!(parts(&corpus), [Some(Part::Valid), Some(Part::Train), Some(Part::Train)]);
    let archive = folder_with(&[("Motions.zip", &zip_bytes(&files))]);
    let packed = read(&archive.path().join("Motions.zip"), &ReadOptions::default()).unwrap();
    assert_eq!(packed.fingerprint, corpus.fingerprint);
}

#[test]
fn several_problems_are_not_mixed() {
    let one = format!("{HEADER}1,2,3:4,5,6:walk\n");
    let folder = folder_with(&[("A/A_TRAIN.ts", one.as_bytes()), ("B/B_TRAIN.ts", one.as_bytes())]);
    let error = read(folder.path(), &ReadOptions::default()).unwrap_err().to_string();
    assert!(error.contains("`A/A_TRAIN.ts` and `B/B_TRAIN.ts` belong to different problems"), "{error}");
}

#[test]
fn variants_of_a_problem_are_left_out_by_name() {
    let one = format!("{HEADER}1,2,3:4,5,6:walk\n");
    let names = ["A_TRAIN.ts", "A_TEST.ts", "A_eq_TRAIN.ts", "A_nmv_TEST.ts"];
    let folder = folder_with(&names.map(|name| (name, one.as_bytes())));
    let corpus = read(folder.path(), &ReadOptions::default()).unwrap();
    assert_eq!((corpus.name.as_str(), corpus.recordings.len()), ("A", 2));
    assert!(corpus.notices.iter().any(|notice| notice.to_string().contains("not used: A_eq_TRAIN.ts, A_nmv_TEST.ts")));
}

#[test]
fn cases_of_unequal_length_are_recordings() {
    let corpus = read_text("a.ts", format!("{HEADER}1,2,3:4,5,6:walk\n1,2:4,5:Run\n")).unwrap();
    assert_eq!(corpus.window, None);
    assert_eq!(outline(&corpus), [("", "walk", 3), ("", "Run", 2)]);
    assert!(corpus.notices.iter().any(|notice| notice.to_string().contains("differ in length")));
}

#[test]
fn a_missing_value_costs_its_case_unless_it_is_filled() {
    let text = format!("{HEADER}1,?,3:4,5,6:walk\n1,2,NaN:4,5,6:walk\n1,2,3:4,5,6:Run\n?,2,3:4,5,6:Run\n");
    let corpus = read_text("a.ts", &text).unwrap();
    assert_eq!(outline(&corpus), [("", "Run", 3)]);
    assert_eq!(repairs(&corpus), [(Repair::NonFinite, 3, "a.ts:11")]);
    let folder = folder_with(&[("a.ts", text.as_bytes())]);
    let filled =
        read(&folder.path().join("a.ts"), &ReadOptions { fill: Fill::Previous, ..ReadOptions::default() }).unwrap();
    assert_eq!(filled.recordings[0].values, [1.0, 4.0, 1.0, 5.0, 3.0, 6.0]);
    assert_eq!(filled.recordings.len(), 3);
}

#[test]
fn broken_cases_are_dropped_and_counted() {
    let text =
        format!("{HEADER}1,2,3:4,5,6:walk\n1,2,3:walk\n1,2,3:4,5:walk\n1,2,3:4,5,6:7,8,9:walk\n1,x,3:4,5,6:Run\n");
    let corpus = read_text("a.ts", text).unwrap();
    let expected =
        [(Repair::MissingField, 2, "a.ts:12"), (Repair::ExtraField, 1, "a.ts:14"), (Repair::NotANumber, 1, "a.ts:15")];
    assert_eq!(repairs(&corpus), expected);
    let none = error(&format!("{HEADER}1,x,3:4,5,6:walk\n"));
    assert!(none.contains("no case of it can be used; first at Motions_TRAIN.ts:11"), "{none}");
}

#[test]
fn what_is_no_classification_is_refused() {
    let timed = error(&HEADER.replace("@timeStamps false", "@timeStamps true"));
    assert!(
        timed.contains("Motions_TRAIN.ts:3: cases with timestamps") && timed.contains("a column `timestamp`"),
        "{timed}"
    );
    let regression = error(&HEADER.replace("@classLabel true Run walk", "@targetlabel true"));
    assert!(regression.contains(":9: each case has a number to predict"), "{regression}");
    let class = error(&format!("{HEADER}1,2,3:4,5,6:swim\n"));
    assert!(class.contains(":11: its class `swim` is none of those"), "{class}");
    assert!(error(&HEADER.replace("@data\n", "")).contains("it ends before `@data`"));
    assert!(error(HEADER).contains("it has no cases"));
    let early = error(&HEADER.replace("@data\n", "1,2,3:4,5,6:walk\n@data\n"));
    assert!(early.contains(":10: `1,2,3:4,5,6:walk` stands before `@data`"), "{early}");
}

#[test]
fn cases_without_classes_can_be_predicted() {
    let text = HEADER.replace("@classLabel true Run walk", "@classLabel false") + "1,2,3:4,5,6\n";
    let without = error(&text);
    assert!(
        without.contains(":10: its header names no classes") && without.contains("can be predicted only"),
        "{without}"
    );
    let folder = folder_with(&[("a.ts", text.as_bytes())]);
    let corpus = read(&folder.path().join("a.ts"), &unlabelled()).unwrap();
    assert!(corpus.classes.is_empty());
    assert_eq!(corpus.recordings[0].values, [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
}

#[test]
fn it_is_known_by_its_first_line_and_typescript_is_not() {
    let text = format!("{}1,2,3:4,5,6:walk\n", &HEADER[HEADER.find('@').unwrap()..]);
    assert_eq!(read_text("a.txt", &text).unwrap().window, Some(3));
    assert!(read_text("app.ts", "@Component({})\nclass App {}\n").unwrap_err().to_string().contains("Looked for"));
    let comment = [b"%\n# caf\xE9 ", "x".repeat(5000).as_bytes(), b"\n\n", text.as_bytes()].concat();
    assert_eq!(read_text("a.ts", comment).unwrap().window, Some(3));
    let folder = folder_with(&[("a.dat", format!("# only a comment\n{text}").as_bytes())]);
    let named = read(&folder.path().join("a.dat"), &ReadOptions::of_format(Format::Uea)).unwrap();
    assert_eq!(named.window, Some(3));
}
