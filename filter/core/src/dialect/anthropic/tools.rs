//! Tools, which of them the model may or must call, and the form of its answer, which on older models is a tool too.
//!
//! Sources: <https://platform.claude.com/docs/en/agents-and-tools/tool-use/define-tools>,
//! <https://platform.claude.com/docs/en/build-with-claude/structured-outputs>.

use super::model::Model;
use super::schema::conform;
use super::turns::Conversation;
use crate::config::Target;
use crate::dialect::unsupported;
use crate::error::Error;
use crate::json::{Json, Out, Str};
use crate::openai::{ChatRequest, FunctionTool, Param, ResponseFormat, Tool, ToolChoice};

/// The tool whose input is the answer, where a model knows no other way to answer in JSON. Replies are told by this
/// name, so nothing has to be remembered between request and reply. LiteLLM's name for it.
pub(super) const ANSWER: &str = "json_tool_call";

/// What a model that can't be forced is told instead.
const ASKED: &str = r#"{"type":"text","text":"Give your answer by calling the tool json_tool_call once, and in no other way."}"#;

/// The tools of a request and how the model is to answer.
#[derive(Debug)]
pub(super) struct Toolbox<'a> {
    tools: Vec<Tool<'a>>,
    choice: Option<ToolChoice<'a>>,
    one_at_a_time: bool,
    answer: Answer<'a>,
    search: Option<Json<'a>>,
}

#[derive(Debug)]
enum Answer<'a> {
    Free,
    /// By a schema that the model follows.
    Schema(Json<'a>),
    /// As the input of a tool of our own.
    Tool {
        schema: Option<Json<'a>>,
        description: Option<Str<'a>>,
    },
}

impl<'a> Toolbox<'a> {
    /// Reads tools, choice and form.
    ///
    /// # Errors
    /// A client error when one is malformed or can't be honoured.
    pub fn read(request: &ChatRequest<'a>, model: Model, to: &Target) -> Result<Self, Error> {
        let tools = request.tools()?;
        let mut choice = request.tool_choice()?.filter(|_| !tools.is_empty());
        if matches!(choice, Some(ToolChoice::Required | ToolChoice::Named(_))) && !model.can_be_forced() {
            if !to.drop_params {
                return Err(unsupported(Param::ToolChoice, to));
            }
            choice = None;
        }
        let forced = matches!(choice, Some(ToolChoice::Required | ToolChoice::Named(_)));
        let answer = match request.response_format()? {
            None => Answer::Free,
            Some(ResponseFormat::JsonSchema { schema, .. }) if model.follows_schemas() => {
                Answer::Schema(schema)
            }
            // Who makes the model call a tool wants no answer in words.
            Some(_) if forced => Answer::Free,
            Some(ResponseFormat::JsonSchema { schema, description, .. }) => {
                Answer::Tool { schema: Some(schema), description }
            }
            Some(ResponseFormat::JsonObject) => Answer::Tool { schema: None, description: None },
        };
        Ok(Self {
            tools,
            choice,
            one_at_a_time: request.flag(Param::ParallelToolCalls)? == Some(false),
            answer,
            search: request.param(Param::WebSearchOptions),
        })
    }

    /// Whether the client makes the model call a tool.
    pub const fn forced(&self) -> bool {
        matches!(self.choice, Some(ToolChoice::Required | ToolChoice::Named(_)))
    }

    /// The schema of the answer.
    pub const fn schema(&self) -> Option<Json<'a>> {
        match self.answer {
            Answer::Schema(schema) => Some(schema),
            _ => None,
        }
    }

    /// Whether the model must be told in words how to answer. `thinks` says that it thinks, and so can't be forced.
    pub fn asks(&self, model: Model, thinks: bool) -> Option<Json<'static>> {
        let asks = matches!(self.answer, Answer::Tool { .. }) && (thinks || !model.can_be_forced());
        asks.then_some(Json::trusted(ASKED))
    }

    /// Writes `tools` and `tool_choice`.
    pub fn write(&self, model: Model, thinks: bool, history: &Conversation<'a>, out: &mut Vec<u8>) {
        let answers = matches!(self.answer, Answer::Tool { .. });
        if self.tools.is_empty() && self.search.is_none() && !answers {
            return write_history(history, out);
        }
        out.key("tools");
        out.open(b'[');
        for tool in &self.tools {
            match tool {
                Tool::Function(function) => write_function(function, model, out),
                Tool::Native(_, raw) => out.raw(raw.text()),
            }
        }
        if let Some(options) = self.search {
            write_search(options, out);
        }
        if let Answer::Tool { schema, description } = &self.answer {
            write_answer(*schema, *description, out);
        }
        out.close(b']');
        self.write_choice(answers, thinks || !model.can_be_forced(), out);
    }

    fn write_choice(&self, answers: bool, unforced: bool, out: &mut Vec<u8>) {
        let alone = self.tools.is_empty() || matches!(self.choice, Some(ToolChoice::None));
        let (kind, name) = match self.choice {
            _ if answers && unforced => ("auto", None),
            _ if answers && alone => ("tool", Some(Str::literal(ANSWER))),
            // One of the client's tools, or ours: the model answers or goes on.
            _ if answers => ("any", None),
            Some(ToolChoice::None) => ("none", None),
            Some(ToolChoice::Required) => ("any", None),
            Some(ToolChoice::Named(name)) => ("tool", Some(name)),
            Some(ToolChoice::Auto) => ("auto", None),
            None if self.one_at_a_time && !self.tools.is_empty() => ("auto", None),
            None => return,
        };
        out.key("tool_choice");
        out.open(b'{');
        out.field_text("type", kind);
        if let Some(name) = name {
            out.field_token("name", name);
        }
        if kind != "none" && (self.one_at_a_time || (answers && alone)) {
            out.field("disable_parallel_tool_use", Json::trusted("true"));
        }
        out.close(b'}');
    }
}

/// A history with calls needs their tools, even where the client no longer offers any: they are declared by name and
/// closed.
fn write_history(history: &Conversation<'_>, out: &mut Vec<u8>) {
    let mut names = history.called();
    if names.is_empty() && history.has_results() {
        names.push(Str::literal("unnamed"));
    }
    if names.is_empty() {
        return;
    }
    out.key("tools");
    out.open(b'[');
    for name in names {
        out.open(b'{');
        out.field_token("name", name);
        out.field("input_schema", Json::trusted(r#"{"type":"object"}"#));
        out.close(b'}');
    }
    out.close(b']');
    out.field("tool_choice", Json::trusted(r#"{"type":"none"}"#));
}

fn write_function(function: &FunctionTool<'_>, model: Model, out: &mut Vec<u8>) {
    let strict = function.strict == Some(true) && model.follows_schemas();
    out.open(b'{');
    out.field_token("name", function.name);
    if let Some(description) = function.description.filter(|text| !text.is_empty()) {
        out.field_token("description", description);
    }
    out.key("input_schema");
    match function.parameters {
        Some(schema) if strict => conform(schema, out),
        Some(schema) => write_schema(schema, out),
        None => out.raw(r#"{"type":"object","properties":{}}"#),
    }
    if strict {
        out.field("strict", Json::trusted("true"));
    }
    if let Some(cache) = function.cache_control {
        out.field("cache_control", cache);
    }
    out.close(b'}');
}

/// A schema as it is; its type, which Anthropic demands, is put where it is missing.
fn write_schema(schema: Json<'_>, out: &mut Vec<u8>) {
    if schema.field("type").is_some() {
        return out.raw(schema.text());
    }
    out.open(b'{');
    out.field_text("type", "object");
    for (key, value) in schema.fields() {
        out.token(key);
        out.push(b':');
        out.raw(value.text());
    }
    out.close(b'}');
}

fn write_answer(schema: Option<Json<'_>>, description: Option<Str<'_>>, out: &mut Vec<u8>) {
    out.open(b'{');
    out.field_text("name", ANSWER);
    match description {
        Some(description) => out.field_token("description", description),
        None => out.field_text("description", "Gives the answer as JSON."),
    }
    out.key("input_schema");
    match schema {
        Some(schema) => write_schema(schema, out),
        None => out.raw(r#"{"type":"object","additionalProperties":true}"#),
    }
    out.close(b'}');
}

/// OpenAI's web search as Anthropic's server tool. The number of searches is LiteLLM's.
/// Source: <https://platform.claude.com/docs/en/agents-and-tools/tool-use/web-search-tool>.
fn write_search(options: Json<'_>, out: &mut Vec<u8>) {
    out.open(b'{');
    out.field_text("type", "web_search_20250305");
    out.field_text("name", "web_search");
    let size = options.field("search_context_size").and_then(Json::as_str);
    let uses = [("low", 1), ("medium", 5), ("high", 10)];
    if let Some((_, uses)) = uses.iter().find(|(name, _)| size.is_some_and(|size| size.is(name))) {
        out.field_number("max_uses", *uses);
    }
    let place = options.field("user_location");
    if let Some(place) = place.map(|place| place.field("approximate").unwrap_or(place)) {
        out.key("user_location");
        out.open(b'{');
        out.field_text("type", "approximate");
        for name in ["city", "region", "country", "timezone"] {
            if let Some(value) = place.field(name).filter(|value| !value.is_null()) {
                out.field(name, value);
            }
        }
        out.close(b'}');
    }
    out.close(b'}');
}
