//! Compares settings on subjects that no network has trained on, with intervals and a paired test.
//!
//! `cargo run --release --example study [RECORDINGS]`

use serde_json::json;
use triax::settings::Entries;
use triax::{Description, Error, StudyOptions, Vary, parse_vary, study};

fn main() -> Result<(), Error> {
    let data = std::env::args().nth(1).unwrap_or_else(|| "synthetic".to_owned());
    let settings = Entries::from_iter([
        ("data".to_owned(), json!(data)),
        ("epochs".to_owned(), json!(2)),
        ("step".to_owned(), json!(120)),
        ("device".to_owned(), json!("cpu")),
    ]);
    let description = Description::new(StudyOptions {
        folds: Some("group-3".parse().map_err(Error::Usage)?),
        seeds: Some(2),
        settings,
        vary: Vary::from([parse_vary("hidden=none|120")?]),
        ..StudyOptions::default()
    })?;

    let out = std::env::temp_dir().join(format!("triax-example-study-{}", std::process::id()));
    let summary = study(description, &out, &mut ())?.expect("nobody stops it");
    println!("{} trainings", summary.n_trainings);
    for one in &summary.competitors {
        let f1 = one.macro_f1;
        let [low, high] = f1.ends();
        println!("{:24} macro-F1 {:.3} [{low:.3}, {high:.3}] over {} subjects", one.name, f1.mean, f1.n);
    }
    for one in summary.comparisons.iter().take(1) {
        println!("{}", one.words);
    }
    println!("report {}", out.join("report.html").display());
    Ok(())
}
