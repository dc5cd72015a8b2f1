//! A table of a paper, in LaTeX and in Markdown.

use std::fmt::Write as _;

use super::escape::{latex, latex_cell, markdown};

/// A table of plain text, which is escaped as it is written.
pub struct Table {
    /// What it shows.
    pub caption: String,
    /// The end of its label in LaTeX, after `tab:triax-`.
    pub label: &'static str,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Its rows.
    pub groups: Vec<Group>,
    /// Sentences below it.
    pub notes: Vec<String>,
}

/// A column.
pub struct Column {
    pub head: &'static str,
    pub kind: ColumnKind,
}

/// How a column is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    /// Text as wide as it is.
    Text,
    /// Text that wraps at this percentage of the page's width.
    Wrapped(u32),
    /// Numbers, which are aligned to the right.
    Number,
}

/// Rows below a common heading.
pub struct Group {
    /// The heading, if there are several groups.
    pub heading: Option<String>,
    /// A cell for each column.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// The table for LaTeX with the packages `booktabs` and `array`.
    pub fn latex(&self) -> String {
        let kind = |column: &Column| match column.kind {
            ColumnKind::Text => "l".to_owned(),
            ColumnKind::Number => "r".to_owned(),
            ColumnKind::Wrapped(percent) => {
                format!(r">{{\raggedright\arraybackslash}}p{{0.{percent:02}\linewidth}}")
            }
        };
        let kinds: String = self.columns.iter().map(kind).collect();
        let heads: Vec<String> = self.columns.iter().map(|column| latex(column.head)).collect();
        let mut text = String::new();
        let mut line = |line: &str| writeln!(text, "{line}").expect("memory can be written");
        line(r"\begin{table}");
        line(r"  \centering\footnotesize\setlength{\tabcolsep}{4pt}");
        line(&format!(r"  \caption{{{}}}", latex(&self.caption)));
        line(&format!(r"  \label{{tab:triax-{}}}", self.label));
        line(&format!(r"  \begin{{tabular}}{{@{{}}{kinds}@{{}}}}"));
        line(r"    \toprule");
        line(&format!(r"    {} \\", heads.join(" & ")));
        for group in &self.groups {
            line(r"    \midrule");
            if let Some(heading) = &group.heading {
                line(&format!(r"    \multicolumn{{{}}}{{@{{}}l}}{{\emph{{{}}}}} \\", heads.len(), latex(heading)));
            }
            for row in &group.rows {
                let cells: Vec<String> = row.iter().map(|cell| latex_cell(cell)).collect();
                line(&format!(r"    {} \\", cells.join(" & ")));
            }
        }
        line(r"    \bottomrule");
        line(r"  \end{tabular}");
        if !self.notes.is_empty() {
            let notes: Vec<String> = self.notes.iter().map(|note| latex(note)).collect();
            line(&format!(r"  \par\smallskip\begin{{minipage}}{{\linewidth}}{}\end{{minipage}}", notes.join(" ")));
        }
        line(r"\end{table}");
        text
    }

    /// The table for Markdown, as GitHub and Pandoc read it.
    pub fn markdown(&self) -> String {
        let row = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let rule = |column: &Column| if column.kind == ColumnKind::Number { "---:" } else { "---" }.to_owned();
        let mut text = format!("**{}**\n\n", markdown(&self.caption));
        text += &row(self.columns.iter().map(|column| markdown(column.head)).collect());
        text += &row(self.columns.iter().map(rule).collect());
        for group in &self.groups {
            if let Some(heading) = &group.heading {
                let first = format!("*{}*", markdown(heading));
                text += &row(std::iter::once(first).chain(vec![String::new(); self.columns.len() - 1]).collect());
            }
            for cells in &group.rows {
                text += &row(cells.iter().map(|cell| markdown(cell)).collect());
            }
        }
        if !self.notes.is_empty() {
            let notes: Vec<String> = self.notes.iter().map(|note| markdown(note)).collect();
            text += &format!("\n{}\n", notes.join(" "));
        }
        text
    }
}
