//! Channels chosen by name, whatever the format.

use super::{fixture, read_text};
use triax_data::{Corpus, DataError, ReadOptions, read};

fn read_channels(path: &str, channels: &[&str]) -> Result<Corpus, DataError> {
    let channels = channels.iter().map(|name| (*name).to_owned()).collect();
    read(&fixture(path), &ReadOptions { channels, ..ReadOptions::default() })
}

#[test]
fn every_format_gives_the_channels_that_are_asked_for_in_their_order() {
    for (path, channels) in [
        ("wisdm1.txt", ["z", "x"]),
        ("wisdm2", ["Z", "x"]),
        ("motionsense", ["acceleration.Z", "acceleration.x"]),
        ("integers.npz", ["1", "0"]),
    ] {
        let all = read_channels(path, &[]).unwrap();
        let some = read_channels(path, &channels).unwrap();
        let at =
            channels.map(|name| all.channels.iter().position(|channel| channel.eq_ignore_ascii_case(name)).unwrap());
        assert_eq!(some.channels, at.map(|at| all.channels[at].clone()), "{path}");
        assert_ne!(some.fingerprint, all.fingerprint);
        for (some, all_of_it) in some.recordings.iter().zip(&all.recordings) {
            let rows = all_of_it.values.chunks_exact(all.channels.len());
            let expected: Vec<f32> = rows.flat_map(|row| at.map(|at| row[at])).collect();
            assert_eq!(some.values, expected, "{path}");
        }
    }
}

#[test]
fn the_same_channels_are_the_same_corpus() {
    let all = read_channels("wisdm1.txt", &[]).unwrap();
    assert_eq!(read_channels("wisdm1.txt", &["X", "y", "Z"]).unwrap(), all);
}

#[test]
fn names_that_do_not_fit_are_answered_with_those_there_are() {
    let error = |channels: &[&str]| read_channels("wisdm1.txt", channels).unwrap_err().to_string();
    assert!(error(&["x", "speed"]).contains("there is no channel `speed`"), "{}", error(&["x", "speed"]));
    assert!(error(&["speed"]).contains("It has: x, y, z"), "{}", error(&["speed"]));
    assert!(error(&["x", "X"]).contains("the channel `X` was asked for twice"), "{}", error(&["x", "X"]));
}

#[test]
fn of_channels_that_differ_in_case_only_the_exact_one_is_meant() {
    let corpus = read_text("a.csv", "subject,activity,x,X\ns,a,1,2\n").unwrap();
    let select = |name: &str| corpus.clone().select_channels(&[name.to_owned()]);
    assert_eq!(select("X").unwrap().recordings[0].values, [2.0]);
    let corpus = read_text("a.csv", "subject,activity,xy,xY\ns,a,1,2\n").unwrap();
    let error = corpus.select_channels(&["XY".to_owned()]).unwrap_err().to_string();
    assert!(error.contains("several channels could be `XY`"), "{error}");
}
