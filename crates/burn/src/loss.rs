//! The losses as one differentiable Burn operation: on wgpu the WGSL kernel `loss_rows`, on the CPU its Rust twin.
//!
//! The forward pass computes value and gradient in one dispatch. The backward pass multiplies the kept gradient by the
//! incoming one.

use burn::backend::flex::FlexTensor;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, Dispatch, DispatchDevice, Flex, TensorMetadata, backend_extension};
use burn::tensor::{DType, Device, Int, Shape, Tensor, TensorData};
use burn_autodiff::Autodiff;
use burn_autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind, unary};
use burn_wgpu::{CubeBackend, CubeDim, CubeTensor, KernelSource, SourceKernel, SourceTemplate, into_contiguous};
use cubecl::CubeCount;
use cubecl::prelude::KernelId;
use cubecl::server::{KernelArguments, MetadataBindingInfo};
use triax_losses::Loss;
use triax_losses::wgsl::{self, LossKernelKey};

/// Why [`loss_rows`] refuses its arguments.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum LossRowsError {
    /// Numbers of rows differ, or there are none.
    #[error("{scores} rows of scores, {labels} labels and {weights} weights; all must be the same and at least 1")]
    Rows {
        /// Rows of scores.
        scores: usize,
        /// Labels.
        labels: usize,
        /// Weights.
        weights: usize,
    },
    /// Fewer than two classes.
    #[error("scores of {0} classes; a loss needs at least 2")]
    Classes(usize),
    /// A tensor of a type that the kernel does not read.
    #[error("{what} are {found:?}; a loss takes scores and weights as F32 and labels as I32: cast them")]
    DType {
        /// `scores`, `labels` or `weights`.
        what: &'static str,
        /// Their type.
        found: DType,
    },
    /// A buffer exceeds the device's limit for shaders.
    #[error(
        "{rows} rows of {classes} classes need a buffer of {needed} bytes, and the device's \
         max_storage_buffer_binding_size is {limit}: take fewer rows at once"
    )]
    TooLarge {
        /// Rows of scores.
        rows: usize,
        /// Classes.
        classes: usize,
        /// Bytes of the scores.
        needed: u64,
        /// The device's limit, in bytes.
        limit: u64,
    },
}

/// Weighted loss of each row, `weights[r] · l(scores[r], labels[r])`, differentiable in the scores.
///
/// Shapes: `scores` (rows, classes) F32, `labels` (rows) I32, `weights` (rows) F32; the result is (rows). A row with a
/// score that is not finite, or with a label that is no class, gives NaN. `labels` and `weights` get no gradient.
///
/// # Panics
/// With a [`LossRowsError`], like Burn's own operations. [`try_loss_rows`] returns it instead.
pub fn loss_rows(scores: Tensor<2>, labels: Tensor<1, Int>, weights: Tensor<1>, loss: Loss) -> Tensor<1> {
    try_loss_rows(scores, labels, weights, loss).unwrap_or_else(|error| panic!("{loss} loss: {error}"))
}

/// As [`loss_rows`], with an error instead of a panic.
///
/// # Errors
/// Invalid shapes or types, or a buffer that is too large. Values of labels are on the device and not checked.
pub fn try_loss_rows(
    scores: Tensor<2>,
    labels: Tensor<1, Int>,
    weights: Tensor<1>,
    loss: Loss,
) -> Result<Tensor<1>, LossRowsError> {
    let [rows, classes] = scores.dims();
    let ([n_labels], [n_weights]) = (labels.dims(), weights.dims());
    if rows == 0 || n_labels != rows || n_weights != rows {
        return Err(LossRowsError::Rows { scores: rows, labels: n_labels, weights: n_weights });
    }
    if classes < 2 {
        return Err(LossRowsError::Classes(classes));
    }
    let types = [
        ("scores", scores.dtype(), DType::F32),
        ("labels", labels.dtype(), DType::I32),
        ("weights", weights.dtype(), DType::F32),
    ];
    if let Some(&(what, found, _)) = types.iter().find(|(_, found, expected)| found != expected) {
        return Err(LossRowsError::DType { what, found });
    }
    check_size(rows, classes, &scores.device())?;
    let (losses, _) =
        Dispatch::loss_and_gradient(scores.into_dispatch(), labels.into_dispatch(), weights.into_dispatch(), loss);
    Ok(Tensor::from_dispatch(losses))
}

/// Checks that `device` can hold the loss of `rows` rows.
///
/// # Errors
/// [`LossRowsError::TooLarge`].
pub fn check_size(rows: usize, classes: usize, device: &Device) -> Result<(), LossRowsError> {
    let needed = rows as u64 * classes as u64 * size_of::<f32>() as u64;
    match buffer_limit(device) {
        Some(limit) if needed > limit => Err(LossRowsError::TooLarge { rows, classes, needed, limit }),
        _ => Ok(()),
    }
}

/// The bytes of the largest buffer of a shader; none on the CPU.
fn buffer_limit(device: &Device) -> Option<u64> {
    match device.clone().without_autodiff().as_dispatch() {
        DispatchDevice::Cube(device) => Some(device.client().properties().memory.max_page_size),
        _ => None,
    }
}

/// The operation, for each backend of Burn that Triax uses.
#[backend_extension(Cube, Flex, Autodiff)]
pub trait LossBackend: Backend {
    /// `losses[r] = weights[r] · l(scores[r], labels[r])` and `weights[r] · ∂l/∂scores[r]`, contiguous or not.
    /// The second does not carry a gradient of its own.
    fn loss_and_gradient(
        scores: FloatTensor<Self>,
        labels: IntTensor<Self>,
        weights: FloatTensor<Self>,
        loss: Loss,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);
}

/// The kernel for a launch. Its source and its id depend on the key only.
struct LossKernel(LossKernelKey);

impl KernelSource for LossKernel {
    fn source(&self) -> SourceTemplate {
        SourceTemplate::new(wgsl::loss_kernel(self.0))
    }

    fn id(&self) -> KernelId {
        KernelId::new::<Self>().info(self.0)
    }

    fn lang(&self) -> &'static str {
        "wgsl"
    }
}

impl LossBackend for CubeBackend {
    fn loss_and_gradient(
        scores: CubeTensor,
        labels: CubeTensor,
        weights: CubeTensor,
        loss: Loss,
    ) -> (CubeTensor, CubeTensor) {
        let [scores, labels, weights] = [scores, labels, weights].map(into_contiguous);
        let [rows, classes] = scores.shape().dims();
        let output = |shape: Shape| {
            let buffer = scores.client.empty(shape.num_elements() * size_of::<f32>());
            CubeTensor::new_contiguous(scores.client.clone(), scores.device.clone(), shape, buffer, DType::F32)
        };
        let (losses, d_scores) = (output(Shape::new([rows])), output(Shape::new([rows, classes])));
        let key = LossKernelKey::for_classes(loss, classes);
        let grid = key.grid(rows).expect("scores that fit a buffer have fewer than 2^32 rows");
        launch(key, grid, [rows, classes], [&scores, &labels, &weights, &losses, &d_scores]);
        (losses, d_scores)
    }
}

/// Launches the kernel on (rows, classes). The buffers are contiguous, in the order of its bindings.
fn launch(key: LossKernelKey, (x, y): (u32, u32), [rows, classes]: [usize; 2], buffers: [&CubeTensor; 5]) {
    // The two u32 of the kernel's `shape`, the lower first, as every platform of wgpu has them.
    let shape = rows as u64 | (classes as u64) << 32;
    let arguments = KernelArguments::new()
        .with_buffers(buffers.map(|tensor| tensor.handle.clone().binding()).to_vec())
        .with_info(MetadataBindingInfo::custom(vec![shape]));
    let kernel = SourceKernel::new(LossKernel(key), CubeDim::new_1d(wgsl::WORKGROUP));
    buffers[0].client.launch(Box::new(kernel), CubeCount::Static(x, y, 1), arguments);
}

impl LossBackend for Flex {
    fn loss_and_gradient(
        scores: FloatTensor<Self>,
        labels: IntTensor<Self>,
        weights: FloatTensor<Self>,
        loss: Loss,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let shape = scores.shape();
        let rows = shape[0];
        let [scores, labels, weights] = [scores, labels, weights].map(|tensor| tensor.to_contiguous());
        let (mut losses, mut d_scores) = (vec![0.0; rows], vec![0.0; shape.num_elements()]);
        // A negative label becomes a large one, which is no class either.
        let labels: Vec<u32> = labels.as_slice::<i32>().expect(CHECKED).iter().map(|&label| label as u32).collect();
        let [scores, weights] = [&scores, &weights].map(|tensor| tensor.as_slice().expect(CHECKED));
        triax_losses::loss_rows(loss, scores, &labels, weights, &mut losses, &mut d_scores);
        let tensor = |values: Vec<f32>, shape| FlexTensor::from_data(TensorData::new(values, shape));
        (tensor(losses, Shape::new([rows])), tensor(d_scores, shape))
    }
}

/// The reason why the values of a tensor on the CPU are contiguous.
const CHECKED: &str = "contiguous, and of the type that try_loss_rows checked";

impl<B: LossBackend, C: CheckpointStrategy> LossBackend for Autodiff<B, C> {
    fn loss_and_gradient(
        scores: FloatTensor<Self>,
        labels: IntTensor<Self>,
        weights: FloatTensor<Self>,
        loss: Loss,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let (scores, node) = scores.into_parts();
        let (losses, d_scores) = B::loss_and_gradient(scores, labels, weights.into_primitive(), loss);
        // Compute bound: gradient checkpointing must not run the forward pass again, as the gradient is kept.
        let losses = match LossBackward.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish(d_scores.clone(), losses),
            OpsKind::UnTracked(prepared) => prepared.finish(losses),
        };
        (losses, FloatTensor::<Self>::new(d_scores))
    }
}

/// The backward pass: multiplies the kept gradient of each row by the row's incoming gradient.
#[derive(Debug)]
struct LossBackward;

impl<B: Backend> Backward<B, 1> for LossBackward {
    /// `weights[r] · ∂l/∂scores[r]`, (rows, classes).
    type State = FloatTensor<B>;

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        unary::<B, _>(ops.parents, ops.node, gradients, |incoming| {
            let rows = incoming.shape()[0];
            B::float_mul(ops.state, B::float_reshape(incoming, Shape::new([rows, 1])))
        });
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::wgpu::WgpuSetup;
    use cubecl::client::Client;
    use triax_engine::device::DeviceError;
    use triax_testing::{SENTINEL, Tolerance, assert_close, gpu_or_skip};

    use super::*;

    #[test]
    fn sources_reach_the_device_as_they_are() {
        for key in LossKernelKey::all() {
            assert_eq!(LossKernel(key).source().complete(), wgsl::loss_kernel(key));
        }
    }

    /// A pipeline found under the id of another kernel would be the wrong pipeline.
    #[test]
    fn every_kernel_has_an_id_of_its_own() {
        let ids: Vec<KernelId> = LossKernelKey::all().map(|key| LossKernel(key).id()).collect();
        for (i, a) in ids.iter().enumerate() {
            assert!(ids.iter().skip(i + 1).all(|b| a != b), "{a:?}");
        }
    }

    /// The device of the first GPU, a software one too.
    fn gpu(test: &str) -> Option<cubecl::Device> {
        let opened = match triax_engine::device::open(0) {
            Err(DeviceError::NotFound { .. }) => None,
            opened => Some(opened.expect("a GPU that is listed can be opened")),
        };
        let opened = gpu_or_skip(test, opened)?;
        let backend = opened.adapter.get_info().backend;
        let (instance, adapter) = (opened.instance, opened.adapter);
        let setup = WgpuSetup { instance, adapter, device: opened.device, queue: opened.queue, backend };
        let device = Device::wgpu_options().setup(setup).init().expect("a GPU that opens is one that Burn can use");
        match device.as_dispatch() {
            DispatchDevice::Cube(device) => Some(device.clone()),
            device => panic!("{device:?} is no GPU"),
        }
    }

    fn read(client: &Client, tensor: &CubeTensor) -> Vec<f32> {
        let bytes = client.read_one(tensor.handle.clone()).expect("a buffer that can be read");
        bytes.chunks_exact(4).map(|value| f32::from_le_bytes([value[0], value[1], value[2], value[3]])).collect()
    }

    /// Grids of several lines, idle workgroups, idle lanes, and buffers that extend beyond the last row.
    #[test]
    fn a_kernel_writes_every_row_and_nothing_else() {
        let Some(device) = gpu("a_kernel_writes_every_row_and_nothing_else") else { return };
        let client = device.client();
        let tensor = |bytes: Vec<u8>, dtype| {
            let shape = Shape::new([bytes.len() / 4]);
            CubeTensor::new_contiguous(client.clone(), device.clone(), shape, client.create_from_slice(&bytes), dtype)
        };
        let floats = |values: &[f32]| tensor(values.iter().flat_map(|value| value.to_le_bytes()).collect(), DType::F32);
        const BEHIND: usize = 300;
        for key in LossKernelKey::all() {
            let rows_a_group = (wgsl::WORKGROUP / key.lanes) as usize;
            for (rows, classes, grid) in [(5 * rows_a_group + 3, 5, (4, 3)), (rows_a_group - 1, 37, (1, 1))] {
                let name = format!("{key:?} on {rows}×{classes}");
                let scores: Vec<f32> = (0..rows * classes).map(|i| (i * 7 % 23) as f32 / 8.0 - 1.4).collect();
                let labels: Vec<u32> = (0..rows).map(|row| (row * 3 % classes) as u32).collect();
                let weights: Vec<f32> = (0..rows).map(|row| (row % 4) as f32 / 2.0).collect();
                let sentinels = |len: usize| floats(&vec![SENTINEL; len + BEHIND]);
                let (losses, d_scores) = (sentinels(rows), sentinels(rows * classes));
                let label_bytes = labels.iter().flat_map(|label| label.to_le_bytes()).collect();
                let inputs = [floats(&scores), tensor(label_bytes, DType::I32), floats(&weights)];
                launch(key, grid, [rows, classes], [&inputs[0], &inputs[1], &inputs[2], &losses, &d_scores]);

                let wide = |values: &[f32]| values.iter().copied().map(f64::from).collect::<Vec<f64>>();
                let (mut true_losses, mut true_d) = (vec![0.0; rows], vec![0.0; rows * classes]);
                let (scores, weights) = (wide(&scores), wide(&weights));
                triax_losses::loss_rows(key.loss, &scores, &labels, &weights, &mut true_losses, &mut true_d);
                for (written, truth) in [(read(&client, &losses), true_losses), (read(&client, &d_scores), true_d)] {
                    let (inside, behind) = written.split_at(truth.len());
                    assert_close(&name, inside, &truth, Tolerance::Absolute(1e-5));
                    assert_eq!(behind, [SENTINEL; BEHIND], "{name} writes behind its rows");
                }
            }
        }
    }
}
