//! Bedrock's Converse and ConverseStream: one language for every model family there.
//!
//! The request is written by [`messages`] (what was said), [`tools`] (what may be called) and [`fields`] (how to
//! answer); [`reply`] and [`stream`] read what comes back. What depends on a model's family is asked of [`family`], so
//! that a new model is a line there.
//! Source: <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html>.
//!
//! Decisions that the language forces:
//! * `tool_choice: none` has no word in it: the tools are left out, and calls and results in the conversation, which may
//!   not stand without tools, are told as text. So it is when there are no tools at all.
//! * Instructions in mid-conversation stand in their place as the user's words, marked for what they are.
//! * "Any JSON" has no word either: it is an object as the arguments of a tool, as a schema is on models that keep none.
//! * The filter fetches nothing: images and files come as data-URLs or lie in S3.
//! * `metadata` becomes `requestMetadata` as far as its rules allow.

mod count;
mod family;
mod fields;
mod media;
mod messages;
mod reply;
mod stream;
mod tools;

use super::{Asked, Dialect, StreamDecoder};
use crate::config::Target;
use crate::error::Error;
use crate::json::Out;
use crate::openai::{ChatRequest, Param, ParamSet, Sink, ToolChoice};

/// The language.
pub static CONVERSE: Converse = Converse;

/// Bedrock's Converse.
#[derive(Debug)]
pub struct Converse;

impl Dialect for Converse {
    fn supports(&self) -> ParamSet {
        ParamSet::of(&[
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
            Param::Metadata,
            Param::User,
            Param::ServiceTier,
            Param::WebSearchOptions,
        ])
    }

    fn encode<'a>(&self, request: &ChatRequest<'a>, to: &'a Target, body: &mut Vec<u8>) -> Result<(), Error> {
        let model = family::Model::of(&request.model.plain(), to);
        let messages = request.messages()?;
        let mut choice = request.tool_choice()?;
        let mut offered = request.tools()?;
        if matches!(choice, Some(ToolChoice::None)) {
            offered.clear();
            choice = None;
        }
        let forced = matches!(choice, Some(ToolChoice::Required | ToolChoice::Named(_)));
        let quiet = forced || messages::lost_thoughts(&messages);
        let thinking = fields::Thinking::of(request, &model, quiet, to)?;
        let form = fields::Form::of(request, &model, forced, thinking.on(), to)?;
        let config = tools::Config::of(request, offered, choice, &form, &model, thinking.on(), to)?;
        body.open(b'{');
        let asked = config.asks().then_some(tools::ASKED);
        messages::write(&messages, config.present(), asked, &model, to, body)?;
        fields::inference(request, &thinking, &model, to, body)?;
        config.write(body)?;
        fields::write(request, &form, &thinking, &config, &model, to, body)?;
        body.close(b'}');
        Ok(())
    }

    fn decode(&self, body: &[u8], sink: &mut dyn Sink) -> Result<(), Error> {
        reply::decode(body, sink)
    }

    fn stream(&self) -> Box<dyn StreamDecoder> {
        Box::<stream::Events>::default()
    }

    fn knows_budgets(&self, model: &str) -> bool {
        model.contains("claude")
    }

    fn counts(&self, model: &str) -> bool {
        // Of all that Bedrock serves, only Claude's tokens are counted beforehand.
        model.contains("anthropic.claude")
    }

    fn encode_count(
        &self,
        asked: &Asked<'_>,
        to: &Target,
        body: &mut Vec<u8>,
        _headers: &mut Vec<(&'static str, String)>,
    ) -> Result<Option<String>, Error> {
        count::encode(asked, to, body)
    }

    fn decode_count(&self, body: &[u8]) -> Result<u64, Error> {
        count::decode(body)
    }
}
