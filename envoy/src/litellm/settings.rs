//! The settings beside `model_list`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

/// Model names with the names of the models that stand in for them.
type Fallbacks = Vec<BTreeMap<String, Vec<String>>>;

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
    /// Models that stand in for a failing one.
    #[schemars(extend("x-class" = "later"))]
    pub fallbacks: Fallbacks,
    /// Models that stand in for any failing one.
    #[schemars(extend("x-class" = "later"))]
    pub default_fallbacks: Vec<String>,
    /// Models that stand in for one whose context window is too small.
    #[schemars(extend("x-class" = "later"))]
    pub context_window_fallbacks: Fallbacks,
    /// Models that stand in for one whose content policy refuses the request.
    #[schemars(extend("x-class" = "later"))]
    pub content_policy_fallbacks: Fallbacks,
    /// Failures per minute before a target is left alone for a while.
    #[schemars(extend("x-class" = "later"))]
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
    /// How often a failed request is tried again; 2 when absent, as in LiteLLM.
    pub num_retries: Option<u32>,
    /// The same as `litellm_settings.request_timeout`, in seconds; `litellm_settings.request_timeout` is stronger.
    #[schemars(range(min = 0.001))]
    pub timeout: Option<f64>,
    /// How long the first token of a stream may take, and how long it may fall silent after that, in seconds.
    #[schemars(range(min = 0.001))]
    pub stream_timeout: Option<f64>,
    /// The least time before the next try, in seconds.
    #[schemars(extend("x-class" = "later"))]
    pub retry_after: Option<f64>,
    /// How often each class of error is tried again.
    #[schemars(extend("x-class" = "later"))]
    pub retry_policy: BTreeMap<String, u32>,
    /// The same, by model.
    #[schemars(extend("x-class" = "later"))]
    pub model_group_retry_policy: BTreeMap<String, BTreeMap<String, u32>>,
    /// How many models stand in for one another in one request.
    #[schemars(extend("x-class" = "later"))]
    pub max_fallbacks: Option<u32>,
    /// Models that stand in for a failing one.
    #[schemars(extend("x-class" = "later"))]
    pub fallbacks: Fallbacks,
    /// Models that stand in for any failing one.
    #[schemars(extend("x-class" = "later"))]
    pub default_fallbacks: Vec<String>,
    /// Models that stand in for one whose context window is too small.
    #[schemars(extend("x-class" = "later"))]
    pub context_window_fallbacks: Fallbacks,
    /// Models that stand in for one whose content policy refuses the request.
    #[schemars(extend("x-class" = "later"))]
    pub content_policy_fallbacks: Fallbacks,
    /// Failures per minute before a target is left alone for a while.
    #[schemars(extend("x-class" = "later"))]
    pub allowed_fails: Option<u32>,
    /// The same, by class of error.
    #[schemars(extend("x-class" = "later"))]
    pub allowed_fails_policy: BTreeMap<String, u32>,
    /// How long a failing target is left alone, in seconds.
    #[schemars(extend("x-class" = "later"))]
    pub cooldown_time: Option<f64>,
    /// Never leave a target alone.
    #[schemars(extend("x-class" = "later"))]
    pub disable_cooldowns: bool,
    /// Check a request against the model's window before sending it.
    #[schemars(extend("x-class" = "later"))]
    pub enable_pre_call_checks: bool,
    /// Pick targets by tags.
    #[schemars(extend("x-class" = "later"))]
    pub enable_tag_filtering: bool,
    /// Whether one tag in common is enough.
    #[schemars(extend("x-class" = "later"))]
    pub tag_filtering_match_any: Option<bool>,
    /// What the strategy is told (`ttl`, `lowest_latency_buffer`...).
    #[schemars(extend("x-class" = "later"))]
    pub routing_strategy_args: BTreeMap<String, serde_json::Value>,
}

/// How the first target of a request is picked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// At random, by `weight`, else `rpm`, else `tpm`, else evenly.
    SimpleShuffle,
    /// The one with the fewest requests under way.
    LeastBusy,
    /// The fastest.
    LatencyBasedRouting,
    /// The cheapest.
    CostBasedRouting,
    /// The least used of its `tpm` and `rpm`.
    UsageBasedRouting,
    /// The least used of its `tpm` and `rpm`.
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
