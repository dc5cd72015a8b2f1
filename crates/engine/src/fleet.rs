//! A fleet: one or more models of one shape that are trained together.

use triax_model::{Layer, Network, Scaler, Weights};

use crate::{EngineError, Optimizer, TrainingPlan, WindowSet};

/// One model of a fleet: its initial weights, and how it is trained and validated.
///
/// The members of a fleet share the shape of their networks, the batch size and the kind of optimizer. Everything else may
/// differ: seed, loss, label smoothing, dropout rate, learning rate, the optimizer's settings, clipping, class weights, windows.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    /// The network.
    pub network: &'a Network,
    /// The weights that training starts from.
    pub weights: &'a Weights,
    /// The settings of its steps.
    pub plan: &'a TrainingPlan,
    /// How the values of its windows are standardised; not at all if absent. A scaler is fitted to training windows, so the
    /// folds of a data set have different ones.
    pub scaler: Option<&'a Scaler>,
    /// The windows that it is validated with.
    pub validation: &'a [u32],
}

/// Checks that `fleet` can be trained on `windows`.
///
/// # Errors
/// [`EngineError::Input`] with the first member and what is wrong with it.
pub fn check_fleet(fleet: &[Member<'_>], windows: &WindowSet) -> Result<(), EngineError> {
    let Some(first) = fleet.first() else {
        return Err(EngineError::Input("a fleet has at least one model".to_owned()));
    };
    windows.check(first.network)?;
    for (m, member) in fleet.iter().enumerate() {
        let in_fleet = |problem: String| {
            EngineError::Input(if fleet.len() == 1 { problem } else { format!("model {m} of the fleet: {problem}") })
        };
        member.plan.check(member.network).map_err(|error| in_fleet(error.to_string()))?;
        member
            .weights
            .fits(member.network)
            .map_err(|problem| in_fleet(format!("the weights do not fit: {problem}")))?;
        if let Some(scaler) = member.scaler {
            scaler.fits(member.network.spec().channels).map_err(in_fleet)?;
        }
        if let Some(window_idx) = member.validation.iter().find(|&&window_idx| window_idx as usize >= windows.len()) {
            return Err(in_fleet(format!("it is validated with window {window_idx} of {}", windows.len())));
        }
        can_share((first.network, first.plan), (member.network, member.plan)).map_err(in_fleet)?;
    }
    Ok(())
}

/// Checks what every scorer requires: weights and scaler that fit the network.
///
/// # Errors
/// [`EngineError::Input`] with the part that does not fit.
pub fn check_scorer(network: &Network, weights: &Weights, scaler: Option<&Scaler>) -> Result<(), EngineError> {
    weights.fits(network).map_err(|problem| EngineError::Input(format!("the weights do not fit: {problem}")))?;
    scaler.map_or(Ok(()), |scaler| scaler.fits(network.spec().channels)).map_err(EngineError::Input)
}

/// Checks that `network` has only layers of the kinds that the reference network has, for an engine that computes no others.
///
/// # Errors
/// [`EngineError::Input`] with the first layer that is of another kind, and the remedy.
pub fn check_plain(network: &Network) -> Result<(), EngineError> {
    match network.beyond_plain() {
        None => Ok(()),
        Some(layer) => Err(EngineError::Input(format!(
            "{layer}: this engine does not compute this kind of layer yet; take the fused engine"
        ))),
    }
}

/// The number of windows that `windows` (n_windows, window, channels) holds.
///
/// # Errors
/// [`EngineError::Input`] if that is no whole number.
pub fn count_windows(network: &Network, windows: &[f32]) -> Result<usize, EngineError> {
    let (window, channels) = (network.spec().window, network.spec().channels);
    if !windows.len().is_multiple_of(window * channels) {
        return Err(EngineError::Input(format!(
            "{} values are no whole number of windows of {window} samples in {channels} channels",
            windows.len()
        )));
    }
    Ok(windows.len() / (window * channels))
}

/// Checks that two models can be members of one fleet.
///
/// # Errors
/// The difference that prevents it, as a sentence.
pub fn can_share(first: (&Network, &TrainingPlan), other: (&Network, &TrainingPlan)) -> Result<(), String> {
    let (own, shared) = (other.1.batch_size, first.1.batch_size);
    if !same_shape(first.0, other.0) {
        Err("its network has another shape than the first".to_owned())
    } else if own != shared {
        Err(format!("its batch size is {own}, and the first model's {shared}"))
    } else if !same_form(&first.1.optimizer, &other.1.optimizer) {
        Err("its optimizer is of another form than the first".to_owned())
    } else {
        Ok(())
    }
}

/// Checks that `weights` are those of models of `networks`, one each.
///
/// # Errors
/// [`EngineError::Input`] with the first that does not fit.
pub fn check_weights<'a>(
    weights: &[Weights],
    networks: impl ExactSizeIterator<Item = &'a Network>,
) -> Result<(), EngineError> {
    if weights.len() != networks.len() {
        let (given, models) = (weights.len(), networks.len());
        return Err(EngineError::Input(format!("weights of {given} models for a fleet of {models}")));
    }
    weights
        .iter()
        .zip(networks)
        .try_for_each(|(weights, network)| weights.fits(network))
        .map_err(|problem| EngineError::Input(format!("the weights do not fit: {problem}")))
}

/// Whether two networks are equal except for their dropout rates.
fn same_shape(a: &Network, b: &Network) -> bool {
    let same_layer = |(a, b): (&Layer, &Layer)| match (a, b) {
        (Layer::Dropout { units: a, .. }, Layer::Dropout { units: b, .. }) => a == b,
        (a, b) => a == b,
    };
    a.layers().len() == b.layers().len() && a.layers().iter().zip(b.layers()).all(same_layer)
}

/// Whether two optimizers are equal except for the values of their settings.
fn same_form(a: &Optimizer, b: &Optimizer) -> bool {
    let nesterov = |optimizer: &Optimizer| matches!(optimizer, Optimizer::Sgd { nesterov: true, .. });
    std::mem::discriminant(a) == std::mem::discriminant(b)
        && a.moment_names() == b.moment_names()
        && nesterov(a) == nesterov(b)
}
