//! What of a study goes into a paper: its tables and its methods, as LaTeX, Markdown and CSV.

mod escape;
mod long;
mod table;
mod tables;

use triax_study::Summary;

use super::methods;
use escape::{latex_prose, latex_verbatim, markdown, markdown_block};

/// A form of text for papers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaperFormat {
    /// Part of a LaTeX document, with the packages `booktabs` and `array`.
    Latex,
    /// Markdown, as GitHub and Pandoc read it.
    Markdown,
}

/// The tables of the study: what letters stand for, settings with ensembles and baselines, comparisons, main effects.
pub fn study_tables(summary: &Summary, format: PaperFormat) -> String {
    let tables = tables::tables(summary);
    match format {
        PaperFormat::Latex => {
            let head = "% In the preamble: \\usepackage{array,booktabs}\n".to_owned();
            let tables = tables.iter().map(table::Table::latex);
            std::iter::once(head).chain(tables).collect::<Vec<_>>().join("\n")
        }
        PaperFormat::Markdown => tables.iter().map(table::Table::markdown).collect::<Vec<_>>().join("\n"),
    }
}

/// All figures of the study as one table of CSV in full precision: a row for each figure of each setting, ensemble, baseline,
/// comparison and main effect. The column `kind` tells which.
pub fn study_csv(summary: &Summary) -> String {
    long::csv(summary)
}

/// How the study was made, in paragraphs, with the software's entry for BibTeX below.
pub fn study_methods(summary: &Summary, format: PaperFormat) -> String {
    let paragraphs = methods::paragraphs(summary);
    let (command, bibtex) = (methods::command(summary), methods::bibtex(&summary.version));
    match format {
        PaperFormat::Latex => {
            let cited = |text: &String| latex_prose(text).replace("[triax]", r"\cite{triax}");
            let paragraphs = paragraphs.iter().map(cited).collect::<Vec<_>>().join("\n\n");
            let entry: String = bibtex.lines().map(|line| format!("% {line}\n")).collect();
            format!("{paragraphs}\n{}\n% For the bibliography:\n{entry}", latex_verbatim(&command))
        }
        PaperFormat::Markdown => {
            let paragraphs = paragraphs.iter().map(|text| markdown(text)).collect::<Vec<_>>().join("\n\n");
            let (command, entry) = (markdown_block(&command, "sh"), markdown_block(&bibtex, "bibtex"));
            format!("{paragraphs}\n\n{command}\n{entry}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    /// The rows of each `tabular` in `tex`, and the number of its columns.
    fn tabulars(tex: &str) -> Vec<(usize, Vec<&str>)> {
        let bodies = tex.split(r"\begin{tabular}").skip(1).map(|rest| rest.split(r"\end{tabular}").next().unwrap());
        bodies
            .map(|body| {
                let mut lines = body.lines();
                let kinds = lines.next().unwrap();
                // Kinds stand between `{@{}` and `@{}}`; a column that wraps is one `p`.
                let wraps = r">{\raggedright\arraybackslash}p";
                let kinds = kinds.replace(wraps, "p").replace(r"\linewidth", "");
                let n_columns = kinds.chars().filter(|kind| "lrp".contains(*kind)).count();
                let rows = lines.filter(|line| line.ends_with(r"\\") && !line.contains(r"\multicolumn")).collect();
                (n_columns, rows)
            })
            .collect()
    }

    #[test]
    fn tables_for_latex_are_whole() {
        for summary in [samples::study(), samples::grid(), samples::hostile_study()] {
            let tex = study_tables(&summary, PaperFormat::Latex);
            for part in [r"\toprule", r"\bottomrule", r"\begin{table}", r"\end{table}", r"\end{tabular}", r"\caption{"]
            {
                assert_eq!(tex.matches(part).count(), tex.matches(r"\begin{tabular}").count(), "{part} in\n{tex}");
            }
            let open = |tex: &str| tex.replace(r"\{", "").replace(r"\}", "");
            assert_eq!(open(&tex).matches('{').count(), open(&tex).matches('}').count(), "{tex}");
            // No character commands that was not meant to.
            for line in tex.lines().skip(1) {
                let bare = |command: char| {
                    line.char_indices().any(|(at, c)| c == command && at > 0 && !line[..at].ends_with('\\'))
                };
                assert!(!bare('%') && !bare('#') && !bare('_') && !line.contains("<script"), "{line}");
            }
        }
    }

    #[test]
    fn tables_hold_every_setting_with_its_figures() {
        let summary = samples::grid();
        let tex = study_tables(&summary, PaperFormat::Latex);
        let markdown = study_tables(&summary, PaperFormat::Markdown);
        for (text, row) in [
            (&tex, r"A & 0.700 & {}[0.659,\allowbreak{} 0.738] & 0.720 & {}[0.679,\allowbreak{} 0.758] & 16 \\"),
            (&tex, r"A $-$ B & +0.020 & {}[$-$0.005,\allowbreak{} +0.047] & +0.240 & 0.310 & 1.000 \\"),
            (&markdown, r"| A | 0.700 | \[0.659, 0.738\] | 0.720 | \[0.679, 0.758\] | 16 |"),
            (&markdown, "| A | convs=64:5:2:2,96:5:1:2,128:3:1, loss=hinge |"),
            (&markdown, "| narrow | 0.645 |"),
        ] {
            assert!(text.contains(row), "`{row}` is not in\n{text}");
        }
        for text in [&tex, &markdown] {
            assert!(
                text.contains("not corrected for") && text.contains("majority") && text.contains("Main effects"),
                "{text}"
            );
        }
    }

    #[test]
    fn every_row_of_a_table_has_a_cell_for_each_column() {
        for (n_columns, rows) in tabulars(&study_tables(&samples::grid(), PaperFormat::Latex)) {
            assert!(!rows.is_empty());
            for row in rows {
                assert_eq!(row.matches(" & ").count() + 1, n_columns, "{row}");
            }
        }
        let markdown = study_tables(&samples::hostile_study(), PaperFormat::Markdown);
        for table in markdown.split("\n\n").filter(|part| part.starts_with('|')) {
            let cells = |line: &str| line.replace(r"\|", "").matches('|').count();
            let lines: Vec<&str> = table.lines().take_while(|line| line.starts_with('|')).collect();
            assert!(lines.iter().all(|line| cells(line) == cells(lines[0])), "{table}");
        }
    }

    #[test]
    fn csv_has_everything_in_full_precision() {
        let mut summary = samples::grid();
        summary.competitors[0].macro_f1.mean = 0.123_456_789_012_345_6;
        let text = study_csv(&summary);
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let heads = reader.headers().unwrap().clone();
        let column = |name: &str| heads.iter().position(|head| head == name).unwrap();
        let rows: Vec<csv::StringRecord> = reader.records().map(|row| row.unwrap()).collect();
        assert_eq!(rows[0][column("mean")].parse::<f64>().unwrap(), 0.123_456_789_012_345_6);
        assert_eq!((&rows[0][column("kind")], &rows[0][column("label")]), ("network", "A"));
        assert_eq!(&rows[0][column("convs")], "64:5:2:2,96:5:1:2,128:3:1");
        let of_kind = |kind: &str| rows.iter().filter(|row| &row[0] == kind).count();
        assert_eq!(of_kind("network") + of_kind("ensemble") + of_kind("baseline"), 2 * summary.competitors.len());
        assert_eq!(of_kind("comparison"), summary.comparisons.len());
        assert_eq!((of_kind("main_effect"), of_kind("main_effect_comparison")), (8, 4));
        let comparison = rows.iter().find(|row| &row[0] == "comparison").unwrap();
        assert_eq!(comparison[column("p_holm")].parse::<f64>().unwrap(), summary.comparisons[0].p_holm);
    }

    #[test]
    fn methods_cite_the_software() {
        let tex = study_methods(&samples::grid(), PaperFormat::Latex);
        assert!(tex.contains(r"Triax 0.1.0 \cite{triax} on") && tex.contains("% @software{triax,"), "{tex}");
        assert!(tex.contains(r"95 \% intervals"), "{tex}");
        let markdown = study_methods(&samples::grid(), PaperFormat::Markdown);
        assert!(markdown.contains("```bibtex\n@software{triax,"), "{markdown}");
    }

    #[test]
    fn the_command_of_the_methods_can_be_copied() {
        let summary =
            Summary { command: "triax study --data '/home/ada/a b.csv' --seeds 5".to_owned(), ..samples::grid() };
        let tex = study_methods(&summary, PaperFormat::Latex);
        let verbatim = "The command is:\n{\\footnotesize\n\\begin{verbatim}\ntriax study --data \"a b.csv\" --seeds 5\n\\end{verbatim}\n}\n";
        assert!(tex.contains(verbatim) && tex.contains(r"3f1c9b3f\allowbreak{}1c9b3f1c"), "{tex}");
        let markdown = study_methods(&summary, PaperFormat::Markdown);
        assert!(
            markdown.contains("The command is:\n\n```sh\ntriax study --data \"a b.csv\" --seeds 5\n```\n"),
            "{markdown}"
        );
        let hostile = study_methods(&samples::hostile_study(), PaperFormat::Latex);
        assert_eq!(hostile.matches(r"\end{verbatim}").count(), 1, "{hostile}");
    }
}
