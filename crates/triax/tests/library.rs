//! The library as another program uses it.

use serde_json::json;
use triax::settings::{ClassWeights, DataSettings, DataSource, DerivedChannels, Entries, HiddenLayers, Normalize};
use triax::{
    Error, EvaluateOptions, ExportFormat, ExportOptions, Observer, Outcome, Predictor, PredictorOptions, Recordings,
    Sample, Settings, StepResult, StreamPredictor, Training, TrainingData, WindowArrays, evaluate, export, train,
};
use triax_answers::Answers;
use triax_model::{Derived, WeightFile};

/// Settings of a training that takes a moment.
fn small() -> Settings {
    let mut settings = Settings::default();
    settings.network.hidden = HiddenLayers(Vec::new());
    settings.training.epochs = 2;
    settings.data.step = 240.into();
    settings.machine.device = "cpu".parse().unwrap();
    settings
}

/// Asks to stop after so many steps.
struct StopAfter(u64);

impl Observer for StopAfter {
    fn steps_done(&mut self, steps: u64, _newest: Option<StepResult>) {
        self.0 = self.0.saturating_sub(steps.min(1));
    }

    fn interrupted(&mut self) -> bool {
        self.0 == 0
    }
}

#[test]
fn a_stream_of_samples_gets_the_predictions_of_its_windows() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    train(Recordings::synthetic(0), small(), &run, &mut ()).unwrap();
    let predictor = Predictor::open(&run).unwrap();
    let (window, channels) = (predictor.spec().window, predictor.spec().channels);

    let values = &Recordings::synthetic(1).corpus.recordings[3].values;
    let n_windows = values.len() / (window * channels);
    let expected = predictor.predict(&values[..n_windows * window * channels]).unwrap();
    let mut stream = StreamPredictor::new(&predictor, window);
    let mut predictions = Vec::new();
    for values in values.chunks_exact(channels) {
        predictions.extend(stream.push(&Sample { values, ..Sample::default() }).unwrap());
    }
    assert!(n_windows > 3);
    assert_eq!(predictions.iter().map(|window| window.prediction.clone()).collect::<Vec<_>>(), expected);
    assert_eq!((predictions[1].start.as_str(), predictions[1].end.as_str()), ("120", "239"));

    let error = stream.push(&Sample { values: &[1.0], ..Sample::default() }).unwrap_err();
    assert!(matches!(error, Error::Input(_)), "{error}");

    // A window without a prediction does not stop the stream.
    let mut stream = StreamPredictor::new(&predictor, window);
    let mut broken = values[..2 * window * channels].to_vec();
    broken[5] = f32::NAN;
    let answers: Vec<_> =
        broken.chunks_exact(channels).map(|values| stream.push(&Sample { values, ..Sample::default() })).collect();
    assert_eq!(answers.iter().filter(|answer| answer.is_err()).count(), 1);
    assert_eq!(answers.into_iter().flatten().flatten().count(), 1);
    let error = predictor.predict(&values[..7]).unwrap_err();
    assert!(matches!(error, Error::Engine(_)), "{error}");
    let error = predictor.predict(&vec![f32::NAN; window * channels]).unwrap_err();
    assert!(error.to_string().contains("window 0"), "{error}");
}

#[test]
fn a_training_that_was_stopped_goes_on_to_the_same_figures() {
    let folder = tempfile::tempdir().unwrap();
    let [whole, stopped] = ["whole", "stopped"].map(|name| folder.path().join(name));
    let mut settings = small();
    settings.data.data = DataSource::Synthetic;
    let Outcome::Finished { summary, .. } = Training::new(settings.clone(), &whole).unwrap().run(&mut ()).unwrap()
    else {
        panic!("nobody stopped it");
    };
    let outcome = Training::new(settings, &stopped).unwrap().run(&mut StopAfter(5)).unwrap();
    assert!(matches!(outcome, Outcome::Interrupted { epoch: 1, .. }), "{outcome:?}");
    let given = Entries::from_iter([("epochs".to_owned(), json!(3))]);
    let error = Training::resume(&stopped, &given).err().unwrap();
    assert!(error.is_usage() && error.to_string().contains("`epochs` is 2"), "{error}");

    let resumed = Training::resume(&stopped, &Entries::new()).unwrap().run(&mut ()).unwrap();
    let Outcome::Finished { summary: resumed, .. } = resumed else { panic!("nobody stopped it") };
    assert_eq!(resumed, summary);
    let judged = evaluate(&Predictor::open(&stopped).unwrap(), &EvaluateOptions::default()).unwrap();
    assert_eq!(Some(&judged.metrics), summary.last.validation.as_ref());
    assert_eq!(judged.notices, []);
}

#[test]
fn a_run_on_recordings_that_were_read_before_knows_where_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let (data, run) = (folder.path().join("data.csv"), folder.path().join("run"));
    let mut rows = "subject,activity,timestamp,x,y,z\n".to_owned();
    for (idx, (subject, activity)) in
        (0..4).flat_map(|subject| (0..2).map(move |activity| (subject, activity))).enumerate()
    {
        for t in 0..400 {
            let swing = (f64::from(t) * (0.1 + 0.4 * f64::from(activity)) + idx as f64).sin();
            rows += &format!("{subject},{activity},{},{swing},{},9.8\n", f64::from(t) * 0.05, swing * 0.5);
        }
    }
    std::fs::write(&data, rows).unwrap();
    let mut settings = small();
    settings.data.step = 60.into();
    settings.data.activities = vec!["of other recordings".to_owned()];
    let Outcome::Finished { summary, .. } = train(Recordings::open(&data).unwrap(), settings, &run, &mut ()).unwrap()
    else {
        panic!("nobody stopped it");
    };
    let evaluation = evaluate(&Predictor::open(&run).unwrap(), &EvaluateOptions::default()).unwrap();
    assert_eq!(Some(&evaluation.metrics), summary.last.validation.as_ref());
    assert!(evaluation.judged.starts_with("the run's validation part"), "{}", evaluation.judged);
    Training::resume(&run, &Entries::new()).unwrap();

    let error = train(Recordings::synthetic(1), small(), folder.path().join("other"), &mut ()).unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("seed"), "{error}");
}

#[test]
fn errors_say_what_is_at_fault() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = small();
    settings.training.epochs = 0;
    let error =
        Training::with_recordings(Recordings::synthetic(0), settings, &folder.path().join("run")).err().unwrap();
    assert!(error.is_usage() && error.to_string().contains("`epochs` is 0"), "{error}");
    assert!(!folder.path().join("run").exists(), "a run folder was left");

    assert!(matches!(Recordings::open(folder.path().join("nowhere")).unwrap_err(), Error::Data(_)));
    assert!(matches!(Predictor::open(folder.path().join("nowhere")).err().unwrap(), Error::Weights(_)));

    let mut settings = small();
    settings.data.data = DataSource::Path(folder.path().join("nowhere"));
    let error = Training::new(settings, &folder.path().join("run")).err().unwrap();
    assert!(error.to_string().contains("nowhere"), "{error}");
}

/// The windows of `data` in memory, as another program may have them.
fn in_memory(data: &TrainingData) -> WindowArrays {
    WindowArrays {
        windows: data.windows.clone(),
        window: data.window,
        channels: data.corpus.channels.clone(),
        classes: data.corpus.classes.clone(),
        rate_hz: data.corpus.rate_hz,
        subjects: None,
        train: data.split.train.clone(),
        valid: data.split.valid.clone(),
    }
}

#[test]
fn a_training_in_memory_ends_with_the_weights_of_a_run() {
    let folder = tempfile::tempdir().unwrap();
    for (name, early_stopping, normalize, derive) in [
        ("plain", None, Normalize::Standard, &[][..]),
        ("early", Some(1), Normalize::Gravity, &[]),
        ("derived", None, Normalize::Standard, &[Derived::Norm, Derived::Vertical, Derived::Linear]),
    ] {
        let mut settings = small();
        settings.data.step = 120.into();
        settings.data.normalize = normalize;
        settings.data.derive = derive.iter().copied().map(DerivedChannels).collect();
        settings.augmentation.flip_axes = true;
        settings.training.early_stopping = early_stopping;
        settings.training.class_weights = ClassWeights::Balanced;
        // So fast that the best epoch is not the last one.
        settings.training.learning_rate = 0.02;
        settings.training.epochs = 6;
        let run = folder.path().join(name);
        let Outcome::Finished { summary, .. } =
            train(Recordings::synthetic(0), settings.clone(), &run, &mut ()).unwrap()
        else {
            panic!("nobody asked to stop")
        };
        assert_eq!(summary.stopped_early, early_stopping.is_some(), "{summary:?}");

        // As they were measured: the training normalises them itself.
        let as_measured = DataSettings { normalize: Normalize::None, derive: Vec::new(), ..settings.data.clone() };
        let plain = Settings { data: as_measured, ..settings.clone() };
        let data = Recordings::synthetic(0).split(&plain).unwrap();
        let people = data.corpus.subjects();
        let number = |name: &str| people.iter().position(|one| one == name).unwrap() as u32;
        let subjects = Some(data.origins.iter().map(|&origin| number(data.corpus.subject_of(origin))).collect());
        let fitted = WindowArrays { subjects, ..in_memory(&data) }.fit(&settings, &mut ()).unwrap().unwrap();
        let (file, of_run) = (&fitted.file, WeightFile::read(run.join("last.safetensors")).unwrap());
        assert_eq!((&file.weights, &file.spec, &file.scaler), (&of_run.weights, &of_run.spec, &of_run.scaler));
        assert_eq!(fitted.validation, summary.last.validation);
        assert!(fitted.temperature_scaling.is_some());
        assert_eq!(fitted.temperature_scaling, summary.last.temperature_scaling);
        // It knows what its answers are worth, but not how long activities last.
        let answers =
            |file: &WeightFile| Answers::from_json(&file.extra["answers"], data.corpus.classes.len()).unwrap();
        assert_eq!(answers(file), Answers { dynamics: None, ..answers(&of_run) });
        assert_eq!(fitted.history.len(), summary.epochs);
        // What only recordings have is missing: that they are synthetic, names for display, windows as long as their step.
        for key in ["channels", "gravity", "loss", "per_window", "rate_hz", "window_s"] {
            assert_eq!(file.extra.get(key), of_run.extra.get(key), "{key}");
        }

        let predictor = Predictor::from_weights(fitted.file, &PredictorOptions::default()).unwrap();
        let windows = data.valid_windows();
        assert_eq!(predictor.scores(&windows).unwrap(), Predictor::open(&run).unwrap().scores(&windows).unwrap());
    }
}

#[test]
fn a_training_in_memory_weighs_windows_and_refuses_what_does_not_fit() {
    let data = Recordings::synthetic(0).split(&small()).unwrap();
    let (settings, n_windows) = (small(), data.windows.len());
    let weights = |data: WindowArrays| data.fit(&settings, &mut ()).unwrap().unwrap().file.weights;
    let with_weights = |weights: Vec<f32>| {
        let mut data = in_memory(&data);
        data.windows.sample_weights = Some(weights.into());
        data
    };
    let plain = weights(in_memory(&data));
    assert_eq!(plain, weights(with_weights(vec![1.0; n_windows])));
    assert_ne!(plain, weights(with_weights((0..n_windows).map(|idx| (idx % 2) as f32).collect())));

    let refused = |data: WindowArrays| data.fit(&settings, &mut ()).unwrap_err().in_full();
    assert!(refused(with_weights(vec![-1.0; n_windows])).contains("has the weight -1"));
    assert!(refused(WindowArrays { train: Vec::new(), ..in_memory(&data) }).contains("no window to train on"));
    let beyond = vec![0, n_windows as u32];
    assert!(refused(WindowArrays { valid: beyond, ..in_memory(&data) }).contains(&format!("no window {n_windows}")));
    assert!(refused(WindowArrays { window: 7, ..in_memory(&data) }).contains("this network cannot work"));
    for rate in [0.0, f64::NAN] {
        assert!(refused(WindowArrays { rate_hz: Some(rate), ..in_memory(&data) }).contains("samples a second"));
    }
    assert!(in_memory(&data).fit(&settings, &mut StopAfter(3)).unwrap().is_none());
}

#[test]
fn a_training_in_memory_starts_from_files_of_other_programs() {
    let folder = tempfile::tempdir().unwrap();
    let data = Recordings::synthetic(0).split(&small()).unwrap();
    let first = in_memory(&data).fit(&small(), &mut ()).unwrap().unwrap().file;
    let of_first = Predictor::from_weights(first.clone(), &PredictorOptions::default()).unwrap();
    let exported = export(&of_first, &ExportOptions::new(ExportFormat::Keras)).unwrap();
    let from_file = |name: &str, bytes: &[u8]| {
        let file = folder.path().join(name);
        std::fs::write(&file, bytes).unwrap();
        let mut settings = small();
        settings.training.init_weights = Some(file);
        in_memory(&data).fit(&settings, &mut ()).map(|fitted| fitted.unwrap().file.weights)
    };
    let plain = from_file("first.safetensors", &first.to_bytes()).unwrap();
    assert_eq!(from_file("first.keras", &exported.bytes).unwrap(), plain);
    assert_ne!(plain, first.weights, "it goes on training");
    let cut = from_file("cut.keras", &exported.bytes[..1000]).unwrap_err().in_full();
    assert!(cut.contains("cannot start from these weights") && cut.contains("cut.keras"), "{cut}");
}

#[test]
fn the_error_of_the_system_is_found_behind_others() {
    let missing = std::path::Path::new("/there/is/no/such.safetensors");
    let error = Predictor::open(missing).err().unwrap();
    assert_eq!(error.io_error().unwrap().kind(), std::io::ErrorKind::NotFound);
    let error = Training::resume(missing, &Entries::new()).err().unwrap().while_doing("cannot go on");
    assert_eq!(error.io_error().unwrap().kind(), std::io::ErrorKind::NotFound);
    let file = tempfile::NamedTempFile::new().unwrap();
    assert!(Predictor::open(file.path()).err().unwrap().io_error().is_none(), "a file that is there, and no weights");
    assert!(Error::Usage("`epochs` is 0".into()).io_error().is_none());
}
