//! A request body, read once and remembered: its text, where its fields and long strings stand, and which telling words
//! are in it.
//!
//! The gateway reads a body to name its route; the attempt needs the same reading again, in another callback. Offsets
//! outlive borrows, so the second reading costs nothing, and reading the messages below steps over their texts.

use std::ops::Range;

use super::request::{not_utf8, top_level};
use crate::error::Error;
use crate::json::{Json, Long, Notes, Out, Str, Words};

/// A word that, where a body has it, some language must look closer: as a key or a whole string, at any depth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Word {
    /// Cache marks.
    CacheControl,
    /// Reasoning, sent back.
    ReasoningContent,
    /// Reasoning with signatures, sent back.
    ThinkingBlocks,
    /// What LiteLLM's gateway and this one add to answers.
    ProviderSpecificFields,
    /// Summaries in the place of older messages.
    CompactionBlocks,
    /// The newer name of instructions.
    Developer,
    /// Schemas to be followed to the letter.
    Strict,
    /// Uploaded files.
    FileId,
    /// Results of tools that failed, marked so.
    IsError,
    /// Custom tools, and calls of them.
    Custom,
}

/// In the enum's order.
pub(super) const WORDS: Words = Words::of(&[
    "cache_control",
    "reasoning_content",
    "thinking_blocks",
    "provider_specific_fields",
    "compaction_blocks",
    "developer",
    "strict",
    "file_id",
    "is_error",
    "custom",
]);

/// What one pass over a request tells beside its fields.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    pub(super) text: &'a str,
    pub(super) found: u32,
    pub(super) long: &'a [Long],
}

/// A body that is known to be one JSON object without repeated keys.
#[derive(Debug)]
pub struct Body {
    text: String,
    fields: Vec<Field>,
    notes: Notes,
}

#[derive(Debug)]
struct Field {
    key: Range<usize>,
    value: Range<usize>,
}

impl Body {
    /// Reads a body.
    ///
    /// # Errors
    /// A client error when it is not one JSON object in UTF-8 or repeats a key.
    pub fn read(bytes: Vec<u8>) -> Result<Self, Error> {
        let text = String::from_utf8(bytes).map_err(|error| not_utf8(error.utf8_error()))?;
        let base = text.as_ptr().addr();
        let place = |part: &str| {
            let start = part.as_ptr().addr().saturating_sub(base);
            start..start + part.len()
        };
        let (fields, notes) = top_level(&text)?;
        let fields = fields
            .into_iter()
            .map(|(key, value)| Field { key: place(key.raw()), value: place(value.text()) })
            .collect();
        Ok(Self { text, fields, notes })
    }

    /// The fields, in order.
    #[must_use]
    pub fn fields(&self) -> Vec<(Str<'_>, Json<'_>)> {
        let part = |range: &Range<usize>| self.text.get(range.clone()).unwrap_or_default();
        let field = |field: &Field| (Str::spelled(part(&field.key)), Json::trusted(part(&field.value)));
        self.fields.iter().map(field).collect()
    }

    /// What the pass over it told beside its fields.
    #[must_use]
    pub fn reading(&self) -> Reading<'_> {
        Reading { text: &self.text, found: self.notes.found, long: &self.notes.long }
    }

    /// Whether `word` stands in it. What is spelled with escapes is not found.
    #[must_use]
    pub const fn says(&self, word: Word) -> bool {
        self.notes.found >> word as u8 & 1 == 1
    }

    /// The spellings of its long strings, in order: what most of a large body is.
    pub fn long_strings(&self) -> impl Iterator<Item = &str> {
        self.notes.long.iter().filter_map(|long| self.text.get(long.range()))
    }

    /// The field `name`.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<Json<'_>> {
        self.fields().into_iter().find(|(key, _)| key.is(name)).map(|(_, value)| value)
    }

    /// The same body, asking for another model.
    ///
    /// # Errors
    /// Those of [`Self::read`].
    pub fn asking_for(&self, model: &str) -> Result<Self, Error> {
        let mut text = Vec::with_capacity(self.text.len() + model.len());
        text.open(b'{');
        for (key, value) in self.fields() {
            if key.is("model") {
                text.field_text("model", model);
            } else {
                text.token(key);
                text.push(b':');
                text.raw(value.text());
            }
        }
        text.close(b'}');
        Self::read(text)
    }

    /// Its text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its size in bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.text.len()
    }

    /// Never: an empty body is no JSON object.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.text.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_reading_is_the_first() {
        let text = " {\"model\" : \"m\", \"a\\u0062\":[1, {\"x\":2}] ,\"\":null}";
        let body = Body::read(text.as_bytes().to_vec()).unwrap();
        let again: Vec<_> =
            body.fields().iter().map(|(k, v)| (k.plain().into_owned(), v.text().to_owned())).collect();
        let first = top_level(text).unwrap().0;
        let first: Vec<_> =
            first.iter().map(|(k, v)| (k.plain().into_owned(), v.text().to_owned())).collect();
        assert_eq!(again, first);
        assert_eq!(body.field("ab").unwrap().text(), "[1, {\"x\":2}]");
        let other = body.asking_for("n\"").unwrap();
        assert_eq!(other.text(), "{\"model\":\"n\\\"\",\"a\\u0062\":[1, {\"x\":2}],\"\":null}");
    }
}
