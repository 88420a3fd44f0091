//! Ollama's answers: whole ones, and streams of lines, each like a whole one.
//!
//! Sources: <https://docs.ollama.com/api/chat>, <https://docs.ollama.com/api/errors>.

use super::super::{StreamDecoder, bare_error, truncated};
use crate::error::{Error, Said};
use crate::json::{Cursor, FromJson, Json, Out, Str};
use crate::json_view;
use crate::meter::Usage;
use crate::openai::{Finish, FinishReason, Piece, Sink, Start};
use crate::wire::Frame;

/// How an error without words of its own is told.
const PROVIDER: &str = "Ollama";

json_view! {
    struct Reply<'a> {
        "model" => model: Str<'a>,
        "created_at" => created_at: Str<'a>,
        "message" => message: Message<'a>,
        "done" => done: bool,
        "done_reason" => done_reason: Str<'a>,
        "prompt_eval_count" => prompt_eval_count: u64,
        "eval_count" => eval_count: u64,
        "logprobs" => logprobs: Vec<Json<'a>>,
        "error" => error: Json<'a>,
        "status" => status: u64,
    }
}

json_view! {
    struct Message<'a> {
        "content" => content: Str<'a>,
        "thinking" => thinking: Str<'a>,
        "tool_calls" => tool_calls: Vec<Call<'a>>,
    }
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
    let mut lines = Lines::default();
    lines.line(&reply, text, sink)?;
    if lines.done { Ok(()) } else { Err(garbled()) }
}

/// Reads a stream of lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    started: bool,
    /// How many calls have come. Their own indexes are missing or start anew with each line.
    calls: u32,
    done: bool,
}

impl Lines {
    fn line(&mut self, reply: &Reply<'_>, text: &str, sink: &mut dyn Sink) -> Result<(), Error> {
        if reply.error.is_some() {
            let status = reply.status.and_then(|status| u16::try_from(status).ok()).unwrap_or(200);
            return Err(Said::read(text.as_bytes()).into_error(status, PROVIDER));
        }
        if !std::mem::replace(&mut self.started, true) {
            sink.start(Start { model: reply.model, ..Start::default() });
        }
        if let Some(message) = &reply.message {
            if let Some(thinking) = message.thinking {
                sink.piece(0, Piece::Reasoning(thinking));
            }
            if let Some(content) = message.content.filter(|content| !content.is_empty()) {
                sink.piece(0, Piece::Text(content));
            }
            for call in message.tool_calls.iter().flatten() {
                self.call(call, reply.created_at, sink);
            }
        }
        if let Some(spelled) = reply.logprobs.as_deref().and_then(logprobs) {
            sink.piece(0, Piece::Logprobs(Json::trusted(&spelled)));
        }
        if reply.done == Some(true) {
            self.finish(reply, sink);
        }
        Ok(())
    }

    /// Tells a call. Many models' calls have no id: theirs is made of what is certain, so that each way of cutting the
    /// stream gives the same one, and of the line's time, so that two turns' calls differ.
    fn call(&mut self, call: &Call<'_>, created_at: Option<Str<'_>>, sink: &mut dyn Sink) {
        let index = self.calls;
        self.calls = self.calls.saturating_add(1);
        let called = call.function.clone().unwrap_or_default();
        let name = called.name.unwrap_or(Str::literal(""));
        let input = called.arguments.unwrap_or(Json::trusted("{}"));
        let own = call.id.filter(|id| !id.is_empty());
        let made = match own {
            Some(_) => String::new(),
            None => made_id(&[created_at.map_or("", Str::raw), name.raw(), input.text()], index),
        };
        sink.piece(0, Piece::ToolCall { index, id: own.unwrap_or(Str::literal(&made)), name });
        match input.as_str() {
            // A string is what a fine-tuned template now and then lets through.
            Some(fragment) => sink.piece(0, Piece::ToolArgs { index, fragment }),
            None => sink.piece(0, Piece::ToolInput { index, input }),
        }
    }

    /// The last line. It says `stop` after calls too.
    fn finish(&mut self, reply: &Reply<'_>, sink: &mut dyn Sink) {
        self.done = true;
        // Older servers give no reason for a natural end.
        let native = reply.done_reason.map_or("stop".into(), Str::plain);
        let reason = match &*native {
            "stop" if self.calls > 0 => FinishReason::ToolCalls,
            "stop" => FinishReason::Stop,
            "length" => FinishReason::Length,
            _ => FinishReason::Unknown,
        };
        sink.piece(0, Piece::Finish(Finish { reason, native: &native }));
        if reply.prompt_eval_count.is_some() || reply.eval_count.is_some() {
            sink.usage(Usage {
                input: reply.prompt_eval_count.unwrap_or(0),
                output: reply.eval_count.unwrap_or(0),
                ..Usage::default()
            });
        }
    }
}

/// FNV-1a over the parts and the call's number.
fn made_id(parts: &[&str], index: u32) -> String {
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0])).chain(index.to_be_bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("call_{hash:016x}")
}

/// Ollama's items with the fields that OpenAI's always have.
fn logprobs(items: &[Json<'_>]) -> Option<String> {
    if items.is_empty() {
        return None;
    }
    let mut spelled = Vec::new();
    spelled.open(b'{');
    spelled.key("content");
    spelled.open(b'[');
    for item in items {
        logprob(*item, &mut spelled);
        let top = item.field("top_logprobs").map(Json::items).unwrap_or_default();
        spelled.key("top_logprobs");
        spelled.open(b'[');
        for other in top {
            logprob(other, &mut spelled);
            spelled.close(b'}');
        }
        spelled.close(b']');
        spelled.close(b'}');
    }
    spelled.close(b']');
    spelled.field("refusal", Json::trusted("null"));
    spelled.close(b'}');
    String::from_utf8(spelled).ok()
}

/// Opens an item and writes what every one has.
fn logprob(item: Json<'_>, spelled: &mut Vec<u8>) {
    spelled.open(b'{');
    for (name, default) in [("token", "\"\""), ("logprob", "0"), ("bytes", "null")] {
        spelled.field(name, item.field(name).unwrap_or(Json::trusted(default)));
    }
}

impl StreamDecoder for Lines {
    fn frame(&mut self, frame: Frame<'_>, sink: &mut dyn Sink) -> Result<(), Error> {
        if let Some(error) = bare_error(frame, PROVIDER) {
            return Err(error);
        }
        if self.done {
            return Ok(());
        }
        let reply = Reply::from_json(&mut Cursor::new(frame.data))
            .map_err(|_| Error::garbled("A line of the provider's stream is not a chat reply."))?;
        self.line(&reply, frame.data, sink)
    }

    fn done(&self) -> bool {
        self.done
    }

    fn end(&mut self, _sink: &mut dyn Sink) -> Result<(), Error> {
        if self.done { Ok(()) } else { Err(truncated()) }
    }
}
