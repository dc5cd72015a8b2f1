//! The settings that a search varies, and how candidates are drawn.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use triax_model::random::Stream;

/// The value of each setting of a candidate, as the text of its option. Settings that have no meaning beside the others are
/// missing.
pub type Values = BTreeMap<String, String>;

/// The settings that a search varies.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Space {
    /// The settings. One with a condition comes after that which it depends on.
    pub dimensions: Vec<Dimension>,
    /// The values of settings that do not vary, for the conditions.
    pub fixed: Values,
}

/// A setting with the values that it may have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dimension {
    /// Its name.
    pub setting: String,
    /// Its values. Numbers are in order.
    pub values: Vec<String>,
    /// How often each value is drawn at random, in proportion; all equally often if it is empty.
    pub weights: Vec<usize>,
    /// Whether candidates with other values of it cannot be trained together.
    pub shapes: bool,
    /// Where it has a meaning; everywhere without one.
    pub only: Option<Condition>,
}

/// Values of another setting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// The other setting.
    pub setting: String,
    /// The values.
    pub values: Vec<String>,
}

impl Dimension {
    /// Whether its values are numbers, so that neighbours are alike.
    fn is_ordered(&self) -> bool {
        let is_number = |value: &String| value.trim_end_matches(['s', '%']).parse::<f64>().is_ok();
        self.values.iter().all(is_number)
    }

    /// A value that is not `now`, `reach` of the half of all values away at most where they are in order.
    fn another(&self, now: &str, reach: f64, draws: &mut Stream) -> String {
        let n = self.values.len();
        let Some(at) = self.values.iter().position(|value| value == now) else {
            return self.values[draws.below(n as u32) as usize].clone();
        };
        let far = if self.is_ordered() { ((reach * n as f64 / 2.0).round() as usize).max(1) } else { n };
        let near: Vec<usize> = (0..n).filter(|&other| other != at && other.abs_diff(at) <= far).collect();
        match near.len() {
            0 => now.to_owned(),
            n => self.values[near[draws.below(n as u32) as usize]].clone(),
        }
    }
}

impl Space {
    /// What a candidate has of a setting: its own value, or the one that does not vary. `None` where the setting has no
    /// meaning beside the others.
    pub fn value<'a>(&'a self, values: &'a Values, setting: &str) -> Option<&'a str> {
        values.get(setting).or_else(|| self.fixed.get(setting)).map(String::as_str)
    }

    /// Whether a setting has a meaning beside `values`.
    fn is_active(&self, dimension: &Dimension, values: &Values) -> bool {
        dimension.only.as_ref().is_none_or(|only| {
            let value = self.value(values, &only.setting);
            value.is_some_and(|value| only.values.iter().any(|one| one == value))
        })
    }

    /// `values` with a value of every setting that has a meaning beside the others, which `missing` draws, and of no other.
    pub fn completed(&self, mut values: Values, mut missing: impl FnMut(&Dimension) -> String) -> Values {
        for dimension in &self.dimensions {
            if !self.is_active(dimension, &values) {
                values.remove(&dimension.setting);
            } else if !values.contains_key(&dimension.setting) {
                values.insert(dimension.setting.clone(), missing(dimension));
            }
        }
        values
    }

    /// A candidate that differs from `elite` in a few settings: in up to four where `reach` is 1, and in one or two where it
    /// is small. Numbers move by up to `reach` of half their values.
    pub fn near(&self, elite: &Values, reach: f64, draws: &mut Stream) -> Values {
        let active: Vec<&Dimension> =
            self.dimensions.iter().filter(|one| one.values.len() > 1 && elite.contains_key(&one.setting)).collect();
        let mut values = elite.clone();
        if active.is_empty() {
            return values;
        }
        let most = ((4.0 * reach).round() as u32).max(2);
        for _ in 0..=draws.below(most) {
            let dimension = active[draws.below(active.len() as u32) as usize];
            if let Some(now) = elite.get(&dimension.setting) {
                values.insert(dimension.setting.clone(), dimension.another(now, reach, draws));
            }
        }
        self.completed(values, |dimension| {
            dimension.values[draws.below(dimension.values.len() as u32) as usize].clone()
        })
    }
}

/// Draws candidates at random, so that each value of a setting occurs about equally often among any number of them (as in a
/// Latin hypercube: McKay, Beckman and Conover, Technometrics 21, 1979): from a shuffled deck of its values, until that is
/// empty.
pub(super) struct Sampler<'a> {
    space: &'a Space,
    variants: usize,
    draws: Stream,
    decks: BTreeMap<&'a str, Vec<usize>>,
    /// The values of settings that shape a network, and how many candidates have had them.
    shape: (Values, usize),
}

impl<'a> Sampler<'a> {
    /// `variants` candidates in turn have the same shape.
    pub fn new(space: &'a Space, variants: usize, draws: Stream) -> Self {
        Self { space, variants, draws, decks: BTreeMap::new(), shape: (Values::new(), variants) }
    }

    /// The next candidate.
    pub fn draw(&mut self) -> Values {
        let space = self.space;
        let (shape, n_drawn) = std::mem::take(&mut self.shape);
        let (shape, n_drawn) = if n_drawn < self.variants { (shape, n_drawn) } else { (Values::new(), 0) };
        let mut values = shape;
        for dimension in &space.dimensions {
            if space.is_active(dimension, &values) && !values.contains_key(&dimension.setting) {
                values.insert(dimension.setting.clone(), self.next_of(dimension));
            }
        }
        let shapes = space.dimensions.iter().filter(|one| one.shapes).map(|one| &one.setting);
        let shape = shapes.filter_map(|name| Some((name.clone(), values.get(name)?.clone()))).collect();
        self.shape = (shape, n_drawn + 1);
        values
    }

    fn next_of(&mut self, dimension: &'a Dimension) -> String {
        let deck = self.decks.entry(&dimension.setting).or_default();
        if deck.is_empty() {
            let weight = |value: usize| dimension.weights.get(value).copied().unwrap_or(1);
            deck.extend((0..dimension.values.len()).flat_map(|value| std::iter::repeat_n(value, weight(value))));
            self.draws.shuffle(deck);
        }
        let value = deck.pop().expect("a setting has a value");
        dimension.values[value].clone()
    }
}

#[cfg(test)]
mod tests {
    use triax_model::random::Purpose;

    use super::*;

    fn dimension(setting: &str, values: &[&str]) -> Dimension {
        let values = values.iter().map(|&value| value.to_owned()).collect();
        Dimension { setting: setting.to_owned(), values, weights: Vec::new(), shapes: setting == "convs", only: None }
    }

    fn space() -> Space {
        let only = Condition { setting: "optimizer".to_owned(), values: vec!["adamw".to_owned()] };
        let dimensions = vec![
            dimension("convs", &["a", "b", "c"]),
            dimension("dropout", &["0", "0.1", "0.3", "0.5", "0.6"]),
            dimension("optimizer", &["adam", "adamw"]),
            Dimension { only: Some(only), ..dimension("weight_decay", &["0.001", "0.01"]) },
        ];
        Space { dimensions, fixed: Values::new() }
    }

    fn draws(index: u64) -> Stream {
        Stream::new(1, Purpose::Search, index)
    }

    #[test]
    fn each_value_is_drawn_about_equally_often() {
        let space = space();
        let mut sampler = Sampler::new(&space, 1, draws(0));
        let drawn: Vec<Values> = (0..15).map(|_| sampler.draw()).collect();
        let count = |setting: &str, value: &str| {
            drawn.iter().filter(|values| values.get(setting).is_some_and(|own| own == value)).count()
        };
        assert_eq!(["a", "b", "c"].map(|value| count("convs", value)), [5; 3]);
        assert_eq!(["0", "0.1", "0.3", "0.5", "0.6"].map(|value| count("dropout", value)), [3; 5]);
        // What has a meaning with one optimizer alone is drawn there alone.
        for values in &drawn {
            assert_eq!(values.contains_key("weight_decay"), values["optimizer"] == "adamw");
        }
    }

    #[test]
    fn weights_say_how_often_a_value_is_drawn() {
        let mut space = space();
        space.dimensions[0].weights = vec![3, 1, 1];
        let mut sampler = Sampler::new(&space, 1, draws(0));
        let drawn: Vec<Values> = (0..20).map(|_| sampler.draw()).collect();
        assert_eq!(drawn.iter().filter(|values| values["convs"] == "a").count(), 12);
    }

    #[test]
    fn variants_share_their_shape_and_nothing_else() {
        let space = space();
        let mut sampler = Sampler::new(&space, 4, draws(0));
        let drawn: Vec<Values> = (0..12).map(|_| sampler.draw()).collect();
        for four in drawn.chunks(4) {
            assert!(four.iter().all(|values| values["convs"] == four[0]["convs"]));
            assert!(four.iter().any(|values| values["dropout"] != four[0]["dropout"]));
        }
        assert_ne!(drawn[0]["convs"], drawn[4]["convs"]);
    }

    #[test]
    fn neighbours_differ_in_a_few_settings_by_small_steps() {
        let space = space();
        let elite = Sampler::new(&space, 1, draws(3)).draw();
        let elite = Values::from_iter([("dropout".to_owned(), "0.3".to_owned())].into_iter().chain(elite));
        let elite = Values::from_iter(elite.into_iter().chain([("dropout".to_owned(), "0.3".to_owned())]));
        for index in 0..50 {
            let near = space.near(&elite, 0.25, &mut draws(index));
            let changed = near.iter().filter(|(name, value)| elite.get(*name) != Some(value)).count();
            assert!(changed <= 3, "{near:?}");
            assert!(["0.1", "0.3", "0.5"].contains(&near["dropout"].as_str()), "{near:?}");
            assert_eq!(near.contains_key("weight_decay"), near["optimizer"] == "adamw");
        }
        let all: std::collections::BTreeSet<Values> =
            (0..50).map(|index| space.near(&elite, 1.0, &mut draws(index))).collect();
        assert!(all.len() > 20, "{}", all.len());
    }

    #[test]
    fn a_condition_can_be_met_by_a_setting_that_is_fixed() {
        let mut space = space();
        space.dimensions.remove(2);
        assert!(!Sampler::new(&space, 1, draws(0)).draw().contains_key("weight_decay"));
        space.fixed.insert("optimizer".to_owned(), "adamw".to_owned());
        assert!(Sampler::new(&space, 1, draws(0)).draw().contains_key("weight_decay"));
    }
}
