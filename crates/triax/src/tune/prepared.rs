//! A search before it runs: its people, its devices and its budget.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use triax_data::{Corpus, Folds, HeldOut};
use triax_engine::device::DeviceKind;
use triax_engine::{Phase, Timings};
use triax_model::NetworkSpec;
use triax_study::search::Space;
use triax_study::{OwnedFolder, Study};

use super::budget::{self, Budget};
use super::description::{TUNE, TuneDescription};
use super::judge::{self, Ground, Group};
use super::space::{self, Shape, Start};
use super::{OneSearch, TuneRun};
use crate::engines::Candidates;
use crate::recordings::{Recordings, read_data};
use crate::settings::Settings;
use crate::study::{Devices, is_cpu, open_devices, with_trial};
use crate::text::listed;
use crate::{Error, Notice};

/// The fewest people of a data set: one to judge by, and three to search with.
const FEWEST_PEOPLE: usize = 4;
/// Models that a GPU trains at once: as many as it holds, but no more than a block has.
const AT_ONCE_ON_GPU: usize = 1024;
/// Models of the fleet that is timed on a GPU.
const TIMED_ON_GPU: usize = 64;
/// Candidates of one shape that follow each other where a GPU trains them.
const VARIANTS_ON_GPU: usize = 8;
/// The part of the time in which steps are taken; in the rest windows are prepared, candidates are judged and files written.
const IN_STEPS: f64 = 0.8;

/// A search before its device is known.
pub(super) struct Prepared {
    pub description: TuneDescription,
    pub corpus: Arc<Corpus>,
    searches: Vec<OneSearch>,
    space: Space,
    given: Vec<Start>,
    shape: Shape,
    notices: Vec<Notice>,
}

impl Prepared {
    pub fn new(description: TuneDescription, timings: &Timings) -> Result<Self, Error> {
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
        let mut given = space::starts(&space, &description.given, &description.vary)?;
        // The default window is too long for some data.
        for start in &mut given {
            if let Some(window) = start.values.get_mut("window").filter(|window| !shape.allow(window)) {
                let dimension = space.dimensions.iter().find(|one| one.setting == "window");
                window.clone_from(dimension.and_then(|one| one.values.last()).expect("a length that suits"));
            }
        }
        let searches = searches(&description, &corpus, &settings, shape)?;
        let corpus = Arc::new(corpus);
        let notices = leave_out(&mut given, &untrained(&corpus, Vec::new(), &description));
        Ok(Self { description, corpus, searches, space, given, shape, notices })
    }

    /// The study of the reference in the first group of the first search, by which devices are timed.
    fn trial_study(&self) -> Result<Study, Error> {
        let settings = judge::settings_of(&self.description.given, &self.given[0].values)?;
        let held_out = self.searches[0].held_out.clone();
        let someone = if held_out.is_empty() { vec![self.corpus.subjects()[0].clone()] } else { held_out };
        let groups = vec![("held-out".to_owned(), someone)];
        untrained(&self.corpus, groups, &self.description).study_of("reference", settings)
    }

    /// The devices, the budget without a time, and how long the searches here will take with it.
    pub fn devices(
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

    pub fn begin(
        self,
        path: &Path,
        devices: Devices,
        (asked, budget, expected): (Budget, Budget, Option<Duration>),
        timings: &Timings,
    ) -> Result<TuneRun, Error> {
        let Self { mut description, corpus, searches, space, given, shape, notices: of_starts } = self;
        description.budget = budget;
        let folder = OwnedFolder::open(path, &TUNE, &description.compared(&corpus), &description.here(asked))?;
        let mut notices = [corpus.notices.clone(), devices.notices, of_starts].concat();
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

/// Where nothing is trained, nothing is timed.
static UNTIMED: Timings = Timings::off();

/// What candidates are checked by before anything is trained.
fn untrained<'a>(corpus: &Arc<Corpus>, groups: Vec<Group>, description: &'a TuneDescription) -> Ground<'a> {
    Ground {
        corpus: corpus.clone(),
        groups,
        given: &description.given,
        path: PathBuf::new(),
        devices: &[],
        timings: &UNTIMED,
    }
}

/// Leaves out of `starts` those that cannot be trained on windows this short, but the first, by which devices are timed. Returns a
/// note for each with which what is chosen would have been compared.
fn leave_out(starts: &mut Vec<Start>, ground: &Ground<'_>) -> Vec<Notice> {
    let mut notices = Vec::new();
    let mut is_first = true;
    starts.retain(|start| {
        if std::mem::take(&mut is_first) {
            return true;
        }
        let problem = ground.check(&start.values).err();
        if let Some(problem) = problem.as_ref().filter(|_| start.is_compared) {
            notices.push(Notice::Note(format!("{} does not take part: {}.", start.name, problem.in_full())));
        }
        problem.is_none()
    });
    notices
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
pub(super) fn groups(
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
