//! Every stage of plans over the whole family of networks: what compilers accept, what stages bind, and in which order they come.

use std::collections::{HashMap, HashSet};

use triax_losses::{Loss, SmoothedLoss};
use triax_model::{ConvSpec, DenseSpec, Network, NetworkSpec, PoolKind};
use triax_testing::{assert_tint_accepts, assert_translates, assert_within_limits, parse_shader};

use super::*;

/// The corners of the family.
fn layouts() -> Vec<Layout> {
    let conv = |filters, kernel, stride, pool| ConvSpec::plain(filters, kernel, stride, pool);
    let spec = |window, channels, convs, hidden: Vec<usize>, classes| NetworkSpec {
        window,
        channels,
        convs,
        global_pool: None,
        dropout: 0.1,
        hidden: DenseSpec::relu(hidden),
        classes,
    };
    let family = |window, convs: &[&str], global_pool, hidden: &[&str]| NetworkSpec {
        window,
        convs: convs.iter().map(|conv| conv.parse().unwrap()).collect(),
        global_pool,
        hidden: hidden.iter().map(|layer| layer.parse().unwrap()).collect(),
        ..NetworkSpec::default()
    };
    let specs = [
        NetworkSpec::default(),
        spec(1, 1, vec![conv(1, 1, 1, None)], vec![], 2),
        spec(53, 5, vec![conv(7, 3, 1, Some(2)), conv(5, 3, 1, None), conv(3, 1, 2, Some(2))], vec![11, 13, 7], 3),
        spec(400, 3, vec![conv(5, 3, 1, Some(70)), conv(6, 2, 1, None)], vec![40], 100),
        spec(4_096, 64, vec![conv(64, 7, 1, Some(4)); 4], vec![512], 256),
        family(40, &["6:3:1:2:same", "8:3:2:avg3/2-same:same:elu"], Some(PoolKind::Average), &["9:gelu"]),
        family(300, &["5:64:1:70/3:gelu", "7:4:1:same:tanh"], Some(PoolKind::Max), &["130:leaky_relu=0.3", "6"]),
        family(60, &["64:5:1:3/2-same:same:leaky_relu=0", "33:5:3:linear:same"], None, &["130:elu", "130:tanh"]),
        family(60, &["8:3:1:d4:2", "12:2:1:d3:same:elu", "33:3:1:d2:3/2"], None, &["9"]),
    ];
    specs.into_iter().map(|spec| Layout::new(&Network::new(spec).unwrap())).collect()
}

const FORMS: [OptimizerForm; 7] = [
    OptimizerForm::Adam { decays: false },
    OptimizerForm::Adam { decays: true },
    OptimizerForm::Sgd,
    OptimizerForm::Momentum { nesterov: false },
    OptimizerForm::Momentum { nesterov: true },
    OptimizerForm::RmsProp { momentum: false },
    OptimizerForm::RmsProp { momentum: true },
];

/// Every layout in every size of fleet; every optimizer; single losses and all of them, small batches and large ones,
/// with and without dropout, scaler, clipping, subgroups and augmentation.
fn keys() -> Vec<FleetKey> {
    let mut keys = Vec::new();
    for (l, layout) in layouts().into_iter().enumerate() {
        for (s, size) in FleetSize::ALL.into_iter().enumerate() {
            let n = 3 * l + s;
            let n_losses = Loss::ALL.len();
            let smoothed = [0.1, 0.5].map(|by| SmoothedLoss::new(Loss::CategoricalCrossentropy, by).unwrap());
            let losses = match n % (n_losses + 1) {
                one if one < n_losses => vec![Loss::ALL[one].into()],
                _ => Loss::ALL.map(SmoothedLoss::from).into_iter().chain(smoothed).collect(),
            };
            let augmentation = AugmentationKinds {
                resamples: n % 3 == 1,
                turns: n % 3 == 2 && layout.channels.is_multiple_of(3),
                scales: n == 3,
                mixes: n % 4 == 1,
                jitters: n % 4 > 1,
            };
            keys.push(FleetKey {
                layout: layout.clone(),
                size,
                losses,
                optimizer: FORMS[n % FORMS.len()],
                scaled: n.is_multiple_of(2),
                drops: !n.is_multiple_of(3),
                clips: n % 5 == 3,
                augmentation: if n == 0 { AugmentationKinds::default() } else { augmentation },
                training: Batch::new([32, 1, 33, 8, 5][n % 5]),
                evaluation: Batch::of_tiles([16, 1, 2][n % 3]),
                subgroup: [1, 8, 32][(n / 2) % 3],
            });
        }
    }
    keys
}

fn programs(key: &FleetKey) -> [Program; 3] {
    [Program::training(key), Program::evaluation(key, Ending::Judged), Program::evaluation(key, Ending::Scored)]
}

/// Every stage of every key, once, with a name for messages.
fn stages() -> Vec<(String, Stage)> {
    let mut sources = HashSet::new();
    let mut stages = Vec::new();
    for key in keys() {
        for program in programs(&key) {
            for stage in program.stages.into_iter().chain(program.results) {
                if sources.insert(stage.source.clone()) {
                    stages.push((format!("{} of {key:?}", stage.name), stage));
                }
            }
        }
    }
    stages
}

#[test]
fn every_stage_becomes_spirv_msl_hlsl_and_glsl() {
    for (what, stage) in stages() {
        assert_translates(&stage.source, &what);
    }
}

/// In a browser, the same sources are compiled by Tint. It wants subgroups enabled, for which naga has no word yet.
#[test]
fn tint_accepts_every_stage() {
    let enabled = |source: String| match source.contains("subgroupShuffleXor(") {
        true => format!("enable subgroups;\n{source}"),
        false => source,
    };
    let sources: Vec<_> = stages().into_iter().map(|(what, stage)| (what, enabled(stage.source))).collect();
    assert_tint_accepts(&sources);
}

#[test]
fn every_stage_stays_within_the_default_limits() {
    for (what, stage) in stages() {
        assert_within_limits(&stage.source, &what);
    }
}

/// The buffers that a session binds by name, and which of them a stage of a step may write: each further one costs.
#[test]
fn stages_bind_what_a_session_has_and_write_little() {
    let known = [
        "index",
        "windows",
        "facts",
        "steps",
        "members",
        "parameters",
        "arena",
        "notes",
        "gradients",
        "confusion",
        "scores",
        "results",
    ];
    for (what, stage) in stages() {
        let bindings = reflect(&parse_shader(&stage.source).0);
        assert!(bindings.iter().zip(0..).all(|(binding, n)| binding.number == n), "{what}: {bindings:?}");
        assert!(bindings.iter().all(|binding| known.contains(&binding.name.as_str())), "{what}: {bindings:?}");
        let written = bindings.iter().filter(|binding| binding.access == Access::Write).count();
        assert!(written <= 3, "{what} writes {written} buffers");
    }
}

/// The stages of a step, in order.
fn stage_names(layout: Layout, size: FleetSize) -> Vec<String> {
    let key = FleetKey {
        layout,
        size,
        losses: vec![Loss::SquaredHinge.into()],
        optimizer: FORMS[0],
        scaled: false,
        drops: true,
        clips: false,
        augmentation: AugmentationKinds::default(),
        training: Batch::new(32),
        evaluation: Batch::of_tiles(16),
        subgroup: 32,
    };
    Program::training(&key).stages.into_iter().map(|stage| stage.name).collect()
}

/// What a dispatch costs decides the step of a small fleet, and traffic that of a large one.
#[test]
fn the_reference_takes_seven_dispatches_in_a_small_fleet_and_nine_in_a_large_one() {
    let reference = layouts().swap_remove(0);
    let stages = |size: FleetSize| stage_names(reference.clone(), size);
    let small = [
        "forward conv1",
        "forward conv2",
        "forward dense1",
        "head dense2",
        "backward and update dense1",
        "backward conv2",
        "update conv1 conv2 dense2",
    ];
    assert_eq!(stages(FleetSize::Few), small);
    let large = [
        "forward conv1",
        "forward conv2",
        "forward dense1",
        "head dense2",
        "backward dense1",
        "backward conv2",
        "update conv2",
        "update dense1",
        "update conv1 dense2",
    ];
    assert_eq!(stages(FleetSize::Many), large);
}

#[test]
fn what_the_reference_has_not_comes_in_stages_of_its_own() {
    let convs = ["6:3:1:2:same", "8:3:2:3/2:same:elu"].map(|conv| conv.parse().unwrap()).to_vec();
    let hidden = vec!["9:gelu".parse().unwrap()];
    let spec = NetworkSpec { convs, global_pool: Some(PoolKind::Average), hidden, ..NetworkSpec::default() };
    let expected = [
        "padding",
        "forward conv1",
        "forward conv2",
        "forward tail pool2",
        "forward tail global_pool",
        "forward dense1",
        "forward tail dense1",
        "head dense2",
        "backward tail dense1",
        "backward and update dense1",
        "backward tail global_pool",
        "backward tail pool2",
        "backward conv2",
        "update conv1 conv2 dense2",
    ];
    assert_eq!(stage_names(Layout::new(&Network::new(spec).unwrap()), FleetSize::Few), expected);
}

#[test]
fn a_dilated_convolution_is_one_over_taps_that_are_spread_out() {
    let convs = ["6:3:1:d4", "8:3:1:d2:same:elu", "5:2:1:d3"].map(|conv| conv.parse().unwrap()).to_vec();
    let spec = NetworkSpec { convs, hidden: Vec::new(), ..NetworkSpec::default() };
    let layout = Layout::new(&Network::new(spec).unwrap());
    let expected = [
        "gather",
        "forward tail conv1 taps",
        "forward conv1",
        "forward tail conv2 taps",
        "forward conv2",
        "forward tail conv2",
        "forward tail conv3 taps",
        "forward conv3",
        "backward tail conv3 taps",
        "backward tail conv2",
        "backward conv2",
        "backward tail conv2 taps",
    ];
    let names = stage_names(layout.clone(), FleetSize::Few);
    for name in expected {
        assert!(names.iter().any(|found| found == name), "{name}: {names:?}");
    }
    // The ReLU of conv1 is gone back through with its taps, and the ELU of conv2 in its tail.
    let activations: Vec<layers::ActivationForm> = layout.tails.iter().map(|tail| tail.activation).collect();
    use layers::ActivationForm::{Elu, Linear, Relu};
    assert_eq!(activations, [Relu, Elu, Linear]);
}

#[test]
fn different_keys_have_different_sources() {
    let mut seen = HashMap::new();
    for key in keys() {
        for stage in &Program::training(&key).stages {
            if let Some(other) = seen.insert(stage.source.clone(), key.layout.clone()) {
                assert_eq!(other, key.layout, "{}", stage.name);
            }
        }
    }
}

#[test]
fn what_a_composition_forgets_to_declare_does_not_compile() {
    let key = &keys()[0];
    let program = Program::training(key);
    for (stage, declaration) in [(0, "const SPAN: u32"), (1, "const LAYER = Layer("), (3, "const LOSS_LANES: u32")] {
        let source = &program.stages[stage].source;
        parse_shader(source);
        let declares = |line: &&str| line.starts_with(declaration);
        assert_eq!(source.lines().filter(declares).count(), 1, "{stage}: `{declaration}`");
        let without: Vec<&str> = source.lines().filter(|line| !declares(line)).collect();
        assert!(naga::front::wgsl::parse_str(&without.join("\n")).is_err(), "compiles without `{declaration}`");
    }
}
