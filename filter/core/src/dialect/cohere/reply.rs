//! Cohere's answers: whole ones, and streams of named events.
//!
//! Sources: <https://docs.cohere.com/reference/chat#response>, <https://docs.cohere.com/docs/streaming>.
//! The plan that Cohere's models write before they call tools (`tool_plan`) is told as reasoning: its documentation
//! calls it "a chain-of-thought style reflection".

use super::super::{StreamDecoder, bare_error, truncated};
use crate::error::{Error, Kind as ErrorKind, Said};
use crate::json::{Cursor, FromJson, Json, Kind, Out, Str};
use crate::json_view;
use crate::meter::Usage;
use crate::openai::{Finish, FinishReason, Piece, Sink, Start};
use crate::wire::Frame;

/// How an error without words of its own is told.
const PROVIDER: &str = "Cohere";

json_view! {
    struct Reply<'a> {
        "id" => id: Str<'a>,
        "message" => message: Json<'a>,
        "finish_reason" => finish_reason: Str<'a>,
        "usage" => usage: Json<'a>,
        "logprobs" => logprobs: Json<'a>,
    }
}

json_view! {
    struct Message<'a> {
        "content" => content: Json<'a>,
        "tool_plan" => tool_plan: Str<'a>,
        "tool_calls" => tool_calls: Json<'a>,
        "citations" => citations: Json<'a>,
    }
}

json_view! {
    struct Event<'a> {
        "type" => kind: Str<'a>,
        "id" => id: Str<'a>,
        "delta" => delta: Delta<'a>,
        "logprobs" => logprobs: Json<'a>,
    }
}

json_view! {
    struct Delta<'a> {
        "message" => message: Message<'a>,
        "finish_reason" => finish_reason: Str<'a>,
        "usage" => usage: Json<'a>,
        "error" => error: Str<'a>,
    }
}

json_view! {
    struct Block<'a> { "text" => text: Str<'a>, "thinking" => thinking: Str<'a> }
}

json_view! {
    struct Call<'a> { "id" => id: Str<'a>, "function" => function: Called<'a> }
}

json_view! {
    struct Called<'a> { "name" => name: Str<'a>, "arguments" => arguments: Json<'a> }
}

/// Reads a whole answer.
pub(super) fn decode(body: &[u8], sink: &mut dyn Sink) -> Result<(), Error> {
    let text =
        std::str::from_utf8(body).map_err(|_| Error::garbled("The provider's answer is not UTF-8."))?;
    let garbled = || Error::garbled("The provider's answer is not a chat reply.");
    let reply = Reply::from_json(&mut Cursor::new(text)).map_err(|_| garbled())?;
    let message = reply.message.ok_or_else(garbled)?;
    if message.kind() == Kind::String {
        return Err(Said::read(body).into_error(200, PROVIDER));
    }
    let message: Message<'_> = message.read().ok_or_else(garbled)?;
    let finish = reply.finish_reason.ok_or_else(garbled)?.plain();
    let end = reason(&finish, None)?;
    sink.start(Start { id: reply.id, ..Start::default() });
    if let Some(plan) = message.tool_plan {
        sink.piece(0, Piece::Reasoning(plan));
    }
    match message.content {
        Some(content) if content.kind() == Kind::String => tell_block(content, sink),
        Some(content) => content.items().into_iter().for_each(|block| tell_block(block, sink)),
        None => {}
    }
    if let Some(citations) = message.citations {
        tell_citations(&citations.items(), sink);
    }
    let calls: Vec<Call<'_>> = message.tool_calls.and_then(Json::read).unwrap_or_default();
    for (index, call) in (0..).zip(calls) {
        tell_call(index, &call, sink);
        let called = call.function.unwrap_or_default();
        sink.piece(0, Piece::ToolArgs { index, fragment: arguments(called.arguments) });
    }
    if let Some(spelled) = reply.logprobs.and_then(|items| logprobs(&items.items())) {
        sink.piece(0, Piece::Logprobs(Json::trusted(&spelled)));
    }
    sink.piece(0, Piece::Finish(Finish { reason: end, native: &finish }));
    if let Some(usage) = reply.usage.and_then(usage) {
        sink.usage(usage);
    }
    Ok(())
}

/// OpenAI's finish reason, or the error that the generation failed with. Words of version 1 still occur in private
/// deployments.
fn reason(word: &str, said: Option<Str<'_>>) -> Result<FinishReason, Error> {
    let failed = |kind: ErrorKind, why: &str| {
        Error::upstream(kind, said.map_or_else(|| why.to_owned(), |text| text.plain().into_owned()))
    };
    Ok(match word {
        "COMPLETE" | "STOP_SEQUENCE" => FinishReason::Stop,
        "MAX_TOKENS" | "ERROR_LIMIT" => FinishReason::Length,
        "TOOL_CALL" => FinishReason::ToolCalls,
        "ERROR_TOXIC" => FinishReason::ContentFilter,
        "ERROR" => return Err(failed(ErrorKind::Server, "Cohere failed in the middle of its answer.")),
        "TIMEOUT" => return Err(failed(ErrorKind::Timeout, "Cohere took too long over its answer.")),
        _ => FinishReason::Unknown,
    })
}

/// A content block, or a string in its place.
fn tell_block(block: Json<'_>, sink: &mut dyn Sink) {
    let block: Block<'_> = block.read().unwrap_or_else(|| Block { text: block.as_str(), ..Block::default() });
    if let Some(thinking) = block.thinking {
        sink.piece(0, Piece::Reasoning(thinking));
    }
    if let Some(text) = block.text {
        sink.piece(0, Piece::Text(text));
    }
}

fn tell_call(index: u32, call: &Call<'_>, sink: &mut dyn Sink) {
    let nameless = Str::literal("");
    let name = call.function.as_ref().and_then(|called| called.name).unwrap_or(nameless);
    sink.piece(0, Piece::ToolCall { index, id: call.id.unwrap_or(nameless), name });
}

/// A call's arguments. A call without any has them missing, empty, or as the text `null`: nothing that a client's JSON
/// parser could make an object of.
fn arguments(given: Option<Json<'_>>) -> Str<'_> {
    let text = given.and_then(Json::as_str).filter(|text| !matches!(text.plain().trim(), "" | "null"));
    text.unwrap_or(Str::literal("{}"))
}

/// Tokens as counted, not as billed; a deployment that only bills tells the billed ones.
fn usage(value: Json<'_>) -> Option<Usage> {
    let tokens = value.field("tokens").filter(|tokens| !tokens.is_null());
    let tokens = tokens.or_else(|| value.field("billed_units"))?;
    let count = |name: &str| tokens.field(name).and_then(Json::as_u64);
    Some(Usage {
        input: count("input_tokens").unwrap_or(0),
        output: count("output_tokens").unwrap_or(0),
        cached: value.field("cached_tokens").and_then(Json::as_u64),
        reasoning: count("reasoning_tokens"),
        ..Usage::default()
    })
}

/// Citations, as OpenAI's annotations: one for each source of each, as LiteLLM writes them, a source without an
/// address named by its id. What that form can't hold (tools' outputs, documents) is in `provider_specific_fields`.
fn tell_citations(citations: &[Json<'_>], sink: &mut dyn Sink) {
    if citations.is_empty() {
        return;
    }
    let mut all = Vec::new();
    all.open(b'[');
    citations.iter().for_each(|citation| annotate(*citation, &mut all));
    all.close(b']');
    let mut native = Vec::new();
    native.open(b'{');
    native.key("citations");
    native.open(b'[');
    citations.iter().for_each(|citation| native.raw(citation.text()));
    native.close(b']');
    native.close(b'}');
    if let Ok(all) = String::from_utf8(all)
        && all != "[]"
    {
        sink.piece(0, Piece::Annotations(Json::trusted(&all)));
    }
    if let Ok(native) = String::from_utf8(native) {
        sink.piece(0, Piece::Extra("provider_specific_fields", Json::trusted(&native)));
    }
}

fn annotate(citation: Json<'_>, all: &mut Vec<u8>) {
    let position = |name: &str| citation.field(name).and_then(Json::as_u64).unwrap_or(0);
    for source in citation.field("sources").map(Json::items).unwrap_or_default() {
        let document = source.field("document").or_else(|| source.field("tool_output"));
        let field = |name: &str| document.and_then(|found| found.field(name)).and_then(Json::as_str);
        all.open(b'{');
        all.field_text("type", "url_citation");
        all.key("url_citation");
        all.open(b'{');
        all.field_number("start_index", position("start"));
        all.field_number("end_index", position("end"));
        all.field_token("title", field("title").unwrap_or(Str::literal("")));
        match field("url") {
            Some(url) => all.field_token("url", url),
            None => {
                let id = source.field("id").and_then(Json::as_str).unwrap_or(Str::literal("unknown"));
                all.field_token("url", Str::spelled(&format!("source:{}", id.raw())));
            }
        }
        all.close(b'}');
        all.close(b'}');
    }
}

/// Cohere gives logarithms for pieces of text of one or more tokens; the probability of a piece is the product of its
/// tokens'.
fn logprobs(items: &[Json<'_>]) -> Option<String> {
    if items.is_empty() {
        return None;
    }
    let mut spelled = Vec::new();
    spelled.open(b'{');
    spelled.key("content");
    spelled.open(b'[');
    for item in items {
        let tokens = item.field("logprobs").map(Json::items).unwrap_or_default();
        spelled.open(b'{');
        spelled.field_token("token", item.field("text").and_then(Json::as_str).unwrap_or(Str::literal("")));
        spelled.key("logprob");
        match tokens.as_slice() {
            [only] => spelled.raw(only.text()),
            several => {
                let sum: f64 = several.iter().filter_map(|token| token.as_f64()).sum();
                spelled.raw(&sum.to_string());
            }
        }
        spelled.field("bytes", Json::trusted("null"));
        spelled.field("top_logprobs", Json::trusted("[]"));
        spelled.close(b'}');
    }
    spelled.close(b']');
    spelled.field("refusal", Json::trusted("null"));
    spelled.close(b'}');
    String::from_utf8(spelled).ok()
}

/// Reads a stream of events.
#[derive(Debug, Default)]
pub(super) struct Events {
    /// How many calls have begun.
    calls: u32,
    /// What has come of the last call's arguments.
    arguments: Arguments,
    ended: bool,
}

/// The arguments of a call that is being told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Arguments {
    /// No call is open.
    #[default]
    Closed,
    /// Nothing has come.
    Awaited,
    /// They are told as they come.
    Told,
    /// They are the text `null`: what comes is swallowed.
    Null,
}

impl Events {
    /// Arguments, or a fragment of them.
    fn argue(&mut self, given: Option<Json<'_>>, sink: &mut dyn Sink) {
        let Some(fragment) = given.and_then(Json::as_str).filter(|text| !text.is_empty()) else { return };
        if self.arguments == Arguments::Awaited {
            // An object opens with a brace; only `null` opens so.
            let null = fragment.raw().trim_start().starts_with('n');
            self.arguments = if null { Arguments::Null } else { Arguments::Told };
        }
        if self.arguments == Arguments::Told {
            sink.piece(0, Piece::ToolArgs { index: self.calls.saturating_sub(1), fragment });
        }
    }

    /// A call is complete: one without arguments gets an empty object.
    fn close(&mut self, sink: &mut dyn Sink) {
        let open = std::mem::take(&mut self.arguments);
        if matches!(open, Arguments::Awaited | Arguments::Null) {
            let index = self.calls.saturating_sub(1);
            sink.piece(0, Piece::ToolArgs { index, fragment: Str::literal("{}") });
        }
    }

    fn call(&mut self, message: &Message<'_>, sink: &mut dyn Sink) {
        self.close(sink);
        let call: Call<'_> = message.tool_calls.and_then(Json::read).unwrap_or_default();
        tell_call(self.calls, &call, sink);
        self.calls = self.calls.saturating_add(1);
        self.arguments = Arguments::Awaited;
        self.argue(call.function.and_then(|called| called.arguments), sink);
    }

    fn finish(&mut self, delta: &Delta<'_>, sink: &mut dyn Sink) -> Result<(), Error> {
        self.close(sink);
        let word = delta.finish_reason.map(Str::plain).unwrap_or_default();
        let reason = reason(&word, delta.error)?;
        if let Some(error) = delta.error {
            return Err(Error::upstream(ErrorKind::Server, error.plain()));
        }
        self.ended = true;
        sink.piece(0, Piece::Finish(Finish { reason, native: &word }));
        if let Some(usage) = delta.usage.and_then(usage) {
            sink.usage(usage);
        }
        Ok(())
    }
}

impl StreamDecoder for Events {
    fn frame(&mut self, frame: Frame<'_>, sink: &mut dyn Sink) -> Result<(), Error> {
        if let Some(error) = bare_error(frame, PROVIDER) {
            return Err(error);
        }
        // The documentation does not mention it; the API sends it.
        if frame.data.trim() == "[DONE]" || self.ended {
            return Ok(());
        }
        let event = Event::from_json(&mut Cursor::new(frame.data))
            .map_err(|_| Error::garbled("An event of the provider's stream is not a chat event."))?;
        let Some(kind) = event.kind else {
            return Err(Said::read(frame.data.as_bytes()).into_error(200, PROVIDER));
        };
        let delta = event.delta.unwrap_or_default();
        let message = delta.message.clone().unwrap_or_default();
        match &*kind.plain() {
            "message-start" => sink.start(Start { id: event.id, ..Start::default() }),
            "content-start" | "content-delta" => {
                if let Some(block) = message.content {
                    tell_block(block, sink);
                }
                if let Some(spelled) = event.logprobs.and_then(|item| logprobs(&[item])) {
                    sink.piece(0, Piece::Logprobs(Json::trusted(&spelled)));
                }
            }
            "tool-plan-delta" => {
                if let Some(plan) = message.tool_plan {
                    sink.piece(0, Piece::Reasoning(plan));
                }
            }
            "tool-call-start" => self.call(&message, sink),
            "tool-call-delta" => {
                let call: Call<'_> = message.tool_calls.and_then(Json::read).unwrap_or_default();
                self.argue(call.function.and_then(|called| called.arguments), sink);
            }
            "tool-call-end" => self.close(sink),
            "citation-start" => {
                if let Some(citation) = message.citations {
                    tell_citations(&[citation], sink);
                }
            }
            "message-end" => self.finish(&delta, sink)?,
            // Ends of blocks, and kinds that are yet to come.
            _ => {}
        }
        Ok(())
    }

    fn done(&self) -> bool {
        self.ended
    }

    fn end(&mut self, _sink: &mut dyn Sink) -> Result<(), Error> {
        if self.ended { Ok(()) } else { Err(truncated()) }
    }
}
