//! From OpenAI's parameters to Gemini's `generationConfig`, and the fields that are Gemini's own already.
//!
//! Source: <https://ai.google.dev/api/generate-content#generationconfig>.

use super::family::{Family, Generation};
use super::resolution;
use super::schema::{self, Form};
use crate::config::Target;
use crate::dialect::unsupported;
use crate::error::Error;
use crate::json::{Json, Kind, Out, Str};
use crate::openai::request::wrong;
use crate::openai::{ChatRequest, Message, Param, ResponseFormat};

/// The keys of an object that is being written: a client's own must not repeat ours.
#[derive(Debug, Default)]
pub(super) struct Written(Vec<String>);

impl Written {
    /// Notes a key; false when it is there already. Google takes `camelCase` and `snake_case` for the same.
    pub(super) fn note(&mut self, key: &str) -> bool {
        let same = canonical(key);
        let new = !self.0.contains(&same);
        if new {
            self.0.push(same);
        }
        new
    }
}

fn canonical(key: &str) -> String {
    key.chars().filter(|c| *c != '_').map(|c| c.to_ascii_lowercase()).collect()
}

/// Keys that clients put on the top level and that belong into `generationConfig`, in canonical spelling.
const CONFIG_KEYS: &[&str] = &[
    "audiotimestamp",
    "audiotranscriptionconfig",
    "candidatecount",
    "enableaffectivedialog",
    "enableenhancedcivicanswers",
    "imageconfig",
    "maxoutputtokens",
    "mediaresolution",
    "modelselectionconfig",
    "responsejsonschema",
    "responselogprobs",
    "responsemimetype",
    "responsemodalities",
    "responseschema",
    "routingconfig",
    "speechconfig",
    "stopsequences",
    "thinkingconfig",
    "topk",
    "translationconfig",
];

/// Keys that LiteLLM's clients send and that are read elsewhere, in canonical spelling.
const READ_ELSEWHERE: &[&str] = &["contents", "thinking"];

/// Appends `generationConfig`, unless nothing is asked for.
///
/// # Errors
/// A client error that names the parameter which is wrong or can't be said.
pub(super) fn write(
    request: &ChatRequest<'_>,
    messages: &[Message<'_>],
    family: Family,
    to: &Target,
    body: &mut Vec<u8>,
) -> Result<(), Error> {
    let before = body.len();
    body.key("generationConfig");
    body.open(b'{');
    let empty = body.len();
    let mut written = Written::default();
    numbers(request, &mut written, body)?;
    let stop = request.stop()?;
    if !stop.is_empty() && written.note("stopSequences") {
        body.key("stopSequences");
        body.open(b'[');
        stop.into_iter().for_each(|word| body.token(word));
        body.close(b']');
    }
    if request.flag(Param::Logprobs)? == Some(true) && written.note("responseLogprobs") {
        body.field("responseLogprobs", Json::trusted("true"));
        if let Some(count) = request.param(Param::TopLogprobs)
            && written.note("logprobs")
        {
            body.field("logprobs", count);
        }
    }
    modalities(request, &mut written, body)?;
    format(request, family, &mut written, body)?;
    let own: Vec<_> = native(request).collect();
    if !own.iter().any(|(key, _)| canonical(&key.plain()) == "thinkingconfig") {
        thinking(request, family, to, &mut written, body)?;
    }
    for (key, value) in own {
        if written.note(&key.plain()) {
            body.token(key);
            body.push(b':');
            body.raw(value.text());
        }
    }
    if let Some(resolution) = resolution::of_request(messages, family)?
        && written.note("mediaResolution")
    {
        body.field_text("mediaResolution", resolution);
    }
    if body.len() == empty {
        body.truncate(before);
    } else {
        body.close(b'}');
    }
    Ok(())
}

/// The fields that the client gave in `generationConfig` itself, or on the top level though they belong there.
fn native<'a>(request: &ChatRequest<'a>) -> impl Iterator<Item = (Str<'a>, Json<'a>)> {
    let (mut inside, mut outside) = (Vec::new(), Vec::new());
    for (key, value) in request.unknown().filter(|(_, value)| !value.is_null()) {
        let name = canonical(&key.plain());
        if name == "generationconfig" {
            inside.extend(value.fields());
        } else if CONFIG_KEYS.contains(&name.as_str()) {
            outside.push((key, value));
        }
    }
    inside.into_iter().chain(outside)
}

/// Appends the fields of the request that no one reads: they are Gemini's own, or newer than this version.
pub(super) fn pass(request: &ChatRequest<'_>, written: &mut Written, body: &mut Vec<u8>) {
    for (key, value) in request.unknown() {
        let name = canonical(&key.plain());
        let elsewhere = READ_ELSEWHERE.contains(&&*name) || CONFIG_KEYS.contains(&&*name);
        if name != "generationconfig" && !elsewhere && !value.is_null() && written.note(&name) {
            body.token(key);
            body.push(b':');
            body.raw(value.text());
        }
    }
    let tier = request.param(Param::ServiceTier).and_then(Json::as_str).map(Str::plain);
    let tier = match tier.as_deref() {
        Some("default") => "standard",
        Some(tier @ ("flex" | "priority")) => tier,
        _ => return,
    };
    if written.note("serviceTier") {
        body.field_text("serviceTier", tier);
    }
}

fn numbers(request: &ChatRequest<'_>, written: &mut Written, body: &mut Vec<u8>) -> Result<(), Error> {
    const NUMBERS: &[(Param, &str)] = &[
        (Param::Temperature, "temperature"),
        (Param::TopP, "topP"),
        (Param::N, "candidateCount"),
        (Param::Seed, "seed"),
        (Param::PresencePenalty, "presencePenalty"),
        (Param::FrequencyPenalty, "frequencyPenalty"),
        (Param::MaxTokens, ""),
        (Param::MaxCompletionTokens, ""),
        (Param::TopLogprobs, ""),
    ];
    for (param, name) in NUMBERS {
        request.number(*param)?;
        match request.param(*param) {
            Some(one) if *param == Param::N && param.neutral(one) => {}
            Some(value) if !name.is_empty() && written.note(name) => body.field(name, value),
            _ => {}
        }
    }
    if let Some(limit) = request.max_output()
        && written.note("maxOutputTokens")
    {
        body.field("maxOutputTokens", limit);
    }
    Ok(())
}

/// `modalities`, and the voice of `audio`.
fn modalities(request: &ChatRequest<'_>, written: &mut Written, body: &mut Vec<u8>) -> Result<(), Error> {
    if let Some(list) = request.param(Param::Modalities).filter(|list| !Param::Modalities.neutral(*list)) {
        let names: Vec<Str<'_>> = list.read().ok_or_else(|| wrong("modalities", "an array of strings"))?;
        written.note("responseModalities");
        body.key("responseModalities");
        body.open(b'[');
        names.into_iter().for_each(|name| body.text(&name.plain().to_ascii_uppercase()));
        body.close(b']');
    }
    let voice = request.param(Param::Audio).and_then(|audio| audio.field("voice")).and_then(Json::as_str);
    if let Some(voice) = voice {
        written.note("speechConfig");
        body.key("speechConfig");
        body.extend_from_slice(b"{\"voiceConfig\":{\"prebuiltVoiceConfig\":{");
        body.field_token("voiceName", voice);
        body.extend_from_slice(b"}}}");
    }
    Ok(())
}

fn format(
    request: &ChatRequest<'_>,
    family: Family,
    written: &mut Written,
    body: &mut Vec<u8>,
) -> Result<(), Error> {
    let Some(format) = request.response_format()? else { return Ok(()) };
    written.note("responseMimeType");
    body.field_text("responseMimeType", "application/json");
    if let ResponseFormat::JsonSchema { schema, .. } = format {
        let (name, form) = if family.takes_json_schema() {
            ("responseJsonSchema", Form::JsonSchema)
        } else {
            ("responseSchema", Form::OpenApi)
        };
        written.note(name);
        body.key(name);
        schema::write(schema, form, "response_format.json_schema.schema", body)?;
    }
    Ok(())
}

/// How much the model shall think.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Depth {
    /// In tokens: up to 2.5.
    Budget(u64),
    /// In words: from 3.0 on.
    Level(&'static str),
    /// As it likes.
    Open,
}

fn thinking(
    request: &ChatRequest<'_>,
    family: Family,
    to: &Target,
    written: &mut Written,
    body: &mut Vec<u8>,
) -> Result<(), Error> {
    let asked = match request.field("thinking") {
        Some(thinking) if thinking.kind() == Kind::Object => by_budget(thinking, family),
        _ => by_effort(request, family, to)?,
    };
    let Some((depth, shown)) = asked else { return Ok(()) };
    if !family.thinks() || !written.note("thinkingConfig") {
        return Ok(());
    }
    body.key("thinkingConfig");
    body.open(b'{');
    match depth {
        Depth::Budget(tokens) => body.field_number("thinkingBudget", tokens),
        Depth::Level(level) => body.field_text("thinkingLevel", level),
        Depth::Open => {}
    }
    body.field("includeThoughts", Json::trusted(if shown { "true" } else { "false" }));
    body.close(b'}');
    Ok(())
}

/// Anthropic's form, which LiteLLM's clients use: `{"type":"enabled","budget_tokens":1024}`.
fn by_budget(thinking: Json<'_>, family: Family) -> Option<(Depth, bool)> {
    let kind = thinking.field("type").and_then(Json::as_str).map(Str::plain);
    if kind.as_deref() == Some("disabled") {
        return Some((least(family), false));
    }
    let budget = thinking.field("budget_tokens").and_then(Json::as_u64);
    match budget {
        // A level can't be told from a number of tokens.
        Some(tokens) if !family.signs() => Some((Depth::Budget(tokens), tokens > 0)),
        _ => Some((Depth::Open, true)),
    }
}

/// The least that the model can think: 2.5 Pro and the third generation can't be stopped from it.
/// Source: <https://ai.google.dev/gemini-api/docs/thinking#set-budget>.
fn least(family: Family) -> Depth {
    match family.generation {
        Generation::Three if family.flash => Depth::Level("minimal"),
        Generation::Three => Depth::Level("low"),
        _ if family.flash || family.lite => Depth::Budget(0),
        _ => Depth::Budget(128),
    }
}

/// The depth for `reasoning_effort`: the third generation has levels of these names, for 2.5 the numbers are LiteLLM's.
fn by_effort(request: &ChatRequest<'_>, family: Family, to: &Target) -> Result<Option<(Depth, bool)>, Error> {
    let Some(effort) = request.string(Param::ReasoningEffort)? else { return Ok(None) };
    let effort = effort.plain();
    if matches!(&*effort, "none" | "disable") {
        return Ok(family.thinks().then(|| (least(family), false)));
    }
    let refused = || if to.drop_params { Ok(None) } else { Err(unsupported(Param::ReasoningEffort, to)) };
    if !family.thinks() {
        return refused();
    }
    let depth = match (&*effort, family.signs()) {
        ("minimal", true) => least(family),
        ("low", true) => Depth::Level("low"),
        ("medium", true) if family.two_levels => Depth::Level("high"),
        ("medium", true) => Depth::Level("medium"),
        ("high", true) => Depth::Level("high"),
        ("minimal", false) => Depth::Budget(match family {
            Family { lite: true, .. } => 512,
            Family { flash: true, .. } => 1,
            _ => 128,
        }),
        ("low", false) => Depth::Budget(1024),
        ("medium", false) => Depth::Budget(2048),
        ("high", false) => Depth::Budget(4096),
        _ => return refused(),
    };
    Ok(Some((depth, true)))
}
