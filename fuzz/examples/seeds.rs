//! Writes the seeds that no hand can write: `cargo run --release -p triax-fuzz --example seeds`.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use triax_exchange::{Trained, c, html, onnx, tflite};
use triax_fuzz::{packed, small};
use triax_model::Preparation;
use zip::CompressionMethod;

fn write(target: &str, name: &str, content: &[u8]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    fs::create_dir_all(&folder)
        .and_then(|()| fs::write(folder.join(name), content))
        .expect("the corpus can be written");
}

/// The input for a safetensors file; `change` may change its header.
fn input(file: &[u8], change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let (header, data) = packed::split(file);
    let mut header = serde_json::from_slice(header).expect("a header is JSON");
    change(&mut header);
    [header.to_string().as_bytes(), b"\n", data].concat()
}

/// A NumPy array.
fn array(kind: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n");
    [b"\x93NUMPY\x01\0", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), data].concat()
}

fn floats(values: impl IntoIterator<Item = f32>) -> Vec<u8> {
    values.into_iter().flat_map(f32::to_le_bytes).collect()
}

/// The input for files with these contents.
fn files(files: &[(&str, &[u8])]) -> Vec<u8> {
    files
        .iter()
        .map(|(name, content)| [b"=== ", name.as_bytes(), b"\n", content].concat())
        .collect::<Vec<_>>()
        .join(&b'\n')
}

fn main() {
    for (name, n_steps) in [("sound-first-step", 1), ("sound-second-epoch", 4), ("sound-finished", usize::MAX)] {
        let (file, _) = small::checkpoint(n_steps);
        write("checkpoint", name, &input(&file, |header| header["__metadata__"]["identity"] = json!("")));
    }
    write("weights", "sound", &input(&small::weights(), |_| ()));
    write("weights", "raw", &small::weights());
    write("trainings", "sound", &small::training(false));
    write("trainings", "sound-broken", &small::training(true));

    let (network, integers) = (&*triax_fuzz::NETWORK, &*triax_fuzz::INTEGERS);
    let plain = Trained { preparation: Preparation::default(), ..network.clone() };
    write("onnx", "sound", &onnx::write(std::slice::from_ref(network)).expect("a network"));
    write("onnx", "sound-ensemble", &onnx::write(&[plain.clone(), plain]).expect("an ensemble"));
    write("onnx", "sound-int8", &onnx::write_int8(integers).expect("integers"));
    write("tflite", "sound", &tflite::write(network).expect("a network"));
    write("tflite", "sound-int8", &tflite::write_int8(integers).expect("integers"));
    write("c", "sound", c::write(network, "network").expect("a network").text.as_bytes());
    write("c", "sound-int8", c::write_int8(integers, "network").expect("integers").text.as_bytes());
    // Of a page, only the network is read.
    let page = html::write(network).expect("a network");
    let start = page.find("<script id=\"model\"").expect("the network's script");
    let end = start + page[start..].find("</script>").expect("its end") + "</script>".len();
    write("html", "sound", &page.as_bytes()[start..end]);

    // Two windows of two rows and two channels to train on, one to validate with.
    let train = array("<f4", "(2, 2, 2)", &floats((0..8).map(|value| value as f32)));
    let half = array("<f2", "(1, 2, 2)", &[0, 0x3c, 0, 0x40, 0, 0x42, 0, 0x44]);
    let labels = array("<i8", "(2,)", &[1_i64, 0].map(i64::to_le_bytes).concat());
    let hot = array("<f4", "(2, 2)", &floats([0.0, 1.0, 1.0, 0.0]));
    let one = array("|u1", "(1,)", &[1]);
    let names = array(
        "<U2",
        "(2,)",
        &["s1", "s2"].concat().chars().flat_map(|char| (char as u32).to_le_bytes()).collect::<Vec<_>>(),
    );
    let bytes = array("|S3", "(2,)", b"s1\0s22");
    let both = [("X_train.npy", &train[..]), ("y_train.npy", &labels), ("X_test.npy", &half), ("y_test.npy", &one)];
    write("npz", "sound", &files(&both));
    write("npz", "sound-one-hot-subjects", &files(&[("X.npy", &train), ("y.npy", &hot), ("subjects.npy", &names)]));
    write(
        "npz",
        "sound-bytes",
        &files(&[("x_train.npy", &train), ("y_train.npy", &labels), ("subject_train.npy", &bytes)]),
    );
    write("npz", "sound-archive", &packed::archive(&files(&both), CompressionMethod::Deflated));

    let text = b"subject,activity,x\na,walk,1\na,walk,2\nb,sit,1\nb,sit,3\n";
    let table = files(&[("a.csv", text)]);
    for (name, method) in [("deflate", CompressionMethod::Deflated), ("bzip2", CompressionMethod::Bzip2)] {
        write("zip", &format!("sound-{name}"), &[b"0", &packed::archive(&table, method)[..]].concat());
    }
}
