//! Embeddings: a request as a borrowed view, and the writer of its reply. No vendor's name appears here.
//!
//! Source: <https://platform.openai.com/docs/api-reference/embeddings/create>.
//! OpenAI's own SDKs ask for base64 unless told otherwise, so a vendor that knows only arrays of numbers must still be
//! able to answer in it: the writer converts between the two. Base64 holds the vector as little-endian 32-bit floats.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::body::Body;
use super::request::{missing, not_utf8, required_model, top_level, wrong};
use crate::error::Error;
use crate::json::{Cursor, Json, Kind, Out, Str};
use crate::meter::Usage;

/// The top level of a request body, in the order it was written.
#[derive(Clone, Debug)]
pub struct EmbeddingsRequest<'a> {
    /// Every field, in order, `model` and `input` included.
    pub fields: Vec<(Str<'a>, Json<'a>)>,
    /// The model that the client asked for.
    pub model: Str<'a>,
    /// What is to be embedded, as it was written.
    pub raw_input: Json<'a>,
    /// What is to be embedded.
    pub input: Input<'a>,
    /// Whether the client wants its vectors in base64.
    pub base64: bool,
}

/// What is to be embedded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input<'a> {
    /// One text.
    Text(Str<'a>),
    /// Several texts: a vector each.
    Texts(Vec<Str<'a>>),
    /// One text as tokens of the model's: a JSON array of whole numbers.
    Tokens(Json<'a>),
    /// Several texts as tokens: JSON arrays of whole numbers.
    TokenLists(Vec<Json<'a>>),
    /// Items in a form that OpenAI does not know (`{"image": ...}`), for vendors that do: a JSON array.
    Native(Json<'a>),
}

impl<'a> Input<'a> {
    fn read(raw: Json<'a>) -> Option<Self> {
        if let Some(text) = raw.as_str() {
            return Some(Self::Text(text));
        }
        let items = raw.items();
        let all = |kind: Kind| items.iter().all(|item| item.kind() == kind);
        match items.first()?.kind() {
            Kind::String if all(Kind::String) => raw.read().map(Self::Texts),
            Kind::Number if raw.read::<Vec<u64>>().is_some() => Some(Self::Tokens(raw)),
            Kind::Array
                if items.iter().all(|item| item.read::<Vec<u64>>().is_some_and(|list| !list.is_empty())) =>
            {
                Some(Self::TokenLists(items))
            }
            Kind::Object | Kind::String
                if items.iter().all(|item| matches!(item.kind(), Kind::Object | Kind::String)) =>
            {
                Some(Self::Native(raw))
            }
            _ => None,
        }
    }

    /// How many vectors are asked for.
    #[must_use]
    pub fn count(&self) -> usize {
        match self {
            Self::Text(_) | Self::Tokens(_) => 1,
            Self::Texts(texts) => texts.len(),
            Self::TokenLists(lists) => lists.len(),
            Self::Native(items) => items.items().len(),
        }
    }

    /// The texts; `None` when they are given in another form.
    #[must_use]
    pub fn texts(&self) -> Option<Vec<Str<'a>>> {
        match self {
            Self::Text(text) => Some(vec![*text]),
            Self::Texts(texts) => Some(texts.clone()),
            Self::Tokens(_) | Self::TokenLists(_) | Self::Native(_) => None,
        }
    }
}

impl<'a> EmbeddingsRequest<'a> {
    /// Reads a request from its body.
    ///
    /// # Errors
    /// A client error when `model`, `input`, `encoding_format` or `dimensions` is missing or of the wrong type.
    pub fn of(body: &'a Body) -> Result<Self, Error> {
        Self::from_fields(body.fields())
    }

    /// Reads a request from its text.
    ///
    /// # Errors
    /// As [`EmbeddingsRequest::of`], and when the text is not one JSON object in UTF-8 or repeats a key.
    pub fn parse(body: &'a [u8]) -> Result<Self, Error> {
        Self::from_fields(top_level(std::str::from_utf8(body).map_err(not_utf8)?)?.0)
    }

    fn from_fields(fields: Vec<(Str<'a>, Json<'a>)>) -> Result<Self, Error> {
        let find = |name: &str| fields.iter().find(|(key, _)| key.is(name)).map(|(_, value)| *value);
        let model = required_model(find("model"))?;
        let raw_input = find("input").ok_or_else(|| missing("input"))?;
        let form = "a non-empty string, or an array of strings, of tokens, or of arrays of tokens";
        let input = Input::read(raw_input)
            .filter(|input| !matches!(input, Input::Text(text) if text.is_empty()))
            .ok_or_else(|| wrong("input", form))?;
        let base64 = match find("encoding_format").filter(|value| !value.is_null()) {
            None => false,
            Some(format) => match format.as_str() {
                Some(word) if word.is("float") => false,
                Some(word) if word.is("base64") => true,
                _ => return Err(wrong("encoding_format", "\"float\" or \"base64\"")),
            },
        };
        let request = Self { fields, model, raw_input, input, base64 };
        request.dimensions()?;
        Ok(request)
    }

    /// A field, unless it is absent or `null`.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<Json<'a>> {
        let found = self.fields.iter().find(|(key, _)| key.is(name)).map(|(_, value)| *value);
        found.filter(|value| !value.is_null())
    }

    /// How many numbers a vector shall have.
    ///
    /// # Errors
    /// A client error when it is no whole number above zero.
    pub fn dimensions(&self) -> Result<Option<u64>, Error> {
        self.field("dimensions")
            .map(|value| {
                value
                    .as_u64()
                    .filter(|count| *count > 0)
                    .ok_or_else(|| wrong("dimensions", "a whole number above zero"))
            })
            .transpose()
    }

    /// Who asks, for the vendor's own watch on abuse.
    ///
    /// # Errors
    /// A client error when it is no string.
    pub fn user(&self) -> Result<Option<Str<'a>>, Error> {
        self.field("user").map(|value| value.as_str().ok_or_else(|| wrong("user", "a string"))).transpose()
    }

    /// The fields that OpenAI's API does not define and that are not the gateway's own: they pass to the provider.
    pub fn unknown(&self) -> impl Iterator<Item = (Str<'a>, Json<'a>)> + '_ {
        const KNOWN: &[&str] = &["model", "input", "encoding_format", "dimensions", "user", "metadata"];
        self.fields.iter().copied().filter(|(key, _)| {
            let name = key.plain();
            !KNOWN.contains(&&*name) && !super::params::GATEWAY_ONLY.contains(&&*name)
        })
    }

    /// Sets a field that the client left open.
    pub fn default_param(&mut self, name: &'a str, value: Json<'a>) {
        if self.field(name).is_none() {
            self.fields.retain(|(key, _)| !key.is(name));
            self.fields.push((Str::literal(name), value));
        }
    }

    /// Sets the model that is asked of the provider.
    pub fn set_model(&mut self, model: Str<'a>) {
        self.model = model;
    }

    /// Takes a field out of the request. The form in which the client wants its vectors stays known.
    pub fn remove(&mut self, name: &str) {
        if !matches!(name, "model" | "input") {
            self.fields.retain(|(key, _)| !key.is(name));
        }
    }
}

/// Gathers vectors, in any order, and writes them as OpenAI's list.
#[derive(Debug)]
pub struct EmbeddingWriter {
    model: String,
    base64: bool,
    usage: Option<Usage>,
    /// The vectors, as the client wants them, one behind the other.
    vectors: Vec<u8>,
    /// Where each stands, with its index.
    rows: Vec<(u64, Range<usize>)>,
    verbatim: bool,
}

impl EmbeddingWriter {
    /// A writer for a reply whose provider names no model of its own: `model` is a spelling. `base64` is the client's wish.
    #[must_use]
    pub fn new(model: impl Into<String>, base64: bool) -> Self {
        Self {
            model: model.into(),
            base64,
            usage: None,
            vectors: Vec::new(),
            rows: Vec::new(),
            verbatim: false,
        }
    }

    /// Whether the client wants base64.
    #[must_use]
    pub const fn wants_base64(&self) -> bool {
        self.base64
    }

    /// The model that answered.
    pub fn model(&mut self, model: Str<'_>) {
        if !model.is_empty() {
            model.raw().clone_into(&mut self.model);
        }
    }

    /// The token counts.
    pub const fn usage(&mut self, usage: Usage) {
        self.usage = Some(usage);
    }

    /// The token counts so far.
    #[must_use]
    pub const fn counted(&self) -> Option<Usage> {
        self.usage
    }

    /// The native body is in OpenAI's form and in the client's format already: it is the answer, byte for byte.
    pub const fn verbatim(&mut self) {
        self.verbatim = true;
    }

    /// The vector of the input numbered `index`: an array of numbers, or base64 of little-endian 32-bit floats.
    ///
    /// # Errors
    /// An upstream error when it is neither.
    pub fn vector(&mut self, index: u64, vector: Json<'_>) -> Result<(), Error> {
        let start = self.vectors.len();
        match (vector.as_str(), self.base64) {
            (Some(_), true) => self.vectors.extend_from_slice(vector.text().as_bytes()),
            (Some(token), false) => write_numbers(&token.plain(), &mut self.vectors)?,
            (None, false) if vector.kind() == Kind::Array => {
                self.vectors.extend_from_slice(vector.text().as_bytes());
            }
            (None, true) => write_base64(vector, &mut self.vectors)?,
            (None, false) => return Err(no_vector()),
        }
        self.rows.push((index, start..self.vectors.len()));
        Ok(())
    }

    /// Whether the native body is the answer.
    #[must_use]
    pub const fn passes(&self) -> bool {
        self.verbatim
    }

    /// Appends the answer's body, unless the native one [passes](Self::passes).
    pub fn write(mut self, out: &mut Vec<u8>) {
        self.rows.sort_by_key(|(index, _)| *index);
        out.reserve(self.vectors.len() + self.rows.len() * 64 + 128);
        out.extend_from_slice(b"{\"object\":\"list\",\"data\":[");
        for (index, at) in &self.rows {
            out.open(b'{');
            out.field_text("object", "embedding");
            out.field_number("index", *index);
            out.key("embedding");
            out.extend_from_slice(self.vectors.get(at.clone()).unwrap_or_default());
            out.close(b'}');
        }
        out.extend_from_slice(b"],\"model\":\"");
        out.extend_from_slice(self.model.as_bytes());
        out.extend_from_slice(b"\",\"usage\":{");
        let input = self.usage.unwrap_or_default().input;
        out.field_number("prompt_tokens", input);
        out.field_number("total_tokens", input);
        out.extend_from_slice(b"}}");
    }
}

fn no_vector() -> Error {
    Error::garbled("The provider's answer holds something that is no embedding.")
}

/// An array of numbers as base64, in quotes.
fn write_base64(numbers: Json<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
    let mut bytes = Vec::with_capacity(numbers.text().len() / 3);
    let mut whole = true;
    Cursor::new(numbers.text())
        .array(|item| {
            match item.json()?.text().parse::<f32>() {
                Ok(number) if number.is_finite() => bytes.extend_from_slice(&number.to_le_bytes()),
                _ => whole = false,
            }
            Ok(())
        })
        .map_err(|_| no_vector())?;
    if !whole {
        return Err(no_vector());
    }
    out.push(b'"');
    out.extend_from_slice(STANDARD.encode(bytes).as_bytes());
    out.push(b'"');
    Ok(())
}

/// Base64 as an array of numbers, in the shortest spelling that means the same 32-bit float.
fn write_numbers(encoded: &str, out: &mut Vec<u8>) -> Result<(), Error> {
    use std::io::Write as _;
    let bytes = STANDARD.decode(encoded).map_err(|_| no_vector())?;
    let (floats, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(no_vector());
    }
    out.push(b'[');
    for (position, float) in floats.iter().enumerate() {
        let number = f32::from_le_bytes(*float);
        if !number.is_finite() {
            return Err(no_vector());
        }
        if position > 0 {
            out.push(b',');
        }
        // Writing into memory can't fail.
        let _ = write!(out, "{number}");
    }
    out.push(b']');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &str) -> Result<EmbeddingsRequest<'_>, Error> {
        EmbeddingsRequest::parse(body.as_bytes())
    }

    #[test]
    fn every_form_of_input_is_known() {
        let count = |input: &str| {
            let body = format!(r#"{{"model":"m","input":{input}}}"#);
            parse(&body)
                .map(|request| (request.input.count(), request.input.texts().map(|texts| texts.len())))
        };
        assert_eq!(count(r#""a""#).unwrap(), (1, Some(1)));
        assert_eq!(count(r#"["a","b"]"#).unwrap(), (2, Some(2)));
        assert_eq!(count("[1,2,3]").unwrap(), (1, None));
        assert_eq!(count("[[1],[2,3]]").unwrap(), (2, None));
        assert_eq!(count(r#"[{"image":"u"},"a"]"#).unwrap(), (2, None));
        for wrong in
            ["\"\"", "[]", "{}", "1", "null", "[\"a\",1]", "[1.5]", "[-1]", "[[]]", "[[\"a\"]]", "[true]"]
        {
            assert_eq!(count(wrong).unwrap_err().param.as_deref(), Some("input"), "{wrong}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let param = |body: &str| parse(body).unwrap_err().param;
        assert_eq!(param(r#"{"input":"a"}"#).as_deref(), Some("model"));
        assert_eq!(param(r#"{"model":"m"}"#).as_deref(), Some("input"));
        assert_eq!(param(r#"{"model":"m","input":"a","dimensions":0}"#).as_deref(), Some("dimensions"));
        assert_eq!(
            param(r#"{"model":"m","input":"a","encoding_format":"int8"}"#).as_deref(),
            Some("encoding_format")
        );
        assert_eq!(param("{\"model\":\"m\",\"input\":\"a\",\"input\":\"b\"}").as_deref(), Some("input"));
    }

    fn answer(base64: bool, vectors: &[&str]) -> Result<serde_json::Value, Error> {
        let mut writer = EmbeddingWriter::new("m", base64);
        for (index, vector) in vectors.iter().enumerate().rev() {
            writer.vector(index as u64, Json::trusted(vector))?;
        }
        writer.usage(Usage { input: 3, ..Usage::default() });
        let mut out = Vec::new();
        writer.write(&mut out);
        Ok(serde_json::from_slice(&out).unwrap())
    }

    #[test]
    fn both_formats_become_the_one_that_was_asked_for_in_the_inputs_order() {
        // 0.1f32 is cd cc cc 3d, -2.0f32 is 00 00 00 c0.
        let (numbers, encoded) = ("[0.1, -2]", "\"zczMPQAAAMA=\"");
        let floats = answer(false, &[numbers, encoded]).unwrap();
        assert_eq!(
            floats["data"][0],
            serde_json::json!({"object":"embedding","index":0,"embedding":[0.1,-2]})
        );
        assert_eq!(
            floats["data"][1],
            serde_json::json!({"object":"embedding","index":1,"embedding":[0.1,-2]})
        );
        assert_eq!(floats["usage"], serde_json::json!({"prompt_tokens":3,"total_tokens":3}));
        let encodings = answer(true, &[numbers, encoded]).unwrap();
        assert_eq!(encodings["data"][0]["embedding"], "zczMPQAAAMA=");
        assert_eq!(encodings["data"][1]["embedding"], "zczMPQAAAMA=");
    }

    #[test]
    fn no_vector_is_made_up() {
        for (base64, vector) in [
            (true, "[1,\"a\"]"),
            (true, "[1e99]"),
            (true, "{}"),
            (false, "{}"),
            (false, "\"AAA\""),
            (false, "\"AADAfw==\""),
        ] {
            assert!(answer(base64, &[vector]).is_err(), "{base64} {vector}");
        }
    }
}
