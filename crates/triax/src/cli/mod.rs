//! The command line, with one file per subcommand. It reads arguments, calls the library and prints results.
//!
//! The exit code is 0 for success, 2 for an invalid command line or config file, and 1 for any other error and for a run that
//! was interrupted.
//!
//! This module must never know the mathematics of training.

// They panic where a terminal has gone; `terminal` does not.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod bench;
mod calibrate;
mod completions;
mod data;
mod devices;
mod ensemble;
mod evaluate;
mod export;
mod failure;
mod import;
mod man;
mod many;
mod model;
mod new_folder;
mod options;
mod output;
mod over_time;
mod predict;
mod pretrain;
mod progress;
mod sparkline;
mod study;
mod suggest;
mod terminal;
mod text;
mod timings;
mod train;
mod tune;

use std::panic::AssertUnwindSafe;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use triax::Notice;

/// Trains small convolutional networks on motion-sensor windows, on any GPU or on the CPU.
#[derive(Parser)]
#[command(name = "triax", version, max_term_width = 110, arg_required_else_help = true, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  triax train                                  train on the built-in synthetic set
  triax train --data wisdm/ --split subject    train on your own recordings
  triax study losses --data wisdm/             compare the losses on people a network has never seen
  triax tune --data wisdm/                     search for the settings that suit your recordings
  triax evaluate runs/NAME                     measure a trained network
  triax calibrate runs/NAME --data person.csv --out person.safetensors    make it know one person
  triax import model.keras --out m.safetensors take over a network that was trained in Keras
  triax data inspect wisdm/                    see what is in a data set, and what is wrong with it
  triax data audit wisdm/                      see what validation would know from training

Exit codes: 0 done, 2 wrong usage, 1 anything else.";

#[derive(Subcommand)]
enum Command {
    Train(Box<train::Args>),
    Pretrain(Box<pretrain::Args>),
    Study(Box<study::Args>),
    Tune(Box<tune::Args>),
    Evaluate(evaluate::Args),
    Ensemble(ensemble::Args),
    Predict(predict::Args),
    Calibrate(calibrate::Args),
    Export(export::Args),
    Import(import::Args),
    Model(model::Args),
    Devices(devices::Args),
    Bench(bench::Args),
    Data(data::Args),
    Completions(completions::Args),
    Man(man::Args),
}

/// Runs the command of this process.
pub fn main() -> ExitCode {
    silence_drivers();
    failure::collect_panics();
    let line = Cli::command();
    let given = line.clone().try_get_matches().and_then(|given| Cli::from_arg_matches(&given));
    let cli = match given {
        Ok(cli) => cli,
        Err(mut error) => {
            suggest::add(&mut error, &line, std::env::args_os());
            return failure::usage(&error);
        }
    };
    // After a panic nothing of the command line is used.
    let run = std::panic::catch_unwind(AssertUnwindSafe(|| match cli.command {
        Command::Train(args) => train::run(*args),
        Command::Pretrain(args) => pretrain::run(*args),
        Command::Study(args) => study::run(*args),
        Command::Tune(args) => tune::run(*args),
        Command::Evaluate(args) => evaluate::run(args),
        Command::Ensemble(args) => ensemble::run(args),
        Command::Predict(args) => predict::run(args),
        Command::Calibrate(args) => calibrate::run(args),
        Command::Export(args) => export::run(args),
        Command::Import(args) => import::run(args),
        Command::Model(args) => model::run(args),
        Command::Devices(args) => devices::run(args),
        Command::Bench(args) => bench::run(args),
        Command::Data(args) => data::run(args),
        Command::Completions(args) => completions::run(args, line),
        Command::Man(args) => man::run(args, line),
    }));
    match run {
        Ok(Ok(code)) => code,
        Ok(Err(error)) => failure::report(&error),
        Err(_) => failure::report_panic(),
    }
}

/// Prints notices on standard error.
fn print_notices(notices: &[Notice]) {
    notices.iter().for_each(terminal::tell);
}

/// Disables a layer of Mesa's Vulkan drivers that looks for a desktop, in order to list its GPU first. Without a desktop (on a
/// server, in a container) libwayland prints an error then. Triax orders GPUs itself.
fn silence_drivers() {
    if cfg!(target_os = "linux") && std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        // SAFETY: nothing else has run yet, so no other thread reads the environment.
        unsafe { std::env::set_var("NODEVICE_SELECT", "1") };
    }
}
