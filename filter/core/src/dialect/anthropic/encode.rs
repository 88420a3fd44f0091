//! A chat request as a Messages request.
//!
//! Source: <https://platform.claude.com/docs/en/api/messages/create>.

use memchr::memmem;

use super::Anthropic;
use super::blocks::{Block, Kind, is_blank};
use super::model::Model;
use super::schema::conform;
use super::thinking::{Thought, write_sampling};
use super::tools::Toolbox;
use super::turns::Conversation;
use crate::config::Target;
use crate::dialect::unsupported;
use crate::error::Error;
use crate::json::{Json, Kind as JsonKind, Out};
use crate::openai::request::wrong;
use crate::openai::{ChatRequest, Param, Word};

/// Features in beta: (field of the request, text in it, what `anthropic-beta` must say). An empty text is any value.
/// Source: <https://platform.claude.com/docs/en/api/beta-headers>.
const BETAS: &[(&str, &str, &str)] = &[
    ("messages", "\"file_id\"", "files-api-2025-04-14"),
    ("mcp_servers", "tool_configuration", "mcp-client-2025-04-04"),
    ("tools", "mcp_toolset", "mcp-client-2025-11-20"),
    ("tools", "computer_20241022", "computer-use-2024-10-22"),
    ("tools", "computer_20250124", "computer-use-2025-01-24"),
    ("tools", "computer_20251124", "computer-use-2025-11-24"),
    ("tools", "code_execution_20250522", "code-execution-2025-05-22"),
    ("context_management", "compact_20260112", "compact-2026-01-12"),
    ("context_management", "clear_", "context-management-2025-06-27"),
    ("container", "skills", "skills-2025-10-02"),
    ("output_config", "task_budget", "task-budgets-2026-03-13"),
    ("output_format", "", "structured-outputs-2025-11-13"),
    ("speed", "fast", "fast-mode-2026-02-01"),
];

/// The betas that a request needs.
pub(super) fn betas<'r>(request: &'r ChatRequest<'_>) -> impl Iterator<Item = &'static str> + 'r {
    let needed = |(field, text, _): &&(&str, &str, &str)| {
        let value = match *field {
            // A look at all messages costs as much as reading them.
            "messages" => Some(request.raw_messages).filter(|_| request.says(Word::FileId)),
            "tools" => request.param(Param::Tools),
            field => request.field(field),
        };
        value.is_some_and(|value| memmem::find(value.text().as_bytes(), text.as_bytes()).is_some())
    };
    BETAS.iter().filter(needed).map(|(_, _, beta)| *beta)
}

/// The betas that a client asks for in its body, in the form that Bedrock takes.
pub(super) fn asked_betas(request: &ChatRequest<'_>) -> Vec<String> {
    let asked = request.field("anthropic_beta").map(Json::items).unwrap_or_default();
    let asked = asked.into_iter().filter_map(|beta| beta.as_str().map(|beta| beta.plain().into_owned()));
    // A header's value: no line ends, and no list in a list.
    asked.filter(|beta| beta.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',')).collect()
}

/// Fields that OpenAI's API doesn't define and that are written from their meaning.
const TAKEN: &[&str] = &["thinking", "output_config", "top_k"];

pub(super) fn encode<'a>(
    form: &Anthropic,
    request: &ChatRequest<'a>,
    to: &'a Target,
    body: &mut Vec<u8>,
) -> Result<(), Error> {
    let model = Model::named(&request.model.plain(), form);
    let mut talk = Conversation::read(request, model, to)?;
    let tools = Toolbox::read(request, model, to)?;
    let thought = Thought::read(request, model, to, tools.forced(), talk.lost_thoughts())?;
    let thinks = thought.on();
    if let Some(wish) = tools.asks(model, thinks) {
        talk.system.push(Block { kind: Kind::Native(wish), cache: None });
    }
    body.open(b'{');
    if form.model_in_body {
        body.field_token("model", request.model);
    }
    if let Some(version) = form.version_in_body {
        body.field_text("anthropic_version", version);
    }
    if form.betas_in_body {
        write_betas(request, body);
    }
    thought.write(body);
    write_sampling(request, model, thinks, to, body)?;
    talk.write_system(body);
    talk.write(body);
    tools.write(model, thinks, &talk, body);
    write_stop(request, body)?;
    write_output_config(request, &tools, thought.effort, body);
    write_user(request, body)?;
    write_tier(request, to, body)?;
    if request.stream && form.stream_in_body {
        body.field("stream", Json::trusted("true"));
    }
    let stops = request.param(Param::Stop).is_some();
    for (key, value) in request.unknown() {
        let name = key.plain();
        let taken = match &*name {
            "system" => !talk.system.is_empty(),
            "stop_sequences" => stops,
            "anthropic_version" => form.version_in_body.is_some(),
            "anthropic_beta" => !form.betas_in_body,
            name => TAKEN.contains(&name),
        };
        if !taken {
            body.token(key);
            body.push(b':');
            body.raw(value.text());
        }
    }
    body.close(b'}');
    Ok(())
}

/// The betas in the body, for who reads no headers. What the client says itself comes with the unknown fields.
fn write_betas(request: &ChatRequest<'_>, body: &mut Vec<u8>) {
    let needed: Vec<&str> = betas(request).collect();
    if needed.is_empty() || request.field("anthropic_beta").is_some() {
        return;
    }
    body.key("anthropic_beta");
    body.open(b'[');
    needed.iter().for_each(|beta| body.text(beta));
    body.close(b']');
}

/// Stop sequences. Anthropic refuses those of white space only, which OpenAI's clients do send.
fn write_stop(request: &ChatRequest<'_>, body: &mut Vec<u8>) -> Result<(), Error> {
    let stops = request.stop()?;
    let mut stops = stops.iter().filter(|stop| !is_blank(stop.raw())).peekable();
    if stops.peek().is_none() {
        return Ok(());
    }
    body.key("stop_sequences");
    body.open(b'[');
    stops.for_each(|stop| body.token(*stop));
    body.close(b']');
    Ok(())
}

/// `output_config`: the client's own, with the effort and the schema that it asks for in OpenAI's terms.
fn write_output_config(
    request: &ChatRequest<'_>,
    tools: &Toolbox<'_>,
    effort: Option<&str>,
    body: &mut Vec<u8>,
) {
    let own = request.field("output_config").map(Json::fields).unwrap_or_default();
    let given = |name: &str| own.iter().any(|(key, _)| key.is(name));
    let effort = effort.filter(|_| !given("effort"));
    let schema = tools.schema().filter(|_| !given("format"));
    if own.is_empty() && effort.is_none() && schema.is_none() {
        return;
    }
    body.key("output_config");
    body.open(b'{');
    for (key, value) in &own {
        body.token(*key);
        body.push(b':');
        body.raw(value.text());
    }
    if let Some(effort) = effort {
        body.field_text("effort", effort);
    }
    if let Some(schema) = schema {
        body.key("format");
        body.open(b'{');
        body.field_text("type", "json_schema");
        body.key("schema");
        conform(schema, body);
        body.close(b'}');
    }
    body.close(b'}');
}

/// `metadata.user_id`: all that Anthropic wants to know of a user. Other metadata is OpenAI's own business.
fn write_user(request: &ChatRequest<'_>, body: &mut Vec<u8>) -> Result<(), Error> {
    let metadata = request.param(Param::Metadata);
    if metadata.is_some_and(|metadata| metadata.kind() != JsonKind::Object) {
        return Err(wrong("metadata", "an object"));
    }
    let user = match metadata.and_then(|metadata| metadata.field("user_id")).and_then(Json::as_str) {
        Some(user) => Some(user),
        None => request.string(Param::User)?.or(request.string(Param::SafetyIdentifier)?),
    };
    if let Some(user) = user.filter(|user| !user.is_empty()) {
        body.key("metadata");
        body.open(b'{');
        body.field_token("user_id", user);
        body.close(b'}');
    }
    Ok(())
}

/// Source: <https://platform.claude.com/docs/en/api/service-tiers>.
fn write_tier(request: &ChatRequest<'_>, to: &Target, body: &mut Vec<u8>) -> Result<(), Error> {
    let Some(tier) = request.string(Param::ServiceTier)? else { return Ok(()) };
    match &*tier.plain() {
        "auto" => body.field_text("service_tier", "auto"),
        "default" | "standard" | "standard_only" => body.field_text("service_tier", "standard_only"),
        // Capacity that Anthropic doesn't sell by the request.
        _ if to.drop_params => {}
        _ => return Err(unsupported(Param::ServiceTier, to)),
    }
    Ok(())
}
