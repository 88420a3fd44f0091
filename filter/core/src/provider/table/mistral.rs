//! Mistral, and Codestral at its own address.

use super::COMPATIBLE;
use crate::dialect;
use crate::for_people;
use crate::openai::{Param, ParamSet};
use crate::provider::{Provider, Quirks};

/// Mistral's language at an address of the caller's.
const MISTRAL: Provider = Provider {
    dialect: &dialect::mistral::MISTRAL,
    // Any address of Mistral's goes on with its version.
    base_suffix: "/v1",
    quirks: &Quirks {
        ignored: ParamSet::of(&[Param::User, Param::SafetyIdentifier, Param::PromptCacheRetention]),
        ..Quirks::NONE
    },
    rate_limits: &[
        ("mistral-correlation-id", "x-request-id"),
        ("x-ratelimit-limit-req-minute", "x-ratelimit-limit-requests"),
        ("x-ratelimit-remaining-req-minute", "x-ratelimit-remaining-requests"),
        ("x-ratelimit-limit-tokens-minute", "x-ratelimit-limit-tokens"),
        ("x-ratelimit-remaining-tokens-minute", "x-ratelimit-remaining-tokens"),
    ],
    docs: for_people("https://docs.mistral.ai/api"),
    ..COMPATIBLE
};

pub(super) static ROWS: &[Provider] = &[
    Provider {
        name: "mistral",
        label: "Mistral AI",
        base: "https://api.mistral.ai/v1",
        key_env: &["MISTRAL_API_KEY", "MISTRAL_AZURE_API_KEY"],
        base_env: &["MISTRAL_API_BASE", "MISTRAL_AZURE_API_BASE"],
        ..MISTRAL
    },
    Provider {
        name: "codestral",
        label: "Mistral Codestral",
        base: "https://codestral.mistral.ai/v1",
        embeddings: "",
        key_env: &["CODESTRAL_API_KEY"],
        base_env: &["CODESTRAL_API_BASE"],
        docs: for_people("https://docs.mistral.ai/capabilities/code_generation"),
        ..MISTRAL
    },
];
