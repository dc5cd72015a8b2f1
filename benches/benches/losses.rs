//! Each loss on the GPU (the WGSL kernel, as a Burn operation) and on the CPU (its Rust twin), in bytes a second, beside
//! a plain copy of memory on the same device. Verified before it is timed.
//!
//! `cargo bench -p triax-benches --bench losses`; a software GPU is named as one.

use std::hint::black_box;
use std::time::Duration;

use burn::tensor::wgpu::WgpuSetup;
use burn::tensor::{Device, Int, Tensor, TensorData};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use triax_burn::loss::loss_rows;
use triax_losses::Loss;
use triax_testing::{Tolerance, assert_close};

/// The batch of the reference job, many small rows, many large ones.
const SHAPES: [(usize, usize); 3] = [(32, 6), (262_144, 6), (4_096, 1_024)];

/// Values of the copy: far beyond any cache.
const COPY: usize = 1 << 25;

struct Batch {
    scores: Vec<f32>,
    labels: Vec<u32>,
    weights: Vec<f32>,
    losses: Vec<f32>,
    d_scores: Vec<f32>,
}

impl Batch {
    fn new(rows: usize, classes: usize) -> Self {
        Self {
            scores: (0..rows * classes).map(|i| (i * 7_919 % 1_009) as f32 / 200.0 - 2.5).collect(),
            labels: (0..rows).map(|row| (row * 31 % classes) as u32).collect(),
            weights: vec![1.0; rows],
            losses: vec![f32::NAN; rows],
            d_scores: vec![f32::NAN; rows * classes],
        }
    }

    fn twin(&mut self, loss: Loss) {
        let Self { scores, labels, weights, losses, d_scores } = self;
        triax_losses::loss_rows(loss, scores, labels, weights, losses, d_scores);
    }

    /// Losses in f64.
    fn truth(&self, loss: Loss) -> Vec<f64> {
        let wide = |values: &[f32]| values.iter().copied().map(f64::from).collect::<Vec<f64>>();
        let (mut losses, mut d_scores) = (vec![0.0; self.labels.len()], vec![0.0; self.scores.len()]);
        let (scores, weights) = (wide(&self.scores), wide(&self.weights));
        triax_losses::loss_rows(loss, &scores, &self.labels, &weights, &mut losses, &mut d_scores);
        losses
    }

    /// Bytes that have to move: scores, labels and weights in, losses and gradients out.
    fn bytes(&self) -> u64 {
        4 * (2 * self.scores.len() + 3 * self.labels.len()) as u64
    }
}

/// The first GPU and its name.
fn gpu() -> Option<(Device, String)> {
    let opened = match triax_engine::device::open(0) {
        Ok(opened) => opened,
        Err(reason) => {
            eprintln!("CPU only: {reason}");
            return None;
        }
    };
    let name = opened.info.to_string();
    let backend = opened.adapter.get_info().backend;
    let (instance, adapter) = (opened.instance, opened.adapter);
    let setup = WgpuSetup { instance, adapter, device: opened.device, queue: opened.queue, backend };
    Some((Device::wgpu_options().setup(setup).init().expect("a GPU that Burn can use"), name))
}

fn wait_for(device: &Device) {
    device.sync().expect("a GPU that works");
}

fn memory(criterion: &mut Criterion, gpu: Option<&(Device, String)>) {
    let mut group = criterion.benchmark_group("memory");
    group.throughput(Throughput::Bytes(8 * COPY as u64));
    let source = vec![1.0_f32; COPY];
    let mut target = vec![0.0_f32; COPY];
    group.bench_function(BenchmarkId::new("copy", "cpu, one thread"), |bencher| {
        bencher.iter(|| black_box(&mut target).copy_from_slice(black_box(&source)));
    });
    if let Some((device, name)) = gpu {
        let source = Tensor::<1>::ones([COPY], device);
        group.bench_function(BenchmarkId::new("copy", name), |bencher| {
            bencher.iter(|| {
                let target = source.clone() + 1.0;
                wait_for(device);
                target
            });
        });
    }
    group.finish();
}

fn losses(criterion: &mut Criterion) {
    let gpu = gpu();
    memory(criterion, gpu.as_ref());
    for loss in Loss::ALL {
        let mut group = criterion.benchmark_group(loss.name());
        for (rows, classes) in SHAPES {
            let mut batch = Batch::new(rows, classes);
            let shape = format!("{rows}×{classes}");
            let (truth, tolerance) = (batch.truth(loss), Tolerance::Absolute(1e-4));
            group.throughput(Throughput::Bytes(batch.bytes()));

            batch.twin(loss);
            assert_close(&format!("{loss} of {shape}"), &batch.losses, &truth, tolerance);
            group.bench_function(BenchmarkId::new("cpu, one thread", &shape), |bencher| {
                bencher.iter(|| black_box(&mut batch).twin(loss));
            });

            let Some((device, name)) = &gpu else { continue };
            let scores: Tensor<2> = Tensor::from_data(TensorData::new(batch.scores.clone(), [rows, classes]), device);
            let labels: Vec<i32> = batch.labels.iter().map(|&label| label as i32).collect();
            let labels: Tensor<1, Int> = Tensor::from_data(TensorData::new(labels, [rows]), device);
            let weights: Tensor<1> = Tensor::from_data(TensorData::new(batch.weights.clone(), [rows]), device);
            let run = || loss_rows(scores.clone(), labels.clone(), weights.clone(), loss);
            let computed: Vec<f32> = run().into_data().try_into_vec().expect("f32 values");
            assert_close(&format!("{loss} of {shape} on {name}"), &computed, &truth, tolerance);
            group.bench_function(BenchmarkId::new(name, &shape), |bencher| {
                bencher.iter(|| {
                    let losses = run();
                    wait_for(device);
                    losses
                });
            });
        }
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(30)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = losses
}
criterion_main!(benches);
