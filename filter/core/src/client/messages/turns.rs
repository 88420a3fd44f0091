//! Turns become messages: results apart from what the user says, calls and reasoning apart from the model's words.
//!
//! Sources: <https://platform.claude.com/docs/en/api/messages/create>,
//! <https://platform.claude.com/docs/en/agents-and-tools/tool-use/handle-tool-calls>.

use std::borrow::Cow;

use super::request::{at, only_native};
use crate::error::Error;
use crate::json::{Json, Kind, Out, Str, escape};
use crate::json_view;
use crate::openai::request::wrong;

json_view! {
    struct TurnView<'a> { "role" => role: Str<'a>, "content" => content: Json<'a> }
}

json_view! {
    struct BlockView<'a> {
        "type" => kind: Str<'a>,
        "text" => text: Str<'a>,
        "cache_control" => cache: Json<'a>,
        "source" => source: Json<'a>,
        "title" => title: Str<'a>,
        "id" => id: Str<'a>,
        "name" => name: Str<'a>,
        "input" => input: Json<'a>,
        "tool_use_id" => tool_use_id: Str<'a>,
        "content" => content: Json<'a>,
        "is_error" => is_error: bool,
        "thinking" => thinking: Str<'a>,
        "signature" => signature: Str<'a>,
        "data" => data: Str<'a>,
    }
}

json_view! {
    struct SourceView<'a> {
        "type" => kind: Str<'a>,
        "media_type" => media_type: Str<'a>,
        "data" => data: Str<'a>,
        "url" => url: Str<'a>,
        "file_id" => file_id: Str<'a>,
        "content" => content: Json<'a>,
    }
}

/// Claude Code counts its requests in a block of its own, meant for Anthropic's books and not for a model.
const BILLING: &str = "x-anthropic-billing-header:";

/// Writes the system's instructions as a message.
///
/// # Errors
/// A client error when they are malformed.
pub(super) fn write_system(system: Json<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
    let mut parts = Parts::default();
    match system.kind() {
        Kind::String => {
            let text = system.as_str().unwrap_or(Str::literal(""));
            parts.text(text, None);
        }
        Kind::Array => {
            for (index, raw) in system.items().into_iter().enumerate() {
                let place = format!("system[{index}]");
                let block = read(raw, &place)?;
                let text = block.text.ok_or_else(|| at(&place, "is no text block"))?;
                if !text.raw().starts_with(BILLING) {
                    parts.text(text, block.cache);
                }
            }
        }
        _ => return Err(wrong("system", "a string or an array of text blocks")),
    }
    if !parts.is_empty() {
        parts.message("system", out);
        out.close(b'}');
    }
    Ok(())
}

/// Writes the messages.
///
/// # Errors
/// A client error when one is malformed, or holds what only Anthropic's own models understand.
pub(super) fn write(messages: Json<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
    for (index, raw) in messages.items().into_iter().enumerate() {
        let place = format!("messages[{index}]");
        let turn: TurnView<'_> = raw.read().ok_or_else(|| at(&place, "is malformed"))?;
        let role = turn.role.map(Str::plain).ok_or_else(|| at(&place, "has no 'role'"))?;
        let content = turn.content.ok_or_else(|| at(&place, "has no 'content'"))?;
        let blocks = blocks(content, &format!("{place}.content"))?;
        match &*role {
            "user" => user(&blocks, &place, out)?,
            "assistant" => assistant(&blocks, &place, out)?,
            "system" => write_system(content, out)?,
            _ => return Err(at(&place, "has a 'role' that is not user, assistant or system")),
        }
    }
    Ok(())
}

/// Content as blocks; a string is one of text.
fn blocks<'a>(content: Json<'a>, place: &str) -> Result<Vec<BlockView<'a>>, Error> {
    if let Some(text) = content.as_str() {
        let kind = Some(Str::literal("text"));
        return Ok(vec![BlockView { kind, text: Some(text), ..BlockView::default() }]);
    }
    if content.kind() != Kind::Array {
        return Err(wrong(place, "a string or an array of blocks"));
    }
    let blocks = content.items().into_iter().enumerate();
    blocks.map(|(index, raw)| read(raw, &format!("{place}[{index}]"))).collect()
}

fn read<'a>(raw: Json<'a>, place: &str) -> Result<BlockView<'a>, Error> {
    let block: Option<BlockView<'a>> = raw.read();
    let block = block.ok_or_else(|| at(place, "is malformed"))?;
    if block.kind.is_none() {
        return Err(at(place, "has no 'type'"));
    }
    Ok(block)
}

/// What the user says, behind the results that it brings: those must follow the calls at once. Images in a result have no
/// place in the hub's, and stand before the user's own words.
fn user(blocks: &[BlockView<'_>], place: &str, out: &mut Vec<u8>) -> Result<(), Error> {
    let mut said = Parts::default();
    let mut any = false;
    for (index, block) in blocks.iter().enumerate() {
        if block.is("tool_result") {
            result(block, &format!("{place}.content[{index}]"), &mut said, out)?;
            any = true;
        }
    }
    for (index, block) in blocks.iter().enumerate() {
        if !block.is("tool_result") {
            said.block(block, &format!("{place}.content[{index}]"))?;
        }
    }
    if !said.is_empty() || !any {
        said.message("user", out);
        out.close(b'}');
    }
    Ok(())
}

/// A tool's result. What of it is no text is left in `media`.
fn result(block: &BlockView<'_>, place: &str, media: &mut Parts, out: &mut Vec<u8>) -> Result<(), Error> {
    let id = block.tool_use_id.ok_or_else(|| at(place, "has no 'tool_use_id'"))?;
    let mut texts = Parts::default();
    let inner_place = format!("{place}.content");
    let inner = match block.content {
        Some(content) => blocks(content, &inner_place)?,
        None => Vec::new(),
    };
    let is_text = |block: &BlockView<'_>| ["text", "search_result"].iter().any(|kind| block.is(kind));
    let mut introduced = false;
    for (index, block) in inner.iter().enumerate() {
        let place = format!("{inner_place}[{index}]");
        if is_text(block) {
            texts.block(block, &place)?;
            continue;
        }
        if !std::mem::replace(&mut introduced, true) {
            let words = format!("From the result of the call {}:", id.raw());
            media.text(Str::spelled(&words), None);
        }
        media.block(block, &place)?;
    }
    if texts.is_empty() && introduced {
        texts.text(Str::literal("The result follows."), None);
    }
    texts.message("tool", out);
    out.field_token("tool_call_id", id);
    if block.is_error == Some(true) {
        out.field("is_error", Json::trusted("true"));
    }
    if let Some(cache) = block.cache {
        out.field("cache_control", cache);
    }
    out.close(b'}');
    Ok(())
}

/// What the model said: words, reasoning, calls. Tools that Anthropic ran itself are in the words behind them.
fn assistant(blocks: &[BlockView<'_>], place: &str, out: &mut Vec<u8>) -> Result<(), Error> {
    let mut said = Parts::default();
    let (mut calls, mut thoughts, mut reasoning) = (Vec::new(), Vec::new(), String::new());
    for (index, block) in blocks.iter().enumerate() {
        let place = format!("{place}.content[{index}]");
        match &*block.kind() {
            "thinking" => {
                let text = block.thinking.unwrap_or(Str::literal(""));
                reasoning.push_str(text.raw());
                thought(text, block.signature, &mut thoughts);
            }
            "redacted_thinking" => {
                thoughts.open(b'{');
                thoughts.field_text("type", "redacted_thinking");
                thoughts.field_token("data", block.data.unwrap_or(Str::literal("")));
                thoughts.close(b'}');
            }
            "tool_use" => call(block, &place, &mut calls)?,
            "server_tool_use" | "mcp_tool_use" | "compaction" | "container_upload" => {}
            kind if kind.ends_with("_tool_result") => {}
            _ => said.block(block, &place)?,
        }
    }
    if said.is_empty() && calls.is_empty() && thoughts.is_empty() {
        return Ok(());
    }
    if said.is_empty() {
        out.open(b'{');
        out.field_text("role", "assistant");
        out.field("content", Json::trusted(if calls.is_empty() { "\"\"" } else { "null" }));
    } else {
        said.message("assistant", out);
    }
    if !reasoning.is_empty() {
        out.field_token("reasoning_content", Str::spelled(&reasoning));
    }
    list("thinking_blocks", thoughts, out);
    list("tool_calls", calls, out);
    out.close(b'}');
    Ok(())
}

/// Writes items that are there as an array.
fn list(key: &str, mut items: Vec<u8>, out: &mut Vec<u8>) {
    if !items.is_empty() {
        out.key(key);
        out.open(b'[');
        out.append(&mut items);
        out.close(b']');
    }
}

fn thought(text: Str<'_>, signature: Option<Str<'_>>, out: &mut Vec<u8>) {
    out.open(b'{');
    out.field_text("type", "thinking");
    out.field_token("thinking", text);
    if let Some(signature) = signature.filter(|signature| !signature.is_empty()) {
        out.field_token("signature", signature);
    }
    out.close(b'}');
}

fn call(block: &BlockView<'_>, place: &str, out: &mut Vec<u8>) -> Result<(), Error> {
    let (Some(id), Some(name)) = (block.id, block.name) else {
        return Err(at(place, "has no 'id' or no 'name'"));
    };
    let input = block.input.unwrap_or(Json::trusted("{}"));
    out.open(b'{');
    out.field_token("id", id);
    out.field_text("type", "function");
    out.key("function");
    out.open(b'{');
    out.field_token("name", name);
    out.field_text("arguments", input.text());
    out.close(b'}');
    out.close(b'}');
    Ok(())
}

impl<'a> BlockView<'a> {
    fn kind(&self) -> Cow<'a, str> {
        self.kind.map(Str::plain).unwrap_or_default()
    }

    fn is(&self, kind: &str) -> bool {
        self.kind.is_some_and(|own| own.is(kind))
    }
}

/// The parts of a message's content.
#[derive(Debug, Default)]
struct Parts {
    items: Vec<u8>,
    /// The spelling of the text that is all there is, as long as that is so: content is then a string, which every vendor
    /// reads.
    only: Option<String>,
    count: usize,
}

impl Parts {
    const fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn text(&mut self, text: Str<'_>, cache: Option<Json<'_>>) {
        self.only = (self.count == 0 && cache.is_none()).then(|| text.raw().to_owned());
        self.count += 1;
        self.items.open(b'{');
        self.items.field_text("type", "text");
        self.items.field_token("text", text);
        self.end(cache);
    }

    /// Ends a part.
    fn end(&mut self, cache: Option<Json<'_>>) {
        if let Some(cache) = cache {
            self.items.field("cache_control", cache);
        }
        self.items.close(b'}');
    }

    fn block(&mut self, block: &BlockView<'_>, place: &str) -> Result<(), Error> {
        match &*block.kind() {
            "text" => {
                let text = block.text.ok_or_else(|| at(place, "has no 'text'"))?;
                self.text(text, block.cache);
            }
            "image" => self.image(block, place)?,
            "document" => self.document(block, place)?,
            "search_result" => {
                let source = block.source.and_then(Json::as_str).unwrap_or(Str::literal(""));
                let title = block.title.unwrap_or(Str::literal(""));
                let head = format!("{}\\n{}\\n", title.raw(), source.raw());
                self.text(Str::spelled(&head), None);
                for inner in block.content.map(Json::items).unwrap_or_default() {
                    self.block(&read(inner, place)?, place)?;
                }
            }
            kind => return Err(only_native(place, kind)),
        }
        Ok(())
    }

    fn image(&mut self, block: &BlockView<'_>, place: &str) -> Result<(), Error> {
        let source = source(block, place)?;
        if source.file_id.is_some() {
            return Err(only_native(&format!("{place}.source"), "file"));
        }
        self.begin("image_url");
        self.items.key("image_url");
        self.items.open(b'{');
        source.field("url", "image/png", place, &mut self.items)?;
        self.items.close(b'}');
        self.end(block.cache);
        Ok(())
    }

    fn document(&mut self, block: &BlockView<'_>, place: &str) -> Result<(), Error> {
        let source = source(block, place)?;
        match source.kind.map(Str::plain).as_deref() {
            // Text is text to every model.
            Some("text") => {
                let text = source.data.ok_or_else(|| at(place, "has a 'source' without 'data'"))?;
                let head = block.title.map(|title| format!("{}\\n", title.raw())).unwrap_or_default();
                self.text(Str::spelled(&format!("{head}{}", text.raw())), block.cache);
            }
            Some("content") => {
                let content = source.content.ok_or_else(|| at(place, "has a 'source' without 'content'"))?;
                for inner in blocks(content, place)? {
                    self.block(&inner, place)?;
                }
            }
            Some("file") => return Err(only_native(&format!("{place}.source"), "file")),
            Some("url") => {
                self.begin("file");
                self.items.key("file");
                self.items.open(b'{');
                source.field("file_id", "", place, &mut self.items)?;
                self.items.field_text("format", "application/pdf");
                self.items.close(b'}');
                self.end(block.cache);
            }
            _ => {
                self.begin("file");
                self.items.key("file");
                self.items.open(b'{');
                self.items.field_token("filename", block.title.unwrap_or(Str::literal("document.pdf")));
                source.field("file_data", "application/pdf", place, &mut self.items)?;
                self.items.close(b'}');
                self.end(block.cache);
            }
        }
        Ok(())
    }

    fn begin(&mut self, kind: &str) {
        self.only = None;
        self.count += 1;
        self.items.open(b'{');
        self.items.field_text("type", kind);
    }

    /// Opens a message of these parts; the caller closes it.
    fn message(mut self, role: &str, out: &mut Vec<u8>) {
        out.open(b'{');
        out.field_text("role", role);
        match (&self.only, self.count) {
            (_, 0) => out.field_text("content", ""),
            (Some(text), _) => out.field_token("content", Str::spelled(text)),
            (None, _) => {
                out.key("content");
                out.open(b'[');
                out.append(&mut self.items);
                out.close(b']');
            }
        }
    }
}

fn source<'a>(block: &BlockView<'a>, place: &str) -> Result<SourceView<'a>, Error> {
    let source = block.source.ok_or_else(|| at(place, "has no 'source'"))?;
    source.read().ok_or_else(|| at(place, "has a malformed 'source'"))
}

impl SourceView<'_> {
    /// Writes the source as an address or data-URL.
    fn field(
        &self,
        key: &str,
        media_type: &'static str,
        place: &str,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        if let Some(url) = self.url {
            out.field_token(key, url);
            return Ok(());
        }
        let data = self.data.ok_or_else(|| at(place, "has a 'source' without 'data' or 'url'"))?;
        out.key(key);
        out.extend_from_slice(b"\"data:");
        match self.media_type {
            Some(given) => out.extend_from_slice(given.raw().as_bytes()),
            None => escape(media_type, out),
        }
        out.extend_from_slice(b";base64,");
        out.extend_from_slice(data.raw().as_bytes());
        out.push(b'"');
        Ok(())
    }
}
