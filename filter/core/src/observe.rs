//! What access logs and traces are told of a request: the attributes' names, which are OpenTelemetry's where it has one,
//! and a measurement's values under them.
//!
//! The filter sets each as filter state of that name; the command renders log formats and span tags from the same table.
//! Knows no sink. <https://opentelemetry.io/docs/specs/semconv/gen-ai/>

use crate::error::Kind;
use crate::for_people;
use crate::json::Json;
use crate::meter::{Measurement, Seen, Tried, Usage, dollars};
use crate::openai::Body;

/// How an attribute's text is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// As it is.
    Text,
    /// One item of a list.
    Item,
    /// A whole number.
    Whole,
    /// A decimal number.
    Decimal,
    /// `true`, or absent.
    Flag,
}

/// One attribute.
#[derive(Debug)]
pub struct Attribute {
    /// Its name.
    pub name: &'static str,
    /// How its text is to be read.
    pub shape: Shape,
    /// What it tells.
    pub says: &'static str,
}

const fn attribute(name: &'static str, shape: Shape, says: &'static str) -> Attribute {
    Attribute { name, shape, says: for_people(says) }
}

/// What the client asked for: `chat`, `embeddings`.
pub const OPERATION: &str = "gen_ai.operation.name";
/// The model that the client asked for.
pub const REQUEST_MODEL: &str = "gen_ai.request.model";
/// The provider of the attempt, by OpenTelemetry's word.
pub const PROVIDER: &str = "gen_ai.provider.name";
/// The target's id.
pub const TARGET: &str = "dragoman.target";
/// The route's name.
pub const ROUTE: &str = "dragoman.route";
/// The class of the error.
pub const ERROR: &str = "error.type";
/// The path that the client asked for, without its query.
pub const PATH: &str = "url.path";

/// The request's messages, where they are captured.
pub const INPUT_MESSAGES: &str = "gen_ai.input.messages";
/// The answer, where it is captured.
pub const OUTPUT_MESSAGES: &str = "gen_ai.output.messages";

/// The status that spans are told.
pub const STATUS: &str = "http.status_code";
/// The trace that the request has come in.
pub const CAME_IN: &str = "dragoman.traceparent";

/// Of a dry run: what would have come of the request.
pub const DRY_RUN: &str = "dragoman.dry_run";

const STREAM: &str = "gen_ai.request.stream";
const RESPONSE_ID: &str = "gen_ai.response.id";
const RESPONSE_MODEL: &str = "gen_ai.response.model";
const FINISH: &str = "gen_ai.response.finish_reasons";
const FIRST_TOKEN: &str = "gen_ai.response.time_to_first_chunk";
const INPUT: &str = "gen_ai.usage.input_tokens";
const OUTPUT: &str = "gen_ai.usage.output_tokens";
const CACHE_READ: &str = "gen_ai.usage.cache_read.input_tokens";
const CACHE_WRITE: &str = "gen_ai.usage.cache_creation.input_tokens";
const REASONING: &str = "gen_ai.usage.reasoning.output_tokens";
const COST: &str = "gen_ai.usage.cost";
const ESTIMATED: &str = "dragoman.usage.estimated";
const UNPRICED: &str = "dragoman.usage.unpriced";
const ATTEMPTS: &str = "dragoman.attempts";
const USER: &str = "user.id";
const TEAM: &str = "dragoman.team";
const KEY: &str = "dragoman.key.alias";
const TAGS: &str = "dragoman.tags";

/// All attributes, in the order in which they are told.
pub static ATTRIBUTES: &[Attribute] = &[
    attribute(PATH, Shape::Text, "the path that the client asked for, without its query"),
    attribute(OPERATION, Shape::Text, "what the client asked for: `chat`, `embeddings`"),
    attribute(PROVIDER, Shape::Text, "the provider, by OpenTelemetry's word where it has one"),
    attribute(REQUEST_MODEL, Shape::Text, "the model that the client asked for"),
    attribute(STREAM, Shape::Flag, "whether it asked for a stream"),
    attribute(RESPONSE_MODEL, Shape::Text, "the model that answered, by the provider's word"),
    attribute(RESPONSE_ID, Shape::Text, "the provider's id of the reply"),
    attribute(
        FINISH,
        Shape::Item,
        "why the first choice ended: `stop`, `length`, `tool_calls`, `content_filter`",
    ),
    attribute(
        FIRST_TOKEN,
        Shape::Decimal,
        "how long a stream's first output took from the request's coming, in seconds",
    ),
    attribute(INPUT, Shape::Whole, "tokens of the prompt, cached ones included"),
    attribute(OUTPUT, Shape::Whole, "tokens that were generated, reasoning included"),
    attribute(CACHE_READ, Shape::Whole, "of the prompt's tokens: read from a cache"),
    attribute(CACHE_WRITE, Shape::Whole, "of the prompt's tokens: written to a cache"),
    attribute(REASONING, Shape::Whole, "of the output's tokens: reasoning"),
    attribute(COST, Shape::Decimal, "what it cost, in dollars; absent where a price is not known"),
    attribute(ESTIMATED, Shape::Flag, "a part of the usage is estimated, as the provider didn't tell"),
    attribute(UNPRICED, Shape::Flag, "there was usage, and no price for it"),
    attribute(ERROR, Shape::Text, "the class of the error; absent where there was none"),
    attribute(ROUTE, Shape::Text, "the route's name, as the config has it"),
    attribute(TARGET, Shape::Text, "the target's id: `model_info.id`, or made from the entry"),
    attribute(
        DRY_RUN,
        Shape::Text,
        "of a dry run: what would have come of the request, `ok` or the class of the error",
    ),
    attribute(ATTEMPTS, Shape::Whole, "how many targets were tried"),
    attribute(
        USER,
        Shape::Text,
        "the end user: the request's `user`, or LiteLLM's header `x-litellm-end-user-id`",
    ),
    attribute(TEAM, Shape::Text, "the team of the client's key"),
    attribute(KEY, Shape::Text, "the alias of the client's key"),
    attribute(TAGS, Shape::Text, "the request's tags, with commas between them"),
];

/// Who asked. What isn't known is empty.
#[derive(Clone, Debug, Default)]
pub struct Who {
    /// The end user.
    pub user: String,
    /// The team of the client's key.
    pub team: String,
    /// The alias of the client's key.
    pub key: String,
    /// The request's tags, with commas between them.
    pub tags: String,
}

/// Headers by which an authentication filter in front tells whose key the client's is. The rendered listener takes them
/// away from clients, and no header of a client's reaches a provider.
pub const IDENTITY_HEADERS: &[&str] = &[TEAM_HEADER, KEY_HEADER];
const TEAM_HEADER: &str = "x-dragoman-team";
const KEY_HEADER: &str = "x-dragoman-key-alias";
/// LiteLLM's header for the end user.
const USER_HEADER: &str = "x-litellm-end-user-id";
/// LiteLLM's header for tags, with commas between them.
const TAGS_HEADER: &str = "x-litellm-tags";

/// The longest word of a client's that is told, in characters.
const MAX_WORD: usize = 256;

impl Who {
    /// What a request's headers say.
    #[must_use]
    pub fn of_headers(headers: &[(String, String)]) -> Self {
        let mut who = Self::default();
        for (name, value) in headers {
            let field = match name.as_str() {
                TEAM_HEADER => &mut who.team,
                KEY_HEADER => &mut who.key,
                USER_HEADER => &mut who.user,
                TAGS_HEADER => &mut who.tags,
                _ => continue,
            };
            *field = word(value);
        }
        who
    }

    /// What its body says where the headers were silent: OpenAI's `user`, LiteLLM's `tags` and `metadata.tags`.
    pub fn add_body(&mut self, body: &Body) {
        if self.user.is_empty()
            && let Some(user) = body.field("user").and_then(Json::as_str)
        {
            self.user = word(&user.plain());
        }
        if self.tags.is_empty() {
            let tags = body.field("tags").or_else(|| body.field("metadata")?.field("tags"));
            let tags = tags.map(Json::items).unwrap_or_default();
            let tags: Vec<_> = tags.into_iter().filter_map(Json::as_str).map(|tag| tag.plain()).collect();
            self.tags = word(&tags.join(","));
        }
    }
}

fn word(text: &str) -> String {
    text.chars().take(MAX_WORD).collect()
}

/// Where attributes go: a name of [`ATTRIBUTES`] and a text.
pub type Tell<'t> = dyn FnMut(&'static str, &str) + 't;

/// Tells what is known before any attempt.
pub fn asked(operation: &str, route: &str, model: &str, stream: bool, who: &Who, tell: &mut Tell<'_>) {
    tell(OPERATION, operation);
    tell(ROUTE, route);
    tell(REQUEST_MODEL, model);
    flag(STREAM, stream, tell);
    for (name, value) in [(USER, &who.user), (TEAM, &who.team), (KEY, &who.key), (TAGS, &who.tags)] {
        text(name, Some(value), tell);
    }
}

/// Tells who is tried.
pub fn trying(provider: &str, target: &str, tell: &mut Tell<'_>) {
    tell(PROVIDER, vendor(provider));
    tell(TARGET, target);
}

/// Tells what an attempt has come to; `again` when it isn't the request's first, whose error may be known already.
pub fn attempted(tried: &Tried, again: bool, tell: &mut Tell<'_>) {
    seen(&tried.seen, tell);
    usage(tried.seen.usage, tell);
    answered(tried, tell);
    failed(tried.failure.map(Kind::label), again, tell);
}

/// Tells what a request has come to; `known` when its last attempt has told of itself already.
pub fn settled(measured: &Measurement<'_>, known: bool, tell: &mut Tell<'_>) {
    if !known {
        trying(measured.target.provider.name, &measured.target.id, tell);
        if let Some(last) = measured.last() {
            seen(&last.seen, tell);
            answered(last, tell);
        }
    }
    // With an estimate in it, where the attempt had none.
    if !known || measured.estimated || measured.before > 0 {
        usage(measured.usage, tell);
    }
    if measured.attempts.len() > 1 || measured.failure.is_some() {
        whole(STATUS, measured.status.into(), tell);
    }
    if let Some(nanoseconds) = measured.first_token {
        let microseconds = nanoseconds / 1000;
        tell(FIRST_TOKEN, &format!("{}.{:06}", microseconds / 1_000_000, microseconds % 1_000_000));
    }
    whole(ATTEMPTS, (measured.before + measured.attempts.len()) as u64, tell);
    if let Some(nanodollars) = measured.cost {
        tell(COST, &dollars(nanodollars));
    }
    flag(ESTIMATED, measured.estimated, tell);
    flag(UNPRICED, measured.usage.is_some() && measured.cost.is_none(), tell);
    failed(class(measured), measured.attempts.len() > 1, tell);
}

/// Of attempts that have failed before their client got anything, nothing is left to tell.
fn answered(tried: &Tried, tell: &mut Tell<'_>) {
    let captured = tried.captured.as_ref();
    let told = captured.and_then(|captured| captured.borrow().told(tried.seen.finish.as_deref()));
    text(OUTPUT_MESSAGES, told.as_deref(), tell);
}

fn seen(seen: &Seen, tell: &mut Tell<'_>) {
    text(RESPONSE_MODEL, seen.model.as_deref(), tell);
    text(RESPONSE_ID, seen.id.as_deref(), tell);
    text(FINISH, seen.finish.as_deref(), tell);
}

fn usage(usage: Option<Usage>, tell: &mut Tell<'_>) {
    let Some(usage) = usage else { return };
    whole(INPUT, usage.input, tell);
    whole(OUTPUT, usage.output, tell);
    for (name, count) in
        [(CACHE_READ, usage.cached), (CACHE_WRITE, usage.cache_write), (REASONING, usage.reasoning)]
    {
        if let Some(count) = count {
            whole(name, count, tell);
        }
    }
}

/// Filter state can't be taken back: what an earlier attempt has said of an error is made empty.
fn failed(class: Option<&str>, again: bool, tell: &mut Tell<'_>) {
    match class {
        Some(class) => tell(ERROR, class),
        None if again => tell(ERROR, ""),
        None => {}
    }
}

fn whole(name: &'static str, count: u64, tell: &mut Tell<'_>) {
    tell(name, &count.to_string());
}

/// The class of a request's error. Who went away before an answer is told apart: no provider has failed it.
fn class(measured: &Measurement<'_>) -> Option<&'static str> {
    match (measured.failure, measured.status) {
        (Some(kind), _) => Some(kind.label()),
        (None, 0) => Some("client_closed"),
        (None, 1..400) => None,
        (None, status) => Some(Kind::of_status(status).label()),
    }
}

fn text(name: &'static str, value: Option<&str>, tell: &mut Tell<'_>) {
    if let Some(value) = value.filter(|value| !value.is_empty()) {
        tell(name, value);
    }
}

fn flag(name: &'static str, is: bool, tell: &mut Tell<'_>) {
    if is {
        tell(name, "true");
    }
}

/// A provider's name as OpenTelemetry has it; its own where OpenTelemetry has none.
#[must_use]
pub fn vendor(name: &str) -> &str {
    // bedrock_invoke and the like are rows of the same vendor.
    let known = |beginning: &str| {
        name.strip_prefix(beginning).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
    };
    match name {
        "azure_ai" => "azure.ai.inference",
        "xai" => "x_ai",
        _ if known("bedrock") => "aws.bedrock",
        _ if known("azure") => "azure.ai.openai",
        _ if known("vertex_ai") => "gcp.vertex_ai",
        _ if known("gemini") => "gcp.gemini",
        _ if known("mistral") => "mistral_ai",
        _ if known("watsonx") => "ibm.watsonx.ai",
        _ => name,
    }
}
