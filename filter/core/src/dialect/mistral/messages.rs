//! A conversation in Mistral's terms. Knows nothing of the request's other parts.
//!
//! Source: <https://docs.mistral.ai/api/endpoint/chat>. Fields that it does not know (`name` but on tools' results,
//! `cache_control`, `refusal`) are refused there, so each message is written anew.

use super::call_ids::CallIds;
use crate::config::Target;
use crate::error::Error;
use crate::json::{Json, Out, Str};
use crate::openai::message::Thinking;
use crate::openai::{ChatRequest, Content, Message, Part, Role, ToolCall};

/// Appends the `messages` field.
pub(super) fn write(request: &ChatRequest<'_>, to: &Target, body: &mut Vec<u8>) -> Result<(), Error> {
    let mut ids = CallIds::default();
    let mut before = Role::System;
    body.key("messages");
    body.open(b'[');
    for (index, message) in request.messages()?.iter().enumerate() {
        // "Assistant message must have either content or tool_calls": one without says nothing.
        if message.role == Role::Assistant && silent(message) {
            continue;
        }
        let role = placed(message.role, before);
        if role == Role::User && before == Role::Tool {
            bridge(body);
        }
        before = role;
        body.open(b'{');
        body.field_text("role", name(role));
        content(message, index, to, body)?;
        match message.role {
            Role::Assistant => calls_and_prefix(message, &mut ids, body),
            Role::Tool => result_of(message, &mut ids, body),
            Role::System | Role::Developer | Role::User => {}
        }
        body.close(b'}');
    }
    body.close(b']');
    Ok(())
}

const fn name(role: Role) -> &'static str {
    match role {
        Role::System | Role::Developer => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
    }
}

/// The role that a message may have behind one of the role `before`. Instructions behind an answer or a tool's result
/// are refused ("Unexpected role 'system' after role 'assistant'"): there the user gives them.
const fn placed(role: Role, before: Role) -> Role {
    match (role, before) {
        (Role::System | Role::Developer, Role::Assistant | Role::Tool) => Role::User,
        _ => role,
    }
}

/// What must stand between a tool's result and the user's next word: most models refuse "role 'user' after role 'tool'".
fn bridge(body: &mut Vec<u8>) {
    body.open(b'{');
    body.field_text("role", "assistant");
    body.field_text("content", "OK");
    body.close(b'}');
}

fn calls_and_prefix(message: &Message<'_>, ids: &mut CallIds, body: &mut Vec<u8>) {
    if !message.tool_calls.is_empty() {
        body.key("tool_calls");
        body.open(b'[');
        message.tool_calls.iter().for_each(|made| call(made, ids, body));
        body.close(b']');
    }
    if let Some(prefix) = message.raw.field("prefix").filter(|prefix| prefix.as_bool().is_some()) {
        body.field("prefix", prefix);
    }
}

fn result_of(message: &Message<'_>, ids: &mut CallIds, body: &mut Vec<u8>) {
    if let Some(id) = message.tool_call_id {
        body.field_text("tool_call_id", &ids.of(&id.plain()));
    }
    if let Some(name) = message.name {
        body.field_token("name", name);
    }
}

fn silent(message: &Message<'_>) -> bool {
    message.tool_calls.is_empty()
        && message.content.is_empty()
        && message.reasoning.is_none()
        && message.thinking_blocks.is_empty()
}

/// The content: a string where it is one, parts where it has some or the model has thought.
fn content(message: &Message<'_>, index: usize, to: &Target, body: &mut Vec<u8>) -> Result<(), Error> {
    body.key("content");
    let thoughts = thoughts(message);
    match &message.content {
        Content::Absent if thoughts.is_empty() => body.text(""),
        Content::Text(text) if thoughts.is_empty() => body.token(*text),
        content => {
            body.open(b'[');
            thoughts.iter().for_each(|thought| thinking_part(thought, body));
            for part in content.parts().iter().filter(|part| !matches!(part, Part::Thinking(_))) {
                write_part(part, index, to, body)?;
            }
            body.close(b']');
        }
    }
    Ok(())
}

/// What the model thought, in whichever form the client gives it back: text and signature.
fn thoughts<'a>(message: &Message<'a>) -> Vec<(Str<'a>, Option<Str<'a>>)> {
    let parts = message.content.parts();
    let inside = parts.iter().filter_map(|part| match part {
        Part::Thinking(thinking) => Some(*thinking),
        _ => None,
    });
    let blocks = message.thinking_blocks.iter().copied().chain(inside);
    let mut thoughts: Vec<_> = blocks
        .filter_map(|thinking| match thinking {
            Thinking::Signed { text, signature } => Some((text, signature)),
            Thinking::Redacted(_) => None,
        })
        .collect();
    if thoughts.is_empty()
        && let Some(text) = message.reasoning.filter(|text| !text.is_empty())
    {
        thoughts.push((text, None));
    }
    thoughts
}

fn thinking_part((text, signature): &(Str<'_>, Option<Str<'_>>), body: &mut Vec<u8>) {
    body.open(b'{');
    body.field_text("type", "thinking");
    body.key("thinking");
    body.open(b'[');
    text_part(*text, body);
    body.close(b']');
    if let Some(signature) = signature {
        body.field_token("signature", *signature);
    }
    // An open one would be gone on with.
    body.field("closed", Json::trusted("true"));
    body.close(b'}');
}

fn text_part(text: Str<'_>, body: &mut Vec<u8>) {
    body.open(b'{');
    body.field_text("type", "text");
    body.field_token("text", text);
    body.close(b'}');
}

fn write_part(part: &Part<'_>, index: usize, to: &Target, body: &mut Vec<u8>) -> Result<(), Error> {
    match part {
        Part::Text { text, .. } | Part::Refusal(text) => text_part(*text, body),
        Part::Image { url, detail, .. } => {
            body.open(b'{');
            body.field_text("type", "image_url");
            body.key("image_url");
            body.open(b'{');
            body.field_token("url", *url);
            if let Some(detail) = detail {
                body.field_token("detail", *detail);
            }
            body.close(b'}');
            body.close(b'}');
        }
        // The format is not asked for: it is read from the sound itself.
        Part::Audio { data, .. } => {
            body.open(b'{');
            body.field_text("type", "input_audio");
            body.field_token("input_audio", *data);
            body.close(b'}');
        }
        Part::File { .. } => file_part(part, index, to, body)?,
        Part::Thinking(_) => {}
        // A part in Mistral's own form: `document_url`, `reference`...
        Part::Other { raw, .. } => body.raw(raw.text()),
    }
    Ok(())
}

/// A file: carried along, at an address, or uploaded to Mistral before.
fn file_part(part: &Part<'_>, index: usize, to: &Target, body: &mut Vec<u8>) -> Result<(), Error> {
    let Part::File { data, id, filename, format, .. } = part else { return Ok(()) };
    let address = |text: &Str<'_>| {
        let text = text.plain();
        ["https://", "http://", "data:"].iter().any(|scheme| text.starts_with(scheme))
    };
    let url = data.filter(address).or(id.filter(address)).map(|url| url.raw().to_owned());
    // Bare base64 needs its media type said.
    let pdf = || filename.is_some_and(|name| name.plain().ends_with(".pdf")).then_some("application/pdf");
    let bare = || {
        let media_type = format.map(Str::raw).or_else(pdf)?;
        data.map(|data| format!("data:{media_type};base64,{}", data.raw()))
    };
    body.open(b'{');
    if let Some(url) = url.or_else(bare) {
        body.field_text("type", "document_url");
        body.field_token("document_url", Str::spelled(&url));
        if let Some(name) = filename {
            body.field_token("document_name", *name);
        }
    } else if let Some(id) = id {
        body.field_text("type", "file");
        body.field_token("file_id", *id);
    } else {
        let (provider, at) = (to.provider.name, format!("messages[{index}]"));
        return Err(Error::invalid(format!(
            "{provider} needs the file in '{at}' as data:<media type>;base64,<data>, an address or a file_id."
        ))
        .param(at));
    }
    body.close(b'}');
    Ok(())
}

fn call(made: &ToolCall<'_>, ids: &mut CallIds, body: &mut Vec<u8>) {
    body.open(b'{');
    body.field_text("id", &ids.of(&made.id.plain()));
    body.field_text("type", "function");
    body.key("function");
    body.open(b'{');
    body.field_token("name", made.name);
    let arguments = made.arguments();
    body.field_token("arguments", Str::spelled(&arguments));
    body.close(b'}');
    body.close(b'}');
}
