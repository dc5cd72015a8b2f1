//! The roofline model of a training step on this CPU: the least time of each stage, with its arithmetic at the rate of sgemm
//! or its traffic at the bandwidth of memory, whichever takes longer.
//!
//! Traffic counts each value that a stage reads or writes once, as if each stage started with empty caches. The reference job
//! fits into the caches of most CPUs, so that a stage can be faster than this bound by memory, but not than that by sgemm.
//!
//! The measured times are those of the fused engine while each thread trains a model of its own.

use serde::Serialize;
use triax_engine::StageTime;
use triax_model::{Layer, Network};

/// Bytes of a value.
const BYTES: u64 = 4;
/// Operations of an update by Adam for each parameter: two moments, a root, a quotient.
const FLOP_OF_ADAM: u64 = 12;
/// Values per parameter that an update by Adam reads (gradient, parameter, two moments) and writes (the last three).
const VALUES_OF_ADAM: u64 = 4 + 3;

/// The stages of a step and their bounds.
#[derive(Clone, Debug, Serialize)]
pub struct Roofline {
    pub batch_size: usize,
    pub stages: Vec<Stage>,
    /// The least time of a step: the sum over the stages.
    pub least_microseconds: f64,
    /// The measured stages without a bound, which do little arithmetic.
    pub others: Vec<Other>,
    /// Sum of the measured times, including `others`.
    pub measured_microseconds: f64,
}

/// A stage without a bound.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Other {
    pub name: String,
    pub microseconds: f64,
}

/// A stage of a step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stage {
    pub name: String,
    pub flop: u64,
    pub bytes: u64,
    pub flop_per_byte: f64,
    /// The highest rate.
    pub gflops: f64,
    /// Its time at that rate.
    pub least_microseconds: f64,
    /// The measurement of the fused engine, if any.
    pub measured: Option<Measured>,
}

/// The measured speed of a stage.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Measured {
    pub microseconds: f64,
    pub gflops: f64,
    /// `gflops` relative to those of sgemm.
    pub share_of_sgemm: f64,
}

impl Roofline {
    /// The roofline of a step of `network` on `batch_size` windows, with `gflops` of sgemm, a bandwidth of `gbytes` per second,
    /// and the `measured` times of stages.
    pub fn new(network: &Network, batch_size: usize, gflops: f64, gbytes: f64, measured: &[StageTime]) -> Self {
        let batch = batch_size as u64;
        let mut stages = Vec::new();
        for (depth, layer) in network.layers().iter().enumerate() {
            // Multiply-adds and values in and out of a window, and parameters.
            let (name, madds, read, written, parameters) = match layer {
                Layer::Conv { name, input, output, kernel, .. } => {
                    let weights = kernel * input.1 * output.1;
                    (name, output.0 * weights, input.0 * input.1, output.0 * output.1, weights + output.1)
                }
                Layer::Dense { name, inputs, units, .. } => {
                    (name, inputs * units, *inputs, *units, (inputs + 1) * units)
                }
                // Their traffic is counted in the layers beside them.
                Layer::Pool { .. } | Layer::Dropout { .. } => continue,
            };
            let [madds, read, written, parameters] = [madds, read, written, parameters].map(|n| n as u64);
            let flop = 2 * madds * batch;
            let mut add = |pass: &str, flop: u64, values: u64| {
                stages.push(Stage::new(format!("{name} {pass}"), flop, BYTES * values, gflops, gbytes));
            };
            add("forward", flop, batch * (read + written) + parameters);
            add("gradient", flop, batch * (read + written) + parameters);
            if depth > 0 {
                add("backward", flop, batch * (read + written) + parameters);
            }
        }
        let n_parameters = network.n_parameters() as u64;
        let update = (FLOP_OF_ADAM * n_parameters, BYTES * VALUES_OF_ADAM * n_parameters);
        stages.push(Stage::new("update".to_owned(), update.0, update.1, gflops, gbytes));
        let least_microseconds = stages.iter().map(|stage| stage.least_microseconds).sum();
        let mut others = Vec::new();
        for StageTime { name, seconds } in measured {
            match stages.iter_mut().find(|stage| stage.name == *name) {
                Some(stage) => {
                    let rate = stage.flop as f64 / seconds / 1e9;
                    let share_of_sgemm = rate / gflops;
                    stage.measured = Some(Measured { microseconds: seconds * 1e6, gflops: rate, share_of_sgemm });
                }
                None => others.push(Other { name: name.clone(), microseconds: seconds * 1e6 }),
            }
        }
        let measured_microseconds = measured.iter().map(|time| time.seconds * 1e6).sum();
        Self { batch_size, stages, least_microseconds, others, measured_microseconds }
    }
}

impl Stage {
    fn new(name: String, flop: u64, bytes: u64, gflops: f64, gbytes: f64) -> Self {
        let flop_per_byte = flop as f64 / bytes as f64;
        let attainable = gflops.min(gbytes * flop_per_byte);
        let least_microseconds = flop as f64 / attainable / 1e3;
        Self { name, flop, bytes, flop_per_byte, gflops: attainable, least_microseconds, measured: None }
    }
}

#[cfg(test)]
mod tests {
    use triax_model::NetworkSpec;

    use super::*;
    use crate::cli::bench::job::{ReferenceJob, flop_a_window, stage_times};

    #[test]
    fn the_stages_do_all_the_work_of_a_step() {
        let network = Network::new(NetworkSpec::default()).unwrap();
        let roofline = Roofline::new(&network, 32, 100.0, 10.0, &[]);
        let names: Vec<&str> = roofline.stages.iter().map(|stage| stage.name.as_str()).collect();
        assert_eq!(names[..3], ["conv1 forward", "conv1 gradient", "conv2 forward"]);
        assert_eq!(names[names.len() - 2..], ["dense2 backward", "update"]);
        let (update, layers) = roofline.stages.split_last().unwrap();
        assert_eq!(layers.iter().map(|stage| stage.flop).sum::<u64>(), 32 * flop_a_window(&network));
        assert_eq!(update.bytes, 28 * network.n_parameters() as u64);
    }

    #[test]
    fn what_was_measured_stands_beside_its_stage() {
        let network = Network::new(NetworkSpec::default()).unwrap();
        let time = |name: &str, seconds| StageTime { name: name.to_owned(), seconds };
        let times = [time("gather", 2e-6), time("dense1 forward", 1e-4), time("update", 3e-5)];
        let roofline = Roofline::new(&network, 32, 100.0, 10.0, &times);
        let stage = roofline.stages.iter().find(|stage| stage.name == "dense1 forward").unwrap();
        let measured = stage.measured.unwrap();
        assert!((measured.gflops - stage.flop as f64 / 1e5).abs() < 1e-9, "{measured:?}");
        assert!((measured.share_of_sgemm - measured.gflops / 100.0).abs() < 1e-12, "{measured:?}");
        assert_eq!(roofline.stages.iter().filter(|stage| stage.measured.is_some()).count(), 2);
        assert_eq!(roofline.others.iter().map(|other| other.name.as_str()).collect::<Vec<_>>(), ["gather"]);
        assert!((roofline.measured_microseconds - 132.0).abs() < 1e-9);
    }

    /// Every stage that has arithmetic is one that the engine times, under the same name.
    #[test]
    fn the_engine_times_every_stage_of_the_roofline() {
        let job = ReferenceJob::new();
        let roofline = Roofline::new(&job.network, 512, 100.0, 10.0, &stage_times(&job, 512).unwrap());
        for stage in &roofline.stages {
            assert!(stage.measured.is_some_and(|measured| measured.gflops > 0.0), "{stage:?}");
        }
        assert!(roofline.others.iter().any(|other| other.name == "gather"), "{:?}", roofline.others);
    }

    #[test]
    fn a_stage_is_bound_by_what_takes_longer() {
        let arithmetic = Stage::new("a".to_owned(), 1_000_000, 1_000, 100.0, 10.0);
        assert_eq!((arithmetic.gflops, arithmetic.least_microseconds), (100.0, 10.0));
        let traffic = Stage::new("b".to_owned(), 1_000, 1_000_000, 100.0, 10.0);
        assert_eq!(traffic.least_microseconds, 100.0);
        assert!((traffic.gflops - 0.01).abs() < 1e-12);
    }
}
