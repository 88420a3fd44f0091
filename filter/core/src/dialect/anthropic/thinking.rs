//! How much the model thinks, and what that leaves of the other parameters.
//!
//! Sources: <https://platform.claude.com/docs/en/build-with-claude/thinking>,
//! <https://platform.claude.com/docs/en/build-with-claude/effort>.
//! The budgets behind `reasoning_effort` are LiteLLM's.

use super::model::{Model, Off, Thinks};
use crate::config::Target;
use crate::dialect::unsupported;
use crate::error::Error;
use crate::json::{Json, Out, Str};
use crate::openai::request::wrong;
use crate::openai::{ChatRequest, Param};

/// What is asked of the model's thinking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Thinking<'a> {
    /// Nothing.
    Unasked,
    /// What the client wrote in Anthropic's own form.
    Given(Json<'a>),
    /// This many tokens at most.
    Budget(u64),
    /// As the model sees fit.
    Adaptive,
    /// A `thinking` of this type and nothing more.
    Type(&'static str),
}

/// The limit on output tokens, thinking, and effort: they depend on each other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Thought<'a> {
    pub thinking: Thinking<'a>,
    pub effort: Option<&'static str>,
    limit: Limit,
}

#[derive(Clone, Copy, Debug)]
enum Limit {
    Given(u64),
    Default(u64),
}

/// The least budget that Anthropic takes.
const LEAST: u64 = 1024;

/// What a budget leaves for the answer when the client gives no limit.
const ANSWER: u64 = 4096;

/// Efforts and their budgets, ascending.
const BUDGETS: &[(&str, u64)] =
    &[("minimal", LEAST), ("low", LEAST), ("medium", 2048), ("high", 4096), ("xhigh", 8192), ("max", 16384)];

impl<'a> Thought<'a> {
    /// Reads what the client wants. `forced` says that it makes the model call a tool, `lost` that an earlier turn's
    /// reasoning was not sent back: neither goes with a thinking budget, and both matter more than an effort.
    ///
    /// # Errors
    /// A client error when a parameter is malformed.
    pub fn read(
        request: &ChatRequest<'a>,
        model: Model,
        to: &Target,
        forced: bool,
        lost: bool,
    ) -> Result<Self, Error> {
        let given = limit(request)?;
        let limit = match given {
            Some(tokens) => Limit::Given(tokens),
            None => Limit::Default(to.max_output_tokens.unwrap_or_else(|| model.max_tokens())),
        };
        let mut effort = effort(request)?;
        if effort.is_some_and(|effort| effort != "none") && !model.can_think() {
            if !to.drop_params {
                return Err(unsupported(Param::ReasoningEffort, to));
            }
            effort = None;
        }
        let mut thought = Self { thinking: Thinking::Unasked, effort: None, limit };
        if let Some(own) = request.field("thinking") {
            thought.take(own, effort, model);
        } else if let Some(effort) = effort {
            thought.ask(effort, given, model, forced, lost);
        }
        Ok(thought)
    }

    /// A `thinking` in Anthropic's form. Models that no longer know budgets get the effort that stands for it.
    fn take(&mut self, own: Json<'a>, effort: Option<&'static str>, model: Model) {
        let budget = own.field("budget_tokens").and_then(Json::as_u64);
        let adaptive = model.thinks() == Thinks::Adaptive;
        self.effort =
            effort.filter(|effort| adaptive && *effort != "none").map(|effort| model.effort(effort));
        match budget {
            Some(budget) if !model.takes_budget() => {
                let found = BUDGETS.iter().rfind(|(_, tokens)| *tokens <= budget);
                self.effort = self.effort.or_else(|| found.map(|(name, _)| model.effort(name)));
                self.thinking = Thinking::Adaptive;
            }
            _ => {
                self.thinking = Thinking::Given(own);
                self.raise(budget.unwrap_or(0));
            }
        }
    }

    /// An effort in OpenAI's terms.
    fn ask(&mut self, effort: &'static str, limit: Option<u64>, model: Model, forced: bool, lost: bool) {
        if effort == "none" {
            match model.thinking_off() {
                Off::Unasked => {}
                Off::Type(kind) => self.thinking = Thinking::Type(kind),
                Off::Never => self.effort = Some("low"),
            }
            return;
        }
        if model.thinks() == Thinks::Adaptive {
            self.effort = Some(model.effort(effort));
            if !forced {
                self.thinking = Thinking::Adaptive;
            }
            return;
        }
        let budget = BUDGETS.iter().find(|(name, _)| *name == effort).map_or(LEAST, |(_, tokens)| *tokens);
        // OpenAI's limit counts reasoning too, so the budget yields to it: half of it at most, or no thinking at all.
        let budget = match limit {
            Some(limit) if limit <= LEAST => return,
            Some(limit) if budget >= limit => (limit / 2).max(LEAST),
            _ => budget,
        };
        if !forced && !lost {
            self.thinking = Thinking::Budget(budget);
            self.raise(budget);
        }
    }

    /// A limit of our own choice leaves room for an answer behind the thinking.
    fn raise(&mut self, budget: u64) {
        if let Limit::Default(limit) = &mut self.limit
            && budget > 0
        {
            *limit = (*limit).max(budget.saturating_add(ANSWER));
        }
    }

    /// Whether the model thinks: then it samples as it likes, and can't be made to call a tool.
    pub fn on(&self) -> bool {
        match self.thinking {
            Thinking::Budget(_) | Thinking::Adaptive => true,
            Thinking::Given(own) => {
                let kind = own.field("type").and_then(Json::as_str);
                kind.is_some_and(|kind| kind.is("enabled") || kind.is("adaptive"))
            }
            Thinking::Unasked | Thinking::Type(_) => false,
        }
    }

    /// Writes `max_tokens` and `thinking`.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self.limit {
            Limit::Given(tokens) | Limit::Default(tokens) => out.field_number("max_tokens", tokens),
        }
        match self.thinking {
            Thinking::Unasked => {}
            Thinking::Given(own) => out.field("thinking", own),
            Thinking::Budget(tokens) => {
                out.key("thinking");
                out.open(b'{');
                out.field_text("type", "enabled");
                out.field_number("budget_tokens", tokens);
                out.close(b'}');
            }
            // Without `display` the newer models keep their thoughts to themselves.
            Thinking::Adaptive => {
                out.field("thinking", Json::trusted(r#"{"type":"adaptive","display":"summarized"}"#));
            }
            Thinking::Type(kind) => {
                out.key("thinking");
                out.open(b'{');
                out.field_text("type", kind);
                out.close(b'}');
            }
        }
    }
}

/// The client's limit on output tokens.
fn limit(request: &ChatRequest<'_>) -> Result<Option<u64>, Error> {
    let Some(given) = request.max_output() else { return Ok(None) };
    given.as_u64().map(Some).ok_or_else(|| wrong("max_tokens", "a whole number"))
}

/// The client's effort: OpenAI's words, and those that LiteLLM adds.
fn effort(request: &ChatRequest<'_>) -> Result<Option<&'static str>, Error> {
    let Some(value) = request.param(Param::ReasoningEffort) else { return Ok(None) };
    let word = value.as_str().or_else(|| value.field("effort").and_then(Json::as_str));
    let word = word.unwrap_or(Str::literal(""));
    let known = ["none", "minimal", "low", "medium", "high", "xhigh", "max"];
    match known.iter().find(|known| word.is(known)) {
        Some(known) => Ok(Some(known)),
        // "disable" is LiteLLM's.
        None if word.is("disable") => Ok(Some("none")),
        None if word.is("default") => Ok(None),
        None => Err(wrong(
            "reasoning_effort",
            "\"none\", \"minimal\", \"low\", \"medium\", \"high\", \"xhigh\" or \"max\"",
        )),
    }
}

/// Writes `temperature`, `top_p` and `top_k`, where model and thinking let them be set. A value that changes nothing is
/// left out, one that can't be honoured is refused or dropped.
/// <https://platform.claude.com/docs/en/build-with-claude/extended-thinking#feature-compatibility>
///
/// # Errors
/// A client error when a value is no number or can't be honoured.
pub(super) fn write_sampling(
    request: &ChatRequest<'_>,
    model: Model,
    thinks: bool,
    to: &Target,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    let temperature = request.number(Param::Temperature)?;
    let top_p = request.number(Param::TopP)?;
    let settle = |asked: Option<f64>, param, thinkable: fn(f64) -> bool| match asked {
        Some(value) if model.samples() && (!thinks || thinkable(value)) => Ok(Some(value)),
        // One is the default of both.
        Some(value) if value != 1.0 && !to.drop_params => Err(unsupported(param, to)),
        _ => Ok(None),
    };
    let mut temperature = settle(temperature, Param::Temperature, |_| false)?;
    let mut top_p = settle(top_p, Param::TopP, |value| value >= 0.95)?;
    if temperature.is_some() && top_p.is_some() && !model.samples_by_both() {
        match (temperature, top_p) {
            (_, Some(1.0)) => top_p = None,
            (Some(1.0), _) => temperature = None,
            _ if to.drop_params => top_p = None,
            _ => return Err(unsupported(Param::TopP, to)),
        }
    }
    if let (Some(value), Some(text)) = (temperature, request.param(Param::Temperature)) {
        // OpenAI's scale goes to 2, Anthropic's to 1.
        match value {
            value if value > 1.0 => out.field("temperature", Json::trusted("1")),
            value if value < 0.0 => out.field("temperature", Json::trusted("0")),
            _ => out.field("temperature", text),
        }
    }
    if let (Some(_), Some(text)) = (top_p, request.param(Param::TopP)) {
        out.field("top_p", text);
    }
    if let Some(top_k) = request.field("top_k").filter(|_| !to.drop_params || (model.samples() && !thinks)) {
        out.field("top_k", top_k);
    }
    Ok(())
}
