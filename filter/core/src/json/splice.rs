//! Long strings that go on as they are, without a copy: where the writer meets one of the text that is being rewritten, it
//! leaves a mark, and whoever sends what was written takes the string from that text.
//!
//! Without it an image of 800 KB made the module's memory grow by 2.9 times its size.

use std::cell::Cell;
use std::ops::Range;

/// A string must have so many bytes to be worth a host call of its own.
pub const LONG: usize = 16 << 10;
/// What a mark begins with: no JSON holds one.
const MARK: u8 = 0;
/// The mark, and two numbers of eight digits.
const WIDTH: usize = 17;

thread_local! {
    /// Where the text that is being rewritten stands in memory, and how long it is.
    static SOURCE: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
    /// Whether something of it is marked in what is being written.
    static MARKED: Cell<bool> = const { Cell::new(false) };
    static LEAST: Cell<usize> = const { Cell::new(LONG) };
}

/// From how many bytes on a string is marked, in this thread: for tests, which want all of them.
pub fn mark_from(bytes: usize) {
    LEAST.set(bytes);
}

/// How many bytes of a string of so many are not copied.
pub(crate) fn saved(len: usize) -> usize {
    if len >= LEAST.get() { len } else { 0 }
}

/// While `write` runs, long strings of `source` are marked in what it writes. Also says whether there were any.
pub(crate) fn splicing<T>(source: &str, write: impl FnOnce() -> T) -> (T, bool) {
    SOURCE.set((source.as_ptr().addr(), source.len()));
    let written = write();
    SOURCE.set((0, 0));
    (written, MARKED.take())
}

/// Leaves a mark in the place of `text`, if it is long and of the text that is being rewritten.
#[inline(always)]
pub(super) fn marked(text: &str, out: &mut Vec<u8>) -> bool {
    text.len() >= LEAST.get() && mark(text, out)
}

#[inline(never)]
fn mark(text: &str, out: &mut Vec<u8>) -> bool {
    let (base, len) = SOURCE.get();
    let start = text.as_ptr().addr().wrapping_sub(base);
    let within = !text.is_empty() && start.checked_add(text.len()).is_some_and(|end| end <= len);
    if within {
        MARKED.set(true);
        out.push(MARK);
        out.extend_from_slice(format!("{start:08x}{:08x}", text.len()).as_bytes());
    }
    within
}

/// What was written while `source` was spliced, in pieces: its own bytes, and strings of `source`.
pub fn pieces<'a>(written: &'a [u8], source: &'a str) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    let mut rest = written;
    while let Some(at) = memchr::memchr(MARK, rest) {
        let (before, from) = rest.split_at(at);
        let Some((mark, behind)) = from.split_at_checked(WIDTH) else { break };
        pieces.push(before);
        pieces.push(range(mark).and_then(|range| source.as_bytes().get(range)).unwrap_or_default());
        rest = behind;
    }
    pieces.push(rest);
    pieces
}

fn range(mark: &[u8]) -> Option<Range<usize>> {
    let number =
        |digits: Range<usize>| usize::from_str_radix(std::str::from_utf8(mark.get(digits)?).ok()?, 16).ok();
    let start = number(1..9)?;
    Some(start..start.checked_add(number(9..WIDTH)?)?)
}

#[cfg(test)]
mod tests {
    use super::super::{Json, Out, Str};
    use super::*;

    #[test]
    fn what_is_marked_comes_back_in_its_place() {
        let source = format!(r#"{{"a":"{}","b":"short","c":["{}"]}}"#, "x".repeat(LONG), "é".repeat(LONG));
        let json = Json::trusted(&source);
        let write = || {
            let mut out = Vec::new();
            out.open(b'{');
            out.field_token("long", json.field("a").and_then(Json::as_str).unwrap());
            out.field_token("short", json.field("b").and_then(Json::as_str).unwrap());
            out.field("list", json.field("c").unwrap());
            out.field_token("other", Str::literal(&"y".repeat(LONG)));
            out.close(b'}');
            out
        };
        let (out, marked) = splicing(&source, write);
        assert!(marked);
        assert!(out.len() < LONG + 100, "only the string that is nobody's was copied");
        let copied = write();
        assert!(!copied.contains(&MARK), "outside of it nothing is marked");
        assert_eq!(pieces(&out, &source).concat(), copied);
        assert!(!splicing(&source, || ()).1);
    }
}
