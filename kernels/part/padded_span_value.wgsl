// Value `i` of a span from row `first` on, of windows with zeros at their ends: PADDING_BEFORE rows, then WINDOW_ROWS of the
// window, then as many as are missing to INPUT_ROWS.
fn span_value(tile: u32, first: u32, i: u32, at: At) -> f32 {
    let padded_row = first + i % SPAN;
    let row = max(padded_row, PADDING_BEFORE) - PADDING_BEFORE;
    let s = i / SPAN;
    let is_there = padded_row >= PADDING_BEFORE && row < WINDOW_ROWS;
    if is_there && s < SAMPLES && tile * SAMPLES + s < at.n_windows {
        return window_value(tile, s, row, at);
    }
    return 0.0;
}
