//! The loss operation on the CPU and on a GPU, against its twin in f64.

use std::sync::OnceLock;

use burn::tensor::wgpu::WgpuSetup;
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use triax_burn::loss::{LossRowsError, check_size, loss_rows, try_loss_rows};
use triax_engine::device::DeviceError;
use triax_losses::Loss;
use triax_model::random::{Purpose, Stream};
use triax_testing::{SENTINEL, Tolerance, assert_close, gpu_or_skip};

/// The first GPU, a software one too. Burn keeps what it is given, so it is opened once.
fn gpu(test: &str) -> Option<Device> {
    static GPU: OnceLock<Option<Device>> = OnceLock::new();
    let open = || {
        let opened = match triax_engine::device::open(0) {
            Err(DeviceError::NotFound { .. }) => return None,
            opened => opened.expect("a GPU that is listed can be opened"),
        };
        let backend = opened.adapter.get_info().backend;
        let (instance, adapter) = (opened.instance, opened.adapter);
        let setup = WgpuSetup { instance, adapter, device: opened.device, queue: opened.queue, backend };
        Some(Device::wgpu_options().setup(setup).init().expect("a GPU that opens is one that Burn can use"))
    };
    gpu_or_skip(test, GPU.get_or_init(open).clone())
}

/// A batch, with a gradient that comes in for each row.
struct Batch {
    rows: usize,
    classes: usize,
    scores: Vec<f32>,
    labels: Vec<i32>,
    weights: Vec<f32>,
    incoming: Vec<f32>,
}

impl Batch {
    /// Scores around ±1, many of them beyond, so that hinges are active and inactive; quarters now and then, so that
    /// there are kinks and ties. Weights are multiples of 1/4, incoming gradients powers of two with either sign: the
    /// products with both are rounded once.
    fn new(rows: usize, classes: usize) -> Self {
        let mut stream = Stream::new(20, Purpose::Synthesise, (rows * 2_048 + classes) as u64);
        let score = |stream: &mut Stream| {
            let score = stream.uniform() * 6.0 - 3.0;
            if stream.below(8) == 0 { (score * 4.0).round() / 4.0 } else { score }
        };
        Self {
            rows,
            classes,
            scores: (0..rows * classes).map(|_| score(&mut stream)).collect(),
            labels: (0..rows).map(|_| stream.below(classes as u32) as i32).collect(),
            weights: (0..rows).map(|_| stream.below(9) as f32 / 4.0).collect(),
            incoming: (0..rows).map(|_| [0.5, 1.0, 2.0, -1.0, -0.25][stream.below(5) as usize]).collect(),
        }
    }

    /// Losses, and the gradient that arrives at the scores, from the operation on `device`.
    fn on(&self, loss: Loss, device: &Device) -> (Vec<f32>, Vec<f32>) {
        let device = device.clone().autodiff();
        let scores: Tensor<2> =
            Tensor::from_data(TensorData::new(self.scores.clone(), [self.rows, self.classes]), &device);
        let scores = scores.require_grad();
        let losses = loss_rows(scores.clone(), self.labels(&device), vector(&self.weights, &device), loss);
        let total = (losses.clone() * vector(&self.incoming, &device)).sum();
        let d_scores = scores.grad(&total.backward()).expect("a gradient");
        (read(losses), read(d_scores))
    }

    fn labels(&self, device: &Device) -> Tensor<1, Int> {
        Tensor::from_data(TensorData::new(self.labels.clone(), [self.rows]), device)
    }

    /// The same from the twin in f64.
    fn truth(&self, loss: Loss) -> (Vec<f64>, Vec<f64>) {
        let wide = |values: &[f32]| values.iter().copied().map(f64::from).collect::<Vec<f64>>();
        let labels: Vec<u32> = self.labels.iter().map(|&label| label as u32).collect();
        let (mut losses, mut d_scores) = (vec![0.0; self.rows], vec![0.0; self.scores.len()]);
        triax_losses::loss_rows(loss, &wide(&self.scores), &labels, &wide(&self.weights), &mut losses, &mut d_scores);
        for (d_scores, &incoming) in d_scores.chunks_exact_mut(self.classes).zip(&self.incoming) {
            for d in d_scores {
                *d *= f64::from(incoming);
            }
        }
        (losses, d_scores)
    }

    /// Rounding error that each loss may have: 4·√K·2⁻²⁴·Σ|terms| for the K = classes terms of its reduction.
    fn loss_bounds(&self, loss: Loss) -> Vec<f64> {
        let unit = 4.0 * (self.classes as f64).sqrt() * 2_f64.powi(-24);
        let n = self.classes as f64;
        let terms = |scores: &[f32], label: usize| {
            let margins = scores.iter().map(|&p| 1.0 + f64::from(p).abs());
            let largest = scores.iter().fold(0.0, |most, &p| f64::from(p).abs().max(most));
            match loss {
                Loss::Hinge => margins.sum::<f64>() / n,
                Loss::SquaredHinge => margins.map(|margin| margin * margin).sum::<f64>() / n,
                Loss::CategoricalHinge => largest + f64::from(scores[label]).abs() + 1.0,
                // The logarithm of WGSL may be off by 2⁻²¹ near 1.
                Loss::CategoricalCrossentropy => largest + f64::from(scores[label]).abs() + n.ln() + 2.0,
            }
        };
        let rows = self.scores.chunks_exact(self.classes).zip(&self.labels).zip(&self.weights);
        rows.map(|((scores, &label), &weight)| unit * terms(scores, label as usize) * f64::from(weight)).collect()
    }

    /// Holds losses and gradients against the truth.
    fn check(&self, name: &str, loss: Loss, losses: &[f32], d_scores: &[f32]) {
        let name = format!("{loss} of {}×{} on {name}", self.rows, self.classes);
        let (true_losses, true_d_scores) = self.truth(loss);
        assert_close(&name, losses, &true_losses, Tolerance::Each(&self.loss_bounds(loss)));
        if loss != Loss::CategoricalCrossentropy {
            // And where the hinge is inactive the truth is 0, so that the gradient must be exactly 0.
            assert_close(&format!("gradient of {name}"), d_scores, &true_d_scores, Tolerance::Ulps(4.0));
            return;
        }
        // Softmax: WGSL grants exp(x) an error of 3 + 2|x| ULP, the argument was rounded, and the sum is a reduction. Then
        // 1 is taken off for the true class and the weight multiplied, with a rounding each of what is at most 1.
        let mut bounds = Vec::with_capacity(d_scores.len());
        for ((scores, &weight), &incoming) in
            self.scores.chunks_exact(self.classes).zip(&self.weights).zip(&self.incoming)
        {
            let largest = scores.iter().fold(f32::MIN, |most, &p| p.max(most));
            let sum: f64 = scores.iter().map(|&p| f64::from(p - largest).exp()).sum();
            for &p in scores {
                let x = f64::from(p - largest);
                let relative = (3.0 + 3.0 * x.abs() + 4.0 * (self.classes as f64).sqrt()) * 2_f64.powi(-23);
                let probability = x.exp() / sum;
                bounds.push((relative * probability + 2_f64.powi(-23)) * f64::from(weight * incoming.abs()));
            }
        }
        assert_close(&format!("gradient of {name}"), d_scores, &true_d_scores, Tolerance::Each(&bounds));
    }
}

fn vector(values: &[f32], device: &Device) -> Tensor<1> {
    Tensor::from_data(TensorData::new(values.to_vec(), [values.len()]), device)
}

fn read<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().expect("f32 values")
}

/// One row, primes, a workgroup's rows and one more or less, every number of lanes, many rows.
const SHAPES: [(usize, usize); 22] = [
    (1, 2),
    (1, 6),
    (1, 1_024),
    (7, 3),
    (31, 31),
    (127, 7),
    (255, 6),
    (256, 6),
    (257, 6),
    (127, 16),
    (128, 17),
    (129, 31),
    (63, 32),
    (64, 63),
    (65, 32),
    (33, 64),
    (17, 128),
    (7, 1_024),
    (8, 1_024),
    (9, 1_024),
    (100_003, 6),
    (1_000_000, 2),
];

fn agrees_with_the_truth(name: &str, device: &Device) {
    for (rows, classes) in SHAPES {
        let batch = Batch::new(rows, classes);
        for loss in Loss::ALL {
            // What an operation forgets to write must not look like a result: leave buffers of its sizes full of
            // sentinels for it to find.
            for len in [rows, rows * classes] {
                let _ = read(vector(&vec![SENTINEL; len], device) * 1.0);
            }
            let (losses, d_scores) = batch.on(loss, device);
            batch.check(name, loss, &losses, &d_scores);
        }
    }
}

#[test]
fn the_cpu_agrees_with_the_truth() {
    agrees_with_the_truth("flex", &Device::flex());
}

#[test]
fn the_gpu_agrees_with_the_truth() {
    let Some(device) = gpu("the_gpu_agrees_with_the_truth") else { return };
    agrees_with_the_truth("wgpu", &device);
}

/// Row 1 of 3 is spoilt, the others are not: only it is NaN, in its loss and in all of its gradient.
fn only_the_spoilt_row_is_nan(device: &Device) {
    for classes in [2, 6, 37, 300] {
        for loss in Loss::ALL {
            let mut spoilt = Vec::new();
            for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                for class in [0, classes - 1] {
                    let mut batch = Batch::new(3, classes);
                    batch.scores[classes + class] = bad;
                    spoilt.push(batch);
                }
            }
            for label in [-1, classes as i32, i32::MAX, i32::MIN] {
                let mut batch = Batch::new(3, classes);
                batch.labels[1] = label;
                spoilt.push(batch);
            }
            for mut batch in spoilt {
                // Not even a weight of 0 may hide it.
                batch.weights = vec![1.0, 0.0, 0.5];
                let (losses, d_scores) = batch.on(loss, device);
                let nans: Vec<bool> = losses.iter().map(|value| value.is_nan()).collect();
                assert_eq!(nans, [false, true, false], "{loss} of {classes} classes: {losses:?}");
                for (row, d_scores) in d_scores.chunks_exact(classes).enumerate() {
                    assert!(d_scores.iter().all(|d| d.is_nan() == (row == 1)), "{loss}: row {row} {d_scores:?}");
                }
            }
        }
    }
}

#[test]
fn the_cpu_notices_what_is_not_finite_and_labels_that_are_no_class() {
    only_the_spoilt_row_is_nan(&Device::flex());
}

#[test]
fn the_gpu_notices_what_is_not_finite_and_labels_that_are_no_class() {
    let Some(device) = gpu("the_gpu_notices_what_is_not_finite_and_labels_that_are_no_class") else { return };
    only_the_spoilt_row_is_nan(&device);
}

/// Views of larger tensors: transposed, and cut out of the middle.
fn views_give_what_copies_give(device: &Device) {
    let (rows, classes) = (29, 6);
    let batch = Batch::new(rows, classes);
    let device = &device.clone().autodiff();
    let mut columns = vec![0.0; rows * classes];
    for (i, &score) in batch.scores.iter().enumerate() {
        columns[i % classes * rows + i / classes] = score;
    }
    let columns: Tensor<2> = Tensor::from_data(TensorData::new(columns, [classes, rows]), device);
    let padded = |values: &[f32]| [&[9.0; 5], values, &[9.0; 3]].concat();
    let labels = [vec![0; 5], batch.labels.clone(), vec![0; 3]].concat();
    let labels: Tensor<1, Int> = Tensor::from_data(TensorData::new(labels, [rows + 8]), device);
    for loss in Loss::ALL {
        let columns = columns.clone().require_grad();
        let weights = vector(&padded(&batch.weights), device).slice(5..5 + rows);
        let losses = loss_rows(columns.clone().transpose(), labels.clone().slice(5..5 + rows), weights, loss);
        let total = (losses.clone() * vector(&batch.incoming, device)).sum();
        let d_scores = columns.grad(&total.backward()).expect("a gradient").transpose();
        batch.check("views", loss, &read(losses), &read(d_scores));
    }
}

#[test]
fn the_cpu_reads_views() {
    views_give_what_copies_give(&Device::flex());
}

#[test]
fn the_gpu_reads_views() {
    let Some(device) = gpu("the_gpu_reads_views") else { return };
    views_give_what_copies_give(&device);
}

fn is_part_of_a_graph(device: &Device) {
    let batch = Batch::new(50, 6);
    let plain = |loss| {
        let scores: Tensor<2> = Tensor::from_data(TensorData::new(batch.scores.clone(), [50, 6]), device);
        read(loss_rows(scores, batch.labels(device), vector(&batch.weights, device), loss))
    };
    for loss in Loss::ALL {
        // Twice the same bits, and without a graph the same as with one.
        assert_eq!(batch.on(loss, device), batch.on(loss, device));
        assert_eq!(plain(loss), batch.on(loss, device).0);
        // The chain goes on behind the scores: d/dx of l(4x) is 4·l'(4x).
        let graph = device.clone().autodiff();
        let quarters: Vec<f32> = batch.scores.iter().map(|score| score / 4.0).collect();
        let x: Tensor<2> = Tensor::from_data(TensorData::new(quarters, [50, 6]), &graph);
        let x = x.require_grad();
        let losses = loss_rows(x.clone() * 4.0, batch.labels(&graph), vector(&batch.weights, &graph), loss);
        let total = (losses * vector(&batch.incoming, &graph)).sum();
        let d_x = read(x.grad(&total.backward()).expect("a gradient"));
        let fourfold: Vec<f32> = batch.on(loss, device).1.iter().map(|d| 4.0 * d).collect();
        assert_eq!(d_x, fourfold, "{loss}");
    }
}

#[test]
fn the_cpu_operation_is_part_of_a_graph() {
    is_part_of_a_graph(&Device::flex());
}

#[test]
fn the_gpu_operation_is_part_of_a_graph() {
    let Some(device) = gpu("the_gpu_operation_is_part_of_a_graph") else { return };
    is_part_of_a_graph(&device);
}

#[test]
fn arguments_that_cannot_be_are_refused() {
    let device = Device::flex();
    let scores = |rows, classes| Tensor::<2>::ones([rows, classes], &device);
    let labels = |rows| Tensor::<1, Int>::zeros([rows], &device);
    let weights = |rows| Tensor::<1>::ones([rows], &device);
    let refused = |scores, labels, weights| try_loss_rows(scores, labels, weights, Loss::Hinge).unwrap_err();
    let rows = |scores, labels, weights| LossRowsError::Rows { scores, labels, weights };
    assert_eq!(refused(scores(3, 2), labels(2), weights(3)), rows(3, 2, 3));
    assert_eq!(refused(scores(3, 2), labels(3), weights(4)), rows(3, 3, 4));
    assert_eq!(refused(scores(0, 2), labels(0), weights(0)), rows(0, 0, 0));
    assert_eq!(refused(scores(3, 1), labels(3), weights(3)), LossRowsError::Classes(1));
    let wide = labels(3).cast(DType::I64);
    assert_eq!(refused(scores(3, 2), wide, weights(3)), LossRowsError::DType { what: "labels", found: DType::I64 });
    assert_eq!(
        refused(scores(3, 2).cast(DType::F64), labels(3), weights(3)),
        LossRowsError::DType { what: "scores", found: DType::F64 }
    );
    assert_eq!(check_size(1 << 40, 1_024, &device), Ok(()));
}

#[test]
fn what_a_gpu_cannot_hold_is_refused_with_the_limit() {
    let Some(device) = gpu("what_a_gpu_cannot_hold_is_refused_with_the_limit") else { return };
    assert_eq!(check_size(1_000_000, 2, &device), Ok(()));
    let (rows, classes) = (1 << 40, 1_024);
    let error = check_size(rows, classes, &device.autodiff()).unwrap_err();
    let LossRowsError::TooLarge { needed, limit, .. } = error else { panic!("{error}") };
    assert_eq!(needed, 1 << 52);
    assert!(limit >= 128 << 20, "WebGPU guarantees 128 MiB");
    let message = error.to_string();
    assert!(message.contains("max_storage_buffer_binding_size") && message.contains(&limit.to_string()));
}
