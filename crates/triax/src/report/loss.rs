//! What the loss of a run says.

use maud::{Markup, html};
use triax_losses::Loss;
use triax_trainer::LossReading;

use crate::report::numbers::{decimals, percent};
use crate::report::page;

/// The section on the loss over the validation windows: its value between its marks, and what follows from it.
pub fn section(reading: &LossReading) -> Markup {
    let body = html! {
        (page::facts(figures(reading)))
        ul.points { @for sentence in sentences(reading) { li { (sentence) } } }
    };
    let lead = format!("{} over the validation windows, each counted once. {}", reading.loss, definition(reading.loss));
    page::section("What the loss says", lead, &body)
}

/// What one window costs.
fn definition(loss: Loss) -> &'static str {
    match loss {
        Loss::Hinge => {
            "Each class asks the score to be at least 1 for its own windows and at most −1 for the others, and costs what is missing."
        }
        Loss::SquaredHinge => {
            "Each class asks the score to be at least 1 for its own windows and at most −1 for the others, and costs the square of \
             what is missing."
        }
        Loss::CategoricalHinge => {
            "The score of the class has to exceed all others, and 0, by 1; a window costs what is missing."
        }
        Loss::CategoricalCrossentropy => {
            "A window costs the negative logarithm of the probability that its class gets."
        }
    }
}

/// The loss beside its marks.
fn figures(reading: &LossReading) -> Vec<(&'static str, String)> {
    let four = |value: f64| decimals(value, 4);
    let mut figures = vec![
        ("loss", four(reading.value)),
        ("the best constant answer", four(reading.floor)),
        ("a wrong window costs at least", four(reading.price)),
        ("so at most this share is wrong", percent(reading.most_wrong())),
        ("wrong are", percent(reading.error)),
    ];
    if let Some(margin) = reading.margin {
        figures.push(("right, beyond the margin", percent(margin.beyond)));
        figures.push(("right, inside the margin", percent(margin.inside)));
    }
    figures
}

fn sentences(reading: &LossReading) -> Vec<String> {
    let mut sentences = Vec::new();
    let floor = decimals(reading.floor, 4);
    sentences.push(match reading.saved() {
        None => "All windows are of one class, so that a constant answer costs nothing: this loss says nothing.".to_owned(),
        Some(saved) if saved > 0.0 => format!(
            "The same scores for every window cost {floor} at best, by the shares of the classes alone. The network saves {} of that.",
            percent(saved)
        ),
        Some(_) => format!(
            "The same scores for every window cost {floor} at best, by the shares of the classes alone. The network costs more: it \
             is sure where it is wrong, which its accuracy does not show."
        ),
    });
    let bound = "The loss bounds the error: a wrong window costs at least";
    let price = decimals(reading.price, 4);
    sentences.push(match reading.most_wrong() {
        most if most < 1.0 => {
            format!("{bound} {price}, so at most {} can be wrong; {} are.", percent(most), percent(reading.error))
        }
        _ => format!("{bound} {price}; at this loss that allows any accuracy."),
    });
    sentences.push(match reading.margin {
        Some(margin) => format!(
            "{} of the windows cost nothing and no longer change the network; {} are right and still do.",
            percent(margin.beyond),
            percent(margin.inside)
        ),
        None => "It has no margin: every window costs something, however right it is.".to_owned(),
    });
    if !reading.loss.scores_are_logits() {
        sentences.push("Its scores are distances in units of the margin, and no probabilities.".to_owned());
    }
    sentences
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_loss_is_explained_by_its_own_numbers() {
        // Two classes, half of the windows each: right beyond the margin, right inside it, wrong, right.
        let (scores, labels) = ([1.0, -1.0, 0.5, -0.5, 0.5, -0.5, -1.0, 1.0], [0, 0, 1, 1]);
        let page = |loss| section(&LossReading::from_scores(&scores, &labels, 2, loss)).into_string();
        // (0 + 0.5 + 1.5 + 0) / 4; the floor of two equal classes is 1, and so is the price.
        let hinge = page(Loss::Hinge);
        for said in [
            "<dd>0.5000</dd>",
            "<dd>1.0000</dd>",
            "saves 50.0\u{a0}%",
            "at most 50.0\u{a0}% can be wrong; 25.0\u{a0}% are",
            "50.0\u{a0}% of the windows cost nothing",
            "no probabilities",
        ] {
            assert!(hinge.contains(said), "{said}: {hinge}");
        }
        let entropy = page(Loss::CategoricalCrossentropy);
        assert!(entropy.contains("<dd>0.6931</dd>") && entropy.contains("no margin"), "{entropy}");
        assert!(!entropy.contains("no probabilities"), "{entropy}");
    }

    #[test]
    fn a_loss_above_its_floor_and_a_single_class_are_said() {
        let page = |scores: &[f32], labels: &[u32]| {
            section(&LossReading::from_scores(scores, labels, 2, Loss::Hinge)).into_string()
        };
        let worse = page(&[-3.0, 3.0, 3.0, -3.0], &[0, 1]);
        assert!(worse.contains("costs more") && worse.contains("allows any accuracy"), "{worse}");
        assert!(page(&[1.0, -1.0], &[0]).contains("says nothing"));
    }
}
