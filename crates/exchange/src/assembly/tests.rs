use triax_model::PerWindow;

use super::*;

/// The network of steps for windows of (8, 2), each called by its number.
fn assemble(steps: Vec<Step>) -> Result<Imported, ReadError> {
    let mut assembly = Assembly::new(8, 2).unwrap();
    for (i, step) in steps.into_iter().enumerate() {
        let place = format!("layer {i}");
        assembly.add(&place, step).map_err(|problem| ReadError::new(place, problem))?;
    }
    assembly.finish(About::default())
}

/// Numbers around 0, none of them 0.
fn values(shape: &[usize]) -> Values {
    let n = shape.iter().product::<usize>();
    Values { shape: shape.to_vec(), values: (0..n).map(|i| ((i * 7 + 3) % 11) as f32 / 5.0 - 1.03).collect() }
}

fn conv(inputs: usize, outputs: usize, padding: Padding) -> Step {
    let bias = Some(values(&[outputs]).values);
    Step::Conv { kernel: values(&[3, inputs, outputs]), bias, stride: 1, dilation: 1, pads: padding.into() }
}

fn dense(inputs: usize, outputs: usize) -> Step {
    Step::Dense { kernel: values(&[inputs, outputs]), bias: None }
}

/// Batch normalisation of `n` channels with these factors and shifts in turns.
fn norm(n: usize, factors: &[f32], shifts: &[f32]) -> Step {
    let cycle = |list: &[f32]| list.iter().copied().cycle().take(n).collect::<Vec<_>>();
    let affine =
        Affine::batch_normalisation(Some(&cycle(factors)), Some(&cycle(shifts)), &vec![0.0; n], &vec![0.75; n], 0.25);
    Step::BatchNormalisation(affine.unwrap())
}

fn pool(kind: PoolKind) -> Pool {
    Pool { kind, size: 2, stride: 2, pads: Pads::NONE, rounds_up: false, counts_pads: false }
}

fn max_pool() -> Step {
    Step::Pool(pool(PoolKind::Max))
}

fn flatten() -> Step {
    Step::Flatten(Order::ChannelsLast)
}

fn refusal(steps: Vec<Step>) -> ReadError {
    assemble(steps).expect_err("it is not of the family")
}

/// The scores of `steps` for a window, computed step by step: what folding must not change.
fn plainly(steps: &[Step], window: &[f32], channels: usize) -> Vec<f64> {
    let mut x: Vec<f64> = window.iter().map(|&value| value.into()).collect();
    let mut channels = channels;
    for step in steps {
        match step {
            Step::Affine(affine) | Step::BatchNormalisation(affine) => {
                let (factor, shift) = affine.parts();
                x.iter_mut().enumerate().for_each(|(i, x)| *x = factor[i % factor.len()] * *x + shift[i % shift.len()]);
            }
            Step::Conv { kernel, bias, pads, .. } => {
                let (n, [length, _, outputs]) = (x.len() / channels, kernel.shape[..].try_into().unwrap());
                let before = if *pads == Pads::Same { 1 } else { 0 };
                let positions = if *pads == Pads::Same { n } else { n - length + 1 };
                let mut y = Vec::new();
                for t in 0..positions {
                    for o in 0..outputs {
                        let mut sum = bias.as_ref().map_or(0.0, |bias| f64::from(bias[o]));
                        for k in 0..length {
                            let Some(at) = (t + k).checked_sub(before).filter(|at| *at < n) else { continue };
                            let w = |c: usize| f64::from(kernel.values[(k * channels + c) * outputs + o]);
                            sum += (0..channels).map(|c| w(c) * x[at * channels + c]).sum::<f64>();
                        }
                        y.push(sum);
                    }
                }
                (x, channels) = (y, outputs);
            }
            Step::Pool(pool) => {
                let n = x.len() / channels / pool.size;
                let value = |t: usize, c: usize| {
                    let values = (0..pool.size).map(|k| x[(t * pool.size + k) * channels + c]);
                    match pool.kind {
                        PoolKind::Max => values.fold(f64::NEG_INFINITY, f64::max),
                        PoolKind::Average => values.sum::<f64>() / pool.size as f64,
                    }
                };
                x = (0..n).flat_map(|t| (0..channels).map(move |c| (t, c))).map(|(t, c)| value(t, c)).collect();
            }
            Step::Dense { kernel, .. } => {
                let outputs = kernel.shape[1];
                let sum = |o: usize| {
                    x.iter().enumerate().map(|(i, x)| x * f64::from(kernel.values[i * outputs + o])).sum::<f64>()
                };
                x = (0..outputs).map(sum).collect();
            }
            Step::Activation(activation) => x.iter_mut().for_each(|x| *x = activation.value(*x)),
            Step::Flatten(Order::ChannelsFirst) => {
                let n = x.len() / channels;
                x = (0..channels).flat_map(|c| (0..n).map(move |t| t * channels + c)).map(|at| x[at]).collect();
            }
            Step::Flatten(Order::ChannelsLast) | Step::Dropout { .. } => {}
            Step::GlobalPool(kind) => {
                assert_eq!(*kind, PoolKind::Average);
                let n = x.len() / channels;
                let mean = |c: usize| x.iter().skip(c).step_by(channels).sum::<f64>() / n as f64;
                x = (0..channels).map(mean).collect();
            }
            Step::Prepare(_) | Step::Softmax => unreachable!("not in these chains"),
        }
    }
    x
}

#[test]
fn folding_changes_no_score() {
    let relu = || Step::Activation(Activation::Relu);
    let average = || Step::Pool(pool(PoolKind::Average));
    let (plus, both, shift) = (&[0.5, 2.0][..], &[0.5, -2.0][..], &[0.3, -0.4][..]);
    let chains = [
        // At the input: as a scaler, with the signs of the factors in the weights.
        vec![norm(2, plus, shift), conv(2, 4, Padding::Same), relu(), flatten(), dense(32, 3)],
        vec![norm(2, both, shift), conv(2, 4, Padding::Valid), relu(), flatten(), dense(24, 3)],
        vec![norm(2, both, shift), conv(2, 4, Padding::Same), relu(), flatten(), dense(32, 3)],
        vec![norm(2, &[0.0, 2.0], shift), conv(2, 4, Padding::Valid), relu(), flatten(), dense(24, 3)],
        vec![norm(2, plus, shift), norm(2, plus, shift), conv(2, 4, Padding::Valid), relu(), flatten(), dense(24, 3)],
        // Before the activation, also behind a pool.
        vec![conv(2, 4, Padding::Same), norm(4, both, shift), relu(), flatten(), dense(32, 3)],
        vec![conv(2, 4, Padding::Same), max_pool(), norm(4, plus, shift), relu(), flatten(), dense(16, 3)],
        vec![conv(2, 4, Padding::Same), average(), norm(4, both, shift), flatten(), dense(16, 3)],
        // After it, into the next layer.
        vec![
            conv(2, 4, Padding::Same),
            relu(),
            norm(4, both, shift),
            conv(4, 2, Padding::Valid),
            flatten(),
            dense(12, 3),
        ],
        vec![
            conv(2, 4, Padding::Same),
            relu(),
            norm(4, both, &[0.0]),
            conv(4, 2, Padding::Same),
            flatten(),
            dense(16, 3),
        ],
        vec![conv(2, 4, Padding::Same), relu(), norm(4, plus, shift), max_pool(), flatten(), dense(16, 3)],
        vec![conv(2, 4, Padding::Same), relu(), norm(4, both, shift), flatten(), norm(32, both, shift), dense(32, 3)],
        vec![conv(2, 4, Padding::Same), norm(4, both, shift), max_pool(), flatten(), dense(16, 3)],
        // Behind a maximum that it turns around, it waits for the next layer.
        vec![conv(2, 4, Padding::Same), max_pool(), norm(4, both, shift), flatten(), dense(16, 3)],
        // Before and behind a flatten, whatever the order of the features.
        vec![conv(2, 4, Padding::Same), norm(4, both, shift), flatten(), norm(32, both, shift), dense(32, 3)],
        vec![
            conv(2, 4, Padding::Same),
            relu(),
            norm(4, both, shift),
            Step::Flatten(Order::ChannelsFirst),
            norm(32, both, shift),
            dense(32, 3),
        ],
        vec![conv(2, 4, Padding::Same), Step::GlobalPool(PoolKind::Average), norm(4, both, shift), dense(4, 3)],
        vec![conv(2, 4, Padding::Same), relu(), Step::GlobalPool(PoolKind::Average), norm(4, both, shift), dense(4, 3)],
        // At the end.
        vec![
            conv(2, 4, Padding::Same),
            flatten(),
            dense(32, 5),
            norm(5, both, shift),
            relu(),
            dense(5, 3),
            norm(3, both, shift),
        ],
        // A maximum before the activation is the same as after.
        vec![conv(2, 4, Padding::Same), max_pool(), Step::Activation(Activation::Elu), flatten(), dense(16, 3)],
    ];
    let window: Vec<f32> = (0..16).map(|i| ((i * 5) % 7) as f32 / 3.0 - 1.0).collect();
    for (i, steps) in chains.into_iter().enumerate() {
        let expected = plainly(&steps, &window, 2);
        let has_norm = steps.iter().any(|step| matches!(step, Step::BatchNormalisation(_)));
        let assembled = assemble(steps).unwrap_or_else(|error| panic!("chain {i}: {error}"));
        assert_eq!(assembled.is_folded, has_norm, "chain {i}");
        let trained = assembled.into_trained().unwrap();
        for (score, expected) in trained.scores(&window).into_iter().zip(expected) {
            assert!(
                (f64::from(score) - expected).abs() <= 1e-5 * expected.abs().max(1.0),
                "chain {i}: {score}, {expected}"
            );
        }
    }
}

#[test]
fn what_has_no_place_is_refused_with_its_layer_and_the_family() {
    let relu = || Step::Activation(Activation::Relu);
    let same = || conv(2, 4, Padding::Same);
    let wide = || conv(4, 4, Padding::Same);
    let (both, shift) = (&[0.5, -2.0][..], &[0.3, -0.4][..]);
    let cases: Vec<(&str, &str, Vec<Step>)> = vec![
        ("layer 0", "there is no convolution before it", vec![flatten(), dense(16, 3)]),
        ("layer 0", "pools what is not the output of a convolution", vec![max_pool()]),
        ("layer 1", "reads each position by itself", vec![same(), dense(4, 3)]),
        ("layer 2", "follows another pool", vec![same(), max_pool(), max_pool()]),
        ("layer 2", "follows a flatten", vec![same(), flatten(), same()]),
        ("layer 2", "not the sum of a layer", vec![same(), relu(), relu()]),
        ("layer 2", "not the same as before the pool", vec![same(), max_pool(), Step::Activation(Activation::Gelu)]),
        ("layer 3", "zeros of its padding", vec![same(), relu(), norm(4, both, shift), wide()]),
        ("layer 3", "has turned around", vec![same(), relu(), norm(4, both, shift), max_pool()]),
        ("layer 3", "layer 2 normalises", vec![same(), relu(), norm(4, both, shift), relu()]),
        ("layer 1", "factors for 8 channels", vec![same(), norm(8, both, shift)]),
        ("layer 1", "normalises each window by itself", vec![same(), Step::Prepare(PerWindow::Standardise.into())]),
        (
            "layer 1",
            "pads 2 positions before and 0 after its 8; the family pads none, or 0 and 0",
            vec![same(), Step::Pool(Pool { pads: Pads::Explicit(2, 0), ..pool(PoolKind::Max) })],
        ),
        (
            "layer 1",
            "count_include_pad=False",
            vec![same(), Step::Pool(Pool { size: 3, pads: Pads::Same, counts_pads: true, ..pool(PoolKind::Average) })],
        ),
        (
            "layer 0",
            "reads 3 positions at a time with a stride of 0",
            vec![Step::Conv { kernel: values(&[3, 2, 4]), bias: None, stride: 0, dilation: 1, pads: Pads::Same }],
        ),
        (
            "layer 0",
            "groups of three",
            vec![Step::Prepare(PerWindow::AlignGravity.into()), same(), flatten(), dense(32, 3)],
        ),
        ("layer 4", "no layer follows", vec![same(), flatten(), dense(32, 5), relu(), norm(5, both, shift)]),
        ("layer 1", "softmax follows the last dense layer", vec![same(), Step::Softmax]),
        ("layer 4", "it follows a softmax", vec![same(), flatten(), dense(32, 3), Step::Softmax, dense(3, 3)]),
        ("layer 2", "its scores go through `relu`", vec![same(), flatten(), dense(32, 3), relu()]),
        ("the last layer", "it is not dense", vec![same(), relu()]),
        ("layer 0", "its kernel has the shape [3, 4, 4], and it reads 2", vec![wide()]),
        ("layer 2", "its kernel has the shape [1, 31, 3], and it reads 32", vec![same(), flatten(), dense(31, 3)]),
        ("the network", "5 convolution blocks", vec![same(), wide(), wide(), wide(), wide(), flatten(), dense(32, 3)]),
    ];
    for (place, problem, steps) in cases {
        let error = refusal(steps);
        assert!(error.problem.contains(problem), "{error}");
        assert_eq!(error.place, place, "{error}");
    }
}

#[test]
fn factors_are_folded_where_weights_change() {
    let affine = |factor: f64, shift: f64, n: usize| {
        Step::Affine(Affine::new(vec![factor], vec![shift]).unwrap().over(n).unwrap())
    };
    let network = |before: Vec<Step>, after: Vec<Step>| {
        let rest = vec![flatten(), dense(32, 3)];
        assemble([before, vec![conv(2, 4, Padding::Same)], after, rest].concat()).unwrap()
    };
    // A scaler and a bias are parts of the family.
    let standardised = network(vec![affine(1.0, -3.0, 2), affine(0.25, 0.0, 2)], vec![affine(1.0, 0.5, 4)]);
    assert_eq!(standardised.scaler, Some(Scaler { mean: vec![3.0; 2], scale: vec![4.0; 2] }));
    assert!(!standardised.is_folded);
    assert!(network(vec![], vec![affine(2.0, 0.0, 4)]).is_folded);
    assert!(network(vec![affine(-1.0, 0.0, 2)], vec![]).is_folded);
    // What a network learnt about its input would be learnt on.
    assert!(network(vec![norm(2, &[1.0], &[0.5])], vec![]).is_folded);
}

#[test]
fn what_a_file_need_not_name_one_by_one_is_bounded() {
    assert!(Assembly::new(1 << 20, 1 << 20).unwrap_err().contains("from 1 to"));
    assert!(Assembly::new(0, 6).is_err());
    let mut long = Assembly::new(1 << 24, 1).unwrap();
    let conv = Step::Conv { kernel: values(&[1, 1, 2]), bias: None, stride: 1, dilation: 1, pads: Pads::Same };
    long.add("conv", conv).unwrap();
    long.add("relu", Step::Activation(Activation::Relu)).unwrap();
    long.add("norm", norm(2, &[0.5], &[0.1])).unwrap();
    let refusal = long.add("flatten", flatten()).unwrap_err();
    assert!(refusal.contains("features, which norm multiplies"), "{refusal}");
    let mut wide = Assembly::new(1 << 24, 1).unwrap();
    let conv = Step::Conv { kernel: values(&[1, 1, 32]), bias: None, stride: 1, dilation: 1, pads: Pads::Same };
    assert!(wide.add("conv", conv).unwrap_err().contains("values are the most"));
}

#[test]
fn dropout_elsewhere_is_told() {
    let drop = |rate: f32, is_plain: bool| Step::Dropout { rate, is_plain };
    let network = |first: Vec<Step>, middle: Vec<Step>, last: Vec<Step>| {
        let steps = [
            first,
            vec![conv(2, 4, Padding::Same), Step::Activation(Activation::Relu)],
            middle,
            vec![flatten(), dense(32, 5)],
            last,
            vec![dense(5, 3)],
        ];
        let assembled = assemble(steps.concat()).unwrap();
        (assembled.spec.dropout, assembled.notices)
    };
    assert_eq!(network(vec![], vec![drop(0.25, true)], vec![]), (0.25, vec![]));
    assert_eq!(network(vec![], vec![], vec![]), (0.0, vec![]));
    let (rate, notices) = network(vec![drop(0.1, true)], vec![drop(0.2, false)], vec![drop(0.5, true)]);
    assert_eq!(rate, 0.5);
    assert!(notices[0].contains("layer 0 (0.1), layer 3 (0.2), layer 6 (0.5)"), "{notices:?}");
    let (rate, notices) = network(vec![], vec![drop(0.5, true), drop(0.5, true)], vec![drop(0.3, true)]);
    assert_eq!((rate, notices.len()), (0.75, 1));
}
