//! How to answer: `inferenceConfig`, the answer's form, thinking, and the fields that pass to the model or the service.
//!
//! Source: <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html>.

use super::family::{Family, Model};
use super::tools::Config;
use crate::config::Target;
use crate::dialect::unsupported;
use crate::error::Error;
use crate::json::{Json, Kind, Out, Str, escaped};
use crate::openai::request::wrong;
use crate::openai::{ChatRequest, Param, ResponseFormat};

/// Fields of Converse's own that clients may give; what else is unknown goes to the model.
const CONVERSE: &[&str] = &[
    "guardrailConfig",
    "performanceConfig",
    "requestMetadata",
    "promptVariables",
    "additionalModelResponseFieldPaths",
    "serviceTier",
    "outputConfig",
];

/// The fields that go to the model.
const MODEL_FIELDS: &str = "additionalModelRequestFields";

/// The least that Claude may be given to think with, in tokens.
const LEAST_BUDGET: u64 = 1024;

/// What an answer gets beyond the thinking where the client sets no limit. LiteLLM's number.
const BEYOND_BUDGET: u64 = 4096;

/// How an answer's form is kept.
#[derive(Debug)]
pub(super) enum Form<'a> {
    /// It has none.
    Free,
    /// By the service.
    Schema { name: Str<'a>, schema: Json<'a>, description: Option<Str<'a>> },
    /// As the arguments of a tool that the model is made to call; any object without a schema.
    Answer { schema: Option<Json<'a>>, description: Option<Str<'a>> },
}

impl<'a> Form<'a> {
    /// Reads the form. `forced` says that the client makes the model call a tool, `thinking` that Claude thinks.
    pub(super) fn of(
        request: &ChatRequest<'a>,
        model: &Model,
        forced: bool,
        thinking: bool,
        to: &Target,
    ) -> Result<Self, Error> {
        let Some(format) = request.response_format()? else { return Ok(Self::Free) };
        // The service keeps strict schemas only (closed objects); Claude keeps others as a tool's arguments, unless it
        // thinks, which excludes force.
        let claude = matches!(model.family, Family::Claude(..));
        match format {
            ResponseFormat::JsonSchema { name, schema, description, strict }
                if model.keeps_schemas() && (strict == Some(true) || thinking || !claude) =>
            {
                Ok(Self::Schema { name, schema, description })
            }
            // Who makes the model call a tool wants no answer in words.
            _ if forced => Ok(Self::Free),
            ResponseFormat::JsonSchema { schema, description, .. } => {
                Ok(Self::Answer { schema: Some(schema), description })
            }
            ResponseFormat::JsonObject if model.has_tools() => {
                Ok(Self::Answer { schema: None, description: None })
            }
            ResponseFormat::JsonObject if to.drop_params => Ok(Self::Free),
            ResponseFormat::JsonObject => Err(unsupported(Param::ResponseFormat, to)),
        }
    }
}

/// How much the model shall think, where the client says so in OpenAI's terms or Anthropic's.
#[derive(Debug)]
pub(super) enum Thinking<'a> {
    /// Nothing is said, or nothing shall be thought.
    Unsaid,
    /// Claude's budget, in tokens.
    Budget(u64),
    /// Claude's effort: it decides itself how long to think. The flag says whether thinking is asked for too.
    Effort(&'static str, bool),
    /// Claude shall not think.
    Off,
    /// Nova's effort; `None` for no thinking.
    Nova(Option<&'static str>),
    /// The effort by OpenAI's own name.
    Own(Str<'a>),
    /// The client gave Claude's `thinking` itself; it passes. The flag says whether it is on.
    Given(bool),
}

impl<'a> Thinking<'a> {
    /// Reads what the client wants. `quiet` says that Claude can't think now: it is made to call a tool, or the
    /// reasoning before the calls that are answered is lost. Both matter more than an effort.
    pub(super) fn of(
        request: &ChatRequest<'a>,
        model: &Model,
        quiet: bool,
        to: &Target,
    ) -> Result<Self, Error> {
        if let (Family::Claude(..), Some(given)) = (model.family, request.field("thinking")) {
            let off = given.field("type").and_then(Json::as_str).is_some_and(|kind| kind.is("disabled"));
            return Ok(match given.field("budget_tokens").and_then(Json::as_u64) {
                // Models that no longer know budgets get the effort that stands for it.
                Some(budget) if !model.takes_budget() => {
                    let level = LEVELS.iter().rfind(|level| level.budget <= budget);
                    Self::Effort(level.map_or("low", |level| level.claude), !quiet)
                }
                _ => Self::Given(!off),
            });
        }
        let Some(effort) = request.string(Param::ReasoningEffort)? else { return Ok(Self::Unsaid) };
        let level = level(&effort.plain()).ok_or_else(|| {
            wrong(
                "reasoning_effort",
                "\"none\", \"minimal\", \"low\", \"medium\", \"high\", \"xhigh\" or \"max\"",
            )
        })?;
        match model.family {
            Family::Claude(major, minor) if (major, minor) >= (3, 7) => {
                Ok(Self::claude((major, minor), level, quiet, request))
            }
            Family::Nova(2) => Ok(Self::Nova(level.map(|level| level.nova))),
            Family::GptOss if level.is_some() => Ok(Self::Own(effort)),
            _ if to.drop_params || level.is_none() => Ok(Self::Unsaid),
            _ => Err(unsupported(Param::ReasoningEffort, to)),
        }
    }

    fn claude(
        version: (u32, u32),
        level: Option<&'static Level>,
        quiet: bool,
        request: &ChatRequest<'_>,
    ) -> Self {
        let Some(level) = level else {
            // From 5 on Claude thinks unless it is told not to, from 5.5 on in any case.
            return match version {
                (..=4, _) => Self::Unsaid,
                (5, ..=4) => Self::Off,
                _ => Self::Effort("low", false),
            };
        };
        if version >= (4, 6) {
            let effort = if level.claude == "xhigh" && version < (4, 7) { "high" } else { level.claude };
            return Self::Effort(effort, !quiet);
        }
        // OpenAI's limit counts reasoning too, so the budget yields to it: half of it at most, or no thinking at all.
        match request.max_output().and_then(Json::as_u64) {
            _ if quiet => Self::Unsaid,
            Some(limit) if limit <= LEAST_BUDGET => Self::Unsaid,
            Some(limit) if level.budget >= limit => Self::Budget((limit / 2).max(LEAST_BUDGET)),
            _ => Self::Budget(level.budget),
        }
    }

    /// Whether Claude thinks.
    pub(super) const fn on(&self) -> bool {
        matches!(self, Self::Budget(_) | Self::Effort(_, true) | Self::Given(true))
    }
}

/// One of OpenAI's efforts: Claude's budget in tokens (LiteLLM's numbers), Claude's effort, Nova's.
#[derive(Debug)]
struct Level {
    word: &'static str,
    budget: u64,
    claude: &'static str,
    nova: &'static str,
}

const LEVELS: &[Level] = &[
    Level { word: "minimal", budget: 1024, claude: "low", nova: "low" },
    Level { word: "low", budget: 1024, claude: "low", nova: "low" },
    Level { word: "medium", budget: 2048, claude: "medium", nova: "medium" },
    Level { word: "high", budget: 4096, claude: "high", nova: "high" },
    Level { word: "xhigh", budget: 8192, claude: "xhigh", nova: "high" },
    Level { word: "max", budget: 16384, claude: "max", nova: "high" },
];

/// The level of a word: `None` inside for none at all, `None` outside for a word that is not one.
#[allow(clippy::option_option)]
fn level(word: &str) -> Option<Option<&'static Level>> {
    match word {
        "none" | "disable" => Some(None),
        word => LEVELS.iter().find(|level| level.word == word).map(Some),
    }
}

/// Writes `inferenceConfig`.
pub(super) fn inference(
    request: &ChatRequest<'_>,
    thinking: &Thinking<'_>,
    model: &Model,
    to: &Target,
    body: &mut Vec<u8>,
) -> Result<(), Error> {
    let mut config = Vec::new();
    match (request.max_output(), thinking) {
        (Some(limit), _) => {
            let limit = limit.as_u64().ok_or_else(|| wrong("max_tokens", "a whole number"))?;
            config.field_number("maxTokens", limit);
        }
        (None, Thinking::Budget(budget)) => config.field_number("maxTokens", budget + BEYOND_BUDGET),
        (None, _) => {}
    }
    sampling(request, thinking, model, to, &mut config)?;
    let stops: Vec<Str<'_>> = request.stop()?.into_iter().filter(|stop| !stop.is_empty()).collect();
    if !stops.is_empty() {
        config.key("stopSequences");
        config.open(b'[');
        stops.iter().for_each(|stop| config.token(*stop));
        config.close(b']');
    }
    if !config.is_empty() {
        body.key("inferenceConfig");
        body.open(b'{');
        body.extend_from_slice(&config);
        body.close(b'}');
    }
    Ok(())
}

/// Writes `temperature` and `topP`. Of these a Claude takes one only since 4.1, none since 4.7, and while it thinks
/// hardly any. <https://platform.claude.com/docs/en/build-with-claude/extended-thinking#feature-compatibility>
fn sampling(
    request: &ChatRequest<'_>,
    thinking: &Thinking<'_>,
    model: &Model,
    to: &Target,
    config: &mut Vec<u8>,
) -> Result<(), Error> {
    let mut temperature = request.number(Param::Temperature)?;
    let mut top_p = request.number(Param::TopP)?;
    if let Family::Claude(major, minor) = model.family {
        let samples = (major, minor) < (4, 7);
        let settle = |asked: &mut Option<f64>, param, thinkable: fn(f64) -> bool| {
            if let Some(value) = *asked
                && !(samples && (!thinking.on() || thinkable(value)))
            {
                // One is the default of both.
                if value != 1.0 && !to.drop_params {
                    return Err(unsupported(param, to));
                }
                *asked = None;
            }
            Ok(())
        };
        settle(&mut temperature, Param::Temperature, |_| false)?;
        settle(&mut top_p, Param::TopP, |value| value >= 0.95)?;
        if (major, minor) >= (4, 1) && temperature.is_some() && top_p.is_some() {
            match (temperature, top_p) {
                (_, Some(1.0)) => top_p = None,
                (Some(1.0), _) => temperature = None,
                _ if to.drop_params => top_p = None,
                _ => return Err(unsupported(Param::TopP, to)),
            }
        }
    }
    if let (Some(value), Some(raw)) = (temperature, request.param(Param::Temperature)) {
        // OpenAI's scale goes to 2, Converse's to 1.
        config.field("temperature", if value > 1.0 { Json::trusted("1") } else { raw });
    }
    if let (Some(_), Some(raw)) = (top_p, request.param(Param::TopP)) {
        config.field("topP", raw);
    }
    Ok(())
}

/// Writes the fields of Converse's own, and those that go to the model.
pub(super) fn write(
    request: &ChatRequest<'_>,
    form: &Form<'_>,
    thinking: &Thinking<'_>,
    tools: &Config<'_>,
    model: &Model,
    to: &Target,
    body: &mut Vec<u8>,
) -> Result<(), Error> {
    let mut extra = Extra::default();
    let mut given: Vec<&str> = Vec::new();
    for (key, value) in request.unknown() {
        let name = key.plain();
        if &*name == MODEL_FIELDS {
            if value.kind() != Kind::Object {
                return Err(wrong(MODEL_FIELDS, "an object"));
            }
            value.fields().into_iter().for_each(|(key, value)| extra.put(key, value.text()));
            continue;
        }
        match CONVERSE.iter().find(|known| **known == &*name) {
            Some(known) => {
                given.push(known);
                body.field(known, value);
            }
            // A thought that was told otherwise above; and who thinks samples as it likes.
            None if &*name == "thinking" && matches!(thinking, Thinking::Effort(..)) => {}
            None if &*name == "top_k" && thinking.on() && to.drop_params => {}
            None if &*name == "top_k" && matches!(model.family, Family::Nova(_)) => {
                let config = format!("{{\"topK\":{}}}", value.text());
                extra.put(Str::literal("inferenceConfig"), &config);
            }
            None => extra.put(key, value.text()),
        }
    }
    think(thinking, &given, &mut extra, body);
    if let Form::Schema { name, schema, description } = form
        && !given.contains(&"outputConfig")
    {
        text_format(*name, *schema, *description, body);
    }
    service_tier(request, &given, body)?;
    request_metadata(request, &given, body);
    if !tools.native.is_empty() {
        let items: Vec<&str> = tools.native.iter().map(|tool| tool.text()).collect();
        extra.put(Str::literal("tools"), &format!("[{}]", items.join(",")));
    }
    if let Some(choice) = tools.claude_choice()? {
        extra.put(Str::literal("tool_choice"), &choice);
    }
    extra.write(body);
    Ok(())
}

/// What goes to the model. What comes first stays: the client's own words before ours.
#[derive(Default)]
struct Extra {
    names: Vec<String>,
    fields: Vec<u8>,
}

impl Extra {
    fn put(&mut self, key: Str<'_>, value: &str) {
        if self.names.iter().any(|name| key.is(name)) {
            return;
        }
        self.names.push(key.plain().into_owned());
        self.fields.token(key);
        self.fields.push(b':');
        self.fields.raw(value);
    }

    fn write(&self, body: &mut Vec<u8>) {
        if !self.fields.is_empty() {
            body.key(MODEL_FIELDS);
            body.open(b'{');
            body.extend_from_slice(&self.fields);
            body.close(b'}');
        }
    }
}

fn think(thinking: &Thinking<'_>, given: &[&str], extra: &mut Extra, body: &mut Vec<u8>) {
    match thinking {
        Thinking::Unsaid | Thinking::Given(_) => {}
        Thinking::Budget(budget) => {
            let value = format!("{{\"type\":\"enabled\",\"budget_tokens\":{budget}}}");
            extra.put(Str::literal("thinking"), &value);
        }
        Thinking::Off => extra.put(Str::literal("thinking"), r#"{"type":"disabled"}"#),
        Thinking::Effort(effort, thinks) => {
            // Without `display` the newer models keep their thoughts to themselves.
            if *thinks {
                extra.put(Str::literal("thinking"), r#"{"type":"adaptive","display":"summarized"}"#);
            }
            extra.put(Str::literal("output_config"), &format!("{{\"effort\":\"{effort}\"}}"));
        }
        Thinking::Nova(effort) => {
            let value = match effort {
                Some(effort) => format!("{{\"type\":\"enabled\",\"maxReasoningEffort\":\"{effort}\"}}"),
                None => "{\"type\":\"disabled\"}".to_owned(),
            };
            extra.put(Str::literal("reasoningConfig"), &value);
        }
        Thinking::Own(effort) => {
            extra.put(Str::literal("reasoning_effort"), &format!("\"{}\"", effort.raw()));
        }
    }
    // How much was thought is in Claude's own usage only.
    if thinking.on() && !given.contains(&"additionalModelResponseFieldPaths") {
        body.key("additionalModelResponseFieldPaths");
        body.raw(r#"["/usage/output_tokens_details"]"#);
    }
}

fn text_format(name: Str<'_>, schema: Json<'_>, description: Option<Str<'_>>, body: &mut Vec<u8>) {
    body.key("outputConfig");
    body.open(b'{');
    body.key("textFormat");
    body.open(b'{');
    body.field_text("type", "json_schema");
    body.key("structure");
    body.open(b'{');
    body.key("jsonSchema");
    body.open(b'{');
    body.field_token("name", name);
    // The schema is JSON inside a string.
    body.field_token("schema", Str::spelled(&escaped(schema.text())));
    if let Some(description) = description.filter(|text| !text.is_empty()) {
        body.field_token("description", description);
    }
    body.close(b'}');
    body.close(b'}');
    body.close(b'}');
    body.close(b'}');
}

fn service_tier(request: &ChatRequest<'_>, given: &[&str], body: &mut Vec<u8>) -> Result<(), Error> {
    match request.string(Param::ServiceTier)? {
        Some(tier) if !tier.is("auto") && !given.contains(&"serviceTier") => {
            body.key("serviceTier");
            body.open(b'{');
            body.field_token("type", tier);
            body.close(b'}');
        }
        _ => {}
    }
    Ok(())
}

/// OpenAI's `metadata` and `user` as `requestMetadata`, by which invocation logs are filtered: at most 16 pairs, of the
/// letters that the service allows. A pair that it would refuse is left out: no answer depends on it.
/// <https://docs.aws.amazon.com/bedrock/latest/userguide/cost-mgmt-request-metadata.html>
fn request_metadata(request: &ChatRequest<'_>, given: &[&str], body: &mut Vec<u8>) {
    if given.contains(&"requestMetadata") {
        return;
    }
    let legal = |text: &str| {
        text.len() <= 256 && text.chars().all(|c| c.is_ascii_alphanumeric() || " \t\n:_@$#=/+,-.".contains(c))
    };
    let metadata = request.param(Param::Metadata).map(Json::fields).unwrap_or_default();
    let named = metadata.iter().any(|(key, _)| key.is("user"));
    let user = request.param(Param::User).filter(|_| !named).map(|user| (Str::literal("user"), user));
    // The user first: of seventeen pairs, who asked is the one that is looked for.
    let pairs: Vec<(Str<'_>, Str<'_>)> = user
        .into_iter()
        .chain(metadata)
        .filter_map(|(key, value)| Some((key, value.as_str()?)))
        .filter(|(key, value)| !key.is_empty() && legal(&key.plain()) && legal(&value.plain()))
        .take(16)
        .collect();
    if pairs.is_empty() {
        return;
    }
    body.key("requestMetadata");
    body.open(b'{');
    for (key, value) in pairs {
        body.token(key);
        body.push(b':');
        body.token(value);
    }
    body.close(b'}');
}
