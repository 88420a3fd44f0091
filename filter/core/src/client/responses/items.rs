//! The output items of a response, and their forms.
//!
//! Source: <https://platform.openai.com/docs/api-reference/responses/object#responses-object-output>.

use super::reasoning;
use crate::json::{Json, Kind, Out, Str, escape};

/// An item of the output. Texts are spellings; other strings are the items of arrays.
#[derive(Debug)]
pub(super) struct Item {
    pub id: String,
    pub of: Kinds,
    /// Whether more may come to it.
    pub open: bool,
}

#[derive(Debug)]
pub(super) enum Kinds {
    Reasoning(Reasoning),
    Message(Message),
    Call(Call),
}

#[derive(Debug, Default)]
pub(super) struct Reasoning {
    pub text: String,
    /// Signed blocks, in the hub's form.
    pub blocks: String,
}

#[derive(Debug, Default)]
pub(super) struct Message {
    pub parts: Vec<Part>,
    /// What the provider wants back with the message and OpenAI's API has no place for.
    pub own: Option<String>,
}

#[derive(Debug)]
pub(super) enum Part {
    Text(Text),
    Refusal(String),
}

#[derive(Debug, Default)]
pub(super) struct Text {
    pub text: String,
    pub annotations: Vec<String>,
    pub logprobs: String,
}

#[derive(Debug)]
pub(super) struct Call {
    pub call_id: String,
    pub name: String,
    /// Or the input of a custom tool.
    pub arguments: String,
    pub custom: bool,
}

/// How an item or a whole response stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    InProgress,
    Completed,
    Incomplete,
}

impl Status {
    pub const fn word(self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Incomplete => "incomplete",
        }
    }
}

impl Item {
    /// Appends the item as it stands.
    pub fn write(&self, status: Status, out: &mut Vec<u8>) {
        out.open(b'{');
        out.field_text("id", &self.id);
        match &self.of {
            Kinds::Reasoning(reasoning) => reasoning.write(status, out),
            Kinds::Message(message) => message.write(status, out),
            Kinds::Call(call) => call.write(status, out),
        }
        out.close(b'}');
    }

    /// Appends the item as it is when nothing has been said in it.
    pub fn write_begun(&self, out: &mut Vec<u8>) {
        out.open(b'{');
        out.field_text("id", &self.id);
        match &self.of {
            Kinds::Reasoning(_) => Reasoning::default().write(Status::InProgress, out),
            Kinds::Message(_) => Message::default().write(Status::InProgress, out),
            Kinds::Call(call) => call.write_with("", Status::InProgress, out),
        }
        out.close(b'}');
    }
}

impl Reasoning {
    fn write(&self, status: Status, out: &mut Vec<u8>) {
        out.field_text("type", "reasoning");
        out.key("summary");
        out.open(b'[');
        if !self.text.is_empty() {
            summary(&self.text, out);
        }
        out.close(b']');
        if !self.blocks.is_empty() {
            out.field_text("encrypted_content", &reasoning::wrapped(&self.blocks));
        }
        out.field_text("status", status.word());
    }

    /// Ends the block that has been told so far.
    pub fn sign(&mut self, signature: Str<'_>) {
        let block = format!(
            "{{\"type\":\"thinking\",\"thinking\":\"{}\",\"signature\":\"{}\"}}",
            self.text,
            signature.raw()
        );
        push_item(&mut self.blocks, &block);
    }

    pub fn redact(&mut self, data: Str<'_>) {
        let block = format!("{{\"type\":\"redacted_thinking\",\"data\":\"{}\"}}", data.raw());
        push_item(&mut self.blocks, &block);
    }
}

/// A part of a reasoning item.
pub(super) fn summary(text: &str, out: &mut Vec<u8>) {
    out.open(b'{');
    out.field_text("type", "summary_text");
    out.field_token("text", Str::spelled(text));
    out.close(b'}');
}

fn push_item(items: &mut String, item: &str) {
    if !items.is_empty() {
        items.push(',');
    }
    items.push_str(item);
}

impl Message {
    fn write(&self, status: Status, out: &mut Vec<u8>) {
        out.field_text("type", "message");
        out.field_text("status", status.word());
        out.field_text("role", "assistant");
        out.key("content");
        out.open(b'[');
        self.parts.iter().for_each(|part| part.write(out));
        out.close(b']');
        if let Some(own) = &self.own {
            out.field("provider_specific_fields", Json::trusted(own));
        }
    }
}

impl Part {
    /// Appends the part as it stands.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.open(b'{');
        match self {
            Self::Text(text) => {
                out.field_text("type", "output_text");
                out.field_token("text", Str::spelled(&text.text));
                out.key("annotations");
                out.open(b'[');
                text.annotations.iter().for_each(|item| out.raw(item));
                out.close(b']');
                out.key("logprobs");
                text.write_logprobs(out);
            }
            Self::Refusal(text) => {
                out.field_text("type", "refusal");
                out.field_token("refusal", Str::spelled(text));
            }
        }
        out.close(b'}');
    }
}

impl Text {
    pub fn write_logprobs(&self, out: &mut Vec<u8>) {
        out.open(b'[');
        out.extend_from_slice(self.logprobs.as_bytes());
        out.close(b']');
    }

    /// Adds the tokens of a chat reply's `logprobs`. What a vendor leaves out of them, OpenAI's SDKs demand.
    pub fn add_logprobs(&mut self, logprobs: Json<'_>) {
        for token in logprobs.field("content").map(Json::items).unwrap_or_default() {
            let mut item = Vec::with_capacity(token.text().len() + 32);
            item.open(b'{');
            for (key, value) in token.fields().into_iter().filter(|(_, value)| !value.is_null()) {
                item.token(key);
                item.push(b':');
                item.raw(value.text());
            }
            for missing in ["bytes", "top_logprobs"] {
                if token.field(missing).is_none_or(Json::is_null) {
                    item.field(missing, Json::trusted("[]"));
                }
            }
            item.close(b'}');
            push_item(&mut self.logprobs, &String::from_utf8(item).unwrap_or_default());
        }
    }
}

/// An annotation in this API's flat form.
pub(super) fn annotation(item: Json<'_>) -> Option<String> {
    let nested = item.field("url_citation").filter(|inner| inner.kind() == Kind::Object);
    let Some(citation) = nested else {
        return (item.kind() == Kind::Object).then(|| item.text().to_owned());
    };
    let mut out = Vec::with_capacity(item.text().len());
    out.open(b'{');
    out.field_text("type", "url_citation");
    for (name, otherwise) in [("start_index", "0"), ("end_index", "0"), ("title", "\"\""), ("url", "\"\"")] {
        let given = citation.field(name).filter(|value| !value.is_null());
        out.field(name, given.unwrap_or(Json::trusted(otherwise)));
    }
    out.close(b'}');
    String::from_utf8(out).ok()
}

impl Call {
    fn write(&self, status: Status, out: &mut Vec<u8>) {
        self.write_with(self.whole(), status, out);
    }

    fn write_with(&self, arguments: &str, status: Status, out: &mut Vec<u8>) {
        out.field_text("type", if self.custom { "custom_tool_call" } else { "function_call" });
        out.field_text("status", status.word());
        out.field_token("call_id", Str::spelled(&self.call_id));
        out.field_token("name", Str::spelled(&self.name));
        out.field_token(self.given(), Str::spelled(arguments));
    }

    /// What it gives, by this API's name.
    pub const fn given(&self) -> &'static str {
        if self.custom { "input" } else { "arguments" }
    }

    /// The names of the events that tell a piece of it, and the whole.
    pub const fn events(&self) -> [&'static str; 2] {
        if self.custom {
            ["response.custom_tool_call_input.delta", "response.custom_tool_call_input.done"]
        } else {
            ["response.function_call_arguments.delta", "response.function_call_arguments.done"]
        }
    }

    /// The arguments: a function's call that gives none has an empty object.
    pub fn whole(&self) -> &str {
        if self.arguments.is_empty() && !self.custom { "{}" } else { &self.arguments }
    }

    /// Adds arguments that came as a value; what was added, as a spelling.
    pub fn add_value(&mut self, input: Json<'_>) -> String {
        let mut spelled = Vec::with_capacity(input.text().len() + 16);
        escape(input.text(), &mut spelled);
        let spelled = String::from_utf8(spelled).unwrap_or_default();
        self.arguments.push_str(&spelled);
        spelled
    }
}
