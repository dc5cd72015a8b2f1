//! Results as text within 80 columns: figures, a table of classes, the confusion matrix.

use std::io::{self, Write};

use triax::text::{grouped, lacking_in_words, letter};
use triax_study::statistics::Estimate;
use triax_study::{AnswerFigures, OVERLAPS, OverTimeFigures, SubjectFigures, over_subjects};
use triax_trainer::{Metrics, ProbabilityFigures, TemperatureScaling};

use super::terminal::visible;

/// The most columns of a line.
const WIDTH: usize = 80;
/// The text after the name of a synthetic data set.
pub const SYNTHETIC: &str = " (made by a program, not measured)";

/// The labels of the evaluated windows.
pub struct Labels<'a> {
    /// Name of each class, as shown.
    pub class_names: &'a [String],
    /// Whether they are synthetic.
    pub synthetic: bool,
}

/// Writes figures, classes and confusion matrix.
pub fn metrics(out: &mut dyn Write, metrics: &Metrics, labels: &Labels<'_>) -> io::Result<()> {
    let n_windows: u64 = metrics.per_class.iter().map(|class| class.support).sum();
    writeln!(
        out,
        "accuracy {:.4}  macro-F1 {:.4}  loss {:.4}  {} windows{}",
        metrics.accuracy,
        metrics.macro_f1,
        metrics.loss,
        grouped(n_windows as usize),
        if labels.synthetic { "  (synthetic)" } else { "" },
    )?;
    let names: Vec<String> = labels.class_names.iter().map(|name| visible(name)).collect();
    if let Some(words) = lacking_in_words(&metrics.confusion, &names) {
        writeln!(out, "{}", wrapped(&words, ""))?;
    }
    writeln!(out)?;
    classes(out, metrics, &names)?;
    writeln!(out)?;
    confusion(out, metrics, &names)
}

/// Writes the means over people, as a line of what is judged, if there are several.
pub fn people(out: &mut dyn Write, subjects: &[SubjectFigures]) -> io::Result<()> {
    if subjects.len() < 2 {
        return Ok(());
    }
    let over = |figure| interval(&over_subjects(subjects, figure));
    let (macro_f1, accuracy) = (over(|one| one.macro_f1), over(|one| one.accuracy));
    let n = subjects.len();
    let words = format!("macro-F1 {macro_f1}, accuracy {accuracy}: means over {n} people, with 95 % intervals");
    let lines = wrapped(&words, "          ");
    writeln!(out, "people    {}", lines.trim_start())
}

fn classes(out: &mut dyn Write, metrics: &Metrics, names: &[String]) -> io::Result<()> {
    let width = name_width(names, 40);
    writeln!(out, "{:width$}  precision  recall      F1  windows", "class")?;
    for (class, name) in metrics.per_class.iter().zip(names) {
        let name = shortened(name, width);
        // A class without windows has neither recall nor F1.
        let of_windows = |value: f64| if class.support > 0 { format!("{value:.4}") } else { "–".to_owned() };
        let (recall, f1) = (of_windows(class.recall), of_windows(class.f1));
        writeln!(out, "{name:width$}  {:9.4}  {recall:>6}  {f1:>6}  {:7}", class.precision, class.support)?;
    }
    Ok(())
}

/// Writes how well probabilities hold before and after a temperature, in all and for each class.
pub fn temperature_scaling(out: &mut dyn Write, found: &TemperatureScaling, labels: &Labels<'_>) -> io::Result<()> {
    let names: Vec<String> = labels.class_names.iter().map(|name| visible(name)).collect();
    let width = name_width(&names, 40).max("log loss".len());
    let judged = format!("calibration: temperature {:.3}; after it {}", found.temperature, found.judged.in_words());
    writeln!(out, "{}", wrapped(&judged, ""))?;
    let heading = if found.after.is_some() { "before   after" } else { "before" };
    writeln!(out, "{:width$}  {heading}", "")?;
    let mut row = |name: &str, figure: &dyn Fn(&ProbabilityFigures) -> f64| {
        let after = found.after.as_ref().map_or_else(String::new, |after| format!("  {:6.4}", figure(after)));
        writeln!(out, "{name:width$}  {:6.4}{after}", figure(&found.before))
    };
    row("log loss", &|figures| figures.log_loss)?;
    row("error", &|figures| figures.error)?;
    for (class, name) in names.iter().enumerate() {
        row(&shortened(name, width), &|figures| figures.per_class[class])?;
    }
    Ok(())
}

/// Writes the figures of answers over time beside those of windows by themselves.
pub fn over_time(out: &mut dyn Write, found: &OverTimeFigures) -> io::Result<()> {
    let people = match found.by_itself.accuracy.n {
        1 => "all windows together".to_owned(),
        n => format!("means over {n} people with 95 % intervals"),
    };
    let changes = if found.n_changes == 1 { "change" } else { "changes" };
    let head = format!(
        "over time: {} sequences with {} {changes} of activity; {people}",
        grouped(found.n_sequences),
        grouped(found.n_changes)
    );
    writeln!(out, "{}", wrapped(&head, ""))?;
    writeln!(out, "{:15}  {:21}  {:21}  gain", "", "windows by themselves", "over time")?;
    let mut is_any_shown = false;
    let mut row = |name: &str, figure: &dyn Fn(&AnswerFigures<Estimate>) -> Estimate| {
        let (before, after) = (interval(&figure(&found.by_itself)), interval(&figure(&found.over_time)));
        let gain = figure(&found.gain);
        is_any_shown |= gain.excludes_0();
        let shown = if gain.excludes_0() { " *" } else { "" };
        writeln!(out, "{name:15}  {before:21}  {after:21}  {:+.3}{shown}", gain.mean)
    };
    row("accuracy", &|one| one.accuracy)?;
    row("macro-F1", &|one| one.macro_f1)?;
    for (at, least) in OVERLAPS.iter().enumerate() {
        row(&format!("segment F1 {least:.2}"), &|one| one.segment_f1[at])?;
    }
    row("time right", &|one| one.time_right)?;
    if found.over_time.unknown.mean > 0.0 {
        row("time unknown", &|one| one.unknown)?;
    }
    if is_any_shown {
        writeln!(out, "* the 95 % interval of the gain, person by person, excludes 0")?;
    }
    Ok(())
}

/// The confusion matrix if it fits, otherwise the most frequent confusions.
fn confusion(out: &mut dyn Write, metrics: &Metrics, names: &[String]) -> io::Result<()> {
    let counts = &metrics.confusion;
    let largest = counts.rows().flatten().max().copied().unwrap_or(0);
    let cell = largest.to_string().len().max(letter(counts.n_classes().saturating_sub(1)).len()) + 1;
    let label = name_width(names, 24);
    // A row is `a = name  1 2 3`: its letter stands for the name at the head of its column.
    let letters = letter(counts.n_classes().saturating_sub(1)).len();
    if letters + 3 + label + 1 + cell * counts.n_classes() > WIDTH {
        return confusions(out, metrics, names);
    }
    writeln!(out, "confusion: rows are what was done, columns what was predicted")?;
    write!(out, "{:1$}", "", letters + 3 + label + 1)?;
    for class in 0..counts.n_classes() {
        write!(out, "{:>cell$}", letter(class))?;
    }
    writeln!(out)?;
    for (class, (row, name)) in counts.rows().zip(names).enumerate() {
        write!(out, "{:>letters$} = {:label$} ", letter(class), shortened(name, label))?;
        for count in row {
            write!(out, "{count:>cell$}")?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// The ten most frequent confusions, for more classes than a matrix of 80 columns can hold.
fn confusions(out: &mut dyn Write, metrics: &Metrics, names: &[String]) -> io::Result<()> {
    let pairs = metrics.confusion.mistakes();
    writeln!(out, "most frequent confusions of {} (metrics.json and --json have the whole matrix)", pairs.len())?;
    for (done, predicted, count) in pairs.into_iter().take(10) {
        writeln!(out, "{count:7}  {} taken for {}", shortened(&names[done], 30), shortened(&names[predicted], 30))?;
    }
    Ok(())
}

fn name_width(names: &[String], most: usize) -> usize {
    names.iter().map(|name| name.chars().count()).max().unwrap_or(0).clamp("class".len(), most)
}

/// `name` as it is [`visible`], cut to `width` characters. The last one is then `…`.
pub fn shortened(name: &str, width: usize) -> String {
    let name = visible(name);
    if name.chars().count() <= width {
        return name;
    }
    name.chars().take(width - 1).chain(['…']).collect()
}

/// `0.712 [0.640, 0.781]`; one subject has no interval.
pub fn interval(estimate: &Estimate) -> String {
    let mean = estimate.mean;
    estimate
        .interval
        .map_or_else(|| format!("{mean:.3}"), |ends| format!("{mean:.3} [{:.3}, {:.3}]", ends.low, ends.high))
}

/// Text in lines of at most 80 columns, each after `indent`.
pub fn wrapped(text: &str, indent: &str) -> String {
    let mut lines = vec![indent.to_owned()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("a line at least");
        if line.chars().count() + 1 + word.chars().count() > WIDTH && line.len() > indent.len() {
            lines.push(format!("{indent}{word}"));
        } else {
            if line.len() > indent.len() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use triax_engine::Confusion;
    use triax_trainer::ClassMetrics;

    fn sample_metrics(n_classes: usize, count: u64) -> (Metrics, Vec<String>) {
        let names: Vec<String> = (0..n_classes).map(|class| format!("activity {class} with a long name")).collect();
        let class = |name: &String| ClassMetrics {
            class: name.clone(),
            precision: 0.5,
            recall: 0.25,
            f1: 1.0 / 3.0,
            support: count * n_classes as u64,
        };
        let metrics = Metrics {
            loss: 0.3,
            accuracy: 0.25,
            macro_f1: 1.0 / 3.0,
            lacking: Vec::new(),
            per_class: names.iter().map(class).collect(),
            confusion: Confusion::from_counts(n_classes, vec![count; n_classes * n_classes]),
        };
        (metrics, names)
    }

    #[test]
    fn reports_keep_within_80_columns() {
        for (n_classes, count) in [(2, 1), (6, 7), (6, 123_456), (18, 9), (18, 12_345), (100, 5)] {
            let (judged, names) = sample_metrics(n_classes, count);
            let mut text = Vec::new();
            metrics(&mut text, &judged, &Labels { class_names: &names, synthetic: true }).unwrap();
            let text = String::from_utf8(text).unwrap();
            for line in text.lines() {
                assert!(line.chars().count() <= WIDTH, "{} columns: {line}", line.chars().count());
            }
            assert!(text.contains("synthetic"));
        }
    }

    #[test]
    fn the_matrix_shows_every_count() {
        let (mut judged, _) = sample_metrics(2, 0);
        judged.confusion = Confusion::from_counts(2, vec![11, 12, 13, 14]);
        let mut text = Vec::new();
        confusion(&mut text, &judged, &["walk".into(), "sit".into()]).unwrap();
        let text = String::from_utf8(text).unwrap();
        let rows: Vec<&str> = text.lines().skip(1).collect();
        assert_eq!(rows, ["            a  b", "a = walk   11 12", "b = sit    13 14"]);
    }

    #[test]
    fn text_is_wrapped_at_80_columns() {
        let text = "word ".repeat(40);
        let lines = wrapped(&text, "  ");
        assert!(lines.lines().all(|line| line.len() <= 80 && line.starts_with("  word")));
        assert_eq!(lines.split_whitespace().count(), 40);
    }
}
