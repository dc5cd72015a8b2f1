//! Trains and judges candidates: each block of folds as a study for each length of windows among its candidates.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;
use triax_data::{Corpus, Fold, Folds};
use triax_engine::{StepResult, Timings};
use triax_model::{Network, NetworkSpec};
use triax_study::search::{Block, Judge, Judgement, Space, Tried, Values};
use triax_study::{Device, Judged, Options, Outcome, Share, Study, StudyFolder, judged, prepare, run};
use triax_trainer::{FitSize, Observer};

use super::budget::{Budget, classical_work, work};
use super::choice::ScoresOfCandidates;
use super::space::{Shape, model};
use super::{Spending, TuneObserver};
use crate::Error;
use crate::settings::{Entries, Length, ModelName, Settings};
use crate::study::{LOCAL_SETTINGS, Point, build_settings};

/// People who are held out together, with a name for them.
pub(super) type Group = (String, Vec<String>);

/// A candidate that can be trained.
struct Ready {
    settings: Settings,
    /// Samples of a window, and from one to the next.
    lengths: (usize, usize),
}

/// What trainings need besides their candidates.
pub(super) struct Ground<'a> {
    /// The people whose windows are trained on or judged by.
    pub corpus: Arc<Corpus>,
    /// The folds.
    pub groups: Vec<Group>,
    /// The settings that are fixed.
    pub given: &'a Entries,
    /// Where its studies are kept.
    pub path: PathBuf,
    /// None where all trainings are there.
    pub devices: &'a [Device<'static>],
    /// The recorder of where the time goes.
    pub timings: &'a Timings,
}

/// Trains and judges the candidates of a search.
pub(super) struct FieldJudge<'a> {
    pub ground: Ground<'a>,
    space: &'a Space,
    shape: Shape,
    budget: Budget,
    /// Windows of each person by the lengths of window and step.
    counts: RefCell<BTreeMap<(usize, usize), BTreeMap<String, u64>>>,
    /// The scores of candidates with their first seed, in the order of the folds, as long as they take part.
    pub scores: ScoresOfCandidates,
    pub spending: &'a mut Spending,
    pub observer: &'a mut dyn TuneObserver,
}

impl<'a> FieldJudge<'a> {
    pub fn new(
        ground: Ground<'a>,
        (space, shape): (&'a Space, Shape),
        budget: Budget,
        spending: &'a mut Spending,
        observer: &'a mut dyn TuneObserver,
    ) -> Self {
        let (counts, scores) = (RefCell::default(), ScoresOfCandidates::new());
        Self { ground, space, shape, budget, counts, scores, spending, observer }
    }

    /// Keeps the scores of those who were judged on all folds.
    pub fn keep_whole(&mut self) {
        let n_folds = self.ground.groups.len();
        self.scores.retain(|_, folds| folds.len() == n_folds);
    }

    /// The windows to train on in these folds together.
    fn n_train(&self, lengths: (usize, usize), folds: &[usize]) -> u64 {
        let mut counts = self.counts.borrow_mut();
        let of_people = counts.entry(lengths).or_insert_with(|| windows_of_people(&self.ground.corpus, lengths));
        let all: u64 = of_people.values().sum();
        let held_out =
            |&fold: &usize| -> u64 { self.ground.groups[fold].1.iter().filter_map(|who| of_people.get(who)).sum() };
        folds.iter().map(|fold| all - held_out(fold)).sum()
    }

    fn try_cost(&self, values: &Values, folds: &[usize]) -> Result<u64, Error> {
        if let Budget::Trainings(_) = self.budget {
            return Ok(folds.len() as u64);
        }
        let Ready { settings, lengths } = self.ground.ready(values)?;
        let corpus = &self.ground.corpus;
        if settings.training.classical().is_some() {
            return Ok(classical_work(self.n_train(lengths, folds)));
        }
        let n_channels = settings.data.network_channels(corpus.channels.len())?;
        let network = Network::new(settings.network.spec(lengths.0, n_channels, corpus.classes.len()))?;
        Ok(work(&network, self.n_train(lengths, folds) * settings.training.epochs as u64))
    }
}

/// The windows of each person.
fn windows_of_people(corpus: &Corpus, (window, step): (usize, usize)) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for recording in &corpus.recordings {
        let n_windows = corpus.n_rows(recording).checked_sub(window).map_or(0, |rest| rest / step + 1);
        *counts.entry(recording.subject.clone()).or_default() += n_windows as u64;
    }
    counts
}

impl Judge for FieldJudge<'_> {
    type Error = Error;

    fn accepts(&self, values: &Values) -> bool {
        let is_searched = self.space.dimensions.iter().any(|one| one.setting == "window");
        let is_short = !is_searched || values.get("window").is_none_or(|window| self.shape.allow(window));
        is_short && self.ground.check(values).is_ok()
    }

    fn kind(&self, values: &Values) -> String {
        match model(self.space, values) {
            ModelName::Network => "network",
            _ => "classical",
        }
        .to_owned()
    }

    fn cost(&self, values: &Values, folds: &[usize]) -> u64 {
        // What cannot be trained is refused before it is paid for.
        self.try_cost(values, folds).unwrap_or(u64::MAX / (1 << 20))
    }

    fn judge(&mut self, block: &Block, candidates: &[&Tried]) -> Result<Option<Vec<Judgement>>, Error> {
        self.observer.block_started(block, candidates.len());
        let named: Vec<(String, &Values)> =
            candidates.iter().map(|one| (one.number.to_string(), &one.values)).collect();
        let costs: Vec<u64> = named.iter().map(|(_, values)| self.cost(values, &block.folds)).collect();
        let place = format!("generation-{}/block-{}", block.generation, block.number);
        let work = Work { place: &place, folds: &block.folds, seeds: (block.seed, 1) };
        let found = self.ground.judge(&work, &named, &mut |share| {
            let spent = share.iter().zip(&costs).map(|(share, cost)| share * *cost as f64).sum::<f64>();
            self.spending.now(spent);
            self.observer.spent(self.spending);
            self.observer.interrupted()
        })?;
        let Some(found) = found else { return Ok(None) };
        self.spending.add(costs.iter().sum());
        if block.number == 1 && block.seed == 0 {
            self.keep_whole();
        }
        let mut take = |candidate: &Tried, judged: Judged| {
            if block.seed == 0 {
                self.scores.entry(candidate.number).or_default().extend(judged.folds);
            }
            judged.figures.into_iter().map(|one| (one.subject, one.macro_f1)).collect()
        };
        let found = candidates.iter().zip(found);
        Ok(Some(found.map(|(candidate, one)| one.map(|judged| take(candidate, judged))).collect()))
    }
}

/// Folds and seeds of which candidates are trained, and where.
pub(super) struct Work<'a> {
    /// Below the folder of the ground.
    pub place: &'a str,
    /// Indices of the folds.
    pub folds: &'a [usize],
    /// The first seed, counted from that of the settings, and their number.
    pub seeds: (u64, usize),
}

/// What was found of a candidate, or how its training broke down.
pub(super) type Found = Result<Judged, String>;

impl Ground<'_> {
    /// The settings of a candidate.
    fn settings(&self, values: &Values) -> Result<Settings, Error> {
        settings_of(self.given, values)
    }

    fn ready(&self, values: &Values) -> Result<Ready, Error> {
        let settings = self.settings(values)?;
        let lengths = self.lengths(&settings)?;
        Ok(Ready { settings, lengths })
    }

    /// Samples of a window, and from one to the next, of a candidate that can be trained.
    pub fn lengths_of(&self, values: &Values) -> Result<(usize, usize), Error> {
        Ok(self.ready(values)?.lengths)
    }

    /// Samples of a window, and from one to the next.
    fn lengths(&self, settings: &Settings) -> Result<(usize, usize), Error> {
        let (corpus, data) = (&self.corpus, &settings.data);
        let default = corpus.window.unwrap_or(NetworkSpec::default().window);
        let (window, _) = data.window.unwrap_or(Length::Samples(default)).samples("window", corpus.rate_hz, 0)?;
        let step = match corpus.window {
            Some(_) => window,
            None => data.step.samples("step", corpus.rate_hz, window)?.0,
        };
        Ok((window, step))
    }

    /// The study of one candidate on the first fold.
    pub fn study_of(&self, name: &str, settings: Settings) -> Result<Study, Error> {
        let lengths = self.lengths(&settings)?;
        let work = Work { place: "", folds: &[0], seeds: (0, 1) };
        self.study(&work, lengths, (&[name], &[Point { values: BTreeMap::new(), settings }]))
    }

    /// Checks that a candidate can be trained.
    pub fn check(&self, values: &Values) -> Result<(), Error> {
        let Ready { settings, lengths } = self.ready(values)?;
        settings.check()?;
        let (corpus, data) = (&self.corpus, &settings.data);
        let n_channels = corpus.channels.len();
        let preparation = data.preparation(n_channels, corpus.rate_hz, || corpus.gravity(lengths.0))?;
        // Of no window: it says whether channels suit.
        prepare(Arc::from([]), &preparation, lengths.0, n_channels).map_err(Error::Input)?;
        let spec = settings.network.spec(lengths.0, data.network_channels(n_channels)?, corpus.classes.len());
        let network = Network::new(spec)?;
        settings.fit_plan(&network, &corpus.classes).map(|_| ())
    }

    /// Trains each of `candidates`, with a name that is unique here, on the folds of `work`, and judges it by the people that
    /// these hold out. `progress` receives which part of the trainings of each candidate is done, and says whether to stop;
    /// `None` if it did.
    pub fn judge(
        &self,
        work: &Work<'_>,
        candidates: &[(String, &Values)],
        progress: &mut (dyn FnMut(&[f64]) -> bool + Send),
    ) -> Result<Option<Vec<Found>>, Error> {
        // By the lengths of window and step.
        let mut studies: BTreeMap<(usize, usize), Vec<(usize, Point)>> = BTreeMap::new();
        for (idx, (_, values)) in candidates.iter().enumerate() {
            let Ready { settings, lengths } = self.ready(values)?;
            let point = Point { values: BTreeMap::new(), settings };
            studies.entry(lengths).or_default().push((idx, point));
        }
        let mut all: Vec<Option<Found>> = candidates.iter().map(|_| None).collect();
        let mut shares = vec![0.0; candidates.len()];
        for (lengths, mut points) in studies {
            // Those that can share a fleet follow each other.
            points.sort_by_cached_key(|(idx, point)| (fleet_key(&point.settings), *idx));
            let numbers: Vec<usize> = points.iter().map(|(idx, _)| *idx).collect();
            let names: Vec<&str> = numbers.iter().map(|&idx| candidates[idx].0.as_str()).collect();
            let points: Vec<Point> = points.into_iter().map(|(_, point)| point).collect();
            let study = self.study(work, lengths, (&names, &points))?;
            let path = self.path.join(work.place).join(format!("window-{}-step-{}", lengths.0, lengths.1));
            let mut observer = |share: f64| {
                numbers.iter().for_each(|&idx| shares[idx] = share);
                progress(&shares)
            };
            let values: Vec<&Values> = numbers.iter().map(|&idx| candidates[idx].1).collect();
            let Some(found) = self.train(&study, &path, &values, &mut observer)? else { return Ok(None) };
            for (idx, one) in numbers.into_iter().zip(found) {
                all[idx] = Some(one);
            }
        }
        Ok(Some(all.into_iter().map(|one| one.expect("each is in one study")).collect()))
    }

    /// The study of the candidates with these names whose windows have these lengths.
    fn study(
        &self,
        work: &Work<'_>,
        (window, step): (usize, usize),
        (names, points): (&[&str], &[Point]),
    ) -> Result<Study, Error> {
        let corpus = &self.corpus;
        let windows = triax_data::cut(corpus, window, step)?;
        let fold = |&fold: &usize| {
            let (name, people) = &self.groups[fold];
            Fold::of_subjects(name, people, corpus, &windows, window)
        };
        let folds = work.folds.iter().map(fold).collect::<Result<Vec<_>, _>>()?;
        let (mut settings, _) = build_settings(points, corpus, &windows, (window, step))?;
        settings.iter_mut().zip(names).for_each(|(setting, name)| setting.name = (*name).to_owned());
        let (first, n_seeds) = work.seeds;
        let first = points[0].settings.training.seed.wrapping_add(first);
        let seeds = (0..n_seeds as u64).map(|n| first.wrapping_add(n)).collect();
        let protocol = Folds::Groups(self.groups.len());
        let (corpus, calibrations) = (corpus.clone(), Vec::new());
        Ok(Study { corpus, windows, window, step, protocol, folds, settings, seeds, calibrations })
    }

    /// Runs the trainings of `study` that its folder does not hold yet, and judges all.
    fn train(
        &self,
        study: &Study,
        path: &Path,
        values: &[&Values],
        progress: &mut (dyn FnMut(f64) -> bool + Send),
    ) -> Result<Option<Vec<Found>>, Error> {
        let people = |fold: &Fold| (fold.name.clone(), fold.valid_subjects.clone());
        let named = study.settings.iter().map(|setting| setting.name.clone()).zip(values);
        let mut given = self.given.clone();
        given.retain(|name, _| !LOCAL_SETTINGS.contains(&name.as_str()));
        let description = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "settings": given,
            "candidates": named.collect::<BTreeMap<_, _>>(),
            "folds": study.folds.iter().map(people).collect::<BTreeMap<_, _>>(),
            "seeds": study.seeds,
            "data": { "fingerprint": study.corpus.fingerprint },
        });
        let folder = StudyFolder::open(path, &description, &json!({}))?;
        if !folder.missing(study)?.is_empty() {
            if self.devices.is_empty() {
                return Err(Error::Input(format!(
                    "trainings are missing in {}: a share of this search has not ended",
                    path.display()
                )));
            }
            let options = Options { share: Share::WHOLE, keeps_weights: false, timings: self.timings.clone() };
            let mut observer = Steps { progress, n_steps: 1, stopped: false };
            let outcome = run(study, self.devices, &options, &folder, &mut observer)?;
            // What was there before tells nothing of how long the rest takes.
            if outcome != Outcome::Finished || progress(1.0) {
                return Ok(None);
            }
        }
        Ok(Some(judged(study, &folder)?))
    }
}

/// All settings of a candidate.
pub(super) fn settings_of(given: &Entries, values: &Values) -> Result<Settings, Error> {
    let mut entries = given.clone();
    entries.extend(values.iter().map(|(name, value)| (name.clone(), value.clone().into())));
    Settings::from_entries(&entries)
}

/// Equal for settings whose networks can be trained as one fleet.
fn fleet_key(settings: &Settings) -> String {
    let Settings { data, network, training, .. } = settings;
    let shape = (&network.convs, network.global_pool, &network.hidden);
    let form = (training.optimizer, training.momentum.is_some(), training.batch_size, training.epochs);
    format!("{:?} {:?} {shape:?} {form:?}", data.normalize, data.derive)
}

/// Tells which part of the steps is done.
struct Steps<'a> {
    progress: &'a mut (dyn FnMut(f64) -> bool + Send),
    n_steps: u64,
    stopped: bool,
}

impl Observer for Steps<'_> {
    fn fit_started(&mut self, size: &FitSize) {
        self.n_steps = size.n_steps.max(1);
    }

    fn steps_done(&mut self, steps: u64, _newest: Option<StepResult>) {
        self.stopped |= (self.progress)(steps as f64 / self.n_steps as f64);
    }

    fn interrupted(&mut self) -> bool {
        self.stopped
    }
}
