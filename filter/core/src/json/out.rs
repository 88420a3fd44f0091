//! The writer: JSON spliced into a byte buffer.

use super::lanes::plain_end;
use super::{Json, Str, splice};

/// Writes JSON into a byte buffer. Commas put themselves: before a key or value unless it is the first.
pub trait Out {
    /// Opens an object or array as the next value.
    fn open(&mut self, bracket: u8);
    /// Closes it.
    fn close(&mut self, bracket: u8);
    /// Writes a key that needs no escape.
    fn key(&mut self, key: &str);
    /// Writes a value as its own text.
    fn raw(&mut self, text: &str);
    /// Writes a string token as it was spelled.
    fn token(&mut self, token: Str<'_>);
    /// Writes text as a string, escaped.
    fn text(&mut self, text: &str);
    /// Writes a whole number.
    fn number(&mut self, number: u64);

    /// Writes a field whose value is a text of its own.
    fn field(&mut self, key: &str, value: Json<'_>) {
        self.key(key);
        self.raw(value.text());
    }
    /// Writes a field whose value is a string token.
    fn field_token(&mut self, key: &str, token: Str<'_>) {
        self.key(key);
        self.token(token);
    }
    /// Writes a field whose value is text to be escaped.
    fn field_text(&mut self, key: &str, text: &str) {
        self.key(key);
        self.text(text);
    }
    /// Writes a field whose value is a whole number.
    fn field_number(&mut self, key: &str, number: u64) {
        self.key(key);
        self.number(number);
    }
}

fn comma(out: &mut Vec<u8>) {
    if !matches!(out.last(), None | Some(b'{' | b'[' | b':')) {
        out.push(b',');
    }
}

impl Out for Vec<u8> {
    fn open(&mut self, bracket: u8) {
        comma(self);
        self.push(bracket);
    }

    fn close(&mut self, bracket: u8) {
        self.push(bracket);
    }

    fn key(&mut self, key: &str) {
        comma(self);
        self.push(b'"');
        self.extend_from_slice(key.as_bytes());
        self.extend_from_slice(b"\":");
    }

    fn raw(&mut self, text: &str) {
        comma(self);
        if !splice::marked(text, self) {
            self.extend_from_slice(text.as_bytes());
        }
    }

    fn token(&mut self, token: Str<'_>) {
        comma(self);
        self.push(b'"');
        if !splice::marked(token.raw(), self) {
            self.extend_from_slice(token.raw().as_bytes());
        }
        self.push(b'"');
    }

    fn text(&mut self, text: &str) {
        comma(self);
        self.push(b'"');
        escape(text, self);
        self.push(b'"');
    }

    fn number(&mut self, number: u64) {
        comma(self);
        self.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    }
}

/// Appends `text`, escaped for the inside of a JSON string.
pub fn escape(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let end = plain_end(bytes, at);
        out.extend_from_slice(bytes.get(at..end).unwrap_or_default());
        let Some(byte) = bytes.get(end) else { return };
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            control => {
                out.extend_from_slice(b"\\u00");
                out.extend(HEX.get(usize::from(control >> 4)));
                out.extend(HEX.get(usize::from(control & 15)));
            }
        }
        at = end + 1;
    }
}

/// `text` as the spelling between a token's quotes.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len() + 8);
    escape(text, &mut out);
    String::from_utf8(out).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comma_behind_a_value_that_ends_like_an_opening_is_still_put() {
        let mut out = Vec::new();
        out.open(b'{');
        out.field_text("a", "{");
        out.field_text("b", "[:");
        out.key("c");
        out.open(b'[');
        out.number(1);
        out.token(Str::literal("x"));
        out.close(b']');
        out.close(b'}');
        assert_eq!(String::from_utf8(out).unwrap(), r#"{"a":"{","b":"[:","c":[1,"x"]}"#);
    }
}
