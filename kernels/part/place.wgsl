// The place of a workgroup: its model, its step, and the rows that it works on.
//
// Samples are innermost. A batch is cut into tiles of SAMPLES windows (32, or fewer where the batch is smaller); a row is
// one feature of a tile's samples, QUADS vectors of four. The arena is (models, TILES, ROWS, QUADS) vectors; the rows of a
// tile hold its windows, the output of every layer, which position a pool took, and the gradients of the outputs.
//
// The parameters are (models, 1 + MOMENTS, WEIGHTS) vectors: the weights of a model, then each moment of its optimizer.
//
// The composer (crates/engine/src/gpu/plan/) declares the constants. A stage declares its bindings.

// Invocation in its workgroup. Not a field of At: that would make a compiler take the rest of it for different in every
// invocation, and refuse a barrier behind a test of it.
var<private> local_idx: u32;

struct At {
    model: u32,
    step: u32,      // first word of the model's step, in `steps`
    member: u32,    // first word of the model, in `members`
    n_windows: u32, // windows of the batch; 0 where the model sits the step out
}

// Words of a step of one model.
const STEP_N_WINDOWS: u32 = 0u;
const STEP_COUNTER: u32 = 1u; // steps taken before, two words, low first: the counter of random numbers
const STEP_RATE: u32 = 3u;    // f32: learning rate, for Adam α
const STEP_DECAY: u32 = 4u;   // f32: learning rate · weight decay
const STEP_RESULT: u32 = 5u;  // which of the model's results this step writes
const STEP_WINDOWS: u32 = 8u; // from here on: index of each window

// The place of a workgroup that works on `model` of `n_models`, in step `step` of those that were uploaded together.
fn place(step: u32, model: u32, n_models: u32) -> At {
    let words = (step * n_models + model) * STEP_WORDS;
    return At(model, words, model * MEMBER_WORDS, steps[words + STEP_N_WINDOWS]);
}

// Tiles that have a window.
fn n_tiles(at: At) -> u32 {
    return (at.n_windows + SAMPLES - 1u) / SAMPLES;
}

// The first vector of a row in the arena.
fn row_of(at: At, tile: u32, row: u32) -> u32 {
    return ((at.model * TILES + tile) * ROWS + row) * QUADS;
}

// The first vector of a model's weights in the parameters.
fn weights_of(at: At) -> u32 {
    return at.model * (1u + MOMENTS) * WEIGHTS;
}

// The first number of a model's step in the notes.
fn notes_of(at: At) -> u32 {
    return at.step / STEP_WORDS * NOTE_WORDS;
}
