//! The search for good settings: iterated racing over the people of a data set.
//!
//! A search draws candidates, each a value for every setting of a [`Space`], and judges them by folds over people: the score
//! of a candidate is its mean macro-F1 over people whom the networks that are judged have not been trained on. The method is
//! iterated racing (López-Ibáñez, Dubois-Lacoste, Pérez Cáceres, Birattari and Stützle, "The irace package: iterated racing
//! for automatic algorithm configuration", Operations Research Perspectives 3, 2016), with people as its instances:
//!
//! 1. The first generation is drawn at random, so that each value of each setting occurs about equally often. Some candidates
//!    that are given take part too.
//! 2. A generation is a race (Maron and Moore, "Hoeffding races: accelerating model selection search for classification and
//!    function approximation", NIPS 6, 1994). Its candidates are judged on a first block of folds, and those that are worse
//!    than the best are [dropped](race::worse). The others are judged on the next folds, the best first, as far as the
//!    generation's part of the budget reaches, and dropped again.
//! 3. The best of each kind of candidate that were judged on all folds are the elite. The next generation is drawn near them, in
//!    fewer settings and by smaller steps each time.
//! 4. In the end, the best of the elite are judged with further seeds, because the best of many has been lucky too.
//!
//! Candidates of different kinds do not drop each other: models that are wrong about different people are better together than
//! the best of them alone. A [`Judge`] trains and judges, and says what a kind is; so this module knows no network.

mod effects;
mod plan;
mod race;
mod space;
mod tried;

use std::collections::BTreeMap;

use triax_model::random::{Purpose, Stream};

pub use effects::{Effect, Effects, Level as EffectLevel, effects};
pub use plan::{Block, Plan};
pub use race::{LEVEL_TO_DROP, worse};
pub use space::{Condition, Dimension, Space, Values};
pub use tried::{Drop, Origin, Scores, Searched, Tried};

use plan::Purse;
use space::Sampler;

/// The most candidates of a kind near which a generation is drawn, and the most that are judged with further seeds.
const ELITE: usize = 4;
/// The most seeds of the elite, besides the first.
const MORE_SEEDS: u64 = 3;
/// The part of a generation's budget that its first block of folds may cost.
const FIRST_BLOCK: f64 = 0.5;
/// How often a candidate is drawn again that cannot be trained, is too costly or has been tried.
const REDRAWS: usize = 200;

/// What trains and judges candidates.
pub trait Judge {
    /// Why it cannot judge.
    type Error;

    /// Whether these settings can be trained and judged at all.
    fn accepts(&self, values: &Values) -> bool;

    /// The kind of these settings. Candidates race with those of their kind: what is behind another kind may still be worth
    /// having beside it in an ensemble.
    fn kind(&self, _values: &Values) -> String {
        String::new()
    }

    /// What it costs to judge these settings on these folds, in the unit of the budget.
    fn cost(&self, values: &Values, folds: &[usize]) -> u64;

    /// Judges each of `candidates` on the folds of `block`; `None` if it was asked to stop.
    ///
    /// # Errors
    /// A device or a disk that fails. A training that breaks down is a [`Judgement`].
    fn judge(&mut self, block: &Block, candidates: &[&Tried]) -> Result<Option<Vec<Judgement>>, Self::Error>;
}

/// What was found of a candidate in a block of folds: the score of each person, or how its training broke down.
pub type Judgement = Result<Scores, String>;

/// Searches `space` by `plan`. `given` candidates, the first of which is the reference, take part in the first generation.
/// `None` if the judge was asked to stop.
///
/// The result depends on the arguments and the judgements alone.
///
/// # Errors
/// Those of the judge.
pub fn search<J: Judge>(
    space: &Space,
    plan: &Plan,
    given: &[(String, Values)],
    judge: &mut J,
) -> Result<Option<Searched>, J::Error> {
    let mut search = Search { space, plan, judge, purse: Purse::new(plan.budget), candidates: Vec::new(), most: 0 };
    search.most = plan.most_for_one(search.full_cost(&given[0].1));
    let n_generations = plan.n_generations(search.typical_cost(given));
    for generation in 1..=n_generations {
        search.purse.share(plan.share_of_generation(generation, n_generations));
        let drawn = if generation == 1 { search.first(given) } else { search.near_the_elite(generation) };
        if search.race(generation, drawn)?.is_none() {
            return Ok(None);
        }
    }
    search.purse.share(1.0);
    if search.judge_elite_again(n_generations + 1)?.is_none() {
        return Ok(None);
    }
    Ok(Some(search.end(n_generations)))
}

struct Search<'a, J> {
    space: &'a Space,
    plan: &'a Plan,
    judge: &'a mut J,
    purse: Purse,
    candidates: Vec<Tried>,
    /// The most that a candidate may cost.
    most: u64,
}

impl<J: Judge> Search<'_, J> {
    /// The cost of a candidate on all folds.
    fn full_cost(&self, values: &Values) -> u64 {
        self.judge.cost(values, &self.plan.all_folds())
    }

    fn can_be_drawn(&self, values: &Values) -> bool {
        self.judge.accepts(values) && self.full_cost(values) <= self.most
    }

    /// The mean cost of some candidates.
    fn typical_cost(&self, given: &[(String, Values)]) -> u64 {
        let mut sampler = Sampler::new(self.space, 1, Stream::new(self.plan.seed, Purpose::Search, 0));
        let drawn = (0..32).map(|_| sampler.draw()).filter(|values| self.can_be_drawn(values));
        let costs: Vec<u64> =
            drawn.chain(given.iter().map(|(_, values)| values.clone())).map(|values| self.full_cost(&values)).collect();
        costs.iter().sum::<u64>() / costs.len().max(1) as u64
    }

    /// Adds a candidate, and returns its index.
    fn add(&mut self, generation: usize, origin: Origin, values: Values) -> usize {
        let number = self.candidates.len();
        self.candidates.push(Tried::new(number, generation, origin, values));
        number
    }

    /// Candidates that `draw` makes, until the first block of folds costs what it may. One that cannot be trained, costs too
    /// much or has been tried is drawn again; where nothing else is left, there are fewer.
    fn draw(&mut self, generation: usize, mut draw: impl FnMut(&[Tried]) -> (Origin, Values)) -> Vec<usize> {
        let mut drawn = Vec::new();
        let first = self.plan.first_block();
        let most = (self.purse.left() as f64 * FIRST_BLOCK) as u64;
        let mut cost = 0;
        loop {
            let is_new = |search: &Self, values: &Values| search.candidates.iter().all(|one| one.values != *values);
            let next = (0..REDRAWS)
                .map(|_| draw(&self.candidates))
                .find(|(_, values)| is_new(self, values) && self.can_be_drawn(values));
            let Some((origin, values)) = next else { return drawn };
            cost += self.judge.cost(&values, &first);
            if cost > most {
                return drawn;
            }
            drawn.push(self.add(generation, origin, values));
        }
    }

    /// The first generation: those that are given, as far as the budget reaches, and random ones.
    fn first(&mut self, given: &[(String, Values)]) -> Vec<usize> {
        let mut all = Vec::new();
        let mut costs = 0;
        for (name, values) in given {
            // The reference is always judged on all folds.
            let reserved = if all.is_empty() { 0 } else { self.full_cost(&given[0].1) };
            let own = self.judge.cost(values, &self.plan.first_block());
            let is_new = self.candidates.iter().all(|one| one.values != *values);
            // Where one costs too much, the next may not.
            if is_new && (all.is_empty() || costs + own + reserved <= self.purse.left()) {
                costs += own;
                all.push(self.add(1, Origin::Given(name.clone()), values.clone()));
            }
        }
        self.purse.reserve(costs);
        let draws = Stream::new(self.plan.seed, Purpose::Search, 1);
        let mut sampler = Sampler::new(self.space, self.plan.variants, draws);
        all.extend(self.draw(1, |_| (Origin::Drawn, sampler.draw())));
        self.purse.reserve(0);
        all
    }

    /// A generation near the elite, of each kind in turn.
    fn near_the_elite(&mut self, generation: usize) -> Vec<usize> {
        let elite = self.elite();
        if elite.is_empty() {
            return Vec::new();
        }
        let kinds = self.by_kind(&elite);
        let parent = |n: usize| {
            let of_kind = &kinds[n % kinds.len()];
            of_kind[n / kinds.len() % of_kind.len()]
        };
        let (space, mut n_drawn) = (self.space, 0);
        let mut draws = Stream::new(self.plan.seed, Purpose::Search, generation as u64);
        let reach = 1.0 / (generation - 1) as f64;
        self.draw(generation, |candidates| {
            let parent = parent(n_drawn);
            n_drawn += 1;
            (Origin::Near(parent), space.near(&candidates[parent].values, reach, &mut draws))
        })
    }

    /// The best candidates of each kind that were judged on all folds and not dropped, the best first.
    fn elite(&self) -> Vec<usize> {
        let is_whole = |one: &&Tried| one.dropped.is_none() && one.n_folds == self.plan.people.len();
        let mut whole: Vec<&Tried> = self.candidates.iter().filter(is_whole).collect();
        whole.sort_by(|a, b| b.mean().total_cmp(&a.mean()));
        let mut of_kinds: BTreeMap<String, usize> = BTreeMap::new();
        let is_elite = |one: &&Tried| {
            let n_before = of_kinds.entry(self.judge.kind(&one.values)).or_default();
            *n_before += 1;
            *n_before <= ELITE
        };
        whole.into_iter().filter(is_elite).map(|one| one.number).collect()
    }

    /// The candidates with these numbers by their kinds.
    fn by_kind(&self, numbers: &[usize]) -> Vec<Vec<usize>> {
        let mut kinds: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for &number in numbers {
            kinds.entry(self.judge.kind(&self.candidates[number].values)).or_default().push(number);
        }
        kinds.into_values().collect()
    }

    /// Judges `candidates` on all folds, block by block, and drops those that are worse than the best, or that the budget
    /// does not reach for. `None` if the judge was asked to stop.
    fn race(&mut self, generation: usize, mut active: Vec<usize>) -> Result<Option<()>, J::Error> {
        let elite = self.elite();
        let blocks = self.plan.blocks();
        for (n, folds) in blocks.iter().enumerate() {
            active = if n == 0 { active } else { self.within_budget(active, &blocks[n..].concat()) };
            let block = Block { generation, number: n + 1, folds: folds.clone(), seed: 0 };
            if self.judge_block(&block, &mut active)?.is_none() {
                return Ok(None);
            }
            self.drop_worse(&elite, &mut active, &block);
        }
        // What a better candidate has come to in the meantime.
        let mut all = [elite, active].concat();
        self.drop_worse(&[], &mut all, &Block { generation, number: blocks.len(), folds: Vec::new(), seed: 0 });
        Ok(Some(()))
    }

    /// Those of `active`, the best first, whose `folds` the budget of this generation pays for. The best of a generation that
    /// has no elite yet is always among them.
    fn within_budget(&mut self, mut active: Vec<usize>, folds: &[usize]) -> Vec<usize> {
        active.sort_by(|&a, &b| self.candidates[b].mean().total_cmp(&self.candidates[a].mean()));
        let (mut cost, mut within) = (0, Vec::new());
        let needs_one = self.elite().is_empty();
        for number in active {
            let own = self.judge.cost(&self.candidates[number].values, folds);
            // Where one costs too much, the next may not.
            if cost + own <= self.purse.left() || (needs_one && within.is_empty()) {
                cost += own;
                within.push(number);
            } else {
                self.candidates[number].dropped = Some(Drop::Budget);
            }
        }
        within.sort_unstable();
        within
    }

    /// Judges `active` on a block; those that break down are dropped.
    fn judge_block(&mut self, block: &Block, active: &mut Vec<usize>) -> Result<Option<()>, J::Error> {
        if active.is_empty() {
            return Ok(Some(()));
        }
        let candidates: Vec<&Tried> = active.iter().map(|&number| &self.candidates[number]).collect();
        let cost: u64 = candidates.iter().map(|one| self.judge.cost(&one.values, &block.folds)).sum();
        let Some(judgements) = self.judge.judge(block, &candidates)? else { return Ok(None) };
        self.purse.pay(cost);
        for (&number, judgement) in active.iter().zip(judgements) {
            let candidate = &mut self.candidates[number];
            match judgement {
                Ok(scores) => candidate.add(block, scores),
                Err(how) => candidate.dropped = Some(Drop::Broken(how)),
            }
        }
        active.retain(|&number| self.candidates[number].dropped.is_none());
        Ok(Some(()))
    }

    /// Drops those of `active` that are worse than the best of their kind, of them and of `others`.
    fn drop_worse(&mut self, others: &[usize], active: &mut Vec<usize>, block: &Block) {
        for field in self.by_kind(&[others, active].concat()) {
            let scores: Vec<Scores> = field.iter().map(|&number| self.candidates[number].by_person()).collect();
            for (number, p) in field.into_iter().zip(worse(&scores)) {
                if let Some(p) = p.filter(|_| active.contains(&number)) {
                    let (generation, block) = (block.generation, block.number);
                    self.candidates[number].dropped = Some(Drop::Worse { generation, block, p });
                }
            }
        }
        active.retain(|&number| self.candidates[number].dropped.is_none());
    }

    /// Judges the best of the elite with further seeds, as long as there are several and the budget pays for two of them.
    fn judge_elite_again(&mut self, generation: usize) -> Result<Option<()>, J::Error> {
        let mut elite = self.elite();
        elite.truncate(ELITE);
        for seed in 1..=MORE_SEEDS {
            let (mut cost, all) = (0, self.plan.all_folds());
            let is_paid = |&number: &usize| {
                cost += self.judge.cost(&self.candidates[number].values, &all);
                cost <= self.purse.left()
            };
            let mut paid: Vec<usize> = elite.iter().copied().take_while(is_paid).collect();
            if paid.len() < 2 {
                break;
            }
            let block = Block { generation, number: seed as usize, folds: all, seed };
            if self.judge_block(&block, &mut paid)?.is_none() {
                return Ok(None);
            }
            self.drop_worse(&[], &mut paid, &block);
            paid.sort_by(|&a, &b| self.candidates[b].mean().total_cmp(&self.candidates[a].mean()));
            elite = paid;
        }
        Ok(Some(()))
    }

    /// The best is the one with the best mean among those of the elite with the most seeds. Without an elite, where all broke
    /// down, there is none.
    fn end(self, n_generations: usize) -> Searched {
        let elite = self.elite();
        let n_seeds = |number: &usize| self.candidates[*number].n_seeds();
        let most = elite.iter().map(n_seeds).max();
        let best = elite.iter().copied().find(|number| Some(n_seeds(number)) == most);
        Searched { n_generations, budget: self.plan.budget, used: self.purse.used(), best, candidates: self.candidates }
    }
}

#[cfg(test)]
mod tests;
