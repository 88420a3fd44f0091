//! Anthropic itself, and what others who serve its language share with it.

use super::COMPATIBLE;
use crate::dialect;
use crate::for_people;
use crate::openai::{Param, ParamSet};
use crate::provider::{Auth, Provider, Quirks};

/// Hints that change no answer: Claude keeps nothing, and caches by breakpoints.
pub(super) const CLAUDE: Quirks = Quirks {
    ignored: ParamSet::of(&[
        Param::Store,
        Param::Prediction,
        Param::PromptCacheKey,
        Param::PromptCacheRetention,
    ]),
    ..Quirks::NONE
};

/// Anthropic's own Messages API.
pub(super) const MESSAGES: Provider = Provider {
    name: "anthropic",
    label: "Anthropic",
    dialect: &dialect::anthropic::ANTHROPIC,
    base: "https://api.anthropic.com/v1",
    base_suffix: "/v1",
    chat: "/messages",
    embeddings: "",
    count_tokens: "/messages/count_tokens",
    auth: Auth::Header("x-api-key"),
    key_env: &["ANTHROPIC_API_KEY"],
    base_env: &["ANTHROPIC_API_BASE", "ANTHROPIC_BASE_URL"],
    headers: &[("anthropic-version", "2023-06-01")],
    // Resets are left under their own names: Anthropic gives a date where OpenAI gives a duration.
    // <https://platform.claude.com/docs/en/api/rate-limits#response-headers>
    rate_limits: &[
        ("request-id", "x-request-id"),
        ("anthropic-ratelimit-requests-limit", "x-ratelimit-limit-requests"),
        ("anthropic-ratelimit-requests-remaining", "x-ratelimit-remaining-requests"),
        ("anthropic-ratelimit-tokens-limit", "x-ratelimit-limit-tokens"),
        ("anthropic-ratelimit-tokens-remaining", "x-ratelimit-remaining-tokens"),
    ],
    quirks: &CLAUDE,
    docs: for_people("https://platform.claude.com/docs/en/api/messages/create"),
    ..COMPATIBLE
};

pub(super) static ROWS: &[Provider] = &[MESSAGES];
