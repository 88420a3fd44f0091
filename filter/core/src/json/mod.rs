//! JSON as text: read in one pass without copying, written by splicing.
//!
//! A provider's string token is the same token in every other provider's JSON, so a string is kept as it was spelled
//! ([`Str`]) and any other value as its own text ([`Json`]). Only who needs the meaning decodes it.
//! The cursor validates while it reads: syntax, nesting depth and paired surrogates, so that what is spliced out is
//! valid JSON again. It knows no vendor and no field name.

mod cursor;
mod lanes;
mod notes;
mod numbers;
mod out;
pub mod splice;

pub use cursor::{Cursor, MAX_DEPTH};
pub(crate) use lanes::quotes;
pub use notes::{Long, Notes, Words};
pub use out::{Out, escape, escaped};

use std::borrow::Cow;
use std::fmt;

/// Why a text is not the JSON that was expected, and where (byte offset).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// Byte offset into the text.
    pub at: usize,
    /// What was wrong, as the end of the sentence "invalid JSON: ...".
    pub what: &'static str,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.what, self.at)
    }
}

/// A string token: the text between the quotes, escapes as they were spelled.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Str<'a> {
    raw: &'a str,
    escaped: bool,
}

impl<'a> Str<'a> {
    /// A token for text that needs no escape. Text that does is a caller's mistake: use [`escape`].
    #[must_use]
    pub const fn literal(raw: &'a str) -> Self {
        Self { raw, escaped: false }
    }

    /// The token whose spelling between the quotes is `raw`, made by [`escape`] or taken from valid JSON.
    #[must_use]
    pub const fn spelled(raw: &'a str) -> Self {
        Self { raw, escaped: true }
    }

    /// The spelling between the quotes.
    #[must_use]
    pub const fn raw(self) -> &'a str {
        self.raw
    }

    /// Where the spelling begins within `text`, in bytes; `None` when it isn't a part of it.
    #[must_use]
    pub fn offset_in(self, text: &str) -> Option<usize> {
        let at = (self.raw.as_ptr() as usize).checked_sub(text.as_ptr() as usize)?;
        (at + self.raw.len() <= text.len()).then_some(at)
    }

    /// No characters at all.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.raw.is_empty()
    }

    /// The meaning: borrowed when the spelling has no escape.
    #[must_use]
    #[inline]
    pub fn plain(self) -> Cow<'a, str> {
        if !self.escaped || !self.raw.contains('\\') {
            return Cow::Borrowed(self.raw);
        }
        Cow::Owned(unescape(self.raw))
    }

    /// Whether it means white space only, or nothing. Tells by the first character that is none: texts may be long.
    #[must_use]
    pub fn is_blank(self) -> bool {
        let mut rest = self.raw.trim_start();
        while let Some(tail) = rest.strip_prefix('\\') {
            let escape = if tail.starts_with('u') { 6 } else { 2 };
            let Some((character, behind)) = rest.split_at_checked(escape) else { return false };
            if !Self::spelled(character).plain().trim().is_empty() {
                return false;
            }
            rest = behind.trim_start();
        }
        rest.is_empty()
    }

    /// Whether the meaning equals `text`.
    #[must_use]
    pub fn is(self, text: &str) -> bool {
        // A spelling is never shorter than its meaning.
        self.raw.len() >= text.len() && if self.escaped { self.plain() == text } else { self.raw == text }
    }
}

impl fmt::Debug for Str<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.raw)
    }
}

/// A value kept as its own text, without surrounding white space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Json<'a>(&'a str);

impl<'a> Json<'a> {
    /// The value whose text is `text`; the caller vouches that it is one valid JSON value.
    #[must_use]
    pub const fn trusted(text: &'a str) -> Self {
        Self(text)
    }

    /// The text.
    #[must_use]
    pub const fn text(self) -> &'a str {
        self.0
    }

    /// What kind of value this is.
    #[must_use]
    pub fn kind(self) -> Kind {
        Kind::of(self.0.as_bytes().first().copied())
    }

    /// Reads the value as `T`; `None` when it is something else.
    #[must_use]
    pub fn read<T: FromJson<'a>>(self) -> Option<T> {
        let mut cursor = Cursor::new(self.0);
        T::from_json(&mut cursor).ok()
    }

    /// Reads the value as `T`, with the reason when it is something else.
    ///
    /// # Errors
    /// When the value is not a `T`; offsets are relative to this value.
    pub fn parse<T: FromJson<'a>>(self) -> Result<T, Invalid> {
        let mut cursor = Cursor::new(self.0);
        T::from_json(&mut cursor)
    }

    /// Whether the value is `null`.
    #[must_use]
    pub fn is_null(self) -> bool {
        self.0 == "null"
    }

    /// The value as a boolean.
    #[must_use]
    pub fn as_bool(self) -> Option<bool> {
        match self.0 {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }

    /// The value as a whole number.
    #[must_use]
    pub fn as_u64(self) -> Option<u64> {
        self.read()
    }

    /// The value as a number. Only for comparisons: what is passed on is spliced as text.
    #[must_use]
    pub fn as_f64(self) -> Option<f64> {
        (self.kind() == Kind::Number).then(|| self.0.parse().ok()).flatten()
    }

    /// The value as a string token. It is known to be one value: what a quote begins, the last quote ends.
    #[must_use]
    pub fn as_str(self) -> Option<Str<'a>> {
        self.0.strip_prefix('"')?.strip_suffix('"').map(Str::spelled)
    }

    /// The fields of an object, in order; empty when it is something else.
    #[must_use]
    pub fn fields(self) -> Vec<(Str<'a>, Json<'a>)> {
        let mut fields = Vec::new();
        let mut cursor = Cursor::new(self.0);
        let read = cursor.object(|key, value| {
            fields.push((key, value.json()?));
            Ok(())
        });
        if read.is_err() { Vec::new() } else { fields }
    }

    /// The field `name` of an object.
    #[must_use]
    pub fn field(self, name: &str) -> Option<Json<'a>> {
        self.fields().into_iter().find(|(key, _)| key.is(name)).map(|(_, value)| value)
    }

    /// The items of an array; empty when it is something else.
    #[must_use]
    pub fn items(self) -> Vec<Json<'a>> {
        self.read().unwrap_or_default()
    }
}

/// The kinds of JSON value, told by their first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `{...}`
    Object,
    /// `[...]`
    Array,
    /// `"..."`
    String,
    /// `-1.5e3`
    Number,
    /// `true` or `false`
    Bool,
    /// `null`
    Null,
    /// The text ends here.
    End,
    /// A byte that starts no value.
    Other,
}

impl Kind {
    #[inline(always)]
    pub(crate) fn of(byte: Option<u8>) -> Self {
        match byte {
            Some(b'{') => Self::Object,
            Some(b'[') => Self::Array,
            Some(b'"') => Self::String,
            Some(b'-' | b'0'..=b'9') => Self::Number,
            Some(b't' | b'f') => Self::Bool,
            Some(b'n') => Self::Null,
            None => Self::End,
            Some(_) => Self::Other,
        }
    }
}

/// What can be read from a [`Cursor`].
pub trait FromJson<'a>: Sized {
    /// Reads one value and leaves the cursor behind it.
    ///
    /// # Errors
    /// When the next value is not a `Self`.
    fn from_json(cursor: &mut Cursor<'a>) -> Result<Self, Invalid>;
}

fn unescape(raw: &str) -> String {
    let mut text = String::with_capacity(raw.len());
    let mut pieces = raw.split('\\');
    text.push_str(pieces.next().unwrap_or_default());
    let mut high = None;
    while let Some(piece) = pieces.next() {
        let mut chars = piece.chars();
        match chars.next() {
            // An escaped backslash: the split has cut between the two of them.
            None => {
                text.push('\\');
                text.push_str(pieces.next().unwrap_or_default());
                continue;
            }
            Some('b') => text.push('\u{8}'),
            Some('f') => text.push('\u{c}'),
            Some('n') => text.push('\n'),
            Some('r') => text.push('\r'),
            Some('t') => text.push('\t'),
            Some('u') => {
                let unit = u32::from_str_radix(piece.get(1..5).unwrap_or_default(), 16).unwrap_or(0xFFFD);
                match (high.take(), unit) {
                    (_, 0xD800..=0xDBFF) => high = Some(unit),
                    (Some(first), 0xDC00..=0xDFFF) => {
                        let point = 0x10000 + ((first - 0xD800) << 10) + (unit - 0xDC00);
                        text.push(char::from_u32(point).unwrap_or(char::REPLACEMENT_CHARACTER));
                    }
                    _ => text.push(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER)),
                }
                text.push_str(piece.get(5..).unwrap_or_default());
                continue;
            }
            Some(other) => text.push(other),
        }
        text.push_str(chars.as_str());
    }
    text
}

impl<'a> FromJson<'a> for Str<'a> {
    fn from_json(cursor: &mut Cursor<'a>) -> Result<Self, Invalid> {
        cursor.str()
    }
}

impl<'a> FromJson<'a> for Json<'a> {
    fn from_json(cursor: &mut Cursor<'a>) -> Result<Self, Invalid> {
        cursor.json()
    }
}

impl<'a> FromJson<'a> for bool {
    fn from_json(cursor: &mut Cursor<'a>) -> Result<Self, Invalid> {
        let start = cursor.offset();
        match cursor.json()?.text() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(Invalid { at: start, what: "expected true or false" }),
        }
    }
}

impl<'a> FromJson<'a> for u64 {
    /// A whole number in any legal spelling: `12`, `12.0`, `1.2e1`.
    fn from_json(cursor: &mut Cursor<'a>) -> Result<Self, Invalid> {
        let start = cursor.offset();
        let value = cursor.json()?;
        if let Ok(number) = value.text().parse() {
            return Ok(number);
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        match value.as_f64() {
            Some(number) if number >= 0.0 && number.fract() == 0.0 && number < 9.0e15 => Ok(number as Self),
            _ => Err(Invalid { at: start, what: "expected a whole number" }),
        }
    }
}

impl<'a, T: FromJson<'a>> FromJson<'a> for Option<T> {
    fn from_json(cursor: &mut Cursor<'a>) -> Result<Self, Invalid> {
        if cursor.kind() == Kind::Null {
            cursor.skip()?;
            return Ok(None);
        }
        T::from_json(cursor).map(Some)
    }
}

impl<'a, T: FromJson<'a>> FromJson<'a> for Vec<T> {
    fn from_json(cursor: &mut Cursor<'a>) -> Result<Self, Invalid> {
        let mut items = Self::new();
        cursor.array(|cursor| {
            items.push(T::from_json(cursor)?);
            Ok(())
        })?;
        Ok(items)
    }
}

/// Declares a borrowed view of an object: a struct whose fields are all optional, and its [`FromJson`].
///
/// Unknown keys are skipped, of a repeated key the last one counts, `null` is absent.
///
/// ```
/// use dragoman_core::{json::{Json, Str}, json_view};
/// json_view! {
///     /// A delta.
///     pub struct Delta<'a> { "type" => kind: Str<'a>, "index" => index: u64 }
/// }
/// let delta: Delta<'_> = Json::trusted(r#"{"type":"text","more":[1]}"#).read().unwrap();
/// assert!(delta.kind.unwrap().is("text") && delta.index.is_none());
/// ```
#[macro_export]
macro_rules! json_view {
    ($(#[$meta:meta])* $vis:vis struct $name:ident<$life:lifetime> {
        $($(#[$field_meta:meta])* $key:literal => $field:ident : $type:ty),* $(,)?
    }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default)]
        $vis struct $name<$life> {
            $($(#[$field_meta])* #[doc = concat!("`", $key, "`")] pub $field: Option<$type>,)*
            /// Ties the view to the text it borrows from.
            pub borrowed: std::marker::PhantomData<&$life ()>,
        }
        impl<$life> $crate::json::FromJson<$life> for $name<$life> {
            fn from_json(cursor: &mut $crate::json::Cursor<$life>) -> Result<Self, $crate::json::Invalid> {
                let mut view = Self::default();
                cursor.object(|key, value| {
                    match &*key.plain() {
                        $($key => view.$field = $crate::json::FromJson::from_json(value)?,)*
                        _ => {}
                    }
                    Ok(())
                })?;
                Ok(view)
            }
        }
    };
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
    fn meaning_and_spelling() {
        let token: Str<'_> = whole(r#""a\u00e9\\n\n\"\/\ud83d\ude00\\""#).unwrap().read().unwrap();
        assert_eq!(token.plain(), "a\u{e9}\\n\n\"/\u{1f600}\\");
        let text =
            "quote \" back \\ tab \t nul \u{0} bell \u{7} e \u{e9} smile \u{1f600} and a long tail behind it";
        let spelled = escaped(text);
        assert_eq!(Str::spelled(&spelled).plain(), text);
        assert_eq!(serde_json::from_str::<String>(&format!("\"{spelled}\"")).unwrap(), text);
    }

    #[test]
    fn blanks() {
        for blank in ["", "  ", r"\n\t ", r" \u0020", r"\u00a0"] {
            assert!(Str::spelled(blank).is_blank(), "{blank:?}");
        }
        for said in ["a", " a", r"\n.", r"\u0041", r"\\"] {
            assert!(!Str::spelled(said).is_blank(), "{said:?}");
        }
    }

    #[test]
    fn numbers_in_any_spelling() {
        for text in ["12", "12.0", "1.2e1", "120e-1"] {
            assert_eq!(whole(text).unwrap().as_u64(), Some(12), "{text}");
        }
        for text in ["-1", "1.5", "1e300", "\"1\"", "true"] {
            assert_eq!(whole(text).unwrap().as_u64(), None, "{text}");
        }
    }
}
