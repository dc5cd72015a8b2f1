//! `triax completions`: what a shell needs to complete commands and options.

use std::io::Write;
use std::process::ExitCode;

use clap_complete::Shell;

use super::terminal::out;

/// Print the completions of commands and options for a shell
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  triax completions bash > ~/.local/share/bash-completion/completions/triax
  triax completions zsh > ~/.zfunc/_triax              where the folder is in fpath
  triax completions fish > ~/.config/fish/completions/triax.fish
  triax completions powershell >> $PROFILE")]
pub struct Args {
    /// The shell
    shell: Shell,
}

/// Runs the subcommand for the command line `cli`.
pub fn run(args: Args, mut cli: clap::Command) -> anyhow::Result<ExitCode> {
    let name = cli.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut cli, name, &mut script);
    out().write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}
