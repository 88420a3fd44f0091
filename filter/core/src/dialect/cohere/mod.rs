//! Cohere's Chat API, version 2. What is asked of it; [`messages`] writes the conversation, [`reply`] reads answers.
//!
//! Source: <https://docs.cohere.com/reference/chat>. It looks like OpenAI's and differs in nearly every name.

mod embeddings;
mod messages;
mod reply;

use super::{Dialect, StreamDecoder, unsupported};
use crate::config::Target;
use crate::error::Error;
use crate::json::{Json, Kind, Out, Str};
use crate::openai::request::wrong;
use crate::openai::{
    ChatRequest, EmbeddingWriter, EmbeddingsRequest, FunctionTool, Param, ParamSet, ResponseFormat, Sink,
    Tool, ToolChoice,
};

/// The language.
pub static COHERE: Cohere = Cohere { model_in_body: true };

/// As Bedrock's `invoke` takes its embeddings: the model is in the path.
/// Source: <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed.html>.
pub static IN_BEDROCK: Cohere = Cohere { model_in_body: false };

/// Cohere's Chat API, version 2.
#[derive(Debug)]
pub struct Cohere {
    model_in_body: bool,
}

const SUPPORTED: ParamSet = ParamSet::of(&[
    Param::Stream,
    // Usage always comes with the last event.
    Param::StreamOptions,
    Param::MaxTokens,
    Param::MaxCompletionTokens,
    Param::Temperature,
    Param::TopP,
    Param::Stop,
    Param::Seed,
    Param::PresencePenalty,
    Param::FrequencyPenalty,
    Param::Logprobs,
    Param::Tools,
    Param::ToolChoice,
    Param::ResponseFormat,
    Param::ReasoningEffort,
]);

/// Parameters whose value is the same there: (OpenAI's, Cohere's name).
const SAME: &[(Param, &str)] = &[
    (Param::Temperature, "temperature"),
    (Param::Seed, "seed"),
    (Param::PresencePenalty, "presence_penalty"),
    (Param::FrequencyPenalty, "frequency_penalty"),
    (Param::Logprobs, "logprobs"),
];

impl Dialect for Cohere {
    fn supports(&self) -> ParamSet {
        SUPPORTED
    }

    fn encode<'a>(&self, request: &ChatRequest<'a>, to: &'a Target, body: &mut Vec<u8>) -> Result<(), Error> {
        body.open(b'{');
        body.field_token("model", request.model);
        messages::write(request, to, body)?;
        tools(request, to, body)?;
        if let Some(format) = request.response_format()? {
            response_format(format, body);
        }
        if let Some(limit) = request.max_output() {
            body.field("max_tokens", limit);
        }
        let stop = request.stop()?;
        if !stop.is_empty() {
            body.key("stop_sequences");
            body.open(b'[');
            stop.iter().for_each(|word| body.token(*word));
            body.close(b']');
        }
        for (param, name) in SAME {
            if let Some(value) = request.param(*param).filter(|value| !param.neutral(*value)) {
                body.field(name, value);
            }
        }
        if let Some(p) = request.number(Param::TopP)? {
            // Documented range: 0.01 to 0.99. OpenAI's default of 1, which clients like to send, is beyond it.
            match request.param(Param::TopP) {
                Some(value) if (0.01..=0.99).contains(&p) => body.field("p", value),
                _ => body.field("p", Json::trusted(if p > 0.5 { "0.99" } else { "0.01" })),
            }
        }
        thinking(request, body)?;
        if request.stream {
            body.field("stream", Json::trusted("true"));
        }
        for (key, value) in request.beyond(SUPPORTED) {
            match &*key.plain() {
                "thinking" => {}
                // The name that most other vendors give it.
                "top_k" if request.field("k").is_none() => body.field("k", value),
                _ => {
                    body.token(key);
                    body.push(b':');
                    body.raw(value.text());
                }
            }
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
        embeddings::encode(request, self.model_in_body, to, body)
    }

    fn decode_embeddings(&self, body: &[u8], writer: &mut EmbeddingWriter) -> Result<(), Error> {
        embeddings::decode(body, writer)
    }

    fn stream(&self) -> Box<dyn StreamDecoder> {
        Box::<reply::Events>::default()
    }
}

/// The tools and what the model may do with them. Cohere has no choice of one function: to name one is to show the
/// model that one only and to require a call.
fn tools(request: &ChatRequest<'_>, to: &Target, body: &mut Vec<u8>) -> Result<(), Error> {
    let choice = request.tool_choice()?;
    let mut functions = Vec::new();
    for tool in request.tools()? {
        match tool {
            Tool::Function(function) => functions.push(function),
            Tool::Native(..) if to.drop_params => {}
            Tool::Native(..) => return Err(unsupported(Param::Tools, to)),
        }
    }
    if let Some(ToolChoice::Named(name)) = choice {
        let name = name.plain();
        functions.retain(|function| function.name.plain() == name);
        if functions.is_empty() {
            return Err(wrong("tool_choice", "a function that is among the tools"));
        }
    }
    if functions.is_empty() {
        return Ok(());
    }
    body.key("tools");
    body.open(b'[');
    functions.iter().for_each(|function| tool(function, body));
    body.close(b']');
    if functions.iter().all(strict) && request.field("strict_tools").is_none() {
        body.field("strict_tools", Json::trusted("true"));
    }
    match choice {
        None | Some(ToolChoice::Auto) => {}
        Some(ToolChoice::None) => body.field_text("tool_choice", "NONE"),
        Some(ToolChoice::Required | ToolChoice::Named(_)) => body.field_text("tool_choice", "REQUIRED"),
    }
    Ok(())
}

fn tool(function: &FunctionTool<'_>, body: &mut Vec<u8>) {
    body.open(b'{');
    body.field_text("type", "function");
    body.key("function");
    body.open(b'{');
    body.field_token("name", function.name);
    if let Some(description) = function.description {
        body.field_token("description", description);
    }
    let nothing = Json::trusted(r#"{"type":"object","properties":{}}"#);
    body.field("parameters", function.parameters.unwrap_or(nothing));
    body.close(b'}');
    body.close(b'}');
}

/// Whether the client wants the schema followed to the letter, and Cohere can: its `strict_tools` is for all tools at
/// once, and each must have a required parameter.
/// Source: <https://docs.cohere.com/docs/tool-use-parameter-types>.
fn strict(function: &FunctionTool<'_>) -> bool {
    let required = function.parameters.and_then(|schema| schema.field("required"));
    function.strict == Some(true) && required.is_some_and(|names| !names.items().is_empty())
}

fn response_format(format: ResponseFormat<'_>, body: &mut Vec<u8>) {
    body.key("response_format");
    body.open(b'{');
    body.field_text("type", "json_object");
    if let ResponseFormat::JsonSchema { schema, .. } = format {
        body.field("json_schema", schema);
    }
    body.close(b'}');
}

/// Cohere knows reasoning on, off, and a budget; its reasoning models think unless told otherwise. The budgets of the
/// lesser efforts are LiteLLM's for other vendors. A native `thinking` wins, its budget by Anthropic's name too.
/// Source: <https://docs.cohere.com/docs/reasoning>.
fn thinking(request: &ChatRequest<'_>, body: &mut Vec<u8>) -> Result<(), Error> {
    if let Some(native) = request.field("thinking") {
        if native.kind() != Kind::Object {
            return Err(wrong("thinking", "an object"));
        }
        body.key("thinking");
        body.open(b'{');
        for (key, value) in native.fields() {
            let key = if key.is("budget_tokens") { Str::literal("token_budget") } else { key };
            body.token(key);
            body.push(b':');
            body.raw(value.text());
        }
        body.close(b'}');
        return Ok(());
    }
    let Some(effort) = request.string(Param::ReasoningEffort)? else { return Ok(()) };
    let thinking = match &*effort.plain() {
        "none" => r#"{"type":"disabled"}"#,
        "minimal" | "low" => r#"{"type":"enabled","token_budget":1024}"#,
        "medium" => r#"{"type":"enabled","token_budget":2048}"#,
        "high" | "xhigh" | "max" => r#"{"type":"enabled"}"#,
        _ => {
            return Err(wrong("reasoning_effort", "none, minimal, low, medium, high, xhigh or max"));
        }
    };
    body.field("thinking", Json::trusted(thinking));
    Ok(())
}
