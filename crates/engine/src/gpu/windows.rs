//! The windows on the device: all of them if they fit, else those of the next steps, a chunk at a time.

use crate::device::wgpu::{Buffer, BufferUsages};
use crate::{EngineError, WindowSet};

use super::device::Device;

/// The most bytes of a chunk of streamed windows, unless those of one step are more.
const STREAMED_BYTES: u64 = 128 << 20;

/// The data set on the device.
#[derive(Debug)]
pub(super) struct Windows {
    set: WindowSet,
    window_values: usize,
    /// Pairs of (values, label and weight of each window). One pair holds the whole data set; two pairs alternate, so that
    /// one is filled while the device reads the other.
    pub buffers: Vec<[Buffer; 2]>,
    /// The number of windows that a chunk can hold; none if all are on the device.
    room: Option<usize>,
    values: Vec<f32>,
    facts: Vec<[u32; 2]>,
    turn: usize,
}

impl Windows {
    /// Uploads `set`, or allocates the buffers that it is streamed through if it takes more than `most_bytes`. A step takes
    /// `batch_windows` of them.
    pub fn new(
        device: &Device,
        set: &WindowSet,
        window_values: usize,
        batch_windows: usize,
        most_bytes: u64,
    ) -> Result<Self, EngineError> {
        let bytes_of = |n_windows: usize| (4 * window_values as u64 * n_windows as u64).max(8 * n_windows as u64);
        let resident = bytes_of(set.len()) <= most_bytes;
        // A chunk need not be larger than a step's windows, and costs memory several times on its way.
        let chunk_bytes = most_bytes.min(STREAMED_BYTES.max(bytes_of(batch_windows)));
        let room = (!resident).then(|| (chunk_bytes / bytes_of(1)) as usize);
        let n_windows = room.unwrap_or(set.len());
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_DST;
        let make = |_| {
            let values = device.buffer("windows", 4 * (n_windows * window_values) as u64, usage)?;
            Ok([values, device.buffer("labels", 8 * n_windows as u64, usage)?])
        };
        let buffers = (0..if resident { 1 } else { 2 }).map(make).collect::<Result<Vec<_>, EngineError>>()?;
        let windows =
            Self { set: set.clone(), window_values, buffers, room, values: Vec::new(), facts: Vec::new(), turn: 0 };
        if resident {
            let facts: Vec<[u32; 2]> = (0..set.len()).map(|idx| windows.fact(idx)).collect();
            device.write(&windows.buffers[0][0], &set.windows)?;
            device.write(&windows.buffers[0][1], &facts)?;
        }
        Ok(windows)
    }

    /// The buffer that a kernel knows by `name`, of pair `pair`.
    pub fn named(&self, name: &str, pair: usize) -> Option<&Buffer> {
        match name {
            "windows" => Some(&self.buffers[pair][0]),
            "facts" => Some(&self.buffers[pair][1]),
            _ => None,
        }
    }

    /// The number of windows that the steps of one submission can have together; no limit if all are on the device.
    pub fn room(&self) -> Option<usize> {
        self.room
    }

    /// The index on the device of window `idx` of the data set, for the submission that is being recorded.
    pub fn locate(&mut self, idx: u32) -> u32 {
        if self.room.is_none() {
            return idx;
        }
        let at = idx as usize;
        self.values.extend_from_slice(&self.set.windows[at * self.window_values..][..self.window_values]);
        self.facts.push(self.fact(at));
        self.facts.len() as u32 - 1
    }

    /// Uploads the windows located since the last call. Returns the index of the pair of buffers that holds them.
    pub fn upload(&mut self, device: &Device) -> Result<usize, EngineError> {
        if self.room.is_none() {
            return Ok(0);
        }
        self.turn = 1 - self.turn;
        let [values, facts] = &self.buffers[self.turn];
        device.write(values, &self.values)?;
        device.write(facts, &self.facts)?;
        self.values.clear();
        self.facts.clear();
        Ok(self.turn)
    }

    /// The label and the weight of a window.
    fn fact(&self, idx: usize) -> [u32; 2] {
        [self.set.labels[idx], self.set.weight(idx, None).to_bits()]
    }
}
