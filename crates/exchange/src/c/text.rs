//! The text of a header as it grows: tables and buffers, which are counted, and texts that are made harmless.

use std::fmt::Write as _;

/// The text of a header, with the bytes of its tables and buffers.
pub struct CText<'a> {
    prefix: &'a str,
    pub text: String,
    pub flash: usize,
    pub ram: usize,
}

/// A number of a table.
pub trait Number: Copy {
    /// Its type in C.
    const TYPE: &'static str;

    /// It, as C reads it back to the same bits.
    fn literal(self) -> String;
}

impl Number for f32 {
    const TYPE: &'static str = "float";

    fn literal(self) -> String {
        // The shortest digits that only this number is next to.
        format!("{self:e}f")
    }
}

impl Number for i32 {
    const TYPE: &'static str = "int32_t";

    fn literal(self) -> String {
        self.to_string()
    }
}

impl Number for i8 {
    const TYPE: &'static str = "int8_t";

    fn literal(self) -> String {
        self.to_string()
    }
}

/// The longest line of a table.
const LINE: usize = 110;

impl<'a> CText<'a> {
    pub fn new(prefix: &'a str) -> Self {
        Self { prefix, text: String::new(), flash: 0, ram: 0 }
    }

    /// Adds `source`, in which `PREFIX` stands for the prefix.
    pub fn source(&mut self, source: &str) {
        self.text.push_str(&source.replace("PREFIX", self.prefix));
    }

    /// Adds a constant that the preprocessor knows.
    pub fn constant(&mut self, name: &str, value: &str) {
        let _ = writeln!(self.text, "#define {}_{name} {value}", self.prefix);
    }

    /// Adds a constant table.
    pub fn table<N: Number>(&mut self, name: &str, numbers: impl ExactSizeIterator<Item = N>) {
        self.flash += size_of::<N>() * numbers.len();
        let _ = write!(self.text, "static const {} {}_{name}[{}] = {{", N::TYPE, self.prefix, numbers.len());
        let mut column = LINE;
        for number in numbers {
            let literal = number.literal();
            if column + literal.len() + 2 > LINE {
                self.text.push_str("\n   ");
                column = 3;
            }
            column += literal.len() + 2;
            let _ = write!(self.text, " {literal},");
        }
        self.text.push_str("\n};\n");
    }

    /// Adds a constant structure with `fields`: numbers, and names of tables in which `PREFIX` stands for the prefix. Each is
    /// counted as on a 32-bit device.
    pub fn structure(&mut self, kind: &str, name: &str, fields: &str) {
        self.flash += 4 * fields.split(',').count();
        self.source(&format!("static const PREFIX_{kind} PREFIX_{name} = {{{fields}}};\n"));
    }

    /// Adds a buffer of `n` values of type `kind`, which take `size` bytes each.
    pub fn buffer(&mut self, kind: &str, name: &str, n: usize, size: usize) {
        self.ram += n * size;
        self.source(&format!("static {kind} PREFIX_{name}[{n}];\n"));
    }

    /// Adds a function that gives the text with a number.
    pub fn names(&mut self, function: &str, what: &str, names: &[String]) {
        let prefix = self.prefix;
        self.flash += names.iter().map(|name| name.len() + 1 + 4).sum::<usize>();
        let listed: Vec<String> = names.iter().map(|name| string(name)).collect();
        let _ = write!(
            self.text,
            "\n/* The name of {what}, in UTF-8. */\n\
             static inline const char *{prefix}_{function}(int number)\n{{\n    \
             static const char *const names[{n}] = {{\n        {}\n    }};\n    \
             return number >= 0 && number < {n} ? names[number] : \"\";\n}}\n",
            listed.join(",\n        "),
            n = names.len(),
        );
    }
}

/// `text` as a string of C. Whatever is not plain is written as an octal number; so is the question mark, which could begin a
/// trigraph.
pub fn string(text: &str) -> String {
    let mut literal = String::from("\"");
    for byte in text.bytes() {
        match byte {
            b' '..=b'~' if !b"\"\\?".contains(&byte) => literal.push(char::from(byte)),
            _ => {
                let _ = write!(literal, "\\{byte:03o}");
            }
        }
    }
    literal.push('"');
    literal
}

/// `text` as part of a comment. What could end the comment, join lines or turn the direction of writing becomes `_`.
pub fn comment(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || " _-.,:;()+=%/°".contains(c);
    text.chars().map(|c| if is_plain(c) { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_back_to_the_same_bits() {
        let numbers = [0.1, 1.0 / 3.0, f32::MIN_POSITIVE, f32::from_bits(1), f32::MAX, -0.0, 16_777_217.0, 1.0, 1e10];
        for number in numbers {
            let literal = number.literal();
            let digits = literal.strip_suffix('f').unwrap();
            assert!(digits.contains('e'), "{literal} would be an integer");
            assert_eq!(digits.parse::<f32>().unwrap().to_bits(), number.to_bits(), "{literal}");
        }
    }

    #[test]
    fn no_text_does_harm() {
        assert_eq!(string("a\"b\\c??/\n1ß"), r#""a\042b\134c\077\077/\0121\303\237""#);
        assert_eq!(comment("m/s² */ \\\n /* ??/ \u{202e}"), "m/s² _/ __ /_ __/ _");
    }
}
