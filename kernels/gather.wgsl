// Gathers the windows of a tile, and standardises them where the model has a scaler: `(value − mean) / scale`.
//
// windows (n_windows, WINDOW_VALUES) f32, of which the first INPUT_ROWS are read by the network. A sample beyond the end
// of the batch is zeros: its gradient is made 0 by loss.wgsl, and 0 times what is finite adds nothing to a sum.
//
// writes the window's rows with `=`; barriers: none
//
// Twin: crates/engine/src/cpu/gather.rs.

fn gather(at: At) {
    let n_windows = steps[at.step + STEP_N_WINDOWS];
    for (var i = at.local_idx; i < INPUT_ROWS; i += WORKGROUP) {
        var row = vec4(0.0);
        for (var s = 0u; s < TILE; s++) {
            if at.window + s < n_windows {
                row[s] = windows[window_idx(at, s) * WINDOW_VALUES + i];
            }
        }
        write_activations(at.rows + i, standardised(at, i, row));
    }
}

// Row `i` of a tile's windows as the network reads it.
fn standardised(at: At, i: u32, row: vec4<f32>) -> vec4<f32> {
    if !SCALED {
        return row;
    }
    let channel = MEMBER_CHANNELS + i % CHANNELS;
    let mean = member_f32(at, channel);
    let scale = member_f32(at, channel + CHANNELS);
    return (row - vec4(mean)) / vec4(scale);
}

// Which window of the data set is sample `s` of the tile.
fn window_idx(at: At, s: u32) -> u32 {
    return steps[at.step + STEP_WINDOWS + at.window + s];
}

// A window that a sample is made of. Each has one, itself; where windows are mixed, it has PARTS.
struct Part {
    window_idx: u32, // which window of the data set
    share: f32,      // its share in the loss
}

fn only_part(at: At, s: u32) -> Part {
    return Part(window_idx(at, s), 1.0);
}
