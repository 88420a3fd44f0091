//! OpenAI's embeddings, for everybody who speaks them: fields pass in the client's order, only those edited that must
//! change; a reply in the format that the client asked for passes byte for byte.
//!
//! Source: <https://platform.openai.com/docs/api-reference/embeddings>.

use crate::config::Target;
use crate::error::{Error, Said};
use crate::json::{Cursor, FromJson, Json, Kind, Out, Str};
use crate::json_view;
use crate::meter::Usage;
use crate::openai::params::GATEWAY_ONLY;
use crate::openai::{EmbeddingWriter, EmbeddingsRequest};

pub(super) fn encode(request: &EmbeddingsRequest<'_>, to: &Target, body: &mut Vec<u8>) {
    let quirks = &to.provider.quirks.embeddings;
    body.open(b'{');
    for (key, value) in &request.fields {
        let name = &*key.plain();
        // LiteLLM's users put their own notes into `metadata`; no vendor's embeddings know the field.
        let own = GATEWAY_ONLY.contains(&name) || name == "metadata";
        let format = name == "encoding_format" && request.base64 && !quirks.base64;
        if own || format || value.is_null() || quirks.ignored.contains(&name) {
            continue;
        }
        match quirks.rename.iter().find(|(from, _)| *from == name) {
            // A client that sends both names of one field means the vendor's.
            Some((_, to)) if request.fields.iter().any(|(key, _)| key.is(to)) => continue,
            Some((_, to)) => body.key(to),
            None => {
                body.token(*key);
                body.push(b':');
            }
        }
        let alone = quirks.listed && name == "input" && value.kind() == Kind::String;
        match name {
            "model" => body.token(request.model),
            _ if alone => {
                body.open(b'[');
                body.raw(value.text());
                body.close(b']');
            }
            _ => body.raw(value.text()),
        }
    }
    body.close(b'}');
}

json_view! {
    struct Reply<'a> {
        "object" => object: Str<'a>,
        "data" => data: Vec<Row<'a>>,
        "model" => model: Str<'a>,
        "usage" => usage: UsageView<'a>,
        // Other names of the list and of what it used.
        "results" => results: Vec<Row<'a>>,
        "input_token_count" => counted: u64,
        "error" => error: Json<'a>,
    }
}

json_view! {
    struct Row<'a> { "object" => object: Str<'a>, "index" => index: u64, "embedding" => embedding: Json<'a> }
}

json_view! {
    struct UsageView<'a> { "prompt_tokens" => prompt: u64, "total_tokens" => total: u64 }
}

impl Row<'_> {
    /// Whether this is OpenAI's own form, in the wanted format.
    fn passes(&self, base64: bool) -> bool {
        let wanted = if base64 { Kind::String } else { Kind::Array };
        self.object.is_some()
            && self.index.is_some()
            && self.embedding.is_some_and(|vector| vector.kind() == wanted)
    }
}

pub(super) fn decode(body: &[u8], writer: &mut EmbeddingWriter) -> Result<(), Error> {
    let garbled = || Error::garbled("The provider's answer is not a list of embeddings.");
    let text = std::str::from_utf8(body).map_err(|_| garbled())?;
    let reply = Reply::from_json(&mut Cursor::new(text)).map_err(|_| garbled())?;
    if reply.error.is_some_and(|error| !error.is_null()) {
        return Err(Said::read(body).into_error(200, "The provider"));
    }
    let rows = reply.data.or(reply.results).ok_or_else(garbled)?;
    let usage = reply.usage.unwrap_or_default();
    // Some vendors count only the total, which for embeddings is the input.
    if let Some(input) = usage.prompt.or(usage.total).or(reply.counted) {
        writer.usage(Usage { input, ..Usage::default() });
    }
    let whole =
        reply.object.is_some_and(|word| word.is("list")) && reply.model.is_some() && usage.prompt.is_some();
    if whole && rows.iter().all(|row| row.passes(writer.wants_base64())) {
        writer.verbatim();
        return Ok(());
    }
    if let Some(model) = reply.model {
        writer.model(model);
    }
    for (position, row) in rows.iter().enumerate() {
        writer.vector(row.index.unwrap_or(position as u64), row.embedding.ok_or_else(garbled)?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Target;
    use crate::dialect::{Dialect as _, openai::OPENAI, screen_embeddings};

    fn native(provider: &str, drop: bool, request: &str) -> Result<serde_json::Value, Error> {
        let json = format!(r#"{{"id":"t","provider":"{provider}","model":"up","drop_params":{drop}}}"#);
        let target = Target::from_json(&json).unwrap();
        let mut request = EmbeddingsRequest::parse(request.as_bytes())?;
        request.set_model(Str::literal("up"));
        screen_embeddings(&mut request, &target)?;
        let mut body = Vec::new();
        OPENAI.encode_embeddings(&request, &target, &mut body)?;
        Ok(serde_json::from_slice(&body).unwrap())
    }

    const FULL: &str = r#"{"model":"m","input":["a\u00e9","b"],"encoding_format":"base64","dimensions":256,"user":"u",
        "metadata":{},"num_retries":3,"input_type":"query"}"#;

    #[test]
    fn a_request_keeps_what_the_vendor_knows() {
        assert_eq!(
            native("openai", false, FULL).unwrap(),
            serde_json::json!({"model":"up","input":["aé","b"],"encoding_format":"base64","dimensions":256,"user":"u",
                "input_type":"query"})
        );
        assert_eq!(
            native("voyage", false, FULL).unwrap(),
            serde_json::json!({"model":"up","input":["aé","b"],"output_dimension":256,"input_type":"query"})
        );
        assert_eq!(
            native("jina_ai", false, FULL).unwrap(),
            serde_json::json!({"model":"up","input":["aé","b"],"dimensions":256,"input_type":"query"})
        );
        let float = r#"{"model":"m","input":"a","encoding_format":"float"}"#;
        assert_eq!(native("voyage", false, float).unwrap(), serde_json::json!({"model":"up","input":"a"}));
    }

    fn reply(base64: bool, native: &str) -> Result<String, Error> {
        let mut writer = EmbeddingWriter::new("asked", base64);
        OPENAI.decode_embeddings(native.as_bytes(), &mut writer)?;
        if writer.passes() {
            return Ok(native.to_owned());
        }
        let mut out = Vec::new();
        writer.write(&mut out);
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_reply_in_the_wanted_format_passes_byte_for_byte() {
        let native = r#"{ "object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5]}],"model":"m","usage":{"prompt_tokens":2,"total_tokens":2},"x":1 }"#;
        assert_eq!(reply(false, native).unwrap(), native);
        let converted: serde_json::Value = serde_json::from_str(&reply(true, native).unwrap()).unwrap();
        assert_eq!(converted["data"][0]["embedding"], "AAAAPw==");
        assert_eq!(converted["model"], "m");
    }

    #[test]
    fn a_total_alone_is_the_input() {
        let native =
            r#"{"object":"list","data":[{"embedding":[1]},{"embedding":[2]}],"usage":{"total_tokens":7}}"#;
        let answer: serde_json::Value = serde_json::from_str(&reply(false, native).unwrap()).unwrap();
        assert_eq!(answer["usage"], serde_json::json!({"prompt_tokens":7,"total_tokens":7}));
        assert_eq!((&answer["data"][1]["index"], &answer["model"]), (&1.into(), &"asked".into()));
    }

    #[test]
    fn what_is_no_list_is_an_error() {
        for native in ["", "[]", "{}", r#"{"data":[{"index":0}]}"#, r#"{"data":[{"embedding":1}]}"#, "<html>"]
        {
            assert!(reply(false, native).is_err(), "{native}");
        }
        assert_eq!(
            reply(false, r#"{"error":{"message":"no such model"}}"#).unwrap_err().message,
            "no such model"
        );
    }
}
