//! Tuning: a search for the settings that suit a data set, judged by people whom the search has not seen.

mod budget;
mod choice;
mod description;
mod judge;
mod merge;
mod outcome;
mod prepared;
mod space;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use triax_data::{Corpus, Folds, HeldOut};
use triax_engine::Timings;
use triax_study::search::{Block, Plan, Searched, Space, Values, effects, search};
use triax_study::{Device, Judged, OwnedFolder, Share, SubjectFigures, compare_with_first};
use triax_trainer::Observer;

use crate::ensemble::{Ensemble, MemberSource};
use crate::settings::{Entries, Settings};
use crate::study::candidates;
use crate::{ClassicalTraining, Error, Notice, Training};
use choice::Choice;
use judge::{FieldJudge, Ground, Group, Work};
use prepared::{Prepared, groups};
use space::{Shape, Start};

pub use budget::Budget;
pub use choice::{EnsembleCandidate, StackedMember};
pub use description::{TuneDescription, TuneOptions};
pub use outcome::{JudgedCandidate, NestedSearch, TuneSummary};

/// Groups of people that a search judges by in turn, if there are as many.
const GROUPS: usize = 5;

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
    given: Vec<Start>,
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
    choice: Choice,
    /// By the people held out.
    judged: Vec<(Row, FoundFigures)>,
}

/// What people judge whom a search has not seen.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Row {
    /// What was chosen.
    Chosen,
    /// The best candidate, which was not chosen if an ensemble was ahead of it.
    BestCandidate,
    /// A candidate that is given, by its number.
    Given(usize),
}

/// The figures of each person, or how a training broke down.
type FoundFigures = Result<Vec<SubjectFigures>, String>;

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
        let mut judge = FieldJudge::new(
            ground(&corpus, &groups),
            (&self.space, self.shape),
            self.description.budget,
            spending,
            &mut *observer,
        );
        let Some(searched) = search(&self.space, &plan, &self.starts(), &mut judge)? else { return Ok(None) };
        judge.keep_whole();
        let scores = std::mem::take(&mut judge.scores);
        self.folder.write(&format!("{}/candidates.csv", one.name), &outcome::table(&searched))?;
        observer.search_ended(one, &searched);
        let inner = ground(&corpus, &groups);
        let lengths = |values: &Values| inner.lengths_of(values).expect("it was judged");
        let Some(choice) = Choice::new(&searched, &scores, &self.space, lengths, &corpus.class_names) else {
            let how = searched.candidates.iter().find_map(|one| one.dropped.as_ref()).map(ToString::to_string);
            return Err(Error::Input(format!(
                "no candidate could be trained on all folds: the first {}",
                how.unwrap_or_default()
            )));
        };
        let judged = match one.held_out.as_slice() {
            [] => Vec::new(),
            held_out => {
                let held_out = vec![("held-out".to_owned(), held_out.to_vec())];
                let whole = ground(&self.corpus, &held_out);
                let Some(judged) = self.judge(&whole, &choice, observer)? else { return Ok(None) };
                judged
            }
        };
        Ok(Some(Ended { searched, folds: groups, choice, judged }))
    }

    /// The candidates that a search starts with, with their names.
    fn starts(&self) -> Vec<(String, Values)> {
        self.given.iter().map(|one| (one.name.clone(), one.values.clone())).collect()
    }

    /// Judges what was chosen, and what it is compared with, by the people whom the only fold of `ground` holds out.
    fn judge(
        &self,
        ground: &Ground<'_>,
        choice: &Choice,
        observer: &mut dyn TuneObserver,
    ) -> Result<Option<Vec<(Row, FoundFigures)>>, Error> {
        let members = choice.ensemble().map_or(&[][..], |ensemble| &ensemble.members);
        let given = self.given.iter().enumerate().filter(|(_, one)| one.is_compared);
        let needed = members.iter().map(|one| (format!("candidate {}", one.candidate), &one.values));
        let needed = needed.chain(given.clone().map(|(_, one)| (one.name.clone(), &one.values)));
        // Each once, whatever it is called.
        let mut all = vec![("best".to_owned(), &choice.best)];
        for (name, values) in needed {
            if all.iter().all(|(_, other)| *other != values) {
                all.push((name, values));
            }
        }
        let work = Work { place: "judgement", folds: &[0], seeds: (0, self.description.seeds) };
        let found = ground.judge(&work, &all, &mut |_| observer.interrupted())?;
        let Some(found) = found else { return Ok(None) };
        let of = |values: &Values| {
            let at = all.iter().position(|(_, other)| *other == values).expect("all that is needed was judged");
            found[at].as_ref().map_err(String::clone)
        };
        let alone = |values: &Values| of(values).map(|judged| judged.figures.clone());
        let chosen = match choice.ensemble() {
            None => alone(&choice.best),
            Some(ensemble) => {
                let judged: Result<Vec<&Judged>, String> = members.iter().map(|one| of(&one.values)).collect();
                judged.map(|judged| ensemble.figures(&judged, &ground.corpus.class_names))
            }
        };
        let rows = [(Row::Chosen, chosen), (Row::BestCandidate, alone(&choice.best))];
        let given = given.map(|(number, one)| (Row::Given(number), alone(&one.values)));
        Ok(Some(rows.into_iter().chain(given).collect()))
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

    /// Trains what was chosen, and sums up.
    fn conclude(&self, ended: &[(&OneSearch, Ended)], observer: &mut dyn TuneObserver) -> Result<TuneOutcome, Error> {
        // The last search is that on all people, or the only one.
        let Some((last, end)) = ended.last() else { return Err(Error::Input("there is no search".to_owned())) };
        let command = self.description.command();
        let best = outcome::best_settings(&self.description, &end.choice.best)?;
        self.folder.write("best.toml", outcome::toml(&best, &command, end.choice.ensemble()).as_bytes())?;
        self.folder.write("candidates.csv", &outcome::table(&end.searched))?;
        observer.final_run_started();
        if !self.final_run(&end.choice, &last.held_out, observer)? {
            return Ok(TuneOutcome::Interrupted);
        }
        let summary = self.summary(ended, command);
        self.folder.write_json("summary.json", &summary)?;
        self.folder.write("report.html", crate::report::tune_html(&summary).as_bytes())?;
        Ok(TuneOutcome::Finished(Box::new(summary)))
    }

    /// Trains what was chosen on everybody but `held_out`; where nobody is held out, on all but those whom `train` holds out.
    /// A candidate is the run `run/`; the members of an ensemble are runs in `members/`, and `run/` is the ensemble. False if
    /// the observer asked to stop.
    fn final_run(&self, choice: &Choice, held_out: &[String], observer: &mut dyn TuneObserver) -> Result<bool, Error> {
        let path = self.folder.path().join("run");
        let Some(ensemble) = choice.ensemble() else { return self.train(&choice.best, held_out, &path, observer) };
        if Ensemble::is_in(&path) {
            return Ok(true);
        }
        let mut parts = Vec::new();
        for (n, member) in ensemble.members.iter().enumerate() {
            let path = self.folder.path().join("members").join((n + 1).to_string());
            if !self.train(&member.values, held_out, &path, observer)? {
                return Ok(false);
            }
            parts.push(MemberSource { path, weight: member.weight, temperature: Some(member.temperature.value()) });
        }
        // What was written of an ensemble before the program was stopped.
        if path.exists() {
            std::fs::remove_dir_all(&path).map_err(|source| Error::io("remove", &path, source))?;
        }
        Ensemble::make(&parts, &path)?;
        Ok(true)
    }

    /// Trains a candidate in the run `path`, or goes on with it. False if the observer asked to stop.
    fn train(
        &self,
        values: &Values,
        held_out: &[String],
        path: &Path,
        observer: &mut dyn TuneObserver,
    ) -> Result<bool, Error> {
        if path.join("metrics.json").exists() && path.join("report.html").exists() {
            return Ok(true);
        }
        let mut entries = outcome::best_settings(&self.description, values)?;
        for name in ["device", "engine"] {
            entries
                .extend(self.description.given.get_key_value(name).map(|(name, value)| (name.clone(), value.clone())));
        }
        if !held_out.is_empty() {
            entries.insert("valid_subjects".to_owned(), held_out.to_vec().into());
        }
        let settings = Settings::from_entries(&entries)?;
        if settings.training.classical().is_some() {
            let training = ClassicalTraining::new(settings, path, &self.timings)?;
            return finished(training.run()?);
        }
        let training = match path.join("checkpoint.safetensors").exists() {
            true => Training::resume(path, &Entries::new())?,
            false => Training::new_with(settings, path, &self.timings)?,
        };
        finished(training.run(&mut UntilInterrupted(observer))?)
    }

    fn summary(&self, ended: &[(&OneSearch, Ended)], command: String) -> TuneSummary {
        let (last, end) = ended.last().expect("there is a search");
        let corpus = &self.corpus;
        // Each person once, by the search that has not seen them.
        let of_row = |row: &Row, name: &str| {
            let (mut people, mut broken): (Vec<SubjectFigures>, Option<String>) = (Vec::new(), None);
            for (_, found) in ended.iter().flat_map(|(_, end)| &end.judged).filter(|(own, _)| own == row) {
                match found {
                    Ok(figures) => people.extend(figures.iter().cloned()),
                    Err(how) => broken = Some(how.clone()),
                }
            }
            JudgedCandidate::new(name, people, broken)
        };
        let mut judged = vec![of_row(&Row::Chosen, "chosen")];
        if ended.iter().any(|(_, end)| end.choice.ensemble().is_some()) {
            judged.push(of_row(&Row::BestCandidate, "best single model"));
        }
        let given = self.given.iter().enumerate().filter(|(_, one)| one.is_compared);
        judged.extend(given.map(|(number, one)| of_row(&Row::Given(number), &one.name)));
        let sides: Vec<(&str, &[SubjectFigures])> =
            judged.iter().map(|one| (one.name.as_str(), one.people.as_slice())).collect();
        let searches: Vec<NestedSearch> = ended
            .iter()
            .filter(|(one, _)| self.description.nested.is_some() && !one.held_out.is_empty())
            .map(|(one, end)| NestedSearch {
                name: one.name.clone(),
                held_out: one.held_out.clone(),
                chosen: end.choice.best.clone(),
                ensemble: end.choice.ensemble.clone(),
                flattering: end.choice.flattering().mean,
                honest: match &end.judged[0].1 {
                    Ok(figures) => outcome::estimate(&figures.iter().map(|one| one.macro_f1).collect::<Vec<_>>()).mean,
                    Err(_) => 0.0,
                },
            })
            .collect();
        let flattering = match searches.is_empty() {
            true => end.choice.flattering(),
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
            chosen: end.choice.best.clone(),
            ensemble: end.choice.ensemble.clone(),
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
