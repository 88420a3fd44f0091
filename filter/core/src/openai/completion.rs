//! A reply as one `chat.completion` object.
//!
//! Source: <https://platform.openai.com/docs/api-reference/chat/object>.

use super::sink::{Piece, Sink, Start};
use crate::json::{Json, Out, escape};
use crate::meter::Usage;

/// Gathers a reply and writes it as one object.
#[derive(Debug)]
pub struct CompletionWriter {
    id: String,
    model: String,
    created: u64,
    choices: Vec<Choice>,
    usage: Option<Usage>,
}

/// Buffers hold spellings: what stands between a JSON string's quotes, or the items of an array.
#[derive(Debug, Default)]
struct Choice {
    text: Option<String>,
    reasoning: String,
    unsigned: String,
    blocks: String,
    refusal: Option<String>,
    calls: Vec<Call>,
    annotations: String,
    logprobs: Option<String>,
    extras: Vec<(&'static str, String)>,
    finish: Option<String>,
}

#[derive(Debug)]
struct Call {
    id: String,
    name: String,
    /// Or the input of a custom tool.
    arguments: String,
    custom: bool,
}

impl CompletionWriter {
    /// A writer for a reply whose provider gives no id, model or time of its own: `id` and `model` are spellings, `now`
    /// is in Unix seconds.
    #[must_use]
    pub fn new(id: impl Into<String>, model: impl Into<String>, now: u64) -> Self {
        Self { id: id.into(), model: model.into(), created: now, choices: Vec::new(), usage: None }
    }

    /// The token counts so far.
    #[must_use]
    pub const fn counted(&self) -> Option<Usage> {
        self.usage
    }

    fn choice(&mut self, index: u32) -> Option<&mut Choice> {
        let index = usize::try_from(index).ok()?;
        // No API gives more than 128 choices; a provider that counts wildly must not make us allocate for it.
        while self.choices.len() <= index && index < 128 {
            self.choices.push(Choice::default());
        }
        self.choices.get_mut(index)
    }

    /// Appends the object.
    pub fn write(mut self, out: &mut Vec<u8>) {
        if self.choices.is_empty() {
            self.choices.push(Choice::default());
        }
        out.extend_from_slice(b"{\"id\":\"");
        out.extend_from_slice(self.id.as_bytes());
        out.extend_from_slice(b"\",\"object\":\"chat.completion\"");
        out.field_number("created", self.created);
        out.extend_from_slice(b",\"model\":\"");
        out.extend_from_slice(self.model.as_bytes());
        out.extend_from_slice(b"\",\"choices\":[");
        for (index, choice) in self.choices.iter().enumerate() {
            choice.write(index as u64, out);
        }
        out.push(b']');
        if let Some(usage) = &self.usage {
            out.key("usage");
            usage.write_openai(out);
        }
        out.push(b'}');
    }
}

impl Choice {
    fn write(&self, index: u64, out: &mut Vec<u8>) {
        out.open(b'{');
        out.field_number("index", index);
        out.key("message");
        out.open(b'{');
        out.field_text("role", "assistant");
        // OpenAI's content is null only beside calls or a refusal.
        let null = self.text.is_none() && (!self.calls.is_empty() || self.refusal.is_some());
        optional(out, "content", if null { None } else { Some(self.text.as_deref().unwrap_or_default()) });
        optional(out, "refusal", self.refusal.as_deref());
        if !self.reasoning.is_empty() {
            optional(out, "reasoning_content", Some(&self.reasoning));
        }
        let mut blocks = self.blocks.clone();
        if !self.unsigned.is_empty() && !blocks.is_empty() {
            push_block(&mut blocks, &self.unsigned, None);
        }
        if !blocks.is_empty() {
            array(out, "thinking_blocks", &blocks);
        }
        if !self.calls.is_empty() {
            out.key("tool_calls");
            out.open(b'[');
            self.calls.iter().for_each(|call| call.write(out));
            out.close(b']');
        }
        if !self.annotations.is_empty() {
            array(out, "annotations", &self.annotations);
        }
        for (name, value) in &self.extras {
            out.field(name, Json::trusted(value));
        }
        out.close(b'}');
        out.field("logprobs", Json::trusted(self.logprobs.as_deref().unwrap_or("null")));
        optional(out, "finish_reason", self.finish.as_deref());
        out.close(b'}');
    }
}

impl Call {
    fn write(&self, out: &mut Vec<u8>) {
        out.open(b'{');
        optional(out, "id", Some(&self.id));
        let (kind, given) = if self.custom { ("custom", "input") } else { ("function", "arguments") };
        out.field_text("type", kind);
        out.key(kind);
        out.open(b'{');
        optional(out, "name", Some(&self.name));
        let nothing = self.arguments.is_empty() && !self.custom;
        optional(out, given, Some(if nothing { "{}" } else { &self.arguments }));
        out.close(b'}');
        out.close(b'}');
    }
}

fn optional(out: &mut Vec<u8>, key: &str, spelling: Option<&str>) {
    out.key(key);
    match spelling {
        Some(spelling) => {
            out.push(b'"');
            out.extend_from_slice(spelling.as_bytes());
            out.push(b'"');
        }
        None => out.raw("null"),
    }
}

fn array(out: &mut Vec<u8>, key: &str, items: &str) {
    out.key(key);
    out.push(b'[');
    out.extend_from_slice(items.as_bytes());
    out.push(b']');
}

fn push_item(items: &mut String, item: &str) {
    if !items.is_empty() {
        items.push(',');
    }
    items.push_str(item);
}

/// Appends a thinking block in LiteLLM's form to the items of `thinking_blocks`.
fn push_block(items: &mut String, text: &str, signature: Option<&str>) {
    let signature = signature.map(|signature| format!(",\"signature\":\"{signature}\"")).unwrap_or_default();
    push_item(items, &format!("{{\"type\":\"thinking\",\"thinking\":\"{text}\"{signature}}}"));
}

impl Sink for CompletionWriter {
    fn start(&mut self, start: Start<'_>) {
        if let Some(id) = start.id.filter(|id| !id.is_empty()) {
            self.id = id.raw().to_owned();
        }
        if let Some(model) = start.model.filter(|model| !model.is_empty()) {
            self.model = model.raw().to_owned();
        }
        self.created = start.created.unwrap_or(self.created);
    }

    fn piece(&mut self, choice: u32, piece: Piece<'_>) {
        let Some(choice) = self.choice(choice) else { return };
        let custom = matches!(piece, Piece::CustomCall { .. });
        match piece {
            Piece::Text(text) => choice.text.get_or_insert_default().push_str(text.raw()),
            Piece::Reasoning(text) => {
                choice.reasoning.push_str(text.raw());
                choice.unsigned.push_str(text.raw());
            }
            Piece::Signature(signature) => {
                let text = std::mem::take(&mut choice.unsigned);
                push_block(&mut choice.blocks, &text, Some(signature.raw()));
            }
            Piece::RedactedThinking(data) => {
                let block = format!("{{\"type\":\"redacted_thinking\",\"data\":\"{}\"}}", data.raw());
                push_item(&mut choice.blocks, &block);
            }
            Piece::Refusal(text) => choice.refusal.get_or_insert_default().push_str(text.raw()),
            Piece::ToolCall { index, id, name } | Piece::CustomCall { index, id, name } => {
                // Calls are told in order; an index only tells fragments apart.
                if choice.calls.len() == index as usize {
                    let (id, name) = (id.raw().to_owned(), name.raw().to_owned());
                    choice.calls.push(Call { id, name, arguments: String::new(), custom });
                }
            }
            Piece::ToolArgs { index, fragment } | Piece::CustomInput { index, fragment } => {
                if let Some(call) = choice.calls.get_mut(index as usize) {
                    call.arguments.push_str(fragment.raw());
                }
            }
            Piece::ToolInput { index, input } => {
                if let Some(call) = choice.calls.get_mut(index as usize) {
                    let mut spelled = Vec::with_capacity(input.text().len() + 16);
                    escape(input.text(), &mut spelled);
                    call.arguments = String::from_utf8(spelled).unwrap_or_default();
                }
            }
            Piece::Annotations(items) => {
                let text = items.text().trim_start_matches('[').trim_end_matches(']').trim();
                if items.items().is_empty() {
                    return;
                }
                push_item(&mut choice.annotations, text);
            }
            Piece::Logprobs(value) => choice.logprobs = Some(value.text().to_owned()),
            Piece::Extra(name, value) => choice.extras.push((name, value.text().to_owned())),
            Piece::Finish(finish) => choice.finish = Some(crate::json::escaped(finish.word())),
        }
    }

    fn usage(&mut self, usage: Usage) {
        self.usage = Some(usage);
    }
}
