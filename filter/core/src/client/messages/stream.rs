//! A reply as Anthropic's events.
//!
//! The grammar that clients rely on: one `message_start`; blocks one behind the other, each opened, told in deltas of its
//! own kind and closed, counted from 0; one `message_delta` with reason and counts; one `message_stop`.
//! Source: <https://platform.claude.com/docs/en/build-with-claude/streaming>.

use super::error;
use super::reply::{Ending, Head, citations, object, write_usage};
use crate::client::{Seed, StreamWriter};
use crate::error::Error;
use crate::json::{Json, Out, Str, escaped};
use crate::meter::Usage;
use crate::openai::{Piece, Sink, Start};

/// Writes events as they are told.
#[derive(Debug)]
pub(super) struct EventWriter {
    out: Vec<u8>,
    head: Head,
    begun: bool,
    /// The number of the block that is open, or else of the next.
    index: u64,
    open: Open,
    /// Calls that began while another was not complete: they wait for it.
    waiting: Vec<Call>,
    ending: Ending,
    usage: Option<Usage>,
}

/// The block that is open.
#[derive(Debug)]
enum Open {
    None,
    Text,
    Thinking,
    Call(Call),
}

/// A call, in spellings.
#[derive(Debug)]
struct Call {
    index: u32,
    id: String,
    name: String,
    arguments: String,
}

impl EventWriter {
    pub fn new(seed: Seed<'_>) -> Self {
        Self {
            out: Vec::new(),
            head: Head::new(&seed),
            begun: false,
            index: 0,
            open: Open::None,
            waiting: Vec::new(),
            ending: Ending::new(&seed),
            usage: None,
        }
    }

    fn begin(&mut self) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        let out = &mut self.out;
        out.extend_from_slice(b"event: message_start\ndata: {\"type\":\"message_start\",\"message\":{");
        self.head.write(out);
        out.extend_from_slice(b",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null");
        // What the prompt used is often told at the end only; what was generated always is.
        write_usage(self.usage.map(|usage| Usage { output: 0, reasoning: None, ..usage }), out);
        out.extend_from_slice(b"}}\n\nevent: ping\ndata: {\"type\":\"ping\"}\n\n");
    }

    /// Opens a block, up to the inside of its object.
    fn block(&mut self, kind: &str) {
        self.begin();
        self.out.extend_from_slice(b"event: content_block_start\ndata: {\"type\":\"content_block_start\"");
        self.out.field_number("index", self.index);
        self.out.extend_from_slice(b",\"content_block\":{");
        self.out.field_text("type", kind);
    }

    fn end_event(&mut self) {
        self.out.extend_from_slice(b"}}\n\n");
    }

    /// A delta of the block that is open, with one string.
    fn delta(&mut self, kind: &str, key: &str, spelling: &str) {
        self.out.extend_from_slice(b"event: content_block_delta\ndata: {\"type\":\"content_block_delta\"");
        self.out.field_number("index", self.index);
        self.out.extend_from_slice(b",\"delta\":{");
        self.out.field_text("type", kind);
        self.out.field_token(key, Str::spelled(spelling));
        self.end_event();
    }

    /// Closes the block that is open.
    fn close(&mut self) {
        if matches!(std::mem::replace(&mut self.open, Open::None), Open::None) {
            return;
        }
        self.out.extend_from_slice(b"event: content_block_stop\ndata: {\"type\":\"content_block_stop\"");
        self.out.field_number("index", self.index);
        self.out.extend_from_slice(b"}\n\n");
        self.index += 1;
    }

    /// Closes the block that is open, and tells the calls that have waited for it.
    fn settle(&mut self) {
        self.close();
        for call in std::mem::take(&mut self.waiting) {
            self.open_call(call);
            self.close();
        }
    }

    fn text(&mut self, text: Str<'_>) {
        if !matches!(self.open, Open::Text) {
            self.settle();
            self.block("text");
            self.out.extend_from_slice(b",\"text\":\"\"");
            self.end_event();
            self.open = Open::Text;
        }
        self.delta("text_delta", "text", text.raw());
    }

    fn citations(&mut self, annotations: Json<'_>) {
        for citation in citations(annotations) {
            self.out
                .extend_from_slice(b"event: content_block_delta\ndata: {\"type\":\"content_block_delta\"");
            self.out.field_number("index", self.index);
            self.out.extend_from_slice(b",\"delta\":{\"type\":\"citations_delta\",\"citation\":");
            self.out.extend_from_slice(&citation);
            self.end_event();
        }
    }

    fn thinking(&mut self) {
        if !matches!(self.open, Open::Thinking) {
            self.settle();
            self.block("thinking");
            self.out.extend_from_slice(b",\"thinking\":\"\",\"signature\":\"\"");
            self.end_event();
            self.open = Open::Thinking;
        }
    }

    fn redacted(&mut self, data: Str<'_>) {
        self.settle();
        self.block("redacted_thinking");
        self.out.field_token("data", data);
        self.end_event();
        self.open = Open::Thinking;
        self.close();
    }

    fn call(&mut self, call: Call) {
        match &self.open {
            // Some vendors tell the calls of one turn in turns; a block must be whole before the next.
            Open::Call(first) if object(&first.arguments).is_none() => self.waiting.push(call),
            Open::Call(_) if self.waiting.is_empty() => {
                self.close();
                self.open_call(call);
            }
            Open::Call(_) => self.waiting.push(call),
            _ => {
                self.settle();
                self.open_call(call);
            }
        }
    }

    fn open_call(&mut self, call: Call) {
        self.block("tool_use");
        self.out.field_token("id", Str::spelled(&call.id));
        self.out.field_token("name", Str::spelled(&call.name));
        self.out.extend_from_slice(b",\"input\":{}");
        self.end_event();
        if !call.arguments.is_empty() {
            self.delta("input_json_delta", "partial_json", &call.arguments);
        }
        self.open = Open::Call(call);
    }

    fn arguments(&mut self, index: u32, spelling: &str) {
        match &mut self.open {
            Open::Call(call) if call.index == index => {
                call.arguments.push_str(spelling);
                self.delta("input_json_delta", "partial_json", spelling);
            }
            _ => {
                if let Some(call) = self.waiting.iter_mut().find(|call| call.index == index) {
                    call.arguments.push_str(spelling);
                }
            }
        }
    }
}

impl Sink for EventWriter {
    fn start(&mut self, start: Start<'_>) {
        self.head.start(start);
    }

    fn piece(&mut self, choice: u32, piece: Piece<'_>) {
        // A message is one; nobody can have asked for more.
        if choice != 0 {
            return;
        }
        match piece {
            Piece::Text(text) if text.is_empty() => self.begin(),
            Piece::Text(text) => self.text(text),
            Piece::Refusal(text) => {
                self.ending.refused = true;
                if !text.is_empty() {
                    self.text(text);
                }
            }
            Piece::Reasoning(text) if text.is_empty() => self.begin(),
            Piece::Reasoning(text) => {
                self.thinking();
                self.delta("thinking_delta", "thinking", text.raw());
            }
            Piece::Signature(signature) if signature.is_empty() => {}
            Piece::Signature(signature) => {
                self.thinking();
                self.delta("signature_delta", "signature", signature.raw());
                self.close();
            }
            Piece::RedactedThinking(data) => self.redacted(data),
            Piece::ToolCall { index, id, name } => {
                self.ending.calls = true;
                let id = if id.is_empty() { self.head.call_id(index) } else { id.raw().to_owned() };
                self.call(Call { index, id, name: name.raw().to_owned(), arguments: String::new() });
            }
            Piece::ToolArgs { fragment, .. } if fragment.is_empty() => {}
            Piece::ToolArgs { index, fragment } => self.arguments(index, fragment.raw()),
            Piece::ToolInput { index, input } => self.arguments(index, &escaped(input.text())),
            Piece::Finish(finish) => {
                self.begin();
                self.ending.finish(finish);
            }
            Piece::Annotations(items) if matches!(self.open, Open::Text) => self.citations(items),
            // A custom tool of this language's is what the hub calls a function.
            Piece::CustomCall { .. } | Piece::CustomInput { .. } => {}
            Piece::Annotations(_) | Piece::Logprobs(_) | Piece::Extra(..) => {}
        }
    }

    fn usage(&mut self, usage: Usage) {
        self.usage = Some(usage);
    }
}

impl StreamWriter for EventWriter {
    fn out(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    fn end(&mut self) {
        self.begin();
        self.settle();
        let out = &mut self.out;
        out.extend_from_slice(b"event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{");
        self.ending.write(out);
        out.push(b'}');
        write_usage(self.usage, out);
        out.extend_from_slice(b"}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
    }

    fn fail(&mut self, error: &Error) {
        error::write_event(error, &mut self.out);
    }
}
