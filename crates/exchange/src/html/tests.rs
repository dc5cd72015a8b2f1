use triax_model::{PerWindow, PoolKind};
use triax_testing::browser_or_skip;

use super::*;
use crate::trained::tests::{derived, trained, windows};

/// Networks with everything that the family holds.
fn networks() -> Vec<Trained> {
    let mut upright = trained("4:3:2:2,5:3:1:gelu", "6:tanh", None);
    upright.preparation = PerWindow::AlignGravity.into();
    let mut by_window = trained("4:3:1:avg3/2-same:same:elu,5:4:2:3/1:leaky_relu=0.3", "", Some(PoolKind::Average));
    (by_window.preparation, by_window.scaler, by_window.softmax) = (PerWindow::Standardise.into(), None, true);
    let largest = trained("7:5:1:2/3-same:linear", "4,3:gelu", Some(PoolKind::Max));
    let derived = derived().into_iter().map(|(_, one)| one);
    [upright, by_window, largest].into_iter().chain(derived).collect()
}

#[test]
fn pages_are_read_back() {
    for one in networks() {
        assert_eq!(read(&write(&one).unwrap()).unwrap(), one);
    }
    assert!(read("<html>").unwrap_err().to_string().contains("no network"));
    let page = write(&networks()[0]).unwrap();
    assert!(
        read(&page.replacen("\"weights\":\"", "\"weights\":\"AAAA", 1)).unwrap_err().to_string().contains("weights")
    );
}

#[test]
fn a_page_computes_as_the_yardstick() {
    let Some(browser) = browser_or_skip("a_page_computes_as_the_yardstick") else { return };
    for one in networks() {
        let windows = windows(5);
        let script = format!(
            "return {windows:?}.reduce((all, _, i, values) => i % 120 ? all : all.concat(network.scores(values.slice(i, i + 120))), []);"
        );
        let found: Vec<f32> = browser.run(&write(&one).unwrap(), &script);
        let expected = one.scores(&windows);
        assert_eq!(found.len(), expected.len());
        let largest = expected.iter().fold(0.0_f32, |largest, score| largest.max(score.abs()));
        for (found, expected) in found.iter().zip(&expected) {
            assert!((found - expected).abs() <= 1e-5 * largest, "{found} is not {expected}");
        }
    }
}

#[test]
fn a_page_fits_its_screen_and_names_are_text() {
    let Some(browser) = browser_or_skip("a_page_fits_its_screen_and_names_are_text") else { return };
    let mut one = trained("4:3:2:2", "5", None);
    let hostile = "</script><script>console.error('run')</script>";
    one.about.classes = vec![hostile.to_owned(), "{{model}}".to_owned(), "a".repeat(200)];
    one.about.channels = (0..6).map(|i| format!("<b>{i}&amp;</b>{}", "x".repeat(60))).collect();
    let page = write(&one).unwrap();
    browser.check(&page);
    let shown: Vec<String> = browser.run(&page, "return network.classes.concat(document.title);");
    assert_eq!((&shown[..3], shown[3].contains(hostile)), (&one.about.classes[..], true));
    assert_eq!(read(&page).unwrap(), one);
}

/// A network for three axes of acceleration at 20 Hz that tells strong movement from rest: class 1 by the mean square of
/// what a difference over two samples leaves.
fn restless() -> Trained {
    let spec = NetworkSpec {
        window: 40,
        channels: 3,
        convs: vec!["2:3:1:relu".parse().unwrap()],
        global_pool: Some(PoolKind::Average),
        dropout: 0.0,
        hidden: vec![],
        classes: 2,
    };
    let network = Network::new(spec).unwrap();
    let mut weights = Weights::zeros(&network);
    // Both signs of x(t + 2) − x(t), so that their ReLUs add up to its size.
    let kernel = &mut weights.tensors[0].values;
    (kernel[0], kernel[2 * 6], kernel[1], kernel[2 * 6 + 1]) = (-1.0, 1.0, 1.0, -1.0);
    weights.tensors[2].values.copy_from_slice(&[-1.0, 1.0, -1.0, 1.0]);
    weights.tensors[3].values.copy_from_slice(&[0.5, -0.5]);
    let about = About {
        classes: vec!["rest".into(), "shaking".into()],
        channels: ["acc_x", "acc_y", "acc_z"].map(str::to_owned).to_vec(),
        units: vec![Some("g".into())],
        rate_hz: Some(20.0),
        step: Some(20),
        producer: "triax test".into(),
        ..About::default()
    };
    Trained { network, weights, preparation: Preparation::default(), scaler: None, softmax: false, about }
}

/// Feeds the page made-up events at 60 Hz: 4 s of rest, then 4 s of shaking along x at 2 Hz with 1 g. What the page says of
/// each window is in `said`.
const EVENTS: &str = "
    const said = [];
    const scores = network.scores;
    network.scores = (window) => { const found = scores(window); said.push({ window, found }); return found; };
    find('live').click();
    await new Promise((done) => setTimeout(done, 100));
    if (!find('live').disabled) throw new Error(find('live-state').textContent);
    for (let n = 0; n < 480; n++) {
        const t = n / 60;
        const x = t < 4 ? 0 : 9.80665 * Math.sin(2 * Math.PI * 2 * t);
        const event = new DeviceMotionEvent('devicemotion', { accelerationIncludingGravity: { x, y: 0, z: 9.80665 }, interval: 16 });
        Object.defineProperty(event, 'timeStamp', { value: 1000 + 1000 * t });
        dispatchEvent(event);
    }
";

#[test]
fn a_page_recognises_made_up_motion() {
    let Some(browser) = browser_or_skip("a_page_recognises_made_up_motion") else { return };
    let page = write(&restless()).unwrap();
    #[derive(Deserialize)]
    struct Said {
        window: Vec<f32>,
        found: Vec<f32>,
    }
    let (said, class): (Vec<Said>, String) =
        browser.run(&page, &format!("{EVENTS} return [said, find('class').textContent];"));
    // 8 s at 20 Hz are 160 samples: windows end at 40, 60, …, 160.
    assert_eq!(said.len(), 7);
    let classes: Vec<bool> = said.iter().map(|said| said.found[1] > said.found[0]).collect();
    assert_eq!((&classes[..3], &classes[4..]), (&[false; 3][..], &[true; 3][..]));
    assert_eq!(class, "shaking");
    for Said { window, found } in &said {
        let expected = restless().scores(window);
        assert!(found.iter().zip(&expected).all(|(found, expected)| (found - expected).abs() < 1e-4));
        // In g, as the network wants it, and upright.
        assert!(window.chunks_exact(3).all(|sample| (sample[2] - 1.0).abs() < 1e-6 && sample[0].abs() <= 1.0));
    }
    // 2 Hz survive at 20 Hz: the mean of three samples at 60 Hz and the line between two take little away.
    let largest = said[6].window.chunks_exact(3).fold(0.0_f32, |largest, sample| largest.max(sample[0]));
    assert!((0.85..=1.0).contains(&largest), "{largest}");
}

#[test]
fn what_a_page_records_is_a_table_that_it_replays() {
    let Some(browser) = browser_or_skip("what_a_page_records_is_a_table_that_it_replays") else { return };
    let script = format!(
        "find('activity').value = 'a, \"b\"'; find('record').click(); {EVENTS} find('record').click();
         const table = recordedTable();
         const answers = await replay(table, 'recorded');
         return [table, answers.map((answer) => answer.class), find('replay-state').textContent, said.length];"
    );
    let page = write(&restless()).unwrap();
    let (table, classes, state, n_said): (String, Vec<String>, String, usize) = browser.run(&page, &script);
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!((lines[0], lines.len()), ("subject,activity,timestamp_s,acc_x,acc_y,acc_z", 481));
    assert!(lines[1].starts_with("1,\"a, \"\"b\"\"\",1"), "{}", lines[1]);
    assert!(lines[1].ends_with(",0,0,1"), "{}", lines[1]);
    assert_eq!((classes.len(), n_said), (7, 14));
    assert_eq!((classes[0].as_str(), classes[6].as_str()), ("rest", "shaking"));
    assert!(state.starts_with("480 rows, 7 windows"), "{state}");
}

#[test]
fn tables_of_other_loggers_are_replayed_or_refused_in_words() {
    let Some(browser) = browser_or_skip("tables_of_other_loggers_are_replayed_or_refused_in_words") else { return };
    let script = "
        const rows = (n, row) => Array.from({ length: n }, (_, i) => row(i)).join('\\n');
        const texts = [
            'Time (ms);ACC_Z;ACC_X;acc_y;activity\\n' + rows(400, (i) => `${i * 10};1,0;0,0;0,0;rest`),
            rows(80, () => '0\\t0\\t1'),
            't,acc_x,acc_y,acc_z\\n' + rows(200, (i) => `${i * 0.02},0,0,1`),
            'acc_x,acc_y\\n1,2',
            '',
            'acc_x,acc_y,acc_z',
            // 2.5 s, a minute of nothing, 2.5 s: a window of each, and none over the gap.
            't,acc_x,acc_y,acc_z\\n' + rows(100, (i) => `${(i + (i < 50 ? 0 : 1200)) * 0.05},0,0,1`),
            // One person after the other, 1.5 s each: no window is of both.
            'subject,acc_x,acc_y,acc_z\\n' + rows(60, (i) => `${i < 30 ? 'a' : 'b'},0,0,1`),
            // A row without a time costs the row, not the clock.
            't,acc_x,acc_y,acc_z\\n' + rows(101, (i) => `${i === 50 ? 'oops' : i * 0.1},0,0,1`),
        ];
        const said = [];
        for (const text of texts) said.push(await replay(text, 'a').then((list) => list.map((one) => one.label), (error) => error.message));
        return said;";
    let said: Vec<serde_json::Value> = browser.run(&write(&restless()).unwrap(), script);
    let lengths: Vec<usize> = said[..3].iter().map(|list| list.as_array().unwrap().len()).collect();
    // 4 s by a clock in milliseconds, 80 rows without a clock, and 4 s by a clock whose unit is told by the rate.
    assert_eq!(lengths, [3, 3, 3], "{said:?}");
    assert_eq!((&said[0][0], &said[1][0]), (&serde_json::json!("rest"), &serde_json::Value::Null));
    assert!(said[3].as_str().unwrap().contains("lacks the columns acc_x, acc_y, acc_z"), "{said:?}");
    assert!(said[4].as_str().unwrap().contains("empty") && said[5].as_str().unwrap().contains("no rows"), "{said:?}");
    let lengths: Vec<usize> = said[6..].iter().map(|list| list.as_array().unwrap().len()).collect();
    assert_eq!(lengths, [2, 0, 9], "{said:?}");
}
