// The place of an invocation, and the words of a step.
//
// Samples are innermost: a row is one feature of the four samples of a tile, so that a vector holds values of the same
// computation. Activations are (models, TILES, ROWS) rows; the rows of one tile hold its window, the output of every layer,
// and the gradients of those outputs.
//
// The pass and its key declare the buffers and the constants that these files share
// (crates/engine/src/gpu/source.rs).

// Samples of a tile.
const TILE: u32 = 4u;

// One invocation's place in a pass over tiles.
struct At {
    rows: u32,      // first row of the tile, in activations
    weights: u32,   // first vector of the model's weights
    member: u32,    // first word of the model, in members
    step: u32,      // first word of the model's step, in steps
    window: u32,    // number in the batch of the tile's first window
    local_idx: u32, // invocation in its workgroup
}

// Words of a step of one model, before the indices of its windows.
const STEP_N_WINDOWS: u32 = 0u; // windows of the batch; 0 where the model sits the step out
const STEP_COUNTER: u32 = 1u;   // steps taken before, two words, low first: the counter of dropout
const STEP_RATE: u32 = 3u;      // f32: learning rate, for Adam α
const STEP_DECAY: u32 = 4u;     // f32: learning rate · weight decay
const STEP_RESULT: u32 = 5u;    // which of the model's results this step writes
const STEP_WINDOWS: u32 = 8u;   // from here on: index of each window
