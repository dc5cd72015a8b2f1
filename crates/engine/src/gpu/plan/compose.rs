//! The WGSL of a stage, composed of the sources of `triax-kernels`.
//!
//! A stage is a file that declares its bindings. What varies is a constant that this module declares in front, or a function
//! that one of several parts declares: there are no text placeholders. A stage whose composition forgets a declaration does
//! not compile.

use std::fmt::Write;

use naga::{AddressSpace, StorageAccess};
use triax_kernels::{self as kernels, Kernel, Replaced};
use triax_losses::SmoothedLoss;
use triax_losses::wgsl::chosen_losses;

use super::key::{Batch, FleetKey, OptimizerForm};
use super::layers::{ActivationForm, Affine, Tail};
use super::shape::{Backward, DenseBackward, Forward, Gradient};

/// Rows that `gather.wgsl` takes at a time.
const GATHERED_ROWS: usize = 32;

/// Where the squares of a stage's gradients are among those of a step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Squares {
    /// The first that this stage writes.
    pub first: usize,
    /// Those of the gradients, without those of the update.
    pub of_gradients: usize,
    /// All of them.
    pub all: usize,
}

/// What the stages of a pass have in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pass<'a> {
    pub key: &'a FleetKey,
    /// Whether it is a step of training, and not an evaluation.
    pub trains: bool,
    /// Numbers of a step in the notes.
    pub note_words: usize,
}

impl Pass<'_> {
    pub fn batch(&self) -> Batch {
        if self.trains { self.key.training } else { self.key.evaluation }
    }

    fn rows(&self) -> usize {
        if self.trains { self.key.layout.rows } else { self.key.layout.forward_rows }
    }

    /// The constants of all stages.
    fn constants(&self, workgroup: usize) -> Constants {
        let (key, batch) = (self.key, self.batch());
        let augments = self.trains && key.augmentation.is_any();
        let mut constants = Constants::default();
        constants
            .number("WORKGROUP", workgroup)
            .number("SAMPLES", batch.samples)
            .number("QUADS", batch.quads())
            .number("TILES", batch.tiles)
            .number("ROWS", self.rows())
            .number("WEIGHTS", key.layout.weights)
            .number("MOMENTS", key.optimizer.moments())
            .number("STEP_WORDS", batch.step_words())
            .number("MEMBER_WORDS", key.member_words())
            .number("NOTE_WORDS", self.note_words)
            .number("WINDOW_VALUES", key.layout.window_values)
            .number("INPUT_ROWS", key.layout.input_rows)
            .number("CHANNELS", key.layout.channels)
            .number("CLASSES", key.layout.classes)
            .number("PARTS", if self.trains { key.parts() } else { 1 })
            .truth("SCALED", key.scaled)
            .truth("VARIED", augments)
            .truth("RESAMPLES", augments && key.augmentation.resamples)
            .truth("TURNS", augments && key.augmentation.turns)
            .truth("JITTERS", augments && key.augmentation.jitters)
            .truth("DECAYS", key.optimizer == OptimizerForm::Adam { decays: true })
            .truth("NESTEROV", key.optimizer == OptimizerForm::Momentum { nesterov: true });
        constants
    }

    /// Those of a stage that goes back through the input of `layer`.
    fn backward_constants(&self, workgroup: usize, layer: &Affine) -> Constants {
        let mut constants = self.constants(workgroup);
        if layer.after_tail {
            constants.replaced.push((&kernels::THROUGH_RELU, &kernels::THROUGH_TAIL));
        }
        constants
    }

    /// The constant of a layer, as `name`.
    fn layer(&self, name: &str, layer: &Affine) -> String {
        let Affine { x, y, winners, d_x, d_y, weights, channels, kernel, stride, positions_in, outputs, pool, .. } =
            *layer;
        let (inputs, units, quads, relu) = (layer.inputs(), layer.units, layer.quads(), layer.relu);
        let drops = self.trains && layer.drops && self.key.drops;
        let dropped = layer.dropped && self.key.drops;
        format!(
            "const {name} = Layer({x}u, {y}u, {winners}u, {d_x}u, {d_y}u, {weights}u, {channels}u, {kernel}u, {stride}u, \
             {inputs}u, {positions_in}u, {outputs}u, {pool}u, {units}u, {quads}u, {relu}, {drops}, {dropped});\n"
        )
    }

    /// How a pass takes its windows: `span` rows at a time, with zeros at the ends where the first layer is padded.
    fn windows(&self, constants: &mut Constants, span: usize) -> [&'static Kernel; 2] {
        constants.number("SPAN", span);
        let layout = &self.key.layout;
        if layout.layers[0].padding != (0, 0) {
            constants.number("PADDING_BEFORE", layout.layers[0].padding.0).number("WINDOW_ROWS", layout.window_rows);
            constants.replaced.push((&kernels::SPAN_VALUE, &kernels::PADDED_SPAN_VALUE));
        }
        let augments = self.trains && self.key.augmentation.is_any();
        [if augments { &kernels::AUGMENT } else { &kernels::GATHER }, &kernels::WINDOWS]
    }

    /// Zeros at the ends of inputs, and the workgroups that write them.
    pub fn padding(&self, zeros: &[(usize, usize)]) -> (String, usize) {
        let mut constants = self.constants(TASK_WORKGROUP);
        let mut rows = String::new();
        let mut n_rows = 0;
        for (first, n) in zeros {
            let end = n_rows + n;
            rows += &format!("    if i < {end}u {{\n        return {first}u + (i - {n_rows}u);\n    }}\n");
            n_rows = end;
        }
        let blocks = self.task_blocks(n_rows);
        constants.number("PADDING_ROWS", n_rows).number("ROW_BLOCKS", blocks);
        let composed = format!("fn padding_row(i: u32) -> u32 {{\n{rows}    return 0u;\n}}\n");
        (constants.with(composed, &[&kernels::PADDING]), blocks)
    }

    /// A tail forward, and its workgroups.
    pub fn tail(&self, tail: &Tail) -> (String, usize) {
        match tail.spreads {
            true => self.tail_stage(tail, tail.rows.output_rows(), &kernels::TAPS),
            false => self.tail_stage(tail, tail.rows.outputs * tail.rows.quads(), &kernels::TAIL_STAGE),
        }
    }

    /// A tail backward, and its workgroups.
    pub fn tail_backward(&self, tail: &Tail) -> (String, usize) {
        let positions = tail.rows.positions_in;
        match tail.spreads {
            true => self.tail_stage(tail, positions * tail.rows.units, &kernels::TAPS_BACKWARD),
            false => self.tail_stage(tail, positions * tail.rows.quads(), &kernels::TAIL_BACKWARD),
        }
    }

    fn tail_stage(&self, tail: &Tail, tasks: usize, stage: &'static Kernel) -> (String, usize) {
        let blocks = self.task_blocks(tasks);
        let mut constants = self.constants(TASK_WORKGROUP);
        constants
            .number("TASK_BLOCKS", blocks)
            .number("BEFORE", tail.before)
            .truth("AVERAGES", tail.averages)
            .truth("KEEPS_WINNERS", self.trains);
        let activation = match tail.activation {
            ActivationForm::Relu => &kernels::RELU,
            ActivationForm::Elu => &kernels::ELU,
            ActivationForm::Gelu => &kernels::GELU,
            ActivationForm::LeakyRelu { slope } => {
                constants.real("SLOPE", f32::from_bits(slope));
                &kernels::LEAKY_RELU
            }
            ActivationForm::Tanh => &kernels::TANH,
            ActivationForm::Linear => &kernels::LINEAR,
        };
        (constants.with(self.layer("LAYER", &tail.rows), &[activation, stage]), blocks)
    }

    /// The workgroups of a tile for `tasks` tasks of four samples each.
    fn task_blocks(&self, tasks: usize) -> usize {
        (tasks * self.batch().quads()).div_ceil(TASK_WORKGROUP)
    }

    pub fn gather(&self) -> (String, usize) {
        let mut constants = self.constants(256);
        let [values, span] = self.windows(&mut constants, GATHERED_ROWS);
        let source = constants.with(String::new(), &[values, span, &kernels::GATHER_STAGE]);
        (source, self.key.layout.input_rows.div_ceil(GATHERED_ROWS))
    }

    pub fn forward(&self, layer: &Affine, shape: Forward) -> (String, usize) {
        let mut constants = self.constants(shape.workgroup);
        constants
            .number("SLOTS", shape.slots)
            .number("LANES", shape.lanes)
            .number("POSITIONS", shape.positions)
            .number("UNIT_BLOCKS", shape.unit_blocks)
            .number("POSITION_BLOCKS", shape.position_blocks)
            .truth("KEEPS_WINDOWS", self.trains)
            .truth("KEEPS_WINNERS", self.trains);
        let layer = self.layer("LAYER", layer);
        let blocks = shape.unit_blocks * shape.position_blocks;
        if shape.staged {
            return (constants.with(layer, &[&kernels::FORWARD_STAGED]), blocks);
        }
        let lanes = if shape.lanes > 1 { &kernels::SUM_OVER_LANES } else { &kernels::ONE_LANE };
        let source = match shape.span {
            None => constants.with(layer, &[lanes, &kernels::INPUTS_FROM_ROWS, &kernels::FORWARD_BY_LANES]),
            Some(span) => {
                let [values, windows] = self.windows(&mut constants, span);
                let kernels = [values, windows, lanes, &kernels::INPUTS_FROM_WINDOWS, &kernels::FORWARD_BY_LANES];
                constants.with(layer, &kernels)
            }
        };
        (source, blocks)
    }

    /// Constants and composed functions of the stages that judge scores.
    fn judging(&self, workgroup: usize, head: Option<usize>) -> (Constants, Vec<&'static Kernel>) {
        let mut constants = self.backward_constants(workgroup, self.key.layout.last());
        // A lane for about eight classes.
        constants.number("LOSS_LANES", 1 << (self.key.layout.classes / 8).clamp(1, 32).ilog2());
        constants.text += &self.layer("LAYER", self.key.layout.last());
        let part_of = match self.trains && self.key.augmentation.mixes {
            true => &kernels::MIXED_PARTS,
            false => &kernels::ONLY_PART,
        };
        let scores: [&Kernel; 2] = match head {
            Some(slots) => {
                constants.number("CLASS_SLOTS", slots);
                [&kernels::SCORES_IN_MEMORY, &kernels::HEAD_SCORES]
            }
            None => [&kernels::SCORES_IN_ROWS, &kernels::SCORE_ROWS],
        };
        (constants, [&[part_of][..], &scores].concat())
    }

    /// The loss of a step: with the last layer forward and backward where that is small.
    pub fn loss(&self, head: Option<usize>) -> String {
        let (constants, parts) = self.judging(HEAD_WORKGROUP, head);
        let stage = if head.is_some() { &kernels::HEAD } else { &kernels::LOSS_STAGE };
        constants.with(chosen_losses(&self.key.losses), &[&parts[..], &[stage]].concat())
    }

    /// The end of an evaluation, which judges the scores.
    pub fn evaluation(&self, head: Option<usize>) -> String {
        let (constants, parts) = self.judging(HEAD_WORKGROUP, head);
        // By the labels as they are.
        let losses: Vec<SmoothedLoss> = self.key.losses.iter().map(|loss| loss.loss().into()).collect();
        constants.with(chosen_losses(&losses), &[&parts[..], &[&kernels::EVALUATION]].concat())
    }

    /// The end of a pass that only scores.
    pub fn scores(&self, head: Option<usize>) -> String {
        let (constants, parts) = self.judging(HEAD_WORKGROUP, head);
        constants.with(String::new(), &[&parts[1..], &[&kernels::SCORES]].concat())
    }

    pub fn backward(&self, layer: &Affine, shape: Backward) -> String {
        let mut constants = self.backward_constants(shape.workgroup, layer);
        if shape.staged {
            constants.number("FEATURE_BLOCKS", shape.blocks);
            return constants.with(self.layer("LAYER", layer), &[&kernels::BACKWARD_STAGED]);
        }
        constants
            .number("SLOTS", shape.slots)
            .number("LANES", shape.lanes)
            .number("TASK_BLOCKS", shape.blocks)
            .truth("PAIRED", shape.paired);
        let lanes = if shape.lanes > 1 { &kernels::SUM_OVER_LANES } else { &kernels::ONE_LANE };
        constants.with(self.layer("LAYER", layer), &[lanes, &kernels::BACKWARD_BY_LANES])
    }

    /// What becomes of gradients.
    fn settling(&self) -> Vec<&'static Kernel> {
        match self.key.clips {
            true => vec![&kernels::SETTLE_BY_GRADIENT],
            false => vec![self.optimizer(), &kernels::SETTLE_BY_UPDATE],
        }
    }

    pub fn dense_backward(&self, layer: &Affine, shape: DenseBackward, squares: Squares) -> String {
        let mut constants = self.backward_constants(shape.workgroup, layer);
        constants
            .number("FEATURES", shape.features)
            .number("PIECE", shape.piece)
            .number("FIRST_SQUARES", squares.first);
        constants.with(self.layer("LAYER", layer), &[&self.settling()[..], &[&kernels::DENSE_BACKWARD]].concat())
    }

    /// The gradients of one layer that is large enough to stage its operands.
    pub fn staged_gradient(
        &self,
        layer: &Affine,
        (unit_quads, unit_blocks): (usize, usize),
        squares: Squares,
    ) -> String {
        let mut constants = self.constants(Gradient::INPUT_QUADS * unit_quads);
        constants
            .number("UNIT_QUADS", unit_quads)
            .number("UNIT_BLOCKS", unit_blocks)
            .number("FIRST_SQUARES", squares.first);
        constants.with(self.layer("LAYER", layer), &[&self.settling()[..], &[&kernels::GRADIENT_STAGED]].concat())
    }

    /// The gradients of several layers, each with its lanes and its blocks.
    pub fn gradients(&self, layers: &[(&Affine, usize, usize)], squares: Squares) -> String {
        let mut constants = self.constants(Gradient::WORKGROUP);
        constants.number("FIRST_SQUARES", squares.first);
        let mut composed = String::new();
        let mut calls = String::new();
        let mut first = 0;
        for (layer, lanes, blocks) in layers {
            let name = layer.name.to_uppercase();
            let end = first + blocks;
            composed += &self.layer(&name, layer);
            calls += &format!(
                "    if block < {end}u {{\n        return gradient_of({name}, block - {first}u, {lanes}u, at);\n    }}\n"
            );
            first = end;
        }
        composed += &format!("fn gradient_block(block: u32, at: At) -> f32 {{\n{calls}    return 0.0;\n}}\n");
        let most_lanes = layers.iter().map(|(_, lanes, _)| *lanes).max().unwrap_or(1);
        let by_subgroups = most_lanes <= self.key.subgroup;
        let sums = if by_subgroups { &kernels::SUM_OVER_SUBGROUP } else { &kernels::SUM_OVER_NEIGHBOURS };
        let kernels = [&[sums][..], &self.settling(), &[&kernels::GRADIENT_BY_LANES]].concat();
        constants.with(composed, &kernels)
    }

    /// The update of a fleet that clips.
    pub fn update(&self, blocks: usize, squares: Squares) -> String {
        let mut constants = self.constants(UPDATE_WORKGROUP);
        constants
            .number("UPDATE_BLOCKS", blocks)
            .number("FIRST_SQUARES", squares.first)
            .number("FIRST_GRADIENT", squares.first - squares.of_gradients)
            .number("GRADIENT_SQUARES", squares.of_gradients);
        constants.with(String::new(), &[self.optimizer(), &kernels::UPDATE])
    }

    pub fn step_results(&self, squares: Squares) -> String {
        let mut constants = self.constants(64);
        constants.number("SQUARES", squares.all);
        constants.with(String::new(), &[&kernels::STEP_RESULTS])
    }

    fn optimizer(&self) -> &'static Kernel {
        match self.key.optimizer {
            OptimizerForm::Adam { .. } => &kernels::ADAM,
            OptimizerForm::Sgd => &kernels::SGD,
            OptimizerForm::Momentum { .. } => &kernels::MOMENTUM,
            OptimizerForm::RmsProp { .. } => &kernels::RMS_PROP,
        }
    }
}

/// Invocations of a workgroup that judges four samples.
const HEAD_WORKGROUP: usize = 128;

/// Invocations of a workgroup of a tail or of the padding: a whole number of tiles' rows.
const TASK_WORKGROUP: usize = 256;

/// Invocations of a workgroup of `update.wgsl`.
pub(super) const UPDATE_WORKGROUP: usize = 256;

/// Constants in front of a stage.
#[derive(Default)]
struct Constants {
    text: String,
    /// Sources in whose place others stand.
    replaced: Vec<Replaced>,
}

impl Constants {
    fn number(&mut self, name: &str, value: usize) -> &mut Self {
        writeln!(self.text, "const {name}: u32 = {value}u;").expect("a string takes text");
        self
    }

    fn truth(&mut self, name: &str, value: bool) -> &mut Self {
        writeln!(self.text, "const {name}: bool = {value};").expect("a string takes text");
        self
    }

    /// With all digits, so that it is read as the same number.
    fn real(&mut self, name: &str, value: f32) -> &mut Self {
        writeln!(self.text, "const {name}: f32 = {:?};", f64::from(value)).expect("a string takes text");
        self
    }

    /// The constants, what was composed, and `kernels` with all that they need.
    fn with(&self, composed: String, kernels: &[&'static Kernel]) -> String {
        [self.text.clone(), composed, kernels::with_replaced_needs(kernels, &self.replaced)].join("\n")
    }
}

/// How a stage accesses a binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::gpu) enum Access {
    Uniform,
    Read,
    Write,
}

/// A binding of a stage, as its file declares it. All are in group 0.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::gpu) struct Binding {
    pub number: u32,
    pub name: String,
    pub access: Access,
}

/// The bindings that `module` declares, in the order of their numbers.
pub(in crate::gpu) fn reflect(module: &naga::Module) -> Vec<Binding> {
    let declared = module.global_variables.iter().filter_map(|(_, variable)| {
        let access = match variable.space {
            AddressSpace::Uniform => Access::Uniform,
            AddressSpace::Storage { access } if access.contains(StorageAccess::STORE) => Access::Write,
            AddressSpace::Storage { .. } => Access::Read,
            _ => return None,
        };
        let number = variable.binding.as_ref()?.binding;
        Some(Binding { number, name: variable.name.clone().unwrap_or_default(), access })
    });
    let mut bindings: Vec<Binding> = declared.collect();
    bindings.sort_by_key(|binding| binding.number);
    bindings
}
