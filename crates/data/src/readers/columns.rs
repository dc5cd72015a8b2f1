//! What each column of a table is, by its name.

use super::options::{MappedRole, ReadOptions};
use super::shown;
use crate::corpus::position;
use crate::time::{Unit, clock_columns, clock_name};
use crate::{Column, DataError, Role};

/// Names of a column of subjects, in lower case and without separators; earlier ones win.
const SUBJECT: [&str; 12] = [
    "subject",
    "subjectid",
    "person",
    "personid",
    "participant",
    "participantid",
    "user",
    "userid",
    "volunteer",
    "subjectname",
    "username",
    "subj",
];
/// Names of a column of activities.
const ACTIVITY: [&str; 14] = [
    "activity",
    "activityname",
    "activitylabel",
    "activityid",
    "label",
    "labels",
    "class",
    "classname",
    "classlabel",
    "gt",
    "groundtruth",
    "target",
    "action",
    "behaviour",
];

/// Why a column that is a clock, but not the clock, is left out.
pub(super) const ANOTHER_CLOCK: &str = "its name: another clock";

/// The role of each column of one table.
#[derive(Clone, Debug)]
pub(crate) struct Columns {
    /// Column of the subject.
    pub subject: Option<usize>,
    /// Column of the activity.
    pub activity: Option<usize>,
    /// Column of the time.
    pub time: Option<usize>,
    /// Unit of the clock, where the user or the header says so.
    pub unit: Option<Unit>,
    /// Columns of values, in the order of the channels.
    pub values: Vec<usize>,
    /// Names of the channels.
    pub channels: Vec<String>,
    /// Whether the user has named each channel; those that the name alone does not exclude are otherwise looked at.
    pub named: Vec<bool>,
    /// All columns, in the order of the header.
    pub all: Vec<Column>,
}

impl Columns {
    /// Finds the roles of the columns `names`; messages call the header `place`.
    ///
    /// # Errors
    /// A name twice, a mapped or chosen column that is not there, or no channel.
    pub fn new(names: &[String], options: &ReadOptions, place: &str) -> Result<Self, DataError> {
        let bad = |problem: String, remedy: &str| Err(DataError::malformed(place, problem, remedy));
        let mut columns = Self {
            subject: None,
            activity: None,
            time: None,
            unit: None,
            values: Vec::new(),
            channels: Vec::new(),
            named: Vec::new(),
            all: Vec::with_capacity(names.len()),
        };
        if let Some((_, name)) =
            names.iter().enumerate().find(|(at, name)| !name.is_empty() && names[..*at].contains(name))
        {
            return bad(format!("the header names `{}` twice", shown(name)), "Give each column its own name");
        }
        let all = || names.iter().map(|name| shown(name)).collect::<Vec<_>>().join(", ");
        let find = |wanted: &str| position(names, wanted);
        let mut mapped = vec![None; names.len()];
        for (wanted, role) in &options.map {
            match find(wanted) {
                Some(at) => mapped[at] = Some(*role),
                None if options.wishes.map => {}
                None => {
                    return bad(
                        format!("there is no column `{}` to map", shown(wanted)),
                        &format!("There are: {}", all()),
                    );
                }
            }
        }
        let mut chosen = Vec::with_capacity(options.channels.len());
        let (mut missing, mut twice) = (Vec::new(), None);
        for wanted in options.wanted(names) {
            match find(wanted) {
                Some(at) if chosen.contains(&at) => twice = Some(wanted),
                Some(at) => chosen.push(at),
                None => missing.push(shown(wanted)),
            }
        }
        if let Some(twice) = twice {
            return bad(format!("the channel `{}` was asked for twice", shown(twice)), "Name each channel once");
        }
        if !missing.is_empty() {
            let problem = format!("there is no column `{}`", missing.join("`, `"));
            return bad(problem, &format!("There are: {}. Choose channels with --channels", all()));
        }

        let roles = by_name(names, &mapped, &chosen);
        for (at, (role, why)) in roles.into_iter().enumerate() {
            let (role, unit) = match role {
                MappedRole::As(role) => (role, None),
                MappedRole::TimeIn(unit) => (Role::Time, Some(unit)),
            };
            let slot = match role {
                Role::Subject => Some(&mut columns.subject),
                Role::Activity => Some(&mut columns.activity),
                Role::Time => Some(&mut columns.time),
                Role::Channel | Role::LeftOut => None,
            };
            if let Some(slot) = slot
                && let Some(other) = slot.replace(at)
            {
                let problem = format!("`{}` and `{}` are both the {role}", shown(&names[other]), shown(&names[at]));
                return bad(problem, "Say which with --map, and map the other to `nothing`");
            }
            if role == Role::Time {
                columns.unit = unit.or_else(|| clock_name(&names[at]).and_then(|clock| clock.unit));
            }
            if role == Role::Channel && chosen.is_empty() {
                columns.values.push(at);
                columns.named.push(mapped[at].is_some());
            }
            columns.all.push(Column { name: names[at].clone(), role, why: why.to_owned() });
        }
        if !chosen.is_empty() {
            columns.named = vec![true; chosen.len()];
            columns.values = chosen;
        }
        columns.channels = columns.values.iter().map(|&at| names[at].clone()).collect();
        if columns.channels.is_empty() {
            return bad(
                format!("the header `{}` names no channel", shown(&names.join(","))),
                "Add the sensor's columns, for example `x,y,z`",
            );
        }
        Ok(columns)
    }

    /// Whether a line with these fields is the header of what `options` ask for: it names all channels where they are
    /// chosen, and else an activity, a subject or a clock.
    pub fn is_header(names: &[String], options: &ReadOptions) -> bool {
        let has = |wanted: &String| position(names, wanted).is_some();
        if !options.channels.is_empty() {
            return options.channels.iter().all(has);
        }
        let is_mapped = options.map.iter().any(|(name, _)| has(name));
        let is_known = |name: &String| {
            let name = plain(name);
            SUBJECT.contains(&name.as_str()) || ACTIVITY.contains(&name.as_str())
        };
        is_mapped || names.iter().any(|name| is_known(name) || clock_name(name).is_some()) || options.unlabelled
    }

    /// Whether these are plainly columns of recordings: an activity and who did it, or one of the two under its own name.
    pub fn are_of_recordings(names: &[String]) -> bool {
        let has = |aliases: &[&str]| names.iter().any(|name| aliases.contains(&plain(name).as_str()));
        names.len() > 2 && (has(&SUBJECT) && has(&ACTIVITY) || has(&SUBJECT[..1]) || has(&ACTIVITY[..1]))
    }
}

/// A name in lower case, without anything but letters and digits.
fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).collect::<String>().to_lowercase()
}

/// The role of each column and why, from what the user says and from the names.
fn by_name(names: &[String], mapped: &[Option<MappedRole>], chosen: &[usize]) -> Vec<(MappedRole, &'static str)> {
    let free = |at: usize| mapped[at].is_none() && !chosen.contains(&at);
    let is_mapped = |wanted: Role| {
        mapped.iter().any(|role| match role {
            Some(MappedRole::As(role)) => *role == wanted,
            Some(MappedRole::TimeIn(_)) => wanted == Role::Time,
            None => false,
        })
    };
    // Of several columns that could be it, the one whose name is most usual.
    let best = |aliases: &[&str], role: Role| -> Option<usize> {
        let of = |at: usize| aliases.iter().position(|alias| *alias == plain(&names[at]));
        let candidates = (0..names.len()).filter(|&at| free(at)).filter_map(|at| Some((of(at)?, at)));
        candidates.min().map(|(_, at)| at).filter(|_| !is_mapped(role))
    };
    let (subject, activity) = (best(&SUBJECT, Role::Subject), best(&ACTIVITY, Role::Activity));
    let clocks = clock_columns(names.iter().map(String::as_str));
    let is_open = |at: usize| free(at) && Some(at) != subject && Some(at) != activity;
    let time = clocks.iter().map(|(at, _)| *at).find(|&at| is_open(at)).filter(|_| !is_mapped(Role::Time));
    (0..names.len())
        .map(|at| {
            if chosen.contains(&at) {
                return (MappedRole::As(Role::Channel), "--channels");
            }
            if let Some(role) = mapped[at] {
                return (role, "--map");
            }
            let (role, why) = if names[at].is_empty() {
                (Role::LeftOut, "having no name: a table's index")
            } else if Some(at) == subject {
                (Role::Subject, "its name")
            } else if Some(at) == activity {
                (Role::Activity, "its name")
            } else if Some(at) == time {
                (Role::Time, "its name")
            } else if !chosen.is_empty() {
                (Role::LeftOut, "--channels, which lacks it")
            } else if clocks.iter().any(|(clock, _)| *clock == at) {
                (Role::LeftOut, ANOTHER_CLOCK)
            } else {
                (Role::Channel, "its numbers")
            };
            (MappedRole::As(role), why)
        })
        .collect()
}
