// A value of channel `row` % CHANNELS as the network reads it.
fn standardised(value: f32, row: u32, at: At) -> f32 {
    if !SCALED {
        return value;
    }
    let channel = MEMBER_CHANNELS + row % CHANNELS;
    return (value - member_f32(at, channel)) / member_f32(at, channel + CHANNELS);
}
