//! A whole reply, and what a reply and a stream have in common: stop reasons and token counts.
//!
//! Source: <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html#API_runtime_Converse_ResponseSyntax>.

use super::tools::{ANSWER, unspell};
use crate::error::{Error, Said};
use crate::json::{Cursor, FromJson, Json, Kind, Out, Str, escaped};
use crate::json_view;
use crate::meter::Usage;
use crate::openai::{Finish, FinishReason, Piece, Sink, Start};

json_view! {
    struct Reply<'a> {
        "output" => output: Output<'a>,
        "stopReason" => stop_reason: Str<'a>,
        "usage" => usage: Json<'a>,
        "trace" => trace: Json<'a>,
        "additionalModelResponseFields" => additional: Json<'a>,
        "message" => message: Str<'a>,
    }
}

json_view! {
    struct Output<'a> { "message" => message: Message<'a> }
}

json_view! {
    struct Message<'a> { "content" => content: Vec<Block<'a>> }
}

json_view! {
    struct Block<'a> {
        "text" => text: Str<'a>,
        "toolUse" => tool_use: ToolUse<'a>,
        "reasoningContent" => reasoning: Reasoning<'a>,
        "citationsContent" => citations: Citations<'a>,
    }
}

json_view! {
    pub(super) struct ToolUse<'a> {
        "toolUseId" => id: Str<'a>,
        "name" => name: Str<'a>,
        "input" => input: Json<'a>,
        "type" => kind: Str<'a>,
    }
}

impl ToolUse<'_> {
    /// Whether the service runs the tool itself: none of the client's calls.
    pub(super) fn by_service(&self) -> bool {
        self.kind.is_some_and(|kind| kind.is("server_tool_use"))
    }

    /// Whether it is no call but the answer, in a form that was asked for.
    pub(super) fn is_answer(&self) -> bool {
        self.name.is_some_and(|name| name.is(ANSWER))
    }

    /// Tells that the call begins.
    pub(super) fn tell(&self, index: u32, sink: &mut dyn Sink) {
        let name = escaped(&unspell(self.name.unwrap_or(Str::literal(""))));
        let id = self.id.unwrap_or(Str::literal(""));
        sink.piece(0, Piece::ToolCall { index, id, name: Str::spelled(&name) });
    }
}

json_view! {
    struct Reasoning<'a> {
        "reasoningText" => text: ReasoningText<'a>,
        "redactedContent" => redacted: Str<'a>,
    }
}

json_view! {
    struct ReasoningText<'a> { "text" => text: Str<'a>, "signature" => signature: Str<'a> }
}

json_view! {
    struct Citations<'a> { "content" => content: Vec<Cited<'a>>, "citations" => citations: Json<'a> }
}

json_view! {
    struct Cited<'a> { "text" => text: Str<'a> }
}

/// Reads a whole reply.
pub(super) fn decode(body: &[u8], sink: &mut dyn Sink) -> Result<(), Error> {
    let text =
        std::str::from_utf8(body).map_err(|_| Error::garbled("The provider's answer is not UTF-8."))?;
    let garbled = || Error::garbled("The provider's answer is not a Converse reply.");
    let reply = Reply::from_json(&mut Cursor::new(text)).map_err(|_| garbled())?;
    let Some(message) = reply.output.and_then(|output| output.message) else {
        return Err(match reply.message {
            Some(_) => Said::read(body).into_error(200, "The provider"),
            None => garbled(),
        });
    };
    sink.start(Start::default());
    let mut told = Told::default();
    for block in message.content.iter().flatten() {
        block.tell(&mut told, sink);
    }
    let calls = told.calls;
    own_fields(&told.cited, reply.trace, sink);
    if let Some(reason) = reply.stop_reason {
        let native = reason.plain();
        sink.piece(0, Piece::Finish(finish(&native, calls)));
    }
    if let Some(usage) = reply.usage {
        sink.usage(counts(usage, reply.additional));
    }
    Ok(())
}

/// What of a reply has been told.
#[derive(Default)]
struct Told<'a> {
    calls: u32,
    /// Characters of the text so far: citations point into it.
    characters: usize,
    /// Citations in Converse's own form.
    cited: Vec<&'a str>,
}

/// How many characters a text has, as OpenAI counts them.
pub(super) fn characters(text: Str<'_>) -> usize {
    text.plain().chars().count()
}

json_view! {
    struct Citation<'a> { "title" => title: Str<'a>, "source" => source: Str<'a>, "location" => location: Location<'a> }
}

json_view! {
    struct Location<'a> { "web" => web: Web<'a> }
}

json_view! {
    struct Web<'a> { "url" => url: Str<'a> }
}

/// Tells what the text from `start` to `end` cites, as far as OpenAI's API has a form for it: what has an address.
pub(super) fn annotations(citations: &[Json<'_>], start: usize, end: usize, sink: &mut dyn Sink) {
    let mut items = vec![b'['];
    for citation in citations {
        let view: Citation<'_> = citation.read().unwrap_or_default();
        let source = view.source.filter(|source| source.raw().starts_with("http"));
        let Some(url) = view.location.and_then(|place| place.web).and_then(|web| web.url).or(source) else {
            continue;
        };
        items.open(b'{');
        items.field_text("type", "url_citation");
        items.key("url_citation");
        items.open(b'{');
        items.field_number("start_index", start as u64);
        items.field_number("end_index", end as u64);
        items.field_token("url", url);
        items.field_token("title", view.title.unwrap_or(url));
        items.close(b'}');
        items.close(b'}');
    }
    if items.len() > 1 {
        items.push(b']');
        let text = String::from_utf8(items).unwrap_or_default();
        sink.piece(0, Piece::Annotations(Json::trusted(&text)));
    }
}

impl<'a> Block<'a> {
    fn tell(&self, told: &mut Told<'a>, sink: &mut dyn Sink) {
        if let Some(text) = self.text {
            told.characters += characters(text);
            sink.piece(0, Piece::Text(text));
        }
        if let Some(reasoning) = &self.reasoning {
            if let Some(readable) = &reasoning.text {
                sink.piece(0, Piece::Reasoning(readable.text.unwrap_or(Str::literal(""))));
                if let Some(signature) = readable.signature.filter(|signature| !signature.is_empty()) {
                    sink.piece(0, Piece::Signature(signature));
                }
            }
            if let Some(data) = reasoning.redacted {
                sink.piece(0, Piece::RedactedThinking(data));
            }
        }
        if let Some(block) = &self.citations {
            let start = told.characters;
            for text in block.content.iter().flatten().filter_map(|cited| cited.text) {
                told.characters += characters(text);
                sink.piece(0, Piece::Text(text));
            }
            let citations = block.citations.map(Json::items).unwrap_or_default();
            annotations(&citations, start, told.characters, sink);
            told.cited.extend(citations.iter().map(|citation| citation.text()));
        }
        if let Some(call) = self.tool_use.as_ref().filter(|call| !call.by_service()) {
            let input = call.input.unwrap_or(Json::trusted("{}"));
            if call.is_answer() {
                sink.piece(0, Piece::Text(Str::spelled(&escaped(input.text()))));
                return;
            }
            let index = told.calls;
            call.tell(index, sink);
            match input.as_str() {
                // Some models give their arguments as JSON inside a string.
                Some(fragment) => sink.piece(0, Piece::ToolArgs { index, fragment }),
                None => sink.piece(0, Piece::ToolInput { index, input }),
            }
            told.calls += 1;
        }
    }
}

/// Tells what only this provider has, in LiteLLM's place for it: citations, and the guardrail's trace.
pub(super) fn own_fields(cited: &[&str], trace: Option<Json<'_>>, sink: &mut dyn Sink) {
    let trace = trace.filter(|trace| trace.kind() == Kind::Object);
    if cited.is_empty() && trace.is_none() {
        return;
    }
    let mut fields = Vec::new();
    fields.open(b'{');
    if !cited.is_empty() {
        fields.key("citations");
        fields.open(b'[');
        cited.iter().for_each(|citation| fields.raw(citation));
        fields.close(b']');
    }
    if let Some(trace) = trace {
        fields.field("trace", trace);
    }
    fields.close(b'}');
    let text = String::from_utf8(fields).unwrap_or_default();
    sink.piece(0, Piece::Extra("provider_specific_fields", Json::trusted(&text)));
}

/// Why a reply ended. `calls` is the number of calls for the client: an answer in a form that was asked for is none,
/// and some models say `end_turn` behind their calls.
pub(super) fn finish(native: &str, calls: u32) -> Finish<'_> {
    let reason = match native {
        "end_turn" | "stop_sequence" | "tool_use" if calls > 0 => FinishReason::ToolCalls,
        "end_turn" | "stop_sequence" | "tool_use" => FinishReason::Stop,
        "max_tokens" | "model_context_window_exceeded" => FinishReason::Length,
        "guardrail_intervened" | "content_filtered" => FinishReason::ContentFilter,
        // `malformed_tool_use` and `malformed_model_output` are failures of the model's that OpenAI has no word for.
        _ => FinishReason::Unknown,
    };
    Finish { reason, native }
}

json_view! {
    struct Counts<'a> {
        "inputTokens" => input: u64,
        "outputTokens" => output: u64,
        "cacheReadInputTokens" => read: u64,
        "cacheReadInputTokenCount" => read_count: u64,
        "cacheWriteInputTokens" => written: u64,
        "cacheWriteInputTokenCount" => written_count: u64,
        "cacheDetails" => details: Vec<CacheDetail<'a>>,
    }
}

json_view! {
    struct CacheDetail<'a> { "ttl" => ttl: Str<'a>, "inputTokens" => tokens: u64 }
}

/// Token counts: Converse's `inputTokens` leaves out what was read from or written to a cache.
pub(super) fn counts(usage: Json<'_>, additional: Option<Json<'_>>) -> Usage {
    let view: Counts<'_> = usage.read().unwrap_or_default();
    let cached = view.read.or(view.read_count);
    let cache_write = view.written.or(view.written_count);
    let lasting = |detail: &&CacheDetail<'_>| detail.ttl.is_some_and(|ttl| ttl.is("1h"));
    let long = view.details.iter().flatten().find(lasting).and_then(|detail| detail.tokens);
    let input = view.input.unwrap_or(0);
    Usage {
        input: input.saturating_add(cached.unwrap_or(0)).saturating_add(cache_write.unwrap_or(0)),
        output: view.output.unwrap_or(0),
        cached,
        cache_write,
        cache_write_1h: long,
        reasoning: additional.and_then(thought),
        ..Usage::default()
    }
}

/// How many tokens Claude thought with, where it says so.
pub(super) fn thought(additional: Json<'_>) -> Option<u64> {
    let details = additional.field("usage")?.field("output_tokens_details")?;
    details.field("thinking_tokens").or_else(|| details.field("reasoning_tokens")).and_then(Json::as_u64)
}
