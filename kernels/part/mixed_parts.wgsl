// A sample is a window and its partner.
fn part_of(window: u32, part: u32, at: At) -> Part {
    let its = partner_of(at, window);
    if part == 0u {
        return Part(steps[at.step + STEP_WINDOWS + window], 1.0 - its.share);
    }
    return Part(steps[at.step + STEP_WINDOWS + its.window], its.share);
}
