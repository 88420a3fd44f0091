//! Gemini's `generateContent`, as the Gemini API and Vertex AI speak it.
//!
//! Source: <https://ai.google.dev/api/generate-content>, and
//! <https://docs.cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference>.

mod content;
mod count;
mod embeddings;
mod family;
mod params;
mod partial;
mod reply;
mod resolution;
mod schema;
mod signature;
mod tools;

use super::{Asked, Dialect, StreamDecoder, truncated};
use crate::config::Target;
use crate::error::{Error, Said};
use crate::json::Out;
use crate::openai::{ChatRequest, EmbeddingWriter, EmbeddingsRequest, Param, ParamSet, Sink};
use crate::wire::{Frame, FrameKind};

use family::Family;
use params::Written;
use reply::Reading;

/// The language of the Gemini API.
pub static GEMINI: Gemini = Gemini { embeddings: embeddings::Form::Batch, counts_requests: true };

/// The language of Vertex AI: the same, but for its embeddings.
pub static VERTEX: Gemini = Gemini { embeddings: embeddings::Form::Predict, counts_requests: false };

/// Gemini's `generateContent`.
#[derive(Debug)]
pub struct Gemini {
    embeddings: embeddings::Form,
    /// Whether tokens are counted of a request in a request, the only form that takes more than contents.
    counts_requests: bool,
}

impl Dialect for Gemini {
    fn supports(&self) -> ParamSet {
        ParamSet::of(&[
            Param::Stream,
            Param::StreamOptions,
            Param::MaxTokens,
            Param::MaxCompletionTokens,
            Param::Temperature,
            Param::TopP,
            Param::N,
            Param::Stop,
            Param::Seed,
            Param::PresencePenalty,
            Param::FrequencyPenalty,
            Param::Logprobs,
            Param::TopLogprobs,
            Param::Tools,
            Param::ToolChoice,
            Param::ParallelToolCalls,
            Param::Functions,
            Param::FunctionCall,
            Param::ResponseFormat,
            Param::ReasoningEffort,
            Param::ServiceTier,
            Param::Modalities,
            Param::Audio,
            Param::WebSearchOptions,
        ])
    }

    fn encode<'a>(&self, request: &ChatRequest<'a>, to: &'a Target, body: &mut Vec<u8>) -> Result<(), Error> {
        let family = Family::of(&request.model.plain());
        let messages = request.messages()?;
        let mut written = Written::default();
        body.open(b'{');
        content::write(&messages, family, &mut written, body)?;
        tools::write(request, family, to, &mut written, body)?;
        params::write(request, &messages, family, to, body)?;
        params::pass(request, &mut written, body);
        body.close(b'}');
        Ok(())
    }

    fn decode(&self, body: &[u8], sink: &mut dyn Sink) -> Result<(), Error> {
        let text =
            std::str::from_utf8(body).map_err(|_| Error::garbled("The provider's answer is not UTF-8."))?;
        let mut reading = Reading::default();
        reading.read(text, sink)?;
        if reading.end(sink) {
            return Ok(());
        }
        Err(Error::garbled("The provider's answer does not say why the model stopped."))
    }

    fn decode_error(&self, status: u16, body: &[u8], provider: &str) -> Error {
        reply::refusal(Said::read(body), status, provider)
    }

    fn encode_embeddings<'a>(
        &self,
        request: &EmbeddingsRequest<'a>,
        to: &'a Target,
        body: &mut Vec<u8>,
    ) -> Result<(), Error> {
        embeddings::encode(self.embeddings, request, to, body)
    }

    fn decode_embeddings(&self, body: &[u8], writer: &mut EmbeddingWriter) -> Result<(), Error> {
        embeddings::decode(body, writer)
    }

    fn stream(&self) -> Box<dyn StreamDecoder> {
        Box::<Responses>::default()
    }

    fn knows_budgets(&self, model: &str) -> bool {
        // The third generation knows levels, which efforts tell better than numbers.
        !Family::of(model).signs()
    }

    fn counts(&self, _model: &str) -> bool {
        true
    }

    fn encode_count(
        &self,
        asked: &Asked<'_>,
        to: &Target,
        body: &mut Vec<u8>,
        _headers: &mut Vec<(&'static str, String)>,
    ) -> Result<Option<String>, Error> {
        count::encode(self, asked, to, body).map(|()| None)
    }

    fn decode_count(&self, body: &[u8]) -> Result<u64, Error> {
        count::decode(body)
    }
}

/// Reads a stream of responses.
#[derive(Debug, Default)]
struct Responses {
    reading: Reading,
}

impl StreamDecoder for Responses {
    fn frame(&mut self, frame: Frame<'_>, sink: &mut dyn Sink) -> Result<(), Error> {
        if frame.kind != FrameKind::Event {
            // Vertex breaks into a stream with its error as plain JSON.
            return Err(reply::failure(frame.data.as_bytes(), "The provider"));
        }
        self.reading.read(frame.data, sink)
    }

    fn done(&self) -> bool {
        // Counts may follow the reason for the end, and a better reason.
        false
    }

    fn end(&mut self, sink: &mut dyn Sink) -> Result<(), Error> {
        if self.reading.end(sink) { Ok(()) } else { Err(truncated()) }
    }
}
