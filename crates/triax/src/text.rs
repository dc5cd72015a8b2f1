//! Text that reports and the terminal share.

use triax_data::SplitPlan;
use triax_engine::Confusion;
use triax_model::{Network, PoolKind};

use crate::recordings::TrainingData;
use crate::settings::HiddenLayers;

/// Formats a number with separators: 1234567 as `1,234,567`.
pub fn grouped(number: usize) -> String {
    crate::report::grouped(number as u64)
}

/// The first `most` items of a list, and the number of the others.
pub fn listed(items: &[String], most: usize) -> String {
    let shown = items.iter().take(most).cloned().collect::<Vec<_>>().join(", ");
    match items.len().saturating_sub(most) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// `a`, `a and b`, `a, b and c`.
pub fn joined(items: &[String]) -> String {
    match items {
        [all @ .., last] if !all.is_empty() => format!("{} and {last}", all.join(", ")),
        items => items.concat(),
    }
}

/// a, b, … z, aa, ab, …
pub fn letter(index: usize) -> String {
    let last = char::from(b'a' + (index % 26) as u8);
    if index < 26 { last.to_string() } else { format!("{}{last}", letter(index / 26 - 1)) }
}

/// Which of the classes have no judged window, so that macro-F1 is not over them; none where all have one.
pub fn lacking_in_words(confusion: &Confusion, class_names: &[String]) -> Option<String> {
    let lacking: Vec<String> = confusion.lacking().map(|class| class_names[class].clone()).collect();
    let (n_present, n_classes) = (confusion.present().count(), confusion.n_classes());
    (!lacking.is_empty()).then(|| {
        format!("Macro-F1 is over {n_present} of {n_classes} classes: no judged window is of {}.", listed(&lacking, 8))
    })
}

/// The layers of a network, in one line.
pub fn network_in_words(network: &Network) -> String {
    let spec = network.spec();
    let convs: Vec<String> = spec.convs.iter().map(ToString::to_string).collect();
    let hidden: Vec<String> = spec.hidden.iter().map(ToString::to_string).collect();
    format!(
        "{}×{} → convolutions {}{} → dense {} → {} classes: {} parameters",
        spec.window,
        spec.channels,
        convs.join(" "),
        match spec.global_pool {
            None => "",
            Some(PoolKind::Max) => " → largest of all positions",
            Some(PoolKind::Average) => " → mean of all positions",
        },
        if hidden.is_empty() { HiddenLayers::NONE.to_owned() } else { hidden.join(" ") },
        spec.classes,
        grouped(network.n_parameters()),
    )
}

/// How windows follow each other, `None` where the source came as windows.
pub fn step_in_words(step: Option<usize>) -> String {
    step.map_or_else(|| "cut by the source".to_owned(), |step| format!("a new one every {step}"))
}

impl TrainingData {
    /// Description of the split, in words.
    pub fn split_in_words(&self) -> String {
        let held_out = &self.split.valid_subjects;
        match &self.plan {
            SplitPlan::Subject(_) => format!("by subject: {} held out ({})", held_out.len(), listed(held_out, 20)),
            SplitPlan::Random { .. } => "windows at random".to_owned(),
            SplitPlan::Predefined => "as the data comes".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([0, 999, 1000, 114_894, 1_000_000].map(grouped), ["0", "999", "1,000", "114,894", "1,000,000"]);
    }

    #[test]
    fn letters_go_on_after_z() {
        assert_eq!([0, 25, 26, 51, 52].map(letter), ["a", "z", "aa", "az", "ba"]);
    }
}
