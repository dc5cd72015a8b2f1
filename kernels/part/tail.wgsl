// What follows a layer in stages of its own (stage/tail.wgsl, stage/tail_backward.wgsl): an activation, a pool, dropout.
//
// LAYER describes it as a layer without weights: `kernel` is the size of its pool, 1 without one, and `channels` and `units` are
// those of the layer that it follows. It keeps what a largest value was found at as a pooled convolution does: `pool` is the
// size of a pool that takes the largest, else 1.
//
// Composed in front: activated(…) and slope(…) of activation/, BEFORE, the positions before the first one that the pool would
// read if they were there, and AVERAGES, whether it takes the mean.

// The first position that the pool reads for output position `t`.
fn first_read(t: u32) -> u32 {
    return max(t * LAYER.stride, BEFORE) - BEFORE;
}

// The first that it does not read any more. Positions that do not exist are not read.
fn end_read(t: u32) -> u32 {
    return min(t * LAYER.stride + LAYER.kernel - BEFORE, LAYER.positions_in);
}

// Four units of input position `p`, those from 4 · `quad` on.
fn four_units(tile: u32, p: u32, quad: u32, sq: u32, at: At) -> mat4x4<f32> {
    let n = select(LAYER.units - 4u * quad, 4u, LAYER.units % 4u == 0u);
    return four_rows(row_of(at, tile, LAYER.x + p * LAYER.units + 4u * quad) + sq, n);
}
