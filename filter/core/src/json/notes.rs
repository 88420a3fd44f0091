//! What a first reading notes, so that a second one needs no second pass over the text.

use std::ops::Range;

use super::Str;

/// What a cursor notes of the strings that it passes: what is needed later costs no second pass.
#[derive(Debug, Default)]
pub struct Notes {
    pub(super) words: Words,
    /// Which of the words stand in the text as whole strings, a bit each. One that is spelled with escapes is not found.
    pub found: u32,
    /// Where the long strings are, in order.
    pub long: Vec<Long>,
}

/// A long string: where its spelling begins, how long it is, and whether it has escapes.
#[derive(Clone, Copy, Debug)]
pub struct Long {
    pub(super) start: usize,
    pub(super) len: usize,
    pub(super) escaped: bool,
}

impl Long {
    /// The place of its spelling.
    #[must_use]
    pub const fn range(&self) -> Range<usize> {
        self.start..self.start + self.len
    }
}

/// Shorter strings are read again faster than they are looked up.
const LONG: usize = 128;

/// Words (at most 32, each shorter than 64 bytes) that a cursor looks out for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Words {
    words: &'static [&'static str],
    /// A bit for each length that one of them has: most strings are told apart by it.
    lengths: u64,
}

impl Words {
    /// These words.
    #[must_use]
    pub const fn of(words: &'static [&'static str]) -> Self {
        let (mut lengths, mut rest) = (0, words);
        while let [first, tail @ ..] = rest {
            lengths |= 1 << (first.len() & 63);
            rest = tail;
        }
        Self { words, lengths }
    }
}

impl Notes {
    #[inline]
    pub(super) fn note(&mut self, start: usize, token: Str<'_>) {
        let len = token.raw.len();
        if len >= LONG {
            self.long.push(Long { start, len, escaped: token.escaped });
        } else if len < 64 && self.words.lengths >> len & 1 == 1 {
            self.look_up(token.raw);
        }
    }

    fn look_up(&mut self, text: &str) {
        for (bit, word) in self.words.words.iter().enumerate() {
            if *word == text {
                self.found |= 1 << (bit & 31);
            }
        }
    }
}
