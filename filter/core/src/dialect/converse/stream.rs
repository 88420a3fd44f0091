//! A stream of replies: ConverseStream's events, each a frame whose name says what it is.
//!
//! The stream is complete with `messageStop`; `metadata`, with the token counts, comes behind it.
//! Source: <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html>.

use super::reply::{ToolUse, annotations, characters, counts, finish, own_fields, thought};
use crate::dialect::{StreamDecoder, bare_error, truncated};
use crate::error::Error;
use crate::json::{Cursor, FromJson, Json, Str};
use crate::json_view;
use crate::openai::{Piece, Sink, Start};
use crate::wire::Frame;

json_view! {
    struct Event<'a> {
        "contentBlockIndex" => index: u64,
        "start" => start: BlockStart<'a>,
        "delta" => delta: Delta<'a>,
        "stopReason" => stop_reason: Str<'a>,
        "additionalModelResponseFields" => additional: Json<'a>,
        "usage" => usage: Json<'a>,
        "trace" => trace: Json<'a>,
    }
}

json_view! {
    struct BlockStart<'a> { "toolUse" => tool_use: ToolUse<'a> }
}

json_view! {
    struct Delta<'a> {
        "text" => text: Str<'a>,
        "toolUse" => tool_use: ToolDelta<'a>,
        "reasoningContent" => reasoning: ReasoningDelta<'a>,
        "citation" => citation: Json<'a>,
    }
}

json_view! {
    struct ToolDelta<'a> { "input" => input: Json<'a> }
}

json_view! {
    struct ReasoningDelta<'a> {
        "text" => text: Str<'a>,
        "signature" => signature: Str<'a>,
        "redactedContent" => redacted: Str<'a>,
    }
}

/// What a content block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Block {
    /// A call for the client, by its number.
    Call(u32),
    /// The answer, in a form that was asked for.
    Answer,
    /// A call that the service runs itself.
    Service,
}

/// The most citations that are kept until the stream's end.
const MOST_CITATIONS: usize = 1024;

/// Reads a stream of events.
#[derive(Debug, Default)]
pub(super) struct Events {
    started: bool,
    stopped: bool,
    counted: bool,
    /// The blocks that are not text, by Converse's index.
    blocks: Vec<(u64, Block)>,
    calls: u32,
    reasoning: Option<u64>,
    citations: Vec<String>,
    /// Characters of the text so far, and where the open block's text and citations begin.
    characters: usize,
    block_start: usize,
    block_citations: usize,
}

impl StreamDecoder for Events {
    fn frame(&mut self, frame: Frame<'_>, sink: &mut dyn Sink) -> Result<(), Error> {
        if let Some(error) = bare_error(frame, "The provider") {
            return Err(error);
        }
        let event = Event::from_json(&mut Cursor::new(frame.data))
            .map_err(|_| Error::garbled("An event of the provider's stream is not one of Converse's."))?;
        if !std::mem::replace(&mut self.started, true) {
            sink.start(Start::default());
        }
        match frame.event {
            "contentBlockStart" => self.begin(&event, sink),
            "contentBlockDelta" => self.delta(&event, sink),
            "contentBlockStop" => self.shut(sink),
            "messageStop" => self.stop(&event, sink),
            "metadata" => self.metadata(&event, sink),
            // `messageStart` says nothing; events to come are not for us.
            _ => {}
        }
        Ok(())
    }

    fn done(&self) -> bool {
        self.stopped && self.counted
    }

    fn end(&mut self, _sink: &mut dyn Sink) -> Result<(), Error> {
        if self.stopped { Ok(()) } else { Err(truncated()) }
    }
}

impl Events {
    fn block(&self, event: &Event<'_>) -> Option<Block> {
        let index = event.index.unwrap_or(0);
        self.blocks.iter().rev().find(|(known, _)| *known == index).map(|(_, block)| *block)
    }

    fn begin(&mut self, event: &Event<'_>, sink: &mut dyn Sink) {
        let Some(call) = event.start.as_ref().and_then(|start| start.tool_use.as_ref()) else { return };
        let block = if call.by_service() {
            Block::Service
        } else if call.is_answer() {
            Block::Answer
        } else {
            call.tell(self.calls, sink);
            self.calls += 1;
            Block::Call(self.calls - 1)
        };
        self.blocks.push((event.index.unwrap_or(0), block));
    }

    fn delta(&mut self, event: &Event<'_>, sink: &mut dyn Sink) {
        let Some(delta) = &event.delta else { return };
        if let Some(text) = delta.text {
            self.characters += characters(text);
            sink.piece(0, Piece::Text(text));
        }
        if let Some(reasoning) = &delta.reasoning {
            if let Some(text) = reasoning.text {
                sink.piece(0, Piece::Reasoning(text));
            }
            if let Some(signature) = reasoning.signature.filter(|signature| !signature.is_empty()) {
                sink.piece(0, Piece::Signature(signature));
            }
            if let Some(data) = reasoning.redacted.filter(|data| !data.is_empty()) {
                sink.piece(0, Piece::RedactedThinking(data));
            }
        }
        if let Some(citation) = delta.citation
            && self.citations.len() < MOST_CITATIONS
        {
            self.citations.push(citation.text().to_owned());
        }
        if let Some(input) = delta.tool_use.as_ref().and_then(|tool| tool.input) {
            match (self.block(event), input.as_str()) {
                (Some(Block::Call(index)), Some(fragment)) => {
                    sink.piece(0, Piece::ToolArgs { index, fragment });
                }
                (Some(Block::Call(index)), None) => sink.piece(0, Piece::ToolInput { index, input }),
                (Some(Block::Answer), Some(fragment)) => sink.piece(0, Piece::Text(fragment)),
                _ => {}
            }
        }
    }

    /// A block has ended: its citations are of its text.
    fn shut(&mut self, sink: &mut dyn Sink) {
        let texts = self.citations.get(self.block_citations..).unwrap_or_default();
        let citations: Vec<Json<'_>> = texts.iter().map(|text| Json::trusted(text)).collect();
        annotations(&citations, self.block_start, self.characters, sink);
        (self.block_start, self.block_citations) = (self.characters, self.citations.len());
    }

    fn stop(&mut self, event: &Event<'_>, sink: &mut dyn Sink) {
        if std::mem::replace(&mut self.stopped, true) {
            return;
        }
        self.reasoning = event.additional.and_then(thought);
        let cited: Vec<&str> = self.citations.iter().map(String::as_str).collect();
        own_fields(&cited, None, sink);
        let native = event.stop_reason.map(Str::plain).unwrap_or_default();
        sink.piece(0, Piece::Finish(finish(&native, self.calls)));
    }

    fn metadata(&mut self, event: &Event<'_>, sink: &mut dyn Sink) {
        self.counted = true;
        if let Some(usage) = event.usage {
            let mut usage = counts(usage, None);
            usage.reasoning = self.reasoning;
            sink.usage(usage);
        }
        // The guardrail's trace comes only now, behind the finish: clients take it for a last delta.
        own_fields(&[], event.trace, sink);
    }
}
