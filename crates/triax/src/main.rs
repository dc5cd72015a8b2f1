//! Train small convolutional networks on motion-sensor windows.
fn main() {}
