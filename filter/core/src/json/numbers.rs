//! Lists of numbers, sixty-four bytes at a time.
//!
//! An answer with embeddings is megabytes of them. Number by number, each has to wait for the end of the one before it:
//! 1.5 ns a byte in V8. Here each byte is judged by what stands before it, all at once, with bits that say which bytes of
//! a block are what: 0.3 ns.

use super::lanes::{BLOCK, Block};

/// The place behind the last comma up to which there is nothing from `at` on but numbers, each with its comma, and white
/// space behind commas; `at` where there is no such comma, or too little text for a block. A number is to begin at `at`, and
/// there is a comma before it.
pub(super) fn behind_numbers(bytes: &[u8], at: usize) -> usize {
    let (mut before, mut behind, mut next) = (Before::COMMA, at, at);
    while let Some(block) = Block::at(bytes, next) {
        let (commas, well) = before.step(&block);
        // What stands before the first byte that is wrong is right.
        let right = commas & !(u64::MAX.checked_shl(well.trailing_ones()).unwrap_or(0));
        if right != 0 {
            behind = next + BLOCK - right.leading_zeros() as usize;
        }
        if well != u64::MAX {
            break;
        }
        next += BLOCK;
    }
    behind
}

/// What one block has to know of the byte before it: a bit, or none.
struct Before {
    /// A number may begin: a comma, or white space behind one.
    between: u64,
    /// The sign of a number.
    sign: u64,
    /// A zero that begins a number: no digit may follow.
    zero: u64,
    digit: u64,
    point: u64,
    e: u64,
    /// The sign of an exponent.
    power: u64,
    /// A digit before the point: they go on.
    whole: bool,
    /// A digit behind the point.
    part: bool,
}

impl Before {
    const COMMA: Self =
        Self { between: 1, sign: 0, zero: 0, digit: 0, point: 0, e: 0, power: 0, whole: false, part: false };

    /// The commas of a block, and which of its bytes may stand behind the one before them.
    ///
    /// The grammar is RFC 8259's: `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?`.
    fn step(&mut self, block: &Block<'_>) -> (u64, u64) {
        let (digits, commas) = (block.digits(), block.equal(b','));
        let (minus, points) = (block.equal(b'-'), block.equal(b'.'));
        let (mut spaces, mut es, mut plus) = (0, 0, 0);
        if digits | commas | minus | points != u64::MAX {
            spaces = [b' ', b'\n', b'\r', b'\t'].iter().fold(0, |all, space| all | block.equal(*space));
            es = block.equal(b'e') | block.equal(b'E');
            plus = block.equal(b'+');
        }
        let behind_between = follow(commas | spaces, &mut self.between);
        let behind_digit = follow(digits, &mut self.digit);
        let behind_e = follow(es, &mut self.e);
        let behind_point = follow(points, &mut self.point);
        let signs = minus & behind_between;
        let powers = (minus | plus) & behind_e;
        let behind_sign = follow(signs, &mut self.sign);
        let behind_power = follow(powers, &mut self.power);
        let first = digits & (behind_between | behind_sign);
        let behind_zero = follow(first & block.equal(b'0'), &mut self.zero);
        let whole_ends = run_ends(digits, first, &mut self.whole);
        let part_ends = run_ends(digits, digits & behind_point, &mut self.part);

        let digit = behind_between | behind_sign | behind_digit | behind_point | behind_e | behind_power;
        let well = digits & digit & !behind_zero
            | commas & behind_digit
            | spaces & behind_between
            | signs
            | powers
            | points & whole_ends
            | es & (whole_ends | part_ends);
        (commas, well)
    }
}

/// The bytes behind those of `bits`; `before` is what the block before says of its last byte.
#[inline]
fn follow(bits: u64, before: &mut u64) -> u64 {
    let behind = bits << 1 | *before;
    *before = bits >> 63;
    behind
}

/// The bytes behind the runs of digits that begin at `first`: one added to a run's first bit goes through it to its end.
/// `on` says that such a run goes on from the block before, or on to the next.
#[inline]
fn run_ends(digits: u64, first: u64, on: &mut bool) -> u64 {
    let (sum, over) = digits.overflowing_add(first);
    let (sum, over_too) = sum.overflowing_add(u64::from(*on));
    *on = over | over_too;
    sum & !digits
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By the book: number, comma, white space, as often as it goes.
    fn slowly(text: &str) -> usize {
        let mut behind = 0;
        while let Some((number, rest)) = text.get(behind..).and_then(|rest| rest.split_once(',')) {
            let number = number.trim_start_matches([' ', '\n', '\r', '\t']);
            let begins = number.starts_with(|first: char| first == '-' || first.is_ascii_digit());
            let ends = number.ends_with(|last: char| last.is_ascii_digit());
            if !begins || !ends || serde_json::from_str::<&serde_json::value::RawValue>(number).is_err() {
                break;
            }
            behind = text.len() - rest.len();
        }
        behind
    }

    #[test]
    fn it_goes_as_far_as_there_are_numbers() {
        let mut seed = 7_u64;
        let mut dice = |sides: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % sides
        };
        let good = "0|-0.5|12|-0.036191612|1e-9|7.25E+12|-3|0.0|1234567890123456789012345|2e5";
        let bad = "|-|01|-01|1.|.5|1.5.2|1e|1e5e5|1e5.2|1.e5|--1|1-2|+1|1 |x|]";
        let list = |text: &'static str| text.split('|').collect::<Vec<_>>();
        let (good, bad) = (list(good), list(bad));
        let gaps = ["", "", "", "", " ", "\n      ", "\r\n\t"];
        let mut furthest = 0;
        for _ in 0..20_000 {
            let mut text = String::new();
            for _ in 0..dice(60) {
                let all = if dice(40) == 0 { &bad } else { &good };
                text += gaps[dice(gaps.len() as u64) as usize];
                text += all[dice(all.len() as u64) as usize];
                text.push(',');
            }
            let end = text.len();
            // Where text is left, there are whole blocks to the end.
            text += &"]".repeat(BLOCK);
            assert_eq!(behind_numbers(text.as_bytes(), 0), slowly(&text), "{text}");
            furthest = furthest.max(if slowly(&text) == end { end } else { 0 });
        }
        assert!(furthest > 5 * BLOCK, "{furthest}");
    }

    #[test]
    fn any_two_bytes_are_judged_as_the_grammar_does() {
        for first in 0..=u8::MAX {
            for second in 0..=u8::MAX {
                let tail = format!("5,{}", "]".repeat(BLOCK));
                let mut text = b"1,".to_vec();
                text.extend([first, second]);
                text.extend(tail.bytes());
                let Ok(text) = String::from_utf8(text) else { continue };
                assert_eq!(behind_numbers(text.as_bytes(), 0), slowly(&text), "{text}");
            }
        }
    }
}
