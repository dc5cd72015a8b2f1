use std::collections::HashSet;

use super::*;
use crate::statistics::mean;

const NAMES: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];

/// A value of `h` with which a candidate costs 40 times as much as others. It is not drawn.
const DEAR: &str = "dear";

/// Judges by a formula: each good value gives something, each person has a level, and each candidate some noise with each.
struct Formula {
    n_people: usize,
    /// What each good value gives.
    gain: f64,
    /// Whether candidates whose `a` is "3" are a kind of their own. They are far ahead then.
    has_kinds: bool,
    n_judged: usize,
    stops_after: Option<usize>,
    blocks: Vec<(Block, Vec<usize>)>,
}

impl Formula {
    fn new(n_people: usize) -> Self {
        Self { n_people, gain: 0.05, has_kinds: false, n_judged: 0, stops_after: None, blocks: Vec::new() }
    }

    fn n_good(values: &Values) -> f64 {
        values.values().filter(|value| *value == "3").count() as f64
    }
}

impl Judge for Formula {
    type Error = String;

    fn accepts(&self, values: &Values) -> bool {
        values.values().filter(|value| *value == "0").count() < 4
    }

    fn kind(&self, values: &Values) -> String {
        (self.has_kinds && values["a"] == "3").to_string()
    }

    fn cost(&self, values: &Values, folds: &[usize]) -> u64 {
        let of_fold = if values["h"] == DEAR { 40 } else { 1 };
        folds.len() as u64 * of_fold
    }

    fn judge(&mut self, block: &Block, candidates: &[&Tried]) -> Result<Option<Vec<Judgement>>, String> {
        self.blocks.push((block.clone(), candidates.iter().map(|one| one.number).collect()));
        if self.stops_after.is_some_and(|most| self.blocks.len() > most) {
            return Ok(None);
        }
        self.n_judged += candidates.len() * block.folds.len();
        let score = |one: &Tried, person: usize| {
            let mut noise = Stream::with_layer(block.seed, Purpose::Search, one.number as u64, person as u32 + 1);
            let of_kind = if self.has_kinds && one.values["a"] == "3" { 1.0 } else { 0.0 };
            of_kind + self.gain * Self::n_good(&one.values) + 0.05 * noise.normal() + 0.05 * (person % 3) as f64
        };
        let judged = |one: &&Tried| {
            if one.values["c"] == "1" && one.values["d"] != "3" {
                return Err("loss is NaN".to_owned());
            }
            // Two people in each fold.
            let people =
                block.folds.iter().flat_map(|fold| [2 * fold, 2 * fold + 1]).filter(|&who| who < self.n_people);
            Ok(people.map(|who| (who.to_string(), score(one, who))).collect())
        };
        Ok(Some(candidates.iter().map(judged).collect()))
    }
}

fn space() -> Space {
    let dimension = |name: &str| Dimension {
        setting: name.to_owned(),
        values: (0..4).map(|n| n.to_string()).collect(),
        weights: Vec::new(),
        shapes: name == "a",
        only: None,
    };
    Space { dimensions: NAMES.map(dimension).to_vec(), fixed: Values::new() }
}

fn given() -> Vec<(String, Values)> {
    vec![("reference".to_owned(), NAMES.map(|name| (name.to_owned(), "2".to_owned())).into())]
}

fn plan(seed: u64, budget: u64) -> Plan {
    Plan { seed, budget, people: vec![2; 6], variants: 1 }
}

fn found(seed: u64, budget: u64) -> (Searched, Formula) {
    let mut judge = Formula::new(12);
    let searched = search(&space(), &plan(seed, budget), &given(), &mut judge).unwrap().unwrap();
    (searched, judge)
}

#[test]
fn a_search_finds_better_settings_than_those_that_are_given_within_its_budget() {
    for seed in 0..10 {
        let (searched, judge) = found(seed, 300);
        let best = &searched.candidates[searched.best.unwrap()];
        assert!(Formula::n_good(&best.values) >= 4.0, "seed {seed}: {:?}", best.values);
        assert_eq!(searched.used, judge.n_judged as u64);
        assert!(searched.used <= 300, "{}", searched.used);
        assert!(searched.used > 200, "{}", searched.used);
        assert_eq!(best.scores.len(), 12);
        let is_rival = |one: &&Tried| one.number != best.number && one.n_seeds() > 1;
        assert_eq!(best.n_seeds() > 1, searched.candidates.iter().any(|one| is_rival(&one)), "rivals are judged alike");
        let numbers: Vec<usize> = searched.candidates.iter().map(|one| one.number).collect();
        assert_eq!(numbers, (0..numbers.len()).collect::<Vec<_>>());
        // None is tried twice, and none that makes no sense.
        let distinct: std::collections::BTreeSet<_> = searched.candidates.iter().map(|one| &one.values).collect();
        assert_eq!(distinct.len(), numbers.len());
        assert!(searched.candidates.iter().all(|one| judge.accepts(&one.values)));
    }
}

#[test]
fn the_same_seed_gives_the_same_search_and_another_one_does_not() {
    assert_eq!(found(1, 200).0, found(1, 200).0);
    assert_ne!(found(1, 200).0, found(2, 200).0);
}

#[test]
fn what_is_dropped_is_judged_no_more() {
    let mut kinds = HashSet::new();
    // With equals, whom the test does not drop, the budget decides.
    for (gain, n_people) in [(0.05, 12), (0.0, 20)] {
        let mut judge = Formula { gain, ..Formula::new(n_people) };
        let plan = Plan { people: vec![2; n_people / 2], ..plan(0, 300) };
        let searched = search(&space(), &plan, &given(), &mut judge).unwrap().unwrap();
        for one in &searched.candidates {
            let is_judged = |(block, numbers): &&(Block, Vec<usize>)| block.seed == 0 && numbers.contains(&one.number);
            let n_blocks = judge.blocks.iter().filter(is_judged).count();
            match &one.dropped {
                Some(Drop::Broken(how)) => {
                    assert_eq!((n_blocks, how.as_str(), one.values["c"].as_str()), (1, "loss is NaN", "1"));
                }
                Some(Drop::Worse { generation, block: 1, p }) if *generation <= searched.n_generations => {
                    assert!(*p < LEVEL_TO_DROP && n_blocks == 1);
                }
                Some(Drop::Worse { .. }) | None => assert!(n_blocks >= 2),
                Some(Drop::Budget) => assert!(n_blocks < plan.people.len().div_ceil(3)),
            }
            kinds.insert(one.dropped.as_ref().map(std::mem::discriminant));
        }
    }
    assert_eq!(kinds.len(), 4, "all kinds occur");
}

#[test]
fn a_kind_that_is_behind_goes_on_beside_the_other() {
    let mut judge = Formula { has_kinds: true, ..Formula::new(12) };
    let searched = search(&space(), &plan(0, 300), &given(), &mut judge).unwrap().unwrap();
    let is_ahead = |one: &Tried| one.values["a"] == "3";
    assert!(is_ahead(&searched.candidates[searched.best.unwrap()]));
    let kept = |ahead: bool| {
        searched.candidates.iter().filter(move |one| is_ahead(one) == ahead && one.dropped.is_none()).count()
    };
    assert!(kept(true) > 0 && kept(false) > 0);
    // Both are drawn near.
    let parents: HashSet<bool> = searched
        .candidates
        .iter()
        .filter_map(|one| match one.origin {
            Origin::Near(parent) => Some(is_ahead(&searched.candidates[parent])),
            _ => None,
        })
        .collect();
    assert_eq!(parents.len(), 2);
}

#[test]
fn the_reference_is_judged_by_all_even_if_nothing_else_can_be() {
    let (searched, _) = found(0, 6);
    assert_eq!((searched.candidates.len(), searched.best, searched.used), (1, Some(0), 6));
    assert_eq!(searched.candidates[0].origin, Origin::Given("reference".to_owned()));
}

#[test]
fn one_that_costs_too_much_does_not_end_the_way_for_those_that_are_given_after_it() {
    let like_reference = |name: &str, setting: &str, value: &str| {
        let mut values = given()[0].1.clone();
        values.insert(setting.to_owned(), value.to_owned());
        (name.to_owned(), values)
    };
    let all = [given(), vec![like_reference("dear", "h", DEAR), like_reference("cheap", "g", "1")]].concat();
    let searched = search(&space(), &plan(0, 60), &all, &mut Formula::new(12)).unwrap().unwrap();
    let tried = |name: &str| searched.candidates.iter().any(|one| one.origin == Origin::Given(name.to_owned()));
    assert!(!tried("dear") && tried("cheap"));
}

#[test]
fn a_search_that_is_stopped_ends_where_it_is() {
    for n_blocks in 0..5 {
        let mut judge = Formula { stops_after: Some(n_blocks), ..Formula::new(12) };
        assert_eq!(search(&space(), &plan(0, 300), &given(), &mut judge), Ok(None));
        assert_eq!(judge.blocks.len(), n_blocks + 1);
    }
}

#[test]
fn where_everything_breaks_down_there_is_no_best() {
    let broken: Vec<(String, Values)> =
        vec![("reference".to_owned(), NAMES.map(|name| (name.to_owned(), "1".to_owned())).into())];
    let mut fixed = space();
    fixed.dimensions.iter_mut().for_each(|one| one.values = vec!["1".to_owned()]);
    let searched = search(&fixed, &plan(0, 300), &broken, &mut Formula::new(12)).unwrap().unwrap();
    assert_eq!((searched.best, searched.candidates.len()), (None, 1));
}

#[test]
fn what_mattered_is_found_with_its_interval() {
    let (searched, _) = found(3, 6000);
    let effects = effects(&searched);
    for effect in &effects {
        let best = &effect.levels[0];
        assert_eq!(best.value, "3", "{effect:?}");
        assert!(best.difference.excludes_0() && best.difference.mean > 0.015, "{effect:?}");
        assert!(effect.levels.iter().all(|level| level.difference.n >= 3));
        let all: Vec<f64> =
            effect.levels.iter().map(|level| level.difference.mean * level.difference.n as f64).collect();
        assert!(mean(&all).abs() < 1e-9);
    }
    assert_eq!(effects.len(), 8);
}
