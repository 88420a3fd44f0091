//! What was said: OpenAI's messages as Converse's `messages` and `system`.
//!
//! Converse wants the roles in turn, so neighbours of one role become one message; it refuses blank text, so that is
//! left out. Source: <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Message.html>.

use std::borrow::Cow;

use super::family::Model;
use super::media::{self, Names};
use super::tools::{call_id, spell};
use crate::config::Target;
use crate::error::Error;
use crate::json::{Json, Kind, Out, Str, escaped};
use crate::openai::message::Thinking;
use crate::openai::{Content, Message, Part, Role, ToolCall};

/// Blocks that a client may give in Converse's own form: a part of this type with a field of this name.
const NATIVE_BLOCKS: &[&str] = &[
    "guardContent",
    "document",
    "image",
    "video",
    "audio",
    "searchResult",
    "cachePoint",
    "citationsContent",
];

/// Writes `messages` and `system`. `tools` says whether the request has tools: without them, calls and results may not
/// stand in the messages and are told as text. `asked` is an instruction of our own, behind the client's.
pub(super) fn write(
    messages: &[Message<'_>],
    tools: bool,
    asked: Option<&str>,
    model: &Model,
    to: &Target,
    body: &mut Vec<u8>,
) -> Result<(), Error> {
    let last = messages.len().saturating_sub(1);
    let instructs = |message: &&Message<'_>| matches!(message.role, Role::System | Role::Developer);
    let leading = messages.iter().take_while(instructs).count();
    body.key("messages");
    body.open(b'[');
    let mut writer = Writer { body, model, to, tools, open: None, names: Names::default(), any: false };
    for (index, message) in answers_first(messages, leading) {
        match message.role {
            Role::System | Role::Developer => writer.instruct(message),
            Role::User => writer.user(message, index)?,
            Role::Tool => writer.result(message, index)?,
            Role::Assistant => writer.assistant(message, index, index == last)?,
        }
    }
    writer.close();
    if !writer.any {
        return Err(Error::invalid(format!(
            "{} needs at least one message of the user's that says something.",
            to.provider.label
        ))
        .param("messages"));
    }
    body.close(b']');
    system(messages.get(..leading).unwrap_or_default(), asked, model, body);
    Ok(())
}

/// The messages behind the first `leading`, with their places. Results stand first in a turn: what was called must be
/// answered before anything else is said.
fn answers_first<'m, 'a>(messages: &'m [Message<'a>], leading: usize) -> Vec<(usize, &'m Message<'a>)> {
    let mut ordered: Vec<(usize, &Message<'a>)> = messages.iter().enumerate().skip(leading).collect();
    for turn in ordered.split_mut(|(_, message)| message.role == Role::Assistant) {
        turn.sort_by_key(|(_, message)| message.role != Role::Tool);
    }
    ordered
}

/// Writes `system`: the instructions that lead the conversation.
fn system(messages: &[Message<'_>], asked: Option<&str>, model: &Model, body: &mut Vec<u8>) {
    let mut blocks = Vec::new();
    for message in messages {
        for part in message.content.parts().iter() {
            let Part::Text { text, cache } = part else { continue };
            if !blank(*text) {
                text_block(*text, &mut blocks);
                if model.caches() {
                    cache_point(*cache, model.caches_for_long(), &mut blocks);
                }
            }
        }
        if !blocks.is_empty() && model.caches() {
            cache_point(message.cache_control, model.caches_for_long(), &mut blocks);
        }
    }
    if let Some(asked) = asked {
        text_block(Str::literal(asked), &mut blocks);
    }
    if !blocks.is_empty() {
        body.key("system");
        body.open(b'[');
        body.extend_from_slice(&blocks);
        body.close(b']');
    }
}

/// Whether the reasoning before the calls that are now answered was not sent back: Claude, asked to think, then refuses
/// the whole request.
pub(super) fn lost_thoughts(messages: &[Message<'_>]) -> bool {
    let Some(last) = messages.iter().rfind(|message| message.role != Role::Tool) else { return false };
    let signed = |block: &Thinking<'_>| !matches!(block, Thinking::Signed { signature: None, .. });
    let thought = last.thinking_blocks.iter().any(signed)
        || last.content.parts().iter().any(|part| matches!(part, Part::Thinking(block) if signed(block)));
    last.role == Role::Assistant && !last.tool_calls.is_empty() && !thought
}

/// Writes a cache point, where the client asked for one with Anthropic's `cache_control`. `lasting` says whether it may
/// tell its time to live.
pub(super) fn cache_point(cache: Option<Json<'_>>, lasting: bool, body: &mut Vec<u8>) {
    let Some(cache) = cache.filter(|cache| cache.kind() == Kind::Object) else { return };
    body.open(b'{');
    body.key("cachePoint");
    body.open(b'{');
    body.field_text("type", "default");
    if let Some(ttl) = cache.field("ttl").and_then(Json::as_str).filter(|_| lasting) {
        body.field_token("ttl", ttl);
    }
    body.close(b'}');
    body.close(b'}');
}

fn text_block(text: Str<'_>, body: &mut Vec<u8>) {
    body.open(b'{');
    body.field_token("text", text);
    body.close(b'}');
}

/// White space as it can stand in a string's spelling.
const SPACES: &[&str] = &[" ", "\\n", "\\r", "\\t"];

/// Whether a text says nothing.
fn blank(text: Str<'_>) -> bool {
    let mut rest = text.raw();
    while let Some(tail) = SPACES.iter().find_map(|space| rest.strip_prefix(space)) {
        rest = tail;
    }
    rest.is_empty()
}

/// A text's spelling without white space at its end.
fn trimmed(text: Str<'_>) -> Str<'_> {
    let mut rest = text.raw();
    while let Some(head) = SPACES.iter().find_map(|space| rest.strip_suffix(space)) {
        // In `\\n` the backslash is a character of its own.
        let backslashes = head.bytes().rev().take_while(|byte| *byte == b'\\').count();
        if backslashes % 2 == 1 {
            break;
        }
        rest = head;
    }
    Str::spelled(rest)
}

struct Writer<'w> {
    body: &'w mut Vec<u8>,
    model: &'w Model,
    to: &'w Target,
    tools: bool,
    /// The role of the message that is open.
    open: Option<&'static str>,
    /// The names of the documents so far.
    names: Names,
    /// Whether anything has been said.
    any: bool,
}

impl Writer<'_> {
    /// Makes sure that a message of `role` is open, for a block to be put into it.
    fn turn(&mut self, role: &'static str) {
        self.any = true;
        if self.open == Some(role) {
            return;
        }
        self.close();
        self.body.open(b'{');
        self.body.field_text("role", role);
        self.body.key("content");
        self.body.open(b'[');
        self.open = Some(role);
    }

    fn close(&mut self) {
        if self.open.take().is_some() {
            self.body.close(b']');
            self.body.close(b'}');
        }
    }

    fn cache(&mut self, cache: Option<Json<'_>>) {
        if self.model.caches() && self.open.is_some() {
            cache_point(cache, self.model.caches_for_long(), self.body);
        }
    }

    fn text(&mut self, role: &'static str, text: Str<'_>) {
        if !blank(text) {
            self.turn(role);
            text_block(text, self.body);
        }
    }

    /// An instruction in mid-conversation stands in its place, as the user's words marked for what they are.
    fn instruct(&mut self, message: &Message<'_>) {
        for part in message.content.parts().iter() {
            if let Part::Text { text, cache } = part
                && !blank(*text)
            {
                self.turn("user");
                let marked = format!("<system>\\n{}\\n</system>", text.raw());
                text_block(Str::spelled(&marked), self.body);
                self.cache(*cache);
            }
        }
        if self.open == Some("user") {
            self.cache(message.cache_control);
        }
    }

    fn user(&mut self, message: &Message<'_>, index: usize) -> Result<(), Error> {
        for part in message.content.parts().iter() {
            match part {
                Part::Text { text, cache } => {
                    self.text("user", *text);
                    self.cache(*cache);
                }
                Part::Refusal(text) => self.text("user", *text),
                Part::Thinking(_) => {}
                Part::Other { kind, raw } => self.native("user", *kind, *raw, index)?,
                media => {
                    self.turn("user");
                    let cache = media::write(media, &mut self.names, self.to, index, self.body)?;
                    self.cache(cache);
                }
            }
        }
        self.cache(message.cache_control);
        Ok(())
    }

    /// A part that OpenAI's API does not define: a block in Converse's own form, or LiteLLM's `guarded_text`.
    fn native(
        &mut self,
        role: &'static str,
        kind: Str<'_>,
        raw: Json<'_>,
        index: usize,
    ) -> Result<(), Error> {
        let kind = kind.plain();
        if &*kind == "guarded_text"
            && let Some(text) = raw.field("text").and_then(Json::as_str)
        {
            self.turn(role);
            self.body.raw(&format!("{{\"guardContent\":{{\"text\":{{\"text\":\"{}\"}}}}}}", text.raw()));
            return Ok(());
        }
        match NATIVE_BLOCKS.iter().find(|name| **name == &*kind).zip(raw.field(&kind)) {
            Some((name, block)) => {
                self.turn(role);
                self.body.open(b'{');
                self.body.field(name, block);
                self.body.close(b'}');
                Ok(())
            }
            None => Err(media::refused(index, self.to, &format!("a part of type '{kind}'"))),
        }
    }

    fn assistant(&mut self, message: &Message<'_>, index: usize, last: bool) -> Result<(), Error> {
        for block in &message.thinking_blocks {
            self.thinking(*block);
        }
        let parts = message.content.parts();
        let count = parts.len();
        for (at, part) in parts.iter().enumerate() {
            match part {
                // What the model shall go on with must not end in white space.
                Part::Text { text, cache } => {
                    let prefill = last && at + 1 == count && message.tool_calls.is_empty();
                    self.text("assistant", if prefill { trimmed(*text) } else { *text });
                    self.cache(*cache);
                }
                Part::Refusal(text) => self.text("assistant", *text),
                Part::Thinking(block) => self.thinking(*block),
                Part::Other { kind, raw } => self.native("assistant", *kind, *raw, index)?,
                media => {
                    self.turn("assistant");
                    media::write(media, &mut self.names, self.to, index, self.body)?;
                }
            }
        }
        if let Some(refusal) = message.refusal.filter(|_| message.content.is_empty()) {
            self.text("assistant", refusal);
        }
        for call in &message.tool_calls {
            self.call(call, index)?;
        }
        if self.open == Some("assistant") {
            self.cache(message.cache_control);
        }
        Ok(())
    }

    /// Reasoning goes back as it came: signed or sealed. Unsigned reasoning is refused by those who sign, and of no use to
    /// the others.
    fn thinking(&mut self, block: Thinking<'_>) {
        let (field, inner, token) = match block {
            Thinking::Signed { text, signature: Some(signature) } if !signature.is_empty() => {
                (text, signature, "reasoningText")
            }
            Thinking::Signed { .. } => return,
            Thinking::Redacted(data) => (data, data, "redactedContent"),
        };
        self.turn("assistant");
        self.body.open(b'{');
        self.body.key("reasoningContent");
        self.body.open(b'{');
        if token == "redactedContent" {
            self.body.field_token(token, inner);
        } else {
            self.body.key(token);
            self.body.open(b'{');
            self.body.field_token("text", field);
            self.body.field_token("signature", inner);
            self.body.close(b'}');
        }
        self.body.close(b'}');
        self.body.close(b'}');
    }

    fn call(&mut self, call: &ToolCall<'_>, index: usize) -> Result<(), Error> {
        let input = call.input().ok_or_else(|| {
            let name = call.name.plain();
            Error::invalid(format!(
                "'messages[{index}]' has a call of '{name}' whose arguments are not a JSON object."
            ))
            .param(format!("messages[{index}].tool_calls"))
        })?;
        self.turn("assistant");
        if !self.tools {
            let told = format!("[Called the tool {} with {input}]", call.name.plain());
            text_block(Str::spelled(&escaped(&told)), self.body);
            return Ok(());
        }
        let body = &mut *self.body;
        body.open(b'{');
        body.key("toolUse");
        body.open(b'{');
        body.field_text("toolUseId", &call_id(call.id));
        body.field_text("name", &spell(call.name)?);
        body.field("input", Json::trusted(&input));
        body.close(b'}');
        body.close(b'}');
        Ok(())
    }

    fn result(&mut self, message: &Message<'_>, index: usize) -> Result<(), Error> {
        self.turn("user");
        if !self.tools {
            return self.told_result(message, index);
        }
        self.body.open(b'{');
        self.body.key("toolResult");
        self.body.open(b'{');
        let id = call_id(message.tool_call_id.unwrap_or(Str::literal("")));
        self.body.field_text("toolUseId", &id);
        self.body.key("content");
        self.body.open(b'[');
        let mut cached = message.cache_control;
        for part in message.content.parts().iter() {
            match part {
                Part::Text { text, cache } => {
                    cached = cached.or(*cache);
                    if !text.is_empty() {
                        text_block(*text, self.body);
                    }
                }
                Part::Other { kind, raw } => self.native("user", *kind, *raw, index)?,
                Part::Refusal(_) | Part::Thinking(_) => {}
                media => {
                    let cache = media::write(media, &mut self.names, self.to, index, self.body)?;
                    cached = cached.or(cache);
                }
            }
        }
        self.body.close(b']');
        if message.is_error && self.model.marks_errors() {
            self.body.field_text("status", "error");
        }
        self.body.close(b'}');
        self.body.close(b'}');
        self.cache(cached);
        Ok(())
    }

    /// A result where no tools may be named: its text, with whatever it shows behind it.
    fn told_result(&mut self, message: &Message<'_>, index: usize) -> Result<(), Error> {
        let said: Cow<'_, str> = message.content.joined_text();
        let told = format!("[The tool answered: {said}]");
        text_block(Str::spelled(&told), self.body);
        if let Content::Parts(parts) = &message.content {
            for part in parts.iter().filter(|part| matches!(part, Part::Image { .. } | Part::File { .. })) {
                media::write(part, &mut self.names, self.to, index, self.body)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_in_a_spelling() {
        for (raw, is_blank, end) in [
            ("", true, ""),
            (r" \n\t", true, ""),
            (r"a \n", false, "a"),
            (r"a\\n", false, r"a\\n"),
            (r"a\\\n ", false, r"a\\"),
            (r"\u0020", false, r"\u0020"),
        ] {
            assert_eq!(blank(Str::spelled(raw)), is_blank, "{raw}");
            assert_eq!(trimmed(Str::spelled(raw)).raw(), end, "{raw}");
        }
    }
}
