//! Both reports in a real browser.

use triax_testing::browser_or_skip;

use crate::report::{run_html, samples, study_html};

#[test]
fn reports_fit_a_phone_and_a_desktop_and_complain_about_nothing() {
    let test = "reports_fit_a_phone_and_a_desktop_and_complain_about_nothing";
    let Some(browser) = browser_or_skip(test) else { return };
    browser.check(&study_html(&samples::study()));
    browser.check(&study_html(&samples::grid()));
    browser.check(&run_html(&samples::run()));
}

#[test]
fn hostile_names_neither_run_nor_stick_out() {
    let Some(browser) = browser_or_skip("hostile_names_neither_run_nor_stick_out") else { return };
    browser.check(&study_html(&samples::hostile_study()));
    browser.check(&run_html(&samples::hostile_run()));
}
