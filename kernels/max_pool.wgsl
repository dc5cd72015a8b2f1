// Max-pooling with stride = size: `y[t, c] = max x[t·size + j, c]` over j < size. Positions left over are not read.
//
// The gradient goes to the first of equal maxima. NaN wins, so that it is noticed; no maximum starts from infinity.
//
// forward   reads x rows, writes y rows with `=`
// backward  reads x and d_y rows, writes d_x rows with `=`
// barriers: none
//
// Twin: crates/engine/src/cpu/max_pool.rs.

struct MaxPool {
    x: u32,        // first row of the input
    y: u32,        // first row of the output
    d_x: u32,      // first row of the input's gradient, before the ReLU that made the input
    d_y: u32,      // first row of the output's gradient
    channels: u32, // rows of a position
    positions: u32, // of the output
    size: u32,     // input positions an output reads
}

fn max_pool_forward(layer: MaxPool, at: At) {
    for (var i = at.local_idx; i < layer.positions * layer.channels; i += WORKGROUP) {
        let x = at.rows + layer.x + first_of(layer, i);
        var best = read_activations(x);
        for (var j = 1u; j < layer.size; j++) {
            let row = read_activations(x + j * layer.channels);
            best = select(best, row, wins(row, best));
        }
        write_activations(at.rows + layer.y + i, best);
    }
}

// d_y has been through the ReLU already (affine_backward.wgsl): it is 0 where y ≤ 0, and there all x ≤ 0.
fn max_pool_backward(layer: MaxPool, at: At) {
    for (var i = at.local_idx; i < layer.positions * layer.channels; i += WORKGROUP) {
        let first = first_of(layer, i);
        let x = at.rows + layer.x + first;
        var best = read_activations(x);
        var winner = vec4(0u);
        for (var j = 1u; j < layer.size; j++) {
            let row = read_activations(x + j * layer.channels);
            let is_better = wins(row, best);
            best = select(best, row, is_better);
            winner = select(winner, vec4(j), is_better);
        }
        let d_y = read_activations(at.rows + layer.d_y + i);
        for (var j = 0u; j < layer.size; j++) {
            let d_x = at.rows + layer.d_x + first + j * layer.channels;
            write_activations(d_x, select(vec4(0.0), d_y, winner == vec4(j)));
        }
    }
}

// The first of the input rows that row `i` of the output is a maximum of.
fn first_of(layer: MaxPool, i: u32) -> u32 {
    return i + i / layer.channels * (layer.size - 1u) * layer.channels;
}

fn wins(row: vec4<f32>, best: vec4<f32>) -> vec4<bool> {
    let is_nan = (bitcast<vec4<u32>>(row) & vec4(0x7fffffffu)) > vec4(NOT_FINITE);
    return (row > best) | is_nan;
}
