//! Networks for short windows: a setting that was made for windows of seconds also works for a few samples.

use triax_model::{ConvSpec, Network, NetworkSpec, SpecError};

/// Shortens kernels, and then pools, of `spec` as far as its window is too short for them, block by block: each keeps the
/// longest kernel, and with it the longest pool, that fits into what the blocks before it leave. Returns what was changed, as
/// a sentence for each block.
///
/// # Errors
/// What would not work with any window either.
pub fn to_window(spec: &mut NetworkSpec) -> Result<Vec<String>, SpecError> {
    let asked = match Network::new(spec.clone()) {
        Ok(_) => return Ok(Vec::new()),
        Err(problem) => problem,
    };
    let mut changes = Vec::new();
    let mut convs: Vec<ConvSpec> = Vec::new();
    for (idx, &block) in spec.convs.iter().enumerate() {
        let works = |block: &ConvSpec| {
            let convs = convs.iter().chain([block]).copied().collect();
            Network::new(NetworkSpec { convs, hidden: Vec::new(), ..spec.clone() }).is_ok()
        };
        let Some(fitting) = shorter(block).find(works) else { return Err(asked) };
        if fitting != block {
            let pool = |block: &ConvSpec| block.pool.map_or("no pool".to_owned(), |pool| format!("a pool of {pool}"));
            changes.push(format!(
                "block {}: a kernel of {} and {} instead of {} and {}, for windows of {} samples",
                idx + 1,
                fitting.kernel,
                pool(&fitting),
                block.kernel,
                pool(&block),
                spec.window
            ));
        }
        convs.push(fitting);
    }
    spec.convs = convs;
    Network::new(spec.clone()).map(|_| changes)
}

/// `block` with each shorter kernel, and with each shorter pool, the longest first.
fn shorter(block: ConvSpec) -> impl Iterator<Item = ConvSpec> {
    let kernels = (1..=block.kernel).rev();
    kernels.flat_map(move |kernel| {
        let pools = (2..=block.pool.unwrap_or(1)).rev().map(Some).chain([None]);
        // A pool that is there already is tried as it is, whatever its length.
        let own = block.pool.filter(|&pool| pool < 2).map(Some);
        own.into_iter().chain(pools).map(move |pool| ConvSpec { kernel, pool, ..block })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_short_window_gets_a_network_that_works() {
        for window in 1..=30 {
            for channels in [1, 3] {
                let mut spec = NetworkSpec { window, channels, ..NetworkSpec::default() };
                let before = spec.clone();
                let changes = to_window(&mut spec).unwrap();
                assert!(Network::new(spec.clone()).is_ok(), "{spec:?}");
                assert_eq!(changes.is_empty(), Network::new(before.clone()).is_ok(), "{changes:?}");
                assert_eq!(changes.is_empty(), spec == before);
            }
        }
    }

    #[test]
    fn what_fits_stays_and_what_cannot_work_is_refused() {
        let mut spec = NetworkSpec::default();
        assert!(to_window(&mut spec).unwrap().is_empty());
        assert_eq!(spec, NetworkSpec::default());
        let mut zero = NetworkSpec { window: 2, classes: 1, ..NetworkSpec::default() };
        assert_eq!(to_window(&mut zero).unwrap_err().layer, "classes");
    }

    #[test]
    fn the_longest_kernel_that_fits_is_kept() {
        let mut spec = NetworkSpec { window: 2, channels: 1, ..NetworkSpec::default() };
        let changes = to_window(&mut spec).unwrap();
        assert_eq!((spec.convs[0].kernel, spec.convs[0].pool), (2, None));
        assert_eq!(spec.convs[1].kernel, 1);
        assert_eq!(changes.len(), 2);
        assert!(changes[0].contains("block 1: a kernel of 2 and no pool instead of 3 and a pool of 2"), "{changes:?}");
    }
}
