// A dense layer, or a convolution with its ReLU and its pool.
//
// The layout of a window is channels-last, so the taps and channels that an output position reads lie beside each other:
// position t reads the `inputs` = kernel · channels rows from t · stride · channels on. They overlap; nothing is copied.
// A dense layer has one position, and a kernel of one tap that reads all its features as channels.
//
// The weights of a layer are a matrix of (inputs + 1, quads) vectors: row k holds the weights of input k for four units
// a vector; the last row is the bias, the weights of an input that is constantly 1. Units beyond the last are zero.
//
// A pooled convolution keeps the largest of `pool` positions, and which it was: four units a row as an integer of 24 bits
// (a number that f32 holds exactly) where the pool has at most 64 positions, else a row a unit.

struct Layer {
    x: u32,        // first row of the input
    y: u32,        // first row of the output, after ReLU, pool and dropout
    winners: u32,  // first row of what the pool took
    d_x: u32,      // first row of the input's gradient
    d_y: u32,      // first row of the output's gradient, before its ReLU
    weights: u32,  // first vector of the matrix, in those of the model
    channels: u32, // rows of an input position
    kernel: u32,   // positions that an output position reads
    stride: u32,   // positions between the ones that two neighbours read
    inputs: u32,   // kernel · channels
    positions_in: u32, // of the input
    outputs: u32,  // positions of the output, after the pool
    pool: u32,     // positions of the convolution that an output position is the largest of; 1 without a pool
    units: u32,    // rows of an output position
    quads: u32,    // vectors of a row of the matrix: units / 4, rounded up
    relu: bool,    // whether a ReLU follows
    drops: bool,   // whether dropout follows
    dropped: bool, // whether the input went through dropout
}

const PACKED_POOL: u32 = 64u;

// Rows `first`, `first` + QUADS, … as the columns of a matrix; 0 beyond the first `n`, whatever is there.
fn four_rows(first: u32, n: u32) -> mat4x4<f32> {
    return mat4x4<f32>(
        arena[first],
        select(vec4(0.0), arena[first + QUADS], n > 1u),
        select(vec4(0.0), arena[first + 2u * QUADS], n > 2u),
        select(vec4(0.0), arena[first + 3u * QUADS], n > 3u),
    );
}

// The gradient at position `t` of the convolution (before the pool) of four units from 4 · `quad` on, as the columns of a
// matrix of four samples each.
fn four_d_y(layer: Layer, tile: u32, t: u32, quad: u32, sq: u32, at: At) -> mat4x4<f32> {
    let position = t / layer.pool;
    let j = t % layer.pool;
    let n = select(layer.units - 4u * quad, 4u, layer.units % 4u == 0u);
    let d = four_rows(row_of(at, tile, layer.d_y + position * layer.units + 4u * quad) + sq, n);
    if layer.pool == 1u {
        return d;
    }
    if layer.pool <= PACKED_POOL {
        let packed = vec4<u32>(arena[row_of(at, tile, layer.winners + position * layer.quads + quad) + sq]);
        return mat4x4<f32>(
            select(vec4(0.0), d[0], (packed & vec4(63u)) == vec4(j)),
            select(vec4(0.0), d[1], ((packed >> vec4(6u)) & vec4(63u)) == vec4(j)),
            select(vec4(0.0), d[2], ((packed >> vec4(12u)) & vec4(63u)) == vec4(j)),
            select(vec4(0.0), d[3], ((packed >> vec4(18u)) & vec4(63u)) == vec4(j)),
        );
    }
    let winners = four_rows(row_of(at, tile, layer.winners + position * layer.units + 4u * quad) + sq, n);
    let own = vec4(f32(j));
    return mat4x4<f32>(
        select(vec4(0.0), d[0], winners[0] == own),
        select(vec4(0.0), d[1], winners[1] == own),
        select(vec4(0.0), d[2], winners[2] == own),
        select(vec4(0.0), d[3], winners[3] == own),
    );
}
