//! Folds: several splits of the same windows, each of which holds other windows out.

use std::collections::BTreeMap;

use triax_model::random::{Purpose, Stream};

use super::{
    Folds, HeldOut, SplitError, check_classes, follow_parts, hold_out_subjects, known_subjects, partition,
    refuse_untrained, several, subjects_at,
};
use crate::{Corpus, DataError, Windows};

/// One fold: windows by their index.
#[derive(Clone, Debug, PartialEq)]
pub struct Fold {
    /// Its subject where it is one, `held-out` or `predefined` where it is the only one, else its number from 1.
    pub name: String,
    /// Windows to train on, in the order of the recordings.
    pub train: Vec<u32>,
    /// Windows to validate on, in the order of the recordings; those of `untrained` classes are left out.
    pub valid: Vec<u32>,
    /// Subjects with a window in validation, sorted.
    pub valid_subjects: Vec<String>,
    /// The classes that the fold cannot judge, because it trains on no window of them.
    pub untrained: Vec<UntrainedClass>,
}

impl Fold {
    /// The fold that holds these `subjects` out, of all `windows` that were cut from `corpus`, of `window` rows each. So
    /// windows of other lengths can be judged by the same people. Classes that only they do are not judged, as in
    /// [`Folds::make`].
    ///
    /// # Errors
    /// As those of a fold by subject in [`Folds::make`].
    pub fn of_subjects(
        name: &str,
        subjects: &[String],
        corpus: &Corpus,
        windows: &Windows,
        window: usize,
    ) -> Result<Self, DataError> {
        check_classes(corpus)?;
        known_subjects(corpus, windows)?;
        let is_held_out = |origin| subjects.iter().any(|subject| subject == corpus.subject_of(origin));
        let is_valid: Vec<bool> = windows.origins.iter().map(|&origin| is_held_out(origin)).collect();
        let remedy = "Pass a smaller --window, other --folds, or more data.";
        let fold = Self::new(name.to_owned(), &is_valid, remedy, (corpus, windows, window))?;
        Ok(fold.judging_what_is_trained(corpus, windows)?)
    }

    /// The fold that validates with the windows that `is_valid` says, with all of their classes.
    fn new(
        name: String,
        is_valid: &[bool],
        remedy: &'static str,
        (corpus, windows, window): (&Corpus, &Windows, usize),
    ) -> Result<Self, SplitError> {
        let [train, valid] = partition(corpus, windows, window, is_valid, remedy)?;
        let untrained = UntrainedClass::find(corpus, windows, &train, &valid);
        Ok(Self { name, valid_subjects: subjects_at(corpus, windows, &valid), train, valid, untrained })
    }

    /// Leaves the windows of untrained classes out.
    fn judging_what_is_trained(mut self, corpus: &Corpus, windows: &Windows) -> Result<Self, SplitError> {
        leave_out(&self.untrained, corpus, windows, &mut self.valid)?;
        self.valid_subjects = subjects_at(corpus, windows, &self.valid);
        Ok(self)
    }
}

/// A class that only people do who are held out together: a network that has never seen it cannot be judged by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UntrainedClass {
    /// Its index.
    pub class: usize,
    /// Those who do it, sorted.
    pub subjects: Vec<String>,
    /// Its windows, which are neither trained on nor judged.
    pub n_windows: usize,
}

impl UntrainedClass {
    /// The classes of the windows at `valid` that none of the windows at `train` is of.
    pub(super) fn find(corpus: &Corpus, windows: &Windows, train: &[u32], valid: &[u32]) -> Vec<Self> {
        let n_classes = corpus.classes.len();
        let [in_train, in_valid] = [train, valid].map(|indices| windows.class_counts(indices, n_classes));
        let untrained = (0..n_classes).filter(|&class| in_train[class] == 0 && in_valid[class] > 0);
        let describe = |class: usize| {
            let own: Vec<u32> =
                valid.iter().copied().filter(|&idx| windows.labels[idx as usize] as usize == class).collect();
            Self { class, subjects: subjects_at(corpus, windows, &own), n_windows: own.len() }
        };
        untrained.map(describe).collect()
    }
}

impl Folds {
    /// Makes the folds of `windows`, all that were cut from `corpus`, of `window` rows each. `held_out` says which subjects
    /// [`Folds::HeldOut`] takes. The choice depends on the corpus, the windows and `seed` alone.
    ///
    /// Where each subject or group is held out in turn, those who alone do a class are so too, and no other folds would
    /// help. Such a fold judges the other classes, and names this one as [untrained](Fold::untrained).
    ///
    /// # Errors
    /// [`DataError::Split`]: unknown subjects or too few of them, a class that a single fold or one at random could not
    /// learn, a fold by subject with fewer than two classes to learn or with none to judge, no window to train on or to
    /// validate on.
    pub fn make(
        self,
        corpus: &Corpus,
        windows: &Windows,
        window: usize,
        held_out: &HeldOut,
        seed: u64,
    ) -> Result<Vec<Fold>, DataError> {
        check_classes(corpus)?;
        let fold = |(name, is_valid): (String, Vec<bool>)| {
            let fold = Fold::new(name, &is_valid, self.remedy(), (corpus, windows, window))?;
            match self {
                Self::LeaveOneSubjectOut | Self::Groups(_) => Ok(fold.judging_what_is_trained(corpus, windows)?),
                Self::HeldOut | Self::Random(_) | Self::Predefined => {
                    refuse_untrained(corpus, &fold.untrained)?;
                    Ok(fold)
                }
            }
        };
        self.validation(corpus, windows, held_out, seed)?.into_iter().map(fold).collect()
    }

    /// The name of each fold, and for each window whether it validates there.
    fn validation(
        self,
        corpus: &Corpus,
        windows: &Windows,
        held_out: &HeldOut,
        seed: u64,
    ) -> Result<Vec<(String, Vec<bool>)>, SplitError> {
        let by_subject = |is_valid: &dyn Fn(&str) -> bool| -> Vec<bool> {
            windows.origins.iter().map(|&origin| is_valid(corpus.subject_of(origin))).collect()
        };
        Ok(match self {
            Self::LeaveOneSubjectOut => {
                let subjects = several(known_subjects(corpus, windows)?)?;
                let fold = |name: String| {
                    let is_valid = by_subject(&|subject| subject == name);
                    (name, is_valid)
                };
                subjects.into_iter().map(fold).collect()
            }
            Self::Groups(n_groups) => {
                let subjects = several(known_subjects(corpus, windows)?)?;
                if !(2..=subjects.len()).contains(&n_groups) {
                    return Err(SplitError::Groups { n_groups, n_subjects: subjects.len() });
                }
                let groups = balanced_groups(corpus, windows, &subjects, n_groups, seed);
                numbered(n_groups, |group| by_subject(&|subject| groups[subject] == group))
            }
            Self::HeldOut => vec![("held-out".to_owned(), hold_out_subjects(corpus, windows, held_out, seed)?)],
            Self::Random(n_parts) => {
                if n_parts < 2 || n_parts > windows.len() {
                    return Err(SplitError::Parts { n_parts, n_windows: windows.len() });
                }
                let mut part_of_window: Vec<usize> = (0..windows.len()).map(|idx| idx % n_parts).collect();
                Stream::new(seed, Purpose::Split, 0).shuffle(&mut part_of_window);
                numbered(n_parts, |part| part_of_window.iter().map(|&own| own == part).collect())
            }
            Self::Predefined => vec![("predefined".to_owned(), follow_parts(corpus, windows)?)],
        })
    }

    /// What to do where a fold is left without windows.
    fn remedy(self) -> &'static str {
        match self {
            Self::Predefined => "Pass a smaller --window, or --folds loso instead of the source's own split.",
            _ => "Pass a smaller --window, other --folds, or more data.",
        }
    }
}

/// Leaves the windows of `untrained` classes out of `valid`. A fold needs two other classes, and a window to judge.
fn leave_out(
    untrained: &[UntrainedClass],
    corpus: &Corpus,
    windows: &Windows,
    valid: &mut Vec<u32>,
) -> Result<(), SplitError> {
    let Some(first) = untrained.first() else { return Ok(()) };
    valid.retain(|&idx| untrained.iter().all(|one| one.class != windows.labels[idx as usize] as usize));
    let refused = |lacks: &'static str| {
        let (subjects, class) = (first.subjects.clone(), corpus.class_names[first.class].clone());
        Err(SplitError::FoldWithoutClasses { subjects, class, lacks })
    };
    if valid.is_empty() {
        return refused("no window is left to judge");
    }
    if corpus.classes.len() - untrained.len() < 2 {
        return refused("fewer than two classes are left to learn");
    }
    Ok(())
}

/// `n_folds` folds by their numbers from 1; `is_valid` takes their index.
fn numbered(n_folds: usize, is_valid: impl Fn(usize) -> Vec<bool>) -> Vec<(String, Vec<bool>)> {
    (0..n_folds).map(|fold| ((fold + 1).to_string(), is_valid(fold))).collect()
}

/// The group of each of `subjects`: in a random order, the one with the most windows first, each joins the group that is the
/// smallest so far.
fn balanced_groups<'a>(
    corpus: &Corpus,
    windows: &Windows,
    subjects: &'a [String],
    n_groups: usize,
    seed: u64,
) -> BTreeMap<&'a str, usize> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for &origin in windows.origins.iter() {
        *counts.entry(corpus.subject_of(origin)).or_default() += 1;
    }
    let mut order: Vec<&str> = subjects.iter().map(String::as_str).collect();
    Stream::new(seed, Purpose::Split, 0).shuffle(&mut order);
    order.sort_by_key(|subject| std::cmp::Reverse(counts[subject]));
    // Windows of each group, and its subjects.
    let mut sizes = vec![(0, 0); n_groups];
    let mut groups = BTreeMap::new();
    for subject in order {
        let group = (0..n_groups).min_by_key(|&group| sizes[group]).expect("a group at least");
        sizes[group].0 += counts[subject];
        sizes[group].1 += 1;
        groups.insert(subject, group);
    }
    groups
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::test_corpora::{corpus_of, corpus_strategy};
    use crate::{Part, SplitPlan, cut, split};

    fn folds(corpus: &Corpus, folds: Folds, seed: u64) -> Result<Vec<Fold>, DataError> {
        folds.make(corpus, &cut(corpus, 4, 2)?, 4, &HeldOut::default(), seed)
    }

    /// Six subjects of different sizes, each with two classes.
    fn six() -> Corpus {
        let sizes = [("ann", 40), ("bob", 8), ("cem", 12), ("dot", 20), ("eve", 30), ("fay", 10)];
        let recordings: Vec<_> = sizes.iter().flat_map(|&(s, n)| [(s, 0, n), (s, 1, n)]).collect();
        corpus_of(&recordings, 3)
    }

    #[test]
    fn each_subject_is_left_out_once() {
        let folds = folds(&six(), Folds::LeaveOneSubjectOut, 0).unwrap();
        let names: Vec<_> = folds.iter().map(|fold| fold.name.as_str()).collect();
        assert_eq!(names, ["ann", "bob", "cem", "dot", "eve", "fay"]);
        assert!(folds.iter().all(|fold| fold.valid_subjects == [fold.name.clone()]));
    }

    #[test]
    fn windows_of_another_length_are_judged_by_the_same_people() {
        let corpus = six();
        for (fold, window) in folds(&corpus, Folds::Groups(3), 1).unwrap().iter().zip([4, 6, 8]) {
            let windows = cut(&corpus, window, 2).unwrap();
            let same = Fold::of_subjects(&fold.name, &fold.valid_subjects, &corpus, &windows, window).unwrap();
            assert_eq!(same.valid_subjects, fold.valid_subjects);
            assert_eq!(same == *fold, window == 4);
        }
        let windows = cut(&corpus, 4, 2).unwrap();
        let nobody = Fold::of_subjects("x", &["zoe".to_owned()], &corpus, &windows, 4).unwrap_err().to_string();
        assert!(nobody.contains("--folds"), "{nobody}");
    }

    #[test]
    fn who_is_left_out_takes_the_classes_along_that_nobody_else_does() {
        let all = swimmers(false);
        let without = all.clone().without_subjects(&["bob".to_owned()]).unwrap();
        assert_eq!((without.classes.len(), without.subjects()), (2, vec!["ann".into(), "cem".into(), "dot".into()]));
        assert_ne!(without.fingerprint, all.fingerprint);
        let others = all.without_subjects(&["ann".to_owned()]).unwrap();
        assert_eq!(others.classes.len(), 3);
        assert!(others.recordings.iter().all(|recording| recording.subject != "ann"));
    }

    #[test]
    fn groups_are_about_equally_large() {
        // 19, 3, 5, 9, 14 and 4 windows of each class.
        let sizes: Vec<_> = folds(&six(), Folds::Groups(3), 1).unwrap().iter().map(|fold| fold.valid.len()).collect();
        assert_eq!(sizes.iter().sum::<usize>(), 108);
        assert!(sizes.iter().all(|&n| (34..=38).contains(&n)), "{sizes:?}");
    }

    #[test]
    fn a_single_fold_is_the_split_of_the_same_kind() {
        let mut corpus = six();
        corpus.recordings.iter_mut().for_each(|recording| {
            recording.part = Some(if recording.subject.as_str() < "cem" { Part::Valid } else { Part::Train });
        });
        let windows = cut(&corpus, 4, 2).unwrap();
        for (which, plan) in
            [(Folds::HeldOut, SplitPlan::Subject(HeldOut::default())), (Folds::Predefined, SplitPlan::Predefined)]
        {
            let [fold] = &folds(&corpus, which, 7).unwrap()[..] else { panic!("{which} is one fold") };
            let split = split(&corpus, &windows, 4, &plan, 7).unwrap();
            assert_eq!((&fold.train, &fold.valid), (&split.train, &split.valid), "{which}");
            assert_eq!(fold.valid_subjects, split.valid_subjects, "{which}");
            assert_eq!(fold.name, which.to_string());
        }
    }

    #[test]
    fn what_cannot_be_folded_is_refused() {
        let message = |corpus: &Corpus, which: Folds| folds(corpus, which, 0).unwrap_err().to_string();
        assert!(message(&six(), Folds::Groups(7)).contains("7 groups"));
        assert!(message(&six(), Folds::Random(109)).contains("109 parts"));
        assert!(message(&six(), Folds::Predefined).contains("no split"));
        let alone = corpus_of(&[("ann", 0, 9), ("ann", 1, 9)], 1);
        assert!(message(&alone, Folds::LeaveOneSubjectOut).contains("only `ann`"));
        let unknown = corpus_of(&[("", 0, 9), ("ann", 1, 9)], 1);
        assert!(message(&unknown, Folds::Groups(2)).contains("does not name the subject"));
        let apart = corpus_of(&[("ann", 0, 9), ("bob", 1, 9)], 1);
        let found = message(&apart, Folds::LeaveOneSubjectOut);
        assert!(found.contains("`class0` has no training window in the fold that holds out `ann`"), "{found}");
        assert!(found.contains("no window is left"), "{found}");
        let two = corpus_of(&[("ann", 0, 9), ("ann", 1, 9), ("bob", 1, 9)], 1);
        let found = message(&two, Folds::LeaveOneSubjectOut);
        assert!(found.contains("`ann`") && found.contains("`class0`") && found.contains("fewer than two"), "{found}");
    }

    /// Three subjects who do classes 0 and 1, and `bob`, who does class 2 too. With `both`, `cem` does it as well.
    fn swimmers(both: bool) -> Corpus {
        let mut recordings = Vec::new();
        for subject in ["ann", "bob", "cem", "dot"] {
            recordings.extend([(subject, 0, 12), (subject, 1, 12)]);
            if subject == "bob" || (subject == "cem" && both) {
                recordings.push((subject, 2, 12));
            }
        }
        corpus_of(&recordings, 1)
    }

    #[test]
    fn what_only_the_held_out_do_is_named_and_not_judged() {
        let corpus = swimmers(false);
        let windows = cut(&corpus, 4, 2).unwrap();
        for fold in folds(&corpus, Folds::LeaveOneSubjectOut, 0).unwrap() {
            let expected = match fold.name.as_str() {
                "bob" => vec![UntrainedClass { class: 2, subjects: vec!["bob".into()], n_windows: 5 }],
                _ => Vec::new(),
            };
            assert_eq!(fold.untrained, expected, "{}", fold.name);
            assert_eq!(windows.class_counts(&fold.valid, 3), [5, 5, 0], "{}", fold.name);
        }
        // Of those who do it, one is always trained on where each is held out alone; in some groups both are held out.
        let both = swimmers(true);
        let untrained = |which, seed| {
            let folds = folds(&both, which, seed).unwrap();
            folds.into_iter().flat_map(|fold| fold.untrained).collect::<Vec<_>>()
        };
        assert_eq!(untrained(Folds::LeaveOneSubjectOut, 0), []);
        let together = UntrainedClass { class: 2, subjects: vec!["bob".into(), "cem".into()], n_windows: 10 };
        let found: Vec<_> = (0..20).flat_map(|seed| untrained(Folds::Groups(2), seed)).collect();
        assert!(found.iter().all(|one| *one == together), "{found:?}");
    }

    #[test]
    fn a_single_fold_that_holds_out_a_class_names_who_does_it() {
        let corpus = swimmers(false);
        let held_out = HeldOut { valid_subjects: vec!["bob".into()], ..HeldOut::default() };
        let windows = cut(&corpus, 4, 2).unwrap();
        let found = Folds::HeldOut.make(&corpus, &windows, 4, &held_out, 0).unwrap_err().to_string();
        assert!(
            found.contains("`class2`") && found.contains("all 5 are held out for validation with `bob`, and nobody"),
            "{found}"
        );
    }

    /// `which` of the windows of `corpus`. A case without them is rejected; proptest fails when most are.
    fn folds_of_case(corpus: &Corpus, which: Folds, seed: u64) -> Result<(Windows, Vec<Fold>), TestCaseError> {
        let reject = |error: DataError| TestCaseError::reject(error.to_string());
        let windows = cut(corpus, 4, 2).map_err(reject)?;
        Ok((windows, folds(corpus, which, seed).map_err(reject)?))
    }

    fn by_subject() -> impl Strategy<Value = Folds> {
        prop_oneof![Just(Folds::LeaveOneSubjectOut), (2_usize..4).prop_map(Folds::Groups)]
    }

    proptest! {
        #[test]
        fn folds_partition_the_windows(
            corpus in corpus_strategy(), seed in 0_u64..20,
            which in prop_oneof![by_subject(), (2_usize..5).prop_map(Folds::Random)],
        ) {
            let (windows, made) = folds_of_case(&corpus, which, seed)?;
            let all: Vec<u32> = (0..windows.len() as u32).collect();
            let mut n_judged = 0;
            for fold in &made {
                let mut both = [fold.train.as_slice(), &fold.valid].concat();
                both.sort_unstable();
                both.dedup();
                let n_untrained: usize = fold.untrained.iter().map(|class| class.n_windows).sum();
                prop_assert_eq!(both.len() + n_untrained, all.len());
                prop_assert_eq!(fold.train.len() + fold.valid.len(), both.len());
                n_judged += fold.valid.len() + n_untrained;
                let counts = windows.class_counts(&fold.train, corpus.classes.len());
                let unlearned = counts.iter().filter(|&&n| n == 0).count();
                prop_assert_eq!(unlearned, fold.untrained.len());
            }
            prop_assert_eq!(n_judged, all.len());
            prop_assert_eq!(&made, &folds(&corpus, which, seed).unwrap());
        }

        #[test]
        fn no_subject_is_on_both_sides(
            corpus in corpus_strategy(), seed in 0_u64..20, which in prop_oneof![by_subject(), Just(Folds::HeldOut)],
        ) {
            let (windows, made) = folds_of_case(&corpus, which, seed)?;
            for fold in made {
                let subjects = |indices: &[u32]| subjects_at(&corpus, &windows, indices);
                let train = subjects(&fold.train);
                prop_assert!(subjects(&fold.valid).iter().all(|subject| !train.contains(subject)));
            }
        }
    }
}
