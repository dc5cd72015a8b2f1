//! Trains a network on recordings, or on the built-in set, and judges it by subjects that it has not seen.
//!
//! `cargo run --release --example train [RECORDINGS]`

use triax::{EpochRecord, Error, Metrics, Observer, Outcome, Recordings, Settings, Training};

/// Prints a line an epoch.
struct Lines;

impl Observer for Lines {
    fn epoch_ended(&mut self, _model: usize, record: &EpochRecord, validation: Option<&Metrics>) {
        let unseen = validation.map_or(f64::NAN, |metrics| metrics.macro_f1);
        println!("epoch {}: loss {:.4}, macro-F1 of unseen subjects {unseen:.3}", record.epoch, record.loss);
    }
}

fn main() -> Result<(), Error> {
    let recordings = match std::env::args().nth(1) {
        Some(path) => Recordings::open(path)?,
        None => Recordings::synthetic(0),
    };
    let mut settings = Settings::default();
    settings.training.epochs = 3;

    let out = std::env::temp_dir().join(format!("triax-example-train-{}", std::process::id()));
    let training = Training::with_recordings(recordings, settings, &out)?;
    for notice in &training.notices {
        eprintln!("{notice}");
    }
    match training.run(&mut Lines)? {
        Outcome::Finished { summary, report, .. } => {
            println!("{} windows a step, {} epochs", training.plan.training.batch_size, summary.epochs);
            println!("run folder {}, report {}", out.display(), report?.display());
        }
        Outcome::Interrupted { epoch, .. } => println!("stopped in epoch {epoch}"),
    }
    Ok(())
}
