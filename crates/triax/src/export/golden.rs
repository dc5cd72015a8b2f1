//! Golden windows: inputs and outputs of a file, for tests of the programs that use it.

use triax_exchange::golden::{c_arrays, npy};

use super::formats::File;
use super::windows::PartWindows;
use crate::Error;

/// The number of golden windows, where there are as many.
const MOST: usize = 16;

/// Windows and the scores that a file gives for them, by its own arithmetic.
#[derive(Clone, Debug)]
pub struct Golden {
    /// (n_windows, window, channels), in the sensor's unit.
    pub windows: Vec<f32>,
    /// (n_windows, classes)
    pub scores: Vec<f32>,
    n_windows: usize,
    shape: [usize; 3],
    c_arrays: String,
}

impl Golden {
    /// Some of `windows`, evenly spread. `shape` is (window, channels, classes).
    pub(super) fn of(file: &File, windows: &PartWindows, prefix: &str, shape: [usize; 3]) -> Result<Self, Error> {
        let n_values = shape[0] * shape[1];
        let n_all = windows.values.len() / n_values;
        let n_windows = n_all.min(MOST);
        let window = |i: usize| &windows.values[i * n_all / n_windows * n_values..][..n_values];
        let windows: Vec<f32> = (0..n_windows).flat_map(window).copied().collect();
        let scores = file.scores(&windows);
        let c_arrays = c_arrays(prefix, n_windows, &windows, &scores)?;
        Ok(Self { windows, scores, n_windows, shape, c_arrays })
    }

    /// The files, by name: `inputs.npy` (n_windows, window, channels), `outputs.npy` (n_windows, classes), and `golden.h` with
    /// both as tables of C.
    pub fn files(&self) -> [(&'static str, Vec<u8>); 3] {
        let [window, channels, classes] = self.shape;
        [
            ("inputs.npy", npy(&[self.n_windows, window, channels], &self.windows)),
            ("outputs.npy", npy(&[self.n_windows, classes], &self.scores)),
            ("golden.h", self.c_arrays.clone().into_bytes()),
        ]
    }
}
