//! The identity of a job. A checkpoint is resumed only by the job that wrote it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use triax_engine::WindowSet;
use triax_model::text::hex;

use crate::job::{Job, Model};

/// Plan, network, classes, scaler and digests of the windows. The engine is not part of it: a run may move to another device,
/// but only on the same device does it end with the bits of an uninterrupted run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    /// The plan as JSON. It is kept as text, so that the comparison parses no floats.
    plan: String,
    /// The network's specification as JSON.
    network: String,
    /// Names of the classes.
    classes: Vec<String>,
    /// The scaler as JSON.
    scaler: String,
    /// SHA-256 of the training windows in their order, with labels and weights. It does not depend on their indices, nor on
    /// other windows of the data set.
    train: String,
    /// SHA-256 of the validation windows with labels.
    valid: String,
}

impl Identity {
    /// The identity of the training of `model`, which is one of `job`.
    pub(crate) fn new(job: &Job<'_>, model: &Model<'_>) -> Self {
        Self {
            plan: json(model.plan),
            network: json(model.network.spec()),
            classes: job.classes.to_vec(),
            scaler: json(&model.scaler),
            train: digest(job.windows, model.train, job.windows.sample_weights.as_deref()),
            valid: digest(job.windows, model.valid, None),
        }
    }

    /// How `now` differs from this identity, which is that of the checkpoint; none if they are equal.
    pub(crate) fn difference(&self, now: &Self) -> Option<String> {
        let mut differences = Vec::new();
        for (before, now) in [(&self.plan, &now.plan), (&self.network, &now.network)] {
            if before != now {
                differences.extend(changed_settings(before, now));
            }
        }
        if self.classes != now.classes {
            differences.push(format!("the classes were {}, now {}", self.classes.join(", "), now.classes.join(", ")));
        }
        if self.scaler != now.scaler {
            differences.push("the scaler is not the same".into());
        }
        if self.train != now.train {
            differences.push("the training windows are not the same".into());
        }
        if self.valid != now.valid {
            differences.push("the validation windows are not the same".into());
        }
        (!differences.is_empty()).then(|| differences.join("; "))
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("settings are valid JSON")
}

/// The digest of the windows of `set` at `indices`, with their labels and their `weights`.
fn digest(set: &WindowSet, indices: &[u32], weights: Option<&[f32]>) -> String {
    let n_values = set.windows.len() / set.len().max(1);
    let mut sha = Sha256::new();
    // The counts come first, so that a value that moves from one part to the next changes the digest.
    for count in [indices.len(), n_values, usize::from(weights.is_some())] {
        sha.update((count as u64).to_le_bytes());
    }
    let mut bytes = vec![[0; 4]; n_values];
    for idx in indices.iter().map(|&idx| idx as usize) {
        let values = &set.windows[idx * n_values..][..n_values];
        bytes.iter_mut().zip(values).for_each(|(bytes, value)| *bytes = value.to_le_bytes());
        sha.update(bytes.as_flattened());
        sha.update(set.labels[idx].to_le_bytes());
        if let Some(weights) = weights {
            sha.update(weights[idx].to_le_bytes());
        }
    }
    hex(sha.finalize())
}

/// A text such as `batch_size was 32, is now 64` for each leaf in which two JSON objects differ.
fn changed_settings(before: &str, now: &str) -> Vec<String> {
    let [before, now] = [before, now].map(|text| {
        let mut leaves = BTreeMap::new();
        // Damaged text has no leaves, and all settings are then named as changed.
        collect_leaves("", &serde_json::from_str(text).unwrap_or_default(), &mut leaves);
        leaves
    });
    let names: std::collections::BTreeSet<_> = before.keys().chain(now.keys()).collect();
    let value = |leaves: &BTreeMap<String, String>, name| leaves.get(name).map_or("absent", String::as_str).to_owned();
    names
        .into_iter()
        .filter(|name| before.get(*name) != now.get(*name))
        .map(|name| format!("{name} was {}, is now {}", value(&before, name), value(&now, name)))
        .collect()
}

fn collect_leaves(path: &str, value: &Value, leaves: &mut BTreeMap<String, String>) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| collect_leaves(&below(key), value, leaves)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, value)| collect_leaves(&below(&i.to_string()), value, leaves))
        }
        leaf => {
            leaves.insert(path.to_owned(), leaf.to_string());
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Some identity, with these classes.
    pub(crate) fn identity(classes: &[&str]) -> Identity {
        Identity {
            plan: r#"{"training":{"batch_size":32,"optimizer":{"name":"adam"},"class_weights":[1.0,0.1]},"epochs":3}"#
                .into(),
            network: r#"{"window":120,"hidden":[120]}"#.into(),
            classes: classes.iter().map(|&class| class.into()).collect(),
            scaler: "null".into(),
            train: "00".into(),
            valid: "11".into(),
        }
    }

    #[test]
    fn equal_jobs_do_not_differ() {
        assert_eq!(identity(&[]).difference(&identity(&[])), None);
    }

    #[test]
    fn each_difference_is_named() {
        let before = identity(&["walk", "jog"]);
        let mut now = before.clone();
        now.plan =
            r#"{"training":{"batch_size":64,"optimizer":{"name":"sgd"},"class_weights":null},"epochs":3}"#.into();
        now.network = r#"{"window":120,"hidden":[60,120]}"#.into();
        now.classes.swap(0, 1);
        now.scaler = r#"{"mean":[0.5],"scale":[1.0]}"#.into();
        now.valid = "22".into();
        let difference = before.difference(&now).unwrap();
        for part in [
            "training.batch_size was 32, is now 64",
            "training.optimizer.name was \"adam\", is now \"sgd\"",
            "training.class_weights.1 was 0.1, is now absent",
            "hidden.0 was 120, is now 60",
            "hidden.1 was absent, is now 120",
            "the classes were walk, jog, now jog, walk",
            "the scaler is not the same",
            "the validation windows are not the same",
        ] {
            assert!(difference.contains(part), "`{part}` is missing in: {difference}");
        }
        assert!(!difference.contains("epochs") && !difference.contains("; the training windows"), "{difference}");
    }

    fn set(windows: &[f32], labels: &[u32], weights: Option<&[f32]>) -> WindowSet {
        WindowSet { windows: windows.into(), labels: labels.into(), sample_weights: weights.map(Into::into) }
    }

    #[test]
    fn a_digest_sees_every_part() {
        let whole = |set: WindowSet| {
            let indices: Vec<u32> = (0..set.len() as u32).collect();
            digest(&set, &indices, set.sample_weights.as_deref())
        };
        let digests = [
            whole(set(&[0.0, 1.0], &[0], None)),
            whole(set(&[0.0, -1.0], &[0], None)),
            whole(set(&[-0.0, 1.0], &[0], None)),
            whole(set(&[0.0, 1.0], &[1], None)),
            whole(set(&[0.0, 1.0], &[0], Some(&[1.0]))),
            // The same bytes in all, cut elsewhere.
            whole(set(&[0.0], &[0x3f80_0000], Some(&[0.0]))),
            whole(set(&[0.0, f32::from_bits(1)], &[1, 0], None)),
            whole(set(&[0.0, f32::from_bits(1), f32::from_bits(1)], &[0], None)),
        ];
        for (i, digest) in digests.iter().enumerate() {
            assert_eq!(digest.len(), 64);
            assert!(!digests[..i].contains(digest), "{i}");
        }
    }

    #[test]
    fn a_digest_is_of_the_windows_named_in_their_order() {
        let all = set(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0], &[0, 1, 2], None);
        let digest_at = |indices: &[u32]| digest(&all, indices, None);
        assert_ne!(digest_at(&[0, 2]), digest_at(&[0, 1]));
        assert_ne!(digest_at(&[0, 2]), digest_at(&[2, 0]));
        assert_ne!(digest_at(&[0, 2]), digest_at(&[0, 2, 2]));
        assert_eq!(digest_at(&[0, 2]), digest(&set(&[9.0, 9.0, 0.0, 1.0, 4.0, 5.0], &[1, 0, 2], None), &[1, 2], None));
    }
}
