//! Plain text for LaTeX and for Markdown, such that a name is shown and does nothing.

/// The most letters of a word that has no place to break in a paragraph.
const LONG: usize = 20;
/// Digits of a fingerprint from one place to break to the next.
const EVERY: usize = 8;

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

/// `text` for a paragraph of LaTeX. A line may break within a long word that is a list or a fingerprint.
pub fn latex_prose(text: &str) -> String {
    let mut parts = vec![String::new()];
    for word in text.split_inclusive(' ') {
        let is_long = word.chars().count() > LONG;
        let mut n_since = 0;
        for (letter, next) in word.chars().zip(word.chars().skip(1).map(Some).chain([None])) {
            let part = parts.last_mut().expect("there is a part");
            part.push(letter);
            n_since = if letter.is_ascii_hexdigit() { n_since + 1 } else { 0 };
            let is_within = is_long && next.is_some_and(char::is_alphanumeric);
            if is_within && (",:;/|_".contains(letter) || n_since == EVERY) {
                parts.push(String::new());
                n_since = 0;
            }
        }
    }
    parts.iter().map(|part| latex(part)).collect::<Vec<_>>().join(r"\allowbreak{}")
}

/// `text` as LaTeX shows it letter by letter, in small lines of their own: a command to be copied. Single quotes are typographic
/// without the package `upquote`.
pub fn latex_verbatim(text: &str) -> String {
    let lines: String = text.lines().map(|line| visible(line) + "\n").collect();
    // A shell reads this end as the same, and LaTeX goes on.
    let lines = lines.replace(r"\end{verbatim}", r"\end{''verbatim}");
    let head = if lines.contains('\'') { "% In the preamble: \\usepackage{upquote}\n" } else { "" };
    format!("{head}{{\\footnotesize\n\\begin{{verbatim}}\n{lines}\\end{{verbatim}}\n}}\n")
}

/// `text` for Markdown as a block of code in the language `language`.
pub fn markdown_block(text: &str, language: &str) -> String {
    let mut fence = "```".to_owned();
    while text.contains(&fence) {
        fence.push('`');
    }
    let lines: String = text.lines().map(|line| visible(line) + "\n").collect();
    format!("{fence}{language}\n{lines}{fence}\n")
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
    fn long_words_of_a_paragraph_can_break() {
        assert_eq!(latex_prose("a short word, 64:5:2:2 and b_c"), latex("a short word, 64:5:2:2 and b_c"));
        assert_eq!(
            latex_prose("SHA-256 0123456789abcdef0123)"),
            r"SHA-256 01234567\allowbreak{}89abcdef\allowbreak{}0123)"
        );
        let list = latex_prose("convs (64:5:2:2,96:5:1:2,128:3:1)");
        assert!(list.contains(r"2,\allowbreak{}96:\allowbreak{}5") && list.starts_with("convs (64:"), "{list}");
    }

    #[test]
    fn nothing_ends_a_block_before_its_end() {
        let tex = latex_verbatim("a '\\end{verbatim}' \\\n  b");
        assert_eq!(tex.matches(r"\end{verbatim}").count(), 1, "{tex}");
        assert!(tex.starts_with("% In the preamble: \\usepackage{upquote}\n"), "{tex}");
        assert_eq!(markdown_block("a ``` b", "sh"), "````sh\na ``` b\n````\n");
    }

    #[test]
    fn what_commands_markdown_is_shown() {
        assert_eq!(markdown("a|b_c <br> [d](e)\n"), r"a\|b\_c \<br\> \[d\](e)\\n");
    }
}
