//! Triax trains small convolutional networks on windows of motion-sensor data, on any GPU or on the CPU. It measures
//! how well they do on people they have never seen.
//!
//! This is the library behind the command `triax`. A few calls do what the command does:
//!
//! ```
//! use triax::{Outcome, Predictor, Recordings, Settings, train};
//!
//! # let folder = tempfile::tempdir()?;
//! # let run = folder.path().join("first");
//! let recordings = Recordings::synthetic(0); // or Recordings::open("recordings/")?
//! let windows = recordings.corpus.recordings[0].values.clone();
//! let mut settings = Settings::default(); // those of the reference network
//! settings.training.epochs = 1;
//! settings.data.step = 120.into();
//!
//! if let Outcome::Finished { summary, .. } = train(recordings, settings, &run, &mut ())? {
//!     let unseen = summary.last.validation.expect("subjects are held out");
//!     assert!(unseen.macro_f1 > 0.3);
//! }
//!
//! let predictor = Predictor::open(&run)?;
//! let predictions = predictor.predict(&windows[..120 * 3])?; // one window of 120 samples in 3 channels
//! println!("{}", predictor.class_names[predictions[0].class]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | to | see |
//! |---|---|
//! | read recordings, split them by subject | [`Recordings`], [`TrainingData`] |
//! | say what to train, and how | [`Settings`], [`settings`] |
//! | train a model in a folder of its own, continue it | [`train()`], [`Training`], [`ClassicalTraining`], [`Run`] |
//! | let several models predict together | [`Ensemble`] |
//! | train a network in memory, on windows that were never a file | [`WindowArrays`] |
//! | train the layers of a network without labels, to start other trainings from | [`pretrain()`], [`Pretraining`] |
//! | watch and stop a training | [`Observer`] |
//! | compare settings on people that no network has trained on | [`study()`], [`StudyRun`], [`Description`] |
//! | search for settings that suit a data set | [`TuneRun`], [`TuneDescription`] |
//! | predict windows, or samples as they come | [`Predictor`], [`StreamPredictor`] |
//! | evaluate a trained network on recordings | [`evaluate()`] |
//! | make a network know one person, from a few seconds | [`calibrate()`] |
//! | make one answer of a sequence of windows | [`OverTime`], [`LiveAnswers`] |
//! | take a trained network to where it runs | [`export()`] |
//! | see what a network costs, and how a window is prepared for it | [`triax_model::Cost`], [`Latency`], [`Preprocessing`] |
//! | take over a network that was trained in Keras | [`import()`] |
//! | see what leaks in a split | [`SplitAudit`] |
//! | make a report | [`report`] |
//!
//! The library prints nothing. Notices for the user are returned as [`Notice`]s. Failures are [`Error`]s with the same
//! messages as on the command line.

mod arrays;
mod audit;
mod calibrate;
pub mod engines;
mod ensemble;
mod error;
mod evaluate;
mod export;
mod import;
mod initial;
mod latency;
mod over_time;
mod predictor;
mod preprocessing;
mod pretrain;
mod recordings;
pub mod report;
mod run;
pub mod settings;
mod shell;
mod stream;
mod study;
#[doc(hidden)]
pub mod text;
mod tune;

pub use arrays::{FittedNetwork, WindowArrays};
pub use audit::SplitAudit;
pub use calibrate::{CalibrateOptions, CalibratedClass, Calibration, calibrate};
pub use ensemble::{Ensemble, EnsembleMember, MemberSource, NewMember};
pub use error::Error;
pub use evaluate::{EvaluateOptions, Evaluation, JudgedOverTime, Part, evaluate};
pub use export::{Check, DeviceCost, Export, ExportFormat, ExportOptions, Golden, export};
pub use import::{ImportOptions, import};
pub use initial::PretrainRecord;
pub use latency::Latency;
pub use over_time::{Answer, AnswerSegment, LiveAnswers, OverTime, OverTimeOptions, StreamAnswer};
pub use predictor::{
    ClassicalMember, Member, Model, NetworkMember, Prediction, Predictor, PredictorOptions, PredictorOrigin,
    StudyOrigin, WhichWeights, WindowSpec,
};
pub use preprocessing::{ChannelScale, Preprocessing};
pub use pretrain::{KeptLayers, PretrainOptions, Pretrained, Pretraining, pretrain};
pub use recordings::{Recordings, TrainingData, read_corpus, read_data};
pub use run::{ClassicalTraining, DataRecord, Outcome, Record, Run, SplitRecord, Training, is_run, train};
pub use settings::Settings;
pub use stream::{Sample, StreamPrediction, StreamPredictor};
pub use study::{
    Conduct, Description, Labels, Point, StudyOptions, StudyRun, Variant, Vary, is_study, parse_vary, study,
};
pub use triax_data::{Audit, Corpus, Folds, Notice, ReadOptions, Recording};
pub use triax_engine::device::{DeviceChoice, DeviceInfo};
pub use triax_engine::{StepResult, Timings, TimingsFound};
pub use triax_losses::Loss;
pub use triax_study::{Gap, Outcome as StudyOutcome, Share, Summary as StudySummary};
pub use triax_trainer::{EpochRecord, FitSize, Metrics, Observer, Summary};
pub use tune::{
    Budget, EnsembleCandidate, JudgedCandidate, NestedSearch, OneSearch, Spending, StackedMember, TuneDescription,
    TuneObserver, TuneOptions, TuneOutcome, TuneRun, TuneSummary,
};
