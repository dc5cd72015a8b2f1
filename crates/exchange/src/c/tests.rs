//! Headers are compiled and run: on this machine as C and as C++, and on emulated Cortex-M4F and Cortex-M3.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use triax_model::{Network, NetworkSpec, PerWindow, PoolKind, Scaler, Weights};
use triax_testing::{has_c_compilers, has_cortex_m};

use super::*;
use crate::golden;
use crate::int8::quantise;
use crate::trained::tests::{derived, trained, windows};

/// Samples from one window to the next.
const STEP: usize = 7;
const WINDOWS: usize = 4;
/// What users of strict compilers set.
const STRICT: &[&str] = &["-Wall", "-Wextra", "-Werror", "-pedantic", "-Wconversion", "-Wshadow"];

/// Names that would end comments and strings, were they written as they are.
fn hostile(mut one: Trained) -> Trained {
    one.about.classes = ["*/ #error", "\"\\", "??/\u{202e}\n"].map(str::to_owned).to_vec();
    one.about.channels = ["ax", "ay", "az", "\\", "*/", "ß"].map(str::to_owned).to_vec();
    one.about.units = vec![Some("m/s²".into()), None];
    one.about.rate_hz = Some(12.5);
    one.about.step = Some(STEP);
    one.about.fingerprint = Some("a\\".into());
    one.about.producer = "triax */ #error ??/".into();
    one
}

/// Networks of the whole family, with a name for each.
fn family() -> Vec<(&'static str, Trained)> {
    let average = Some(PoolKind::Average);
    let mut all = vec![
        ("plain", trained("8:3:2:2,8:3:1", "12", None)),
        ("padded", trained("8:3:2:same:avg3/2-same,6:4:1:same:3/1-same", "9", None)),
        ("means", trained("8:5:2:avg2,6:3:1", "", average)),
        ("dilated", trained("8:3:1:d3:2,6:2:1:d2:same:elu,5:3:1:d2", "9", None)),
        ("leaky", trained("8:5:2:leaky_relu=0.3,6:3:1:linear", "7:leaky_relu=0.01", Some(PoolKind::Max))),
        ("elu", trained("8:5:2:elu", "12:elu", None)),
        ("tanh", trained("8:5:2:tanh,5:2:3:same", "12:tanh", None)),
        ("gelu", trained("8:5:2:gelu", "12:gelu", None)),
        ("gravity", trained("8:3:2:2", "12", None)),
        ("shape", trained("8:3:2:2", "12", None)),
        ("raw", trained("8:3:2:2,8:3:1", "12", None)),
        ("soft", trained("8:3:2:2", "12", None)),
    ];
    for (name, one) in &mut all {
        *one = hostile(one.clone());
        match *name {
            "gravity" => one.preparation = PerWindow::AlignGravity.into(),
            "shape" => (one.preparation, one.scaler) = (PerWindow::Standardise.into(), None),
            "raw" => one.scaler = None,
            "soft" => one.softmax = true,
            _ => {}
        }
    }
    let names = ["derived", "scalars", "upright", "changes"];
    all.extend(names.into_iter().zip(derived()).map(|(name, (_, one))| (name, hostile(one))));
    all.push(("single", single()));
    all
}

/// A network of one channel.
fn single() -> Trained {
    let convs = vec!["3:4:1:2".parse().unwrap()];
    let spec = NetworkSpec { window: 120, channels: 1, convs, hidden: Vec::new(), classes: 3, ..Default::default() };
    let network = Network::new(spec).unwrap();
    let mut one = trained("1:1:1", "", None);
    one.weights = Weights::glorot_uniform(&network, 4);
    one.network = network;
    one.scaler = Some(Scaler { mean: vec![1.5], scale: vec![3.0] });
    one
}

/// A program for all of `family`, with the scores that it should write, a line each.
struct Program {
    main: String,
    headers: Vec<(String, String)>,
    /// Scores, and how far they may be away.
    expected: Vec<(f32, f32)>,
}

fn program() -> Program {
    let mut program = Program { main: "#include \"common.h\"\n".into(), headers: Vec::new(), expected: Vec::new() };
    let mut calls = String::new();
    let many = windows(30);
    let mut windows = windows(WINDOWS);
    // Multiples of 1/32, of which every other lies halfway between two numbers of a grid of 1/16.
    windows.iter_mut().for_each(|value| *value = (*value * 32.0).round() / 32.0);
    for (name, one) in family() {
        let mut add = |prefix: String, file: CFile, scores: &dyn Fn(&[f32]) -> Vec<f32>, is_exact: bool| {
            let (size, channels) = (one.network.spec().window, one.channels());
            // Windows side by side, as samples of a stream.
            let step = one.about.step.unwrap_or(size / 2);
            let starts =
                (0..).map(|n| n * step * channels).take_while(|start| start + size * channels <= windows.len());
            let stream = starts.flat_map(|start| scores(&windows[start..][..size * channels]));
            let golden = scores(&windows);
            let all: Vec<f32> = golden.iter().copied().chain(stream).collect();
            let largest = all.iter().fold(0.0_f32, |largest, score| largest.max(score.abs()));
            let tolerance = if is_exact { 0.0 } else { 1e-5 * largest };
            program.expected.extend(all.into_iter().map(|score| (score, tolerance)));
            let arrays = golden::c_arrays(&prefix, WINDOWS, &windows, &golden).unwrap();
            let _ = writeln!(program.main, "#include \"{prefix}.h\"\n#include \"{prefix}_golden.h\"");
            calls += &CALLS.replace("PREFIX", &prefix);
            program.headers.push((format!("{prefix}_golden.h"), arrays));
            program.headers.push((format!("{prefix}.h"), file.text));
        };
        add(format!("{name}_f32"), write(&one, &format!("{name}_f32")).unwrap(), &|x| one.scores(x), false);
        match quantise(&one, &many) {
            Ok(mut quantised) => {
                if name == "raw" {
                    quantised.input.scale = 1.0 / 16.0;
                }
                let file = write_int8(&quantised, &format!("{name}_i8")).unwrap();
                add(format!("{name}_i8"), file, &|x| quantised.scores(x), !one.softmax);
            }
            Err(refusal) => assert!(name == "gelu" && refusal.to_string().contains("GELU"), "{name}: {refusal}"),
        }
    }
    program.main += &format!("\nint main(void)\n{{\n{calls}    return 0;\n}}\n");
    program
}

/// Windows one by one, then their samples.
const CALLS: &str = "    {
        float scores[PREFIX_CLASSES];
        for (int n = 0; n < PREFIX_GOLDEN; n++) {
            PREFIX_window(PREFIX_goldenwindows + n * PREFIX_WINDOW * PREFIX_CHANNELS, scores);
            put_bits(scores, PREFIX_CLASSES);
            if (PREFIX_best(scores) != PREFIX_best(PREFIX_goldenscores + n * PREFIX_CLASSES)) {
                put(\"another class\\n\");
            }
        }
        PREFIX_sample(PREFIX_goldenwindows, scores);
        PREFIX_reset();
        for (int n = 0; n < PREFIX_GOLDEN * PREFIX_WINDOW; n++) {
            if (PREFIX_sample(PREFIX_goldenwindows + n * PREFIX_CHANNELS, scores)) {
                put_bits(scores, PREFIX_CLASSES);
            }
        }
    }
";

impl Program {
    fn write_to(&self, folder: &Path) {
        for (name, text) in self.headers.iter().map(|(name, text)| (name.as_str(), text.as_str())).chain([
            ("main.c", self.main.as_str()),
            ("common.h", include_str!("test/common.h")),
            ("startup.c", include_str!("test/startup.c")),
            ("mps2.ld", include_str!("test/mps2.ld")),
        ]) {
            fs::write(folder.join(name), text).unwrap();
        }
    }

    /// Checks what the program wrote.
    fn check(&self, what: &str, output: &str) {
        let lines: Vec<&str> = output.lines().collect();
        assert_eq!(lines.len(), self.expected.len(), "{what}: {}", &output[..output.len().min(200)]);
        for (n, (line, (expected, tolerance))) in lines.iter().zip(&self.expected).enumerate() {
            let score = f32::from_bits(u32::from_str_radix(line, 16).unwrap_or_else(|_| panic!("{what}: {line}")));
            let is_close = (score - expected).abs() <= *tolerance;
            assert!(is_close, "{what}: score {n} is {score} instead of {expected} within {tolerance}");
        }
    }
}

/// What `program` writes with `arguments` in `folder`; it must succeed.
fn run(folder: &Path, program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(folder).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program} {arguments:?}: {}\n{err}\n{out}", output.status);
    format!("{out}{err}")
}

#[test]
fn all_networks_run_on_this_machine_in_one_program() {
    if !has_c_compilers("all_networks_run_on_this_machine_in_one_program") {
        return;
    }
    let (program, folder) = (program(), tempfile::tempdir().unwrap());
    let folder = folder.path();
    program.write_to(folder);
    let sanitised = ["-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
    for (compiler, flags) in [
        ("gcc", &["-std=c99", "-O2"][..]),
        ("gcc", &[&["-std=c99"], &sanitised[..]].concat()),
        ("g++", &["-std=c++11", "-O2", "-x", "c++"]),
    ] {
        run(folder, compiler, &[flags, STRICT, &["main.c", "-o", "program"]].concat());
        program.check(compiler, &run(folder, "./program", &[]));
    }
}

#[test]
fn a_header_that_is_not_used_gives_no_warning() {
    if !has_c_compilers("a_header_that_is_not_used_gives_no_warning") {
        return;
    }
    let (program, folder) = (program(), tempfile::tempdir().unwrap());
    let folder = folder.path();
    program.write_to(folder);
    let includes = program.headers.iter().map(|(name, _)| format!("#include \"{name}\"\n"));
    fs::write(folder.join("unused.c"), includes.collect::<String>()).unwrap();
    run(folder, "gcc", &[&["-std=c99", "-c", "unused.c"], STRICT].concat());
    run(folder, "g++", &[&["-std=c++11", "-x", "c++", "-c", "unused.c"], STRICT].concat());
}

#[test]
fn all_networks_run_on_cortex_m4f_and_m3() {
    if !has_cortex_m("all_networks_run_on_cortex_m4f_and_m3") {
        return;
    }
    let (program, folder) = (program(), tempfile::tempdir().unwrap());
    let folder = folder.path();
    program.write_to(folder);
    let m4f = &["-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard"][..];
    for (board, cpu, flags) in [("mps2-an386", "cortex-m4", m4f), ("mps2-an385", "cortex-m3", &["-mcpu=cortex-m3"])] {
        // Without any library but the compiler's own, which has the arithmetic that a processor lacks.
        let freestanding = ["-std=gnu99", "-ffreestanding", "-nostdlib", "-mthumb", "-Os", "-Tmps2.ld"];
        let files = ["main.c", "startup.c", "-lgcc", "-o", "program.elf"];
        run(folder, "arm-none-eabi-gcc", &[flags, &freestanding, &files].concat());
        let machine =
            ["-machine", board, "-cpu", cpu, "-kernel", "program.elf", "-display", "none", "-monitor", "none"];
        let semihosting = ["-serial", "none", "-semihosting-config", "enable=on,target=native"];
        program.check(cpu, &run(folder, "qemu-system-arm", &[&machine[..], &semihosting].concat()));
    }
}

#[test]
fn numbers_are_read_back() {
    for (name, one) in family() {
        let mut like = one.clone();
        for tensor in &mut like.weights.tensors {
            tensor.values.fill(0.0);
        }
        if let Some(scaler) = &mut like.scaler {
            scaler.mean.fill(0.0);
        }
        let text = write(&one, "net").unwrap().text;
        assert_eq!(read(&text, &like), Ok(one.clone()), "{name}");
        assert_ne!(like, one);

        let Ok(quantised) = quantise(&one, &windows(30)) else { continue };
        let text = write_int8(&quantised, "a_net").unwrap().text;
        let mut like = quantised.clone();
        like.input.scale = 1.0;
        for layer in &mut like.layers {
            let Some(affine) = &mut layer.affine else { continue };
            affine.kernel.fill(0);
            affine.bias.fill(0);
            affine.multipliers.fill(crate::int8::Multiplier { fraction: 0, shift: 0 });
            (affine.sums.zero_point, affine.least) = (1, 1);
            affine.lookup.iter_mut().for_each(|table| table.fill(0));
        }
        assert_eq!(read_int8(&text, &like), Ok(quantised), "{name}");
    }
}

#[test]
fn a_header_that_was_changed_is_refused_with_its_place() {
    let one = trained("4:3:1", "", None);
    let quantised = quantise(&one, &windows(3)).unwrap();
    let text = write(&one, "net").unwrap().text;
    let problem = |text: &str| read(text, &one).unwrap_err().to_string();
    assert!(problem("").starts_with("line 1: "));
    assert!(problem(&text.replace("net_conv1bias[4]", "net_conv1bias[5]")).starts_with("net_conv1bias: "));
    let (start, rest) = text.split_once("net_conv1bias[4] = {\n    ").unwrap();
    let (_, rest) = rest.split_once(',').unwrap();
    assert!(problem(&format!("{start}net_conv1bias[4] = {{{rest}")).contains("3 numbers instead of 4"));
    assert!(problem(&format!("{start}net_conv1bias[4] = {{x,{rest}")).contains("`x` is no number"));

    let text = write_int8(&quantised, "net").unwrap().text;
    let zero = format!("_INPUTZERO ({})", quantised.input.zero_point);
    let problem = |text: &str| read_int8(text, &quantised).unwrap_err().to_string();
    assert!(problem(&text.replace(&zero, "_INPUTZERO (128)")).starts_with("net_INPUTZERO: 128 is not in"));
    assert!(problem(&text.replace("_INPUTSCALE ", "_INPUTSCALE -")).contains("is no scale"));
    assert!(problem(&text.replace("net_Layer net_dense1", "net_Layer net_other")).starts_with("net_dense1"));
}

#[test]
fn prefixes_are_checked() {
    let one = trained("4:3:1", "", None);
    for prefix in ["", "1a", "_a", "a__b", "a_", "a b", "é", "a-b", &"a".repeat(41)] {
        assert!(write(&one, prefix).unwrap_err().to_string().contains("such as activity"), "{prefix}");
    }
    for prefix in ["int", "A9", "my_net", &"a".repeat(40)] {
        let text = write(&one, prefix).unwrap().text;
        assert!(text.contains(&format!(" {prefix}_window(")));
    }
}

#[test]
fn costs_are_those_of_the_tables() {
    let one = trained("8:3:2:2,4:3:1", "12", None);
    let file = write(&one, "net").unwrap();
    let quantised = write_int8(&quantise(&one, &windows(9)).unwrap(), "net").unwrap();
    // Shapes: (20, 6) → (9, 8) → (4, 8) → (2, 4) → 12 → 3. Buffers of 120 and 72 values, and the samples of a window.
    assert_eq!(file.ram_bytes, 4 * (120 + 72) + 4 * 120 + 8);
    assert_eq!(quantised.ram_bytes, 120 + 72 + 4 * 120 + 8);
    assert_eq!(file.multiply_adds, 9 * 8 * 3 * 6 + 2 * 4 * 3 * 8 + 8 * 12 + 12 * 3);
    let (weights, biases) = (3 * 6 * 8 + 3 * 8 * 4 + 8 * 12 + 12 * 3, 8 + 4 + 12 + 3);
    let names = "walking".len() + "sitting".len() + "standing".len() + 6 + 9 * 5;
    // Mean and scale of six channels; four layers of nine numbers; a pool of seven.
    assert_eq!(file.flash_bytes, 4 * (weights + biases + 12 + 4 * 9 + 7) + names);
    // A multiplier of five bytes for each filter and each dense layer; sixteen numbers for a layer.
    let multipliers = 8 + 4 + 1 + 1;
    assert_eq!(quantised.flash_bytes, weights + 4 * biases + 5 * multipliers + 4 * (12 + 4 * 16 + 7) + names);
    assert!(file.text.contains(&format!("Tables: {} bytes. Buffers: {} bytes.", file.flash_bytes, file.ram_bytes)));
}

#[test]
fn what_no_device_holds_is_refused() {
    let mut one = trained("4:3:1:same:2/1-same", "", None);
    let mut spec = one.network.spec().clone();
    spec.hidden = triax_model::DenseSpec::relu([300_000]);
    one.network = Network::new(spec).unwrap();
    one.weights = Weights::zeros(&one.network);
    assert!(write(&one, "net").unwrap_err().to_string().contains("train a smaller one"));
    let pooled = trained("4:3:1:same:999999999-same", "", None);
    assert!(write(&pooled, "net").unwrap_err().to_string().starts_with("pool1: 999999999 is too large"));
}
