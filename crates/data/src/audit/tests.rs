//! Each check finds what it is for, and nothing in data that is sound.

use triax_model::Scaler;
use triax_model::random::{Purpose, Stream};

use super::*;
use crate::scale::fit_to_recordings;
use crate::test_corpora::corpus_of;
use crate::{Folds, HeldOut, Windows, cut, fit_scaler};

fn two() -> (Corpus, Windows) {
    let corpus = corpus_of(&[("ann", 0, 20), ("ann", 1, 20), ("bob", 0, 20), ("bob", 1, 20)], 3);
    let windows = cut(&corpus, 4, 2).unwrap();
    (corpus, windows)
}

fn folds(corpus: &Corpus, windows: &Windows, which: Folds) -> Vec<(Vec<u32>, Vec<u32>)> {
    let half = HeldOut { valid_fraction: 0.5, valid_subjects: Vec::new() };
    let folds = which.make(corpus, windows, 4, &half, 0).unwrap();
    folds.into_iter().map(|fold| (fold.train, fold.valid)).collect()
}

fn verdict(audit: &Audit, check: &str) -> Verdict {
    audit.findings.iter().find(|finding| finding.check == check).unwrap().verdict
}

fn audit(corpus: &Corpus, windows: &Windows, folds: &[(Vec<u32>, Vec<u32>)]) -> Audit {
    let folds: Vec<(&[u32], &[u32])> = folds.iter().map(|(train, valid)| (&train[..], &valid[..])).collect();
    Audit::new(corpus, &windows.origins, 4, &folds)
}

#[test]
fn folds_by_subject_are_sound() {
    let (corpus, windows) = two();
    let folds = folds(&corpus, &windows, Folds::LeaveOneSubjectOut);
    let found = audit(&corpus, &windows, &folds);
    assert!(!found.leaks(), "{found:?}");
    assert!(found.findings.iter().all(|finding| finding.verdict == Verdict::Sound), "{found:?}");
}

#[test]
fn overlapping_windows_across_a_split_are_found() {
    let (corpus, windows) = two();
    let found = audit(&corpus, &windows, &folds(&corpus, &windows, Folds::Random(3)));
    assert!(found.leaks());
    for check in ["samples", "subjects", "recordings"] {
        assert_eq!(verdict(&found, check), Verdict::Leak, "{check}: {found:?}");
    }
    assert_eq!(found.findings.last().unwrap().verdict, Verdict::Sound, "the gravest come first");
}

#[test]
fn a_subject_on_both_sides_is_found_where_no_sample_is_shared() {
    let (corpus, windows) = two();
    let class_0 = |idx: &u32| windows.labels[*idx as usize] == 0;
    let is_ann = |idx: &u32| corpus.subject_of(windows.origins[*idx as usize]) == "ann";
    let valid: Vec<u32> = (0..windows.len() as u32).filter(|idx| is_ann(idx) && class_0(idx)).collect();
    let train: Vec<u32> = (0..windows.len() as u32).filter(|idx| !valid.contains(idx)).collect();
    let found = audit(&corpus, &windows, &[(train, valid)]);
    assert_eq!(verdict(&found, "subjects"), Verdict::Leak);
    assert_eq!(verdict(&found, "samples"), Verdict::Sound);
    assert_eq!(verdict(&found, "recordings"), Verdict::Sound);
}

#[test]
fn a_recording_on_both_sides_is_found_where_no_sample_is_shared() {
    let (corpus, windows) = two();
    // Window 0 starts at row 0 and window 2 at row 4 of the same recording.
    let found = audit(&corpus, &windows, &[(vec![0], vec![2])]);
    assert_eq!(verdict(&found, "recordings"), Verdict::Leak);
    assert_eq!(verdict(&found, "samples"), Verdict::Sound);
    assert_eq!(verdict(&audit(&corpus, &windows, &[(vec![0], vec![1])]), "samples"), Verdict::Leak);
}

#[test]
fn a_copied_recording_is_found() {
    let (mut corpus, _) = two();
    let copied = corpus.recordings[0].values.clone();
    corpus.recordings[2].values = copied;
    let windows = cut(&corpus, 4, 2).unwrap();
    let apart = folds(&corpus, &windows, Folds::LeaveOneSubjectOut);
    assert_eq!(verdict(&audit(&corpus, &windows, &apart), "duplicates"), Verdict::Leak);
    let together = audit(&corpus, &windows, &[((0..windows.len() as u32).collect(), Vec::new())]);
    assert_eq!(verdict(&together, "duplicates"), Verdict::Note);
}

#[test]
fn a_scaler_of_other_windows_is_found() {
    let (corpus, windows) = two();
    let apart = folds(&corpus, &windows, Folds::LeaveOneSubjectOut);
    let audited = |scalers: [&Scaler; 2]| {
        let used = apart.iter().zip(scalers).map(|((train, valid), scaler)| ScalerInUse {
            scaler,
            values: &windows.values,
            channels: 3,
            train,
            valid,
        });
        let found = Audit::default().with_scalers(4, &used.collect::<Vec<_>>());
        (found.findings[0].verdict, found.findings[0].words.clone())
    };
    let own: Vec<Scaler> = apart.iter().map(|(train, _)| fit_scaler(&windows.values, train, 4, 3)).collect();
    let all: Vec<u32> = (0..windows.len() as u32).collect();
    let on_everything = fit_scaler(&windows.values, &all, 4, 3);
    assert_eq!(audited([&own[0], &own[1]]).0, Verdict::Sound);
    let (verdict, words) = audited([&own[0], &on_everything]);
    assert_eq!(verdict, Verdict::Leak);
    assert!(words.starts_with("1 of 2 scalers were fitted to training and validation together"), "{words}");
    let (verdict, words) = audited([&own[1], &own[0]]);
    assert_eq!(verdict, Verdict::Leak);
    assert!(words.contains("to other windows"), "{words}");
    // What another program computed of the same rows differs by rounding.
    let mut rounded = own[0].clone();
    rounded.mean[0] *= 1.0 + 2.0 * f32::EPSILON;
    assert_eq!(audited([&rounded, &own[1]]).0, Verdict::Sound);
    assert_eq!(audited([&Scaler { mean: vec![0.0], scale: vec![1.0] }, &own[1]]).0, Verdict::Leak);
    assert_eq!(Audit::default().with_scalers(4, &[]).findings[0].verdict, Verdict::Sound);
}

/// `corpus`, each of `channels` columns standardised by the recordings that `is_used` keeps.
fn standardised(corpus: &Corpus, channels: usize, is_used: impl Fn(&Recording) -> bool) -> Corpus {
    let mut corpus = corpus.clone();
    let fitted_to: Vec<&Recording> = corpus.recordings.iter().filter(|recording| is_used(recording)).collect();
    let scaler = fit_to_recordings(&fitted_to, channels);
    corpus.recordings.iter_mut().for_each(|recording| scaler.apply(&mut recording.values));
    corpus
}

#[test]
fn data_that_was_standardised_with_what_validates_is_found() {
    let (raw, windows) = two();
    let apart = folds(&raw, &windows, Folds::HeldOut);
    let audited = |corpus: &Corpus| verdict(&audit(corpus, &windows, &apart), "preprocessing");
    assert_eq!(audited(&raw), Verdict::Sound);
    assert_eq!(audited(&standardised(&raw, 3, |_| true)), Verdict::Leak);
    assert_eq!(audited(&standardised(&raw, 1, |_| true)), Verdict::Leak, "one mean for all channels");
    let held_out = &raw.subject_of(windows.origins[apart[0].1[0] as usize]);
    assert_eq!(audited(&standardised(&raw, 3, |recording| recording.subject != *held_out)), Verdict::Sound);
    // Each recording by itself, so that no mean depends on another recording.
    let mut each = raw.clone();
    for recording in &mut each.recordings {
        fit_to_recordings(&[&*recording], 3).apply(&mut recording.values);
    }
    assert_eq!(audited(&each), Verdict::Note);
}

#[test]
fn unknown_subjects_are_not_excluded() {
    let corpus = corpus_of(&[("", 0, 20), ("", 1, 20)], 3);
    let windows = cut(&corpus, 4, 2).unwrap();
    let found = audit(&corpus, &windows, &[(vec![0], vec![9])]);
    assert_eq!(verdict(&found, "subjects"), Verdict::NotExcluded);
    assert!(found.is_open() && !found.leaks());
    // Where some are named, the others may still be any of them.
    let corpus = corpus_of(&[("ann", 0, 20), ("", 1, 20)], 3);
    let found = audit(&corpus, &windows, &[(vec![0], vec![9])]);
    assert_eq!(verdict(&found, "subjects"), Verdict::NotExcluded);
    let found = audit(&corpus, &windows, &[(vec![0], vec![1, 9])]);
    assert!(words(&found, "subjects").starts_with("1 subject is"), "{found:?}");
}

fn words<'f>(audit: &'f Audit, check: &str) -> &'f str {
    &audit.findings.iter().find(|finding| finding.check == check).unwrap().words
}

/// Rows of noise that a sensor of `resolution` has rounded, (rows, channels), around 9.81 with the given deviation.
fn noise(seed: u64, rows: usize, channels: usize, deviation: f64, resolution: f64) -> Vec<f32> {
    let mut stream = Stream::new(seed, Purpose::Synthesise, 0);
    let value = |_| ((9.81 + deviation * stream.normal()) / resolution).round() * resolution;
    (0..rows * channels).map(value).map(|value| value as f32).collect()
}

/// Recordings of the given subjects, one of each of two classes, of `rows` rows of noise.
fn noisy(subjects: &[&str], rows: usize, channels: usize, deviation: f64, resolution: f64) -> Corpus {
    let of: Vec<_> = subjects.iter().flat_map(|&subject| [(subject, 0, rows), (subject, 1, rows)]).collect();
    let mut corpus = corpus_of(&of, channels);
    for (seed, recording) in (0..).zip(&mut corpus.recordings) {
        recording.values = noise(seed, rows, channels, deviation, resolution);
    }
    corpus
}

/// The windows of `corpus`, as a source that came as windows has them.
fn windowed(corpus: &Corpus, window: usize, step: usize) -> (Corpus, Windows) {
    let cut_before = cut(corpus, window, step).unwrap();
    let recordings = cut_before.origins.iter().map(|&origin| Recording {
        values: corpus.values_at(origin, window).to_vec(),
        times: Vec::new(),
        ..corpus.recordings[origin.recording as usize].clone()
    });
    let windowed = Corpus { window: Some(window), recordings: recordings.collect(), ..corpus.clone() };
    let windows = cut(&windowed, window, window).unwrap();
    (windowed, windows)
}

/// Every fourth window validates, after they were shuffled.
fn shuffled(n: usize) -> (Vec<u32>, Vec<u32>) {
    let mut order: Vec<u32> = (0..n as u32).collect();
    Stream::new(7, Purpose::Split, 0).shuffle(&mut order);
    let valid = order.split_off(n - n / 4);
    (order, valid)
}

fn samples_of(corpus: &Corpus, fold: (Vec<u32>, Vec<u32>)) -> Finding {
    let window = corpus.window.unwrap();
    let windows = cut(corpus, window, window).unwrap();
    let audit = Audit::new(corpus, &windows.origins, window, &[(&fold.0, &fold.1)]);
    audit.findings.into_iter().find(|finding| finding.check == "samples").unwrap()
}

#[test]
fn windows_that_came_overlapping_are_found_at_any_step() {
    for channels in [1, 3, 9] {
        let raw = noisy(&["ann", "bob"], 1200, channels, 1.0, 1e-3);
        for step in [1, 17, 40, 60, 90, 100] {
            let (corpus, windows) = windowed(&raw, 120, step);
            let found = samples_of(&corpus, shuffled(windows.len()));
            assert_eq!(found.verdict, Verdict::Leak, "{channels} channels, step {step}: {found:?}");
            // The words tell the number of rows of the shortest overlap, if it is the only one.
            if step >= 90 {
                assert!(found.words.contains(&format!(" {} ", 120 - step)), "step {step}: {found:?}");
            }
        }
        let (corpus, windows) = windowed(&raw, 120, 120);
        let found = samples_of(&corpus, shuffled(windows.len()));
        assert_eq!(found.verdict, Verdict::NotExcluded, "{channels} channels: {found:?}");
    }
}

#[test]
fn nearly_all_validation_windows_that_overlap_are_counted() {
    let (corpus, windows) = windowed(&noisy(&["ann", "bob"], 4000, 3, 1.0, 1e-3), 120, 40);
    let (train, valid) = shuffled(windows.len());
    let shares = |idx: &&u32| {
        [-2_i64, -1, 1, 2].iter().any(|off| {
            let other = i64::from(**idx) + off;
            let of = |idx: i64| corpus.recordings.get(usize::try_from(idx).ok()?).map(|r| (&r.subject, r.class));
            of(other).is_some() && of(other) == of(i64::from(**idx)) && train.contains(&(other as u32))
        })
    };
    let n_shared = valid.iter().filter(shares).count();
    let expected = format!("{n_shared} of {} validation windows share samples", valid.len());
    let found = samples_of(&corpus, (train, valid));
    assert!(found.words.contains(&expected), "{expected}: {found:?}");
}

#[test]
fn people_apart_share_no_rows() {
    for (deviation, resolution) in [(1.0, 1e-3), (0.002, 1e-3), (0.01, 0.01), (0.5, 0.1)] {
        let raw = noisy(&["ann", "bob", "cem"], 3000, 3, deviation, resolution);
        let (corpus, windows) = windowed(&raw, 100, 50);
        let is_cem = |idx: &u32| corpus.subject_of(windows.origins[*idx as usize]) == "cem";
        let fold = (0..windows.len() as u32).partition(|idx| !is_cem(idx));
        let found = samples_of(&corpus, fold);
        assert_eq!(found.verdict, Verdict::Sound, "{deviation} in steps of {resolution}: {found:?}");
        // At rest, the windows of one person are no copies of each other either.
        let (corpus, windows) = windowed(&raw, 100, 100);
        let found = samples_of(&corpus, shuffled(windows.len()));
        assert_eq!(found.verdict, Verdict::NotExcluded, "{deviation} in steps of {resolution}: {found:?}");
    }
}

#[test]
fn overlapping_windows_at_rest_are_found_by_their_halves() {
    let (corpus, windows) = windowed(&noisy(&["ann"], 3000, 3, 0.0006, 1e-3), 120, 40);
    assert_eq!(samples_of(&corpus, shuffled(windows.len())).verdict, Verdict::Leak);
}

#[test]
fn overlapping_windows_are_found_where_each_was_scaled_by_itself() {
    let raw = noisy(&["ann", "bob"], 2000, 3, 1.0, 1e-3);
    let (corpus, windows) = windowed(&raw, 120, 60);
    let fold = shuffled(windows.len());
    let changed = |change: &dyn Fn(usize, &mut Recording)| {
        let mut changed = corpus.clone();
        changed.recordings.iter_mut().enumerate().for_each(|(idx, recording)| change(idx, recording));
        samples_of(&changed, fold.clone())
    };
    let by_itself = changed(&|_, recording| fit_to_recordings(&[&*recording], 3).apply(&mut recording.values));
    assert_eq!(by_itself.verdict, Verdict::Leak, "{by_itself:?}");
    assert!(by_itself.words.contains("another scale"), "{by_itself:?}");
    let by_part = changed(&|idx, recording| {
        let (mean, scale) = if fold.1.contains(&(idx as u32)) { (9.7, 1.1) } else { (9.9, 0.9) };
        recording.values.iter_mut().for_each(|value| *value = (*value - mean) / scale);
    });
    assert_eq!(by_part.verdict, Verdict::Leak, "{by_part:?}");
    // Noise that was added afterwards leaves nothing to compare: never an all-clear.
    let with_noise = changed(&|idx, recording| {
        let noise = noise(1000 + idx as u64, 120, 3, 0.05, 1e-6);
        recording.values.iter_mut().zip(noise).for_each(|(value, noise)| *value += noise);
    });
    assert_eq!(with_noise.verdict, Verdict::NotExcluded, "{with_noise:?}");
}

#[test]
fn halves_rounded_to_f16_after_scaling_are_found() {
    let (corpus, windows) = windowed(&noisy(&["ann", "bob"], 4000, 3, 1.0, 1e-3), 120, 40);
    let fold = shuffled(windows.len());
    let mut rounded = corpus.clone();
    for (idx, recording) in rounded.recordings.iter_mut().enumerate() {
        let (mean, scale) = if fold.1.contains(&(idx as u32)) { (9.7, 1.1) } else { (9.9, 0.9) };
        // Ten bits of the fraction are kept.
        let round = |value: f32| f32::from_bits((((value - mean) / scale).to_bits() + 0x1000) & !0x1fff);
        recording.values.iter_mut().for_each(|value| *value = round(*value));
    }
    assert_eq!(samples_of(&rounded, fold).verdict, Verdict::Leak);
}

#[test]
fn swings_are_no_copies_of_each_other() {
    let mut raw = noisy(&["ann", "bob", "cem"], 3000, 3, 1.0, 1e-3);
    for (idx, recording) in raw.recordings.iter_mut().enumerate() {
        for (at, value) in recording.values.iter_mut().enumerate() {
            let (row, channel) = (at / 3, at % 3);
            *value = (idx + 1) as f32 * (0.3 * row as f32 + idx as f32 + channel as f32).sin() + idx as f32;
        }
    }
    let (corpus, windows) = windowed(&raw, 100, 50);
    let is_cem = |idx: &u32| corpus.subject_of(windows.origins[*idx as usize]) == "cem";
    let fold = (0..windows.len() as u32).partition(|idx| !is_cem(idx));
    assert_eq!(samples_of(&corpus, fold).verdict, Verdict::Sound);
}

#[test]
fn windows_too_short_to_compare_are_not_excluded() {
    let (corpus, windows) = windowed(&noisy(&["ann"], 200, 3, 1.0, 1e-3), 4, 4);
    let found = samples_of(&corpus, shuffled(windows.len()));
    assert_eq!(found.verdict, Verdict::NotExcluded);
    assert!(found.words.contains("too few to tell"), "{found:?}");
}

#[test]
fn windows_do_not_say_which_recording_they_are_of() {
    let (corpus, windows) = windowed(&noisy(&["ann", "bob"], 400, 3, 1.0, 1e-3), 100, 100);
    let (train, valid) = shuffled(windows.len());
    let found = Audit::new(&corpus, &windows.origins, 100, &[(&train, &valid)]);
    assert_eq!(verdict(&found, "recordings"), Verdict::NotExcluded);
    let found = Audit::new(&corpus, &windows.origins, 100, &[(&[0, 1, 2, 3, 4, 5, 6, 7], &[8, 9, 10, 11])]);
    assert_eq!(verdict(&found, "recordings"), Verdict::Sound, "{found:?}");
}

#[test]
fn a_copy_that_starts_elsewhere_is_found() {
    let mut corpus = noisy(&["ann", "bob", "cem"], 1000, 3, 1.0, 1e-3);
    let copied = corpus.recordings[0].values[3 * 37..].to_vec();
    corpus.recordings[4].values = copied;
    let windows = cut(&corpus, 100, 50).unwrap();
    let is_cem = |idx: &u32| corpus.subject_of(windows.origins[*idx as usize]) == "cem";
    let (train, valid): (Vec<u32>, Vec<u32>) = (0..windows.len() as u32).partition(|idx| !is_cem(idx));
    let found = Audit::new(&corpus, &windows.origins, 100, &[(&train, &valid)]);
    assert_eq!(verdict(&found, "duplicates"), Verdict::Leak);
    assert!(words(&found, "duplicates").starts_with("18 of 37 validation windows repeat rows"), "{found:?}");
    let is_bob = |idx: &u32| corpus.subject_of(windows.origins[*idx as usize]) == "bob";
    let (train, valid): (Vec<u32>, Vec<u32>) = (0..windows.len() as u32).partition(|idx| !is_bob(idx));
    let found = Audit::new(&corpus, &windows.origins, 100, &[(&train, &valid)]);
    assert_eq!(verdict(&found, "duplicates"), Verdict::Sound, "{found:?}");
}

/// A row of a recording.
struct At {
    subject: usize,
    class: usize,
    recording: usize,
    row: usize,
}

/// The verdict on channels of ten people who do three things, of whose two channels the second has the given values, when
/// people are kept apart and when windows are drawn at random.
fn channels_of(extra: impl Fn(At) -> f32) -> [Finding; 2] {
    let names: Vec<String> = (0..10).map(|subject| format!("p{subject}")).collect();
    let of: Vec<_> = names.iter().flat_map(|name| (0..3).map(move |class| (name.as_str(), class, 200))).collect();
    let mut corpus = corpus_of(&of, 2);
    for (idx, recording) in corpus.recordings.iter_mut().enumerate() {
        let (subject, class) = (idx / 3, idx % 3);
        recording.values = noise(idx as u64, 200, 2, 1.0, 1e-3);
        let row_of_extra = recording.values.chunks_exact_mut(2).enumerate();
        row_of_extra.for_each(|(row, values)| values[1] = extra(At { subject, class, recording: idx, row }));
    }
    let windows = cut(&corpus, 20, 10).unwrap();
    let n = windows.len();
    let is_held_out = |idx: &u32| ["p3", "p7"].contains(&corpus.subject_of(windows.origins[*idx as usize]));
    let apart = (0..n as u32).partition(|idx| !is_held_out(idx));
    [apart, shuffled(n)].map(|(train, valid)| {
        let audit = Audit::new(&corpus, &windows.origins, 20, &[(&train, &valid)]);
        audit.findings.into_iter().find(|finding| finding.check == "channels").unwrap()
    })
}

#[track_caller]
fn assert_channel(found: &[Finding; 2], verdicts: [Verdict; 2], expected: &str) {
    assert_eq!(found.each_ref().map(|finding| finding.verdict), verdicts, "{found:?}");
    assert!(found.iter().all(|finding| finding.words.contains(expected)), "{expected}: {found:?}");
}

#[test]
fn a_channel_that_determines_the_class_leaks() {
    use Verdict::Leak;
    let leaks = |found: [Finding; 2]| assert_channel(&found, [Leak; 2], "`c1` by itself tells the class");
    leaks(channels_of(|At { class, .. }| class as f32));
    leaks(channels_of(|At { class, .. }| [0.7, -3.1, 12.0][class]));
    leaks(channels_of(|At { class, .. }| f32::from(class == 1)));
    // A few rows at a border have another label.
    leaks(channels_of(|At { class, row, .. }| if row < 4 { 0.0 } else { class as f32 + 1.0 }));
    // Half a label for each person: two levels a class.
    leaks(channels_of(|At { subject, class, .. }| (10 * class + subject % 2) as f32));
    // Each part by a scaler of its own.
    leaks(channels_of(|At { subject, class, .. }| {
        let (mean, scale) = if [3, 7].contains(&subject) { (1.1, 0.8) } else { (0.9, 0.83) };
        (class as f32 - mean) / scale
    }));
}

#[test]
fn a_channel_that_determines_the_subject_leaks_where_subjects_are_on_both_sides() {
    use Verdict::{Leak, Note};
    assert_channel(
        &channels_of(|At { subject, .. }| subject as f32),
        [Note, Leak],
        "`c1` by itself tells who was recorded",
    );
    // Two people have the same weight.
    let weight = |At { subject, .. }| 50.0 + 1.7 * (subject.max(1) as f32);
    assert_channel(&channels_of(weight), [Note, Leak], "`c1` by itself tells who was recorded");
    assert_channel(
        &channels_of(|At { subject, .. }| (subject % 2) as f32),
        [Note, Note],
        "stays the same for each person",
    );
}

#[test]
fn a_session_tells_the_class_where_it_is_on_both_sides() {
    let session = |At { recording, .. }| 100.0 + recording as f32;
    assert_channel(&channels_of(session), [Verdict::Note, Verdict::Leak], "`c1` by itself tells the class");
}

#[test]
fn signals_are_sound_as_channels() {
    let sound = |found: [Finding; 2]| assert_channel(&found, [Verdict::Sound; 2], "No channel by itself");
    // A dead channel, and a signal.
    sound(channels_of(|_| 3.0));
    sound(channels_of(|At { class, recording: idx, row, .. }| {
        noise((idx * 1000 + row) as u64, 1, 1, 1.0 + class as f64, 1e-3)[0]
    }));
    // A heart rate that stays for some windows, and that classes share.
    sound(channels_of(|At { subject, class, row, .. }| (60 + (7 * subject + 11 * class + 5 * (row / 40)) % 30) as f32));
    // Numbers that never come back, one for each window.
    sound(channels_of(|At { recording: idx, row, .. }| ((idx * 20 + row / 10) * 7919 % 4096) as f32 / 7.0));
}

#[test]
fn a_label_with_noise_is_worth_a_note() {
    for width in [1e-3, 0.02] {
        let found = channels_of(|At { class, recording: idx, row, .. }| {
            class as f32 + width * (noise((idx * 1000 + row) as u64, 1, 1, 1.0, 1e-3)[0] - 9.81)
        });
        assert!(found.iter().any(|finding| finding.words.contains("a label")), "{found:?}");
    }
    // Labels that are counted on within.
    let found = channels_of(|At { class, row, .. }| (100 * class + row % 30) as f32);
    assert!(found.iter().any(|finding| finding.words.contains("a label")), "{found:?}");
    // As a posture does it: gravity along an axis, which people hold differently, with the noise of a sensor.
    let found = channels_of(|At { subject, class, recording: idx, row }| {
        let level = [9.6, 0.4, -6.0][class] + 0.3 * (subject as f32 - 5.0);
        level + noise((idx * 1000 + row) as u64, 1, 1, 0.02, 1e-3)[0]
    });
    assert!(found.iter().any(|finding| finding.words.contains("or postures")), "{found:?}");
}

#[test]
fn old_audits_are_read() {
    let old = r#"{"findings": [{"check": "samples", "verdict": "leak", "words": "Some."}, {"check": "subjects", "verdict": "note", "words": ""}]}"#;
    assert!(serde_json::from_str::<Audit>(old).unwrap().leaks());
    assert_eq!(serde_json::to_value(Verdict::NotExcluded).unwrap(), "not_excluded");
}

#[test]
fn rounded_swings_are_no_copies_of_each_other() {
    let mut raw = noisy(&["ann", "bob", "cem"], 600, 3, 1.0, 1e-3);
    for (idx, recording) in raw.recordings.iter_mut().enumerate() {
        for (at, value) in recording.values.iter_mut().enumerate() {
            // The same slow swing, a second later for each person, in four decimals; and a constant of each person.
            let (row, channel, subject) = (at / 3, at % 3, (idx / 2) as f32);
            let angle = 0.05 * row as f32 + subject;
            let swing = [0.1 * angle.sin(), 9.0 + 0.1 * angle.cos(), 0.1 * subject][channel];
            *value = (swing * 1e4).round() / 1e4;
        }
    }
    let (corpus, windows) = windowed(&raw, 100, 50);
    let is_cem = |idx: &u32| corpus.subject_of(windows.origins[*idx as usize]) == "cem";
    let fold = (0..windows.len() as u32).partition(|idx| !is_cem(idx));
    let found = samples_of(&corpus, fold);
    assert_eq!(found.verdict, Verdict::Sound, "{found:?}");
}
