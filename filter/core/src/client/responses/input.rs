//! Input items as the hub's messages.
//!
//! Items are flat: a model's turn is a run of reasoning, messages and calls, which become one message here. Source:
//! <https://platform.openai.com/docs/api-reference/responses/create#responses-create-input>.

use super::reasoning;
use crate::error::{Error, Kind as ErrorKind};
use crate::json::{Json, Kind, Out, Str};
use crate::json_view;
use crate::openai::custom;
use crate::openai::request::wrong;

/// What a provider's own tools have left in a conversation. The model's words tell what came of it; a model elsewhere
/// can't make use of more.
const TRACES: &[&str] = &["web_search_call", "file_search_call", "code_interpreter_call", "mcp_list_tools"];

/// Appends the field `messages`: the instructions, then the input.
pub(super) fn messages(
    instructions: Option<Json<'_>>,
    input: Json<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    out.key("messages");
    out.open(b'[');
    if let Some(instructions) = instructions {
        let text = instructions.as_str().ok_or_else(|| wrong("instructions", "a string"))?;
        if !text.is_empty() {
            said("system", |out| out.field_token("content", text), out);
        }
    }
    match (input.kind(), input.as_str()) {
        (_, Some(text)) => said("user", |out| out.field_token("content", text), out),
        (Kind::Array, None) => {
            let mut turns = Turns { turn: Turn::default(), out };
            for (index, item) in input.items().into_iter().enumerate() {
                turns.item(item, index)?;
            }
            turns.close();
        }
        _ => return Err(wrong("input", "a string or an array of items")),
    }
    out.close(b']');
    Ok(())
}

json_view! {
    struct Item<'a> {
        "type" => kind: Str<'a>,
        "role" => role: Str<'a>,
        "content" => content: Json<'a>,
        "call_id" => call_id: Str<'a>,
        "name" => name: Str<'a>,
        "arguments" => arguments: Str<'a>,
        "input" => input: Str<'a>,
        "output" => output: Json<'a>,
        "summary" => summary: Vec<Said<'a>>,
        "encrypted_content" => sealed: Str<'a>,
        "provider_specific_fields" => own: Json<'a>,
    }
}

json_view! {
    struct Said<'a> { "text" => text: Str<'a>, "refusal" => refusal: Str<'a> }
}

json_view! {
    struct Part<'a> {
        "type" => kind: Str<'a>,
        "text" => text: Str<'a>,
        "image_url" => image_url: Str<'a>,
        "detail" => detail: Str<'a>,
        "file_id" => file_id: Str<'a>,
        "file_url" => file_url: Str<'a>,
        "file_data" => file_data: Str<'a>,
        "filename" => filename: Str<'a>,
        "input_audio" => input_audio: Json<'a>,
        "cache_control" => cache_control: Json<'a>,
        "prompt_cache_breakpoint" => breakpoint: Json<'a>,
    }
}

fn said(role: &str, content: impl FnOnce(&mut Vec<u8>), out: &mut Vec<u8>) {
    out.open(b'{');
    out.field_text("role", role);
    content(out);
    out.close(b'}');
}

/// The model's turn that is being gathered. Texts are spellings, the rest are the items of arrays.
#[derive(Debug, Default)]
struct Turn {
    texts: Vec<String>,
    parts: Vec<u8>,
    refusal: String,
    reasoning: String,
    blocks: String,
    calls: Vec<u8>,
    own: Option<String>,
}

struct Turns<'o> {
    turn: Turn,
    out: &'o mut Vec<u8>,
}

impl Turns<'_> {
    fn item(&mut self, item: Json<'_>, index: usize) -> Result<(), Error> {
        let at =
            |what: &str| Error::invalid(format!("'input[{index}]' {what}.")).param(format!("input[{index}]"));
        let item: Item<'_> =
            item.parse().map_err(|invalid| at(&format!("is malformed: {}", invalid.what)))?;
        match item.kind.map(Str::plain).as_deref() {
            None | Some("message") => self.message(item, &at),
            Some("reasoning") => {
                self.reasoning(&item);
                Ok(())
            }
            Some("function_call") => self.call(&item, false, &at),
            Some("custom_tool_call") => self.call(&item, true, &at),
            Some("function_call_output" | "custom_tool_call_output") => self.result(&item, &at),
            Some("item_reference") => Err(at(
                "refers to a stored item, and this model's provider stores none: send the item itself",
            )),
            Some(trace) if TRACES.contains(&trace) => Ok(()),
            Some(other) => {
                let message = format!(
                    "'input[{index}]' is of the type '{other}', for which this model's provider has no equal: send \
                     messages, reasoning, calls and their outputs."
                );
                Err(Error::client(ErrorKind::UnsupportedParameter, message)
                    .param(format!("input[{index}].type")))
            }
        }
    }

    fn message(&mut self, item: Item<'_>, at: &dyn Fn(&str) -> Error) -> Result<(), Error> {
        let role = item.role.ok_or_else(|| at("has no 'role'"))?;
        let content = item.content.ok_or_else(|| at("has no 'content'"))?;
        if role.is("assistant") {
            if let Some(own) = item.own.filter(|own| own.kind() == Kind::Object) {
                self.turn.own = Some(own.text().to_owned());
            }
            return self.turn.spoken(content, at);
        }
        if !["user", "system", "developer"].iter().any(|known| role.is(known)) {
            return Err(at("has a 'role' that is not user, assistant, system or developer"));
        }
        self.close();
        self.out.open(b'{');
        self.out.field_token("role", role);
        parts(content, at, self.out)?;
        self.out.close(b'}');
        Ok(())
    }

    fn reasoning(&mut self, item: &Item<'_>) {
        let content: Option<Vec<Said<'_>>> = item.content.and_then(Json::read);
        let said = content.filter(|said| !said.is_empty());
        let said = said.as_ref().or(item.summary.as_ref()).into_iter().flatten();
        for text in said.filter_map(|said| said.text) {
            if !self.turn.reasoning.is_empty() {
                self.turn.reasoning.push_str("\\n\\n");
            }
            self.turn.reasoning.push_str(text.raw());
        }
        if let Some(blocks) = item.sealed.and_then(|sealed| reasoning::unwrapped(&sealed.plain())) {
            if !self.turn.blocks.is_empty() {
                self.turn.blocks.push(',');
            }
            self.turn.blocks.push_str(&blocks);
        }
    }

    fn call(&mut self, item: &Item<'_>, custom: bool, at: &dyn Fn(&str) -> Error) -> Result<(), Error> {
        let id = item.call_id.ok_or_else(|| at("is a call without 'call_id'"))?;
        let name = item.name.ok_or_else(|| at("is a call without 'name'"))?;
        let calls = &mut self.turn.calls;
        calls.open(b'{');
        calls.field_token("id", id);
        calls.field_text("type", "function");
        calls.key("function");
        calls.open(b'{');
        calls.field_token("name", name);
        if custom {
            calls.field_text("arguments", &custom::arguments(item.input.unwrap_or(Str::literal(""))));
        } else {
            calls.field_token("arguments", item.arguments.unwrap_or(Str::literal("{}")));
        }
        calls.close(b'}');
        calls.close(b'}');
        Ok(())
    }

    fn result(&mut self, item: &Item<'_>, at: &dyn Fn(&str) -> Error) -> Result<(), Error> {
        let id = item.call_id.ok_or_else(|| at("is a call's output without 'call_id'"))?;
        let output = item.output.ok_or_else(|| at("is a call's output without 'output'"))?;
        self.close();
        self.out.open(b'{');
        self.out.field_text("role", "tool");
        self.out.field_token("tool_call_id", id);
        parts(output, at, self.out)?;
        self.out.close(b'}');
        Ok(())
    }

    /// Ends the model's turn.
    fn close(&mut self) {
        let turn = std::mem::take(&mut self.turn);
        turn.write(self.out);
    }
}

impl Turn {
    /// What the model has said in a message of its own.
    fn spoken(&mut self, content: Json<'_>, at: &dyn Fn(&str) -> Error) -> Result<(), Error> {
        if let Some(text) = content.as_str() {
            self.text(text);
            return Ok(());
        }
        let said: Option<Vec<Said<'_>>> = content.read();
        for part in
            said.ok_or_else(|| at("has a 'content' that is neither a string nor an array of parts"))?
        {
            match (part.text, part.refusal) {
                (Some(text), _) => self.text(text),
                (None, Some(refusal)) => self.refusal.push_str(refusal.raw()),
                _ => return Err(at("has a part that is neither 'output_text' nor 'refusal'")),
            }
        }
        Ok(())
    }

    fn text(&mut self, text: Str<'_>) {
        self.texts.push(text.raw().to_owned());
        self.parts.open(b'{');
        self.parts.field_text("type", "text");
        self.parts.field_token("text", text);
        self.parts.close(b'}');
    }

    fn write(&self, out: &mut Vec<u8>) {
        let silent = self.texts.is_empty() && self.refusal.is_empty() && self.calls.is_empty();
        if silent && self.blocks.is_empty() && self.reasoning.is_empty() {
            return;
        }
        out.open(b'{');
        out.field_text("role", "assistant");
        match self.texts.as_slice() {
            [] if self.calls.is_empty() && self.refusal.is_empty() => out.field_text("content", ""),
            [] => out.field("content", Json::trusted("null")),
            [one] => out.field_token("content", Str::spelled(one)),
            _ => array("content", &self.parts, out),
        }
        if !self.refusal.is_empty() {
            out.field_token("refusal", Str::spelled(&self.refusal));
        }
        if !self.reasoning.is_empty() {
            out.field_token("reasoning_content", Str::spelled(&self.reasoning));
        }
        if !self.blocks.is_empty() {
            array("thinking_blocks", self.blocks.as_bytes(), out);
        }
        if !self.calls.is_empty() {
            array("tool_calls", &self.calls, out);
        }
        if let Some(own) = &self.own {
            out.field("provider_specific_fields", Json::trusted(own));
        }
        out.close(b'}');
    }
}

fn array(key: &str, items: &[u8], out: &mut Vec<u8>) {
    out.key(key);
    out.push(b'[');
    out.extend_from_slice(items);
    out.push(b']');
}

/// Writes the content of what a user or a tool says: a string, or parts in the hub's form. A single plain text is a
/// string, as many vendors know nothing else in a tool's result.
fn parts(content: Json<'_>, at: &dyn Fn(&str) -> Error, out: &mut Vec<u8>) -> Result<(), Error> {
    if let Some(text) = content.as_str() {
        out.field_token("content", text);
        return Ok(());
    }
    if content.kind() != Kind::Array {
        return Err(at("has a content that is neither a string nor an array of parts"));
    }
    let parts: Vec<Part<'_>> =
        content.parse().map_err(|invalid| at(&format!("has a malformed part: {}", invalid.what)))?;
    if let [one] = parts.as_slice()
        && let Some(text) = one.plain_text()
    {
        out.field_token("content", text);
        return Ok(());
    }
    out.key("content");
    out.open(b'[');
    for (index, part) in parts.iter().enumerate() {
        part.write(&|what| at(&format!("has a 'content[{index}]' {what}")), out)?;
    }
    out.close(b']');
    Ok(())
}

impl<'a> Part<'a> {
    fn is_text(&self) -> bool {
        self.kind.is_some_and(|kind| ["input_text", "output_text", "text"].iter().any(|known| kind.is(known)))
    }

    /// Its text, where it is nothing else.
    fn plain_text(&self) -> Option<Str<'a>> {
        if self.is_text() && self.mark().is_none() { self.text } else { None }
    }

    /// A cache breakpoint behind it: the hub's own, or OpenAI's.
    fn mark(&self) -> Option<Json<'a>> {
        let theirs = || self.breakpoint.map(|_| Json::trusted(r#"{"type":"ephemeral"}"#));
        self.cache_control.or_else(theirs)
    }

    fn write(&self, at: &dyn Fn(&str) -> Error, out: &mut Vec<u8>) -> Result<(), Error> {
        let given = |text: Option<Str<'a>>| text.filter(|text| !text.is_empty());
        let kind = self.kind.ok_or_else(|| at("without a 'type'"))?;
        out.open(b'{');
        match &*kind.plain() {
            _ if self.is_text() => {
                out.field_text("type", "text");
                out.field_token("text", self.text.ok_or_else(|| at("of type text without 'text'"))?);
            }
            "input_image" => match (given(self.image_url), given(self.file_id)) {
                (Some(url), _) => self.image(url, out),
                (None, Some(id)) => file(None, Some(id), None, out),
                _ => return Err(at("of type input_image with neither 'image_url' nor 'file_id'")),
            },
            "input_file" => {
                let (data, id) = (given(self.file_data), given(self.file_id).or(given(self.file_url)));
                if data.is_none() && id.is_none() {
                    return Err(at("of type input_file with neither 'file_data', 'file_url' nor 'file_id'"));
                }
                file(data, id, self.filename, out);
            }
            "input_audio" => {
                let audio =
                    self.input_audio.ok_or_else(|| at("of type input_audio without 'input_audio'"))?;
                out.field_text("type", "input_audio");
                out.field("input_audio", audio);
            }
            other => {
                let short: String = other.chars().take(60).collect();
                return Err(at(&format!("of the unknown type '{short}'")));
            }
        }
        if let Some(mark) = self.mark() {
            out.field("cache_control", mark);
        }
        out.close(b'}');
        Ok(())
    }

    fn image(&self, url: Str<'_>, out: &mut Vec<u8>) {
        out.field_text("type", "image_url");
        out.key("image_url");
        out.open(b'{');
        out.field_token("url", url);
        if let Some(detail) = self.detail {
            out.field_token("detail", detail);
        }
        out.close(b'}');
    }
}

fn file(data: Option<Str<'_>>, id: Option<Str<'_>>, name: Option<Str<'_>>, out: &mut Vec<u8>) {
    out.field_text("type", "file");
    out.key("file");
    out.open(b'{');
    for (key, value) in [("file_data", data), ("file_id", id), ("filename", name)] {
        if let Some(value) = value {
            out.field_token(key, value);
        }
    }
    out.close(b'}');
}
