//! `triax man`: a manual page for each command, for those who make packages.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Command;
use triax_model::whole_file;

use super::output;
use super::terminal::out;

/// Write a manual page for each command
#[derive(clap::Args)]
#[command(hide = true)]
pub struct Args {
    /// The folder of the pages
    #[arg(value_name = "DIR", value_parser = output::beside())]
    folder: PathBuf,
}

/// Runs the subcommand for the command line `cli`.
pub fn run(args: Args, mut cli: Command) -> anyhow::Result<ExitCode> {
    output::make_folder(&args.folder)?;
    cli.build();
    write(&args.folder, &cli)?;
    Ok(ExitCode::SUCCESS)
}

/// Writes the page of `command` and of those below it: `triax-data-inspect.1` of `triax data inspect`.
fn write(folder: &Path, command: &Command) -> anyhow::Result<()> {
    let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone().name(name.clone())).render(&mut page)?;
    let path = folder.join(format!("{name}.1"));
    whole_file::write(&path, &page).with_context(|| path.display().to_string())?;
    writeln!(out(), "{}", path.display())?;
    let others = command.get_subcommands().filter(|one| !one.is_hide_set() && one.get_name() != "help");
    others.into_iter().try_for_each(|one| write(folder, one))
}
