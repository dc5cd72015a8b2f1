//! Augmentation on both executors against formulas in f64, and its invariants.

mod fixtures;

use std::f64::consts::{PI, TAU};

use fixtures::{Case, conv, gpu};
use triax_engine::{Augmentation, Engine, Evaluation, Member, MemberEpoch, Stretch};
use triax_engine::{BatchTrace, CpuEngine};
use triax_losses::{Loss, SmoothedLoss, predicted_class};
use triax_model::random::{augment_address, philox4x32, word_below};
use triax_model::{DenseSpec, NetworkSpec};
use triax_testing::{Tolerance, assert_close};

const NONE: Augmentation = Augmentation {
    rotation: 0.0,
    jitter: 0.0,
    scaling: 0.0,
    shift: 0,
    time_warp: 0.0,
    mix: 0.0,
    permute_channels: false,
    flip_axes: false,
    scalars: 0,
};

/// Each kind by itself, and all together.
fn kinds() -> Vec<Augmentation> {
    vec![
        Augmentation { rotation: 180.0, ..NONE },
        Augmentation { permute_channels: true, ..NONE },
        Augmentation { flip_axes: true, ..NONE },
        Augmentation { scaling: 0.3, ..NONE },
        Augmentation { shift: 7, ..NONE },
        Augmentation { time_warp: 0.4, ..NONE },
        Augmentation { jitter: 0.2, ..NONE },
        Augmentation { mix: 0.5, ..NONE },
        all(29),
    ]
}

/// Turns of windows whose last channels are no axes: two beside three, one beside six, and all of six.
fn with_scalars() -> Vec<Augmentation> {
    vec![
        Augmentation { rotation: 180.0, flip_axes: true, scalars: 2, ..NONE },
        Augmentation { scalars: 1, ..all(29) },
        Augmentation { rotation: 180.0, scaling: 0.3, scalars: 6, ..NONE },
    ]
}

/// All kinds, with a shift of `shift` samples.
fn all(shift: u32) -> Augmentation {
    Augmentation {
        rotation: 25.0,
        jitter: 0.1,
        scaling: 0.2,
        shift,
        time_warp: 0.2,
        mix: 0.4,
        permute_channels: true,
        flip_axes: true,
        scalars: 0,
    }
}

/// A network whose first layer outputs each input value and its negative, so that the ReLU keeps both signs.
fn transparent(window: usize, channels: usize, batch: usize, augmentation: Augmentation) -> Case {
    let convs = vec![conv(2 * channels, 1, 1, None)];
    let spec = NetworkSpec {
        window,
        channels,
        convs,
        global_pool: None,
        dropout: 0.0,
        hidden: DenseSpec::relu([]),
        classes: 2,
    };
    let mut case = Case::new(&spec, Loss::SquaredHinge, batch);
    case.plan.augmentation = augmentation;
    let (kernel, bias) = case.weights.tensors.split_at_mut(1);
    for (i, weight) in kernel[0].values.iter_mut().enumerate() {
        let (c, filter) = (i / (2 * channels), i % (2 * channels));
        *weight = f32::from(filter == c) - f32::from(filter == c + channels);
    }
    bias[0].values.fill(0.0);
    case
}

/// The input of the first layer (batch, window, channels).
fn seen(case: &Case, trace: &BatchTrace) -> Vec<f64> {
    let channels = case.network.spec().channels;
    let rows = trace.outputs[0].chunks_exact(2 * channels);
    rows.flat_map(|row| (0..channels).map(|c| row[c] - row[c + channels])).collect()
}

/// Four words that `step` draws.
fn draw(case: &Case, step: u64, layer: u32, block: usize) -> [u32; 4] {
    let (key, [x, y, z]) = augment_address(case.plan.seed, step, layer);
    philox4x32([block as u32, x, y, z], key)
}

fn unit(word: u32) -> f64 {
    f64::from(word >> 8) / f64::from(1 << 24)
}

/// The partner of window `window` of the batch, and its share.
fn partner(case: &Case, batch: usize, window: usize, step: u64) -> (usize, f64) {
    let [behind, share, ..] = draw(case, step, 3, window);
    let behind = 1 + word_below(behind, batch as u32 - 1) as usize;
    ((window + behind) % batch, f64::from(case.plan.augmentation.mix) * unit(share))
}

/// The windows `indices` as the batch of `step`, varied by the formulas of [`Augmentation`].
fn varied(case: &Case, indices: &[u32], step: u64) -> Vec<f64> {
    let len = case.network.spec().window * case.network.spec().channels;
    let moved =
        |(window, &idx): (usize, &u32)| moved(case, &case.set.windows[idx as usize * len..][..len], window, step);
    let windows: Vec<Vec<f64>> = indices.iter().enumerate().map(moved).collect();
    let mut batch = Vec::new();
    for (window, own) in windows.iter().enumerate() {
        let (other, share) = partner(case, windows.len(), window, step);
        batch.extend(own.iter().zip(&windows[other]).map(|(own, other)| (1.0 - share) * own + share * other));
    }
    let quads = len.div_ceil(4);
    for (window, values) in batch.chunks_mut(len).enumerate() {
        for (quad, values) in values.chunks_mut(4).enumerate() {
            let words = draw(case, step, 2, window * quads + quad);
            for (i, value) in values.iter_mut().enumerate() {
                let radius = (-2.0 * (1.0 - unit(words[i / 2 * 2])).ln()).sqrt();
                let angle = TAU * unit(words[i / 2 * 2 + 1]);
                let normal = radius * if i % 2 == 0 { angle.cos() } else { angle.sin() };
                *value += f64::from(case.plan.augmentation.jitter) * normal;
            }
        }
    }
    batch
}

/// Window `window` of the batch, before it is mixed.
fn moved(case: &Case, values: &[f32], window: usize, step: u64) -> Vec<f64> {
    let (a, channels) = (case.plan.augmentation, case.network.spec().channels);
    let samples = values.len() / channels;
    let symmetric = |word: u32| 2.0 * unit(word) - 1.0;
    let [moved, warped, phase, scaled] = draw(case, step, 0, window);
    let [angle, height, azimuth, order] = draw(case, step, 1, window);

    let shift = f64::from(word_below(moved, 2 * a.shift + 1)) - f64::from(a.shift);
    let (l, w, phi) = (samples as f64, f64::from(a.time_warp) * symmetric(warped), TAU * unit(phase));
    let read = |t: usize, c: usize| {
        let d = w * l / PI * ((PI * t as f64 / l + phi).sin() - (PI / 2.0 + phi).sin());
        let time = (t as f64 + shift + d).clamp(0.0, l - 1.0);
        let (before, after) = (time.floor() as usize, time.ceil() as usize);
        let at = |t: usize| f64::from(values[t * channels + c]);
        at(before) + (time - time.floor()) * (at(after) - at(before))
    };

    const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 2, 0], [1, 0, 2], [2, 0, 1], [2, 1, 0]];
    let order = if a.permute_channels { ORDERS[word_below(order, 6) as usize] } else { ORDERS[0] };
    let signs = [angle, height, azimuth].map(|word| if a.flip_axes && word % 2 == 1 { -1.0 } else { 1.0 });
    let (angle, z) = (f64::from(a.rotation).to_radians() * symmetric(angle), symmetric(height));
    let (level, azimuth) = ((1.0 - z * z).sqrt(), TAU * unit(azimuth));
    let axis = [level * azimuth.cos(), level * azimuth.sin(), z];
    // v·cos + (k × v)·sin + k·(k·v)·(1 − cos)
    let turned = |v: [f64; 3]| -> [f64; 3] {
        let dot: f64 = (0..3).map(|i| axis[i] * v[i]).sum();
        std::array::from_fn(|i| {
            let (j, k) = ((i + 1) % 3, (i + 2) % 3);
            let cross = axis[j] * v[k] - axis[k] * v[j];
            v[i] * angle.cos() + cross * angle.sin() + axis[i] * dot * (1.0 - angle.cos())
        })
    };
    let factor = 1.0 + f64::from(a.scaling) * 3.0_f64.sqrt() * symmetric(scaled);

    let mut window_values = Vec::new();
    for t in 0..samples {
        let n_axes = if a.turns() { channels - a.scalars } else { 0 };
        for triple in (0..n_axes).step_by(3) {
            let axes: [f64; 3] = std::array::from_fn(|i| signs[i] * read(t, triple + order[i]));
            window_values.extend(turned(axes).map(|value| factor * value));
        }
        window_values.extend((n_axes..channels).map(|c| factor * read(t, c)));
    }
    window_values
}

/// The bound of errors: times are near 100, in f32, and neighbouring values may differ by 2.
const BOUND: f64 = 3e-5;

/// Compares `trace` with the formulas, in full and partial tiles, early and late in training.
fn assert_formulas(name: &str, augmentations: Vec<Augmentation>, trace: impl Fn(&Case, &[u32], u64) -> BatchTrace) {
    for (n, augmentation) in augmentations.into_iter().enumerate() {
        let n_axes = if augmentation.turns() { [3, 6][n % 2] } else { [2, 5][n % 2] };
        let channels = if augmentation.scalars == 6 { 6 } else { n_axes + augmentation.scalars };
        let batch = [5, 33][n % 2];
        let case = transparent(97, channels, batch, augmentation);
        let (indices, step) = (case.indices(batch), [3, 1 << 33][n % 2]);
        let found = seen(&case, &trace(&case, &indices, step));
        let len = 97 * channels;
        let truth = varied(&case, &indices, step);
        let what = format!("{name} {augmentation:?}");
        assert_close(&what, &found, &truth, Tolerance::Absolute(BOUND));
        let as_they_were = indices.iter().flat_map(|&idx| &case.set.windows[idx as usize * len..][..len]);
        assert!(as_they_were.zip(&truth).any(|(&was, is)| (f64::from(was) - is).abs() > 0.1), "{what} does nothing");
    }
}

fn on_cpu(case: &Case, indices: &[u32], step: u64) -> BatchTrace {
    let engine = CpuEngine::<f32>::new();
    engine.gradients(&case.network, &case.weights, &case.plan, &case.set, indices, step).unwrap()
}

#[test]
fn the_cpu_follows_the_formulas_in_both_floats() {
    assert_formulas("f32", [kinds(), with_scalars()].concat(), on_cpu);
    assert_formulas("f64", [kinds(), with_scalars()].concat(), fixtures::truth);
}

#[test]
fn the_gpu_follows_the_formulas() {
    let Some(engine) = gpu("the_gpu_follows_the_formulas") else { return };
    assert_formulas("GPU", [kinds(), with_scalars()].concat(), |case, indices, step| {
        case.gradients(&engine, indices, step)
    });
}

/// An engine, as the trace of a batch.
type Computes = Box<dyn Fn(&Case, &[u32], u64) -> BatchTrace>;

#[test]
fn mixed_windows_are_judged_by_both_labels_and_counted_by_their_own() {
    let test = "mixed_windows_are_judged_by_both_labels_and_counted_by_their_own";
    let mut engines: Vec<(&str, f64, Computes)> =
        vec![("f32", 2e-6, Box::new(on_cpu)), ("f64", 1e-14, Box::new(fixtures::truth))];
    if let Some(engine) = gpu(test) {
        let compute = move |case: &Case, indices: &[u32], step| case.gradients(&engine, indices, step);
        engines.push(("GPU", 2e-6, Box::new(compute)));
    }
    let spec = NetworkSpec { dropout: 0.0, ..beside(NONE)[0].network.spec().clone() };
    let smoothed = SmoothedLoss::new(Loss::CategoricalCrossentropy, 0.3).unwrap();
    let losses = Loss::ALL.map(SmoothedLoss::from).into_iter().chain([smoothed]);
    for (loss, batch) in losses.zip([1, 2, 5, 33, 12]) {
        let mut case = Case::new(&spec, loss.loss(), batch);
        case.plan.label_smoothing = loss.smoothing();
        case.plan.augmentation.mix = 0.5;
        let (indices, step) = (case.indices(batch), 7);
        let fact = |window: usize| {
            let idx = indices[window] as usize;
            (case.set.labels[idx], f64::from(case.set.weight(idx, case.plan.class_weights.as_deref())))
        };
        for (name, bound, compute) in &engines {
            let found = compute(&case, &indices, step);
            let (mut value, mut correct, mut d_scores) = (0.0, 0, Vec::new());
            for (window, scores) in found.scores().chunks_exact(3).enumerate() {
                let (other, share) = partner(&case, batch, window, step);
                assert!(batch == 1 || other != window);
                let mut d_row = [0.0; 3];
                for (part, judged_as) in [(1.0 - share, window), (share, other)] {
                    let ((label, weight), mut d_part) = (fact(judged_as), [0.0; 3]);
                    value += part * weight * loss.row(scores, label as usize, &mut d_part) / batch as f64;
                    d_row.iter_mut().zip(d_part).for_each(|(d, by)| *d += part * weight * by / batch as f64);
                }
                d_scores.extend(d_row);
                correct += u32::from(predicted_class(scores) == fact(window).0 as usize);
            }
            let what = format!("{name}: {loss:?}, batch of {batch}");
            assert_close(&what, &[found.loss], &[value], Tolerance::Relative(*bound));
            assert_close(&what, found.d_outputs.last().unwrap(), &d_scores, Tolerance::Absolute(*bound));
            assert_eq!(found.correct, correct, "{what}");
        }
    }
}

#[test]
fn a_batch_of_one_has_nothing_to_be_mixed_with() {
    let [plain, mixed] = [0.0, 0.5].map(|mix| transparent(30, 3, 1, Augmentation { mix, ..NONE }));
    let [was, is] = [&plain, &mixed].map(|case| seen(case, &on_cpu(case, &[1], 4)));
    assert_eq!(was, is);
}

#[test]
fn rotation_and_permutation_keep_the_length_of_vectors() {
    let augmentation = Augmentation { rotation: 180.0, permute_channels: true, flip_axes: true, ..NONE };
    let case = transparent(40, 6, 20, augmentation);
    let indices = case.indices(20);
    let found = seen(&case, &on_cpu(&case, &indices, 11));
    let was = indices.iter().flat_map(|&idx| &case.set.windows[idx as usize * 240..][..240]);
    let length = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
    let was: Vec<f64> = was.map(|&value| f64::from(value)).collect();
    let lengths = |values: &[f64]| values.chunks_exact(3).map(length).collect::<Vec<f64>>();
    assert_close("lengths", &lengths(&found), &lengths(&was), Tolerance::Absolute(2e-6));
}

#[test]
fn steps_seeds_and_windows_are_varied_differently() {
    // A window mixed with itself stays as it is.
    for augmentation in kinds().into_iter().filter(|kind| *kind != Augmentation { mix: kind.mix, ..NONE }) {
        let mut case = transparent(30, 3, 2, augmentation);
        // The same window twice.
        let mut draws = Vec::new();
        for (seed, step) in [(1, 0), (1, 1), (2, 0)] {
            case.plan.seed = seed;
            let found = seen(&case, &on_cpu(&case, &[0, 0], step));
            draws.extend(found.chunks_exact(90).map(<[f64]>::to_vec));
        }
        // Six orders and fifteen shifts come up twice now and then; not all of six windows are alike.
        let different = draws.iter().filter(|draw| **draw != draws[0]).count();
        assert!(different >= 3, "{augmentation:?}: {different} of 5 differ from the first");
        assert_eq!(seen(&case, &on_cpu(&case, &[0, 0], 0)).chunks_exact(90).last().unwrap(), draws[5]);
    }
}

/// Trains `cases` for an epoch, and returns for each its losses and the validation after it.
fn train(engine: &dyn Engine, cases: &[&Case]) -> Vec<(Vec<f32>, Evaluation)> {
    let members: Vec<Member<'_>> = cases.iter().map(|case| case.member()).collect();
    let mut session = engine.open(&members, &cases[0].set).unwrap();
    let order = cases[0].indices(cases[0].set.len());
    let rates = vec![0.003; order.len().div_ceil(cases[0].plan.batch_size)];
    let epoch = MemberEpoch { order: &order, first_step: 0, learning_rates: &rates };
    let epochs = vec![epoch; cases.len()];
    let stretch = Stretch { steps: 0..rates.len(), members: &epochs };
    let results = session.train(&stretch, &mut |_| std::ops::ControlFlow::Continue(())).unwrap();
    let losses = results.iter().map(|results| results.iter().map(|result| result.loss).collect());
    losses.zip(session.validate().unwrap()).collect()
}

/// A member without augmentation beside one with all kinds.
fn beside(all: Augmentation) -> [Case; 2] {
    let spec = NetworkSpec {
        window: 19,
        channels: 3,
        convs: vec![conv(6, 3, 1, Some(2))],
        global_pool: None,
        dropout: 0.2,
        hidden: DenseSpec::relu([9]),
        classes: 3,
    };
    [NONE, all].map(|augmentation| {
        let mut case = Case::new(&spec, Loss::CategoricalCrossentropy, 10);
        case.set = case.random_windows(50);
        case.plan.augmentation = augmentation;
        case
    })
}

#[test]
fn a_member_without_augmentation_is_not_affected_by_one_with_it() {
    let [plain, varied] = beside(all(3));
    let engine = CpuEngine::<f32>::new();
    let together = train(&engine, &[&plain, &varied]);
    assert_eq!(together[0], train(&engine, &[&plain])[0]);
    assert_eq!(together[1], train(&engine, &[&varied])[0]);
    assert_ne!(together[0], together[1]);

    let Some(engine) = gpu("a_member_without_augmentation_is_not_affected_by_one_with_it") else { return };
    let found = train(&engine, &[&plain, &varied]);
    // Alone, a member without augmentation has other kernels.
    let alone = train(&engine, &[&plain]).remove(0);
    for (found, truth) in [(&found[0], &alone), (&found[0], &together[0]), (&found[1], &together[1])] {
        let truths: Vec<f64> = truth.0.iter().map(|&loss| f64::from(loss)).collect();
        assert_close("losses", &found.0, &truths, Tolerance::Relative(2e-5));
        assert_eq!(found.1.confusion, truth.1.confusion);
    }
}

#[test]
fn validation_windows_are_never_varied() {
    let [plain, varied] = beside(all(3));
    let validated = |engine: &dyn Engine, case: &Case| engine.open(&[case.member()], &case.set).unwrap().validate();
    let mut engines: Vec<Box<dyn Engine>> = vec![Box::new(CpuEngine::<f32>::new())];
    engines.extend(gpu("validation_windows_are_never_varied").map(|engine| Box::new(engine) as Box<dyn Engine>));
    for engine in engines {
        assert_eq!(validated(engine.as_ref(), &varied).unwrap(), validated(engine.as_ref(), &plain).unwrap());
    }
}
