//! Single stages on plain values (batch, features), which are laid out in rows for them. Values are f64 whatever the
//! float: those of an f32 stage are exact in it.

use pulp::{Simd, WithSimd};

use super::super::Float;
use super::super::affine::Affine;
use super::super::dropout;
use super::super::feature_map::FeatureMap;
use super::super::layers::Stage;
use super::super::parameter_pass::{Round, Target, blocks, parameter_pass};
use super::super::row::{Row, TILE};
use super::super::sample_pass::Tile;
use super::super::team::Team;
use super::super::update::Slots;

/// Tiles of rows of `values` (batch, features). Lanes behind the last window are 0.
fn rows<F: Float>(values: &[f64], batch: usize) -> Vec<Vec<Row<F>>> {
    let features = values.len() / batch;
    assert_eq!(values.len(), batch * features);
    let mut tiles = vec![vec![Row::ZERO; features]; batch.div_ceil(TILE)];
    for (n, window) in values.chunks_exact(features.max(1)).enumerate() {
        for (row, &value) in tiles[n / TILE].iter_mut().zip(window) {
            row.0[n % TILE] = F::from_f64(value);
        }
    }
    tiles
}

/// The values (batch, features) of tiles of rows.
fn values<F: Float>(tiles: &[Vec<Row<F>>], batch: usize) -> Vec<f64> {
    (0..batch).flat_map(|n| tiles[n / TILE].iter().map(move |row| row.0[n % TILE].to_f64())).collect()
}

fn floats<F: Float>(values: &[f64]) -> Vec<F> {
    values.iter().map(|&value| F::from_f64(value)).collect()
}

/// `x` as the input of `stage`.
fn input<F: Float>(stage: &Stage, x: &[Row<F>]) -> FeatureMap<F> {
    let mut map = FeatureMap::new(x.len(), stage.margin_rows());
    map.rows_mut().copy_from_slice(x);
    map
}

/// Output of a convolution or a pool.
pub(super) fn forward<F: Float>(stage: &Stage, parameters: &[f64], x: &[f64], batch: usize) -> Vec<f64> {
    forward_and_slopes::<F>(stage, parameters, x, batch).0
}

/// Output of a convolution or a pool, and what the activation keeps for the way back.
pub(super) fn forward_and_slopes<F: Float>(
    stage: &Stage,
    parameters: &[f64],
    x: &[f64],
    batch: usize,
) -> (Vec<f64>, Vec<f64>) {
    let parameters = floats(parameters);
    let output = |x: Vec<Row<F>>| {
        let (mut y, mut slopes) = (vec![Row::ZERO; stage.n_outputs()], vec![Row::ZERO; stage.n_factors()]);
        let (x, parameters) = (input(stage, &x), &parameters);
        pulp::Arch::new().dispatch(Call::Forward { stage, parameters, x: &x, y: &mut y, slopes: &mut slopes });
        (y, slopes)
    };
    let (y, slopes): (Vec<_>, Vec<_>) = rows(x, batch).into_iter().map(output).unzip();
    (values(&y, batch), values(&slopes, batch))
}

/// `d_y` by the sums before the activation of a convolution, whose output and slopes are `y` and `slopes`.
pub(super) fn activation_backward<F: Float>(
    affine: &Affine,
    (y, slopes): (&[f64], &[f64]),
    d_y: &[f64],
    batch: usize,
) -> Vec<f64> {
    let (mut d_y, slopes) = (rows::<F>(d_y, batch), rows(slopes, batch));
    for ((y, slopes), d_y) in rows(y, batch).iter().zip(&slopes).zip(&mut d_y) {
        pulp::Arch::new().dispatch(Call::ActivationBackward { affine, y, slopes, d_y });
    }
    values(&d_y, batch)
}

/// Gradient of the input, from that of the output; of a convolution from that of the sums before its activation.
pub(super) fn backward<F: Float>(
    stage: &Stage,
    parameters: &[f64],
    [x, y, d_y]: [&[f64]; 3],
    batch: usize,
) -> Vec<f64> {
    let parameters = floats(parameters);
    let [x, y, d_y] = [x, y, d_y].map(|values| rows::<F>(values, batch));
    let d_input = |tile: usize| {
        let [x, y, d_y] = [&x[tile], &y[tile], &d_y[tile]];
        let mut d_x = vec![Row::ZERO; x.len()];
        pulp::Arch::new().dispatch(Call::Backward { stage, parameters: &parameters, x, y, d_y, d_x: &mut d_x });
        d_x
    };
    values(&(0..x.len()).map(d_input).collect::<Vec<_>>(), batch)
}

/// Gradient of kernel and bias over the whole batch, from inputs and the gradient of the sums: the parameter pass,
/// shared by three threads and in two rounds where there are tiles for it.
pub(super) fn gradient<F: Float>(affine: &Affine, x: &[f64], d_sums: &[f64], batch: usize) -> Vec<f64> {
    let stages = [Stage::Affine(Affine { parameters: 0, ..affine.clone() })];
    let tile = |(x, d_sums): (Vec<Row<F>>, Vec<Row<F>>)| {
        let mut tile = Tile::new(&stages, x.len(), 1, 1);
        tile.input = input(&stages[0], &x);
        let (d_y, transposed) = (&d_sums[..], &mut tile.transposed[0][..]);
        pulp::Arch::new().dispatch(Call::Transpose { affine, d_y, transposed });
        tile
    };
    let tiles: Vec<Tile<F>> = rows(x, batch).into_iter().zip(rows(d_sums, batch)).map(tile).collect();
    let blocks = blocks(&stages);
    let (mut gradient, mut squares) = (vec![F::ZERO; affine.n_parameters()], vec![0.0; blocks.len()]);
    Team::scope(3, |team| {
        let rounds: Vec<_> = tiles.chunks(tiles.len().div_ceil(2)).collect();
        for (round_idx, &tiles) in rounds.iter().enumerate() {
            let round = Round { is_first: round_idx == 0, is_last: round_idx + 1 == rounds.len(), update: None };
            let slots = Slots { parameters: &mut vec![F::ZERO; affine.n_parameters()], moments: [&mut [], &mut []] };
            let target = Target { slots, gradient: &mut gradient, squares: &mut squares };
            parameter_pass(team, &stages, &blocks, tiles, round, target);
        }
    });
    let norm_squared: f64 = gradient.iter().map(|g| g.to_f64().powi(2)).sum();
    let error = (squares.iter().sum::<f64>() - norm_squared).abs();
    assert!(
        error <= 1e-5 * norm_squared,
        "{affine:?}: the squares of the gradient, {norm_squared}, are off by {error}"
    );
    gradient.into_iter().map(F::to_f64).collect()
}

/// `mask · x`.
pub(super) fn drop<F: Float>(mask: &[f64], x: &[f64], batch: usize) -> Vec<f64> {
    let output = |(mask, x): (Vec<Row<F>>, Vec<Row<F>>)| {
        let mut y = vec![Row::ZERO; x.len()];
        pulp::Arch::new().dispatch(Call::Drop { mask: &mask, x: &x, y: &mut y });
        y
    };
    values(&rows(mask, batch).into_iter().zip(rows(x, batch)).map(output).collect::<Vec<_>>(), batch)
}

/// One call of a stage, with the vectors of the processor.
enum Call<'a, F> {
    Forward {
        stage: &'a Stage,
        parameters: &'a [F],
        x: &'a FeatureMap<F>,
        y: &'a mut [Row<F>],
        slopes: &'a mut [Row<F>],
    },
    ActivationBackward {
        affine: &'a Affine,
        y: &'a [Row<F>],
        slopes: &'a [Row<F>],
        d_y: &'a mut [Row<F>],
    },
    Backward {
        stage: &'a Stage,
        parameters: &'a [F],
        x: &'a [Row<F>],
        y: &'a [Row<F>],
        d_y: &'a [Row<F>],
        d_x: &'a mut [Row<F>],
    },
    Transpose {
        affine: &'a Affine,
        d_y: &'a [Row<F>],
        transposed: &'a mut [Row<F>],
    },
    Drop {
        mask: &'a [Row<F>],
        x: &'a [Row<F>],
        y: &'a mut [Row<F>],
    },
}

impl<F: Float> WithSimd for Call<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match self {
            Self::Forward { stage: Stage::Affine(affine), parameters, x, y, slopes } => {
                affine.forward(simd, parameters, x.padded(), 0, y, slopes)
            }
            Self::Forward { stage: Stage::Pool(pool), x, y, .. } => pool.forward(simd, x.rows(), 0, y),
            Self::Backward { stage: Stage::Affine(affine), parameters, d_y, d_x, .. } => {
                affine.backward(simd, parameters, d_y, 0, d_x);
            }
            Self::Backward { stage: Stage::Pool(pool), x, y, d_y, d_x, .. } => {
                pool.backward(simd, [x, y, d_y], 0, d_x);
            }
            Self::ActivationBackward { affine, y, slopes, d_y } => affine.activation_backward(simd, y, slopes, d_y),
            Self::Transpose { affine, d_y, transposed } => affine.transpose(simd, d_y, transposed),
            Self::Drop { mask, x, y } => dropout::apply(simd, mask, x, y),
            Self::Forward { stage: Stage::Dropout { .. }, .. }
            | Self::Backward { stage: Stage::Dropout { .. }, .. } => {
                unreachable!("dropout takes its mask along: `drop`")
            }
        }
    }
}
