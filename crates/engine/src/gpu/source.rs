//! The WGSL of a fleet's passes, composed of the sources of `kernels/` by a typed key.
//!
//! There are no text placeholders: what varies is a constant or a function that the key declares. A kernel whose key
//! forgets a declaration does not compile.

use std::fmt::Write;

use crate::{Augmentation, Optimizer};
use triax_kernels::{self as kernels, Kernel};
use triax_losses::Loss;
use triax_losses::wgsl::chosen_losses;

use super::layout::{Affine, Layout, MaxPool, Stage, WORKGROUP};
use super::vectors::TEXTURE_WIDTH;

/// The most workgroups of a model in a parameter pass; with more blocks of parameters, each workgroup takes several. This
/// limits the number of sums of squares that every workgroup of an update pass adds up.
const MOST_GRADIENT_GROUPS: usize = 4_096;

/// The same on a software device, which has few processors and executes idle invocations too.
const SOFTWARE_GRADIENT_GROUPS: usize = 16;

/// The invocations of a workgroup on a software device: a few vectors, for the same reason.
const SOFTWARE_WORKGROUP: usize = 32;

/// The words of a model before its scaler and its class weights: MEMBER_CHANNELS of `kernels/member.wgsl`.
pub(super) const MEMBER_HEAD: usize = 17;

/// The words of a step before the indices of its windows: STEP_WINDOWS of `kernels/tile.wgsl`.
pub(super) const STEP_HEAD: usize = 8;

/// What a kernel depends on of an optimizer. Its settings are data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum OptimizerForm {
    Adam { decays: bool },
    Sgd,
    Momentum { nesterov: bool },
    RmsProp { momentum: bool },
}

impl OptimizerForm {
    pub fn new(optimizer: &Optimizer) -> Self {
        match *optimizer {
            Optimizer::Adam { .. } => Self::Adam { decays: false },
            Optimizer::AdamW { .. } => Self::Adam { decays: true },
            Optimizer::Sgd { momentum: 0.0, .. } => Self::Sgd,
            Optimizer::Sgd { nesterov, .. } => Self::Momentum { nesterov },
            Optimizer::RmsProp { momentum, .. } => Self::RmsProp { momentum: momentum != 0.0 },
        }
    }

    /// The number of moments of each parameter.
    pub fn moments(self) -> usize {
        match self {
            Self::Sgd => 0,
            Self::Momentum { .. } | Self::RmsProp { momentum: false } => 1,
            Self::Adam { .. } | Self::RmsProp { momentum: true } => 2,
        }
    }
}

/// The tiles that a pass can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Batch {
    pub tiles: usize,
}

impl Batch {
    /// The words of a step of one model.
    pub fn step_words(self) -> usize {
        STEP_HEAD + 4 * self.tiles
    }
}

/// The kinds of augmentation in a fleet. Their strengths are data of a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct AugmentationKinds {
    pub resamples: bool,
    pub turns: bool,
    pub scales: bool,
    pub mixes: bool,
    pub jitters: bool,
}

impl AugmentationKinds {
    /// The kinds that any of `augmentations` has.
    pub fn union<'a>(augmentations: impl Iterator<Item = &'a Augmentation>) -> Self {
        augmentations.fold(Self::default(), |all, one| Self {
            resamples: all.resamples || one.resamples(),
            turns: all.turns || one.turns(),
            scales: all.scales || one.scaling > 0.0,
            mixes: all.mixes || one.mix > 0.0,
            jitters: all.jitters || one.jitter > 0.0,
        })
    }

    fn is_any(self) -> bool {
        self != Self::default()
    }
}

/// Everything that the kernels of a fleet depend on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct FleetKey {
    pub layout: Layout,
    /// The losses of the fleet. A model refers to its loss by the index.
    pub losses: Vec<Loss>,
    pub optimizer: OptimizerForm,
    /// Whether any model standardises its windows.
    pub scaled: bool,
    /// Whether any model has dropout.
    pub drops: bool,
    /// How training windows are augmented.
    pub augmentation: AugmentationKinds,
    pub training: Batch,
    pub evaluation: Batch,
    /// Whether the kernels are for a device that computes on the CPU. A kernel then contains each stage once and reads
    /// the layer at run time. On hardware it contains the stage once for each layer, with the layer's numbers as
    /// constants: a software device would take seconds to compile that, and gain little. Its workgroups are small, and
    /// no two invocations share a sum, since they run on one processor.
    pub software: bool,
    /// Whether arrays of vectors are in textures: see [`super::vectors`].
    pub in_textures: bool,
}

/// A kernel, which is one dispatch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Pass {
    Sample,
    Parameter,
    Gradient,
    Update,
    StepResults,
    Evaluation,
}

impl Pass {
    #[cfg(test)]
    const ALL: [Self; 6] =
        [Self::Sample, Self::Parameter, Self::Gradient, Self::Update, Self::StepResults, Self::Evaluation];

    /// The stem of its file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sample => "sample_pass",
            Self::Parameter => "parameter_pass",
            Self::Gradient => "gradient_pass",
            Self::Update => "update_pass",
            Self::StepResults => "step_results",
            Self::Evaluation => "evaluation_pass",
        }
    }

    /// The arrays of vectors that it uses, with their bindings and whether it writes them.
    fn vectors(self) -> &'static [(&'static str, u32, bool)] {
        match self {
            Self::Sample | Self::Evaluation => &[("weights", 4, false), ("activations", 5, true)],
            Self::Parameter => &[("activations", 2, false), ("weights", 3, true), ("moments", 4, true)],
            Self::Gradient => &[("activations", 1, false), ("gradients", 2, true)],
            Self::Update => &[("gradients", 2, false), ("weights", 4, true), ("moments", 5, true)],
            Self::StepResults => &[],
        }
    }
}

/// The stages from the window to the loss.
static FORWARD: [&Kernel; 5] =
    [&kernels::GATHER, &kernels::AFFINE_FORWARD, &kernels::MAX_POOL, &kernels::DROPOUT, &kernels::LOSS];

/// [`FleetKey::part_of`] where windows are not mixed.
const ONLY_PART: &str = "fn part_of(at: At, s: u32, part: u32) -> Part {\n    return only_part(at, s);\n}\n";

impl FleetKey {
    /// Words of a model.
    pub fn member_words(&self) -> usize {
        MEMBER_HEAD + 2 * self.layout.channels + self.layout.classes
    }

    /// Invocations that share an output of `affine`.
    fn lanes(&self, affine: &Affine) -> usize {
        if self.software { 1 } else { affine.lanes() }
    }

    /// Invocations that share a gradient of `affine`.
    fn gradient_lanes(&self, affine: &Affine) -> usize {
        if self.software { 1 } else { affine.gradient_lanes(self.training.tiles) }
    }

    /// Invocations of a workgroup.
    pub fn workgroup(&self) -> usize {
        if self.software { SOFTWARE_WORKGROUP } else { WORKGROUP }
    }

    /// Workgroups' worth of gradients of `affine`.
    fn blocks_of(&self, affine: &Affine) -> usize {
        affine.gradient_blocks(self.workgroup() / self.gradient_lanes(affine))
    }

    /// Workgroups' worth of parameters.
    fn gradient_blocks(&self) -> usize {
        self.layout.affine().map(|affine| self.blocks_of(affine)).sum()
    }

    /// Workgroups of a model in a parameter or gradient pass.
    pub fn gradient_groups(&self) -> usize {
        self.gradient_blocks().min(if self.software { SOFTWARE_GRADIENT_GROUPS } else { MOST_GRADIENT_GROUPS })
    }

    /// The whole source of `pass`, entry point `main`.
    pub fn source(&self, pass: Pass) -> String {
        let optimizer = self.optimizer();
        let (kernels, composed) = match pass {
            Pass::Sample => (
                [&FORWARD[..], self.take_windows().0.as_slice(), &[&kernels::AFFINE_BACKWARD, &kernels::SAMPLE_PASS]]
                    .concat(),
                [
                    &chosen_losses(&self.losses),
                    self.take_windows().1,
                    self.part_of(),
                    &self.forward(true),
                    &self.backward(),
                ]
                .concat(),
            ),
            Pass::Evaluation => (
                [&FORWARD[..], &[&kernels::EVALUATION_PASS]].concat(),
                [&chosen_losses(&self.losses), ONLY_PART, &self.forward(false)].concat(),
            ),
            Pass::Parameter => (vec![optimizer, &kernels::PARAMETER_PASS], self.gradients()),
            Pass::Gradient => (vec![&kernels::GRADIENT_PASS], self.gradients()),
            Pass::Update => (vec![optimizer, &kernels::UPDATE_PASS], String::new()),
            Pass::StepResults => (vec![&kernels::STEP_RESULTS], String::new()),
        };
        [self.constants(pass), self.vectors(pass), self.layers(pass), kernels::with_needs(&kernels), composed]
            .join("\n")
    }

    /// The arrays of vectors that a pass uses: their bindings, `read_x(i)` and, if it writes them, `write_x(i, value)`; and
    /// `vectors_barrier()`, after which a workgroup sees its own writes.
    fn vectors(&self, pass: Pass) -> String {
        let barrier = if self.in_textures { "textureBarrier" } else { "storageBarrier" };
        let mut text = format!("fn vectors_barrier() {{\n    {barrier}();\n}}\n");
        for &(name, binding, is_written) in pass.vectors() {
            let access = if is_written { "read_write" } else { "read" };
            let (declared, read, write) = if self.in_textures {
                let texel = format!("vec2(i % {TEXTURE_WIDTH}u, i / {TEXTURE_WIDTH}u)");
                (
                    format!("var {name}: texture_storage_2d<rgba32float, {access}>"),
                    format!("return textureLoad({name}, {texel})"),
                    format!("textureStore({name}, {texel}, value)"),
                )
            } else {
                (
                    format!("var<storage, {access}> {name}: array<vec4<f32>>"),
                    format!("return {name}[i]"),
                    format!("{name}[i] = value"),
                )
            };
            text += &format!(
                "@group(0) @binding({binding}) {declared};\nfn read_{name}(i: u32) -> vec4<f32> {{\n    {read};\n}}\n"
            );
            if is_written {
                text += &format!("fn write_{name}(i: u32, value: vec4<f32>) {{\n    {write};\n}}\n");
            }
        }
        text
    }

    fn constants(&self, pass: Pass) -> String {
        let layout = &self.layout;
        let batch = if pass == Pass::Evaluation { self.evaluation } else { self.training };
        let (scores, d_scores) = layout.scores();
        let mut text = String::new();
        let mut declare = |name: &str, value: usize| writeln!(text, "const {name}: u32 = {value}u;").expect("a string");
        declare("WORKGROUP", self.workgroup());
        declare("WINDOW_VALUES", layout.window_values);
        declare("INPUT_ROWS", layout.input_rows);
        declare("CHANNELS", layout.channels);
        declare("CLASSES", layout.classes);
        declare("ROWS", layout.rows);
        declare("SCORES", scores);
        declare("D_SCORES", d_scores);
        declare("WEIGHTS", layout.weights);
        declare("MOMENTS", self.optimizer.moments());
        declare("TILES", batch.tiles);
        declare("STEP_WORDS", batch.step_words());
        declare("MEMBER_WORDS", self.member_words());
        declare("GRADIENT_BLOCKS", self.gradient_blocks());
        declare("GRADIENT_GROUPS", self.gradient_groups());
        declare("PARTS", 1 + usize::from(self.augmentation.mixes));
        // A lane for about eight classes, as loss_rows has it.
        let most_lanes = if self.software { 1 } else { 32 };
        declare("LOSS_LANES", 1 << (layout.classes / 8).clamp(1, most_lanes).ilog2());
        let mut decide = |name: &str, value: bool| writeln!(text, "const {name}: bool = {value};").expect("a string");
        decide("SCALED", self.scaled);
        decide("SHARED", !self.software);
        decide("RESAMPLES", self.augmentation.resamples);
        decide("TURNS", self.augmentation.turns);
        decide("JITTERS", self.augmentation.jitters);
        decide("DECAYS", self.optimizer == OptimizerForm::Adam { decays: true });
        decide("NESTEROV", self.optimizer == OptimizerForm::Momentum { nesterov: true });
        text
    }

    /// The layers of a pass, as constants.
    fn layers(&self, pass: Pass) -> String {
        let declare = |stage: &Stage| match (stage, pass) {
            (_, Pass::Update | Pass::StepResults) => String::new(),
            (Stage::Affine(affine), _) => self.affine(affine),
            (_, Pass::Parameter | Pass::Gradient) => String::new(),
            (Stage::MaxPool(pool), _) => max_pool(pool),
            (Stage::Dropout { x, features }, _) => format!("const FEATURES = Dropout({x}u, {features}u);\n"),
        };
        self.layout.stages.iter().map(declare).collect()
    }

    fn affine(&self, affine: &Affine) -> String {
        let Affine { name, x, y, d_x, d_y, weights, channels, kernel, stride, positions_in, positions, units, .. } =
            affine;
        let (inputs, quads, relu, dropped) =
            (affine.inputs(), affine.quads(), affine.relu, affine.dropped && self.drops);
        let (lanes, gradient_lanes) = (self.lanes(affine), self.gradient_lanes(affine));
        format!(
            "const {name} = Affine({x}u, {y}u, {d_x}u, {d_y}u, {weights}u, {channels}u, {kernel}u, {stride}u, {inputs}u, \
             {positions_in}u, {positions}u, {units}u, {quads}u, {relu}, {dropped}, {lanes}u, {gradient_lanes}u);\n",
            name = name.to_uppercase(),
        )
    }

    fn optimizer(&self) -> &'static Kernel {
        match self.optimizer {
            OptimizerForm::Adam { .. } => &kernels::ADAM,
            OptimizerForm::Sgd => &kernels::SGD,
            OptimizerForm::Momentum { .. } => &kernels::MOMENTUM,
            OptimizerForm::RmsProp { .. } => &kernels::RMS_PROP,
        }
    }

    /// How a training step reads its windows: the source beside `gather`, if any, and the function that the pass calls.
    fn take_windows(&self) -> (Option<&'static Kernel>, &'static str) {
        match self.augmentation.is_any() {
            true => (Some(&kernels::AUGMENT), "fn take_windows(at: At) {\n    augment(at);\n}\n"),
            false => (None, "fn take_windows(at: At) {\n    gather(at);\n}\n"),
        }
    }

    /// The function by which the loss asks for the windows that a sample of a training step is made of.
    fn part_of(&self) -> &'static str {
        match self.augmentation.mixes {
            true => "fn part_of(at: At, s: u32, part: u32) -> Part {\n    return mixed_part(s, part);\n}\n",
            false => ONLY_PART,
        }
    }

    /// The stages from the window to the scores, in order.
    fn forward(&self, training: bool) -> String {
        let calls = self.layout.stages.iter().filter_map(|stage| match stage {
            Stage::Affine(affine) => Some(("affine_forward", affine.name.to_uppercase())),
            Stage::MaxPool(pool) => Some(("max_pool_forward", pool.name.to_uppercase())),
            Stage::Dropout { .. } => (training && self.drops).then(|| ("dropout", "FEATURES".to_owned())),
        });
        self.in_order("forward", calls.collect())
    }

    /// The stages from the gradient of the scores back to that of the first layer's output.
    fn backward(&self) -> String {
        let calls = self.layout.stages[1..].iter().rev().filter_map(|stage| match stage {
            Stage::Affine(affine) => Some(("affine_backward", affine.name.to_uppercase())),
            Stage::MaxPool(pool) => Some(("max_pool_backward", pool.name.to_uppercase())),
            Stage::Dropout { .. } => None,
        });
        self.in_order("backward", calls.collect())
    }

    /// A function that makes `calls` in order, each of a stage with its layer. Each call sees the writes of those before.
    fn in_order(&self, name: &str, calls: Vec<(&str, String)>) -> String {
        let mut text = format!("fn {name}(at: At) {{\n");
        let mut add = |line: String| text += &line;
        if !self.software {
            calls.iter().for_each(|(stage, layer)| add(format!("    {stage}({layer}, at);\n    vectors_barrier();\n")));
            return text + "}\n";
        }
        add(format!("    for (var n = 0u; n < {}u; n++) {{\n        switch n {{\n", calls.len()));
        let mut stages: Vec<&str> = calls.iter().map(|(stage, _)| *stage).collect();
        stages.sort_unstable();
        stages.dedup();
        let mut layers = String::new();
        for stage in stages {
            let stage_calls = || calls.iter().enumerate().filter(|(_, call)| call.0 == stage);
            let cases: Vec<String> = stage_calls().map(|(n, _)| format!("{n}u")).collect();
            add(format!("            case {}: {{ {stage}({name}_{stage}(n), at); }}\n", cases.join(", ")));
            let stage_layers = stage_calls().map(|(n, (_, layer))| (n, layer.as_str()));
            layers += &chosen(&format!("{name}_{stage}"), structure(stage), stage_layers);
        }
        add("            default: {}\n        }\n        vectors_barrier();\n    }\n}\n".to_owned());
        text + &layers
    }

    /// The function that computes a block of gradients, of whichever layer the block belongs to.
    fn gradients(&self) -> String {
        let mut ends = Vec::new();
        for affine in self.layout.affine() {
            let first = ends.last().map_or(0, |(_, _, end)| *end);
            ends.push((affine.name.to_uppercase(), first, first + self.blocks_of(affine)));
        }
        if !self.software {
            let call = |(name, first, end): &(String, usize, usize)| {
                format!(
                    "    if block < {end}u {{\n        return affine_gradient({name}, block - {first}u, at);\n    }}\n"
                )
            };
            let calls: String = ends.iter().map(call).collect();
            return format!(
                "fn gradient_block(block: u32, at: At) -> Gradient {{\n{calls}    return Gradient();\n}}\n"
            );
        }
        let find = |(n, (_, first, _)): (usize, &(String, usize, usize))| {
            format!("    if block >= {first}u {{\n        n = {n}u;\n        first = {first}u;\n    }}\n")
        };
        let found: String = ends.iter().enumerate().map(find).collect();
        let layers = ends.iter().enumerate().map(|(n, (name, _, _))| (n, name.as_str()));
        format!(
            "fn gradient_block(block: u32, at: At) -> Gradient {{\n    var n = 0u;\n    var first = 0u;\n{found}    return \
             affine_gradient(gradient_layer(n), block - first, at);\n}}\n{}",
            chosen("gradient_layer", "Affine", layers),
        )
    }
}

/// The structure of a stage's layer.
fn structure(stage: &str) -> &'static str {
    match stage {
        "max_pool_forward" | "max_pool_backward" => "MaxPool",
        "dropout" => "Dropout",
        _ => "Affine",
    }
}

/// A function that returns one of several layers by its number, and the last one for any other number.
fn chosen<'a>(name: &str, structure: &str, layers: impl Iterator<Item = (usize, &'a str)>) -> String {
    let layers: Vec<(usize, &str)> = layers.collect();
    let (last, others) = layers.split_last().expect("a layer to choose");
    let cases: String = others.iter().map(|(n, layer)| format!("        case {n}u: {{ return {layer}; }}\n")).collect();
    let default = format!("        default: {{ return {}; }}\n", last.1);
    format!("fn {name}(n: u32) -> {structure} {{\n    switch n {{\n{cases}{default}    }}\n}}\n")
}

fn max_pool(pool: &MaxPool) -> String {
    let MaxPool { name, x, y, d_x, d_y, channels, positions, size } = pool;
    format!(
        "const {name} = MaxPool({x}u, {y}u, {d_x}u, {d_y}u, {channels}u, {positions}u, {size}u);\n",
        name = name.to_uppercase(),
    )
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use naga::AddressSpace;
    use triax_model::{ConvSpec, Network, NetworkSpec};
    use triax_testing::{assert_tint_accepts, assert_translates, assert_within_limits, parse_shader};

    use super::*;

    /// The corners of the family.
    fn layouts() -> Vec<Layout> {
        let conv = |filters, kernel, stride, pool| ConvSpec { filters, kernel, stride, pool };
        let spec = |window, channels, convs, hidden, classes| NetworkSpec {
            window,
            channels,
            convs,
            dropout: 0.1,
            hidden,
            classes,
        };
        let specs = [
            NetworkSpec::default(),
            spec(1, 1, vec![conv(1, 1, 1, None)], vec![], 2),
            spec(53, 5, vec![conv(7, 3, 1, Some(2)), conv(5, 3, 1, None), conv(3, 1, 2, Some(2))], vec![11, 13, 7], 3),
            spec(4_096, 64, vec![conv(64, 7, 1, Some(4)); 4], vec![512], 256),
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

    /// Every layout with every optimizer; single losses and all of them, small batches and large ones, with and without
    /// dropout, scaler and augmentation.
    fn keys() -> Vec<FleetKey> {
        let mut keys = Vec::new();
        for layout in layouts() {
            for (n, optimizer) in FORMS.into_iter().enumerate() {
                let n_losses = Loss::ALL.len();
                let losses = match Loss::ALL.get(n) {
                    Some(&loss) => vec![loss],
                    None => Loss::ALL[..n_losses.min(n - n_losses + 2)].to_vec(),
                };
                let training = Batch { tiles: [1, 8, 2, 256, 16_384, 3, 8][n] };
                let evaluation = Batch { tiles: [512, 1][n % 2] };
                let (scaled, drops) = (n % 2 == 0, n % 3 == 0);
                let (layout, software, in_textures) = (layout.clone(), n >= 4, n >= 5);
                let (resamples, turns) = (n % 5 == 1, n % 5 == 2 && layout.channels.is_multiple_of(3));
                let augmentation =
                    AugmentationKinds { resamples, turns, scales: n == 3, mixes: n % 3 == 2, jitters: n > 3 };
                let augmentation = match n {
                    6 => AugmentationKinds { resamples: true, turns: true, ..augmentation },
                    _ => augmentation,
                };
                keys.push(FleetKey {
                    layout,
                    losses,
                    optimizer,
                    scaled,
                    drops,
                    augmentation,
                    training,
                    evaluation,
                    software,
                    in_textures,
                });
            }
        }
        keys
    }

    fn kernels() -> impl Iterator<Item = (FleetKey, Pass, String)> {
        keys().into_iter().flat_map(|key| Pass::ALL.map(|pass| (key.clone(), pass, key.source(pass))))
    }

    #[test]
    fn every_kernel_becomes_spirv_msl_hlsl_and_glsl() {
        for (key, pass, source) in kernels() {
            assert_translates(&source, &format!("{pass:?} of {key:?}"));
        }
    }

    #[test]
    fn tint_accepts_every_kernel() {
        // No browser writes textures that it also reads, in this format: that form is for a driver that is named.
        let sources: Vec<(String, String)> = kernels()
            .filter(|(key, ..)| !key.in_textures)
            .map(|(key, pass, source)| (format!("{pass:?} of {key:?}"), source))
            .collect();
        assert_tint_accepts(&sources);
    }

    #[test]
    fn every_kernel_stays_within_the_default_limits() {
        for (key, pass, source) in kernels() {
            let found = assert_within_limits(&source, &format!("{pass:?} of {key:?}"));
            assert_eq!(found.workgroup, [key.workgroup() as u32, 1, 1]);
        }
    }

    /// Bindings are numbered without gaps, and read or written as the session declares them.
    #[test]
    fn bindings_are_those_the_session_binds() {
        let expected = |pass: Pass| match pass {
            Pass::Sample => "rrrrrwwu",
            Pass::Parameter => "rrrwwwu",
            Pass::Gradient => "rrwwu",
            Pass::Update => "rrrrwwu",
            Pass::StepResults => "rrrw",
            Pass::Evaluation => "rrrrrwwwu",
        };
        for (_, pass, source) in kernels() {
            let (module, _) = parse_shader(&source);
            let mut bindings: Vec<(u32, char)> = module
                .global_variables
                .iter()
                .filter_map(|(_, variable)| {
                    let access_letter = |access: naga::StorageAccess| {
                        if access.contains(naga::StorageAccess::STORE) { 'w' } else { 'r' }
                    };
                    let kind = match variable.space {
                        AddressSpace::Storage { access } => access_letter(access),
                        AddressSpace::Handle => match module.types[variable.ty].inner {
                            naga::TypeInner::Image { class: naga::ImageClass::Storage { access, .. }, .. } => {
                                access_letter(access)
                            }
                            ref other => panic!("{other:?}"),
                        },
                        AddressSpace::Uniform => {
                            assert_eq!(variable.name.as_deref(), Some("index"));
                            'u'
                        }
                        _ => '-',
                    };
                    variable.binding.as_ref().map(|binding| (binding.binding, kind))
                })
                .collect();
            bindings.sort_unstable();
            assert!(bindings.iter().zip(0..).all(|((binding, _), n)| *binding == n), "{pass:?}");
            assert_eq!(bindings.iter().map(|(_, kind)| *kind).collect::<String>(), expected(pass), "{pass:?}");
        }
    }

    #[test]
    fn different_keys_have_different_sources() {
        let keys = keys();
        for pass in [Pass::Sample, Pass::Parameter] {
            let sources: HashSet<String> = keys.iter().map(|key| key.source(pass)).collect();
            assert_eq!(sources.len(), keys.len());
        }
    }

    #[test]
    fn what_a_key_forgets_to_declare_does_not_compile() {
        let key = &keys()[0];
        for (pass, declaration) in [
            (Pass::Sample, "const LOSS_LANES: u32"),
            (Pass::Sample, "const CONV1 = Affine("),
            (Pass::Parameter, "const MOMENTS: u32"),
        ] {
            let source = key.source(pass);
            parse_shader(&source);
            let declares = |line: &&str| line.starts_with(declaration);
            assert_eq!(source.lines().filter(declares).count(), 1, "{pass:?}: `{declaration}`");
            let without: Vec<&str> = source.lines().filter(|line| !declares(line)).collect();
            assert!(naga::front::wgsl::parse_str(&without.join("\n")).is_err(), "compiles without `{declaration}`");
        }
    }
}
