//! Whole answers, and what they have in common with streams: usage, reasons, citations, errors.
//!
//! Source: <https://platform.claude.com/docs/en/api/messages/create>.

use super::tools::ANSWER;
use crate::error::{Error, Said};
use crate::json::{Cursor, FromJson, Json, Kind, Out, Str};
use crate::json_view;
use crate::meter::Usage;
use crate::openai::{Finish, FinishReason, Piece, Sink, Start};

json_view! {
    /// A message of the model's.
    pub(super) struct Message<'a> {
        "id" => id: Str<'a>,
        "type" => kind: Str<'a>,
        "model" => model: Str<'a>,
        "content" => content: Vec<Block<'a>>,
        "stop_reason" => stop_reason: Str<'a>,
        "stop_details" => stop_details: StopDetails<'a>,
        "usage" => usage: Counts<'a>,
    }
}

json_view! {
    /// Why a refusal.
    pub(super) struct StopDetails<'a> { "explanation" => explanation: Str<'a> }
}

json_view! {
    /// A content block, whole or as a stream opens it.
    pub(super) struct Block<'a> {
        "type" => kind: Str<'a>,
        "text" => text: Str<'a>,
        "citations" => citations: Vec<Json<'a>>,
        "thinking" => thinking: Str<'a>,
        "signature" => signature: Str<'a>,
        "data" => data: Str<'a>,
        "id" => id: Str<'a>,
        "name" => name: Str<'a>,
        "input" => input: Json<'a>,
        "content" => content: Json<'a>,
    }
}

json_view! {
    /// Token counts. Any may be missing, and a later report may repeat or correct them.
    pub(super) struct Counts<'a> {
        "input_tokens" => input: u64,
        "output_tokens" => output: u64,
        "cache_read_input_tokens" => cache_read: u64,
        "cache_creation_input_tokens" => cache_write: u64,
        "cache_creation" => cache_creation: CacheCreation<'a>,
        "service_tier" => service_tier: Str<'a>,
        "output_tokens_details" => output_details: OutputDetails<'a>,
    }
}

json_view! {
    /// Cache writes by their time to live.
    pub(super) struct CacheCreation<'a> { "ephemeral_1h_input_tokens" => hour: u64 }
}

json_view! {
    /// What the output was spent on.
    pub(super) struct OutputDetails<'a> { "thinking_tokens" => thinking: u64 }
}

/// The counts so far: the last report of each number holds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    input: Option<u64>,
    output: Option<u64>,
    cache_read: Option<u64>,
    cache_write: Option<u64>,
    cache_write_1h: Option<u64>,
    thinking: Option<u64>,
}

impl Tally {
    pub fn add(&mut self, counts: &Counts<'_>) {
        self.input = counts.input.or(self.input);
        self.output = counts.output.or(self.output);
        self.cache_read = counts.cache_read.or(self.cache_read);
        self.cache_write = counts.cache_write.or(self.cache_write);
        let hour = counts.cache_creation.as_ref().and_then(|creation| creation.hour);
        self.cache_write_1h = hour.or(self.cache_write_1h);
        let thinking = counts.output_details.as_ref().and_then(|details| details.thinking);
        self.thinking = thinking.or(self.thinking);
    }

    /// Takes a report over, and tells the counts so far.
    pub fn tell(&mut self, counts: &Counts<'_>, sink: &mut dyn Sink) {
        if let Some(tier) = counts.service_tier {
            sink.tier(&tier.plain());
        }
        self.add(counts);
        sink.usage(self.usage());
    }

    /// In OpenAI's terms: Anthropic counts cached tokens beside its input.
    pub fn usage(&self) -> Usage {
        let cached = self.cache_read.unwrap_or(0).saturating_add(self.cache_write.unwrap_or(0));
        Usage {
            input: self.input.unwrap_or(0).saturating_add(cached),
            output: self.output.unwrap_or(0),
            cached: self.cache_read,
            cache_write: self.cache_write,
            cache_write_1h: self.cache_write_1h.map(|hour| hour.min(self.cache_write.unwrap_or(hour))),
            reasoning: self.thinking,
            ..Usage::default()
        }
    }
}

/// Why a turn ended, in OpenAI's terms. `calls` says that the client has calls to run.
///
/// A paused turn and a compaction are cut short like one at the token limit, so they are `length` (LiteLLM says so
/// too). A call of our own answer tool is the answer.
/// Source: <https://platform.claude.com/docs/en/build-with-claude/handling-stop-reasons>.
pub(super) fn finish_reason(word: &str, calls: bool, answered: bool) -> FinishReason {
    match word {
        "end_turn" | "stop_sequence" => FinishReason::Stop,
        "tool_use" if answered && !calls => FinishReason::Stop,
        "tool_use" => FinishReason::ToolCalls,
        "max_tokens" | "model_context_window_exceeded" | "pause_turn" | "compaction" => FinishReason::Length,
        "refusal" => FinishReason::ContentFilter,
        _ => FinishReason::Unknown,
    }
}

/// Tells why a turn ended, and the words for a refusal.
pub(super) fn tell_end(
    reason: Str<'_>,
    details: Option<&StopDetails<'_>>,
    calls: bool,
    answered: bool,
    sink: &mut dyn Sink,
) {
    if let Some(explanation) = details.and_then(|details| details.explanation) {
        sink.piece(0, Piece::Refusal(explanation));
    }
    let native = reason.plain();
    let reason = finish_reason(&native, calls, answered);
    sink.piece(0, Piece::Finish(Finish { reason, native: &native }));
}

/// OpenAI's annotations for citations of the text between two places (in characters of the whole text): `None` where
/// no citation has an address.
pub(super) fn annotations(citations: &[Json<'_>], start: u64, end: u64) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    out.open(b'[');
    for citation in citations {
        let address = citation.field("url").or_else(|| citation.field("source"));
        let Some(url) = address.and_then(Json::as_str).filter(|url| url.raw().contains(':')) else {
            continue;
        };
        out.open(b'{');
        out.field_text("type", "url_citation");
        out.key("url_citation");
        out.open(b'{');
        out.field_token("url", url);
        let title = citation.field("title").and_then(Json::as_str);
        out.field_token("title", title.unwrap_or(Str::literal("")));
        out.field_number("start_index", start);
        out.field_number("end_index", end);
        out.close(b'}');
        out.close(b'}');
    }
    out.close(b']');
    (out.len() > 2).then_some(out)
}

/// Characters of a spelling's meaning.
pub(super) fn characters(text: Str<'_>) -> u64 {
    text.plain().chars().count() as u64
}

/// An error in a reply's or event's clothes. Its HTTP status is the one that its type has before a stream.
/// Source: <https://platform.claude.com/docs/en/api/errors>.
pub(super) fn failure(body: &[u8]) -> Error {
    let said = Said::read(body);
    let status = match said.type_.as_deref() {
        Some("invalid_request_error") => 400,
        Some("authentication_error") => 401,
        Some("billing_error") => 402,
        Some("permission_error") => 403,
        Some("not_found_error") => 404,
        Some("conflict_error") => 409,
        Some("request_too_large") => 413,
        Some("rate_limit_error") => 429,
        Some("api_error") => 500,
        Some("timeout_error") => 504,
        Some("overloaded_error") => 529,
        _ => 200,
    };
    said.into_error(status, "The provider")
}

/// Reads a whole answer.
pub(super) fn decode(body: &[u8], sink: &mut dyn Sink) -> Result<(), Error> {
    let text =
        std::str::from_utf8(body).map_err(|_| Error::garbled("The provider's answer is not UTF-8."))?;
    let garbled = || Error::garbled("The provider's answer is not a message.");
    let mut cursor = Cursor::new(text);
    let message = Message::from_json(&mut cursor).map_err(|_| garbled())?;
    if message.kind.is_some_and(|kind| kind.is("error")) {
        return Err(failure(body));
    }
    let blocks = message.content.ok_or_else(garbled)?;
    sink.start(Start { id: message.id, model: message.model, created: None });
    let is_answer = |block: &Block<'_>| {
        block.kind.is_some_and(|kind| kind.is("tool_use")) && block.name.is_some_and(|name| name.is(ANSWER))
    };
    let mut told = Told { answered: blocks.iter().any(is_answer), ..Told::default() };
    blocks.iter().for_each(|block| told.block(block, sink));
    told.rest(sink);
    if let Some(reason) = message.stop_reason {
        tell_end(reason, message.stop_details.as_ref(), told.calls > 0, told.answered, sink);
    }
    if let Some(counts) = &message.usage {
        Tally::default().tell(counts, sink);
    }
    Ok(())
}

/// What has been told of a whole answer.
#[derive(Debug, Default)]
struct Told {
    /// The answer is our own tool's input; words beside it are none.
    answered: bool,
    calls: u32,
    characters: u64,
    citations: Vec<u8>,
    results: Vec<u8>,
    compactions: Vec<u8>,
}

impl Told {
    fn block(&mut self, block: &Block<'_>, sink: &mut dyn Sink) {
        let kind = block.kind.unwrap_or(Str::literal("")).plain();
        match &*kind {
            "text" if self.answered => {}
            "text" => self.text(block, sink),
            "thinking" => {
                if let Some(text) = block.thinking {
                    sink.piece(0, Piece::Reasoning(text));
                }
                if let Some(signature) = block.signature.filter(|signature| !signature.is_empty()) {
                    sink.piece(0, Piece::Signature(signature));
                }
            }
            "redacted_thinking" => {
                if let Some(data) = block.data {
                    sink.piece(0, Piece::RedactedThinking(data));
                }
            }
            "tool_use" => self.call(block, sink),
            "compaction" => {
                if let Some(summary) = block.content {
                    list(&mut self.compactions);
                    self.compactions.open(b'{');
                    self.compactions.field_text("type", "compaction");
                    self.compactions.field("content", summary);
                    self.compactions.close(b'}');
                }
            }
            "web_search_tool_result" => {
                if let Some(results) = block.content.filter(|results| results.kind() == Kind::Array) {
                    list(&mut self.results);
                    self.results.raw(results.text());
                }
            }
            // Tools that Anthropic runs itself are no calls of the client's.
            _ => {}
        }
    }

    fn text(&mut self, block: &Block<'_>, sink: &mut dyn Sink) {
        let text = block.text.unwrap_or(Str::literal(""));
        let start = self.characters;
        self.characters += characters(text);
        sink.piece(0, Piece::Text(text));
        let Some(citations) = block.citations.as_deref().filter(|citations| !citations.is_empty()) else {
            return;
        };
        list(&mut self.citations);
        self.citations.open(b'[');
        citations.iter().for_each(|citation| self.citations.raw(citation.text()));
        self.citations.close(b']');
        if let Some(items) = annotations(citations, start, self.characters)
            && let Ok(items) = std::str::from_utf8(&items)
        {
            sink.piece(0, Piece::Annotations(Json::trusted(items)));
        }
    }

    fn call(&mut self, block: &Block<'_>, sink: &mut dyn Sink) {
        let name = block.name.unwrap_or(Str::literal(""));
        let input = block.input.unwrap_or(Json::trusted("{}"));
        if name.is(ANSWER) {
            let spelled = crate::json::escaped(input.text());
            sink.piece(0, Piece::Text(Str::spelled(&spelled)));
            return;
        }
        let index = self.calls;
        self.calls += 1;
        sink.piece(0, Piece::ToolCall { index, id: block.id.unwrap_or(Str::literal("")), name });
        sink.piece(0, Piece::ToolInput { index, input });
    }

    /// What OpenAI's message has no place for, under LiteLLM's names.
    fn rest(&mut self, sink: &mut dyn Sink) {
        let mut out = Vec::new();
        out.open(b'{');
        for (name, items) in [
            ("citations", &mut self.citations),
            ("web_search_results", &mut self.results),
            ("compaction_blocks", &mut self.compactions),
        ] {
            if !items.is_empty() {
                items.close(b']');
                out.key(name);
                out.extend_from_slice(items);
            }
        }
        out.close(b'}');
        if out.len() > 2
            && let Ok(fields) = std::str::from_utf8(&out)
        {
            sink.piece(0, Piece::Extra("provider_specific_fields", Json::trusted(fields)));
        }
    }
}

/// Opens a list before its first item.
fn list(items: &mut Vec<u8>) {
    if items.is_empty() {
        items.open(b'[');
    }
}
