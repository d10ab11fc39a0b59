//! A seeded random number generator with named streams, the same natively and in wasm.

/// A stream of random numbers: SplitMix64 (Steele, Lea and Flood 2014), keyed by a seed and a name, so that drawing more
/// from one stream never shifts another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rng {
    state: u64,
}

impl Rng {
    /// The stream `name` of `seed`.
    #[must_use]
    pub fn stream(seed: u64, name: &str) -> Self {
        // FNV-1a of the name keeps streams of one seed apart; one round of mixing keeps neighbouring seeds apart.
        let hash =
            name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
        let mut rng = Self { state: seed ^ hash.rotate_left(32) };
        rng.state = rng.next_u64() ^ hash;
        rng
    }

    /// The state of the generator, for checkpoints.
    #[must_use]
    pub fn state(&self) -> u64 {
        self.state
    }

    /// Restores a saved state.
    #[must_use]
    pub fn from_state(state: u64) -> Self {
        Self { state }
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in `0..n`; the bias is negligible for `n` up to 2^32.
    ///
    /// # Panics
    /// If `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        assert!(n > 0, "a draw from nothing");
        ((u128::from(self.next_u64()) * n as u128) >> 64) as usize
    }

    /// Uniform in `[0, 1)`.
    pub fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Normal with mean 0 and standard deviation 1, as the sum of 12 uniforms (Irwin-Hall): additions only, because
    /// `ln` and `cos` differ in their last bits between platforms.
    pub fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }

    /// Shuffles in place (Fisher-Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}
