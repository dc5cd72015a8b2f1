//! `--device auto`: the device on which the steps of this job take the least time.

use serde::{Deserialize, Serialize};
use triax_engine::device::{DeviceInfo, DeviceKind};

use super::cache::{Cache, Key};
use super::{ChosenEngine, OpenEngine, Trial, open};
use crate::settings::EngineName;
use crate::{Error, Notice};

/// The measured time of a step on one device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// The argument of `--device` for it.
    pub device: String,
    /// Seconds per step.
    pub seconds_a_step: f64,
}

/// The devices to measure: the CPU, then each real GPU, but only one of several with the same name and API.
pub fn candidates(devices: &[DeviceInfo]) -> Vec<DeviceInfo> {
    let mut candidates = vec![DeviceInfo::cpu()];
    for gpu in devices.iter().filter(|device| device.kind.is_real_gpu()) {
        let is_twin =
            |other: &DeviceInfo| other.kind != DeviceKind::Cpu && other.name == gpu.name && other.api == gpu.api;
        if !candidates.iter().any(is_twin) {
            candidates.push(gpu.clone());
        }
    }
    candidates
}

/// Opens the fastest of `candidates` for the job of `trial`.
pub fn choose(engine: EngineName, candidates: Vec<DeviceInfo>, trial: &Trial<'_>) -> Result<ChosenEngine, Error> {
    let key = Key {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        engine: engine.name().to_owned(),
        devices: candidates,
        network: trial.network.spec().clone(),
        batch_size: trial.plan.batch_size,
    };
    // A GPU that was opened for its trial is not opened twice.
    let mut opened: Vec<OpenEngine> = Vec::new();
    let comparison = Comparison::find(&key, &Cache::for_user(), |device| {
        let candidate = open(engine, device)?;
        let seconds = trial.seconds_per_step(candidate.engine.as_ref(), device.kind)?;
        opened.push(candidate);
        Ok(seconds)
    })?;
    let open = match opened.into_iter().find(|open| open.device == comparison.device) {
        Some(open) => open,
        None => open(engine, &comparison.device)?,
    };
    let (why, notices) = (Some(comparison.reason()), comparison.notices);
    Ok(ChosenEngine { open, why, measured: comparison.measured, notices })
}

/// The measurements of all devices, and the fastest device.
#[derive(Clone, Debug, PartialEq)]
struct Comparison {
    /// The fastest device.
    device: DeviceInfo,
    /// Every device that could be measured.
    measured: Vec<Measured>,
    /// Whether an earlier run measured it.
    remembered: bool,
    /// The devices that failed, and why.
    notices: Vec<Notice>,
}

impl Comparison {
    /// Takes the measurements of `key` from `cache`, or makes them with `measure`, which returns seconds per step.
    ///
    /// # Errors
    /// Those of the CPU. A GPU that cannot be measured is left out.
    fn find(
        key: &Key,
        cache: &Cache,
        mut measure: impl FnMut(&DeviceInfo) -> Result<f64, Error>,
    ) -> Result<Self, Error> {
        let known = cache.get(key);
        let remembered = known.is_some();
        let mut notices = Vec::new();
        let seconds: Vec<Option<f64>> = match known {
            Some(seconds) => seconds.into_iter().map(Some).collect(),
            None => {
                let mut attempt = |device: &DeviceInfo| match measure(device) {
                    Ok(seconds) => Ok(Some(seconds)),
                    Err(error) if device.kind == DeviceKind::Cpu => Err(error),
                    Err(error) => {
                        notices.push(Notice::Note(format!("{device} is left out of the choice: {}", error.in_full())));
                        Ok(None)
                    }
                };
                let seconds = key.devices.iter().map(&mut attempt).collect::<Result<Vec<_>, Error>>()?;
                // A failure is not cached: another driver, or free memory, may make the device work.
                if let Some(all) = seconds.iter().copied().collect() {
                    cache.insert(key.clone(), all);
                }
                seconds
            }
        };
        let timed: Vec<(&DeviceInfo, f64)> =
            key.devices.iter().zip(seconds).filter_map(|(device, seconds)| Some((device, seconds?))).collect();
        let fastest = timed.iter().min_by(|a, b| a.1.total_cmp(&b.1)).map_or(&key.devices[0], |(device, _)| *device);
        let measured =
            |&(device, seconds_a_step): &(&DeviceInfo, f64)| Measured { device: device.argument(), seconds_a_step };
        Ok(Self { device: fastest.clone(), measured: timed.iter().map(measured).collect(), remembered, notices })
    }

    /// `cpu 0.45 ms a step, gpu:0 1.20 ms`.
    fn reason(&self) -> String {
        let all = self.measured.iter().enumerate().map(|(i, Measured { device, seconds_a_step })| {
            let a_step = if i == 0 { " a step" } else { "" };
            format!("{device} {:.2} ms{a_step}", seconds_a_step * 1e3)
        });
        let when = if self.remembered { " (measured before)" } else { "" };
        all.collect::<Vec<_>>().join(", ") + when
    }
}

#[cfg(test)]
mod tests {
    use triax_model::NetworkSpec;

    use super::*;

    fn gpu(index: usize, name: &str, kind: DeviceKind) -> DeviceInfo {
        let api = "Vulkan".to_owned();
        DeviceInfo { index: Some(index), name: name.to_owned(), kind, api, ..DeviceInfo::cpu() }
    }

    fn key() -> Key {
        let devices =
            vec![DeviceInfo::cpu(), gpu(0, "large", DeviceKind::Discrete), gpu(2, "small", DeviceKind::Integrated)];
        Key {
            version: "1".to_owned(),
            engine: "fused".to_owned(),
            devices,
            network: NetworkSpec::default(),
            batch_size: 32,
        }
    }

    /// The comparison at these milliseconds a step by device; none for one that fails.
    fn compare(cache: &Cache, milliseconds: [Option<f64>; 3]) -> Result<(String, String), Error> {
        let mut left = milliseconds.into_iter();
        let found = Comparison::find(&key(), cache, |_| {
            left.next()
                .expect("each device is measured once")
                .map(|ms| ms / 1e3)
                .ok_or(Error::Input("no memory left".to_owned()))
        });
        found.map(|comparison| (comparison.device.argument(), comparison.reason()))
    }

    #[test]
    fn software_gpus_and_twins_are_not_measured() {
        use DeviceKind::{Discrete, Integrated, Software, Unknown};
        let devices = [
            gpu(0, "large", Discrete),
            gpu(1, "large", Discrete),
            gpu(2, "small", Integrated),
            gpu(3, "llvmpipe", Software),
            gpu(4, "odd", Unknown),
            DeviceInfo::cpu(),
        ];
        let found: Vec<String> = candidates(&devices).iter().map(DeviceInfo::argument).collect();
        assert_eq!(found, ["cpu", "gpu:0", "gpu:2", "gpu:4"]);
        assert_eq!(candidates(&devices[3..4]), [DeviceInfo::cpu()]);
        assert_eq!(candidates(&[]), [DeviceInfo::cpu()]);
    }

    #[test]
    fn the_fastest_is_chosen_and_all_are_listed() {
        let folder = tempfile::tempdir().unwrap();
        for (number, (milliseconds, chosen)) in [
            ([Some(0.45), Some(1.2), Some(3.0)], "cpu"),
            ([Some(0.45), Some(0.02), Some(3.0)], "gpu:0"),
            ([Some(0.45), Some(1.2), Some(0.2)], "gpu:2"),
            // Of equals the first: the CPU starts sooner.
            ([Some(1.0), Some(1.0), Some(1.0)], "cpu"),
        ]
        .into_iter()
        .enumerate()
        {
            let cache = Cache::in_file(&folder.path().join(format!("{number}.json")));
            let (device, why) = compare(&cache, milliseconds).unwrap();
            assert_eq!(device, chosen);
            let [cpu, large, small] = milliseconds.map(Option::unwrap);
            assert_eq!(why, format!("cpu {cpu:.2} ms a step, gpu:0 {large:.2} ms, gpu:2 {small:.2} ms"));
        }
    }

    #[test]
    fn a_machine_is_measured_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("devices.json");
        let cache = Cache::in_file(&path);
        let first = compare(&cache, [Some(0.5), Some(0.25), Some(1.0)]).unwrap();
        let again = Comparison::find(&key(), &cache, |device| panic!("{device} is measured again")).unwrap();
        assert_eq!((again.device.argument(), again.remembered), (first.0, true));
        assert_eq!(again.reason(), first.1 + " (measured before)");
        // A damaged cache is no cache.
        std::fs::write(&path, "[{").unwrap();
        assert_eq!(compare(&cache, [Some(0.5), Some(1.0), Some(1.0)]).unwrap().0, "cpu");
    }

    #[test]
    fn a_gpu_that_fails_is_left_out_and_tried_again_next_time() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::in_file(&folder.path().join("devices.json"));
        let (device, why) = compare(&cache, [Some(0.5), None, Some(0.25)]).unwrap();
        assert_eq!((device.as_str(), why.as_str()), ("gpu:2", "cpu 0.50 ms a step, gpu:2 0.25 ms"));
        assert_eq!(compare(&cache, [Some(0.5), None, None]).unwrap().0, "cpu");
        assert_eq!(compare(&cache, [Some(0.5), Some(0.1), None]).unwrap().0, "gpu:0");
    }

    #[test]
    fn a_job_that_the_cpu_refuses_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::in_file(&folder.path().join("devices.json"));
        let error = compare(&cache, [None, Some(0.1), Some(0.1)]).unwrap_err();
        assert_eq!(error.to_string(), "no memory left");
    }
}
