//! Routes, and how a target is chosen on them, as the plugin's config says it: strategies, tags, cooldowns, stickiness.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What holds for the choice on every route.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RoutingConfig {
    /// How the first target of a request is picked.
    #[serde(skip_serializing_if = "is_default")]
    pub strategy: Strategy,
    /// How long a measured latency counts, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_ttl_ms: Option<u64>,
    /// Targets count as equally fast up to this many percent above the fastest.
    #[serde(skip_serializing_if = "is_default")]
    pub latency_buffer_percent: u64,
    /// Whether tags decide who may use a target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<TagMatch>,
    /// When a target that fails is left alone.
    #[serde(skip_serializing_if = "is_default")]
    pub cooldown: CooldownConfig,
    /// What keeps requests on one target; the first of these that a request has.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sticky: Vec<StickyKey>,
}

/// How the first target of a request is picked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// At random, by weight.
    #[default]
    Shuffle,
    /// The one with the fewest requests under way.
    LeastBusy,
    /// The fastest.
    Latency,
    /// The cheapest.
    Cost,
    /// The one that has used the smallest share of its limits in this minute.
    Usage,
}

/// Which of a request's tags a target must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TagMatch {
    /// One is enough.
    Any,
    /// All.
    All,
}

/// When a target that fails is left alone, and for how long.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CooldownConfig {
    /// Never.
    #[serde(skip_serializing_if = "is_default")]
    pub off: bool,
    /// For how long, in milliseconds; a provider's `retry-after` or 5 s when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ms: Option<u64>,
    /// Failures in a minute that are borne; a share of the requests when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_fails: Option<u32>,
    /// The same, by LiteLLM's name for the class of the failure (`RateLimitErrorAllowedFails`).
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub allowed_fails_policy: BTreeMap<String, u32>,
}

/// What keeps requests on one target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StickyKey {
    /// The session that the client names: LiteLLM's session headers, `litellm_session_id`, `metadata.session_id`.
    Session,
    /// OpenAI's `user`.
    User,
    /// A header of this name.
    Header(String),
}

/// A model name that clients ask for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteConfig {
    /// The name; one `*` stands for any characters.
    pub name: String,
    /// Whether `/v1/models` leaves it out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hidden: bool,
    /// Its targets.
    pub targets: Vec<RouteTargetConfig>,
    /// What keeps requests on one target, where that isn't as on other routes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sticky: Option<Vec<StickyKey>>,
    /// When a second target is asked beside the first.
    #[serde(default, skip_serializing_if = "is_default")]
    pub hedge: HedgeConfig,
}

/// How long the first target may say nothing before a second is asked beside it, in milliseconds; never when absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HedgeConfig {
    /// Until a stream's first token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_token_ms: Option<u64>,
    /// Until a whole reply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_ms: Option<u64>,
}

/// A target of a route.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteTargetConfig {
    /// The `id` of the target.
    pub target: String,
    /// The cluster that tries this target first.
    pub cluster: String,
    /// The cluster that tries it first where a second target may be asked beside it; empty where none may.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hedged: String,
    /// Its share of the requests, relative to the other targets of its tier.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub weight: u64,
    /// Its tier: the lowest is tried first.
    #[serde(default, skip_serializing_if = "is_default")]
    pub order: i64,
    /// How long an attempt may take until its reply's head is there, in milliseconds; Envoy's route decides when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// The same for a stream, whose head is there with its first token; like others when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream_timeout_ms: Option<u64>,
    /// What else the choice must know.
    #[serde(default, skip_serializing_if = "is_default")]
    pub member: MemberConfig,
}

const fn one() -> u64 {
    1
}

#[allow(clippy::trivially_copy_pass_by_ref)]
const fn is_one(weight: &u64) -> bool {
    *weight == 1
}

/// Where a copy of a request goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MirrorConfig {
    /// The clusters of the silent model's targets, one of which gets it.
    pub clusters: Vec<String>,
    /// How many of a hundred requests are copied.
    pub percent: u64,
}

/// What the choice must know of a target, where it isn't the usual.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MemberConfig {
    /// Who may use it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Requests that it may get in a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rpm: Option<u64>,
    /// Tokens that it may use in a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tpm: Option<u64>,
    /// Where a copy of its requests goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirror: Option<MirrorConfig>,
    /// When it is left alone, where that isn't as for others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cooldown: Option<CooldownConfig>,
    /// How often a request that fails at it first is repeated, where that isn't as for others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retries: Option<u32>,
}

pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
