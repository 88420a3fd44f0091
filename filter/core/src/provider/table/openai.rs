//! OpenAI itself.

use super::COMPATIBLE;
use crate::for_people;
use crate::provider::{EmbeddingQuirks, Provider, Quirks, When};

const OPENAI: Provider = Provider {
    name: "openai",
    aliases: &["aiohttp_openai"],
    label: "OpenAI",
    base: "https://api.openai.com/v1",
    responses: "/responses",
    key_env: &["OPENAI_API_KEY"],
    base_env: &["OPENAI_BASE_URL", "OPENAI_API_BASE"],
    quirks: &Quirks {
        reasoning_models: &["o1", "o3", "o4", "gpt-5"],
        metadata_with_store: true,
        developer: true,
        // Its models take no reasoning back.
        reasoning: "",
        embeddings: EmbeddingQuirks::BASE64,
        ..Quirks::NONE
    },
    docs: for_people("https://platform.openai.com/docs/api-reference/chat"),
    ..COMPATIBLE
};

/// The models that go on with a prompt; all others only chat.
/// Source: <https://platform.openai.com/docs/models>.
const COMPLETING: Provider = Provider { completions: "/completions", ..OPENAI };

static COMPLETES: Provider = COMPLETING;

pub(super) static ROWS: &[Provider] = &[
    Provider {
        instead: &[(When::Model(&["gpt-3.5-turbo-instruct", "davinci-002", "babbage-002"]), &COMPLETES)],
        ..OPENAI
    },
    Provider {
        // LiteLLM's name for what only goes on with a prompt: such a model, or a server of one's own.
        name: "text-completion-openai",
        aliases: &[],
        label: "OpenAI, by completions",
        embeddings: "",
        responses: "",
        docs: for_people("https://platform.openai.com/docs/api-reference/completions"),
        ..COMPLETING
    },
];
