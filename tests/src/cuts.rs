//! Ways to cut a byte stream. A network cuts anywhere, so a decoder must not care.

/// Bodies up to this many bytes are cut in two at every place; longer ones at a seeded sample of places.
pub const EVERY_CUT: usize = 3 * 1024;

/// A small seeded generator (xorshift): the same cuts in every run.
#[derive(Debug)]
pub struct Seeded(u64);

impl Seeded {
    /// A generator; `seed` must not be zero.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `bound`, or 0 when `bound` is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap_or(0).checked_rem(bound).unwrap_or(0)
    }
}

/// Every chunking of `body` that is tried: whole, byte by byte, in two, and at random. Each has a name for the report.
pub fn chunkings(body: &[u8]) -> Vec<(String, Vec<&[u8]>)> {
    let mut all =
        vec![("whole".to_owned(), vec![body]), ("byte by byte".to_owned(), body.chunks(1).collect())];
    let mut seeded = Seeded::new(0x9E37_79B9_7F4A_7C15);
    let places: Vec<usize> = if body.len() <= EVERY_CUT {
        (1..body.len()).collect()
    } else {
        (0..64).map(|_| seeded.below(body.len())).collect()
    };
    for at in places {
        let (head, tail) = body.split_at(at);
        all.push((format!("cut at {at}"), vec![head, tail]));
    }
    for round in 0..8 {
        let longest = [3, 7, 16, 64, 200, 700, 1500, 4000][round];
        let (mut pieces, mut rest) = (Vec::new(), body);
        while !rest.is_empty() {
            let (head, tail) = rest.split_at((1 + seeded.below(longest)).min(rest.len()));
            pieces.push(head);
            rest = tail;
        }
        all.push((format!("random pieces of up to {longest}"), pieces));
    }
    all
}
