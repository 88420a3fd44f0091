//! Messages and tools: spliced as they are, unless they say something that the vendor doesn't know.
//!
//! Conversations wander between providers: what one of them put into an answer (reasoning and its signatures, cache
//! marks) comes back in the next request, and may then go to one that refuses it.

use crate::config::Target;
use crate::json::{Json, Kind, Out, Str};
use crate::openai::{ChatRequest, Word};

/// Keys of a message that LiteLLM's gateway and this one add to answers for clients; no provider takes them back.
const OURS: [&str; 2] = ["thinking_blocks", "provider_specific_fields"];

struct Editor<'t> {
    to: &'t Target,
    cache_control: bool,
    reasoning: bool,
    developer: bool,
    ours: bool,
    errors: bool,
}

impl<'t> Editor<'t> {
    /// An editor for what `request` says; `None` where its messages pass as they are. Most do, and they are large.
    fn of(request: &ChatRequest<'_>, to: &'t Target) -> Option<Self> {
        let quirks = &to.provider.quirks;
        let editor = Self {
            to,
            cache_control: !quirks.cache_control && request.says(Word::CacheControl),
            reasoning: quirks.reasoning != "reasoning_content" && request.says(Word::ReasoningContent),
            developer: !quirks.developer && request.says(Word::Developer),
            ours: request.says(Word::ThinkingBlocks) || request.says(Word::ProviderSpecificFields),
            errors: request.says(Word::IsError),
        };
        let Self { cache_control, reasoning, developer, ours, errors, .. } = editor;
        let edits = cache_control || reasoning || developer || ours || errors;
        (edits || quirks.flat_content).then_some(editor)
    }
}

/// Whether the messages need no edit.
pub(super) fn messages_pass(request: &ChatRequest<'_>, to: &Target) -> bool {
    Editor::of(request, to).is_none()
}

/// Writes the field `messages`.
pub(super) fn messages(raw: Json<'_>, request: &ChatRequest<'_>, to: &Target, body: &mut Vec<u8>) {
    let Some(editor) = Editor::of(request, to) else { return body.field("messages", raw) };
    body.key("messages");
    body.open(b'[');
    for message in raw.items() {
        editor.message(message, body);
    }
    body.close(b']');
}

impl Editor<'_> {
    fn message(&self, message: Json<'_>, body: &mut Vec<u8>) {
        if message.kind() != Kind::Object {
            return body.raw(message.text());
        }
        let quirks = &self.to.provider.quirks;
        body.open(b'{');
        for (key, value) in message.fields() {
            match &*key.plain() {
                "cache_control" if self.cache_control => {}
                name if OURS.contains(&name) => {}
                // Other languages say it apart; here the result's own words do.
                "is_error" if self.errors => {}
                "reasoning_content" if self.reasoning => {
                    if !quirks.reasoning.is_empty() && !value.is_null() {
                        body.field(quirks.reasoning, value);
                    }
                }
                "role" if self.developer && value.as_str().is_some_and(|role| role.is("developer")) => {
                    body.field_text("role", "system");
                }
                "content" if quirks.flat_content && all_text(value) => flat(key, value, body),
                "content" if self.cache_control && value.kind() == Kind::Array => {
                    field(key, body);
                    body.open(b'[');
                    value.items().into_iter().for_each(|part| without(part, "cache_control", body));
                    body.close(b']');
                }
                _ => {
                    field(key, body);
                    body.raw(value.text());
                }
            }
        }
        body.close(b'}');
    }
}

fn field(key: Str<'_>, body: &mut Vec<u8>) {
    body.token(key);
    body.push(b':');
}

/// An object without one of its keys; anything else as it is.
fn without(value: Json<'_>, name: &str, body: &mut Vec<u8>) {
    if value.kind() != Kind::Object {
        return body.raw(value.text());
    }
    body.open(b'{');
    for (key, value) in value.fields() {
        if !key.is(name) {
            field(key, body);
            body.raw(value.text());
        }
    }
    body.close(b'}');
}

/// Whether content is a list of nothing but text: only that can be one string.
fn all_text(content: Json<'_>) -> bool {
    let text = |part: &Json<'_>| part.field("text").is_some_and(|text| text.kind() == Kind::String);
    content.kind() == Kind::Array && content.items().iter().all(text)
}

/// The text parts as one string, joined as LiteLLM joins them: with nothing between.
fn flat(key: Str<'_>, content: Json<'_>, body: &mut Vec<u8>) {
    field(key, body);
    body.push(b'"');
    for part in content.items() {
        if let Some(text) = part.field("text").and_then(Json::as_str) {
            body.extend_from_slice(text.raw().as_bytes());
        }
    }
    body.push(b'"');
}

/// What of the tools has to go: cache marks, strictness.
fn unwanted(request: &ChatRequest<'_>, to: &Target) -> (bool, bool) {
    let quirks = &to.provider.quirks;
    let marks = !quirks.cache_control && request.says(Word::CacheControl);
    (marks, !quirks.strict_tools && request.says(Word::Strict))
}

/// Whether the tools need no edit.
pub(super) fn tools_pass(request: &ChatRequest<'_>, to: &Target) -> bool {
    unwanted(request, to) == (false, false)
}

/// Writes the field `tools`.
pub(super) fn tools(raw: Json<'_>, request: &ChatRequest<'_>, to: &Target, body: &mut Vec<u8>) {
    let (marks, strict) = unwanted(request, to);
    let kept = |name: &str| !((marks && name == "cache_control") || (strict && name == "strict"));
    body.key("tools");
    body.open(b'[');
    for tool in raw.items() {
        if tool.kind() != Kind::Object {
            body.raw(tool.text());
            continue;
        }
        body.open(b'{');
        for (key, value) in tool.fields().into_iter().filter(|(key, _)| kept(&key.plain())) {
            field(key, body);
            if !key.is("function") || value.kind() != Kind::Object {
                body.raw(value.text());
                continue;
            }
            body.open(b'{');
            for (key, value) in value.fields().into_iter().filter(|(key, _)| kept(&key.plain())) {
                field(key, body);
                body.raw(value.text());
            }
            body.close(b'}');
        }
        body.close(b'}');
    }
    body.close(b']');
}
