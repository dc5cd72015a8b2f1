//! Reconstruction at f64 against its formula and central differences; at f32 the contract of a session.

use crate::{Augmentation, CpuEngine, Engine, Reconstruction, ReconstructionEngine};
use triax_losses::Loss;
use triax_model::{DenseSpec, Network, NetworkSpec};

use super::super::model::{Model, Shape, StepContext, Workspace};
use super::super::reconstruction::Place;
use super::super::row::{Row, TILE};
use super::super::team::Team;
use super::{Case, SEED, conv, epoch, plan, window_set};

/// A network that reconstructs windows of 23 samples in 2 channels.
fn network(task: &Reconstruction, dropout: f32) -> Network {
    let spec = NetworkSpec {
        window: 23,
        channels: 2,
        convs: vec![conv(5, 3, 2, Some(2)), conv(3, 2, 1, None)],
        global_pool: None,
        dropout,
        hidden: DenseSpec::relu([7]),
        classes: task.n_outputs(23, 2),
    };
    Network::new(spec).unwrap()
}

#[test]
fn the_loss_is_the_mean_of_squared_differences_to_what_was_there_before_parts_were_hidden() {
    for (task, batch) in [
        (Reconstruction { mask: 0.5, span: 4, pool: 1 }, 19),
        (Reconstruction { mask: 0.25, span: 1, pool: 5 }, 3),
        (Reconstruction { mask: 0.0, span: 23, pool: 11 }, 17),
    ] {
        let network = network(&task, 0.0);
        let (shape, windows) = (Shape::new(&network), window_set(network.spec(), batch));
        let case = Case::new(network.clone(), plan(Loss::Hinge, batch), batch);
        let mut model = Model::<f64>::new(&case.member());
        model.task = Some(task);
        let mut workspace = Workspace::in_one_round(&shape, batch, 1);
        let place = StepContext { shape: &shape, windows: &windows, team: &Team::alone() };
        let found = model.gradient(place, &case.order, 3, None, &mut workspace);
        assert_eq!(found.correct, 0);

        let n_outputs = network.spec().classes;
        let mut total = 0.0;
        for (n, &idx) in case.order.iter().enumerate() {
            let values = shape.window(&windows, idx);
            let outputs = workspace.tiles[n / TILE].scores();
            for (o, output) in outputs.iter().enumerate() {
                let (position, channel) = (o / 2, o % 2);
                let samples = position * task.pool..(position + 1) * task.pool;
                let target = samples.map(|t| f64::from(values[2 * t + channel])).sum::<f64>() / task.pool as f64;
                total += (output.0[n % TILE] - target).powi(2) / n_outputs as f64;
            }
        }
        let expected = total / batch as f64;
        assert!((found.loss - expected).abs() < 1e-12 * expected, "{} is not {expected}", found.loss);
    }
}

#[test]
fn gradients_are_central_differences() {
    let task = Reconstruction { mask: 0.4, span: 3, pool: 2 };
    for (batch, dropout) in [(3, 0.0), (19, 0.25)] {
        let network = network(&task, dropout);
        let (shape, windows) = (Shape::new(&network), window_set(network.spec(), batch));
        let augmentation = Augmentation { rotation: 0.0, scaling: 0.1, ..Augmentation::default() };
        let case = Case::new(network.clone(), crate::TrainingPlan { augmentation, ..plan(Loss::Hinge, batch) }, batch);
        let mut model = Model::<f64>::new(&case.member());
        model.task = Some(task);
        let mut workspace = Workspace::in_one_round(&shape, batch, 1);
        let mut loss_at = |parameters: &[f64]| {
            model.parameters.copy_from_slice(parameters);
            let place = StepContext { shape: &shape, windows: &windows, team: &Team::alone() };
            let found = model.gradient(place, &case.order, 5, None, &mut workspace);
            (found.loss, workspace.gradient.clone())
        };
        let at: Vec<f64> = super::super::model::flat(&case.weights);
        let (_, gradient) = loss_at(&at);
        let step = 1e-5;
        for i in (0..at.len()).step_by(3) {
            let mut moved = |by: f64| {
                let mut moved = at.clone();
                moved[i] += by;
                loss_at(&moved).0
            };
            let difference = (moved(step) - moved(-step)) / (2.0 * step);
            let error = (gradient[i] - difference).abs();
            assert!(error <= 1e-8 * (1.0 + difference.abs()), "parameter {i}: {} but {difference}", gradient[i]);
        }
        assert!(gradient.iter().filter(|g| **g != 0.0).count() > at.len() / 2);
    }
}

#[test]
fn whole_stretches_of_all_channels_are_hidden_anew_in_each_step() {
    let (n_samples, channels) = (120, 3);
    let task = Reconstruction { mask: 0.3, span: 8, pool: 4 };
    let before: Vec<Row<f32>> = (0..n_samples * channels).map(|i| Row([1.0 + i as f32; TILE])).collect();
    let hidden = |step: u64, first: usize| {
        let (mut x, mut targets) = (before.clone(), Vec::new());
        task.prepare(Place { seed: SEED, step, first, n_windows: TILE }, channels, &mut x, &mut targets);
        // Value i of the window is i + 1: channel c has the mean of samples 0 to 3 at 1 + c + 4.5.
        assert_eq!(targets.len(), 30 * channels);
        assert_eq!([targets[0].0[0], targets[1].0[5], targets[3].0[15]], [5.5, 6.5, 17.5]);
        let of_window = |w: usize| x.iter().map(|row| row.0[w] == 0.0).collect::<Vec<bool>>();
        (0..TILE).map(of_window).collect::<Vec<_>>()
    };
    let (mut n_hidden, mut n) = (0, 0);
    for step in 0..20 {
        for window in hidden(step, 0) {
            for span in window.chunks(task.span * channels) {
                assert!(span.iter().all(|hidden| *hidden == span[0]));
                n_hidden += usize::from(span[0]);
                n += 1;
            }
        }
    }
    // 4800 draws: five standard deviations are 0.033.
    assert!((n_hidden as f64 / f64::from(n) - 0.3).abs() < 0.033, "{n_hidden} of {n}");
    assert_ne!(hidden(1, 0), hidden(2, 0));
    // What is hidden of a window depends on its place in the batch, not in the tile.
    assert_eq!(hidden(1, 0)[5], hidden(1, 5)[0]);
}

#[test]
fn a_network_learns_to_reconstruct_with_the_same_bits_on_any_threads() {
    let task = Reconstruction { mask: 0.2, span: 4, pool: 5 };
    let network = network(&task, 0.0);
    let mut windows = window_set(network.spec(), 40);
    // Two slow waves, whose phase differs from window to window.
    let value = |i: usize| (((i / 2 % 23) as f32) * 0.2 + (i / 46) as f32 + (i % 2) as f32).sin();
    windows.windows = (0..windows.windows.len()).map(value).collect();
    let train = |n_threads: usize| {
        let engine = ReconstructionEngine::with_engine(task, CpuEngine::with_threads(n_threads));
        let case = Case { validation: Vec::new(), ..Case::new(network.clone(), plan(Loss::Hinge, 8), 40) };
        let mut session = engine.open(&[case.member()], &windows).unwrap();
        let mut losses = Vec::new();
        for n in 0..60 {
            let steps = epoch(session.as_mut(), 8, &case.order, 5 * n);
            losses.push(steps.iter().map(|step| step.loss).sum::<f32>() / 5.0);
        }
        (losses, session.weights().unwrap())
    };
    let (losses, weights) = train(1);
    assert!(losses[59] < 0.5 * losses[0], "{} at first, {} at last", losses[0], losses[59]);
    assert_eq!((losses, weights), train(3));
}

#[test]
fn what_cannot_be_reconstructed_is_refused() {
    let good = Reconstruction { mask: 0.2, span: 4, pool: 5 };
    let network = network(&good, 0.0);
    let windows = window_set(network.spec(), 4);
    let refusal = |task: Reconstruction, mix: f32, validation: Vec<u32>| {
        let mut case = Case { validation, ..Case::new(network.clone(), plan(Loss::Hinge, 2), 4) };
        case.plan.augmentation.mix = mix;
        let opened = ReconstructionEngine::new(task).open(&[case.member()], &windows);
        opened.err().map(|error| error.to_string())
    };
    assert_eq!(refusal(good, 0.0, vec![]), None);
    for (task, mix, validation, said) in [
        (Reconstruction { mask: 1.0, ..good }, 0.0, vec![], "[0, 1)"),
        (Reconstruction { mask: f32::NAN, ..good }, 0.0, vec![], "[0, 1)"),
        (Reconstruction { span: 0, ..good }, 0.0, vec![], "from 1 to the 23"),
        (Reconstruction { pool: 24, ..good }, 0.0, vec![], "from 1 to the 23"),
        (Reconstruction { pool: 4, ..good }, 0.0, vec![], "8 outputs, and a window 10 values"),
        (good, 0.1, vec![], "mixed"),
        (good, 0.0, vec![1], "not validated"),
    ] {
        let refusal = refusal(task, mix, validation).unwrap_or_default();
        assert!(refusal.contains(said), "{task:?}: {refusal}");
    }
}
