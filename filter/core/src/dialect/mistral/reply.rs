//! Mistral's answers: whole ones, and streams of chunks.
//!
//! Source: <https://docs.mistral.ai/api/endpoint/chat>. The frame is OpenAI's; content may be a list of parts, a call
//! comes whole in the chunk that ends the choice, and `p` is padding against readers of packet sizes.

use super::super::{StreamDecoder, bare_error, truncated};
use super::call_ids::made;
use crate::error::{Error, Kind as ErrorKind, Said};
use crate::json::{Cursor, FromJson, Json, Kind, Out, Str};
use crate::json_view;
use crate::meter::Usage;
use crate::openai::{Finish, FinishReason, Piece, Sink, Start};
use crate::wire::Frame;

/// How an error without words of its own is told.
const PROVIDER: &str = "Mistral";

json_view! {
    struct Reply<'a> {
        "id" => id: Str<'a>,
        "object" => object: Str<'a>,
        "model" => model: Str<'a>,
        "created" => created: u64,
        "choices" => choices: Vec<Choice<'a>>,
        "usage" => usage: Json<'a>,
        "error" => error: Json<'a>,
    }
}

json_view! {
    struct Choice<'a> {
        "index" => index: u64,
        "message" => message: Message<'a>,
        "delta" => delta: Message<'a>,
        "finish_reason" => finish_reason: Str<'a>,
        "logprobs" => logprobs: Json<'a>,
    }
}

json_view! {
    struct Message<'a> { "content" => content: Json<'a>, "tool_calls" => tool_calls: Vec<Call<'a>> }
}

json_view! {
    struct Call<'a> { "id" => id: Str<'a>, "index" => index: u64, "function" => function: Called<'a> }
}

json_view! {
    struct Called<'a> { "name" => name: Str<'a>, "arguments" => arguments: Json<'a> }
}

json_view! {
    struct Part<'a> {
        "type" => kind: Str<'a>,
        "text" => text: Json<'a>,
        "thinking" => thinking: Json<'a>,
        "signature" => signature: Str<'a>,
    }
}

json_view! {
    struct Counts<'a> {
        "prompt_tokens" => prompt: u64,
        "completion_tokens" => completion: u64,
        "num_cached_tokens" => num_cached: u64,
        "prompt_tokens_details" => prompt_details: Details<'a>,
        "completion_tokens_details" => completion_details: Details<'a>,
    }
}

json_view! {
    struct Details<'a> { "cached_tokens" => cached: u64, "reasoning_tokens" => reasoning: u64 }
}

/// Reads a whole answer.
pub(super) fn decode(body: &[u8], sink: &mut dyn Sink) -> Result<(), Error> {
    let text =
        std::str::from_utf8(body).map_err(|_| Error::garbled("The provider's answer is not UTF-8."))?;
    let garbled = || Error::garbled("The provider's answer is not a chat completion.");
    let reply = Reply::from_json(&mut Cursor::new(text)).map_err(|_| garbled())?;
    if reply.failed() {
        return Err(Said::read(body).into_error(200, PROVIDER));
    }
    let choices = reply.choices.ok_or_else(garbled)?;
    for choice in &choices {
        choice.reason()?;
    }
    sink.start(Start { id: reply.id, model: reply.model, created: reply.created });
    for choice in choices {
        let mut calls = Calls::of(reply.id);
        if let Some(message) = &choice.message {
            message.tell(choice.number(), true, &mut calls, sink);
        }
        choice.tell_end(sink)?;
    }
    if let Some(value) = reply.usage {
        sink.usage(usage(value));
    }
    Ok(())
}

impl Reply<'_> {
    /// Errors stand at the top level, and at a proxy's wish under `error`.
    fn failed(&self) -> bool {
        self.object.is_some_and(|object| object.is("error"))
            || self.error.is_some_and(|error| !error.is_null())
    }
}

impl Choice<'_> {
    fn number(&self) -> u32 {
        self.index.and_then(|index| u32::try_from(index).ok()).unwrap_or(0)
    }

    /// Why the choice ended, if it has.
    fn reason(&self) -> Result<Option<FinishReason>, Error> {
        let Some(word) = self.finish_reason else { return Ok(None) };
        Ok(Some(match &*word.plain() {
            "stop" => FinishReason::Stop,
            "length" | "model_length" => FinishReason::Length,
            "tool_calls" => FinishReason::ToolCalls,
            "content_filter" => FinishReason::ContentFilter,
            "error" => {
                return Err(Error::upstream(
                    ErrorKind::Server,
                    "Mistral failed in the middle of its answer.",
                ));
            }
            _ => FinishReason::Unknown,
        }))
    }

    fn tell_end(&self, sink: &mut dyn Sink) -> Result<(), Error> {
        if let Some(logprobs) = self.logprobs {
            sink.piece(self.number(), Piece::Logprobs(logprobs));
        }
        if let (Some(reason), Some(word)) = (self.reason()?, self.finish_reason) {
            sink.piece(self.number(), Piece::Finish(Finish { reason, native: &word.plain() }));
        }
        Ok(())
    }
}

impl Message<'_> {
    /// `whole` is a message of which nothing comes after: each of its calls is another, whatever their indexes.
    fn tell(&self, choice: u32, whole: bool, calls: &mut Calls, sink: &mut dyn Sink) {
        match self.content {
            Some(content) if content.kind() == Kind::Array => tell_parts(&content.items(), choice, sink),
            Some(content) => {
                if let Some(text) = content.as_str() {
                    sink.piece(choice, Piece::Text(text));
                }
            }
            None => {}
        }
        for (position, call) in (0..).zip(self.tool_calls.iter().flatten()) {
            calls.tell(choice, if whole { Some(position) } else { call.index }, call, sink);
        }
    }
}

fn tell_parts(parts: &[Json<'_>], choice: u32, sink: &mut dyn Sink) {
    let mut beyond = Vec::new();
    beyond.open(b'[');
    for raw in parts {
        let part: Part<'_> = raw.read().unwrap_or_default();
        let kind = part.kind.unwrap_or(Str::literal("text"));
        match &*kind.plain() {
            "text" => {
                if let Some(text) = part.text.and_then(Json::as_str).or_else(|| raw.as_str()) {
                    sink.piece(choice, Piece::Text(text));
                }
            }
            "thinking" => {
                let thinking = part.thinking.unwrap_or(Json::trusted("[]"));
                let inner = thinking.items();
                let texts = inner.iter().filter_map(|item| item.field("text").and_then(Json::as_str));
                texts.chain(thinking.as_str()).for_each(|text| sink.piece(choice, Piece::Reasoning(text)));
                if let Some(signature) = part.signature {
                    sink.piece(choice, Piece::Signature(signature));
                }
            }
            // References to documents, files that a tool made...
            _ => beyond.raw(raw.text()),
        }
    }
    beyond.close(b']');
    if let Ok(beyond) = String::from_utf8(beyond)
        && beyond != "[]"
    {
        let fields = format!("{{\"content_parts\":{beyond}}}");
        sink.piece(choice, Piece::Extra("provider_specific_fields", Json::trusted(&fields)));
    }
}

/// The calls told so far.
#[derive(Debug, Default)]
struct Calls {
    /// The reply's id.
    reply: String,
    /// Choice, Mistral's index, id.
    seen: Vec<(u32, u64, String)>,
}

impl Calls {
    fn of(reply: Option<Str<'_>>) -> Self {
        Self { reply: reply.map_or("", Str::raw).to_owned(), seen: Vec::new() }
    }

    /// Tells a call, or the rest of one: a chunk that goes on with a call has its index and no id of its own. Calls
    /// that come together may all have the index 0.
    fn tell(&mut self, choice: u32, index: Option<u64>, call: &Call<'_>, sink: &mut dyn Sink) {
        // Without an id, Mistral's own types write the word.
        let id = call.id.filter(|id| !id.is_empty() && !id.is("null"));
        let key = index.unwrap_or(0);
        let mine = self.seen.iter().filter(|(of, ..)| *of == choice);
        let count = u32::try_from(mine.clone().count()).unwrap_or(u32::MAX);
        let known = mine.enumerate().filter(|(_, (_, index, _))| *index == key).last();
        let (index, new) = match known {
            Some((at, (.., seen))) if id.is_none_or(|id| id.raw() == seen) => {
                (u32::try_from(at).unwrap_or(u32::MAX), false)
            }
            _ => (count, true),
        };
        let called = call.function.clone().unwrap_or_default();
        if new {
            self.seen.push((choice, key, id.map(|id| id.raw().to_owned()).unwrap_or_default()));
            let name = called.name.unwrap_or(Str::literal(""));
            let made = if id.is_none() { made(&self.reply, choice, index) } else { String::new() };
            sink.piece(choice, Piece::ToolCall { index, id: id.unwrap_or(Str::literal(&made)), name });
        }
        match called.arguments {
            Some(input) if input.kind() == Kind::Object => {
                sink.piece(choice, Piece::ToolInput { index, input });
            }
            Some(arguments) => {
                if let Some(fragment) = arguments.as_str() {
                    sink.piece(choice, Piece::ToolArgs { index, fragment });
                }
            }
            None => {}
        }
    }
}

fn usage(value: Json<'_>) -> Usage {
    let counts: Counts<'_> = value.read().unwrap_or_default();
    Usage {
        input: counts.prompt.unwrap_or(0),
        output: counts.completion.unwrap_or(0),
        cached: counts.prompt_details.and_then(|details| details.cached).or(counts.num_cached),
        reasoning: counts.completion_details.and_then(|details| details.reasoning),
        ..Usage::default()
    }
}

/// Reads a stream of chunks.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    started: bool,
    finished: bool,
    done: bool,
    calls: Calls,
}

impl StreamDecoder for Chunks {
    fn frame(&mut self, frame: Frame<'_>, sink: &mut dyn Sink) -> Result<(), Error> {
        if let Some(error) = bare_error(frame, PROVIDER) {
            return Err(error);
        }
        if frame.data.trim() == "[DONE]" {
            self.done = true;
            return Ok(());
        }
        let said = || Said::read(frame.data.as_bytes()).into_error(200, PROVIDER);
        let chunk = Reply::from_json(&mut Cursor::new(frame.data))
            .map_err(|_| Error::garbled("An event of the provider's stream is not a chunk."))?;
        // An error's other form is `{"detail": ...}`.
        let Some(choices) = chunk.choices.as_ref().filter(|_| !chunk.failed() && frame.event != "error")
        else {
            return Err(said());
        };
        if !std::mem::replace(&mut self.started, true) {
            sink.start(Start { id: chunk.id, model: chunk.model, created: chunk.created });
            self.calls = Calls::of(chunk.id);
        }
        for choice in choices {
            if let Some(delta) = &choice.delta {
                delta.tell(choice.number(), false, &mut self.calls, sink);
            }
            choice.tell_end(sink)?;
            self.finished |= choice.finish_reason.is_some();
        }
        if let Some(value) = chunk.usage {
            sink.usage(usage(value));
        }
        Ok(())
    }

    fn done(&self) -> bool {
        self.done
    }

    fn end(&mut self, _sink: &mut dyn Sink) -> Result<(), Error> {
        if self.done || self.finished { Ok(()) } else { Err(truncated()) }
    }
}
