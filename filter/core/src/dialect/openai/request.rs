//! The request, written back field by field in the client's order, with only those edited that must change.

use super::messages;
use crate::config::Target;
use crate::json::{Json, Out, Str};
use crate::openai::params::GATEWAY_ONLY;
use crate::openai::{ChatRequest, Param};

/// What OpenAI's reasoning models refuse while they reason.
/// Source: <https://platform.openai.com/docs/guides/latest-model#gpt-5-parameter-compatibility>.
const NOT_WHILE_REASONING: &[&str] = &[
    "temperature",
    "top_p",
    "presence_penalty",
    "frequency_penalty",
    "logprobs",
    "top_logprobs",
    "logit_bias",
    "stop",
];

struct Writer<'r, 'a> {
    request: &'r ChatRequest<'a>,
    to: &'r Target,
    model: String,
    /// Whether the stream options are ours to write.
    usage: bool,
    /// The model reasons, so it takes `max_completion_tokens` only.
    reasons: bool,
    /// Parameters that it then refuses are left out.
    plain: bool,
}

pub(super) fn encode(request: &ChatRequest<'_>, to: &Target, body: &mut Vec<u8>) {
    let writer = Writer::of(request, to);
    body.open(b'{');
    for (key, value) in &request.fields {
        writer.field(*key, *value, body);
    }
    if writer.usage {
        stream_options(request, body);
    }
    for (name, value) in to.provider.quirks.fixed {
        body.field(name, Json::trusted(value));
    }
    body.close(b'}');
}

/// Whether [`encode`] would only write back what the client sent. A large body that passes is neither copied nor put in its
/// own place: of 110 KB, that is a fifth of what the filter costs.
pub(super) fn passes(request: &ChatRequest<'_>, to: &Target) -> bool {
    let writer = Writer::of(request, to);
    let same = |(key, value): &(Str<'_>, Json<'_>)| {
        let name = &*key.plain();
        !writer.left_out(name, *value) && writer.keeps(name, *value)
    };
    !request.is_edited()
        && !writer.usage
        && to.provider.quirks.fixed.is_empty()
        && request.fields.iter().all(same)
}

/// Whether a model that can reason will. From GPT-5.1 on it does so only when asked to; chat models of that name never do.
fn reasons_now(model: &str, request: &ChatRequest<'_>) -> bool {
    if model.contains("-chat") {
        return false;
    }
    match request.param(Param::ReasoningEffort).and_then(Json::as_str) {
        Some(effort) => !effort.is("none"),
        None => !model.starts_with("gpt-5."),
    }
}

impl<'r, 'a> Writer<'r, 'a> {
    fn of(request: &'r ChatRequest<'a>, to: &'r Target) -> Self {
        let quirks = &to.provider.quirks;
        let name = request.model.plain();
        let model = name.rsplit('/').next().unwrap_or(&name).to_owned();
        let begins = |prefixes: &[&str]| prefixes.iter().any(|prefix| model.starts_with(prefix));
        let silent = quirks.unsupported.and(quirks.ignored);
        let reasons = begins(quirks.reasoning_models);
        let plain = reasons && to.drop_params && reasons_now(&model, request);
        // A server that refuses stream options at all: the config says so.
        let refused = to.additional_drop_params.iter().any(|name| name == Param::StreamOptions.name());
        let usage = request.stream && !refused && !silent.has(Param::StreamOptions);
        Self { request, to, model, usage, reasons, plain }
    }

    /// Whether a field that is not left out is written back as it came.
    fn keeps(&self, name: &str, value: Json<'_>) -> bool {
        let quirks = &self.to.provider.quirks;
        !quirks.rename.iter().any(|(from, _)| *from == name)
            && match name {
                "model" => value.as_str().is_some_and(|model| model.raw() == self.request.model.raw()),
                "messages" => messages::messages_pass(self.request, self.to),
                "tools" => messages::tools_pass(self.request, self.to),
                "max_tokens" => !self.reasons,
                "temperature" => !self.too_hot(value),
                "reasoning_effort" => !quirks.thinking_switch,
                "tool_choice" => quirks.tool_choice_word.is_empty() || value.as_str().is_none(),
                _ => true,
            }
    }

    fn field(&self, key: Str<'_>, value: Json<'_>, body: &mut Vec<u8>) {
        let quirks = &self.to.provider.quirks;
        let name = &*key.plain();
        if self.left_out(name, value) {
            return;
        }
        if self.keeps(name, value) {
            body.token(key);
            body.push(b':');
            return body.raw(value.text());
        }
        match name {
            "model" => {
                let renamed = quirks.rename.iter().find(|(from, _)| *from == "model");
                body.field_token(renamed.map_or("model", |(_, to)| *to), self.request.model);
            }
            "messages" => messages::messages(value, self.request, self.to, body),
            "tools" => messages::tools(value, self.request, self.to, body),
            // OpenAI's reasoning models refuse the old name of the limit.
            "max_tokens" if self.reasons => body.field("max_completion_tokens", value),
            "temperature" if self.too_hot(value) => body.field(name, Json::trusted(quirks.max_temperature)),
            "reasoning_effort" if quirks.thinking_switch => self.effort(value, body),
            "tool_choice" if !quirks.tool_choice_word.is_empty() && value.as_str().is_some() => {
                body.field(quirks.tool_choice_word, value);
            }
            _ => match quirks.rename.iter().find(|(from, _)| *from == name) {
                // A client that sends both names of one parameter means the one that needs no renaming.
                Some((_, to)) if self.request.fields.iter().any(|(key, _)| key.is(to)) => {}
                Some((_, to)) => body.field(to, value),
                None => {
                    body.token(key);
                    body.push(b':');
                    body.raw(value.text());
                }
            },
        }
    }

    fn left_out(&self, name: &str, value: Json<'_>) -> bool {
        let quirks = &self.to.provider.quirks;
        let stored = || self.request.param(Param::Store).and_then(Json::as_bool) == Some(true);
        let fixed = |prefixes: &[&str]| prefixes.iter().any(|prefix| self.model.starts_with(prefix));
        GATEWAY_ONLY.contains(&name)
            || (self.usage && name == "stream_options")
            || quirks.fixed.iter().any(|(fixed, _)| *fixed == name)
            // LiteLLM's users put their own notes into `metadata`.
            || (name == "metadata" && quirks.metadata_with_store && !stored())
            || (name == "temperature" && fixed(quirks.fixed_temperature))
            || (self.plain && NOT_WHILE_REASONING.contains(&name) && !(name == "temperature" && value.as_f64() == Some(1.0)))
    }

    fn too_hot(&self, temperature: Json<'_>) -> bool {
        let limit = Json::trusted(self.to.provider.quirks.max_temperature).as_f64();
        limit.zip(temperature.as_f64()).is_some_and(|(limit, asked)| asked > limit)
    }

    /// The effort as a switch, unless the client has set the switch itself.
    fn effort(&self, effort: Json<'_>, body: &mut Vec<u8>) {
        let off = effort.as_str().is_some_and(|word| word.is("none"));
        if !effort.is_null() && self.request.field("thinking").is_none() {
            let switch = if off { r#"{"type":"disabled"}"# } else { r#"{"type":"enabled"}"# };
            body.field("thinking", Json::trusted(switch));
        }
        if self.to.provider.quirks.effort_levels && !off {
            body.field("reasoning_effort", effort);
        }
    }
}

/// The client's stream options, with the usage chunk asked for: without it nobody can count what a stream used.
fn stream_options(request: &ChatRequest<'_>, body: &mut Vec<u8>) {
    body.key("stream_options");
    body.open(b'{');
    for (key, value) in request.param(Param::StreamOptions).map(Json::fields).unwrap_or_default() {
        if !key.is("include_usage") {
            body.token(key);
            body.push(b':');
            body.raw(value.text());
        }
    }
    body.key("include_usage");
    body.raw("true");
    body.close(b'}');
}
