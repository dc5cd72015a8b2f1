use triax_model::{Activation, PerWindow};
use triax_testing::{Exported, Runtime, runtimes_or_skip};

use super::{read, read_int8, write, write_int8};
use crate::Trained;
use crate::int8::quantise;
use crate::onnx::tests::{assert_close, special_windows};
use crate::trained::tests::{family, preparations, windows};

/// Whether TensorFlow Lite Micro lacks an activation of the network.
fn has_gelu(one: &Trained) -> bool {
    let spec = one.network.spec();
    let all = spec.convs.iter().map(|conv| conv.activation).chain(spec.hidden.iter().map(|dense| dense.activation));
    all.into_iter().any(|activation| activation == Activation::Gelu)
}

#[test]
fn networks_are_read_back() {
    for (name, one) in family() {
        assert!(read(&write(&one).unwrap()) == Ok(one), "{name}");
    }
    for (name, one) in family().into_iter().filter(|(_, one)| !has_gelu(one)) {
        let quantised = quantise(&one, &windows(3)).unwrap();
        let file = write_int8(&quantised).unwrap();
        assert!(read_int8(&file) == Ok(quantised), "{name}");
        assert!(read(&file).unwrap_err().to_string().contains("in integers"));
        assert!(read_int8(&write(&one).unwrap()).unwrap_err().to_string().contains("not in integers"));
    }
}

#[test]
fn bytes_that_were_changed_are_read_or_refused() {
    let file = write(&Trained { preparation: PerWindow::AlignGravity.into(), ..family()[4].1.clone() }).unwrap();
    for n in 0..file.len() {
        let mut changed = file.clone();
        changed[n] ^= [1, 0x80, 0xff][n % 3];
        let _ = read(&changed);
        let _ = read(&file[..n]);
    }
    let quantised = quantise(&family()[1].1, &windows(3)).unwrap();
    let integers = write_int8(&quantised).unwrap();
    for n in 0..integers.len() {
        let mut changed = integers.clone();
        changed[n] ^= [1, 0x80, 0xff][n % 3];
        if let Ok(changed) = read_int8(&changed) {
            changed.scores(&windows(1));
        }
    }
    assert!(read(b"").is_err());
    assert!(read(&file[..file.len() / 2]).is_err());
}

#[test]
fn runtimes_compute_the_same() {
    let Some(runtimes) = runtimes_or_skip("runtimes_compute_the_same") else { return };
    let windows = special_windows();
    let (mut networks, mut expected) = (Vec::new(), Vec::new());
    for (name, one) in family() {
        for preparation in preparations(&one) {
            let one = Trained { preparation: preparation.clone(), ..one.clone() };
            for runtime in [Runtime::Litert, Runtime::Micro] {
                if runtime == Runtime::Micro && has_gelu(&one) {
                    continue;
                }
                networks.push(Exported { runtime, file: write(&one).unwrap(), windows: &windows, shape: (20, 6) });
                expected.push((format!("{name} {preparation} {runtime:?}"), one.scores(&windows)));
            }
        }
    }
    for (found, (name, expected)) in runtimes.run(&networks).iter().zip(&expected) {
        assert_close(found, expected, name);
    }
}

#[test]
fn micro_computes_in_integers_bit_for_bit() {
    let Some(runtimes) = runtimes_or_skip("micro_computes_in_integers_bit_for_bit") else { return };
    let windows = windows(40);
    let (mut networks, mut expected) = (Vec::new(), Vec::new());
    for (name, one) in family().into_iter().filter(|(_, one)| !has_gelu(one)) {
        for preparation in preparations(&one).into_iter().filter(|one| *one != PerWindow::Standardise.into()) {
            let plain = Trained { preparation: preparation.clone(), softmax: false, ..one.clone() };
            let quantised = quantise(&plain, &windows).unwrap();
            for runtime in [Runtime::Micro, Runtime::Litert] {
                let file = write_int8(&quantised).unwrap();
                networks.push(Exported { runtime, file, windows: &windows, shape: (20, 6) });
                expected.push((
                    format!("{name} {preparation} {runtime:?}"),
                    runtime,
                    preparation.clone(),
                    quantised.clone(),
                ));
            }
        }
    }
    for (found, (name, runtime, preparation, quantised)) in runtimes.run(&networks).iter().zip(&expected) {
        let scores = quantised.scores(&windows);
        let differ = found.iter().zip(&scores).filter(|(a, b)| a != b).count();
        let is_exact = *runtime == Runtime::Micro && preparation.is_none();
        // Otherwise values between two integers may be rounded to either.
        let worst =
            found.iter().zip(&scores).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) / quantised.output().scale;
        assert!(if is_exact { differ == 0 } else { worst <= 3.5 }, "{name}: {differ} differ, by {worst} steps");
    }
}
