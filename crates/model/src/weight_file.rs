//! Weight files: safetensors in Keras's layouts, with the specification, class names and scaler in the metadata.
//!
//! A file is a length, a JSON header and the values: see <https://huggingface.co/docs/safetensors>. Every byte is
//! checked, and a file that does not exactly match the network is refused with the name of the tensor.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use safetensors::tensor::Metadata;
use safetensors::{Dtype, SafeTensorError, SafeTensors};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::initial_weights::FIRST_LAYERS;
use crate::network::{MOST_VALUES, Network, Parameter};
use crate::scaler::Scaler;
use crate::spec::NetworkSpec;
use crate::weights::{Tensor, Weights};
use crate::whole_file;

/// Key in the metadata that says what a file holds.
pub(crate) const FORMAT_KEY: &str = "format";
/// Value of `format` in the metadata of a file with everything needed to predict.
const FORMAT: &str = "triax";
/// Value of `version` in the metadata; it changes when older programs could misread a file.
const VERSION: &str = "1";
/// Metadata keys with a meaning of their own, which `extra` must not use.
const RESERVED: [&str; 5] = [FORMAT_KEY, "version", "spec", "classes", "scaler"];
/// Longest file that can hold a network's values, with the longest header that safetensors allows.
const MOST_BYTES: u64 = 4 * MOST_VALUES as u64 + 100_000_008;

/// Everything needed to predict: weights, specification, class names and scaler.
#[derive(Clone, Debug, PartialEq)]
pub struct WeightFile {
    /// The weights, in the order of the network of `spec`.
    pub weights: Weights,
    /// The specification of the network.
    pub spec: NetworkSpec,
    /// Name of each class, in the order of the network's outputs.
    pub classes: Vec<String>,
    /// How raw sensor values are standardised; not at all if absent.
    pub scaler: Option<Scaler>,
    /// Further entries of the metadata (window step, channel names). The keys `format`, `version`, `spec`, `classes` and
    /// `scaler` are reserved.
    pub extra: BTreeMap<String, String>,
}

/// Why a weight file could not be read or written. Each names the file.
#[derive(Debug, thiserror::Error)]
pub enum WeightFileError {
    /// The operating system reports an error.
    #[error("cannot {action} {}: {reason}", path.display())]
    Io {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's error.
        reason: io::Error,
    },
    /// Not a safetensors file, or a damaged one.
    #[error("{} is not a whole safetensors file: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// An entry of the metadata is missing or invalid.
    #[error("{}: metadata `{key}` {problem}", path.display())]
    Metadata {
        /// The file.
        path: PathBuf,
        /// Key of the entry.
        key: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A tensor is missing, unknown, or does not fit the network.
    #[error("{}: tensor `{tensor}` {problem}", path.display())]
    Tensor {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The weights do not fit the specification; nothing was written.
    #[error("{} was not written: {problem}", path.display())]
    Inconsistent {
        /// The file that was to be written.
        path: PathBuf,
        /// What does not fit.
        problem: String,
    },
}

impl WeightFile {
    /// Writes the file whole or not at all. The same contents give the same bytes.
    ///
    /// # Errors
    /// Contents that [`WeightFile::read`] would refuse; a folder that is missing or cannot be written; a full disk.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), WeightFileError> {
        let path = path.as_ref();
        self.check().map_err(|problem| WeightFileError::Inconsistent { path: path.to_owned(), problem })?;
        whole_file::write(path, &self.to_bytes()).map_err(|reason| WeightFileError::Io {
            action: "write",
            path: path.to_owned(),
            reason,
        })
    }

    /// Reads a file that [`WeightFile::write`] has written.
    ///
    /// # Errors
    /// A file that cannot be read, is damaged, lacks the metadata, or whose tensors are not exactly those of its
    /// specification, all values finite.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, WeightFileError> {
        let path = path.as_ref();
        Self::from_bytes(&read_bytes(path)?, path)
    }

    /// Reads the bytes of a file that [`WeightFile::write`] has written, or those of [`WeightFile::to_bytes`]. Errors call
    /// them `path`.
    ///
    /// # Errors
    /// As [`WeightFile::read`].
    pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Self, WeightFileError> {
        let (mut metadata, tensors) = parse(path, bytes)?;
        let wrong = |key: &str, problem: String| WeightFileError::Metadata {
            path: path.to_owned(),
            key: key.to_owned(),
            problem,
        };

        for (key, expected) in [(FORMAT_KEY, FORMAT), ("version", VERSION)] {
            match metadata.remove(key) {
                Some(found) if found == expected => {}
                Some(found) if found == FIRST_LAYERS => {
                    let problem =
                        format!("is `{found}`: the file has no layer of scores, and only `--init-weights` takes it");
                    return Err(wrong(key, problem));
                }
                Some(found) => return Err(wrong(key, format!("is `{found}`; this Triax reads `{expected}`"))),
                None => {
                    let problem = "is missing: the file holds plain weights, which only `--init-weights` takes";
                    return Err(wrong(key, problem.into()));
                }
            }
        }
        let spec: NetworkSpec = take(&mut metadata, "spec").map_err(|problem| wrong("spec", problem))?;
        let classes: Vec<String> = take(&mut metadata, "classes").map_err(|problem| wrong("classes", problem))?;
        let scaler = if metadata.contains_key("scaler") {
            Some(take::<Scaler>(&mut metadata, "scaler").map_err(|problem| wrong("scaler", problem))?)
        } else {
            None
        };
        let network = Network::new(spec.clone()).map_err(|e| wrong("spec", format!("cannot work: {e}")))?;
        if classes.len() != spec.classes {
            let problem = format!("has {} names for {} classes", classes.len(), spec.classes);
            return Err(wrong("classes", problem));
        }
        if let Some(scaler) = &scaler {
            scaler.fits(spec.channels).map_err(|problem| wrong("scaler", problem))?;
        }
        let weights = read_tensors(path, &tensors, &network)?;
        Ok(Self { weights, spec, classes, scaler, extra: metadata })
    }

    /// Checks that `read` would accept this.
    fn check(&self) -> Result<(), String> {
        let network = Network::new(self.spec.clone()).map_err(|e| e.to_string())?;
        self.weights.fits(&network)?;
        if let Some(name) = self.weights.first_non_finite() {
            return Err(format!("tensor `{name}` holds a value that is not finite"));
        }
        if self.classes.len() != self.spec.classes {
            return Err(format!("{} class names for {} classes", self.classes.len(), self.spec.classes));
        }
        if let Some(scaler) = &self.scaler {
            scaler.fits(self.spec.channels).map_err(|problem| format!("scaler: {problem}"))?;
        }
        match RESERVED.iter().find(|key| self.extra.contains_key(**key)) {
            Some(key) => Err(format!("extra metadata must not be called `{key}`")),
            None => Ok(()),
        }
    }

    /// The bytes of the file, whose contents are not checked.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut metadata: BTreeMap<&str, String> = self.extra.iter().map(|(k, v)| (k.as_str(), v.clone())).collect();
        metadata.insert(FORMAT_KEY, FORMAT.into());
        metadata.insert("version", VERSION.into());
        metadata.insert("spec", json(&self.spec));
        metadata.insert("classes", json(&self.classes));
        if let Some(scaler) = &self.scaler {
            metadata.insert("scaler", json(scaler));
        }
        to_bytes(metadata, &self.weights.tensors)
    }
}

/// The bytes of a file of these tensors, one after the other. The header is not written by the `safetensors` crate, which
/// keeps metadata in a hash map: two runs of the same training would differ in the order of its entries.
pub(crate) fn to_bytes(metadata: BTreeMap<&str, String>, tensors: &[Tensor]) -> Vec<u8> {
    #[derive(Serialize)]
    struct Entry<'a> {
        dtype: Dtype,
        shape: &'a [usize],
        data_offsets: [usize; 2],
    }
    #[derive(Serialize)]
    struct Header<'a> {
        #[serde(rename = "__metadata__")]
        metadata: BTreeMap<&'a str, String>,
        #[serde(flatten)]
        tensors: BTreeMap<&'a str, Entry<'a>>,
    }

    let mut end = 0;
    let entries = tensors.iter().map(|tensor| {
        let start = end;
        end += size_of_val(&tensor.values[..]);
        let entry = Entry { dtype: Dtype::F32, shape: &tensor.shape, data_offsets: [start, end] };
        (tensor.name.as_str(), entry)
    });
    let entries = entries.collect();
    let mut header = json(&Header { metadata, tensors: entries });
    // safetensors pads with spaces, so that the values are aligned.
    header.push_str(&" ".repeat(header.len().next_multiple_of(8) - header.len()));

    let mut bytes = Vec::with_capacity(8 + header.len() + end);
    bytes.extend((header.len() as u64).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(tensors.iter().flat_map(|tensor| &tensor.values).flat_map(|value| value.to_le_bytes()));
    bytes
}

/// `value` as JSON, for the strings of the metadata.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("plain structs with string keys have a JSON form")
}

/// Removes the entry `key` from `metadata` and parses it as JSON.
fn take<T: DeserializeOwned>(metadata: &mut BTreeMap<String, String>, key: &str) -> Result<T, String> {
    let text = metadata.remove(key).ok_or("is missing")?;
    serde_json::from_str(&text).map_err(|e| format!("cannot be understood: {e}"))
}

/// The bytes of a regular file of a size that a network can have.
pub(crate) fn read_bytes(path: &Path) -> Result<Vec<u8>, WeightFileError> {
    let io_error = |reason| WeightFileError::Io { action: "read", path: path.to_owned(), reason };
    if !fs::metadata(path).map_err(io_error)?.is_file() {
        return Err(io_error(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file")));
    }
    whole_file::read(path, MOST_BYTES).map_err(io_error)
}

/// The metadata and the tensors of the file.
pub(crate) fn parse<'a>(
    path: &Path,
    bytes: &'a [u8],
) -> Result<(BTreeMap<String, String>, SafeTensors<'a>), WeightFileError> {
    let damaged = |reason| WeightFileError::Damaged { path: path.to_owned(), reason };
    let (_, header) = match SafeTensors::read_metadata(bytes) {
        Ok(read) => read,
        Err(SafeTensorError::MetadataIncompleteBuffer) => return Err(wrong_length(path, bytes)),
        Err(e) => return Err(damaged(e.to_string())),
    };
    let metadata = header.metadata().iter().flatten().map(|(key, value)| (key.clone(), value.clone())).collect();
    let tensors = SafeTensors::deserialize(bytes).map_err(|e| damaged(e.to_string()))?;
    Ok((metadata, tensors))
}

/// The error for a file whose values do not end where its header says, with the tensor that is cut off.
fn wrong_length(path: &Path, bytes: &[u8]) -> WeightFileError {
    let damaged = |reason: &str| WeightFileError::Damaged { path: path.to_owned(), reason: reason.to_owned() };
    let Some((length, rest)) = bytes.split_first_chunk() else { return damaged("it ends in its first eight bytes") };
    let header = usize::try_from(u64::from_le_bytes(*length)).ok().and_then(|n| rest.split_at_checked(n));
    let Some((header, values)) = header else { return damaged("it ends within its header") };
    let Ok(header) = serde_json::from_slice::<Metadata>(header) else { return damaged("its header is no JSON") };
    for name in header.offset_keys() {
        let Some([start, end]) = header.info(&name).map(|info| <[usize; 2]>::from(info.data_offsets)) else { continue };
        if end > values.len() {
            let there = values.len().saturating_sub(start);
            let problem = format!("is cut off: {there} of its {} bytes are there", end - start);
            return WeightFileError::Tensor { path: path.to_owned(), tensor: name, problem };
        }
    }
    damaged("bytes follow its last tensor")
}

/// Reads the tensors of `network`; there must be no others.
fn read_tensors(path: &Path, tensors: &SafeTensors<'_>, network: &Network) -> Result<Weights, WeightFileError> {
    check_names(path, tensors, network)?;
    let read = network.parameters().iter().map(|parameter| read_tensor(path, tensors, parameter));
    Ok(Weights { tensors: read.collect::<Result<_, _>>()? })
}

/// Refuses tensors that `network` does not have.
pub(crate) fn check_names(path: &Path, tensors: &SafeTensors<'_>, network: &Network) -> Result<(), WeightFileError> {
    let known = || network.parameters().iter().map(|parameter| parameter.name.as_str());
    let mut names = tensors.names();
    names.sort_unstable();
    match names.iter().find(|name| !known().any(|known| known == **name)) {
        None => Ok(()),
        Some(unknown) => {
            let names: Vec<_> = known().collect();
            let problem = format!("is not part of the network, which has {}", names.join(", "));
            Err(WeightFileError::Tensor { path: path.to_owned(), tensor: (*unknown).to_owned(), problem })
        }
    }
}

/// Reads the tensor of `parameter`, all of whose values must be finite.
pub(crate) fn read_tensor(
    path: &Path,
    tensors: &SafeTensors<'_>,
    parameter: &Parameter,
) -> Result<Tensor, WeightFileError> {
    let name = &parameter.name;
    let wrong = |problem: String| WeightFileError::Tensor { path: path.to_owned(), tensor: name.clone(), problem };
    let view = tensors.tensor(name).map_err(|_| wrong("is missing".into()))?;
    if view.dtype() != Dtype::F32 {
        return Err(wrong(format!("has dtype {}; only F32 is read, so save it as float32", view.dtype())));
    }
    if view.shape() != parameter.shape {
        let problem = format!("has shape {:?}, the network needs {:?}", view.shape(), parameter.shape);
        return Err(wrong(problem));
    }
    let (words, _) = view.data().as_chunks();
    let values: Vec<f32> = words.iter().map(|word| f32::from_le_bytes(*word)).collect();
    if let Some(i) = values.iter().position(|value| !value.is_finite()) {
        return Err(wrong(format!("holds {} at element {i}; all values must be finite", values[i])));
    }
    Ok(Tensor { name: name.clone(), shape: parameter.shape.clone(), values })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::initial_weights::InitialWeights;
    use crate::spec::{ConvSpec, DenseSpec};

    /// A file of a small network, with everything in it.
    fn example() -> WeightFile {
        let spec = NetworkSpec {
            window: 8,
            channels: 2,
            convs: vec![ConvSpec::plain(3, 2, 1, Some(2))],
            global_pool: None,
            dropout: 0.1,
            hidden: DenseSpec::relu([4]),
            classes: 2,
        };
        WeightFile {
            weights: Weights::glorot_uniform(&Network::new(spec.clone()).unwrap(), 0),
            spec,
            classes: vec!["walking".into(), "sitting \"still\"\n".into()],
            scaler: Some(Scaler { mean: vec![0.1, -3.0], scale: vec![1.0, 9.81] }),
            extra: BTreeMap::from([("step".into(), "4".into()), ("channels".into(), "[\"x\",\"y\"]".into())]),
        }
    }

    fn network(file: &WeightFile) -> Network {
        Network::new(file.spec.clone()).unwrap()
    }

    /// What reading `bytes` as a weight file says.
    fn refusal(bytes: &[u8]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bad.safetensors");
        fs::write(&path, bytes).unwrap();
        let error = WeightFile::read(&path).expect_err("the file is bad").to_string();
        assert!(error.contains("bad.safetensors"), "the file is not named: {error}");
        error
    }

    /// The example's bytes with its header, as text, changed. The header's length follows.
    fn with_header(change: impl FnOnce(String) -> String) -> Vec<u8> {
        let bytes = example().to_bytes();
        let n = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let header = change(String::from_utf8(bytes[8..8 + n].to_vec()).unwrap());
        [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &bytes[8 + n..]].concat()
    }

    #[test]
    fn a_file_holds_keras_s_names_and_layouts() {
        let bytes = example().to_bytes();
        let read = SafeTensors::deserialize(&bytes).unwrap();
        let kernel = read.tensor("conv1.kernel").unwrap();
        assert_eq!((kernel.dtype(), kernel.shape()), (Dtype::F32, &[2, 2, 3][..]));
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let metadata = header.metadata().as_ref().unwrap();
        assert_eq!(metadata["format"], "triax");
        assert_eq!(metadata["step"], "4");
        assert_eq!(serde_json::from_str::<NetworkSpec>(&metadata["spec"]).unwrap(), example().spec);
    }

    #[test]
    fn the_same_contents_give_the_same_bytes_and_replace_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.safetensors");
        fs::write(&path, "old").unwrap();
        example().write(&path).unwrap();
        let first = fs::read(&path).unwrap();
        WeightFile::read(&path).unwrap().write(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), first);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "something was left beside the file");
    }

    #[test]
    fn contents_that_would_not_be_read_back_are_not_written() {
        type Change = fn(&mut WeightFile);
        let cases: [(&str, Change); 6] = [
            ("`conv1.bias` holds a value that is not finite", |f| f.weights.tensors[1].values[2] = f32::NAN),
            ("`conv1.bias` has shape", |f| f.weights.tensors[1].shape = vec![1, 3]),
            ("3 class names for 2", |f| f.classes.push("more".into())),
            ("scaler: the scale of channel 1 is 0", |f| f.scaler.as_mut().unwrap().scale[1] = 0.0),
            ("must not be called `spec`", |f| drop(f.extra.insert("spec".into(), "{}".into()))),
            ("conv1: kernel is 0", |f| f.spec.convs[0].kernel = 0),
        ];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.safetensors");
        example().write(&path).unwrap();
        for (reason, change) in cases {
            let mut file = example();
            change(&mut file);
            let error = file.write(&path).expect_err(reason).to_string();
            assert!(error.contains(reason) && error.contains("a.safetensors"), "{error}");
            assert_eq!(WeightFile::read(&path).unwrap(), example(), "the old file is gone");
        }
    }

    #[test]
    fn every_truncation_is_refused() {
        let bytes = example().to_bytes();
        for length in 0..bytes.len() {
            refusal(&bytes[..length]);
        }
        let error = refusal(&bytes[..bytes.len() - 1]);
        assert!(error.contains("tensor `dense2.bias` is cut off: 7 of its 8 bytes"), "{error}");
        let error = refusal(&[&bytes[..], &[0]].concat());
        assert!(error.contains("bytes follow"), "{error}");
    }

    #[test]
    fn a_header_of_a_hostile_length_allocates_nothing() {
        for length in [u64::MAX, u64::MAX - 8, 1 << 40, 99_999_999] {
            refusal(&[&length.to_le_bytes()[..], b"{}"].concat());
        }
        refusal(&[0; 64]);
        refusal(b"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x03\x00\x3e\x00");
        // A tensor that claims more values than there are addresses.
        refusal(&with_header(|header| header.replacen("[3]", "[18446744073709551615]", 1)));
    }

    #[test]
    fn what_is_not_exactly_the_network_is_refused_by_name() {
        type Change = fn(String) -> String;
        let cases: [(&str, Change); 13] = [
            ("tensor `dense7.bias` is not part of the network, which has conv1.kernel", |h| {
                h.replace("dense2.bias", "dense7.bias")
            }),
            ("tensor `conv1.kernel` has shape [3, 2, 2], the network needs [2, 2, 3]", |h| {
                h.replace("[2,2,3]", "[3,2,2]")
            }),
            ("tensor `conv1.bias` has dtype I32", |h| h.replacen("F32", "I32", 1)),
            ("metadata `format` is missing", |h| h.replace("\"format\":\"triax\",", "")),
            ("metadata `format` is `pt`", |h| h.replace("\"triax\"", "\"pt\"")),
            ("metadata `version` is `2`", |h| h.replace("\"version\":\"1\"", "\"version\":\"2\"")),
            ("metadata `spec` is missing", |h| h.replace("\"spec\"", "\"sepc\"")),
            ("metadata `spec` cannot be understood", |h| h.replace("dropout", "drop")),
            ("metadata `spec` cannot work: conv1", |h| h.replace("\\\"stride\\\":1", "\\\"stride\\\":0")),
            ("metadata `classes` has 2 names for 3", |h| h.replace("\\\"classes\\\":2", "\\\"classes\\\":3")),
            ("tensor `conv1.kernel` has shape [2, 2, 3], the network needs [1, 2, 3]", |h| {
                h.replace("\\\"kernel\\\":2", "\\\"kernel\\\":1")
            }),
            ("metadata `scaler` the mean", |h| h.replace("-3.0", "-3e60")),
            ("metadata `scaler` cannot be understood", |h| h.replace("9.81", "null")),
        ];
        for (reason, change) in cases {
            let bytes = with_header(|header| {
                let changed = change(header.clone());
                assert_ne!(changed, header, "{reason}");
                changed
            });
            let error = refusal(&bytes);
            assert!(error.contains(reason), "expected {reason}\ngot {error}");
        }
        let mut bytes = example().to_bytes();
        let end = bytes.len();
        bytes[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
        let error = refusal(&bytes);
        assert!(error.contains("tensor `dense2.bias` holds NaN at element 1"), "{error}");
    }

    #[test]
    fn plain_weights_need_no_metadata_but_must_fit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plain.safetensors");
        let file = example();
        file.write(&path).unwrap();
        assert_eq!(InitialWeights::read(&path, &network(&file)).unwrap().weights(&network(&file), 1), file.weights);

        // As another program writes it.
        let words: Vec<Vec<u8>> =
            file.weights.tensors.iter().map(|t| t.values.iter().flat_map(|v| v.to_le_bytes()).collect()).collect();
        let views = file.weights.tensors.iter().zip(&words).map(|(tensor, bytes)| {
            let view = safetensors::tensor::TensorView::new(Dtype::F32, tensor.shape.clone(), bytes).unwrap();
            (tensor.name.as_str(), view)
        });
        let plain = safetensors::serialize(views, None).unwrap();
        fs::write(&path, &plain).unwrap();
        assert_eq!(InitialWeights::read(&path, &network(&file)).unwrap().weights(&network(&file), 1), file.weights);
        let error = WeightFile::read(&path).unwrap_err().to_string();
        assert!(error.contains("`--init-weights`"), "{error}");

        let wider = Network::new(NetworkSpec { hidden: DenseSpec::relu([5]), ..file.spec.clone() }).unwrap();
        let error = InitialWeights::read(&path, &wider).unwrap_err().to_string();
        assert!(error.contains("tensor `dense1.kernel` has shape [9, 4], the network needs [9, 5]"), "{error}");
        let deeper = Network::new(NetworkSpec { hidden: DenseSpec::relu([4, 2]), ..file.spec }).unwrap();
        let error = InitialWeights::read(&path, &deeper).unwrap_err().to_string();
        assert!(error.contains("tensor `dense3.kernel` is missing"), "{error}");
    }

    #[test]
    fn a_path_that_cannot_be_read_or_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let gone = folder.path().join("gone/a.safetensors");
        let error = WeightFile::read(&gone).unwrap_err().to_string();
        assert!(error.starts_with("cannot read") && error.contains("gone/a.safetensors"), "{error}");
        let error = example().write(&gone).unwrap_err().to_string();
        assert!(error.starts_with("cannot write") && error.contains("gone/a.safetensors"), "{error}");
        let error = WeightFile::read(folder.path()).unwrap_err().to_string();
        assert!(error.contains("not a regular file"), "{error}");
    }

    prop_compose! {
        fn any_spec()(
            window in 8..40_usize,
            channels in 1..4_usize,
            convs in prop::collection::vec((1..5_usize, 1..3_usize, 1..3_usize, prop::option::of(1..3_usize)), 1..=4),
            dropout in 0.0..1.0_f32,
            hidden in prop::collection::vec(1..6_usize, 0..3),
            classes in 2..5_usize,
        ) -> NetworkSpec {
            let block = |(filters, kernel, stride, pool)| ConvSpec::plain(filters, kernel, stride, pool);
            let (convs, hidden) = (convs.into_iter().map(block).collect(), DenseSpec::relu(hidden));
            NetworkSpec { window, channels, convs, global_pool: None, dropout, hidden, classes }
        }
    }

    proptest! {
        #[test]
        fn weight_files_round_trip(
            spec in any_spec(),
            bits in prop::collection::vec(any::<u32>(), 1..64),
            scale in prop::option::of(prop::num::f32::POSITIVE),
            extra in prop::collection::btree_map("extra .{0,8}", ".{0,8}", 0..4),
            name in ".{0,12}",
        ) {
            // A specification that cannot work is another test's.
            let Ok(network) = Network::new(spec.clone()) else { return Ok(()) };
            let mut weights = Weights::zeros(&network);
            let finite = |bits| Some(f32::from_bits(bits)).filter(|value| value.is_finite()).unwrap_or(-0.0);
            let values = weights.tensors.iter_mut().flat_map(|tensor| &mut tensor.values);
            for (value, &bits) in values.zip(bits.iter().cycle()) {
                *value = finite(bits);
            }
            let file = WeightFile {
                weights,
                classes: (0..spec.classes).map(|i| format!("{name}{i}")).collect(),
                scaler: scale.map(|s| Scaler { mean: vec![-s; spec.channels], scale: vec![s; spec.channels] }),
                spec,
                extra,
            };
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("a.safetensors");
            file.write(&path).unwrap();
            let read = WeightFile::read(&path).unwrap();
            prop_assert_eq!(&read, &file);
            // Equality of floats does not tell the zeros apart; the bytes do.
            prop_assert_eq!(read.to_bytes(), fs::read(&path).unwrap());
        }

        #[test]
        fn damage_is_an_error_and_never_a_panic(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut bytes = example().to_bytes();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("a.safetensors");
            fs::write(&path, bytes).unwrap();
            if let Ok(file) = WeightFile::read(&path) {
                // Values and names may change unnoticed; what was read must still be a file that can be written.
                file.write(&path).unwrap();
            }
        }
    }
}
