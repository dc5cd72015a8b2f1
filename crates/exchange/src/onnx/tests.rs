use triax_model::{Layer, PerWindow, PoolKind, Scaler};
use triax_testing::{Exported, Runtime, runtimes_or_skip};

use super::model::{Attribute, Data, Dim, Model, Node, Port};
use super::{read, read_ensemble, read_int8, write, write_int8};
use crate::Trained;
use crate::int8::{Quantised, quantise};
use crate::trained::tests::{family, preparations, trained, windows};

/// Checks that scores differ by at most 10⁻⁵ of the largest of them.
#[track_caller]
pub(crate) fn assert_close(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(0.0_f32, |largest, score| largest.max(score.abs()));
    let error = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(error <= 1e-5 * largest, "{what}: {error} of {largest}");
}

/// Windows with the special cases of normalisation: gravity upside down, nothing, constant channels.
pub(crate) fn special_windows() -> Vec<f32> {
    let mut all = windows(4);
    let (down, still) = (&[0.0, 0.0, -9.8, 0.0, 0.0, 0.0], &[0.1, 7.3, -0.3, 1e4, 0.0, -1e-3]);
    all.extend(down.repeat(20));
    all.extend(still.repeat(20));
    all.extend([0.0; 120]);
    all.extend((0..120).map(|i| if i % 3 == 2 { -9.0 + (i % 7) as f32 } else { (i % 5) as f32 - 2.0 }));
    all
}

#[test]
fn networks_are_read_back() {
    for (name, one) in family() {
        let read = read(&write(std::slice::from_ref(&one)).unwrap()).unwrap();
        assert_eq!((&read.about, read.is_folded, &read.notices), (&one.about, false, &Vec::new()), "{name}");
        let read = read.into_trained().unwrap();
        assert!(read == one, "{name}: {:?}", read.network.spec());
    }
}

#[test]
fn ensembles_are_read_back_member_by_member() {
    let members: Vec<Trained> = [("4:3:2:2", "5"), ("6:5:1:2:elu,3:3:1", "")]
        .iter()
        .map(|(convs, hidden)| trained(convs, hidden, None))
        .collect();
    for loss in ["hinge", "categorical_crossentropy"] {
        let with_loss = |one: &Trained| {
            let mut one = one.clone();
            one.about.loss = Some(loss.into());
            one
        };
        let members: Vec<Trained> = members.iter().map(with_loss).collect();
        let file = write(&members).unwrap();
        let found: Vec<Trained> =
            read_ensemble(&file).unwrap().into_iter().map(|one| one.into_trained().unwrap()).collect();
        assert!(found == members);
        assert!(read(&file).unwrap_err().to_string().contains("ensemble of 2"));
    }
    let mut other = members.clone();
    other[1].about.classes.swap(0, 1);
    assert!(write(&other).unwrap_err().to_string().contains("network 2 of the ensemble has another list of classes"));
    assert!(write(&[]).is_err());
    let long = trained("3:3:1:5000000000/1-same:same", "", None);
    assert!(write(&[long]).unwrap_err().to_string().starts_with("pool1: its size or stride is more than"));
}

#[test]
fn networks_in_integers_are_read_back_from_the_numbers_of_the_file() {
    let windows = windows(3);
    for (name, one) in family() {
        let Ok(quantised) = quantise(&one, &windows) else { continue };
        let file = write_int8(&quantised).unwrap();
        assert!(read_int8(&file).as_ref() == Ok(&quantised), "{name}");
        assert!(read(&file).unwrap_err().to_string().contains("in integers"));
        assert!(read_int8(&write(&[one]).unwrap()).unwrap_err().to_string().contains("not in integers"));
    }
    let quantised = quantise(&family()[0].1, &windows).unwrap();
    let model = Model::decode(&write_int8(&quantised).unwrap()).unwrap();
    let with = |change: &dyn Fn(&mut Model)| {
        let mut changed = model.clone();
        change(&mut changed);
        read_int8(&changed.encode())
    };
    let constant = |model: &mut Model, name: &str, data: Data| {
        model.constants.iter_mut().find(|(other, _)| other == name).unwrap().1.data = data;
    };
    // A number that was changed is read as it stands there, where all others can be.
    let moved = with(&|model| constant(model, "dense1/zero_point", Data::Int8(vec![-127]))).unwrap();
    let dense = moved.layers.iter().find(|part| matches!(part.layer, Layer::Dense { .. })).unwrap();
    assert_eq!(dense.output.zero_point, -127);
    // A bias is on the grid of input and kernel; operators are those of the arithmetic.
    let scale = with(&|model| constant(model, "dense2.bias/scale", Data::Float(vec![0.5]))).unwrap_err();
    assert!(scale.to_string().contains("other operators or numbers"), "{scale}");
    let node = |model: &mut Model| {
        let relu = model.nodes.iter_mut().find(|node| node.name == "dense1/relu").unwrap();
        relu.op = "Identity".into();
    };
    assert!(with(&node).is_err());
    assert!(with(&|model| constant(model, "conv1/scale", Data::Float(vec![-1.0]))).is_err());
}

#[test]
fn onnxruntime_computes_the_same() {
    let Some(runtimes) = runtimes_or_skip("onnxruntime_computes_the_same") else { return };
    let windows = special_windows();
    let mut names = Vec::new();
    let (mut files, mut expected) = (Vec::new(), Vec::new());
    for (name, one) in family() {
        for preparation in preparations(&one) {
            let one = Trained { preparation: preparation.clone(), ..one.clone() };
            files.push(write(std::slice::from_ref(&one)).unwrap());
            expected.push(one.scores(&windows));
            names.push(format!("{name} {preparation}"));
        }
    }
    let members: Vec<Trained> =
        family().into_iter().map(|(_, one)| Trained { softmax: false, ..one }).take(3).collect();
    for (loss, softmax) in [("hinge", false), ("categorical_crossentropy", false), ("categorical_crossentropy", true)] {
        let with_loss = |one: &Trained| {
            let mut one = Trained { softmax, ..one.clone() };
            one.about.loss = Some(loss.into());
            one
        };
        let members: Vec<Trained> = members.iter().map(with_loss).collect();
        files.push(write(&members).unwrap());
        expected.push(combined(&members, &windows));
        names.push(format!("ensemble {loss} {softmax}"));
    }
    let exported =
        |file: &Vec<u8>| Exported { runtime: Runtime::Onnx, file: file.clone(), windows: &windows, shape: (20, 6) };
    let found = runtimes.run(&files.iter().map(exported).collect::<Vec<_>>());
    for ((name, found), expected) in names.iter().zip(&found).zip(&expected) {
        assert_close(found, expected, name);
    }
}

#[test]
fn onnxruntime_finds_the_same_classes_in_integers() {
    let Some(runtimes) = runtimes_or_skip("onnxruntime_finds_the_same_classes_in_integers") else { return };
    let windows = windows(300);
    let (mut networks, mut expected) = (Vec::new(), Vec::new());
    for (name, one) in family() {
        let Ok(quantised) = quantise(&Trained { softmax: false, ..one }, &windows) else { continue };
        let file = write_int8(&quantised).unwrap();
        networks.push(Exported { runtime: Runtime::Onnx, file, windows: &windows, shape: (20, 6) });
        expected.push((name, quantised));
    }
    assert_eq!(expected.len(), 10, "all but GELU");
    // What differs is rounding. With and without optimisation of the graph, the runtime's sums before they are rounded are within
    // 10⁻⁴ steps of the exact ones. Then it rounds once, and halves to the even integer; TensorFlow Lite, and so the yardstick,
    // rounds twice, and halves away from 0. Of the means of two or six positions, half or a sixth are halves: networks
    // with such pools end steps away, and where two classes have nearly the same score, another is the best.
    let has_means = |quantised: &Quantised| {
        let is_mean = |layer: &Layer| matches!(layer, Layer::Pool { kind: PoolKind::Average, .. });
        quantised.network.layers().iter().any(is_mean)
    };
    let class = |scores: &[f32]| (0..scores.len()).max_by(|a, b| scores[*a].total_cmp(&scores[*b]));
    let mut same = 0;
    for (found, (name, quantised)) in runtimes.run(&networks).iter().zip(&expected) {
        let (scores, step) = (quantised.scores(&windows), quantised.output().scale);
        let worst = found.iter().zip(&scores).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) / step;
        let most = if has_means(quantised) { 6.0 } else { 2.0 };
        assert!(worst <= most, "{name}: scores differ by {worst} steps");
        same += found.chunks_exact(3).zip(scores.chunks_exact(3)).filter(|(a, b)| class(a) == class(b)).count();
    }
    assert!(same >= 300 * expected.len() * 99 / 100, "{same} classes are the same");
}

/// The scores of an ensemble, as studies define them.
fn combined(members: &[Trained], windows: &[f32]) -> Vec<f32> {
    let is_logits = members[0].about.loss.as_deref() == Some("categorical_crossentropy");
    let softmax = members[0].softmax;
    let scores = |one: &Trained| Trained { softmax: is_logits, ..one.clone() }.scores(windows);
    let all: Vec<Vec<f32>> = members.iter().map(scores).collect();
    let mean = |n: usize| all.iter().map(|scores| scores[n]).sum::<f32>() / members.len() as f32;
    // The softmax of the logarithms of probabilities is these.
    let end = |mean: f32| if is_logits && !softmax { mean.max(f32::MIN_POSITIVE).ln() } else { mean };
    (0..all[0].len()).map(|n| end(mean(n))).collect()
}

#[test]
fn bytes_that_were_changed_are_read_or_refused() {
    let file = write(&[Trained { preparation: PerWindow::AlignGravity.into(), ..trained("3:3:2:2:gelu", "4", None) }])
        .unwrap();
    for n in 0..file.len() {
        let mut changed = file.clone();
        changed[n] ^= [1, 0x80, 0xff][n % 3];
        let _ = read(&changed);
        // What is missing at the end may be metadata.
        assert!(read(&file[..n]).is_err() || 2 * n > file.len());
    }
    let quantised = quantise(&family()[1].1, &windows(3)).unwrap();
    let integers = write_int8(&quantised).unwrap();
    for n in (0..integers.len()).step_by(3) {
        let mut changed = integers.clone();
        changed[n] ^= [1, 0x80, 0xff][n % 3];
        if let Ok(changed) = read_int8(&changed) {
            changed.scores(&windows(1));
        }
    }
    assert!(read(b"").is_err());
    assert!(read(b"no ONNX").is_err());
}

#[test]
fn what_is_not_of_the_family_is_refused_by_its_node() {
    let model = Model::decode(&write(&[trained("3:3:2:2:elu,4:3:1:same", "4", None)]).unwrap()).unwrap();
    let refusal = |change: &dyn Fn(&mut Model)| {
        let mut changed = model.clone();
        change(&mut changed);
        read(&changed.encode()).unwrap_err().to_string()
    };
    let node = |model: &mut Model, name: &str, change: &dyn Fn(&mut Node)| {
        change(model.nodes.iter_mut().find(|node| node.name == name).unwrap());
    };
    let expect = |refusal: String, start: &str, rest: &str| {
        assert!(refusal.starts_with(start) && refusal.contains(rest), "{refusal}");
    };
    let selu = refusal(&|model| node(model, "dense1/relu", &|node| node.op = "Selu".into()));
    expect(selu, "node `dense1/relu` (Selu): is no operator of the family", "the family holds");
    let grouped =
        refusal(&|model| node(model, "conv2", &|node| node.attributes.push(("group".into(), Attribute::Int(3)))));
    expect(grouped, "node `conv2` (Conv): reads channels in groups", "all channels");
    let padded = refusal(&|model| node(model, "conv2", &|node| node.attributes[2].1 = Attribute::Ints(vec![2, 0])));
    expect(padded, "node `conv2` (Conv): it pads 2 positions before and 0 after its 4", "or 1 and 1 (`same`)");
    let branched = refusal(&|model| {
        node(model, "dense2", &|node| {
            node.op = "Add".into();
            node.inputs[1] = "dense1/relu".into();
        });
    });
    expect(branched, "node `dense2` (Add): combines two values", "one line of layers");
    let circle = refusal(&|model| node(model, "dense1", &|node| node.inputs[0] = "dense1/relu".into()));
    expect(circle, "node", "its own input");
    let unbound = refusal(&|model| model.inputs[0].dims[1] = Dim::Open("time".into()));
    expect(unbound, "input `window`: leaves the samples or channels of a window open", "fixed");
    let activated = refusal(&|model| node(model, "dense2", &|node| node.op = "Relu".into()));
    expect(activated, "node `dense2` (Relu): it is applied to what is not the sum of a layer", "the family holds");
    let several = refusal(&|model| model.inputs.push(Port { name: "mean".into(), ..model.inputs[0].clone() }));
    expect(several, "graph: has the inputs [\"window\", \"mean\"] and 1 outputs", "taken constants");
    let missing = refusal(&|model| model.constants.retain(|(name, _)| name != "conv1.kernel"));
    expect(missing, "node `conv1` (Conv): its kernel is no constant", "floats");
}

#[test]
fn a_scaler_is_read_bit_for_bit() {
    let mut one = trained("3:3:2:2", "", Some(PoolKind::Average));
    one.scaler = Some(Scaler {
        mean: vec![0.123_456_79, -3.3e-7, 9.81, 1e6, 0.1, 1.0 / 3.0],
        scale: vec![0.3, 1e-7, 3.333_333_3, 7e5, 0.7, 0.11],
    });
    assert_eq!(read(&write(&[one.clone()]).unwrap()).unwrap().scaler, one.scaler);
}

/// What another program has exported, and what it computed: `golden/*.py` make these.
#[derive(serde::Deserialize)]
struct Golden {
    windows: Vec<f32>,
    scores: Vec<f32>,
}

#[test]
fn networks_of_pytorch_and_keras_compute_what_they_did_there() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    for (network, exporters, is_folded) in [
        ("pytorch-chain", &["-script", "-dynamo"][..], true),
        ("pytorch-functions", &["-script", "-dynamo"], false),
        ("pytorch-mean", &["-script", "-dynamo"], false),
        ("pytorch-maximum", &["-script", "-dynamo"], false),
        ("keras-chain", &[""], true),
        ("keras-mean", &[""], false),
        ("keras-maximum", &[""], false),
    ] {
        let golden: Golden = triax_testing::golden(folder.join(format!("{network}.json")));
        for exporter in exporters {
            let name = format!("{network}{exporter}.onnx");
            let imported =
                read(&std::fs::read(folder.join(&name)).unwrap()).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(
                (imported.is_folded, imported.spec.window, imported.spec.channels),
                (is_folded, 26, 3),
                "{name}"
            );
            let has_channels_first = network.starts_with("pytorch") && network != "pytorch-functions";
            assert_eq!(
                imported.notices.iter().any(|notice| notice.contains("3 channels")),
                has_channels_first,
                "{name}"
            );
            assert_close(&imported.into_trained().unwrap().scores(&golden.windows), &golden.scores, &name);
        }
    }
}
