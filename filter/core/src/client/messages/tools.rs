//! Tools and which of them must be called.
//!
//! Source: <https://platform.claude.com/docs/en/agents-and-tools/tool-use/define-tools>.

use super::request::{at, only_native};
use crate::error::Error;
use crate::json::{Json, Kind, Out, Str};
use crate::json_view;
use crate::openai::Body;
use crate::openai::request::wrong;

json_view! {
    struct ToolView<'a> {
        "type" => kind: Str<'a>,
        "name" => name: Str<'a>,
        "description" => description: Str<'a>,
        "input_schema" => schema: Json<'a>,
        "strict" => strict: bool,
        "cache_control" => cache: Json<'a>,
        "user_location" => place: Json<'a>,
    }
}

/// Writes `tools`, `web_search_options`, `tool_choice` and `parallel_tool_calls`.
///
/// # Errors
/// A client error when a tool is malformed or runs at Anthropic only.
pub(super) fn write(body: &Body, out: &mut Vec<u8>) -> Result<(), Error> {
    let given = body.field("tools").filter(|tools| !tools.is_null());
    if given.is_some_and(|tools| tools.kind() != Kind::Array) {
        return Err(wrong("tools", "an array of tools"));
    }
    let mut tools = Vec::new();
    let mut names: Vec<Str<'_>> = Vec::new();
    for (index, raw) in given.map(Json::items).unwrap_or_default().into_iter().enumerate() {
        let place = format!("tools[{index}]");
        let tool: ToolView<'_> = raw.read().ok_or_else(|| at(&place, "is malformed"))?;
        let kind = tool.kind.map_or("custom".into(), Str::plain);
        match &*kind {
            "custom" => {
                let name = tool.name.filter(|name| !name.is_empty());
                let name = name.ok_or_else(|| at(&place, "has no 'name'"))?;
                names.push(name);
                function(name, &tool, &mut tools);
            }
            kind if kind.starts_with("web_search_") => search(&tool, out),
            // It looks for tools among those that are offered; elsewhere all of them are.
            kind if kind.starts_with("tool_search_tool_") => {}
            kind => return Err(only_native(&place, kind)),
        }
    }
    if names.is_empty() {
        return Ok(());
    }
    out.key("tools");
    out.open(b'[');
    // The items stand behind a bracket, so no comma comes before them.
    out.append(&mut tools);
    out.close(b']');
    match body.field("tool_choice").filter(|choice| !choice.is_null()) {
        Some(choice) => write_choice(choice, &names, out),
        None => Ok(()),
    }
}

fn function(name: Str<'_>, tool: &ToolView<'_>, out: &mut Vec<u8>) {
    out.open(b'{');
    out.field_text("type", "function");
    out.key("function");
    out.open(b'{');
    out.field_token("name", name);
    if let Some(description) = tool.description {
        out.field_token("description", description);
    }
    if let Some(schema) = tool.schema.filter(|schema| schema.kind() == Kind::Object) {
        out.field("parameters", schema);
    }
    if tool.strict == Some(true) {
        out.field("strict", Json::trusted("true"));
    }
    out.close(b'}');
    if let Some(cache) = tool.cache {
        out.field("cache_control", cache);
    }
    out.close(b'}');
}

/// Anthropic's web search as OpenAI's.
fn search(tool: &ToolView<'_>, out: &mut Vec<u8>) {
    out.key("web_search_options");
    out.open(b'{');
    if let Some(place) = tool.place {
        out.key("user_location");
        out.open(b'{');
        out.field_text("type", "approximate");
        out.key("approximate");
        out.open(b'{');
        for (key, value) in
            place.fields().into_iter().filter(|(key, value)| !key.is("type") && !value.is_null())
        {
            out.token(key);
            out.push(b':');
            out.raw(value.text());
        }
        out.close(b'}');
        out.close(b'}');
    }
    out.close(b'}');
}

fn write_choice(choice: Json<'_>, names: &[Str<'_>], out: &mut Vec<u8>) -> Result<(), Error> {
    let kind = choice.field("type").and_then(Json::as_str).map(Str::plain);
    match kind.as_deref() {
        Some("auto") => out.field_text("tool_choice", "auto"),
        Some("any") => out.field_text("tool_choice", "required"),
        Some("none") => out.field_text("tool_choice", "none"),
        Some("tool") => {
            let name = choice.field("name").and_then(Json::as_str);
            let name = name.ok_or_else(|| wrong("tool_choice.name", "a tool's name"))?;
            // One that names a tool which runs elsewhere says nothing here.
            if names.iter().any(|known| known.is(&name.plain())) {
                out.key("tool_choice");
                out.open(b'{');
                out.field_text("type", "function");
                out.key("function");
                out.open(b'{');
                out.field_token("name", name);
                out.close(b'}');
                out.close(b'}');
            }
        }
        _ => return Err(wrong("tool_choice", "of type \"auto\", \"any\", \"tool\" or \"none\"")),
    }
    let one = choice.field("disable_parallel_tool_use").and_then(Json::as_bool);
    if one == Some(true) && kind.as_deref() != Some("none") {
        out.field("parallel_tool_calls", Json::trusted("false"));
    }
    Ok(())
}
