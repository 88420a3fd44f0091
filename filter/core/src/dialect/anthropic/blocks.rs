//! Content blocks: made from the parts of messages, and written.
//!
//! Blocks borrow from the request; nothing is copied but what must be spelled otherwise.
//! Source: <https://platform.claude.com/docs/en/api/messages/create>.

use std::borrow::Cow;

use base64::Engine as _;

use crate::config::Target;
use crate::dialect::unsupported_field;
use crate::error::Error;
use crate::json::{Json, Out, Str, escaped};
use crate::openai::message::{DataUrl, Thinking};
use crate::openai::{Content, Part, ToolCall};

/// A content block, with the cache breakpoint behind it.
#[derive(Clone, Debug)]
pub(super) struct Block<'a> {
    pub kind: Kind<'a>,
    pub cache: Option<Json<'a>>,
}

/// What a block is. Texts are spellings for inside a string.
#[derive(Clone, Debug)]
pub(super) enum Kind<'a> {
    Text(Cow<'a, str>),
    Thinking {
        text: Cow<'a, str>,
        signature: Str<'a>,
    },
    Redacted(Str<'a>),
    Image(Source<'a>),
    Document {
        source: Source<'a>,
        title: Option<Str<'a>>,
    },
    ToolUse {
        id: Cow<'a, str>,
        name: Str<'a>,
        input: Cow<'a, str>,
    },
    ToolResult {
        id: Cow<'a, str>,
        content: Vec<Block<'a>>,
        is_error: bool,
    },
    /// In Anthropic's own form already, its cache breakpoint included.
    Native(Json<'a>),
}

/// Where an image or document is.
#[derive(Clone, Debug)]
pub(super) enum Source<'a> {
    Base64 { media_type: Cow<'a, str>, data: Cow<'a, str> },
    Url(Str<'a>),
    File(Str<'a>),
    Text(String),
}

impl<'a> Block<'a> {
    /// A text block; `None` for text that says nothing, which Anthropic refuses.
    pub fn text(text: Cow<'a, str>, cache: Option<Json<'a>>) -> Option<Self> {
        (!is_blank(&text)).then_some(Self { kind: Kind::Text(text), cache })
    }

    /// The blocks of a message's content.
    ///
    /// # Errors
    /// A client error when a part can't be said.
    pub fn of(content: &Content<'a>, to: &Target) -> Result<Vec<Self>, Error> {
        let mut blocks = Vec::new();
        for part in content.parts().iter() {
            blocks.extend(Self::of_part(*part, to)?);
        }
        Ok(blocks)
    }

    fn of_part(part: Part<'a>, to: &Target) -> Result<Option<Self>, Error> {
        Ok(match part {
            Part::Text { text, cache } => Self::text(Cow::Borrowed(text.raw()), cache),
            Part::Refusal(text) => Self::text(Cow::Borrowed(text.raw()), None),
            Part::Image { url, format, cache, .. } => Some(Self { kind: image(url, format)?, cache }),
            Part::File { data, id, filename, format, cache } => {
                let kind = match (data, id) {
                    (Some(data), _) => file(data, filename, format)?,
                    (None, Some(id)) => stored(id, filename, format),
                    (None, None) => return Ok(None),
                };
                Some(Self { kind, cache })
            }
            // Claude has no ears: sound is left out only when the config says so.
            Part::Audio { .. } if to.drop_params => None,
            Part::Audio { .. } => return Err(unsupported_field("input_audio", to)),
            // Reasoning goes where its signatures say, not where it stands.
            Part::Thinking(_) => None,
            Part::Other { raw, .. } => Some(Self { kind: Kind::Native(raw), cache: None }),
        })
    }

    /// The call that the model made.
    pub fn call(call: &ToolCall<'a>) -> Option<Self> {
        let input = call.input()?;
        Some(Self { kind: Kind::ToolUse { id: call_id(call.id), name: call.name, input }, cache: None })
    }

    /// Reasoning blocks to be sent back. A block that a stream gave in pieces, its signature last, is put together
    /// again; one without a signature is refused by Anthropic and stays here.
    pub fn thinking(blocks: impl Iterator<Item = Thinking<'a>>) -> Vec<Self> {
        let mut told = Vec::new();
        let mut pending = String::new();
        for block in blocks {
            let kind = match block {
                Thinking::Redacted(data) => Kind::Redacted(data),
                Thinking::Signed { text, signature } => match signature.filter(|one| !one.is_empty()) {
                    None => {
                        pending.push_str(text.raw());
                        continue;
                    }
                    Some(signature) if text.is_empty() => {
                        Kind::Thinking { text: Cow::Owned(std::mem::take(&mut pending)), signature }
                    }
                    Some(signature) => Kind::Thinking { text: Cow::Borrowed(text.raw()), signature },
                },
            };
            pending.clear();
            told.push(Self { kind, cache: None });
        }
        told
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        if let Kind::Native(raw) = &self.kind {
            return out.raw(raw.text());
        }
        out.open(b'{');
        match &self.kind {
            Kind::Text(text) => {
                out.field_text("type", "text");
                spelled(out, "text", text);
            }
            Kind::Thinking { text, signature } => {
                out.field_text("type", "thinking");
                spelled(out, "thinking", text);
                out.field_token("signature", *signature);
            }
            Kind::Redacted(data) => {
                out.field_text("type", "redacted_thinking");
                out.field_token("data", *data);
            }
            Kind::Image(source) => {
                out.field_text("type", "image");
                source.write(out);
            }
            Kind::Document { source, title } => {
                out.field_text("type", "document");
                source.write(out);
                if let Some(title) = title {
                    out.field_token("title", *title);
                }
            }
            Kind::ToolUse { id, name, input } => {
                out.field_text("type", "tool_use");
                spelled(out, "id", id);
                out.field_token("name", *name);
                out.key("input");
                out.raw(input);
            }
            Kind::ToolResult { id, content, is_error } => {
                out.field_text("type", "tool_result");
                spelled(out, "tool_use_id", id);
                if !content.is_empty() {
                    write_all(content, "content", out);
                }
                if *is_error {
                    out.field("is_error", Json::trusted("true"));
                }
            }
            Kind::Native(_) => {}
        }
        if let Some(cache) = self.cache {
            out.field("cache_control", cache);
        }
        out.close(b'}');
    }
}

/// Writes blocks as the array `key`.
pub(super) fn write_all(blocks: &[Block<'_>], key: &str, out: &mut Vec<u8>) {
    out.key(key);
    out.open(b'[');
    blocks.iter().for_each(|block| block.write(out));
    out.close(b']');
}

fn spelled(out: &mut Vec<u8>, key: &str, spelling: &str) {
    out.field_token(key, Str::spelled(spelling));
}

/// Whether a spelling means nothing but white space.
pub(super) fn is_blank(spelling: &str) -> bool {
    Str::spelled(spelling).is_blank()
}

/// A call's id in the alphabet that Anthropic takes (`^[a-zA-Z0-9_-]+$`): other vendors' ids, in a conversation that
/// moves here, hold dots and colons. The same id always becomes the same.
pub(super) fn call_id(id: Str<'_>) -> Cow<'_, str> {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !id.is_empty() && id.raw().chars().all(legal) {
        return Cow::Borrowed(id.raw());
    }
    let plain = id.plain();
    let id: String = plain.chars().map(|c| if legal(c) { c } else { '_' }).collect();
    Cow::Owned(if id.is_empty() { "_".to_owned() } else { id })
}

impl Source<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        out.key("source");
        out.open(b'{');
        match self {
            Self::Base64 { media_type, data } => {
                out.field_text("type", "base64");
                out.field_text("media_type", media_type);
                spelled(out, "data", data);
            }
            Self::Url(url) => {
                out.field_text("type", "url");
                out.field_token("url", *url);
            }
            Self::File(id) => {
                out.field_text("type", "file");
                out.field_token("file_id", *id);
            }
            Self::Text(text) => {
                out.field_text("type", "text");
                out.field_text("media_type", "text/plain");
                out.field_text("data", text);
            }
        }
        out.close(b'}');
    }
}

/// An `image_url`, which some clients use for documents too.
fn image<'a>(url: Str<'a>, format: Option<Str<'a>>) -> Result<Kind<'a>, Error> {
    match DataUrl::read(url, "image_url.url")? {
        Some(data) => of_data(data.media_type, data.base64, None, "image_url.url"),
        None if is_document(url, format) => Ok(Kind::Document { source: Source::Url(url), title: None }),
        None => Ok(Kind::Image(Source::Url(url))),
    }
}

/// A file given as a data-URL or bare base64.
fn file<'a>(data: Str<'a>, name: Option<Str<'a>>, format: Option<Str<'a>>) -> Result<Kind<'a>, Error> {
    match DataUrl::read(data, "file.file_data")? {
        Some(url) => of_data(url.media_type, url.base64, name, "file.file_data"),
        None => {
            let media_type = format.map(Str::plain).unwrap_or_else(|| Cow::Borrowed(media_type(name)));
            of_data(media_type, Cow::Borrowed(data.raw()), name, "file.file_data")
        }
    }
}

/// A file that is elsewhere: at an address, or uploaded to Anthropic before.
fn stored<'a>(id: Str<'a>, title: Option<Str<'a>>, format: Option<Str<'a>>) -> Kind<'a> {
    let plain = id.plain();
    let source = match plain.starts_with("https://") || plain.starts_with("http://") {
        true => Source::Url(id),
        false => Source::File(id),
    };
    let image = match format {
        Some(format) => format.plain().starts_with("image/"),
        None => [".png", ".jpg", ".jpeg", ".gif", ".webp"].iter().any(|end| plain.ends_with(end)),
    };
    if image { Kind::Image(source) } else { Kind::Document { source, title } }
}

fn is_document(url: Str<'_>, format: Option<Str<'_>>) -> bool {
    match format {
        Some(format) => format.is("application/pdf"),
        None => {
            let url = url.plain();
            url.split(['?', '#']).next().unwrap_or_default().ends_with(".pdf")
        }
    }
}

fn media_type(name: Option<Str<'_>>) -> &'static str {
    let name = name.map(Str::plain).unwrap_or_default().to_ascii_lowercase();
    match name.rsplit('.').next() {
        Some("txt" | "md" | "csv" | "json" | "html" | "xml" | "log" | "yaml" | "yml") => "text/plain",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("gif") => "image/gif",
        Some("webp") => "image/webp",
        _ => "application/pdf",
    }
}

fn of_data<'a>(
    media_type: Cow<'a, str>,
    data: Cow<'a, str>,
    title: Option<Str<'a>>,
    param: &str,
) -> Result<Kind<'a>, Error> {
    if media_type.starts_with("image/") {
        // Many clients write what no registry has.
        let media_type = if media_type == "image/jpg" { Cow::Borrowed("image/jpeg") } else { media_type };
        return Ok(Kind::Image(Source::Base64 { media_type, data }));
    }
    if media_type == "application/pdf" {
        return Ok(Kind::Document { source: Source::Base64 { media_type, data }, title });
    }
    if media_type.starts_with("text/") || media_type == "application/json" {
        let text = plain_text(&data)
            .ok_or_else(|| Error::invalid(format!("'{param}' is not text in base64.")).param(param))?;
        return Ok(Kind::Document { source: Source::Text(text), title });
    }
    Err(Error::invalid(format!("'{param}' is of type {media_type}; images, PDF and text can be read."))
        .param(param))
}

/// The text that a base64 spelling holds.
fn plain_text(spelling: &str) -> Option<String> {
    let base64 = Str::spelled(spelling).plain();
    let engine = &base64::engine::general_purpose::STANDARD;
    String::from_utf8(engine.decode(base64.trim()).ok()?).ok()
}

/// A text block right-trimmed; `None` when nothing is left.
pub(super) fn trimmed(spelling: &str) -> Option<Cow<'static, str>> {
    let plain = Str::spelled(spelling).plain();
    let text = plain.trim_end();
    (!text.is_empty()).then(|| Cow::Owned(escaped(text)))
}
