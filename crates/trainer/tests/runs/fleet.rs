//! Fleets: what becomes of a model does not depend on who else is trained.

use triax_engine::CpuEngine;
use triax_engine::Engine;
use triax_losses::Loss;
use triax_model::{Network, Scaler, WeightFile, Weights};
use triax_trainer::{
    Breakdown, FitError, FitPlan, FleetJob, FleetModel, FleetObserver, FleetOutcome, FleetResult, FleetShape,
    RunFolder, Sampling, Schedule, fit_fleet,
};

use crate::setup::{Setup, empty_folder, finished};
use crate::toy::{Fault, Toy};

/// Everything that a [`FleetModel`] borrows.
#[derive(Clone)]
struct Model {
    network: Network,
    weights: Weights,
    plan: FitPlan,
    scaler: Option<Scaler>,
    train: Vec<u32>,
    valid: Vec<u32>,
}

impl Model {
    fn borrow(&self) -> FleetModel<'_> {
        let Self { network, weights, plan, scaler, train, valid } = self;
        FleetModel { network, weights, plan, scaler: scaler.as_ref(), train, valid }
    }
}

/// Seven models that have nothing in common but what they must: their epochs have two to five steps.
fn models() -> Vec<Model> {
    let setup = Setup::new();
    let plateau = Schedule::Plateau { factor: 0.5, patience: 1, min_delta: 10.0, cooldown: 0, min_learning_rate: 0.0 };
    let model = |m: usize| {
        let mut spec = setup.network.spec().clone();
        spec.dropout = [0.25, 0.0, 0.5][m % 3];
        let network = Network::new(spec).unwrap();
        let mut plan = setup.plan.clone();
        plan.training.seed = 10 + m as u64;
        plan.training.loss = Loss::ALL[m % 4];
        plan.training.class_weights = [None, Some(vec![0.5, 1.0, 2.0])][m % 2].clone();
        plan.learning_rate = 0.01 + 0.002 * m as f32;
        plan.schedule = [Schedule::Constant, plateau, Schedule::Cosine][m % 3];
        plan.shuffle = m != 5;
        plan.sampling = if m == 2 { Sampling::Balanced } else { Sampling::Shuffle };
        plan.average_last = [None, Some(3), None, Some(1)][m % 4];
        Model {
            weights: Weights::glorot_uniform(&network, m as u64),
            network,
            plan,
            scaler: (m != 3).then(|| Scaler { mean: vec![0.1 * m as f32, 0.25], scale: vec![1.0, 1.0 + m as f32] }),
            train: (3 * m as u32..31).collect(),
            valid: if m == 4 { vec![] } else { (0..2 + m as u32).collect() },
        }
    };
    (0..7).map(model).collect()
}

/// Trains `models` on the windows of the small job.
fn train(engine: &dyn Engine, models: &[Model], observer: &mut dyn FleetObserver) -> Result<FleetOutcome, FitError> {
    train_at_once(None, engine, models, observer)
}

fn train_at_once(
    at_once: Option<usize>,
    engine: &dyn Engine,
    models: &[Model],
    observer: &mut dyn FleetObserver,
) -> Result<FleetOutcome, FitError> {
    let setup = Setup::new();
    let models: Vec<FleetModel<'_>> = models.iter().map(Model::borrow).collect();
    fit_fleet(
        &FleetJob {
            engine,
            windows: &setup.windows,
            classes: &setup.classes,
            models: &models,
            at_once,
            follows_validation: false,
        },
        observer,
    )
}

/// Keeps what it is told, and stops the fleet after so many steps.
#[derive(Default)]
struct Told {
    shape: Option<FleetShape>,
    steps: Vec<u64>,
    groups: Vec<usize>,
    results: Vec<FleetResult>,
    stop_at: Option<u64>,
}

impl FleetObserver for Told {
    fn fleet_started(&mut self, shape: &FleetShape) {
        self.shape = Some(*shape);
    }
    fn steps_done(&mut self, steps: u64) {
        self.steps.push(steps);
    }
    fn group_ended(&mut self, results: Vec<FleetResult>) {
        self.groups.push(results.len());
        self.results.extend(results);
    }
    fn interrupted(&mut self) -> bool {
        self.stop_at.is_some_and(|stop| self.steps.last().is_some_and(|&steps| steps >= stop))
    }
}

/// The results of all models.
fn results(engine: &dyn Engine, models: &[Model]) -> Vec<FleetResult> {
    let mut told = Told::default();
    assert_eq!(train(engine, models, &mut told).unwrap(), FleetOutcome::Finished);
    assert!(told.results.iter().map(|result| result.model).eq(0..models.len()));
    told.results
}

#[test]
fn grouping_changes_nothing() {
    let models = models();
    let truth = results(&Toy::default(), &models);
    let cpu = CpuEngine::<f32>::new();
    let truth_of_cpu = results(&cpu, &models);
    for (most, groups) in [(1, vec![1; 7]), (3, vec![3, 3, 1]), (4, vec![4, 3]), (6, vec![4, 3]), (7, vec![7])] {
        // What the device holds, or what was asked for.
        for (capacity, at_once) in [(most, None), (most, Some(9)), (usize::MAX, Some(most))] {
            let toy = Toy { capacity, ..Toy::default() };
            let mut told = Told::default();
            train_at_once(at_once, &toy, &models, &mut told).unwrap();
            assert_eq!(told.groups, groups);
            assert_eq!(*toy.fleets.borrow(), groups);
            assert_eq!(told.shape.unwrap().n_at_once, groups[0]);
            assert_eq!(told.results, truth, "in groups of {groups:?}");
        }
        let mut told = Told::default();
        train_at_once(Some(most), &cpu, &models, &mut told).unwrap();
        assert_eq!(told.groups, groups);
        assert_eq!(told.results, truth_of_cpu, "in groups of {groups:?}");
    }
}

#[test]
fn each_model_ends_as_it_does_alone() {
    let engines: [(&str, Box<dyn Engine>); 2] =
        [("toy", Box::new(Toy::default())), ("cpu", Box::new(CpuEngine::<f32>::new()))];
    for (name, engine) in engines {
        let models = models();
        for (m, (model, result)) in models.iter().zip(results(&*engine, &models)).enumerate() {
            let what = format!("model {m} on {name}");
            let folder = empty_folder();
            let run = folder.path().join("run");
            let mut setup = Setup { network: model.network.clone(), weights: model.weights.clone(), ..Setup::new() };
            setup.plan = model.plan.clone();
            (setup.train, setup.valid) = (model.train.clone(), model.valid.clone());
            let mut job = setup.job(&*engine);
            job.scaler = model.scaler.as_ref();
            let folder = RunFolder::create(&run, &serde_json::json!({})).unwrap();
            let alone = finished(triax_trainer::fit(&job, &model.weights, &folder, &mut ()));
            let trained = result.end.unwrap();
            assert!(trained.weights == WeightFile::read(folder.last_path()).unwrap().weights, "{what}");
            assert_eq!(trained.validation, alone.last.validation, "{what}");
            let epochs = folder.history().unwrap();
            assert_eq!(result.history.len(), epochs.len(), "{what}");
            for (ours, theirs) in result.history.iter().zip(epochs) {
                // What is read from JSON may be off in the last bit.
                assert!((ours.loss - theirs.loss).abs() <= f64::EPSILON * theirs.loss, "{what}");
                assert!((ours.accuracy - theirs.accuracy).abs() <= f64::EPSILON, "{what}");
                assert_eq!(ours.learning_rate, theirs.learning_rate, "{what}");
            }
        }
    }
}

#[test]
fn a_model_that_breaks_down_spoils_no_other() {
    let models = models();
    let sound = results(&Toy::default(), &models);
    let breakdown = |what: &str, epoch, step| Breakdown { what: what.into(), epoch, step };
    // Model 1 has a plateau schedule and six steps an epoch, model 5 cosine and four; there are four epochs.
    for (m, fault, expected) in [
        (1, Fault::Loss(13), breakdown("the loss", 3, Some(2))),
        (5, Fault::Loss(0), breakdown("the loss", 1, Some(1))),
        (5, Fault::GradientNorm(15), breakdown("the gradient's norm", 4, Some(4))),
        (5, Fault::Weight(15), breakdown("the weight `conv1.bias`", 4, None)),
        (1, Fault::Score(13), breakdown("the validation loss", 3, None)),
        (5, Fault::Score(3), breakdown("the validation loss", 4, None)),
    ] {
        for capacity in [1, 4, 7] {
            let toy = Toy { fault: Some(fault), faulty_seed: Some(10 + m as u64), capacity, ..Toy::default() };
            let mut told = Told::default();
            assert_eq!(train(&toy, &models, &mut told).unwrap(), FleetOutcome::Finished);
            for (result, sound) in told.results.iter().zip(&sound) {
                if result.model != m {
                    assert_eq!(result, sound, "{fault:?}");
                    continue;
                }
                assert_eq!(result.end.as_ref().unwrap_err(), &expected, "{fault:?}");
                let n_complete = expected.epoch - usize::from(expected.step.is_some());
                assert_eq!(result.history, sound.history[..n_complete], "{fault:?}");
            }
            assert!(expected.to_string().contains("is not finite; lower the learning rate"), "{expected}");
            assert_eq!(told.steps.last(), told.shape.map(|shape| shape.n_steps).as_ref(), "{fault:?}");
        }
    }
}

#[test]
fn a_fleet_that_is_stopped_has_handed_over_the_groups_that_were_done() {
    let models = models();
    let whole = results(&Toy::default(), &models);
    let toy = Toy { capacity: 3, ..Toy::default() };
    let mut all = Told::default();
    train(&toy, &models, &mut all).unwrap();
    let n_steps = all.shape.unwrap().n_steps;
    assert!(all.steps.is_sorted());
    assert_eq!((all.steps.first(), all.steps.last()), (Some(&1), Some(&n_steps)));
    let of_groups: Vec<u64> = [0..3, 3..6, 6..7]
        .map(|group| models[group].iter().map(|model| 4 * model.train.len().div_ceil(5) as u64).sum())
        .into();
    for stop in 1..n_steps {
        let mut told = Told { stop_at: Some(stop), ..Told::default() };
        let outcome = train(&toy, &models, &mut told).unwrap();
        let done = match stop {
            stop if stop <= of_groups[0] => 0,
            stop if stop <= of_groups[0] + of_groups[1] => 3,
            _ => 6,
        };
        assert_eq!(outcome, FleetOutcome::Interrupted { n_models: done });
        assert_eq!(told.steps.last(), Some(&stop), "it stops after the step in which it was asked to");
        assert_eq!(told.results, whole[..done]);
    }
}

#[test]
fn fleets_that_cannot_work_are_refused_before_anything_is_trained() {
    let toy = Toy::default();
    let refused = |change: &dyn Fn(&mut Vec<Model>)| {
        let mut models = models();
        change(&mut models);
        train(&toy, &models, &mut ()).unwrap_err().to_string()
    };
    for (said, part) in [
        (refused(&Vec::clear), "at least one model"),
        (refused(&|models| models[2].plan.epochs = 5), "model 2 of the fleet: it is to be trained for 5 epochs"),
        (refused(&|models| models[2].plan.early_stopping = Some(3)), "model 2 of the fleet: a fleet has no early"),
        (refused(&|models| models[2].plan.log_steps = true), "model 2 of the fleet: a fleet logs no steps"),
        (refused(&|models| models[2].plan.learning_rate = 0.0), "model 2 of the fleet: the learning rate"),
        (refused(&|models| models[2].train.clear()), "model 2 of the fleet: there is no window to train on"),
        (refused(&|models| models[2].train[0] = 31), "model 2 of the fleet: window 31 (from 0)"),
        (refused(&|models| models[2].plan.training.batch_size = 6), "model 2 of the fleet: its batch size is 6"),
    ] {
        assert!(said.contains(part), "`{part}` is missing in: {said}");
    }
    assert!(toy.fleets.borrow().is_empty());
}
