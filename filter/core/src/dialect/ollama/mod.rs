//! Ollama's chat API. What is asked of it; [`reply`] reads answers.
//!
//! Source: <https://docs.ollama.com/api/chat>. Sampling stands under `options`, arguments of calls are objects, images
//! are bare base64 beside the text.

mod embeddings;
mod reply;

use super::{Dialect, StreamDecoder, unsupported};
use crate::config::Target;
use crate::error::Error;
use crate::json::{Json, Kind, Out, Str};
use crate::openai::message::{DataUrl, Thinking};
use crate::openai::request::wrong;
use crate::openai::{
    ChatRequest, EmbeddingWriter, EmbeddingsRequest, FunctionTool, Message, Param, ParamSet, Part,
    ResponseFormat, Role, Sink, Tool, ToolCall, ToolChoice,
};

/// The language.
pub static OLLAMA: Ollama = Ollama;

/// Ollama's chat API.
#[derive(Debug)]
pub struct Ollama;

const SUPPORTED: ParamSet = ParamSet::of(&[
    Param::Stream,
    // Counts always come with the last line.
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
    Param::TopLogprobs,
    Param::Tools,
    Param::ToolChoice,
    Param::ResponseFormat,
    Param::ReasoningEffort,
]);

/// Sampling parameters that are options of the same name and meaning. LiteLLM copies `frequency_penalty` into
/// `repeat_penalty`, which multiplies where the other subtracts: 0 there forbids nothing and breaks much.
const OPTIONS: &[Param] =
    &[Param::Temperature, Param::TopP, Param::Seed, Param::PresencePenalty, Param::FrequencyPenalty];

/// Fields of Ollama's own that stand beside `options`; any other unknown field is one of the options.
const TOP_LEVEL: &[&str] = &["think", "format", "keep_alive", "truncate", "shift"];

impl Dialect for Ollama {
    fn supports(&self) -> ParamSet {
        SUPPORTED
    }

    fn encode<'a>(&self, request: &ChatRequest<'a>, to: &'a Target, body: &mut Vec<u8>) -> Result<(), Error> {
        body.open(b'{');
        body.field_token("model", request.model);
        messages(request, to, body)?;
        tools(request, to, body)?;
        if request.field("format").is_none() {
            match request.response_format()? {
                None => {}
                Some(ResponseFormat::JsonObject) => body.field_text("format", "json"),
                Some(ResponseFormat::JsonSchema { schema, .. }) => body.field("format", schema),
            }
        }
        if request.field("think").is_none() {
            if let Some(effort) = request.string(Param::ReasoningEffort)? {
                body.field("think", Json::trusted(think(effort)?));
            } else if let Some(word) = request.field("thinking").and_then(|thinking| thinking.field("type")) {
                // Anthropic's switch, as LiteLLM's users say it.
                let off = word.as_str().is_some_and(|word| word.is("disabled"));
                body.field("think", Json::trusted(if off { "false" } else { "true" }));
            }
        }
        for param in [Param::Logprobs, Param::TopLogprobs] {
            if let Some(value) = request.param(param) {
                body.field(param.name(), value);
            }
        }
        options(request, body)?;
        // Ollama streams unless told not to.
        body.field("stream", Json::trusted(if request.stream { "true" } else { "false" }));
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
        Box::<reply::Lines>::default()
    }
}

/// A field that passes to the provider.
type Field<'a> = (Str<'a>, Json<'a>);

/// Fields that pass: those of Ollama's own beside `options`, the rest among them. In the client's own `options`, which
/// win, `own`, stands what a field must not say again.
fn options_of<'a>(
    beyond: impl Iterator<Item = Field<'a>>,
    own: Option<Json<'a>>,
    body: &mut Vec<u8>,
) -> Result<(), Error> {
    if own.is_some_and(|own| own.kind() != Kind::Object) {
        return Err(wrong("options", "an object"));
    }
    let own = own.map(Json::fields).unwrap_or_default();
    let mut options = Vec::new();
    options.open(b'{');
    for (key, value) in beyond {
        let name = key.plain();
        let out = if TOP_LEVEL.contains(&&*name) { &mut *body } else { &mut options };
        if &*name != "options" && !own.iter().any(|(key, _)| key.is(&name)) {
            out.token(key);
            out.push(b':');
            out.raw(value.text());
        }
    }
    for (key, value) in own {
        options.token(key);
        options.push(b':');
        options.raw(value.text());
    }
    options.close(b'}');
    if options != b"{}" {
        body.key("options");
        body.extend_from_slice(&options);
    }
    Ok(())
}

/// The options: OpenAI's parameters by Ollama's names, and unknown fields.
fn options(request: &ChatRequest<'_>, body: &mut Vec<u8>) -> Result<(), Error> {
    let mut fields: Vec<Field<'_>> = Vec::new();
    for param in OPTIONS {
        if let Some(value) = request.param(*param) {
            fields.push((Str::literal(param.name()), value));
        }
    }
    if let Some(limit) = request.max_output()
        && request.field("num_predict").is_none()
    {
        fields.push((Str::literal("num_predict"), limit));
    }
    // Ollama takes a list only.
    let mut stop = Vec::new();
    stop.open(b'[');
    request.stop()?.iter().for_each(|word| stop.token(*word));
    stop.close(b']');
    let stop = String::from_utf8(stop).unwrap_or_default();
    if stop != "[]" {
        fields.push((Str::literal("stop"), Json::trusted(&stop)));
    }
    fields.extend(request.beyond(SUPPORTED).filter(|(key, _)| !key.is("thinking")));
    options_of(fields.into_iter(), request.field("options"), body)
}

/// How hard the model thinks, clamped to Ollama's scale as its own OpenAI endpoint clamps it.
/// Source: <https://docs.ollama.com/capabilities/thinking>.
fn think(effort: Str<'_>) -> Result<&'static str, Error> {
    match &*effort.plain() {
        "none" => Ok("false"),
        "minimal" | "low" => Ok("\"low\""),
        "medium" => Ok("\"medium\""),
        "high" => Ok("\"high\""),
        "xhigh" | "max" => Ok("\"max\""),
        _ => Err(wrong("reasoning_effort", "none, minimal, low, medium, high, xhigh or max")),
    }
}

/// The tools. Ollama has no `tool_choice`: the model chooses, or has no tools to choose from.
fn tools(request: &ChatRequest<'_>, to: &Target, body: &mut Vec<u8>) -> Result<(), Error> {
    match request.tool_choice()? {
        Some(ToolChoice::None) => return Ok(()),
        Some(ToolChoice::Required | ToolChoice::Named(_)) if !to.drop_params => {
            return Err(unsupported(Param::ToolChoice, to));
        }
        _ => {}
    }
    let mut functions = Vec::new();
    for tool in request.tools()? {
        match tool {
            Tool::Function(function) => functions.push(function),
            Tool::Native(..) if to.drop_params => {}
            Tool::Native(..) => return Err(unsupported(Param::Tools, to)),
        }
    }
    if functions.is_empty() {
        return Ok(());
    }
    body.key("tools");
    body.open(b'[');
    functions.iter().for_each(|function| write_function(function, body));
    body.close(b']');
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
    let nothing = Json::trusted(r#"{"type":"object","properties":{}}"#);
    body.field("parameters", function.parameters.unwrap_or(nothing));
    body.close(b'}');
    body.close(b'}');
}

fn messages(request: &ChatRequest<'_>, to: &Target, body: &mut Vec<u8>) -> Result<(), Error> {
    let messages = request.messages()?;
    body.key("messages");
    body.open(b'[');
    for (index, message) in messages.iter().enumerate() {
        body.open(b'{');
        body.field_text(
            "role",
            match message.role {
                Role::System | Role::Developer => "system",
                Role::User => "user",
                Role::Assistant => "assistant",
                Role::Tool => "tool",
            },
        );
        body.field_token("content", Str::spelled(&message.content.joined_text()));
        if message.role == Role::Assistant {
            thinking(message, body);
            calls(message, index, body)?;
        }
        if message.role == Role::Tool
            && let Some(id) = message.tool_call_id
        {
            // Templates know results by the function's name, newer ones by the call's id.
            if let Some(name) = message.name.or_else(|| called(&messages, id)) {
                body.field_token("tool_name", name);
            }
            body.field_token("tool_call_id", id);
        }
        images(message, index, to, body)?;
        body.close(b'}');
    }
    body.close(b']');
    Ok(())
}

/// The name of the function that the call `id` is of.
fn called<'a>(messages: &[Message<'a>], id: Str<'_>) -> Option<Str<'a>> {
    let id = id.plain();
    let mut calls = messages.iter().flat_map(|message| &message.tool_calls);
    calls.find(|call| call.id.plain() == id).map(|call| call.name)
}

fn thinking(message: &Message<'_>, body: &mut Vec<u8>) {
    let blocks = message.thinking_blocks.iter().filter_map(|thinking| match thinking {
        Thinking::Signed { text, .. } => Some(text.raw()),
        Thinking::Redacted(_) => None,
    });
    let text = message.reasoning.map_or_else(|| blocks.collect(), |text| text.raw().to_owned());
    if !text.is_empty() {
        body.field_token("thinking", Str::spelled(&text));
    }
}

fn calls(message: &Message<'_>, index: usize, body: &mut Vec<u8>) -> Result<(), Error> {
    if message.tool_calls.is_empty() {
        return Ok(());
    }
    body.key("tool_calls");
    body.open(b'[');
    for (position, call) in message.tool_calls.iter().enumerate() {
        let at = || format!("messages[{index}].tool_calls[{position}].function.arguments");
        write_call(call, position, body)
            .map_err(|()| Error::invalid(format!("'{}' is not a JSON object.", at())).param(at()))?;
    }
    body.close(b']');
    Ok(())
}

fn write_call(call: &ToolCall<'_>, position: usize, body: &mut Vec<u8>) -> Result<(), ()> {
    body.open(b'{');
    body.field_token("id", call.id);
    body.key("function");
    body.open(b'{');
    body.field_number("index", position as u64);
    body.field_token("name", call.name);
    body.key("arguments");
    body.raw(&call.input().ok_or(())?);
    body.close(b'}');
    body.close(b'}');
    Ok(())
}

/// Images as bare base64. Sound goes the same way, as Ollama's own OpenAI endpoint sends it.
/// Source: <https://docs.ollama.com/capabilities/vision>.
fn images(message: &Message<'_>, index: usize, to: &Target, body: &mut Vec<u8>) -> Result<(), Error> {
    let at = format!("messages[{index}]");
    let provider = to.provider.name;
    let refused = |why: &str| Error::invalid(format!("{provider} {why} ('{at}').")).param(at.clone());
    let mut images = Vec::new();
    images.open(b'[');
    for part in message.content.parts().iter() {
        match part {
            Part::Image { url, .. } => match DataUrl::read(*url, &at)? {
                Some(data) => images.token(Str::spelled(&data.base64)),
                None if url.plain().contains(':') => {
                    return Err(refused(
                        "can't fetch an image: send it as data:<media type>;base64,<data>, not as an address",
                    ));
                }
                None => images.token(*url),
            },
            Part::Audio { data, .. } => images.token(*data),
            Part::File { .. } => return Err(refused("can't read files")),
            Part::Other { kind, .. } => {
                return Err(refused(&format!("knows no parts of type '{}'", kind.plain())));
            }
            Part::Text { .. } | Part::Refusal(_) | Part::Thinking(_) => {}
        }
    }
    images.close(b']');
    if images != b"[]" {
        body.key("images");
        body.extend_from_slice(&images);
    }
    Ok(())
}
