// A sample is one window.
fn part_of(window: u32, part: u32, at: At) -> Part {
    return Part(steps[at.step + STEP_WINDOWS + window], 1.0);
}
