//! Trains a network with each loss, and judges all of them by every loss: a network does best by its own, and that is why
//! losses are compared by macro-F1 on unseen subjects.
//!
//! `cargo run --release --example own_losses_compared [RECORDINGS]`

use triax::{Error, Loss, Metrics, Predictor, Recordings, Settings, Training};

fn main() -> Result<(), Error> {
    let recordings = match std::env::args().nth(1) {
        Some(path) => Recordings::open(path)?,
        None => Recordings::synthetic(0),
    };
    let out = std::env::temp_dir().join(format!("triax-example-losses-{}", std::process::id()));

    print!("{:26}", "trained with \\ judged by");
    Loss::ALL.iter().for_each(|loss| print!("{:>26}", loss.name()));
    println!("{:>10}", "macro-F1");
    for loss in Loss::ALL {
        let mut settings = Settings::default();
        settings.training.loss = loss;
        settings.training.epochs = 2;
        let run = out.join(loss.name());
        let training = Training::with_recordings(recordings.clone(), settings, &run)?;
        training.run(&mut ())?;

        // The windows of the subjects that were held out, as the sensor gave them.
        let (windows, labels) = (training.data.valid_windows(), training.data.valid_labels());
        let predictor = Predictor::open(&run)?;
        let scores = predictor.scores(&windows)?;
        let judged_by = |loss| Metrics::from_scores(&scores, &labels, loss, predictor.classes());
        print!("{:26}", loss.name());
        for other in Loss::ALL {
            print!("{:26.4}", judged_by(other)?.loss);
        }
        println!("{:10.3}", judged_by(loss)?.macro_f1);
    }
    Ok(())
}
