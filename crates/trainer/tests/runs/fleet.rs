//! Fleets: the result of a model does not depend on the other models.

use triax_engine::{CpuEngine, Engine, StepResult};
use triax_losses::Loss;
use triax_model::{Network, Scaler, WeightFile, Weights};
use triax_trainer::{
    Breakdown, EpochRecord, FitError, FitOutcome, FitSize, Job, Metrics, Model, ModelResult, Observer, RunFolder,
    Sampling, Schedule, fit,
};

use crate::setup::{Setup, empty_folder, finished};
use crate::toy::{Call, Fault, Toy};

/// Seven models that differ in everything that the models of a fleet may differ in. Their epochs have two to five steps.
fn models() -> Vec<Setup> {
    let plateau = Schedule::Plateau { factor: 0.5, patience: 1, min_delta: 10.0, cooldown: 0, min_learning_rate: 0.0 };
    let model = |m: usize| {
        let setup = Setup::new();
        let mut spec = setup.network.spec().clone();
        spec.dropout = [0.25, 0.0, 0.5][m % 3];
        let network = Network::new(spec).unwrap();
        let mut plan = setup.plan.clone();
        plan.training.seed = 10 + m as u64;
        plan.training.loss = Loss::ALL[m % Loss::ALL.len()];
        plan.training.class_weights = [None, Some(vec![0.5, 1.0, 2.0])][m % 2].clone();
        plan.learning_rate = 0.01 + 0.002 * m as f32;
        plan.schedule = [Schedule::Constant, plateau, Schedule::Cosine][m % 3];
        plan.shuffle = m != 5;
        plan.sampling = if m == 2 { Sampling::Balanced } else { Sampling::Shuffle };
        plan.average_last = [None, Some(3), None, Some(1)][m % 4];
        Setup {
            weights: Weights::glorot_uniform(&network, m as u64),
            network,
            plan,
            scaler: (m != 3).then(|| Scaler { mean: vec![0.1 * m as f32, 0.25], scale: vec![1.0, 1.0 + m as f32] }),
            train: (3 * m as u32..31).collect(),
            valid: if m == 4 { vec![] } else { (0..2 + m as u32).collect() },
            ..setup
        }
    };
    (0..7).map(model).collect()
}

/// Trains `models` on the windows of the small job.
fn train(engine: &dyn Engine, models: &[Setup], observer: &mut dyn Observer) -> Result<FitOutcome, FitError> {
    train_at_once(None, engine, models, observer)
}

fn train_at_once(
    at_once: Option<usize>,
    engine: &dyn Engine,
    models: &[Setup],
    observer: &mut dyn Observer,
) -> Result<FitOutcome, FitError> {
    let setup = Setup::new();
    let models: Vec<Model<'_>> = models.iter().map(Setup::model).collect();
    fit(&Job { at_once, ..setup.job(engine, &models) }, observer)
}

/// Keeps the events, and stops the fleet after so many steps.
#[derive(Default)]
struct EventLog {
    size: Option<FitSize>,
    steps: Vec<u64>,
    models_ended: Vec<usize>,
    stop_at: Option<u64>,
}

impl Observer for EventLog {
    fn fit_started(&mut self, size: &FitSize) {
        self.size = Some(*size);
    }
    fn steps_done(&mut self, steps: u64, _: Option<StepResult>) {
        self.steps.push(steps);
    }
    fn models_ended(&mut self, models: usize) {
        self.models_ended.push(models);
    }
    fn interrupted(&mut self) -> bool {
        self.stop_at.is_some_and(|stop| self.steps.last().is_some_and(|&steps| steps >= stop))
    }
}

/// The results with `seconds`, which are never the same twice, left out.
fn without_seconds(mut results: Vec<ModelResult>) -> Vec<ModelResult> {
    results.iter_mut().flat_map(|result| &mut result.history).for_each(|record| record.seconds = 0.0);
    results
}

/// The results of all models.
fn results(outcome: Result<FitOutcome, FitError>) -> Vec<ModelResult> {
    match outcome.unwrap() {
        FitOutcome::Finished(results) => without_seconds(results),
        FitOutcome::Interrupted(_) => panic!("nobody asked to stop"),
    }
}

#[test]
fn grouping_changes_nothing() {
    let models = models();
    let truth = results(train(&Toy::default(), &models, &mut ()));
    let cpu = CpuEngine::<f32>::new();
    let cpu_truth = results(train(&cpu, &models, &mut ()));
    for (most, groups) in [(1, vec![1; 7]), (3, vec![3, 3, 1]), (4, vec![4, 3]), (6, vec![4, 3]), (7, vec![7])] {
        let ends: Vec<usize> = (1..=groups.len()).map(|n_groups| groups[..n_groups].iter().sum()).collect();
        // What the device holds, or what was asked for.
        for (capacity, at_once) in [(most, None), (most, Some(9)), (usize::MAX, Some(most))] {
            let toy = Toy { capacity, ..Toy::default() };
            let mut log = EventLog::default();
            let found = results(train_at_once(at_once, &toy, &models, &mut log));
            assert_eq!(*toy.fleets.borrow(), groups);
            assert_eq!(log.models_ended, ends);
            assert_eq!(found, truth, "in groups of {groups:?}");
        }
        let mut log = EventLog::default();
        let found = results(train_at_once(Some(most), &cpu, &models, &mut log));
        assert_eq!(log.models_ended, ends);
        assert_eq!(found, cpu_truth, "in groups of {groups:?}");
    }
}

#[test]
fn each_model_ends_as_it_does_alone() {
    let engines: [(&str, Box<dyn Engine>); 2] =
        [("toy", Box::new(Toy::default())), ("cpu", Box::new(CpuEngine::<f32>::new()))];
    for (name, engine) in engines {
        let models = models();
        let found = results(train(&*engine, &models, &mut ()));
        for (m, (model, result)) in models.iter().zip(found).enumerate() {
            let what = format!("model {m} on {name}");
            let scratch = empty_folder();
            let run = scratch.path().join("run");
            let alone = finished(model.fit(&*engine, &run, &mut ()));
            let folder = RunFolder::open(&run).unwrap();
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
fn an_observer_receives_each_epoch_of_each_model() {
    #[derive(Default)]
    struct Epochs([Vec<EpochRecord>; 7], [Option<Metrics>; 7]);
    impl Observer for Epochs {
        fn epoch_ended(&mut self, model_idx: usize, record: &EpochRecord, validation: Option<&Metrics>) {
            assert_eq!(record.val_macro_f1, validation.map(|metrics| metrics.macro_f1));
            self.0[model_idx].push(*record);
            self.1[model_idx] = validation.cloned();
        }
    }
    let (setup, models) = (Setup::new(), models());
    let models: Vec<Model<'_>> = models.iter().map(Setup::model).collect();
    let toy = Toy { capacity: 3, ..Toy::default() };
    let mut log = Epochs::default();
    let job = Job { follows_validation: true, ..setup.job(&toy, &models) };
    let FitOutcome::Finished(results) = fit(&job, &mut log).unwrap() else { panic!("nobody asked to stop") };
    for (m, result) in results.into_iter().enumerate() {
        assert!(result.history.iter().map(|record| record.epoch).eq(1..=4));
        assert_eq!(result.history, log.0[m]);
        let validation = result.end.unwrap().validation;
        assert_eq!(validation.is_some(), m != 4);
        assert_eq!(validation, log.1[m], "the last figures are those of the weights that model {m} ends with");
    }
}

#[test]
fn a_model_that_breaks_down_spoils_no_other() {
    let models = models();
    let sound = results(train(&Toy::default(), &models, &mut ()));
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
            let mut log = EventLog::default();
            let found = results(train(&toy, &models, &mut log));
            assert_eq!(found.len(), models.len());
            for (model, (result, sound)) in found.iter().zip(&sound).enumerate() {
                if model != m {
                    assert_eq!(result, sound, "{fault:?}");
                    continue;
                }
                assert_eq!(result.end.as_ref().unwrap_err(), &expected, "{fault:?}");
                let n_complete = expected.epoch - usize::from(expected.step.is_some());
                assert_eq!(result.history, sound.history[..n_complete], "{fault:?}");
            }
            assert!(expected.to_string().contains("is not finite; lower the learning rate"), "{expected}");
            assert_eq!(log.steps.last(), log.size.map(|size| size.n_steps).as_ref(), "{fault:?}");
        }
    }
}

#[test]
fn a_fleet_that_is_stopped_returns_the_groups_that_were_done() {
    let models = models();
    let whole = results(train(&Toy::default(), &models, &mut ()));
    let toy = Toy { capacity: 3, ..Toy::default() };
    let mut all = EventLog::default();
    train(&toy, &models, &mut all).unwrap();
    let n_steps = all.size.unwrap().n_steps;
    assert!(all.steps.is_sorted());
    assert_eq!((all.steps.first(), all.steps.last()), (Some(&1), Some(&n_steps)));
    let group_steps: Vec<u64> = [0..3, 3..6, 6..7]
        .map(|group| models[group].iter().map(|model| 4 * model.train.len().div_ceil(5) as u64).sum())
        .into();
    for stop in 1..n_steps {
        let mut log = EventLog { stop_at: Some(stop), ..EventLog::default() };
        let FitOutcome::Interrupted(results) = train(&toy, &models, &mut log).unwrap() else { panic!("it went on") };
        let done = match stop {
            stop if stop <= group_steps[0] => 0,
            stop if stop <= group_steps[0] + group_steps[1] => 3,
            _ => 6,
        };
        assert_eq!(log.steps.last(), Some(&stop), "it stops after the step in which it was asked to");
        assert_eq!(without_seconds(results), whole[..done]);
    }
}

/// The models whose steps depend on no result.
fn foreseeable_models() -> Vec<Setup> {
    let depends =
        |model: &Setup| matches!(model.plan.schedule, Schedule::Plateau { .. }) || model.plan.average_last.is_some();
    models().into_iter().filter(|model| !depends(model)).collect()
}

/// All events but those of steps.
#[derive(Default)]
struct Order(Vec<String>);

impl Observer for Order {
    fn fit_started(&mut self, size: &FitSize) {
        self.0.push(format!("{size:?}"));
    }
    fn epoch_started(&mut self, epoch: usize) {
        self.0.push(format!("epoch {epoch}"));
    }
    fn epoch_ended(&mut self, model_idx: usize, record: &EpochRecord, validation: Option<&Metrics>) {
        let record = EpochRecord { seconds: 0.0, ..*record };
        self.0.push(format!("model {model_idx}: {record:?}, {validation:?}"));
    }
    fn models_ended(&mut self, models: usize) {
        self.0.push(format!("{models} ended"));
    }
}

#[test]
fn a_device_that_runs_ahead_gets_the_next_epoch_before_the_results_of_this_one() {
    use Call::{Evaluations, Results, Scores, Start, StartValidation, Weights};
    let (setup, all) = (Setup::new(), foreseeable_models());
    let models: Vec<Model<'_>> = all.iter().map(Setup::model).collect();
    assert!(models.len() > 1);
    let train = |runs_ahead, follows_validation, fault: Option<Fault>| {
        let faulty_seed = Some(all[1].plan.training.seed);
        let toy = Toy { runs_ahead, fault, faulty_seed, ..Toy::default() };
        let mut order = Order::default();
        let job = Job { follows_validation, wants_scores: true, ..setup.job(&toy, &models) };
        let found = results(fit(&job, &mut order));
        (found, order.0, toy.calls.take())
    };
    // It breaks down in the first and in the last step of its second epoch, and in the second step of all.
    let n_steps = all[1].model().steps_per_epoch() as u64;
    for fault in [None, Some(Fault::Loss(n_steps)), Some(Fault::GradientNorm(2 * n_steps - 1)), Some(Fault::Weight(0))]
    {
        for follows_validation in [false, true] {
            let (truth, order, _) = train(false, follows_validation, fault);
            let (found, same_order, calls) = train(true, follows_validation, fault);
            assert_eq!(format!("{found:?}"), format!("{truth:?}"), "{fault:?}");
            assert_eq!(same_order, order);
            assert_eq!(fault.is_some(), found[1].end.is_err());
            let expected = match follows_validation {
                true => [
                    vec![Start, StartValidation],
                    [Start, StartValidation, Results, Evaluations].repeat(3),
                    vec![Results, Evaluations, Weights, Scores],
                ],
                false => [
                    vec![Start],
                    [Start, Results].repeat(2),
                    vec![Start, StartValidation, Results, Results, Evaluations, Weights, Scores],
                ],
            };
            assert_eq!(calls, expected.concat(), "{fault:?}");
        }
    }
}

#[test]
fn a_fleet_that_breaks_down_as_a_whole_starts_nothing_more() {
    let models = foreseeable_models();
    for runs_ahead in [false, true] {
        let toy = Toy { runs_ahead, fault: Some(Fault::Loss(0)), ..Toy::default() };
        let mut log = EventLog::default();
        let found = results(train(&toy, &models, &mut log));
        assert!(found.iter().all(|result| result.end.is_err() && result.history.is_empty()));
        assert_eq!(log.steps.last(), log.size.map(|size| size.n_steps).as_ref());
        let n_started = toy.calls.borrow().iter().filter(|&&call| call == Call::Start).count();
        assert_eq!(n_started, if runs_ahead { 2 } else { 1 });
    }
}

#[test]
fn steps_that_depend_on_results_are_not_started_ahead() {
    use Call::{Results, Start};
    let setup = Setup::new();
    let all = models();
    let (plateau, mut averaged) = (&all[1], Setup::new());
    assert!(matches!(plateau.plan.schedule, Schedule::Plateau { .. }));
    averaged.plan.average_last = Some(1);
    for model in [plateau, &averaged] {
        let toy = Toy { runs_ahead: true, ..Toy::default() };
        let models = [model.model()];
        let found = results(fit(&setup.job(&toy, &models), &mut ()));
        assert_eq!(found, results(fit(&setup.job(&Toy::default(), &models), &mut ())));
        let steps: Vec<Call> = toy.calls.take().into_iter().filter(|call| matches!(call, Start | Results)).collect();
        assert_eq!(steps, [Start, Results].repeat(4));
    }
}

#[test]
fn a_device_that_runs_ahead_is_stopped_after_any_step() {
    let models = foreseeable_models();
    let n_steps: u64 = models.iter().map(|model| model.model().n_steps()).sum();
    for stop in 1..n_steps {
        let toy = Toy { runs_ahead: true, ..Toy::default() };
        let mut log = EventLog { stop_at: Some(stop), ..EventLog::default() };
        let outcome = train(&toy, &models, &mut log).unwrap();
        assert_eq!(outcome, FitOutcome::Interrupted(Vec::new()));
        assert_eq!(log.steps.last(), Some(&stop), "it stops after the step in which it was asked to");
    }
}

#[test]
fn scores_are_those_of_the_final_weights() {
    let (setup, all) = (Setup::new(), models());
    let models: Vec<Model<'_>> = all.iter().map(Setup::model).collect();
    let cpu = CpuEngine::<f32>::new();
    let job = Job { wants_scores: true, ..setup.job(&cpu, &models) };
    for (model, result) in models.iter().zip(results(fit(&job, &mut ()))) {
        let trained = result.end.unwrap();
        let windows = setup.windows.values_at(model.valid);
        let truth = cpu.scores(model.network, &trained.weights, model.scaler, &windows).unwrap();
        assert_eq!(trained.scores, Some(truth), "an average of weights has scores of its own");
    }
    let unwanted = results(fit(&setup.job(&cpu, &models), &mut ()));
    assert!(unwanted.into_iter().all(|result| result.end.unwrap().scores.is_none()));
}

#[test]
fn fleets_that_cannot_work_are_refused_before_anything_is_trained() {
    let toy = Toy::default();
    let refused = |change: &dyn Fn(&mut Vec<Setup>)| {
        let mut models = models();
        change(&mut models);
        train(&toy, &models, &mut ()).unwrap_err().to_string()
    };
    for (message, part) in [
        (refused(&Vec::clear), "at least one model"),
        (refused(&|models| models[2].plan.epochs = 5), "model 2 of the fleet: it is to be trained for 5 epochs"),
        (refused(&|models| models[2].plan.early_stopping = Some(3)), "model 2 of the fleet: a fleet has no early"),
        (refused(&|models| models[2].plan.log_steps = true), "model 2 of the fleet: a fleet logs no steps"),
        (refused(&|models| models[2].plan.learning_rate = 0.0), "model 2 of the fleet: the learning rate"),
        (refused(&|models| models[2].train.clear()), "model 2 of the fleet: there is no window to train on"),
        (refused(&|models| models[2].train[0] = 31), "model 2 of the fleet: window 31 (from 0)"),
        (refused(&|models| models[2].plan.training.batch_size = 6), "model 2 of the fleet: its batch size is 6"),
    ] {
        assert!(message.contains(part), "`{part}` is missing in: {message}");
    }
    assert!(toy.fleets.borrow().is_empty());
}
