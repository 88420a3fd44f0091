//! What a route's targets have under way, used, and how fast they were: numbers that all workers share, as bytes.
//!
//! One value holds a group of targets, at fixed places, so that a decision costs one reading. A value of another length
//! (the group has changed) is an empty one. How bytes are shared is the shell's.

/// How many of the last latencies count, as in LiteLLM.
const SAMPLES: usize = 10;
/// A worker that has not written for so long is gone, with what it had under way, in seconds.
const FORGOTTEN_AFTER: u64 = 900;
/// What an attempt that timed out counts as, in microseconds: LiteLLM's 1,000 s.
pub const TIMED_OUT_US: u64 = 1_000_000_000;

fn words(bytes: &[u8]) -> Vec<u64> {
    let (words, _) = bytes.as_chunks::<8>();
    words.iter().map(|word| u64::from_le_bytes(*word)).collect()
}

fn bytes(words: impl Iterator<Item = u64>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(8 * words.size_hint().0);
    words.for_each(|word| bytes.extend_from_slice(&word.to_le_bytes()));
    bytes
}

/// Requests under way: each worker's own, so that those of one that failed are forgotten with it. Read where they stand, as
/// every decision reads all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy<'b> {
    /// A row for each worker: its name, the second of its last change, and a count for each target.
    words: &'b [[u8; 8]],
    targets: usize,
}

/// What stands before a row's counts.
const HEAD: usize = 2;

impl<'b> Busy<'b> {
    /// What was written for a group of so many targets.
    #[must_use]
    pub fn read(from: &'b [u8], targets: usize) -> Self {
        Self { words: from.as_chunks().0, targets }
    }

    fn rows(self) -> impl Iterator<Item = &'b [[u8; 8]]> {
        self.words.chunks_exact(HEAD + self.targets)
    }

    /// The same as bytes, with one request of `worker`'s to the target at `slot` more, where it begins, or less. `now` is in
    /// seconds.
    #[must_use]
    pub fn with(self, worker: u64, now: u64, slot: usize, begins: bool) -> Vec<u8> {
        let is = |row: &[[u8; 8]]| row.first() == Some(&worker.to_le_bytes());
        let touched = |row: &[[u8; 8]]| row.get(1).map_or(0, |touched| u64::from_le_bytes(*touched));
        let mine = self.rows().find(|row| is(row)).and_then(|row| row.get(HEAD..)).unwrap_or_default();
        let others = self.rows().filter(|row| !is(row) && touched(row) + FORGOTTEN_AFTER > now);
        let mut words = Vec::with_capacity(self.words.len() + HEAD + self.targets);
        words.extend_from_slice(&[worker.to_le_bytes(), now.to_le_bytes()]);
        words.extend_from_slice(mine);
        words.resize(HEAD + self.targets, [0; 8]);
        if let Some(count) = words.get_mut(HEAD + slot) {
            let before = u64::from_le_bytes(*count);
            let after = if begins { before.saturating_add(1) } else { before.saturating_sub(1) };
            *count = after.to_le_bytes();
        }
        others.for_each(|row| words.extend_from_slice(row));
        words.into_flattened()
    }

    /// How many requests to the target at `slot` are under way.
    #[must_use]
    pub fn of(self, slot: usize) -> u64 {
        // Not by rows: to cut them takes a division for each target that is asked for.
        let below = if slot < self.targets { self.words.get(HEAD + slot..) } else { None };
        let counts = below.unwrap_or_default().iter().step_by(HEAD + self.targets);
        counts.map(|count| u64::from_le_bytes(*count)).sum()
    }
}

/// What was used of the limits in one minute: read where it stands, as every decision reads all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used<'b> {
    /// Tokens and requests; of nothing where nothing was written in this minute.
    counts: &'b [[[u8; 8]; 2]],
}

impl<'b> Used<'b> {
    /// What was written for a group of so many targets in this minute; nothing yet where it was another.
    #[must_use]
    pub fn read(from: &'b [u8], targets: usize, minute: u64) -> Self {
        let (words, _) = from.as_chunks::<8>();
        let counts = match words.split_first() {
            Some((written, rest)) if *written == minute.to_le_bytes() && rest.len() == 2 * targets => {
                rest.as_chunks::<2>().0
            }
            _ => &[],
        };
        Self { counts }
    }

    /// The same as bytes, with more for the target at `slot`, which is one of the `targets`.
    #[must_use]
    pub fn with(self, targets: usize, minute: u64, slot: usize, tokens: u64, requests: u64) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(8 + 16 * targets);
        bytes.extend_from_slice(&minute.to_le_bytes());
        bytes.extend_from_slice(self.counts.as_flattened().as_flattened());
        bytes.resize(8 + 16 * targets, 0);
        let (before_tokens, before_requests) = self.of(slot);
        let place = 8 + 16 * slot;
        let counts = [before_tokens.saturating_add(tokens), before_requests.saturating_add(requests)];
        if let Some(written) = bytes.get_mut(place..place + 16) {
            written.copy_from_slice(counts.map(u64::to_le_bytes).as_flattened());
        }
        bytes
    }

    /// The tokens and requests of the target at `slot`.
    #[must_use]
    pub fn of(&self, slot: usize) -> (u64, u64) {
        let [tokens, requests] = self.counts.get(slot).copied().unwrap_or_default();
        (u64::from_le_bytes(tokens), u64::from_le_bytes(requests))
    }
}

/// What a latency was measured of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measured {
    /// The first token of a stream.
    FirstToken,
    /// A whole reply, per token of it.
    PerToken,
}

/// The last latencies.
#[derive(Debug, PartialEq, Eq)]
pub struct Latencies {
    /// For each target those of first tokens, then those per token; the newest first; each with its second above its
    /// microseconds.
    samples: Vec<u64>,
    /// The mean of each row, and the second of its oldest sample: a decision looks at every row, and most are young.
    means: Vec<Mean>,
    targets: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mean {
    oldest: u64,
    microseconds: Option<u64>,
}

impl Mean {
    /// Of the samples of a row that are younger than `ttl` seconds.
    fn of(row: &[u64], now: u64, ttl: u64) -> Self {
        let (mut sum, mut count, mut oldest) = (0, 0, u64::MAX);
        let young =
            |sample: &&u64| **sample != 0 && (**sample >> 32).saturating_add(ttl) > (now & 0xffff_ffff);
        for sample in row.iter().filter(young) {
            sum += sample & 0xffff_ffff;
            count += 1;
            oldest = oldest.min(sample >> 32);
        }
        Self { oldest, microseconds: u64::checked_div(sum, count) }
    }
}

impl Latencies {
    /// What was written for a group of so many targets.
    #[must_use]
    pub fn read(from: &[u8], targets: usize) -> Self {
        let mut samples = words(from);
        if samples.len() != targets * 2 * SAMPLES {
            samples = vec![0; targets * 2 * SAMPLES];
        }
        let means = samples.chunks_exact(SAMPLES).map(|row| Mean::of(row, 0, u64::MAX)).collect();
        Self { samples, means, targets }
    }

    /// As bytes.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        bytes(self.samples.iter().copied())
    }

    fn row(&self, slot: usize, of: Measured) -> usize {
        if slot < self.targets { 2 * slot + usize::from(of == Measured::PerToken) } else { usize::MAX }
    }

    /// Adds one of the target at `slot`, in the place of its oldest. `now` is in seconds.
    pub fn add(&mut self, slot: usize, of: Measured, now: u64, microseconds: u64) {
        let place = self.row(slot, of);
        if let (Some(row), Some(mean)) =
            (self.samples.chunks_exact_mut(SAMPLES).nth(place), self.means.get_mut(place))
        {
            row.rotate_right(1);
            if let Some(newest) = row.first_mut() {
                *newest = (now << 32) | microseconds.clamp(1, u64::from(u32::MAX));
            }
            *mean = Mean::of(row, 0, u64::MAX);
        }
    }

    /// The mean of the target at `slot`, in microseconds, of what is younger than `ttl` seconds; `None` when there is
    /// nothing.
    #[must_use]
    pub fn of(&self, slot: usize, of: Measured, now: u64, ttl: u64) -> Option<u64> {
        let place = self.row(slot, of);
        let mean = self.means.get(place)?;
        if mean.oldest.saturating_add(ttl) > (now & 0xffff_ffff) {
            return mean.microseconds;
        }
        Mean::of(self.samples.chunks_exact(SAMPLES).nth(place)?, now, ttl).microseconds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_under_way_are_those_of_all_workers() {
        let of = |bytes: &[u8]| [0, 1, 2].map(|slot| Busy::read(bytes, 3).of(slot));
        let change =
            |bytes: &[u8], worker, now, slot, begins| Busy::read(bytes, 3).with(worker, now, slot, begins);
        let bytes = change(&[], 1, 100, 0, true);
        let bytes = change(&bytes, 2, 100, 0, true);
        let bytes = change(&bytes, 2, 100, 2, true);
        assert_eq!(of(&bytes), [2, 0, 1]);
        let bytes = change(&bytes, 2, 101, 0, false);
        let bytes = change(&bytes, 2, 101, 1, false);
        assert_eq!(of(&bytes), [1, 0, 1]);
        // A target that the group doesn't have changes nothing.
        let bytes = change(&bytes, 1, 101, 7, true);
        assert_eq!(of(&bytes), [1, 0, 1]);
        // Worker 1 is gone.
        let bytes = change(&bytes, 2, 1_001, 1, true);
        assert_eq!(of(&bytes), [0, 1, 1]);
        assert_eq!(bytes.len(), 8 * 5);
    }

    #[test]
    fn use_counts_for_one_minute() {
        let bytes = Used::read(&[], 2, 5).with(2, 5, 1, 30, 1);
        let bytes = Used::read(&bytes, 2, 5).with(2, 5, 1, 12, 0);
        let bytes = Used::read(&bytes, 2, 5).with(2, 5, 7, 1, 1);
        assert_eq!((bytes.len(), Used::read(&bytes, 2, 5).of(0)), (40, (0, 0)));
        assert_eq!(Used::read(&bytes, 2, 5).of(1), (42, 1));
        let next = Used::read(&bytes, 2, 6).with(2, 6, 0, 3, 1);
        assert_eq!((Used::read(&next, 2, 6).of(0), Used::read(&next, 2, 6).of(1)), ((3, 1), (0, 0)));
        assert_eq!(Used::read(&bytes, 2, 6).of(1), (0, 0));
        assert_eq!(Used::read(&bytes, 3, 5).of(1), (0, 0));
    }

    #[test]
    fn the_last_ten_latencies_count_while_they_are_young() {
        let mut latencies = Latencies::read(&[], 2);
        assert_eq!(latencies.of(1, Measured::PerToken, 50, 10), None);
        for at in 1..=12 {
            latencies.add(1, Measured::PerToken, at, at * 100);
        }
        latencies.add(1, Measured::FirstToken, 12, 7);
        let latencies = Latencies::read(&latencies.write(), 2);
        assert_eq!(latencies.of(1, Measured::PerToken, 12, 100), Some(750));
        assert_eq!(latencies.of(1, Measured::PerToken, 12, 1), Some(1200));
        assert_eq!(latencies.of(1, Measured::PerToken, 22, 10), None);
        assert_eq!(latencies.of(1, Measured::FirstToken, 12, 1), Some(7));
        assert_eq!(latencies.of(0, Measured::FirstToken, 12, 1), None);
        assert_eq!(latencies.of(9, Measured::FirstToken, 12, 1), None);
    }
}
