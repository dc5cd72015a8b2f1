//! The fingerprint of a corpus: a hash of its content.

use sha2::{Digest, Sha256};
use triax_model::text::hex;

use crate::{Corpus, Part};

impl Corpus {
    /// The same corpus with its fingerprint.
    pub(crate) fn with_fingerprint(self) -> Self {
        Self { fingerprint: self.content_hash(), ..self }
    }

    /// SHA-256, in hexadecimal, of channels, classes, and each recording's subject, class, part and values, in order.
    /// Times are left out: they decide where recordings end, and that is in the content.
    fn content_hash(&self) -> String {
        let mut hasher = Sha256::new();
        // Each text follows its length, so that different contents give different bytes.
        let text = |hasher: &mut Sha256, text: &str| {
            hasher.update((text.len() as u64).to_le_bytes());
            hasher.update(text);
        };
        for names in [&self.channels, &self.classes] {
            hasher.update((names.len() as u64).to_le_bytes());
            names.iter().for_each(|name| text(&mut hasher, name));
        }
        hasher.update((self.window.unwrap_or(0) as u64).to_le_bytes());
        let mut bytes = Vec::new();
        for recording in &self.recordings {
            text(&mut hasher, &recording.subject);
            hasher.update(recording.class.to_le_bytes());
            hasher.update([match recording.part {
                None => 0,
                Some(Part::Train) => 1,
                Some(Part::Valid) => 2,
            }]);
            hasher.update((recording.values.len() as u64).to_le_bytes());
            bytes.clear();
            bytes.extend(recording.values.iter().flat_map(|value| value.to_le_bytes()));
            hasher.update(&bytes);
        }
        hex(hasher.finalize())
    }
}
