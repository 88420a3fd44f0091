//! Amazon Titan's embeddings: one text, or one image, a request.
//!
//! Sources: <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html>,
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-mm.html>.

use super::{Dialect, StreamDecoder, no_chat, texts, truncated};
use crate::config::Target;
use crate::error::Error;
use crate::json::{Cursor, FromJson, Json, Kind, Out, Str};
use crate::json_view;
use crate::meter::Usage;
use crate::openai::message::DataUrl;
use crate::openai::{ChatRequest, EmbeddingWriter, EmbeddingsRequest, ParamSet, Sink};
use crate::wire::Frame;

/// The language.
pub static TITAN: Titan = Titan;

/// Amazon Titan's embeddings.
#[derive(Debug)]
pub struct Titan;

impl Dialect for Titan {
    fn supports(&self) -> ParamSet {
        ParamSet::NONE
    }

    fn encode<'a>(
        &self,
        _request: &ChatRequest<'a>,
        to: &'a Target,
        _body: &mut Vec<u8>,
    ) -> Result<(), Error> {
        Err(no_chat(to))
    }

    fn decode(&self, _body: &[u8], _sink: &mut dyn Sink) -> Result<(), Error> {
        Err(Error::internal("a chat was asked of a language that only embeds"))
    }

    fn stream(&self) -> Box<dyn StreamDecoder> {
        Box::new(NoStream)
    }

    fn encode_embeddings<'a>(
        &self,
        request: &EmbeddingsRequest<'a>,
        to: &'a Target,
        body: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let texts = texts(request, to)?;
        let [text] = texts.as_slice() else {
            return Err(Error::invalid(format!(
                "{} embeds one text a request: 'input' has {}.",
                request.model.plain(),
                texts.len()
            ))
            .param("input"));
        };
        body.open(b'{');
        match DataUrl::read(*text, "input")? {
            Some(image) => body.field_token("inputImage", Str::spelled(&image.base64)),
            None => body.field_token("inputText", *text),
        }
        if let Some(dimensions) = request.dimensions()? {
            // The multimodal model has a place of its own for it.
            if request.model.plain().contains("embed-image") {
                body.key("embeddingConfig");
                body.open(b'{');
                body.field_number("outputEmbeddingLength", dimensions);
                body.close(b'}');
            } else {
                body.field_number("dimensions", dimensions);
            }
        }
        for (key, value) in request.unknown() {
            body.token(key);
            body.push(b':');
            body.raw(value.text());
        }
        body.close(b'}');
        Ok(())
    }

    fn decode_embeddings(&self, body: &[u8], writer: &mut EmbeddingWriter) -> Result<(), Error> {
        let garbled = || Error::garbled("The provider's answer is not an embedding.");
        let text = std::str::from_utf8(body).map_err(|_| garbled())?;
        let reply = Reply::from_json(&mut Cursor::new(text)).map_err(|_| garbled())?;
        // The client may have asked for another type by `embeddingTypes`: the first that came.
        let by_type = || reply.by_type.map(Json::fields).unwrap_or_default().into_iter().next();
        let vector = reply.embedding.filter(|vector| vector.kind() == Kind::Array);
        let vector = vector.or_else(|| by_type().map(|(_, vector)| vector)).ok_or_else(garbled)?;
        writer.vector(0, vector)?;
        if let Some(input) = reply.tokens {
            writer.usage(Usage { input, ..Usage::default() });
        }
        Ok(())
    }
}

json_view! {
    struct Reply<'a> {
        "embedding" => embedding: Json<'a>,
        "embeddingsByType" => by_type: Json<'a>,
        "inputTextTokenCount" => tokens: u64,
    }
}

/// Nothing streams here.
struct NoStream;

impl StreamDecoder for NoStream {
    fn frame(&mut self, _frame: Frame<'_>, _sink: &mut dyn Sink) -> Result<(), Error> {
        Err(Error::garbled("The provider streams where nothing can be streamed."))
    }

    fn done(&self) -> bool {
        false
    }

    fn end(&mut self, _sink: &mut dyn Sink) -> Result<(), Error> {
        Err(truncated())
    }
}
