// Takes the windows of a tile, or a span of their rows, through workgroup memory: neighbouring invocations read
// neighbouring values of one window, and write neighbouring samples of one row.
//
// Composed in front: window_value(…), the value of one sample in one row (gather.wgsl or augment.wgsl), and SPAN, the rows
// that are taken at a time.
//
// memory    4 · SPAN · (SAMPLES + 1) bytes of workgroup memory. An odd number of words a row, so that writers of neighbouring
//           rows meet in no bank; and the first samples of all quads beside each other, then the second, …, so that readers
//           of neighbouring quads do not either
// barriers  1, and those of prepare_windows

const SPAN_STRIDE: u32 = SAMPLES + 1u;

var<workgroup> span: array<f32, SPAN * SPAN_STRIDE>;

// Takes rows `first` … `first` + SPAN − 1, as far as there are any. A sample beyond the end of the batch is zeros: its
// gradient is made 0 by loss.wgsl, and 0 times what is finite adds nothing to a sum.
fn take_span(tile: u32, first: u32, at: At) {
    prepare_windows(tile, at);
    // Four values at a time are on their way, where they are no more than read.
    const AT_ONCE: u32 = select(4u, 1u, VARIED);
    for (var i = local_idx; i < SPAN * SAMPLES; i += AT_ONCE * WORKGROUP) {
        let one = span_value(tile, first, i, at);
        if AT_ONCE > 1u {
            let two = span_value(tile, first, i + WORKGROUP, at);
            let three = span_value(tile, first, i + 2u * WORKGROUP, at);
            let four = span_value(tile, first, i + 3u * WORKGROUP, at);
            keep_value(i + WORKGROUP, two);
            keep_value(i + 2u * WORKGROUP, three);
            keep_value(i + 3u * WORKGROUP, four);
        }
        keep_value(i, one);
    }
    workgroupBarrier();
}
