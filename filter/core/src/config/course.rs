//! What is tried when an attempt fails, as the plugin's config says it: retries, fallbacks, timeouts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How often an attempt is repeated, unless the config says otherwise: LiteLLM's default.
pub const DEFAULT_RETRIES: u32 = 2;
/// How many models may stand in for one another in one request, unless the config says otherwise: LiteLLM's default.
pub const DEFAULT_FALLBACKS: u32 = 5;
/// How long a request may take unless the config says otherwise, in milliseconds: LiteLLM's 6000 s.
pub const DEFAULT_TIMEOUT_MS: u64 = 6_000_000;

/// Model names with those that stand in for them.
pub type Stands = BTreeMap<String, Vec<String>>;

/// What is tried when an attempt fails.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CourseConfig {
    /// How often a failed attempt is repeated within a model's targets.
    pub retries: u32,
    /// The same, by LiteLLM's name for the class of the failure (`RateLimitErrorRetries`).
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub retry_policy: BTreeMap<String, u32>,
    /// The same, by model.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub model_retry_policy: BTreeMap<String, BTreeMap<String, u32>>,
    /// The least time before the same target is asked again, in milliseconds.
    #[serde(skip_serializing_if = "is_zero")]
    pub retry_after_ms: u64,
    /// How long an attempt may take unless its target says otherwise, in milliseconds.
    pub timeout_ms: u64,
    /// How many models may stand in for one another in one request.
    pub max_fallbacks: u32,
    /// What stands in for a model that fails; `*` is any.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub fallbacks: Stands,
    /// What stands in for a model whose window is too small.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub context_window_fallbacks: Stands,
    /// What stands in for a model whose policy refuses the content.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub content_policy_fallbacks: Stands,
    /// Whether a prompt is held against a model's window before it is sent.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub check_windows: bool,
}

impl Default for CourseConfig {
    fn default() -> Self {
        Self {
            retries: DEFAULT_RETRIES,
            retry_policy: BTreeMap::new(),
            model_retry_policy: BTreeMap::new(),
            retry_after_ms: 0,
            timeout_ms: DEFAULT_TIMEOUT_MS,
            max_fallbacks: DEFAULT_FALLBACKS,
            fallbacks: BTreeMap::new(),
            context_window_fallbacks: BTreeMap::new(),
            content_policy_fallbacks: BTreeMap::new(),
            check_windows: false,
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref)]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}
