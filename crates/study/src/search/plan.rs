//! What a search may spend, and in which order it judges.

/// How a search goes about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What decides the draws.
    pub seed: u64,
    /// What all trainings may cost together, in the unit of the judge.
    pub budget: u64,
    /// The number of people in each fold.
    pub people: Vec<usize>,
    /// Candidates of equal shape that are drawn one after the other, so that they can be trained together.
    pub variants: usize,
}

/// Folds on which several candidates are judged, with one seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The generation, from 1.
    pub generation: usize,
    /// The number of the block in it, from 1.
    pub number: usize,
    /// Indices of the folds.
    pub folds: Vec<usize>,
    /// The seed, from 0.
    pub seed: u64,
}

/// The people by whom candidates are judged before any is dropped: the fewest with whom the test can show something.
const PEOPLE_FIRST: usize = 5;
/// The part of the budget that is left for further seeds of the elite.
const FOR_THE_ELITE: f64 = 0.15;
/// The most generations.
const MOST_GENERATIONS: usize = 5;
/// One candidate may cost the budget divided by this.
const MOST_FOR_ONE: u64 = 10;

impl Plan {
    /// Indices of all folds.
    pub fn all_folds(&self) -> Vec<usize> {
        (0..self.people.len()).collect()
    }

    /// The folds on which every candidate is judged: the first, with five people in all if there are so many.
    pub fn first_block(&self) -> Vec<usize> {
        let mut n_people = 0;
        let is_needed = |people: &&usize| {
            let needed = n_people < PEOPLE_FIRST;
            n_people += **people;
            needed
        };
        (0..self.people.iter().take_while(is_needed).count()).collect()
    }

    /// The folds in the order in which candidates are judged: the first block, then as many in each as in the first.
    pub(super) fn blocks(&self) -> Vec<Vec<usize>> {
        let size = self.first_block().len().max(1);
        self.all_folds().chunks(size).map(<[usize]>::to_vec).collect()
    }

    /// The number of generations if a candidate costs so much: the more can be judged, the more often they are drawn near
    /// the best.
    pub(super) fn n_generations(&self, typical_cost: u64) -> usize {
        let n_candidates = self.budget / typical_cost.max(1);
        (n_candidates.max(1).ilog2() as usize).saturating_sub(1).clamp(1, MOST_GENERATIONS)
    }

    /// The part of what is left of the budget that a generation may spend, so that all spend about the same, and the first twice
    /// that: it judges those that are given besides those that are drawn.
    pub(super) fn share_of_generation(&self, generation: usize, n_generations: usize) -> f64 {
        let later = (n_generations - generation) as f64;
        let of_each = (1.0 - FOR_THE_ELITE) / (n_generations + 1) as f64;
        let own = if generation == 1 { 2.0 * of_each } else { of_each };
        own / (own + of_each * later + FOR_THE_ELITE)
    }

    /// The most that a candidate may cost on all folds, where the reference costs so much.
    pub(super) fn most_for_one(&self, reference: u64) -> u64 {
        (self.budget / MOST_FOR_ONE).max(reference.saturating_mul(2))
    }
}

/// What is left of a budget, and of the share of it that may be spent now.
pub(super) struct Purse {
    total: u64,
    used: u64,
    /// The largest `used` of now.
    until: u64,
    /// What is set aside.
    reserved: u64,
}

impl Purse {
    pub fn new(total: u64) -> Self {
        Self { total, used: 0, until: total, reserved: 0 }
    }

    /// From now on, this part of what is left may be spent.
    pub fn share(&mut self, part: f64) {
        self.until = self.used + ((self.total - self.used.min(self.total)) as f64 * part) as u64;
    }

    /// Sets so much aside, in place of what was.
    pub fn reserve(&mut self, cost: u64) {
        self.reserved = cost;
    }

    pub fn left(&self) -> u64 {
        self.until.saturating_sub(self.used).saturating_sub(self.reserved)
    }

    pub fn pay(&mut self, cost: u64) {
        self.used += cost;
    }

    pub fn used(&self) -> u64 {
        self.used
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(people: &[usize], budget: u64) -> Plan {
        Plan { seed: 0, budget, people: people.to_vec(), variants: 1 }
    }

    #[test]
    fn the_first_block_has_five_people_if_there_are() {
        for (people, blocks) in [
            (&[3, 3, 3, 2][..], vec![vec![0, 1], vec![2, 3]]),
            (&[1; 7], vec![vec![0, 1, 2, 3, 4], vec![5, 6]]),
            (&[6, 6, 6], vec![vec![0], vec![1], vec![2]]),
            (&[1, 1, 1], vec![vec![0, 1, 2]]),
        ] {
            assert_eq!(plan(people, 1).blocks(), blocks, "{people:?}");
        }
    }

    #[test]
    fn generations_spend_about_the_same_and_leave_some_and_the_first_twice_that() {
        let plan = plan(&[1; 5], 1000);
        assert_eq!([1, 10, 100, 1000].map(|cost| plan.n_generations(cost)), [5, 5, 2, 1]);
        let mut purse = Purse::new(plan.budget);
        let mut spent = Vec::new();
        for generation in 1..=4 {
            purse.share(plan.share_of_generation(generation, 4));
            spent.push(purse.left());
            purse.pay(purse.left());
        }
        assert!((338..=342).contains(&spent[0]), "{spent:?}");
        assert!(spent[1..].iter().all(|part| (168..=171).contains(part)), "{spent:?}");
        purse.share(1.0);
        assert!((148..=152).contains(&purse.left()), "{}", purse.left());
        purse.pay(2000);
        assert_eq!(purse.left(), 0);
        purse.share(0.5);
        assert_eq!(purse.left(), 0);
    }
}
