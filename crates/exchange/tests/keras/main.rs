//! Keras files in both directions, with Keras itself: what it saves is read, and answers the same; what is written it loads, with
//! the same bits.

use std::fs;
use std::path::Path;
use std::process::Command;

use triax_exchange::keras::{Compiled, read, read_weights, write};
use triax_exchange::{About, Imported, Trained};
use triax_model::{Network, NetworkSpec, Preparation, Scaler, Weights};
use triax_testing::keras_or_skip;

/// Runs a part of `models.py`.
fn python(python: &Path, part: &str, folder: &Path) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keras/models.py");
    let output = Command::new(python).arg(script).arg(part).arg(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn floats(path: &Path) -> Vec<f32> {
    let bytes = fs::read(path).unwrap();
    bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

fn trained(imported: &Imported, loss: &str) -> Trained {
    Trained {
        network: Network::new(imported.spec.clone()).unwrap(),
        weights: imported.weights.clone(),
        preparation: imported.preparation.clone(),
        scaler: imported.scaler.clone(),
        softmax: imported.softmax,
        about: About { loss: Some(loss.to_owned()), ..imported.about.clone() },
    }
}

#[track_caller]
fn assert_near(name: &str, ours: &[f32], keras: &[f32], tolerance: f32) {
    assert_eq!(ours.len(), keras.len(), "{name}");
    let largest = keras.iter().fold(1.0_f32, |largest, value| largest.max(value.abs()));
    for (ours, keras) in ours.iter().zip(keras) {
        assert!((ours - keras).abs() <= tolerance * largest, "{name}: {ours}, and {keras} by Keras");
    }
}

/// Networks with the preparations that Keras has no layer for.
fn preparing() -> [(&'static str, Trained); 5] {
    [
        ("window", "window"),
        ("gravity", "gravity"),
        ("derived", "derive:raw,gravity,linear,jerk,norm,vertical,horizontal:groups=2:low_pass=7:down=0,0"),
        ("upright", "gravity derive:jerk,horizontal:groups=2:low_pass=99:down=0,1"),
        ("changes", "derive:jerk,norm:groups=2 window"),
    ]
    .map(|(name, preparation)| {
        let preparation: Preparation = preparation.parse().unwrap();
        let channels = preparation.channels_out(6).unwrap();
        let spec = NetworkSpec {
            window: 24,
            channels,
            convs: vec!["8:3:2:2:leaky_relu=0.3".parse().unwrap()],
            classes: 3,
            ..NetworkSpec::default()
        };
        let network = Network::new(spec).unwrap();
        let weights = Weights::glorot_uniform(&network, 3);
        let scales = [0.7, 1.0, 0.3, 1e-3, 5.0, 1.1].into_iter().cycle().take(channels).collect();
        let scaler = Some(Scaler { mean: vec![0.1; channels], scale: scales });
        let about = About {
            classes: ["walking", "sitting", "standing"].map(str::to_owned).to_vec(),
            rate_hz: Some(20.0),
            loss: Some("categorical_crossentropy".into()),
            producer: "triax test".into(),
            ..About::default()
        };
        (name, Trained { network, weights, preparation, scaler, softmax: false, about })
    })
}

#[test]
fn keras_files_make_the_round_trip_bit_for_bit() {
    let Some(keras) = keras_or_skip("keras_files_make_the_round_trip_bit_for_bit") else { return };
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    python(&keras, "make", folder);
    let windows = floats(&folder.join("windows.f32"));
    let models = ["hinge", "functional", "activations", "dropouts", "batch_norm_before", "batch_norm_after"];
    let open = |file: String| fs::read(folder.join(file)).unwrap();
    for name in models {
        let imported = read(&open(format!("{name}.keras"))).unwrap();
        assert_eq!(read(&open(format!("{name}.h5"))).unwrap(), imported, "{name}");
        let loss = imported.about.loss.clone().unwrap();
        assert_eq!(loss, if imported.softmax { "categorical_crossentropy" } else { "squared_hinge" }, "{name}");
        assert_eq!(imported.is_folded, name.starts_with("batch_norm"), "{name}");
        assert_eq!(imported.notices.len(), usize::from(name == "dropouts"), "{:?}", imported.notices);
        let trained = trained(&imported, &loss);
        assert_near(name, &trained.scores(&windows), &floats(&folder.join(format!("{name}.answers.f32"))), 3e-5);
        for file in [format!("{name}.weights.h5"), format!("{name}.legacy.h5")] {
            match read_weights(&open(file), &trained.network) {
                Ok((weights, _)) => assert!(weights == imported.weights && !imported.is_folded, "{name}"),
                Err(error) => assert!(imported.is_folded && error.problem.contains("batch normalisation"), "{error}"),
            }
        }
        fs::write(folder.join(format!("{name}.out.keras")), write(&trained, &Compiled::default()).unwrap()).unwrap();
    }
    for (name, trained) in preparing() {
        fs::write(folder.join(format!("{name}.out.keras")), write(&trained, &Compiled::default()).unwrap()).unwrap();
    }
    python(&keras, "check", folder);

    for name in models {
        let first = read(&open(format!("{name}.keras"))).unwrap();
        let again = read(&open(format!("{name}.again.keras"))).unwrap();
        assert_eq!(
            (again.weights, again.scaler, again.softmax),
            (first.weights, first.scaler, first.softmax),
            "{name}"
        );
        assert_eq!(again.spec, first.spec, "{name}");
    }
    for (name, trained) in preparing() {
        assert_near(name, &floats(&folder.join(format!("{name}.out.f32"))), &trained.scores(&windows), 1e-5);
        for file in [format!("{name}.out.keras"), format!("{name}.again.keras")] {
            let read = read(&open(file)).unwrap();
            assert_eq!(read.preparation, trained.preparation, "{name}");
            assert_eq!((read.scaler, read.weights), (trained.scaler.clone(), trained.weights.clone()), "{name}");
        }
    }
}
