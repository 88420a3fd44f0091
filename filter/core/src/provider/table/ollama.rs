//! Ollama, by its own API and by its OpenAI-compatible one (an `api_base` that ends in `/v1`).

use super::{COMPATIBLE, HINTS};
use crate::dialect;
use crate::for_people;
use crate::openai::{Param, ParamSet};
use crate::provider::{EmbeddingQuirks, Provider, Quirks, When};
use crate::wire::Framing;

const OPENAI_ENDPOINT: Provider = Provider {
    name: "ollama_openai",
    label: "Ollama's OpenAI endpoint",
    base: "http://localhost:11434/v1",
    base_suffix: "/v1",
    completions: "/completions",
    key_env: &["OLLAMA_API_KEY"],
    quirks: &Quirks {
        // It reads the body into a struct: what it does not know is dropped there without a word.
        unsupported: ParamSet::of(&[Param::N, Param::LogitBias, Param::ToolChoice]),
        ignored: HINTS,
        rename: &[("max_completion_tokens", "max_tokens")],
        reasoning: "reasoning",
        key_optional: true,
        embeddings: EmbeddingQuirks { ignored: &["user"], ..EmbeddingQuirks::BASE64 },
        ..Quirks::NONE
    },
    docs: for_people("https://docs.ollama.com/api/openai-compatibility"),
    ..COMPATIBLE
};

pub(super) static ROWS: &[Provider] = &[
    Provider {
        name: "ollama",
        aliases: &["ollama_chat"],
        label: "Ollama",
        dialect: &dialect::ollama::OLLAMA,
        base: "http://localhost:11434",
        instead: &[(When::Base("/v1"), &OPENAI_ENDPOINT)],
        chat: "/api/chat",
        embeddings: "/api/embed",
        framing: Framing::Ndjson,
        key_env: &["OLLAMA_API_KEY"],
        base_env: &["OLLAMA_API_BASE"],
        quirks: &Quirks { ignored: HINTS, key_optional: true, ..Quirks::NONE },
        docs: for_people("https://docs.ollama.com/api/chat"),
        ..COMPATIBLE
    },
    OPENAI_ENDPOINT,
];
