//! The settings beside `model_list`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

/// Model names with the names of the models that stand in for them.
pub type Fallbacks = Vec<BTreeMap<String, Vec<String>>>;

/// Settings of the translation.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LitellmSettings {
    /// Leave parameters out that a provider can't express, instead of refusing the request.
    pub drop_params: bool,
    /// How long an attempt may take until its reply begins to flow to the client, in seconds; 6000 when absent, as in LiteLLM.
    #[schemars(range(min = 0.001))]
    pub request_timeout: Option<f64>,
    /// How often a failed request is tried again; 2 when absent, as in LiteLLM.
    /// `router_settings.num_retries` is stronger.
    pub num_retries: Option<u32>,
    /// Write a JSON line for every request on Envoy's standard output.
    pub json_logs: bool,
    /// Tell what a stream costs in its usage, in dollars, to clients that ask for usage.
    pub include_cost_in_streaming_usage: bool,
    /// Where requests are told: `otel` sends traces to the collector that `OTEL_EXPORTER_OTLP_ENDPOINT` names (and
    /// `OTEL_EXPORTER_OTLP_PROTOCOL`, `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_SERVICE_NAME`, or LiteLLM's `OTEL_ENDPOINT`,
    /// `OTEL_EXPORTER`, `OTEL_HEADERS`); `langfuse_otel` to Langfuse, with `LANGFUSE_PUBLIC_KEY`, `LANGFUSE_SECRET_KEY` and
    /// `LANGFUSE_OTEL_HOST`; `prometheus` is always on, at Envoy's admin port. Others are ignored. `dragoman.traces` is
    /// stronger.
    pub callbacks: Vec<String>,
    /// The same as `callbacks`.
    pub success_callback: Vec<String>,
    /// Tell no log and no trace what prompts and answers say: none is told, so this is always so.
    pub turn_off_message_logging: bool,
    /// Models that stand in for a failing one, in order; `"*"` is any model that has no list of its own.
    /// `router_settings` is stronger, here as for the three keys below.
    pub fallbacks: Fallbacks,
    /// Models that stand in for any failing one.
    pub default_fallbacks: Vec<String>,
    /// Models that stand in for one whose context window is too small.
    pub context_window_fallbacks: Fallbacks,
    /// Models that stand in for one whose content policy refuses the request.
    pub content_policy_fallbacks: Fallbacks,
    /// Failures in a minute that are borne before a target is left alone for a while.
    /// `router_settings.allowed_fails` is stronger.
    pub allowed_fails: Option<u32>,
}

/// Settings of the choice among targets, and of what happens when one fails.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RouterSettings {
    /// How the first target of a request is picked.
    pub routing_strategy: Option<Strategy>,
    /// Other names for models: `alias: model_name`, or `alias: {model: model_name, hidden: true}`.
    pub model_group_alias: BTreeMap<String, Alias>,
    /// How often a failed request is tried again; 2 when absent, as in LiteLLM, 20 at most.
    pub num_retries: Option<u32>,
    /// The same as `litellm_settings.request_timeout`, in seconds; `litellm_settings.request_timeout` is stronger.
    #[schemars(range(min = 0.001))]
    pub timeout: Option<f64>,
    /// How long the first token of a stream may take, and how long it may fall silent after that, in seconds.
    #[schemars(range(min = 0.001))]
    pub stream_timeout: Option<f64>,
    /// The least time before a target is tried again, in seconds; another target is tried at once.
    #[schemars(range(min = 0))]
    pub retry_after: Option<f64>,
    /// How often each class of error is tried again: `BadRequestErrorRetries`, `AuthenticationErrorRetries`,
    /// `TimeoutErrorRetries`, `RateLimitErrorRetries`, `ContentPolicyViolationErrorRetries`, `InternalServerErrorRetries`,
    /// `ServiceUnavailableErrorRetries`, `NotFoundErrorRetries`, and `DefaultRetries` for the rest.
    /// Stronger than `num_retries`, a request's own included.
    pub retry_policy: BTreeMap<String, u32>,
    /// The same, by model.
    pub model_group_retry_policy: BTreeMap<String, BTreeMap<String, u32>>,
    /// How many models stand in for one another in one request; 5 when absent, as in LiteLLM.
    pub max_fallbacks: Option<u32>,
    /// Models that stand in for a failing one.
    pub fallbacks: Fallbacks,
    /// Models that stand in for any failing one.
    pub default_fallbacks: Vec<String>,
    /// Models that stand in for one whose context window is too small.
    pub context_window_fallbacks: Fallbacks,
    /// Models that stand in for one whose content policy refuses the request.
    pub content_policy_fallbacks: Fallbacks,
    /// Failures in a minute that are borne before a target is left alone for a while.
    /// Without this and the policy, a target is left alone after a 401, 402, 404 or 429, and when most of at least five
    /// requests in a minute fail; a route's only target after a 401 or 404, and when a thousand fail without a success.
    /// When all targets of a route are left alone, the one that comes back first is tried.
    pub allowed_fails: Option<u32>,
    /// The same, by class of error: `TimeoutErrorAllowedFails`, `RateLimitErrorAllowedFails`...
    pub allowed_fails_policy: BTreeMap<String, u32>,
    /// How long a failing target is left alone, in seconds; 5 when absent.
    /// The provider's `retry-after` is stronger, up to an hour, and the target's own `cooldown_time` stronger still.
    #[schemars(range(min = 0.001))]
    pub cooldown_time: Option<f64>,
    /// Never leave a target alone.
    pub disable_cooldowns: bool,
    /// Hold an estimate of a prompt's tokens against the window of each target (`model_info.max_input_tokens`, or what the
    /// price table says) before it is sent: those that are too small are not asked, and where all are, the models of
    /// `context_window_fallbacks` are.
    pub enable_pre_call_checks: bool,
    /// Let a request use only targets with its tags, which it gives as `tags` or `metadata.tags` in its body or in the header
    /// `x-litellm-tags`. Who shows no tag, or none that a target has, gets those tagged `default`.
    pub enable_tag_filtering: bool,
    /// Whether one tag in common is enough; true when absent.
    pub tag_filtering_match_any: Option<bool>,
    /// What the strategy is told.
    pub routing_strategy_args: StrategyArguments,
    /// The shares of a model's targets, by their `model_info.id`: `{model_name: {id: weight}}`. Stronger than `weight`.
    pub weights: BTreeMap<String, BTreeMap<String, u64>>,
    /// What keeps requests on one target while it is healthy: `session_affinity` (the session's name in
    /// `x-litellm-session-id`, `x-litellm-trace-id`, `x-session-id`, `litellm_session_id` or `metadata.session_id`),
    /// `deployment_affinity` (the body's `user`).
    pub optional_pre_call_checks: Vec<String>,
    /// The same, by model.
    pub model_group_affinity_config: BTreeMap<String, Vec<String>>,
}

/// What a strategy is told.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StrategyArguments {
    /// `latency-based-routing`: how long a measured latency counts, in seconds; 3600 when absent.
    #[schemars(range(min = 0.001))]
    pub ttl: Option<f64>,
    /// `latency-based-routing`: targets up to this share slower than the fastest count as equally fast; 0 when absent.
    #[schemars(range(min = 0, max = 1000))]
    pub lowest_latency_buffer: Option<f64>,
    /// The ten last latencies count.
    #[schemars(extend("x-class" = "quiet"))]
    pub max_latency_list_size: Option<u32>,
}

/// How the first target of a request is picked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// At random, by `weight`, else `rpm`, else `tpm`, else evenly.
    SimpleShuffle,
    /// The one with the fewest requests under way.
    LeastBusy,
    /// The fastest by its last ten replies: time to the first token for streams, time per token otherwise. Unknown targets
    /// are tried; those at their `tpm` or `rpm` are left out.
    LatencyBasedRouting,
    /// The one with the cheapest tokens; those at their `tpm` or `rpm` are left out.
    CostBasedRouting,
    /// The one that has used the smallest share of its `tpm` and `rpm` in this minute; those at them are left out.
    UsageBasedRouting,
    /// The same.
    UsageBasedRoutingV2,
}

/// What an alias stands for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Alias {
    /// A `model_name`.
    Name(String),
    /// A `model_name`, and whether the alias is hidden.
    Full {
        /// The `model_name`.
        model: String,
        /// Whether the list of models leaves the alias out.
        #[serde(default)]
        hidden: bool,
    },
}

/// Settings of the gateway.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GeneralSettings {
    /// The key that clients must show as `authorization: Bearer <key>`: `os.environ/NAME`, or the key itself.
    /// Without one, everybody who reaches the port is let in.
    #[schemars(extend("x-secret" = true))]
    pub master_key: Option<String>,
    /// The largest body of a request, in MiB; 32 when absent.
    #[schemars(range(min = 0.001, max = 1024))]
    pub max_request_size_mb: Option<f64>,
}
