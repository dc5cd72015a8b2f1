//! Tuning: a search for the settings that suit a data set, judged by people whom the search has not seen.

mod budget;
mod description;
mod judge;
mod outcome;
mod space;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use triax_data::{Corpus, Folds, HeldOut};
use triax_engine::device::DeviceKind;
use triax_engine::{Phase, Timings};
use triax_model::{NetworkSpec, whole_file};
use triax_study::search::{Block, Plan, Searched, Space, Values, effects, search};
use triax_study::{Device, OwnedFolder, Share, Study, SubjectFigures, compare_with_first};
use triax_trainer::Observer;

use crate::engines::Candidates;
use crate::recordings::{Recordings, read_data};
use crate::settings::{Entries, Settings};
use crate::study::{Devices, candidates, is_cpu, open_devices, with_trial};
use crate::text::listed;
use crate::{ClassicalTraining, Error, Notice, Training};
use description::TUNE;
use judge::{FieldJudge, Found, Ground, Group, Work};
use space::Shape;

pub use budget::Budget;
pub use description::{TuneDescription, TuneOptions};
pub use outcome::{JudgedCandidate, NestedSearch, TuneSummary};

/// The fewest people of a data set: one to judge by, and three to search with.
const FEWEST_PEOPLE: usize = 4;
/// Groups of people that a search judges by in turn, if there are as many.
const GROUPS: usize = 5;
/// Models that a GPU trains at once: as many as it holds, but no more than a block has.
const AT_ONCE_ON_GPU: usize = 1024;
/// Models of the fleet that is timed on a GPU.
const TIMED_ON_GPU: usize = 64;
/// Candidates of one shape that follow each other where a GPU trains them.
const VARIANTS_ON_GPU: usize = 8;
/// The most bytes of a file that is taken over from a share.
const MOST_BYTES: u64 = 2 << 30;
/// The part of the time in which steps are taken; in the rest windows are prepared, candidates are judged and files written.
const IN_STEPS: f64 = 0.8;

/// A search that is ready to run.
pub struct TuneRun {
    /// Its description. Its budget is no time any more.
    pub description: TuneDescription,
    /// All recordings of the selected activities.
    pub corpus: Arc<Corpus>,
    /// The searches, each without the people whom it holds out.
    pub searches: Vec<OneSearch>,
    /// Its folder.
    pub folder: OwnedFolder,
    /// Devices to train on; none if nothing is to be trained.
    pub devices: Vec<Device<'static>>,
    /// Notices that the user should read before trusting the figures.
    pub notices: Vec<Notice>,
    /// How long all searches together will take, if that was measured.
    pub expected: Option<Duration>,
    /// The settings that are searched.
    pub space: Space,
    given: Vec<(String, Values)>,
    shape: Shape,
    variants: usize,
    timings: Timings,
}

/// A search, and the people whom it does not see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OneSearch {
    /// Its folder below that of the whole, which is its name.
    pub name: String,
    /// The people whom it holds out; nobody for the search on all.
    pub held_out: Vec<String>,
}

/// How a search ended without an error.
#[derive(Debug)]
pub enum TuneOutcome {
    /// Everything is done.
    Finished(Box<TuneSummary>),
    /// The share is done.
    ShareDone,
    /// The observer asked to stop.
    Interrupted,
}

/// What has been spent of the budgets of all searches.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spending {
    /// Searches that have ended.
    pub n_ended: usize,
    /// The number of searches.
    pub n_searches: usize,
    /// The budget of each.
    pub budget: u64,
    /// What the search in progress has spent on blocks that have ended.
    ended: u64,
    /// What it has spent on the block in progress.
    block: f64,
}

impl Spending {
    fn now(&mut self, block: f64) {
        self.block = block;
    }

    fn add(&mut self, cost: u64) {
        self.ended += cost;
        self.block = 0.0;
    }

    fn end_search(&mut self) {
        *self = Self { n_ended: self.n_ended + 1, ended: 0, block: 0.0, ..*self };
    }

    /// What is spent of all budgets together, from 0 to 1.
    pub fn share(&self) -> f64 {
        let of_search = (self.ended as f64 + self.block) / self.budget.max(1) as f64;
        (self.n_ended as f64 + of_search.min(1.0)) / self.n_searches.max(1) as f64
    }
}

/// Observes a search. All methods have defaults that do nothing; `()` uses these.
pub trait TuneObserver: Send {
    /// A search starts or goes on.
    fn search_started(&mut self, _search: &OneSearch) {}

    /// Candidates are judged on a block of folds.
    fn block_started(&mut self, _block: &Block, _n_candidates: usize) {}

    /// So much is spent now.
    fn spent(&mut self, _spending: &Spending) {}

    /// A search has ended, and its choice is judged by the people held out.
    fn search_ended(&mut self, _search: &OneSearch, _searched: &Searched) {}

    /// The network of the chosen settings is trained.
    fn final_run_started(&mut self) {}

    /// Whether to stop. What is in training is lost; everything that has ended is kept.
    fn interrupted(&mut self) -> bool {
        false
    }
}

impl TuneObserver for () {}

/// What a search has ended with.
struct Ended {
    searched: Searched,
    folds: Vec<Group>,
    chosen: Values,
    /// The figures of the chosen settings and of those that are given, by the people held out.
    judged: Vec<(String, Found)>,
}

impl TuneRun {
    /// Prepares the search `description` in the folder `path`. If the folder holds the same search, it is continued.
    ///
    /// # Errors
    /// Invalid settings; recordings that cannot be read, or of too few people; a device that does not exist; a folder that
    /// holds something else.
    pub fn new(description: TuneDescription, path: &Path, timings: &Timings) -> Result<Self, Error> {
        let machine = description.settings()?.machine;
        let asked = description.budget;
        let found = candidates(&machine, &[])?;
        let prepared = Prepared::new(description, timings)?;
        let (devices, budget, expected) = prepared.devices(found, path, timings)?;
        prepared.begin(path, devices, (asked, budget, expected), timings)
    }

    /// Joins the shares of a search in `parts` in the folder `out`. The data is read again, from `data` or, by default, from
    /// where the first share has it.
    ///
    /// # Errors
    /// Shares of different searches; a missing share; data that has changed.
    pub fn merge(parts: &[PathBuf], out: &Path, data: Option<&Path>) -> Result<Self, Error> {
        let Some(first) = parts.first() else { return Err(Error::Usage("there is no share to join".to_owned())) };
        let mut description = TuneDescription::read(first)?;
        description.shard = None;
        if let Some(data) = data {
            let path = std::path::absolute(data).map_err(|source| Error::io("find", data, source))?;
            description.given.insert("data".to_owned(), path.to_string_lossy().into());
        }
        let asked = description.budget;
        let prepared = Prepared::new(description, &Timings::off())?;
        let compared = prepared.description.compared(&prepared.corpus);
        for part in parts {
            TuneDescription::read(part)?;
            // Refuses another search, and one that is being worked on.
            OwnedFolder::open(part, &TUNE, &compared, &serde_json::Value::Null)
                .map_err(|error| Error::from(error).while_doing(format!("cannot join {}", part.display())))?;
        }
        let devices = Devices { devices: Vec::new(), notices: Vec::new(), idle_threads: 0, kind: None };
        let run = prepared.begin(out, devices, (asked, asked, None), &Timings::off())?;
        for search in &run.searches {
            // Where shares overlap, they have come to the same.
            for from in parts.iter().map(|part| part.join(&search.name)).filter(|from| from.exists()) {
                copy_all(&from, &out.join(&search.name))?;
            }
        }
        Ok(run)
    }

    /// The share of the searches to do here.
    pub fn share(&self) -> Share {
        self.description.shard.unwrap_or(Share::WHOLE)
    }

    /// The searches of the share.
    pub fn searches_here(&self) -> impl Iterator<Item = &OneSearch> {
        let share = self.share();
        self.searches.iter().enumerate().filter(move |(number, _)| share.has(*number)).map(|(_, search)| search)
    }

    /// Does what is missing: the searches of the share, and, of a whole search, the run of the chosen settings and the
    /// summary.
    ///
    /// # Errors
    /// A device or a disk that fails. Trainings that have ended are kept.
    pub fn run(&self, observer: &mut dyn TuneObserver) -> Result<TuneOutcome, Error> {
        let budget = match self.description.budget {
            Budget::Trainings(n) | Budget::Work(n) => n,
            Budget::Time(_) => unreachable!("a time is turned into work in advance"),
        };
        let n_searches = self.searches_here().count();
        let mut spending = Spending { n_searches, budget, ..Spending::default() };
        let mut ended = Vec::new();
        for one in self.searches_here() {
            observer.search_started(one);
            let Some(end) = self.search(one, budget, &mut spending, observer)? else {
                return Ok(TuneOutcome::Interrupted);
            };
            spending.end_search();
            observer.spent(&spending);
            ended.push((one, end));
        }
        if self.share() != Share::WHOLE {
            return Ok(TuneOutcome::ShareDone);
        }
        self.conclude(&ended, observer)
    }

    /// A search and what it has chosen, judged by the people whom it holds out. `None` if the observer asked to stop.
    fn search(
        &self,
        one: &OneSearch,
        budget: u64,
        spending: &mut Spending,
        observer: &mut dyn TuneObserver,
    ) -> Result<Option<Ended>, Error> {
        let corpus = match one.held_out.as_slice() {
            [] => self.corpus.clone(),
            held_out => Arc::new(self.corpus.as_ref().clone().without_subjects(held_out)?),
        };
        let groups = self.inner_folds(&corpus)?;
        let path = self.folder.path().join(&one.name);
        std::fs::create_dir_all(&path).map_err(|source| Error::io("make", &path, source))?;
        let ground = |corpus: &Arc<Corpus>, groups: &[Group]| Ground {
            corpus: corpus.clone(),
            groups: groups.to_vec(),
            given: &self.description.given,
            path: path.clone(),
            devices: &self.devices,
            timings: &self.timings,
        };
        let seed = self.description.settings()?.training.seed;
        let people = groups.iter().map(|(_, people)| people.len()).collect();
        let plan = Plan { seed, budget, people, variants: self.variants };
        let searches_window = self.space.dimensions.iter().any(|one| one.setting == "window");
        let mut judge = FieldJudge::new(
            ground(&corpus, &groups),
            (self.shape, searches_window),
            self.description.budget,
            spending,
            &mut *observer,
        );
        let Some(searched) = search(&self.space, &plan, &self.given, &mut judge)? else { return Ok(None) };
        self.folder.write(&format!("{}/candidates.csv", one.name), &outcome::table(&searched))?;
        observer.search_ended(one, &searched);
        let Some(best) = searched.best else {
            let how = searched.candidates.iter().find_map(|one| one.dropped.as_ref()).map(ToString::to_string);
            return Err(Error::Input(format!(
                "no candidate could be trained on all folds: the first {}",
                how.unwrap_or_default()
            )));
        };
        let chosen = searched.candidates[best].values.clone();
        let judged = match one.held_out.as_slice() {
            [] => Vec::new(),
            held_out => {
                let held_out = vec![("held-out".to_owned(), held_out.to_vec())];
                let whole = ground(&self.corpus, &held_out);
                let Some(judged) = self.judge(&whole, &chosen, observer)? else { return Ok(None) };
                judged
            }
        };
        Ok(Some(Ended { searched, folds: groups, chosen, judged }))
    }

    /// Judges the chosen settings, and those that are given, by the people whom the only fold of `ground` holds out.
    fn judge(
        &self,
        ground: &Ground<'_>,
        chosen: &Values,
        observer: &mut dyn TuneObserver,
    ) -> Result<Option<Vec<(String, Found)>>, Error> {
        let others = self.given.iter().filter(|(_, values)| values != chosen);
        let all: Vec<(String, &Values)> = std::iter::once(("chosen".to_owned(), chosen))
            .chain(others.map(|(name, values)| (name.clone(), values)))
            .collect();
        let work = Work { place: "judgement", folds: &[0], seeds: (0, self.description.seeds) };
        let found = ground.judge(&work, &all, &mut |_| observer.interrupted())?;
        let Some(found) = found else { return Ok(None) };
        let mut judged: Vec<(String, Found)> = all.into_iter().map(|(name, _)| name).zip(found).collect();
        if let Some((name, _)) = self.given.iter().find(|(_, values)| values == chosen) {
            let same = judged[0].1.clone();
            judged.push((name.clone(), same));
        }
        Ok(Some(judged))
    }

    /// The people of `corpus` in groups that are held out in turn, which are the same whatever the windows.
    fn inner_folds(&self, corpus: &Corpus) -> Result<Vec<Group>, Error> {
        let n_people = corpus.subjects().len();
        let protocol = match self.description.folds {
            Some(Folds::Groups(n)) => Folds::Groups(n.min(n_people)),
            Some(folds) => folds,
            None => Folds::Groups(GROUPS.min(n_people)),
        };
        groups(corpus, protocol, &self.description.settings()?, &HeldOut::default(), self.shape)
    }

    /// Trains the run of the chosen settings, and sums up.
    fn conclude(&self, ended: &[(&OneSearch, Ended)], observer: &mut dyn TuneObserver) -> Result<TuneOutcome, Error> {
        // The last search is that on all people, or the only one.
        let Some((last, end)) = ended.last() else { return Err(Error::Input("there is no search".to_owned())) };
        let command = self.description.command();
        let best = outcome::best_settings(&self.description, &end.chosen, &self.corpus)?;
        self.folder.write("best.toml", outcome::toml(&best, &command).as_bytes())?;
        self.folder.write("candidates.csv", &outcome::table(&end.searched))?;
        observer.final_run_started();
        if !self.final_run(&best, &last.held_out, observer)? {
            return Ok(TuneOutcome::Interrupted);
        }
        let summary = self.summary(ended, command);
        self.folder.write_json("summary.json", &summary)?;
        self.folder.write("report.html", crate::report::tune_html(&summary).as_bytes())?;
        Ok(TuneOutcome::Finished(Box::new(summary)))
    }

    /// Trains the network of the chosen settings in `run/`, on everybody but `held_out`; where nobody is held out, on all but
    /// those whom `train` holds out. False if the observer asked to stop.
    fn final_run(&self, best: &Entries, held_out: &[String], observer: &mut dyn TuneObserver) -> Result<bool, Error> {
        let path = self.folder.path().join("run");
        if path.join("metrics.json").exists() && path.join("report.html").exists() {
            return Ok(true);
        }
        let mut entries = best.clone();
        for name in ["device", "engine"] {
            entries
                .extend(self.description.given.get_key_value(name).map(|(name, value)| (name.clone(), value.clone())));
        }
        if !held_out.is_empty() {
            entries.insert("valid_subjects".to_owned(), held_out.to_vec().into());
        }
        let settings = Settings::from_entries(&entries)?;
        if settings.training.classical().is_some() {
            let training = ClassicalTraining::new(settings, &path, &self.timings)?;
            return finished(training.run()?);
        }
        let training = match path.join("checkpoint.safetensors").exists() {
            true => Training::resume(&path, &Entries::new())?,
            false => Training::new_with(settings, &path, &self.timings)?,
        };
        finished(training.run(&mut UntilInterrupted(observer))?)
    }

    fn summary(&self, ended: &[(&OneSearch, Ended)], command: String) -> TuneSummary {
        let (last, end) = ended.last().expect("there is a search");
        let corpus = &self.corpus;
        // Every name that was judged, the chosen first; each person once.
        let names: Vec<&String> = ended[0].1.judged.iter().map(|(name, _)| name).collect();
        let mut names: Vec<String> = names.into_iter().cloned().collect();
        names.sort_by_key(|name| self.given.iter().position(|(given, _)| given == name).map_or(0, |n| n + 1));
        let of_name = |name: &String| {
            let (mut people, mut broken): (Vec<SubjectFigures>, Option<String>) = (Vec::new(), None);
            for (_, found) in ended.iter().flat_map(|(_, end)| &end.judged).filter(|(own, _)| own == name) {
                match found {
                    Ok(figures) => people.extend(figures.iter().cloned()),
                    Err(how) => broken = Some(how.clone()),
                }
            }
            JudgedCandidate::new(name, people, broken)
        };
        let judged: Vec<JudgedCandidate> = names.iter().map(of_name).collect();
        let sides: Vec<(&str, &[SubjectFigures])> =
            judged.iter().map(|one| (one.name.as_str(), one.people.as_slice())).collect();
        let best = |end: &Ended| end.searched.candidates[end.searched.best.expect("one was chosen")].clone();
        let searches: Vec<NestedSearch> = ended
            .iter()
            .filter(|(one, _)| self.description.nested.is_some() && !one.held_out.is_empty())
            .map(|(one, end)| NestedSearch {
                name: one.name.clone(),
                held_out: one.held_out.clone(),
                chosen: end.chosen.clone(),
                flattering: best(end).mean(),
                honest: match &end.judged[0].1 {
                    Ok(figures) => outcome::estimate(&figures.iter().map(|one| one.macro_f1).collect::<Vec<_>>()).mean,
                    Err(_) => 0.0,
                },
            })
            .collect();
        let flattering = match searches.is_empty() {
            true => best(end).estimate(),
            // Of each search once: their people overlap.
            false => outcome::estimate(&searches.iter().map(|one| one.flattering).collect::<Vec<_>>()),
        };
        TuneSummary {
            data: corpus.name.clone(),
            synthetic: corpus.synthetic,
            fingerprint: corpus.fingerprint.clone(),
            class_names: corpus.class_names.clone(),
            n_people: corpus.subjects().len(),
            held_out: last.held_out.clone(),
            nested: self.description.nested.map(|folds| folds.to_string()),
            folds: end.folds.clone(),
            budget: self.description.budget.to_string(),
            n_seeds: self.description.seeds,
            effects: effects(&end.searched),
            search: end.searched.clone(),
            chosen: end.chosen.clone(),
            flattering,
            comparisons: compare_with_first(&sides),
            judged,
            searches,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            command,
        }
    }
}

/// Whether a run has finished, with its report.
fn finished(outcome: crate::Outcome) -> Result<bool, Error> {
    match outcome {
        crate::Outcome::Finished { report, .. } => report.map(|_| true),
        crate::Outcome::Interrupted { .. } => Ok(false),
    }
}

/// Only stops a run.
struct UntilInterrupted<'a>(&'a mut dyn TuneObserver);

impl Observer for UntilInterrupted<'_> {
    fn interrupted(&mut self) -> bool {
        self.0.interrupted()
    }
}

/// A search before its device is known.
struct Prepared {
    description: TuneDescription,
    corpus: Arc<Corpus>,
    searches: Vec<OneSearch>,
    space: Space,
    given: Vec<(String, Values)>,
    shape: Shape,
}

impl Prepared {
    fn new(description: TuneDescription, timings: &Timings) -> Result<Self, Error> {
        if let (Some(shard), None) = (description.shard, description.nested) {
            return Err(Error::Usage(format!(
                "--shard {shard}: a share is one of the searches of --nested, and there is only one search here"
            )));
        }
        let settings = description.settings()?;
        settings.check()?;
        let reading = timings.phase(Phase::Reading);
        let corpus = read_data(&settings.data, settings.training.seed)?;
        let Recordings { corpus, .. } = Recordings::select(corpus, &settings.data, settings.training.seed)?;
        drop(reading);
        check_people(&corpus)?;
        let shape = Shape::of(&corpus);
        let space = space::space(&description.given, &description.vary, &shape)?;
        let mut given = space::given_candidates(&space, &description.given, &description.vary)?;
        // The default window is too long for some data.
        for (_, values) in &mut given {
            if let Some(window) = values.get_mut("window").filter(|window| !shape.allow(window)) {
                let dimension = space.dimensions.iter().find(|one| one.setting == "window");
                window.clone_from(dimension.and_then(|one| one.values.last()).expect("a length that suits"));
            }
        }
        let searches = searches(&description, &corpus, &settings, shape)?;
        Ok(Self { description, corpus: Arc::new(corpus), searches, space, given, shape })
    }

    /// The study of the reference in the first group of the first search, by which devices are timed.
    fn trial_study(&self) -> Result<Study, Error> {
        let settings = judge::settings_of(&self.description.given, &self.given[0].1, self.corpus.window.is_some())?;
        let held_out = self.searches[0].held_out.clone();
        let someone = if held_out.is_empty() { vec![self.corpus.subjects()[0].clone()] } else { held_out };
        let ground = Ground {
            corpus: self.corpus.clone(),
            groups: vec![("held-out".to_owned(), someone)],
            given: &self.description.given,
            path: PathBuf::new(),
            devices: &[],
            timings: &Timings::off(),
        };
        ground.study_of("reference", settings)
    }

    /// The devices, the budget without a time, and how long the searches here will take with it.
    fn devices(
        &self,
        found: Vec<Candidates>,
        path: &Path,
        timings: &Timings,
    ) -> Result<(Devices, Budget, Option<Duration>), Error> {
        let study = self.trial_study()?;
        let devices = open_devices(found, &study, |_| AT_ONCE_ON_GPU, timings)?;
        let known = self.description.resolved_in(path);
        let (budget, expected) = match (known, self.description.budget) {
            (Some(budget), _) => (budget, None),
            (None, Budget::Time(time)) => {
                if let Some(shard) = self.description.shard {
                    return Err(Error::Usage(format!(
                        "--shard {shard}: all shares must have the same budget, and on each machine {} is other work; pass \
                         trainings (--budget 200) or work (--budget 5200GMAC), which a search without --shard prints",
                        self.description.budget
                    )));
                }
                let a_second = work_a_second(&study, &devices)?;
                let millions = (time.as_secs_f64() * IN_STEPS * a_second).max(1.0) as u64;
                let n_searches = self.searches.len() as u32;
                (Budget::Work(millions), Some(time * n_searches))
            }
            (None, budget) => (budget, None),
        };
        Ok((devices, budget, expected))
    }

    fn begin(
        self,
        path: &Path,
        devices: Devices,
        (asked, budget, expected): (Budget, Budget, Option<Duration>),
        timings: &Timings,
    ) -> Result<TuneRun, Error> {
        let Self { mut description, corpus, searches, space, given, shape } = self;
        description.budget = budget;
        let folder = OwnedFolder::open(path, &TUNE, &description.compared(&corpus), &description.here(asked))?;
        let mut notices = [corpus.notices.clone(), devices.notices].concat();
        if shape.rate_hz.is_none()
            && !shape.is_windowed
            && !space.dimensions.iter().any(|one| one.setting == "window")
            && !description.given.contains_key("window")
        {
            let words = "nobody knows how many samples a second has here, so the length of windows is not searched; name \
                         the column of the time with --map COLUMN=timestamp, or give the rate with --rate";
            notices.push(Notice::Note(words.to_owned()));
        }
        let is_on_gpu = devices.idle_threads > 0;
        let variants = if is_on_gpu { VARIANTS_ON_GPU } else { 1 };
        Ok(TuneRun {
            description,
            corpus,
            searches,
            folder,
            devices: devices.devices,
            notices,
            expected,
            space,
            given,
            shape,
            variants,
            timings: timings.clone(),
        })
    }
}

/// Refuses recordings of too few people, or of people whom nobody knows.
fn check_people(corpus: &Corpus) -> Result<(), Error> {
    let n_people = corpus.subjects().len();
    let unknown = corpus.recordings.iter().filter(|recording| recording.subject.is_empty()).count();
    if n_people >= FEWEST_PEOPLE && unknown == 0 {
        return Ok(());
    }
    let name = &corpus.name;
    let (problem, remedy) = match (unknown, n_people) {
        (0, n) => (
            format!("{name} has recordings of {n} people"),
            format!("a search judges by people whom it has not seen, and takes {FEWEST_PEOPLE} at least: record more"),
        ),
        (unknown, _) => (
            format!("{name} does not say who was recorded in {unknown} of {} recordings", corpus.recordings.len()),
            "a search judges by people whom it has not seen: name the column of the subject with --map COLUMN=subject, or \
             where it is in the names of files with --subject-from"
                .to_owned(),
        ),
    };
    Err(Error::Input(format!("{problem}; {remedy}")))
}

/// The searches of `description`: one without the people held out; or, nested, one without each group, and one with all.
fn searches(
    description: &TuneDescription,
    corpus: &Corpus,
    settings: &Settings,
    shape: Shape,
) -> Result<Vec<OneSearch>, Error> {
    let held_out = HeldOut {
        valid_fraction: settings.split.valid_fraction,
        valid_subjects: settings.split.valid_subjects.clone(),
    };
    let protocol = description.nested.unwrap_or(Folds::HeldOut);
    let groups = groups(corpus, protocol, settings, &held_out, shape)?;
    let n_people = corpus.subjects().len();
    for (_, people) in &groups {
        let left = n_people - people.len();
        if left < FEWEST_PEOPLE - 1 {
            return Err(Error::Usage(format!(
                "with {} held out, {left} people are left to search with, and it takes {} at least: hold fewer out",
                listed(people, 8),
                FEWEST_PEOPLE - 1
            )));
        }
    }
    let search = |name: String, held_out: Vec<String>| OneSearch { name, held_out };
    Ok(match description.nested {
        None => groups.into_iter().map(|(_, held_out)| search("search".to_owned(), held_out)).collect(),
        Some(_) => {
            // By number: names of people may be no names of folders.
            let width = groups.len().to_string().len();
            let nested = groups.into_iter().enumerate();
            let nested = nested.map(|(n, (_, held_out))| search(format!("nested/{:0width$}", n + 1), held_out));
            nested.chain([search("search".to_owned(), Vec::new())]).collect()
        }
    })
}

/// The people whom the folds of `protocol` hold out together. They are the same whatever the windows of candidates: those of
/// the reference decide, or shorter ones where these do not suit the data.
fn groups(
    corpus: &Corpus,
    protocol: Folds,
    settings: &Settings,
    held_out: &HeldOut,
    shape: Shape,
) -> Result<Vec<Group>, Error> {
    let window = match settings.data.window {
        Some(length) => length.samples("window", corpus.rate_hz, 0)?.0,
        None => corpus.window.unwrap_or_else(|| NetworkSpec::default().window.min(shape.longest).max(1)),
    };
    let step = corpus.window.unwrap_or(window.div_ceil(2));
    let windows = triax_data::cut(corpus, window, step)?;
    let folds = protocol.make(corpus, &windows, window, held_out, settings.training.seed)?;
    Ok(folds.into_iter().map(|fold| (fold.name, fold.valid_subjects)).collect())
}

/// The work that the first device does in a second, in millions of multiply-adds, with the networks of `study`.
fn work_a_second(study: &Study, devices: &Devices) -> Result<f64, Error> {
    let engine = (devices.devices[0].open)().map_err(Error::Input)?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let kind = devices.kind.unwrap_or(DeviceKind::Cpu);
    let n_models = if is_cpu(kind) { threads } else { TIMED_ON_GPU };
    let seconds = with_trial(study, |trial| trial.seconds_per_step_of(n_models, engine.as_ref(), kind))?;
    let setting = &study.settings[0];
    let n_windows = setting.plan.training.batch_size.min(study.folds[0].train.len()) * n_models;
    let of_window = budget::work(&setting.network, 1_000) as f64 / 1_000.0;
    Ok(n_windows as f64 * of_window / seconds)
}

/// Copies everything below `from` that is not below `to`.
fn copy_all(from: &Path, to: &Path) -> Result<(), Error> {
    std::fs::create_dir_all(to).map_err(|source| Error::io("make", to, source))?;
    let entries = std::fs::read_dir(from).map_err(|source| Error::io("read", from, source))?;
    for entry in entries {
        let path = entry.map_err(|source| Error::io("read", from, source))?.path();
        let Some(name) = path.file_name() else { continue };
        // Locks and partial files.
        if name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let target = to.join(name);
        if path.is_dir() {
            copy_all(&path, &target)?;
        } else if !target.exists() {
            let bytes = whole_file::read(&path, MOST_BYTES).map_err(|source| Error::io("read", &path, source))?;
            whole_file::write(&target, &bytes).map_err(|source| Error::io("write", &target, source))?;
        }
    }
    Ok(())
}
