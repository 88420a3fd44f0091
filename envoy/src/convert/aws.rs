//! Targets whose requests Envoy's own filter signs.

use dragoman_core::config::Setting;

use crate::litellm::{AwsSigner, LitellmParams};

/// Whether a target's setting leaves the signing to Envoy.
pub fn is_envoy(signer: &Setting) -> bool {
    matches!(signer, Setting::Plain(name) if name == AwsSigner::Envoy.name())
}

/// The keys that an entry gives for signatures, or in their place, by LiteLLM's names.
pub fn keys(params: &LitellmParams) -> impl Iterator<Item = &'static str> {
    [
        ("api_key", &params.api_key),
        ("aws_access_key_id", &params.aws_access_key_id),
        ("aws_secret_access_key", &params.aws_secret_access_key),
        ("aws_session_token", &params.aws_session_token),
    ]
    .into_iter()
    .filter_map(|(name, value)| value.is_some().then_some(name))
}
