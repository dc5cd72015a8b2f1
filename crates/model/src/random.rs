//! Counter-based random numbers, the same on every engine and device.
//!
//! Every draw is a pure function of (seed, purpose, index, element), without state. A resumed run, a GPU that draws a
//! thousand numbers at once and a CPU that draws them in turn get the same numbers. The generator is Philox4x32-10
//! (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
//!
//! This module knows nothing about the use of its numbers except the name of a [`Purpose`].

/// What a stream of numbers is for. Streams of different purposes never overlap.
///
/// The number of a purpose is part of each of its draws. So it stays as it is, or what was measured with it, such as the
/// figures of pieces in `docs/over-time.md`, could not be made again. A new purpose takes a number that is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Purpose {
    /// Initial weights; the index is the number of the parameter tensor.
    Initialise = 1,
    /// Order of the training windows; the index is the epoch.
    Shuffle = 2,
    /// Dropout masks; the index is the step since the start of training.
    Dropout = 3,
    /// Choice of validation subjects or windows.
    Split = 4,
    /// The synthetic data set; the index is the recording.
    Synthesise = 5,
    /// How training windows are varied; the index is the step since the start of training.
    Augment = 6,
    /// Resamples of a bootstrap.
    Bootstrap = 7,
    /// Training without labels, at the index [`u64::MAX`]: which stretches of the recordings are told apart.
    Pretrain = 8,
    /// Candidates of a search; the index is the generation.
    Search = 10,
    /// Order of the pieces that a sequence is cut into; the index is the sequence.
    Pieces = 20,
    /// The start of an iteration for the directions in which most of the features of a network lie.
    Directions = 21,
}

/// One block of Philox4x32-10: four 32-bit words from a 128-bit counter and a 64-bit key.
pub fn philox4x32(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    philox4x32_lanes(counter.map(|word| [word]), key).map(|[word]| word)
}

/// `N` blocks at once, with word `i` of all blocks in `counter[i]`. The compiler vectorises it.
#[inline(always)]
pub fn philox4x32_lanes<const N: usize>(counter: [[u32; N]; 4], key: [u32; 2]) -> [[u32; N]; 4] {
    const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
    const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
    // Words are in lanes of 64 bits throughout, so that vectors need not be repacked around each product. The upper halves
    // hold the rest of products; nothing reads them.
    const LOW: u64 = u32::MAX as u64;
    let mut wide = [[0; N]; 4];
    for i in 0..4 {
        for n in 0..N {
            wide[i][n] = u64::from(counter[i][n]);
        }
    }
    let [mut c0, mut c1, mut c2, mut c3] = wide;
    let [mut k0, mut k1] = key;
    for _ in 0..10 {
        for n in 0..N {
            let p0 = u64::from(MULTIPLIERS[0]) * (c0[n] & LOW);
            let p1 = u64::from(MULTIPLIERS[1]) * (c2[n] & LOW);
            (c0[n], c2[n]) = ((p1 >> 32) ^ c1[n] ^ u64::from(k0), (p0 >> 32) ^ c3[n] ^ u64::from(k1));
            (c1[n], c3[n]) = (p1, p0);
        }
        k0 = k0.wrapping_add(WEYL[0]);
        k1 = k1.wrapping_add(WEYL[1]);
    }
    let mut words = [[0; N]; 4];
    for (words, wide) in words.iter_mut().zip([c0, c1, c2, c3]) {
        for n in 0..N {
            words[n] = wide[n] as u32;
        }
    }
    words
}

/// A sequence of draws for one seed, purpose and index.
#[derive(Clone, Debug)]
pub struct Stream {
    key: [u32; 2],
    /// Words 1 to 3 of the counter; word 0 is the block.
    address: [u32; 3],
    next_element: u64,
    block: [u32; 4],
}

impl Stream {
    /// The stream of `purpose` at `index` under `seed`.
    pub fn new(seed: u64, purpose: Purpose, index: u64) -> Self {
        Self::with_layer(seed, purpose, index, 0)
    }

    /// As [`Stream::new`], for one of several independent layers of draws at the same index.
    pub fn with_layer(seed: u64, purpose: Purpose, index: u64, layer: u32) -> Self {
        assert!(layer < 1 << 24, "the counter has 24 bits for the layer");
        Self {
            key: [seed as u32, (seed >> 32) as u32],
            address: [index as u32, (index >> 32) as u32, purpose as u32 | layer << 8],
            next_element: 0,
            block: [0; 4],
        }
    }

    /// The next 32 random bits. A stream holds 2³⁴ of them.
    pub fn next_u32(&mut self) -> u32 {
        let lane = (self.next_element % 4) as usize;
        if lane == 0 {
            let [a, b, c] = self.address;
            self.block = philox4x32([(self.next_element / 4) as u32, a, b, c], self.key);
        }
        self.next_element += 1;
        self.block[lane]
    }

    /// Uniform in [0, 1) with 24 bits: every value is exact in f32.
    pub fn uniform(&mut self) -> f32 {
        unit_f32(self.next_u32())
    }

    /// Uniform among `0..n` without bias (Lemire's multiply-and-reject, 2019). `n` must not be 0.
    pub fn below(&mut self, n: u32) -> u32 {
        assert!(n > 0, "nothing is below 0");
        let threshold = n.wrapping_neg() % n;
        loop {
            let product = u64::from(self.next_u32()) * u64::from(n);
            if product as u32 >= threshold {
                return (product >> 32) as u32;
            }
        }
    }

    /// Standard normal (Box–Muller; two draws a value, so that the position in the stream stays a plain count).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - f64::from(self.uniform())).ln()).sqrt();
        radius * (std::f64::consts::TAU * f64::from(self.uniform())).cos()
    }

    /// Shuffles `items` (Fisher–Yates); every order is equally likely.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.below(last as u32 + 1) as usize;
            items.swap(last, other);
        }
    }
}

/// The top 24 bits as a number in [0, 1).
pub fn unit_f32(bits: u32) -> f32 {
    (bits >> 8) as f32 * (1.0 / 16_777_216.0)
}

/// The order in which `epoch` visits `n_windows` training windows: a permutation of `0..n_windows`.
pub fn epoch_order(seed: u64, epoch: usize, n_windows: usize) -> Vec<u32> {
    let mut order: Vec<u32> = (0..n_windows as u32).collect();
    Stream::new(seed, Purpose::Shuffle, epoch as u64).shuffle(&mut order);
    order
}

/// Fills `mask` (n, features) with 0 (dropped, probability `rate`) or 1 / (1 − rate) (kept): the inverted dropout of
/// Keras, for the first `n` windows of the batch of step `step`.
///
/// Feature `f` of window `w` is drawn from word `f % 4` of the block [`dropout_block`]`(w, f, features)`. It is dropped if
/// [`unit_f32`] of the word is below `rate`.
pub fn dropout_mask(seed: u64, step: u64, rate: f32, features: usize, mask: &mut [f32]) {
    let kept = 1.0 / (1.0 - rate);
    let (key, address) = dropout_address(seed, step);
    for (window, mask) in mask.chunks_mut(features).enumerate() {
        for (quad, mask) in mask.chunks_mut(4).enumerate() {
            let block = dropout_block(window, 4 * quad, features);
            let words = philox4x32([block, address[0], address[1], address[2]], key);
            for (element, word) in mask.iter_mut().zip(words) {
                *element = if unit_f32(word) < rate { 0.0 } else { kept };
            }
        }
    }
}

/// The Philox block of four features of a window, from feature `feature` (a multiple of 4) on. Each window of a batch
/// begins with a new block, so that lanes of different windows use their blocks in step.
#[inline(always)]
pub fn dropout_block(window: usize, feature: usize, features: usize) -> u32 {
    (window * features.div_ceil(4) + feature / 4) as u32
}

/// The key and words 1 to 3 of the counter for the dropout masks of a step; word 0 is the block.
pub fn dropout_address(seed: u64, step: u64) -> ([u32; 2], [u32; 3]) {
    let stream = Stream::new(seed, Purpose::Dropout, step);
    (stream.key, stream.address)
}

/// The key and words 1 to 3 of the counter for the draws of augmentation in a step; word 0 is the block. Each kind of
/// draw is a layer.
pub fn augment_address(seed: u64, step: u64, layer: u32) -> ([u32; 2], [u32; 3]) {
    let stream = Stream::with_layer(seed, Purpose::Augment, step, layer);
    (stream.key, stream.address)
}

/// Maps a word to `0..n`: the upper word of their product. Probabilities differ by less than n/2³².
pub fn word_below(word: u32, n: u32) -> u32 {
    ((u64::from(word) * u64::from(n)) >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn philox_gives_the_known_answers_of_random123() {
        // kat_vectors of the Random123 distribution, philox 4x32 10.
        assert_eq!(philox4x32([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox4x32([u32::MAX; 4], [u32::MAX; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        assert_eq!(
            philox4x32([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn an_epoch_order_is_a_permutation_that_differs_between_epochs() {
        for n_windows in [0, 1, 2, 31, 1000] {
            let mut order = epoch_order(7, 3, n_windows);
            order.sort_unstable();
            assert!(order.iter().enumerate().all(|(i, &idx)| i as u32 == idx));
        }
        assert_ne!(epoch_order(7, 0, 100), epoch_order(7, 1, 100));
        assert_ne!(epoch_order(7, 0, 100), epoch_order(8, 0, 100));
        assert_eq!(epoch_order(7, 1, 100), epoch_order(7, 1, 100));
    }

    #[test]
    fn dropout_drops_its_share_and_keeps_the_mean() {
        let mut mask = vec![f32::NAN; 100_000];
        dropout_mask(1, 2, 0.1, 1000, &mut mask);
        let n_dropped = mask.iter().filter(|&&m| m == 0.0).count();
        assert!(mask.iter().all(|&m| m == 0.0 || m == 1.0 / (1.0 - 0.1)));
        // Five standard deviations of a binomial(100 000, 0.1).
        assert!((n_dropped as f64 - 10_000.0).abs() < 475.0, "{n_dropped} dropped");
        dropout_mask(1, 2, 0.0, 1000, &mut mask);
        assert!(mask.iter().all(|&m| m == 1.0));
    }

    #[test]
    fn lanes_are_blocks_beside_each_other_and_windows_begin_blocks() {
        let counter = [[1, 2, 3], [4, 5, 6], [7, 8, u32::MAX], [0, 1, 2]];
        let lanes = philox4x32_lanes(counter, [8, 9]);
        for n in 0..3 {
            assert_eq!(lanes.map(|word| word[n]), philox4x32(counter.map(|word| word[n]), [8, 9]));
        }
        // Seven features take two blocks a window; the mask of a window does not depend on what follows.
        let mut mask = [f32::NAN; 21];
        dropout_mask(3, 5, 0.5, 7, &mut mask);
        let mut stream = Stream::new(3, Purpose::Dropout, 5);
        let draws: Vec<f32> = (0..24).map(|_| stream.uniform()).collect();
        for (window, mask) in mask.chunks(7).enumerate() {
            for (feature, &kept) in mask.iter().enumerate() {
                assert_eq!(kept == 0.0, draws[8 * window + feature] < 0.5);
            }
        }
    }

    #[test]
    fn purposes_indices_and_layers_do_not_overlap() {
        let first = |purpose, index, layer| Stream::with_layer(5, purpose, index, layer).next_u32();
        let draws = [
            first(Purpose::Dropout, 0, 0),
            first(Purpose::Dropout, 1, 0),
            first(Purpose::Dropout, 0, 1),
            first(Purpose::Shuffle, 0, 0),
            first(Purpose::Dropout, 1 << 32, 0),
        ];
        for (i, a) in draws.iter().enumerate() {
            assert!(draws[i + 1..].iter().all(|b| a != b));
        }
    }

    #[test]
    fn normal_draws_have_mean_zero_and_variance_one() {
        let mut stream = Stream::new(3, Purpose::Synthesise, 0);
        let draws: Vec<f64> = (0..100_000).map(|_| stream.normal()).collect();
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        let variance = draws.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / draws.len() as f64;
        assert!(mean.abs() < 0.016, "mean {mean}");
        assert!((variance - 1.0).abs() < 0.023, "variance {variance}");
    }
}
