//! Streams: events by block index, told as they come.
//!
//! Source: <https://platform.claude.com/docs/en/build-with-claude/streaming>.

use base64::Engine as _;

use super::reply::{self, Block, Message, StopDetails, Tally, annotations, characters, tell_end};
use super::tools::ANSWER;
use crate::dialect::{StreamDecoder, bare_error, truncated};
use crate::error::{Error, Said};
use crate::json::{Cursor, FromJson, Json, Out, Str};
use crate::json_view;
use crate::openai::{Piece, Sink, Start};
use crate::wire::{Frame, FrameKind};

json_view! {
    struct Event<'a> {
        "type" => kind: Str<'a>,
        "message" => message: Message<'a>,
        "index" => index: u64,
        "content_block" => block: Block<'a>,
        "delta" => delta: Delta<'a>,
        "usage" => usage: reply::Counts<'a>,
        "bytes" => bytes: Str<'a>,
    }
}

json_view! {
    struct Delta<'a> {
        "type" => kind: Str<'a>,
        "text" => text: Str<'a>,
        "thinking" => thinking: Str<'a>,
        "signature" => signature: Str<'a>,
        "partial_json" => partial_json: Str<'a>,
        "citation" => citation: Json<'a>,
        "content" => content: Json<'a>,
        "stop_reason" => stop_reason: Str<'a>,
        "stop_details" => stop_details: StopDetails<'a>,
    }
}

/// Reads a stream of events.
#[derive(Debug, Default)]
pub(super) struct Events {
    tally: Tally,
    /// The blocks that are open, by their index.
    open: Vec<(u64, Open)>,
    calls: u32,
    answered: bool,
    /// Characters of the text so far: citations point into it.
    characters: u64,
    started: bool,
    finished: bool,
    done: bool,
}

/// A block that is open.
#[derive(Debug)]
enum Open {
    /// Text that began at this place, and what it cites: JSON texts.
    Text { start: u64, citations: Vec<String> },
    /// A call of the client's: its number, whether arguments have come, and the input that the block began with.
    Call { index: u32, told: bool, input: Option<String> },
    /// The answer, as a tool's input.
    Answer { told: bool, input: Option<String> },
    /// Anything else.
    Other,
}

impl StreamDecoder for Events {
    fn frame(&mut self, frame: Frame<'_>, sink: &mut dyn Sink) -> Result<(), Error> {
        if let Some(error) = bare_error(frame, "The provider") {
            return Err(error);
        }
        if frame.kind == FrameKind::Exception {
            let mut said = Said::read(frame.data.as_bytes());
            said.type_ = said.type_.or_else(|| Some(frame.event.to_owned()));
            return Err(said.into_error(200, "The provider"));
        }
        let mut cursor = Cursor::new(frame.data);
        let event = Event::from_json(&mut cursor).map_err(|_| garbled())?;
        match event.bytes {
            // Bedrock packs each event into another.
            Some(bytes) => {
                let bytes = base64::engine::general_purpose::STANDARD.decode(&*bytes.plain());
                let bytes = bytes.map_err(|_| garbled())?;
                let text = std::str::from_utf8(&bytes).map_err(|_| garbled())?;
                let mut cursor = Cursor::new(text);
                let event = Event::from_json(&mut cursor).map_err(|_| garbled())?;
                self.event(&event, text, sink)
            }
            None => self.event(&event, frame.data, sink),
        }
    }

    fn done(&self) -> bool {
        self.done
    }

    fn end(&mut self, _sink: &mut dyn Sink) -> Result<(), Error> {
        if self.done { Ok(()) } else { Err(truncated()) }
    }
}

fn garbled() -> Error {
    Error::garbled("An event of the provider's stream is malformed.")
}

impl Events {
    fn event(&mut self, event: &Event<'_>, text: &str, sink: &mut dyn Sink) -> Result<(), Error> {
        let kind = event.kind.unwrap_or(Str::literal("")).plain();
        match &*kind {
            "message_start" => self.start(event, sink),
            "content_block_start" => {
                if let (Some(index), Some(block)) = (event.index, &event.block) {
                    self.block(index, block, sink);
                }
            }
            "content_block_delta" => {
                if let (Some(index), Some(delta)) = (event.index, &event.delta) {
                    self.delta(index, delta, sink);
                }
            }
            "content_block_stop" => self.shut(event.index.unwrap_or(0), sink),
            "message_delta" => self.message_delta(event, sink),
            "message_stop" => self.done = true,
            "error" => return Err(reply::failure(text.as_bytes())),
            // `ping`, and what later versions of the API add.
            _ => {}
        }
        Ok(())
    }

    fn start(&mut self, event: &Event<'_>, sink: &mut dyn Sink) {
        let Some(message) = &event.message else { return };
        if !std::mem::replace(&mut self.started, true) {
            sink.start(Start { id: message.id, model: message.model, created: None });
        }
        if let Some(counts) = &message.usage {
            self.tally.tell(counts, sink);
        }
    }

    fn message_delta(&mut self, event: &Event<'_>, sink: &mut dyn Sink) {
        if let Some(delta) = &event.delta
            && let Some(reason) = delta.stop_reason
            && !std::mem::replace(&mut self.finished, true)
        {
            tell_end(reason, delta.stop_details.as_ref(), self.calls > 0, self.answered, sink);
        }
        if let Some(counts) = &event.usage {
            self.tally.tell(counts, sink);
        }
    }

    fn block(&mut self, index: u64, block: &Block<'_>, sink: &mut dyn Sink) {
        let kind = block.kind.unwrap_or(Str::literal("")).plain();
        let open = match &*kind {
            "text" => {
                let start = self.characters;
                if let Some(text) = block.text {
                    self.characters += characters(text);
                    sink.piece(0, Piece::Text(text));
                }
                let citations = block.citations.iter().flatten();
                Open::Text { start, citations: citations.map(|one| one.text().to_owned()).collect() }
            }
            "thinking" => {
                if let Some(text) = block.thinking.filter(|text| !text.is_empty()) {
                    sink.piece(0, Piece::Reasoning(text));
                }
                if let Some(signature) = block.signature.filter(|signature| !signature.is_empty()) {
                    sink.piece(0, Piece::Signature(signature));
                }
                Open::Other
            }
            "redacted_thinking" => {
                if let Some(data) = block.data {
                    sink.piece(0, Piece::RedactedThinking(data));
                }
                Open::Other
            }
            "tool_use" => self.call(block, sink),
            "web_search_tool_result" => {
                extra("web_search_results", block.content, sink);
                Open::Other
            }
            _ => Open::Other,
        };
        self.open.retain(|(known, _)| *known != index);
        self.open.push((index, open));
    }

    fn call(&mut self, block: &Block<'_>, sink: &mut dyn Sink) -> Open {
        let name = block.name.unwrap_or(Str::literal(""));
        // `input: {}` means nothing; a whole input in its place (which some that speak the language send) means itself.
        let input = block.input.map(|input| input.text().to_owned());
        let input = input.filter(|text| !matches!(text.as_str(), "{}" | "null" | "\"\""));
        if name.is(ANSWER) {
            self.answered = true;
            return Open::Answer { told: false, input };
        }
        let index = self.calls;
        self.calls += 1;
        sink.piece(0, Piece::ToolCall { index, id: block.id.unwrap_or(Str::literal("")), name });
        Open::Call { index, told: false, input }
    }

    fn delta(&mut self, index: u64, delta: &Delta<'_>, sink: &mut dyn Sink) {
        let open = self.open.iter_mut().find(|(known, _)| *known == index).map(|(_, open)| open);
        let kind = delta.kind.unwrap_or(Str::literal("")).plain();
        match (&*kind, open) {
            ("text_delta", _) => {
                if let Some(text) = delta.text {
                    self.characters += characters(text);
                    sink.piece(0, Piece::Text(text));
                }
            }
            ("thinking_delta", _) => {
                if let Some(text) = delta.thinking {
                    sink.piece(0, Piece::Reasoning(text));
                }
            }
            ("signature_delta", _) => {
                if let Some(signature) = delta.signature {
                    sink.piece(0, Piece::Signature(signature));
                }
            }
            ("input_json_delta", Some(Open::Call { index, told, .. })) => {
                if let Some(fragment) = delta.partial_json.filter(|fragment| !fragment.is_empty()) {
                    *told = true;
                    sink.piece(0, Piece::ToolArgs { index: *index, fragment });
                }
            }
            ("input_json_delta", Some(Open::Answer { told, .. })) => {
                if let Some(fragment) = delta.partial_json.filter(|fragment| !fragment.is_empty()) {
                    *told = true;
                    sink.piece(0, Piece::Text(fragment));
                }
            }
            ("citations_delta", Some(Open::Text { citations, .. })) => {
                if let Some(citation) = delta.citation {
                    citations.push(citation.text().to_owned());
                    extra("citation", delta.citation, sink);
                }
            }
            ("compaction_delta", _) => {
                if let Some(summary) = delta.content {
                    let mut block = b"[{\"type\":\"compaction\",\"content\":".to_vec();
                    block.raw(summary.text());
                    block.extend_from_slice(b"}]");
                    if let Ok(block) = std::str::from_utf8(&block) {
                        extra("compaction_blocks", Some(Json::trusted(block)), sink);
                    }
                }
            }
            _ => {}
        }
    }

    /// A block has ended: what had to wait for that is told.
    fn shut(&mut self, index: u64, sink: &mut dyn Sink) {
        let Some(place) = self.open.iter().position(|(known, _)| *known == index) else { return };
        match self.open.swap_remove(place).1 {
            Open::Text { start, citations } => {
                let citations: Vec<Json<'_>> = citations.iter().map(|text| Json::trusted(text)).collect();
                if let Some(items) = annotations(&citations, start, self.characters)
                    && let Ok(items) = std::str::from_utf8(&items)
                {
                    sink.piece(0, Piece::Annotations(Json::trusted(items)));
                }
            }
            // A call without arguments has none of their fragments; OpenAI's clients parse what they get.
            Open::Call { index, told: false, input } => {
                let input = input.as_deref().unwrap_or("{}");
                sink.piece(0, Piece::ToolInput { index, input: Json::trusted(input) });
            }
            Open::Answer { told: false, input } => {
                let spelled = crate::json::escaped(input.as_deref().unwrap_or("{}"));
                sink.piece(0, Piece::Text(Str::spelled(&spelled)));
            }
            Open::Call { .. } | Open::Answer { .. } | Open::Other => {}
        }
    }
}

/// Tells what OpenAI's delta has no place for, under LiteLLM's names.
fn extra(name: &str, value: Option<Json<'_>>, sink: &mut dyn Sink) {
    let Some(value) = value else { return };
    let mut out = Vec::with_capacity(value.text().len() + 32);
    out.open(b'{');
    out.field(name, value);
    out.close(b'}');
    if let Ok(fields) = std::str::from_utf8(&out) {
        sink.piece(0, Piece::Extra("provider_specific_fields", Json::trusted(fields)));
    }
}
