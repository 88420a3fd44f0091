//! From OpenAI's messages to Gemini's contents: roles, media, function calls and their results, thought signatures.
//!
//! Source: <https://ai.google.dev/api/caching#Content>.

use std::borrow::Cow;

use super::family::Family;
use super::params::Written;
use super::{resolution, signature};
use crate::error::Error;
use crate::json::{Cursor, FromJson, Json, Kind, Out, Str};
use crate::openai::message::{DataUrl, Thinking};
use crate::openai::{Content, Message, Part, Role, ToolCall};

/// Appends `systemInstruction` and `contents`.
///
/// # Errors
/// A client error that names the message which can't be said in this language.
pub(super) fn write(
    messages: &[Message<'_>],
    family: Family,
    written: &mut Written,
    body: &mut Vec<u8>,
) -> Result<(), Error> {
    if instructions(messages, body)? {
        written.note("systemInstruction");
    }
    body.key("contents");
    body.open(b'[');
    let start = body.len();
    // Google checks signatures in the current turn only: from the last thing that the user said.
    let turn = messages.iter().rposition(|message| message.role == Role::User).unwrap_or(0);
    let mut at = 0;
    while let Some(first) = messages.get(at) {
        let same = |message: &&Message<'_>| message.role == first.role || instructs(message);
        let run = messages.get(at..).unwrap_or_default().iter().take_while(same).count().max(1);
        let group = messages.get(at..at + run).unwrap_or_default();
        let spoken = group.iter().enumerate().filter(|(_, message)| !instructs(message));
        match first.role {
            Role::System | Role::Developer => {}
            Role::Tool => results(messages, at, group, family, body)?,
            Role::User | Role::Assistant => {
                let who = if first.role == Role::User { "user" } else { "model" };
                let before = body.len();
                body.open(b'{');
                body.field_text("role", who);
                body.key("parts");
                body.open(b'[');
                let empty = body.len();
                for (offset, message) in spoken {
                    let index = at + offset;
                    if first.role == Role::User {
                        said(message, index, family, body)?;
                    } else {
                        answered(message, index, family, index > turn, body)?;
                    }
                }
                if body.len() == empty {
                    if first.role == Role::Assistant {
                        body.truncate(before);
                        at += run;
                        continue;
                    }
                    // Vertex refuses an empty text.
                    text(Str::literal(" "), None, body);
                }
                body.close(b']');
                body.close(b'}');
            }
        }
        at += run;
    }
    if body.len() == start {
        // Instructions alone are no prompt to Gemini.
        body.raw(r#"{"role":"user","parts":[{"text":"."}]}"#);
    }
    body.close(b']');
    Ok(())
}

const fn instructs(message: &Message<'_>) -> bool {
    matches!(message.role, Role::System | Role::Developer)
}

/// Writes `systemInstruction`; false when there is none.
fn instructions(messages: &[Message<'_>], body: &mut Vec<u8>) -> Result<bool, Error> {
    let before = body.len();
    body.key("systemInstruction");
    body.open(b'{');
    body.key("parts");
    body.open(b'[');
    let empty = body.len();
    for (index, message) in messages.iter().enumerate().filter(|(_, message)| instructs(message)) {
        for part in message.content.parts().iter() {
            match part {
                Part::Text { text: said, .. } if said.is_empty() => {}
                Part::Text { text: said, .. } => text(*said, None, body),
                _ => return Err(unsayable(index, "instructions that are not text")),
            }
        }
    }
    if body.len() == empty {
        body.truncate(before);
        return Ok(false);
    }
    body.close(b']');
    body.close(b'}');
    Ok(true)
}

fn unsayable(index: usize, what: &str) -> Error {
    Error::invalid(format!("'messages[{index}]' has {what}, which this model can't be sent."))
        .param(format!("messages[{index}]"))
}

fn text(text: Str<'_>, signature: Option<Str<'_>>, body: &mut Vec<u8>) {
    body.open(b'{');
    body.field_token("text", text);
    if let Some(signature) = signature {
        body.field_token("thoughtSignature", signature);
    }
    body.close(b'}');
}

fn said(message: &Message<'_>, index: usize, family: Family, body: &mut Vec<u8>) -> Result<(), Error> {
    for part in message.content.parts().iter() {
        match part {
            Part::Text { text: said, .. } if said.is_empty() => {}
            Part::Text { text: said, .. } => text(*said, None, body),
            other => {
                body.open(b'{');
                media(other, index, Some(family), body)?;
                body.close(b'}');
            }
        }
    }
    Ok(())
}

/// Writes what the model said. `current` says that the message belongs to the turn that is going on.
fn answered(
    message: &Message<'_>,
    index: usize,
    family: Family,
    current: bool,
    body: &mut Vec<u8>,
) -> Result<(), Error> {
    thoughts(message, body);
    let mut signatures = signature::of_message(message).into_iter();
    let content = message.content.parts();
    let last = content.iter().rposition(|part| matches!(part, Part::Text { text, .. } if !text.is_empty()));
    for (position, part) in content.iter().enumerate() {
        match part {
            Part::Text { text: said, .. } if said.is_empty() => {}
            Part::Text { text: said, .. } => {
                let signature = if Some(position) == last { signatures.next() } else { None };
                text(*said, signature, body);
            }
            Part::Refusal(said) => text(*said, None, body),
            Part::Thinking(_) => {}
            other => {
                body.open(b'{');
                media(other, index, Some(family), body)?;
                body.close(b'}');
            }
        }
    }
    if let Some(refusal) = message.refusal.filter(|refusal| !refusal.is_empty()) {
        text(refusal, None, body);
    }
    for signature in signatures {
        text(Str::literal(""), Some(signature), body);
    }
    for (position, call) in message.tool_calls.iter().enumerate() {
        function_call(call, index, position, family, current, body)?;
    }
    Ok(())
}

/// Writes reasoning back as thoughts. Their signatures stay behind: Gemini signs what follows a thought, so one that
/// stands on a thought is another vendor's.
fn thoughts(message: &Message<'_>, body: &mut Vec<u8>) {
    let mut thought = |said: Str<'_>| {
        if !said.is_empty() {
            body.open(b'{');
            body.field_token("text", said);
            body.field("thought", Json::trusted("true"));
            body.close(b'}');
        }
    };
    let parts = message.content.parts();
    let blocks = parts.iter().filter_map(|part| match part {
        Part::Thinking(block) => Some(block),
        _ => None,
    });
    let blocks: Vec<_> = message.thinking_blocks.iter().chain(blocks).collect();
    if blocks.is_empty() {
        message.reasoning.into_iter().for_each(thought);
        return;
    }
    for block in blocks {
        if let Thinking::Signed { text, .. } = block {
            thought(*text);
        }
    }
}

fn function_call(
    call: &ToolCall<'_>,
    index: usize,
    position: usize,
    family: Family,
    current: bool,
    body: &mut Vec<u8>,
) -> Result<(), Error> {
    let input = call.input().ok_or_else(|| {
        let at = format!("messages[{index}].tool_calls[{position}].function.arguments");
        Error::invalid(format!("'{at}' must be a JSON object inside a string.")).param(at)
    })?;
    let (id, signature) = signature::split(call);
    body.open(b'{');
    body.key("functionCall");
    body.open(b'{');
    if family.signs() {
        body.field_token("id", id);
    }
    body.field_token("name", call.name);
    body.field("args", Json::trusted(&input));
    body.close(b'}');
    match signature {
        Some(signature) => body.field_token("thoughtSignature", signature),
        // Gemini 3 refuses a step of the current turn whose first call is not signed. For history that another model
        // made, Google documents this word: <https://ai.google.dev/gemini-api/docs/thought-signatures#faqs>.
        None if family.signs() && current && position == 0 => {
            body.field_text("thoughtSignature", "skip_thought_signature_validator");
        }
        None => {}
    }
    body.close(b'}');
    Ok(())
}

/// Writes consecutive tool results as one content, in the order of the calls that they answer.
fn results(
    messages: &[Message<'_>],
    at: usize,
    group: &[Message<'_>],
    family: Family,
    body: &mut Vec<u8>,
) -> Result<(), Error> {
    let before = messages.get(..at).unwrap_or_default();
    let mut answers = Vec::new();
    for (offset, message) in group.iter().enumerate().filter(|(_, message)| !instructs(message)) {
        let index = at + offset;
        let id = message.tool_call_id.unwrap_or(Str::literal(""));
        let mut calls = before.iter().rev().flat_map(|message| &message.tool_calls);
        let call = calls.find(|call| signature::same_call(call.id, id));
        let name = call.map(|call| call.name).or(message.name);
        let name = name.ok_or_else(|| {
            let at = format!("messages[{index}].tool_call_id");
            Error::invalid(format!("'{at}' answers no tool call of an earlier message.")).param(at)
        })?;
        answers.push((order(before, id), index, id, name, message));
    }
    answers.sort_by_key(|(order, ..)| *order);
    body.open(b'{');
    body.field_text("role", "user");
    body.key("parts");
    body.open(b'[');
    for (_, index, id, name, message) in answers {
        function_response(message, index, id, name, family, body)?;
    }
    body.close(b']');
    body.close(b'}');
    Ok(())
}

/// The place of the call `id` among those of the model's last message.
fn order(before: &[Message<'_>], id: Str<'_>) -> usize {
    let last = before.iter().rev().find(|message| message.role == Role::Assistant);
    let place =
        last.and_then(|message| message.tool_calls.iter().position(|call| signature::same_call(call.id, id)));
    place.unwrap_or(usize::MAX)
}

fn function_response(
    message: &Message<'_>,
    index: usize,
    id: Str<'_>,
    name: Str<'_>,
    family: Family,
    body: &mut Vec<u8>,
) -> Result<(), Error> {
    let parts = message.content.parts();
    let media_parts: Vec<&Part<'_>> =
        parts.iter().filter(|part| !matches!(part, Part::Text { .. } | Part::Refusal(_))).collect();
    body.open(b'{');
    body.key("functionResponse");
    body.open(b'{');
    if family.signs() {
        body.field_token("id", signature::bare_id(id));
    }
    body.field_token("name", name);
    body.key("response");
    response(&message.content, message.is_error, body);
    // From its third generation on, Gemini takes what a tool shows as part of the result.
    let inside = family.signs() && !media_parts.is_empty();
    if inside {
        body.key("parts");
        body.open(b'[');
        for part in &media_parts {
            body.open(b'{');
            media(part, index, None, body)?;
            body.close(b'}');
        }
        body.close(b']');
    }
    body.close(b'}');
    body.close(b'}');
    if !inside {
        for part in media_parts {
            body.open(b'{');
            media(part, index, Some(family), body)?;
            body.close(b'}');
        }
    }
    Ok(())
}

/// Writes a result as an object: an object as itself, anything else under `output`, a failure under `error`.
/// Source of the two names: <https://ai.google.dev/api/caching#FunctionResponse>.
fn response(content: &Content<'_>, failed: bool, body: &mut Vec<u8>) {
    let spelled = content.joined_text();
    let said = Str::spelled(&spelled);
    let plain = said.plain();
    let mut cursor = Cursor::new(&plain);
    let object = (cursor.kind() == Kind::Object)
        .then(|| Json::from_json(&mut cursor).ok().filter(|_| cursor.finish().is_ok()))
        .flatten();
    match object {
        Some(object) if !failed => body.raw(object.text()),
        _ => {
            body.open(b'{');
            body.field_token(if failed { "error" } else { "output" }, said);
            body.close(b'}');
        }
    }
}

/// Writes the inside of a part that is not text; `family` where the part may have a resolution of its own, which a
/// function's result may not.
fn media(part: &Part<'_>, index: usize, family: Option<Family>, body: &mut Vec<u8>) -> Result<(), Error> {
    let at = format!("messages[{index}].content");
    match part {
        Part::Image { url, format, detail, .. } => {
            located(*url, *format, &at, body)?;
            family.map_or(Ok(()), |family| resolution::of_part(*detail, index, family, body))
        }
        Part::Audio { data, format } => {
            let format = format.plain();
            let media_type =
                if format.contains('/') { format } else { Cow::Owned(format!("audio/{format}")) };
            inline(&media_type, data.raw(), body);
            Ok(())
        }
        Part::File { data: Some(data), format, filename, .. } => {
            if let Some(url) = DataUrl::read(*data, &at)? {
                inline(&url.media_type, &url.base64, body);
                return Ok(());
            }
            let media_type = format
                .map(Str::plain)
                .or_else(|| filename.and_then(|name| media_type(&name.plain()).map(Cow::Borrowed)))
                .ok_or_else(|| {
                    Error::invalid(format!("'{at}' has a file of unknown type: give its data as a data-URL."))
                        .param(&*at)
                })?;
            inline(&media_type, data.raw(), body);
            Ok(())
        }
        Part::File { id: Some(id), format, .. } => {
            let plain = id.plain();
            if format.is_none() && !plain.contains("://") && !plain.starts_with("files/") {
                return Err(Error::invalid(format!(
                    "'{at}' has a 'file_id' that is no address: give an https or gs address, or its 'format'."
                ))
                .param(at));
            }
            located(*id, *format, &at, body)
        }
        Part::Other { kind, raw } if kind.is("video_url") => {
            let video = raw.field("video_url").unwrap_or(*raw);
            let url = video.as_str().or_else(|| video.field("url").and_then(Json::as_str));
            let format = video.field("format").and_then(Json::as_str);
            located(url.ok_or_else(|| unsayable(index, "a video without an address"))?, format, &at, body)
        }
        Part::Other { kind, .. } => {
            Err(unsayable(index, &format!("a content part of type '{}'", kind.plain())))
        }
        _ => Err(unsayable(index, "a content part that stands in the wrong place")),
    }
}

fn inline(media_type: &str, base64: &str, body: &mut Vec<u8>) {
    body.key("inlineData");
    body.open(b'{');
    body.field_text("mimeType", media_type);
    body.field_token("data", Str::spelled(base64));
    body.close(b'}');
}

/// Media at an address, or in one.
fn located(url: Str<'_>, format: Option<Str<'_>>, at: &str, body: &mut Vec<u8>) -> Result<(), Error> {
    if let Some(data) = DataUrl::read(url, at)? {
        let media_type = format.map_or_else(|| Cow::Borrowed(&*data.media_type), Str::plain);
        inline(&media_type, &data.base64, body);
        return Ok(());
    }
    body.key("fileData");
    body.open(b'{');
    match (format, media_type(&url.plain())) {
        (Some(format), _) => body.field_token("mimeType", format),
        (None, Some(known)) => body.field_text("mimeType", known),
        (None, None) => {}
    }
    body.field_token("fileUri", url);
    body.close(b'}');
    Ok(())
}

/// The media type that the end of a file's name tells.
fn media_type(name: &str) -> Option<&'static str> {
    let path = name.split(['?', '#']).next().unwrap_or(name);
    let end = path.rsplit('/').next()?.rsplit_once('.')?.1.to_ascii_lowercase();
    Some(match end.as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "gif" => "image/gif",
        "heic" => "image/heic",
        "heif" => "image/heif",
        "pdf" => "application/pdf",
        "txt" => "text/plain",
        "md" => "text/markdown",
        "html" | "htm" => "text/html",
        "csv" => "text/csv",
        "json" => "application/json",
        "xml" => "text/xml",
        "mp3" => "audio/mp3",
        "wav" => "audio/wav",
        "aac" => "audio/aac",
        "ogg" => "audio/ogg",
        "flac" => "audio/flac",
        "m4a" => "audio/m4a",
        "mp4" => "video/mp4",
        "mpeg" | "mpg" => "video/mpeg",
        "mov" => "video/mov",
        "webm" => "video/webm",
        "avi" => "video/avi",
        "wmv" => "video/wmv",
        "flv" => "video/x-flv",
        "3gp" | "3gpp" => "video/3gpp",
        _ => return None,
    })
}
