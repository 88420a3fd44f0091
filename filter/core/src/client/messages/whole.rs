//! A reply as one message.
//!
//! Source: <https://platform.claude.com/docs/en/api/messages/create>.

use super::reply::{Ending, Head, citations, object, write_usage};
use crate::client::{Seed, WholeWriter};
use crate::json::{Json, Out, Str, escape};
use crate::meter::Usage;
use crate::openai::{Piece, Sink, Start};

/// Gathers a reply and writes it as one message.
#[derive(Debug)]
pub(super) struct MessageWriter {
    head: Head,
    blocks: Vec<Block>,
    ending: Ending,
    usage: Option<Usage>,
}

/// A content block. Texts are spellings.
#[derive(Debug)]
enum Block {
    Text { text: String, citations: Vec<Vec<u8>> },
    Thinking { text: String, signature: String },
    Redacted(String),
    Call { index: u32, id: String, name: String, arguments: String },
}

impl MessageWriter {
    pub fn new(seed: Seed<'_>) -> Self {
        Self { head: Head::new(&seed), blocks: Vec::new(), ending: Ending::new(&seed), usage: None }
    }

    fn text(&mut self, text: Str<'_>) {
        match self.blocks.last_mut() {
            Some(Block::Text { text: told, .. }) => told.push_str(text.raw()),
            _ => self.blocks.push(Block::Text { text: text.raw().to_owned(), citations: Vec::new() }),
        }
    }

    /// The block of reasoning that is not signed yet, or a new one.
    fn thinking(&mut self) -> Option<(&mut String, &mut String)> {
        let unsigned =
            matches!(self.blocks.last(), Some(Block::Thinking { signature, .. }) if signature.is_empty());
        if !unsigned {
            self.blocks.push(Block::Thinking { text: String::new(), signature: String::new() });
        }
        match self.blocks.last_mut() {
            Some(Block::Thinking { text, signature }) => Some((text, signature)),
            _ => None,
        }
    }

    fn arguments(&mut self, wanted: u32) -> Option<&mut String> {
        self.blocks.iter_mut().find_map(|block| match block {
            Block::Call { index, arguments, .. } if *index == wanted => Some(arguments),
            _ => None,
        })
    }
}

impl Sink for MessageWriter {
    fn start(&mut self, start: Start<'_>) {
        self.head.start(start);
    }

    fn piece(&mut self, choice: u32, piece: Piece<'_>) {
        // A message is one; nobody can have asked for more.
        if choice != 0 {
            return;
        }
        match piece {
            Piece::Text(text) if text.is_empty() => {}
            Piece::Text(text) => self.text(text),
            Piece::Refusal(text) => {
                self.ending.refused = true;
                self.text(text);
            }
            Piece::Reasoning(text) if text.is_empty() => {}
            Piece::Reasoning(said) => {
                if let Some((text, _)) = self.thinking() {
                    text.push_str(said.raw());
                }
            }
            Piece::Signature(said) => {
                if let Some((_, signature)) = self.thinking() {
                    signature.push_str(said.raw());
                }
            }
            Piece::RedactedThinking(data) => self.blocks.push(Block::Redacted(data.raw().to_owned())),
            Piece::ToolCall { index, id, name } => {
                self.ending.calls = true;
                let id = if id.is_empty() { self.head.call_id(index) } else { id.raw().to_owned() };
                let name = name.raw().to_owned();
                self.blocks.push(Block::Call { index, id, name, arguments: String::new() });
            }
            Piece::ToolArgs { index, fragment } => {
                if let Some(arguments) = self.arguments(index) {
                    arguments.push_str(fragment.raw());
                }
            }
            Piece::ToolInput { index, input } => {
                if let Some(arguments) = self.arguments(index) {
                    *arguments = crate::json::escaped(input.text());
                }
            }
            Piece::Finish(finish) => self.ending.finish(finish),
            Piece::Annotations(items) => {
                if let Some(Block::Text { citations: told, .. }) = self.blocks.last_mut() {
                    told.extend(citations(items));
                }
            }
            // A custom tool of this language's is what the hub calls a function.
            Piece::CustomCall { .. } | Piece::CustomInput { .. } => {}
            Piece::Logprobs(_) | Piece::Extra(..) => {}
        }
    }

    fn usage(&mut self, usage: Usage) {
        self.usage = Some(usage);
    }
}

impl WholeWriter for MessageWriter {
    fn write(self: Box<Self>, out: &mut Vec<u8>) {
        out.open(b'{');
        self.head.write(out);
        out.key("content");
        out.open(b'[');
        self.blocks.iter().for_each(|block| block.write(out));
        out.close(b']');
        self.ending.write(out);
        write_usage(self.usage, out);
        out.close(b'}');
    }
}

impl Block {
    fn write(&self, out: &mut Vec<u8>) {
        out.open(b'{');
        match self {
            Self::Text { text, citations } => {
                out.field_text("type", "text");
                out.field_token("text", Str::spelled(text));
                if !citations.is_empty() {
                    out.key("citations");
                    out.push(b'[');
                    out.extend_from_slice(&citations.join(&b','));
                    out.push(b']');
                }
            }
            Self::Thinking { text, signature } => {
                out.field_text("type", "thinking");
                out.field_token("thinking", Str::spelled(text));
                out.field_token("signature", Str::spelled(signature));
            }
            Self::Redacted(data) => {
                out.field_text("type", "redacted_thinking");
                out.field_token("data", Str::spelled(data));
            }
            Self::Call { id, name, arguments, .. } => {
                out.field_text("type", "tool_use");
                out.field_token("id", Str::spelled(id));
                out.field_token("name", Str::spelled(name));
                out.key("input");
                match object(arguments) {
                    Some(input) => out.raw(Json::trusted(&input).text()),
                    None => unreadable(arguments, out),
                }
            }
        }
        out.close(b'}');
    }
}

/// Arguments that are no object, where one must be: none are an empty one, others are shown as they came.
fn unreadable(arguments: &str, out: &mut Vec<u8>) {
    out.open(b'{');
    if !Str::spelled(arguments).is_blank() {
        out.key("arguments");
        out.push(b'"');
        escape(&Str::spelled(arguments).plain(), out);
        out.push(b'"');
    }
    out.close(b'}');
}
