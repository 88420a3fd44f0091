//! Cohere's embeddings, version 2.
//!
//! Source: <https://docs.cohere.com/reference/embed>.

use crate::config::Target;
use crate::dialect::texts;
use crate::error::Error;
use crate::json::{Cursor, FromJson, Json, Kind, Out};
use crate::json_view;
use crate::meter::Usage;
use crate::openai::embeddings::Input;
use crate::openai::{EmbeddingWriter, EmbeddingsRequest};

/// What the vectors are for, unless the client says so in `input_type`, which OpenAI's API does not know: LiteLLM's
/// choice.
const PURPOSE: &str = "search_document";

pub(super) fn encode(
    request: &EmbeddingsRequest<'_>,
    model_in_body: bool,
    to: &Target,
    body: &mut Vec<u8>,
) -> Result<(), Error> {
    body.open(b'{');
    if model_in_body {
        body.field_token("model", request.model);
    }
    let mut purpose = PURPOSE;
    if let Input::Native(items) = request.input {
        body.field("inputs", items);
    } else {
        let texts = texts(request, to)?;
        // An image stands as a data-URL where a text would.
        let images = texts.iter().all(|text| text.plain().starts_with("data:image/"));
        if images {
            purpose = "image";
        }
        body.key(if images { "images" } else { "texts" });
        body.open(b'[');
        texts.iter().for_each(|text| body.token(*text));
        body.close(b']');
    }
    if request.field("input_type").is_none() {
        body.field_text("input_type", purpose);
    }
    if request.field("embedding_types").is_none() {
        body.field("embedding_types", Json::trusted(r#"["float"]"#));
    }
    if let Some(dimensions) = request.dimensions()? {
        body.field_number("output_dimension", dimensions);
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
    struct Reply<'a> { "embeddings" => embeddings: Json<'a>, "meta" => meta: Meta<'a> }
}

json_view! {
    struct Meta<'a> { "tokens" => tokens: Counts<'a>, "billed_units" => billed: Counts<'a> }
}

json_view! {
    struct Counts<'a> { "input_tokens" => input: u64, "image_tokens" => image: u64 }
}

pub(super) fn decode(body: &[u8], writer: &mut EmbeddingWriter) -> Result<(), Error> {
    let garbled = || Error::garbled("The provider's answer is not a list of embeddings.");
    let text = std::str::from_utf8(body).map_err(|_| garbled())?;
    let reply = Reply::from_json(&mut Cursor::new(text)).map_err(|_| garbled())?;
    let by_type = reply.embeddings.ok_or_else(garbled)?.fields();
    let vectors = |name: &str| by_type.iter().find(|(key, _)| key.is(name)).map(|(_, vectors)| *vectors);
    // The client may have asked for a type of its own: the first that came.
    let other = || by_type.iter().map(|(_, vectors)| *vectors).find(|vectors| vectors.kind() == Kind::Array);
    let vectors = vectors("float").or_else(other).ok_or_else(garbled)?;
    for (index, vector) in (0..).zip(vectors.items()) {
        writer.vector(index, vector)?;
    }
    let meta = reply.meta.unwrap_or_default();
    if let Some(counts) = meta.tokens.or(meta.billed) {
        let input = counts.input.unwrap_or(0).saturating_add(counts.image.unwrap_or(0));
        writer.usage(Usage { input, image_input: counts.image, ..Usage::default() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::COHERE;
    use super::*;
    use crate::dialect::{Dialect as _, screen_embeddings};

    fn native(request: &str) -> Result<serde_json::Value, Error> {
        let target = Target::from_json(r#"{"id":"t","provider":"cohere","model":"up"}"#).unwrap();
        let mut request = EmbeddingsRequest::parse(request.as_bytes())?;
        request.set_model(crate::json::Str::literal("up"));
        screen_embeddings(&mut request, &target)?;
        let mut body = Vec::new();
        COHERE.encode_embeddings(&request, &target, &mut body)?;
        Ok(serde_json::from_slice(&body).unwrap())
    }

    fn openai(base64: bool, reply: &str) -> Result<(bool, serde_json::Value), Error> {
        let mut writer = EmbeddingWriter::new("m", base64);
        COHERE.decode_embeddings(reply.as_bytes(), &mut writer)?;
        let passes = writer.passes();
        let mut out = Vec::new();
        writer.write(&mut out);
        Ok((passes, serde_json::from_slice(&out).unwrap()))
    }

    #[test]
    fn texts_and_images_are_told_apart() {
        assert_eq!(
            native(r#"{"model":"m","input":"a","dimensions":256,"encoding_format":"base64","user":"u"}"#)
                .unwrap(),
            serde_json::json!({"model":"up","texts":["a"],"input_type":"search_document",
                "embedding_types":["float"],"output_dimension":256})
        );
        assert_eq!(
            native(r#"{"model":"m","input":["a","b"],"input_type":"search_query","truncate":"END"}"#)
                .unwrap(),
            serde_json::json!({"model":"up","texts":["a","b"],"embedding_types":["float"],
                "input_type":"search_query","truncate":"END"})
        );
        let image = native(r#"{"model":"m","input":"data:image/png;base64,AA=="}"#).unwrap();
        assert_eq!(image["images"][0], "data:image/png;base64,AA==");
        assert_eq!(image["input_type"], "image");
        let mixed = native(r#"{"model":"m","input":[{"content":[{"type":"text","text":"a"}]}]}"#).unwrap();
        assert_eq!(mixed["inputs"][0]["content"][0]["text"], "a");
        assert_eq!(native(r#"{"model":"m","input":[1,2]}"#).unwrap_err().param.as_deref(), Some("input"));
    }

    #[test]
    fn vectors_come_by_type_and_are_counted() {
        let reply = r#"{"id":"e","embeddings":{"float":[[0.1,-2],[1,2]]},"texts":["a","b"],
            "meta":{"api_version":{"version":"2"},"billed_units":{"input_tokens":3}}}"#;
        let (passes, list) = openai(false, reply).unwrap();
        assert!(!passes);
        assert_eq!(list["data"][1], serde_json::json!({"object":"embedding","index":1,"embedding":[1,2]}));
        assert_eq!(list["usage"]["prompt_tokens"], 3);
        assert_eq!(openai(true, reply).unwrap().1["data"][0]["embedding"], "zczMPQAAAMA=");
        let other =
            r#"{"embeddings":{"float":null,"int8":[[1]]},"meta":{"billed_units":{"image_tokens":9}}}"#;
        assert_eq!(openai(false, other).unwrap().1["usage"]["prompt_tokens"], 9);
        assert!(openai(false, r#"{"message":"no"}"#).is_err());
    }
}
