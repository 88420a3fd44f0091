//! What Dragoman adds to LiteLLM's config: the section `dragoman`, which LiteLLM doesn't read.

use schemars::JsonSchema;
use serde::Deserialize;

/// Settings of Dragoman's own.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Dragoman {
    /// A request header whose value keeps requests on one target of their route while that is healthy: a tenant's or a
    /// conversation's name, for warm prompt caches. Stronger than LiteLLM's affinities.
    pub sticky_header: Option<String>,
}
