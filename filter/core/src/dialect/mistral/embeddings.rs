//! Mistral's embeddings. A reply in numbers is in OpenAI's form and passes.
//!
//! Source: <https://docs.mistral.ai/api/endpoint/embeddings>.

use crate::config::Target;
use crate::dialect::texts;
use crate::error::Error;
use crate::json::{Cursor, FromJson, Json, Kind, Out, Str};
use crate::json_view;
use crate::meter::Usage;
use crate::openai::{EmbeddingWriter, EmbeddingsRequest};

pub(super) fn encode(request: &EmbeddingsRequest<'_>, to: &Target, body: &mut Vec<u8>) -> Result<(), Error> {
    texts(request, to)?;
    body.open(b'{');
    body.field_token("model", request.model);
    body.field("input", request.raw_input);
    if let Some(dimensions) = request.dimensions()? {
        body.field_number("output_dimension", dimensions);
    }
    if let Some(metadata) = request.field("metadata") {
        body.field("metadata", metadata);
    }
    for (key, value) in request.unknown() {
        body.token(key);
        body.push(b':');
        body.raw(value.text());
    }
    body.close(b'}');
    Ok(())
}

json_view! {
    struct Reply<'a> {
        "model" => model: Str<'a>,
        "data" => data: Vec<Row<'a>>,
        "usage" => usage: Counts<'a>,
    }
}

json_view! {
    struct Row<'a> { "index" => index: u64, "embedding" => embedding: Json<'a> }
}

json_view! {
    struct Counts<'a> { "prompt_tokens" => prompt: u64 }
}

pub(super) fn decode(body: &[u8], writer: &mut EmbeddingWriter) -> Result<(), Error> {
    let garbled = || Error::garbled("The provider's answer is not a list of embeddings.");
    let text = std::str::from_utf8(body).map_err(|_| garbled())?;
    let reply = Reply::from_json(&mut Cursor::new(text)).map_err(|_| garbled())?;
    let rows = reply.data.ok_or_else(garbled)?;
    if let Some(input) = reply.usage.and_then(|counts| counts.prompt) {
        writer.usage(Usage { input, ..Usage::default() });
    }
    let numbers = |row: &Row<'_>| row.embedding.is_some_and(|vector| vector.kind() == Kind::Array);
    if !writer.wants_base64() && rows.iter().all(|row| row.index.is_some() && numbers(row)) {
        writer.verbatim();
        return Ok(());
    }
    if let Some(model) = reply.model {
        writer.model(model);
    }
    for (position, row) in (0..).zip(&rows) {
        writer.vector(row.index.unwrap_or(position), row.embedding.ok_or_else(garbled)?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::MISTRAL;
    use super::*;
    use crate::dialect::{Dialect as _, screen_embeddings};

    fn native(request: &str) -> Result<serde_json::Value, Error> {
        let target = Target::from_json(r#"{"id":"t","provider":"mistral","model":"up"}"#).unwrap();
        let mut request = EmbeddingsRequest::parse(request.as_bytes())?;
        request.set_model(crate::json::Str::literal("up"));
        screen_embeddings(&mut request, &target)?;
        let mut body = Vec::new();
        MISTRAL.encode_embeddings(&request, &target, &mut body)?;
        Ok(serde_json::from_slice(&body).unwrap())
    }

    fn openai(base64: bool, reply: &str) -> Result<(bool, serde_json::Value), Error> {
        let mut writer = EmbeddingWriter::new("m", base64);
        MISTRAL.decode_embeddings(reply.as_bytes(), &mut writer)?;
        let passes = writer.passes();
        let mut out = Vec::new();
        writer.write(&mut out);
        Ok((passes, serde_json::from_slice(&out).unwrap()))
    }

    #[test]
    fn dimensions_have_another_name() {
        assert_eq!(
            native(r#"{"model":"m","input":["a"],"dimensions":256,"encoding_format":"base64","user":"u","output_dtype":"float"}"#)
                .unwrap(),
            serde_json::json!({"model":"up","input":["a"],"output_dimension":256,"output_dtype":"float"})
        );
        assert_eq!(native(r#"{"model":"m","input":[1,2]}"#).unwrap_err().param.as_deref(), Some("input"));
    }

    #[test]
    fn numbers_pass_and_become_base64_when_asked() {
        let reply = r#"{"id":"e","object":"list","model":"mistral-embed","data":[
            {"object":"embedding","index":1,"embedding":[1,2]},{"object":"embedding","index":0,"embedding":[0.1,-2]}],
            "usage":{"prompt_tokens":4,"total_tokens":4,"completion_tokens":0}}"#;
        assert!(openai(false, reply).unwrap().0);
        let (passes, list) = openai(true, reply).unwrap();
        assert!(!passes);
        assert_eq!(
            (list["model"].as_str(), list["usage"]["prompt_tokens"].as_u64()),
            (Some("mistral-embed"), Some(4))
        );
        assert_eq!(list["data"][0]["embedding"], "zczMPQAAAMA=");
        assert!(openai(false, r#"{"detail":"no"}"#).is_err());
    }
}
