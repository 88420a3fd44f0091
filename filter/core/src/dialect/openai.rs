//! OpenAI's own chat completions, for everybody who speaks them.
//!
//! A request is written back field by field, in the client's order, with only those edited that must change; a reply
//! passes byte for byte, so decoding serves clients of other languages, and the meter.
//! Source: <https://platform.openai.com/docs/api-reference/chat>.

mod completions;
mod embeddings;
mod messages;
mod reply;
mod request;
mod responses;

use super::{Dialect, Native, StreamDecoder, bare_error, truncated};
use crate::client::Endpoint;
use crate::config::Target;
use crate::error::{Error, Said};
use crate::json::{Cursor, FromJson, Json, Kind, Str};
use crate::json_view;
use crate::meter::Usage;
use crate::openai::{
    ChatRequest, EmbeddingWriter, EmbeddingsRequest, Finish, FinishReason, ParamSet, Piece, Sink, Start,
};
use crate::wire::Frame;

/// The language.
pub static OPENAI: OpenAi = OpenAi;

/// OpenAI's chat completions.
#[derive(Debug)]
pub struct OpenAi;

impl Dialect for OpenAi {
    fn supports(&self) -> ParamSet {
        ParamSet::ALL
    }

    fn encode<'a>(&self, request: &ChatRequest<'a>, to: &'a Target, body: &mut Vec<u8>) -> Result<(), Error> {
        request::encode(request, to, body);
        Ok(())
    }

    fn passes(&self, request: &ChatRequest<'_>, to: &Target) -> bool {
        request::passes(request, to)
    }

    fn decode(&self, body: &[u8], sink: &mut dyn Sink) -> Result<(), Error> {
        let text =
            std::str::from_utf8(body).map_err(|_| Error::garbled("The provider's answer is not UTF-8."))?;
        let garbled = || Error::garbled("The provider's answer is not a chat completion.");
        let mut cursor = Cursor::new(text);
        let reply = Reply::from_json(&mut cursor).map_err(|_| garbled())?;
        if reply.error.is_some_and(|error| !error.is_null()) {
            return Err(Said::read(body).into_error(200, "The provider"));
        }
        sink.start(Start { id: reply.id, model: reply.model, created: reply.created });
        for choice in reply.choices.ok_or_else(garbled)? {
            let index = choice.number();
            let mut calls = Calls::default();
            if let Some(message) = &choice.message {
                message.tell(index, &mut calls, sink);
            }
            choice.tell_logprobs(index, sink);
            choice.tell_finish(index, sink);
        }
        if let Some(tier) = reply.service_tier {
            sink.tier(&tier.plain());
        }
        if let Some(usage) = reply.usage.map(usage) {
            sink.usage(usage);
        }
        Ok(())
    }

    fn stream(&self) -> Box<dyn StreamDecoder> {
        Box::<Chunks>::default()
    }

    fn encode_embeddings<'a>(
        &self,
        request: &EmbeddingsRequest<'a>,
        to: &'a Target,
        body: &mut Vec<u8>,
    ) -> Result<(), Error> {
        embeddings::encode(request, to, body);
        Ok(())
    }

    fn decode_embeddings(&self, body: &[u8], writer: &mut EmbeddingWriter) -> Result<(), Error> {
        embeddings::decode(body, writer)
    }

    fn native(&self) -> bool {
        true
    }

    fn speaks(&self, endpoint: Endpoint) -> Option<&dyn Native> {
        match endpoint {
            Endpoint::Responses | Endpoint::Stored => Some(&responses::RESPONSES),
            Endpoint::Completions => Some(&completions::COMPLETIONS),
            _ => None,
        }
    }

    fn amend(&self, text: &str) -> Option<String> {
        reply::amend(text)
    }
}

json_view! {
    struct Reply<'a> {
        "id" => id: Str<'a>,
        "model" => model: Str<'a>,
        "created" => created: u64,
        "choices" => choices: Vec<Choice<'a>>,
        "usage" => usage: Json<'a>,
        "service_tier" => service_tier: Str<'a>,
        "x_groq" => x_groq: XGroq<'a>,
        "error" => error: Json<'a>,
    }
}

json_view! {
    struct XGroq<'a> { "usage" => usage: Json<'a>, "error" => error: Json<'a> }
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
    struct Message<'a> {
        "content" => content: Json<'a>,
        "reasoning_content" => reasoning_content: Json<'a>,
        "reasoning" => reasoning: Json<'a>,
        "refusal" => refusal: Str<'a>,
        "tool_calls" => tool_calls: Vec<Call<'a>>,
        "annotations" => annotations: Json<'a>,
    }
}

json_view! {
    struct Call<'a> { "index" => index: u64, "id" => id: Str<'a>, "function" => function: Called<'a> }
}

json_view! {
    struct Called<'a> { "name" => name: Str<'a>, "arguments" => arguments: Json<'a> }
}

impl Choice<'_> {
    fn number(&self) -> u32 {
        self.index.and_then(|index| u32::try_from(index).ok()).unwrap_or(0)
    }

    fn tell_logprobs(&self, index: u32, sink: &mut dyn Sink) {
        if let Some(logprobs) = self.logprobs {
            sink.piece(index, Piece::Logprobs(logprobs));
        }
    }

    fn tell_finish(&self, index: u32, sink: &mut dyn Sink) {
        if let Some(word) = self.finish_reason {
            let native = word.plain();
            sink.piece(index, Piece::Finish(Finish { reason: finish_reason(&native), native: &native }));
        }
    }
}

/// OpenAI's finish reasons and the words that those who speak its language use beside them.
#[must_use]
pub fn finish_reason(word: &str) -> FinishReason {
    match word {
        "stop" | "eos" | "eos_token" | "stop_sequence" | "end_turn" => FinishReason::Stop,
        "length" | "model_length" | "max_tokens" => FinishReason::Length,
        "tool_calls" | "function_call" | "tool_use" => FinishReason::ToolCalls,
        "content_filter" | "safety" => FinishReason::ContentFilter,
        _ => FinishReason::Unknown,
    }
}

/// The calls told so far, by the provider's own index: some leave it out, some count from one.
#[derive(Debug, Default)]
struct Calls {
    seen: Vec<(u32, u64)>,
}

impl Calls {
    /// The call's place among its choice's calls, and whether it is new.
    fn place(&mut self, choice: u32, key: u64) -> (u32, bool) {
        let mine = self.seen.iter().filter(|(of, _)| *of == choice);
        let count = u32::try_from(mine.clone().count()).unwrap_or(u32::MAX);
        match mine.clone().position(|(_, seen)| *seen == key) {
            Some(at) => (u32::try_from(at).unwrap_or(u32::MAX), false),
            None => {
                self.seen.push((choice, key));
                (count, true)
            }
        }
    }
}

impl Message<'_> {
    fn tell(&self, choice: u32, calls: &mut Calls, sink: &mut dyn Sink) {
        // Who sends both names sends the same text twice.
        if let Some(text) =
            self.reasoning_content.or(self.reasoning).and_then(Json::as_str).filter(|t| !t.is_empty())
        {
            sink.piece(choice, Piece::Reasoning(text));
        }
        if let Some(content) = self.content {
            tell_content(content, choice, sink);
        }
        if let Some(text) = self.refusal {
            sink.piece(choice, Piece::Refusal(text));
        }
        if let Some(items) = self.annotations.filter(|items| items.kind() == Kind::Array) {
            sink.piece(choice, Piece::Annotations(items));
        }
        for (position, call) in self.tool_calls.iter().flatten().enumerate() {
            let (index, new) = calls.place(choice, call.index.unwrap_or(position as u64));
            let called = call.function.clone().unwrap_or_default();
            if new {
                let id = call.id.unwrap_or(Str::literal(""));
                sink.piece(
                    choice,
                    Piece::ToolCall { index, id, name: called.name.unwrap_or(Str::literal("")) },
                );
            }
            match called.arguments {
                Some(arguments) if arguments.kind() == Kind::Object => {
                    sink.piece(choice, Piece::ToolInput { index, input: arguments });
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
}

/// Content as a string, or as parts of text and thinking.
fn tell_content(content: Json<'_>, choice: u32, sink: &mut dyn Sink) {
    if let Some(text) = content.as_str() {
        sink.piece(choice, Piece::Text(text));
    }
    for part in content.items() {
        if let Some(text) = part.field("text").and_then(Json::as_str) {
            sink.piece(choice, Piece::Text(text));
        }
        if let Some(thinking) = part.field("thinking") {
            let texts = thinking.items();
            let texts = texts.iter().filter_map(|item| item.field("text").and_then(Json::as_str));
            texts.chain(thinking.as_str()).for_each(|text| sink.piece(choice, Piece::Reasoning(text)));
        }
    }
}

json_view! {
    struct UsageView<'a> {
        "prompt_tokens" => prompt: u64,
        "completion_tokens" => completion: u64,
        "total_tokens" => total: u64,
        "prompt_tokens_details" => prompt_details: DetailsView<'a>,
        "completion_tokens_details" => completion_details: DetailsView<'a>,
        "prompt_cache_hit_tokens" => cache_hit: u64,
        "cached_tokens" => cached: u64,
        "num_cached_tokens" => num_cached: u64,
        "reasoning_tokens" => reasoning: u64,
    }
}

json_view! {
    struct DetailsView<'a> {
        "cached_tokens" => cached: u64,
        "cache_write_tokens" => cache_write: u64,
        "cache_creation_tokens" => cache_creation: u64,
        "cache_creation_token_details" => cache_lifetimes: CacheLifetimes<'a>,
        "audio_tokens" => audio: u64,
        "image_tokens" => image: u64,
        "reasoning_tokens" => reasoning: u64,
    }
}

json_view! {
    /// LiteLLM's word for how long what was written to a cache stays.
    struct CacheLifetimes<'a> { "ephemeral_1h_input_tokens" => hour: u64 }
}

/// Reads a usage object.
#[must_use]
pub fn usage(value: Json<'_>) -> Usage {
    let view: UsageView<'_> = value.read().unwrap_or_default();
    let prompt = view.prompt_details.unwrap_or_default();
    let completion = view.completion_details.unwrap_or_default();
    let reasoning = completion.reasoning.or(view.reasoning);
    let (input, mut output) = (view.prompt.unwrap_or(0), view.completion.unwrap_or(0));
    // xAI leaves reasoning out of its completions and puts it into the total: <https://docs.x.ai/docs/guides/reasoning>.
    let with_reasoning = output.saturating_add(reasoning.unwrap_or(0));
    if view.total == Some(input.saturating_add(with_reasoning)) {
        output = with_reasoning;
    }
    Usage {
        input,
        output,
        cached: prompt.cached.or(view.cache_hit).or(view.cached).or(view.num_cached),
        cache_write: prompt.cache_write.or(prompt.cache_creation),
        cache_write_1h: prompt.cache_lifetimes.and_then(|lifetimes| lifetimes.hour),
        reasoning,
        audio_input: prompt.audio,
        audio_output: completion.audio,
        image_input: prompt.image,
        image_output: completion.image,
        ..Usage::default()
    }
}

/// Reads a stream of chunks.
#[derive(Debug, Default)]
struct Chunks {
    started: bool,
    /// The choices that have told why they ended.
    ended: Vec<u32>,
    done: bool,
    calls: Calls,
}

impl StreamDecoder for Chunks {
    fn frame(&mut self, frame: Frame<'_>, sink: &mut dyn Sink) -> Result<(), Error> {
        if let Some(error) = bare_error(frame, "The provider") {
            return Err(error);
        }
        if frame.data.trim() == "[DONE]" {
            self.done = true;
            return Ok(());
        }
        let mut cursor = Cursor::new(frame.data);
        let chunk = Reply::from_json(&mut cursor)
            .map_err(|_| Error::garbled("An event of the provider's stream is not a chunk."))?;
        let failed = chunk.error.or_else(|| chunk.x_groq.as_ref().and_then(|extra| extra.error));
        if frame.event == "error" || failed.is_some_and(|error| !error.is_null()) {
            return Err(Said::read(frame.data.as_bytes()).into_error(200, "The provider"));
        }
        if !std::mem::replace(&mut self.started, true) {
            sink.start(Start { id: chunk.id, model: chunk.model, created: chunk.created });
        }
        for choice in chunk.choices.iter().flatten() {
            let index = choice.number();
            if let Some(delta) = &choice.delta {
                delta.tell(index, &mut self.calls, sink);
            }
            choice.tell_logprobs(index, sink);
            // OpenRouter repeats the finish reason of a choice that has ended.
            if choice.finish_reason.is_some() && !self.ended.contains(&index) {
                self.ended.push(index);
                choice.tell_finish(index, sink);
            }
        }
        if let Some(value) = chunk.usage.or_else(|| chunk.x_groq.and_then(|extra| extra.usage)) {
            sink.usage(usage(value));
        }
        Ok(())
    }

    fn done(&self) -> bool {
        self.done
    }

    fn end(&mut self, _sink: &mut dyn Sink) -> Result<(), Error> {
        // Several vendors never send [DONE]; a finish reason ends their streams.
        if self.done || !self.ended.is_empty() { Ok(()) } else { Err(truncated()) }
    }
}
