//! The reader of WISDM v2 on real files, where they are at hand.

use triax_data::{Inspection, ReadOptions, read};
use triax_testing::wisdm2_or_skip;

#[test]
fn real_wisdm2_is_read_whole() {
    let Some(path) = wisdm2_or_skip("real_wisdm2_is_read_whole") else { return };
    let corpus = read(&path, &ReadOptions::default()).unwrap();
    let report = Inspection::new(&corpus);
    // A row a line, and none of them broken.
    let folder = path.join("raw/phone/accel");
    let text = std::fs::read_dir(folder).unwrap().map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
    let n_lines: usize = text.map(|text| text.iter().filter(|byte| **byte == b'\n').count()).sum();
    assert_eq!(report.n_rows, n_lines);
    assert!(report.repairs.is_empty(), "{report}");
    // Each subject did each activity in one go.
    let mut pairs: Vec<_> = corpus.recordings.iter().map(|each| (&each.subject, each.class)).collect();
    pairs.sort();
    pairs.dedup();
    assert_eq!(pairs.len(), corpus.recordings.len());
    assert!((19.0..21.0).contains(&report.rate_hz.unwrap()), "{report}");
}
