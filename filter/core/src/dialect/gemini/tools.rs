//! From OpenAI's tools to Gemini's: function declarations, Google's own tools, and which of them may be called.
//!
//! Source: <https://ai.google.dev/api/caching#Tool>.

use super::family::Family;
use super::params::Written;
use super::schema::{self, Form};
use crate::config::Target;
use crate::dialect::unsupported;
use crate::error::Error;
use crate::json::{Json, Kind, Out, Str};
use crate::openai::request::wrong;
use crate::openai::{ChatRequest, Param, Tool, ToolChoice};

/// Appends `tools` and `toolConfig`, where the request has any.
///
/// # Errors
/// A client error that names the tool or parameter which is wrong or can't be said.
pub(super) fn write(
    request: &ChatRequest<'_>,
    family: Family,
    to: &Target,
    written: &mut Written,
    body: &mut Vec<u8>,
) -> Result<(), Error> {
    let before = body.len();
    body.key("tools");
    body.open(b'[');
    let empty = body.len();
    let functions = declarations(request, family, body)?;
    own_tools(request, body)?;
    if body.len() == empty {
        body.truncate(before);
        return Ok(());
    }
    body.close(b']');
    written.note("tools");
    if request.flag(Param::ParallelToolCalls)? == Some(false) && functions > 1 && !to.drop_params {
        return Err(unsupported(Param::ParallelToolCalls, to));
    }
    let native = request.unknown().any(|(key, _)| key.is("toolConfig") || key.is("tool_config"));
    match choice(request)? {
        Some(choice) if functions > 0 && !native => {
            written.note("toolConfig");
            calling(choice, body);
        }
        _ => {}
    }
    Ok(())
}

/// Writes the functions and says how many there are.
fn declarations(request: &ChatRequest<'_>, family: Family, body: &mut Vec<u8>) -> Result<usize, Error> {
    let before = body.len();
    body.open(b'{');
    body.key("functionDeclarations");
    body.open(b'[');
    let mut count = 0;
    for (index, tool) in request.tools()?.iter().enumerate() {
        if let Tool::Function(function) = tool {
            let at = format!("tools[{index}].function.parameters");
            declare(function.name, function.description, function.parameters, family, &at, body)?;
            count += 1;
        }
    }
    for (index, function) in
        request.param(Param::Functions).map(Json::items).unwrap_or_default().iter().enumerate()
    {
        let text = |name| function.field(name).and_then(Json::as_str);
        let name = text("name").ok_or_else(|| wrong(&format!("functions[{index}].name"), "a string"))?;
        let parameters = function.field("parameters").filter(|schema| schema.kind() == Kind::Object);
        let at = format!("functions[{index}].parameters");
        declare(name, text("description"), parameters, family, &at, body)?;
        count += 1;
    }
    if count == 0 {
        body.truncate(before);
    } else {
        body.close(b']');
        body.close(b'}');
    }
    Ok(count)
}

fn declare(
    name: Str<'_>,
    description: Option<Str<'_>>,
    parameters: Option<Json<'_>>,
    family: Family,
    at: &str,
    body: &mut Vec<u8>,
) -> Result<(), Error> {
    body.open(b'{');
    body.field_token("name", name);
    if let Some(description) = description.filter(|description| !description.is_empty()) {
        body.field_token("description", description);
    }
    if let Some(parameters) = parameters {
        if family.takes_json_schema() {
            body.key("parametersJsonSchema");
            schema::write(parameters, Form::JsonSchema, at, body)?;
        } else if parameters.field("properties").is_none_or(|properties| !properties.fields().is_empty()) {
            // Google's message refuses an object that has no properties; a function without parameters has none.
            body.key("parameters");
            schema::write(parameters, Form::OpenApi, at, body)?;
        }
    }
    body.close(b'}');
    Ok(())
}

/// Google's own tools, in Gemini's form (`{"googleSearch":{}}`), in OpenAI's, or asked for by `web_search_options`.
fn own_tools(request: &ChatRequest<'_>, body: &mut Vec<u8>) -> Result<(), Error> {
    let mut searches = false;
    for (index, tool) in request.tools()?.iter().enumerate() {
        let Tool::Native(kind, raw) = tool else { continue };
        match &*kind.plain() {
            "web_search" | "web_search_preview" | "google_search" | "googleSearch"
                if raw.field("type").is_some() =>
            {
                searches = true;
                body.raw(r#"{"googleSearch":{}}"#);
            }
            name if raw.field("type").is_none() => {
                searches |= matches!(name, "google_search" | "googleSearch");
                body.raw(raw.text());
            }
            name => {
                let at = format!("tools[{index}]");
                return Err(Error::invalid(format!(
                    "'{at}' is a tool of type '{name}', which this model doesn't know."
                ))
                .param(at));
            }
        }
    }
    if request.param(Param::WebSearchOptions).is_some() && !searches {
        body.raw(r#"{"googleSearch":{}}"#);
    }
    Ok(())
}

fn choice<'a>(request: &ChatRequest<'a>) -> Result<Option<ToolChoice<'a>>, Error> {
    let legacy = request.param(Param::FunctionCall);
    let Some(call) = legacy else { return request.tool_choice() };
    let name = call.field("name").and_then(Json::as_str).map(ToolChoice::Named);
    match call.as_str() {
        Some(word) if word.is("auto") => Ok(Some(ToolChoice::Auto)),
        Some(word) if word.is("none") => Ok(Some(ToolChoice::None)),
        _ => name.map(Some).ok_or_else(|| wrong("function_call", "\"none\", \"auto\" or {\"name\":...}")),
    }
}

fn calling(choice: ToolChoice<'_>, body: &mut Vec<u8>) {
    body.key("toolConfig");
    body.open(b'{');
    body.key("functionCallingConfig");
    body.open(b'{');
    body.field_text(
        "mode",
        match choice {
            ToolChoice::Auto => "AUTO",
            ToolChoice::None => "NONE",
            ToolChoice::Required | ToolChoice::Named(_) => "ANY",
        },
    );
    if let ToolChoice::Named(name) = choice {
        body.key("allowedFunctionNames");
        body.open(b'[');
        body.token(name);
        body.close(b']');
    }
    body.close(b'}');
    body.close(b'}');
}
