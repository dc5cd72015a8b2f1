//! The networks whose weights a study has kept.

use std::path::{Path, PathBuf};

use crate::StudyError;
use crate::folder::{files, weights_in};
use crate::summary::Summary;
use crate::training_file::TrainingFile;

/// A network whose weights a study has kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptNetwork {
    /// Name of its fold.
    pub fold: String,
    /// Its seed.
    pub seed: u64,
    /// Its weight file.
    pub weights: PathBuf,
}

/// The networks of one setting of the finished study in `folder`, fold by fold and seed by seed. Networks that broke down
/// are left out.
///
/// # Errors
/// Networks without weights, or none at all; files that cannot be read.
pub fn kept_networks(folder: &Path, summary: &Summary, setting: &str) -> Result<Vec<KeptNetwork>, StudyError> {
    let mut networks = Vec::new();
    for path in files(&folder.join("trainings"))? {
        let trained = TrainingFile::read(&path, summary.class_names.len())?.trained;
        if trained.setting == setting && trained.broken.is_none() {
            let weights = weights_in(folder, trained.number);
            networks.push(KeptNetwork { fold: trained.fold, seed: trained.seed, weights });
        }
    }
    let n_kept = networks.iter().filter(|network| network.weights.exists()).count();
    if n_kept == 0 || n_kept < networks.len() {
        let (path, setting, n_networks) = (folder.to_owned(), setting.to_owned(), networks.len());
        return Err(StudyError::NoWeights { path, setting, n_kept, n_networks });
    }
    Ok(networks)
}
