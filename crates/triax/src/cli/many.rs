//! Commands that train many models, `triax study` and `triax tune`: a folder where they are stopped and go on, and shares of
//! them that are made on several machines and joined.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;
use triax::Share;
use triax_engine::Timings;

use super::new_folder::NewFolder;
use super::output;
use super::progress::{Style, StyleArgs};
use super::terminal::say;
use super::timings;

/// Where the trainings are kept, which of them are done, and what is printed.
#[derive(Args)]
#[command(next_help_heading = "Run")]
pub struct ManyArgs {
    /// The folder to keep everything in: new, or one that this was begun in [default: runs/DATE_TIME-…]
    #[arg(long, value_name = "DIR", value_parser = output::beside())]
    out: Option<PathBuf>,
    /// Go on in this folder with what was begun there
    #[arg(long, value_name = "DIR", conflicts_with = "out")]
    resume: Option<PathBuf>,
    /// Do only this share, the I-th of N; `merge` joins them
    #[arg(long, value_name = "I/N")]
    pub shard: Option<Share>,
    /// Print on standard error where the time went, and how long the devices were busy
    #[arg(long)]
    timings: bool,
    #[command(flatten)]
    style: StyleArgs,
}

/// The shares to join.
#[derive(Args)]
pub struct MergeArgs {
    /// Folders of the shares
    #[arg(value_name = "PART", required = true)]
    pub parts: Vec<PathBuf>,
    /// The folder of the whole, new or empty
    #[arg(long, value_name = "DIR", value_parser = output::beside())]
    pub out: PathBuf,
    /// Where the data is, if not where the first share had it
    #[arg(long, value_name = "PATH")]
    pub data: Option<PathBuf>,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// The folder that trainings are kept in.
pub enum Folder {
    /// That of the user.
    Named(PathBuf),
    /// One that nobody has named.
    Unnamed(NewFolder),
}

impl ManyArgs {
    /// The folder to go on in, if that is what was asked for.
    pub fn resumed(&self) -> Option<&Path> {
        self.resume.as_deref()
    }

    /// The folder of a `what`.
    ///
    /// # Errors
    /// A folder that cannot be made.
    pub fn folder(&self, what: &str) -> anyhow::Result<Folder> {
        Ok(match self.resume.as_ref().or(self.out.as_ref()) {
            Some(named) => Folder::Named(named.clone()),
            None => Folder::Unnamed(NewFolder::make(what)?),
        })
    }

    /// How to print, and what records where the time goes.
    pub fn printing(&self) -> (Style, Timings) {
        (self.style.style(), timings::recorder(self.timings))
    }
}

impl MergeArgs {
    /// How to print.
    pub fn style(&self) -> Style {
        Style::new(self.json, false)
    }
}

impl Folder {
    /// Its path.
    pub fn path(&self) -> &Path {
        match self {
            Self::Named(path) => path,
            Self::Unnamed(folder) => folder.path(),
        }
    }
}

/// Prints that `share` is done, in the `folder` of a `what`, for which there is `triax COMMAND`.
pub fn share_done(style: Style, command: &str, what: &str, folder: &Path, share: Share) {
    match style {
        Style::Human => {
            say(format_args!("share {share} is done; when all are, join them:"));
            say(format_args!("  triax {command} merge PART… --out WHOLE"));
        }
        Style::Json => say(json!({"event": "end", what: folder, "share": share})),
        Style::Quiet => {}
    }
}
