//! The settings of a training as options of a command line.
//!
//! The options are generated from the declarations in [`triax::settings`], which also parses their values. An option, a key
//! of a config file and a point of a study's grid therefore have the same meaning.

use std::marker::PhantomData;
use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::{PossibleValue, PossibleValuesParser, RangedU64ValueParser, TypedValueParser};
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use serde_json::Value;
use triax::settings::{
    Choice, DataSettings, Entries, FormatChoice, Group, Length, NetworkSettings, Setting, SplitSettings, list_items,
    text_of,
};
use triax::{Error, Predictor, PredictorOptions, Settings, WhichWeights};
use triax_engine::device::DeviceChoice;

/// Groups of settings.
pub trait Groups {
    /// The groups, in the order in which `--help` shows them.
    const GROUPS: &'static [Group];

    /// What `--help` says of the default of each setting, if it is not that of [`Settings`].
    const DEFAULT: Option<&'static str> = None;

    /// Whether the setting of a group is offered.
    fn offers(_: &Setting) -> bool {
        true
    }
}

impl Groups for Settings {
    const GROUPS: &'static [Group] = &Settings::GROUPS;
}

impl Groups for NetworkSettings {
    const GROUPS: &'static [Group] = &[NetworkSettings::GROUP];
}

/// The settings that say how recordings are read.
pub struct Reading;

impl Groups for Reading {
    const GROUPS: &'static [Group] = &[DataSettings::GROUP];

    fn offers(setting: &Setting) -> bool {
        ["format", "channels", "rate"].contains(&setting.name) || Tables::offers(setting)
    }
}

/// The settings that say what tables mean. Those of a run are the defaults.
pub struct Tables;

impl Groups for Tables {
    const GROUPS: &'static [Group] = &[DataSettings::GROUP];
    const DEFAULT: Option<&'static str> = Some("as in the run");

    fn offers(setting: &Setting) -> bool {
        DataSettings::OF_TABLES.contains(&setting.name)
    }
}

impl Groups for (DataSettings, SplitSettings) {
    const GROUPS: &'static [Group] = &[DataSettings::GROUP, SplitSettings::GROUP];
}

/// The settings of the groups `G` that are given on a command line.
pub struct GivenSettings<G> {
    /// The given settings, without defaults.
    pub entries: Entries,
    groups: PhantomData<G>,
}

impl<G: Groups> Args for GivenSettings<G> {
    fn augment_args(mut command: Command) -> Command {
        let defaults = Settings::default().entries();
        for group in G::GROUPS {
            command = command.next_help_heading(group.heading);
            let offered = group.settings.iter().filter(|setting| G::offers(setting));
            command = command.args(offered.map(|setting| option(setting, &defaults[setting.name], G::DEFAULT)));
        }
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

/// The option of a setting that has the default `default`; its help says `said` instead, if that is given.
fn option(setting: &Setting, default: &Value, said: Option<&str>) -> Arg {
    let mut arg = Arg::new(setting.name).long(setting.name.replace('_', "-"));
    let shown = match (said, default) {
        (Some(said), _) => Some(said.to_owned()),
        (None, Value::Bool(_)) => None,
        (None, Value::Number(number)) => number.as_f64().map(|number| number.to_string()),
        (None, value) => text_of(setting.name, value).filter(|text| !text.is_empty()),
    };
    arg = match shown {
        Some(shown) => {
            let (help, _) = setting.help.split_once(" [default").unwrap_or((setting.help, ""));
            arg.help(format!("{help} [default: {shown}]"))
        }
        None => arg.help(setting.help),
    };
    if default.is_boolean() {
        // A flag that a file sets can be taken back: `--no-shuffle=false`.
        let arg = arg.num_args(0..=1).require_equals(true).default_missing_value("true").hide_possible_values(true);
        return arg.value_name("true|false").value_parser(["true", "false"]);
    }
    if default.is_array() {
        arg = arg.action(ArgAction::Append);
    }
    arg = match setting.value_name {
        "" => arg.value_name(setting.name.to_uppercase()),
        name => arg.value_name(name),
    };
    match setting.choices {
        Some(choices) => arg.value_parser(PossibleValuesParser::new(choices().into_iter().map(possible))),
        None => arg,
    }
}

fn possible(choice: Choice) -> PossibleValue {
    let value = PossibleValue::new(choice.name).aliases(choice.aliases);
    if choice.help.is_empty() { value } else { value.help(choice.help) }
}

impl<G: Groups> FromArgMatches for GivenSettings<G> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut entries = Entries::new();
        for setting in G::GROUPS.iter().flat_map(|group| group.settings).filter(|setting| G::offers(setting)) {
            if let Some(values) = matches.get_many::<String>(setting.name) {
                let values: Vec<&str> = values.map(String::as_str).collect();
                entries.insert(setting.name.to_owned(), values.join(",").into());
            }
        }
        Ok(Self { entries, groups: PhantomData })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Parser of an option whose values have names.
pub fn named<T>(choices: fn() -> Vec<Choice>) -> impl TypedValueParser<Value = T>
where
    T: FromStr<Err: std::fmt::Debug> + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(choices().into_iter().map(possible))
        .map(|name| name.parse().expect("one of the names offered"))
}

/// Parser of `--format`.
pub fn formats() -> impl TypedValueParser<Value = FormatChoice> {
    let format = DataSettings::GROUP.settings.iter().find(|setting| setting.name == "format");
    named(format.and_then(|setting| setting.choices).expect("formats have names"))
}

/// Parser of a length of a step.
pub fn length(text: &str) -> Result<Length, String> {
    let length = text.parse()?;
    if length == Length::Samples(0) { Err("it must be at least 1".to_owned()) } else { Ok(length) }
}

/// The names in the texts of an option.
pub fn names(texts: &[String]) -> Vec<String> {
    texts.iter().flat_map(|text| list_items(text)).collect()
}

/// Parser of a count of at least 1.
pub fn positive() -> impl TypedValueParser<Value = usize> {
    RangedU64ValueParser::<usize>::new().range(1..)
}

/// The most models of a fleet that can be asked for.
pub const MOST_MODELS: usize = 65_536;

/// Parser of the number of models of a fleet.
pub fn n_models() -> impl TypedValueParser<Value = usize> {
    RangedU64ValueParser::<usize>::new().range(1..=MOST_MODELS as u64)
}

/// Reads a number between 0 and 1, both excluded.
pub fn fraction(text: &str) -> Result<f64, String> {
    let number: Option<f64> = text.parse().ok();
    number
        .filter(|number| *number > 0.0 && *number < 1.0)
        .ok_or_else(|| "a number between 0 and 1 is needed".to_owned())
}

/// The networks that judge or predict, and the device that computes.
#[derive(Args)]
pub struct PredictorArgs {
    /// A run folder, a .safetensors file of one, or a study's folder
    #[arg(value_name = "RUN|STUDY")]
    pub run: PathBuf,
    /// Which weights of a run folder
    #[arg(long, value_parser = named::<WhichWeights>(WhichWeights::choices), default_value = "last")]
    weights: WhichWeights,
    /// Setting of a study whose networks are used, by its name in the report [default: the best by macro-F1]
    #[arg(long, value_name = "NAME")]
    pub setting: Option<String>,
    /// Device to compute on; `auto` takes the CPU, or the first GPU for more windows than the CPU scores in a second
    #[arg(long, value_name = "auto|cpu|gpu|gpu:N", default_value = "auto")]
    device: DeviceChoice,
}

impl PredictorArgs {
    /// Opens them.
    pub fn open(&self) -> Result<Predictor, Error> {
        let Self { weights, ref setting, device, .. } = *self;
        Predictor::open_with(&self.run, &PredictorOptions { weights, setting: setting.clone(), device })
    }
}
