//! Words that must not be told, and where they stand in a text. Knows nothing of who tells what.

use std::ops::Range;

/// The longest word, in bytes.
const MAX_WORD: usize = 256;

/// A word to redact: what stands between its stars, ends included.
#[derive(Debug)]
pub(super) struct Word(pub Vec<String>);

impl Word {
    pub fn check(word: &str) -> Result<Self, &'static str> {
        if word.len() > MAX_WORD {
            return Err("redact has a word of more than 256 bytes");
        }
        if word.bytes().all(|byte| byte == b'*' || byte.is_ascii_whitespace()) {
            return Err("redact has a word that would be every word");
        }
        if word.contains('*') && word.bytes().any(ends_run) {
            return Err("redact has a star beside a space or a quote, which no star stands for");
        }
        // Between stars, nothing is no part.
        let mut parts: Vec<String> = Vec::new();
        for part in word.split('*') {
            if parts.len() > 1 && parts.last().is_some_and(String::is_empty) {
                parts.pop();
            }
            parts.push(part.to_owned());
        }
        Ok(Self(parts))
    }
}

/// What no star stands for.
pub(super) const fn ends_run(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b'"')
}

/// The most that a word with stars covers of a text from `from` on.
pub(super) fn within(text: &str, from: usize, parts: &[String]) -> Option<Range<usize>> {
    let (first, rest) = parts.split_first()?;
    let (last, between) = rest.split_last()?;
    let begun = if first.is_empty() { from..from } else { find(text, from, first)? };
    let mut at = begun.end;
    for part in between {
        at = find(text, at, part)?.end;
    }
    if last.is_empty() {
        return Some(begun.start..text.len());
    }
    let mut end = None;
    while let Some(place) = find(text, at, last) {
        (at, end) = (place.end, Some(place.end));
    }
    end.map(|end| begun.start..end)
}

/// The first place of `literal` from `from` on.
#[inline(never)]
pub(super) fn find(text: &str, from: usize, literal: &str) -> Option<Range<usize>> {
    let rest = text.get(from..)?;
    rest.char_indices().find_map(|(at, _)| Some(from + at..reach(text, from + at, literal)?))
}

/// Where `literal` ends that begins at `at`, if it does; the case of a to z doesn't count.
fn reach(text: &str, mut at: usize, literal: &str) -> Option<usize> {
    for wanted in literal.chars() {
        let rest = text.get(at..)?;
        let (found, size) = match spelled(rest) {
            Some(found) => (found, 6),
            None => rest.chars().next().map(|found| (found, found.len_utf8()))?,
        };
        if !found.eq_ignore_ascii_case(&wanted) {
            return None;
        }
        at += size;
    }
    Some(at)
}

/// The character that a text begins with in JSON's spelling: arguments of calls are JSON within a string.
fn spelled(text: &str) -> Option<char> {
    let code = text.strip_prefix("\\u")?.get(..4)?;
    char::from_u32(u32::from_str_radix(code, 16).ok()?)
}
