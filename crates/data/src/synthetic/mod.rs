//! The built-in synthetic set: six activities of twenty made-up people, as a phone in a trouser pocket would feel them.
//!
//! With it a first run needs no download. It is not a measurement, and results on it say nothing about how well people are
//! recognised. [`Corpus::synthetic`] is set, so that every report of a result can say so.
//!
//! # The model
//! A phone measures the acceleration of the thigh it lies on, less gravity, turned into its own axes (m/s², 20 Hz):
//!
//! `reading = gain · phone⁻¹ · thigh⁻¹ · (acceleration + 9.81 · up) + bias + drift + noise`
//!
//! - **Thigh** (`body`): pitch and roll from posture. It hangs when standing, lies when sitting, swings in a gait.
//! - **Gait**: harmonics of the stride in all three axes, a thigh swing, and at each foot strike a damped ring that is
//!   stronger for the leg that carries the phone. Each person has a cadence, vigour, asymmetry and phases of their own;
//!   cadence and vigour wander from step to step. Jogging is faster and harder than walking; stairs go up or down in
//!   flights of some seconds, with a few level steps on each landing.
//! - **Standing and sitting**: slow sway, now and then a fidget. How far a thigh lies when sitting differs between
//!   people and seats.
//! - **Kicking**: a kick every few seconds, with either leg, and shuffling in between.
//! - **Phone**: for each take the phone is put into the pocket one of four ways round (top up or down, screen in or
//!   out) and askew by a random rotation; it creeps while it lies there. Gain, bias and noise differ between phones.
//!
//! A split by subject is hard, as in real data: unseen people carry their phones askew in ways that were not seen either,
//! sit and stand in ways that look alike to a tilted phone, and climb stairs much as others walk.
//!
//! The strength of each activity is that of published recordings of phones in pockets: the length of the reading has a
//! standard deviation of about 3 m/s² when walking or on stairs, 7 when jogging, a few tenths when still.
//!
//! Random numbers come from Philox streams. `sin`, `cos`, `exp` and `ln` come from the platform's mathematics library, so
//! that values, and with them the fingerprint, may differ in the last bit between platforms.

mod body;
mod rotation;

use triax_model::random::{Purpose, Stream};

use crate::{Corpus, Recording, RepairLog};
use body::{ACTIVITIES, Body, Wander};
use rotation::Rotation;

/// Samples a second.
const RATE_HZ: f64 = 20.0;
const N_PEOPLE: usize = 20;
/// Times each person does each activity; the phone is put back into the pocket before each.
const N_TAKES: usize = 3;
/// One minute.
const ROWS_PER_TAKE: usize = 1200;
/// m/s².
const GRAVITY: f64 = 9.81;

/// The properties of a person's phone.
struct Phone {
    /// How far from one of the four plain ways it is put into the pocket, in radians (standard deviation).
    askew: f64,
    gain: [f64; 3],
    /// m/s².
    bias: [f64; 3],
    /// Standard deviation in m/s².
    noise: f64,
}

impl Phone {
    fn random(stream: &mut Stream) -> Self {
        Self {
            askew: 0.1 + 0.2 * f64::from(stream.uniform()),
            gain: [(); 3].map(|()| 1.0 + 0.02 * stream.normal()),
            bias: [(); 3].map(|()| 0.15 * stream.normal()),
            noise: 0.03 + 0.09 * f64::from(stream.uniform()),
        }
    }
}

/// The synthetic set of `seed`: 20 subjects, 6 activities, three takes of a minute each at 20 Hz, in m/s²: with windows
/// of 120 rows and steps of 60 that is 6,840 windows. The same seed gives the same set.
pub fn synthetic(seed: u64) -> Corpus {
    let mut recordings = Vec::with_capacity(N_PEOPLE * ACTIVITIES.len() * N_TAKES);
    for person in 0..N_PEOPLE {
        let mut stream = Stream::with_layer(seed, Purpose::Synthesise, person as u64, 1);
        let body = Body::random(&mut stream);
        let phone = Phone::random(&mut stream);
        for class in 0..ACTIVITIES.len() {
            for _ in 0..N_TAKES {
                let take = recordings.len();
                let mut stream = Stream::new(seed, Purpose::Synthesise, take as u64);
                recordings.push(Recording {
                    subject: format!("s{:02}", person + 1),
                    class: class as u32,
                    times: (0..ROWS_PER_TAKE).map(|row| row as f64 / RATE_HZ).collect(),
                    stamps: None,
                    values: record(&body, &phone, class, &mut stream),
                    part: None,
                    source: format!("synthetic:{}", take * ROWS_PER_TAKE + 1),
                });
            }
        }
    }
    let names: Vec<String> = ACTIVITIES.iter().map(|activity| activity.name.to_owned()).collect();
    Corpus {
        name: "synthetic".to_owned(),
        synthetic: true,
        channels: ["x", "y", "z"].map(str::to_owned).to_vec(),
        class_names: names.clone(),
        classes: names,
        rate_hz: Some(RATE_HZ),
        recordings,
        repairs: RepairLog::default(),
        columns: Vec::new(),
        notices: Vec::new(),
        window: None,
        fingerprint: String::new(),
    }
    .with_fingerprint()
}

/// One take: (rows, 3).
fn record(body: &Body, phone: &Phone, class: usize, stream: &mut Stream) -> Vec<f32> {
    let mut motion = body.start(class, stream);
    let in_pocket = put_into_pocket(phone, stream);
    let mut creep = [(); 3].map(|()| Wander::new(0.06, 15.0, stream));
    let mut drift = [(); 3].map(|()| Wander::new(0.05, 40.0, stream));
    let mut values = Vec::with_capacity(ROWS_PER_TAKE * 3);
    for _ in 0..ROWS_PER_TAKE {
        let instant = motion.advance(stream);
        let [forward, left, up] = instant.acceleration;
        let felt = [forward, left, up + GRAVITY];
        let thigh =
            Rotation::about([0.0, 1.0, 0.0], instant.pitch).then(Rotation::about([1.0, 0.0, 0.0], instant.roll));
        let [x, y, z] = creep.each_mut().map(|angle| angle.advance(stream));
        let crept = Rotation::from_vector([x, y, z]);
        let mut reading = thigh.then(in_pocket).then(crept).apply(felt);
        for (axis, value) in reading.iter_mut().enumerate() {
            *value = phone.gain[axis] * *value
                + phone.bias[axis]
                + drift[axis].advance(stream)
                + phone.noise * stream.normal();
        }
        values.extend(reading.map(|value| value as f32));
    }
    values
}

/// From the thigh's axes (forward, left, up) to those of a phone that stands in the pocket with its top up and its
/// screen outwards, upside down, screen inwards, or both; and askew.
fn put_into_pocket(phone: &Phone, stream: &mut Stream) -> Rotation {
    // The phone's y points to its top and z out of its screen: forward becomes z, left x, up y.
    let upright = Rotation([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]);
    let half_turn = |axis, is_turned| Rotation::about(axis, if is_turned { std::f64::consts::PI } else { 0.0 });
    let way = stream.below(4);
    let askew = [(); 3].map(|()| phone.askew * stream.normal());
    upright
        .then(half_turn([0.0, 0.0, 1.0], way & 1 == 1))
        .then(half_turn([0.0, 1.0, 0.0], way & 2 == 2))
        .then(Rotation::from_vector(askew))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cut;

    #[test]
    fn the_set_has_the_size_it_says_and_every_subject_does_everything() {
        let corpus = synthetic(0);
        assert!(corpus.synthetic);
        assert_eq!(corpus.subjects().len(), N_PEOPLE);
        assert!(corpus.classes.is_sorted());
        let windows = cut(&corpus, 120, 60).unwrap();
        let all: Vec<u32> = (0..windows.len() as u32).collect();
        assert_eq!(windows.class_counts(&all, 6), [1140; 6]);
        for subject in corpus.subjects() {
            let own = corpus.recordings.iter().filter(|r| r.subject == subject);
            let mut classes: Vec<_> = own.map(|r| r.class).collect();
            classes.dedup();
            assert_eq!(classes, [0, 1, 2, 3, 4, 5]);
        }
        for recording in &corpus.recordings {
            assert_eq!(recording.times.len(), ROWS_PER_TAKE);
            assert_eq!(recording.values.len(), ROWS_PER_TAKE * 3);
            // A phone's accelerometer ends at 8 or 16 g.
            assert!(recording.values.iter().all(|v| v.abs() < 16.0 * GRAVITY as f32), "{}", recording.source);
        }
    }

    #[test]
    fn the_seed_makes_the_set() {
        let (a, b) = (synthetic(5), synthetic(6));
        assert_eq!(a, synthetic(5));
        assert_ne!(a.fingerprint, b.fingerprint);
        assert!(a.recordings.iter().zip(&b.recordings).all(|(a, b)| a.values != b.values));
    }

    /// Mean and standard deviation of the length of the reading, over all takes of an activity, m/s².
    fn magnitude(corpus: &Corpus, class: &str) -> (f64, f64) {
        let class = corpus.classes.iter().position(|c| c == class).unwrap() as u32;
        let takes = corpus.recordings.iter().filter(|r| r.class == class);
        let lengths: Vec<f64> = takes
            .flat_map(|r| r.values.chunks(3))
            .map(|row| row.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt())
            .collect();
        let mean = lengths.iter().sum::<f64>() / lengths.len() as f64;
        let variance = lengths.iter().map(|l| (l - mean).powi(2)).sum::<f64>() / lengths.len() as f64;
        (mean, variance.sqrt())
    }

    #[test]
    fn activities_differ_in_strength_as_they_do_in_life() {
        for seed in 0..2 {
            let corpus = synthetic(seed);
            for still in ["sitting", "standing"] {
                let (mean, spread) = magnitude(&corpus, still);
                assert!((mean - GRAVITY).abs() < 0.2 && spread < 0.4, "{still}: {mean} ± {spread}");
            }
            let spread = |class| magnitude(&corpus, class).1;
            assert!((2.0..4.5).contains(&spread("walking")), "{}", spread("walking"));
            assert!((2.0..4.5).contains(&spread("stairs")), "{}", spread("stairs"));
            assert!((5.0..9.0).contains(&spread("jogging")), "{}", spread("jogging"));
            assert!((1.0..4.5).contains(&spread("kicking")), "{}", spread("kicking"));
        }
    }

    #[test]
    fn gravity_moves_to_another_axis_when_the_thigh_lies_down() {
        // Averaged over a take, a phone that is not very askew reads gravity on y when its owner stands and on z when
        // they sit, whichever way round it lies.
        let corpus = synthetic(0);
        let on_axis = |class: &str, axis: usize| {
            let class = corpus.classes.iter().position(|c| c == class).unwrap() as u32;
            let takes: Vec<_> = corpus.recordings.iter().filter(|r| r.class == class).collect();
            let mean = |values: &[f32]| values.iter().skip(axis).step_by(3).sum::<f32>() / ROWS_PER_TAKE as f32;
            takes.iter().map(|r| mean(&r.values).abs()).sum::<f32>() / takes.len() as f32
        };
        assert!(on_axis("standing", 1) > 8.0 && on_axis("standing", 2) < 4.0);
        assert!(on_axis("sitting", 2) > 7.0 && on_axis("sitting", 1) < 5.0);
    }
}
