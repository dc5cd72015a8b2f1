//! Runs that end with the mean of their last epochs' weights.

use triax_engine::{CpuEngine, Engine};
use triax_model::{WeightFile, Weights};
use triax_trainer::{FitError, RunFolder, Sampling};

use crate::setup::{Setup, empty_folder, finished};
use crate::toy::Toy;

/// The weights that a run of so many epochs ends with, and its last validation loss.
fn last(engine: &dyn Engine, epochs: usize, average_last: Option<usize>) -> (Weights, f64) {
    let mut setup = Setup::new();
    setup.plan.epochs = epochs;
    setup.plan.average_last = average_last;
    let folder = empty_folder();
    let run = folder.path().join("run");
    let summary = finished(setup.fit(engine, &run, &mut ()));
    let file = WeightFile::read(RunFolder::open(&run).unwrap().last_path()).unwrap();
    (file.weights, summary.last.validation.unwrap().loss)
}

#[test]
fn the_mean_of_the_last_epochs_is_written_and_judged() {
    for engine in [&Toy::default() as &dyn Engine, &CpuEngine::<f32>::new()] {
        let ends: Vec<Weights> = (2..=4).map(|epochs| last(engine, epochs, None).0).collect();
        let (averaged, loss) = last(engine, 4, Some(3));
        for (t, tensor) in averaged.tensors.iter().enumerate() {
            for (i, &value) in tensor.values.iter().enumerate() {
                let mean = ends.iter().map(|end| f64::from(end.tensors[t].values[i])).sum::<f64>() / 3.0;
                assert!((f64::from(value) - mean).abs() < 1e-6, "{}[{i}]: {value}, the mean is {mean}", tensor.name);
            }
        }
        assert_eq!(last(engine, 4, Some(1)), last(engine, 4, None), "the mean of one is that one");
        assert_ne!(loss, last(engine, 4, None).1, "the figures are those of the mean");
    }
}

#[test]
fn what_cannot_be_averaged_or_balanced_is_refused() {
    let refused = |change: &dyn Fn(&mut Setup), expected: &str| {
        let mut setup = Setup::new();
        change(&mut setup);
        let folder = empty_folder();
        let outcome = setup.fit(&Toy::default(), &folder.path().join("run"), &mut ());
        let Err(FitError::Input(problem)) = outcome else { panic!("{expected}: {outcome:?}") };
        assert!(problem.contains(expected), "{problem}");
    };
    refused(&|setup| setup.plan.average_last = Some(0), "0 epochs");
    refused(&|setup| setup.plan.average_last = Some(5), "5 epochs cannot be averaged in a run of 4");
    refused(
        &|setup| {
            setup.plan.average_last = Some(2);
            setup.plan.early_stopping = Some(2);
        },
        "early stopping",
    );
    refused(
        &|setup| {
            setup.plan.sampling = Sampling::Balanced;
            setup.plan.shuffle = false;
        },
        "order of the data",
    );
}
