//! Sources put before Tint, the WGSL compiler of Chromium. It is stricter than naga: operators that it does not mix without
//! parentheses, barriers that not all invocations reach.

use std::fmt;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use serde::Deserialize;

use crate::browser::{Browser, browser_or_skip};
use crate::gate::{gate, is_set};

/// The page that hands sources to Tint. `SOURCES` stands for a list of strings, `PIPELINES` for whether to make pipelines.
const PAGE: &str = include_str!("tint.html");
/// The longest wait for the next report of the page, the first of which includes the start of the browser.
const PATIENCE: Duration = Duration::from_secs(120);

/// Checks that Chromium's compiler takes every source. `sources` are pairs of a name, for messages, and WGSL; equal sources
/// are compiled once. Features that sources enable, and the limits of the device, are asked for.
///
/// Without a browser that has WebGPU, prints that the calling test is skipped.
///
/// # Panics
/// If a source is refused, with its name, the line and Tint's message. If there is no such browser and the environment
/// variable `TRIAX_REQUIRE_BROWSER` is set. If the browser fails, or is silent for minutes.
#[track_caller]
pub fn assert_tint_accepts(sources: &[(String, String)]) {
    assert_accepted(sources, false);
}

/// Checks what [`assert_tint_accepts`] does, and that every source with a compute entry point makes a pipeline on the
/// browser's software device. That takes a second for a large kernel.
///
/// # Panics
/// As [`assert_tint_accepts`] does.
#[track_caller]
pub fn assert_browser_compiles(sources: &[(String, String)]) {
    assert_accepted(sources, true);
}

#[track_caller]
fn assert_accepted(sources: &[(String, String)], pipelines: bool) {
    // The test harness names the thread of a test after it.
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test of sources in Tint");
    let Some(browser) = browser_or_skip(test) else { return };
    let needed = "WebGPU in its Chromium";
    let Some(refusals) = gate(test, needed, refusals(&browser, sources, pipelines), is_set("TRIAX_REQUIRE_BROWSER"))
    else {
        return;
    };
    let listed: Vec<String> = refusals.iter().map(Refusal::to_string).collect();
    assert!(listed.is_empty(), "Tint refuses, of {} sources:\n{}", sources.len(), listed.join("\n"));
}

/// An error in a source.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Refusal {
    /// The name of the source.
    name: String,
    /// The number of the line, from 1, and its text. `None` if the error is not of a line.
    line: Option<(usize, String)>,
    message: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.line {
            Some((number, text)) => write!(f, "{}, line {number}: {}\n    {}", self.name, self.message, text.trim()),
            None => write!(f, "{}: {}", self.name, self.message),
        }
    }
}

/// What the page reports in its console.
#[derive(Debug, Deserialize)]
enum Report {
    /// There is no WebGPU, or no adapter.
    NoDevice,
    /// The errors of the next source: number of the line, or 0, and message.
    Checked(Vec<(usize, String)>),
    /// The page failed.
    Failed(String),
}

impl Report {
    /// The report in a line of the browser's log, if there is one.
    fn of_line(line: &str) -> Option<Self> {
        let (_, text) = line.split_once("\"tint ")?;
        // The log closes the quotation behind the report, and names the page.
        let mut values = serde_json::Deserializer::from_str(text).into_iter();
        Some(values.next()?.expect("a report as tint.html writes it"))
    }
}

/// A browser that is ended with its handle.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The errors in `sources`, in their order. `None` if the browser has no WebGPU.
fn refusals(browser: &Browser, sources: &[(String, String)], pipelines: bool) -> Option<Vec<Refusal>> {
    let mut distinct: Vec<(&str, &str)> = Vec::new();
    for (name, source) in sources {
        if !distinct.iter().any(|(_, known)| known == source) {
            distinct.push((name, source));
        }
    }
    let texts: Vec<&str> = distinct.iter().map(|&(_, source)| source).collect();
    // An escaped bracket cannot end the script.
    let texts = serde_json::to_string(&texts).expect("strings").replace('<', "\\u003c");
    let folder = tempfile::tempdir().expect("a folder for the page");
    let page = folder.path().join("tint.html");
    std::fs::write(&page, PAGE.replace("PIPELINES", &pipelines.to_string()).replace("SOURCES", &texts))
        .expect("the page is written");

    // Virtual time does not wait for the process that compiles. So the page reports in its console as it goes, and the
    // browser is ended after the last report.
    let mut process = Running(
        Command::new(browser.program())
            .args(["--headless", "--no-sandbox", "--enable-logging=stderr"])
            .args(["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"])
            .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
            .arg(format!("file://{}", page.display()))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the browser starts"),
    );
    let log = BufReader::new(process.0.stderr.take().expect("a log"));
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in log.split(b'\n').map_while(Result::ok) {
            if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                break;
            }
        }
    });

    let mut found = Vec::new();
    let mut log = String::new();
    for (name, source) in distinct {
        let report = loop {
            match lines.recv_timeout(PATIENCE) {
                Ok(line) => match Report::of_line(&line) {
                    Some(report) => break report,
                    None => log = log + &line + "\n",
                },
                Err(RecvTimeoutError::Timeout) => panic!("{name}: no answer of Tint in {PATIENCE:?}\n{log}"),
                Err(RecvTimeoutError::Disconnected) => panic!("{name}: the browser ended\n{log}"),
            }
        };
        match report {
            Report::NoDevice => return None,
            Report::Failed(error) => panic!("{name}: {error}\n{log}"),
            Report::Checked(errors) => found.extend(errors.into_iter().map(|(number, message)| {
                let line = number.checked_sub(1).and_then(|n| Some((number, source.lines().nth(n)?.to_owned())));
                Refusal { name: name.to_owned(), line, message }
            })),
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse_shader;

    fn kernel(head: &str, expression: &str) -> String {
        format!(
            "{head}@group(0) @binding(0) var<storage, read_write> values: array<u32>;\n\
             @compute @workgroup_size(64)\n\
             fn main(@builtin(local_invocation_index) i: u32) {{\n\
             values[i] = {expression};\n}}\n"
        )
    }

    fn named(sources: &[(&str, String)]) -> Vec<(String, String)> {
        sources.iter().map(|(name, source)| ((*name).to_owned(), source.clone())).collect()
    }

    #[test]
    fn what_naga_takes_and_tint_does_not_is_refused_with_its_line() {
        let Some(browser) = browser_or_skip("what_naga_takes_and_tint_does_not_is_refused_with_its_line") else {
            return;
        };
        let mixed = kernel("// </script><!-- -->\n", "select(0u, 1u, values[i] < 4u & true)");
        let shifted = kernel("", "values[i] | 3u << 8u");
        parse_shader(&mixed);
        parse_shader(&shifted);
        let plain = kernel("", "values[i] + 1u");
        let too_large = plain.replace("size(64)", "size(64, 64, 64)");
        let sources = named(&[
            ("plain", plain.clone()),
            ("mixed", mixed),
            ("plain again", plain),
            ("shifted", shifted.clone()),
            ("too large", too_large),
            ("shifted again", shifted),
            ("function", "fn one() -> u32 {\n    return 1u;\n}\n".to_owned()),
        ]);
        let required = is_set("TRIAX_REQUIRE_BROWSER");
        let Some(found) = gate("tint", "WebGPU in its Chromium", refusals(&browser, &sources, true), required) else {
            return;
        };

        let names: Vec<&str> = found.iter().map(|refusal| refusal.name.as_str()).collect();
        assert_eq!(names, ["mixed", "shifted", "too large"], "{found:?}");
        let text = found[0].to_string();
        assert!(text.starts_with("mixed, line 5: mixing '<' and '&' requires parenthesis"), "{text}");
        assert!(text.ends_with("\n    values[i] = select(0u, 1u, values[i] < 4u & true);"), "{text}");
        assert!(found[1].to_string().starts_with("shifted, line 4: mixing '|' and '<<'"), "{found:?}");
        assert!(found[2].line.is_none() && found[2].message.starts_with("no pipeline: "), "{found:?}");
    }

    #[test]
    fn sources_may_enable_what_the_browser_has() {
        let head = "enable subgroups;\n";
        assert_browser_compiles(&named(&[("sum", kernel(head, "subgroupAdd(values[i])")), ("plain", kernel("", "i"))]));
    }

    #[test]
    fn a_refusal_fails_the_test() {
        if browser_or_skip("a_refusal_fails_the_test").is_none() {
            return;
        }
        let broken = named(&[("broken", kernel("", "select(0u, 1u, values[i] & 1u == 0u)"))]);
        let Err(panic) = std::panic::catch_unwind(|| assert_tint_accepts(&broken)) else {
            // The browser has no WebGPU, which is no failure where none is required.
            return assert!(!is_set("TRIAX_REQUIRE_BROWSER"));
        };
        let text = panic.downcast_ref::<String>().expect("a message");
        assert!(text.contains("Tint refuses, of 1 sources:\nbroken, line 4: mixing"), "{text}");
    }

    #[test]
    fn reports_are_found_in_the_log() {
        let line =
            "[1:1:1126/120602.5:INFO:CONSOLE:2] \"tint {\"Checked\":[[3,\"a \\\"b\\\"\"]]}\", source: file:///p (2)";
        let Some(Report::Checked(errors)) = Report::of_line(line) else { panic!("no report") };
        assert_eq!(errors, [(3, "a \"b\"".to_owned())]);
        assert!(matches!(Report::of_line("CONSOLE:2] \"tint \"NoDevice\"\", source"), Some(Report::NoDevice)));
        assert!(Report::of_line("[1:1:ERROR:dbus] Failed to connect").is_none());
    }
}
