//! `triax study tables`, `figures` and `methods`: what of a finished study goes into a paper.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::ValueEnum;
use triax::report::{PaperFormat, study_csv, study_figures, study_methods, study_tables};
use triax_study::Summary;

use crate::cli::output::{self, Output, Rows, Source};
use crate::cli::terminal::{say, visible};

const TABLES: &str = "\
Examples:
  triax study tables runs/mine --to latex --out tables.tex     booktabs tables: \\usepackage{array,booktabs}
  triax study tables runs/mine --to markdown                   for a README or a notebook
  triax study tables runs/mine --to csv --out figures.csv      every figure in full precision, for R or pandas

LaTeX and Markdown have a table of the settings with ensembles and baselines, one of the comparisons by each figure, one of
the main effects where several settings vary, and a legend where the names of settings are long. CSV is one long table: a
row for each figure of each setting (kind network, ensemble or baseline), comparison and main effect.";

const FIGURES: &str = "\
Examples:
  triax study figures runs/mine --out figures                  each figure as SVG and as PDF
  triax study figures runs/mine --out figures --to pdf

The PDF files have their font embedded. It has Latin, Greek and Cyrillic letters; others are shown as `?` there, and as
they are in the SVG files.";

const METHODS: &str = "\
Examples:
  triax study methods runs/mine                                Markdown
  triax study methods runs/mine --to latex --out methods.tex

Data with its fingerprint, windows, networks, folds, seeds, statistics with their corrections, versions, and the entry of
Triax for BibTeX.";

#[derive(clap::Args)]
#[command(after_help = TABLES)]
pub struct TablesArgs {
    /// The folder of a finished study
    #[arg(value_name = "DIR")]
    study: PathBuf,
    /// Form of the tables
    #[arg(long, value_enum)]
    to: TableForm,
    /// The file to write [default: standard output, as with `-`]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(clap::Args)]
#[command(after_help = METHODS)]
pub struct MethodsArgs {
    /// The folder of a finished study
    #[arg(value_name = "DIR")]
    study: PathBuf,
    /// Form of the text
    #[arg(long, value_enum, default_value = "markdown")]
    to: TextForm,
    /// The file to write [default: standard output, as with `-`]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(clap::Args)]
#[command(after_help = FIGURES)]
pub struct FiguresArgs {
    /// The folder of a finished study
    #[arg(value_name = "DIR")]
    study: PathBuf,
    /// The folder of the files, which is made if it does not exist; files of the same names are replaced
    #[arg(long, value_name = "FOLDER", value_parser = output::beside())]
    out: PathBuf,
    /// Form of the files [default: both]
    #[arg(long, value_enum)]
    to: Option<FigureForm>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum TableForm {
    Latex,
    Csv,
    Markdown,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum TextForm {
    Latex,
    Markdown,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FigureForm {
    Svg,
    Pdf,
}

/// Runs `triax study tables`.
pub fn tables(args: &TablesArgs) -> anyhow::Result<ExitCode> {
    let summary = Summary::read(&args.study)?;
    let text = match args.to {
        TableForm::Latex => study_tables(&summary, PaperFormat::Latex),
        TableForm::Markdown => study_tables(&summary, PaperFormat::Markdown),
        TableForm::Csv => study_csv(&summary),
    };
    write(&text, &args.study, args.out.as_deref())
}

/// Runs `triax study methods`.
pub fn methods(args: &MethodsArgs) -> anyhow::Result<ExitCode> {
    let format = match args.to {
        TextForm::Latex => PaperFormat::Latex,
        TextForm::Markdown => PaperFormat::Markdown,
    };
    write(&study_methods(&Summary::read(&args.study)?, format), &args.study, args.out.as_deref())
}

/// Runs `triax study figures`.
pub fn figures(args: &FiguresArgs) -> anyhow::Result<ExitCode> {
    let summary = Summary::read(&args.study)?;
    let folder = &args.out;
    output::make_folder(folder)?;
    for figure in study_figures(&summary) {
        for form in [FigureForm::Svg, FigureForm::Pdf].into_iter().filter(|form| args.to.is_none_or(|to| to == *form)) {
            let (extension, bytes) = match form {
                FigureForm::Svg => ("svg", figure.svg().into_bytes()),
                FigureForm::Pdf => ("pdf", figure.pdf()),
            };
            let path = folder.join(figure.name).with_extension(extension);
            output::write(&path, &bytes)?;
            say(format_args!("{}  {}", path.display(), visible(&figure.title)));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes `text` to `out`, which is not the summary of `study`, or to standard output.
fn write(text: &str, study: &Path, out: Option<&Path>) -> anyhow::Result<ExitCode> {
    let summary = study.join("summary.json");
    let mut output = Output::open(out, &[Source::Path(&summary)], Rows::AtOnce)?;
    output.write_all(text.as_bytes())?;
    output.finish()?;
    Ok(ExitCode::SUCCESS)
}
