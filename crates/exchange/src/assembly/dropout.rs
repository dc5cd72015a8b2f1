//! Dropout, which the family has in one place: between the convolutions and the dense layers.

/// The dropout layers of a network.
#[derive(Debug, Default)]
pub(super) struct Dropouts(Vec<Dropout>);

#[derive(Debug)]
struct Dropout {
    place: String,
    rate: f32,
    /// Whether it drops single features.
    is_plain: bool,
    /// Layers with weights before it.
    n_before: usize,
    /// Whether a pool follows before the next layer with weights.
    is_pooled: bool,
}

impl Dropouts {
    /// A dropout layer follows `n_before` layers with weights.
    pub fn add(&mut self, place: &str, rate: f32, is_plain: bool, n_before: usize) {
        self.0.push(Dropout { place: place.to_owned(), rate, is_plain, n_before, is_pooled: false });
    }

    /// A pool follows.
    pub fn pooled(&mut self) {
        if let Some(last) = self.0.last() {
            let n_before = last.n_before;
            self.0.iter_mut().filter(|one| one.n_before == n_before).for_each(|one| one.is_pooled = true);
        }
    }

    /// The rate of the family's dropout in a network of `n_convs` convolutions, and what a user should know where the file has
    /// others.
    pub fn place(&self, n_convs: usize) -> (f32, Option<String>) {
        let (here, elsewhere): (Vec<_>, Vec<_>) = self
            .0
            .iter()
            .filter(|one| one.rate > 0.0)
            .partition(|one| one.n_before == n_convs && !one.is_pooled && one.is_plain);
        let rate = match (here.as_slice(), elsewhere.last()) {
            ([one], _) => one.rate,
            ([], Some(other)) => other.rate,
            (several, _) => 1.0 - several.iter().map(|one| 1.0 - one.rate).product::<f32>(),
        };
        if elsewhere.is_empty() {
            return (rate, None);
        }
        let others: Vec<String> = elsewhere.iter().map(|one| format!("{} ({})", one.place, one.rate)).collect();
        let notice = format!(
            "the family drops features between the convolutions and the dense layers alone, and the file also elsewhere: {}. What \
             the network answers is the same; a training that goes on drops {rate} there.",
            others.join(", ")
        );
        (rate, Some(notice))
    }
}
