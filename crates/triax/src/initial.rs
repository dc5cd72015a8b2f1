//! What a training starts from: weights that are drawn from its seed, or those of a file for the layers that the file has.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use triax_data::{Corpus, is_same_rate};
use triax_model::text::hex;
use triax_model::{InitialWeights, Network};
use triax_study::baselines::ClassicalFile;

use crate::import::{is_of_another_program, weights_of_another_program};
use crate::recordings::{PER_WINDOW, RATE};
use crate::settings::Settings;
use crate::text::{joined, listed};
use crate::{Error, Notice};

/// Key in the metadata of a file of first layers: how they were trained without labels, as JSON.
const PRETRAINED: &str = "pretrained";
/// The most subjects that a sentence names.
const MOST_NAMED: usize = 12;

/// On what layers were trained without labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PretrainRecord {
    /// The subjects whose windows they were trained on, those that are known.
    pub subjects: Vec<String>,
    /// Fingerprint of the recordings.
    pub fingerprint: String,
    /// Loss of the last epoch.
    pub loss: f64,
}

impl PretrainRecord {
    /// The metadata of a file with this record.
    pub(crate) fn metadata(&self) -> BTreeMap<String, String> {
        BTreeMap::from([(PRETRAINED.to_owned(), serde_json::json!(self).to_string())])
    }

    /// The record in the metadata of a file. `None` if it was not trained without labels, or by another version.
    pub fn of(initial: &InitialWeights) -> Option<Self> {
        serde_json::from_str(initial.metadata.get(PRETRAINED)?).ok()
    }
}

/// The weights of the file that `settings` start from, and what a user should know of them. `None` if all are drawn.
///
/// # Errors
/// A file that cannot be read, or does not fit `network`.
pub(crate) fn read(settings: &Settings, network: &Network) -> Result<Option<(InitialWeights, Vec<Notice>)>, Error> {
    let Some(file) = &settings.training.init_weights else { return Ok(None) };
    read_file(file, network).map(Some).map_err(|error| error.while_doing("cannot start from these weights"))
}

fn read_file(file: &Path, network: &Network) -> Result<(InitialWeights, Vec<Notice>), Error> {
    if is_of_another_program(file) {
        let (weights, notices) = weights_of_another_program(file, network)?;
        return Ok((InitialWeights::whole(weights), notices));
    }
    if ClassicalFile::is_at(file) {
        let problem = "holds a classical model: no network can start from its weights";
        return Err(Error::Usage(format!("{} {problem}", file.display())));
    }
    let initial = InitialWeights::read(file, network)?;
    let (taken, drawn) = initial.layers(network);
    let names = |layers: &[&str]| joined(&layers.iter().map(ToString::to_string).collect::<Vec<_>>());
    let verb = |layers: &[&str]| if layers.len() == 1 { "is" } else { "are" };
    let partly = (!drawn.is_empty()).then(|| {
        Notice::Note(format!(
            "{} {} taken from {}; {} {} drawn from the seed.",
            names(&taken),
            verb(&taken),
            file.display(),
            names(&drawn),
            verb(&drawn),
        ))
    });
    Ok((initial, partly.into_iter().collect()))
}

/// What a user should know of weights that training on `corpus` starts from, how its windows are `prepared` (in the words of a
/// weight file), and by whose windows it is `judged`. Of a file
/// that does not say on what it was trained, there is nothing to say.
pub(crate) fn notices(
    initial: &InitialWeights,
    corpus: &Corpus,
    prepared: Option<&str>,
    judged: &[String],
) -> Vec<Notice> {
    let mut notices = Vec::new();
    let (told, record) = (&initial.metadata, PretrainRecord::of(initial));
    let rate: Option<f64> = told.get(RATE).and_then(|rate| rate.parse().ok());
    if let (Some(before), Some(now)) = (rate, corpus.rate_hz)
        && !is_same_rate(before, now)
    {
        notices.push(Notice::Warning(format!(
            "the initial weights were trained at {before} samples a second, and these recordings have {now}: to their \
             convolutions everything is slower or faster. Take --rate {before}."
        )));
    }
    let channels: Option<Vec<String>> = told.get("channels").and_then(|names| serde_json::from_str(names).ok());
    if let Some(before) = channels.filter(|before| *before != corpus.channels) {
        notices.push(Notice::Warning(format!(
            "the initial weights were trained on the channels {}, and these are {}.",
            listed(&before, MOST_NAMED),
            listed(&corpus.channels, MOST_NAMED),
        )));
    }
    let before = told.get(PER_WINDOW).map(String::as_str);
    if record.is_some() && before != prepared {
        notices.push(Notice::Warning(format!(
            "the initial weights were trained on windows that were prepared in another way (`{}`, and here `{}`).",
            before.unwrap_or("none"),
            prepared.unwrap_or("none"),
        )));
    }
    notices.extend(record.and_then(|record| seen(&record, corpus, judged)));
    notices
}

/// The warning that layers have been trained on windows of subjects who are `judged`.
fn seen(record: &PretrainRecord, corpus: &Corpus, judged: &[String]) -> Option<Notice> {
    let both: Vec<String> = judged.iter().filter(|subject| record.subjects.contains(subject)).cloned().collect();
    let who = match both.is_empty() {
        false => format!("people who are judged here ({})", listed(&both, MOST_NAMED)),
        true if record.fingerprint == corpus.fingerprint => "the recordings that are judged here".to_owned(),
        true => return None,
    };
    Some(Notice::Warning(format!(
        "the initial weights were trained on unlabelled windows of {who}. So this is fine-tuning for people whose unlabelled \
         recordings are at hand (transductive), and no test on strangers: for that, pre-train without them \
         (triax pretrain --without ID,…)."
    )))
}

/// SHA-256, in hexadecimal, of initial weights: names, shapes and values.
pub(crate) fn fingerprint(initial: &InitialWeights) -> String {
    let mut hasher = Sha256::new();
    for tensor in &initial.tensors {
        hasher.update(format!("{} {:?}\n", tensor.name, tensor.shape));
        let bytes: Vec<u8> = tensor.values.iter().flat_map(|value| value.to_le_bytes()).collect();
        hasher.update(&bytes);
    }
    hex(hasher.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Recordings;

    fn initial(subjects: &[&str], fingerprint: &str, more: &[(&str, &str)]) -> InitialWeights {
        let subjects = subjects.iter().map(ToString::to_string).collect();
        let record = PretrainRecord { subjects, fingerprint: fingerprint.into(), loss: 1.0 };
        let mut metadata = record.metadata();
        metadata.extend(more.iter().map(|(key, value)| (key.to_string(), value.to_string())));
        InitialWeights { tensors: Vec::new(), metadata }
    }

    #[test]
    fn what_differs_from_the_training_without_labels_is_said() {
        let corpus = Recordings::synthetic(0).corpus;
        let subjects = corpus.subjects();
        let channels = serde_json::json!(corpus.channels).to_string();
        let rate = corpus.rate_hz.unwrap().to_string();
        let said = |initial: &InitialWeights, judged: &[String]| {
            let notices = notices(initial, &corpus, None, judged);
            notices.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        let alike = [("channels", channels.as_str()), ("rate_hz", rate.as_str())];
        assert_eq!(said(&initial(&["nobody"], "", &alike), &subjects), "");
        assert_eq!(said(&initial(&[&subjects[0]], "", &alike), &subjects[1..]), "");
        let seen = said(&initial(&[&subjects[0], &subjects[2]], "", &alike), &subjects[..2]);
        assert!(seen.contains(&format!("judged here ({})", subjects[0])) && seen.contains("transductive"), "{seen}");
        let same = said(&initial(&[], &corpus.fingerprint, &alike), &[]);
        assert!(same.contains("the recordings that are judged here"), "{same}");
        for (key, value, words) in [
            ("rate_hz", "7", "7 samples a second"),
            ("channels", "[\"a\"]", "the channels a,"),
            (PER_WINDOW, "standardise", "prepared in another way"),
        ] {
            let differs = said(&initial(&[], "", &[&alike[..], &[(key, value)]].concat()), &subjects);
            assert!(differs.contains(words), "{differs}");
        }
    }

    #[test]
    fn a_file_of_another_origin_says_nothing() {
        let corpus = Recordings::synthetic(0).corpus;
        let plain = InitialWeights { tensors: Vec::new(), metadata: BTreeMap::new() };
        assert_eq!(notices(&plain, &corpus, Some("window"), &corpus.subjects()), []);
    }
}
