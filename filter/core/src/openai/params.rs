//! The parameters of OpenAI's chat completions, and of LiteLLM's dialect of it, as a table.
//!
//! Source: <https://platform.openai.com/docs/api-reference/chat/create>.

use crate::json::Json;

macro_rules! params {
    ($($(#[$meta:meta])* $variant:ident = $name:literal $(neutral $neutral:literal)*),* $(,)?) => {
        /// A parameter that OpenAI's chat completions define (`model` and `messages` are not parameters here).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Param { $($(#[$meta])* #[doc = concat!("`", $name, "`")] $variant),* }

        impl Param {
            /// Every parameter, in the enum's order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The name in the request body.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// The parameter called `name`.
            #[must_use]
            pub fn named(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }

            /// Whether `value` asks for nothing: what would happen without the parameter.
            #[must_use]
            pub fn neutral(self, value: Json<'_>) -> bool {
                value.is_null() || match self { $(Self::$variant => [$($neutral),*].contains(&value.text())),* }
            }
        }
    };
}

params! {
    Stream = "stream" neutral "false",
    StreamOptions = "stream_options" neutral "{}",
    MaxTokens = "max_tokens",
    MaxCompletionTokens = "max_completion_tokens",
    Temperature = "temperature",
    TopP = "top_p",
    N = "n" neutral "1",
    Stop = "stop" neutral "[]",
    Seed = "seed",
    PresencePenalty = "presence_penalty" neutral "0" neutral "0.0",
    FrequencyPenalty = "frequency_penalty" neutral "0" neutral "0.0",
    LogitBias = "logit_bias" neutral "{}",
    Logprobs = "logprobs" neutral "false",
    TopLogprobs = "top_logprobs" neutral "0",
    Tools = "tools" neutral "[]",
    ToolChoice = "tool_choice",
    ParallelToolCalls = "parallel_tool_calls" neutral "true",
    Functions = "functions" neutral "[]",
    FunctionCall = "function_call",
    ResponseFormat = "response_format" neutral "{\"type\":\"text\"}" neutral "{\"type\": \"text\"}",
    ReasoningEffort = "reasoning_effort",
    Verbosity = "verbosity" neutral "\"medium\"",
    User = "user",
    Metadata = "metadata" neutral "{}",
    ServiceTier = "service_tier" neutral "\"auto\"",
    Store = "store" neutral "false",
    Modalities = "modalities" neutral "[\"text\"]",
    Audio = "audio",
    Prediction = "prediction",
    WebSearchOptions = "web_search_options",
    SafetyIdentifier = "safety_identifier",
    PromptCacheKey = "prompt_cache_key",
    PromptCacheRetention = "prompt_cache_retention",
}

impl Param {
    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();

    /// The parameter's bit in a [`ParamSet`].
    #[must_use]
    pub const fn bit(self) -> u64 {
        1 << self as u8
    }
}

/// A set of parameters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ParamSet(u64);

impl ParamSet {
    /// No parameter.
    pub const NONE: Self = Self(0);
    /// Every parameter.
    pub const ALL: Self = Self(u64::MAX);

    /// The set of the given parameters.
    #[must_use]
    pub const fn of(params: &[Param]) -> Self {
        let mut bits = 0;
        let mut rest = params;
        while let [first, tail @ ..] = rest {
            bits |= first.bit();
            rest = tail;
        }
        Self(bits)
    }

    /// These and those.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// These without those.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether `param` is among them.
    #[must_use]
    pub const fn has(self, param: Param) -> bool {
        self.0 & param.bit() != 0
    }
}

/// Body fields that LiteLLM's gateway consumes and never forwards; nor do we.
pub const GATEWAY_ONLY: &[&str] = &[
    "fallbacks",
    "context_window_fallback_dict",
    "content_policy_fallbacks",
    "context_window_fallbacks",
    "disable_fallbacks",
    "mock_testing_fallbacks",
    "num_retries",
    "max_retries",
    "fastest_response",
    "retry_policy",
    "cooldown_time",
    "allowed_model_region",
    "tags",
    "litellm_metadata",
    "guardrails",
    "cache",
    "ttl",
    "caching",
    "no-log",
    "mock_response",
    "api_key",
    "api_base",
    "base_url",
    "api_version",
    "custom_llm_provider",
    "drop_params",
    "additional_drop_params",
    "allowed_openai_params",
    "litellm_session_id",
    "litellm_trace_id",
    "litellm_call_id",
    "timeout",
    "stream_timeout",
    "request_timeout",
    "extra_headers",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found() {
        for param in Param::ALL {
            assert_eq!(Param::named(param.name()), Some(*param));
        }
        const { assert!(Param::COUNT <= 64, "ParamSet has 64 bits") };
        assert!(Param::N.neutral(Json::trusted("1")) && !Param::N.neutral(Json::trusted("2")));
    }
}
