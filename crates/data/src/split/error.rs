//! Why a corpus cannot be windowed or split as asked, and what to do instead.

/// Why a corpus cannot be windowed or split as asked.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum SplitError {
    /// A window of no rows.
    #[error("A window of 0 rows holds nothing. Pass --window with at least 1.")]
    ZeroWindow,
    /// A step of no rows.
    #[error("A step of 0 rows never reaches the end of a recording. Pass --step with at least 1.")]
    ZeroStep,
    /// More recordings, or rows in one of them, than a 32-bit index reaches.
    #[error("The source has more than 4294967295 recordings, or rows in one of them. Split it up.")]
    TooManyRows,
    /// More windows than a 32-bit index reaches.
    #[error("{n_windows} windows are more than can be numbered; use a larger --step")]
    TooManyWindows {
        /// Number of windows.
        n_windows: usize,
    },
    /// The source is cut into windows of another length already.
    #[error(
        "The source is cut into windows of {source_window} rows already; there is no cutting it into {window}. \
         Pass --window {source_window}."
    )]
    OtherWindow {
        /// Rows of a window of the source.
        source_window: usize,
        /// Rows of a window asked for.
        window: usize,
    },
    /// No recording holds a window.
    #[error(
        "Too few rows for a window of {window}: of {n_recordings} recordings the longest has {longest} (a recording \
         ends where subject or activity changes, or time jumps). Pass a smaller --window, or more data."
    )]
    TooFewRows {
        /// Rows of a window.
        window: usize,
        /// Rows of the longest recording.
        longest: usize,
        /// Number of recordings.
        n_recordings: usize,
    },
    /// Nothing is labelled.
    #[error(
        "The data names no activity, and there is nothing to learn. Name the column that does, in the file or with \
         --map NAME=activity."
    )]
    NoClass,
    /// There is only one class.
    #[error("The data holds one class only, `{class}`, and a classifier needs two. Add another to --activities.")]
    OneClass {
        /// The class.
        class: String,
    },
    /// A class whose recordings are all too short.
    #[error(
        "Class `{class}` has no recording of {window} rows, so no training window. Pass a smaller --window, or leave \
         the class out with --activities."
    )]
    ClassWithoutWindows {
        /// The class.
        class: String,
        /// Rows of a window.
        window: usize,
    },
    /// All windows of a class are in validation.
    #[error(
        "Class `{class}` has no training window: all {n_valid} are held out for validation{}. Pass another --seed, \
         other --valid-subjects or a smaller --valid-fraction, or leave the class out with --activities.",
        with_whom(.subjects)
    )]
    ClassNotInTraining {
        /// The class.
        class: String,
        /// Its windows, all in validation.
        n_valid: usize,
        /// Those who do it; none where subjects are unknown.
        subjects: Vec<String>,
    },
    /// A fold by subject that holds out so much of what only its subjects do that it can train or judge nothing.
    #[error(
        "Class `{class}` has no training window in the fold that holds out {subjects}: nobody else does it, and without \
         it {lacks}. Leave the class out with --activities, or pass other --folds.",
        subjects = quoted(.subjects)
    )]
    FoldWithoutClasses {
        /// The subjects that the fold holds out and that do the class.
        subjects: Vec<String>,
        /// The class.
        class: String,
        /// What the fold lacks, as a clause.
        lacks: &'static str,
    },
    /// Validation is empty.
    #[error("The split leaves no window for validation. {remedy}")]
    NoValidation {
        /// What to do.
        remedy: &'static str,
    },
    /// Training is empty.
    #[error("The split leaves no window for training. {remedy}")]
    NoTraining {
        /// What to do.
        remedy: &'static str,
    },
    /// A split by subject needs two.
    #[error(
        "A split by subject needs two subjects with windows, and there is only `{subject}`. Add another subject's \
         data, or pass --split random and mind that it leaks."
    )]
    OneSubject {
        /// The subject.
        subject: String,
    },
    /// Subjects that the corpus does not have.
    #[error("There is no subject {} in the data. It has: {}.", quoted(unknown), quoted(known))]
    UnknownSubject {
        /// The names not found.
        unknown: Vec<String>,
        /// The names that exist.
        known: Vec<String>,
    },
    /// The source does not name every subject.
    #[error(
        "The source does not name the subject of every recording, which a split by subject needs. Pass --split \
         predefined if it comes with one, or --split random and mind that it leaks."
    )]
    NoSubjects,
    /// The source comes without a split.
    #[error(
        "The source comes with no split: {n_without} of {n_recordings} recordings belong to no part. Pass --split \
         subject or --split random."
    )]
    NotPredefined {
        /// Recordings without a part.
        n_without: usize,
        /// Number of recordings.
        n_recordings: usize,
    },
    /// More groups than subjects, or too few groups.
    #[error("{n_subjects} subjects cannot make {n_groups} groups. Pass --folds group-K with K from 2 to {n_subjects}.")]
    Groups {
        /// Groups asked for.
        n_groups: usize,
        /// Subjects with windows.
        n_subjects: usize,
    },
    /// More parts than windows, or too few parts.
    #[error("{n_windows} windows cannot make {n_parts} parts. Pass --folds random-K with K from 2 to {n_windows}.")]
    Parts {
        /// Parts asked for.
        n_parts: usize,
        /// Windows.
        n_windows: usize,
    },
    /// A fraction outside (0, 1).
    #[error("The validation fraction {0} is not between 0 and 1. Pass for example --valid-fraction 0.2.")]
    Fraction(f64),
}

/// ` with …, and nobody else does it`; nothing where nobody is named.
fn with_whom(subjects: &[String]) -> String {
    if subjects.is_empty() { String::new() } else { format!(" with {}, and nobody else does it", quoted(subjects)) }
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
