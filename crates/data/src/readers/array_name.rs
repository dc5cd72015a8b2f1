//! What the name of a NumPy array says about its content.

use super::source::{file_name, folder};
use crate::Part;

/// What an array holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Holds {
    Windows,
    Labels,
    Subjects,
    Channels,
}

/// The part of the windows that it holds it for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Portion {
    All,
    Train,
    Valid,
    Test,
}

const HOLDS: [(Holds, &[&str]); 4] = [
    (Holds::Windows, &["x"]),
    (Holds::Labels, &["y", "labels", "label", "targets", "target"]),
    (
        Holds::Subjects,
        &[
            "subjects",
            "subject",
            "subjectids",
            "subjectid",
            "subs",
            "sub",
            "subj",
            "groups",
            "group",
            "persons",
            "person",
            "people",
            "participants",
            "participant",
            "users",
            "user",
        ],
    ),
    (Holds::Channels, &["channels", "channelnames"]),
];

const PORTIONS: [(Portion, &[&str]); 4] = [
    (Portion::All, &["", "all"]),
    (Portion::Train, &["train", "training", "tr"]),
    (Portion::Valid, &["val", "valid", "validation", "dev"]),
    (Portion::Test, &["test", "testing", "te"]),
];

impl Holds {
    /// The name under which it is asked for.
    pub fn title(self, portion: Portion) -> String {
        let holds = match self {
            Self::Windows => "X",
            Self::Labels => "y",
            Self::Subjects => "subjects",
            Self::Channels => "channels",
        };
        match portion {
            Portion::All => holds.to_owned(),
            Portion::Train => format!("{holds}_train"),
            Portion::Valid => format!("{holds}_val"),
            Portion::Test => format!("{holds}_test"),
        }
    }

    /// What to save instead of an array of objects.
    pub fn object_remedy(self) -> &'static str {
        match self {
            Self::Windows => {
                "Save `np.stack(list(X)).astype(\"float32\")`, of windows that all have the same samples and channels"
            }
            Self::Labels | Self::Subjects | Self::Channels => {
                "Save it with `.astype(str)`, or numbers with `.astype(int)`"
            }
        }
    }
}

impl Portion {
    pub const ALL: [Self; 4] = [Self::All, Self::Train, Self::Valid, Self::Test];

    /// What it is for, where there is another beside it.
    pub fn part(self) -> Part {
        if matches!(self, Self::All | Self::Train) { Part::Train } else { Part::Valid }
    }
}

/// A name taken apart: `X_train`, `trainX`, `subject_val`, or `train/X`.
#[derive(Debug)]
pub(crate) struct ArrayName<'a> {
    pub holds: Holds,
    pub portion: Portion,
    /// How usual the name is, from 0: where two arrays hold the same, the more usual name is meant.
    pub rank: usize,
    /// The folder that all parts lie in.
    pub home: &'a str,
}

impl<'a> ArrayName<'a> {
    /// `None` for a name that says nothing.
    pub fn parse(name: &'a str) -> Option<Self> {
        let stem = file_name(name).rsplit_once('.').map_or(file_name(name), |(stem, _)| stem);
        let word = plain(stem);
        let (holds, portion, rank) = HOLDS.into_iter().find_map(|(holds, names)| {
            names.iter().enumerate().find_map(|(rank, known)| {
                let rest = |rest: Option<&str>| rest.and_then(portion_of);
                let portion = rest(word.strip_prefix(known)).or_else(|| rest(word.strip_suffix(known)))?;
                Some((holds, portion, rank))
            })
        })?;
        let home = folder(name);
        let within = home.strip_suffix('/').map_or("", file_name);
        match portion_of(&plain(within)) {
            Some(by_folder) if portion == Portion::All && by_folder != Portion::All => {
                Some(Self { holds, portion: by_folder, rank, home: &home[..home.len() - within.len() - 1] })
            }
            _ => Some(Self { holds, portion, rank, home }),
        }
    }
}

/// The letters of a name, in lower case.
fn plain(name: &str) -> String {
    name.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn portion_of(word: &str) -> Option<Portion> {
    PORTIONS.into_iter().find(|(_, names)| names.contains(&word)).map(|(portion, _)| portion)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(name: &str) -> Option<(Holds, Portion)> {
        ArrayName::parse(name).map(|name| (name.holds, name.portion))
    }

    #[test]
    fn names_in_use_are_known() {
        use Holds::{Channels, Labels, Subjects, Windows};
        use Portion::{All, Test, Train, Valid};
        let cases = [
            ("X.npy", Windows, All),
            ("X_train.npy", Windows, Train),
            ("x_TRAIN.npy", Windows, Train),
            ("trainX.npy", Windows, Train),
            ("train_x.npy", Windows, Train),
            ("Xtr.npy", Windows, Train),
            ("X_valid.npy", Windows, Valid),
            ("x-dev.npy", Windows, Valid),
            ("X_validation.npy", Windows, Valid),
            ("a/test/X.npy", Windows, Test),
            ("y_val.npy", Labels, Valid),
            ("labels_test.npy", Labels, Test),
            ("target.npy", Labels, All),
            ("subject_train.npy", Subjects, Train),
            ("sub_train.npy", Subjects, Train),
            ("groups.npy", Subjects, All),
            ("test_participants.npy", Subjects, Test),
            ("channels.npy", Channels, All),
        ];
        for (name, holds, portion) in cases {
            assert_eq!(parsed(name), Some((holds, portion)), "{name}");
        }
        for name in ["data.npy", "weights.npy", "Y_hat.npy", "xx.npy", "y_train_soft.npy", ".npy"] {
            assert_eq!(parsed(name), None, "{name}");
        }
        assert_eq!(ArrayName::parse("a/test/X.npy").unwrap().home, "a/");
        assert_eq!(ArrayName::parse("a/b/X_test.npy").unwrap().home, "a/b/");
    }
}
