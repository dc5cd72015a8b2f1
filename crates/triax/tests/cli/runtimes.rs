//! A network is trained, exported, and run by the program that each format is made for: with the same classes.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;
use triax_testing::{Exported, Runtime, browser_or_skip, has_c_compilers, keras_or_skip, runtimes_or_skip};

use crate::{data, train_small, triax};

/// Samples, channels and classes of the small network.
const SHAPE: [usize; 3] = [32, 3, 3];

/// A folder with a run that has learned its classes.
fn learned() -> TempDir {
    let folder = data();
    train_small(folder.path(), "data.csv", "run", &["--epochs", "12", "--quiet"]).done();
    folder
}

/// The file of the run in `format`, and windows with the scores that Triax gives to them.
fn exported(folder: &Path, format: &str) -> (Vec<u8>, Vec<f32>, Vec<f32>) {
    triax(folder, ["export", "run", "--to", format, "--out", "file", "--prefix", "net", "--golden", "golden"]).done();
    // Scores of Triax itself, whatever the format does to them.
    triax(folder, ["export", "run", "--to", "safetensors", "--out", "plain", "--golden", "truth"]).done();
    let read = |name: &str| fs::read(folder.join(name)).unwrap();
    (read("file"), values(&read("golden/inputs.npy")), values(&read("truth/outputs.npy")))
}

/// The values of a file of NumPy.
fn values(file: &[u8]) -> Vec<f32> {
    let header = usize::from(u16::from_le_bytes([file[8], file[9]]));
    let (words, []) = file[10 + header..].as_chunks::<4>() else { panic!("whole floats") };
    words.iter().map(|word| f32::from_le_bytes(*word)).collect()
}

/// Checks that each row of scores has its largest where Triax has it; rows whose two largest are nearer to each other than
/// `close` of the largest score may differ.
#[track_caller]
fn assert_same_classes(format: &str, found: &[f32], expected: &[f32], close: f32) {
    assert_eq!(found.len(), expected.len(), "{format}");
    let largest = expected.iter().fold(0.0_f32, |largest, score| largest.max(score.abs()));
    let best = |row: &[f32]| (0..row.len()).max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap();
    let mut told_apart = 0;
    for (found, expected) in found.chunks_exact(SHAPE[2]).zip(expected.chunks_exact(SHAPE[2])) {
        let (here, there) = (best(found), best(expected));
        let lead = expected[there] - expected[here];
        assert!(here == there || lead < close * largest, "{format}: {found:?} is not {expected:?}");
        told_apart += usize::from(here == there);
    }
    assert!(told_apart >= 14, "{format}: {told_apart} of 16");
}

/// The largest difference of two scores for which rounding is the reason, relative to the largest score.
const BY_ROUNDING: f32 = 1e-5;
/// The same for integers of eight bits.
const BY_INTEGERS: f32 = 0.05;

#[test]
fn onnxruntime_litert_and_tensorflow_lite_micro_give_the_same_classes() {
    let test = "onnxruntime_litert_and_tensorflow_lite_micro_give_the_same_classes";
    let Some(runtimes) = runtimes_or_skip(test) else { return };
    let folder = learned();
    let cases = [
        ("onnx", Runtime::Onnx, BY_ROUNDING),
        ("onnx-int8", Runtime::Onnx, BY_INTEGERS),
        ("tflite", Runtime::Litert, BY_ROUNDING),
        ("tflite", Runtime::Micro, BY_ROUNDING),
        ("tflite-int8", Runtime::Litert, BY_INTEGERS),
        ("tflite-int8", Runtime::Micro, BY_INTEGERS),
    ];
    let files: Vec<_> = cases.iter().map(|(format, ..)| exported(folder.path(), format)).collect();
    let networks: Vec<Exported<'_>> = cases
        .iter()
        .zip(&files)
        .map(|((_, runtime, _), (file, windows, _))| Exported {
            runtime: *runtime,
            file: file.clone(),
            windows,
            shape: (SHAPE[0], SHAPE[1]),
        })
        .collect();
    for (((format, ..), found), ((_, _, expected), close)) in
        cases.iter().zip(runtimes.run(&networks)).zip(files.iter().zip(cases.map(|(.., close)| close)))
    {
        assert_same_classes(format, &found, expected, close);
    }
}

#[test]
fn compiled_headers_give_the_same_classes() {
    if !has_c_compilers("compiled_headers_give_the_same_classes") {
        return;
    }
    let folder = learned();
    for (format, close) in [("c", BY_ROUNDING), ("c-int8", BY_INTEGERS)] {
        let (header, _, expected) = exported(folder.path(), format);
        fs::write(folder.path().join("net.h"), header).unwrap();
        let program = "
            #include <stdio.h>
            #include \"net.h\"
            #include \"golden/golden.h\"
            int main(void) {
                for (int n = 0; n < net_GOLDEN; n++) {
                    float scores[net_CLASSES];
                    net_window(net_goldenwindows + n * net_WINDOW * net_CHANNELS, scores);
                    for (int c = 0; c < net_CLASSES; c++) printf(\"%.9g\\n\", (double)scores[c]);
                }
                return 0;
            }";
        fs::write(folder.path().join("main.c"), program).unwrap();
        let compiled =
            Command::new("gcc").args(["-std=c99", "-O2", "-o", "program", "main.c"]).current_dir(&folder).output();
        let compiled = compiled.unwrap();
        assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
        let run = Command::new(folder.path().join("program")).output().unwrap();
        let found: Vec<f32> =
            String::from_utf8(run.stdout).unwrap().lines().map(|line| line.parse().unwrap()).collect();
        assert_same_classes(format, &found, &expected, close);
        // And bit for bit what the export promised.
        assert_eq!(found, values(&fs::read(folder.path().join("golden/outputs.npy")).unwrap()), "{format}");
    }
}

#[test]
fn keras_gives_the_same_classes() {
    let Some(python) = keras_or_skip("keras_gives_the_same_classes") else { return };
    let folder = learned();
    let (file, _, expected) = exported(folder.path(), "keras");
    fs::write(folder.path().join("net.keras"), file).unwrap();
    let script = "
import os; os.environ.setdefault('KERAS_BACKEND', 'jax')
import keras, numpy as np
scores = keras.models.load_model('net.keras').predict(np.load('golden/inputs.npy'), verbose=0)
np.save('scores.npy', np.asarray(scores, dtype=np.float32))";
    let ran = Command::new(python).args(["-c", script]).current_dir(&folder).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let found = values(&fs::read(folder.path().join("scores.npy")).unwrap());
    assert_same_classes("keras", &found, &expected, BY_ROUNDING);
}

#[test]
fn a_browser_gives_the_same_classes() {
    let Some(browser) = browser_or_skip("a_browser_gives_the_same_classes") else { return };
    let folder = learned();
    let (page, windows, expected) = exported(folder.path(), "html");
    let size = SHAPE[0] * SHAPE[1];
    let script = format!(
        "const all = {windows:?}; const scores = []; \
         for (let i = 0; i < all.length; i += {size}) scores.push(...network.scores(all.slice(i, i + {size}))); return scores;"
    );
    let found: Vec<f32> = browser.run(&String::from_utf8(page).unwrap(), &script);
    assert_same_classes("html", &found, &expected, BY_ROUNDING);
}
