// The value of a window, standardised where the model has a scaler: `(value − mean) / scale`.
//
// windows (n_windows, WINDOW_VALUES) f32, of which the first INPUT_ROWS are read by the network.
//
// Twin: crates/engine/src/cpu/gather.rs.

fn prepare_windows(tile: u32, at: At) {
}

// Value `row` of sample `s` of a tile.
fn window_value(tile: u32, s: u32, row: u32, at: At) -> f32 {
    let window_idx = steps[at.step + STEP_WINDOWS + tile * SAMPLES + s];
    return standardised(windows[window_idx * WINDOW_VALUES + row], row, at);
}
