// Value `i` of a span from row `first` on: neighbours are rows of one window.
fn span_value(tile: u32, first: u32, i: u32, at: At) -> f32 {
    let row = first + i % SPAN;
    let s = i / SPAN;
    if s < SAMPLES && row < INPUT_ROWS && tile * SAMPLES + s < at.n_windows {
        return window_value(tile, s, row, at);
    }
    return 0.0;
}
