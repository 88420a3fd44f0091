//! A Messages request in the hub's language.
//!
//! Source: <https://platform.claude.com/docs/en/api/messages/create>.
//! Fields that no other language has a word for and that change no answer's meaning (context management, tiers, regions)
//! stay behind; those that do are refused by name.

use super::{tools, turns};
use crate::error::{Error, Kind as ErrorKind};
use crate::json::{Json, Kind, Out, Str};
use crate::openai::params::GATEWAY_ONLY;
use crate::openai::request::{missing, required_model, wrong};
use crate::openai::{Body, Param};

/// OpenAI's `user` takes this many characters; Claude Code's user ids are longer.
const MAX_USER: usize = 64;

/// Makes the hub's request.
///
/// # Errors
/// A client error when the request is malformed, or asks for what only Anthropic's own models can do.
pub(super) fn hub(body: &Body) -> Result<Body, Error> {
    let model = required_model(body.field("model"))?;
    let messages = body.field("messages").ok_or_else(|| missing("messages"))?;
    if messages.kind() != Kind::Array || messages.items().is_empty() {
        return Err(wrong("messages", "an array of at least one message"));
    }
    let mut out = Vec::with_capacity(body.len() + body.len() / 8 + 256);
    out.open(b'{');
    out.field_token("model", model);
    out.key("messages");
    out.open(b'[');
    if let Some(system) = body.field("system").filter(|system| !system.is_null()) {
        turns::write_system(system, &mut out)?;
    }
    turns::write(messages, &mut out)?;
    out.close(b']');
    for (key, value) in body.fields() {
        if !value.is_null() {
            field(key, value, &mut out)?;
        }
    }
    tools::write(body, &mut out)?;
    write_thinking(body, &mut out)?;
    write_format(body, &mut out);
    out.close(b'}');
    Body::read(out)
}

/// Writes what a field of the top level becomes, unless it is one of those that are read together with others.
fn field(key: Str<'_>, value: Json<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
    let name = &*key.plain();
    match name {
        "model" | "messages" | "system" | "tools" | "tool_choice" | "thinking" | "output_config"
        | "output_format" => {}
        "max_tokens" | "temperature" | "top_p" | "top_k" | "stream" => out.field(name, value),
        "stop_sequences" => match value.kind() {
            Kind::Array if value.items().is_empty() => {}
            Kind::Array => out.field("stop", value),
            _ => return Err(wrong("stop_sequences", "an array of strings")),
        },
        "metadata" => write_user(value, out),
        // Who runs code or calls servers elsewhere than the client is asked for by these.
        "mcp_servers" | "container" if value.text() != "[]" => {
            let message = format!(
                "Only Anthropic's own models understand '{name}': the model that was asked for is another's."
            );
            return Err(Error::client(ErrorKind::UnsupportedParameter, message).param(name));
        }
        // Anthropic's tiers are of its own capacity.
        "service_tier" => {}
        // What a client adds of OpenAI's or the gateway's own means there what it means in a chat.
        _ if Param::named(name).is_some() || GATEWAY_ONLY.contains(&name) => out.field(name, value),
        _ => {}
    }
    Ok(())
}

/// `metadata.user_id` is OpenAI's `user`.
fn write_user(metadata: Json<'_>, out: &mut Vec<u8>) {
    let Some(user) = metadata.field("user_id").and_then(Json::as_str).filter(|user| !user.is_empty()) else {
        return;
    };
    let user = user.plain();
    match user.char_indices().nth(MAX_USER) {
        Some((end, _)) => out.field_text("user", user.get(..end).unwrap_or_default()),
        None => out.field_text("user", &user),
    }
}

/// Thinking as an effort, and as it is for the languages that know budgets ([`crate::openai::ChatRequest::field`]).
fn write_thinking(body: &Body, out: &mut Vec<u8>) -> Result<(), Error> {
    let thinking = body.field("thinking").filter(|thinking| !thinking.is_null());
    let effort = body.field("output_config").and_then(|config| config.field("effort")).and_then(Json::as_str);
    let kind = thinking.and_then(|thinking| thinking.field("type")).and_then(Json::as_str);
    if thinking.is_some() && kind.is_none() {
        return Err(wrong("thinking", "an object with a 'type'"));
    }
    let kind = kind.map(Str::plain);
    let budget = thinking.and_then(|thinking| thinking.field("budget_tokens")).and_then(Json::as_u64);
    let own = body.field("reasoning_effort").is_some();
    let effort = match (effort.map(Str::plain).as_deref(), kind.as_deref(), budget) {
        (_, Some("disabled"), _) => None,
        // The two highest have no word that every vendor knows.
        (Some("xhigh" | "max"), _, _) => Some("high"),
        (Some("high"), _, _) => Some("high"),
        (Some("medium"), _, _) => Some("medium"),
        (Some("low"), _, _) => Some("low"),
        // LiteLLM's steps.
        (_, Some("enabled"), Some(10_000..)) => Some("high"),
        (_, Some("enabled"), Some(5_000..)) => Some("medium"),
        (_, Some("enabled"), _) => Some("low"),
        _ => None,
    };
    if let Some(effort) = effort.filter(|_| !own) {
        out.field_text("reasoning_effort", effort);
    }
    if let Some(thinking) = thinking {
        out.field("thinking", thinking);
    }
    Ok(())
}

/// A schema for the answer, by its newer or older name.
fn write_format(body: &Body, out: &mut Vec<u8>) {
    let format = body.field("output_config").and_then(|config| config.field("format"));
    let format = format.or_else(|| body.field("output_format")).filter(|format| !format.is_null());
    let Some(schema) = format.and_then(|format| format.field("schema")) else { return };
    out.key("response_format");
    out.open(b'{');
    out.field_text("type", "json_schema");
    out.key("json_schema");
    out.open(b'{');
    out.field_text("name", "response");
    out.field("schema", schema);
    out.field("strict", Json::trusted("true"));
    out.close(b'}');
    out.close(b'}');
}

/// A client error that says where a block or tool is wrong.
pub(super) fn at(place: &str, what: &str) -> Error {
    Error::invalid(format!("'{place}' {what}.")).param(place)
}

/// The refusal of what only Anthropic's own models understand.
pub(super) fn only_native(place: &str, kind: &str) -> Error {
    let message = format!(
        "'{place}' is of type '{kind}', which only Anthropic's own models understand: the model that was asked for is \
         another's."
    );
    Error::client(ErrorKind::UnsupportedParameter, message).param(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The hub's request for a message and `more` fields, compared as JSON.
    fn becomes(more: &str, wanted: &str) {
        let text = format!(r#"{{"model":"m","messages":[{{"role":"user","content":"Hi"}}]{more}}}"#);
        let hub = hub(&Body::read(text.into_bytes()).unwrap()).unwrap();
        let fields = hub.fields().into_iter().filter(|(key, _)| !key.is("model") && !key.is("messages"));
        let real: Vec<String> =
            fields.map(|(key, value)| format!("{}={}", key.raw(), value.text())).collect();
        assert_eq!(real.join(" "), wanted, "{more}");
    }

    #[test]
    fn fields_become_openais() {
        becomes(r#","max_tokens":9,"stop_sequences":["a"],"top_k":3"#, r#"max_tokens=9 stop=["a"] top_k=3"#);
        becomes(
            r#","metadata":{"user_id":"u"},"service_tier":"auto","context_management":{}"#,
            r#"user="u""#,
        );
        let long = "x".repeat(100);
        becomes(&format!(r#","metadata":{{"user_id":"{long}"}}"#), &format!("user=\"{}\"", "x".repeat(64)));
        becomes(r#","thinking":{"type":"disabled"}"#, r#"thinking={"type":"disabled"}"#);
        becomes(
            r#","thinking":{"type":"enabled","budget_tokens":6000}"#,
            r#"reasoning_effort="medium" thinking={"type":"enabled","budget_tokens":6000}"#,
        );
        becomes(r#","output_config":{"effort":"max"}"#, r#"reasoning_effort="high""#);
        becomes(r#","tags":["t"],"unheard_of":1,"seed":4"#, r#"tags=["t"] seed=4"#);
        becomes(
            r#","output_format":{"type":"json_schema","schema":{}}"#,
            r#"response_format={"type":"json_schema","json_schema":{"name":"response","schema":{},"strict":true}}"#,
        );
    }

    #[test]
    fn what_only_anthropic_understands_is_refused_by_name() {
        for (more, param) in [
            (r#","mcp_servers":[{}]"#, "mcp_servers"),
            (r#","container":"c""#, "container"),
            (r#","tools":[{"type":"computer_20250124","name":"computer"}]"#, "tools[0]"),
        ] {
            let text = format!(r#"{{"model":"m","messages":[{{"role":"user","content":"Hi"}}]{more}}}"#);
            let error = hub(&Body::read(text.into_bytes()).unwrap()).unwrap_err();
            assert_eq!((error.param.as_deref(), error.kind), (Some(param), ErrorKind::UnsupportedParameter));
        }
    }
}
