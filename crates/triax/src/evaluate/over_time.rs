//! Judges probabilities and answers over time by windows that were held out.

use triax_answers::Answers;
use triax_data::{Corpus, Joining, Origin, Windows, sequences};
use triax_losses::{predicted_class, predicted_classes};
use triax_study::{AnsweredSequence, HeldOutScores, OverTimeFigures, SubjectFigures, independent_groups};
use triax_trainer::{CrossFit, TemperatureScaling};

use super::JudgedOverTime;
use crate::over_time::{Answer, OverTime};
use crate::{Error, Notice, Predictor};

/// Windows with their scores.
#[derive(Default)]
pub(super) struct ScoredWindows {
    /// (n_windows, classes)
    pub scores: Vec<f32>,
    pub labels: Vec<u32>,
    origins: Vec<Origin>,
    /// The number of each window's part.
    parts: Vec<u32>,
    /// What the training of each part's networks says about the answers, if it was asked for.
    trained: Vec<Option<Answers>>,
}

impl ScoredWindows {
    /// Adds a part.
    pub fn add(&mut self, scores: &[f32], windows: &Windows, trained: Option<Answers>) {
        self.scores.extend(scores);
        self.labels.extend(windows.labels.iter());
        self.origins.extend(windows.origins.iter());
        self.parts.resize(self.labels.len(), self.trained.len() as u32);
        self.trained.push(trained);
    }

    /// The figures of each person of `corpus`; of nobody, where a window's person is not known.
    pub fn subjects(&self, corpus: &Corpus) -> Vec<SubjectFigures> {
        let people: Vec<&str> = self.origins.iter().map(|&origin| corpus.subject_of(origin)).collect();
        if people.contains(&"") {
            return Vec::new();
        }
        let predictions = predicted_classes(&self.scores, corpus.classes.len());
        SubjectFigures::by_subject(&predictions, &self.labels, &people, &corpus.class_names)
    }
}

/// What is known about the answers for each window, as far as it can be without that window.
pub(super) struct KnownAnswers {
    /// Index of the group of each window.
    groups: Vec<u32>,
    of_groups: Vec<Answers>,
    /// (n_windows, classes)
    probabilities: Vec<f64>,
    /// How well the probabilities hold.
    pub temperature_scaling: Option<TemperatureScaling>,
}

impl KnownAnswers {
    /// What is known about windows of `all` that can be judged by `cross_fit`. A group is a fold, a person, or everybody.
    pub fn new(
        all: &ScoredWindows,
        predictor: &Predictor,
        corpus: &Corpus,
        cross_fit: CrossFit,
    ) -> Result<Self, Error> {
        let ScoredWindows { scores, labels, origins, parts, trained } = all;
        let stored = predictor.answers()?;
        let known = || stored.clone().unwrap_or_else(|| Answers::unknown(predictor.classes().len()));
        let (groups, judged) = match cross_fit {
            CrossFit::Folds if trained.len() > 1 => (parts.clone(), CrossFit::Folds),
            CrossFit::Folds | CrossFit::People | CrossFit::Recordings => independent_groups(corpus, origins, labels),
            CrossFit::Before | CrossFit::None => (vec![0; labels.len()], CrossFit::Before),
        };
        let held_out = HeldOutScores { scores, labels, groups: &groups, judged };
        let n_groups = held_out.n_groups();
        let base = |group: usize| match judged {
            CrossFit::Folds => trained[group].clone().unwrap_or_else(known),
            _ => trained.first().cloned().flatten().unwrap_or_else(known),
        };
        let bases: Vec<Answers> = (0..n_groups).map(base).collect();
        let (groups, of_groups, temperature_scaling) = match held_out.cross_fitted(&bases) {
            Some(of_groups) => {
                let fitted = if known().n_windows > 0 { known() } else { bases[0].fitted(scores, labels) };
                let scaling = held_out.temperature_scaling(&fitted, Some(&of_groups));
                (groups, of_groups, scaling)
            }
            None => {
                let one = [trained.first().cloned().flatten().map_or_else(known, |trained| Answers {
                    priors: trained.priors,
                    dynamics: trained.dynamics,
                    ..known()
                })];
                let groups = vec![0; labels.len()];
                let held_out = HeldOutScores { groups: &groups, judged: CrossFit::Before, ..held_out };
                let was_fitted = judged == CrossFit::Before && one[0].n_windows > 0;
                let scaling = held_out.temperature_scaling(&one[0], was_fitted.then_some(one.as_slice()));
                (groups, one.to_vec(), scaling)
            }
        };
        let held_out = HeldOutScores { scores, labels, groups: &groups, judged };
        let probabilities = held_out.probabilities(&of_groups);
        Ok(Self { groups, of_groups, probabilities, temperature_scaling })
    }

    /// The figures of answers over time, and what to know about them. A sequence is answered by what is known about the group of
    /// its first window.
    pub fn judge_over_time(
        &self,
        all: &ScoredWindows,
        predictor: &Predictor,
        corpus: &Corpus,
        step: usize,
        asked: &JudgedOverTime,
    ) -> Result<(OverTimeFigures, Vec<Notice>), Error> {
        let classes = predictor.classes().len();
        let windows = (predictor.spec().window, step);
        let of_group = |known| OverTime::from_answers(known, &asked.options, windows, predictor.rate_hz);
        let of_groups: Vec<(OverTime, Vec<Notice>)> = self.of_groups.iter().map(of_group).collect::<Result<_, _>>()?;
        let mut notices = of_groups.first().map_or_else(Vec::new, |(_, rounded)| rounded.clone());
        let joining = if asked.joined { Joining::ByPerson } else { Joining::WithoutGaps };
        let rows: Vec<&[f64]> = self.probabilities.chunks_exact(classes).collect();
        let pieces = asked.pieces.filter(|_| asked.joined).map(|length| {
            let (samples, rounded) = length.samples("pieces", predictor.rate_hz, predictor.spec().window)?;
            notices.extend(rounded);
            Ok::<usize, Error>((samples as f64 / step as f64).round().max(1.0) as usize)
        });
        let pieces = pieces.transpose()?;
        let answered: Vec<AnsweredSequence> = sequences(corpus, &all.origins, step, joining)
            .into_iter()
            .enumerate()
            .map(|(index, sequence)| {
                let sequence = match pieces {
                    Some(n_windows) => sequence.in_pieces(n_windows, index as u64),
                    None => sequence,
                };
                let windows: Vec<usize> = sequence.windows().collect();
                let (over_time, _) = &of_groups[self.groups[windows[0]] as usize];
                let by_itself = |&window: &usize| {
                    let class = predicted_class(rows[window]);
                    (class as u32, rows[window][class])
                };
                let state = |answer: Answer| (answer.class.unwrap_or(classes) as u32, answer.confidence);
                let answers = over_time.answers(windows.iter().map(|&window| rows[window]));
                AnsweredSequence {
                    labels: windows.iter().map(|&window| all.labels[window]).collect(),
                    samples: over_time.samples(&sequence),
                    by_itself: windows.iter().map(by_itself).collect(),
                    over_time: answers.into_iter().map(state).collect(),
                    subject: sequence.subject,
                }
            })
            .collect();
        let figures = OverTimeFigures::new(&answered, classes);
        notices.extend((figures.n_changes == 0 && classes > 1).then(|| single_activities(asked.joined)));
        Ok((figures, notices))
    }
}

/// The warning about sequences within which the activity never changes.
fn single_activities(joined: bool) -> Notice {
    let remedy = match joined {
        true => "this data cannot show what smoothing costs where the activity changes",
        false => "judge it with --joined, which puts the recordings of each person one after the other",
    };
    Notice::Warning(format!(
        "each sequence holds a single activity, so that smoothing cannot be wrong about a change, and its figures flatter: \
         {remedy}."
    ))
}
