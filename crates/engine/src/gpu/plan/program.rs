//! The stages of a pass, in order, with their grids.

use super::compose::{Pass, Squares, UPDATE_WORKGROUP};
use super::key::{Batch, FleetKey, FleetSize};
use super::layers::Affine;
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
        for (n, layer) in layers.iter().enumerate().rev() {
            for tail in key.layout.tails_of(n).rev() {
                let (source, blocks) = pass.tail_backward(tail);
                let name = format!("backward tail {}", tail.rows.name);
                stages.push(Stage { name, source, grid: Grid::PerTile(blocks) });
            }
            if n == 0 || (plan.head.is_some() && n + 1 == layers.len()) {
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
    let (layout, batch) = (&pass.key.layout, pass.batch());
    let layers = &layout.layers;
    // How a score is summed up must not depend on how many windows are scored at once.
    let tiles = pass.key.size.models() * if pass.trains { batch.tiles } else { EVALUATED_TILES };
    let n_layers = layers.len() - usize::from(has_head);
    let mut stages = Vec::new();
    let mut add = |name: String, (source, blocks)| stages.push(Stage { name, source, grid: Grid::PerTile(blocks) });
    if !layout.zeros.is_empty() {
        add("padding".to_owned(), pass.padding(&layout.zeros));
    }
    for (n, layer) in layers[..n_layers].iter().enumerate() {
        let shape = match n {
            0 if layout.first_taps.is_none() => Forward::from_windows(layer, batch.samples, layout.input_rows),
            _ => None,
        };
        if n == 0 && shape.is_none() {
            add("gather".to_owned(), pass.gather());
            if let Some(taps) = &layout.first_taps {
                add(format!("forward tail {}", taps.rows.name), pass.tail(taps));
            }
        }
        let shape = shape.unwrap_or_else(|| Forward::new(layer, batch.quads(), tiles));
        add(format!("forward {}", layer.name), pass.forward(layer, shape));
        for tail in layout.tails_of(n) {
            add(format!("forward tail {}", tail.rows.name), pass.tail(tail));
        }
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
