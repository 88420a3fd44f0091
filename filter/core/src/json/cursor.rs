//! The reader: one pass over a text, value by value, validating as it goes.

use super::{Invalid, Json, Kind, Str};

/// Deeper nesting than any API's real traffic; a body beyond it is refused rather than followed.
pub const MAX_DEPTH: u32 = 128;

/// Reads a text value by value, validating as it goes.
pub struct Cursor<'a> {
    text: &'a str,
    at: usize,
    depth: u32,
}

impl<'a> Cursor<'a> {
    /// A cursor at the start of `text`.
    #[must_use]
    pub const fn new(text: &'a str) -> Self {
        Self { text, at: 0, depth: 0 }
    }

    fn fail<T>(&self, what: &'static str) -> Result<T, Invalid> {
        Err(Invalid { at: self.at, what })
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.byte() {
            self.at += 1;
        }
    }

    fn slice(&self, from: usize, to: usize) -> Result<&'a str, Invalid> {
        self.text.get(from..to).ok_or(Invalid { at: from, what: "a character cut in two" })
    }

    /// The kind of the next value.
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
        self.enter()?;
        self.space();
        if self.byte() == Some(b'}') {
            self.at += 1;
            self.depth -= 1;
            return Ok(());
        }
        loop {
            self.space();
            if self.byte() != Some(b'"') {
                return self.fail("expected a key in quotes");
            }
            let key = self.str()?;
            self.colon()?;
            let before = self.at;
            visit(key, self)?;
            if self.at == before {
                self.skip()?;
            }
            self.space();
            match self.byte() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    self.depth -= 1;
                    return Ok(());
                }
                None => return self.fail("the text ends inside an object"),
                Some(_) => return self.fail("expected ',' or '}'"),
            }
        }
    }

    /// Visits an array's items in order. The visitor reads each item; one that it leaves unread is skipped.
    ///
    /// # Errors
    /// When the next value is not an array, is malformed, or the visitor says so.
    pub fn array(&mut self, mut visit: impl FnMut(&mut Self) -> Result<(), Invalid>) -> Result<(), Invalid> {
        if self.kind() != Kind::Array {
            return self.fail("expected an array");
        }
        self.enter()?;
        self.space();
        if self.byte() == Some(b']') {
            self.at += 1;
            self.depth -= 1;
            return Ok(());
        }
        loop {
            self.space();
            let before = self.at;
            visit(self)?;
            if self.at == before {
                self.skip()?;
            }
            self.space();
            match self.byte() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    self.depth -= 1;
                    return Ok(());
                }
                None => return self.fail("the text ends inside an array"),
                Some(_) => return self.fail("expected ',' or ']'"),
            }
        }
    }

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
        let mut escaped = false;
        loop {
            self.at = plain_end(self.text.as_bytes(), self.at);
            match self.byte() {
                Some(b'"') => {
                    let raw = self.slice(start, self.at)?;
                    self.at += 1;
                    return Ok(Str { raw, escaped });
                }
                Some(b'\\') => {
                    escaped = true;
                    // The escapes of one letter are nearly all that there are.
                    match self.text.as_bytes().get(self.at + 1) {
                        Some(b'"' | b'\\' | b'n' | b't' | b'r' | b'/') => self.at += 2,
                        _ => self.escape()?,
                    }
                }
                Some(_) => return self.fail("a control character inside a string"),
                None => return self.fail("the text ends inside a string"),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Invalid> {
        self.at += 1;
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
        Ok(())
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

/// The offset of the next byte at or after `at` that ends a run of plain string characters.
#[inline]
pub(super) fn plain_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(lanes) = bytes.get(at..).and_then(<[u8]>::first_chunk::<16>) {
        let ends = special_lanes(lanes);
        if ends != 0 {
            return at + ends.trailing_zeros() as usize;
        }
        at += 16;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1F)).unwrap_or(rest.len())
}

/// A bit for each lane that is a quote, a backslash or a control character.
///
/// Spelled out in vectors, as the compiler makes none of a loop that may stop early: 0.05 ns a byte in V8 instead of 0.24,
/// and every string of every body goes through here.
#[cfg(target_feature = "simd128")]
#[inline]
fn special_lanes(lanes: &[u8; 16]) -> u32 {
    use core::arch::wasm32::{u8x16, u8x16_bitmask, u8x16_eq, u8x16_lt, u8x16_splat, v128_or};
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = *lanes;
    let lanes = u8x16(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p);
    let marks = v128_or(u8x16_eq(lanes, u8x16_splat(b'"')), u8x16_eq(lanes, u8x16_splat(b'\\')));
    u32::from(u8x16_bitmask(v128_or(marks, u8x16_lt(lanes, u8x16_splat(0x20)))))
}

/// A bit for the first lane that is a quote, a backslash or a control character, where there are no vectors.
#[cfg(not(target_feature = "simd128"))]
#[inline]
fn special_lanes(lanes: &[u8; 16]) -> u32 {
    let both = u128::from_le_bytes(*lanes);
    const ONES: u128 = u128::MAX / 255;
    const HIGHS: u128 = ONES * 0x80;
    let quote = both ^ (ONES * b'"' as u128);
    let backslash = both ^ (ONES * b'\\' as u128);
    // A byte is zero where subtracting one borrows into its high bit; above the first such byte, borrows may lie.
    let zero = |bytes: u128| bytes.wrapping_sub(ONES) & !bytes;
    let control = both.wrapping_sub(ONES * 0x20) & !both;
    let found = (zero(quote) | zero(backslash) | control) & HIGHS;
    if found == 0 { 0 } else { 1 << (found.trailing_zeros() / 8) }
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
