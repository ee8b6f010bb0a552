//! Names and uids from one seed, so that a simulated run replays to the letter.

/// A small generator (SplitMix64): fast, and the same on every host for the same seed.
#[derive(Debug, Clone)]
pub struct Seed {
    state: u64,
}

/// The letters that Kubernetes draws name suffixes from: no vowels, and nothing that reads like
/// another.
const SUFFIX_LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

impl Seed {
    pub fn new(seed: u64) -> Seed {
        Seed { state: seed }
    }

    /// A seed from the operating system's randomness.
    pub fn from_host() -> Seed {
        use std::hash::{BuildHasher, Hasher};
        Seed::new(std::collections::hash_map::RandomState::new().build_hasher().finish())
    }

    pub fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is at least 1.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.draw() % bound.max(1)
    }

    /// Five letters for `metadata.generateName`.
    pub fn suffix(&mut self) -> String {
        (0..5)
            .map(|_| SUFFIX_LETTERS[self.below(SUFFIX_LETTERS.len() as u64) as usize] as char)
            .collect()
    }

    /// A version 4 UUID for `metadata.uid`.
    pub fn uid(&mut self) -> String {
        Uid::draw(self).to_string()
    }
}

/// A version 4 UUID that is written out when someone reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uid {
    high: u64,
    low: u64,
}

impl Uid {
    pub fn draw(seed: &mut Seed) -> Uid {
        Uid { high: seed.draw(), low: seed.draw() }
    }
}

impl std::fmt::Display for Uid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Uid { high, low } = self;
        let variant = 0x8000 | (low >> 48 & 0x3fff);
        write!(
            f,
            "{:08x}-{:04x}-4{:03x}-{variant:04x}-{:012x}",
            high >> 32,
            high >> 16 & 0xffff,
            high & 0xfff,
            low & 0xffff_ffff_ffff
        )
    }
}
