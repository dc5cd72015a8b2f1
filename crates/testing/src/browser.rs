//! Opening pages in a headless browser, to check their width and their console.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::de::DeserializeOwned;

use crate::gate::{gate, is_set};

/// A Chromium.
pub struct Browser(PathBuf);

/// A page as the browser shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageView {
    /// The width of the contents in CSS pixels, which is more than the screen's if something overflows.
    pub content_width: u32,
    /// The lines of its console: errors, warnings, blocked resources.
    pub console: Vec<String>,
}

/// The browser for `test`: where `TRIAX_BROWSER` points, or a Chromium on the path. Without one, names the test that is
/// skipped and why, and returns `None`.
///
/// # Panics
/// If there is none and the environment variable `TRIAX_REQUIRE_BROWSER` is set.
pub fn browser_or_skip(test: &str) -> Option<Browser> {
    let named = std::env::var_os("TRIAX_BROWSER").map(PathBuf::from);
    let known = ["chromium", "chromium-browser", "google-chrome", "chrome"].map(PathBuf::from);
    let runs =
        |program: &PathBuf| Command::new(program).arg("--version").output().is_ok_and(|out| out.status.success());
    let found = named.into_iter().chain(known).find(runs).map(Browser);
    gate(test, "Chromium on the path or in $TRIAX_BROWSER", found, is_set("TRIAX_REQUIRE_BROWSER"))
}

impl Browser {
    /// The program.
    pub(crate) fn program(&self) -> &Path {
        &self.0
    }

    /// Opens `html` on a screen of `width` CSS pixels, light or dark.
    ///
    /// # Panics
    /// If the browser does not show the page.
    pub fn open(&self, html: &str, width: u32, dark: bool) -> PageView {
        // The page is in a frame, since a window of Chromium is never narrower than 500 pixels. The outer page measures it,
        // as the page's policy may forbid scripts.
        let frame = html.replace('&', "&amp;").replace('"', "&quot;");
        let measure = "const page = document.querySelector('iframe').contentDocument.documentElement;\
                       document.title = 'width ' + page.scrollWidth;";
        let around = format!(
            "<!DOCTYPE html><html style=\"color-scheme: light dark\"><meta charset=utf-8><title></title>\
             <iframe style=\"width:{width}px;height:900px;border:0\" srcdoc=\"{frame}\"></iframe>\
             <script>addEventListener('load', () => {{ {measure} }})</script></html>"
        );
        let scheme = format!("--blink-settings=preferredColorScheme={}", u8::from(!dark));
        let (dom, log) = self.dump(&around, &[&scheme]);
        let content_width = title(&dom, "width ").and_then(|width| width.parse().ok());
        PageView {
            content_width: content_width.unwrap_or_else(|| panic!("the browser shows no page:\n{log}")),
            console: log.lines().filter(|line| line.contains("CONSOLE")).map(str::to_owned).collect(),
        }
    }

    /// Opens `html`, runs `script` at its end as the body of an asynchronous function, and returns what that returns, which
    /// must have a JSON form. Time does not pass while the page waits: timers go off at once.
    ///
    /// # Panics
    /// If the page or the script fails, or the console is not empty.
    #[track_caller]
    pub fn run<T: DeserializeOwned>(&self, html: &str, script: &str) -> T {
        let run = format!(
            "<script>(async () => {{ {script} }})().then((value) => ({{ Ok: value }}), (error) => ({{ Err: String(error.stack) }}))\
             .then((result) => document.title = 'result ' + encodeURIComponent(JSON.stringify(result)))</script></body>"
        );
        let (before, after) = html.rsplit_once("</body>").expect("a page with a body");
        let (dom, log) = self.dump(&format!("{before}{run}{after}"), &["--virtual-time-budget=600000"]);
        let console: Vec<&str> = log.lines().filter(|line| line.contains("CONSOLE")).collect();
        assert!(console.is_empty(), "{console:#?}");
        let result = title(&dom, "result ").unwrap_or_else(|| panic!("the script did not end:\n{log}"));
        let result: Result<T, String> = serde_json::from_str(&decoded(result)).expect("what the script returned");
        result.unwrap_or_else(|problem| panic!("{problem}"))
    }

    /// The document of `html` after it has loaded, and the browser's log.
    fn dump(&self, html: &str, options: &[&str]) -> (String, String) {
        let folder = tempfile::tempdir().expect("a folder for the page");
        let page = folder.path().join("page.html");
        fs::write(&page, html).expect("the page is written");
        let output = Command::new(&self.0)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--hide-scrollbars",
                "--enable-logging=stderr",
                "--dump-dom",
            ])
            .args(options)
            .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
            .arg(format!("file://{}", page.display()))
            .output()
            .expect("the browser starts");
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).into()
    }

    /// Opens `html` on a phone (390 pixels) and on a desktop (1280), light and dark, and checks that nothing overflows and
    /// the console is empty.
    ///
    /// # Panics
    /// If a check fails.
    #[track_caller]
    pub fn check(&self, html: &str) {
        for (width, dark) in [(390, false), (1280, true)] {
            let view = self.open(html, width, dark);
            assert_eq!(view, PageView { content_width: width, console: Vec::new() }, "at {width} pixels");
        }
    }
}

/// The title of a document behind `prefix`, if it begins with that.
fn title<'a>(dom: &'a str, prefix: &str) -> Option<&'a str> {
    let (_, rest) = dom.split_once("<title>")?;
    rest.strip_prefix(prefix)?.split_once('<').map(|(title, _)| title)
}

/// A text without the percent signs of `encodeURIComponent`.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        match (first, behind) {
            (b'%', [high, low, behind @ ..]) => {
                let digits = [*high, *low].map(char::from).iter().collect::<String>();
                bytes.push(u8::from_str_radix(&digits, 16).expect("two hexadecimal digits"));
                rest = behind;
            }
            _ => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8(bytes).expect("UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_returns_its_value_or_its_error() {
        let Some(browser) = browser_or_skip("a_script_returns_its_value_or_its_error") else { return };
        let page = "<!DOCTYPE html><title>a</title><body><p id=\"a\">1 &lt; 2 %</p></body>";
        let script =
            "await new Promise((done) => setTimeout(done, 5000)); return [document.getElementById('a').textContent];";
        assert_eq!(browser.run::<Vec<String>>(page, script), ["1 < 2 %"]);
        let failed = std::panic::catch_unwind(|| browser.run::<()>(page, "return nothing();"));
        assert!(failed.is_err());
    }

    #[test]
    fn overflow_and_blocked_scripts_are_found() {
        let Some(browser) = browser_or_skip("overflow_and_blocked_scripts_are_found") else { return };
        let wide = "<!DOCTYPE html><body style=\"margin:0\"><div style=\"width:700px\">\"&amp;\"</div>";
        assert_eq!(browser.open(wide, 390, false), PageView { content_width: 700, console: Vec::new() });
        let policy = "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'\">";
        let blocked = format!("<!DOCTYPE html>{policy}<script>1</script>");
        assert_eq!(browser.open(&blocked, 390, true).console.len(), 1);
    }
}
