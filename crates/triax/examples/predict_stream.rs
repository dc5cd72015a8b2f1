//! Predicts from samples as a sensor gives them, with a network that was trained a moment ago or is named.
//!
//! `cargo run --release --example predict_stream [RUN|STUDY|FILE.safetensors]`

use std::path::PathBuf;

use triax::{Error, Predictor, Recordings, Sample, Settings, StreamPredictor, Training};

/// Trains for an epoch on the built-in set, and says where.
fn train() -> Result<PathBuf, Error> {
    let mut settings = Settings::default();
    settings.training.epochs = 1;
    let run = std::env::temp_dir().join(format!("triax-example-stream-{}", std::process::id()));
    Training::with_recordings(Recordings::synthetic(0), settings, &run)?.run(&mut ())?;
    Ok(run)
}

fn main() -> Result<(), Error> {
    let path = match std::env::args().nth(1) {
        Some(path) => PathBuf::from(path),
        None => train()?,
    };
    let predictor = Predictor::open(path)?;
    println!("channels: {}", predictor.channels.as_deref().unwrap_or_default().join(", "));

    // A prediction a window, without overlap. `push` gives it with the sample that fills the window.
    let mut stream = StreamPredictor::new(&predictor, predictor.spec().window);
    let sensor = Recordings::synthetic(1).corpus;
    let recording = &sensor.recordings[0];
    for values in recording.values.chunks_exact(sensor.channels.len()) {
        let sample = Sample { values, ..Sample::default() };
        for window in stream.push(&sample)? {
            let name = &predictor.class_names[window.prediction.class];
            println!("samples {} to {}: {name}", window.start, window.end);
        }
    }
    println!("what was done: {}", sensor.class_names[recording.class as usize]);
    Ok(())
}
