//! Sixteen bytes at a time: which of them mean something inside a JSON string, or in a list of numbers.
//!
//! Every string of every body goes through here. Spelled out in vectors, as the compiler makes none of a loop that may
//! stop early: 0.05 ns a byte in V8 instead of 0.24.

/// How many bytes are looked at at once.
const LANES: usize = 16;
/// How many a [`Block`] has.
pub(super) const BLOCK: usize = 4 * LANES;

/// A bit for each of the bytes at `at` that is a quote, a backslash or a control character, and how many bytes were looked
/// at: four vectors of a long text, one of a short one.
#[inline]
pub(super) fn marks(bytes: &[u8], at: usize) -> (u64, usize) {
    bits(bytes, at, special)
}

/// The places of all quotes, in order, escaped ones too.
pub(crate) fn quotes(bytes: &[u8]) -> impl Iterator<Item = usize> {
    let (mut base, mut next, mut found) = (0, 0, 0_u64);
    std::iter::from_fn(move || {
        while found == 0 {
            if next >= bytes.len() {
                return None;
            }
            base = next;
            let width;
            (found, width) = bits(bytes, base, |lanes| equal(lanes, b'"'));
            next += width;
        }
        let place = base + found.trailing_zeros() as usize;
        found &= found - 1;
        Some(place)
    })
}

/// Four vectors, and which of their bytes are what: a bit each.
pub(super) struct Block<'a>(&'a [[u8; LANES]; 4]);

impl<'a> Block<'a> {
    /// The bytes at `at`, if there are that many.
    #[inline]
    pub(super) fn at(bytes: &'a [u8], at: usize) -> Option<Self> {
        let chunk = bytes.get(at..)?.first_chunk::<BLOCK>()?;
        chunk.as_chunks().0.first_chunk().map(Self)
    }

    /// Those that are `byte`.
    #[inline]
    pub(super) fn equal(&self, byte: u8) -> u64 {
        self.each(|lanes| equal(lanes, byte))
    }

    /// Those that are digits.
    #[inline]
    pub(super) fn digits(&self) -> u64 {
        self.each(digit)
    }

    #[inline]
    fn each(&self, one: impl Fn(&[u8; LANES]) -> u64) -> u64 {
        let [a, b, c, d] = self.0;
        one(a) | one(b) << 16 | one(c) << 32 | one(d) << 48
    }
}

/// A bit for each of the bytes at `at` that `one` tells of, and how many were looked at.
#[inline]
fn bits(bytes: &[u8], at: usize, one: impl Fn(&[u8; LANES]) -> u64) -> (u64, usize) {
    match Block::at(bytes, at) {
        Some(block) => (block.each(one), BLOCK),
        None => (one(&filled(bytes.get(at..).unwrap_or_default())), LANES),
    }
}

/// The first bytes of a text's end, filled up with spaces.
fn filled(rest: &[u8]) -> [u8; LANES] {
    rest.first_chunk().copied().unwrap_or_else(|| {
        let mut lanes = [b' '; LANES];
        lanes.iter_mut().zip(rest).for_each(|(lane, byte)| *lane = *byte);
        lanes
    })
}

/// A bit for each lane that is one.
#[cfg(target_feature = "simd128")]
#[inline]
fn special(lanes: &[u8; LANES]) -> u64 {
    use core::arch::wasm32::{u8x16_bitmask, u8x16_eq, u8x16_lt, u8x16_splat, v128_or};
    let lanes = vector(lanes);
    let marks = v128_or(u8x16_eq(lanes, u8x16_splat(b'"')), u8x16_eq(lanes, u8x16_splat(b'\\')));
    u64::from(u8x16_bitmask(v128_or(marks, u8x16_lt(lanes, u8x16_splat(0x20)))))
}

/// A bit for each lane that is `byte`.
#[cfg(target_feature = "simd128")]
#[inline]
fn equal(lanes: &[u8; LANES], byte: u8) -> u64 {
    use core::arch::wasm32::{u8x16_bitmask, u8x16_eq, u8x16_splat};
    u64::from(u8x16_bitmask(u8x16_eq(vector(lanes), u8x16_splat(byte))))
}

/// A bit for each lane that is a digit.
#[cfg(target_feature = "simd128")]
#[inline]
fn digit(lanes: &[u8; LANES]) -> u64 {
    use core::arch::wasm32::{u8x16_bitmask, u8x16_lt, u8x16_splat, u8x16_sub};
    u64::from(u8x16_bitmask(u8x16_lt(u8x16_sub(vector(lanes), u8x16_splat(b'0')), u8x16_splat(10))))
}

/// Two halves of a vector are one load whatever the compiler optimises for; sixteen lanes are sixteen loads under
/// `opt-level = "s"`.
#[cfg(target_feature = "simd128")]
#[inline]
fn vector(lanes: &[u8; LANES]) -> core::arch::wasm32::v128 {
    let both = u128::from_le_bytes(*lanes);
    #[allow(clippy::cast_possible_truncation)]
    core::arch::wasm32::u64x2(both as u64, (both >> 64) as u64)
}

/// The same where there are no vectors to spell out: a loop without an early end, which the compiler may make some of.
#[cfg(not(target_feature = "simd128"))]
#[inline]
fn special(lanes: &[u8; LANES]) -> u64 {
    let marks = lanes.map(|byte| u64::from(matches!(byte, b'"' | b'\\' | 0..=0x1F)));
    marks.iter().rev().fold(0, |all, mark| all << 1 | mark)
}

/// The same for one byte.
#[cfg(not(target_feature = "simd128"))]
#[inline]
fn equal(lanes: &[u8; LANES], byte: u8) -> u64 {
    lanes.iter().rev().fold(0, |all, lane| all << 1 | u64::from(*lane == byte))
}

/// The same for digits.
#[cfg(not(target_feature = "simd128"))]
#[inline]
fn digit(lanes: &[u8; LANES]) -> u64 {
    lanes.iter().rev().fold(0, |all, byte| all << 1 | u64::from(byte.is_ascii_digit()))
}

/// The offset of the next byte at or after `at` that ends a run of plain string characters.
#[inline]
pub(super) fn plain_end(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() {
        let (marks, width) = marks(bytes, at);
        if marks != 0 {
            return at + marks.trailing_zeros() as usize;
        }
        at += width;
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_special_byte_has_its_bit() {
        for byte in 0..=u8::MAX {
            for lane in 0..LANES {
                let mut lanes = [b'a'; LANES];
                lanes[lane] = byte;
                let special_byte = byte < 0x20 || byte == b'"' || byte == b'\\';
                assert_eq!(marks(&lanes, 0), (u64::from(special_byte) << lane, LANES), "{byte} at {lane}");
            }
        }
        assert_eq!(marks(b"ab\"", 1), (0b10, LANES));
        for at in 0..64 {
            let mut text = [b'a'; 64];
            text[at] = b'"';
            assert_eq!(marks(&text, 0), (1 << at, 64));
        }
    }

    #[test]
    fn all_quotes_are_found() {
        for length in 0..150 {
            let text: Vec<u8> = (0..length).map(|at| if at * at % 7 == 2 { b'"' } else { b'\\' }).collect();
            let wanted: Vec<usize> = (0..length).filter(|at| at * at % 7 == 2).collect();
            assert_eq!(quotes(&text).collect::<Vec<_>>(), wanted);
        }
    }

    #[test]
    fn the_end_of_a_plain_run_is_found_at_any_place() {
        for length in 0..70 {
            for special in [b'"', b'\\', b'\n', 0, 0x1F] {
                let mut text = "\u{e9}\u{7f}a ".repeat(20).into_bytes();
                text.truncate(length);
                text.push(special);
                text.extend_from_slice(b"\"tail\\");
                for from in 0..length {
                    assert_eq!(plain_end(&text, from), length, "{special} at {length} from {from}");
                }
            }
        }
    }
}
