//! What of a study goes into a paper: names of settings, tables, figures, methods.

use std::fs;
use std::path::Path;

use crate::{Answer, SMALL, data, read_json, train_small, triax};

/// Two networks by two losses, on two groups of subjects.
fn study(folder: &Path, out: &str, vary: &str, more: &[&str]) -> Answer {
    let mut args =
        vec!["study", "--data", "data.csv", "--out", out, "--vary", vary, "--vary", "loss=hinge,squared_hinge"];
    args.extend(SMALL.chunks(2).filter(|pair| !["--convs", "--epochs"].contains(&pair[0])).flatten());
    args.extend(["--epochs", "1", "--folds", "group-2", "--seeds", "1"]);
    args.extend(more);
    triax(folder, args)
}

/// `text` without line breaks.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

const NAMED: &str = "convs=small:4:5:2:2|large:8:5:1:2,4:3:1:2";
const LONG: &str = "convs=4:5:2:2,4:3:1,4:3:1|8:5:1:2,4:3:1,4:3:1";

#[test]
fn settings_are_called_by_the_names_of_their_values() {
    let folder = data();
    let answer = study(folder.path(), "study", NAMED, &["--no-baselines"]).done();
    let flat = flat(&answer.stdout);
    for text in ["convs=small, loss=hinge", "convs=large is 8:5:1:2,4:3:1:2", "corrected by Holm for 6 comparisons"] {
        assert!(flat.contains(text), "`{text}` is not in\n{}", answer.stdout);
    }
    let summary = read_json(folder.path().join("study/summary.json"));
    assert_eq!(summary["value_names"]["convs"]["4:5:2:2"], "small");
    let effects = summary["main_effects"].as_array().unwrap();
    assert_eq!(effects.iter().map(|one| one["setting"].as_str().unwrap()).collect::<Vec<_>>(), ["convs", "loss"]);
    assert_eq!(
        (effects[0]["n_combinations"].as_u64(), effects[0]["levels"][0]["macro_f1"]["n"].as_u64()),
        (Some(2), Some(4))
    );
    let command = summary["command"].as_str().unwrap();
    assert!(command.contains(&format!("--vary '{NAMED}'")), "{command}");
    let report = fs::read_to_string(folder.path().join("study/report.html")).unwrap();
    assert!(report.contains("Main effects</h2>") && report.contains("Methods</h2>"));
    let results = fs::read_to_string(folder.path().join("study/results.csv")).unwrap();
    assert!(results.contains("\"convs=large, loss=hinge\",\"8:5:1:2,4:3:1:2\",hinge"), "{results}");
    // The same by a file, and resumed by what study.json says.
    let file = "folds = 'group-2'\nseeds = 1\nbaselines = false\n[settings]\ndata = 'data.csv'\nwindow = 32\nstep = 16\n\
                hidden = 8\nlearning_rate = 0.01\nepochs = 1\ndevice = 'cpu'\n[vary]\n\
                convs = ['small:4:5:2:2', ['large:8:5:1:2', '4:3:1:2']]\nloss = ['hinge', 'squared_hinge']\n";
    fs::write(folder.path().join("study.toml"), file).unwrap();
    triax(folder.path(), ["study", "--file", "study.toml", "--out", "by-file", "--quiet"]).done();
    let other = read_json(folder.path().join("by-file/summary.json"));
    assert_eq!(summary["competitors"], other["competitors"]);
    fs::remove_file(folder.path().join("study/summary.json")).unwrap();
    triax(folder.path(), ["study", "--resume", "study", "--quiet"]).done();
    assert_eq!(summary, read_json(folder.path().join("study/summary.json")));
    triax(folder.path(), ["evaluate", "study", "--setting", "convs=small, loss=hinge"]).done();
}

#[test]
fn long_names_are_letters_everywhere() {
    let folder = data();
    let answer = study(folder.path(), "study", LONG, &["--no-baselines"]).done();
    let flat = flat(&answer.stdout);
    for text in ["networks A ", "A is convs=", "D is convs=", "difference is shown between A and D: A is ahead"] {
        assert!(flat.contains(text), "`{text}` is not in\n{}", answer.stdout);
    }
    assert!(!answer.stdout.contains('…') || !answer.stdout.contains("convs=4:5:2:2,4:3:1…"), "{}", answer.stdout);
    let tables = triax(folder.path(), ["study", "tables", "study", "--to", "markdown"]).done().stdout;
    assert!(tables.contains("| A | convs=") && tables.contains("| A − B |"), "{tables}");
    // A letter names its setting.
    let letter = triax(folder.path(), ["evaluate", "study", "--setting", "B", "--json"]).done().stdout;
    let name =
        read_json(folder.path().join("study/summary.json"))["competitors"][1]["name"].as_str().unwrap().to_owned();
    assert_eq!(letter, triax(folder.path(), ["evaluate", "study", "--setting", &name, "--json"]).done().stdout);
}

#[test]
fn named_values_name_their_settings_where_whole_names_are_long() {
    let folder = data();
    let vary = "convs=small:4:5:2:2|rather-large:8:5:1:2,4:3:1:2";
    let answer = study(folder.path(), "study", vary, &["--no-baselines"]).done();
    let flat = flat(&answer.stdout);
    let name = "convs=rather-large, loss=squared_hinge";
    for text in [&format!("rather-large, squared_hinge is {name}"), "convs=rather-large is 8:5:1:2,4:3:1:2"] {
        assert!(flat.contains(text), "`{text}` is not in\n{}", answer.stdout);
    }
    let of = |name: &str| triax(folder.path(), ["evaluate", "study", "--setting", name, "--json"]).done().stdout;
    assert_eq!(of("rather-large, squared_hinge"), of(name));
    triax(folder.path(), ["study", "figures", "study", "--out", "figures", "--to", "svg"]).done();
    let settings = fs::read_to_string(folder.path().join("figures/settings.svg")).unwrap();
    assert!(settings.contains(&format!(">rather-large, squared_hinge: {name}<")), "{settings}");
}

#[test]
fn commas_with_two_readings_are_asked_about() {
    let folder = data();
    let message = study(folder.path(), "study", "convs=4:5:2:2,4:3:1:2", &[]).refused(2);
    for way in ["'convs=4:5:2:2|4:3:1:2' for 2 settings", "'convs=4:5:2:2,4:3:1:2|' for one"] {
        assert!(message.contains(way), "`{way}` is not in {message}");
    }
    assert!(!folder.path().join("study").exists());
    study(folder.path(), "one", "convs=4:5:2:2,4:3:1:2|", &["--quiet", "--no-baselines"]).done();
    let names: Vec<String> = read_json(folder.path().join("one/summary.json"))["competitors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["settings"]["convs"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["4:5:2:2,4:3:1:2", "4:5:2:2,4:3:1:2"]);
}

#[test]
fn a_finished_study_gives_tables_figures_and_methods() {
    let folder = data();
    study(folder.path(), "study", NAMED, &["--quiet"]).done();
    let tables =
        |form: &str, more: &[&str]| triax(folder.path(), [&["study", "tables", "study", "--to", form], more].concat());
    let latex = tables("latex", &[]).done().stdout;
    for part in [r"\toprule", r"convs=small,\allowbreak{} loss=squared\_\allowbreak{}hinge", "majority", "Main effects"]
    {
        assert!(latex.contains(part), "`{part}` is not in\n{latex}");
    }
    tables("latex", &["--out", "tables.tex"]).done();
    assert_eq!(fs::read_to_string(folder.path().join("tables.tex")).unwrap(), latex);

    let csv = tables("csv", &[]).done().stdout;
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let rows: Vec<csv::StringRecord> = reader.records().map(|row| row.unwrap()).collect();
    let summary = read_json(folder.path().join("study/summary.json"));
    let best = &summary["competitors"][0];
    assert_eq!(rows[0][6].parse::<f64>().ok(), best["macro_f1"]["mean"].as_f64());
    assert_eq!((&rows[0][0], Some(&rows[0][2])), ("network", best["name"].as_str()));

    triax(folder.path(), ["study", "figures", "study", "--out", "figures"]).done();
    for name in ["settings", "differences-macro-f1", "main-effects", "learning-loss", "confusion", "calibration"] {
        let file =
            |extension: &str| fs::read(folder.path().join("figures").join(name).with_extension(extension)).unwrap();
        assert!(file("pdf").starts_with(b"%PDF-") && file("svg").starts_with(b"<?xml"), "{name}");
    }
    triax(folder.path(), ["study", "figures", "study", "--out", "vectors", "--to", "svg"]).done();
    assert!(
        !folder.path().join("vectors/settings.pdf").exists() && folder.path().join("vectors/settings.svg").exists()
    );

    let methods = triax(folder.path(), ["study", "methods", "study"]).done().stdout;
    assert!(methods.contains("4 subjects") && methods.contains("@software{triax,"), "{methods}");
    let place = folder.path().to_str().unwrap();
    assert!(methods.contains("```sh\ntriax study ") && methods.contains("--data data.csv"), "{methods}");
    assert!(methods.contains("small = 4:5:2:2") && !methods.contains(place), "{methods}");
    let vary = format!("\n  \"{NAMED}\" \\\n");
    for form in ["latex", "markdown"] {
        let text = triax(folder.path(), ["study", "methods", "study", "--to", form]).done().stdout;
        assert!(text.contains(&vary), "{text}");
    }
    let message = tables("latex", &["--out", "study/summary.json"]).refused(2);
    assert!(message.contains("the same file is read"), "{message}");
}

#[test]
fn what_is_no_study_is_called_what_it_is() {
    let folder = data();
    train_small(folder.path(), "data.csv", "run", &["--quiet"]).done();
    fs::create_dir(folder.path().join("empty")).unwrap();
    fs::create_dir(folder.path().join("begun")).unwrap();
    fs::write(folder.path().join("begun/study.json"), "{}").unwrap();
    for (path, said) in [
        ("nowhere", "there is no folder nowhere"),
        ("data.csv", "data.csv is a file: name the folder of a study"),
        ("run", "run is the folder of a run, not of a study"),
        ("empty", "empty is not the folder of a study: it has no study.json"),
        ("begun", "the study in begun is not finished"),
    ] {
        for args in [&["tables", path, "--to", "csv"][..], &["methods", path], &["figures", path, "--out", "figures"]] {
            let message = triax(folder.path(), [&["study"], args].concat()).refused(1);
            assert!(message.contains(said), "`{said}` is not in {message}");
        }
        if path != "begun" {
            let message = triax(folder.path(), ["study", "--resume", path]).refused(1);
            assert!(message.contains(said), "`{said}` is not in {message}");
        }
    }
    assert!(!folder.path().join("figures").exists());
    let message = triax(folder.path(), ["evaluate", "empty"]).refused(1);
    assert!(message.contains("there is no model in empty"), "{message}");
}

#[test]
fn a_study_of_an_earlier_version_has_tables_too() {
    let folder = data();
    study(folder.path(), "study", NAMED, &["--quiet", "--no-baselines"]).done();
    let path = folder.path().join("study/summary.json");
    let csv = || triax(folder.path(), ["study", "tables", "study", "--to", "csv"]).done().stdout;
    let now = csv();
    let mut summary = read_json(path.clone());
    // What such a summary lacks. Its main effects follow from the figures of subjects.
    for field in ["main_effects", "value_names"] {
        summary.as_object_mut().unwrap().remove(field).unwrap();
    }
    fs::write(&path, summary.to_string()).unwrap();
    let before = csv();
    assert_eq!(before.lines().count(), now.lines().count());
    assert!(before.contains("main_effect,"), "{before}");
}

#[test]
fn the_citation_is_that_of_the_repository() {
    let folder = data();
    study(folder.path(), "study", NAMED, &["--quiet", "--no-baselines"]).done();
    let methods = triax(folder.path(), ["study", "methods", "study"]).done().stdout;
    let file = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../CITATION.cff")).unwrap();
    let field = |name: &str| {
        let line = file.lines().find_map(|line| line.trim().trim_start_matches("- ").strip_prefix(name)).unwrap();
        line.trim().trim_matches('"').to_owned()
    };
    assert!(methods.contains(&format!("title = {{{{{}}}}}", field("title:"))), "{methods}");
    assert!(methods.contains(&format!("author = {{{{{}}}}}", field("name:"))), "{methods}");
    assert_eq!(field("version:"), env!("CARGO_PKG_VERSION"));
}
