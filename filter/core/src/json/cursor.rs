//! The reader: one pass over a text, value by value, validating as it goes.

use super::lanes::marks;
use super::notes::{Long, Notes, Words};
use super::numbers::behind_numbers;
use super::{Invalid, Json, Kind, Str};

/// Deeper nesting than any API's real traffic; a body beyond it is refused rather than followed.
pub const MAX_DEPTH: u32 = 128;

/// Reads a text value by value, validating as it goes.
pub struct Cursor<'a> {
    text: &'a str,
    at: usize,
    depth: u32,
    /// What it notes by the way, where it was asked to.
    notes: Option<Notes>,
    /// Strings whose ends are known, in order, by their places in the text that `base` is the cursor's offset in.
    known: &'a [Long],
    base: usize,
}

impl<'a> Cursor<'a> {
    /// A cursor at the start of `text`.
    #[must_use]
    pub const fn new(text: &'a str) -> Self {
        Self { text, at: 0, depth: 0, notes: None, known: &[], base: 0 }
    }

    /// A cursor at the start of `text` that notes what it passes, and looks out for `words`.
    #[must_use]
    pub const fn noting(text: &'a str, words: Words) -> Self {
        let notes = Notes { words, found: 0, long: Vec::new() };
        Self { text, at: 0, depth: 0, notes: Some(notes), known: &[], base: 0 }
    }

    /// What it has noted.
    #[must_use]
    pub fn noted(self) -> Notes {
        self.notes.unwrap_or_default()
    }

    /// A cursor for a second reading of `text`, which stands at `base` in one that was read before: it steps over the
    /// long strings that were noted then. They are nearly all there is of a large body.
    #[must_use]
    pub fn again(text: &'a str, base: usize, long: &'a [Long]) -> Self {
        let known = long.get(long.partition_point(|one| one.start < base)..).unwrap_or_default();
        Self { text, at: 0, depth: 0, notes: None, known, base }
    }

    fn fail<T>(&self, what: &'static str) -> Result<T, Invalid> {
        Err(Invalid { at: self.at, what })
    }

    #[inline(always)]
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    #[inline(always)]
    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.byte() {
            self.at += 1;
        }
    }

    #[inline(always)]
    fn slice(&self, from: usize, to: usize) -> Result<&'a str, Invalid> {
        self.text.get(from..to).ok_or(Invalid { at: from, what: "a character cut in two" })
    }

    /// The kind of the next value.
    #[inline(always)]
    pub fn kind(&mut self) -> Kind {
        self.space();
        Kind::of(self.byte())
    }

    /// The bytes read so far.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.at
    }

    /// Only white space may follow.
    ///
    /// # Errors
    /// When something else does.
    pub fn finish(&mut self) -> Result<(), Invalid> {
        self.space();
        if self.byte().is_some() { self.fail("characters after the end of the value") } else { Ok(()) }
    }

    #[inline(always)]
    fn enter(&mut self) -> Result<(), Invalid> {
        if self.depth >= MAX_DEPTH {
            return self.fail("nesting deeper than 128 levels");
        }
        self.depth += 1;
        self.at += 1;
        Ok(())
    }

    /// Visits an object's fields in order. The visitor reads each value from the cursor it is given; a value that it
    /// leaves unread is skipped.
    ///
    /// # Errors
    /// When the next value is not an object, is malformed, or the visitor says so.
    pub fn object(
        &mut self,
        mut visit: impl FnMut(Str<'a>, &mut Self) -> Result<(), Invalid>,
    ) -> Result<(), Invalid> {
        if self.kind() != Kind::Object {
            return self.fail("expected an object");
        }
        let mut more = self.open(b'}')?;
        while more {
            let key = self.field()?;
            let before = self.at;
            visit(key, self)?;
            more = self.more(before, b'}')?;
        }
        Ok(())
    }

    /// Visits an array's items in order. The visitor reads each item; one that it leaves unread is skipped.
    ///
    /// # Errors
    /// When the next value is not an array, is malformed, or the visitor says so.
    pub fn array(&mut self, mut visit: impl FnMut(&mut Self) -> Result<(), Invalid>) -> Result<(), Invalid> {
        if self.kind() != Kind::Array {
            return self.fail("expected an array");
        }
        let mut more = self.open(b']')?;
        while more {
            self.space();
            let before = self.at;
            visit(self)?;
            more = self.more(before, b']')?;
        }
        Ok(())
    }

    // What every object and every array does is not repeated in each of the hundred readers of one: they were a tenth of
    // the wasm.

    /// Steps into an object or an array that ends with `closing`: has it anything in it?
    #[inline(never)]
    fn open(&mut self, closing: u8) -> Result<bool, Invalid> {
        self.enter()?;
        self.space();
        if self.byte() == Some(closing) {
            self.at += 1;
            self.depth -= 1;
            return Ok(false);
        }
        Ok(true)
    }

    /// Steps over a key to its value.
    #[inline(never)]
    fn field(&mut self) -> Result<Str<'a>, Invalid> {
        self.space();
        if self.byte() != Some(b'"') {
            return self.fail("expected a key in quotes");
        }
        let key = self.str()?;
        self.colon()?;
        Ok(key)
    }

    /// Steps to the next key or item, past the value that began at `before`: is there one before `closing`?
    #[inline(always)]
    fn more(&mut self, before: usize, closing: u8) -> Result<bool, Invalid> {
        if self.at != before && self.byte() == Some(b',') {
            self.at += 1;
            return Ok(true);
        }
        self.end(before, closing)
    }

    /// The same, where it isn't the comma of a value that was read.
    #[inline(never)]
    fn end(&mut self, before: usize, closing: u8) -> Result<bool, Invalid> {
        if self.at == before {
            self.skip()?;
        }
        self.space();
        match self.byte() {
            Some(b',') => {
                self.at += 1;
                return Ok(true);
            }
            Some(byte) if byte == closing => {}
            None if closing == b'}' => return self.fail("the text ends inside an object"),
            None => return self.fail("the text ends inside an array"),
            Some(_) if closing == b'}' => return self.fail("expected ',' or '}'"),
            Some(_) => return self.fail("expected ',' or ']'"),
        }
        self.at += 1;
        self.depth -= 1;
        Ok(false)
    }

    #[inline(always)]
    fn colon(&mut self) -> Result<(), Invalid> {
        self.space();
        if self.byte() != Some(b':') {
            return self.fail("expected ':'");
        }
        self.at += 1;
        self.space();
        Ok(())
    }

    /// Reads a string token.
    ///
    /// # Errors
    /// When the next value is not a string or has an invalid escape, a control character or a lone surrogate.
    pub fn str(&mut self) -> Result<Str<'a>, Invalid> {
        if self.kind() != Kind::String {
            return self.fail("expected a string");
        }
        self.at += 1;
        let start = self.at;
        if let Some(known) = self.known_at(start) {
            let raw = self.slice(start, start + known.len)?;
            self.at = start + known.len + 1;
            return Ok(Str { raw, escaped: known.escaped });
        }
        let (end, escaped) = self.string_end(start)?;
        let token = Str { raw: self.slice(start, end)?, escaped };
        self.at = end + 1;
        if let Some(notes) = &mut self.notes {
            notes.note(start, token);
        }
        Ok(token)
    }

    /// Where the string that begins at `start` has its closing quote, and whether it has escapes.
    ///
    /// Vector by vector, and within one from mark to mark: going back to the text behind each escape made a body of prose
    /// with its line ends and quotes three times as dear (0.27 ns a byte in V8, instead of 0.09).
    #[inline]
    fn string_end(&mut self, start: usize) -> Result<(usize, bool), Invalid> {
        let bytes = self.text.as_bytes();
        let (mut at, mut escaped) = (start, false);
        while at < bytes.len() {
            let (mut marks, width) = marks(bytes, at);
            let mut next = at + width;
            while marks != 0 {
                let place = at + marks.trailing_zeros() as usize;
                match bytes.get(place..) {
                    Some([b'"', ..]) => return Ok((place, escaped)),
                    // The escapes of one letter are nearly all that there are.
                    Some([b'\\', b'"' | b'\\' | b'n' | b't' | b'r' | b'/', ..]) => {
                        escaped = true;
                        next = next.max(place + 2);
                        // The letter has a mark of its own where it is a quote or a backslash.
                        marks &= marks - 1;
                        marks &= !(2 << (place - at));
                    }
                    Some([b'\\', ..]) => {
                        escaped = true;
                        next = self.escape(place)?;
                        break;
                    }
                    _ => return Err(Invalid { at: place, what: "a control character inside a string" }),
                }
            }
            at = next;
        }
        Err(Invalid { at: bytes.len(), what: "the text ends inside a string" })
    }

    /// The known string that begins at `start`. What the cursor has passed meanwhile is forgotten.
    #[inline]
    fn known_at(&mut self, start: usize) -> Option<Long> {
        let place = self.base + start;
        while let [first, rest @ ..] = self.known {
            if first.start > place {
                return None;
            }
            self.known = rest;
            if first.start == place {
                return Some(*first);
            }
        }
        None
    }

    /// Checks the escape that begins at `at`; where the text goes on behind it.
    #[inline(never)]
    fn escape(&mut self, at: usize) -> Result<usize, Invalid> {
        self.at = at + 1;
        match self.byte() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => match self.hex()? {
                0xD800..=0xDBFF => {
                    let paired = self.byte() == Some(b'\\') && {
                        self.at += 1;
                        self.byte() == Some(b'u') && matches!(self.hex()?, 0xDC00..=0xDFFF)
                    };
                    if !paired {
                        return self.fail("a lone surrogate");
                    }
                }
                0xDC00..=0xDFFF => return self.fail("a lone surrogate"),
                _ => {}
            },
            _ => return self.fail("an unknown escape"),
        }
        Ok(self.at)
    }

    fn hex(&mut self) -> Result<u32, Invalid> {
        let digits = self.text.as_bytes().get(self.at + 1..self.at + 5).unwrap_or_default();
        let mut unit = 0;
        for digit in digits {
            match (*digit as char).to_digit(16) {
                Some(value) => unit = unit << 4 | value,
                None => return self.fail("an unknown escape"),
            }
        }
        if digits.len() != 4 {
            return self.fail("an unknown escape");
        }
        self.at += 5;
        Ok(unit)
    }

    /// Reads any value as its own text.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn json(&mut self) -> Result<Json<'a>, Invalid> {
        self.space();
        let start = self.at;
        self.skip()?;
        Ok(Json::trusted(self.slice(start, self.at)?))
    }

    /// Reads a value with `read` and gives its own text too.
    ///
    /// # Errors
    /// When `read` fails.
    pub fn spanned<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Invalid>,
    ) -> Result<(T, Json<'a>), Invalid> {
        self.space();
        let start = self.at;
        let value = read(self)?;
        Ok((value, Json::trusted(self.slice(start, self.at)?)))
    }

    fn literal(&mut self, word: &'static str) -> Result<(), Invalid> {
        let end = self.at + word.len();
        if self.text.as_bytes().get(self.at..end) != Some(word.as_bytes()) {
            return self.fail("expected a value");
        }
        self.at = end;
        Ok(())
    }

    /// Reads a number that stands in an array, and the numbers that follow it there.
    fn numbers(&mut self) -> Result<(), Invalid> {
        self.number()?;
        if self.byte() == Some(b',') {
            // The last comma is left to who closes values: what follows it may be anything.
            self.at = behind_numbers(self.text.as_bytes(), self.at + 1) - 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), Invalid> {
        if self.byte() == Some(b'-') {
            self.at += 1;
        }
        match self.byte() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits()?,
            _ => return self.fail("expected a digit"),
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.byte() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.byte() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Invalid> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.byte() {
            self.at += 1;
        }
        if self.at == start { self.fail("expected a digit") } else { Ok(()) }
    }

    fn scalar(&mut self) -> Result<(), Invalid> {
        match self.kind() {
            Kind::String => self.str().map(|_| ()),
            Kind::Number => self.number(),
            Kind::Null => self.literal("null"),
            Kind::Bool if self.byte() == Some(b't') => self.literal("true"),
            Kind::Bool => self.literal("false"),
            Kind::End => self.fail("the text ends where a value should be"),
            _ => self.fail("expected a value"),
        }
    }

    /// Skips one value of any kind. A loop, not a recursion: nesting costs a bit, never stack.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn skip(&mut self) -> Result<(), Invalid> {
        let outer = self.depth;
        let mut objects = 0u128;
        loop {
            match self.kind() {
                kind @ (Kind::Object | Kind::Array) => {
                    self.enter()?;
                    objects = objects << 1 | u128::from(kind == Kind::Object);
                    self.space();
                    let close = if kind == Kind::Object { b'}' } else { b']' };
                    if self.byte() != Some(close) {
                        if kind == Kind::Object {
                            self.key()?;
                        }
                        continue;
                    }
                }
                Kind::Number if self.depth > outer && objects & 1 == 0 => self.numbers()?,
                _ => {
                    self.scalar()?;
                    if self.depth == outer {
                        return Ok(());
                    }
                }
            }
            if self.close(&mut objects, outer)? {
                return Ok(());
            }
        }
    }

    /// Behind a value or at a closing bracket: closes what ends here. True when the outermost value has ended.
    fn close(&mut self, objects: &mut u128, outer: u32) -> Result<bool, Invalid> {
        loop {
            self.space();
            let object = *objects & 1 == 1;
            match self.byte() {
                Some(b',') => {
                    self.at += 1;
                    if object {
                        self.key()?;
                    }
                    return Ok(false);
                }
                Some(byte) if byte == (if object { b'}' } else { b']' }) => {
                    self.at += 1;
                    self.depth -= 1;
                    *objects >>= 1;
                    if self.depth == outer {
                        return Ok(true);
                    }
                }
                None => return self.fail("the text ends inside a value"),
                Some(_) => return self.fail("expected ',' or a closing bracket"),
            }
        }
    }

    fn key(&mut self) -> Result<(), Invalid> {
        self.space();
        if self.byte() != Some(b'"') {
            return self.fail("expected a key in quotes");
        }
        self.str()?;
        self.colon()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &str) -> Result<Json<'_>, Invalid> {
        let mut cursor = Cursor::new(text);
        let value = cursor.json()?;
        cursor.finish()?;
        Ok(value)
    }

    #[test]
    fn skip_agrees_with_serde_on_what_is_json() {
        let samples = [
            "",
            " ",
            "{}",
            "[]",
            "[1,2]",
            "[1,]",
            "[,1]",
            "{\"a\":1}",
            "{\"a\":1,}",
            "{\"a\"}",
            "{a:1}",
            "01",
            "[01]",
            "[1,01]",
            "[1, -2.5 ,3]",
            "[1,2,\"a\",{\"b\":1,\"c\":[2,3]},4]",
            "[0.123456789012345678901234567890e-12,1]",
            "[1, ]",
            "[1,-]",
            "[1,2",
            "[1,2}",
            "{\"a\":1,2}",
            "-0",
            "-",
            "1.",
            "1.5e+3",
            "1e",
            "tru",
            "true",
            "nullx",
            "\"a",
            "\"\\x\"",
            "\"\\u00e9\"",
            "\"\\u12\"",
            "\"\t\"",
            "[[[]],{\"a\":[{}]}]",
            "[}",
            "{]",
            "[1 2]",
            "{\"a\":1 \"b\":2}",
            "1 2",
            "\u{feff}1",
            "[\"\\\\\"]",
            "{\"\":{}}",
        ];
        for sample in samples {
            let serde = serde_json::from_str::<serde_json::Value>(sample).is_ok();
            assert_eq!(whole(sample).is_ok(), serde, "{sample:?}");
        }
    }

    #[test]
    fn lone_surrogates_and_depth_are_refused() {
        for text in [r#""\ud800""#, r#""\udc00""#, r#""\ud800x""#, r#""\ud800\n""#, r#""\ud800\ud800""#] {
            assert_eq!(whole(text).unwrap_err().what, "a lone surrogate", "{text}");
        }
        assert!(whole(r#""\ud83d\ude00""#).is_ok());
        let deep = |n: usize| "[".repeat(n) + &"]".repeat(n);
        assert!(whole(&deep(128)).is_ok());
        assert_eq!(whole(&deep(10_000)).unwrap_err().what, "nesting deeper than 128 levels");
    }
}
