//! Google: the Gemini API, and Vertex AI with all that it serves.

use super::anthropic::CLAUDE;
use super::{COMPATIBLE, HINTS};
use crate::dialect;
use crate::for_people;
use crate::openai::{Param, ParamSet};
use crate::provider::auth::google;
use crate::provider::{Auth, Provider, Quirks, When};

/// What Gemini's language has no word for and needs none.
const GEMINI_QUIRKS: Quirks = Quirks { ignored: HINTS.and(ParamSet::of(&[Param::Store])), ..Quirks::NONE };

/// What all of Vertex AI has in common. A region has a host of its own, the multi-regions and `global` have others.
/// Source: <https://docs.cloud.google.com/vertex-ai/generative-ai/docs/learn/locations>.
const VERTEX: Provider = Provider {
    name: "vertex_ai",
    label: "Vertex AI",
    base: "https://{vertex_location}-aiplatform.googleapis.com",
    bases: &[
        ("vertex_location", "global", "https://aiplatform.googleapis.com"),
        ("vertex_location", "us", "https://aiplatform.us.rep.googleapis.com"),
        ("vertex_location", "eu", "https://aiplatform.eu.rep.googleapis.com"),
    ],
    auth: Auth::Google,
    key_env: &["GOOGLE_OAUTH_ACCESS_TOKEN"],
    settings: &[("vertex_project", ""), ("vertex_location", "us-central1"), (google::TOKEN_SOURCE, "")],
    embeddings: "",
    docs: for_people("https://docs.cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference"),
    ..COMPATIBLE
};

/// A model that was tuned or deployed, by its endpoint's number.
static VERTEX_ENDPOINT: Provider = Provider {
    label: "Vertex AI endpoint",
    dialect: &dialect::gemini::VERTEX,
    chat: "/v1/projects/{vertex_project}/locations/{vertex_location}/endpoints/{model}:generateContent",
    stream: "/v1/projects/{vertex_project}/locations/{vertex_location}/endpoints/{model}:streamGenerateContent?alt=sse",
    quirks: &GEMINI_QUIRKS,
    ..VERTEX
};

/// Claude, in Anthropic's own language.
/// Source: <https://platform.claude.com/docs/en/build-with-claude/claude-on-vertex-ai>.
static VERTEX_CLAUDE: Provider = Provider {
    label: "Claude on Vertex AI",
    dialect: &dialect::anthropic::IN_VERTEX,
    chat: "/v1/projects/{vertex_project}/locations/{vertex_location}/publishers/anthropic/models/{model}:rawPredict",
    stream: "/v1/projects/{vertex_project}/locations/{vertex_location}/publishers/anthropic/models/{model}:streamRawPredict",
    count_tokens: "/v1/projects/{vertex_project}/locations/{vertex_location}/publishers/anthropic/models/count-tokens:rawPredict",
    quirks: &CLAUDE,
    docs: for_people(
        "https://docs.cloud.google.com/vertex-ai/generative-ai/docs/partner-models/claude/use-claude",
    ),
    ..VERTEX
};

/// Open models that Vertex AI serves as a service, in OpenAI's language.
static VERTEX_OPEN_MODELS: Provider = Provider {
    label: "Vertex AI open models",
    chat: "/v1/projects/{vertex_project}/locations/{vertex_location}/endpoints/openapi/chat/completions",
    docs: for_people("https://docs.cloud.google.com/vertex-ai/generative-ai/docs/maas/call-open-model-apis"),
    ..VERTEX
};

pub(super) static ROWS: &[Provider] = &[
    Provider {
        name: "gemini",
        label: "Google Gemini",
        dialect: &dialect::gemini::GEMINI,
        base: "https://generativelanguage.googleapis.com/v1beta",
        chat: "/models/{model}:generateContent",
        stream: "/models/{model}:streamGenerateContent?alt=sse",
        embeddings: "/models/{model}:batchEmbedContents",
        count_tokens: "/models/{model}:countTokens",
        auth: Auth::Header("x-goog-api-key"),
        key_env: &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
        base_env: &["GEMINI_API_BASE"],
        quirks: &GEMINI_QUIRKS,
        docs: for_people("https://ai.google.dev/api/generate-content"),
        ..COMPATIBLE
    },
    Provider {
        aliases: &["vertex_ai_beta"],
        instead: &[
            (When::Model(&["claude"]), &VERTEX_CLAUDE),
            (When::Model(&["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]), &VERTEX_ENDPOINT),
            (
                When::Model(&[
                    "meta/",
                    "openai/",
                    "deepseek-ai/",
                    "qwen/",
                    "moonshotai/",
                    "minimaxai/",
                    "zai-org/",
                    "xai/",
                ]),
                &VERTEX_OPEN_MODELS,
            ),
        ],
        dialect: &dialect::gemini::VERTEX,
        chat: "/v1/projects/{vertex_project}/locations/{vertex_location}/publishers/google/models/{model}:generateContent",
        stream: "/v1/projects/{vertex_project}/locations/{vertex_location}/publishers/google/models/{model}:streamGenerateContent?alt=sse",
        embeddings: "/v1/projects/{vertex_project}/locations/{vertex_location}/publishers/google/models/{model}:predict",
        count_tokens: "/v1/projects/{vertex_project}/locations/{vertex_location}/publishers/google/models/{model}:countTokens",
        quirks: &GEMINI_QUIRKS,
        ..VERTEX
    },
];
