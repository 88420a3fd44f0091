//! A request as the hub's chat request, for targets that speak no Responses themselves.
//!
//! Source: <https://platform.openai.com/docs/api-reference/responses/create>.

use super::input;
use super::tools::Tools;
use crate::error::{Error, Kind as ErrorKind};
use crate::json::{Json, Kind, Out, Str};
use crate::openai::Body;
use crate::openai::request::{missing, wrong};

/// What needs a provider that keeps state, or works while nobody waits.
const STATE: &[&str] =
    &["previous_response_id", "conversation", "prompt", "context_management", "moderation"];

/// What says how OpenAI keeps, bills or transports a response. It changes no answer elsewhere.
const HINTS: &[&str] = &[
    "store",
    "metadata",
    "truncation",
    "max_tool_calls",
    "stream_options",
    "prompt_cache_options",
    "access_programs",
    "image",
];

/// The chat request, a body's text, that asks the same.
///
/// # Errors
/// A client error when the request is wrong, or asks for what needs a provider that speaks Responses itself.
pub(super) fn to_chat(body: &Body) -> Result<Vec<u8>, Error> {
    let fields = body.fields();
    let field = |name: &str| {
        fields.iter().find(|(key, value)| key.is(name) && !value.is_null()).map(|(_, value)| *value)
    };
    if let Some(name) = STATE.iter().find(|name| field(name).is_some()) {
        return Err(stateless(name));
    }
    if field("background").and_then(Json::as_bool) == Some(true) {
        return Err(stateless("background"));
    }
    let tools = Tools::read(field("tools"), field("tool_choice"))?;
    let mut out = Vec::with_capacity(body.len() + 256);
    out.open(b'{');
    for (key, value) in &fields {
        let name = &*key.plain();
        match name {
            _ if value.is_null() || STATE.contains(&name) || HINTS.contains(&name) => {}
            "background" | "input" | "tools" | "tool_choice" => {}
            "instructions" => {}
            "max_output_tokens" => out.field("max_completion_tokens", *value),
            "text" => text(*value, &mut out)?,
            "reasoning" => reasoning(*value, &mut out)?,
            "include" if field("top_logprobs").is_none() && wants_logprobs(*value) => {
                out.field("logprobs", Json::trusted("true"));
            }
            "include" => {}
            "top_logprobs" => {
                out.field("logprobs", Json::trusted("true"));
                out.field("top_logprobs", *value);
            }
            "parallel_tool_calls" if !tools.any() => {}
            _ => copy(*key, *value, &mut out),
        }
    }
    let input = field("input").ok_or_else(|| missing("input"))?;
    input::messages(field("instructions"), input, &mut out)?;
    tools.write(&mut out);
    out.close(b'}');
    Ok(out)
}

fn copy(key: Str<'_>, value: Json<'_>, out: &mut Vec<u8>) {
    out.token(key);
    out.push(b':');
    out.raw(value.text());
}

fn stateless(name: &str) -> Error {
    let instead = match name {
        "previous_response_id" | "conversation" => "send the whole conversation as 'input'",
        "prompt" => "send the prompt's text as 'instructions' and 'input'",
        "background" => "wait for the response, or stream it",
        _ => "leave it out",
    };
    let message =
        format!("'{name}' needs a provider that keeps responses, and this model's keeps none: {instead}.");
    Error::client(ErrorKind::UnsupportedParameter, message).param(name)
}

fn wants_logprobs(include: Json<'_>) -> bool {
    let named = |item: &Json<'_>| item.as_str().is_some_and(|name| name.is("message.output_text.logprobs"));
    include.items().iter().any(named)
}

/// The answer's form and length.
fn text(text: Json<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
    if text.kind() != Kind::Object {
        return Err(wrong("text", "an object"));
    }
    if let Some(verbosity) = text.field("verbosity").filter(|value| !value.is_null()) {
        out.field("verbosity", verbosity);
    }
    let Some(format) = text.field("format").filter(|format| !format.is_null()) else { return Ok(()) };
    let kind = format.field("type").and_then(Json::as_str).map(Str::plain);
    match kind.as_deref() {
        Some("text") => {}
        Some("json_object") => out.field("response_format", Json::trusted(r#"{"type":"json_object"}"#)),
        Some("json_schema") => {
            out.key("response_format");
            out.open(b'{');
            out.field_text("type", "json_schema");
            out.key("json_schema");
            out.open(b'{');
            for (key, value) in format.fields() {
                if !key.is("type") && !value.is_null() {
                    copy(key, value, out);
                }
            }
            out.close(b'}');
            out.close(b'}');
        }
        _ => return Err(wrong("text.format", "of type \"text\", \"json_object\" or \"json_schema\"")),
    }
    Ok(())
}

/// How hard to think. A summary is what is shown of it anyway.
fn reasoning(reasoning: Json<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
    if reasoning.kind() != Kind::Object {
        return Err(wrong("reasoning", "an object"));
    }
    if let Some(effort) = reasoning.field("effort").filter(|effort| !effort.is_null()) {
        out.field("reasoning_effort", effort);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chat(body: &str) -> serde_json::Value {
        let body = Body::read(body.as_bytes().to_vec()).unwrap();
        let chat = to_chat(&body).unwrap();
        // Nothing stands twice, and the hub reads it.
        let read = Body::read(chat.clone()).unwrap();
        crate::openai::ChatRequest::of(&read).unwrap().messages().unwrap();
        serde_json::from_slice(&chat).unwrap()
    }

    fn refused(body: &str) -> Error {
        to_chat(&Body::read(body.as_bytes().to_vec()).unwrap()).unwrap_err()
    }

    #[test]
    fn a_text_is_a_users() {
        let chat = chat(
            r#"{"model":"m","input":"Hi","instructions":"Be kind","max_output_tokens":5,"store":true,"metadata":{"a":"b"},
                "temperature":0.5,"top_k":3,"stream":true,"truncation":"auto","user":"u","parallel_tool_calls":true}"#,
        );
        let wanted = serde_json::json!({
            "model": "m", "max_completion_tokens": 5, "temperature": 0.5, "top_k": 3, "stream": true, "user": "u",
            "messages": [{"role": "system", "content": "Be kind"}, {"role": "user", "content": "Hi"}],
        });
        assert_eq!(chat, wanted);
    }

    #[test]
    fn a_models_turn_is_one_message() {
        let blocks = r#"{"type":"thinking","thinking":"hm","signature":"s"}"#;
        let sealed = super::super::reasoning::wrapped(blocks);
        let body = format!(
            r#"{{"model":"m","input":[
                {{"role":"developer","content":"Be kind"}},
                {{"role":"user","content":[{{"type":"input_text","text":"Look"}},
                    {{"type":"input_image","image_url":"data:image/png;base64,AA==","detail":"low"}},
                    {{"type":"input_file","file_data":"data:application/pdf;base64,AA==","filename":"a.pdf"}},
                    {{"type":"input_file","file_url":"https://x/y.pdf"}}]}},
                {{"type":"reasoning","id":"rs_1","summary":[{{"type":"summary_text","text":"hm"}}],"encrypted_content":"{sealed}"}},
                {{"type":"message","role":"assistant","id":"msg_1","status":"completed",
                    "content":[{{"type":"output_text","text":"I will look.","annotations":[]}}]}},
                {{"type":"function_call","id":"fc_1","call_id":"c1","name":"f","arguments":"{{\"a\":1}}"}},
                {{"type":"function_call","call_id":"c2","name":"g","arguments":""}},
                {{"type":"function_call_output","call_id":"c1","output":"1"}},
                {{"type":"function_call_output","call_id":"c2","output":[{{"type":"input_text","text":"2"}}]}},
                {{"type":"web_search_call","id":"ws_1","status":"completed"}},
                {{"role":"assistant","content":"Done."}},
                {{"role":"user","content":[{{"type":"input_text","text":"Thanks"}}]}}]}}"#
        );
        let wanted = serde_json::json!([
            {"role": "developer", "content": "Be kind"},
            {"role": "user", "content": [
                {"type": "text", "text": "Look"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA==", "detail": "low"}},
                {"type": "file", "file": {"file_data": "data:application/pdf;base64,AA==", "filename": "a.pdf"}},
                {"type": "file", "file": {"file_id": "https://x/y.pdf"}}]},
            {"role": "assistant", "content": "I will look.", "reasoning_content": "hm",
             "thinking_blocks": [{"type": "thinking", "thinking": "hm", "signature": "s"}],
             "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}},
                {"id": "c2", "type": "function", "function": {"name": "g", "arguments": ""}}]},
            {"role": "tool", "tool_call_id": "c1", "content": "1"},
            {"role": "tool", "tool_call_id": "c2", "content": "2"},
            {"role": "assistant", "content": "Done."},
            {"role": "user", "content": "Thanks"},
        ]);
        assert_eq!(chat(&body)["messages"], wanted);
    }

    #[test]
    fn tools_are_nested_and_choices_too() {
        let with = |choice: &str| {
            chat(&format!(
                r#"{{"model":"m","input":"Hi","tool_choice":{choice},"parallel_tool_calls":false,"tools":[
                    {{"type":"function","name":"f","description":"d","parameters":{{"type":"object"}},"strict":true}},
                    {{"type":"function","name":"g","parameters":null}},
                    {{"type":"web_search","search_context_size":"low","user_location":{{"type":"approximate","city":"Bern"}}}}]}}"#
            ))
        };
        let asked = with(r#"{"type":"function","name":"f"}"#);
        let f = serde_json::json!({"type": "function", "function":
            {"name": "f", "description": "d", "parameters": {"type": "object"}, "strict": true}});
        let g = serde_json::json!({"type": "function", "function": {"name": "g"}});
        assert_eq!(asked["tools"], serde_json::json!([f, g]));
        assert_eq!(asked["tool_choice"], serde_json::json!({"type": "function", "function": {"name": "f"}}));
        assert_eq!(asked["parallel_tool_calls"], false);
        let search = serde_json::json!({"search_context_size": "low", "user_location":
            {"type": "approximate", "approximate": {"city": "Bern"}}});
        assert_eq!(asked["web_search_options"], search);
        let allowed =
            with(r#"{"type":"allowed_tools","mode":"required","tools":[{"type":"function","name":"g"}]}"#);
        assert_eq!(allowed["tools"], serde_json::json!([g]));
        assert_eq!(allowed["tool_choice"], "required");
        assert!(allowed.get("web_search_options").is_none());
        assert_eq!(with("\"none\"")["tool_choice"], "none");
    }

    #[test]
    fn forms_efforts_and_logprobs() {
        let chat = chat(
            r#"{"model":"m","input":"Hi","reasoning":{"effort":"low","summary":"auto"},"top_logprobs":2,
                "include":["message.output_text.logprobs","reasoning.encrypted_content"],
                "text":{"verbosity":"low","format":{"type":"json_schema","name":"n","schema":{"type":"object"},"strict":true}}}"#,
        );
        assert_eq!(chat["reasoning_effort"], "low");
        assert_eq!((&chat["logprobs"], &chat["top_logprobs"]), (&true.into(), &2.into()));
        assert_eq!(chat["verbosity"], "low");
        let form = serde_json::json!({"type": "json_schema", "json_schema":
            {"name": "n", "schema": {"type": "object"}, "strict": true}});
        assert_eq!(chat["response_format"], form);
    }

    #[test]
    fn what_needs_state_or_a_tool_elsewhere_is_refused_by_name() {
        for (more, param) in [
            (r#""previous_response_id":"resp_1""#, "previous_response_id"),
            (r#""conversation":"conv_1""#, "conversation"),
            (r#""prompt":{"id":"p"}"#, "prompt"),
            (r#""background":true"#, "background"),
            (r#""tools":[{"type":"file_search"}]"#, "tools[0].type"),
            (r#""tools":[{"type":"custom"}]"#, "tools[0].name"),
            (r#""tool_choice":"perhaps""#, "tool_choice"),
            (r#""tool_choice":{"type":"mcp"}"#, "tool_choice"),
            (r#""text":{"format":{"type":"xml"}}"#, "text.format"),
        ] {
            let error = refused(&format!(r#"{{"model":"m","input":"Hi",{more}}}"#));
            assert_eq!(error.param.as_deref(), Some(param), "{more}");
            assert_eq!(error.http_status(), 400);
        }
        for input in [
            "7",
            "[7]",
            r#"[{"type":"item_reference","id":"msg_1"}]"#,
            r#"[{"type":"computer_call"}]"#,
            r#"[{"role":"user"}]"#,
            r#"[{"role":"owner","content":"x"}]"#,
            r#"[{"role":"user","content":[{"type":"hologram"}]}]"#,
            r#"[{"role":"user","content":[{"type":"input_image"}]}]"#,
            r#"[{"role":"assistant","content":[{"type":"hologram"}]}]"#,
            r#"[{"type":"function_call","name":"f"}]"#,
            r#"[{"type":"function_call_output","output":"x"}]"#,
            r#"[{"type":"function_call_output","call_id":"c"}]"#,
        ] {
            let error = refused(&format!(r#"{{"model":"m","input":{input}}}"#));
            assert!(error.param.as_deref().unwrap().starts_with("input"), "{input}: {error:?}");
        }
        assert_eq!(refused(r#"{"model":"m"}"#).param.as_deref(), Some("input"));
    }
}
