//! Targets for what is read as text that people write and edit: settings, and the records of runs and studies.

use std::fs;

use triax::{Description, Predictor, Run, Settings, StudyOptions, StudySummary, is_run};
use triax_trainer::RunFolder;

use crate::packed;

/// The files of a run that are no networks: `config.json`, which people write for themselves too, `history.jsonl` and
/// `metrics.json`.
pub fn config(bytes: &[u8]) -> bool {
    let folder = packed::folder(bytes);
    let file = folder.path().join("config.json");
    let settings = Settings::from_file(&file);
    if let Ok(settings) = &settings {
        let again = Settings::from_entries(&settings.entries()).expect("settings that were accepted are again");
        assert_eq!(again.entries(), settings.entries());
        _ = settings.check();
    }
    _ = Predictor::open(folder.path());
    let run = Run::open(folder.path());
    let files = RunFolder::open(folder.path()).map(|run| (run.history(), run.summary()));
    if is_run(folder.path()) {
        return run.is_ok() && matches!(files, Ok((Ok(_), Ok(_))));
    }
    settings.is_ok()
}

/// The files of a study that are no networks: `study.toml`, as people write it, or `study.json` and `summary.json`.
pub fn study(bytes: &[u8]) -> bool {
    let folder = packed::folder(bytes);
    let described = StudyOptions::read(&folder.path().join("study.toml"))
        .and_then(Description::new)
        .and_then(|description| description.points().map(|points| (description, points)));
    if let Ok((description, points)) = &described {
        assert!(!points.is_empty());
        assert!(description.first_settings().is_ok());
    }
    _ = Predictor::open(folder.path());
    let kept = Description::read(folder.path());
    let summary = fs::read(folder.path().join("summary.json")).unwrap_or_default();
    let summary = serde_json::from_slice::<StudySummary>(&summary);
    described.is_ok() || kept.is_ok() && summary.is_ok()
}
