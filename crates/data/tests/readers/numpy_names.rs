//! Arrays as people save them: under other names, of other types, without labels, with the axes the other way round.

use super::numpy::{floats, npy, npz, parts};
use super::{folder_with, outline, read_text, repairs, zip_bytes};
use triax_data::{Corpus, DataError, Notice, Part, ReadOptions, Repair, read};

const TRAIN: Option<Part> = Some(Part::Train);
const VALID: Option<Part> = Some(Part::Valid);

/// `n` windows of two samples of one channel, which begin at `from`.
fn x(n: usize, from: usize) -> Vec<u8> {
    let values: Vec<f32> = (from..from + n).flat_map(|window| [window as f32; 2]).collect();
    npy("'<f4'", &format!("({n}, 2, 1)"), &floats(&values))
}

fn ints(values: &[u8]) -> Vec<u8> {
    npy("'|u1'", &format!("({},)", values.len()), values)
}

fn unlabelled() -> ReadOptions {
    ReadOptions { unlabelled: true, ..ReadOptions::default() }
}

fn predict(arrays: &[(&str, Vec<u8>)]) -> Result<Corpus, DataError> {
    let folder = folder_with(&[("a.npz", &zip_bytes(arrays))]);
    read(&folder.path().join("a.npz"), &unlabelled())
}

/// First value and part of each window.
fn firsts(corpus: &Corpus) -> Vec<(f32, Option<Part>)> {
    corpus.recordings.iter().map(|recording| (recording.values[0], recording.part)).collect()
}

fn notes(corpus: &Corpus) -> String {
    corpus.notices.iter().map(Notice::to_string).collect::<Vec<_>>().join("\n")
}

fn error(arrays: &[(&str, Vec<u8>)]) -> String {
    npz(arrays).unwrap_err().to_string()
}

#[test]
fn the_part_that_validates_has_many_names() {
    for name in ["X_val", "X_valid", "X_validation", "x_dev", "X_test", "valX", "Val/X"] {
        let y = name.replace(['X', 'x'], "y") + ".npy";
        let arrays = [
            ("X_train.npy", x(2, 0)),
            ("y_train.npy", ints(&[0, 1])),
            (&(name.to_owned() + ".npy"), x(1, 2)),
            (&y, ints(&[1])),
        ];
        let corpus = npz(&arrays).unwrap();
        assert_eq!(firsts(&corpus), [(0.0, TRAIN), (1.0, TRAIN), (2.0, VALID)], "{name}");
        assert!(corpus.notices.is_empty(), "{name}: {}", notes(&corpus));
    }
}

#[test]
fn of_two_parts_that_could_validate_test_is_kept_for_later() {
    let arrays = [
        ("X_train.npy", x(2, 0)),
        ("y_train.npy", ints(&[0, 1])),
        ("X_val.npy", x(1, 2)),
        ("y_val.npy", ints(&[1])),
        ("X_test.npy", x(1, 3)),
        ("y_test.npy", ints(&[0])),
        ("subjects.npy", ints(&[1, 2, 3, 4])),
        ("weights.npy", ints(&[1, 1])),
    ];
    let corpus = npz(&arrays).unwrap();
    assert_eq!(firsts(&corpus), [(0.0, TRAIN), (1.0, TRAIN), (2.0, VALID)]);
    assert_eq!(corpus.subjects(), ["1", "2", "3"]);
    let notes = notes(&corpus);
    assert!(notes.contains("`X_val` validates, and `X_test` is kept for later"), "{notes}");
    assert!(notes.contains("not used: `X_test`, `weights`, `y_test`"), "{notes}");
}

#[test]
fn subjects_have_many_names_and_may_be_known_for_one_part_only() {
    for name in ["subject_train", "subjects_train", "sub_train", "groups_train", "Participant_Train", "train_users"] {
        let arrays = [
            ("X_train.npy", x(2, 0)),
            ("y_train.npy", ints(&[0, 1])),
            ("X_val.npy", x(1, 2)),
            ("y_val.npy", ints(&[1])),
            (&(name.to_owned() + ".npy"), ints(&[7, 8])),
        ];
        let corpus = npz(&arrays).unwrap();
        assert_eq!(outline(&corpus), [("7", "0", 2), ("8", "1", 2), ("", "1", 2)], "{name}");
        assert!(notes(&corpus).contains("there is no `subjects_val`"), "{}", notes(&corpus));
    }
    for name in ["groups", "Subject", "subjects"] {
        let file = name.to_owned() + ".npy";
        let whole = [("X.npy", x(2, 0)), ("y.npy", ints(&[0, 1])), (&file, ints(&[7, 8]))];
        assert_eq!(npz(&whole).unwrap().subjects(), ["7", "8"], "{name}");
        let first_part = [
            ("X_train.npy", x(2, 0)),
            ("y_train.npy", ints(&[0, 1])),
            ("X_test.npy", x(1, 2)),
            ("y_test.npy", ints(&[1])),
            (&file, ints(&[7, 8])),
        ];
        assert_eq!(outline(&npz(&first_part).unwrap())[2], ("", "1", 2));
    }
}

#[test]
fn of_two_names_for_one_thing_the_more_usual_one_is_meant() {
    let arrays = [("X.npy", x(2, 0)), ("y.npy", ints(&[0, 1])), ("labels.npy", ints(&[5, 5]))];
    let corpus = npz(&arrays).unwrap();
    assert_eq!(corpus.classes, ["0", "1"]);
    assert!(notes(&corpus).contains("not used: `labels`"), "{}", notes(&corpus));
    let arrays = [("X.npy", x(1, 0)), ("x.npy", x(1, 1)), ("y.npy", ints(&[0]))];
    assert!(error(&arrays).contains("`x.npy` and `X.npy` hold the same by their names"), "{}", error(&arrays));
}

#[test]
fn windows_without_labels_are_read_where_none_are_needed() {
    for name in ["X", "X_test", "X_train", "arr_0"] {
        let array = [(&*(name.to_owned() + ".npy"), x(2, 5))];
        let corpus = predict(&array).unwrap();
        assert_eq!(firsts(&corpus), [(5.0, None), (6.0, None)]);
        assert!(corpus.classes.is_empty() && corpus.recordings.iter().all(|each| each.class == 0));
        assert_eq!(corpus.recordings[1].source, format!("{name}[1]"));
        let error = npz(&array).unwrap_err().to_string();
        let expected = if name == "arr_0" { "no array `X_train`" } else { "can be predicted, not trained" };
        assert!(error.contains(expected), "{error}");
    }
    let folder = folder_with(&[("windows.npy", &x(2, 5))]);
    let corpus = read(&folder.path().join("windows.npy"), &unlabelled()).unwrap();
    assert_eq!(corpus.recordings[1].source, "windows[1]");

    // Labels of one part only cannot be compared with anything.
    let some = [("X_train.npy", x(2, 0)), ("y_train.npy", ints(&[3, 4])), ("X_test.npy", x(1, 2))];
    let corpus = predict(&some).unwrap();
    assert!(corpus.classes.is_empty() && corpus.recordings.len() == 3);
    assert!(notes(&corpus).contains("not used: `y_train`"), "{}", notes(&corpus));
    let all = [("X_train.npy", x(2, 0)), ("y_train.npy", ints(&[3, 4]))];
    assert_eq!(predict(&all).unwrap().classes, ["3", "4"]);
}

#[test]
fn a_test_part_alone_is_all_there_is() {
    let corpus = npz(&[("X_test.npy", x(2, 0)), ("y_test.npy", ints(&[0, 1]))]).unwrap();
    assert_eq!(parts(&corpus), [None, None]);
    assert!(notes(&corpus).contains("there is no `X_train`; the windows of `X_test` are all there is"));
    let error = error(&[("X_test.npy", x(2, 0))]);
    assert!(error.contains("there is no array `y_test` with the labels of `X_test`; found: X_test"), "{error}");
}

#[test]
fn windows_that_are_left_out_leave_the_others_their_numbers() {
    let values = npy("'<f4'", "(3, 2, 1)", &floats(&[1.0, 2.0, f32::NAN, 1.0, 3.0, 4.0]));
    let corpus = predict(&[("X_test.npy", values)]).unwrap();
    let places: Vec<&str> = corpus.recordings.iter().map(|recording| recording.source.as_str()).collect();
    assert_eq!(places, ["X_test[0]", "X_test[2]"]);
    assert_eq!(repairs(&corpus), [(Repair::NonFinite, 1, "X_test[1]")]);
}

#[test]
fn names_are_read_as_bytes_and_as_texts() {
    let wide = |text: &str| text.chars().flat_map(|letter| (letter as u32).to_le_bytes()).collect::<Vec<u8>>();
    let big = |text: &str| text.chars().flat_map(|letter| (letter as u32).to_be_bytes()).collect::<Vec<u8>>();
    let bytes = npy("'|S5'", "(2,)", "walk\0lié\0".as_bytes());
    for y in [bytes, npy("'<U4'", "(2,)", &wide("walklié\0")), npy("'>U4'", "(2,)", &big("walklié\0"))] {
        assert_eq!(npz(&[("X.npy", x(2, 0)), ("y.npy", y)]).unwrap().classes, ["lié", "walk"]);
    }
    let latin_1 = [("X.npy", x(2, 0)), ("y.npy", npy("'|S4'", "(2,)", b"walkli\xE9\0"))];
    assert!(error(&latin_1).contains("the label of window 1 is not UTF-8"), "{}", error(&latin_1));
    let empty = [("X.npy", x(2, 0)), ("y.npy", npy("'|S4'", "(2,)", b"walk\0\0\0\0"))];
    assert!(error(&empty).contains("the label of window 1 is empty"), "{}", error(&empty));
}

#[test]
fn objects_are_refused_with_what_to_save_instead() {
    let objects = |shape: &str| npy("'|O'", shape, b"\x80\x04");
    let labels = error(&[("X.npy", x(2, 0)), ("y.npy", objects("(2,)"))]);
    assert!(labels.contains("a.npz:y: it holds Python objects") && labels.contains("`.astype(str)`"), "{labels}");
    let windows = error(&[("X.npy", objects("(2,)")), ("y.npy", ints(&[0, 1]))]);
    assert!(windows.contains("a.npz:X: it holds Python objects") && windows.contains("np.stack(list(X))"), "{windows}");
}

#[test]
fn every_type_of_number_is_read() {
    // 1, −2, 2⁻²⁴ (the smallest), 65504 (the largest) as halves of IEEE 754.
    let halves = [0x3C00u16, 0xC000, 0x0001, 0x7BFF];
    let little: Vec<u8> = halves.iter().flat_map(|bits| bits.to_le_bytes()).collect();
    let big: Vec<u8> = halves.iter().flat_map(|bits| bits.to_be_bytes()).collect();
    for (descr, data) in [("'<f2'", little), ("'>f2'", big)] {
        let corpus = npz(&[("X.npy", npy(descr, "(2, 2, 1)", &data)), ("y.npy", ints(&[0, 1]))]).unwrap();
        let values: Vec<f32> = corpus.recordings.iter().flat_map(|each| each.values.clone()).collect();
        assert_eq!(values, [1.0, -2.0, 2f32.powi(-24), 65504.0]);
    }
    let infinite = npy("'<f2'", "(2, 2, 1)", &[0, 0x7C, 0, 0, 0, 0x3C, 0, 0x3C]);
    let corpus = npz(&[("X.npy", infinite), ("y.npy", ints(&[0, 1]))]).unwrap();
    assert_eq!(repairs(&corpus), [(Repair::NonFinite, 1, "X[0]")]);
    let bools = npy("'|b1'", "(2, 2, 1)", &[0, 1, 1, 1]);
    let whole = npy("'<f8'", "(2,)", &[3.0f64.to_le_bytes(), (-1.0f64).to_le_bytes()].concat());
    let corpus = npz(&[("X.npy", bools), ("y.npy", whole)]).unwrap();
    assert_eq!((corpus.classes[1].as_str(), &corpus.recordings[0].values[..]), ("3", &[0.0, 1.0][..]));
    assert_eq!(corpus.classes, ["-1", "3"]);
}

#[test]
fn a_column_or_rows_of_bool_are_labels_and_a_transposed_matrix_is_named() {
    let hot = npy("'|b1'", "(2, 3)", &[0, 0, 1, 1, 0, 0]);
    assert_eq!(npz(&[("X.npy", x(2, 0)), ("y.npy", hot)]).unwrap().classes, ["0", "2"]);
    let column = npy("'|u1'", "(2, 1)", &[4, 6]);
    assert_eq!(npz(&[("X.npy", x(2, 0)), ("y.npy", column)]).unwrap().classes, ["4", "6"]);
    let transposed = [("X.npy", x(2, 0)), ("y.npy", npy("'|u1'", "(3, 2)", &[0, 1, 0, 0, 1, 0]))];
    assert!(error(&transposed).contains("save `y.T`"), "{}", error(&transposed));
}

/// `n` windows of shape (first, second) with this value at each place.
fn windows(n: usize, first: usize, second: usize, value: impl Fn(usize, usize) -> f32) -> Vec<u8> {
    let one: Vec<f32> = (0..first * second).map(|at| value(at / second, at % second)).collect();
    npy("'<f4'", &format!("({n}, {first}, {second})"), &floats(&one.repeat(n)))
}

/// A number between −1 and 1 that nothing tells from chance.
fn noise(a: usize, b: usize) -> f32 {
    let mixed = (a as u32 + 1).wrapping_mul(0x9E37_79B9) ^ (b as u32 + 1).wrapping_mul(0x85EB_CA6B);
    let mixed = (mixed ^ mixed >> 15).wrapping_mul(0x2C1B_3C6D);
    ((mixed ^ mixed >> 12) % 2001) as f32 / 1000.0 - 1.0
}

/// A slow movement of each channel about a mean of its own.
fn movement(sample: usize, channel: usize) -> f32 {
    3.0 * noise(channel, 5) + (sample as f32 / 6.0 + channel as f32).sin()
}

#[test]
fn channels_first_is_asked_about() {
    let y = ints(&[0, 1, 0, 1]);
    let transposed =
        |sample_axis, channel_axis| windows(4, channel_axis, sample_axis, |channel, sample| movement(sample, channel));
    let cases = [
        windows(4, 9, 128, noise),
        windows(4, 24, 128, noise),
        windows(4, 1, 50, noise),
        windows(4, 3, 6, noise),
        transposed(128, 9),
        transposed(60, 45),
    ];
    for x in cases {
        let error = error(&[("X.npy", x), ("y.npy", y.clone())]);
        assert!(error.contains("Are the channels first?") && error.contains("`X.transpose(0, 2, 1)`"), "{error}");
    }
    assert!(npz(&[("X.npy", windows(4, 128, 9, noise)), ("y.npy", y.clone())]).unwrap().notices.is_empty());
}

#[test]
fn short_windows_of_many_channels_are_read_where_the_values_or_the_names_say_so() {
    let y = ints(&[0, 1, 0, 1]);
    let corpus = npz(&[("X.npy", windows(4, 24, 113, movement)), ("y.npy", y.clone())]).unwrap();
    assert_eq!((corpus.window, corpus.channels.len()), (Some(24), 113));
    assert!(notes(&corpus).contains("windows of 24 samples with 113 channels"), "{}", notes(&corpus));
    // Embeddings, say, which no rule about movements knows.
    let names =
        |n: usize| npy("'|S2'", &format!("({n},)"), &(0..n).flat_map(|at| [b'a' + at as u8, 0]).collect::<Vec<_>>());
    let arrays = [("X.npy", windows(4, 6, 16, noise)), ("y.npy", y.clone()), ("channels.npy", names(16))];
    let corpus = npz(&arrays).unwrap();
    assert_eq!((corpus.window, corpus.channels[15].as_str()), (Some(6), "p"));
    assert!(corpus.notices.is_empty());
    for shape in [(6, 16), (16, 6)] {
        // The names are those of the first axis.
        let arrays =
            [("X.npy", windows(4, shape.0, shape.1, noise)), ("y.npy", y.clone()), ("channels.npy", names(shape.0))];
        assert!(error(&arrays).contains("Are the channels first?"), "{}", error(&arrays));
    }
    let twice = npy("'|S1'", "(2,)", b"aa");
    let arrays = [("X.npy", windows(4, 6, 2, noise)), ("y.npy", y), ("channels.npy", twice)];
    assert!(error(&arrays).contains("a name is empty, given twice"), "{}", error(&arrays));
}

#[test]
fn surplus_axes_are_answered_with_the_way_to_drop_them() {
    for (shape, remedy) in [("(2, 2, 1, 1)", "`X[..., 0]`"), ("(2, 1, 2, 2)", "`X[:, 0]`")] {
        let n = if shape.ends_with("2, 2)") { 8 } else { 4 };
        let error = error(&[("X.npy", npy("'<f4'", shape, &floats(&vec![0.5; n]))), ("y.npy", ints(&[0, 1]))]);
        assert!(error.contains(remedy), "{error}");
    }
}

#[test]
fn stray_arrays_do_not_hide_a_table() {
    let folder = folder_with(&[("a.csv", b"subject,activity,x\ns,walk,1\n"), ("scaler_mean.npy", &ints(&[1]))]);
    assert_eq!(outline(&read(folder.path(), &ReadOptions::default()).unwrap()), [("s", "walk", 1)]);
}

#[test]
fn windows_that_drown_all_else_are_named() {
    let mut values: Vec<f32> = (0..40).map(|at| 10.0 + (at % 7) as f32).collect();
    values[14] = 1.2e31;
    values[15] = 1.1e31;
    values[31] = -9e30;
    let x = npy("'<f4'", "(10, 2, 2)", &floats(&values));
    let corpus = npz(&[("X_train.npy", x), ("y_train.npy", ints(&[0; 10]))]).unwrap();
    let [Notice::Warning(text)] = &corpus.notices[..] else { panic!("{:?}", corpus.notices) };
    assert!(text.starts_with("X_train[3]: 1.2e31 in channel `0`"), "{text}");
    assert!(text.contains("2 of 10 windows hold 3 such values"), "{text}");

    let rows: String =
        (0..50).map(|row| format!("s,walk,{},{}\n", 1 + row % 3, if row == 20 { 999_999.0 } else { 0.5 })).collect();
    let corpus = read_text("a.csv", format!("subject,activity,x,y\n{rows}")).unwrap();
    let [Notice::Warning(text)] = &corpus.notices[..] else { panic!("{:?}", corpus.notices) };
    assert!(text.starts_with("a.csv:2 + 20 samples: 1.0e6 in channel `y`"), "{text}");
}

#[test]
fn large_values_that_sensors_give_are_not_warned_of() {
    // A fall, light out of doors, a channel that is mostly zero, one that is always.
    let rows: String = (0..100)
        .map(|row| {
            format!(
                "s,walk,{},{},{},0\n",
                if row == 50 { 160.0 } else { 0.02 },
                if row < 10 { 1e5 } else { 5.0 },
                if row == 3 { 1e5 } else { 0.0 }
            )
        })
        .collect();
    let corpus = read_text("a.csv", format!("subject,activity,x,light,steps,none\n{rows}")).unwrap();
    assert!(corpus.notices.is_empty(), "{:?}", corpus.notices);
}
