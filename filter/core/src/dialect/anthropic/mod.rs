//! Anthropic's Messages, for everybody who speaks them.
//!
//! [`encode`] turns a request around, with [`turns`] and [`blocks`] for messages, [`tools`] and [`schema`] for what may
//! be called and answered, [`thinking`] for reasoning and sampling, and [`model`] for what a model's name tells of its
//! abilities. [`native`] lets the requests of clients pass that speak the language themselves, with [`betas`] for what
//! each cloud takes. [`reply`] reads whole answers and knows what they have in common with events, which [`stream`] reads.
//! Source: <https://platform.claude.com/docs/en/api/messages>.

mod betas;
mod blocks;
mod encode;
mod model;
mod native;
mod reply;
mod schema;
mod stream;
mod thinking;
mod tools;
mod turns;

use super::{Asked, Dialect, Native, StreamDecoder};
use crate::client::Endpoint;
use crate::config::Target;
use crate::error::Error;
use crate::openai::{ChatRequest, Param, ParamSet, Sink};

/// The language as Anthropic itself speaks it.
pub static ANTHROPIC: Anthropic = Anthropic {
    model_in_body: true,
    stream_in_body: true,
    version_in_body: None,
    betas_in_body: false,
    elsewhere: false,
    betas: None,
    no_scopes: false,
    schemas_since: (4, 5),
};

/// As Azure's Foundry takes it.
/// Source: <https://learn.microsoft.com/en-us/azure/ai-foundry/foundry-models/how-to/use-foundry-models-claude>.
pub static IN_FOUNDRY: Anthropic = Anthropic { elsewhere: true, betas: Some(betas::FOUNDRY), ..ANTHROPIC };

/// As Bedrock's `invoke` takes it: model and stream are in the path, version and betas in the body.
/// Source: <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages.html>.
pub static IN_BEDROCK: Anthropic = Anthropic {
    model_in_body: false,
    stream_in_body: false,
    version_in_body: Some("bedrock-2023-05-31"),
    betas_in_body: true,
    elsewhere: true,
    betas: Some(betas::BEDROCK),
    no_scopes: true,
    schemas_since: (4, 5),
};

/// As Vertex's `rawPredict` takes it: the model is in the path, the version in the body.
/// Source: <https://platform.claude.com/docs/en/build-with-claude/claude-on-vertex-ai>.
pub static IN_VERTEX: Anthropic = Anthropic {
    model_in_body: false,
    stream_in_body: true,
    version_in_body: Some("vertex-2023-10-16"),
    betas_in_body: false,
    elsewhere: true,
    betas: Some(betas::VERTEX),
    no_scopes: true,
    schemas_since: (4, 6),
};

/// Anthropic's Messages.
#[derive(Debug)]
pub struct Anthropic {
    model_in_body: bool,
    stream_in_body: bool,
    /// `anthropic_version`, where it is no header.
    version_in_body: Option<&'static str>,
    /// Whether `anthropic_beta` is in the body and no header.
    betas_in_body: bool,
    /// Whether it is not Anthropic's own cloud, the only one that takes system messages between the others.
    elsewhere: bool,
    /// The betas that a client's own flags may turn on; `None` for any.
    betas: Option<betas::Allowed>,
    /// Whether a cache breakpoint must not say whom it serves.
    no_scopes: bool,
    /// The first version of the models that follows schemas there.
    /// Source: <https://platform.claude.com/docs/en/build-with-claude/structured-outputs>.
    schemas_since: (u32, u32),
}

/// OpenAI's parameters that have a meaning here.
const SUPPORTED: ParamSet = ParamSet::of(&[
    Param::Stream,
    Param::StreamOptions,
    Param::MaxTokens,
    Param::MaxCompletionTokens,
    Param::Temperature,
    Param::TopP,
    Param::Stop,
    Param::Tools,
    Param::ToolChoice,
    Param::ParallelToolCalls,
    Param::ResponseFormat,
    Param::ReasoningEffort,
    Param::User,
    Param::SafetyIdentifier,
    Param::Metadata,
    Param::ServiceTier,
    Param::WebSearchOptions,
]);

impl Dialect for Anthropic {
    fn supports(&self) -> ParamSet {
        SUPPORTED
    }

    fn encode<'a>(&self, request: &ChatRequest<'a>, to: &'a Target, body: &mut Vec<u8>) -> Result<(), Error> {
        encode::encode(self, request, to, body)
    }

    fn headers(&self, request: &ChatRequest<'_>, headers: &mut Vec<(&'static str, String)>) {
        if !self.betas_in_body {
            let asked = encode::asked_betas(request).into_iter();
            let needed = encode::betas(request).map(str::to_owned);
            headers.extend(needed.chain(asked).map(|beta| ("anthropic-beta", beta)));
        }
    }

    fn decode(&self, body: &[u8], sink: &mut dyn Sink) -> Result<(), Error> {
        reply::decode(body, sink)
    }

    fn stream(&self) -> Box<dyn StreamDecoder> {
        Box::<stream::Events>::default()
    }

    fn speaks(&self, endpoint: Endpoint) -> Option<&dyn Native> {
        (endpoint == Endpoint::Messages).then_some(self)
    }

    fn knows_budgets(&self, _model: &str) -> bool {
        true
    }

    fn counts(&self, _model: &str) -> bool {
        true
    }

    fn encode_count(
        &self,
        asked: &Asked<'_>,
        to: &Target,
        body: &mut Vec<u8>,
        headers: &mut Vec<(&'static str, String)>,
    ) -> Result<Option<String>, Error> {
        Ok(self.write_count(asked, to, body, headers))
    }

    fn decode_count(&self, body: &[u8]) -> Result<u64, Error> {
        native::decode_count(body)
    }
}
