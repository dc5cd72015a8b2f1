//! Networks for short windows: a setting that was made for windows of seconds also works for a few samples.

use triax_model::{ConvSpec, Network, NetworkSpec, PoolSpec, SpecError};

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
            let (number, window) = (idx + 1, spec.window);
            changes.push(format!("block {number}: {fitting} instead of {block}, for windows of {window} samples"));
        }
        convs.push(fitting);
    }
    spec.convs = convs;
    Network::new(spec.clone()).map(|_| changes)
}

/// `block` with each shorter kernel, and with each shorter pool, the longest first.
fn shorter(block: ConvSpec) -> impl Iterator<Item = ConvSpec> {
    // No window has as many samples as the largest kernel that a setting can name.
    let kernels = (1..=block.kernel.min(MOST_POSITIONS)).rev();
    kernels.flat_map(move |kernel| pools(block.pool).map(move |pool| ConvSpec { kernel, pool, ..block }))
}

/// The longest kernel or pool that is shortened step by step. What is longer is as good as this for any short window.
const MOST_POSITIONS: usize = 1_000;

/// `pool`, each shorter one, and none at all.
fn pools(pool: Option<PoolSpec>) -> impl Iterator<Item = Option<PoolSpec>> {
    let shorter = pool.into_iter().flat_map(|pool| {
        let sizes = (2..pool.size.min(MOST_POSITIONS)).rev();
        sizes.map(move |size| PoolSpec {
            size,
            stride: if pool.stride == pool.size { size } else { pool.stride },
            ..pool
        })
    });
    pool.map(Some).into_iter().chain(shorter.map(Some)).chain([None])
}
