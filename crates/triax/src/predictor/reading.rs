//! What a predictor makes of recordings: its channels by name, in its order, at the rate it was trained on; and warnings
//! where they are in another unit.

use triax_data::{Corpus, Notice, ReadOptions, Wishes, is_same_rate, unit_of_gravity};
use triax_model::PerWindow;

use super::{Member, Predictor, PredictorOrigin};
use crate::Error;
use crate::recordings::{GRAVITY, read_corpus};
use crate::settings::{DataSource, Entries, FormatChoice, Settings};
use crate::text::listed;

/// Factor up to which gravity is the same: sensors differ, and swinging limbs take some of it away.
const SAME_GRAVITY: f64 = 1.5;

impl Predictor {
    /// The settings of the run or of the study; defaults for a weight file alone.
    fn own_settings(&self) -> Result<Settings, Error> {
        match &self.origin {
            PredictorOrigin::Run(run) => Ok(run.settings.clone()),
            PredictorOrigin::Study(study) => study.description.first_settings(),
            PredictorOrigin::File => Ok(Settings::default()),
        }
    }

    /// The settings to read recordings with: those of the run or of the study, and `given` instead where there are some.
    /// Recordings at another place, `data`, may have another format. What the tables of a logger mean is the same: `map`,
    /// `rename` and the like, [`crate::settings::DataSettings::OF_TABLES`].
    ///
    /// # Errors
    /// Invalid settings; a weight file alone, which does not know its data, without `data`.
    pub fn settings_for(&self, data: Option<&DataSource>, given: &Entries) -> Result<Settings, Error> {
        let mut settings = self.own_settings()?;
        match (data, &self.origin) {
            (Some(data), _) => {
                (settings.data.data, settings.data.format) = (data.clone(), FormatChoice(None));
                settings.data.columns = Vec::new();
            }
            (None, PredictorOrigin::File) => {
                return Err(Error::Usage("a weight file does not know its data: name it with --data".to_owned()));
            }
            (None, _) => {}
        }
        let mut entries = settings.entries();
        entries.extend(given.clone());
        Settings::from_entries(&entries)
    }

    /// Reads recordings with the options of [`Predictor::read_options`], as the networks need them: their channels, in their
    /// order, at their rate. What was done for that, and what is suspicious, is among the notices of the corpus. `seed` is the seed of the synthetic set.
    ///
    /// # Errors
    /// Data that cannot be read; as [`Predictor::adapt`].
    pub fn read(&self, source: &DataSource, options: ReadOptions, seed: u64) -> Result<Corpus, Error> {
        self.adapt(read_corpus(source, &options, seed)?)
    }

    /// How to read recordings with these settings. What is not among those `given` is handed on from the run, and holds where
    /// the recordings have what it names.
    pub fn read_options(&self, settings: &Settings, given: &Entries) -> ReadOptions {
        let is_handed_on = |name: &str| !given.contains_key(name);
        let wishes = Wishes {
            channels: true,
            map: is_handed_on("map"),
            subject_from: is_handed_on("subject_from"),
            rename: is_handed_on("rename"),
        };
        let channels = self.channel_names().unwrap_or_default().to_vec();
        ReadOptions { channels, wishes, ..settings.data.read_options() }
    }

    /// Makes of recordings what the networks need: their channels, in their order, at their rate. The recordings that they
    /// were trained on stay as they are. Notices are added to those of the corpus.
    ///
    /// # Errors
    /// Channels that are missing; windows of another length or rate.
    pub fn adapt(&self, corpus: Corpus) -> Result<Corpus, Error> {
        let corpus = self.with_its_channels(corpus)?;
        if let Some(window) = corpus.window.filter(|&window| window != self.spec().window) {
            return Err(Error::Input(format!(
                "{} comes in windows of {window} samples, and the network reads windows of {}",
                corpus.name,
                self.spec().window
            )));
        }
        if self.is_own(&corpus)? {
            return Ok(corpus);
        }
        let mut corpus = self.at_its_rate(corpus)?;
        let notices = self.differences_of_gravity(&corpus);
        corpus.notices.extend(notices);
        Ok(corpus)
    }

    /// Whether these are the recordings of the run or of the study, with or without activities that it left out.
    pub(crate) fn is_own(&self, corpus: &Corpus) -> Result<bool, Error> {
        let (fingerprint, rate_hz) = match &self.origin {
            PredictorOrigin::Run(run) => (&run.record.data.fingerprint, run.record.data.rate_hz),
            PredictorOrigin::Study(study) => (&study.summary.fingerprint, self.rate_hz),
            PredictorOrigin::File => return Ok(false),
        };
        // A fingerprint knows nothing of time.
        if rate_hz.zip(corpus.rate_hz).is_some_and(|(own, found)| !is_same_rate(own, found)) {
            return Ok(false);
        }
        let chosen = match self.own_settings()?.data.activities.as_slice() {
            [] => return Ok(corpus.fingerprint == *fingerprint),
            activities => corpus.clone().select_activities(activities),
        };
        Ok(chosen.is_ok_and(|chosen| chosen.fingerprint == *fingerprint))
    }

    /// Names of the channels in training. Numbers, as channels of an array have, are no names.
    fn channel_names(&self) -> Option<&[String]> {
        let is_number = |(n, name): (usize, &String)| *name == n.to_string();
        self.channels.as_deref().filter(|names| !names.iter().enumerate().all(is_number))
    }

    /// The recordings with the network's channels, in its order.
    fn with_its_channels(&self, mut corpus: Corpus) -> Result<Corpus, Error> {
        let (columns, notice) = self.columns(&corpus.name, &corpus.channels)?;
        corpus.notices.extend(notice);
        if !columns.iter().copied().eq(0..corpus.channels.len()) {
            corpus = corpus.take_channels(&columns);
        }
        match self.channel_names() {
            // They are the same names, although perhaps not in the same case.
            Some(names) if same_names(names, &corpus.channels) => Ok(corpus.with_channel_names(names)),
            _ => Ok(corpus),
        }
    }

    /// Index in `channels` of each of the network's channels. They are matched by name, case aside, and others are left
    /// out with a notice. Where no name is known they are taken in order, with a warning if they are called otherwise.
    /// Messages call the source of `channels` `name`.
    ///
    /// # Errors
    /// Channels that are missing; without common names, a different number of channels.
    pub(crate) fn columns(&self, name: &str, channels: &[String]) -> Result<(Vec<usize>, Option<Notice>), Error> {
        let Some(names) = self.channel_names() else {
            return self.columns_in_order(name, channels);
        };
        let column_of = |name: &String| {
            let exactly = channels.iter().position(|channel| channel == name);
            exactly.or_else(|| channels.iter().position(|channel| is_same_name(channel, name)))
        };
        let mut found: Vec<Option<usize>> = names.iter().map(column_of).collect();
        // A column is one channel only, where names differ in nothing but their case.
        for n in 1..found.len() {
            found[n] = found[n].filter(|column| !found[..n].contains(&Some(*column)));
        }
        if found.iter().all(Option::is_none) {
            return self.columns_in_order(name, channels);
        }
        if let Some(columns) = found.iter().copied().collect::<Option<Vec<usize>>>() {
            let others = channels.iter().enumerate().filter(|(column, _)| !columns.contains(column));
            let others: Vec<String> = others.map(|(_, channel)| channel.clone()).collect();
            let notice = (!others.is_empty()).then(|| {
                Notice::Note(format!(
                    "left out of {name}: {}, which the network was not trained on.",
                    listed(&others, 12)
                ))
            });
            return Ok((columns, notice));
        }
        let missing = names.iter().zip(&found).filter(|(_, found)| found.is_none()).map(|(name, _)| name.clone());
        let missing: Vec<String> = missing.collect();
        let (missing, them) = match missing.as_slice() {
            [one] => (format!("the channel {one}"), "it"),
            several => (format!("the channels {}", listed(several, 12)), "them"),
        };
        Err(Error::Input(format!(
            "{name} lacks {missing}, and the network was trained on {}; it has {}. Rename the column in the header; if it \
             is there and was read as something else, name {them} with --map COLUMN=channel",
            listed(names, 12),
            listed(channels, 12),
        )))
    }

    /// The channels one after the other, where there are as many as the network's.
    fn columns_in_order(&self, name: &str, channels: &[String]) -> Result<(Vec<usize>, Option<Notice>), Error> {
        let n_channels = self.n_channels();
        if channels.len() != n_channels {
            let expected = self.channels.as_ref().map_or_else(String::new, |names| format!(" ({})", names.join(", ")));
            return Err(Error::Input(format!(
                "{name} has {} channels ({}), and the network was trained on {n_channels}{expected}",
                channels.len(),
                channels.join(", "),
            )));
        }
        let others = self.channels.as_ref().filter(|names| names.as_slice() != channels);
        let notice = others.map(|names| {
            Notice::Warning(format!(
                "the channels of {name} are called {}, those the network was trained on {}; they are taken in this order.",
                channels.join(", "),
                names.join(", "),
            ))
        });
        Ok(((0..n_channels).collect(), notice))
    }

    /// The recordings at the network's rate.
    fn at_its_rate(&self, mut corpus: Corpus) -> Result<Corpus, Error> {
        let Some(trained_at) = self.rate_hz else { return Ok(corpus) };
        let is_unknown =
            corpus.rate_hz.is_none() && corpus.recordings.iter().all(|recording| recording.times.is_empty());
        if is_unknown {
            corpus.notices.push(Notice::Note(format!(
                "nobody knows how many samples a second {} has; it is taken to have {} like the data that the network was \
                 trained on.",
                corpus.name,
                rounded(trained_at)
            )));
            return Ok(corpus);
        }
        let name = corpus.name.clone();
        corpus.resampled(trained_at).map_err(|error| {
            let what =
                format!("the network was trained on {} samples a second, and {name} has others", rounded(trained_at));
            Error::from(error).while_doing(what)
        })
    }

    /// Warnings where gravity tells that the recordings are in another unit than those the network was trained on.
    fn differences_of_gravity(&self, corpus: &Corpus) -> Vec<Notice> {
        // Windows that are standardised one by one have no unit.
        let is_unitless = |member: &Member| member.preparation().normalisation == Some(PerWindow::Standardise);
        if self.members.iter().all(is_unitless) {
            return Vec::new();
        }
        let trained: Option<Vec<Option<f64>>> = self.extra(GRAVITY).and_then(|json| serde_json::from_str(json).ok());
        let pairs = trained.unwrap_or_default().into_iter().zip(corpus.gravity(self.spec().window)).enumerate();
        let warn = |(triple, (trained, found)): (usize, (Option<f64>, Option<f64>))| {
            let ((trained, found), channels) = (trained.zip(found)?, corpus.channels.get(3 * triple..3 * triple + 3)?);
            let (wants, exact) = unit_of_gravity(trained)?;
            if (SAME_GRAVITY.recip()..=SAME_GRAVITY).contains(&(found / trained)) {
                return None;
            }
            let (looks_like, factor) = match unit_of_gravity(found) {
                Some((unit, its)) => (format!("the recordings look like {unit}"), exact / its),
                None => (
                    "the recordings look like another unit, or like acceleration without gravity".to_owned(),
                    exact / found,
                ),
            };
            Some(Notice::Warning(format!(
                "gravity in {} is {} in {}, and {} in the data that the network was trained on: {looks_like}, and the \
                 network wants {wants}. Multiply them by {}, or do not trust the results.",
                channels.join(", "),
                rounded(found),
                corpus.name,
                rounded(trained),
                rounded(factor),
            )))
        };
        pairs.filter_map(warn).collect()
    }
}

/// Whether two channels have one name, case and spaces around it aside.
fn is_same_name(one: &str, other: &str) -> bool {
    one.trim().to_lowercase() == other.trim().to_lowercase()
}

fn same_names(some: &[String], others: &[String]) -> bool {
    some.len() == others.len() && some.iter().zip(others).all(|(one, other)| is_same_name(one, other))
}

/// `number` with three significant digits, and with all before the point.
fn rounded(number: f64) -> String {
    let digits = (2.0 - number.abs().log10().floor()).clamp(0.0, 12.0);
    let scale = 10_f64.powf(digits);
    ((number * scale).round() / scale).to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use triax_engine::device::DeviceChoice;

    use super::*;
    use crate::predictor::tests::predictor_with;

    fn named(channels: &[&str]) -> Predictor {
        let names = ("channels".to_owned(), serde_json::json!(channels).to_string());
        predictor_with(DeviceChoice::Cpu, BTreeMap::from([names]))
    }

    #[test]
    fn channels_are_found_by_name_and_without_common_names_in_order() {
        let columns = |network: &Predictor, channels: &[&str]| {
            let channels: Vec<String> = channels.iter().map(|name| (*name).to_owned()).collect();
            network.columns("data", &channels).map_err(|error| error.to_string())
        };
        let network = named(&["x", "y"]);
        for (channels, expected) in
            [(&["x", "y"][..], [0, 1]), (&["y", "x"], [1, 0]), (&["Y", " X"], [1, 0]), (&["X", "x", "y"], [1, 2])]
        {
            assert_eq!(columns(&network, channels).unwrap().0, expected, "{channels:?}");
        }
        let (found, notice) = columns(&network, &["t", "y", "w", "x"]).unwrap();
        assert_eq!(found, [3, 1]);
        assert_eq!(notice.unwrap().to_string(), "note: left out of data: t, w, which the network was not trained on.");
        let (found, notice) = columns(&network, &["0", "1"]).unwrap();
        assert_eq!(found, [0, 1]);
        assert!(matches!(notice, Some(Notice::Warning(said)) if said.contains("0, 1") && said.contains("x, y")));
        assert!(columns(&network, &["x", "w"]).unwrap_err().contains("lacks the channel y"));
        assert!(columns(&network, &["0", "1", "2"]).unwrap_err().contains("has 3 channels"));
        assert!(columns(&named(&["x", "X"]), &["x", "z"]).unwrap_err().contains("lacks the channel X"));
        let array = named(&["0", "1"]);
        assert_eq!(columns(&array, &["0", "1"]).unwrap(), (vec![0, 1], None));
        assert!(columns(&array, &["x", "y"]).unwrap().1.is_some());
        assert!(
            columns(&array, &["0", "1", "2"]).unwrap_err().contains("has 3 channels"),
            "which of them, nobody knows"
        );
        assert_eq!(
            columns(&predictor_with(DeviceChoice::Cpu, BTreeMap::new()), &["a", "b"]).unwrap(),
            (vec![0, 1], None)
        );
    }

    #[test]
    fn what_is_given_wins_over_what_is_known() {
        let network = named(&["x", "y"]);
        let given = serde_json::json!({"map": "Proband=subject", "rename": "a=b", "gap": 5});
        let source = DataSource::Path("/recordings".into());
        let settings = network.settings_for(Some(&source), given.as_object().unwrap()).unwrap();
        let options = settings.data.read_options();
        assert_eq!((settings.data.data, options.gap), (source, Some(5.0)));
        assert_eq!(options.rename, [("a".to_owned(), "b".to_owned())]);
        assert_eq!(options.map[0].0, "Proband");
        let unknown = network.settings_for(None, &Entries::new()).unwrap_err();
        assert!(unknown.is_usage() && unknown.to_string().contains("--data"), "{unknown}");
    }

    #[test]
    fn numbers_are_shown_with_three_digits() {
        let shown = [9.80665, 0.001, 0.0098066, 16384.0, 20.0, 28.31].map(rounded);
        assert_eq!(shown, ["9.81", "0.001", "0.00981", "16384", "20", "28.3"]);
    }
}
