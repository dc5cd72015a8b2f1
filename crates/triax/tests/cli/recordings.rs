//! Synthetic recordings, the same each time: three activities that differ in level and frequency.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

pub const ACTIVITIES: [&str; 3] = ["jog", "sit", "walk"];

/// The sample of an activity (by its number) at a row: three channels.
pub fn sample(subject: usize, activity: usize, row: usize) -> [f32; 3] {
    let angle = row as f32 * [0.9, 0.05, 0.45][activity] + subject as f32;
    let swing = [4.0, 0.1, 1.5][activity];
    let z = 0.1 * subject as f32 + 0.3 * swing * (1.7 * angle).sin();
    [swing * angle.sin() + 0.2 * activity as f32, 9.0 + swing * angle.cos(), z]
}

/// Plain CSV of `n_subjects` subjects, `n_rows` rows of each activity, at 20 Hz.
pub fn csv(n_subjects: usize, n_rows: usize) -> String {
    let mut text = String::from("subject,activity,timestamp,x,y,z\n");
    for (subject, activity, row) in every(n_subjects, n_rows) {
        let [x, y, z] = sample(subject, activity, row);
        let time = (activity * n_rows + row) as f32 * 0.05;
        text.push_str(&format!("p{subject},{},{time:.2},{x:.4},{y:.4},{z:.4}\n", ACTIVITIES[activity]));
    }
    text
}

/// A folder with the file `data.csv`, which holds [`csv`] of these sizes.
pub fn csv_folder(n_subjects: usize, n_rows: usize) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("data.csv"), csv(n_subjects, n_rows)).unwrap();
    folder
}

/// The one text file of WISDM v1.1.
pub fn wisdm1(path: &Path, n_subjects: usize, n_rows: usize) {
    let mut text = String::new();
    for (subject, activity, row) in every(n_subjects, n_rows) {
        let [x, y, z] = sample(subject, activity, row);
        let activity_name = ["Jogging", "Sitting", "Walking"][activity];
        let time = 1_000_000_000 + (activity * n_rows + row) as u64 * 50_000_000;
        text.push_str(&format!("{},{activity_name},{time},{x:.4},{y:.4},{z:.4};\n", subject + 1));
    }
    fs::write(path, text).unwrap();
}

/// The folder of WISDM v2, a file a subject.
pub fn wisdm2(path: &Path, n_subjects: usize, n_rows: usize) {
    let folder = path.join("raw/phone/accel");
    fs::create_dir_all(&folder).unwrap();
    for own in 0..n_subjects {
        let mut text = String::new();
        for (subject, activity, row) in every(n_subjects, n_rows).filter(|(subject, ..)| *subject == own) {
            let [x, y, z] = sample(subject, activity, row);
            let time = 252_207_666_810_782 + (activity * n_rows + row) as u64 * 50_000_000;
            text.push_str(&format!("{},{},{time},{x:.4},{y:.4},{z:.4};\n", 1600 + own, ["B", "D", "A"][activity]));
        }
        fs::write(folder.join(format!("data_{}_accel_phone.txt", 1600 + own)), text).unwrap();
    }
}

/// The folder of MotionSense: a CSV file a trial and subject, twelve channels, no times.
pub fn motion_sense(path: &Path, n_subjects: usize, n_rows: usize) {
    for (activity, trial) in ["jog_9", "sit_5", "wlk_7"].iter().enumerate() {
        let folder = path.join("A_DeviceMotion_data").join(trial);
        fs::create_dir_all(&folder).unwrap();
        for subject in 0..n_subjects {
            let mut text = String::from(
                ",attitude.roll,attitude.pitch,attitude.yaw,gravity.x,gravity.y,gravity.z,rotationRate.x,\
                 rotationRate.y,rotationRate.z,userAcceleration.x,userAcceleration.y,userAcceleration.z\n",
            );
            for row in 0..n_rows {
                let [x, y, z] = sample(subject, activity, row);
                text.push_str(&format!("{row},{x},{y},{z},{x},{y},{z},{y},{z},{x},{z},{x},{y}\n"));
            }
            fs::write(folder.join(format!("sub_{}.csv", subject + 1)), text).unwrap();
        }
    }
}

/// The folder of UCI HAR: windows of 128 × 9, split already.
pub fn uci_har(path: &Path) {
    let signals = ["body_acc", "body_gyro", "total_acc"];
    for (part, first_subject, n_windows) in [("train", 0, 12), ("test", 7, 6)] {
        let folder = path.join(part).join("Inertial Signals");
        fs::create_dir_all(&folder).unwrap();
        for signal in signals {
            for (axis, name) in ["x", "y", "z"].iter().enumerate() {
                let line = |window: usize| {
                    let value = |row| format!("{:15.7e}", sample(first_subject, window % 3, row)[axis]);
                    (0..128).map(value).collect::<Vec<_>>().join(" ") + "\n"
                };
                let text: String = (0..n_windows).map(line).collect();
                fs::write(folder.join(format!("{signal}_{name}_{part}.txt")), text).unwrap();
            }
        }
        let lines = |value: &dyn Fn(usize) -> usize| {
            (0..n_windows).map(|window| format!("{}\n", value(window))).collect::<String>()
        };
        fs::write(path.join(part).join(format!("y_{part}.txt")), lines(&|window| window % 3 + 1)).unwrap();
        let subject = |window: usize| first_subject + window / 3 + 1;
        fs::write(path.join(part).join(format!("subject_{part}.txt")), lines(&subject)).unwrap();
    }
    fs::write(path.join("activity_labels.txt"), "1 WALKING\n2 SITTING\n3 LAYING\n").unwrap();
}

/// (subject, activity, row) in the order in which files hold them.
fn every(n_subjects: usize, n_rows: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    (0..n_subjects).flat_map(move |subject| {
        (0..ACTIVITIES.len()).flat_map(move |activity| (0..n_rows).map(move |row| (subject, activity, row)))
    })
}
