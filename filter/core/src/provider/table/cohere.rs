//! Cohere, by its own API and by its OpenAI-compatible one.

use super::{COMPATIBLE, HINTS};
use crate::dialect;
use crate::for_people;
use crate::openai::{Param, ParamSet};
use crate::provider::{EmbeddingQuirks, Provider, Quirks, When};

const COMPATIBILITY: Provider = Provider {
    name: "cohere_openai",
    label: "Cohere's compatibility API",
    base: "https://api.cohere.ai/compatibility/v1",
    key_env: &["COHERE_API_KEY", "CO_API_KEY"],
    quirks: &Quirks {
        unsupported: ParamSet::of(&[
            Param::N,
            Param::LogitBias,
            Param::TopLogprobs,
            Param::ParallelToolCalls,
            Param::ServiceTier,
            Param::Store,
            Param::Modalities,
            Param::Audio,
            Param::Prediction,
        ]),
        ignored: HINTS,
        embeddings: EmbeddingQuirks { ignored: &["user"], ..EmbeddingQuirks::BASE64 },
        ..Quirks::NONE
    },
    docs: for_people("https://docs.cohere.com/docs/compatibility-api"),
    ..COMPATIBLE
};

pub(super) static ROWS: &[Provider] = &[
    Provider {
        name: "cohere",
        aliases: &["cohere_chat"],
        label: "Cohere",
        dialect: &dialect::cohere::COHERE,
        base: "https://api.cohere.com/v2",
        base_suffix: "/v2",
        instead: &[(When::Base("/compatibility/v1"), &COMPATIBILITY)],
        chat: "/chat",
        embeddings: "/embed",
        key_env: &["COHERE_API_KEY", "CO_API_KEY"],
        base_env: &["COHERE_API_BASE", "CO_API_URL"],
        rate_limits: &[
            ("x-trial-endpoint-call-limit", "x-ratelimit-limit-requests"),
            ("x-trial-endpoint-call-remaining", "x-ratelimit-remaining-requests"),
        ],
        quirks: &Quirks { ignored: HINTS, ..Quirks::NONE },
        docs: for_people("https://docs.cohere.com/reference/chat"),
        ..COMPATIBLE
    },
    COMPATIBILITY,
];
