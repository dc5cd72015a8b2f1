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
