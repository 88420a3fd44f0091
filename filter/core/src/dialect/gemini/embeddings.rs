//! Embeddings, in the two forms that Google has: the Gemini API's `batchEmbedContents` and Vertex AI's `predict`.
//!
//! Sources: <https://ai.google.dev/api/embeddings#method:-models.batchembedcontents> and
//! <https://docs.cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api>.

use super::reply::failure;
use crate::config::Target;
use crate::dialect::texts;
use crate::error::Error;
use crate::json::{Cursor, FromJson, Json, Out, Str};
use crate::json_view;
use crate::meter::Usage;
use crate::openai::{EmbeddingWriter, EmbeddingsRequest};

/// Which of the two forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `batchEmbedContents`
    Batch,
    /// `predict`
    Predict,
}

/// Appends the native body.
pub(super) fn encode(
    form: Form,
    request: &EmbeddingsRequest<'_>,
    to: &Target,
    body: &mut Vec<u8>,
) -> Result<(), Error> {
    let texts = texts(request, to)?;
    let dimensions = request.dimensions()?;
    body.open(b'{');
    match form {
        Form::Batch => {
            let model = request.model.raw();
            let model = format!("models/{}", model.strip_prefix("models/").unwrap_or(model));
            body.key("requests");
            body.open(b'[');
            for text in texts {
                body.open(b'{');
                body.field_token("model", Str::spelled(&model));
                body.extend_from_slice(b",\"content\":{\"parts\":[{");
                body.field_token("text", text);
                body.extend_from_slice(b"}]}");
                own(request, |_| true, body);
                if let Some(count) = dimensions {
                    body.field_number("outputDimensionality", count);
                }
                body.close(b'}');
            }
            body.close(b']');
        }
        Form::Predict => {
            // What the text is for goes with each text, the rest is for all.
            let of_text =
                |name: &str| matches!(name, "task_type" | "taskType" | "title" | "mimeType" | "mime_type");
            body.key("instances");
            body.open(b'[');
            for text in texts {
                body.open(b'{');
                body.field_token("content", text);
                own(request, of_text, body);
                body.close(b'}');
            }
            body.close(b']');
            body.key("parameters");
            body.open(b'{');
            if let Some(count) = dimensions {
                body.field_number("outputDimensionality", count);
            }
            own(request, |name| !of_text(name), body);
            body.close(b'}');
        }
    }
    body.close(b'}');
    Ok(())
}

/// Writes the fields that OpenAI doesn't know and whose names `wanted` wants.
fn own(request: &EmbeddingsRequest<'_>, wanted: impl Fn(&str) -> bool, body: &mut Vec<u8>) {
    for (key, value) in request.unknown() {
        if !value.is_null() && wanted(&key.plain()) {
            body.token(key);
            body.push(b':');
            body.raw(value.text());
        }
    }
}

json_view! {
    struct Reply<'a> {
        "embeddings" => embeddings: Vec<Vector<'a>>,
        "usageMetadata" => usage: UsageView<'a>,
        "predictions" => predictions: Vec<Prediction<'a>>,
        "error" => error: Json<'a>,
    }
}

json_view! {
    struct UsageView<'a> { "promptTokenCount" => prompt: u64 }
}

json_view! {
    struct Prediction<'a> { "embeddings" => embeddings: Vector<'a> }
}

json_view! {
    struct Vector<'a> { "values" => values: Json<'a>, "statistics" => statistics: Statistics<'a> }
}

json_view! {
    struct Statistics<'a> { "token_count" => tokens: u64 }
}

/// Reads a reply of either form.
pub(super) fn decode(body: &[u8], writer: &mut EmbeddingWriter) -> Result<(), Error> {
    let garbled = || Error::garbled("The provider's answer holds no embeddings.");
    let text = std::str::from_utf8(body).map_err(|_| garbled())?;
    let reply = Reply::from_json(&mut Cursor::new(text)).map_err(|_| garbled())?;
    if reply.error.is_some() {
        return Err(failure(body, "The provider"));
    }
    let mut tokens = reply.usage.and_then(|usage| usage.prompt);
    let vectors = match (reply.embeddings, reply.predictions) {
        (Some(vectors), _) => vectors,
        (None, Some(predictions)) => predictions.into_iter().filter_map(|one| one.embeddings).collect(),
        (None, None) => return Err(garbled()),
    };
    for (index, vector) in vectors.into_iter().enumerate() {
        writer.vector(index as u64, vector.values.ok_or_else(garbled)?)?;
        if let Some(count) = vector.statistics.and_then(|statistics| statistics.tokens) {
            tokens = Some(tokens.unwrap_or(0).saturating_add(count));
        }
    }
    if let Some(input) = tokens {
        writer.usage(Usage { input, ..Usage::default() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn native(form: Form, request: &str) -> Value {
        let target =
            Target::from_json(r#"{"id":"t","provider":"gemini","model":"gemini-embedding-001"}"#).unwrap();
        let mut request = EmbeddingsRequest::parse(request.as_bytes()).unwrap();
        request.set_model(Str::literal("gemini-embedding-001"));
        let mut body = Vec::new();
        encode(form, &request, &target, &mut body).unwrap();
        serde_json::from_slice(&body).unwrap()
    }

    #[test]
    fn both_forms_say_the_same() {
        let request = r#"{"model":"m","input":["a","b"],"dimensions":64,"user":"u","encoding_format":"base64",
            "task_type":"RETRIEVAL_QUERY","auto_truncate":false}"#;
        let one = |text: &str| {
            json!({"model":"models/gemini-embedding-001","content":{"parts":[{"text":text}]},
                "task_type":"RETRIEVAL_QUERY","auto_truncate":false,"outputDimensionality":64})
        };
        assert_eq!(native(Form::Batch, request), json!({"requests":[one("a"),one("b")]}));
        let one = |text: &str| json!({"content":text,"task_type":"RETRIEVAL_QUERY"});
        assert_eq!(
            native(Form::Predict, request),
            json!({"instances":[one("a"),one("b")],"parameters":{"outputDimensionality":64,"auto_truncate":false}})
        );
        assert_eq!(native(Form::Predict, r#"{"model":"m","input":"a"}"#)["parameters"], json!({}));
    }

    fn answer(native: &str) -> Result<Value, Error> {
        let mut writer = EmbeddingWriter::new("m", false);
        decode(native.as_bytes(), &mut writer)?;
        let mut out = Vec::new();
        writer.write(&mut out);
        Ok(serde_json::from_slice(&out).unwrap())
    }

    #[test]
    fn both_forms_are_read() {
        let batch = answer(r#"{"embeddings":[{"values":[0.5,1]},{"values":[2]}]}"#).unwrap();
        assert_eq!(batch["data"][1], json!({"object":"embedding","index":1,"embedding":[2]}));
        let predicted = answer(
            r#"{"predictions":[{"embeddings":{"values":[0.5],"statistics":{"truncated":false,"token_count":4}}},
                {"embeddings":{"values":[1],"statistics":{"token_count":3.0}}}],"metadata":{"billableCharacterCount":11}}"#,
        )
        .unwrap();
        assert_eq!(predicted["data"][0]["embedding"], json!([0.5]));
        assert_eq!(predicted["usage"], json!({"prompt_tokens":7,"total_tokens":7}));
    }

    #[test]
    fn what_holds_no_vectors_is_an_error() {
        for native in ["", "[]", "{}", r#"{"embeddings":[{}]}"#, r#"{"embeddings":[{"values":"x y"}]}"#] {
            assert!(answer(native).is_err(), "{native}");
        }
        let error =
            answer(r#"{"error":{"code":404,"message":"no model","status":"NOT_FOUND"}}"#).unwrap_err();
        assert_eq!((error.http_status(), &*error.message), (404, "no model"));
    }
}
