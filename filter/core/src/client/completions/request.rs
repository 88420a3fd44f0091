//! A completions request as the hub's chat request.

use crate::error::{Error, Kind as ErrorKind};
use crate::json::{Json, Kind, Out, Str};
use crate::openai::Body;
use crate::openai::request::{missing, wrong};

/// What only chats have: a completion's answer has no place for what comes of these.
const CHATS_OWN: [&str; 7] =
    ["messages", "tools", "tool_choice", "functions", "function_call", "modalities", "audio"];

/// The chat request, a body's text, that asks the same.
///
/// # Errors
/// A client error when the request is wrong, or asks for what only a completions API can do.
pub(super) fn to_chat(body: &Body) -> Result<Vec<u8>, Error> {
    let fields = body.fields();
    let field = |name: &str| {
        fields.iter().find(|(key, value)| key.is(name) && !value.is_null()).map(|(_, value)| *value)
    };
    let prompt = prompt(field("prompt").ok_or_else(|| missing("prompt"))?)?;
    if field("suffix").is_some_and(|suffix| suffix.as_str().is_none_or(|suffix| !suffix.is_empty())) {
        return Err(refused("suffix", "nothing can be inserted before a 'suffix'"));
    }
    if let Some(name) = CHATS_OWN.iter().find(|name| field(name).is_some()) {
        let message = format!("A completion has no '{name}': send the request to /v1/chat/completions.");
        return Err(Error::client(ErrorKind::UnsupportedParameter, message).param(*name));
    }
    let several = field("best_of").and_then(Json::as_u64).unwrap_or(1);
    if several > field("n").and_then(Json::as_u64).unwrap_or(1) {
        return Err(refused("best_of", "it can't choose the 'best_of' several answers"));
    }
    let echo = field("echo").and_then(Json::as_bool) == Some(true);
    if echo && field("logprobs").is_some() {
        return Err(refused("echo", "it tells no logprobs of a prompt that is to 'echo'"));
    }
    let mut out = Vec::with_capacity(body.len() + 128);
    out.open(b'{');
    for (key, value) in &fields {
        match &*key.plain() {
            _ if value.is_null() => {}
            "prompt" | "suffix" | "best_of" | "echo" => {}
            "logprobs" => {
                let count = value.as_u64().ok_or_else(|| wrong("logprobs", "a whole number"))?;
                out.field("logprobs", Json::trusted("true"));
                if count > 0 {
                    out.field_number("top_logprobs", count);
                }
            }
            _ => {
                out.token(*key);
                out.push(b':');
                out.raw(value.text());
            }
        }
    }
    out.key("messages");
    out.open(b'[');
    out.open(b'{');
    out.field_text("role", "user");
    out.field_token("content", prompt);
    out.close(b'}');
    out.close(b']');
    out.close(b'}');
    Ok(out)
}

/// What each text begins with, as a spelling: the prompt, where it is wanted back.
pub(super) fn echo(body: &Body) -> String {
    let wanted = body.field("echo").and_then(Json::as_bool) == Some(true);
    let text = body.field("prompt").filter(|_| wanted).and_then(|asked| prompt(asked).ok());
    text.map(|text| text.raw().to_owned()).unwrap_or_default()
}

pub(super) fn refused(name: &str, why: &str) -> Error {
    let message = format!("This model's provider has no completions API and is asked by chat: {why}.");
    Error::client(ErrorKind::UnsupportedParameter, message).param(name)
}

/// The one prompt of a request. Of several, each is a request of its own by then, where the gateway can make it so.
fn prompt(prompt: Json<'_>) -> Result<Str<'_>, Error> {
    if let Some(text) = prompt.as_str() {
        return Ok(text);
    }
    let prompts = prompt.items();
    match prompts.as_slice() {
        [one] if one.as_str().is_some() => one.as_str().ok_or_else(|| wrong("prompt", "a string")),
        [first, ..] if matches!(first.kind(), Kind::Number | Kind::Array) => {
            Err(refused("prompt", "it reads no tokens: give the 'prompt' as text"))
        }
        [_, ..] if prompts.iter().all(|item| item.as_str().is_some()) => Err(refused(
            "prompt",
            "it takes one 'prompt' a request, unless Dragoman's two roles run in Envoy 1.37 or later: send several as several requests",
        )),
        _ => Err(wrong("prompt", "a string, or an array of strings")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(body: &str) -> Result<(serde_json::Value, String), Error> {
        let body = Body::read(body.as_bytes().to_vec()).unwrap();
        let chat = to_chat(&body)?;
        let read = Body::read(chat.clone()).unwrap();
        crate::openai::ChatRequest::of(&read).unwrap().messages().unwrap();
        Ok((serde_json::from_slice(&chat).unwrap(), echo(&body)))
    }

    #[test]
    fn a_prompt_is_a_users_message() {
        let messages = serde_json::json!([{"role": "user", "content": "Say \"x\""}]);
        for prompt in [r#""Say \"x\"""#, r#"["Say \"x\""]"#] {
            let body = format!(
                r#"{{"model":"m","prompt":{prompt},"max_tokens":5,"stop":["a"],"n":2,"suffix":null,"best_of":1,"echo":true,"stream":true}}"#
            );
            let (chat, asked) = asked(&body).unwrap();
            let wanted = serde_json::json!({"model": "m", "max_tokens": 5, "stop": ["a"], "n": 2, "stream": true, "messages": messages});
            assert_eq!(chat, wanted);
            assert_eq!(asked, r#"Say \"x\""#);
        }
        let (chat, asked) = asked(r#"{"model":"m","prompt":"x","logprobs":3}"#).unwrap();
        assert_eq!((&chat["logprobs"], &chat["top_logprobs"]), (&true.into(), &3.into()));
        assert_eq!(asked, "");
    }

    #[test]
    fn what_only_a_completions_api_can_do_is_refused_by_name() {
        for (body, param) in [
            (r#""prompt":["a","b"]"#, "prompt"),
            (r#""prompt":[1,2]"#, "prompt"),
            (r#""prompt":[[1,2]]"#, "prompt"),
            (r#""prompt":[]"#, "prompt"),
            (r#""prompt":{}"#, "prompt"),
            (r#""n":1"#, "prompt"),
            (r#""prompt":[{"type":"text","text":"a"}]"#, "prompt"),
            (r#""prompt":"a","suffix":"b""#, "suffix"),
            (r#""prompt":"a","messages":[]"#, "messages"),
            (r#""prompt":"a","tools":[]"#, "tools"),
            (r#""prompt":"a","best_of":3,"n":2"#, "best_of"),
            (r#""prompt":"a","echo":true,"logprobs":0"#, "echo"),
            (r#""prompt":"a","logprobs":"many""#, "logprobs"),
        ] {
            let error = asked(&format!(r#"{{"model":"m",{body}}}"#)).unwrap_err();
            assert_eq!((error.param.as_deref(), error.http_status()), (Some(param), 400), "{body}");
        }
    }
}
