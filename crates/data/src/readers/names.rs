//! Names of subjects and activities: what the user calls them, and those that look alike.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::ReadOptions;
use crate::{DataError, Notice};

/// What to call the subjects, or the activities, of a source.
#[derive(Clone, Debug, Default)]
pub(crate) struct Naming {
    rename: HashMap<String, String>,
    merge: bool,
    /// The first of the names that look alike.
    first: HashMap<String, String>,
}

impl Naming {
    pub fn new(options: &ReadOptions) -> Self {
        Self { rename: options.rename.iter().cloned().collect(), merge: options.merge, first: HashMap::new() }
    }

    /// The name under which `name` is read.
    pub fn call(&mut self, name: &str) -> String {
        let name = self.rename.get(name).map_or(name, String::as_str);
        if !self.merge {
            return name.to_owned();
        }
        self.first.entry(alike(name)).or_insert_with(|| name.to_owned()).clone()
    }
}

/// What names that look alike have in common: they differ in case, in spaces, dashes and underlines, in leading zeros, or
/// in a `.0` that a table of numbers has left behind.
fn alike(name: &str) -> String {
    let (sign, rest) = match name.trim().strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", name),
    };
    let letters =
        rest.chars().filter(|c| !(c.is_whitespace() || matches!(c, '-' | '_'))).collect::<String>().to_lowercase();
    let is_number = letters.parse::<f64>().is_ok_and(f64::is_finite);
    let text = letters.strip_suffix(".0").filter(|_| is_number).unwrap_or(&letters);
    // Zeros that lead a number count for nothing, in `s01` as in `01`.
    let mut short = sign.to_owned();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let leads = c == '0'
            && !short.ends_with(|before: char| before.is_ascii_digit())
            && chars.peek().is_some_and(char::is_ascii_digit);
        if !leads {
            short.push(c);
        }
    }
    short
}

/// A warning where some of `names`, which are `kind`s ("subjects"), look alike.
pub(crate) fn look_alikes<'a>(kind: &str, names: impl IntoIterator<Item = &'a String>) -> Option<Notice> {
    let mut groups: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for name in names {
        groups.entry(alike(name)).or_default().push(name);
    }
    let groups: Vec<Vec<&str>> = groups.into_values().filter(|names| names.len() > 1).collect();
    let (first, other) = (groups.first()?.first()?, groups.first()?.get(1)?);
    let lists: Vec<String> = groups.iter().take(4).map(|names| format!("`{}`", names.join("`, `"))).collect();
    let more = if groups.len() > 4 { ", …" } else { "" };
    Some(Notice::Warning(format!(
        "{kind} that look alike count as different: {}{more}. --merge makes one of those that look alike, \
         --rename '{other}={first}' one of these two.",
        lists.join("; ")
    )))
}

/// Refuses a renaming of what is not there.
pub(crate) fn check_rename(options: &ReadOptions, there: &HashSet<&str>) -> Result<(), DataError> {
    match options.rename.iter().find(|(old, _)| !there.contains(old.as_str())) {
        None => Ok(()),
        Some(_) if options.wishes.rename => Ok(()),
        Some((old, _)) => {
            let mut names: Vec<&str> = there.iter().copied().collect();
            names.sort_unstable();
            names.truncate(20);
            Err(DataError::request(
                format!("There is no subject or activity `{old}` to rename"),
                format!("There are: {}.", names.join(", ")),
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_look_alike_are_found_and_others_are_not() {
        for (one, other) in
            [("walk", "Walk "), ("01", "1"), ("1.0", "1"), ("s01", "s1"), ("sit_down", "Sit down"), ("00", "0")]
        {
            assert_eq!(alike(one), alike(other), "{one}, {other}");
        }
        for (one, other) in [("1", "10"), ("1", "-1"), ("s10", "s1"), ("s100", "s10"), ("1.5", "15"), ("walk", "walks")]
        {
            assert_ne!(alike(one), alike(other), "{one}, {other}");
        }
    }

    #[test]
    fn the_first_spelling_is_the_one_that_stays() {
        let options = ReadOptions {
            merge: true,
            rename: vec![("gehen".to_owned(), "walk".to_owned())],
            ..ReadOptions::default()
        };
        let mut naming = Naming::new(&options);
        assert_eq!(["Walk", "walk ", "gehen", "run"].map(|name| naming.call(name)), ["Walk", "Walk", "Walk", "run"]);
    }
}
