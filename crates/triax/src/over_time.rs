//! One answer for a sequence of windows: of a file, or of a stream with a fixed lag.

use std::collections::VecDeque;

use triax_answers::Answers;
use triax_answers::hmm::{Chain, Evidence, FixedLag};
use triax_answers::segments::{Slot, segments, slot_lengths};
use triax_answers::temperature::Temperature;
use triax_answers::unknown::confidence;
use triax_data::{Corpus, Joining, Origin, Sequence, sequences};
use triax_losses::predicted_class;

use crate::predictor::PredictorOrigin;
use crate::settings::Length;
use crate::{Error, Notice, Predictor, StreamPrediction};

/// How windows become one answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct OverTimeOptions {
    /// The share of rightly answered windows of known activities that may be rejected, 0 to 1. Without it, nothing is `unknown`.
    pub unknown: Option<f64>,
    /// How long an activity lasts in the mean, where any other may follow. By default, both are as in the recordings that the
    /// network was trained on.
    pub mean_duration: Option<Length>,
}

/// An answer over time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Answer {
    /// Index of the class; none is `unknown`.
    pub class: Option<usize>,
    /// Its probability.
    pub confidence: f64,
}

/// A stretch of one answer.
#[derive(Clone, Debug, PartialEq)]
pub struct AnswerSegment {
    /// Its first sample: recording and row.
    pub start: Origin,
    /// Its last sample.
    pub end: Origin,
    /// The answer, with its mean probability.
    pub answer: Answer,
}

/// Makes one answer of the windows of a sequence.
#[derive(Clone, Debug)]
pub struct OverTime {
    temperature: Temperature,
    chain: Chain,
    /// The confidence below which a window is rejected.
    threshold: Option<f64>,
    classes: usize,
    window: usize,
    step: usize,
}

impl Predictor {
    /// What the models know about their answers. None of an imported network, or of one of an earlier version. An ensemble knows
    /// how its first member's activities follow each other; its scores are logarithms of probabilities, and need no temperature.
    ///
    /// # Errors
    /// An entry in the weight file that cannot be understood.
    pub fn answers(&self) -> Result<Option<Answers>, Error> {
        let key = triax_answers::KEY;
        if let PredictorOrigin::Study(study) = &self.origin {
            let of_setting = study.summary.competitors.iter().find(|one| one.name == study.setting);
            return Ok(of_setting.and_then(|one| one.answers.clone()));
        }
        let read = |text| Answers::from_json(text, self.classes().len());
        let wrong = |problem| Error::Input(format!("the weight file's entry `{key}`: {problem}"));
        let answers = self.extra(key).map(read).transpose().map_err(wrong)?;
        Ok(answers.map(|answers| if self.is_ensemble() { answers.unfitted() } else { answers }))
    }
}

impl OverTime {
    /// For windows of `predictor`, one every `step` samples. Notices say what is not known about its answers.
    ///
    /// # Errors
    /// A network that does not know how long activities last, without a mean duration, or how sure it is of what it knows, with
    /// `unknown`; a duration in seconds where the rate is unknown.
    pub fn new(predictor: &Predictor, options: &OverTimeOptions, step: usize) -> Result<(Self, Vec<Notice>), Error> {
        let stored = predictor.answers()?;
        let known = stored.clone().unwrap_or_else(|| Answers::unknown(predictor.classes().len()));
        let windows = (predictor.spec().window, step);
        let (over_time, mut notices) = Self::from_answers(&known, options, windows, predictor.rate_hz)?;
        notices.extend((known.n_windows == 0).then(not_calibrated));
        Ok((over_time, notices))
    }

    /// Like [`OverTime::new`], with what is `known` about the answers.
    pub(crate) fn from_answers(
        known: &Answers,
        options: &OverTimeOptions,
        (window, step): (usize, usize),
        rate_hz: Option<f64>,
    ) -> Result<(Self, Vec<Notice>), Error> {
        let classes = known.priors.len();
        let given = options.mean_duration.map(|length| length.samples("mean_duration", rate_hz, window)).transpose()?;
        let (dynamics, rounded) = match (given, &known.dynamics) {
            (Some((samples, rounded)), _) => (triax_answers::hmm::Dynamics::uniform(samples as f64, classes), rounded),
            (None, Some(dynamics)) => (dynamics.clone(), None),
            (None, None) => {
                let problem = "the network does not know how long activities last: say it, such as --mean-duration 30s";
                return Err(Error::Usage(problem.to_owned()));
            }
        };
        let threshold = match (options.unknown, &known.confidence) {
            (None, _) => None,
            (Some(share), Some(confidence)) => Some(confidence.threshold(share)),
            (Some(_), None) => {
                let problem = "--unknown takes a network that was judged by windows held out of its training, and this one does \
                               not say how sure it was of them: train one with a validation part";
                return Err(Error::Usage(problem.to_owned()));
            }
        };
        let chain = Chain::new(&dynamics, &known.priors, (window, step), options.unknown);
        let over_time = Self { temperature: known.temperature, chain, threshold, classes, window, step };
        Ok((over_time, rounded.into_iter().collect()))
    }

    /// What a window says.
    fn evidence<'a>(&self, probabilities: &'a [f64]) -> Evidence<'a> {
        let is_rejected = self.threshold.is_some_and(|least| confidence(probabilities) < least);
        Evidence { probabilities, is_rejected }
    }

    /// The most probable state.
    fn answer(&self, states: &[f64]) -> Answer {
        let state = predicted_class(states);
        Answer { class: Some(state).filter(|&state| state < self.classes), confidence: states[state] }
    }

    /// The answer for each window of a sequence, from the `probabilities` (classes) of each, in order.
    pub(crate) fn answers<'a>(&self, probabilities: impl IntoIterator<Item = &'a [f64]>) -> Vec<Answer> {
        let smoothed = self.chain.smooth(probabilities.into_iter().map(|window| self.evidence(window)));
        smoothed.iter().map(|states| self.answer(states)).collect()
    }

    /// The segments of recordings whose windows start at `origins` and have `scores` (n_windows, classes). Recordings of one
    /// person that follow each other without a gap are one sequence, and sequences start anew.
    pub fn segments(&self, corpus: &Corpus, origins: &[Origin], scores: &[f32]) -> Vec<AnswerSegment> {
        let probabilities = self.temperature.probabilities(scores, self.classes);
        let rows: Vec<&[f64]> = probabilities.chunks_exact(self.classes).collect();
        let all = sequences(corpus, origins, self.step, Joining::WithoutGaps);
        all.iter().flat_map(|sequence| self.segments_of(sequence, origins, &rows)).collect()
    }

    fn segments_of(&self, sequence: &Sequence, origins: &[Origin], rows: &[&[f64]]) -> Vec<AnswerSegment> {
        let answers = self.answers(sequence.windows().map(|window| rows[window]));
        let places: Vec<(Origin, Origin)> = self.places(sequence, origins);
        let slot = |(answer, place): (&Answer, &(Origin, Origin))| Slot {
            samples: (place.1.start - place.0.start) as usize + 1,
            state: answer.class.unwrap_or(self.classes) as u32,
            confidence: answer.confidence,
        };
        let slots: Vec<Slot> = answers.iter().zip(&places).map(slot).collect();
        segments(&slots)
            .into_iter()
            .map(|segment| AnswerSegment {
                start: places[segment.slots.0].0,
                end: places[segment.slots.1 - 1].1,
                answer: Answer {
                    class: Some(segment.state as usize).filter(|&state| state < self.classes),
                    confidence: segment.confidence,
                },
            })
            .collect()
    }

    /// The first and the last sample that each window of a sequence answers for.
    fn places(&self, sequence: &Sequence, origins: &[Origin]) -> Vec<(Origin, Origin)> {
        let mut places = Vec::new();
        for stretch in &sequence.stretches {
            let Origin { recording, mut start } = origins[stretch.windows[0]];
            for samples in slot_lengths(stretch.windows.len(), self.window, self.step) {
                let end = start + samples as u32;
                places.push((Origin { recording, start }, Origin { recording, start: end - 1 }));
                start = end;
            }
        }
        places
    }

    /// The number of samples that each window of a sequence answers for.
    pub(crate) fn samples(&self, sequence: &Sequence) -> Vec<usize> {
        let of_stretch = |n_windows| slot_lengths(n_windows, self.window, self.step);
        sequence.stretches.iter().flat_map(|stretch| of_stretch(stretch.windows.len())).collect()
    }

    /// Answers for the windows of a stream, each as soon as the windows of the `lag` samples after it are there.
    pub fn live(&self, lag: usize) -> LiveAnswers<'_> {
        let smoother = FixedLag::new(self.chain.clone(), lag.div_ceil(self.step));
        LiveAnswers { over_time: self, smoother, waiting: VecDeque::new(), recording: 0 }
    }
}

/// The notice about a network whose scores were never compared with held-out windows.
fn not_calibrated() -> Notice {
    let problem = "the network does not say how sure it may be (it was imported, trained by an earlier version, or trained \
                   without a validation part): its scores are taken as they are, with a temperature of 1.";
    Notice::Note(problem.to_owned())
}

/// Answers over time for the windows of a stream.
pub struct LiveAnswers<'a> {
    over_time: &'a OverTime,
    smoother: FixedLag,
    /// The windows that have no answer yet.
    waiting: VecDeque<StreamPrediction>,
    /// Number of the recording that they are of.
    recording: usize,
}

/// An answer for a window of a stream.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamAnswer {
    /// The window, as it was predicted by itself.
    pub window: StreamPrediction,
    /// The answer over time.
    pub answer: Answer,
}

impl LiveAnswers<'_> {
    /// Takes windows that are full, and the number of the recording that the stream is at ([`crate::StreamPredictor::recording`]).
    /// Returns the answers that can be given now: those of windows a lag ago, and all of a recording that has ended.
    pub fn push(&mut self, windows: Vec<StreamPrediction>, recording: usize) -> Vec<StreamAnswer> {
        let mut answers = Vec::new();
        for window in windows {
            if window.recording != self.recording {
                answers.extend(self.finish());
                self.recording = window.recording;
            }
            let OverTime { temperature, classes, .. } = self.over_time;
            let probabilities = temperature.probabilities(&window.prediction.scores, *classes);
            self.waiting.push_back(window);
            let states = self.smoother.push(self.over_time.evidence(&probabilities));
            answers.extend(states.and_then(|states| self.answered(&states)));
        }
        if recording != self.recording {
            answers.extend(self.finish());
            self.recording = recording;
        }
        answers
    }

    /// Ends the stream. Returns the answers for the windows that have none yet.
    pub fn finish(&mut self) -> Vec<StreamAnswer> {
        let states = self.smoother.finish();
        states.iter().filter_map(|states| self.answered(states)).collect()
    }

    fn answered(&mut self, states: &[f64]) -> Option<StreamAnswer> {
        let answer = self.over_time.answer(states);
        self.waiting.pop_front().map(|window| StreamAnswer { window, answer })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Prediction;

    fn over_time(options: OverTimeOptions) -> Result<OverTime, Error> {
        let known = Answers::unknown(2).fitted(&[2.0, 0.0, 0.0, 2.0, 0.0, 2.0], &[0, 1, 0]);
        OverTime::from_answers(&known, &options, (20, 10), Some(10.0)).map(|(over_time, _)| over_time)
    }

    fn lasting(seconds: f64) -> OverTimeOptions {
        OverTimeOptions { mean_duration: Some(Length::Seconds(seconds)), unknown: None }
    }

    fn window(recording: usize, index: usize, first: f32) -> StreamPrediction {
        StreamPrediction {
            subject: "p".to_owned(),
            start: index.to_string(),
            end: String::new(),
            recording,
            prediction: Prediction { class: usize::from(first < 0.0), scores: vec![first, 0.0] },
        }
    }

    #[test]
    fn a_network_without_durations_asks_for_one() {
        let error = over_time(OverTimeOptions::default()).unwrap_err();
        assert!(error.is_usage() && error.to_string().contains("--mean-duration 30s"), "{error}");
        over_time(lasting(30.0)).unwrap();
        let options = OverTimeOptions { unknown: Some(0.05), ..lasting(30.0) };
        over_time(options).unwrap();
        let error = OverTime::from_answers(&Answers::unknown(2), &options, (20, 10), Some(10.0)).unwrap_err();
        assert!(error.to_string().contains("--unknown"), "{error}");
    }

    #[test]
    fn a_stream_answers_a_lag_later_and_at_once_where_a_recording_ends() {
        let over_time = over_time(lasting(100.0)).unwrap();
        // 15 samples: two windows of a step of 10.
        let mut live = over_time.live(15);
        let scores = [3.0, 3.0, -1.0, 3.0, 3.0];
        let counts: Vec<usize> =
            (0..5).map(|index| live.push(vec![window(1, index, scores[index])], 1).len()).collect();
        assert_eq!(counts, [0, 0, 1, 1, 1]);
        let rest = live.push(Vec::new(), 2);
        assert_eq!(rest.iter().map(|one| one.window.start.as_str()).collect::<Vec<_>>(), ["3", "4"]);
        assert!(rest.iter().all(|one| one.answer.class == Some(0)));
        // The next recording knows nothing of the one before, and what is left comes at the end.
        assert_eq!(live.push(vec![window(2, 5, -3.0)], 2), []);
        let last = live.finish();
        assert_eq!((last.len(), last[0].answer.class), (1, Some(1)));
        assert!(live.finish().is_empty());
    }

    #[test]
    fn a_slip_is_smoothed_away_within_the_lag() {
        let over_time = over_time(lasting(100.0)).unwrap();
        let mut live = over_time.live(20);
        let scores = [3.0, 3.0, -1.0, 3.0, 3.0, 3.0];
        let windows = (0..6).map(|index| window(1, index, scores[index])).collect();
        let mut answers = live.push(windows, 1);
        answers.extend(live.finish());
        assert!(answers.iter().all(|one| one.answer.class == Some(0)), "{answers:?}");
        assert_eq!(answers[2].window.prediction.class, 1);
    }
}
