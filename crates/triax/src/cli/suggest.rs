//! What was meant by an argument that a command does not take, where clap cannot know.
//!
//! clap suggests what looks alike. It does not know that `--lr` elsewhere is `--learning-rate` here, which looks less like it
//! than `--lr-schedule` does, nor that a path stands for recordings.

use std::ffi::OsString;

use clap::Command;
use clap::error::{ContextKind, ContextValue, Error, ErrorKind};
use triax::settings::meant;

/// Adds to `error`, which is about the arguments `given` to `cli`, what was meant by them.
pub fn add(error: &mut Error, cli: &Command, given: impl IntoIterator<Item = OsString>) {
    let (path, command) = called(cli, given);
    match wrong(error) {
        Some(Wrong::Option(name)) => {
            let option = meant(name).map(|setting| setting.replace('_', "-"));
            if let Some(option) = option.filter(|option| offers(command, option)) {
                // In place of what looks alike, and of the usage of that; nor is it a value.
                error.remove(ContextKind::Usage);
                error.remove(ContextKind::Suggested);
                error.insert(ContextKind::SuggestedArg, ContextValue::String(format!("--{option}")));
            }
        }
        Some(Wrong::Value(value)) => {
            let way = if offers(command, "data") {
                let run = if command.get_positionals().next().is_some() { " …" } else { "" };
                format!("{path}{run} --data {value}")
            } else if command.find_subcommand("inspect").is_some() {
                format!("{path} inspect {value}")
            } else {
                return;
            };
            let tip = format!("for recordings, write '{way}'").into();
            error.remove(ContextKind::SuggestedSubcommand);
            error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip]));
        }
        None => {}
    }
}

/// How alike a word and a subcommand are (Jaro) where one was meant by the other; clap suggests from 0.7 on.
const A_TYPING_ERROR: f64 = 0.85;

/// What a command does not take.
enum Wrong<'a> {
    /// An option of this name.
    Option(&'a str),
    /// A value that belongs to no option.
    Value(&'a str),
}

/// What of the arguments is wrong, if it is one that may have been meant otherwise.
fn wrong(error: &Error) -> Option<Wrong<'_>> {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    match error.kind() {
        ErrorKind::UnknownArgument => {
            let argument = text(ContextKind::InvalidArg)?;
            let is_option = argument.starts_with('-');
            Some(if is_option { Wrong::Option(argument) } else { Wrong::Value(argument) })
        }
        ErrorKind::InvalidSubcommand => {
            let word = text(ContextKind::InvalidSubcommand)?;
            let alike = match error.get(ContextKind::SuggestedSubcommand) {
                Some(ContextValue::Strings(names)) => names.as_slice(),
                _ => &[],
            };
            // A typing error in a subcommand is no path.
            (!alike.iter().any(|name| strsim::jaro(name, word) >= A_TYPING_ERROR)).then_some(Wrong::Value(word))
        }
        // The value of an argument without a name, such as `-`.
        ErrorKind::InvalidValue if text(ContextKind::InvalidArg).is_some_and(|name| name.starts_with('[')) => {
            text(ContextKind::InvalidValue).map(Wrong::Value)
        }
        _ => None,
    }
}

/// The subcommand of `cli` that is `given`, with the words that call it.
fn called(cli: &Command, given: impl IntoIterator<Item = OsString>) -> (String, &Command) {
    let mut found = (cli.get_name().to_owned(), cli);
    for word in given.into_iter().skip(1) {
        match found.1.find_subcommand(&word) {
            Some(subcommand) => found = (format!("{} {}", found.0, subcommand.get_name()), subcommand),
            None => break,
        }
    }
    found
}

fn offers(command: &Command, option: &str) -> bool {
    command.get_arguments().any(|argument| argument.get_long() == Some(option))
}
