//! Commands as a shell reads them.

/// `word` as a shell reads it whole: in quotes where they are needed.
pub fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_=.,:/+%@".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// As [`quoted`], with quotation marks that print as they are, where a shell takes the word literally between these.
fn quoted_for_print(word: &str) -> String {
    let plain = quoted(word);
    let is_literal = !word.contains(['$', '`', '\\', '"', '!']);
    if plain != word && is_literal { format!("\"{word}\"") } else { plain }
}

/// The words of `command`, without their quotes.
pub fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut letters = command.chars();
    while let Some(letter) = letters.next() {
        match (letter, quote) {
            ('\'' | '"', None) => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (letter, Some(end)) if letter == end => quote = None,
            ('\\', None) => word.get_or_insert_default().extend(letters.next()),
            (' ', None) => words.extend(word.take()),
            (letter, _) => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

/// The command of `words` in lines of about `width` characters, which a shell reads as one, to be printed. An option keeps its value beside
/// it where both fit, and a word that is longer than a line goes on at the beginning of the next one.
pub fn in_lines(words: &[String], width: usize) -> String {
    const INDENT: &str = "  ";
    let room = width - " \\".len();
    let length = |text: &str| text.chars().count();
    let mut lines = vec![String::new()];
    for (n, word) in words.iter().enumerate() {
        let shown = quoted_for_print(word);
        let value = words.get(n + 1).filter(|next| word.starts_with("--") && !next.starts_with("--"));
        let with_value = value.map(|value| length(&shown) + 1 + length(&quoted_for_print(value)));
        let needed = with_value.filter(|both| INDENT.len() + both <= room).unwrap_or(length(&shown));
        let line = lines.last_mut().expect("there is a line");
        if line.is_empty() {
            *line = shown;
        } else if length(line) + 1 + needed <= room {
            *line += &format!(" {shown}");
        } else if INDENT.len() + length(&shown) <= room {
            lines.push(format!("{INDENT}{shown}"));
        } else {
            let letters: Vec<char> = word.chars().collect();
            let pieces = letters
                .chunks(room - INDENT.len() - "''".len())
                .map(|piece| quoted_for_print(&String::from_iter(piece)));
            let indent = std::iter::once(INDENT).chain(std::iter::repeat(""));
            lines.extend(indent.zip(pieces).map(|(indent, piece)| format!("{indent}{piece}")));
        }
    }
    let mut command = lines.remove(0);
    for line in lines {
        // Without a space before it, a line goes on with the word before.
        command += if line.starts_with(' ') { " \\\n" } else { "\\\n" };
        command += &line;
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMAND: &str = r"triax study --data '/home/Ada L/it'\''s $x.csv' --vary 'convs=small:4:5:2:2|64:5:2:2,96:5:1:2,128:3:1,96:5:1:2,64:3:1' --folds loso --seeds 5 --no-baselines";

    #[test]
    fn words_come_back() {
        let found = words(COMMAND);
        assert_eq!(found[3], "/home/Ada L/it's $x.csv");
        assert_eq!(found.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "), COMMAND);
        assert_eq!(words("a ''  \"b'c d\""), ["a", "", "b'c d"]);
        assert_eq!([r"it's", "$HOME", "a"].map(quoted_for_print), ["\"it's\"", "'$HOME'", "a"]);
    }

    #[test]
    fn lines_are_one_command() {
        let found = in_lines(&words(COMMAND), 40);
        let lines: Vec<&str> = found.lines().collect();
        assert!(lines.len() > 3 && lines.iter().all(|line| line.chars().count() <= 40), "{found}");
        assert!(found.contains("--seeds 5"), "{found}");
        assert_eq!(words(&found.replace("\\\n", "")), words(COMMAND), "{found}");
    }

    #[cfg(unix)]
    #[test]
    fn a_shell_reads_the_lines_as_the_words() {
        let found = in_lines(&words(COMMAND), 40).replacen("triax", r"printf '%s\n'", 1);
        let said = std::process::Command::new("sh").args(["-c", &found]).output().unwrap();
        let expected: String = words(COMMAND)[1..].iter().map(|word| format!("{word}\n")).collect();
        assert_eq!(String::from_utf8(said.stdout).unwrap(), expected);
    }
}
