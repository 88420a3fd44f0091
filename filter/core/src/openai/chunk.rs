//! A reply as a stream of `chat.completion.chunk` events.
//!
//! Source: <https://platform.openai.com/docs/api-reference/chat/streaming>.

use super::sink::{Piece, Sink, Start};
use crate::error::Error;
use crate::json::{Out, Str, escape};
use crate::meter::Usage;

/// Writes chunks as they are told. Each piece becomes a whole event at once; what has been written is taken from
/// [`ChunkWriter::out`].
#[derive(Debug)]
pub struct ChunkWriter {
    /// The events written so far and not yet taken.
    pub out: Vec<u8>,
    /// Everything up to the choices, the same in every chunk: rendered once.
    prefix: Vec<u8>,
    fallback: (String, String, u64),
    /// Which choices have told their role.
    begun: Vec<u32>,
    /// How many reasoning blocks each choice has closed: OpenAI's own accumulator demands an index in every list.
    thoughts: Vec<(u32, u64)>,
    include_usage: bool,
    usage: Option<Usage>,
}

impl ChunkWriter {
    /// A writer for a reply whose provider gives no id, model or time of its own: `id` and `model` are spellings, `now`
    /// is in Unix seconds. `include_usage` is the client's wish for a last chunk with the token counts.
    #[must_use]
    pub fn new(id: impl Into<String>, model: impl Into<String>, now: u64, include_usage: bool) -> Self {
        Self {
            out: Vec::new(),
            prefix: Vec::new(),
            fallback: (id.into(), model.into(), now),
            begun: Vec::new(),
            thoughts: Vec::new(),
            include_usage,
            usage: None,
        }
    }

    /// The token counts so far.
    #[must_use]
    pub const fn counted(&self) -> Option<Usage> {
        self.usage
    }

    /// Ends the stream well: the usage chunk if the client asked for it, then `[DONE]`.
    pub fn end(&mut self) {
        if self.include_usage
            && let Some(usage) = self.usage
        {
            self.begin();
            self.out.extend_from_slice(&self.prefix);
            self.out.extend_from_slice(b"\"choices\":[],\"usage\":");
            // The usage object stands behind a colon, so no comma comes before it.
            usage.write_openai(&mut self.out);
            self.out.extend_from_slice(b"}\n\n");
        }
        self.out.extend_from_slice(b"data: [DONE]\n\n");
    }

    /// Ends the stream badly: an event with the error, and no `[DONE]`.
    pub fn fail(&mut self, error: &Error) {
        self.out.extend_from_slice(b"data: ");
        error.write_openai(&mut self.out);
        self.out.extend_from_slice(b"\n\n");
    }

    fn begin(&mut self) {
        if !self.prefix.is_empty() {
            return;
        }
        let (id, model, created) = &self.fallback;
        let prefix = &mut self.prefix;
        prefix.extend_from_slice(b"data: {\"id\":\"");
        prefix.extend_from_slice(id.as_bytes());
        prefix.extend_from_slice(b"\",\"object\":\"chat.completion.chunk\",\"created\":");
        prefix.number(*created);
        prefix.extend_from_slice(b",\"model\":\"");
        prefix.extend_from_slice(model.as_bytes());
        prefix.extend_from_slice(b"\",");
    }

    /// Tells a choice's role, once.
    fn role(&mut self, choice: u32) {
        self.begin();
        if self.begun.contains(&choice) {
            return;
        }
        self.begun.push(choice);
        self.out.extend_from_slice(&self.prefix);
        self.out.extend_from_slice(b"\"choices\":[{\"index\":");
        self.out.number(u64::from(choice));
        self.out.extend_from_slice(
            b",\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n",
        );
    }

    /// Opens a chunk up to the inside of its delta.
    fn open(&mut self, choice: u32) {
        self.role(choice);
        self.out.extend_from_slice(&self.prefix);
        self.out.extend_from_slice(b"\"choices\":[{\"index\":");
        // `number` puts no comma behind a colon.
        self.out.number(u64::from(choice));
        self.out.extend_from_slice(b",\"delta\":{");
    }

    fn shut(&mut self) {
        self.out.extend_from_slice(b"},\"finish_reason\":null}]}\n\n");
    }

    /// A delta with one string field.
    fn delta(&mut self, choice: u32, head: &[u8], spelling: &str, tail: &[u8]) {
        self.open(choice);
        self.out.extend_from_slice(head);
        self.out.extend_from_slice(spelling.as_bytes());
        self.out.extend_from_slice(tail);
        self.shut();
    }

    /// Tells a piece of the reasoning block that is open, of these spellings, and ends the delta. `last` closes the block.
    fn thought(&mut self, choice: u32, fields: &[(&str, &str)], last: bool) {
        if !self.thoughts.iter().any(|(known, _)| *known == choice) {
            self.thoughts.push((choice, 0));
        }
        let place = self.thoughts.iter_mut().find(|(known, _)| *known == choice);
        let index = place.map_or(0, |(_, closed)| {
            let index = *closed;
            *closed += u64::from(last);
            index
        });
        self.out.key("thinking_blocks");
        self.out.extend_from_slice(b"[{");
        self.out.field_number("index", index);
        for (key, spelling) in fields {
            self.out.field_token(key, Str::spelled(spelling));
        }
        self.out.extend_from_slice(b"}]");
        self.shut();
    }

    fn tool(&mut self, choice: u32, index: u32) {
        self.open(choice);
        self.out.extend_from_slice(b"\"tool_calls\":[{\"index\":");
        self.out.number(u64::from(index));
    }

    /// Tells that a call begins: its id and name, and the words for its kind and for what it gives.
    fn call(&mut self, choice: u32, index: u32, (id, name): (Str<'_>, Str<'_>), [kind, given]: [&str; 2]) {
        self.tool(choice, index);
        self.out.field_token("id", id);
        self.out.field_text("type", kind);
        self.out.key(kind);
        self.out.open(b'{');
        self.out.field_token("name", name);
        self.out.field_text(given, "");
        self.out.extend_from_slice(b"}}]");
        self.shut();
    }
}

impl Sink for ChunkWriter {
    fn start(&mut self, start: Start<'_>) {
        if let Some(id) = start.id.filter(|id| !id.is_empty()) {
            self.fallback.0 = id.raw().to_owned();
        }
        if let Some(model) = start.model.filter(|model| !model.is_empty()) {
            self.fallback.1 = model.raw().to_owned();
        }
        self.fallback.2 = start.created.unwrap_or(self.fallback.2);
    }

    fn piece(&mut self, choice: u32, piece: Piece<'_>) {
        match piece {
            // An empty delta still tells that the choice has begun.
            Piece::Text(text) if text.is_empty() => self.role(choice),
            Piece::Text(text) => self.delta(choice, b"\"content\":\"", text.raw(), b"\""),
            Piece::Reasoning(text) if text.is_empty() => {}
            Piece::Reasoning(text) => {
                self.open(choice);
                self.out.extend_from_slice(b"\"reasoning_content\":\"");
                self.out.extend_from_slice(text.raw().as_bytes());
                self.out.push(b'"');
                self.thought(choice, &[("type", "thinking"), ("thinking", text.raw())], false);
            }
            Piece::Signature(signature) => {
                self.open(choice);
                let fields = [("type", "thinking"), ("thinking", ""), ("signature", signature.raw())];
                self.thought(choice, &fields, true);
            }
            Piece::RedactedThinking(data) => {
                self.open(choice);
                self.thought(choice, &[("type", "redacted_thinking"), ("data", data.raw())], true);
            }
            Piece::Refusal(text) => self.delta(choice, b"\"refusal\":\"", text.raw(), b"\""),
            Piece::ToolCall { index, id, name } => {
                self.call(choice, index, (id, name), ["function", "arguments"]);
            }
            Piece::CustomCall { index, id, name } => {
                self.call(choice, index, (id, name), ["custom", "input"]);
            }
            Piece::ToolArgs { fragment, .. } | Piece::CustomInput { fragment, .. } if fragment.is_empty() => {
            }
            Piece::ToolArgs { index, fragment } | Piece::CustomInput { index, fragment } => {
                let custom = matches!(piece, Piece::CustomInput { .. });
                let given =
                    if custom { ",\"custom\":{\"input\":\"" } else { ",\"function\":{\"arguments\":\"" };
                self.tool(choice, index);
                self.out.extend_from_slice(given.as_bytes());
                self.out.extend_from_slice(fragment.raw().as_bytes());
                self.out.extend_from_slice(b"\"}}]");
                self.shut();
            }
            Piece::ToolInput { index, input } => {
                self.tool(choice, index);
                self.out.extend_from_slice(b",\"function\":{\"arguments\":\"");
                escape(input.text(), &mut self.out);
                self.out.extend_from_slice(b"\"}}]");
                self.shut();
            }
            Piece::Annotations(items) => {
                self.open(choice);
                self.out.field("annotations", items);
                self.shut();
            }
            Piece::Extra(name, value) => {
                self.open(choice);
                self.out.field(name, value);
                self.shut();
            }
            Piece::Logprobs(value) => {
                self.open(choice);
                self.out.extend_from_slice(b"},\"logprobs\":");
                self.out.extend_from_slice(value.text().as_bytes());
                self.out.extend_from_slice(b",\"finish_reason\":null}]}\n\n");
            }
            Piece::Finish(finish) => {
                self.open(choice);
                self.out.extend_from_slice(b"},\"finish_reason\":");
                self.out.text(finish.word());
                self.out.extend_from_slice(b"}]}\n\n");
            }
        }
    }

    fn usage(&mut self, usage: Usage) {
        self.usage = Some(usage);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openai::{Finish, FinishReason};

    #[test]
    fn every_event_is_whole_json() {
        let mut writer = ChunkWriter::new("id", "m", 1, true);
        writer.start(Start { id: Some(Str::literal("msg_1")), ..Start::default() });
        writer.piece(0, Piece::Reasoning(Str::literal("hm")));
        writer.piece(0, Piece::Signature(Str::literal("sig")));
        writer.piece(0, Piece::Text(Str::spelled(r"caf\u00e9")));
        writer.piece(0, Piece::ToolCall { index: 0, id: Str::literal("c"), name: Str::literal("f") });
        writer.piece(0, Piece::ToolInput { index: 0, input: crate::json::Json::trusted(r#"{"a":"b"}"#) });
        writer.piece(0, Piece::Finish(Finish { reason: FinishReason::ToolCalls, native: "tool_use" }));
        writer.usage(Usage { input: 1, output: 2, cached: Some(0), ..Usage::default() });
        writer.end();
        let text = String::from_utf8(writer.out).unwrap();
        let events: Vec<&str> = text.split_terminator("\n\n").collect();
        assert_eq!(events.last(), Some(&"data: [DONE]"));
        for event in &events[..events.len() - 1] {
            let chunk: serde_json::Value =
                serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap();
            assert_eq!(chunk["id"], "msg_1");
        }
        assert!(text.contains(r#""content":"caf\u00e9""#) && text.contains(r#""prompt_tokens":1"#));
    }
}
