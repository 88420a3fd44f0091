//! Ollama's embeddings.
//!
//! Source: <https://docs.ollama.com/api/embed>.

use super::options_of;
use crate::config::Target;
use crate::dialect::texts;
use crate::error::{Error, Said};
use crate::json::{Cursor, FromJson, Json, Out, Str};
use crate::json_view;
use crate::meter::Usage;
use crate::openai::{EmbeddingWriter, EmbeddingsRequest};

pub(super) fn encode(request: &EmbeddingsRequest<'_>, to: &Target, body: &mut Vec<u8>) -> Result<(), Error> {
    texts(request, to)?;
    body.open(b'{');
    body.field_token("model", request.model);
    body.field("input", request.raw_input);
    if let Some(dimensions) = request.dimensions()? {
        body.field_number("dimensions", dimensions);
    }
    options_of(request.unknown(), request.field("options"), body)?;
    body.close(b'}');
    Ok(())
}

json_view! {
    struct Reply<'a> {
        "model" => model: Str<'a>,
        "embeddings" => embeddings: Vec<Json<'a>>,
        "prompt_eval_count" => count: u64,
        "error" => error: Json<'a>,
    }
}

pub(super) fn decode(body: &[u8], writer: &mut EmbeddingWriter) -> Result<(), Error> {
    let garbled = || Error::garbled("The provider's answer is not a list of embeddings.");
    let text = std::str::from_utf8(body).map_err(|_| garbled())?;
    let reply = Reply::from_json(&mut Cursor::new(text)).map_err(|_| garbled())?;
    if reply.error.is_some() {
        return Err(Said::read(body).into_error(200, "Ollama"));
    }
    if let Some(model) = reply.model {
        writer.model(model);
    }
    for (index, vector) in (0..).zip(reply.embeddings.ok_or_else(garbled)?) {
        writer.vector(index, vector)?;
    }
    if let Some(input) = reply.count {
        writer.usage(Usage { input, ..Usage::default() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::OLLAMA;
    use super::*;
    use crate::dialect::{Dialect as _, screen_embeddings};

    fn native(request: &str) -> Result<serde_json::Value, Error> {
        let target = Target::from_json(r#"{"id":"t","provider":"ollama","model":"up"}"#).unwrap();
        let mut request = EmbeddingsRequest::parse(request.as_bytes())?;
        request.set_model(crate::json::Str::literal("up"));
        screen_embeddings(&mut request, &target)?;
        let mut body = Vec::new();
        OLLAMA.encode_embeddings(&request, &target, &mut body)?;
        Ok(serde_json::from_slice(&body).unwrap())
    }

    fn openai(base64: bool, reply: &str) -> Result<(bool, serde_json::Value), Error> {
        let mut writer = EmbeddingWriter::new("m", base64);
        OLLAMA.decode_embeddings(reply.as_bytes(), &mut writer)?;
        let passes = writer.passes();
        let mut out = Vec::new();
        writer.write(&mut out);
        Ok((passes, serde_json::from_slice(&out).unwrap()))
    }

    #[test]
    fn unknown_fields_are_options() {
        assert_eq!(
            native(r#"{"model":"m","input":"a","dimensions":64,"user":"u","num_ctx":9,"truncate":false,"options":{"seed":1}}"#)
                .unwrap(),
            serde_json::json!({"model":"up","input":"a","dimensions":64,"truncate":false,
                "options":{"num_ctx":9,"seed":1}})
        );
        assert_eq!(native(r#"{"model":"m","input":[[1]]}"#).unwrap_err().param.as_deref(), Some("input"));
    }

    #[test]
    fn vectors_are_a_bare_list() {
        let reply =
            r#"{"model":"nomic","embeddings":[[0.1,-2],[1,2]],"total_duration":1,"prompt_eval_count":8}"#;
        let (_, list) = openai(false, reply).unwrap();
        assert_eq!(
            (list["model"].as_str(), list["usage"]["prompt_tokens"].as_u64()),
            (Some("nomic"), Some(8))
        );
        assert_eq!(list["data"][1], serde_json::json!({"object":"embedding","index":1,"embedding":[1,2]}));
        assert_eq!(openai(true, reply).unwrap().1["data"][0]["embedding"], "zczMPQAAAMA=");
        assert_eq!(openai(false, r#"{"error":"no such model"}"#).unwrap_err().message, "no such model");
    }
}
