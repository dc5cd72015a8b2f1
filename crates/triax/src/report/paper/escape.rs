//! Plain text for LaTeX and for Markdown, such that a name is shown and does nothing.

/// `text` for LaTeX, as one line. What pdfTeX knows by command only becomes that command; letters of any script stay.
pub fn latex(text: &str) -> String {
    let mut escaped = String::new();
    for letter in visible(text).chars() {
        match letter {
            '\\' => escaped += r"\textbackslash{}",
            '~' => escaped += r"\textasciitilde{}",
            '^' => escaped += r"\textasciicircum{}",
            '<' => escaped += r"\textless{}",
            '>' => escaped += r"\textgreater{}",
            '|' => escaped += r"\textbar{}",
            '`' => escaped += r"\textasciigrave{}",
            '"' => escaped += "''",
            '{' | '}' | '$' | '&' | '#' | '_' | '%' => escaped.extend(['\\', letter]),
            // Two hyphens are a dash otherwise.
            '-' if escaped.ends_with('-') => escaped += "{}-",
            '−' => escaped += "$-$",
            '×' => escaped += r"$\times$",
            '·' => escaped += r"$\cdot$",
            '–' => escaped += r"\textendash{}",
            '…' => escaped += r"\dots{}",
            '’' => escaped.push('\''),
            '\u{a0}' => escaped.push('~'),
            letter => escaped.push(letter),
        }
    }
    escaped
}

/// `text` for a cell of a LaTeX table. A line may break within a name.
pub fn latex_cell(text: &str) -> String {
    let escaped = latex(text).replace(r"\_", r"\_\allowbreak{}").replace(',', r",\allowbreak{}");
    // After the end of a row, these would be an option of it.
    if escaped.starts_with(['[', '*']) { format!("{{}}{escaped}") } else { escaped }
}

/// `text` for Markdown, as one line.
pub fn markdown(text: &str) -> String {
    let mut escaped = String::new();
    for letter in visible(text).chars() {
        if r"\`*_{}[]<>|#~&$".contains(letter) {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}

/// `text` with its control characters as escapes.
fn visible(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_commands_latex_is_shown() {
        assert_eq!(latex(r"50% & a_b #1 $x$ {y} \end"), r"50\% \& a\_b \#1 \$x\$ \{y\} \textbackslash{}end");
        assert_eq!(
            latex("~^<>|`"),
            r"\textasciitilde{}\textasciicircum{}\textless{}\textgreater{}\textbar{}\textasciigrave{}"
        );
        assert_eq!(latex("--vary −0.1 × 5\n"), r"-{}-vary $-$0.1 $\times$ 5\textbackslash{}n");
        assert_eq!(latex_cell("[0.1, 0.2]"), r"{}[0.1,\allowbreak{} 0.2]");
    }

    #[test]
    fn what_commands_markdown_is_shown() {
        assert_eq!(markdown("a|b_c <br> [d](e)\n"), r"a\|b\_c \<br\> \[d\](e)\\n");
    }
}
