// A window that a sample is made of. Each has one, itself; where windows are mixed, it has PARTS.
struct Part {
    window_idx: u32, // which window of the data set
    share: f32,      // its share in the loss
}
