//! The stages of a pass, in order, with their grids.

use super::compose::{Pass, Squares, UPDATE_WORKGROUP};
use super::key::{Batch, FleetKey, FleetSize};
use super::layout::Affine;
use super::shape::{Backward, DenseBackward, Forward, Gradient, head_slots};

/// The most workgroups of a model in `update.wgsl`, each of which adds up all squares.
const MOST_UPDATE_BLOCKS: usize = 512;

/// The tiles of a model that the shapes of an evaluation are made for.
const EVALUATED_TILES: usize = 16;

/// The workgroups of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::gpu) enum Grid {
    /// So many for each tile of the batch that has a window.
    PerTile(usize),
    /// So many, whatever the batch.
    Whole(usize),
}

impl Grid {
    /// The workgroups of a model in a step whose batches have at most `tiles` tiles.
    pub fn groups(self, tiles: usize) -> usize {
        match self {
            Self::PerTile(groups) => groups * tiles,
            Self::Whole(groups) => groups,
        }
    }
}

/// One dispatch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::gpu) struct Stage {
    /// What it does, with the layers: `forward conv1`.
    pub name: String,
    /// Its WGSL, entry point `main`.
    pub source: String,
    pub grid: Grid,
}

/// What an evaluation ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::gpu) enum Ending {
    /// Loss and confusion counts.
    Judged,
    /// The scores themselves.
    Scored,
}

/// The stages of a pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::gpu) struct Program {
    pub stages: Vec<Stage>,
    /// Runs once a submission, on (steps, models).
    pub results: Option<Stage>,
    pub batch: Batch,
    /// Numbers of a step of a model in the notes.
    pub note_words: usize,
    /// Vectors of the arena for each model.
    pub arena: usize,
}

impl Program {
    /// A step of training.
    pub fn training(key: &FleetKey) -> Self {
        let batch = key.training;
        let losses = 2 * batch.tiles * batch.quads();
        let plan = Updates::new(key);
        let updates = if key.clips { key.layout.weights.div_ceil(UPDATE_WORKGROUP).min(MOST_UPDATE_BLOCKS) } else { 0 };
        let gradients = plan.squares();
        let note_words = losses + gradients + updates;
        let pass = Pass { key, trains: true, note_words };
        let squares =
            |first: usize| Squares { first: losses + first, of_gradients: gradients, all: gradients + updates };

        let layers = &key.layout.layers;
        let mut stages = forward(&pass, plan.head.is_some());
        stages.push(Stage {
            name: if plan.head.is_some() { format!("head {}", key.layout.last().name) } else { "loss".to_owned() },
            source: pass.loss(plan.head),
            grid: Grid::PerTile(batch.quads()),
        });
        let mut first = 0;
        for (n, layer) in layers.iter().enumerate().skip(1).rev() {
            if plan.head.is_some() && n + 1 == layers.len() {
                continue;
            }
            if let Some(shape) = plan.dense(n) {
                let source = pass.dense_backward(layer, shape, squares(first));
                first += shape.blocks;
                let name = format!("backward and update {}", layer.name);
                stages.push(Stage { name, source, grid: Grid::Whole(shape.blocks) });
            } else {
                let shape = Backward::new(layer, batch.quads(), batch.tiles * key.size.models());
                let name = format!("backward {}", layer.name);
                stages.push(Stage { name, source: pass.backward(layer, shape), grid: Grid::PerTile(shape.blocks) });
            }
        }
        let update = if key.clips { "gradient" } else { "update" };
        for &(n, unit_quads, unit_blocks, input_blocks) in &plan.staged {
            let source = pass.staged_gradient(&layers[n], (unit_quads, unit_blocks), squares(first));
            let blocks = unit_blocks * input_blocks;
            first += blocks;
            stages.push(Stage { name: format!("{update} {}", layers[n].name), source, grid: Grid::Whole(blocks) });
        }
        let by_lanes: Vec<(&Affine, usize, usize)> =
            plan.by_lanes.iter().map(|&(n, lanes, blocks)| (&layers[n], lanes, blocks)).collect();
        if !by_lanes.is_empty() {
            let names: Vec<&str> = by_lanes.iter().map(|(layer, ..)| layer.name.as_str()).collect();
            let blocks = by_lanes.iter().map(|(.., blocks)| blocks).sum();
            stages.push(Stage {
                name: format!("{update} {}", names.join(" ")),
                source: pass.gradients(&by_lanes, squares(first)),
                grid: Grid::Whole(blocks),
            });
        }
        if updates > 0 {
            let source = pass.update(updates, squares(gradients));
            stages.push(Stage { name: "clip and update".to_owned(), source, grid: Grid::Whole(updates) });
        }
        let results = Stage { name: "results".to_owned(), source: pass.step_results(squares(0)), grid: Grid::Whole(1) };
        let arena = batch.tiles * key.layout.rows * batch.quads();
        Self { stages, results: Some(results), batch, note_words, arena }
    }

    /// A pass over validation windows.
    pub fn evaluation(key: &FleetKey, ending: Ending) -> Self {
        let batch = key.evaluation;
        let note_words = batch.windows();
        let pass = Pass { key, trains: false, note_words };
        let head = head_slots(key.layout.last());
        let mut stages = forward(&pass, head.is_some());
        let (name, source) = match ending {
            Ending::Judged => ("loss", pass.evaluation(head)),
            Ending::Scored => ("scores", pass.scores(head)),
        };
        stages.push(Stage { name: name.to_owned(), source, grid: Grid::PerTile(batch.quads()) });
        let arena = batch.tiles * key.layout.forward_rows * batch.quads();
        Self { stages, results: None, batch, note_words, arena }
    }
}

/// The stages from the windows to the scores, or to the input of the last layer where the head computes it.
fn forward(pass: &Pass<'_>, has_head: bool) -> Vec<Stage> {
    let (layers, batch) = (&pass.key.layout.layers, pass.batch());
    // How a score is summed up must not depend on how many windows are scored at once.
    let tiles = pass.key.size.models() * if pass.trains { batch.tiles } else { EVALUATED_TILES };
    let n_layers = layers.len() - usize::from(has_head);
    let mut stages = Vec::new();
    for (n, layer) in layers[..n_layers].iter().enumerate() {
        let shape = match n {
            0 => Forward::from_windows(layer, batch.samples, pass.key.layout.input_rows),
            _ => None,
        };
        if n == 0 && shape.is_none() {
            let (source, blocks) = pass.gather();
            stages.push(Stage { name: "gather".to_owned(), source, grid: Grid::PerTile(blocks) });
        }
        let shape = shape.unwrap_or_else(|| Forward::new(layer, batch.quads(), tiles));
        let (source, blocks) = pass.forward(layer, shape);
        stages.push(Stage { name: format!("forward {}", layer.name), source, grid: Grid::PerTile(blocks) });
    }
    stages
}

/// Where the weights of each layer are updated.
struct Updates {
    /// The slots of the head, if the last layer is computed with the loss.
    head: Option<usize>,
    /// Layers updated with their backward pass.
    dense: Vec<(usize, DenseBackward)>,
    /// Layers with a dispatch of their own: quads of units, blocks of units and of inputs.
    staged: Vec<(usize, usize, usize, usize)>,
    /// Layers that share one dispatch: lanes and blocks.
    by_lanes: Vec<(usize, usize, usize)>,
}

impl Updates {
    fn new(key: &FleetKey) -> Self {
        let (layers, batch) = (&key.layout.layers, key.training);
        let head = head_slots(key.layout.last());
        let (mut dense, mut staged, mut by_lanes) = (Vec::new(), Vec::new(), Vec::new());
        for (n, layer) in layers.iter().enumerate() {
            let is_head = head.is_some() && n + 1 == layers.len();
            // Only in small fleets, and for one tile.
            let at_once = key.size == FleetSize::Few && batch.tiles == 1;
            if at_once && n > 0 && layer.is_dense() && !is_head {
                dense.push((n, DenseBackward::new(layer, batch.quads())));
                continue;
            }
            match Gradient::new(layer, batch.quads(), batch.tiles, key.size.models(), key.subgroup) {
                Gradient::Staged { unit_quads, unit_blocks, input_blocks } => {
                    staged.push((n, unit_quads, unit_blocks, input_blocks));
                }
                Gradient::ByLanes { lanes, blocks } => by_lanes.push((n, lanes, blocks)),
            }
        }
        Self { head, dense, staged, by_lanes }
    }

    fn dense(&self, layer: usize) -> Option<DenseBackward> {
        self.dense.iter().find(|(n, _)| *n == layer).map(|(_, shape)| *shape)
    }

    /// Workgroups of a model that write the sum of the squares of their gradients.
    fn squares(&self) -> usize {
        self.dense.iter().map(|(_, shape)| shape.blocks).sum::<usize>()
            + self.staged.iter().map(|(_, _, units, inputs)| units * inputs).sum::<usize>()
            + self.by_lanes.iter().map(|(.., blocks)| blocks).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use triax_losses::Loss;
    use triax_model::{ConvSpec, DenseSpec, Network, NetworkSpec};
    use triax_testing::{assert_tint_accepts, assert_translates, assert_within_limits, parse_shader};

    use super::super::compose::{Access, reflect};
    use super::super::key::{AugmentationKinds, OptimizerForm};
    use super::super::layout::Layout;
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
        let specs = [
            NetworkSpec::default(),
            spec(1, 1, vec![conv(1, 1, 1, None)], vec![], 2),
            spec(53, 5, vec![conv(7, 3, 1, Some(2)), conv(5, 3, 1, None), conv(3, 1, 2, Some(2))], vec![11, 13, 7], 3),
            spec(400, 3, vec![conv(5, 3, 1, Some(70)), conv(6, 2, 1, None)], vec![40], 100),
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

    /// Every layout in every size of fleet; every optimizer; single losses and all of them, small batches and large ones,
    /// with and without dropout, scaler, clipping, subgroups and augmentation.
    fn keys() -> Vec<FleetKey> {
        let mut keys = Vec::new();
        for (l, layout) in layouts().into_iter().enumerate() {
            for (s, size) in FleetSize::ALL.into_iter().enumerate() {
                let n = 3 * l + s;
                let n_losses = Loss::ALL.len();
                let losses = match n % (n_losses + 1) {
                    one if one < n_losses => vec![Loss::ALL[one]],
                    _ => Loss::ALL.to_vec(),
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

    /// What a dispatch costs decides the step of a small fleet, and traffic that of a large one.
    #[test]
    fn the_reference_takes_seven_dispatches_in_a_small_fleet_and_nine_in_a_large_one() {
        let reference = layouts().swap_remove(0);
        let stages = |size: FleetSize| {
            let key = FleetKey {
                layout: reference.clone(),
                size,
                losses: vec![Loss::SquaredHinge],
                optimizer: FORMS[0],
                scaled: false,
                drops: true,
                clips: false,
                augmentation: AugmentationKinds::default(),
                training: Batch::new(32),
                evaluation: Batch::of_tiles(16),
                subgroup: 32,
            };
            Program::training(&key).stages.into_iter().map(|stage| stage.name).collect::<Vec<_>>()
        };
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
        for (stage, declaration) in [(0, "const SPAN: u32"), (1, "const LAYER = Layer("), (3, "const LOSS_LANES: u32")]
        {
            let source = &program.stages[stage].source;
            parse_shader(source);
            let declares = |line: &&str| line.starts_with(declaration);
            assert_eq!(source.lines().filter(declares).count(), 1, "{stage}: `{declaration}`");
            let without: Vec<&str> = source.lines().filter(|line| !declares(line)).collect();
            assert!(naga::front::wgsl::parse_str(&without.join("\n")).is_err(), "compiles without `{declaration}`");
        }
    }
}
