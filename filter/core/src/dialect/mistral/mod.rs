//! Mistral's chat completions. What is asked of it; [`messages`] writes the conversation, [`reply`] reads answers.
//!
//! Source: <https://docs.mistral.ai/api/endpoint/chat>. It is close to OpenAI's but refuses fields that it does not
//! know, has names of its own, and answers with content in parts, so neither direction passes unread.

mod call_ids;
mod embeddings;
mod messages;
mod reply;

use super::{Dialect, StreamDecoder, unsupported};
use crate::config::Target;
use crate::error::Error;
use crate::json::{Json, Out, Str};
use crate::openai::{
    ChatRequest, EmbeddingWriter, EmbeddingsRequest, FunctionTool, Param, ParamSet, Sink, Tool, ToolChoice,
};

/// The language.
pub static MISTRAL: Mistral = Mistral;

/// Mistral's chat completions.
#[derive(Debug)]
pub struct Mistral;

const SUPPORTED: ParamSet = ParamSet::of(&[
    Param::Stream,
    // Usage always comes with the last chunk.
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
    Param::ResponseFormat,
    Param::ReasoningEffort,
    Param::Metadata,
    Param::ServiceTier,
    Param::Prediction,
    Param::PromptCacheKey,
]);

/// Parameters whose value is the same there: (OpenAI's, Mistral's name).
const SAME: &[(Param, &str)] = &[
    (Param::Temperature, "temperature"),
    (Param::TopP, "top_p"),
    (Param::N, "n"),
    (Param::Stop, "stop"),
    (Param::PresencePenalty, "presence_penalty"),
    (Param::FrequencyPenalty, "frequency_penalty"),
    (Param::Logprobs, "logprobs"),
    (Param::TopLogprobs, "top_logprobs"),
    (Param::ParallelToolCalls, "parallel_tool_calls"),
    (Param::ResponseFormat, "response_format"),
    (Param::Metadata, "metadata"),
    (Param::Prediction, "prediction"),
    (Param::PromptCacheKey, "prompt_cache_key"),
];

impl Dialect for Mistral {
    fn supports(&self) -> ParamSet {
        SUPPORTED
    }

    fn encode<'a>(&self, request: &ChatRequest<'a>, to: &'a Target, body: &mut Vec<u8>) -> Result<(), Error> {
        body.open(b'{');
        body.field_token("model", request.model);
        messages::write(request, to, body)?;
        tools(request, to, body)?;
        if let Some(limit) = request.max_output() {
            body.field("max_tokens", limit);
        }
        for (param, name) in SAME {
            // `logprobs: false` is an error for models without them.
            if let Some(value) = request.param(*param).filter(|value| !param.neutral(*value)) {
                body.field(name, value);
            }
        }
        if let Some(seed) = request.param(Param::Seed)
            && request.field("random_seed").is_none()
        {
            body.field("random_seed", seed);
        }
        service_tier(request, to, body)?;
        reasoning(request, body)?;
        if request.stream {
            body.field("stream", Json::trusted("true"));
        }
        for (key, value) in request.beyond(SUPPORTED).filter(|(key, _)| !key.is("thinking")) {
            body.token(key);
            body.push(b':');
            body.raw(value.text());
        }
        body.close(b'}');
        Ok(())
    }

    fn decode(&self, body: &[u8], sink: &mut dyn Sink) -> Result<(), Error> {
        reply::decode(body, sink)
    }

    fn encode_embeddings<'a>(
        &self,
        request: &EmbeddingsRequest<'a>,
        to: &'a Target,
        body: &mut Vec<u8>,
    ) -> Result<(), Error> {
        embeddings::encode(request, to, body)
    }

    fn decode_embeddings(&self, body: &[u8], writer: &mut EmbeddingWriter) -> Result<(), Error> {
        embeddings::decode(body, writer)
    }

    fn stream(&self) -> Box<dyn StreamDecoder> {
        Box::<reply::Chunks>::default()
    }
}

/// The tools and what the model may do with them. `required` has been `any` here for longer than by OpenAI's name.
fn tools(request: &ChatRequest<'_>, to: &Target, body: &mut Vec<u8>) -> Result<(), Error> {
    let tools = request.tools()?;
    if !tools.is_empty() {
        body.key("tools");
        body.open(b'[');
        for tool in &tools {
            match tool {
                Tool::Function(function) => write_function(function, body),
                // `image_generation`, `document_library`, a connector: Mistral's own, or not, as it will say.
                Tool::Native(_, raw) => body.raw(raw.text()),
            }
        }
        body.close(b']');
    }
    match request.tool_choice()? {
        None => {}
        // A choice without tools is refused there and means nothing.
        Some(_) if tools.is_empty() && to.drop_params => {}
        Some(ToolChoice::Auto) => body.field_text("tool_choice", "auto"),
        Some(ToolChoice::None) => body.field_text("tool_choice", "none"),
        Some(ToolChoice::Required) => body.field_text("tool_choice", "any"),
        Some(ToolChoice::Named(name)) => {
            body.key("tool_choice");
            body.open(b'{');
            body.field_text("type", "function");
            body.key("function");
            body.open(b'{');
            body.field_token("name", name);
            body.close(b'}');
            body.close(b'}');
        }
    }
    Ok(())
}

fn write_function(function: &FunctionTool<'_>, body: &mut Vec<u8>) {
    body.open(b'{');
    body.field_text("type", "function");
    body.key("function");
    body.open(b'{');
    body.field_token("name", function.name);
    if let Some(description) = function.description {
        body.field_token("description", description);
    }
    if let Some(strict) = function.strict {
        body.field("strict", Json::trusted(if strict { "true" } else { "false" }));
    }
    // OpenAI lets a function without arguments leave its schema out; here it must be there.
    let nothing = Json::trusted(r#"{"type":"object","properties":{}}"#);
    body.field("parameters", function.parameters.unwrap_or(nothing));
    body.close(b'}');
    body.close(b'}');
}

/// Mistral has two tiers: `auto`, and `standard_only`, which is OpenAI's `default`.
fn service_tier(request: &ChatRequest<'_>, to: &Target, body: &mut Vec<u8>) -> Result<(), Error> {
    match request.string(Param::ServiceTier)?.as_ref().map(|tier| tier.plain()).as_deref() {
        None => {}
        Some("auto") => body.field_text("service_tier", "auto"),
        Some("default" | "standard_only") => body.field_text("service_tier", "standard_only"),
        Some(_) if to.drop_params => {}
        Some(_) => return Err(unsupported(Param::ServiceTier, to)),
    }
    Ok(())
}

/// How hard the model thinks, also when it is said by Anthropic's switch, as LiteLLM's users do. The Magistral models
/// always think and know no effort; what they have is a prompt that makes them show it. LiteLLM writes such a prompt
/// itself; Mistral's own has been the better one since it exists.
/// Source: <https://docs.mistral.ai/capabilities/reasoning>.
fn reasoning(request: &ChatRequest<'_>, body: &mut Vec<u8>) -> Result<(), Error> {
    let switch = request.field("thinking").and_then(|thinking| thinking.field("type")).and_then(Json::as_str);
    let switched = switch.map(|word| Str::literal(if word.is("disabled") { "none" } else { "high" }));
    let Some(effort) = request.string(Param::ReasoningEffort)?.or(switched) else { return Ok(()) };
    if !request.model.plain().starts_with("magistral") {
        body.field_token("reasoning_effort", effort);
    } else if !effort.is("none") && request.field("prompt_mode").is_none() {
        body.field_text("prompt_mode", "reasoning");
    }
    Ok(())
}
