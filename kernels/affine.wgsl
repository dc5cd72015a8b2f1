// An affine map of rows: a dense layer, or a convolution, which is a dense layer at each of its positions.
//
// The layout of a window is channels-last, so the taps and channels that an output position reads lie beside each other:
// position t reads the `inputs` = kernel · channels rows from t · stride · channels on. They overlap; nothing is copied.
// A dense layer has one position, and a kernel of one tap that reads all its features as channels.
//
// The weights of a layer are a matrix of (inputs + 1, quads) vectors: row k holds the weights of input k for four units
// a vector; the last row is the bias, the weights of an input that is constantly 1. Units beyond the last are zero.

struct Affine {
    x: u32,        // first row of the input
    y: u32,        // first row of the output
    d_x: u32,      // first row of the input's gradient
    d_y: u32,      // first row of the output's gradient, before its ReLU
    weights: u32,  // first vector of the matrix, in those of the model
    channels: u32, // rows of an input position
    kernel: u32,   // positions that an output position reads
    stride: u32,   // positions between the ones that two neighbours read
    inputs: u32,   // kernel · channels
    positions_in: u32, // of the input
    positions: u32, // of the output; those that no pool reads are left out
    units: u32,    // rows of an output position
    quads: u32,    // vectors of a row of the matrix: units / 4, rounded up
    relu: bool,    // whether a ReLU follows
    dropped: bool, // whether the input went through dropout
    lanes: u32,          // invocations that share an output
    gradient_lanes: u32, // invocations that share a gradient
}

// The gradient of four units from `unit` on as the columns of a matrix, at output position `t` of the tile at `rows`; 0
// for units beyond the last, whose rows are those of something else.
fn four_d_y(layer: Affine, rows: u32, t: u32, unit: u32) -> mat4x4<f32> {
    let first = rows + layer.d_y + t * layer.units + unit;
    let n = layer.units - unit;
    return mat4x4<f32>(
        read_activations(first),
        select(vec4(0.0), read_activations(first + 1u), n > 1u),
        select(vec4(0.0), read_activations(first + 2u), n > 2u),
        select(vec4(0.0), read_activations(first + 3u), n > 3u),
    );
}
