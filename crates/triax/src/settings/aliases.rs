//! What other tools call the settings, so that who writes such a name is told the setting that was meant.
//!
//! These are no settings: a config file means one thing, and says it in one way.

use super::Settings;

/// Settings with their names elsewhere: in Keras, PyTorch, scikit-learn, and in papers. Separators and capitals do not count.
const ELSEWHERE: [(&str, &[&str]); 32] = [
    ("data", &["dataset", "data_path", "data_dir", "input", "path"]),
    ("normalize", &["normalise", "normalization", "normalisation", "norm", "scaler", "standardize"]),
    ("rate", &["fs", "hz", "sample_rate", "sampling_rate", "frequency"]),
    ("activities", &["labels", "class_names"]),
    ("window", &["window_size", "window_length", "win", "timesteps", "seq_len", "sequence_length"]),
    ("step", &["stride", "hop", "hop_length", "step_size", "overlap", "window_step"]),
    ("valid_fraction", &["test_size", "val_size", "val_split", "val_fraction", "validation_split", "holdout"]),
    ("valid_subjects", &["val_subjects", "test_subjects", "held_out"]),
    ("convs", &["layers", "filters", "conv_layers", "kernel", "kernels", "kernel_size", "dilation", "dilation_rate"]),
    ("hidden", &["units", "dense", "fc", "hidden_units", "hidden_size", "hidden_dim"]),
    ("dropout", &["drop", "dropout_rate", "p_drop"]),
    ("model", &["classifier", "estimator", "method", "model_type"]),
    ("regularization", &["c", "regularisation", "inverse_regularization"]),
    ("loss", &["criterion", "objective", "loss_fn", "loss_function"]),
    ("class_weights", &["class_weight", "cw", "weights"]),
    ("label_smoothing", &["smoothing", "label_smooth", "ls"]),
    ("optimizer", &["opt", "optim", "optimiser", "solver"]),
    ("learning_rate", &["lr", "eta", "alpha", "init_lr", "base_lr", "learn_rate"]),
    ("lr_schedule", &["schedule", "scheduler", "lr_scheduler", "lr_decay", "learning_rate_schedule"]),
    ("momentum", &["mu", "mom"]),
    ("weight_decay", &["wd", "decay", "l2", "weight_reg"]),
    ("clip_norm", &["clip", "grad_clip", "gradient_clip", "max_norm", "max_grad_norm"]),
    ("epochs", &["n_epochs", "num_epochs", "max_epochs", "max_iter", "nb_epoch"]),
    ("batch_size", &["bs", "batch", "mini_batch", "minibatch_size", "n_batch"]),
    ("early_stopping", &["patience", "early_stop", "es"]),
    ("average_last", &["swa", "average_weights"]),
    ("sampling", &["sampler", "balance"]),
    ("init_weights", &["pretrained", "initial_weights", "checkpoint", "load_weights"]),
    ("no_shuffle", &["shuffle"]),
    ("seed", &["random_state", "random_seed", "rng", "manual_seed"]),
    ("mix", &["mixup"]),
    ("jitter", &["noise", "noise_std"]),
];

/// The setting that is called `name` elsewhere, however that is spelt: `--LR`, `lr` and `batchSize` are names, and so is
/// the name of a setting in another spelling. None if `name` is unknown.
///
/// ```
/// use triax::settings::meant;
///
/// assert_eq!(meant("--bs"), Some("batch_size"));
/// assert_eq!(meant("learningRate"), Some("learning_rate"));
/// assert_eq!(meant("colour"), None);
/// ```
pub fn meant(name: &str) -> Option<&'static str> {
    let name = plain(name);
    let itself = names().find(|setting| plain(setting) == name);
    itself.or_else(|| {
        let is_called = |names: &[&str]| names.iter().any(|other| plain(other) == name);
        ELSEWHERE.iter().find(|(_, names)| is_called(names)).map(|(setting, _)| *setting)
    })
}

/// The setting that was [meant], or else the one whose name is most like `name`; none if no name is like it.
pub fn meant_or_similar(name: &str) -> Option<&'static str> {
    /// As like as `epoch` and `epochs`, and not as `lr` and `lr_schedule`.
    const LIKE: f64 = 0.8;
    let plain_name = plain(name);
    let likeness = |setting: &&str| strsim::jaro(&plain_name, &plain(setting));
    let closest = || names().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    meant(name).or_else(|| closest().filter(|setting| likeness(setting) > LIKE))
}

/// The names of all settings.
fn names() -> impl Iterator<Item = &'static str> {
    Settings::GROUPS.into_iter().flat_map(|group| group.settings).map(|setting| setting.name)
}

/// `name` without separators and capitals.
fn plain(name: &str) -> String {
    name.chars().filter(|letter| !matches!(letter, '-' | '_' | ' ')).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_names_are_of_settings_that_exist_and_mean_one_thing() {
        let all: Vec<&str> = names().collect();
        let others: Vec<String> =
            ELSEWHERE.iter().flat_map(|(_, names)| names.iter().map(|name| plain(name))).collect();
        for (setting, _) in ELSEWHERE {
            assert!(all.contains(&setting), "{setting}");
        }
        for (n, other) in others.iter().enumerate() {
            assert!(!all.iter().any(|setting| plain(setting) == *other), "{other} is a setting");
            assert!(!others[..n].contains(other), "{other} is named twice");
        }
    }

    #[test]
    fn a_name_from_elsewhere_finds_its_setting_before_one_that_looks_alike() {
        for (name, setting) in [
            ("--lr", Some("learning_rate")),
            ("LR", Some("learning_rate")),
            ("lr-schedule", Some("lr_schedule")),
            ("wd", Some("weight_decay")),
            ("batchSize", Some("batch_size")),
            ("epoch", Some("epochs")),
            ("lerning_rate", Some("learning_rate")),
            ("optimzer", Some("optimizer")),
            ("foo", None),
            ("", None),
        ] {
            assert_eq!(meant_or_similar(name), setting, "{name}");
        }
    }
}
